//! The mount calls that work on file descriptors (Linux 5.2 and later), so that no path is looked
//! up twice between a check and its use.
//!
//! A mount is first a *detached tree*, a descriptor that [`new_mount`] or [`clone_tree`] returns,
//! and becomes visible by [`attach`] to a directory or file that is itself a descriptor. After that
//! the same descriptor is the attached mount's root and can be used as a directory. rustix has
//! these calls but for mount_setattr(2), which is here; before Linux 5.12 there is no such call and
//! mount(2) with `MS_REMOUNT` through `/proc/self/fd` stands in for it.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, StatVfsMountFlags};
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, mount_remount, move_mount, open_tree,
};
use std::path::Path;

pub use rustix::mount::MountAttrFlags as Attributes;

/// Whether a call is about one mount or also about those mounted below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// This mount only.
    One,
    /// This mount and all below it.
    Recursive,
}

/// What mount propagation a mount gets (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PropagationType {
    Private,
    Slave,
    Shared,
}

/// How far [`set_attributes`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Everything that was asked for.
    All,
    /// Only the top mount: this kernel has no mount_setattr(2).
    TopOnly,
}

/// An option of a file system: `key` or `key=value`.
pub type FsOption<'a> = (&'a str, Option<&'a str>);

/// Makes a new file system of `kind` and returns its detached mount. A value may have at most 255
/// bytes (fsconfig(2)).
pub fn new_mount(kind: &str, options: &[FsOption<'_>], attributes: Attributes) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let configured = options
        .iter()
        .try_for_each(|(key, value)| match value {
            Some(value) => fsconfig_set_string(context.as_fd(), *key, *value),
            None => fsconfig_set_flag(context.as_fd(), *key),
        })
        .and_then(|()| fsconfig_create(context.as_fd()));
    if let Err(errno) = configured {
        log_context(kind, context.as_fd());
        return Err(errno);
    }
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The kernel keeps its complaints about a mount in the context's own log (fsopen(2)): one message
/// a read(2), ENODATA at the end.
fn log_context(kind: &str, context: BorrowedFd<'_>) {
    let mut message = [0_u8; 512];
    while let Ok(length @ 1..) = rustix::io::read(context, &mut message) {
        log::debug!("{kind}: {}", String::from_utf8_lossy(&message[..length]).trim_end());
    }
}

/// A detached copy of the mount at `path`, relative to `dir`: what a bind mount attaches. An empty
/// `path` is `dir` itself. A trailing symbolic link is followed.
///
/// EINVAL with [`Depth::One`] where mounts that came from a more privileged namespace lie below the
/// path: the kernel does not let them be uncovered (mount_namespaces(7)).
pub fn clone_tree(dir: BorrowedFd<'_>, path: &Path, depth: Depth) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if depth == Depth::Recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(dir, path, flags)
}

/// [`clone_tree`] for a path of the calling process's own root.
pub fn clone_host_tree(path: &Path, depth: Depth) -> Result<OwnedFd> {
    clone_tree(CWD, path, depth)
}

/// Opens `path` as a place to be given to [`clone_tree`] later, by a process that may not walk there
/// any more. Unlike O_PATH it has the path's last component mounted where autofs would.
pub fn open_place(path: &Path) -> Result<OwnedFd> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// Puts the detached `tree` on `target`. Neither is looked up by path.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", target, c"", flags)
}

/// Puts the detached `tree` on the entry `name` of `directory`, one component; a symbolic link there
/// is not followed. For directories only rr itself could have filled.
pub fn attach_at(tree: BorrowedFd<'_>, directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    debug_assert!(!name.contains('/'));
    move_mount(tree, c"", directory, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Adds `attributes` to a mount, detached or attached; those it has stay. ENOSYS before Linux 5.12.
pub fn set_attributes(
    tree: BorrowedFd<'_>,
    attributes: Attributes,
    propagation: Option<PropagationType>,
    depth: Depth,
) -> Result<()> {
    let propagation = propagation.map_or(0, |propagation| match propagation {
        PropagationType::Private => libc::MS_PRIVATE,
        PropagationType::Slave => libc::MS_SLAVE,
        PropagationType::Shared => libc::MS_SHARED,
    });
    let wish = libc::mount_attr { attr_set: attributes.bits().into(), attr_clr: 0, propagation, userns_fd: 0 };
    let recursive = if depth == Depth::Recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a static C string and `wish` outlives the call; mount_setattr(2) reads
    // `size` bytes of it and writes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const wish,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// [`set_attributes`] for a mount that is *attached*, on any kernel: where mount_setattr(2) is missing
/// the top mount is remounted by mount(2), with the restrictions it already has, since those of a
/// more privileged namespace are locked and leaving one out is EPERM (mount_namespaces(7)).
pub fn set_attributes_attached(
    mount: BorrowedFd<'_>,
    attributes: Attributes,
    propagation: Option<PropagationType>,
    depth: Depth,
) -> Result<Reached> {
    match set_attributes(mount, attributes, propagation, depth) {
        Err(Errno::NOSYS) => remount(mount, attributes, propagation, depth),
        other => other.map(|()| Reached::All),
    }
}

/// The part of [`set_attributes_attached`] for kernels before 5.12.
pub fn remount(
    mount: BorrowedFd<'_>,
    attributes: Attributes,
    propagation: Option<PropagationType>,
    depth: Depth,
) -> Result<Reached> {
    // The magic link names this very mount, whatever was mounted since. /proc is still the host's.
    let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
    if !attributes.is_empty() {
        mount_remount(&path, MountFlags::BIND | present_flags(mount)? | wanted_flags(attributes), c"")?;
    }
    if let Some(propagation) = propagation {
        let change = match propagation {
            PropagationType::Private => MountPropagationFlags::PRIVATE,
            PropagationType::Slave => MountPropagationFlags::DOWNSTREAM,
            PropagationType::Shared => MountPropagationFlags::SHARED,
        };
        let recursive =
            if depth == Depth::Recursive { MountPropagationFlags::REC } else { MountPropagationFlags::empty() };
        mount_change(&path, change | recursive)?;
    }
    let complete = depth == Depth::One || attributes.is_empty();
    Ok(if complete { Reached::All } else { Reached::TopOnly })
}

/// The flags a mount has, as mount(2) wants them again.
fn present_flags(mount: BorrowedFd<'_>) -> Result<MountFlags> {
    let has = rustix::fs::fstatvfs(mount)?.f_flag;
    let pairs = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    Ok(pairs.into_iter().filter(|(bit, _)| has.contains(*bit)).map(|(_, flag)| flag).collect())
}

/// mount_setattr(2)'s attributes in mount(2)'s numbers.
fn wanted_flags(attributes: Attributes) -> MountFlags {
    let pairs = [
        (Attributes::MOUNT_ATTR_RDONLY, MountFlags::RDONLY),
        (Attributes::MOUNT_ATTR_NOSUID, MountFlags::NOSUID),
        (Attributes::MOUNT_ATTR_NODEV, MountFlags::NODEV),
        (Attributes::MOUNT_ATTR_NOEXEC, MountFlags::NOEXEC),
    ];
    pairs.into_iter().filter(|(bit, _)| attributes.contains(*bit)).map(|(_, flag)| flag).collect()
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
