//! The options of `run` and `create` that say which network the container has and what it is told of names.

use super::run_flags::{all, one, opt};
use crate::container::plan::{Membership, NetworkMode, NetworkPlan};
use crate::container::port_options;
use crate::container::values::{self, Parsed};
use crate::error::{Doing, Failure, Known, Result};
use crate::net::ports::PortsPlan;
use crate::net::{MacAddress, PrivateNetwork};
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
    /// Give the container this IPv4 address
    #[arg(long, value_name = "IP")]
    ip: Option<String>,
    /// Give the container this address of IPv6
    #[arg(long, value_name = "IP")]
    ip6: Option<String>,
    /// Give another container of the first network a further name that this one finds it by
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// Give the container's interface this hardware address
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
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

/// `--add-host`, as (name, address).
///
/// # Errors
/// One is none.
pub fn add_hosts(texts: &[String]) -> Result<Vec<(String, String)>> {
    all("--add-host", texts, values::add_host)
}

impl NetworkFlags {
    /// The network they ask for.
    pub fn plan(&self) -> Result<NetworkPlan> {
        let Which { mode, networks, container, private } = self.addressed(self.which()?)?;
        // Addresses that cannot be are refused before anything is fetched.
        private.layout(&[])?;
        Ok(NetworkPlan {
            mode,
            networks,
            container,
            private,
            dns: all("--dns", &self.dns, address)?,
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            add_hosts: add_hosts(&self.add_host)?,
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
        let mut found = Which::default();
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
            found.private = one.private;
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
        let links = all("--link", &self.link, link)?;
        match (links.first(), found.networks.first_mut()) {
            (None, _) => {}
            (Some(_), _) if found.mode == NetworkMode::Host => {
                let cause = "conflicting options: host type networking can't be used with links";
                return Err(Failure::new("cannot use --link", cause));
            }
            (Some(_), _) if found.mode == NetworkMode::Container => {
                let cause = "conflicting options: container type network can't be used with links";
                return Err(Failure::new("cannot use --link", cause));
            }
            (Some(_), Some(first)) => first.links = links,
            (Some((linked, _)), None) => {
                let cause = "containers reach each other on networks of their own names only";
                let hint = "make a network with `rr network create`, and put both on it with --network";
                return Err(Failure::new(format!("cannot use --link {linked}"), cause).hint(hint));
            }
        }
        if found.mode == NetworkMode::Container && (self.publish_all || !self.publish.is_empty()) {
            let cause = "conflicting options: port publishing and the container type network mode";
            return Err(Failure::new("cannot use --publish", cause));
        }
        Ok(found)
    }

    /// With the addresses that `--ip` and its like give: on the first network, or the private one.
    fn addressed(&self, mut found: Which) -> Result<Which> {
        let (ip, ip6, mac) = match (&mut found.mode, found.networks.first_mut()) {
            (NetworkMode::Networks, Some(first)) => (&mut first.ip, &mut first.ip6, &mut first.mac),
            _ => (&mut found.private.ip, &mut found.private.ip6, &mut found.private.mac),
        };
        let of_both = |what: &str| format!("conflicting options: cannot specify both --{what} and per-network {what}");
        if let Some(asked) = opt("--ip", &self.ip, ip_address)?
            && ip.replace(asked).is_some()
        {
            return Err(Failure::new(format!("cannot use --ip {asked}"), of_both("ip")));
        }
        if let Some(asked) = opt("--ip6", &self.ip6, ip_address)?
            && ip6.replace(asked).is_some()
        {
            return Err(Failure::new(format!("cannot use --ip6 {asked}"), of_both("ip6")));
        }
        if let Some(asked) = opt("--mac-address", &self.mac_address, |text| text.parse::<MacAddress>())?
            && mac.replace(asked).is_some()
        {
            return Err(Failure::new(format!("cannot use --mac-address {asked}"), of_both("mac-address")));
        }
        let has_address = found.private.ip.is_some() || found.private.ip6.is_some() || found.private.mac.is_some();
        if has_address && found.mode != NetworkMode::Private {
            let option = self.ip.as_ref().map(|ip| format!("--ip {ip}"));
            let option = option.or(self.ip6.as_ref().map(|ip| format!("--ip6 {ip}")));
            let option = option.or(self.mac_address.as_ref().map(|mac| format!("--mac-address {mac}")));
            let cause = "user specified IP address is supported on user defined networks only, and on the private one";
            return Err(Failure::new(format!("cannot use {}", option.unwrap_or_default()), cause));
        }
        Ok(found)
    }

    /// The ports of `--expose`, as `80/tcp`.
    pub fn exposed(&self) -> Result<Vec<String>> {
        Ok(all("--expose", &self.expose, port_options::expose)?.concat())
    }
}

/// What the values of `--network` come to.
#[derive(Default)]
struct Which {
    mode: NetworkMode,
    networks: Vec<Membership>,
    container: Option<String>,
    private: PrivateNetwork,
}

/// One value: a mode, `container:NAME`, or a network's name; behind that, Podman's `NAME:option=value,…`, or Docker's
/// `name=NAME,option=value,…`.
fn network(text: &str) -> Parsed<Which> {
    let mode = |mode| Ok(Which { mode, ..Which::default() });
    // Podman's options of its own private networks; of them rr has one.
    if let Some(options) = text.strip_prefix("private:") {
        return Ok(Which { private: private(options)?, ..Which::default() });
    }
    for (name, mode) in [("pasta", NetworkMode::Pasta), ("slirp4netns", NetworkMode::Slirp4netns)] {
        if let Some(options) = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
            return Ok(Which { mode, private: carried(name, options)?, ..Which::default() });
        }
    }
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
        return Ok(Which { mode: NetworkMode::Container, container, ..Which::default() });
    }
    let membership = membership(text)?;
    Ok(Which { mode: NetworkMode::Networks, networks: vec![membership], ..Which::default() })
}

/// `allow_host_loopback=true`, `ip=ADDRESS`, `mac=ADDRESS`, with commas between them.
fn private(options: &str) -> Parsed<PrivateNetwork> {
    let mut private = PrivateNetwork::default();
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("allow_host_loopback", value)) => private.allow_host_loopback = values::boolean(value)?,
            Some(("ip", value)) => private.ip = Some(ip_address(value)?),
            Some(("ip6", value)) => private.ip6 = Some(ip_address(value)?),
            Some(("mac" | "mac-address", value)) => private.mac = Some(value.parse()?),
            _ => {
                let option = option.escape_debug();
                return Err(format!("there is no option {option}: allow_host_loopback=, ip=, ip6=, mac="));
            }
        }
    }
    Ok(private)
}

/// `CONTAINER[:ALIAS]`
pub fn link(text: &str) -> Parsed<(String, String)> {
    let (container, alias) = text.split_once(':').unwrap_or((text, text));
    // Docker's, which shows a link of a link as `/a:/b/c`.
    let container = container.trim_start_matches('/');
    if container.is_empty() || alias.is_empty() || alias.contains(':') {
        return Err(format!("bad format for links: {}", text.escape_debug()));
    }
    Ok((container.to_owned(), values::hostname(alias.rsplit('/').next().unwrap_or(alias))?))
}

/// The one option that the programs have in common with `private`: Podman's `allow_host_loopback=true`, and the spelling
/// that it has for pasta's, `--map-gw`.
fn carried(program: &str, options: &str) -> Parsed<PrivateNetwork> {
    let mut private = PrivateNetwork::default();
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("allow_host_loopback", value)) => private.allow_host_loopback = values::boolean(value)?,
            None if program == "pasta" && option == "--map-gw" => private.allow_host_loopback = true,
            None if program == "pasta" && option == "--no-map-gw" => private.allow_host_loopback = false,
            _ => {
                let option = option.escape_debug();
                return Err(format!("there is no option {option} of {program}: allow_host_loopback="));
            }
        }
    }
    Ok(private)
}

/// An address of the wanted family.
pub fn ip_address<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("invalid IP address: {}", text.escape_debug()))
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
            "mac" | "mac-address" | "mac_address" => membership.mac = Some(value.parse()?),
            // Docker's; rr's driver has none that is of one container.
            "driver-opt" => {}
            "allow_host_loopback" => {
                return Err("the host's loopback is reached with --network private, pasta and slirp4netns alone".into());
            }
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
