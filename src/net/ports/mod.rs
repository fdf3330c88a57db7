//! Published ports: what is asked for ([`Published`]), and what a start has made of it ([`Bound`]).

mod bind;
pub(super) mod pasta;
mod shown;
pub(super) mod slirp4netns;

pub use bind::{Families, OpenPorts, check_free, open, open_for};
pub use shown::{Shown, dockers, podmans};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a failure says that concerns no single port.
pub const DOING: &str = "cannot publish the container's ports";

/// What carries a port's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// tcp(7)
    Tcp,
    /// udp(7)
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// Which port of the host, or which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostPort {
    /// A free one that the kernel chooses, another one at each start.
    Any,
    /// The first free one of these, which is one port where they are equal; not 0.
    Within {
        /// The lowest.
        first: u16,
        /// The highest, not below `first`.
        last: u16,
    },
}

impl HostPort {
    /// This one port.
    pub fn exactly(port: u16) -> HostPort {
        HostPort::Within { first: port, last: port }
    }

    /// The port, where there is no choice.
    pub fn fixed(self) -> Option<u16> {
        match self {
            HostPort::Within { first, last } if first == last => Some(first),
            HostPort::Within { .. } | HostPort::Any => None,
        }
    }
}

impl fmt::Display for HostPort {
    /// As Docker's `HostPort` has it: nothing for any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPort::Any => Ok(()),
            HostPort::Within { first, last } if first == last => write!(f, "{first}"),
            HostPort::Within { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

/// One port of the container that is to be reachable from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The host's address; None: every one, of IPv4 and, where the host has it, IPv6.
    pub address: Option<IpAddr>,
    /// The host's port.
    pub host: HostPort,
    /// The container's port, not 0.
    pub container: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl Published {
    /// Whether both, of one fixed port and protocol, cannot be had at once: their addresses are, or include, each other.
    fn collides_with(&self, other: &Published) -> bool {
        // An IPv6 socket of rr's takes no IPv4 (IPV6_V6ONLY in ipv6(7)).
        let includes = |one: IpAddr, two: IpAddr| one.is_unspecified() && one.is_ipv4() == two.is_ipv4();
        match (self.address, other.address) {
            (Some(one), Some(two)) => one == two || includes(one, two) || includes(two, one),
            _ => true,
        }
    }
}

/// Two of `published` that cannot be had at once.
pub fn collision(published: &[Published]) -> Option<(&Published, &Published)> {
    // A range may have all ports there are: only those of one number are compared.
    let mut by_number: BTreeMap<(u16, Protocol), Vec<&Published>> = BTreeMap::new();
    for port in published {
        let Some(number) = port.host.fixed() else { continue };
        let others = by_number.entry((number, port.protocol)).or_default();
        if let Some(other) = others.iter().find(|other| other.collides_with(port)) {
            return Some((*other, port));
        }
        others.push(port);
    }
    None
}

/// Which ports a container has open to the outside, as asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortsPlan {
    /// `--publish`, without repetitions; no two collide.
    pub published: Vec<Published>,
    /// `--publish-all`
    pub publish_all: bool,
    /// What comes of that: the ports exposed by the image and `--expose` that are not in `published`.
    pub by_exposure: Vec<Published>,
}

impl PortsPlan {
    /// All that are to be open.
    pub fn all(&self) -> Vec<Published> {
        self.published.iter().chain(&self.by_exposure).copied().collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.published.is_empty() && self.by_exposure.is_empty()
    }
}

/// One port of the host that leads into the container, while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The host's address; all of a family where it is 0.0.0.0 or `::`.
    pub address: IpAddr,
    /// The host's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl Bound {
    /// Whether it is the IPv6 half of a port that is published on every address.
    pub fn is_twin_of(&self, other: &Bound) -> bool {
        self.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            && other.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            && (self.host, self.container, self.protocol) == (other.host, other.container, other.protocol)
    }

    /// `0.0.0.0:8080`, `[::]:8080`
    pub fn host_text(&self) -> String {
        std::net::SocketAddr::new(self.address, self.host).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(address: Option<&str>, port: u16, protocol: Protocol) -> Published {
        let address = address.map(|address| address.parse().unwrap());
        Published { address, host: HostPort::exactly(port), container: 80, protocol }
    }

    #[test]
    fn only_what_cannot_be_bound_twice_collides() {
        use Protocol::{Tcp, Udp};
        let collide = |one, two| collision(&[one, two]).is_some();
        for (one, two, expected) in [
            (None, None, true),
            (None, Some("127.0.0.1"), true),
            (Some("0.0.0.0"), Some("127.0.0.1"), true),
            (Some("127.0.0.1"), Some("0.0.0.0"), true),
            (Some("::"), Some("::1"), true),
            (Some("0.0.0.0"), Some("::1"), false),
            (Some("0.0.0.0"), Some("::"), false),
            (Some("127.0.0.1"), Some("127.0.0.2"), false),
            (Some("::1"), Some("::1"), true),
        ] {
            assert_eq!(collide(published(one, 1, Tcp), published(two, 1, Tcp)), expected, "{one:?} {two:?}");
            assert!(!collide(published(one, 1, Tcp), published(two, 1, Udp)));
            assert!(!collide(published(one, 1, Tcp), published(two, 2, Tcp)));
        }
        let any = Published { host: HostPort::Any, ..published(None, 1, Tcp) };
        assert!(!collide(any, any));
    }
}
