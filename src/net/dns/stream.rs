//! One client's connection, and the one to a server that belongs to it.
//!
//! A message is passed on when it is there entirely, unchanged. While there are bytes that the client has not taken, nothing
//! is read from the server; while as many queries as may be wait for answers, nothing is read from the client: so the bytes
//! of a connection are bounded, and whoever sends too much is held back by the kernel.
//!
//! Descriptors are watched for edges (epoll(7), EPOLLET): whatever happens, everything that can be done is done until each
//! of them says that it is enough.

use super::message;
use super::tables::Tables;
use super::upstream::{Servers, Upstream};
use super::{Part, Watch};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Queries of one connection that wait for their answers at once.
const PIPELINED: usize = 32;

/// So many bytes of queries wait at once, and one message more.
const WAITING_BYTES: usize = 16 * 1024;

/// How long a connection may stay without a query (RFC 7766, section 6.2.3, leaves it to us; BIND has 30 seconds).
const IDLE: Duration = Duration::from_secs(30);

/// How long a server has to close a connection that the client has closed.
const LINGER: Duration = Duration::from_secs(5);

/// How much is read at once.
const CHUNK: usize = 4096;

/// See the module.
pub(super) struct Conversation {
    address: IpAddr,
    client: OwnedFd,
    /// The client sends no more.
    is_half_closed: bool,
    /// From the client, not yet a whole message.
    inbound: Vec<u8>,
    /// Queries without an answer, each with its length before it; the server has had the first of them.
    waiting: VecDeque<Vec<u8>>,
    /// For the client.
    outbound: Vec<u8>,
    outbound_taken: usize,
    server: Option<Server>,
    servers: Option<Rc<Servers>>,
    /// Which server's turn it is, and how many connections may still fail.
    place: usize,
    tries_left: usize,
    /// The server has closed the connection after its last answer: so does this one.
    is_ending: bool,
    last_moved: Instant,
    asked: Instant,
}

/// The connection to a server.
struct Server {
    socket: OwnedFd,
    inbound: Vec<u8>,
    /// How many of the waiting queries it has had, and of the next one how many bytes.
    sent: usize,
    sent_bytes: usize,
    has_answered: bool,
    is_told_the_end: bool,
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Going,
    Over,
}

impl Progress {
    pub(super) fn is_over(self) -> bool {
        self == Progress::Over
    }
}

/// The client is gone, or speaks no DNS.
struct Gone;

/// Whether a step has moved anything.
type Moved = Result<bool, Gone>;

impl Conversation {
    pub(super) fn new(
        address: IpAddr,
        client: OwnedFd,
        watch: &Watch<'_>,
        now: Instant,
    ) -> Result<Conversation, Errno> {
        watch.add(&client, Part::Client, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
        Ok(Conversation {
            address,
            client,
            is_half_closed: false,
            inbound: Vec::new(),
            waiting: VecDeque::new(),
            outbound: Vec::new(),
            outbound_taken: 0,
            server: None,
            servers: None,
            place: 0,
            tries_left: 0,
            is_ending: false,
            last_moved: now,
            asked: now,
        })
    }

    /// Nobody waits for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.outbound.is_empty()
    }

    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        let server = self.server.as_ref().map_or(0, |server| server.inbound.len());
        self.waiting.iter().map(Vec::len).sum::<usize>() + self.inbound.len() + self.outbound.len() + server
    }

    /// When its time is over.
    pub(super) fn deadline(&self) -> Instant {
        if !self.waiting.is_empty() && self.outbound.is_empty() {
            let timeout = self.servers.as_ref().map_or(LINGER, |servers| servers.timeout);
            return self.asked + timeout;
        }
        let lingers = self.server.as_ref().is_some_and(|server| server.is_told_the_end);
        self.last_moved + if lingers { LINGER } else { IDLE }
    }

    /// [`Conversation::deadline`] has come: the next server's turn, or the end.
    pub(super) fn time_is_over(
        &mut self,
        watch: &Watch<'_>,
        names: &Tables,
        upstream: &mut Upstream,
        now: Instant,
    ) -> Progress {
        if self.waiting.is_empty() || !self.outbound.is_empty() {
            return Progress::Over;
        }
        if let Some(server) = &mut self.server {
            server.has_answered = false;
        }
        self.leave_server(now);
        self.drive(watch, names, upstream, now)
    }

    /// Does everything that can be done.
    pub(super) fn drive(
        &mut self,
        watch: &Watch<'_>,
        names: &Tables,
        upstream: &mut Upstream,
        now: Instant,
    ) -> Progress {
        let mut step = || -> Moved {
            let mut moved = self.tell_client()?;
            moved |= self.hear_server(now);
            moved |= self.hear_client(names, now)?;
            moved |= self.tell_server(watch, upstream, now);
            if moved {
                self.last_moved = now;
            }
            Ok(moved)
        };
        loop {
            match step() {
                Ok(true) => {}
                Ok(false) => return self.progress(),
                Err(Gone) => return Progress::Over,
            }
        }
    }

    fn progress(&mut self) -> Progress {
        if !self.is_idle() {
            return Progress::Going;
        }
        match &mut self.server {
            _ if self.is_ending => return Progress::Over,
            None if self.is_half_closed => return Progress::Over,
            Some(server) if self.is_half_closed && !server.is_told_the_end => {
                // Not closed at once: the answer may consist of further messages (RFC 5936, section 2.2).
                server.is_told_the_end = true;
                let _ = rustix::net::shutdown(&server.socket, Shutdown::Write);
            }
            _ => {}
        }
        Progress::Going
    }

    fn tell_client(&mut self) -> Moved {
        if self.outbound.is_empty() {
            return Ok(false);
        }
        let left = &self.outbound[self.outbound_taken..];
        match rustix::net::send(&self.client, left, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => self.outbound_taken += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(_) => return Err(Gone),
        }
        if self.outbound_taken == self.outbound.len() {
            self.outbound = Vec::new();
            self.outbound_taken = 0;
        }
        Ok(true)
    }

    /// Takes one answer, or some bytes of it.
    fn hear_server(&mut self, now: Instant) -> bool {
        let Some(server) = self.server.as_mut().filter(|_| self.outbound.is_empty()) else { return false };
        if let Some((answer, rest)) = message::first_of_stream(&server.inbound) {
            let answered = message::id(&answer[2..]);
            let asked = |query: &Vec<u8>| message::id(&query[2..]) == answered;
            if let Some(place) = self.waiting.iter().take(server.sent).position(asked) {
                self.waiting.remove(place);
                server.sent -= 1;
                server.has_answered = true;
                self.asked = now;
            }
            self.outbound = answer.to_vec();
            server.inbound = rest.to_vec();
            return true;
        }
        match receive(&server.socket, &mut server.inbound) {
            Ok(0) => self.leave_server(now),
            Ok(_) => {}
            Err(Errno::AGAIN) => return false,
            Err(error) => {
                log::debug!("a name server by TCP: {error}");
                self.leave_server(now);
            }
        }
        true
    }

    /// Takes one query, or some bytes of it.
    fn hear_client(&mut self, names: &Tables, now: Instant) -> Moved {
        let waiting: usize = self.waiting.iter().map(Vec::len).sum();
        if !self.outbound.is_empty() || self.waiting.len() >= PIPELINED || waiting > WAITING_BYTES || self.is_ending {
            return Ok(false);
        }
        if let Some((query, rest)) = message::first_of_stream(&self.inbound) {
            if !message::is_query(&query[2..]) {
                return Err(Gone);
            }
            match names.answer(self.address, &query[2..], 0, usize::from(u16::MAX)) {
                Some(answer) => self.outbound = message::for_stream(&answer),
                None => {
                    if self.waiting.is_empty() {
                        self.asked = now;
                    }
                    self.waiting.push_back(query.to_vec());
                }
            }
            self.inbound = rest.to_vec();
            return Ok(true);
        }
        if self.is_half_closed {
            return Ok(false);
        }
        match receive(&self.client, &mut self.inbound) {
            Ok(count) => self.is_half_closed = count == 0,
            Err(Errno::AGAIN) => return Ok(false),
            Err(_) => return Err(Gone),
        }
        Ok(true)
    }

    /// Sends a query that the server has not had, or some bytes of it.
    fn tell_server(&mut self, watch: &Watch<'_>, upstream: &mut Upstream, now: Instant) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let Some(server) = &mut self.server else {
            self.connect(watch, upstream, now);
            return true;
        };
        let Some(query) = self.waiting.get(server.sent) else { return false };
        let left = &query[server.sent_bytes..];
        // While the connection is being made this is EAGAIN; where it failed, why (connect(2)).
        match rustix::net::send(&server.socket, left, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => server.sent_bytes += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            Err(error) => {
                log::debug!("a name server by TCP: {error}");
                self.leave_server(now);
                return true;
            }
        }
        if server.sent_bytes == query.len() {
            server.sent += 1;
            server.sent_bytes = 0;
        }
        true
    }

    /// Begins a connection to the server whose turn it is.
    fn connect(&mut self, watch: &Watch<'_>, upstream: &mut Upstream, now: Instant) {
        self.asked = now;
        let servers = match &self.servers {
            Some(servers) if self.tries_left > 0 => Rc::clone(servers),
            _ => {
                let servers = upstream.servers(self.address);
                self.tries_left = servers.tries();
                self.place = 0;
                self.servers = Some(Rc::clone(&servers));
                servers
            }
        };
        let connected = servers.addresses.get(self.place).ok_or(Errno::DESTADDRREQ).and_then(|address| {
            let socket = connect_to(*address)?;
            watch.add(&socket, Part::Server(0), EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => {
                let (has_answered, is_told_the_end) = (false, false);
                let inbound = Vec::new();
                self.server = Some(Server { socket, inbound, sent: 0, sent_bytes: 0, has_answered, is_told_the_end });
            }
            Err(error) => {
                log::debug!("a name server by TCP: {error}");
                self.leave_server(now);
            }
        }
    }

    /// This server is of no more use. Those that wait go to the next one; to the same one again where it had answered,
    /// since servers may close whenever they like (RFC 7766, section 6.2.4). Where nobody is left they have failed.
    fn leave_server(&mut self, now: Instant) {
        let has_answered = self.server.take().is_some_and(|server| server.has_answered);
        self.asked = now;
        if self.waiting.is_empty() {
            self.is_ending = true;
            return;
        }
        if has_answered {
            self.tries_left = self.servers.as_ref().map_or(0, |servers| servers.tries());
            return;
        }
        let count = self.servers.as_ref().map_or(0, |servers| servers.addresses.len());
        self.place = (self.place + 1) % count.max(1);
        self.tries_left = self.tries_left.saturating_sub(1);
        if self.tries_left == 0 {
            for query in self.waiting.drain(..) {
                self.outbound.extend(message::for_stream(&message::failure(&query[2..])));
            }
        }
    }
}

/// Reads some bytes more; 0 at the end.
fn receive(socket: impl AsFd, into: &mut Vec<u8>) -> Result<usize, Errno> {
    let mut chunk = [0; CHUNK];
    loop {
        match rustix::net::recv(&socket, &mut chunk[..], RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok((count, _)) => {
                into.extend(&chunk[..count]);
                return Ok(count);
            }
        }
    }
}

fn connect_to(server: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}
