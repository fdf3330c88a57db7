//! Output of a payload without `-t` on its way to the user's terminal: through a pipe, since a terminal that
//! was handed over could be read by the payload ([`crate::launch::stdio`]).

use super::attach::write_all;
use crate::error::{Doing, Result};
use crate::launch::stdio::{ClientPipes, Pipe};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::fstat;
use rustix::stdio::{stderr, stdout};
use rustix::termios::isatty;
use std::os::fd::{AsFd, BorrowedFd};

/// Pipes to those of standard output and error that are terminals.
pub struct Relay {
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    /// Both are one terminal, and one pipe keeps the order of what is written to the two.
    shared: bool,
}

impl Relay {
    /// None where neither is a terminal: files and pipes are handed over as they are.
    ///
    /// # Errors
    /// The system's.
    pub fn to_terminals() -> Result<Option<Relay>> {
        let (out, err) = (isatty(stdout()), isatty(stderr()));
        if !out && !err {
            return Ok(None);
        }
        let device = |of: BorrowedFd<'_>| fstat(of).map(|stat| stat.st_rdev).doing(|| "cannot look at the terminal");
        let shared = out && err && device(stdout())? == device(stderr())?;
        let pipe = |wanted: bool| wanted.then(Pipe::new).transpose();
        Ok(Some(Relay { stdout: pipe(out)?, stderr: pipe(err && !shared)?, shared }))
    }

    /// What the payload is given.
    pub fn pipes(&self) -> ClientPipes<'_> {
        let stdout = self.stdout.as_ref();
        ClientPipes { stdout, stderr: if self.shared { stdout } else { self.stderr.as_ref() } }
    }

    fn ways(&self) -> impl Iterator<Item = (&Pipe, BorrowedFd<'_>)> {
        let ways = [(&self.stdout, stdout()), (&self.stderr, stderr())];
        ways.into_iter().filter_map(|(pipe, to)| pipe.as_ref().map(|pipe| (pipe, to)))
    }

    /// Adds what poll(2) is to watch.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.extend(self.ways().map(|(pipe, _)| PollFd::new(&pipe.reader, PollFlags::IN)));
    }

    /// Copies what has come, at most a piece of each stream; false if there was nothing.
    pub fn copy(&self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let mut any = false;
        for (pipe, to) in self.ways() {
            // This process holds the other end too: there is no end of file, and no other error than "not now".
            if let Ok(count @ 1..) = rustix::io::read(pipe.reader.as_fd(), &mut bytes) {
                any = true;
                // Output to a terminal that is gone is dropped: the payload goes on, as under Docker.
                let _ = write_all(to, &bytes[..count]);
            }
        }
        any
    }
}
