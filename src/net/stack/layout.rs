//! Who is where in the container's small network, and which way a packet of the container goes. Pure.

use crate::net::MacAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The container's.
    pub container: IpAddr,
    /// The stack's own, as default gateway.
    pub gateway: IpAddr,
    /// The stack's own, as name server.
    pub name_server: IpAddr,
    /// How many bits the network's addresses have in common.
    pub prefix: u8,
}

impl Subnet {
    /// Whether it is an address of this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.gateway, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (u32::from(own) ^ u32::from(other)) & mask == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (u128::from(own) ^ u128::from(other)) & mask == 0
            }
            _ => false,
        }
    }

    /// Whether it is one of the stack's own addresses.
    pub fn is_own(&self, address: IpAddr) -> bool {
        address == self.gateway || address == self.name_server
    }
}

/// Whether the gateway's address is the host's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostLoopback {
    /// It is not: what listens on the host's loopback is for the host's users.
    OutOfReach,
    /// It is: `--network private:allow_host_loopback=true`.
    Reachable,
}

/// Whether anything but the network itself is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// As far as the user's own sockets reach.
    Reachable,
    /// Nothing: `network create --internal`. The name server knows the network's own names alone.
    OutOfReach,
}

/// The whole network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// IPv4.
    pub v4: Subnet,
    /// IPv6.
    pub v6: Subnet,
    /// See there.
    pub host_loopback: HostLoopback,
    /// The container's hardware address; None: Docker's, [`Layout::mac`].
    pub mac: Option<MacAddress>,
    /// See there.
    pub outside: Outside,
}

/// The way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To this address, by a socket of the host's.
    Out(SocketAddr),
    /// To the name server.
    NameServer,
    /// It is for the stack itself, which answers echoes and refuses all else.
    Own,
    /// To nobody.
    Nowhere,
}

impl Default for Layout {
    /// The network of slirp4netns(1).
    fn default() -> Layout {
        // A prefix drawn by lot, as RFC 4193 has it: fd00::/64 is what others use without asking for one.
        let v6 = |last: u16| IpAddr::V6(Ipv6Addr::new(0xfd5e, 0x1c3b, 0x72d4, 0, 0, 0, 0, last));
        Layout {
            v4: Subnet {
                container: crate::net::CONTAINER.into(),
                gateway: crate::net::GATEWAY.into(),
                name_server: crate::net::NAME_SERVER.into(),
                prefix: 24,
            },
            v6: Subnet { container: v6(0x100), gateway: v6(2), name_server: v6(3), prefix: 64 },
            host_loopback: HostLoopback::OutOfReach,
            mac: None,
            outside: Outside::Reachable,
        }
    }
}

impl Layout {
    /// The container's hardware address: one that was asked for, else 02:42 and the IPv4 address, as Docker has them.
    pub fn mac(&self) -> MacAddress {
        let [a, b, c, d] = match self.v4.container {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(_) => [0; 4],
        };
        self.mac.unwrap_or(MacAddress([2, 0x42, a, b, c, d]))
    }

    /// The network of an address's family.
    pub fn subnet(&self, of: IpAddr) -> &Subnet {
        if of.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// Whether a packet may come from this address: another one would be a lie.
    pub fn is_inside(&self, source: IpAddr) -> bool {
        let subnet = self.subnet(source);
        subnet.contains(source) && !subnet.is_own(source)
    }

    /// Where a packet for `to` goes.
    pub fn way(&self, to: SocketAddr) -> Way {
        const NAME_SERVICE: u16 = 53;
        let subnet = self.subnet(to.ip());
        if to.ip() == subnet.name_server && to.port() == NAME_SERVICE {
            return Way::NameServer;
        }
        if to.ip() == subnet.gateway && self.host_loopback == HostLoopback::Reachable {
            let loopback: IpAddr = if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            return Way::Out(SocketAddr::new(loopback, to.port()));
        }
        if subnet.is_own(to.ip()) {
            return Way::Own;
        }
        if subnet.contains(to.ip()) || !is_outside(to.ip()) || self.outside == Outside::OutOfReach {
            return Way::Nowhere;
        }
        Way::Out(to)
    }
}

/// Whether an address, given to a socket of the host's, leads where a packet to it would. Some lead to the host's own
/// loopback: that net's, the unspecified address (ip(7)), and both again written as IPv6.
fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            // 0/8 is this host, 127/8 its loopback, from 224/4 on there are groups and what is reserved.
            first != 0 && first != 127 && first < 224
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // `::/8` holds loopback, the unspecified address and IPv4 in disguise; link-local ones need an interface.
            first >> 8 != 0 && first & 0xffc0 != 0xfe80 && !v6.is_multicast()
                // 64:ff9b::/96 is a translator's, outside; it begins with 0.
                || v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(layout: &Layout, to: &str) -> Way {
        layout.way(to.parse().unwrap())
    }

    #[test]
    fn the_hosts_loopback_is_reached_where_that_was_asked_for_alone() {
        let mut layout = Layout::default();
        for inside in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "0.0.0.0:80",
            "0.1.2.3:80",
            "[::1]:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:192.0.2.1]:80",
            "[::127.0.0.1]:80",
            "[fe80::1]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[ff02::1]:80",
            "10.0.2.50:80",
            "[fd5e:1c3b:72d4::50]:80",
        ] {
            assert_eq!(way(&layout, inside), Way::Nowhere, "{inside}");
        }
        for own in ["10.0.2.2:80", "10.0.2.3:80", "10.0.2.2:53", "[fd5e:1c3b:72d4::2]:80", "[fd5e:1c3b:72d4::3]:54"] {
            assert_eq!(way(&layout, own), Way::Own, "{own}");
        }
        layout.host_loopback = HostLoopback::Reachable;
        assert_eq!(way(&layout, "10.0.2.2:80"), Way::Out("127.0.0.1:80".parse().unwrap()));
        assert_eq!(way(&layout, "[fd5e:1c3b:72d4::2]:80"), Way::Out("[::1]:80".parse().unwrap()));
        assert_eq!(way(&layout, "127.0.0.1:80"), Way::Nowhere);
        assert_eq!(way(&layout, "10.0.2.3:80"), Way::Own);
    }

    #[test]
    fn an_internal_network_has_no_outside() {
        let layout = Layout { outside: Outside::OutOfReach, ..Layout::default() };
        assert_eq!(way(&layout, "192.0.2.1:80"), Way::Nowhere);
        assert_eq!(way(&layout, "[2001:db8::1]:80"), Way::Nowhere);
        assert_eq!(way(&layout, "10.0.2.3:53"), Way::NameServer);
    }

    #[test]
    fn everything_else_is_outside() {
        let layout = Layout::default();
        for outside in
            ["192.0.2.1:80", "10.0.3.1:80", "169.254.169.254:80", "[2001:db8::1]:80", "[64:ff9b::c000:201]:80"]
        {
            assert_eq!(way(&layout, outside), Way::Out(outside.parse().unwrap()), "{outside}");
        }
        for name_server in ["10.0.2.3:53", "[fd5e:1c3b:72d4::3]:53"] {
            assert_eq!(way(&layout, name_server), Way::NameServer);
        }
    }

    #[test]
    fn only_the_networks_own_addresses_may_send() {
        let layout = Layout::default();
        for (source, inside) in [
            ("10.0.2.100", true),
            ("10.0.2.7", true),
            ("10.0.2.2", false),
            ("10.0.2.3", false),
            ("10.0.3.100", false),
            ("127.0.0.1", false),
            ("fd5e:1c3b:72d4::100", true),
            ("fd5e:1c3b:72d4::3", false),
            ("fe80::1", false),
        ] {
            assert_eq!(layout.is_inside(source.parse().unwrap()), inside, "{source}");
        }
    }
}
