//! What is done with a container after it was made: attach, stop, signal, wait.
//!
//! Signals go straight to the payload, by its name in the record; whoever wants to know of the end, or
//! the payload's streams, asks the monitor over the socket in the container's directory.

use super::events;
use super::limit_options;
use super::plan::{Limits, OnFailure, RestartPolicy};
use super::record::{self, Container, Status};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::launch::{Event, Interest, Running, asks_for_end};
use crate::store::Store;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long a monitor whose payload has just started may take until it listens.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// How long [`stop`] lets the payload end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// As long as the container's plan says.
    Planned,
    /// Seconds.
    Seconds(u32),
    /// For ever.
    Unlimited,
}

/// Connects to the container's monitor; None where the container does not run.
///
/// # Errors
/// The monitor refuses, or cannot be reached.
pub fn attach(container: &Container, interest: Interest) -> Result<Option<Running>> {
    let doing = || format!("cannot attach to container {}", container.plan.name);
    let directory = match File::open(&container.dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        directory => directory.doing(doing)?,
    };
    let deadline = Instant::now() + SOON;
    loop {
        match Running::attach(directory.as_fd(), interest) {
            Ok(attached) => return attached.map(Some),
            // The socket of a monitor that is not that far yet, or of one that is gone.
            Err(Errno::NOENT | Errno::CONNREFUSED) if !container.is_alive() => return Ok(None),
            Err(Errno::NOENT | Errno::CONNREFUSED) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(errno) => return Err(errno).doing(doing),
        }
    }
}

/// Asks the payload to end by `signal`, or else the container's stop signal, and ends it by SIGKILL after the time of
/// grace. Returns when everything is cleaned up, and the restart policy starts nothing anew; does nothing where the
/// container does not run.
///
/// # Errors
/// It does not end even so, or the system's.
pub fn stop(store: &Store, container: &Container, signal: Option<i32>, grace: Grace) -> Result<()> {
    let container = &stay_down(container)?;
    let Some(init) = &container.state.init else { return container.kill() };
    let signal = signal.unwrap_or(container.plan.stop_signal);
    // Told first: the payload's end is told by another process.
    store.tell(&[events::killed(&container.plan, signal)]);
    container.signal(signal)?;
    // It hears the signal once it goes on.
    super::pause::resume(container)?;
    let patience = match grace {
        Grace::Planned if container.plan.stop_timeout == u32::MAX => None,
        Grace::Planned => Some(Duration::from_secs(container.plan.stop_timeout.into())),
        Grace::Seconds(seconds) => Some(Duration::from_secs(seconds.into())),
        Grace::Unlimited => None,
    };
    if !init.wait(patience).doing(|| format!("cannot wait for container {}", container.plan.name))? {
        store.tell(&[events::killed(&container.plan, libc::SIGKILL)]);
    }
    // One that has ended is past all signals: this waits for its monitor.
    container.kill()?;
    store.tell_and_bound(&[events::event(&container.plan, "stop")]);
    Ok(())
}

/// Ends the container by SIGKILL, for good.
///
/// # Errors
/// It does not end even so, or the system's.
pub fn end(container: &Container) -> Result<()> {
    stay_down(container)?.kill()
}

/// Tells the monitor that no other payload is to be started, whatever the restart policy says. The result is the
/// container as it is from then on.
fn stay_down(container: &Container) -> Result<Container> {
    let mut container = container.clone();
    let by_health = container.plan.health.as_ref().is_some_and(|health| health.on_failure == OnFailure::Restart);
    if container.plan.restart == RestartPolicy::No && !by_health {
        return Ok(container);
    }
    match attach(&container, Interest::StayDown) {
        // Between two runs it ends at once.
        Ok(Some(running)) if container.state.status == Status::Restarting => drop(running.event()),
        Ok(_) => {}
        // A monitor that does not listen or answer: `Container::kill` ends it by force.
        Err(failure) => log::debug!("{failure}"),
    }
    container.refresh()?;
    Ok(container)
}

/// What [`update`] changes; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// It counts from the payload's next end on.
    pub restart: Option<RestartPolicy>,
    /// They count at once.
    pub limits: Limits,
}

/// Changes a container, also while it runs.
///
/// # Errors
/// The limits contradict each other or those that stay, or cannot be kept; the container was removed; or the system's.
pub fn update(store: &Store, container: &Container, change: &Change) -> Result<()> {
    let doing = || format!("cannot update container {}", container.plan.name);
    let limits = container.plan.limits.changed_by(&change.limits);
    if limits != container.plan.limits {
        limit_options::check_update(&limits).map_err(|failure| failure.while_doing(doing()))?;
        if container.state.status.is_alive() {
            change_limits(container, &change.limits, &limits).map_err(|failure| failure.while_doing(doing()))?;
        }
    }
    record::change_plan(container, |plan| {
        plan.restart = change.restart.unwrap_or(plan.restart);
        plan.limits = plan.limits.changed_by(&change.limits);
    })
    .map_err(|failure| failure.while_doing(doing()))?;
    // The monitor has read the plan already, unless it begins in this instant.
    if change.restart.is_some()
        && let Some(running) = attach(container, Interest::Plan)?
    {
        drop(running);
    }
    store.tell_and_bound(&[events::event(&container.plan, "update")]);
    Ok(())
}

/// Of a container that runs: its processes are where they were born, so one without a control group cannot get one.
fn change_limits(container: &Container, changed: &Limits, all: &Limits) -> Result<()> {
    match container.group() {
        // Memory and swap depend on each other, as quota and period do.
        Some(group) => group.update(&all.kinds_of(changed)),
        None => {
            let cause = "it was started without limits, so it has no control group";
            Err(Failure::new("cannot limit a container that runs", cause).code(ExitCode::General).hint(format!(
                "stop it first: rr stop {name} && rr update … {name} && rr start {name}",
                name = container.plan.name
            )))
        }
    }
}

/// Sends the payload a signal.
///
/// # Errors
/// The container does not run (Docker's words), or the system's.
pub fn kill(store: &Store, container: &Container, signal: i32) -> Result<()> {
    let was_restarting = container.state.status == Status::Restarting;
    let container = match asks_for_end(signal, container.plan.stop_signal) {
        true => &stay_down(container)?,
        false => container,
    };
    if was_restarting {
        // Docker: telling the monitor is enough.
        return Ok(());
    }
    if !matches!(container.state.status, Status::Running | Status::Paused) {
        return Err(Failure::new(
            format!("cannot kill container: {}", container.plan.name),
            format!("container {} is not running", container.plan.id),
        )
        .code(ExitCode::General)
        .known(Known::KillsStopped { name: container.plan.name.clone(), id: container.plan.id.clone() }));
    }
    store.tell_and_bound(&[events::killed(&container.plan, signal)]);
    container.signal(signal)?;
    match signal {
        // Also what stands still dies of it.
        libc::SIGKILL => Ok(()),
        _ if asks_for_end(signal, container.plan.stop_signal) => super::pause::resume(container),
        _ => Ok(()),
    }
}

/// Waits until the container's payload has ended, and returns its status as the shell counts it; one that is started
/// again by its restart policy has ended as well (Docker).
///
/// # Errors
/// Its monitor was killed, or cannot be reached.
pub fn wait(container: &Container) -> Result<i32> {
    let Some(running) = attach(container, Interest::End)? else {
        // It may have ended since the record was read.
        let mut container = container.clone();
        container.refresh()?;
        return Ok(container.state.exit_code.unwrap_or(0));
    };
    loop {
        if let Event::Exited(exit) = running.event()? {
            return Ok(exit.code());
        }
    }
}
