//! One connection between the container's TCP and a socket of the host's: what each side may send next.

use super::super::Ends;
use super::super::link::{Link, OWN};
use super::super::timers::Deadline;
use super::super::wire::Mac;
use super::super::wire::head::Head;
use super::super::wire::ip::protocol;
use super::super::wire::tcp::{self, Flags, Options, Segment, Seq};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// By how many bits the windows that the container is told are shifted: they go up to 16 MiB.
pub const SHIFT: u8 = 8;
/// Where in a header the checksum is.
const CHECKSUM: usize = 16;

/// How far a flow has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The host's connect(2) is under way; the container's SYN has no answer yet.
    Connecting,
    /// The host's socket is connected, and the container has been told so.
    Answered,
    /// The host's socket is connected, and the container has been called.
    Calling,
    /// Both sides are there.
    Open,
}

/// See the module.
#[derive(Debug)]
pub struct Flow {
    /// The host's.
    pub socket: OwnedFd,
    /// Who talks to whom.
    pub ends: Ends,
    /// The container's hardware address.
    pub mac: Mac,
    /// How far it has come.
    pub state: State,
    /// Whether MSG_PEEK goes on where it ended.
    pub peek: Peek,

    // Towards the container. Between `unacknowledged` and `next` is what was sent and is still in the host's socket.
    /// The first byte that the container has not acknowledged.
    pub unacknowledged: Seq,
    /// The next to be sent.
    pub next: Seq,
    /// The end of what was ever sent, which after a loss is more than `next`.
    pub highest: Seq,
    /// How many bytes from `unacknowledged` on the container takes.
    pub window: u32,
    /// By how many bits the windows that the container tells are shifted; None: it does not scale.
    pub shift: Option<u8>,
    /// The most bytes in one segment to the container.
    pub segment_size: u32,
    /// Where the host's stream ends, once that is known.
    pub end: Option<Seq>,
    /// How often in a row the container has asked for the same byte.
    pub duplicates: u8,

    // From the container.
    /// The most bytes in one segment, as the container is told: as many as the host's socket sends in one. The container's
    /// TCP sends no less where it has more to say, and the socket's buffer begins small where the host's segments are. It
    /// costs nothing, since frames hold many segments (TSO).
    pub takes: u32,
    /// The next byte expected: all before it are in the host's socket.
    pub expected: Seq,
    /// The end of the window that the container was told, which never moves back.
    pub edge: Seq,
    /// Its size when it was told.
    pub offered: u32,
    /// The container has sent its last byte, and the host's socket has been told.
    pub container_ended: bool,

    // What is to be done.
    /// The peer has reset the connection before the container was there: it hears so when it is.
    pub broken: bool,
    /// The host's socket has, or may have, something to read.
    pub readable: bool,
    /// A look ends before an urgent byte (tcp(7)) although there may be more: looks go on until there is nothing.
    pub urgent: bool,
    /// The peer has sent its last byte, which may be seen only behind others.
    pub peer_ended: bool,
    /// The container waits for room in the host's socket.
    pub wants_room: bool,
    /// The socket has taken less than was promised, so that the container must send again.
    pub overrun: bool,
    /// The container is owed an acknowledgement.
    pub owes: bool,
    /// See [`super::Tcp::expire`].
    pub deadline: Deadline,
    /// How often in a row the container has not answered.
    pub tries: u8,
}

/// How the host's socket is looked into beyond what the container has not acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// By the socket's own offset (SO_PEEK_OFF; TCP since Linux 6.9).
    Offset,
    /// By reading that once more, to be thrown away.
    Skip,
}

impl Flow {
    /// A flow at its beginning; `own` is the first sequence number towards the container.
    pub fn new(socket: OwnedFd, ends: Ends, mac: Mac, state: State, own: Seq) -> Flow {
        Flow {
            socket,
            ends,
            mac,
            state,
            peek: Peek::Skip,
            unacknowledged: own,
            next: own,
            highest: own,
            window: 0,
            shift: None,
            segment_size: 536,
            end: None,
            duplicates: 0,
            takes: largest_segment(ends.inside.ip()),
            expected: Seq(0),
            edge: Seq(0),
            offered: 0,
            container_ended: false,
            broken: false,
            readable: false,
            urgent: false,
            peer_ended: false,
            wants_room: false,
            overrun: false,
            owes: false,
            deadline: Deadline::default(),
            tries: 0,
        }
    }

    /// Takes what the container's SYN says.
    pub fn meet(&mut self, segment: &Segment<'_>) {
        let options = Options::parse(segment.options);
        self.shift = options.window_shift;
        // RFC 9293, section 3.7.1: what is assumed without the option; and no useful size is below it.
        self.segment_size =
            u32::from(options.segment_size.unwrap_or(536)).clamp(64, largest_segment(self.ends.inside.ip()));
        self.window = segment.window.into();
        self.expected = segment.sequence + 1;
        // No more than one that is not scaled can say.
        self.offered = 65535;
        self.edge = self.expected + self.offered;
    }

    /// What the container was sent and has not acknowledged.
    pub fn in_flight(&self) -> u32 {
        self.next.after(self.unacknowledged).max(0).cast_unsigned()
    }

    /// What is left of the window that the container was told.
    pub fn promised(&self) -> u32 {
        self.edge.after(self.expected).max(0).cast_unsigned()
    }

    /// Both directions have ended, and the container knows.
    pub fn is_over(&self) -> bool {
        self.container_ended && self.end.is_some_and(|end| self.unacknowledged == end + 1)
    }

    /// The headers of a segment from `sequence` on, which acknowledge all there is to acknowledge.
    pub fn head(&self, flags: Flags, sequence: Seq, options: &[u8], length: usize) -> Head {
        let shift = if flags.has(Flags::SYN) { 0 } else { self.shift.map_or(0, |_| SHIFT) };
        let window = (self.promised() >> shift).min(65535) as u16;
        let (from, to) = (self.ends.outside, self.ends.inside);
        let segment = Segment {
            from: from.port(),
            to: to.port(),
            sequence,
            acknowledged: self.expected,
            flags,
            window,
            options: &[],
            payload: &[],
        };
        let length = 20 + options.len() + length;
        let mut head = Head::ip((OWN, self.mac), (from.ip(), to.ip()), protocol::TCP, length);
        head.push(&tcp::header(&segment, options.len()));
        head.push(options);
        head.leave_checksum(CHECKSUM);
        head
    }

    /// Sends what is owed, or says the same again.
    pub fn acknowledge(&mut self, link: &Link) {
        self.owes = false;
        link.send(&self.head(Flags::ACK, self.highest, &[], 0), &[]);
    }

    /// Sends a SYN, which is an answer where the container has sent one.
    pub fn call(&mut self, link: &Link) {
        let mut flags = Flags::SYN;
        let mut options = Options { segment_size: Some(self.takes as u16), window_shift: Some(SHIFT) };
        if self.state == State::Answered {
            flags = flags.and(Flags::ACK);
            options.window_shift = options.window_shift.filter(|_| self.shift.is_some());
        }
        let (bytes, length) = options.to_bytes();
        link.send(&self.head(flags, self.unacknowledged, &bytes[..length], 0), &[]);
        self.next = self.unacknowledged + 1;
        self.highest = self.next;
    }

    /// Begins again with the first byte that was not acknowledged.
    pub fn rewind(&mut self) {
        self.next = self.unacknowledged;
        self.duplicates = 0;
        self.readable = true;
        if self.peek == Peek::Offset {
            // It has worked on this socket before.
            let _ = crate::sys::net::set_peek_offset(&self.socket, 0);
        }
    }
}

/// What a packet has room for on this link.
pub fn largest_segment(of: IpAddr) -> u32 {
    const MTU: u32 = crate::net::MTU;
    if of.is_ipv4() { MTU - 40 } else { MTU - 60 }
}
