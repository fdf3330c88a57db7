//! From the host to the container: what the host's socket has is looked at and sent, up to the container's window, and
//! leaves the socket when it has been acknowledged.

use super::super::{Core, Source};
use super::flow::{Flow, Peek, State};
use super::{Fate, Id, PEEK_AT_ONCE};
use crate::net::stack::wire::tcp::{Flags, Segment};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::io::IoSliceMut;

/// How often a flow looks into its socket before others have their turn.
const PEEKS_AT_ONCE: usize = 8;
/// Without SO_PEEK_OFF: what is read once more with each look, and so at most on its way at once.
const MOST_SKIPPED: usize = PEEK_AT_ONCE / 2;

/// Takes what a segment says about the other direction.
pub(super) fn acknowledged(core: &mut Core, flow: &mut Flow, segment: &Segment<'_>) {
    let acknowledged = segment.acknowledged;
    let progress = acknowledged.after(flow.unacknowledged);
    let window = u32::from(segment.window) << flow.shift.unwrap_or(0);
    if acknowledged.after(flow.highest) > 0 {
        // Nothing was sent there (RFC 9293, section 3.10.7.4).
        flow.owes = true;
        return;
    }
    if progress < 0 {
        return;
    }
    if progress == 0 {
        let same = segment.length() == 0 && window == flow.window && flow.in_flight() > 0;
        flow.duplicates = if same { flow.duplicates.saturating_add(1) } else { 0 };
        flow.window = window;
        if flow.duplicates == 3 {
            flow.rewind();
        }
        return;
    }
    let end = flow.end.is_some_and(|end| acknowledged.after(end) > 0);
    discard(core, flow, progress.cast_unsigned() - u32::from(end));
    flow.unacknowledged = acknowledged;
    if flow.next.after(acknowledged) < 0 {
        flow.next = acknowledged;
    }
    flow.duplicates = 0;
    flow.window = window;
}

/// Takes bytes out of the host's socket for good.
fn discard(core: &mut Core, flow: &Flow, mut length: u32) {
    while length > 0 {
        let part = (length as usize).min(core.buffer.len());
        // TCP copies nothing with MSG_TRUNC (tcp(7)); another socket fills the buffer.
        match rustix::net::recv(&flow.socket, &mut core.buffer[..part], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, 0)) => return,
            Ok((_, taken)) => length = length.saturating_sub(taken as u32),
            Err(Errno::INTR) => {}
            // The bytes were there, or the socket is broken, which it tells otherwise.
            Err(_) => return,
        }
    }
}

/// Sends what the container has room for.
pub(super) fn send(core: &mut Core, id: Id, flow: &mut Flow) -> Fate {
    if flow.state != State::Open {
        return Fate::GoesOn;
    }
    for _ in 0..PEEKS_AT_ONCE {
        if flow.end == Some(flow.next) {
            let head = flow.head(Flags::FIN.and(Flags::ACK), flow.next, &[], 0);
            core.link.send(&head, &[]);
            sent(flow, 1);
            return Fate::GoesOn;
        }
        if !flow.readable || flow.end.is_some_and(|end| flow.next.after(end) > 0) {
            return Fate::GoesOn;
        }
        let in_flight = flow.in_flight();
        let room = flow.window.saturating_sub(in_flight);
        // Not a few bytes where more room is about to come (RFC 9293, section 3.8.6.2.1).
        if room == 0 || (in_flight > 0 && room < flow.segment_size.min(flow.window / 2)) {
            return Fate::GoesOn;
        }
        let segment_size = flow.segment_size as usize;
        let most = (PEEK_AT_ONCE / segment_size).max(1) * segment_size;
        let wanted = most.min(room as usize).min(PEEK_AT_ONCE);
        let length = match peek(core, flow, wanted) {
            Ok(Some(length)) => length,
            // As much as may be on its way at once is.
            Ok(None) => return Fate::GoesOn,
            Err(Errno::AGAIN) => {
                (flow.readable, flow.urgent) = (false, false);
                return Fate::GoesOn;
            }
            Err(Errno::INTR) => continue,
            Err(_) => return Fate::Broken,
        };
        if length == 0 {
            flow.end = Some(flow.next);
            continue;
        }
        let mut left = length;
        for payload in core.buffer[..length].chunks(segment_size) {
            left -= payload.len();
            let flags = if left == 0 { Flags::ACK.and(Flags::PSH) } else { Flags::ACK };
            core.link.send(&flow.head(flags, flow.next, &[], payload.len()), payload);
            sent(flow, payload.len() as u32);
        }
        if length < wanted && !flow.peer_ended && !flow.urgent {
            // That was all; more of it is an event.
            flow.readable = false;
            return Fate::GoesOn;
        }
    }
    core.ready.push(Source::Tcp(id));
    Fate::GoesOn
}

fn sent(flow: &mut Flow, length: u32) {
    flow.next = flow.next + length;
    flow.owes = false;
    if flow.next.after(flow.highest) > 0 {
        flow.highest = flow.next;
    }
}

/// Looks at up to `wanted` bytes behind those on their way, in the buffer's beginning; 0 is the end of the stream.
fn peek(core: &mut Core, flow: &Flow, wanted: usize) -> rustix::io::Result<Option<usize>> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    if flow.peek == Peek::Offset {
        return rustix::net::recv(&flow.socket, &mut core.buffer[..wanted], flags).map(|(_, length)| Some(length));
    }
    let skipped = flow.in_flight() as usize;
    if skipped >= MOST_SKIPPED {
        return Ok(None);
    }
    let (first, second) = core.buffer.split_at_mut(PEEK_AT_ONCE - MOST_SKIPPED);
    let wanted = wanted.min(first.len());
    let mut parts = [IoSliceMut::new(&mut second[..skipped]), IoSliceMut::new(&mut first[..wanted])];
    let length =
        rustix::net::recvmsg(&flow.socket, &mut parts, &mut rustix::net::RecvAncillaryBuffer::default(), flags)?.bytes;
    match length.checked_sub(skipped) {
        // No more than what is on its way already: either the end, or nothing yet.
        Some(0) | None if !flow.peer_ended => Err(Errno::AGAIN),
        new => Ok(Some(new.unwrap_or(0))),
    }
}

/// Whether the container is to be asked, now and then, whether it has room: it has said that it has none.
pub(super) fn is_blocked(flow: &Flow) -> bool {
    flow.readable && flow.window == 0
}
