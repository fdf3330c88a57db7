//! rr's own user-mode network: what a container sends as frames goes out by ordinary sockets of the user's.
//!
//! The link to the container is a TAP device that loses nothing, so the stack is no second TCP: it moves the kernel's
//! two along. No byte of a flow is kept here.
//!
//! - From the container: a segment is written into the host's socket at once, and what the socket takes is acknowledged.
//!   The window that the container is told is what the socket has room for, so that backpressure is the kernel's.
//! - To the container: what the host's socket has received is looked at (MSG_PEEK) and sent as frames, up to the
//!   container's window; it leaves the socket when the container has acknowledged it.
//!
//! A connection is accepted only when the host's connect(2) has succeeded: one that is refused outside is refused inside.
//!
//! ```text
//! process    the process: what it keeps, what it gives up
//! mod        the loop: events → frames in, sockets, timers
//! layout     who is where; which way a packet goes
//! link       frames, ARP and neighbour discovery
//! tcp/       flows of TCP     udp, echo     the same of datagrams and pings
//! names      queries for the name server, to the forwarder
//! inbound/   what comes at published ports
//! table, timers               flows by number; deadlines
//! wire/      bytes ↔ headers, pure
//! ```
//!
//! Everything in a frame is the container's claim. Whatever it says, the stack answers or drops it, in bounded memory.

mod echo;
mod inbound;
mod layout;
mod link;
mod names;
mod process;
mod sandbox;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod timers;
mod told;
mod udp;
pub mod wire;

pub use layout::{HostLoopback, Layout, Outside, Subnet};
pub use process::{NAME, serve, start};
pub use told::{Further, Inside, MOST_DESCRIPTORS, ToStack, Told};

use crate::net::dns::Upstream;
use crate::net::interfaces;
use crate::net::ports::OpenPorts;
use crate::sys::tun::VIRTIO_HEADER;
use echo::Echoes;
use inbound::Inbound;
use layout::Way;
use link::Link;
use names::Names;
use rustix::event::{Timespec, epoll};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;
use table::Id;
use tcp::Tcp;
use timers::{Moment, Timers};
use told::Received;
use udp::Udp;
use wire::ip::{Packet, protocol};
use wire::tcp::Segment;
use wire::udp::Datagram;
use wire::{ARP, ETHERNET, Ethernet, IPV4, IPV6, Mac, icmp};

/// The largest frame: 64 KiB behind Ethernet's header and virtio's.
const LARGEST_FRAME: usize = VIRTIO_HEADER + ETHERNET + 65536;
/// How many frames are read before the sockets have their turn.
const FRAMES_AT_ONCE: usize = 64;
/// How many events are fetched at once.
const EVENTS_AT_ONCE: usize = 256;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Device,
    Tcp(Id),
    Udp(Id),
    Echo(Id),
    Names,
    /// A published port.
    Port(Id),
    /// A client of one, of datagrams.
    Client(Id),
    /// Those who wait for the container to be known.
    Waiting,
    /// By which ports of one container are handed in.
    Line(Id),
    Told,
}

impl Source {
    /// As epoll carries it.
    fn to_bits(self) -> u64 {
        let (kind, bits) = match self {
            Source::Device => (0, 0),
            Source::Tcp(id) => (1, id.to_bits()),
            Source::Udp(id) => (2, id.to_bits()),
            Source::Echo(id) => (3, id.to_bits()),
            Source::Names => (4, 0),
            Source::Port(id) => (5, id.to_bits()),
            Source::Client(id) => (6, id.to_bits()),
            Source::Waiting => (7, 0),
            Source::Line(id) => (8, id.to_bits()),
            Source::Told => (15, 0),
        };
        kind << 56 | bits
    }

    fn from_bits(bits: u64) -> Source {
        let id = Id::from_bits(bits & ((1 << 56) - 1));
        match bits >> 56 {
            1 => Source::Tcp(id),
            2 => Source::Udp(id),
            3 => Source::Echo(id),
            4 => Source::Names,
            5 => Source::Port(id),
            6 => Source::Client(id),
            7 => Source::Waiting,
            8 => Source::Line(id),
            15 => Source::Told,
            _ => Source::Device,
        }
    }
}

/// What all protocols share.
struct Core {
    link: Link,
    layout: Layout,
    epoll: OwnedFd,
    timers: Timers,
    /// Flows that have more to do than was their share.
    ready: Vec<Source>,
    /// Since `began`.
    now: Moment,
    began: Instant,
    /// Bytes on their way from a socket to a frame.
    buffer: Vec<u8>,
    /// The IPv4 address of a container with published ports, by its other one.
    twins: HashMap<IpAddr, IpAddr>,
}

impl Core {
    /// Watches a socket for as long as it is open.
    fn watch(&self, socket: impl AsFd, source: Source, events: epoll::EventFlags) -> rustix::io::Result<()> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(source.to_bits()), events)
    }

    /// Has an event sent for what is the case already.
    fn watch_again(&self, socket: &OwnedFd, source: Source, events: epoll::EventFlags) {
        // EBADF and ENOENT cannot be: the socket is open and watched.
        let _ = epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(source.to_bits()), events);
    }
}

/// The stack, serving one link.
pub struct Stack {
    core: Core,
    tcp: Tcp,
    udp: Udp,
    echoes: Echoes,
    names: Names,
    inbound: Inbound,
    /// Where whoever keeps the network tells who is on it.
    told: Option<OwnedFd>,
    /// Where frames are read into.
    frame: Vec<u8>,
}

impl Stack {
    /// Serves `device`, and asks `names` what the container asks its name server: a TAP device as [`crate::sys::tun::open_tap`] makes it, or a socket that keeps datagrams apart.
    ///
    /// # Errors
    /// There is no epoll instance to be had.
    pub fn new(device: OwnedFd, layout: Layout, names: Upstream) -> rustix::io::Result<Stack> {
        let core = Core {
            link: Link::new(device),
            layout,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timers: Timers::default(),
            ready: Vec::new(),
            now: 1,
            began: Instant::now(),
            buffer: vec![0; tcp::PEEK_AT_ONCE],
            twins: HashMap::new(),
        };
        core.watch(core.link.device(), Source::Device, epoll::EventFlags::IN)?;
        let names = Names::new(&core, names)?;
        Ok(Stack {
            core,
            tcp: Tcp::default(),
            udp: Udp::default(),
            echoes: Echoes::default(),
            names,
            inbound: Inbound::default(),
            told: None,
            frame: vec![0; LARGEST_FRAME],
        })
    }

    /// Leads what comes at these ports of the host into the container.
    ///
    /// # Errors
    /// They cannot be watched.
    pub fn publish(&mut self, ports: OpenPorts) -> rustix::io::Result<()> {
        let inside = Inside { v4: self.core.layout.v4.container, v6: Some(self.core.layout.v6.container) };
        self.inbound.publish(&mut self.core, ports, inside)
    }

    /// Listens to whoever keeps the network: `told` is a socket that carries [`ToStack`].
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn listen_to(&mut self, told: OwnedFd) -> rustix::io::Result<()> {
        self.core.watch(&told, Source::Told, epoll::EventFlags::IN)?;
        self.told = Some(told);
        Ok(())
    }

    /// All that grows with what comes: its name, how much there is of it, and how much there may be.
    pub fn tables(&self) -> Vec<(&'static str, usize, usize)> {
        let Stack { core, tcp, udp, echoes, names, inbound, .. } = self;
        let (queries, conversations) = names.under_way();
        let mut tables = vec![
            ("connections", tcp.len(), tcp::MOST_FLOWS),
            ("datagrams", udp.len(), udp::MOST_FLOWS),
            ("pings", echoes.len(), echo::MOST_FLOWS),
            ("neighbours", core.link.neighbours(), link::MOST_NEIGHBOURS),
            ("work put off", core.ready.len(), tcp::MOST_FLOWS + inbound.ports()),
            ("queries", queries, crate::net::dns::QUERIES),
            ("connections to the name server", conversations, crate::net::dns::STREAMS),
        ];
        tables.extend(inbound.tables());
        // One a flow, and the one of those that wait.
        let flows = tcp.len() + udp.len() + echoes.len() + inbound.tables()[0].1;
        tables.push(("deadlines", core.timers.len(), flows + 1));
        tables
    }

    /// Serves until the device is gone.
    ///
    /// # Errors
    /// The device's, or epoll's.
    pub fn run(&mut self) -> rustix::io::Result<()> {
        loop {
            self.turn(None)?;
        }
    }

    /// One turn of the loop: waits for events, but no longer than `limit` milliseconds, and serves them.
    ///
    /// # Errors
    /// As [`Stack::run`].
    pub fn turn(&mut self, limit: Option<u64>) -> rustix::io::Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS_AT_ONCE];
        let patience = self.patience(limit);
        let (events, _) = match epoll::wait(&self.core.epoll, &mut events, patience.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            result => result?,
        };
        self.core.now = self.core.began.elapsed().as_millis() as Moment + 1;
        for source in std::mem::take(&mut self.core.ready) {
            self.serve(source, epoll::EventFlags::IN)?;
        }
        for event in events.iter() {
            self.serve(Source::from_bits(event.data.u64()), event.flags)?;
        }
        self.inbound.settle(&mut self.core, &mut self.tcp);
        self.tcp.acknowledge(&mut self.core);
        while let Some(entry) = self.core.timers.pop(self.core.now) {
            match entry.1 {
                Source::Tcp(_) => self.tcp.expire(&mut self.core, entry),
                Source::Udp(_) => self.udp.expire(&mut self.core, entry),
                Source::Echo(_) => self.echoes.expire(&mut self.core, entry),
                Source::Client(_) => self.inbound.expire(&mut self.core, entry),
                Source::Waiting => self.inbound.wait_is_over(&mut self.core, &mut self.tcp, entry),
                Source::Device | Source::Names | Source::Port(_) | Source::Told | Source::Line(_) => {}
            }
        }
        if self.names.next(&self.core).is_some_and(|next| next <= self.core.now) {
            self.names.serve(&mut self.core);
        }
        Ok(())
    }

    /// How long nothing has to be done of itself.
    fn patience(&self, limit: Option<u64>) -> Option<Timespec> {
        let until = |moment: Moment| moment.saturating_sub(self.core.began.elapsed().as_millis() as Moment + 1);
        let next = match self.core.ready.is_empty() {
            true => self.core.timers.next().map(until),
            false => Some(0),
        };
        let names = self.names.next(&self.core).map(until);
        let wait = [next, names, limit].into_iter().flatten().min()?;
        Some(Timespec { tv_sec: (wait / 1000) as i64, tv_nsec: (wait % 1000) as i64 * 1_000_000 })
    }

    fn serve(&mut self, source: Source, flags: epoll::EventFlags) -> rustix::io::Result<()> {
        match source {
            Source::Device => self.read_frames()?,
            Source::Tcp(id) => self.tcp.event(&mut self.core, id, flags),
            Source::Udp(id) => self.udp.event(&mut self.core, id, flags),
            Source::Echo(id) => self.echoes.event(&mut self.core, id, flags),
            Source::Names => self.names.serve(&mut self.core),
            Source::Port(id) => self.inbound.event(&mut self.core, &mut self.tcp, id),
            Source::Client(_) | Source::Waiting => {}
            Source::Told => self.listen(),
            Source::Line(id) => self.inbound.hear(&mut self.core, id),
        }
        Ok(())
    }

    /// Takes one message of whoever keeps the network.
    fn listen(&mut self) {
        let Some(told) = &self.told else { return };
        match told::receive(told) {
            Received::Message(ToStack::Names(told), _) => self.names.replace(&told),
            Received::Message(ToStack::Ports(inside), lines) => {
                lines.into_iter().for_each(|line| self.inbound.connect(&mut self.core, line, inside));
            }
            Received::Message(ToStack::Left(inside), _) => self.part(inside),
            Received::Nothing => {}
            Received::End => self.told = None,
        }
    }

    /// Ends all flows of a container that has left, once what it has sent last has gone its way.
    fn part(&mut self, Inside { v4, v6 }: Inside) {
        for _ in 0..interfaces::QUEUE_LENGTH {
            match self.core.link.receive(&mut self.frame) {
                Ok(length) => self.take_frame(length),
                Err(_) => break,
            }
        }
        for address in std::iter::once(v4).chain(v6) {
            self.tcp.part(&mut self.core, address);
            self.udp.part(&mut self.core, address);
            self.echoes.part(&mut self.core, address);
            self.core.link.forget(address);
        }
    }

    fn read_frames(&mut self) -> rustix::io::Result<()> {
        for _ in 0..FRAMES_AT_ONCE {
            match self.core.link.receive(&mut self.frame) {
                Ok(length) => self.take_frame(length),
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The frame in `self.frame`, of this length.
    fn take_frame(&mut self, length: usize) {
        let Stack { core, tcp, udp, echoes, names, inbound, frame, .. } = self;
        let Some(frame) = frame[..length].get(VIRTIO_HEADER..).and_then(Ethernet::parse) else { return };
        match frame.kind {
            ARP => core.link.arp(&frame, &core.layout),
            IPV4 | IPV6 => {
                let Some(packet) = Packet::parse(frame.kind, frame.payload) else { return };
                if frame.kind == IPV6 && packet.protocol == protocol::ICMPV6 {
                    core.link.neighbour_message(frame.from, &packet, &core.layout);
                }
                if !core.layout.is_inside(packet.source) || frame.from.is_group() {
                    return;
                }
                core.link.learn(packet.source, frame.from);
                take_packet(core, (tcp, udp, echoes, names, inbound), frame.from, &packet);
            }
            _ => {}
        }
    }
}

/// A packet of the container's with a source address that it may have.
fn take_packet(
    core: &mut Core,
    flows: (&mut Tcp, &mut Udp, &mut Echoes, &mut Names, &mut Inbound),
    from: Mac,
    packet: &Packet<'_>,
) {
    let (tcp, udp, echoes, names, inbound) = flows;
    if packet.hops <= 1 && is_routed(core, packet) {
        return expire_in_transit(core, from, packet);
    }
    match packet.protocol {
        protocol::TCP => {
            if let Some(segment) = Segment::parse(packet.payload) {
                tcp.segment(core, names, from, packet, &segment);
            }
        }
        protocol::UDP => {
            if let Some(datagram) = Datagram::parse(packet.payload)
                && !inbound.answer(core, packet, &datagram)
            {
                udp.datagram(core, names, from, packet, &datagram);
            }
        }
        protocol::ICMP if packet.source.is_ipv4() => echoes.message(core, from, packet),
        protocol::ICMPV6 if packet.source.is_ipv6() && !inbound.refused(core, packet) => {
            echoes.message(core, from, packet);
        }
        _ => {}
    }
}

/// Whether a packet goes through the gateway, and not to it.
fn is_routed(core: &Core, packet: &Packet<'_>) -> bool {
    let is_own = core.layout.subnet(packet.destination).is_own(packet.destination);
    !is_own && matches!(core.layout.way(SocketAddr::new(packet.destination, 0)), Way::Out(_))
}

/// The gateway is a packet's last hop, as traceroute(8) asks. An error is told nobody to (RFC 1122, section 3.2.2).
fn expire_in_transit(core: &Core, from: Mac, packet: &Packet<'_>) {
    let v4 = packet.source.is_ipv4();
    let is_question = match packet.protocol {
        protocol::ICMP | protocol::ICMPV6 => icmp::Echo::parse(packet).is_some(),
        _ => true,
    };
    let Some(transport) = packet.payload.first_chunk::<{ icmp::HEADER }>().filter(|_| is_question) else { return };
    let addresses = (packet.source, packet.destination);
    let about = icmp::About { addresses, protocol: packet.protocol, transport };
    let gateway = core.layout.subnet(packet.source).gateway;
    core.link.report(from, gateway, &about, icmp::time_exceeded(v4), 0);
}

/// Has a connection end by a reset when it is closed, as one that is refused (tcp(7): a linger time of zero).
fn reset_at_close(socket: &OwnedFd) {
    // It can only fail on a socket that is not connected, which has nobody to tell.
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO));
}

/// How many routers a flow's datagrams may still meet: as many as the container's may, but for the gateway. `before` is
/// what the socket was told last, 0 before the first time.
fn limit_hops(socket: &OwnedFd, before: &mut u8, packet: &Packet<'_>) {
    use rustix::net::sockopt::{set_ip_ttl, set_ipv6_unicast_hops};
    let hops = packet.hops.saturating_sub(1).max(1);
    if *before == hops {
        return;
    }
    let result = match packet.source.is_ipv4() {
        true => set_ip_ttl(socket, hops.into()),
        false => set_ipv6_unicast_hops(socket, Some(hops)),
    };
    // It cannot fail for a number between 1 and 255 (ip(7)); if it did, the packet would go further, no more.
    *before = result.map_or(0, |()| hops);
}

/// A non-blocking socket of the host's, for datagrams or streams to `to`.
fn socket_to(
    to: IpAddr,
    kind: rustix::net::SocketType,
    protocol: Option<rustix::net::Protocol>,
) -> rustix::io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags};
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, protocol)?;
    if to.is_ipv6() {
        // IPv4 in disguise would have escaped the look at the address.
        rustix::net::sockopt::set_ipv6_v6only(socket.as_fd(), true)?;
    }
    Ok(socket)
}

/// Both ends of a flow as the container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    inside: SocketAddr,
    outside: SocketAddr,
}

impl Ends {
    /// Those of a packet of the container's, with these ports.
    fn of(packet: &Packet<'_>, from: u16, to: u16) -> Ends {
        Ends { inside: SocketAddr::new(packet.source, from), outside: SocketAddr::new(packet.destination, to) }
    }
}

/// Who tells a container of an error: who has told the host, where that is known, else the gateway.
fn speaker(core: &Core, inside: IpAddr, offender: Option<IpAddr>) -> IpAddr {
    let own = core.layout.subnet(inside).gateway;
    offender.filter(|other| other.is_ipv4() == inside.is_ipv4() && !other.is_loopback()).unwrap_or(own)
}
