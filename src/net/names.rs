//! The container's /etc/resolv.conf and /etc/hosts, as texts. No I/O.
//!
//! A name server on the host's loopback (systemd-resolved's 127.0.0.53, dnsmasq's 127.0.0.1) does not
//! exist in a network namespace of its own. There the container gets [`NAME_SERVER`] instead, from
//! where the network program passes queries on to the host's server, so that what the host's resolver
//! knows (VPNs, split domains) stays true. Other servers are kept: they are reached directly, over UDP
//! and TCP, and their answers come back untouched.

use super::{NAME_SERVER, NETWORK_NAME_SERVER, NetworkPlan, ResolvedNetwork};
use crate::error::{Failure, Result};
use crate::host::resolv_conf::{NameServer, ResolvConf};
use std::net::IpAddr;

/// Whether `server` is on the host's loopback.
fn is_loopback(server: &str) -> bool {
    NameServer::parse(server).is_some_and(|server| server.is_loopback())
}

/// The host's servers as a namespace of its own can use them; None: only through [`NAME_SERVER`].
fn reachable(servers: &[String]) -> Option<Vec<String>> {
    // Link-local servers (`fe80::1%eth0`) name an interface of the host.
    let usable = |server: &&String| !is_loopback(server) && !server.contains('%');
    let kept: Vec<String> = servers.iter().filter(usable).cloned().collect();
    // A host whose first server is its own expects it to be asked first, so one that is not enough:
    // the others may not know the host's domains.
    (servers.first().is_some_and(|first| usable(&first))).then_some(kept)
}

/// Whether the container's only way to a name server leads through [`NAME_SERVER`].
pub(super) fn needs_forwarding(host_text: &str, wanted: &NetworkPlan) -> bool {
    wanted.dns.is_empty() && reachable(&ResolvConf::parse(host_text).servers).is_none()
}

/// The container's resolv.conf; `host_text` is the host's.
///
/// With `--network host` and `none` the host's is taken as it is, unless an option changes it.
pub fn resolv_conf(host_text: &str, network: &ResolvedNetwork, wanted: &NetworkPlan) -> String {
    let changed = !(wanted.dns.is_empty() && wanted.dns_search.is_empty() && wanted.dns_options.is_empty());
    if !network.is_connected() && !changed {
        return host_text.to_owned();
    }
    let mut resolver = ResolvConf::parse(host_text);
    if let ResolvedNetwork::Networks { .. } = network {
        // Who also knows the containers' names, and asks the servers of `--dns` in the place of the host's.
        resolver.servers = vec![NETWORK_NAME_SERVER.to_string()];
    } else if !wanted.dns.is_empty() {
        resolver.servers = wanted.dns.clone();
    } else if let ResolvedNetwork::BuiltIn(layout) = network {
        resolver.servers = vec![layout.v4.name_server.to_string()];
    } else if network.is_connected() {
        resolver.servers = reachable(&resolver.servers).unwrap_or_else(|| vec![NAME_SERVER.to_string()]);
    }
    if !wanted.networks.is_empty() {
        resolver.options.retain(|option| !option.starts_with("ndots:"));
        // A name without a dot is a container's first, and only then one of a search domain: as with Docker.
        resolver.options.push("ndots:0".to_owned());
    }
    match &wanted.dns_search[..] {
        [] => {}
        // Docker's way to say "no search domain".
        [dot] if dot == "." => resolver.search = Vec::new(),
        domains => resolver.search = domains.to_vec(),
    }
    if !wanted.dns_options.is_empty() {
        resolver.options = wanted.dns_options.clone();
    }
    resolver.to_text()
}

/// What [`hosts`] writes about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames {
    /// The host's own /etc/hosts, where the container shares its network.
    pub hosts_file: Option<String>,
    /// The container's address; None where it has loopback alone.
    pub own_address: Option<IpAddr>,
    /// An address at which the container reaches the host.
    pub host_address: Option<IpAddr>,
}

/// The names under which Docker and podman let a container reach its host.
const NAMES_OF_THE_HOST: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// The container's hosts(5). A name given with `--add-host` is not given twice.
///
/// # Errors
/// `host-gateway` is asked for where the host cannot be reached.
pub fn hosts(names: &HostNames, hostname: &str, add_hosts: &[(String, String)]) -> Result<String> {
    let mut lines: Vec<String> = Vec::new();
    for (name, address) in add_hosts {
        let address = match (address.as_str(), names.host_address) {
            ("host-gateway", Some(host)) => host.to_string(),
            ("host-gateway", None) => {
                let why = "the host cannot be reached from a container with loopback only, or it has no address";
                return Err(Failure::new(format!("cannot use --add-host {name}:host-gateway"), why));
            }
            _ => address.clone(),
        };
        lines.push(format!("{address}\t{name}"));
    }
    let asked_for = |name: &str| add_hosts.iter().any(|(added, _)| added == name);
    match &names.hosts_file {
        Some(text) => lines.extend(text.lines().map(str::to_owned)),
        None => {
            lines.push("127.0.0.1\tlocalhost localhost.localdomain".into());
            lines.push("::1\tlocalhost ip6-localhost ip6-loopback".into());
        }
    }
    if let Some(host) = names.host_address {
        let left: Vec<&str> = NAMES_OF_THE_HOST.into_iter().filter(|name| !asked_for(name)).collect();
        if !left.is_empty() {
            lines.push(format!("{host}\t{}", left.join(" ")));
        }
    }
    let known = |text: &str| {
        text.lines().any(|line| {
            line.split('#').next().unwrap_or_default().split_whitespace().skip(1).any(|word| word == hostname)
        })
    };
    if !asked_for(hostname) && !names.hosts_file.as_deref().is_some_and(known) {
        let own = names.own_address.map_or_else(|| "127.0.1.1".to_owned(), |address| address.to_string());
        lines.push(format!("{own}\t{hostname}"));
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::stack::HostLoopback;
    use super::super::{Carrier, ForwardDns, NetworkMode, Otherwise, Tool};
    use super::*;
    use proptest::prelude::*;

    fn wanted() -> NetworkPlan {
        NetworkPlan::new(NetworkMode::Private)
    }

    fn carried() -> ResolvedNetwork {
        ResolvedNetwork::Carried {
            carriers: vec![Carrier { tool: Tool::Pasta, path: "/usr/bin/pasta".into() }],
            otherwise: Otherwise::Fail,
            forward_dns: ForwardDns::No,
            host_loopback: HostLoopback::OutOfReach,
        }
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    const STUB: &str = "# by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org a.b\n";

    #[test]
    fn servers_that_can_be_reached_are_kept() {
        let text = "domain old.example\nnameserver 192.0.2.53 # main\nnameserver 2001:db8::53\nnameserver ::1\nsearch example.org\n";
        assert_eq!(
            resolv_conf(text, &carried(), &wanted()),
            "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\n"
        );
        assert!(!needs_forwarding(text, &wanted()));
    }

    #[test]
    fn a_server_on_loopback_is_reached_through_the_network_program() {
        assert!(needs_forwarding(STUB, &wanted()));
        assert_eq!(
            resolv_conf(STUB, &carried(), &wanted()),
            "nameserver 10.0.2.3\nsearch example.org a.b\noptions edns0 trust-ad\n"
        );
        for text in
            ["nameserver ::1\n", "nameserver ::ffff:127.0.0.1\n", "nameserver fe80::1%eth0\n", "", "nameserver\n"]
        {
            assert!(needs_forwarding(text, &wanted()), "{text}");
            assert_eq!(resolv_conf(text, &carried(), &wanted()), "nameserver 10.0.2.3\n");
        }
        // The host asks its own server first; so must the container.
        let both = "nameserver 127.0.0.1\nnameserver 192.0.2.53\n";
        assert_eq!(resolv_conf(both, &carried(), &wanted()), "nameserver 10.0.2.3\n");
    }

    #[test]
    fn options_replace_what_the_host_says() {
        let asked = NetworkPlan {
            dns: words(&["192.0.2.1", "192.0.2.2"]),
            dns_search: words(&["x.example"]),
            dns_options: words(&["ndots:2"]),
            ..wanted()
        };
        assert!(!needs_forwarding(STUB, &asked));
        for network in [carried(), ResolvedNetwork::Host, ResolvedNetwork::Loopback] {
            assert_eq!(
                resolv_conf(STUB, &network, &asked),
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch x.example\noptions ndots:2\n"
            );
        }
        let no_search = NetworkPlan { dns_search: words(&["."]), ..wanted() };
        assert_eq!(
            resolv_conf(STUB, &ResolvedNetwork::Host, &no_search),
            "nameserver 127.0.0.53\noptions edns0 trust-ad\n"
        );
    }

    #[test]
    fn the_hosts_own_file_is_kept_where_the_network_is_shared() {
        assert_eq!(resolv_conf(STUB, &ResolvedNetwork::Host, &wanted()), STUB);
        assert_eq!(resolv_conf(STUB, &ResolvedNetwork::Loopback, &wanted()), STUB);
    }

    #[test]
    fn the_container_and_the_host_have_names() {
        let names = HostNames {
            hosts_file: None,
            own_address: Some("10.0.2.100".parse().unwrap()),
            host_address: Some("192.0.2.7".parse().unwrap()),
        };
        let added = [("db".to_owned(), "192.0.2.9".to_owned()), ("up".to_owned(), "host-gateway".to_owned())];
        assert_eq!(
            hosts(&names, "box", &added).unwrap(),
            "192.0.2.9\tdb\n192.0.2.7\tup\n127.0.0.1\tlocalhost localhost.localdomain\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             192.0.2.7\thost.docker.internal host.containers.internal\n10.0.2.100\tbox\n"
        );
    }

    #[test]
    fn a_name_that_was_given_is_not_given_again() {
        let names = HostNames { host_address: Some("192.0.2.7".parse().unwrap()), ..HostNames::default() };
        let added = [("host.docker.internal".to_owned(), "192.0.2.1".to_owned()), ("box".to_owned(), "::9".to_owned())];
        let text = hosts(&names, "box", &added).unwrap();
        assert_eq!(text.matches("host.docker.internal").count(), 1, "{text}");
        assert_eq!(text.matches("box").count(), 1, "{text}");
    }

    #[test]
    fn with_loopback_only_the_host_has_no_address() {
        let alone = HostNames::default();
        let text = hosts(&alone, "box", &[]).unwrap();
        assert!(text.ends_with("127.0.1.1\tbox\n"), "{text}");
        assert!(!text.contains("internal"), "{text}");
        let error = hosts(&alone, "box", &[("up".into(), "host-gateway".into())]).unwrap_err();
        assert_eq!(error.doing, "cannot use --add-host up:host-gateway");
    }

    #[test]
    fn the_hosts_lines_are_kept_where_the_network_is_shared() {
        let shared = HostNames {
            hosts_file: Some("127.0.0.1\tlocalhost\n127.0.1.1\tbox.example box # here\n".into()),
            own_address: Some("127.0.1.1".parse().unwrap()),
            host_address: Some("127.0.0.1".parse().unwrap()),
        };
        let text = hosts(&shared, "box", &[]).unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost\n127.0.1.1\tbox.example box # here\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(hosts(&shared, "other", &[]).unwrap().ends_with("127.0.1.1\tother\n"));
    }

    proptest! {
        #[test]
        fn a_carried_container_never_gets_a_server_on_loopback(text in "([a-z]{0,12}[ \t]?[0-9a-f:.%#;]{0,20}\n){0,6}") {
            let own = resolv_conf(&text, &carried(), &wanted());
            let servers = ResolvConf::parse(&own).servers;
            prop_assert!(!servers.is_empty());
            prop_assert!(servers.iter().all(|server| !is_loopback(server)));
            // What rr writes, rr reads.
            prop_assert_eq!(ResolvConf::parse(&own).to_text(), own);
        }

        #[test]
        fn any_text_is_no_panic(text in ".{0,200}") {
            resolv_conf(&text, &carried(), &wanted());
            hosts(&HostNames { hosts_file: Some(text), ..HostNames::default() }, "box", &[]).unwrap();
        }
    }
}
