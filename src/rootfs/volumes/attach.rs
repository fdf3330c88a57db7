//! The last steps of every mount: restrict it, find or make its target, attach it.

use super::super::mount::{Mount, MountFlags, Propagation};
use super::super::resolve::Root;
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use crate::sys::mount::{self, Attributes, Depth, PropagationType, Reached};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::path::Path;

/// Files of /proc that may be covered by a mount: harmless figures that lxcfs and the like replace.
const COVERABLE_OF_PROC: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// The inode number of a procfs's root, in every instance.
const PROC_ROOT_INODE: u64 = 1;

/// How a tree is to be restricted.
pub(super) struct Wanted {
    pub(super) attributes: Attributes,
    pub(super) propagation: Propagation,
}

/// Restricts the detached `tree` and attaches it to its target. Where the kernel can only change
/// attached mounts (before 5.12) the order is the other way round; the payload does not run yet.
pub(super) fn attach(
    root: &Root<'_>,
    tree: BorrowedFd<'_>,
    source: &Path,
    mount: &Mount,
    wanted: &Wanted,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let target = open_target(root, tree, source, mount)?;
    let doing = || format!("cannot mount {} on {}", source.display(), mount.target);
    let (kind, reach) = split_propagation(wanted.propagation);
    let whole = (reach == Depth::Recursive).then_some(kind);
    match mount::set_attributes(tree, wanted.attributes, whole, Depth::Recursive) {
        Ok(()) => mount::attach(tree, target.as_fd()).doing(doing)?,
        Err(Errno::NOSYS) => {
            mount::attach(tree, target.as_fd()).doing(doing)?;
            let reached = mount::remount(tree, wanted.attributes, whole, Depth::Recursive).doing(doing)?;
            if reached == Reached::TopOnly && mount.read_only {
                notices.push(Notice(format!(
                    "mounts below {} stay writable in the container: making them read-only takes Linux 5.12",
                    source.display()
                )));
            }
        }
        Err(errno) => return Err(Failure::new(doing(), errno.into_cause())),
    }
    if reach == Depth::One {
        mount::set_attributes_attached(tree, Attributes::empty(), Some(kind), Depth::One).doing(doing)?;
    }
    Ok(())
}

fn split_propagation(propagation: Propagation) -> (PropagationType, Depth) {
    match propagation {
        Propagation::Private => (PropagationType::Private, Depth::One),
        Propagation::Rprivate => (PropagationType::Private, Depth::Recursive),
        Propagation::Slave => (PropagationType::Slave, Depth::One),
        Propagation::Rslave => (PropagationType::Slave, Depth::Recursive),
        Propagation::Shared => (PropagationType::Shared, Depth::One),
        Propagation::Rshared => (PropagationType::Shared, Depth::Recursive),
    }
}

pub(super) fn attributes(flags: MountFlags, read_only: bool) -> Attributes {
    let pairs = [
        (read_only, Attributes::MOUNT_ATTR_RDONLY),
        (flags.nosuid, Attributes::MOUNT_ATTR_NOSUID),
        (flags.nodev, Attributes::MOUNT_ATTR_NODEV),
        (flags.noexec, Attributes::MOUNT_ATTR_NOEXEC),
    ];
    pairs.into_iter().filter(|(wanted, _)| *wanted).map(|(_, attribute)| attribute).collect()
}

/// Opens, or makes, the place for `tree`: a directory for a directory, a file for anything else.
fn open_target(root: &Root<'_>, tree: BorrowedFd<'_>, source: &Path, mount: &Mount) -> Result<OwnedFd> {
    let doing = || target_doing(mount);
    let stat = rustix::fs::fstat(tree).doing(doing)?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let path = Path::new(&mount.target);
    // Said in words before procfs says ENOENT, as it does to whoever makes a file in it.
    if path.starts_with("/proc") && mount.target != "/proc" && !COVERABLE_OF_PROC.contains(&mount.target.as_str()) {
        return Err(inside_proc(mount));
    }
    let opened = if directory { root.make_dir_all(path, 0o755) } else { root.make_file(path) };
    let target = match opened {
        Ok(target) => target,
        Err(Errno::NOTDIR) if directory => {
            let cause = format!("{} is a directory, the target or a parent of it is none", source.display());
            return Err(Failure::new(doing(), cause));
        }
        Err(Errno::ISDIR) => {
            let cause = format!("{} is no directory, the target is one", source.display());
            return Err(Failure::new(doing(), cause));
        }
        Err(errno) => return Err(Failure::new(doing(), errno.into_cause())),
    };
    refuse_proc(target.as_fd(), tree, stat.st_ino, mount)?;
    Ok(target)
}

/// Only a whole procfs may cover /proc, and only some files in it may be covered.
fn refuse_proc(target: BorrowedFd<'_>, tree: BorrowedFd<'_>, inode: u64, mount: &Mount) -> Result<()> {
    let on_proc = |fd| rustix::fs::fstatfs(fd).map(|stat| stat.f_type as u64 == PROC_SUPER_MAGIC);
    let doing = || target_doing(mount);
    if !on_proc(target).doing(doing)? || COVERABLE_OF_PROC.contains(&mount.target.as_str()) {
        return Ok(());
    }
    if mount.target == "/proc" && on_proc(tree).doing(doing)? && inode == PROC_ROOT_INODE {
        return Ok(());
    }
    Err(inside_proc(mount))
}

fn inside_proc(mount: &Mount) -> Failure {
    Failure::new(target_doing(mount), "that is inside /proc, where nothing may be mounted")
}

pub(super) fn target_doing(mount: &Mount) -> String {
    format!("cannot mount on {} in the container", mount.target)
}
