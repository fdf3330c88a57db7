//! `rr exec`

use super::attach::{self, Attach, End, Followed, HangUp, Input, SignalProxy};
use super::relay::Relay;
use super::verbs::Verb;
use super::{run_flags, store};
use crate::confine::capabilities::Privilege;
use crate::container::events;
use crate::container::exec::{self, ExecOptions};
use crate::container::record::{self, Container};
use crate::container::values;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::Event;
use crate::launch::exec::Streams;
use crate::launch::executing::Executing;
use crate::launch::protocol::WindowSize;
use crate::launch::stdio::Pipe;
use crate::store::Store;
use rustix::stdio::{stderr, stdin, stdout};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

/// Execute a command in a running container
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr exec [OPTIONS] CONTAINER COMMAND [ARGUMENT]...")]
pub struct Exec {
    /// Leave the command running
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach from the terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set a variable; a name alone takes its value from rr's environment
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Take the newest container instead of a name
    #[arg(short, long)]
    latest: bool,
    /// Give every capability of the container's user namespace
    #[arg(long)]
    privileged: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// User inside [default: the container's]
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Directory to start in [default: the container's]
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Container, then the command and its arguments; options end at the container
    #[arg(value_name = "CONTAINER", trailing_var_arg = true, required = true)]
    words: Vec<OsString>,
}

impl Verb for Exec {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let detach_keys = run_flags::detach_keys(self.detach_keys.as_deref())?;
        let env = run_flags::environment(&self.env_file, &self.env)?;
        let mut words = Vec::with_capacity(self.words.len());
        for word in self.words {
            words.push(values::utf8_word(word).doing(|| "cannot use the command")?);
        }
        let store = store()?;
        let container = match self.latest {
            true => newest(&store)?,
            // 125 sets it apart from the command's own statuses; Podman's too.
            false => record::find(&store, &words.remove(0)).map_err(|failure| failure.code(ExitCode::Runner))?,
        };
        let relay = if self.tty || self.detach { None } else { Relay::to_terminals()? };
        let pipes = relay.as_ref().map(Relay::pipes).unwrap_or_default();
        let (out, err) = (writer(pipes.stdout, stdout()), writer(pipes.stderr, stderr()));
        let (streams, given): (_, &[BorrowedFd<'_>]) = match (self.tty, self.detach, self.interactive) {
            (true, _, _) => (Streams::Terminal(attach::window()), &[]),
            (false, true, _) => (Streams::Nothing, &[]),
            (false, false, true) => (Streams::InputAndOutput, &[stdin(), out, err]),
            (false, false, false) => (Streams::Output, &[out, err]),
        };
        let privilege = if self.privileged { Privilege::Privileged } else { Privilege::Confined };
        let options = ExecOptions { command: words, env, workdir: self.workdir, user: self.user, privilege, streams };
        attach::hold_signals()?;
        let (executing, id) = exec::execute(&store, &container, options, given)?;
        if self.detach {
            executing.wait_until_executed()?;
            return executing.detach().map(|()| 0);
        }
        let how = Attach {
            signals: SignalProxy::On,
            detach_keys,
            input: if self.interactive { Input::Open } else { Input::Closed },
            streams: if self.tty { attach::Streams::Terminal } else { attach::Streams::Plain },
            relay,
            hang_up: HangUp::Ends(Duration::from_secs(container.plan.stop_timeout.into())),
        };
        match attach::events(&executing, &how, None)? {
            End::Exited(code) => Ok(code),
            End::Detached(code) => {
                store.tell(&[events::event(&container.plan, "exec_detach").with("execID", id)]);
                executing.detach().map(|()| code)
            }
        }
    }
}

/// What the command is given in place of a standard stream.
fn writer<'a>(pipe: Option<&'a Pipe>, stream: BorrowedFd<'a>) -> BorrowedFd<'a> {
    pipe.map_or(stream, |pipe| pipe.writer.as_fd())
}

fn newest(store: &Store) -> Result<Container> {
    record::list(store)?
        .into_iter()
        .next()
        .ok_or_else(|| Failure::new("cannot find the newest container", "there is none"))
}

impl Followed for Executing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        Executing::as_fd(self)
    }

    fn stream(&self) -> Option<BorrowedFd<'_>> {
        Executing::stream(self)
    }

    fn event(&self) -> Result<Event> {
        Executing::event(self)
    }

    fn signal(&self, number: i32) {
        Executing::signal(self, number);
    }

    fn resize(&self, size: WindowSize) {
        Executing::resize(self, size);
    }

    /// Nothing is logged of it.
    fn wait_for_log(&self) {}
}
