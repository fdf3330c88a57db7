//! What client, monitor and init say to each other: one enum a direction, matched exhaustively.
//!
//! A message is one JSON datagram on a SOCK_SEQPACKET pair (unix(7)); descriptors travel beside it
//! as SCM_RIGHTS. End of file means the other side is gone, and is success only where a function
//! says so: after [`FromInit::ReadyToExec`] it is the payload's execve(2) that closed the socket.

use crate::error::{Doing, Failure, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Client to monitor.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToMonitor {
    /// /proc/PID/uid_map and gid_map are written.
    IdsMapped,
    /// Pass this signal (a number of signal(7)) to the payload.
    Signal(i32),
    /// The client's terminal has this size now.
    Resize(WindowSize),
    /// The client leaves and the container goes on; end of file without this ends the container.
    Detach,
}

/// Monitor to client.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToClient {
    /// One line for the user: what differs from what was asked for.
    Notice(String),
    /// The payload runs; with `-t` a stream socket that carries the terminal comes along.
    Started,
    /// The payload has ended and everything is cleaned up.
    Exited(Exit),
    /// The start failed; nothing is left.
    Failed(Failure),
}

/// Monitor to init.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// As [`ToMonitor::IdsMapped`].
    IdsMapped,
    /// The network is attached: the payload may start.
    NetworkAttached,
}

/// Init to monitor.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// One line for the user.
    Notice(String),
    /// The pseudo-terminal is open; its master side comes along.
    TerminalOpened,
    /// The root file system wants fuse-overlayfs; the mounted /dev/fuse descriptor comes along.
    FuseMounted,
    /// All is prepared; the next thing is execve(2), or waiting for the network.
    ReadyToExec,
    /// A stage failed.
    Failed(Failure),
}

/// Rows and columns of a terminal (ioctl_tty(2), TIOCSWINSZ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// How a payload ended (wait(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By exit(3) with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The shell's and Docker's convention: the status, or 128 plus the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Exit::Status(status) => status,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// One end of a pair of sockets that sends `S` and receives `R`.
#[derive(Debug)]
pub struct Channel<S, R> {
    socket: OwnedFd,
    types: PhantomData<fn(S) -> R>,
}

/// The longest message; a [`Failure`] with a long path and hints stays far below.
const LONGEST: usize = 32 * 1024;

/// Makes both ends; descriptors are close-on-exec.
pub fn channel_pair<A, B>() -> Result<(Channel<A, B>, Channel<B, A>)> {
    let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .doing(|| "cannot make a socket pair")?;
    Ok((Channel { socket: a, types: PhantomData }, Channel { socket: b, types: PhantomData }))
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// Sends one message. A peer that is gone is a failure like any other.
    pub fn send(&self, message: &S) -> Result<()> {
        self.send_with(message, None)
    }

    /// Sends one message and a copy of a descriptor.
    pub fn send_with(&self, message: &S, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = serde_json::to_vec(message).doing(|| "cannot encode a message")?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|fd| [fd]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        loop {
            let slices = [IoSlice::new(&bytes)];
            match rustix::net::sendmsg(&self.socket, &slices, &mut ancillary, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => continue,
                result => return result.map(drop).doing(|| "cannot send a message to the container's process"),
            }
        }
    }

    /// Waits for one message; None at end of file.
    pub fn receive(&self) -> Result<Option<R>> {
        Ok(self.receive_with()?.map(|(message, _)| message))
    }

    /// Waits for one message and the descriptor beside it; None at end of file.
    pub fn receive_with(&self) -> Result<Option<(R, Option<OwnedFd>)>> {
        let mut bytes = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let length = loop {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => continue,
                // The peer was killed with a message of ours unread.
                Err(Errno::CONNRESET) => return Ok(None),
                Err(error) => return Err(error).doing(|| "cannot receive a message from the container's process"),
                Ok(message) => break message.bytes,
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let message = serde_json::from_slice(&bytes[..length]).doing(|| "cannot decode a message")?;
        Ok(Some((message, descriptor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_and_a_descriptor_cross() {
        let (client, monitor) = channel_pair::<ToMonitor, ToClient>().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        monitor.send_with(&ToClient::Started, Some(file.as_fd())).unwrap();
        let (message, descriptor) = client.receive_with().unwrap().unwrap();
        assert!(matches!(message, ToClient::Started));
        assert!(descriptor.is_some());
        client.send(&ToMonitor::Signal(15)).unwrap();
        assert!(matches!(monitor.receive().unwrap(), Some(ToMonitor::Signal(15))));
        drop(client);
        assert!(monitor.receive().unwrap().is_none());
        assert!(monitor.send(&ToClient::Started).is_err());
    }

    #[test]
    fn an_exit_becomes_the_shells_number() {
        assert_eq!(Exit::Status(3).code(), 3);
        assert_eq!(Exit::Signal(9).code(), 137);
    }
}
