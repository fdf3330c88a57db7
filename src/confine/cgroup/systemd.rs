//! A scope from the user's own systemd (org.freedesktop.systemd1(5), `StartTransientUnit`).
//!
//! A group may be written to by its owner, but who is to be born in it must come from a group that has an ancestor of
//! the owner's in common with it (cgroups(7), "Delegation"), and a login session has none: systemd moves one process
//! into the new scope for us. That process asks for it itself, makes the groups in the scope and then the monitor as its
//! brother, and ends. Once the last process of the scope has ended, systemd removes the scope with all in it.

use super::dbus::{Connection, Value};
use super::site::{enable_below, not_delegated};
use super::{Group, MOUNT};
use crate::confine::limits::{Controller, Limits};
use crate::error::{Doing, Failure, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the user's systemd listens for its own tools: D-Bus without a bus between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(PathBuf);

/// The socket of the user's systemd, if there is one.
pub fn find() -> Option<Address> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    let sockets = runtime.into_iter().chain([usual]).map(|directory| directory.join("systemd/private"));
    sockets.filter(|path| path.exists()).map(Address).next()
}

const DOING: &str = "cannot get a scope from your systemd";
const MANAGER: (&str, &str) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");

/// Has this process moved into a new scope, and makes two groups in it.
pub(super) fn make_scope(
    address: &Address,
    slice: Option<&str>,
    id: &str,
    limits: &Limits,
    container: &Path,
) -> Result<Group> {
    let scope = move_into_scope(address, slice, id)?;
    // A group with processes hands no controllers down: this process goes to where the monitor will be.
    let monitors = scope.join("monitor");
    let doing = || format!("cannot make the control group {}", monitors.display());
    fs::create_dir(&monitors).doing(doing)?;
    fs::write(monitors.join("cgroup.procs"), "0").doing(doing)?;
    let needed = limits.controllers();
    let there = fs::read_to_string(scope.join("cgroup.controllers")).unwrap_or_default();
    let lacking: BTreeSet<Controller> =
        needed.iter().copied().filter(|one| !there.split_whitespace().any(|name| name == one.name())).collect();
    if !lacking.is_empty() {
        return Err(not_delegated(&lacking));
    }
    enable_below(&scope, &needed)?;
    Group::make(&scope, "container", limits, container)
}

/// Returns the scope's directory.
fn move_into_scope(address: &Address, slice: Option<&str>, id: &str) -> Result<PathBuf> {
    let mut connection = Connection::open(&address.0).doing(|| DOING)?;
    let unit = format!("rr-{id}.scope");
    let mut properties = vec![
        ("Description", Value::Text(format!("rr container {}", &id[..id.len().min(12)]))),
        ("PIDs", Value::Numbers(vec![std::process::id()])),
        ("Delegate", Value::Flag(true)),
        // One that fails is not kept for anybody to look at.
        ("CollectMode", Value::Text("inactive-or-failed".into())),
    ];
    if let Some(slice) = slice {
        properties.push(("Slice", Value::Text(slice.to_owned())));
    }
    let job = connection
        .start_transient_unit(MANAGER, &unit, &properties)
        .doing(|| DOING)?
        .map_err(|refusal| Failure::new(DOING, refusal))?;
    let result = connection.wait_for_job(&job).doing(|| DOING)?;
    if result != "done" {
        return Err(Failure::new(DOING, format!("the job for {unit} ended with `{result}`")));
    }
    let own = fs::read_to_string("/proc/self/cgroup").doing(|| DOING)?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    if !path.ends_with(&unit) {
        return Err(Failure::new(DOING, format!("it has put this process into {path}")));
    }
    Ok(Path::new(MOUNT).join(path.trim_start_matches('/')))
}
