//! Connections to published ports. The host has accepted each before the container is asked, so that one which the
//! container refuses is reset.

use super::{Port, SHORT_WAIT, shown, unused, way_in};
use crate::net::stack::table::Id;
use crate::net::stack::tcp::Tcp;
use crate::net::stack::timers::{Deadline, Moment};
use crate::net::stack::{Core, Ends, Source, reset_at_close};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// How many connections are accepted before others have their turn.
const AT_ONCE: usize = 64;
/// How often the container is asked for its hardware address, and what could not be accepted is tried again, in
/// milliseconds.
const PAUSE: Moment = 100;
/// How long a client waits for a container that does not say its hardware address, in milliseconds, where there is no
/// other address to try.
const LONG_WAIT: Moment = 5000;

/// How many wait for it at most; further ones are reset.
pub(super) const MOST_WAITING: usize = 1024;

/// A connection that cannot be passed on yet.
#[derive(Debug)]
struct Waiting {
    socket: OwnedFd,
    client: SocketAddr,
    to: SocketAddr,
    /// Where else it may go.
    v4: IpAddr,
    port: Id,
    since: Moment,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Streams {
    waiting: Vec<Waiting>,
    /// There was no memory, or no descriptor, for a connection.
    exhausted: bool,
    deadline: Deadline,
}

impl Streams {
    /// Takes the connections that have come at `port`.
    pub(super) fn accept(&mut self, core: &mut Core, tcp: &mut Tcp, port: &Port, id: Id) {
        for _ in 0..AT_ONCE {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::acceptfrom_with(&port.socket, flags) {
                Ok((socket, client)) => {
                    // An accepted TCP connection has a peer's address.
                    let Some(client) = client.and_then(|client| SocketAddr::try_from(client).ok()) else { continue };
                    let (to, v4) = (way_in(port), port.inside.v4);
                    self.pass_on(core, tcp, Waiting { socket, client, to, v4, port: id, since: core.now });
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.exhausted = true;
                    core.timers.set(&mut self.deadline, core.now + PAUSE, Source::Waiting);
                    return;
                }
                // One connection was gone before it was accepted (accept(2)).
                Err(_) => {}
            }
        }
        core.ready.push(Source::Port(id));
    }

    /// Opens the flow into the container, once the container is known on the link.
    fn pass_on(&mut self, core: &mut Core, tcp: &mut Tcp, waiting: Waiting) {
        if core.link.neighbour(waiting.to.ip()).is_none() {
            if !self.waiting.iter().any(|other| other.to.ip() == waiting.to.ip()) {
                core.link.solicit(waiting.to.ip(), &core.layout);
            }
            core.timers.set(&mut self.deadline, core.now + PAUSE, Source::Waiting);
            match self.waiting.len() < MOST_WAITING {
                true => self.waiting.push(waiting),
                false => reset_at_close(&waiting.socket),
            }
            return;
        }
        let Waiting { socket, client, to, .. } = waiting;
        let from = unused(shown(&core.layout, client, to), |outside| tcp.knows(&Ends { inside: to, outside }));
        let refused = match from {
            Some(from) => tcp.open_inward(core, socket, from, to).err(),
            None => Some(socket),
        };
        if let Some(socket) = refused {
            reset_at_close(&socket);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Refuses what waits for the container of a port that is closed.
    pub(super) fn forget_port(&mut self, port: Id) {
        self.waiting.retain(|waiting| {
            if waiting.port == port {
                reset_at_close(&waiting.socket);
            }
            waiting.port != port
        });
    }

    /// Passes on what has waited long enough.
    pub(super) fn settle(&mut self, core: &mut Core, tcp: &mut Tcp) {
        if self.waiting.iter().any(|waiting| core.link.neighbour(waiting.to.ip()).is_some()) {
            for waiting in std::mem::take(&mut self.waiting) {
                self.pass_on(core, tcp, waiting);
            }
        }
    }

    /// The time has come. Whether connections that could not be accepted are to be tried again.
    pub(super) fn wait_is_over(&mut self, core: &mut Core, tcp: &mut Tcp, entry: (Moment, Source)) -> bool {
        if !core.timers.is_due(&mut self.deadline, entry, core.now) {
            return false;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let waited = core.now - waiting.since;
            if waiting.to.is_ipv6() && waited >= SHORT_WAIT {
                let to = SocketAddr::new(waiting.v4, waiting.to.port());
                self.pass_on(core, tcp, Waiting { to, ..waiting });
            } else if waited >= LONG_WAIT {
                reset_at_close(&waiting.socket);
            } else {
                core.link.solicit(waiting.to.ip(), &core.layout);
                self.pass_on(core, tcp, waiting);
            }
        }
        std::mem::take(&mut self.exhausted)
    }
}
