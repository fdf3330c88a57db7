//! Making a container inside another user namespace than this process's: that of the user's networks, or of another
//! container.

use super::{ParentNamespace, reap};
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::launch::id_maps::write_nested_maps;
use crate::launch::protocol::channel_pair;
use crate::launch::user_namespace::user_namespace_failure;
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

/// Clones this process into new user and pid namespaces, the user namespace inside the last of `parents`, whose maps are
/// written on the way. Each of them is inside the one before it. The new process is a child of this one, which itself
/// stays where it is.
///
/// # Errors
/// The container's ids are not all its parent's; the parents are no such line; or the system's.
pub fn clone_within(parents: &[ParentNamespace], maps: &IdMaps) -> Result<Cloned> {
    let doing = || "cannot enter the user namespace that the container's is to be made in";
    let (ours, starters) = channel_pair::<(), FromStarter>()?;
    let starter = match fork().doing(doing)? {
        Cloned::Parent(starter) => starter,
        Cloned::Child => {
            drop(ours);
            match clone_monitor(parents, maps) {
                Ok(Cloned::Child) => return Ok(Cloned::Child),
                Ok(Cloned::Parent(monitor)) => {
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
        Some((FromStarter::Cloned(pid), Some(pidfd))) => Ok(Cloned::Parent(Child { pid, pidfd })),
        Some((FromStarter::Failed(failure), _)) => Err(failure),
        _ => Err(Failure::new(doing(), "the process that was to do it was killed")),
    }
}

fn clone_monitor(parents: &[ParentNamespace], maps: &IdMaps) -> Result<Cloned> {
    let doing = || "cannot enter the other namespace";
    let enter = |namespace: &OwnedFd, kind| move_into_link_name_space(namespace.as_fd(), Some(kind));
    let (parent, outer) = parents.split_last().ok_or_else(|| Failure::new(doing(), "there is none"))?;
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
    log::debug!("inside {} user namespaces", outer.len() + 1);
    let cloned = clone_beside(Namespaces::USER.and(Namespaces::PID)).map_err(|error| user_namespace_failure(&error))?;
    if let Cloned::Parent(monitor) = &cloned
        && let Err(failure) = write_nested_maps(monitor.pid, &parent.maps, maps)
    {
        // Nobody waits for it but the client, which does not know of it.
        let _ = rustix::process::pidfd_send_signal(&monitor.pidfd, rustix::process::Signal::KILL);
        return Err(failure);
    }
    Ok(cloned)
}
