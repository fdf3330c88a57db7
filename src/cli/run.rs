//! `rr run`

use super::attach::Input;
use super::create::{Next, make};
use super::run_flags::{AttachedStreams, RunFlags};
use super::start::{start_attached, start_detached};
use super::verbs::Verb;
use super::{explain, output, store};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::Presence;
use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdout};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Create and run a new container from an image
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr run [OPTIONS] IMAGE [COMMAND [ARGUMENT]...]")]
pub struct Run {
    /// Leave the container running and print its id
    #[arg(short, long)]
    detach: bool,
    /// Tell each step of the start as it happens, with the system calls and their manual pages (rr's own)
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Run {
    /// What there is to say about the container itself.
    pub fn into_flags(self) -> RunFlags {
        self.flags
    }
}

impl Verb for Run {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        if self.detach && self.flags.names_streams() {
            return Err(Failure::new("cannot run it", "conflicting options: -a and -d"));
        }
        let presence = if self.detach { Presence::Detached } else { Presence::Attached };
        let (created, client) = make(self.flags, Next::Started(presence))?;
        if self.explain {
            explain::listen(&store()?, created.plan())?;
        }
        if presence == Presence::Detached {
            let id = created.plan().id.clone();
            start_detached(created)?;
            return output::line(&id).map(|()| 0);
        }
        let streams = client.attach;
        let wants_input = created.plan().stdio.interactive && streams.is_none_or(|streams| streams.stdin);
        let input = if wants_input { Input::Open } else { Input::Closed };
        let _away = streams.map(Away::put).transpose()?;
        start_attached(created, &client.attachment(), input)
    }
}

/// The output streams that `--attach` does not name lead to /dev/null as long as this lives.
struct Away {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Away {
    fn put(streams: AttachedStreams) -> Result<Away> {
        let doing = || "cannot keep a stream from the container";
        let null = File::options().write(true).open("/dev/null").doing(doing)?;
        let mut away = Away { stdout: None, stderr: None };
        if !streams.stdout {
            away.stdout = Some(rustix::io::fcntl_dupfd_cloexec(stdout(), 3).doing(doing)?);
            dup2_stdout(&null).doing(doing)?;
        }
        if !streams.stderr {
            away.stderr = Some(rustix::io::fcntl_dupfd_cloexec(stderr(), 3).doing(doing)?);
            dup2_stderr(&null).doing(doing)?;
        }
        Ok(away)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // rr's own errors come after this; where a stream cannot be had back, there is nobody to tell.
        let _ = self.stdout.as_ref().map(dup2_stdout);
        let _ = self.stderr.as_ref().map(dup2_stderr);
    }
}
