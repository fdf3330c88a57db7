//! ARP of IPv4 over Ethernet (RFC 826).

use super::Mac;
use std::net::Ipv4Addr;

/// What a message wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target's address?
    Request,
    /// The sender has its address.
    Reply,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Question or answer.
    pub operation: Operation,
    /// Who says so.
    pub sender: (Mac, Ipv4Addr),
    /// Who is meant; of a request, the address alone counts.
    pub target: (Mac, Ipv4Addr),
}

/// Ethernet, IPv4, addresses of 6 and 4 bytes.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];
const LENGTH: usize = 28;

impl Arp {
    /// None for what is not ARP of IPv4 over Ethernet.
    pub fn parse(bytes: &[u8]) -> Option<Arp> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let operation = match (bytes[..6] == PREFIX, bytes[6], bytes[7]) {
            (true, 0, 1) => Operation::Request,
            (true, 0, 2) => Operation::Reply,
            _ => return None,
        };
        let mac = |at: usize| Some(Mac(bytes[at..at + 6].try_into().ok()?));
        let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).ok()?));
        Some(Arp { operation, sender: (mac(8)?, address(14)?), target: (mac(18)?, address(24)?) })
    }

    /// The message's bytes.
    pub fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        bytes[8..14].copy_from_slice(&self.sender.0.0);
        bytes[14..18].copy_from_slice(&self.sender.1.octets());
        bytes[18..24].copy_from_slice(&self.target.0.0);
        bytes[24..28].copy_from_slice(&self.target.1.octets());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_is_read_as_it_is_written() {
        let message = Arp {
            operation: Operation::Request,
            sender: (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 2, 100)),
            target: (Mac([0; 6]), Ipv4Addr::new(10, 0, 2, 2)),
        };
        assert_eq!(Arp::parse(&message.to_bytes()), Some(message));
        let mut other = message.to_bytes();
        other[7] = 3;
        assert_eq!(Arp::parse(&other), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let with_prefix = [&PREFIX[..], &[0, 1], &bytes].concat();
            if let Some(message) = Arp::parse(&with_prefix) {
                prop_assert_eq!(&message.to_bytes()[..], &with_prefix[..LENGTH]);
            }
        }
    }
}
