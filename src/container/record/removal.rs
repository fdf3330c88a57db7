//! Removal: the plan goes first, by rename, and with it the container; then the name, the anonymous
//! volumes, what belongs to ids of the container, and the directory. Killed anywhere in between, the
//! next command goes on with it.
//!
//! A monitor does it in two halves, and tells its clients between them: [`Held::retire`] is what they can
//! ask of rr afterwards, [`Held::remove_retired`] takes as long as the container has files.

use super::{Container, Held, State, Status, name, read_json};
use crate::container::lifecycle;
use crate::container::plan::RunPlan;
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::launch::StoreNamespace;
use crate::rootfs::mount::MountKind;
use crate::store::{Store, remove_tree};
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What init makes in the container's directory, with ids of the container.
const WRITABLE: [&str; 4] = ["upper", "work", "tree", "tree.new"];

/// The plan's name while the container is being removed: it says what else there is to remove.
const REMOVED_PLAN: &str = "plan.json.removed";

/// Whether removal may end a running payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// A running container is left alone, with an error.
    No,
    /// It is killed first.
    Yes,
}

/// Removes a container, its writable layer and its anonymous volumes.
///
/// # Errors
/// It runs and `force` is [`Force::No`] (Docker's words), or the system's.
pub fn remove(store: &Store, container: &Container, force: Force) -> Result<()> {
    if container.is_alive() {
        if force == Force::No && !ends_now(container)? {
            return Err(Failure::new(
                format!("cannot remove container \"{}\"", container.plan.name),
                "container is running: stop the container before removing or force remove",
            )
            .code(ExitCode::General)
            .hint(format!("rr rm -f {}", container.plan.name))
            .known(Known::RemovesRunning { id: container.plan.id.clone() }));
        }
        if force == Force::Yes {
            lifecycle::end(container)?;
        }
        // `--rm`: its monitor has removed it.
        if !container.dir.join("plan.json").exists() {
            return Ok(());
        }
    }
    container.remove_files(store)
}

/// Whether what holds the container is only its monitor on the way out: who has waited for the end may remove the
/// container at once.
fn ends_now(container: &Container) -> Result<bool> {
    for _ in 0..200 {
        if !container.is_alive() {
            return Ok(true);
        }
        let mut now = container.clone();
        now.refresh()?;
        if now.state.status != Status::Exited {
            return Ok(false);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Ok(false)
}

impl Held {
    /// Removes the writable layer. Runs where the ids of its files are mapped.
    ///
    /// # Errors
    /// The first of the system's.
    pub fn remove_writable(&self) -> Result<()> {
        WRITABLE.iter().try_for_each(|name| remove_tree(&self.dir.join(name)))
    }

    /// Removes the container with its anonymous volumes. Runs where the ids of its files are mapped:
    /// in its monitor, or in a [`StoreNamespace`].
    ///
    /// # Errors
    /// The first of the system's; the next command that lists containers goes on with it.
    pub fn remove(&self, store: &Store, plan: &RunPlan) -> Result<()> {
        remove_container(store, &self.dir, plan)
    }

    /// The first half of [`Held::remove`]: no command finds the container any more, its name is free and its
    /// anonymous volumes are gone.
    ///
    /// # Errors
    /// As there; then the second half must not follow.
    pub fn retire(&self, store: &Store, plan: &RunPlan) -> Result<()> {
        retire(store, &self.dir, plan)
    }

    /// The second half: removes the directory.
    ///
    /// # Errors
    /// As there.
    pub fn remove_retired(&self) -> Result<()> {
        remove_directory(&self.dir)
    }
}

impl Container {
    /// Removes the files of a container nobody holds.
    pub(super) fn remove_files(&self, store: &Store) -> Result<()> {
        let writable = WRITABLE.map(|name| self.dir.join(name));
        let volumes = anonymous_volumes(&self.plan).map(|name| store.volumes().join(name).join("_data"));
        let remove = || remove_container(store, &self.dir, &self.plan);
        if writable.into_iter().chain(volumes).any(|path| path.exists()) {
            // What is in them belongs to ids of the container.
            return StoreNamespace::here()?.run_on_files_of(&self.plan.ids, remove);
        }
        remove()
    }
}

fn remove_container(store: &Store, dir: &Path, plan: &RunPlan) -> Result<()> {
    retire(store, dir, plan)?;
    remove_directory(dir)
}

/// Removes the plan (now there is no such container), the name and the anonymous volumes.
fn retire(store: &Store, dir: &Path, plan: &RunPlan) -> Result<()> {
    let plan_file = dir.join("plan.json");
    // A monitor knows the name of its start; since then there may have been a new one.
    let claimed = match name::is_of(store, &plan.name, &plan.id) {
        true => plan.name.clone(),
        false => read_json::<RunPlan>(&plan_file).ok().flatten().map_or(plan.name.clone(), |plan| plan.name),
    };
    // Killed from here on, this is gone on with by the next command: see sweep_incomplete.
    match fs::rename(&plan_file, dir.join(REMOVED_PLAN)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).doing(|| format!("cannot remove {}", plan_file.display()));
        }
        _ => {}
    }
    name::release(store, &claimed, &plan.id);
    let remove = |result: Result<()>, name| result.and(remove_tree(&store.volumes().join(name)));
    anonymous_volumes(plan).fold(Ok(()), remove)
}

/// Removes what is left of a container that [`retire`] has taken away.
fn remove_directory(dir: &Path) -> Result<()> {
    // The plan goes last of what may belong to ids of the container: what is left without it is the user's.
    let mut result = Ok(());
    for name in WRITABLE {
        result = result.and(remove_tree(&dir.join(name)));
    }
    result?;
    remove_tree(dir)
}

/// Names of the volumes that go with the container.
fn anonymous_volumes(plan: &RunPlan) -> impl Iterator<Item = &str> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Volume { name, anonymous: true, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// Removes a directory whose maker died before it wrote the plan, or whose remover died before the end.
///
/// # Errors
/// The first of the system's; what can be removed is.
pub(super) fn sweep_incomplete(store: &Store, dir: &Path) -> Result<()> {
    let Ok(lock) = File::open(dir) else { return Ok(()) };
    // Whoever makes a container has the lock until the plan is there.
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() || dir.join("plan.json").exists() {
        return Ok(());
    }
    match read_json::<RunPlan>(&dir.join(REMOVED_PLAN))? {
        Some(plan) => Container { plan, state: State::default(), dir: dir.to_owned() }.remove_files(store),
        None => remove_tree(dir),
    }
}
