//! What the monitor does while the payload runs: passes signals and sizes in, terminal bytes both ways.
//!
//! Without a terminal there is nothing to copy: the payload has the client's own descriptors. With one,
//! bytes go between the pseudo-terminal's master and the client's socket, each direction through one
//! buffer, read only when it is empty, so a slow side holds the other back and nothing grows.

use super::monitor::ToClientChannel;
use super::protocol::{ToMonitor, WindowSize};
use crate::error::{Doing, Result};
use crate::sys::memory::release_program_pages;
use crate::sys::process::Child;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Signal;
use rustix::pty::OpenptFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The payload's pseudo-terminal and the client's socket to it.
pub(super) struct Terminal {
    master: OwnedFd,
    /// Held open and never used: without any open slave the master would report end of file for ever
    /// to a payload that closes its terminal and goes on.
    _slave: OwnedFd,
    client: Option<OwnedFd>,
    output: Buffer,
    input: Buffer,
}

impl Terminal {
    /// Also returns the client's end of the socket.
    pub(super) fn new(master: OwnedFd) -> Result<(Terminal, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, clients) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .doing(|| "cannot make a socket pair for the terminal")?;
        rustix::io::ioctl_fionbio(&master, true).doing(|| "cannot set up the terminal")?;
        let slave =
            rustix::pty::ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
                .doing(|| "cannot open the terminal")?;
        Ok((
            Terminal { master, _slave: slave, client: Some(ours), output: Buffer::new(), input: Buffer::new() },
            clients,
        ))
    }

    fn resize(&self, size: WindowSize) {
        let size = rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        // The payload learns it by SIGWINCH; a terminal that is gone needs none.
        let _ = rustix::termios::tcsetwinsize(&self.master, size);
    }

    /// Moves what can be moved without waiting. A side that is gone is let go.
    fn move_bytes(&mut self) {
        self.output.fill(self.master.as_fd());
        match &self.client {
            Some(client) => {
                if self.output.drain(client.as_fd()) == Side::Gone {
                    self.client = None;
                }
            }
            // Nobody attached: the payload must not stop for that.
            None => self.output.clear(),
        }
        if let Some(client) = &self.client
            && self.input.fill(client.as_fd()) == Side::Gone
        {
            self.client = None;
        }
        self.input.drain(self.master.as_fd());
    }

    /// After the payload's end: what it wrote last still goes to the client, for as long as that reads.
    fn drain(&mut self) {
        let Some(client) = &self.client else { return };
        loop {
            self.output.fill(self.master.as_fd());
            if self.output.is_empty() || self.output.drain(client.as_fd()) == Side::Gone {
                return;
            }
            if !self.output.is_empty() && poll(&mut [PollFd::new(client, PollFlags::OUT)], None).is_err() {
                return;
            }
        }
    }
}

/// How a descriptor was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Open,
    Gone,
}

/// Bytes on their way in one direction.
struct Buffer {
    bytes: Box<[u8; 16 * 1024]>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: Box::new([0; 16 * 1024]), start: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Reads once if empty. EIO is a terminal's end of file.
    fn fill(&mut self, from: BorrowedFd<'_>) -> Side {
        if !self.is_empty() {
            return Side::Open;
        }
        self.clear();
        match rustix::io::read(from, &mut self.bytes[..]) {
            Ok(0) => Side::Gone,
            Ok(count) => {
                self.end = count;
                Side::Open
            }
            Err(Errno::AGAIN | Errno::INTR) => Side::Open,
            Err(_) => Side::Gone,
        }
    }

    /// Writes what it can.
    fn drain(&mut self, to: BorrowedFd<'_>) -> Side {
        while !self.is_empty() {
            match rustix::io::write(to, &self.bytes[self.start..self.end]) {
                Ok(count) => self.start += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Side::Open,
                Err(_) => {
                    self.clear();
                    return Side::Gone;
                }
            }
        }
        Side::Open
    }
}

/// Runs until init has ended, which its pidfd tells.
pub(super) fn supervise(init: &Child, client: &ToClientChannel, terminal: Option<Terminal>) {
    let mut terminal = terminal;
    let mut attached = true;
    let mut settle = Some(Timespec { tv_sec: 1, tv_nsec: 0 });
    loop {
        let mut fds = vec![PollFd::new(&init.pidfd, PollFlags::IN)];
        let client_at = attached.then(|| {
            fds.push(PollFd::new(client, PollFlags::IN));
            fds.len() - 1
        });
        if let Some(terminal) = &terminal {
            fds.push(PollFd::new(&terminal.master, interest(&terminal.output, &terminal.input)));
            if let Some(socket) = &terminal.client {
                fds.push(PollFd::new(socket, interest(&terminal.input, &terminal.output)));
            }
        }
        let mut happened = poll(&mut fds, settle.as_ref());
        if happened == Ok(0) {
            // A payload that still runs after a while may run for long: this process gets small, and
            // waits on right here, where little of the program is needed.
            settle = None;
            release_program_pages();
            happened = poll(&mut fds, None);
        }
        match happened {
            Ok(_) | Err(Errno::INTR) => {}
            // Out of memory: without poll the end is all that can still be waited for.
            Err(_) => return,
        }
        let ended = !fds[0].revents().is_empty();
        let spoken = client_at.is_some_and(|at| !fds[at].revents().is_empty());
        drop(fds);
        if spoken {
            attached = hear(init, client, terminal.as_ref());
        }
        if let Some(terminal) = &mut terminal {
            terminal.move_bytes();
        }
        if ended {
            if let Some(terminal) = &mut terminal {
                terminal.drain();
            }
            return;
        }
    }
}

/// Readable when the buffer for it is empty, writable when the other one is not.
fn interest(from: &Buffer, to: &Buffer) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, from.is_empty());
    flags.set(PollFlags::OUT, !to.is_empty());
    flags
}

/// Takes one message; false when the client has left.
fn hear(init: &Child, client: &ToClientChannel, terminal: Option<&Terminal>) -> bool {
    let signal = |number: i32| {
        if let Some(signal) = Signal::from_named_raw(number) {
            // The payload may have ended in this instant.
            let _ = rustix::process::pidfd_send_signal(&init.pidfd, signal);
        }
    };
    match client.receive() {
        Ok(Some(ToMonitor::Signal(number))) => signal(number),
        Ok(Some(ToMonitor::Resize(size))) => {
            if let Some(terminal) = terminal {
                terminal.resize(size);
            }
        }
        Ok(Some(ToMonitor::IdsMapped)) => {}
        Ok(Some(ToMonitor::Detach)) => return false,
        // The client was killed: a foreground container ends with it.
        Ok(None) | Err(_) => {
            signal(libc::SIGKILL);
            return false;
        }
    }
    true
}
