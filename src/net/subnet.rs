//! Ranges of addresses: what a network has, what the host has, and what is free. No I/O but [`host_routes`].

use crate::error::{Doing, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that share their first bits: `10.89.0.0/24`, `fd00:1::/64`. Always the whole range: the bits
/// behind the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The range that `address` is in; None where there is no such prefix.
    pub fn around(address: IpAddr, prefix: u8) -> Option<Subnet> {
        let width = width(address);
        if prefix > width {
            return None;
        }
        let kept = number(address) & mask(width, prefix);
        Some(Subnet { first: like(address, kept), prefix })
    }

    /// Its first address, which names it.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// How many bits its addresses share: 0 to 32, or to 128.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is of IPv6.
    pub fn is_v6(&self) -> bool {
        self.first.is_ipv6()
    }

    /// Its last address, the broadcast address in IPv4.
    pub fn last(&self) -> IpAddr {
        let width = width(self.first);
        like(self.first, number(self.first) | all(width) & !mask(width, self.prefix))
    }

    /// Whether `address` is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        Subnet::around(address, self.prefix).is_some_and(|subnet| subnet.first == self.first)
    }

    /// Whether all of `other` is in it.
    pub fn encloses(&self, other: &Subnet) -> bool {
        self.prefix <= other.prefix && self.holds(other.first)
    }

    /// Whether they have an address in common.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        self.encloses(other) || other.encloses(self)
    }

    /// The address of this number in it, counted from 0; None behind its end.
    pub fn nth(&self, place: u128) -> Option<IpAddr> {
        let sum = number(self.first).checked_add(place)?;
        (sum <= number(self.last())).then(|| like(self.first, sum))
    }

    /// Whether [`Subnet::hosts`] has `address`.
    pub fn hosts_hold(&self, address: IpAddr) -> bool {
        let spared = number(self.last()).saturating_sub(number(self.first)) > 1;
        let end = address == self.first || (address == self.last() && !self.is_v6());
        self.holds(address) && !(spared && end)
    }

    /// The addresses that a host may have: not the first, which means the network (or, in IPv6, any router), nor
    /// IPv4's broadcast address. A range of one or two addresses has no such (RFC 3021).
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (first, last) = (number(self.first), number(self.last()));
        let spared = last.saturating_sub(first) > 1;
        let from = first + u128::from(spared);
        let to = last - u128::from(spared && !self.is_v6());
        let like_first = self.first;
        (from..=to).map(move |number| like(like_first, number))
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// An address as a number.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The number as an address of the same kind.
fn like(kind: IpAddr, number: u128) -> IpAddr {
    match kind {
        // No number here has more bits than the kind of address it was made of.
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from((number & 0xffff_ffff) as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// All bits of an address.
fn all(width: u8) -> u128 {
    u128::MAX >> (128 - u32::from(width))
}

/// The bits of the prefix.
fn mask(width: u8, prefix: u8) -> u128 {
    let behind = u32::from(width - prefix);
    all(width) & u128::MAX.checked_shl(behind).unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.first, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Subnet, String> {
        text.parse()
    }
}

impl FromStr for Subnet {
    type Err = String;
    /// Go's `net.ParseCIDR`, and its words: an address inside the range names it as well.
    fn from_str(text: &str) -> std::result::Result<Subnet, String> {
        let wrong = || format!("invalid CIDR address: {}", text.escape_debug());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let digits = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = Some(prefix).filter(|_| digits).and_then(|prefix| prefix.parse().ok()).ok_or_else(wrong)?;
        Subnet::around(address.parse().map_err(|_| wrong())?, prefix).ok_or_else(wrong)
    }
}

/// The first 10.89.N.0/24, then 10.90.N.0/24 and so on to 10.255, that overlaps none of `taken`: Podman's order.
pub fn free_v4<'a>(taken: impl Iterator<Item = &'a Subnet> + Clone) -> Option<Subnet> {
    let candidates = (89..=255_u8).flat_map(|second| (0..=255_u8).map(move |third| (second, third)));
    candidates
        .filter_map(|(second, third)| Subnet::around(IpAddr::V4(Ipv4Addr::new(10, second, third, 0)), 24))
        .find(|candidate| !taken.clone().any(|taken| taken.overlaps(candidate)))
}

/// A /64 of unique local addresses (RFC 4193), made of random bits.
pub fn unique_local(random: [u8; 7]) -> Subnet {
    let [a, b, c, d, e, f, g] = random;
    let address = Ipv6Addr::from([0xfd, a, b, c, d, e, f, g, 0, 0, 0, 0, 0, 0, 0, 0]);
    Subnet { first: IpAddr::V6(address), prefix: 64 }
}

/// The ranges that this network namespace has routes to, but for default routes. Where /proc does not say, none.
///
/// # Errors
/// /proc/net/route cannot be read.
pub fn host_routes() -> Result<Vec<Subnet>> {
    let read = |path: &str| match std::fs::read_to_string(path) {
        // Without IPv6, or without /proc, there is nothing to collide with.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => text.doing(|| format!("cannot read {path}")),
    };
    Ok(routes_of(&read("/proc/net/route")?, &read("/proc/net/ipv6_route")?))
}

/// The destinations in proc_pid_net(5)'s two files, where they have a prefix. Addresses are hexadecimal: of IPv4 in the
/// machine's order of bytes, of IPv6 in the network's.
fn routes_of(v4: &str, v6: &str) -> Vec<Subnet> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let of_v4 = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv4Addr::from(number(words.get(1)?)?.to_ne_bytes());
        let mask = u32::from(Ipv4Addr::from(number(words.get(7)?)?.to_ne_bytes()));
        Subnet::around(IpAddr::V4(address), mask.leading_ones() as u8)
    };
    let of_v6 = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv6Addr::from(u128::from_str_radix(words.first()?, 16).ok()?);
        let prefix = u8::from_str_radix(words.get(1)?, 16).ok()?;
        // Link-local and multicast addresses are everywhere, and each machine's own one is in its own network.
        (!address.is_multicast() && !address.is_unicast_link_local() && !address.is_loopback() && prefix < 128)
            .then(|| Subnet::around(IpAddr::V6(address), prefix))?
    };
    let v4 = v4.lines().skip(1).filter_map(of_v4);
    v4.chain(v6.lines().filter_map(of_v6)).filter(|subnet| subnet.prefix > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_read_as_go_reads_them() {
        assert_eq!(subnet("10.89.0.7/24").to_string(), "10.89.0.0/24");
        assert_eq!(subnet("fd00::1:2/64").to_string(), "fd00::/64");
        assert_eq!(subnet("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(subnet("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        for text in
            ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "10.0.0/8", "x/8", "1.2.3.4/0x8"]
        {
            assert_eq!(text.parse::<Subnet>(), Err(format!("invalid CIDR address: {text}")));
        }
    }

    #[test]
    fn hosts_leave_out_the_ends() {
        let hosts = |text: &str| -> Vec<String> { subnet(text).hosts().map(|host| host.to_string()).collect() };
        assert_eq!(hosts("10.0.0.0/30"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(hosts("10.0.0.0/31"), ["10.0.0.0", "10.0.0.1"]);
        assert_eq!(hosts("10.0.0.5/32"), ["10.0.0.5"]);
        assert_eq!(hosts("fd00::/126"), ["fd00::1", "fd00::2", "fd00::3"]);
        assert_eq!(subnet("10.0.0.0/30").nth(3), Some("10.0.0.3".parse().unwrap()));
        assert_eq!(subnet("10.0.0.0/30").nth(4), None);
    }

    #[test]
    fn a_free_range_is_the_first_one() {
        assert_eq!(free_v4([].iter()).unwrap().to_string(), "10.89.0.0/24");
        let taken = [subnet("10.89.0.0/24"), subnet("10.89.1.128/25"), subnet("fd00::/8")];
        assert_eq!(free_v4(taken.iter()).unwrap().to_string(), "10.89.2.0/24");
        assert_eq!(free_v4([subnet("10.88.0.0/15")].iter()).unwrap().to_string(), "10.90.0.0/24");
        assert_eq!(free_v4([subnet("10.0.0.0/8")].iter()), None);
    }

    #[test]
    fn routes_are_seen() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let v6 = "fd770000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 1 0 00000001 eth0\n\
                  fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 1 0 00000001 eth0\n";
        let found: Vec<String> = routes_of(v4, v6).iter().map(Subnet::to_string).collect();
        if cfg!(target_endian = "little") {
            assert_eq!(found, ["172.17.0.0/16", "fd77::/64"]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(text in ".{0,40}") {
            let _ = text.parse::<Subnet>();
            routes_of(&text, &text);
        }

        #[test]
        fn a_range_holds_its_ends_and_is_read_back(bits in any::<u128>(), v6 in any::<bool>(), prefix in 0..=128_u8) {
            let address = if v6 { IpAddr::V6(bits.into()) } else { IpAddr::V4((bits as u32).into()) };
            let Some(subnet) = Subnet::around(address, prefix) else { return Ok(()) };
            prop_assert!(subnet.holds(address) && subnet.holds(subnet.first()) && subnet.holds(subnet.last()));
            prop_assert_eq!(subnet.to_string().parse::<Subnet>(), Ok(subnet));
            let hosts: Vec<IpAddr> = subnet.hosts().take(3).collect();
            prop_assert!(!hosts.is_empty() && hosts.iter().all(|host| subnet.hosts_hold(*host)));
        }

        #[test]
        fn overlap_is_mutual(a in any::<u32>(), b in any::<u32>(), p in 0..=32_u8, q in 0..=32_u8) {
            let (a, b) = (Subnet::around(IpAddr::V4(a.into()), p).unwrap(), Subnet::around(IpAddr::V4(b.into()), q).unwrap());
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            prop_assert_eq!(a.overlaps(&b), a.holds(b.first()) || b.holds(a.first()));
        }
    }
}
