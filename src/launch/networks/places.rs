//! All of a container's places on networks, as its monitor keeps them while it runs.
//!
//! One network leads: its gateway is the container's way out, its name server is the one that the container asks, and
//! published ports come in by it. It is the first that has a way out, else the first; a private network of the container's
//! own goes before all. Who serves the leading one is told of the others' names, so that the container finds everybody
//! whom it reaches, and nobody else does.

use super::ports::OpenLine;
use super::{Handed, Part, Seat, ToKeeper};
use crate::error::{Failure, Result};
use crate::launch::protocol::Channel;
use crate::net;
use crate::net::ports::OpenPorts;
use crate::net::stack::{Further, Inside, ToStack, Told};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd, OwnedFd};

/// See the module.
#[derive(Debug, Default)]
pub struct Places {
    seats: Vec<Seat>,
    /// The process of the container's private network, if it has one beside these.
    private: Option<Private>,
    /// The container's network namespace, while there is one and it is on networks.
    namespace: Option<OwnedFd>,
    ports: OpenPorts,
    line: Option<OpenLine>,
    /// What the container's interfaces are counted from.
    next_interface: usize,
}

/// The process that serves a private network, and who the container is there.
#[derive(Debug)]
struct Private {
    stack: Channel<ToStack, ()>,
    inside: Inside,
}

impl Places {
    /// The places that a container begins with.
    pub fn new(seats: Vec<Seat>) -> Places {
        Places { seats, ..Places::default() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// What the container has on its networks, for its record.
    pub fn for_record(&self) -> impl Iterator<Item = net::Endpoint> {
        self.seats.iter().map(Seat::for_record)
    }

    /// A run begins, in this namespace: asks for the interfaces there. `private`: the container has a network of its own
    /// as well, which leads, and whose process is told by this socket.
    ///
    /// # Errors
    /// A keeper was killed.
    pub fn begin(&mut self, namespace: OwnedFd, private: Option<(OwnedFd, Inside)>) -> Result<()> {
        self.private = private.map(|(stack, inside)| Private { stack: stack.into(), inside });
        self.next_interface = usize::from(self.private.is_some());
        let leading = self.leading();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            // Nothing of an earlier run counts any more, and another one follows anew.
            let part = if leading == Some(number) { Part::Leading } else { Part::Further };
            seat.start_attach(namespace.as_fd(), interface(self.next_interface), part)?;
            self.next_interface += 1;
        }
        self.namespace = Some(namespace);
        Ok(())
    }

    /// Waits until the interfaces are there, then publishes the ports and makes the names known.
    ///
    /// # Errors
    /// One cannot be made; the ports cannot be published; a keeper was killed.
    pub fn wait_ready(&mut self, ports: OpenPorts) -> Result<()> {
        self.seats.iter_mut().try_for_each(Seat::wait)?;
        self.ports = ports;
        self.publish()?;
        self.settle()
    }

    /// The run has ended: closes the ports, and waits until they are.
    pub fn end(&mut self) {
        self.namespace = None;
        self.private = None;
        self.ports = OpenPorts::default();
        for seat in &mut self.seats {
            seat.interface = None;
        }
        if let Some(Err(failure)) = self.line.take().map(OpenLine::close) {
            log::debug!("{failure}");
        }
    }

    /// Takes one more place; the interface is there when this returns, where the container runs: `namespace` is its own.
    ///
    /// # Errors
    /// The interface cannot be made; then there is no such place.
    pub fn join(&mut self, at: Handed, connection: OwnedFd) -> Result<()> {
        // A place that was lost is taken anew.
        self.seats.retain(|seat| seat.at.network != at.network || !seat.is_lost);
        if self.seats.iter().any(|seat| seat.at.network == at.network) {
            let cause = format!("the container is on the network {} already", at.network);
            return Err(Failure::new("cannot join a network", cause));
        }
        let before = self.leading_name();
        let mut seat = Seat::handed_over(at, connection);
        if let Some(namespace) = &self.namespace {
            seat.start_attach(namespace.as_fd(), interface(self.next_interface), Part::Further)?;
            seat.wait()?;
            self.next_interface += 1;
        }
        self.seats.push(seat);
        self.lead_anew(before)
    }

    /// Gives a place up; its interface is gone when this returns.
    ///
    /// # Errors
    /// There is no such place; another network cannot lead in its stead.
    pub fn leave(&mut self, network: &str) -> Result<()> {
        let place = self.seats.iter().position(|seat| seat.at.network == network);
        let place = place.ok_or_else(|| {
            Failure::new("cannot leave a network", format!("the container is not on the network {network}"))
        })?;
        let before = self.leading_name();
        let mut seat = self.seats.remove(place);
        if before.as_deref() == Some(network) {
            self.line = None;
        } else {
            self.tell_leading(network, Vec::new());
        }
        // A keeper that was killed has taken the interface along.
        let left = seat.ask(&ToKeeper::Leave, None).and_then(|()| seat.wait());
        log::debug!("left {network}: {left:?}");
        self.lead_anew(before)
    }

    /// After a change: has another network lead, should it have to.
    fn lead_anew(&mut self, before: Option<String>) -> Result<()> {
        let now = self.leading();
        if let (Some(namespace), Some(place)) = (&self.namespace, now)
            && before.as_deref() != Some(self.seats[place].at.network.as_str())
        {
            let seat = &mut self.seats[place];
            let interface = seat.interface.clone().unwrap_or_default();
            seat.ask(&ToKeeper::Lead { interface }, Some(namespace.as_fd()))?;
            seat.wait()?;
            self.publish()?;
        }
        self.settle()
    }

    /// Which one leads; None where none of them does.
    fn leading(&self) -> Option<usize> {
        if self.private.is_some() {
            return None;
        }
        let there = || self.seats.iter().enumerate().filter(|(_, seat)| !seat.is_lost);
        let leading = there().find(|(_, seat)| !seat.at.internal).or_else(|| there().next());
        leading.map(|(place, _)| place)
    }

    fn leading_name(&self) -> Option<String> {
        self.leading().map(|place| self.seats[place].at.network.clone())
    }

    /// Leads the ports in by the network that leads now.
    fn publish(&mut self) -> Result<()> {
        self.line = None;
        match self.leading().map(|place| &mut self.seats[place]) {
            Some(seat) if !seat.at.internal && !self.ports.sockets.is_empty() => {
                self.line = Some(seat.publish(&self.ports)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Has the names of all other networks told to who serves the leading one.
    fn settle(&mut self) -> Result<()> {
        if self.namespace.is_none() {
            return Ok(());
        }
        let leading = self.leading();
        for place in (0..self.seats.len()).filter(|place| Some(*place) != leading) {
            let seat = &mut self.seats[place];
            if !seat.is_lost {
                seat.follow()?;
            }
        }
        self.pass_names_on();
        Ok(())
    }

    fn pass_names_on(&self) {
        let leading = self.leading();
        if let Some(Private { stack, inside }) = &self.private {
            let clients: Vec<_> = std::iter::once(inside.v4).chain(inside.v6).collect();
            let further = self.seats.iter().filter_map(|seat| {
                let (network, names) = (seat.at.network.clone(), seat.names.clone()?);
                Some(Further { clients: clients.clone(), network, names })
            });
            let told = Told { further: further.collect(), ..Told::default() };
            if let Err(failure) = stack.send(&ToStack::Names(told)) {
                log::debug!("{failure}");
            }
        }
        for (_, seat) in self.seats.iter().enumerate().filter(|(place, _)| Some(*place) != leading) {
            if let (Some(names), None) = (&seat.names, &self.private) {
                self.tell_leading(&seat.at.network, names.clone());
            }
        }
    }

    fn tell_leading(&self, network: &str, names: super::Names) {
        let Some(leading) = self.leading() else { return };
        let told = self.seats[leading].ask(&ToKeeper::Knows { network: network.to_owned(), names }, None);
        if let Err(failure) = told {
            log::debug!("{failure}");
        }
    }

    /// Adds what poll(2) is to watch.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let there = self.seats.iter().filter(|seat| !seat.is_lost);
        fds.extend(there.map(|seat| PollFd::new(seat, PollFlags::IN)));
    }

    /// Takes what keepers say of themselves. Returns the networks that the container has lost, since theirs were killed.
    pub fn hear(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        let before = self.leading_name();
        let mut named = false;
        for seat in self.seats.iter_mut().filter(|seat| !seat.is_lost) {
            let has_spoken = poll(&mut [PollFd::new(seat, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if has_spoken != Ok(1) {
                continue;
            }
            match seat.hear() {
                Ok(()) => named = true,
                Err(_) => {
                    seat.is_lost = true;
                    seat.names = None;
                    lost.push(seat.at.network.clone());
                }
            }
        }
        if !lost.is_empty() {
            if let Err(failure) = self.lead_anew(before) {
                log::debug!("{failure}");
            }
        } else if named {
            self.pass_names_on();
        }
        lost
    }
}

/// The name of a container's interface, counted from 0: Docker's.
fn interface(number: usize) -> String {
    format!("eth{number}")
}
