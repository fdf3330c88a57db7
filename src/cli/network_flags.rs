//! The options of `run` and `create` that say which network the container has and what it is told of names.

use super::run_flags::{all, one};
use crate::container::plan::{Membership, NetworkMode, NetworkPlan};
use crate::container::port_options;
use crate::container::values::{self, Parsed};
use crate::error::{Doing, Failure, Known, Result};
use crate::net::ports::PortsPlan;
use clap::Args;
use std::net::IpAddr;

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
    #[arg(long, value_name = "PORT[-PORT][/PROTOCOL]")]
    expose: Vec<String>,
    /// A network by its name (and again for further ones), none, host, private (rr's own), pasta,
    /// slirp4netns, or container:NAME for the namespace of another container [default: private]
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    network: Vec<String>,
    /// Give the container another name on its networks
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
    /// Publish a port of the container; HOST and CONTAINER may be ranges, and without HOST any free port is taken
    #[arg(short, long, value_name = "[[IP:][HOST]:]CONTAINER[/PROTOCOL]")]
    publish: Vec<String>,
    /// Publish all exposed ports on free ports of the host
    #[arg(short = 'P', long)]
    publish_all: bool,
}

impl NetworkFlags {
    /// The network they ask for.
    pub fn plan(&self) -> Result<NetworkPlan> {
        let Which { mode, networks, container } = self.which()?;
        Ok(NetworkPlan {
            mode,
            networks,
            container,
            dns: all("--dns", &self.dns, address)?,
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            add_hosts: all("--add-host", &self.add_host, values::add_host)?,
            ports: PortsPlan {
                published: port_options::distinct(all("--publish", &self.publish, port_options::publish)?.concat())
                    .doing(|| "cannot use --publish")?,
                publish_all: self.publish_all,
                by_exposure: Vec::new(),
            },
        })
    }

    /// One mode, or several networks; the aliases are the container's on each of them.
    fn which(&self) -> Result<Which> {
        let mut found = Which { mode: NetworkMode::Private, networks: Vec::new(), container: None };
        for (index, text) in self.network.iter().enumerate() {
            let one = one("--network", text, network)?;
            if index > 0 && (one.mode, found.mode) != (NetworkMode::Networks, NetworkMode::Networks) {
                let cause = "conflicting options: cannot attach both user-defined and non-user-defined network-modes";
                return Err(Failure::new(format!("cannot use --network {}", text.escape_debug()), cause));
            }
            if let Some(again) = one.networks.first()
                && found.networks.iter().any(|earlier| earlier.network == again.network)
            {
                let cause = format!("network \"{}\" is specified multiple times", again.network);
                return Err(Failure::new(format!("cannot use --network {}", text.escape_debug()), cause));
            }
            found.mode = one.mode;
            found.container = one.container;
            found.networks.extend(one.networks);
        }
        let aliases = all("--network-alias", &self.network_alias, values::hostname)?;
        if let (Some(alias), true) = (aliases.first(), found.mode != NetworkMode::Networks) {
            let cause = "network-scoped aliases are only supported for user-defined networks";
            return Err(Failure::new(format!("cannot use --network-alias {alias}"), cause).known(Known::Usage));
        }
        for membership in &mut found.networks {
            membership.aliases.extend(aliases.iter().cloned());
        }
        if found.mode == NetworkMode::Container && (self.publish_all || !self.publish.is_empty()) {
            let cause = "conflicting options: port publishing and the container type network mode";
            return Err(Failure::new("cannot use --publish", cause));
        }
        Ok(found)
    }

    /// The ports of `--expose`, as `80/tcp`.
    pub fn exposed(&self) -> Result<Vec<String>> {
        Ok(all("--expose", &self.expose, port_options::expose)?.concat())
    }
}

/// What the values of `--network` come to.
struct Which {
    mode: NetworkMode,
    networks: Vec<Membership>,
    container: Option<String>,
}

/// One value: a mode, `container:NAME`, or a network's name; behind that, Podman's `NAME:option=value,…`, or Docker's
/// `name=NAME,option=value,…`.
fn network(text: &str) -> Parsed<Which> {
    let mode = |mode| Ok(Which { mode, networks: Vec::new(), container: None });
    match text {
        "none" => return mode(NetworkMode::None),
        "host" => return mode(NetworkMode::Host),
        // Docker's names of its default network, and Podman's: on rr's command lines they mean rr's default.
        "private" | "default" | "bridge" | "podman" => return mode(NetworkMode::Private),
        "pasta" => return mode(NetworkMode::Pasta),
        "slirp4netns" => return mode(NetworkMode::Slirp4netns),
        _ => {}
    }
    if let Some(container) = text.strip_prefix("container:") {
        if container.is_empty() {
            return Err("it names no container".into());
        }
        let container = Some(container.to_owned());
        return Ok(Which { mode: NetworkMode::Container, networks: Vec::new(), container });
    }
    let membership = membership(text)?;
    Ok(Which { mode: NetworkMode::Networks, networks: vec![membership], container: None })
}

fn membership(text: &str) -> Parsed<Membership> {
    let mut membership = Membership::default();
    let options = match text.split_once(':') {
        Some((name, options)) if !name.contains('=') => {
            membership.network = name.to_owned();
            options
        }
        _ if text.contains('=') => text,
        _ => {
            membership.network = text.to_owned();
            ""
        }
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or_else(|| format!("{option} has no value"))?;
        let bad_ip = |_| format!("invalid IP address: {}", value.escape_debug());
        match name {
            "name" => membership.network = value.to_owned(),
            "alias" => membership.aliases.push(values::hostname(value)?),
            "ip" => match value.parse().map_err(bad_ip)? {
                IpAddr::V4(address) => membership.ip = Some(address),
                IpAddr::V6(address) => membership.ip6 = Some(address),
            },
            "ip6" => membership.ip6 = Some(value.parse().map_err(bad_ip)?),
            "mac" | "mac-address" => membership.mac = Some(value.parse()?),
            _ => return Err(format!("there is no option {name}: alias, ip, ip6, mac-address")),
        }
    }
    if membership.network.is_empty() {
        return Err("it has no name".into());
    }
    values::network_name(&membership.network)?;
    Ok(membership)
}

fn address(text: &str) -> Parsed<String> {
    let address: std::net::IpAddr = text.parse().map_err(|_| "it is no IP address".to_owned())?;
    Ok(address.to_string())
}
