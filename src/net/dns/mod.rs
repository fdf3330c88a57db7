//! A DNS forwarder: what a container asks its name server is asked of the host's.
//!
//! It stands on the host's side, in the host's network namespace. So the host's routes decide which way a query takes (a
//! VPN's servers are reached through the VPN), servers on the host's loopback (systemd-resolved's 127.0.0.53) can be
//! asked, and what the host's resolv.conf says is true from the next query on, also for containers that run already.
//!
//! - By UDP each query goes out from a port and with an id of its own, and only an answer of that server, with that id, to
//!   that question is one. Everything but the id is passed on as it came, both ways: EDNS, response codes, answers that
//!   are cut off. Servers are asked in the order and for the time that resolv.conf(5) says; one that cannot be reached, or
//!   does not want to answer (SERVFAIL, NOTIMP, REFUSED), gives way to the next, and where there is none its answer is
//!   passed on. Where there is no answer at all, the client gets SERVFAIL.
//! - By TCP (RFC 7766) a client's connection has one connection to a server: queries go through in their order, answers
//!   in theirs.
//! - [`LocalNames`], those of a network's containers, are answered here.
//!
//! Everything is bounded: queries under way, connections, bytes of each. There are no threads and nothing blocks. The
//! caller watches one descriptor, calls [`Forwarder::ready`] when it is readable or [`Forwarder::next_deadline`] is over,
//! and is handed the answers.

mod datagram;
mod local;
pub mod message;
mod stream;
mod tables;
mod upstream;

pub use local::LocalNames;
pub use tables::Tables;
pub use upstream::Upstream;

use crate::host::resolv_conf::NameServer;
use datagram::{Exchange, Heard};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;
use stream::Conversation;

/// The port of name servers.
pub const DOMAIN: u16 = 53;

/// Queries by UDP that are under way at once; further ones are lost, as on a busy network, and asked again.
pub const QUERIES: usize = 512;

/// Connections that are open at once.
pub const STREAMS: usize = 64;

/// The longest datagram.
const DATAGRAM: usize = 65535;

/// Who takes answers by UDP: the tag of the query, and the message.
pub type Answers<'a, T> = dyn FnMut(T, &[u8]) + 'a;

/// See the module.
pub struct Forwarder<T> {
    epoll: OwnedFd,
    upstream: Upstream,
    names: Tables,
    exchanges: HashMap<u64, Exchange<T>>,
    conversations: HashMap<u64, Conversation>,
    serial: u64,
    /// Nothing happens by itself before this time.
    earliest: Option<Instant>,
    buffer: Box<[u8]>,
}

/// Which descriptor of a query or a connection an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The server at this place of the order, below [`Part::PLACES`]; by TCP always 0.
    Server(usize),
    /// The container's end of a connection.
    Client,
}

impl Part {
    const BITS: u32 = 2;
    const PLACES: u64 = 3;

    /// The event's data: which query or connection, and which part of it.
    fn token(self, serial: u64) -> u64 {
        let part = match self {
            Part::Server(place) => place as u64,
            Part::Client => Part::PLACES,
        };
        serial << Part::BITS | part
    }

    fn from_token(token: u64) -> (u64, Part) {
        let part = match token & Part::PLACES {
            Part::PLACES => Part::Client,
            place => Part::Server(place as usize),
        };
        (token >> Part::BITS, part)
    }
}

/// Where a query or a connection has its descriptors watched. They leave by being closed.
struct Watch<'a> {
    epoll: BorrowedFd<'a>,
    serial: u64,
}

impl Watch<'_> {
    fn add(&self, fd: &OwnedFd, part: Part, flags: epoll::EventFlags) -> Result<(), Errno> {
        epoll::add(self.epoll, fd, epoll::EventData::new_u64(part.token(self.serial)), flags)
    }
}

impl<T> AsFd for Forwarder<T> {
    /// Readable when [`Forwarder::ready`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<T: Copy + PartialEq> Forwarder<T> {
    /// A forwarder to the servers of `upstream`, without names of its own.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub fn new(upstream: Upstream) -> Result<Forwarder<T>, Errno> {
        Ok(Forwarder {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            upstream,
            names: Tables::default(),
            exchanges: HashMap::new(),
            conversations: HashMap::new(),
            serial: 0,
            earliest: None,
            buffer: vec![0; DATAGRAM].into(),
        })
    }

    /// Replaces the tables of names.
    pub fn set_names(&mut self, names: Tables) {
        self.names = names;
    }

    /// Gives a client servers of its own in the place of the host's, at most three; none: the host's again.
    pub fn set_servers(&mut self, client: IpAddr, servers: &[NameServer]) {
        self.upstream.set_servers(client, servers);
    }

    /// A client's datagram. Its answer, now or later, has this `tag`, which names a query's sender: the same message
    /// with the same tag is the same query, asked again. What is no query is dropped.
    pub fn query(&mut self, client: IpAddr, tag: T, query: &[u8], answers: &mut Answers<'_, T>) {
        if !message::is_query(query) {
            return;
        }
        if let Some(answer) = self.names.answer(client, query, self.serial as usize, message::datagram_limit(query)) {
            self.serial += 1;
            return answers(tag, &answer);
        }
        let now = Instant::now();
        let under_way =
            self.exchanges.iter_mut().find(|(_, exchange)| exchange.tag == tag && *exchange.query == *query);
        if let Some((serial, exchange)) = under_way {
            exchange.hurry(&Watch { epoll: self.epoll.as_fd(), serial: *serial }, now);
            let deadline = exchange.deadline;
            return self.wake_at(deadline);
        }
        if self.exchanges.len() >= QUERIES {
            return log::debug!("a query is lost: {QUERIES} are under way");
        }
        let Some(id) = random_id() else { return answers(tag, &message::failure(query)) };
        let exchange = Exchange::new(tag, query, id, self.upstream.servers(client), now);
        let serial = self.next_serial();
        self.exchanges.insert(serial, exchange);
        self.go_on(serial, now, answers);
    }

    /// A client's connection: a stream socket of any kind, whose other end speaks DNS. At most [`STREAMS`] are open; then
    /// the one that has been idle longest is closed, or this one where none is idle.
    pub fn accept_stream(&mut self, client: IpAddr, stream: OwnedFd) {
        if self.conversations.len() >= STREAMS {
            let idle = self.conversations.iter().filter(|(_, other)| other.is_idle());
            let Some(longest) = idle.min_by_key(|(_, other)| other.deadline()).map(|(serial, _)| *serial) else {
                return log::debug!("a connection is refused: {STREAMS} are open");
            };
            self.conversations.remove(&longest);
        }
        let now = Instant::now();
        let serial = self.next_serial();
        let watch = Watch { epoll: self.epoll.as_fd(), serial };
        match Conversation::new(client, stream, &watch, now) {
            Ok(conversation) => {
                let deadline = conversation.deadline();
                self.conversations.insert(serial, conversation);
                self.wake_at(deadline);
            }
            Err(error) => log::debug!("a connection cannot be watched: {error}"),
        }
    }

    /// Does what there is to do.
    pub fn ready(&mut self, answers: &mut Answers<'_, T>) {
        const EVENTS: usize = 64;
        let mut events = Vec::with_capacity(EVENTS);
        let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&none)).is_err() {
            events.clear();
        }
        let now = Instant::now();
        for event in &events {
            let (data, flags) = (event.data, event.flags);
            let (serial, part) = Part::from_token(data.u64());
            match part {
                Part::Server(place) if self.exchanges.contains_key(&serial) => {
                    self.hear(serial, place, now, answers);
                }
                // A client that is gone in both directions takes no answers.
                Part::Client if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) => {
                    self.conversations.remove(&serial);
                }
                _ => self.converse(serial, now),
            }
        }
        if self.earliest.is_some_and(|earliest| earliest <= now) {
            self.expire(now, answers);
        }
    }

    /// When [`Forwarder::ready`] has something to do even if nothing arrives; None: never.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// Queries by UDP and connections that are under way.
    pub fn under_way(&self) -> (usize, usize) {
        (self.exchanges.len(), self.conversations.len())
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn wake_at(&mut self, deadline: Instant) {
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
    }

    /// Asks the next server, or tells the client that there is none.
    fn go_on(&mut self, serial: u64, now: Instant, answers: &mut Answers<'_, T>) {
        let Some(exchange) = self.exchanges.get_mut(&serial) else { return };
        if exchange.ask_next(&Watch { epoll: self.epoll.as_fd(), serial }, now) {
            let deadline = exchange.deadline;
            self.wake_at(deadline);
        } else if let Some(exchange) = self.exchanges.remove(&serial) {
            answers(exchange.tag, &exchange.failure());
        }
    }

    fn hear(&mut self, serial: u64, place: usize, now: Instant, answers: &mut Answers<'_, T>) {
        let Some(exchange) = self.exchanges.get_mut(&serial) else { return };
        match exchange.listen(place, &mut self.buffer) {
            Heard::Nothing => {}
            Heard::Rejected => self.go_on(serial, now, answers),
            Heard::Answer(length) => {
                answers(exchange.tag, &self.buffer[..length]);
                self.exchanges.remove(&serial);
            }
        }
    }

    fn converse(&mut self, serial: u64, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&serial) else { return };
        let watch = Watch { epoll: self.epoll.as_fd(), serial };
        if conversation.drive(&watch, &self.names, &mut self.upstream, now).is_over() {
            self.conversations.remove(&serial);
        } else {
            let deadline = conversation.deadline();
            self.wake_at(deadline);
        }
    }

    /// Looks at everything whose time may be over, and finds out when to look again.
    fn expire(&mut self, now: Instant, answers: &mut Answers<'_, T>) {
        self.earliest = None;
        for serial in self.exchanges.keys().copied().collect::<Vec<_>>() {
            match self.exchanges.get(&serial).map(|exchange| exchange.deadline) {
                Some(deadline) if deadline > now => self.wake_at(deadline),
                _ => self.go_on(serial, now, answers),
            }
        }
        for serial in self.conversations.keys().copied().collect::<Vec<_>>() {
            let Some(conversation) = self.conversations.get_mut(&serial) else { continue };
            if conversation.deadline() <= now {
                let watch = Watch { epoll: self.epoll.as_fd(), serial };
                if conversation.time_is_over(&watch, &self.names, &mut self.upstream, now).is_over() {
                    self.conversations.remove(&serial);
                    continue;
                }
            }
            if let Some(conversation) = self.conversations.get(&serial) {
                self.wake_at(conversation.deadline());
            }
        }
    }
}

/// An id that nobody can know (RFC 5452, section 9.2).
fn random_id() -> Option<u16> {
    let mut id = [0; 2];
    match rustix::rand::getrandom(&mut id[..], rustix::rand::GetRandomFlags::empty()) {
        Ok(2) => Some(u16::from_be_bytes(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
