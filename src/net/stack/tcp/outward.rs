//! From the container to the host: what arrives is written into the host's socket, and what the socket has taken is
//! acknowledged.

use super::super::{Core, Source};
use super::flow::{Flow, SHIFT, State};
use super::{EVENTS, Fate, Id};
use crate::net::stack::wire::tcp::{Flags, Segment};
use crate::sys::net::send_buffer;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

/// Takes a segment of an open flow; what it acknowledges is not looked at here.
pub(super) fn take(flow: &mut Flow, segment: &Segment<'_>) -> Fate {
    // What comes again has been taken up to `expected`.
    let known = flow.expected.after(segment.sequence);
    if segment.length() == 0 {
        // A question whether this side is still there begins before what is expected (RFC 9293, section 3.8.4).
        flow.owes |= known != 0;
        return Fate::GoesOn;
    }
    flow.owes = true;
    let Ok(known) = usize::try_from(known) else {
        // There is a gap: something was lost, and is asked for.
        return Fate::GoesOn;
    };
    if known >= segment.length() as usize || flow.container_ended {
        return Fate::GoesOn;
    }
    let new = segment.payload.get(known..).unwrap_or_default();
    // Beyond the window there is no promise.
    let new = &new[..new.len().min(flow.promised() as usize)];
    if !new.is_empty() {
        let taken = match rustix::net::send(&flow.socket, new, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(taken) => taken,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => 0,
            Err(_) => return Fate::Broken,
        };
        flow.expected = flow.expected + taken as u32;
        if taken < new.len() {
            flow.overrun = true;
            flow.wants_room = true;
        }
    }
    let all = segment.sequence + segment.payload.len() as u32;
    if segment.flags.has(Flags::FIN) && flow.expected == all {
        flow.expected = flow.expected + 1;
        flow.container_ended = true;
        // ENOTCONN: the peer is gone altogether, which the socket tells otherwise.
        let _ = rustix::net::shutdown(&flow.socket, Shutdown::Write);
    }
    Fate::GoesOn
}

/// Moves the end of the window to what the socket has room for now. Whether that is worth telling.
pub(super) fn refresh_window(core: &Core, id: Id, flow: &mut Flow) -> bool {
    // Asking for the room is a system call: not while most of what was promised is still to come.
    if flow.state != State::Open || flow.container_ended || (flow.promised() > flow.offered / 2 && !flow.wants_room) {
        return false;
    }
    let Ok(buffer) = send_buffer(&flow.socket) else { return false };
    let free = buffer.limit.saturating_sub(buffer.queued);
    // The kernel counts its bookkeeping too, some hundred bytes a segment.
    let room = free.saturating_sub((buffer.limit / 16).max(2048));
    let most = 65535 << flow.shift.map_or(0, |_| SHIFT);
    // The kernel has to be asked for an event when there is room again. It also takes the question as a sign that the
    // buffer is too small for the way, and lets it grow (tcp_new_space).
    flow.wants_room = free < buffer.limit / 3;
    if flow.wants_room {
        core.watch_again(&flow.socket, Source::Tcp(id), EVENTS);
    }
    let edge = flow.expected + room.min(most);
    // Not for a few bytes (RFC 9293, section 3.8.6.2.2).
    if edge.after(flow.edge) < (buffer.limit / 8).min(most / 2).cast_signed() {
        return false;
    }
    flow.edge = edge;
    flow.offered = flow.promised();
    true
}

/// The host's socket may have room again.
pub(super) fn room(core: &Core, id: Id, flow: &mut Flow) {
    if !flow.wants_room || !refresh_window(core, id, flow) {
        return;
    }
    flow.acknowledge(&core.link);
    if std::mem::take(&mut flow.overrun) {
        // Three more that say the same make the container send again at once (RFC 5681, section 3.2).
        for _ in 0..3 {
            flow.acknowledge(&core.link);
        }
    }
}
