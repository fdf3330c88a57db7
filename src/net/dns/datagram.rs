//! One query by UDP on its way through the name servers.

use super::message::{self, Rcode};
use super::upstream::Servers;
use super::{Part, Watch};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A client that asks again so soon is not listened to.
const IMPATIENCE: Duration = Duration::from_millis(250);

/// The longest answer that is kept while other servers are asked.
const KEPT: usize = 4096;

/// A query that waits for its answer.
///
/// Each server is asked from a socket of its own, which is bound to a port that the kernel picks at random and connected,
/// so that only the server's answers arrive; with an id that nobody can know, a forged answer has to guess 32 bits
/// (RFC 5452). A server that is too late for its turn may still answer.
pub(super) struct Exchange<T> {
    /// What the answer is marked with.
    pub(super) tag: T,
    /// As the client sent it.
    pub(super) query: Box<[u8]>,
    id: u16,
    servers: Rc<Servers>,
    sockets: [Option<OwnedFd>; 3],
    /// Those that gave no answer worth waiting for, or cannot be reached.
    out: [bool; 3],
    /// The first answer of a server that did not want to: what the client gets where no other one knows more.
    rejection: Option<Box<[u8]>>,
    tried: usize,
    current: usize,
    sent: Instant,
    /// When the next server is asked.
    pub(super) deadline: Instant,
}

/// What a socket had to say.
pub(super) enum Heard {
    /// Nothing of use yet.
    Nothing,
    /// An answer of so many bytes, with the client's id.
    Answer(usize),
    /// This server is of no use, and it was its turn.
    Rejected,
}

impl<T> Exchange<T> {
    pub(super) fn new(tag: T, query: &[u8], id: u16, servers: Rc<Servers>, now: Instant) -> Exchange<T> {
        Exchange {
            tag,
            query: query.into(),
            id,
            servers,
            sockets: [None, None, None],
            out: [false; 3],
            rejection: None,
            tried: 0,
            current: 0,
            sent: now,
            deadline: now,
        }
    }

    /// Asks whoever is next, each server as often as the options say. False where nobody is left.
    pub(super) fn ask_next(&mut self, watch: &Watch<'_>, now: Instant) -> bool {
        while self.tried < self.servers.tries() {
            let place = self.tried % self.servers.addresses.len();
            self.tried += 1;
            if self.out[place] {
                continue;
            }
            if self.send(place, watch).is_ok() {
                self.current = place;
                self.sent = now;
                self.deadline = now + self.servers.patience(place);
                return true;
            }
            self.out[place] = true;
        }
        false
    }

    /// The client has asked again: it may well give up before this server's time is over, so the next one is asked,
    /// beside this one, or where there is none this one once more.
    pub(super) fn hurry(&mut self, watch: &Watch<'_>, now: Instant) {
        if now.duration_since(self.sent) < IMPATIENCE {
            return;
        }
        let in_first_round = self.tried < self.servers.addresses.len();
        if !(in_first_round && self.ask_next(watch, now)) {
            self.sent = now;
            let _ = self.send(self.current, watch);
        }
    }

    fn send(&mut self, place: usize, watch: &Watch<'_>) -> Result<(), Errno> {
        let slot = &mut self.sockets[place];
        let socket = match slot {
            Some(socket) => socket,
            None => {
                let socket = connected(self.servers.addresses[place])?;
                watch.add(&socket, Part::Server(place), rustix::event::epoll::EventFlags::IN)?;
                slot.insert(socket)
            }
        };
        let mut own = self.query.to_vec();
        message::set_id(&mut own, self.id);
        match rustix::net::send(&*socket, &own, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            // A full queue is a lost datagram.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads what the server at `place` has sent; an answer is in `buffer` then.
    pub(super) fn listen(&mut self, place: usize, buffer: &mut [u8]) -> Heard {
        let Some(socket) = &self.sockets[place] else { return Heard::Nothing };
        loop {
            match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    if !message::answers(&self.query, self.id, &buffer[..length]) {
                        continue;
                    }
                    let client_id = message::id(&self.query).unwrap_or_default();
                    message::set_id(buffer, client_id);
                    let unwilling = [Rcode::SERVER_FAILURE, Rcode::NOT_IMPLEMENTED, Rcode::REFUSED];
                    if !unwilling.contains(&message::rcode(&buffer[..length])) || length > KEPT {
                        return Heard::Answer(length);
                    }
                    self.rejection.get_or_insert_with(|| buffer[..length].into());
                    return self.reject(place);
                }
                Err(Errno::AGAIN) => return Heard::Nothing,
                Err(Errno::INTR) => {}
                // Refused, unreachable: udp(7) reports what ICMP brings.
                Err(_) => return self.reject(place),
            }
        }
    }

    fn reject(&mut self, place: usize) -> Heard {
        self.out[place] = true;
        self.sockets[place] = None;
        if place == self.current { Heard::Rejected } else { Heard::Nothing }
    }

    /// What the client is told where no server has an answer.
    pub(super) fn failure(self) -> Vec<u8> {
        match self.rejection {
            Some(rejection) => rejection.into_vec(),
            None => message::failure(&self.query),
        }
    }
}

fn connected(server: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket)
}
