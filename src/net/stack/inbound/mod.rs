//! Published ports: what the host's sockets receive for the container becomes flows into it, with the client's own address
//! as the one that the container sees. An address that would lead elsewhere from inside (the host's loopback, an address
//! of the container's own network) is shown as the gateway's.

mod datagrams;
mod streams;

use super::layout::Layout;
use super::table::Id;
use super::tcp::Tcp;
use super::wire::ip::Packet;
use super::wire::udp::Datagram;
use super::{Core, Source};
use crate::net::ports::{Bound, OpenPorts, Protocol};
use datagrams::Datagrams;
use rustix::event::epoll::EventFlags;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use streams::Streams;

/// One socket of the host's.
#[derive(Debug)]
struct Port {
    bound: Bound,
    socket: OwnedFd,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    ports: Vec<Port>,
    streams: Streams,
    datagrams: Datagrams,
}

impl Inbound {
    /// Takes in what comes at these ports from now on.
    ///
    /// # Errors
    /// They cannot be watched.
    pub(super) fn publish(&mut self, core: &mut Core, opened: OpenPorts) -> rustix::io::Result<()> {
        for (bound, socket) in opened.bound.into_iter().zip(opened.sockets) {
            let id = Id::from_bits(self.ports.len() as u64);
            let events = match bound.protocol {
                // What cannot be accepted for want of memory would else be an event all the time.
                Protocol::Tcp => EventFlags::IN | EventFlags::ET,
                Protocol::Udp => {
                    datagrams::ask_for_addresses(&socket, bound.address)?;
                    EventFlags::IN
                }
            };
            core.watch(&socket, Source::Port(id), events)?;
            self.ports.push(Port { bound, socket });
        }
        if !self.ports.is_empty() {
            // The first client need not wait for the answer.
            for container in [core.layout.v4.container, core.layout.v6.container] {
                core.link.solicit(container, &core.layout);
            }
        }
        Ok(())
    }

    /// Something has come at a port.
    pub(super) fn event(&mut self, core: &mut Core, tcp: &mut Tcp, id: Id) {
        let Some(port) = self.ports.get(id.to_bits() as usize) else { return };
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

    /// The time of what waits for the container has come.
    pub(super) fn wait_is_over(&mut self, core: &mut Core, tcp: &mut Tcp, entry: (super::timers::Moment, Source)) {
        if self.streams.wait_is_over(core, tcp, entry) {
            // What could not be accepted may be now.
            for (index, _) in self.ports.iter().enumerate().filter(|(_, port)| port.bound.protocol == Protocol::Tcp) {
                core.ready.push(Source::Port(Id::from_bits(index as u64)));
            }
        }
    }

    /// A client's time has come.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (super::timers::Moment, Source)) {
        self.datagrams.expire(core, entry);
    }
}

/// Where a client of this port is to go: the container's address in the client's family.
fn way_in(layout: &Layout, port: &Bound) -> SocketAddr {
    SocketAddr::new(layout.subnet(port.address).container, port.container)
}

/// Who the container is to see as the client.
fn shown(layout: &Layout, client: SocketAddr) -> SocketAddr {
    let subnet = layout.subnet(client.ip());
    let answers_come_back = match client.ip() {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local() && !address.is_unspecified(),
    };
    match answers_come_back && !subnet.contains(client.ip()) {
        true => SocketAddr::new(client.ip(), client.port()),
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
        let shown = |client: &str| shown(&layout, client.parse().unwrap()).to_string();
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
