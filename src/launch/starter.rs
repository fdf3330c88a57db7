//! The process between client and monitor, where the monitor must be born elsewhere than the client can go: in another
//! user namespace, or in a control group.

use super::id_maps::write_nested_maps;
use super::networks::{ParentNamespace, reap};
use super::protocol::channel_pair;
use super::user_namespace::user_namespace_failure;
use crate::confine::cgroup::Group;
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::sys::process::{Child, Cloned, Namespaces, clone_beside, exit_now, fork};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

/// From the process that clones a monitor to the client.
#[derive(Debug, Serialize, Deserialize)]
enum FromStarter {
    /// The monitor's process id; a pidfd comes along.
    Cloned(i32),
    /// There is no monitor.
    Failed(Failure),
}

/// Clones this process into new user and pid namespaces, the user namespace inside the last of `parents`, if there are any,
/// whose maps are written on the way. Each of them is inside the one before it. The new process is a child of this one,
/// which itself stays where it is. `prepare` is called in the process between the two, which may move where the new one is
/// to be born; what it makes is the new one's.
///
/// # Errors
/// The container's ids are not all `parent`'s; or the system's.
pub(super) fn clone_from_starter(
    parents: &[ParentNamespace],
    maps: &IdMaps,
    prepare: impl FnOnce() -> Result<Option<Group>>,
) -> Result<(Cloned, Option<Group>)> {
    let doing = || "cannot start the container's monitor from another process";
    let (ours, starters) = channel_pair::<(), FromStarter>()?;
    let starter = match fork().doing(doing)? {
        Cloned::Parent(starter) => starter,
        Cloned::Child => {
            drop(ours);
            match prepare().and_then(|prepared| Ok((clone_monitor(parents, maps)?, prepared))) {
                Ok((Cloned::Child, prepared)) => return Ok((Cloned::Child, prepared)),
                Ok((Cloned::Parent(monitor), _)) => {
                    let sent = starters.send_with(&FromStarter::Cloned(monitor.pid), Some(monitor.pidfd.as_fd()));
                    exit_now(i32::from(sent.is_err()))
                }
                Err(failure) => {
                    let _ = starters.send(&FromStarter::Failed(failure));
                    exit_now(1)
                }
            }
        }
    };
    drop(starters);
    let answer = ours.receive_with();
    reap(&starter);
    match answer? {
        Some((FromStarter::Cloned(pid), Some(pidfd))) => Ok((Cloned::Parent(Child { pid, pidfd }), None)),
        Some((FromStarter::Failed(failure), _)) => Err(failure),
        _ => Err(Failure::new(doing(), "the process that was to do it was killed")),
    }
}

fn clone_monitor(parents: &[ParentNamespace], maps: &IdMaps) -> Result<Cloned> {
    let doing = || "cannot enter the other namespace";
    let enter = |namespace: &OwnedFd, kind| move_into_link_name_space(namespace.as_fd(), Some(kind));
    for (index, namespace) in parents.iter().enumerate() {
        match enter(&namespace.user, LinkNameSpaceType::User) {
            // Entered from a namespace that it is not inside of (user_namespaces(7)).
            Err(Errno::PERM) if index > 0 => {
                let cause = "the networks, or containers, whose namespaces are to be shared have none in common";
                return Err(Failure::new("cannot make the container", cause).hint(
                    "a second container whose namespaces are shared must itself share those of the first, or be on its network",
                ));
            }
            entered => entered.doing(doing)?,
        }
        namespace.shared.iter().try_for_each(|(kind, shared)| enter(shared, *kind).doing(doing))?;
    }
    log::debug!("inside {} user namespaces", parents.len());
    let cloned = clone_beside(Namespaces::USER.and(Namespaces::PID)).map_err(|error| user_namespace_failure(&error))?;
    if let (Cloned::Parent(monitor), Some(parent)) = (&cloned, parents.last())
        && let Err(failure) = write_nested_maps(monitor.pid, &parent.maps, maps)
    {
        // Nobody waits for it but the client, which does not know of it.
        let _ = rustix::process::pidfd_send_signal(&monitor.pidfd, rustix::process::Signal::KILL);
        return Err(failure);
    }
    Ok(cloned)
}
