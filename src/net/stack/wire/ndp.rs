//! Neighbour discovery (RFC 4861): ARP of IPv6.

use super::Mac;
use super::ip::{Packet, protocol};
use std::net::{IpAddr, Ipv6Addr};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Option: the sender's hardware address, and the target's.
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;

/// A message between neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Who has this address? With who asks, where that is said.
    Solicitation(Ipv6Addr, Option<Mac>),
    /// This one has it.
    Advertisement(Ipv6Addr, Option<Mac>),
}

impl Neighbour {
    /// None where the packet is something else, or has come from further away than the link.
    pub fn parse(packet: &Packet<'_>) -> Option<Neighbour> {
        let fixed: &[u8; 24] = packet.payload.first_chunk()?;
        if packet.protocol != protocol::ICMPV6 || packet.hops != 255 || fixed[1] != 0 {
            return None;
        }
        let target = Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[8..24]).ok()?);
        let options = &packet.payload[24..];
        match fixed[0] {
            SOLICITATION => Some(Neighbour::Solicitation(target, hardware_address(options, SOURCE_ADDRESS))),
            ADVERTISEMENT => Some(Neighbour::Advertisement(target, hardware_address(options, TARGET_ADDRESS))),
            _ => None,
        }
    }

    /// The message's bytes, but for the checksum.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (kind, flags, target, option, mac) = match self {
            Neighbour::Solicitation(target, mac) => (SOLICITATION, 0, target, SOURCE_ADDRESS, mac),
            // Asked for, from a router, and to be believed over what is known already.
            Neighbour::Advertisement(target, mac) => (ADVERTISEMENT, 0xe0, target, TARGET_ADDRESS, mac),
        };
        bytes[0] = kind;
        bytes[4] = flags;
        bytes[8..24].copy_from_slice(&target.octets());
        bytes[24..26].copy_from_slice(&[option, 1]);
        bytes[26..32].copy_from_slice(&mac.map_or([0; 6], |mac| mac.0));
        bytes
    }
}

/// Options are type, length in units of eight bytes, value.
fn hardware_address(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, length, ..] = *options {
        let option = options.get(..usize::from(length) * 8).filter(|option| !option.is_empty())?;
        if kind == wanted {
            return Some(Mac(option[2..8].try_into().ok()?));
        }
        options = &options[option.len()..];
    }
    None
}

/// Where a solicitation for `target` goes (RFC 4291, section 2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> (IpAddr, Mac) {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    (IpAddr::V6(group), Mac([0x33, 0x33, 0xff, a, b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stack::wire::IPV6;
    use crate::net::stack::wire::ip::tests::packet;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Option<Neighbour> {
        Neighbour::parse(&Packet::parse(IPV6, &packet("fd00::100", "fd00::2", protocol::ICMPV6, bytes)).unwrap())
    }

    #[test]
    fn both_messages_are_read_as_they_are_written() {
        let (target, mac) = ("fd00::2".parse().unwrap(), Some(Mac([2, 0, 0, 0, 0, 9])));
        for message in [Neighbour::Solicitation(target, mac), Neighbour::Advertisement(target, mac)] {
            assert_eq!(read(&message.to_bytes()), Some(message));
        }
        assert_eq!(
            read(&Neighbour::Solicitation(target, mac).to_bytes()[..24]),
            Some(Neighbour::Solicitation(target, None))
        );
    }

    proptest! {
        #[test]
        fn any_options_end(options in proptest::collection::vec(any::<u8>(), 0..64)) {
            let target = "fd00::2".parse().unwrap();
            let bytes = [&Neighbour::Solicitation(target, None).to_bytes()[..24], &options].concat();
            prop_assert!(read(&bytes).is_some());
        }
    }
}
