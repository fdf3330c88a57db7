//! The options of `run` and `create` that say which network the container has and what it is told of names.

use super::run_flags::{all, opt};
use crate::container::plan::{NetworkMode, NetworkPlan};
use crate::container::values::{self, Parsed};
use crate::error::Result;
use clap::Args;

/// As typed.
#[derive(Debug, Args)]
pub struct NetworkFlags {
    /// Add a line to /etc/hosts; `host-gateway` stands for the host's address
    #[arg(long, value_name = "HOST:IP")]
    add_host: Vec<String>,
    /// Ask this name server instead of the host's
    #[arg(long, value_name = "IP")]
    dns: Vec<String>,
    /// Set an option of resolv.conf(5)
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    dns_option: Vec<String>,
    /// Set a search domain
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// Note a port that the container listens on
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    expose: Vec<String>,
    /// none, host, private (pasta, else slirp4netns), pasta or slirp4netns [default: private]
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    network: Option<String>,
}

impl NetworkFlags {
    /// The network they ask for.
    pub fn plan(&self) -> Result<NetworkPlan> {
        Ok(NetworkPlan {
            mode: opt("--network", &self.network, network_mode)?.unwrap_or(NetworkMode::Private),
            dns: all("--dns", &self.dns, address)?,
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            add_hosts: all("--add-host", &self.add_host, values::add_host)?,
        })
    }

    /// The ports of `--expose`, as `80/tcp`.
    pub fn exposed(&self) -> Result<Vec<String>> {
        all("--expose", &self.expose, port)
    }
}

fn network_mode(text: &str) -> Parsed<NetworkMode> {
    match text {
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        // Docker's names of its default network: on rr's command lines they mean rr's default.
        "private" | "default" | "bridge" => Ok(NetworkMode::Private),
        "pasta" => Ok(NetworkMode::Pasta),
        "slirp4netns" => Ok(NetworkMode::Slirp4netns),
        _ => Err("there is none, host, private, pasta and slirp4netns; networks of their own names come later".into()),
    }
}

fn address(text: &str) -> Parsed<String> {
    let address: std::net::IpAddr = text.parse().map_err(|_| "it is no IP address".to_owned())?;
    Ok(address.to_string())
}

/// `80`, `80/udp`, `8000-8010/tcp`: kept as text, with a protocol.
fn port(text: &str) -> Parsed<String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match (number(first), number(last), protocol) {
        (Some(first), Some(last), "tcp" | "udp" | "sctp") if first <= last => Ok(format!("{range}/{protocol}")),
        _ => Err("it is not of the form PORT[-PORT][/tcp|udp|sctp]".into()),
    }
}
