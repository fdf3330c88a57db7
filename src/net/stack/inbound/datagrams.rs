//! Datagrams to published ports. A client is remembered from its first datagram on, so that the container's answers go
//! back to it, from the address that it has written to.

use super::{Port, SHORT_WAIT, shown, unused, way_in};
use crate::net::stack::table::{Id, Table};
use crate::net::stack::timers::{Deadline, Moment};
use crate::net::stack::wire::ip::{Packet, protocol};
use crate::net::stack::wire::udp::{self as wire, Datagram};
use crate::net::stack::{Core, Ends, Source, udp};
use crate::sys::net::{receive_at, send_from, tell_addresses};
use rustix::io::Errno;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// The most clients at once; the one that has been silent longest goes for a new one.
pub(super) const MOST_CLIENTS: usize = 4096;
/// How long a client is remembered, in milliseconds. As conntrack has it (nf_conntrack-sysctl.rst).
const PATIENCE: Moment = 120_000;
/// How many datagrams are passed on before others have their turn.
const AT_ONCE: usize = 32;

/// A client of a port.
#[derive(Debug)]
struct Client {
    port: Id,
    address: SocketAddr,
    /// The host's address that it writes to.
    local: IpAddr,
    /// As the container sees it.
    ends: Ends,
    since: Moment,
    /// 0: not yet.
    used: Moment,
    deadline: Deadline,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    clients: Table<Client>,
    by_address: HashMap<(Id, SocketAddr), Id>,
    by_ends: HashMap<Ends, Id>,
}

/// Has a socket say which of the host's addresses a datagram was for.
pub(super) fn ask_for_addresses(socket: &OwnedFd, of: IpAddr) -> rustix::io::Result<()> {
    tell_addresses(socket, of).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

impl Datagrams {
    /// Takes what has come at `port`.
    pub(super) fn receive(&mut self, core: &mut Core, port: &Port, id: Id) {
        for _ in 0..AT_ONCE {
            let Ok((length, address, local)) = receive_at(&port.socket, &mut core.buffer) else { return };
            let Some(id) = self.client(core, port, id, address) else { continue };
            if self.is_silent(core, id) {
                self.turn_to_v4(core, id);
            }
            let Some(client) = self.clients.get_mut(id) else { continue };
            client.local = local.unwrap_or(port.bound.address);
            let inside = client.ends.inside.ip();
            let known = core.link.neighbour(inside);
            if client.used == 0 && inside.is_ipv6() {
                // It is asked again whether it has the address, which it may have given up (`disable_ipv6`).
                core.link.forget(inside);
            }
            let mac = known.unwrap_or(core.link.neighbour_or_all(inside, &core.layout));
            client.used = core.now;
            core.timers.set(&mut client.deadline, core.now + PATIENCE, Source::Client(id));
            udp::send(&core.link, mac, client.ends, &core.buffer[..length]);
        }
    }

    /// The client at `address`, known or new.
    fn client(&mut self, core: &mut Core, port: &Port, place: Id, address: SocketAddr) -> Option<Id> {
        if let Some(id) = self.by_address.get(&(place, address)) {
            return Some(*id);
        }
        if self.clients.len() >= MOST_CLIENTS
            && let Some(oldest) = self.clients.least_by_key(|client| client.used)
        {
            self.forget(core, oldest);
        }
        let inside = way_in(port);
        let outside = unused(shown(&core.layout, address, inside), |outside| {
            self.by_ends.contains_key(&Ends { inside, outside })
        })?;
        let ends = Ends { inside, outside };
        let local = port.bound.address;
        let client =
            Client { port: place, address, local, ends, since: core.now, used: 0, deadline: Deadline::default() };
        let id = self.clients.insert(client);
        self.by_address.insert((place, address), id);
        self.by_ends.insert(ends, id);
        Some(id)
    }

    /// Whether the container has said nothing by IPv6, not even its hardware address, though it is there.
    fn is_silent(&mut self, core: &Core, id: Id) -> bool {
        let Some(client) = self.clients.get_mut(id) else { return false };
        let inside = client.ends.inside.ip();
        inside.is_ipv6()
            && core.now >= client.since + SHORT_WAIT
            && core.link.neighbour(inside).is_none()
            && core.twins.get(&inside).is_some_and(|v4| core.link.neighbour(*v4).is_some())
    }

    /// A container where nobody listens by IPv6 may serve IPv4 alone: from here on it is asked there, by the gateway, since
    /// the client has no address of IPv4.
    fn turn_to_v4(&mut self, core: &Core, id: Id) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let before = client.ends;
        let Some(v4) = core.twins.get(&before.inside.ip()) else { return };
        let inside = SocketAddr::new(*v4, before.inside.port());
        let from = SocketAddr::new(core.layout.v4.gateway, before.outside.port());
        let Some(outside) = unused(from, |outside| self.by_ends.contains_key(&Ends { inside, outside })) else {
            return;
        };
        client.ends = Ends { inside, outside };
        self.by_ends.remove(&before);
        self.by_ends.insert(client.ends, id);
    }

    /// Takes the container's word that nobody listens at a port by IPv6: the datagram that it sends back, as far as that
    /// is whole, is delivered by IPv4. False where the message is about something else.
    pub(super) fn refused(&mut self, core: &mut Core, packet: &Packet<'_>) -> bool {
        let Some((ends, payload)) = unreachable_port(packet) else { return false };
        let Some(&id) = self.by_ends.get(&ends) else { return false };
        self.turn_to_v4(core, id);
        if let (Some(client), Some(payload)) = (self.clients.get_mut(id), payload) {
            let mac = core.link.neighbour_or_all(client.ends.inside.ip(), &core.layout);
            udp::send(&core.link, mac, client.ends, payload);
        }
        true
    }

    /// How many clients there are.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    fn forget(&mut self, core: &mut Core, id: Id) {
        if let Some(client) = self.clients.remove(id) {
            core.timers.cancel(client.deadline, Source::Client(id));
            self.by_address.remove(&(client.port, client.address));
            self.by_ends.remove(&client.ends);
        }
    }

    /// Forgets all clients of a port that is closed.
    pub(super) fn forget_port(&mut self, core: &mut Core, port: Id) {
        let ids = self.clients.iter().filter(|(_, client)| client.port == port).map(|(id, _)| id);
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.forget(core, id));
    }

    /// Sends an answer back to whom it is for; false where the datagram is none.
    pub(super) fn answer(
        &mut self,
        core: &mut Core,
        ports: &Table<Port>,
        packet: &Packet<'_>,
        datagram: &Datagram<'_>,
    ) -> bool {
        if self.by_ends.is_empty() {
            return false;
        }
        let ends = Ends::of(packet, datagram.from, datagram.to);
        let Some(&id) = self.by_ends.get(&ends) else { return false };
        let Some(client) = self.clients.get_mut(id) else { return false };
        let Some(port) = ports.get(client.port) else { return false };
        client.used = core.now;
        core.timers.set(&mut client.deadline, core.now + PATIENCE, Source::Client(id));
        if let Err(error) = send_from(&port.socket, datagram.payload, client.address, client.local) {
            log::trace!("an answer to {} is lost: {error}", client.address);
        }
        true
    }

    /// Forgets a client that has been silent.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (Moment, Source)) {
        let Source::Client(id) = entry.1 else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        if core.timers.is_due(&mut client.deadline, entry, core.now) {
            self.forget(core, id);
        }
    }
}

/// What a message of ICMPv6 (RFC 4443, section 3.1) says of a datagram towards the container whose port nobody has: its
/// ends, and its payload where all of it came back. None: the message says something else.
fn unreachable_port<'a>(packet: &Packet<'a>) -> Option<(Ends, Option<&'a [u8]>)> {
    const PORT_UNREACHABLE: [u8; 2] = [1, 4];
    const HEADER: usize = 40;
    let quoted = packet.payload.get(8..).filter(|_| packet.payload.starts_with(&PORT_UNREACHABLE))?;
    let header: &[u8; HEADER] = quoted.first_chunk()?;
    let datagram = &quoted[HEADER..];
    let ports: &[u8; 6] = datagram.first_chunk()?;
    if header[0] >> 4 != 6 || header[6] != protocol::UDP {
        return None;
    }
    let half = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let address = |at: usize| <[u8; 16]>::try_from(&header[at..at + 16]).ok().map(IpAddr::from);
    let outside = SocketAddr::new(address(8)?, half(&ports[..2]));
    let inside = SocketAddr::new(address(24)?, half(&ports[2..4]));
    let payload = datagram.get(wire::HEADER..half(&ports[4..]).into());
    (inside.ip() == packet.source).then_some((Ends { inside, outside }, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stack::wire::IPV6;
    use crate::net::stack::wire::ip::tests::packet;

    #[test]
    fn a_refusal_names_its_datagram_and_brings_it_back() {
        let sent = [&wire::header(4000, 53, 5)[..], b"query"].concat();
        let quoted = packet("2001:db8::7", "fd5e:1c3b:72d4::100", protocol::UDP, &sent);
        let message = |quoted: &[u8]| [&[1, 4, 0, 0, 0, 0, 0, 0], quoted].concat();
        let read = |bytes: &[u8]| {
            let bytes = packet("fd5e:1c3b:72d4::100", "2001:db8::7", protocol::ICMPV6, bytes);
            let (ends, payload) = unreachable_port(&Packet::parse(IPV6, &bytes)?)?;
            Some((ends.inside.to_string(), ends.outside.to_string(), payload.map(<[u8]>::to_vec)))
        };
        let (inside, outside) = ("[fd5e:1c3b:72d4::100]:53".to_owned(), "[2001:db8::7]:4000".to_owned());
        assert_eq!(read(&message(&quoted)), Some((inside.clone(), outside.clone(), Some(b"query".to_vec()))));
        assert_eq!(read(&message(&quoted[..quoted.len() - 1])), Some((inside, outside, None)));
        // Another's datagram, another protocol, another message, too little of it.
        let others = packet("2001:db8::7", "fd5e:1c3b:72d4::101", protocol::UDP, &sent);
        let tcp = packet("2001:db8::7", "fd5e:1c3b:72d4::100", protocol::TCP, &sent);
        for nothing in
            [message(&others), message(&tcp), message(&quoted[..44]), [&[1, 1][..], &message(&quoted)[2..]].concat()]
        {
            assert_eq!(read(&nothing), None);
        }
    }
}
