//! Datagrams to published ports. A client is remembered from its first datagram on, so that the container's answers go
//! back to it, from the address that it has written to.

use super::{Port, shown, unused, way_in};
use crate::net::stack::link::OWN;
use crate::net::stack::table::{Id, Table};
use crate::net::stack::timers::{Deadline, Moment};
use crate::net::stack::wire::Mac;
use crate::net::stack::wire::head::Head;
use crate::net::stack::wire::ip::{Packet, protocol};
use crate::net::stack::wire::udp::{self, Datagram};
use crate::net::stack::{Core, Ends, Source};
use crate::sys::net::{receive_at, send_from, tell_addresses};
use rustix::io::Errno;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// The most clients at once; the one that has been silent longest goes for a new one.
const MOST_CLIENTS: usize = 4096;
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
            let Some(client) = self.clients.get_mut(id) else { continue };
            client.local = local.unwrap_or(port.bound.address);
            client.used = core.now;
            core.timers.set(&mut client.deadline, core.now + PATIENCE, Source::Client(id));
            let Ends { inside, outside } = client.ends;
            let mac = core.link.neighbour(inside.ip()).unwrap_or_else(|| {
                core.link.solicit(inside.ip(), &core.layout);
                Mac::BROADCAST
            });
            let mut head = Head::ip((OWN, mac), (outside.ip(), inside.ip()), protocol::UDP, udp::HEADER + length);
            head.push(&udp::header(outside.port(), inside.port(), length));
            head.leave_checksum(udp::CHECKSUM);
            core.link.send(&head, &core.buffer[..length]);
        }
    }

    /// The client at `address`, known or new.
    fn client(&mut self, core: &Core, port: &Port, place: Id, address: SocketAddr) -> Option<Id> {
        if let Some(id) = self.by_address.get(&(place, address)) {
            return Some(*id);
        }
        if self.clients.len() >= MOST_CLIENTS {
            let oldest = self.clients.iter().min_by_key(|(_, client)| client.used).map(|(id, _)| id);
            oldest.into_iter().for_each(|id| self.forget(id));
        }
        let inside = way_in(port);
        let outside = unused(shown(&core.layout, address, inside), |outside| {
            self.by_ends.contains_key(&Ends { inside, outside })
        })?;
        let ends = Ends { inside, outside };
        let local = port.bound.address;
        let client = Client { port: place, address, local, ends, used: core.now, deadline: Deadline::default() };
        let id = self.clients.insert(client);
        self.by_address.insert((place, address), id);
        self.by_ends.insert(ends, id);
        Some(id)
    }

    fn forget(&mut self, id: Id) {
        if let Some(client) = self.clients.remove(id) {
            self.by_address.remove(&(client.port, client.address));
            self.by_ends.remove(&client.ends);
        }
    }

    /// Forgets all clients of a port that is closed.
    pub(super) fn forget_port(&mut self, port: Id) {
        let ids = self.clients.iter().filter(|(_, client)| client.port == port).map(|(id, _)| id);
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.forget(id));
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
        let ends = Ends {
            inside: SocketAddr::new(packet.source, datagram.from),
            outside: SocketAddr::new(packet.destination, datagram.to),
        };
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
            self.forget(id);
        }
    }
}
