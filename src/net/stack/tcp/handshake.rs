//! How a flow begins: no side hears of the other before the other is there.

use super::super::layout::Way;
use super::super::link::OWN;
use super::super::wire::Mac;
use super::super::wire::head::Head;
use super::super::wire::icmp::{About, Unreachable};
use super::super::wire::ip::protocol;
use super::super::wire::tcp::{self as wire, Flags, Segment, Seq};
use super::super::{Core, Ends, Source, reset_at_close, speaker};
use super::flow::{Flow, Peek, State, largest_segment};
use super::{EVENTS, MOST_FLOWS, Names, Tcp};
use crate::sys::net::set_peek_offset;
use nix::sys::socket::{getsockopt, sockopt::TcpMaxSeg};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// No way needs smaller segments than this (RFC 9293, section 3.7.1), and none is gained by them.
const SMALLEST_SEGMENT: u32 = 536;

impl Tcp {
    /// The container's SYN: connects a socket of the host's, and lets the container wait.
    pub(super) fn open_outward(
        &mut self,
        core: &mut Core,
        names: &mut Names,
        mac: Mac,
        ends: Ends,
        segment: &Segment<'_>,
    ) {
        let way = core.layout.way(ends.outside);
        if way == Way::Nowhere {
            return;
        }
        if self.flows.len() >= MOST_FLOWS {
            return refuse(core, mac, ends, segment);
        }
        let to = match way {
            Way::Out(to) => to,
            Way::NameServer => return self.open_to_name_server(core, names, mac, ends, segment),
            // Nothing listens there.
            Way::Own | Way::Nowhere => return refuse(core, mac, ends, segment),
        };
        let socket = match connect(to) {
            Ok(socket) => socket,
            Err(Errno::CONNREFUSED) => return refuse(core, mac, ends, segment),
            Err(errno) => return report(core, mac, ends, segment.sequence, errno),
        };
        let mut flow = Flow::new(socket, ends, mac, State::Connecting, self.first_number());
        flow.meet(segment);
        self.take_in(core, flow);
    }

    /// A flow to the forwarder, which is in this process: what would be the host's socket is one end of a pair.
    fn open_to_name_server(&mut self, core: &mut Core, names: &mut Names, mac: Mac, ends: Ends, segment: &Segment<'_>) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let Ok((ours, theirs)) = pair else { return refuse(core, mac, ends, segment) };
        let mut flow = Flow::new(ours, ends, mac, State::Answered, self.first_number());
        flow.meet(segment);
        prepare(&mut flow);
        if let Some(id) = self.take_in(core, flow) {
            names.accept(ends.inside.ip(), theirs);
            self.call(core, id);
        }
    }

    /// Whether a flow has these ends.
    pub(in crate::net::stack) fn knows(&self, ends: &Ends) -> bool {
        self.by_ends.contains_key(ends)
    }

    /// Opens a flow to the container: `socket` is connected to somebody who is shown as `from`, and wants to talk to `to`.
    ///
    /// # Errors
    /// There is no room for it; gives the socket back.
    pub(in crate::net::stack) fn open_inward(
        &mut self,
        core: &mut Core,
        socket: OwnedFd,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Result<(), OwnedFd> {
        let ends = Ends { inside: to, outside: from };
        if self.flows.len() >= MOST_FLOWS || self.by_ends.contains_key(&ends) {
            return Err(socket);
        }
        // Unknown: everybody on the link, of whom one takes it.
        let mac = core.link.neighbour(to.ip()).unwrap_or(Mac::BROADCAST);
        let mut flow = Flow::new(socket, ends, mac, State::Calling, self.first_number());
        prepare(&mut flow);
        if let Some(id) = self.take_in(core, flow) {
            self.call(core, id);
        }
        Ok(())
    }

    /// A container that refuses by IPv6 may serve IPv4 alone: it is called again there, by the gateway, since the
    /// client has no address of IPv4.
    pub(super) fn call_by_v4(&mut self, core: &mut Core, id: super::Id) {
        let Some(flow) = self.flows.remove(id) else { return };
        self.by_ends.remove(&flow.ends);
        core.timers.cancel(flow.deadline, Source::Tcp(id));
        // It is watched anew, by another number.
        let _ = rustix::event::epoll::delete(&core.epoll, &flow.socket);
        let from = SocketAddr::new(core.layout.v4.gateway, flow.ends.outside.port());
        let opened = match core.twins.get(&flow.ends.inside.ip()) {
            Some(v4) => self.open_inward(core, flow.socket, from, SocketAddr::new(*v4, flow.ends.inside.port())),
            None => Err(flow.socket),
        };
        if let Err(socket) = opened {
            reset_at_close(&socket);
        }
    }

    fn take_in(&mut self, core: &mut Core, flow: Flow) -> Option<super::Id> {
        let ends = flow.ends;
        let id = self.flows.insert(flow);
        let flow = self.flows.get_mut(id)?;
        if core.watch(&flow.socket, Source::Tcp(id), EVENTS).is_err() {
            self.flows.remove(id);
            return None;
        }
        self.by_ends.insert(ends, id);
        Some(id)
    }

    /// The host's connect(2) has come to an end.
    pub(super) fn connected(&mut self, core: &mut Core, id: super::Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let failure = match sockopt::socket_error(&flow.socket) {
            Ok(Ok(())) => None,
            Ok(Err(errno)) | Err(errno) => Some(errno),
        };
        let Some(errno) = failure else {
            flow.state = State::Answered;
            prepare(flow);
            return self.call(core, id);
        };
        match errno {
            // It was connected, and is so no more: a SYN is never answered by these (tcp_reset() of Linux).
            Errno::CONNRESET | Errno::PIPE => {
                flow.state = State::Answered;
                flow.broken = true;
                return self.call(core, id);
            }
            // The container's own attempts end at the same time, and say the same.
            Errno::TIMEDOUT => {}
            Errno::CONNREFUSED => {
                let head = flow.head(Flags::RST.and(Flags::ACK), Seq(0), &[], 0);
                core.link.send(&head, &[]);
            }
            errno => report(core, flow.mac, flow.ends, flow.expected - 1, errno),
        }
        self.forget(core, id);
    }
}

/// A socket on its way to `to`.
fn connect(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = super::super::socket_to(to.ip(), SocketType::STREAM, None)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Makes a connected socket a mirror of the container's stream.
fn prepare(flow: &mut Flow) {
    // Both are refused by a socket that is no TCP socket, which needs neither: what is held back is held back by the
    // container's TCP, and an urgent byte is one like the others.
    let _ = sockopt::set_tcp_nodelay(&flow.socket, true);
    let _ = sockopt::set_socket_oobinline(&flow.socket, true);
    let _ = sockopt::set_socket_keepalive(&flow.socket, true);
    if set_peek_offset(&flow.socket, 0).is_ok() {
        flow.peek = Peek::Offset;
    }
    if let Ok(size) = getsockopt(&flow.socket, TcpMaxSeg) {
        flow.takes = size.clamp(SMALLEST_SEGMENT, largest_segment(flow.ends.inside.ip()));
    }
}

/// Answers a segment that belongs to no flow (RFC 9293, section 3.10.7.1).
pub(super) fn refuse(core: &mut Core, mac: Mac, ends: Ends, segment: &Segment<'_>) {
    if segment.flags.has(Flags::RST) {
        return;
    }
    let (sequence, flags) = match segment.flags.has(Flags::ACK) {
        true => (segment.acknowledged, Flags::RST),
        false => (Seq(0), Flags::RST.and(Flags::ACK)),
    };
    let answer = Segment {
        from: ends.outside.port(),
        to: ends.inside.port(),
        sequence,
        acknowledged: segment.sequence + segment.length(),
        flags,
        window: 0,
        options: &[],
        payload: &[],
    };
    let mut head = Head::ip((OWN, mac), (ends.outside.ip(), ends.inside.ip()), protocol::TCP, 20);
    head.push(&wire::header(&answer, 0));
    head.leave_checksum(16);
    core.link.send(&head, &[]);
}

/// Tells the container why its SYN has got nowhere.
fn report(core: &mut Core, mac: Mac, ends: Ends, sequence: Seq, errno: Errno) {
    let why = Unreachable::from_errno(errno.raw_os_error()).unwrap_or(Unreachable::Host);
    let mut transport = [0; 8];
    transport[..2].copy_from_slice(&ends.inside.port().to_be_bytes());
    transport[2..4].copy_from_slice(&ends.outside.port().to_be_bytes());
    transport[4..].copy_from_slice(&sequence.0.to_be_bytes());
    let addresses = (ends.inside.ip(), ends.outside.ip());
    let about = About { addresses, protocol: protocol::TCP, transport: &transport };
    let speaker = speaker(core, ends.inside.ip(), None);
    core.link.report(mac, speaker, &about, why.numbers(ends.inside.is_ipv4()), 0);
}
