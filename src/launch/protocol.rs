//! What client, monitor and init say to each other: one enum a direction, matched exhaustively.
//!
//! A message is one JSON datagram on a SOCK_SEQPACKET pair (unix(7)); descriptors travel beside it
//! as SCM_RIGHTS. End of file means the other side is gone, and is success only where a function
//! says so: after [`FromInit::ReadyToExec`] it is the payload's execve(2) that closed the socket.

use super::networks::Handed;
use crate::error::{Doing, Failure, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::termios::Winsize;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Client to monitor.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToMonitor {
    /// /proc/PID/uid_map and gid_map are written.
    IdsMapped,
    /// Pass this signal (a number of signal(7)) to the payload.
    Signal(i32),
    /// The client's terminal has this size now.
    Resize(WindowSize),
    /// The client leaves and the container goes on; end of file from the client that started it,
    /// without this, ends the container. One that leaves a process it has started by [`ToMonitor::Exec`] sends
    /// along the master of its terminal, if it has one.
    Detach,
    /// A later client wants the payload's terminal or input; [`ToClient::Started`] answers.
    Attach,
    /// A later client wants to know of the end only; [`ToClient::Started`] answers.
    Watch,
    /// A later client wants the container to stay down once its payload has ended, whatever its restart policy
    /// says; [`ToClient::Started`] answers, and from then on no other payload is started.
    StayDown,
    /// A later client has changed the container's plan; [`ToClient::Started`] answers, and the end of the payload's
    /// run is met with the plan as it is on disk.
    PlanChanged,
    /// This client has read the log to its end: [`ToClient::Logged`] is to say when there is more.
    Waiting,
    /// A later client wants one more process in the container, as its first message. Beside it come the
    /// [`super::exec::Order`], in a file, and the standard streams that the order has. [`ToClient::Executing`]
    /// answers; signals of this client are that process's then, and the end that it is told of.
    Exec {
        /// What the process is called, in the record and in events: 64 hexadecimal digits.
        id: String,
    },
    /// A later client has taken a seat on a network for the container, whose connection comes along;
    /// [`ToClient::Started`] answers when the container is there.
    Connect(Handed),
    /// A later client wants the container to leave a network; [`ToClient::Started`] answers when it has.
    Disconnect {
        /// The network's name.
        network: String,
    },
    /// A later client wants the container's health to be checked now, as its first message; [`ToClient::Exited`]
    /// answers with the end of the check.
    Check,
    /// A later client wants to know, as its only message, what the processes are called that others have started by
    /// [`ToMonitor::Exec`] and that have not ended; [`ToClient::Executions`] answers.
    ListExecutions,
}

/// Monitor to client.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToClient {
    /// One line for the user: what differs from what was asked for.
    Notice(String),
    /// The payload runs; with `-t`, or where input goes through the monitor, a stream socket for the
    /// terminal or the input comes along.
    Started,
    /// Answer to [`ToMonitor::Exec`], from the new process itself: it is about to execute. Along come the end of a
    /// pipe, which ends when execve(2) has succeeded, and the master of its terminal, if it has one.
    Executing,
    /// Answer to [`ToMonitor::ListExecutions`].
    Executions(Vec<String>),
    /// There is more in the log.
    Logged,
    /// The payload has ended, no process of the container is left, and its record says so or is gone.
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
    /// Of a container with a control group of its own: its cgroup namespace is rooted there. The first message.
    CgroupNamespaceMade,
    /// With rr's own network: its interface is there, and the descriptor that carries its frames comes along; or why not.
    /// Before the ids are mapped.
    LinkMade(Result<()>),
    /// The pseudo-terminal is open; its master side comes along.
    TerminalOpened,
    /// The root file system wants fuse-overlayfs; the mounted /dev/fuse descriptor comes along.
    FuseMounted,
    /// All is prepared; the next thing is execve(2), or waiting for the network.
    /// A descriptor comes along where it becomes a trampoline first: the report to be read then.
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

impl From<WindowSize> for Winsize {
    fn from(size: WindowSize) -> Winsize {
        Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
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

/// The most descriptors beside a message: those of [`ToMonitor::Exec`].
const MOST_DESCRIPTORS: usize = 4;

/// Makes both ends; descriptors are close-on-exec.
pub fn channel_pair<A, B>() -> Result<(Channel<A, B>, Channel<B, A>)> {
    let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .doing(|| "cannot make a socket pair")?;
    Ok((Channel { socket: a, types: PhantomData }, Channel { socket: b, types: PhantomData }))
}

impl<S, R> Channel<S, R> {
    /// Another handle on the same end.
    ///
    /// # Errors
    /// EMFILE.
    pub fn again(&self) -> rustix::io::Result<Channel<S, R>> {
        rustix::io::fcntl_dupfd_cloexec(&self.socket, 3).map(Channel::from_socket)
    }

    /// The channel of a connected SOCK_SEQPACKET socket.
    fn from_socket(socket: OwnedFd) -> Channel<S, R> {
        Channel { socket, types: PhantomData }
    }

    /// Connects to the socket `name` in `directory`.
    ///
    /// # Errors
    /// ENOENT: there is none; ECONNREFUSED: nobody listens any more.
    pub fn connect(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Channel<S, R>> {
        let socket = seqpacket()?;
        rustix::net::connect(&socket, &address(directory, name)?)?;
        Ok(Channel::from_socket(socket))
    }
}

/// A socket that clients of one container connect to.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens at `name` in `directory`, where a socket of a former monitor may lie.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Listener> {
        match rustix::fs::unlinkat(directory, name, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let socket = seqpacket()?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        rustix::net::bind(&socket, &address(directory, name)?)?;
        rustix::net::listen(&socket, 16)?;
        Ok(Listener(socket))
    }

    /// Makes this process the one that clients see at the other end (unix(7), SO_PEERCRED), in the place of that which
    /// has bound the socket.
    ///
    /// # Errors
    /// The system's.
    pub fn take_over(&self) -> rustix::io::Result<()> {
        rustix::net::listen(&self.0, 128)
    }

    /// The next client, if one waits.
    pub fn accept<S, R>(&self) -> Option<Channel<S, R>> {
        rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC).ok().map(Channel::from_socket)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn seqpacket() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// A socket's address holds 108 bytes (unix(7)) and the directory's path may be longer: the name goes
/// through the descriptor.
fn address(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

impl<S, R> From<OwnedFd> for Channel<S, R> {
    /// The channel of a connected SOCK_SEQPACKET socket.
    fn from(socket: OwnedFd) -> Channel<S, R> {
        Channel::from_socket(socket)
    }
}

impl<S, R> From<Channel<S, R>> for OwnedFd {
    fn from(channel: Channel<S, R>) -> OwnedFd {
        channel.socket
    }
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
        self.send_all(message, descriptor.as_slice())
    }

    /// Sends one message and copies of at most [`MOST_DESCRIPTORS`] descriptors.
    pub fn send_all(&self, message: &S, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = serde_json::to_vec(message).doing(|| "cannot encode a message")?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
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

    /// Sends one message if the other side has room for it, and says whether it had.
    pub fn offer(&self, message: &S) -> Result<bool> {
        let bytes = serde_json::to_vec(message).doing(|| "cannot encode a message")?;
        match rustix::net::send(&self.socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::AGAIN) => Ok(false),
            result => result.map(|_| true).doing(|| "cannot send a message"),
        }
    }

    /// Waits for one message; None at end of file.
    pub fn receive(&self) -> Result<Option<R>> {
        Ok(self.receive_with()?.map(|(message, _)| message))
    }

    /// Waits for one message and the descriptor beside it; None at end of file.
    pub fn receive_with(&self) -> Result<Option<(R, Option<OwnedFd>)>> {
        Ok(self.receive_all()?.map(|(message, descriptors)| (message, descriptors.into_iter().next())))
    }

    /// Waits for one message and the descriptors beside it; None at end of file.
    pub fn receive_all(&self) -> Result<Option<(R, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; self.length_of_next()?];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let length = persistently(|| {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?
        .bytes;
        if length == 0 {
            return Ok(None);
        }
        let descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        // Collected first: they are closed also where the message cannot be read.
        let descriptors = descriptors.collect();
        let message = serde_json::from_slice(&bytes[..length]).doing(|| "cannot decode a message")?;
        Ok(Some((message, descriptors)))
    }

    /// Waits for a message and tells its length (unix(7): MSG_TRUNC); 0 at end of file. Most are a few bytes
    /// long, and a buffer for the longest would be several new pages in each of three processes.
    fn length_of_next(&self) -> Result<usize> {
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
        let (_, length) = persistently(|| rustix::net::recv(&self.socket, &mut [0; 0], flags))?;
        Ok(length)
    }
}

/// Receives through interruptions.
fn persistently<T>(mut receive: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    loop {
        match receive() {
            // ECONNRESET: the peer has ended with a message of ours unread. That is told once, before what it
            // had sent, which is still there to be read.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            received => return received.doing(|| "cannot receive a message from the container's process"),
        }
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
        client.send(&ToMonitor::Detach).unwrap();
        monitor.send(&ToClient::Logged).unwrap();
        drop(client);
        assert!(matches!(monitor.receive().unwrap(), Some(ToMonitor::Detach)));
        assert!(monitor.receive().unwrap().is_none());
        assert!(monitor.send(&ToClient::Started).is_err());
    }

    #[test]
    fn a_client_connects_whatever_the_paths_length() {
        let base = tempfile::tempdir().unwrap();
        let long = base.path().join("x".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let directory = std::fs::File::open(&long).unwrap();
        type Client = Channel<ToMonitor, ToClient>;
        assert_eq!(Client::connect(directory.as_fd(), "s").err(), Some(Errno::NOENT));
        drop(Listener::bind(directory.as_fd(), "s").unwrap());
        assert_eq!(Client::connect(directory.as_fd(), "s").err(), Some(Errno::CONNREFUSED));
        let listener = Listener::bind(directory.as_fd(), "s").unwrap();
        assert!(listener.accept::<ToClient, ToMonitor>().is_none());
        let client = Client::connect(directory.as_fd(), "s").unwrap();
        let monitor = listener.accept::<ToClient, ToMonitor>().unwrap();
        client.send(&ToMonitor::Attach).unwrap();
        assert!(matches!(monitor.receive().unwrap(), Some(ToMonitor::Attach)));
    }

    #[test]
    fn an_exit_becomes_the_shells_number() {
        assert_eq!(Exit::Status(3).code(), 3);
        assert_eq!(Exit::Signal(9).code(), 137);
    }
}
