//! `exec`: what was asked for and the container's own plan become one [`Order`] to its monitor.

use super::create::{change_environment, new_id};
use super::events;
use super::isolation_options;
use super::lifecycle::SOON;
use super::options::EnvChange;
use super::record::{Container, Status};
use crate::confine::capabilities::{self, Privilege};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::userns::root_reaches_own_files;
use crate::launch::exec::{Order, Streams};
use crate::launch::executing::{self, Executing};
use crate::launch::open_pipes_to_all;
use crate::launch::plan::Process;
use crate::store::Store;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// One more process, as asked for. What is None is the container's.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecOptions {
    /// The command, at least one word.
    pub command: Vec<String>,
    /// Changes to the container's environment: `--env-file`, then `--env`.
    pub env: Vec<EnvChange>,
    /// `--workdir`
    pub workdir: Option<String>,
    /// `--user`
    pub user: Option<String>,
    /// `--privileged`
    pub privilege: Privilege,
    /// What it reads and writes.
    pub streams: Streams,
}

/// Starts it, and says what it is called in the record and in events; `given` are as many descriptors of this process's standard streams as `options.streams` says.
///
/// # Errors
/// The container does not run (Docker's words); what the options ask for is not there in it.
pub fn execute(
    store: &Store,
    container: &Container,
    options: ExecOptions,
    given: &[BorrowedFd<'_>],
) -> Result<(Executing, String)> {
    let order = Order { streams: options.streams, process: process(&container.plan.process, options)? };
    isolation_options::keeps_apart(&container.plan.isolation, order.process.capabilities.bounding)?;
    match container.state.status {
        Status::Running => {}
        Status::Restarting => {
            let cause = format!("container {} is restarting, wait until the container is running", container.plan.id);
            return Err(Failure::new(doing(container), cause).known(Known::Unready));
        }
        Status::Paused => {
            let cause = format!("container {} is paused, unpause the container before exec", container.plan.id);
            return Err(Failure::new(doing(container), cause).known(Known::Unready));
        }
        Status::Created | Status::Exited => return Err(not_running(container)),
    }
    if !given.is_empty() && !root_reaches_own_files(&container.plan.ids) {
        open_pipes_to_all();
    }
    let id = new_id()?;
    // Told before: its end is told by the monitor, and may come at once.
    store.tell(&events::executed(&container.plan, &id, &order.process.args.join(" ")));
    let not_running = || not_running(container);
    let executing = by_the_monitor(container, &|| doing(container), &not_running, |directory| {
        Executing::begin(directory, &id, &order, given)
    })??
    .ok_or_else(not_running)?;
    Ok((executing, id))
}

/// What the processes are called that `exec` has started in the container and that have not ended. They are in its monitor's
/// memory alone: a record of each would cost every `exec` two writes.
pub fn running(container: &Container) -> Vec<String> {
    if !container.state.status.is_alive() {
        return Vec::new();
    }
    let asked = File::open(&container.dir).map(|directory| executing::list(directory.as_fd()));
    match asked {
        Ok(Ok(Some(ids))) => ids,
        // It has ended, or has only just begun.
        Ok(Ok(None) | Err(_)) | Err(_) => Vec::new(),
    }
}

/// Calls `ask` with `containers/<id>`, again for a moment where the container's monitor does not listen yet.
///
/// # Errors
/// The container has ended: `not_running` says so. Else the system's, which the inner result has of `ask` itself.
pub(super) fn by_the_monitor<T>(
    container: &Container,
    doing: &dyn Fn() -> String,
    not_running: &dyn Fn() -> Failure,
    ask: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> Result<T> {
    let directory = match File::open(&container.dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_running()),
        directory => directory.doing(doing)?,
    };
    let deadline = Instant::now() + SOON;
    loop {
        match ask(directory.as_fd()) {
            Ok(answer) => return Ok(answer),
            // The socket of a monitor that is not that far yet, or of one that is gone.
            Err(Errno::NOENT | Errno::CONNREFUSED) if !container.is_alive() => return Err(not_running()),
            Err(Errno::NOENT | Errno::CONNREFUSED) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(errno) => return Err(errno).doing(doing),
        }
    }
}

fn doing(container: &Container) -> String {
    format!("cannot execute a command in container {}", container.plan.name)
}

fn not_running(container: &Container) -> Failure {
    Failure::new(doing(container), format!("container {} is not running", container.plan.id))
        .known(Known::NotRunning { id: container.plan.id.clone() })
}

/// The container's process with what was asked for instead.
fn process(own: &Process, options: ExecOptions) -> Result<Process> {
    let doing = || "cannot execute the command";
    match options.command.first() {
        None => return Err(Failure::new(doing(), "no command was given").known(Known::Usage)),
        Some(word) if word.is_empty() => {
            return Err(Failure::new(doing(), "it is an empty word").code(ExitCode::NotFound));
        }
        Some(_) => {}
    }
    let mut env = own.env.clone();
    if matches!(options.streams, Streams::Terminal(_)) && !env.iter().any(|entry| entry.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    change_environment(&mut env, &options.env);
    let cwd = match options.workdir {
        Some(path) if !path.starts_with('/') => {
            let cause = format!("the working directory `{path}` is not an absolute path in the container");
            return Err(Failure::new(doing(), cause));
        }
        Some(path) => path,
        None => own.cwd.clone(),
    };
    Ok(Process {
        entrypoint_words: 0,
        args: options.command,
        env,
        cwd,
        user: options.user.unwrap_or_else(|| own.user.clone()),
        capabilities: match options.privilege {
            Privilege::Confined => own.capabilities,
            Privilege::Privileged => capabilities::resolve(&[], &[], Privilege::Privileged)?,
        },
        ..own.clone()
    })
}
