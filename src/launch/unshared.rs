//! What `rr unshare` makes beside the store's user namespace: namespaces for a command that stays in the host's
//! root file system, one by one as unshare(1) makes them.
//!
//! The command becomes process 1 of a new pid namespace only as a child: a process never changes its own
//! (pid_namespaces(7)). The parent then stands outside and follows it to its end.

use super::StoreNamespace;
use crate::error::{Doing, Failure, Result, errno_text};
use crate::sys::net;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into, exit_now, unshare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{PidfdFlags, Signal, getpid, pidfd_open, set_parent_process_death_signal};

/// The namespaces a command is to have of its own beside the user and the mount namespace, which it always has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Of [`Namespaces::NETWORK`], [`Namespaces::PID`], [`Namespaces::UTS`], [`Namespaces::IPC`] and
    /// [`Namespaces::CGROUP`].
    pub namespaces: Namespaces,
    /// What later mounts of the host do.
    pub mounts: Mounts,
    /// Which /proc the command sees.
    pub proc: Proc,
}

/// See [`Wanted::mounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// They appear for the command too.
    Received,
    /// They do not: private, as unshare(1) makes them.
    Private,
}

/// See [`Wanted::proc`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proc {
    /// That of the host, with the host's processes.
    Hosts,
    /// A new one, with those of the new pid namespace; needs [`Namespaces::PID`].
    Fresh,
}

/// Which process [`enter`] returns in.
pub enum Entered {
    /// The one that is to become the command.
    Command,
    /// The one that waits for it, which is process 1 of the new pid namespace.
    Outside(Child),
}

/// Makes the namespaces. The process must be single-threaded.
///
/// # Errors
/// The kernel refuses one of them, or a new /proc.
pub fn enter(store: &StoreNamespace, wanted: &Wanted) -> Result<Entered> {
    store.enter()?;
    let here = wanted.namespaces.without(Namespaces::PID);
    unshare(here).doing(|| "cannot make the command's namespaces")?;
    if wanted.mounts == Mounts::Private {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing(|| "cannot make mounts private")?;
    }
    if wanted.namespaces.contains(Namespaces::NETWORK) {
        net::loopback_up().doing(|| "cannot bring up the loopback interface")?;
    }
    if !wanted.namespaces.contains(Namespaces::PID) {
        return Ok(Entered::Command);
    }
    let doing = || "cannot start process 1 of a pid namespace";
    let parent = pidfd_open(getpid(), PidfdFlags::empty()).doing(doing)?;
    if let Cloned::Parent(child) = clone_into(Namespaces::PID).doing(doing)? {
        return Ok(Entered::Outside(child));
    }
    set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "cannot tie a process to its parent")?;
    // getppid(2) says 0 here, whoever lives; a pidfd becomes readable when its process ends.
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut [PollFd::new(&parent, PollFlags::IN)], Some(&now)) != Ok(0) {
        exit_now(1);
    }
    if wanted.proc == Proc::Fresh {
        mount_proc()?;
    }
    Ok(Entered::Command)
}

fn mount_proc() -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(|errno| {
        let failure = Failure::new("cannot mount a fresh /proc", errno_text(errno.raw_os_error()));
        // mount_too_revealing in the kernel's fs/namespace.c.
        if errno != Errno::PERM {
            return failure;
        }
        failure.hint(
            "parts of /proc are masked here, as inside another container; without --mount the command keeps this /proc",
        )
    })
}
