//! The addresses of a container's private network: what was asked for, else a range that the host does not use.

use super::stack::{HostLoopback, Layout, Outside, Subnet as Side};
use super::subnet::{self, Subnet};
use super::wanted::MacAddress;
use crate::error::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What was asked for of the private network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivateNetwork {
    /// `--ip`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// `--ip6`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip6: Option<Ipv6Addr>,
    /// `--mac-address`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// `--network MODE:allow_host_loopback=true`: the gateway's address is the host's loopback.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_host_loopback: bool,
}

/// Places in the network: those of slirp4netns(1).
const GATEWAY: u128 = 2;
const NAME_SERVER: u128 = 3;
const CONTAINER: u128 = 100;
const CONTAINER_V6: u128 = 0x100;
const PREFIX: u8 = 24;
const PREFIX_V6: u8 = 64;

/// No network is larger: what a host has routes to with fewer bits is the whole outside in parts, as OpenVPN's
/// `redirect-gateway def1` has it.
const LARGEST_V4: u8 = 8;
const LARGEST_V6: u8 = 7;

impl PrivateNetwork {
    /// Nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == PrivateNetwork::default()
    }

    /// Whether the gateway's address is the host's loopback.
    pub fn host_loopback(&self) -> HostLoopback {
        if self.allow_host_loopback { HostLoopback::Reachable } else { HostLoopback::OutOfReach }
    }

    /// Who is where, on a host with these routes.
    ///
    /// # Errors
    /// An address that was asked for is another's in its network.
    pub fn layout(&self, routes: &[Subnet]) -> Result<Layout> {
        let v4 = side(self.ip.map(IpAddr::V4), PREFIX, CONTAINER, "--ip", || free_v4(routes))?;
        let v6 = side(self.ip6.map(IpAddr::V6), PREFIX_V6, CONTAINER_V6, "--ip6", || free_v6(routes))?;
        Ok(Layout { v4, v6, host_loopback: self.host_loopback(), outside: Outside::Reachable, mac: self.mac })
    }

    /// As [`PrivateNetwork::layout`], on this host as it is now.
    ///
    /// # Errors
    /// As there; and /proc cannot be read.
    pub fn layout_here(&self) -> Result<Layout> {
        self.layout(&subnet::host_routes()?)
    }
}

/// One family's half: around the address that was asked for, or in a free range.
fn side(
    asked: Option<IpAddr>,
    prefix: u8,
    own: u128,
    option: &str,
    free: impl FnOnce() -> Option<Subnet>,
) -> Result<Side> {
    let range = asked.map_or_else(free, |address| Subnet::around(address, prefix));
    let places = range.and_then(|range| Some((range, range.nth(GATEWAY)?, range.nth(NAME_SERVER)?, range.nth(own)?)));
    let Some((range, gateway, name_server, usual)) = places else {
        let Layout { v4, v6, .. } = Layout::default();
        return Ok(if prefix == PREFIX { v4 } else { v6 });
    };
    let container = asked.unwrap_or(usual);
    let why = match container {
        _ if container == gateway => "it is the gateway's in the container's network",
        _ if container == name_server => "it is the name server's in the container's network",
        _ if !is_usable(container) => "it is no address that a container can have",
        _ if !range.hosts_hold(container) => "it stands for the whole network",
        _ => return Ok(Side { container, gateway, name_server, prefix }),
    };
    Err(Failure::new(format!("cannot use {option} {container}"), why))
}

/// Whether an interface can have it, and others on its network.
fn is_usable(address: IpAddr) -> bool {
    let by_kind = match address {
        IpAddr::V4(address) => !address.is_broadcast() && !address.is_link_local() && address.octets()[0] != 0,
        IpAddr::V6(address) => !address.is_unicast_link_local() && address.to_ipv4_mapped().is_none(),
    };
    by_kind && !address.is_loopback() && !address.is_multicast() && !address.is_unspecified()
}

/// The first of 10.0.2.0/24, 10.0.3.0/24 …, 192.168.2.0/24 …, 172.31.2.0/24 … that the host has no route to; None: it has
/// one to all of them.
fn free_v4(routes: &[Subnet]) -> Option<Subnet> {
    let taken: Vec<&Subnet> = routes.iter().filter(|route| !route.is_v6() && route.prefix() >= LARGEST_V4).collect();
    [(10, 0), (192, 168), (172, 31)]
        .into_iter()
        .flat_map(|(first, second)| (2..=255).map(move |third| Ipv4Addr::new(first, second, third, 0)))
        .filter_map(|address| Subnet::around(address.into(), PREFIX))
        .find(|range| !taken.iter().any(|route| route.overlaps(range)))
}

/// Likewise of the stack's own /64 and those that differ from it in the fourth group alone.
fn free_v6(routes: &[Subnet]) -> Option<Subnet> {
    let IpAddr::V6(usual) = Layout::default().v6.container else { return None };
    let [a, b, c, ..] = usual.segments();
    let taken: Vec<&Subnet> = routes.iter().filter(|route| route.is_v6() && route.prefix() >= LARGEST_V6).collect();
    (0..=255)
        .filter_map(|number| Subnet::around(Ipv6Addr::new(a, b, c, number, 0, 0, 0, 0).into(), PREFIX_V6))
        .find(|range| !taken.iter().any(|route| route.overlaps(range)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: &str = "fd5e:1c3b:72d4::100";

    fn routes(list: &[&str]) -> Vec<Subnet> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn container(wanted: &PrivateNetwork, list: &[&str]) -> (String, String) {
        let layout = wanted.layout(&routes(list)).unwrap();
        (layout.v4.container.to_string(), layout.v6.container.to_string())
    }

    #[test]
    fn the_usual_network_is_slirp4netnss() {
        let layout = PrivateNetwork::default().layout(&[]).unwrap();
        assert_eq!(layout, Layout::default());
    }

    #[test]
    fn a_range_that_the_host_uses_is_left_alone() {
        let usual = PrivateNetwork::default();
        let both = |v4: &str, v6: &str| (v4.to_owned(), v6.to_owned());
        // A virtual machine's own network.
        assert_eq!(container(&usual, &["10.0.2.0/24"]), both("10.0.3.100", USUAL));
        assert_eq!(
            container(&usual, &["10.0.0.0/8", "fd5e:1c3b:72d4::/64"]),
            both("192.168.2.100", "fd5e:1c3b:72d4:1::100")
        );
        assert_eq!(container(&usual, &["10.0.0.0/8", "192.168.0.0/16"]), both("172.31.2.100", USUAL));
        assert_eq!(container(&usual, &["10.0.2.7/32", "10.0.3.0/25"]), both("10.0.4.100", USUAL));
        // All of the outside through a VPN is nobody's network.
        assert_eq!(container(&usual, &["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]), both("10.0.2.100", USUAL));
        // Nothing is free: what there is then is what was always there.
        let all = ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12"];
        assert_eq!(container(&usual, &all), both("10.0.2.100", USUAL));
    }

    #[test]
    fn addresses_can_be_asked_for() {
        let wanted = PrivateNetwork {
            ip: Some("192.168.77.9".parse().unwrap()),
            ip6: Some("fd12:3456::9".parse().unwrap()),
            allow_host_loopback: true,
            ..PrivateNetwork::default()
        };
        // Also where the host has such a route: who asks knows why.
        let layout = wanted.layout(&routes(&["192.168.77.0/24"])).unwrap();
        assert_eq!(layout.v4.container.to_string(), "192.168.77.9");
        assert_eq!(layout.v4.gateway.to_string(), "192.168.77.2");
        assert_eq!(layout.v6.name_server.to_string(), "fd12:3456::3");
        assert_eq!(layout.host_loopback, HostLoopback::Reachable);
        for (address, why) in [
            ("10.0.2.2", "gateway"),
            ("10.0.2.3", "name server"),
            ("10.0.2.0", "whole network"),
            ("10.0.2.255", "whole network"),
            ("127.0.0.5", "no address"),
            ("224.0.0.5", "no address"),
            ("0.0.0.5", "no address"),
        ] {
            let wanted = PrivateNetwork { ip: Some(address.parse().unwrap()), ..PrivateNetwork::default() };
            let failure = wanted.layout(&[]).unwrap_err();
            assert_eq!(failure.doing, format!("cannot use --ip {address}"));
            assert!(failure.cause.contains(why), "{address}: {}", failure.cause);
        }
        for address in ["::1", "ff02::5", "fe80::5", "::", "::ffff:192.0.2.1", "fd5e:1c3b:72d4::2"] {
            let wanted = PrivateNetwork { ip6: Some(address.parse().unwrap()), ..PrivateNetwork::default() };
            assert!(wanted.layout(&[]).is_err(), "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_two_are_the_same(bits in any::<u32>(), taken in proptest::collection::vec((any::<u32>(), 0..=32_u8), 0..6)) {
            let routes: Vec<Subnet> = taken
                .into_iter()
                .filter_map(|(bits, prefix)| Subnet::around(Ipv4Addr::from(bits).into(), prefix))
                .collect();
            for wanted in [PrivateNetwork::default(), PrivateNetwork { ip: Some(bits.into()), ..PrivateNetwork::default() }] {
                let Ok(layout) = wanted.layout(&routes) else { continue };
                for side in [layout.v4, layout.v6] {
                    prop_assert!(side.container != side.gateway && side.container != side.name_server);
                    prop_assert!(side.contains(side.container) && side.contains(side.name_server));
                }
            }
        }
    }
}
