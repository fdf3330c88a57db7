//! IPv4 (RFC 791) and IPv6 (RFC 8200): what the stack needs of a packet.
//!
//! Fragments are nobody's: the link takes 64 KiB, so that a container has none to send, and putting somebody's
//! fragments together means keeping them.

use super::{IPV4, IPV6, add_up, checksum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol numbers (IANA).
pub mod protocol {
    #![allow(missing_docs)]
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
}

/// An unfragmented packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who it says it is from.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// What the payload is: a number of [`protocol`], or another.
    pub protocol: u8,
    /// Time to live, hop limit.
    pub hops: u8,
    /// Behind all of the IP headers.
    pub payload: &'a [u8],
    /// Headers and payload.
    pub whole: &'a [u8],
}

impl<'a> Packet<'a> {
    /// None for fragments and for what is no packet. `kind` is the frame's EtherType; what is behind the packet's own
    /// length is padding.
    pub fn parse(kind: u16, bytes: &'a [u8]) -> Option<Packet<'a>> {
        match kind {
            IPV4 => parse_v4(bytes),
            IPV6 => parse_v6(bytes),
            _ => None,
        }
    }
}

fn parse_v4(bytes: &[u8]) -> Option<Packet<'_>> {
    let fixed: &[u8; 20] = bytes.first_chunk()?;
    let header_length = usize::from(fixed[0] & 0xf) * 4;
    let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let whole = bytes.get(..length)?;
    let header = whole.get(..header_length)?;
    // "More fragments", or not the first of them.
    let is_fragment = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0;
    if fixed[0] >> 4 != 4 || header_length < 20 || is_fragment || checksum(add_up(0, header)) != 0 {
        return None;
    }
    Some(Packet {
        source: Ipv4Addr::from(<[u8; 4]>::try_from(&fixed[12..16]).ok()?).into(),
        destination: Ipv4Addr::from(<[u8; 4]>::try_from(&fixed[16..20]).ok()?).into(),
        protocol: fixed[9],
        hops: fixed[8],
        payload: &whole[header_length..],
        whole,
    })
}

fn parse_v6(bytes: &[u8]) -> Option<Packet<'_>> {
    // Extension headers that only say something about the way: hop-by-hop options, destination options.
    const OPTIONS: [u8; 2] = [0, 60];
    let fixed: &[u8; 40] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let whole = bytes.get(..40 + length)?;
    if fixed[0] >> 4 != 6 {
        return None;
    }
    let (mut next, mut payload) = (fixed[6], &whole[40..]);
    while OPTIONS.contains(&next) {
        let extension = payload.first_chunk::<8>()?;
        next = extension[0];
        payload = payload.get((usize::from(extension[1]) + 1) * 8..)?;
    }
    Some(Packet {
        source: Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[8..24]).ok()?).into(),
        destination: Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[24..40]).ok()?).into(),
        protocol: next,
        hops: fixed[7],
        payload,
        whole,
    })
}

/// What the checksums of TCP, UDP and ICMPv6 cover besides their own bytes, added up (RFC 9293, section 3.1; RFC 8200,
/// section 8.1).
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> u32 {
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => add_up(add_up(0, &source.octets()), &destination.octets()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => add_up(add_up(0, &source.octets()), &destination.octets()),
        // There is no such packet.
        _ => 0,
    };
    addresses + u32::from(protocol) + (length as u32 & 0xffff) + (length as u32 >> 16)
}

#[cfg(test)]
pub(in crate::net::stack) mod tests {
    use super::*;
    use crate::net::stack::wire::head::Head;
    use crate::net::stack::wire::{ETHERNET, Mac};
    use proptest::prelude::*;

    /// A packet as the stack itself writes it, without the frame's header.
    pub(in crate::net::stack) fn packet(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let mac = Mac([2; 6]);
        let head = Head::ip((mac, mac), (source, destination), protocol, payload.len());
        [&head.frame()[ETHERNET..], payload].concat()
    }

    #[test]
    fn both_versions_are_read_as_they_are_written() {
        for (kind, source, destination) in [(IPV4, "10.0.2.100", "192.0.2.1"), (IPV6, "fd00::100", "2001:db8::1")] {
            let mut bytes = packet(source, destination, protocol::UDP, b"payload");
            let length = bytes.len();
            bytes.extend([0; 20]);
            let read = Packet::parse(kind, &bytes).unwrap();
            assert_eq!((read.source.to_string(), read.destination.to_string()), (source.into(), destination.into()));
            assert_eq!((read.protocol, read.payload, read.whole.len()), (protocol::UDP, &b"payload"[..], length));
        }
    }

    #[test]
    fn fragments_and_nonsense_are_nobodys() {
        let good = packet("10.0.2.100", "192.0.2.1", protocol::UDP, b"payload");
        for (at, value) in [(0, 0x44), (0, 0x4f), (0, 0x65), (3, 0xff), (6, 0x20), (7, 1), (10, good[10] ^ 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            if at != 10 {
                // The checksum is right: it is the field itself that is refused.
                bad[10..12].copy_from_slice(&[0, 0]);
                let sum = checksum(add_up(0, &bad[..20]));
                bad[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            assert_eq!(Packet::parse(IPV4, &bad), None, "{at} {value}");
        }
        assert_eq!(Packet::parse(IPV4, &good[..good.len() - 1]), None);
        assert_eq!(Packet::parse(0x1234, &good), None);
        let fragment = packet("fd00::100", "2001:db8::1", 44, &[17, 0, 0, 1, 0, 0, 0, 0]);
        // It is a packet, of a protocol that nobody here speaks.
        assert_eq!(Packet::parse(IPV6, &fragment).unwrap().protocol, 44);
    }

    #[test]
    fn options_of_ipv6_are_passed_over() {
        let payload = [&[60, 0, 0, 0, 0, 0, 0, 0, 17, 1][..], &[0; 14], b"udp"].concat();
        let bytes = packet("fd00::100", "2001:db8::1", 0, &payload);
        let read = Packet::parse(IPV6, &bytes).unwrap();
        assert_eq!((read.protocol, read.payload), (17, &b"udp"[..]));
        let cut = packet("fd00::100", "2001:db8::1", 0, &[60, 9, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Packet::parse(IPV6, &cut), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..120), six: bool) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = if six { 0x60 } else { 0x45 };
            }
            if let Some(packet) = Packet::parse(if six { IPV6 } else { IPV4 }, &bytes) {
                prop_assert!(packet.payload.len() < packet.whole.len() && packet.whole.len() <= bytes.len());
            }
        }
    }
}
