//! The process that keeps a network as long as a container is on it.
//!
//! It is root of the user namespace of all the user's networks, and lives in a network namespace of its own, in which
//! the bridge is. Each container's monitor holds a connection to it; when the last one has ended, so does the keeper, and
//! the kernel takes bridge and interfaces away with the namespace. It is process 1 of a pid namespace: what it starts
//! ends with it, whatever ends it.
//!
//! Whoever connects holds the store's lock of keepers ([`Store::lock_keepers`]), and the keeper ends under the same lock:
//! so nobody joins a network that is about to go.

use super::links::{Bridge, Plug, Route, Wanted};
use super::roll::{Endpoint, Roll};
use super::way_out::{Opened, WayOut};
use super::{FromKeeper, Part, ToKeeper};
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::launch::protocol::{Channel, Listener};
use crate::net::ports;
use crate::store::networks::Network;
use crate::store::{Patience, Store};
use crate::sys::process::{Namespaces, close_all_but, exit_now, unshare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The keeper's end of a connection.
pub(super) type Visitor = Channel<FromKeeper, ToKeeper>;

/// MTU unless `--opt` says otherwise: the largest that a TAP device carries, as in the private network.
const MTU: u32 = 65520;

/// How long the keeper waits before it looks again whether it may end, where somebody holds the lock.
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// What a keeper begins with.
pub(super) struct Beginning<'a> {
    pub(super) store: &'a Store,
    pub(super) network: &'a Network,
    pub(super) listener: Listener,
    /// The connection of whoever starts it.
    pub(super) first: Visitor,
    /// The maps of its user namespace.
    pub(super) maps: IdMaps,
}

/// Runs in: process 1 of a new pid namespace, root of the networks' user namespace. Never returns.
pub(super) fn main(beginning: Beginning<'_>) -> ! {
    let Beginning { store, network, listener, first, maps } = beginning;
    let result = match Keeper::begin(network, &listener, &first, maps) {
        Ok(keeper) => keeper.keep(store, &listener, first),
        // Whoever has started this process may be gone; then nobody is left to tell.
        Err(failure) => first.send(&FromKeeper::Failed(failure)),
    };
    exit_now(i32::from(result.is_err()))
}

/// What a process that outlives its client must not keep: streams, locks, a directory in use.
fn leave_the_clients_world(listener: &Listener, first: &Visitor) -> Result<()> {
    rustix::process::setsid().doing(|| "cannot make a session for the network's keeper")?;
    crate::launch::stdio::let_go_of_clients_streams();
    close_all_but(&[listener.as_fd(), first.as_fd()]);
    rustix::process::chdir("/").doing(|| "cannot enter /")?;
    // Each container has a connection; up to the hard limit everybody may go (getrlimit(2)).
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .doing(|| "cannot raise the limit of open files")
}

struct Keeper<'a> {
    network: &'a Network,
    maps: IdMaps,
    bridge: Bridge,
    /// Who carries packets outside, and is told of the containers' names.
    stack: Option<Opened>,
    /// Why nothing outside is reached, where that was meant to be.
    notice: Option<String>,
    roll: Roll,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

struct Connection {
    visitor: Visitor,
    /// The container's interface, once it has one.
    plug: Option<Plug>,
    /// Whether the container wants to be told of names.
    follows: bool,
    /// It had no room for the last telling.
    is_behind: bool,
}

impl<'a> Keeper<'a> {
    /// Runs once: the namespace with the bridge in it.
    fn begin(network: &'a Network, listener: &Listener, first: &Visitor, maps: IdMaps) -> Result<Keeper<'a>> {
        leave_the_clients_world(listener, first)?;
        // Before this process leaves the host's network namespace, in which the stack's sockets are to be.
        let way_out = WayOut::prepare(&network.metadata);
        listener.take_over().doing(|| "cannot listen for the network's containers")?;
        unshare(Namespaces::NETWORK).doing(|| "cannot make the network's namespace")?;
        let bridge = Bridge::make(network.metadata.mtu().unwrap_or(MTU))?;
        let opened = way_out.and_then(|way_out| way_out.open(&bridge));
        let (stack, notice) = match opened {
            Ok(opened) => (Some(opened), None),
            Err(failure) => {
                let lacks = "neither a way out nor names of containers";
                (None, Some(format!("the network {} has {lacks}: {failure}", network.name)))
            }
        };
        let roll = Roll::new(network.metadata.pools.clone());
        Ok(Keeper { network, maps, bridge, stack, notice, roll, connections: BTreeMap::new(), next: 0 })
    }

    /// Serves until nobody is left.
    fn keep(mut self, store: &Store, listener: &Listener, first: Visitor) -> Result<()> {
        self.welcome(first);
        loop {
            self.attend(listener, None)?;
            while self.connections.is_empty() {
                match store.lock_keepers(Patience::Try)? {
                    Some(_lock) => {
                        // Somebody may have come before the lock was free.
                        self.admit_all(listener);
                        if self.connections.is_empty() {
                            let _ = std::fs::remove_file(self.network.home.join(super::SOCKET));
                            return Ok(());
                        }
                    }
                    None => self.attend(listener, Some(&AGAIN))?,
                }
            }
        }
    }

    fn welcome(&mut self, visitor: Visitor) {
        self.connections.insert(self.next, Connection { visitor, plug: None, follows: false, is_behind: false });
        self.next += 1;
    }

    fn admit_all(&mut self, listener: &Listener) {
        while let Some(visitor) = listener.accept() {
            self.welcome(visitor);
        }
    }

    /// Waits for something to do, and does it.
    fn attend(&mut self, listener: &Listener, limit: Option<&Timespec>) -> Result<()> {
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        let awaited = |connection: &Connection| match connection.is_behind {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        let mut watched: Vec<PollFd<'_>> =
            self.connections.values().map(|connection| PollFd::new(&connection.visitor, awaited(connection))).collect();
        watched.push(PollFd::new(listener, PollFlags::IN));
        match poll(&mut watched, limit) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            polled => polled.doing(|| "cannot wait for the network's containers")?,
        };
        let speak: Vec<bool> = watched.iter().map(|fd| !fd.revents().difference(PollFlags::OUT).is_empty()).collect();
        drop(watched);
        if self.connections.values().any(|connection| connection.is_behind) {
            self.tell_followers(|connection| connection.is_behind);
        }
        for (number, _) in numbers.iter().zip(&speak).filter(|(_, speaks)| **speaks) {
            self.hear(*number);
        }
        if speak.last() == Some(&true) {
            self.admit_all(listener);
        }
        Ok(())
    }

    /// Takes one message of a connection, or its end.
    fn hear(&mut self, number: u64) {
        let Some(connection) = self.connections.get(&number) else { return };
        let answer = match connection.visitor.receive_with() {
            Ok(Some((message, descriptor))) => self.answer(number, message, descriptor),
            Ok(None) | Err(_) => return self.leave(number),
        };
        let (Some(answer), Some(connection)) = (answer, self.connections.get(&number)) else { return };
        let namespace = match answer {
            // The maps are of no use without the namespace.
            FromKeeper::Joined { .. } => File::open("/proc/self/ns/user").ok(),
            _ => None,
        };
        if connection.visitor.send_with(&answer, namespace.as_ref().map(AsFd::as_fd)).is_err() {
            self.leave(number);
        }
    }

    fn answer(&mut self, number: u64, message: ToKeeper, descriptor: Option<OwnedFd>) -> Option<FromKeeper> {
        Some(match message {
            ToKeeper::Join(member) => match self.roll.admit(number, member) {
                Ok(endpoint) => {
                    self.tell_names();
                    let (maps, notice) = (self.maps.clone(), self.notice.clone());
                    FromKeeper::Joined { endpoint: Some(endpoint), maps, notice }
                }
                Err(failure) => FromKeeper::Failed(failure),
            },
            ToKeeper::Visit => FromKeeper::Joined { endpoint: None, maps: self.maps.clone(), notice: None },
            ToKeeper::Attach { interface, part } => {
                done(namespace(descriptor).and_then(|inside| self.attach(number, inside.as_fd(), &interface, part)))
            }
            ToKeeper::Lead { interface } => {
                done(namespace(descriptor).and_then(|inside| self.lead(number, inside.as_fd(), &interface)))
            }
            ToKeeper::Leave => {
                self.give_up(number);
                FromKeeper::Attached
            }
            ToKeeper::Follow => {
                if let Some(connection) = self.connections.get_mut(&number) {
                    connection.follows = true;
                    connection.is_behind = true;
                }
                self.tell_followers(|connection| connection.is_behind);
                return None;
            }
            ToKeeper::Knows { network, names } => {
                self.roll.learn(number, network, names);
                self.tell_stack();
                return None;
            }
            ToKeeper::Publish => match descriptor {
                Some(line) => done(self.publish(number, line.as_fd())),
                None => FromKeeper::Failed(Failure::new(ports::DOING, "no line has come to hand them in")),
            },
            ToKeeper::List => FromKeeper::Members(self.roll.everybody().cloned().collect()),
            ToKeeper::Rename { id, name } => {
                self.roll.rename(&id, &name);
                self.tell_names();
                FromKeeper::Attached
            }
        })
    }

    /// Gives a container its interface, in the place of one it had in a namespace before.
    fn attach(&mut self, number: u64, namespace: BorrowedFd<'_>, interface: &str, part: Part) -> Result<()> {
        let endpoint = self.seat_of(number)?;
        let route = if part == Part::Leading { self.ways() } else { Route::None };
        if let Some(former) = self.connections.get_mut(&number).and_then(|connection| connection.plug.take()) {
            self.bridge.unplug(former);
            self.tell_parted(number);
        }
        let plug = self.bridge.plug(namespace, interface, &Wanted { endpoint: &endpoint, route })?;
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.plug = Some(plug);
        }
        Ok(())
    }

    /// Has a container that is attached reach by this network what it reaches by none of its own.
    fn lead(&self, number: u64, namespace: BorrowedFd<'_>, interface: &str) -> Result<()> {
        let endpoint = self.seat_of(number)?;
        self.bridge.lead(namespace, interface, &Wanted { endpoint: &endpoint, route: self.ways() })
    }

    fn seat_of(&self, number: u64) -> Result<Endpoint> {
        let endpoint = self.roll.endpoint(number).cloned();
        endpoint.ok_or_else(|| Failure::new("cannot attach the container", "it has not joined"))
    }

    /// What goes by this network where it leads.
    fn ways(&self) -> Route {
        if self.network.metadata.internal { Route::NameServer } else { Route::Gateway }
    }

    /// Gives the stack the line by which a container's ports are handed in.
    fn publish(&self, number: u64, line: BorrowedFd<'_>) -> Result<()> {
        let inside = self.roll.endpoint(number).and_then(Endpoint::inside);
        let inside = inside.ok_or_else(|| Failure::new(ports::DOING, "the container has not joined the network"))?;
        match (&self.stack, &self.notice) {
            (Some(stack), _) => stack.connect(line, inside),
            (None, why) => Err(Failure::new(ports::DOING, why.as_deref().unwrap_or("the network has no way out"))),
        }
    }

    /// A container's monitor has ended, or has given up its seat.
    fn leave(&mut self, number: u64) {
        self.give_up(number);
        self.connections.remove(&number);
    }

    /// Takes a container's interface away, and its seat.
    fn give_up(&mut self, number: u64) {
        if let Some(plug) = self.connections.get_mut(&number).and_then(|connection| connection.plug.take()) {
            self.bridge.unplug(plug);
            self.tell_parted(number);
        }
        if self.roll.endpoint(number).is_some() {
            self.roll.dismiss(number);
            self.tell_names();
        }
    }

    fn tell_parted(&self, number: u64) {
        if let (Some(stack), Some(inside)) = (&self.stack, self.roll.endpoint(number).and_then(Endpoint::inside)) {
            stack.part(inside);
        }
    }

    /// After a change of who is there, or of their names.
    fn tell_names(&mut self) {
        self.tell_stack();
        self.tell_followers(|_| true);
    }

    fn tell_stack(&self) {
        if let Some(stack) = &self.stack {
            stack.tell(self.roll.told(&self.network.name));
        }
    }

    /// Tells those who want to know. Nobody is waited for: who has no room for it is told when there is some.
    fn tell_followers(&mut self, which: impl Fn(&Connection) -> bool) {
        let names = FromKeeper::Names(self.roll.names());
        for connection in self.connections.values_mut().filter(|connection| connection.follows && which(connection)) {
            // One that is gone is noticed when it is heard.
            connection.is_behind = matches!(connection.visitor.offer(&names), Ok(false));
        }
    }
}

fn done(result: Result<()>) -> FromKeeper {
    result.map_or_else(FromKeeper::Failed, |()| FromKeeper::Attached)
}

fn namespace(descriptor: Option<OwnedFd>) -> Result<OwnedFd> {
    descriptor.ok_or_else(|| Failure::new("cannot attach the container", "it has sent no namespace"))
}
