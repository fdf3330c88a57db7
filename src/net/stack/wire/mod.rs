//! What is in a frame: pure functions over bytes, which a container's root can make what they like. Nothing here
//! fails but by `None`, allocates, or looks further than the slice it is given.

pub mod arp;
pub mod head;
pub mod icmp;
pub mod ip;
pub mod ndp;
pub mod tcp;
pub mod udp;

/// A hardware address (IEEE 802).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everybody on the link.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether it names more than one station.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

/// The length of an Ethernet header.
pub const ETHERNET: usize = 14;
/// EtherType of IPv4 (RFC 894).
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6 (RFC 2464).
pub const IPV6: u16 = 0x86dd;

/// An Ethernet frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ethernet<'a> {
    /// Destination.
    pub to: Mac,
    /// Source.
    pub from: Mac,
    /// EtherType.
    pub kind: u16,
    /// What it carries, perhaps with padding behind it.
    pub payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// None for a runt.
    pub fn parse(bytes: &'a [u8]) -> Option<Ethernet<'a>> {
        let (header, payload) = bytes.split_at_checked(ETHERNET)?;
        Some(Ethernet {
            to: Mac(header[..6].try_into().ok()?),
            from: Mac(header[6..12].try_into().ok()?),
            kind: u16::from_be_bytes([header[12], header[13]]),
            payload,
        })
    }
}

/// Adds up 16-bit words, an odd last byte as a word's upper half (RFC 1071). `sum` is what was added up before, of an
/// even number of bytes.
pub fn add_up(sum: u32, bytes: &[u8]) -> u32 {
    // Sixty-four bits hold the carries of 2^32 words.
    let mut total = u64::from(sum);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_be_bytes(*word));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_be_bytes(last));
    while total >> 16 > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

/// The checksum of what was added up.
pub fn checksum(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_adds_up() {
        let sum = add_up(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(checksum(sum), !0xddf2);
        assert_eq!(checksum(add_up(0, &[0xab])), !0xab00);
    }

    #[test]
    fn a_runt_is_no_frame() {
        assert_eq!(Ethernet::parse(&[0; 13]), None);
        assert!(Ethernet::parse(&[0; 14]).unwrap().payload.is_empty());
    }

    proptest! {
        /// A message with its checksum in it adds up to nothing.
        #[test]
        fn a_checksum_checks(mut bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
            bytes[..2].copy_from_slice(&[0, 0]);
            let sum = checksum(add_up(0, &bytes));
            bytes[..2].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(checksum(add_up(0, &bytes)), 0);
        }
    }
}
