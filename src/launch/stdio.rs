//! Where the standard streams of a payload without a terminal lead.
//!
//! Handed over is better than copied: a foreground container without a log has its client's own
//! descriptors, but for terminals. One of those is open for reading as well, or can be opened anew by its
//! owner, whom the container's root is to the kernel: the payload could read what its user types. The
//! client puts a pipe in between ([`ClientPipes`]), and the payload sees no terminal, as with Docker. Where a log is kept, output goes through pipes to the monitor, which writes it down and
//! nothing else; whoever is attached reads the log ([`super::logfile`]). So nobody who looks can hold the
//! payload back, and nobody who is slow misses a line.

use super::plan::LogPlan;
use crate::error::{Doing, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;

/// What the payload reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing: /dev/null.
    Nothing,
    /// The client's own standard input.
    Client,
    /// What clients that attach later type.
    Monitor,
}

/// Where the payload writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Nowhere: /dev/null.
    Nothing,
    /// The client's own standard output and error.
    Client,
    /// The container's log.
    Log(LogPlan),
}

/// A pipe from the payload to its client.
#[derive(Debug)]
pub struct Pipe {
    /// The client's end; non-blocking.
    pub reader: OwnedFd,
    /// The payload's.
    pub writer: OwnedFd,
}

impl Pipe {
    /// A new one.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Pipe> {
        let (reader, writer) = pipe()?;
        set_nonblocking(&reader)?;
        Ok(Pipe { reader, writer })
    }
}

/// What the client puts in place of its own standard output and error, with [`Output::Client`].
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct ClientPipes<'a> {
    pub stdout: Option<&'a Pipe>,
    pub stderr: Option<&'a Pipe>,
}

/// The payload's ends of its pipes; where there is none, what init has inherited is right.
#[derive(Debug, Default)]
pub(super) struct PayloadEnds {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// The monitor's ends; non-blocking. Of the client's pipes these are copies, read once the client has left.
#[derive(Debug, Default)]
pub(super) struct MonitorEnds {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// Makes the pipes there must be.
pub(super) fn make_pipes(input: Input, output: &Output, pipes: &ClientPipes<'_>) -> Result<(PayloadEnds, MonitorEnds)> {
    let (mut payload, mut monitor) = (PayloadEnds::default(), MonitorEnds::default());
    if input == Input::Monitor {
        let (reader, writer) = pipe()?;
        set_nonblocking(&writer)?;
        (payload.stdin, monitor.stdin) = (Some(reader), Some(writer));
    }
    match output {
        Output::Client => {
            for (pipe, payloads, monitors) in [
                (pipes.stdout, &mut payload.stdout, &mut monitor.stdout),
                (pipes.stderr, &mut payload.stderr, &mut monitor.stderr),
            ] {
                let Some(pipe) = pipe else { continue };
                let copy = |end: &OwnedFd| end.try_clone().doing(|| "cannot hand over the client's pipe");
                (*payloads, *monitors) = (Some(copy(&pipe.writer)?), Some(copy(&pipe.reader)?));
            }
        }
        Output::Nothing => {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let null = || rustix::fs::openat(CWD, "/dev/null", flags, Mode::empty()).doing(|| "cannot open /dev/null");
            (payload.stdout, payload.stderr) = (Some(null()?), Some(null()?));
        }
        Output::Log(_) => {
            for (payloads, monitors) in
                [(&mut payload.stdout, &mut monitor.stdout), (&mut payload.stderr, &mut monitor.stderr)]
            {
                let (reader, writer) = pipe()?;
                set_nonblocking(&reader)?;
                (*payloads, *monitors) = (Some(writer), Some(reader));
            }
        }
    }
    Ok((payload, monitor))
}

/// Lets go of the streams this process has inherited, so that nobody who waits for their end waits for
/// the container's: `id=$(rr run -d …)`, and the pipe a user detaches from.
pub(super) fn let_go_of_clients_streams() {
    let null = rustix::fs::openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let replaced = null.and_then(|null| {
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)
    });
    if let Err(errno) = replaced {
        log::debug!("the client's streams stay open: {errno}");
    }
}

/// A pipe that a payload of any user can open anew, as `/dev/stdout` (see `let_payload_reopen_stdio`).
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let doing = || "cannot make a pipe for the payload";
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing(doing)?;
    rustix::fs::fchmod(&writer, Mode::from_raw_mode(0o666)).doing(doing)?;
    Ok((reader, writer))
}

fn set_nonblocking(fd: &OwnedFd) -> Result<()> {
    rustix::io::ioctl_fionbio(fd, true).doing(|| "cannot set up a pipe for the payload")
}
