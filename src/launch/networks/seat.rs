//! One place of a container's on one network: a connection to its keeper.

use super::{Endpoint, FromKeeper, Names, Part, ToKeeper, ToNetwork, strange};
use crate::error::{Failure, Result};
use crate::launch::ATTACH_SOCKET;
use crate::launch::protocol::{Channel, ToClient, ToMonitor};
use crate::net;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a monitor is told of a seat that somebody else has taken for its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The network's name.
    pub network: String,
    /// What the container has there.
    pub endpoint: Endpoint,
    /// Whether nothing outside is reached by it.
    pub internal: bool,
}

/// A container's place on a network; given up when it is dropped by the last process that has it.
#[derive(Debug)]
pub struct Seat {
    connection: ToNetwork,
    /// Which place it is.
    pub at: Handed,
    /// What the container's interface is called, while it has one.
    pub(super) interface: Option<String>,
    /// The names there as they were told last; None: they are not followed.
    pub(super) names: Option<Names>,
    /// The keeper was killed.
    pub(super) is_lost: bool,
}

impl Seat {
    pub(super) fn new(connection: ToNetwork, at: Handed) -> Seat {
        Seat { connection, at, interface: None, names: None, is_lost: false }
    }

    /// One that another process has taken, by the connection that it has handed over.
    pub fn handed_over(at: Handed, connection: OwnedFd) -> Seat {
        Seat::new(connection.into(), at)
    }

    /// As the container's record has it.
    pub fn for_record(&self) -> net::Endpoint {
        match self.is_lost {
            true => net::Endpoint { network: self.at.network.clone(), ..net::Endpoint::default() },
            false => net::Endpoint { network: self.at.network.clone(), ..self.at.endpoint.for_record() },
        }
    }

    /// Asks for the container's interface in its network namespace; [`Seat::wait`] tells how it went.
    ///
    /// # Errors
    /// The keeper was killed.
    pub(super) fn start_attach(&mut self, namespace: BorrowedFd<'_>, interface: String, part: Part) -> Result<()> {
        self.interface = Some(interface.clone());
        self.ask(&ToKeeper::Attach { interface, part }, Some(namespace))
    }

    /// Sends the keeper a message.
    ///
    /// # Errors
    /// The keeper was killed.
    pub(super) fn ask(&self, message: &ToKeeper, along: Option<BorrowedFd<'_>>) -> Result<()> {
        if self.is_lost {
            return Err(self.lost());
        }
        self.connection.send_with(message, along).map_err(|_| self.lost())
    }

    /// Waits until what was asked for is done; names that come in between are kept.
    ///
    /// # Errors
    /// It cannot be; the keeper was killed.
    pub(super) fn wait(&mut self) -> Result<()> {
        loop {
            match self.connection.receive() {
                Ok(Some(FromKeeper::Attached)) => return Ok(()),
                Ok(Some(FromKeeper::Names(names))) => self.names = Some(names),
                Ok(Some(FromKeeper::Failed(failure))) => {
                    return Err(failure.while_doing(format!("cannot join the network {}", self.at.network)));
                }
                Ok(Some(other)) => return Err(strange(&self.at.network, &other)),
                Ok(None) | Err(_) => return Err(self.lost()),
            }
        }
    }

    /// Asks to be told of the names on this network, and waits for them.
    ///
    /// # Errors
    /// The keeper was killed.
    pub(super) fn follow(&mut self) -> Result<()> {
        if self.names.is_some() {
            return Ok(());
        }
        self.ask(&ToKeeper::Follow, None)?;
        self.hear()
    }

    /// Takes a message that has come of itself.
    ///
    /// # Errors
    /// The keeper was killed.
    pub(super) fn hear(&mut self) -> Result<()> {
        match self.connection.receive() {
            Ok(Some(FromKeeper::Names(names))) => {
                self.names = Some(names);
                Ok(())
            }
            Ok(Some(other)) => Err(strange(&self.at.network, &other)),
            Ok(None) | Err(_) => Err(self.lost()),
        }
    }

    pub(super) fn lost(&self) -> Failure {
        Failure::new(format!("cannot join the network {}", self.at.network), "its keeper was killed")
            .hint("start the container again")
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Hands a seat over to the monitor of a container that runs; `directory` is `containers/<id>`.
///
/// # Errors
/// The outer: the monitor does not listen, with the errno of connect(2). The inner: it cannot take the seat.
pub fn hand_over(directory: BorrowedFd<'_>, seat: Seat) -> rustix::io::Result<Result<()>> {
    tell(directory, &ToMonitor::Connect(seat.at.clone()), Some(seat.as_fd()))
}

/// Has the monitor of a container that runs give up its seat on a network.
///
/// # Errors
/// As for [`hand_over`].
pub fn take_back(directory: BorrowedFd<'_>, network: &str) -> rustix::io::Result<Result<()>> {
    tell(directory, &ToMonitor::Disconnect { network: network.to_owned() }, None)
}

fn tell(
    directory: BorrowedFd<'_>,
    message: &ToMonitor,
    along: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<Result<()>> {
    let channel = Channel::<ToMonitor, ToClient>::connect(directory, ATTACH_SOCKET)?;
    if channel.send_with(message, along).is_err() {
        return Err(Errno::CONNREFUSED);
    }
    loop {
        return Ok(match channel.receive() {
            Ok(Some(ToClient::Started)) => Ok(()),
            Ok(Some(ToClient::Failed(failure))) => Err(failure),
            Ok(Some(ToClient::Exited(_)) | None) => return Err(Errno::CONNREFUSED),
            // What others are told, or what nobody has asked for.
            Ok(Some(_)) => continue,
            Err(failure) => Err(failure),
        });
    }
}
