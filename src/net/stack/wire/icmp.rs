//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echoes, and why something did not arrive.

use super::ip::Packet;
use std::net::IpAddr;

/// An echo request: what ping(8) sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Which ping.
    pub identifier: u16,
    /// From the type on: what a ping socket sends (icmp(7)).
    pub message: &'a [u8],
}

/// The length of an echo's header and of an error's.
pub const HEADER: usize = 8;

/// The type of an echo request.
pub fn request(v4: bool) -> u8 {
    if v4 { 8 } else { 128 }
}

/// The type of an echo reply.
pub fn reply(v4: bool) -> u8 {
    if v4 { 0 } else { 129 }
}

impl<'a> Echo<'a> {
    /// None where the message is something else.
    pub fn parse(packet: &Packet<'a>) -> Option<Echo<'a>> {
        let header: &[u8; HEADER] = packet.payload.first_chunk()?;
        if header[0] != request(packet.source.is_ipv4()) || header[1] != 0 {
            return None;
        }
        Some(Echo { identifier: u16::from_be_bytes([header[4], header[5]]), message: packet.payload })
    }
}

/// Why a packet was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unreachable {
    Network,
    Host,
    Port,
    /// A firewall's word.
    Prohibited,
}

impl Unreachable {
    /// What connect(2) and send(2) say; None where it is about something else.
    pub fn from_errno(errno: i32) -> Option<Unreachable> {
        match errno {
            libc::ENETUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT => Some(Unreachable::Network),
            libc::EHOSTUNREACH | libc::EHOSTDOWN => Some(Unreachable::Host),
            libc::ECONNREFUSED => Some(Unreachable::Port),
            libc::EACCES | libc::EPERM => Some(Unreachable::Prohibited),
            _ => None,
        }
    }

    /// Type and code.
    pub fn numbers(self, v4: bool) -> (u8, u8) {
        match (self, v4) {
            (Unreachable::Network, true) => (3, 0),
            (Unreachable::Host, true) => (3, 1),
            (Unreachable::Port, true) => (3, 3),
            (Unreachable::Prohibited, true) => (3, 13),
            (Unreachable::Network, false) => (1, 0),
            (Unreachable::Host, false) => (1, 3),
            (Unreachable::Port, false) => (1, 4),
            (Unreachable::Prohibited, false) => (1, 1),
        }
    }
}

/// Type and code of what a router says that was a packet's last hop.
pub fn time_exceeded(v4: bool) -> (u8, u8) {
    if v4 { (11, 0) } else { (3, 0) }
}

/// The first bytes of a packet that an error is about: its headers, built again.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// From and to.
    pub addresses: (IpAddr, IpAddr),
    /// Of the transport.
    pub protocol: u8,
    /// The first eight bytes of the transport's header.
    pub transport: &'a [u8],
}
