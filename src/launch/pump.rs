//! What the monitor does while the payload runs: signals and sizes in, bytes both ways, the log.
//!
//! - A payload without a terminal and without a log has its client's own descriptors, or pipes that the client
//!   reads: nothing to copy. What comes through such a pipe once the client has left is dropped.
//! - Output that is logged goes to the log and nowhere else. Clients read the log themselves and are
//!   woken when there is more, so none of them can hold the payload back.
//! - A terminal's bytes go to every attached client through one buffer, read only when all have taken
//!   what was in it: a slow client slows the payload down and misses nothing. One that takes nothing for
//!   [`PATIENCE`] is no longer waited for. It misses what passes until it reads again; the log has it all.

use super::audience::{Audience, Scene};
use super::executions::{Activity, Executions};
use super::logfile::{Log, Stream};
use super::protocol::{Listener, ToClient, WindowSize};
use super::stdio::MonitorEnds;
use super::{Keeper, Launch};
use crate::confine::cgroup::MemoryEvents;
use crate::error::{Doing, Result};
use crate::net::stack;
use crate::sys::memory::release_program_pages;
use crate::sys::process::Child;
use crate::sys::ready::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::pty::OpenptFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long the payload waits for a client of its terminal that takes nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// When the monitor gives back what it only needed for the start.
const SETTLE: Duration = Duration::from_secs(1);

/// How often a log on a full disk is tried again, and for how long after the payload's end.
const RETRY: Duration = Duration::from_millis(250);
const LAST_RETRIES: u32 = 20;

/// The payload's pseudo-terminal.
pub(super) struct Terminal {
    master: OwnedFd,
    /// Held open and never used: without any open slave the master would report end of file for ever
    /// to a payload that closes its terminal and goes on.
    _slave: OwnedFd,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd) -> Result<Terminal> {
        rustix::io::ioctl_fionbio(&master, true).doing(|| "cannot set up the terminal")?;
        let slave =
            rustix::pty::ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
                .doing(|| "cannot open the terminal")?;
        Ok(Terminal { master, _slave: slave })
    }
}

/// Gives a terminal its size.
pub(super) fn resize(master: &OwnedFd, size: WindowSize) {
    // The payload learns it by SIGWINCH; a terminal that is gone needs none.
    let _ = rustix::termios::tcsetwinsize(master, size.into());
}

/// What a terminal gives at once (N_TTY_BUF_SIZE); and a pipe's bytes grow up to twentyfold in the log.
const BUFFER: usize = 4096;

/// How a descriptor was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Open,
    Gone,
}

/// Bytes on their way in one direction.
pub(super) struct Buffer {
    bytes: Box<[u8; BUFFER]>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: Box::new([0; BUFFER]), start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Reads once if empty. EIO is a terminal's end of file.
    pub(super) fn fill(&mut self, from: BorrowedFd<'_>) -> Side {
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
            match rustix::io::write(to, self.bytes()) {
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

/// Whose end is an event.
pub(super) struct Processes<'a> {
    pub(super) init: &'a Child,
    /// Who carries the container's packets, as long as it does.
    pub(super) network: Option<Child>,
}

/// Who of them has ended.
struct Ended {
    init: bool,
    network: bool,
}

/// Everything that is moved while the payload runs.
pub(super) struct Pump<'a> {
    init: &'a Child,
    network: Option<Child>,
    launch: &'a Launch<'a>,
    executions: Executions<'a>,
    terminal: Option<Terminal>,
    ends: MonitorEnds,
    log: Option<Log>,
    /// Of a container whose memory is counted.
    memory: Option<MemoryEvents>,
    /// From the payload, on its way to clients or log.
    output: Buffer,
    /// To the payload.
    input: Buffer,
    /// The payload has run for a while.
    settled: bool,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        processes: Processes<'a>,
        launch: &'a Launch<'a>,
        executions: Executions<'a>,
        terminal: Option<Terminal>,
        ends: MonitorEnds,
        log: Option<Log>,
    ) -> Pump<'a> {
        Pump {
            init: processes.init,
            network: processes.network,
            launch,
            executions,
            terminal,
            ends,
            log,
            memory: None,
            output: Buffer::new(),
            input: Buffer::new(),
            settled: false,
        }
    }

    /// Tells the keeper when the kernel kills for want of memory.
    pub(super) fn watching_memory(self, memory: Option<MemoryEvents>) -> Pump<'a> {
        Pump { memory, ..self }
    }

    /// Runs until init has ended, which its pidfd tells. `listener` is where later clients connect. Returns
    /// what the user should read: that the end of the output could not be logged.
    pub(super) fn supervise(
        mut self,
        audience: &mut Audience,
        listener: Option<&Listener>,
        keeper: &mut dyn Keeper,
    ) -> Option<String> {
        let has_streams = self.terminal.is_some() || self.ends.stdin.is_some();
        // Out of memory: without poll the end is all that can still be waited for.
        while let Ok(ended) = self.wait(audience, listener) {
            if let Some(log) = &mut self.log {
                log.retry();
            }
            let scene = Scene {
                init: Some(self.init),
                stop_signal: self.launch.plan.stop_signal,
                places: &self.launch.places,
                has_streams,
                is_logged: self.log.is_some(),
            };
            audience.hear(&scene, Some(&mut self.executions), |size| {
                if let Some(terminal) = &self.terminal {
                    resize(&terminal.master, size);
                }
            });
            self.hear_networks(audience, keeper);
            if let Some(channel) = listener.and_then(Listener::accept) {
                audience.join(channel);
            }
            self.take_output(audience);
            self.pass_input(audience);
            if self.memory.as_mut().is_some_and(MemoryEvents::news) {
                keeper.out_of_memory();
            }
            if ended.init {
                self.executions.end_checks();
            } else if ended.network {
                self.tell_of_network(keeper, audience);
            }
            if self.executions.tend(keeper, &mut audience.wish) == Activity::Some {
                // The pages of the program that this took are given back when all is quiet again.
                self.settled = false;
            }
            if ended.init {
                break;
            }
        }
        self.finish(audience)
    }

    /// Tells record and clients what has become of the container's networks.
    fn hear_networks(&self, audience: &mut Audience, keeper: &mut dyn Keeper) {
        let lost = self.launch.places.borrow_mut().hear();
        for network in &lost {
            let what = format!("the container is not on the network {network} any more: its keeper was killed");
            audience.tell(&ToClient::Notice(format!("{what}; restart the container, or connect it anew")));
        }
        if audience.has_moved() || !lost.is_empty() {
            keeper.placed(self.launch.endpoints(), &lost);
            audience.pay();
        }
    }

    /// Waits for anything to do.
    fn wait(&mut self, audience: &Audience, listener: Option<&Listener>) -> std::result::Result<Ended, Errno> {
        let mut fds = vec![PollFd::new(&self.init.pidfd, PollFlags::IN)];
        fds.extend(self.network.iter().map(|network| PollFd::new(&network.pidfd, PollFlags::IN)));
        if let Some(listener) = listener {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        // The kernel's way to say that such a file has changed since it was read (cgroup-v2.rst, "memory.events").
        fds.extend(self.memory.iter().map(|memory| PollFd::new(memory, PollFlags::PRI)));
        // While the last output is on its way, or the disk is full, no more is taken.
        let room = self.output.is_empty() && self.log.as_ref().is_none_or(Log::is_written);
        if let Some(terminal) = &self.terminal {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, room);
            flags.set(PollFlags::OUT, !self.input.is_empty());
            fds.push(PollFd::new(&terminal.master, flags));
        }
        if room && self.reads_pipes(audience) {
            let pipes = [&self.ends.stdout, &self.ends.stderr];
            fds.extend(pipes.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        }
        if let Some(stdin) = &self.ends.stdin
            && !self.input.is_empty()
        {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        audience.watch(&mut fds, &self.input);
        let places = self.launch.places.borrow();
        places.watch(&mut fds);
        self.executions.watch(&mut fds);
        let disk_full = self.log.as_ref().is_some_and(|log| !log.is_written());
        let urgent = if disk_full { Some(RETRY) } else { audience.patience_left() };
        let check = self.executions.time_left();
        let settles = urgent.is_none() && !self.settled && check.is_none_or(|left| left > SETTLE);
        let due = urgent.into_iter().chain(check).min();
        let timeout = if settles { Some(SETTLE) } else { due }.map(timespec);
        let mut happened = poll(&mut fds, timeout.as_ref());
        if settles && happened == Ok(0) {
            // A payload that still runs after a while may run for long: this process gets small, and
            // waits on right here, where little of the program is needed.
            self.settled = true;
            release_program_pages();
            happened = poll(&mut fds, self.executions.time_left().map(timespec).as_ref());
        }
        match happened {
            Ok(_) => {
                let has_ended = |place: usize| !fds[place].revents().is_empty();
                Ok(Ended { init: has_ended(0), network: self.network.is_some() && has_ended(1) })
            }
            Err(Errno::INTR) => Ok(Ended { init: false, network: false }),
            Err(errno) => Err(errno),
        }
    }

    /// Without whoever carries its packets the container goes on, and whoever looks is told, once.
    fn tell_of_network(&mut self, keeper: &mut dyn Keeper, audience: &Audience) {
        let Some(network) = &self.network else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = waitid(WaitId::PidFd(network.pidfd.as_fd()), options) else { return };
        let how = match (status.terminating_signal(), status.exit_status()) {
            (Some(signal), _) => format!("signal {signal} has killed it"),
            (None, status) => format!("it has ended with status {}", status.unwrap_or_default()),
        };
        let why =
            format!("the container has lost its network: {} carried it, and {how}", stack::NAME.to_string_lossy());
        audience.tell(&ToClient::Notice(why.clone()));
        keeper.network_lost(&why);
        self.network = None;
    }

    /// Whether the pipes from the payload are this process's to read. Without a log they are the client's.
    fn reads_pipes(&self, audience: &Audience) -> bool {
        self.log.is_some() || !audience.has_starter()
    }

    /// Takes from the payload what it has written, if there is room for it; true if there was any.
    fn take_output(&mut self, audience: &mut Audience) -> bool {
        let mut any = false;
        if let Some(terminal) = &self.terminal {
            if self.output.is_empty() && self.log.as_ref().is_none_or(Log::is_written) {
                self.output.fill(terminal.master.as_fd());
                any = !self.output.is_empty();
                if let (true, Some(log)) = (any, &mut self.log) {
                    log.write(Stream::Stdout, self.output.bytes());
                }
                if any {
                    audience.begin_output();
                }
            }
            if audience.print(self.output.bytes()) {
                self.output.clear();
            }
            return any;
        }
        if !self.reads_pipes(audience) {
            return false;
        }
        for (pipe, stream) in [(&mut self.ends.stdout, Stream::Stdout), (&mut self.ends.stderr, Stream::Stderr)] {
            let Some(open) = pipe else { continue };
            if self.log.as_ref().is_some_and(|log| !log.is_written()) {
                break;
            }
            let side = self.output.fill(open.as_fd());
            if !self.output.is_empty() {
                if let Some(log) = &mut self.log {
                    log.write(stream, self.output.bytes());
                }
                self.output.clear();
                audience.wake();
                any = true;
            }
            if side == Side::Gone {
                *pipe = None;
            }
        }
        any
    }

    fn pass_input(&mut self, audience: &mut Audience) {
        audience.read_input(&mut self.input);
        let to = match (&self.terminal, &self.ends.stdin) {
            (Some(terminal), _) => terminal.master.as_fd(),
            (None, Some(stdin)) => stdin.as_fd(),
            (None, None) => return self.input.clear(),
        };
        if self.input.drain(to) == Side::Gone {
            // The payload reads no more.
            self.ends.stdin = None;
        }
    }

    /// After the payload's end: what it wrote last still goes to log and clients, for as long as those
    /// take it.
    fn finish(mut self, audience: &mut Audience) -> Option<String> {
        let mut retries = 0;
        loop {
            let any = self.take_output(audience);
            let unwritten = self.log.as_ref().is_some_and(|log| !log.is_written());
            if unwritten && retries < LAST_RETRIES {
                retries += 1;
                std::thread::sleep(RETRY);
                if let Some(log) = &mut self.log {
                    log.retry();
                }
            } else if !self.output.is_empty() {
                audience.wait_for_room();
            } else if !any {
                audience.wake();
                let lost = unwritten.then_some("the end of the output could not be logged: the log cannot be written");
                return lost.map(str::to_owned);
            }
        }
    }
}

/// Passes a signal to the payload, which may have ended in this instant.
pub(super) fn signal(init: &Child, number: i32) {
    if let Some(signal) = crate::sys::process::signal(number) {
        let _ = rustix::process::pidfd_send_signal(&init.pidfd, signal);
    }
}
