//! Published ports of a container on a network: the monitor hands their sockets to the process that serves the network,
//! by a line of its own, and takes them back by ending that.

use super::{Seat, ToKeeper};
use crate::error::{Doing, Failure, Result};
use crate::launch::protocol::{Channel, channel_pair};
use crate::net::ports::{Bound, DOING, OpenPorts};
use crate::net::stack::MOST_DESCRIPTORS;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

/// How long the end of a run waits for its ports to be closed, at most. It takes the network's process no time, unless
/// somebody has stopped it.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Ports of the host that lead into a container as long as this is open.
#[derive(Debug)]
pub struct OpenLine(Channel<Vec<Bound>, usize>);

impl Seat {
    /// Leads what comes at `ports`, whose sockets stay the caller's as well, to the container's address on this network; its interface is there already.
    ///
    /// # Errors
    /// The keeper was killed; the network has no way out; its process can have no more descriptors.
    pub(super) fn publish(&mut self, ports: &OpenPorts) -> Result<OpenLine> {
        let (ours, stacks) = channel_pair()?;
        // Given away: what stays open here would keep the end of the line from being seen.
        let theirs: Channel<usize, Vec<Bound>> = stacks;
        self.ask(&ToKeeper::Publish, Some(theirs.as_fd()))?;
        drop(theirs);
        self.wait()?;
        let line = OpenLine(ours);
        for (bound, sockets) in ports.bound.chunks(MOST_DESCRIPTORS).zip(ports.sockets.chunks(MOST_DESCRIPTORS)) {
            let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
            line.0.send_all(&bound.to_vec(), &sockets).map_err(|failure| failure.while_doing(DOING))?;
            match line.0.receive() {
                Ok(Some(taken)) if taken == bound.len() => {}
                Ok(Some(_)) => {
                    let cause = "the network's process cannot have that many open files";
                    return Err(Failure::new(DOING, cause).hint("raise the hard limit of open files (ulimit -Hn)"));
                }
                Ok(None) | Err(_) => return Err(self.lost()),
            }
        }
        Ok(line)
    }
}

impl OpenLine {
    /// Has the ports closed, and waits until they are: whoever wants them next finds them free.
    ///
    /// # Errors
    /// The system's; the ports are closed a moment later then.
    pub fn close(self) -> Result<()> {
        let doing = || "cannot close the container's ports";
        rustix::net::shutdown(&self.0, Shutdown::Write).doing(doing)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&PATIENCE)).doing(doing)? {
            0 => Err(Failure::new(doing(), "the network's process does not answer")),
            _ => Ok(()),
        }
    }
}
