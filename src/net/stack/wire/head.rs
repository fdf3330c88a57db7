//! The headers of a frame towards the container, in front of a payload that lies elsewhere.

use super::ip::{protocol, pseudo_header};
use super::{ETHERNET, IPV4, IPV6, Mac, add_up, checksum};
use crate::sys::tun::VIRTIO_HEADER;
use std::net::IpAddr;

/// Room for the longest headers: virtio's, Ethernet's, IPv6's and TCP's with options, or ICMP's with the beginning of
/// a packet.
const ROOM: usize = VIRTIO_HEADER + ETHERNET + 40 + 8 + 128;

/// Headers, with virtio's first.
#[derive(Debug, Clone)]
pub struct Head {
    bytes: [u8; ROOM],
    length: usize,
    /// Sum over the pseudo-header of TCP and UDP.
    pseudo: u32,
    transport: usize,
}

impl Head {
    /// Of a frame that is not IP.
    pub fn ethernet(from: Mac, to: Mac, kind: u16) -> Head {
        let mut head = Head { bytes: [0; ROOM], length: VIRTIO_HEADER, pseudo: 0, transport: 0 };
        head.push(&to.0);
        head.push(&from.0);
        head.push(&kind.to_be_bytes());
        head
    }

    /// Of a packet: hardware addresses and addresses, each from and to; `length` is what follows the IP header. The two
    /// addresses are of one family.
    pub fn ip(macs: (Mac, Mac), addresses: (IpAddr, IpAddr), protocol: u8, length: usize) -> Head {
        const HOPS: u8 = 64;
        let (source, destination) = addresses;
        let kind = if source.is_ipv4() { IPV4 } else { IPV6 };
        let mut head = Head::ethernet(macs.0, macs.1, kind);
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let total = ((20 + length) as u16).to_be_bytes();
                // Not to be fragmented, which spares it an identification (RFC 6864).
                let mut header =
                    [0x45, 0, total[0], total[1], 0, 0, 0x40, 0, HOPS, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                header[12..16].copy_from_slice(&source.octets());
                header[16..20].copy_from_slice(&destination.octets());
                let sum = checksum(add_up(0, &header));
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                head.push(&header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                // What neighbours tell each other must not have come through a router (RFC 4861, section 6.1).
                let hops = if protocol == protocol::ICMPV6 { 255 } else { HOPS };
                let length = (length as u16).to_be_bytes();
                head.push(&[0x60, 0, 0, 0, length[0], length[1], protocol, hops]);
                head.push(&source.octets());
                head.push(&destination.octets());
            }
            _ => {}
        }
        head.pseudo = pseudo_header(source, destination, protocol, length);
        head.transport = head.length;
        head
    }

    /// Adds to the headers.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Leaves the checksum at byte `field` of the transport header to the kernel, which need not compute it for a
    /// packet that stays on this machine (linux/virtio_net.h, VIRTIO_NET_HDR_F_NEEDS_CSUM).
    pub fn leave_checksum(&mut self, field: usize) {
        const NEEDS_CHECKSUM: u8 = 1;
        let start = (self.transport - VIRTIO_HEADER) as u16;
        self.bytes[0] = NEEDS_CHECKSUM;
        self.bytes[6..8].copy_from_slice(&start.to_ne_bytes());
        self.bytes[8..10].copy_from_slice(&(field as u16).to_ne_bytes());
        let at = self.transport + field;
        self.bytes[at..at + 2].copy_from_slice(&(!checksum(self.pseudo)).to_be_bytes());
    }

    /// Computes the checksum of ICMP, which covers the pseudo-header with IPv6 only.
    pub fn sum_up_icmp(&mut self, payload: &[u8]) {
        let pseudo = if self.bytes[VIRTIO_HEADER + ETHERNET] >> 4 == 6 { self.pseudo } else { 0 };
        // Headers of ICMP have an even length, so that the payload goes on with a whole word.
        let sum = add_up(add_up(pseudo, &self.bytes[self.transport..self.length]), payload);
        let at = self.transport + 2;
        self.bytes[at..at + 2].copy_from_slice(&checksum(sum).to_be_bytes());
    }

    /// An IPv4 packet with so many routers before it.
    #[cfg(test)]
    pub fn limit_hops(&mut self, hops: u8) {
        let header = &mut self.bytes[VIRTIO_HEADER + ETHERNET..][..20];
        header[8] = hops;
        header[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum(add_up(0, header));
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    /// All of it, as the device takes it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Without virtio's header.
    pub fn frame(&self) -> &[u8] {
        &self.bytes[VIRTIO_HEADER..self.length]
    }
}
