//! The client's end of a process that it has started in a container ([`super::exec`]).

use super::exec::Order;
use super::payload;
use super::protocol::{Channel, ToClient, ToMonitor, WindowSize};
use super::{ATTACH_SOCKET, Event};
use crate::error::{Doing, Failure, Result};
use crate::sys::ready::is_ready;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A process in a container. Dropping it ends the process.
pub struct Executing {
    /// The command's first word.
    command: String,
    channel: Channel<ToMonitor, ToClient>,
    /// Ends when execve(2) has succeeded, or the process is gone, and says then what was wrong.
    outcome: OwnedFd,
    /// The master of its terminal; non-blocking.
    terminal: Option<OwnedFd>,
}

impl Executing {
    /// Gives the order to the monitor of the container at `directory` (`containers/<id>`), with the `streams` that the
    /// order says; the process is called `id`. None where the container has ended meanwhile.
    ///
    /// # Errors
    /// The outer: the monitor does not listen, with the errno of connect(2). The inner: what stands against it.
    pub fn begin(
        directory: BorrowedFd<'_>,
        id: &str,
        order: &Order,
        streams: &[BorrowedFd<'_>],
    ) -> rustix::io::Result<Result<Option<Executing>>> {
        let channel = Channel::connect(directory, ATTACH_SOCKET)?;
        Ok(give(channel, id, order, streams))
    }

    /// Waits until the command is executed.
    ///
    /// # Errors
    /// It could not be.
    pub fn wait_until_executed(&self) -> Result<()> {
        let mut report = Vec::new();
        while read_report(&self.outcome, &mut report)? {}
        payload::read_outcome(&report, &self.command)?;
        if is_ready(&self.channel, PollFlags::IN)
            && let Some(ToClient::Failed(failure)) = self.channel.receive()?
        {
            return Err(failure);
        }
        Ok(())
    }

    /// What the report says once the process has ended: it may have ended because it could not be executed.
    fn outcome(&self) -> Result<()> {
        outcome_so_far(&self.outcome, &self.command)
    }

    /// The master of its terminal, if it has one; non-blocking.
    pub fn stream(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// Readable when [`Executing::event`] has something.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It could not be executed; or the container's monitor was killed, and the container with it.
    pub fn event(&self) -> Result<Event> {
        match self.channel.receive()? {
            Some(ToClient::Exited(exit)) => self.outcome().map(|()| Event::Exited(exit)),
            Some(ToClient::Failed(failure)) => Err(failure),
            Some(ToClient::Notice(text)) => Ok(Event::Notice(text)),
            Some(other) => Err(Failure::new(DOING, format!("unexpected message {other:?}"))),
            None => Err(Failure::new(DOING, "the container's monitor was killed")),
        }
    }

    /// Passes a signal to it; does nothing where it has ended.
    pub fn signal(&self, number: i32) {
        // A monitor that is gone is met by the next `event`.
        let _ = self.channel.send(&ToMonitor::Signal(number));
    }

    /// Tells its terminal its size.
    pub fn resize(&self, size: WindowSize) {
        if let Some(terminal) = &self.terminal {
            // The process learns it by SIGWINCH; a terminal that is gone needs none.
            let _ = rustix::termios::tcsetwinsize(terminal, size.into());
        }
    }

    /// Leaves; the process goes on. What it prints on its terminal from here on is lost.
    ///
    /// # Errors
    /// The monitor is gone.
    pub fn detach(self) -> Result<()> {
        self.channel.send_with(&ToMonitor::Detach, self.stream())
    }
}

/// What the processes are called that clients have started in the container at `directory` (`containers/<id>`) and that
/// have not ended, as its monitor knows them. None of a monitor that does not answer at once: it is stopped, or rests
/// between two runs of the payload.
///
/// # Errors
/// It does not listen, with the errno of connect(2).
pub fn list(directory: BorrowedFd<'_>) -> rustix::io::Result<Option<Vec<String>>> {
    let channel: Channel<ToMonitor, ToClient> = Channel::connect(directory, ATTACH_SOCKET)?;
    let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
    if channel.send(&ToMonitor::ListExecutions).is_err()
        || poll(&mut [PollFd::new(&channel, PollFlags::IN)], Some(&patience)) != Ok(1)
    {
        return Ok(None);
    }
    match channel.receive() {
        Ok(Some(ToClient::Executions(ids))) => Ok(Some(ids)),
        // It has ended.
        _ => Ok(None),
    }
}

/// Takes what has come of the report; false at its end.
fn read_report(outcome: &OwnedFd, report: &mut Vec<u8>) -> Result<bool> {
    let mut bytes = [0; 16];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(outcome, &mut bytes))
        .doing(|| "cannot wait for the command to start")?;
    report.extend(&bytes[..count]);
    Ok(count > 0)
}

/// What the report at `outcome` says of a process that has ended: `command` may not have been executed.
pub(super) fn outcome_so_far(outcome: &OwnedFd, command: &str) -> Result<()> {
    let mut report = Vec::new();
    // All that it says is there. Its end need not come: what was executed may have kept the pipe.
    while is_ready(outcome, PollFlags::IN) && read_report(outcome, &mut report)? {}
    payload::read_outcome(&report, command)
}

const DOING: &str = "cannot execute a command in the container";

fn give(
    channel: Channel<ToMonitor, ToClient>,
    id: &str,
    order: &Order,
    streams: &[BorrowedFd<'_>],
) -> Result<Option<Executing>> {
    let file = written(order)?;
    let along: Vec<BorrowedFd<'_>> = std::iter::once(file.as_fd()).chain(streams.iter().copied()).collect();
    channel.send_all(&ToMonitor::Exec { id: id.to_owned() }, &along)?;
    loop {
        let Some((message, descriptors)) = channel.receive_all()? else { return Ok(None) };
        match message {
            ToClient::Executing => {
                let mut descriptors = descriptors.into_iter();
                let outcome = descriptors.next().ok_or_else(|| Failure::new(DOING, Errno::MFILE))?;
                let terminal = descriptors.next();
                if let Some(terminal) = &terminal {
                    rustix::io::ioctl_fionbio(terminal, true).doing(|| "cannot set up the terminal")?;
                }
                return Ok(Some(Executing { command: order.process.args[0].clone(), channel, outcome, terminal }));
            }
            ToClient::Failed(failure) => return Err(failure),
            // Killed before it could say anything: the container ends.
            ToClient::Exited(_) => return Ok(None),
            ToClient::Notice(_) | ToClient::Logged | ToClient::Started | ToClient::Executions(_) => {}
        }
    }
}

/// The order in a file of its own: arguments and environment may be longer than a message.
fn written(order: &Order) -> Result<OwnedFd> {
    let text = serde_json::to_vec(order).doing(|| "cannot encode the command")?;
    let doing = || "cannot pass on the command";
    let mut file = File::from(rustix::fs::memfd_create("rr-order", MemfdFlags::CLOEXEC).doing(doing)?);
    file.write_all(&text).doing(doing)?;
    Ok(file.into())
}
