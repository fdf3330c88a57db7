//! Published ports: what the host's sockets receive for the container becomes flows into it, with the client's own address
//! as the one that the container sees. An address that would lead elsewhere from inside (the host's loopback, an address
//! of the container's own network) is shown as the gateway's.
//!
//! The private network's ports are there from its beginning. On a network of several containers they come and go with
//! them: each one's are handed in by a line of its own, and are open as long as that is.

mod datagrams;
mod lines;
mod streams;

use super::layout::Layout;
use super::table::{Id, Table};
use super::tcp::Tcp;
use super::timers::Moment;
use super::told::Inside;
use super::wire::ip::Packet;
use super::wire::udp::Datagram;
use super::{Core, Source};
use crate::net::ports::{Bound, OpenPorts, Protocol};
use datagrams::Datagrams;
use lines::Line;
use rustix::event::epoll::EventFlags;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use streams::Streams;

/// How long a container has to say its hardware address before another address of its own is tried, in milliseconds.
const SHORT_WAIT: Moment = 300;

/// One socket of the host's.
#[derive(Debug)]
struct Port {
    bound: Bound,
    socket: OwnedFd,
    /// Whose it is.
    inside: Inside,
    /// By which it was handed in.
    line: Option<Id>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    ports: Table<Port>,
    lines: Table<Line>,
    streams: Streams,
    datagrams: Datagrams,
}

impl Inbound {
    /// Takes in what comes at these ports from now on.
    ///
    /// # Errors
    /// They cannot be watched.
    pub(super) fn publish(&mut self, core: &mut Core, opened: OpenPorts, inside: Inside) -> rustix::io::Result<()> {
        if !opened.sockets.is_empty() {
            greet(core, inside);
        }
        let ports = opened.bound.into_iter().zip(opened.sockets);
        ports.into_iter().try_for_each(|(bound, socket)| self.open(core, Port { bound, socket, inside, line: None }))
    }

    fn open(&mut self, core: &Core, port: Port) -> rustix::io::Result<()> {
        let events = match port.bound.protocol {
            // What cannot be accepted for want of memory would else be an event all the time.
            Protocol::Tcp => EventFlags::IN | EventFlags::ET,
            Protocol::Udp => {
                datagrams::ask_for_addresses(&port.socket, port.bound.address)?;
                EventFlags::IN
            }
        };
        let id = self.ports.insert(port);
        let watched = self.ports.get(id).map(|port| core.watch(&port.socket, Source::Port(id), events));
        if let Some(Err(errno)) = watched {
            self.ports.remove(id);
            return Err(errno);
        }
        Ok(())
    }

    /// How many ports there are.
    pub(super) fn ports(&self) -> usize {
        self.ports.len()
    }

    /// What is kept of clients: names, how many, and how many at most.
    pub(super) fn tables(&self) -> [(&'static str, usize, usize); 2] {
        [
            ("clients", self.datagrams.len(), datagrams::MOST_CLIENTS),
            ("waiting", self.streams.len(), streams::MOST_WAITING),
        ]
    }

    /// Something has come at a port.
    pub(super) fn event(&mut self, core: &mut Core, tcp: &mut Tcp, id: Id) {
        let Some(port) = self.ports.get(id) else { return };
        match port.bound.protocol {
            Protocol::Tcp => self.streams.accept(core, tcp, port, id),
            Protocol::Udp => self.datagrams.receive(core, port, id),
        }
    }

    /// After frames were read: whoever waited for the container's hardware address may have it now.
    pub(super) fn settle(&mut self, core: &mut Core, tcp: &mut Tcp) {
        self.streams.settle(core, tcp);
    }

    /// Whether a datagram of the container's is an answer, which then is on its way.
    pub(super) fn answer(&mut self, core: &mut Core, packet: &Packet<'_>, datagram: &Datagram<'_>) -> bool {
        self.datagrams.answer(core, &self.ports, packet, datagram)
    }

    /// Whether a message of ICMPv6 is the container's refusal of a client's datagram, which then is tried by IPv4.
    pub(super) fn refused(&mut self, core: &mut Core, packet: &Packet<'_>) -> bool {
        self.datagrams.refused(core, packet)
    }

    /// The time of what waits for the container has come.
    pub(super) fn wait_is_over(&mut self, core: &mut Core, tcp: &mut Tcp, entry: (Moment, Source)) {
        if self.streams.wait_is_over(core, tcp, entry) {
            // What could not be accepted may be now.
            for (id, _) in self.ports.iter().filter(|(_, port)| port.bound.protocol == Protocol::Tcp) {
                core.ready.push(Source::Port(id));
            }
        }
    }

    /// A client's time has come.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (Moment, Source)) {
        self.datagrams.expire(core, entry);
    }
}

/// The container's hardware address is asked for, so that the first client need not wait for the answer. What is known of
/// its addresses may be about another container, which had them before.
fn greet(core: &mut Core, inside: Inside) {
    for address in std::iter::once(inside.v4).chain(inside.v6) {
        core.link.forget(address);
        core.link.solicit(address, &core.layout);
    }
    if let Some(v6) = inside.v6 {
        core.twins.insert(v6, inside.v4);
    }
}

/// Where a client of this port is to go: the container's address in the client's family, if it has one.
fn way_in(port: &Port) -> SocketAddr {
    let address = if port.bound.address.is_ipv6() { port.inside.v6 } else { None };
    SocketAddr::new(address.unwrap_or(port.inside.v4), port.bound.container)
}

/// Who the container is to see as the client that wants to talk to `to`.
fn shown(layout: &Layout, client: SocketAddr, to: SocketAddr) -> SocketAddr {
    let subnet = layout.subnet(to.ip());
    let answers_come_back = match client.ip() {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local() && !address.is_unspecified(),
    };
    match answers_come_back && client.is_ipv4() == to.is_ipv4() && !subnet.contains(client.ip()) {
        true => client,
        false => SocketAddr::new(subnet.gateway, client.port()),
    }
}

/// `client`, or the next port of its address that is not in use by another client.
fn unused(client: SocketAddr, mut is_used: impl FnMut(SocketAddr) -> bool) -> Option<SocketAddr> {
    let mut port = client.port();
    for _ in 0..u16::MAX {
        let candidate = SocketAddr::new(client.ip(), port);
        if port != 0 && !is_used(candidate) {
            return Some(candidate);
        }
        port = port.wrapping_add(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_shown_where_its_answers_come_back() {
        let layout = Layout::default();
        let v4 = SocketAddr::new(layout.v4.container, 80);
        let shown = |client: &str| {
            let client: SocketAddr = client.parse().unwrap();
            shown(&layout, client, SocketAddr::new(layout.subnet(client.ip()).container, 80)).to_string()
        };
        let crossing = super::shown(&layout, "[2001:db8::7]:4000".parse().unwrap(), v4);
        assert_eq!(crossing.to_string(), "10.0.2.2:4000");
        for own in ["192.0.2.7:4000", "10.0.3.1:4000", "[2001:db8::7]:4000"] {
            assert_eq!(shown(own), own);
        }
        for at_the_gateway in
            ["127.0.0.1:4000", "127.3.2.1:4000", "10.0.2.100:4000", "10.0.2.2:4000", "169.254.1.1:4000"]
        {
            assert_eq!(shown(at_the_gateway), "10.0.2.2:4000", "{at_the_gateway}");
        }
        for at_the_gateway in ["[::1]:4000", "[fe80::1]:4000"] {
            assert_eq!(shown(at_the_gateway), format!("[{}]:4000", layout.v6.gateway), "{at_the_gateway}");
        }
    }

    #[test]
    fn two_clients_are_never_the_same_one() {
        let client: SocketAddr = "10.0.2.2:65535".parse().unwrap();
        assert_eq!(unused(client, |_| false), Some(client));
        assert_eq!(unused(client, |other| other == client), Some("10.0.2.2:1".parse().unwrap()));
        assert_eq!(unused(client, |_| true), None);
    }
}
