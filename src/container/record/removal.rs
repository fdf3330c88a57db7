//! Removal: the plan goes first, by rename, and with it the container; then the anonymous volumes, the
//! name, what belongs to ids of the container, and the directory. Killed anywhere in between, the next
//! command goes on with it.
//!
//! A monitor does it in two halves, and tells its clients between them: [`Held::retire`] is what they can
//! ask of rr afterwards, [`Held::remove_retired`] takes as long as the container has files.

use super::{Container, Held, State, Status, name, read_json};
use crate::container::plan::RunPlan;
use crate::container::{events, lifecycle};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::launch::StoreNamespace;
use crate::rootfs::mount::MountKind;
use crate::store::{Store, remove_tree, volumes};
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What init makes in the container's directory, with ids of the container.
const WRITABLE: [&str; 4] = ["upper", "work", "tree", "tree.new"];

/// Those of them that the payload's files are in.
const ROOTS: [&str; 2] = ["upper", "tree"];

/// The plan's name while the container is being removed: it says what else there is to remove.
const REMOVED_PLAN: &str = "plan.json.removed";
/// The same where its anonymous volumes go with it.
const REMOVED_WITH_VOLUMES: &str = "plan.json.removed-with-volumes";

/// Whether a container's anonymous volumes go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousVolumes {
    /// They stay, until `volume prune`.
    Kept,
    /// `rm -v`, and the end of a container with `--rm`: those that no other container uses go.
    Removed,
}

impl AnonymousVolumes {
    fn mark(self) -> &'static str {
        match self {
            AnonymousVolumes::Kept => REMOVED_PLAN,
            AnonymousVolumes::Removed => REMOVED_WITH_VOLUMES,
        }
    }
}

/// Whether removal may end a running payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// A running container is left alone, with an error.
    No,
    /// It is killed first.
    Yes,
}

/// Removes a container and its writable layer; one with `--rm` always with its anonymous volumes.
///
/// # Errors
/// It runs and `force` is [`Force::No`] (Docker's words), or the system's.
pub fn remove(store: &Store, container: &Container, force: Force, volumes: AnonymousVolumes) -> Result<()> {
    if container.is_alive() {
        if force == Force::No && !ends_now(container)? {
            return Err(Failure::new(
                format!("cannot remove container \"{}\"", container.plan.name),
                "container is running: stop the container before removing or force remove",
            )
            .code(ExitCode::General)
            .hint(format!("rr rm -f {}", container.plan.name))
            .known(Known::RemovesRunning {
                id: container.plan.id.clone(),
                is_paused: container.state.status == Status::Paused,
            }));
        }
        if force == Force::Yes {
            store.tell(&[events::killed(&container.plan, libc::SIGKILL)]);
            lifecycle::end(container)?;
        }
        // `--rm`: its monitor has removed it.
        if !container.dir.join("plan.json").exists() {
            return Ok(());
        }
    }
    let volumes = if container.plan.remove { AnonymousVolumes::Removed } else { volumes };
    container.remove_files(store, volumes)
}

/// Removes what is left of a container whose plan was lost with the machine's power; false where `text` means none
/// such. Its anonymous volumes are unknown, and stay.
///
/// # Errors
/// The system's.
pub fn remove_damaged(store: &Store, text: &str) -> Result<bool> {
    let Some(id) = super::find_id(store, text)? else { return Ok(false) };
    let dir = store.containers().join(id);
    let Ok(lock) = File::open(&dir) else { return Ok(false) };
    let torn = fs::read(dir.join("plan.json")).is_ok_and(|bytes| serde_json::from_slice::<RunPlan>(&bytes).is_err());
    if !torn || rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    // Whose ids its files have is unknown too; the store's namespace has all. The name is free without its container.
    StoreNamespace::here()?.run(|| remove_tree(&dir))?;
    Ok(true)
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

/// Removes a container that nobody holds; false where somebody does, or where it is gone by now. It is locked
/// meanwhile: nobody can start it.
///
/// # Errors
/// The system's.
pub fn remove_unheld(store: &Store, container: &Container) -> Result<bool> {
    let Ok(lock) = File::open(&container.dir) else { return Ok(false) };
    let held = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err();
    if held || !container.dir.join("plan.json").exists() {
        return Ok(false);
    }
    let volumes = if container.plan.remove { AnonymousVolumes::Removed } else { AnonymousVolumes::Kept };
    container.remove_files(store, volumes).map(|()| true)
}

impl Held {
    /// Removes a container with `--rm`, and with it its anonymous volumes. Runs where the ids of its files
    /// are mapped: in its monitor, or in a [`StoreNamespace`].
    ///
    /// # Errors
    /// The first of the system's; the next command that lists containers goes on with it.
    pub fn remove(&self, store: &Store, plan: &RunPlan) -> Result<()> {
        remove_container(store, &self.dir, plan, AnonymousVolumes::Removed)
    }

    /// The first half of [`Held::remove`]: no command finds the container any more, whoever wants its name
    /// gets it, its anonymous volumes are gone and so is what the payload wrote.
    ///
    /// # Errors
    /// As there; then the second half must not follow.
    pub fn retire(&self, store: &Store, plan: &RunPlan) -> Result<()> {
        retire(store, &self.dir, plan, AnonymousVolumes::Removed)?;
        remove_written(&self.dir)
    }

    /// The second half: removes the link of the name and the directory.
    ///
    /// # Errors
    /// As there.
    pub fn remove_retired(&self, store: &Store, plan: &RunPlan) -> Result<()> {
        remove_directory(store, &self.dir, plan)
    }
}

impl Container {
    /// Removes the files of a container nobody holds.
    pub(super) fn remove_files(&self, store: &Store, volumes: AnonymousVolumes) -> Result<()> {
        if let Some(group) = self.group() {
            // Of a monitor that was killed.
            group.remove();
        }
        let writable = WRITABLE.map(|name| self.dir.join(name)).iter().any(|path| path.exists());
        let has_volumes = volumes == AnonymousVolumes::Removed && anonymous_volumes(&self.plan).next().is_some();
        let is_known = self.dir.join("plan.json").exists();
        let remove = || remove_container(store, &self.dir, &self.plan, volumes);
        if writable || has_volumes {
            // What is in them belongs to ids of the container.
            StoreNamespace::here()?.run_on_files_of(&self.plan.ids, remove)?;
        } else {
            remove()?;
        }
        if is_known {
            store.tell_and_bound(&[events::event(&self.plan, "destroy")]);
        }
        Ok(())
    }
}

fn remove_container(store: &Store, dir: &Path, plan: &RunPlan, volumes: AnonymousVolumes) -> Result<()> {
    retire(store, dir, plan, volumes)?;
    remove_directory(store, dir, plan)
}

/// The plan of a container that is being removed, and what it says about its volumes.
fn retired_plan(dir: &Path) -> Result<Option<(RunPlan, AnonymousVolumes)>> {
    for volumes in [AnonymousVolumes::Kept, AnonymousVolumes::Removed] {
        if let Some(plan) = read_json::<RunPlan>(&dir.join(volumes.mark()))? {
            return Ok(Some((plan, volumes)));
        }
    }
    Ok(None)
}

/// Whether the container of this directory is being removed.
pub(super) fn is_retired(dir: &Path) -> bool {
    [REMOVED_PLAN, REMOVED_WITH_VOLUMES].iter().any(|mark| dir.join(mark).exists())
}

/// Removes the plan (now there is no such container) and perhaps the anonymous volumes.
fn retire(store: &Store, dir: &Path, plan: &RunPlan, volumes: AnonymousVolumes) -> Result<()> {
    let plan_file = dir.join("plan.json");
    // Killed from here on, this is gone on with by the next command: see sweep_incomplete.
    match fs::rename(&plan_file, dir.join(volumes.mark())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).doing(|| format!("cannot remove {}", plan_file.display()));
        }
        _ => {}
    }
    match volumes {
        AnonymousVolumes::Kept => Ok(()),
        AnonymousVolumes::Removed => remove_anonymous_volumes(store, plan),
    }
}

/// Removes what the payload has written, whose space the next run may need. Most write nothing, which costs
/// one look.
fn remove_written(dir: &Path) -> Result<()> {
    let wrote = |path: &PathBuf| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    ROOTS.map(|name| dir.join(name)).iter().filter(|path| wrote(path)).try_for_each(|path| remove_tree(path))
}

/// Removes what is left of a container that [`retire`] has taken away.
fn remove_directory(store: &Store, dir: &Path, plan: &RunPlan) -> Result<()> {
    // A monitor knows the name of its start; since then there may have been a new one.
    let claimed = match name::is_of(store, &plan.name, &plan.id) {
        true => plan.name.clone(),
        false => retired_plan(dir).ok().flatten().map_or(plan.name.clone(), |(plan, _)| plan.name),
    };
    name::release(store, &claimed, &plan.id);
    // The plan goes last of what may belong to ids of the container: what is left without it is the user's.
    let mut result = Ok(());
    for name in WRITABLE {
        result = result.and(remove_tree(&dir.join(name)));
    }
    result?;
    remove_tree(dir)
}

/// Removes what no other container uses (`--volumes-from`, or by its name).
fn remove_anonymous_volumes(store: &Store, plan: &RunPlan) -> Result<()> {
    let names: Vec<&str> = anonymous_volumes(plan).collect();
    if names.is_empty() {
        return Ok(());
    }
    let removed = {
        let _lock = store.lock_volumes_exclusive()?;
        let users = crate::container::volumes::users(store)?;
        volumes::take_away(store, names.into_iter().filter(|name| !users.contains_key(*name)))?
    };
    removed.delete()
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
    match retired_plan(dir)? {
        Some((plan, volumes)) => {
            Container { plan, state: State::default(), dir: dir.to_owned() }.remove_files(store, volumes)
        }
        None => remove_tree(dir),
    }
}
