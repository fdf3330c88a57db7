//! `pause` and `unpause`.
//!
//! Processes of a container that has a control group are frozen in it; those of another one are stopped by SIGSTOP
//! (decision 19). Who was stopped
//! is written to `containers/<id>/paused.json`, together with the process 1 that it is about: what a former run has
//! left there means nothing. The file is written before anybody is stopped, so that `unpause` finds a pause that was
//! cut short.

use super::events;
use super::record::{Container, Status};
use super::standstill::{self, Standstill};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::process::ProcessName;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `paused.json`
#[derive(Debug, Serialize, Deserialize)]
struct Paused {
    /// Process 1 of the container.
    init: ProcessName,
    /// Whom `pause` has stopped; None while it is about to.
    stopped: Option<Vec<ProcessName>>,
    /// Its control group was frozen, whoever is in it.
    #[serde(default)]
    frozen: bool,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("paused.json")
}

fn read(dir: &Path) -> Option<Paused> {
    serde_json::from_slice(&std::fs::read(path(dir)).ok()?).ok()
}

/// Whether the container at `dir`, whose process 1 is `init`, was paused.
pub(super) fn is_paused(dir: &Path, init: Option<&ProcessName>) -> bool {
    init.is_some() && read(dir).map(|paused| paused.init).as_ref() == init
}

/// Stops every process of the container.
///
/// # Errors
/// It does not run, or is paused already (Docker's words), or the system's.
pub fn pause(store: &Store, container: &Container) -> Result<()> {
    let doing = || format!("cannot pause container {}", container.plan.name);
    let id = &container.plan.id;
    let init = match (container.state.status, &container.state.init) {
        (Status::Running, Some(init)) => init.clone(),
        (Status::Paused, _) => return Err(refusal(doing(), format!("container {id} is already paused"))),
        (Status::Restarting, _) => {
            let cause = format!("container {id} is restarting, wait until the container is running");
            return Err(refusal(doing(), cause));
        }
        _ => {
            let refusal = refusal(doing(), format!("container {id} is not running"));
            return Err(refusal.known(Known::NotRunning { id: id.clone() }));
        }
    };
    let group = container.group();
    write(container, &Paused { init: init.clone(), stopped: None, frozen: group.is_some() })?;
    let stopped = match group {
        Some(group) => group.freeze().doing(doing).map(|()| Vec::new()),
        None => Standstill::of(container).map(Standstill::keep),
    };
    match stopped {
        Ok(stopped) => {
            write(container, &Paused { init, stopped: Some(stopped), frozen: container.group().is_some() })?;
            store.tell_and_bound(&[events::event(&container.plan, "pause")]);
            Ok(())
        }
        Err(failure) => {
            // Whoever was stopped was continued.
            let _ = std::fs::remove_file(path(&container.dir));
            Err(failure)
        }
    }
}

/// Lets the processes go on that [`pause`] has stopped. What the payload had stopped itself stays so.
///
/// # Errors
/// It is not paused (Docker's words), or the system's.
pub fn unpause(store: &Store, container: &Container) -> Result<()> {
    let doing = || format!("cannot unpause container {}", container.plan.name);
    if container.state.status != Status::Paused {
        return Err(refusal(doing(), format!("container {} is not paused", container.plan.id)));
    }
    resume(container)?;
    store.tell_and_bound(&[events::event(&container.plan, "unpause")]);
    Ok(())
}

/// Does `work` while the processes of the container stand still, if it runs. Should this process be killed meanwhile, the
/// container stays paused, as everybody sees.
///
/// # Errors
/// Those of [`pause`], `work` and [`unpause`].
pub(super) fn during<T>(store: &Store, container: &Container, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if container.state.status != Status::Running {
        return work();
    }
    pause(store, container)?;
    let result = work();
    let mut container = container.clone();
    container.refresh()?;
    // It may have ended meanwhile, or somebody else has let it go on.
    match container.state.status {
        Status::Paused => unpause(store, &container).and(result),
        _ => result,
    }
}

/// As [`unpause`]; does nothing with a container that is not paused.
///
/// # Errors
/// The system's.
pub(super) fn resume(container: &Container) -> Result<()> {
    let doing = || format!("cannot unpause container {}", container.plan.name);
    if container.state.status != Status::Paused {
        return Ok(());
    }
    let paused = read(&container.dir);
    let frozen = paused.as_ref().is_some_and(|paused| paused.frozen);
    match (paused.and_then(|paused| paused.stopped), container.group().filter(|_| frozen)) {
        (_, Some(group)) => group.thaw().doing(doing)?,
        (Some(stopped), None) => standstill::resume(&stopped).doing(doing)?,
        // A pause that was cut short: who stood still before is not known any more.
        (None, None) => drop(Standstill::of_all_stopped(container)),
    }
    match std::fs::remove_file(path(&container.dir)) {
        // It has ended at once, and was removed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.doing(doing),
    }
}

fn refusal(doing: String, cause: String) -> Failure {
    Failure::new(doing, cause).code(ExitCode::General)
}

fn write(container: &Container, paused: &Paused) -> Result<()> {
    let doing = || format!("cannot pause container {}", container.plan.name);
    let text = serde_json::to_vec(paused).doing(doing)?;
    let (path, new) = (path(&container.dir), container.dir.join("paused.json.new"));
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).doing(doing)
}
