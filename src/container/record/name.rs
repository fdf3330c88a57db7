//! Names: `names/<name>` is a link to the id, and the claim on the name.
//!
//! symlink(2) is atomic and fails where the name is taken. A claim without its container was left by a
//! process that was killed, and is taken over by the next who wants the name.

use super::{Container, is_held, removal};
use crate::container::events;
use crate::container::plan::RunPlan;
use crate::error::{Doing, Failure, Known, Result};
use crate::store::Store;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// How a container's name was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameChoice {
    /// The user's: taken means failure.
    Given,
    /// A suggestion: taken means another one.
    Suggested,
}

/// Docker's words for a name that another container has.
pub(super) fn taken(store: &Store, name: &str) -> Failure {
    let owner = fs::read_link(store.names().join(name)).unwrap_or_default();
    Failure::new(
        "cannot create the container",
        format!("the container name \"{name}\" is already in use by container {}", owner.display()),
    )
    .hint(format!("remove or rename that container to use the name again: rr rm {name}"))
    .known(Known::NameTaken { name: name.to_owned(), owner: owner.display().to_string() })
}

/// Claims `name` for `id`; false where a container has it.
///
/// # Errors
/// The system's.
pub(super) fn claim(store: &Store, name: &str, id: &str) -> Result<bool> {
    let link = store.names().join(name);
    let doing = || format!("cannot claim the name {name}");
    match std::os::unix::fs::symlink(id, &link) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).doing(doing),
        Err(_) if owner_exists(store, &link) => return Ok(false),
        Err(_) => {}
    }
    // A claim without its container was left by a process that was killed. Taking it over is done by
    // one process at a time; the ordinary claim above needs no lock.
    let names = File::open(store.names()).doing(doing)?;
    rustix::fs::flock(&names, FlockOperation::LockExclusive).doing(doing)?;
    if owner_exists(store, &link) {
        return Ok(false);
    }
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).doing(doing),
        _ => {}
    }
    match std::os::unix::fs::symlink(id, &link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        result => result.map(|()| true).doing(doing),
    }
}

/// Whether the container that a name leads to exists, or is being made.
fn owner_exists(store: &Store, link: &Path) -> bool {
    let Ok(id) = fs::read_link(link) else { return false };
    let dir = store.containers().join(id);
    dir.join("plan.json").exists() || (is_held(&dir) && !removal::is_retired(&dir))
}

/// Gives a claim up, if it is the container's.
pub(super) fn release(store: &Store, name: &str, id: &str) {
    // Under the lock of whoever takes a claim over: between the look and the removal it might be another's.
    let lock = File::open(store.names()).and_then(|names| {
        rustix::fs::flock(&names, FlockOperation::LockExclusive)?;
        Ok(names)
    });
    if lock.is_ok() && is_of(store, name, id) {
        // A claim that stays is taken over by the next who wants the name.
        let _ = fs::remove_file(store.names().join(name));
    }
}

/// Whether the name is the container's.
pub(super) fn is_of(store: &Store, name: &str, id: &str) -> bool {
    fs::read_link(store.names().join(name)).is_ok_and(|owner| owner == Path::new(id))
}

/// How old a claim has to be before it counts as left: a name is claimed before the plan says it.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(60);

/// Removes claims of containers that there are not, and those that a rename which was killed has left.
///
/// # Errors
/// The store cannot be read.
pub fn sweep_names(store: &Store) -> Result<()> {
    let path = store.names();
    let doing = || format!("cannot read {}", path.display());
    let names = File::open(&path).doing(doing)?;
    // As for taking a claim over.
    rustix::fs::flock(&names, FlockOperation::LockExclusive).doing(doing)?;
    for entry in fs::read_dir(&path).doing(doing)? {
        let link = entry.doing(doing)?.path();
        let age = fs::symlink_metadata(&link).and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
        let settled = matches!(age, Ok(Ok(age)) if age > SETTLED);
        if !owner_exists(store, &link) || (settled && !is_known(store, &link)) {
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).doing(|| format!("cannot remove {}", link.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the container that a name leads to has this name; true where it cannot be read.
fn is_known(store: &Store, link: &Path) -> bool {
    let Ok(id) = fs::read_link(link) else { return true };
    let plan = super::read_json::<RunPlan>(&store.containers().join(id).join("plan.json"));
    plan.ok().flatten().is_none_or(|plan| link.file_name().is_some_and(|name| name == plan.name.as_str()))
}

/// Gives a container another name, also while it runs.
///
/// # Errors
/// The name is taken (Docker's wording), the container was removed, or the system's.
pub fn rename(store: &Store, container: &Container, name: &str) -> Result<()> {
    let doing = || format!("cannot rename container {} to {name}", container.plan.name);
    if container.plan.name == name {
        return Err(Failure::new(doing(), "renaming a container with the same name as its current name"));
    }
    if !claim(store, name, &container.plan.id)? {
        return Err(taken(store, name).while_doing(doing()));
    }
    if let Err(failure) = super::change_plan(container, |plan| plan.name = name.to_owned()) {
        release(store, name, &container.plan.id);
        return Err(failure.while_doing(doing()));
    }
    let plan = RunPlan { name: name.to_owned(), ..container.plan.clone() };
    release(store, &container.plan.name, &plan.id);
    store.tell_and_bound(&[events::event(&plan, "rename").with("oldName", format!("/{}", container.plan.name))]);
    Ok(())
}
