//! TCP: a flow for each connection, which the container's TCP and the host's are the two halves of.

mod flow;
mod handshake;
mod inward;
mod outward;

use super::names::Names;
use super::table::{Id, Table};
use super::timers::Moment;
use super::wire::Mac;
use super::wire::ip::Packet;
use super::wire::tcp::{Flags, Segment, Seq};
use super::{Core, Ends, Source, reset_at_close};
use flow::{Flow, State};
use rustix::event::epoll::EventFlags;
use rustix::net::sockopt;
use std::collections::HashMap;
use std::net::IpAddr;

/// The most flows at once; further connections are refused.
pub(super) const MOST_FLOWS: usize = 16_384;
/// How much of a socket's data is looked at at once: some of the largest segments.
pub(super) const PEEK_AT_ONCE: usize = 4 * 65536;
/// Only what is new is an event: what lies in a socket for want of a window is none.
const EVENTS: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::PRI).union(EventFlags::ET);

/// How long the container may leave a segment unanswered before it is sent again, in milliseconds. The link loses nothing
/// but for want of memory, so this is no estimate of anything.
const ANSWER: Moment = 1000;
/// The longest pause between attempts.
const LONGEST_PAUSE: Moment = 30_000;
/// How often something is sent again before the container is given up.
const MOST_TRIES: u8 = 10;
/// A container that says nothing for this long is asked whether the flow still exists (RFC 9293, section 3.8.4).
const IDLE: Moment = 2 * 60 * 60 * 1000;

/// What becomes of a flow after a segment or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    GoesOn,
    /// The host's connection is broken: the container is told by a reset.
    Broken,
    /// The container has reset it: so is the host's.
    Reset,
}

/// All flows.
#[derive(Debug, Default)]
pub struct Tcp {
    flows: Table<Flow>,
    by_ends: HashMap<Ends, Id>,
    /// Those that may owe an acknowledgement.
    owing: Vec<Id>,
}

impl Tcp {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// From here on its flows do as on a kernel without SO_PEEK_OFF.
    #[cfg(test)]
    pub(super) fn forget_peek_offset(&mut self) {
        let ids: Vec<Id> = self.flows.iter().map(|(id, _)| id).collect();
        for id in ids {
            let flow = self.flows.get_mut(id).unwrap();
            crate::sys::net::set_peek_offset(&flow.socket, -1).unwrap();
            flow.peek = flow::Peek::Skip;
        }
    }

    /// A segment from the container.
    pub(super) fn segment(
        &mut self,
        core: &mut Core,
        names: &mut Names,
        mac: Mac,
        packet: &Packet<'_>,
        segment: &Segment<'_>,
    ) {
        let ends = Ends::of(packet, segment.from, segment.to);
        let Some(&id) = self.by_ends.get(&ends) else {
            return match segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK) {
                true => self.open_outward(core, names, mac, ends, segment),
                false => handshake::refuse(core, mac, ends, segment),
            };
        };
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.mac = mac;
        flow.tries = 0;
        let fate = match flow.state {
            State::Connecting => match segment.flags.has(Flags::RST) {
                true => Fate::Reset,
                // Its SYN again: the answer takes its time.
                false => Fate::GoesOn,
            },
            State::Answered | State::Calling => answer(core, flow, segment),
            State::Open => Fate::GoesOn,
        };
        let fate = match (fate, flow.state) {
            (Fate::GoesOn, State::Open) => open_segment(core, id, flow, segment),
            (fate, _) => fate,
        };
        self.settle(core, id, fate);
    }

    /// Something has happened to the host's socket.
    pub(super) fn event(&mut self, core: &mut Core, id: Id, flags: EventFlags) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.state == State::Connecting {
            if flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
                self.connected(core, id);
            }
            return;
        }
        if flow.broken {
            return;
        }
        let mut fate = Fate::GoesOn;
        if flags.contains(EventFlags::ERR) && !matches!(sockopt::socket_error(&flow.socket), Ok(Ok(()))) {
            fate = Fate::Broken;
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) && fate == Fate::GoesOn {
            flow.readable = true;
            flow.urgent |= flags.contains(EventFlags::PRI);
            flow.peer_ended |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
            fate = inward::send(core, id, flow);
        }
        if flags.contains(EventFlags::OUT) && fate == Fate::GoesOn {
            outward::room(core, id, flow);
        }
        self.settle(core, id, fate);
    }

    /// Sends what acknowledgements are still owed after a turn of the loop, one a flow however much has come.
    pub(super) fn acknowledge(&mut self, core: &mut Core) {
        while let Some(id) = self.owing.pop() {
            if let Some(flow) = self.flows.get_mut(id).filter(|flow| flow.owes) {
                outward::refresh_window(core, id, flow);
                flow.acknowledge(&core.link);
            }
        }
    }

    /// Sees to what becomes of a flow.
    fn settle(&mut self, core: &mut Core, id: Id, fate: Fate) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        match fate {
            Fate::GoesOn if flow.is_over() => {
                flow.acknowledge(&core.link);
                self.forget(core, id);
            }
            Fate::GoesOn => {
                if flow.owes {
                    self.owing.push(id);
                }
                let waits = flow.in_flight() > 0 || flow.state != State::Open || inward::is_blocked(flow);
                let pause = if waits { (ANSWER << flow.tries.min(5)).min(LONGEST_PAUSE) } else { IDLE };
                if flow.state != State::Connecting {
                    core.timers.set(&mut flow.deadline, core.now + pause, Source::Tcp(id));
                }
            }
            Fate::Broken => {
                let head = flow.head(Flags::RST.and(Flags::ACK), flow.highest, &[], 0);
                core.link.send(&head, &[]);
                self.forget(core, id);
            }
            Fate::Reset if flow.state == State::Calling && flow.ends.inside.is_ipv6() => self.call_by_v4(core, id),
            Fate::Reset => self.reset(core, id),
        }
    }

    /// A flow that the container has not answered, or said nothing about for long.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (Moment, Source)) {
        let Source::Tcp(id) = entry.1 else { return };
        let Some(flow) = self.flows.get_mut(id) else { return };
        if !core.timers.is_due(&mut flow.deadline, entry, core.now) {
            return;
        }
        flow.tries += 1;
        if flow.tries > MOST_TRIES {
            let head = flow.head(Flags::RST.and(Flags::ACK), flow.highest, &[], 0);
            core.link.send(&head, &[]);
            return self.reset(core, id);
        }
        let mut fate = Fate::GoesOn;
        match flow.state {
            State::Connecting => {}
            State::Answered | State::Calling => return self.call(core, id),
            State::Open if flow.in_flight() > 0 => {
                flow.rewind();
                fate = inward::send(core, id, flow);
                // A window that is shut is opened by an answer.
                if flow.in_flight() == 0 {
                    ask(core, flow);
                }
            }
            State::Open => ask(core, flow),
        }
        self.settle(core, id, fate);
    }

    /// Sends the SYN, the first time or again.
    fn call(&mut self, core: &mut Core, id: Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.state == State::Calling && flow.mac == Mac::BROADCAST {
            flow.mac = core.link.neighbour_or_all(flow.ends.inside.ip(), &core.layout);
        }
        flow.call(&core.link);
        let pause = (ANSWER << flow.tries.min(5)).min(LONGEST_PAUSE);
        core.timers.set(&mut flow.deadline, core.now + pause, Source::Tcp(id));
    }

    /// Resets the host's connection.
    fn reset(&mut self, core: &mut Core, id: Id) {
        if let Some(flow) = self.flows.get_mut(id) {
            reset_at_close(&flow.socket);
        }
        self.forget(core, id);
    }

    /// Ends the flows of a container that has left: what the host's sockets have taken still goes out.
    pub(super) fn part(&mut self, core: &mut Core, address: IpAddr) {
        let ids = self.flows.iter().filter(|(_, flow)| flow.ends.inside.ip() == address).map(|(id, _)| id);
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.forget(core, id));
    }

    fn forget(&mut self, core: &mut Core, id: Id) {
        if let Some(flow) = self.flows.remove(id) {
            self.by_ends.remove(&flow.ends);
            core.timers.cancel(flow.deadline, Source::Tcp(id));
        }
    }

    /// Where a stream to a container begins. It is nobody's but the container's own secret.
    fn first_number(&self) -> Seq {
        use std::hash::BuildHasher;
        Seq(self.by_ends.hasher().hash_one(std::time::Instant::now()) as u32)
    }
}

/// The container's answer to a SYN or to a SYN's answer; the flow may be open then.
fn answer(core: &mut Core, flow: &mut Flow, segment: &Segment<'_>) -> Fate {
    let fits = segment.flags.has(Flags::ACK) && segment.acknowledged == flow.next;
    if segment.flags.has(Flags::RST) {
        let believed = match flow.state {
            State::Calling => fits,
            _ => segment.sequence == flow.expected,
        };
        return if believed { Fate::Reset } else { Fate::GoesOn };
    }
    match flow.state {
        State::Calling if fits && segment.flags.has(Flags::SYN) => {
            flow.meet(segment);
            flow.owes = true;
        }
        State::Answered if segment.flags.has(Flags::SYN) => {
            flow.call(&core.link);
            return Fate::GoesOn;
        }
        State::Answered if fits => {}
        _ => return Fate::GoesOn,
    }
    flow.unacknowledged = flow.next;
    flow.state = State::Open;
    if flow.broken {
        return Fate::Broken;
    }
    // What has come by now was an event when nobody could be told.
    flow.readable = true;
    flow.urgent = true;
    Fate::GoesOn
}

/// A segment of a flow that is open.
fn open_segment(core: &mut Core, id: Id, flow: &mut Flow, segment: &Segment<'_>) -> Fate {
    if segment.flags.has(Flags::RST) {
        // RFC 5961, section 3.2: the exact place, or it is asked for again. What the socket has not taken counts as taken
        // here.
        let at = segment.sequence.after(flow.expected);
        if at == 0 || (at > 0 && flow.overrun) {
            return Fate::Reset;
        }
        flow.owes = true;
        return Fate::GoesOn;
    }
    if segment.flags.has(Flags::SYN) {
        // A SYN-ACK of ours may have been lost, or a port is used anew; the answer tells which (RFC 5961, section 4.2).
        // The one that has opened a flow to the container is acknowledged as well.
        flow.owes = true;
        if !segment.flags.has(Flags::ACK) || segment.sequence + 1 != flow.expected {
            return Fate::GoesOn;
        }
        flow.window = segment.window.into();
        return inward::send(core, id, flow);
    }
    if !segment.flags.has(Flags::ACK) {
        return Fate::GoesOn;
    }
    inward::acknowledged(core, flow, segment);
    match outward::take(flow, segment) {
        Fate::GoesOn => inward::send(core, id, flow),
        fate => fate,
    }
}

/// Makes the container say where it is: a byte that it has already (RFC 9293, section 3.8.4).
fn ask(core: &Core, flow: &Flow) {
    core.link.send(&flow.head(Flags::ACK, flow.unacknowledged - 1, &[], 0), &[]);
}
