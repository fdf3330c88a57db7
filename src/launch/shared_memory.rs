//! Another container's /dev/shm and /dev/mqueue, for one that shares its ipc namespace (`--ipc container:…`).
//!
//! They are mounts of that container's, and only who is in its mount namespace can copy them (open_tree(2)). A child
//! goes there and sends them back as detached mounts, which the new container's init puts in place.

use super::networks::reap;
use super::protocol::channel_pair;
use crate::error::{Doing, Failure, Result};
use crate::host::process::ProcessName;
use crate::sys::mount::{Depth, clone_host_tree};
use crate::sys::process::{Cloned, exit_now, fork};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Detached mounts.
#[derive(Debug, Default)]
pub struct Trees {
    /// /dev/shm, unless there is none.
    pub shm: Option<OwnedFd>,
    /// /dev/mqueue, unless there is none.
    pub mqueue: Option<OwnedFd>,
}

/// What the child says; the mounts that are there come along, in this order.
#[derive(Debug, Serialize, Deserialize)]
enum FromBorrower {
    Trees { has_shm: bool, has_mqueue: bool },
    Failed(Failure),
}

/// Those of the container whose process 1 is `member`.
///
/// # Errors
/// It has ended; or the system's.
pub fn borrow(member: &ProcessName) -> Result<Trees> {
    let doing = || "cannot share the other container's /dev/shm";
    let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", member.pid)).doing(doing);
    let (user, mounts) = (open("user")?, open("mnt")?);
    if !member.lives() {
        return Err(Failure::new(doing(), "it has ended"));
    }
    let (ours, borrowers) = channel_pair::<(), FromBorrower>()?;
    let child = match fork().doing(doing)? {
        Cloned::Parent(child) => child,
        Cloned::Child => {
            drop(ours);
            let copied = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .and_then(|()| move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User)))
                .and_then(|()| move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount)))
                .and_then(|()| Ok(Trees { shm: copy("/dev/shm")?, mqueue: copy("/dev/mqueue")? }));
            let sent = match copied.doing(doing) {
                Ok(Trees { shm, mqueue }) => {
                    let along: Vec<BorrowedFd<'_>> = shm.iter().chain(&mqueue).map(AsFd::as_fd).collect();
                    let message = FromBorrower::Trees { has_shm: shm.is_some(), has_mqueue: mqueue.is_some() };
                    borrowers.send_all(&message, &along)
                }
                Err(failure) => borrowers.send(&FromBorrower::Failed(failure)),
            };
            exit_now(i32::from(sent.is_err()))
        }
    };
    drop(borrowers);
    let answer = ours.receive_all();
    reap(&child);
    match answer? {
        Some((FromBorrower::Trees { has_shm, has_mqueue }, trees)) => {
            let mut trees = trees.into_iter();
            let mut take = |is_there: bool| if is_there { trees.next() } else { None };
            Ok(Trees { shm: take(has_shm), mqueue: take(has_mqueue) })
        }
        Some((FromBorrower::Failed(failure), _)) => Err(failure),
        None => Err(Failure::new(doing(), "the process that was to do it was killed")),
    }
}

fn copy(path: &str) -> rustix::io::Result<Option<OwnedFd>> {
    match clone_host_tree(Path::new(path), Depth::Recursive) {
        Err(Errno::NOENT) => Ok(None),
        tree => tree.map(Some),
    }
}
