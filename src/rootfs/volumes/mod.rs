//! Bind mounts, volumes and tmpfs: what the user asked for, put in place.
//!
//! Runs in the container's init as root of its user namespace, after the kernel's file systems are
//! there and before pivot_root(2), while sources still have their names on the host. Each mount is
//! made detached, gets its restrictions, and is attached to a target that was resolved once, inside
//! the root, to a descriptor ([`Root`]); a missing target is made, a directory for a directory and a
//! file for a file. Parents go before children, so a target inside another mount is looked up there.
//!
//! The source is the user's word and followed as the user's shell would. The target may be led
//! anywhere inside the container by the image's links; onto /proc it must not lead, since rr and the
//! payload trust what they read there (CVE-2019-16884, CVE-2025-52881).

mod attach;
mod sources;
#[cfg(test)]
mod tests;
mod volume;

pub use sources::Sources;

use super::chown::give_tree;
use super::mount::{Mount, MountKind, Propagation, Relabel};
use super::resolve::Root;
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use crate::sys::mount::{self, Attributes, Depth, FsOption};
use attach::{Wanted, attach, attributes, target_doing};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use sources::source_failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use volume::mount_volume;

/// Where the store has its volumes.
#[derive(Clone, Copy)]
pub struct Volumes<'a> {
    /// `volumes/`: a volume's files are in `<name>/_data` below, and staging happens beside that.
    pub directory: &'a Path,
    /// What lies behind volumes with driver options, by name: a bind or a tmpfs.
    pub backings: &'a BTreeMap<String, Mount>,
}

impl Volumes<'_> {
    /// The directory of the volume `name`.
    fn home(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// What [`bind_volumes`] must ask its caller.
pub struct Surroundings<'a> {
    /// What [`Sources::open`] has opened.
    pub sources: &'a Sources,
    /// Where volumes are.
    pub volumes: Volumes<'a>,
    /// The user and group, as ids inside, that `:U` gives a tree to. Asked only if there is a `:U`.
    pub owner: &'a dyn Fn() -> Result<(u32, u32)>,
}

/// Mounts all of `mounts` below `root`, parents first.
///
/// Assumes that the root file system is still writable (`--read-only` takes effect later: missing
/// targets are made in it), a umask of 022, and a host's /proc at /proc.
pub fn bind_volumes(root: &Root<'_>, mounts: &[Mount], surroundings: &Surroundings<'_>) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    let mut ordered: Vec<&Mount> = mounts.iter().collect();
    ordered.sort_by_key(|mount| Path::new(&mount.target).components().count());
    for mount in ordered {
        match &mount.kind {
            MountKind::Bind { .. } => mount_bind(root, mount, surroundings, &mut notices)?,
            MountKind::Volume { .. } => mount_volume(root, mount, surroundings, &mut notices)?,
            MountKind::Tmpfs { .. } => mount_tmpfs(root, mount, &mut notices)?,
        }
    }
    Ok(notices)
}

/// Makes the missing source directory of a `-v`, and its parents, as Docker does. Belongs in the
/// client, which still is the user; a source that exists, of whatever kind, is left alone.
pub fn create_missing_source(source: &Path) -> Result<()> {
    match std::fs::metadata(source) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(source).doing(|| format!("cannot create the directory {}", source.display()))
        }
        // Anything else is found out, and said, when it is mounted.
        _ => Ok(()),
    }
}

fn mount_bind(
    root: &Root<'_>,
    mount: &Mount,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let MountKind::Bind { source, recursive, propagation, chown, flags, relabel, .. } = &mount.kind else {
        return Ok(());
    };
    let depth = if *recursive { Depth::Recursive } else { Depth::One };
    let tree = surroundings.sources.clone_tree(source, depth);
    let tree = tree.map_err(|errno| source_failure(source, mount, depth, errno))?;
    if *chown {
        give_tree(tree.as_fd(), (surroundings.owner)()?, source)?;
    }
    let wanted = Wanted { attributes: attributes(*flags, mount.read_only), propagation: *propagation };
    note_relabel(*relabel, notices);
    attach(root, tree.as_fd(), source, mount, &wanted, notices)
}

fn mount_tmpfs(root: &Root<'_>, mount: &Mount, notices: &mut Vec<Notice>) -> Result<()> {
    let covered = covered_mode(root, mount)?;
    let tmpfs = new_tmpfs(&mount.kind, covered).doing(|| format!("cannot mount a tmpfs on {}", mount.target))?;
    let MountKind::Tmpfs { flags, .. } = &mount.kind else { return Ok(()) };
    let wanted = Wanted { attributes: attributes(*flags, mount.read_only), propagation: Propagation::Rprivate };
    attach(root, tmpfs.as_fd(), Path::new("tmpfs"), mount, &wanted, notices)
}

/// A new tmpfs, not yet attached or restricted. `covered` are the permissions of what it will cover.
fn new_tmpfs(kind: &MountKind, covered: Option<u32>) -> rustix::io::Result<OwnedFd> {
    let MountKind::Tmpfs { size, mode, uid, gid, .. } = kind else { return Err(Errno::INVAL) };
    let mode = format!("{:o}", mode.or(covered).unwrap_or(0o1777));
    let numbers =
        [size.map(|size| ("size", size)), uid.map(|uid| ("uid", uid.into())), gid.map(|gid| ("gid", gid.into()))];
    let numbers: Vec<(&str, String)> =
        numbers.into_iter().flatten().map(|(key, value)| (key, value.to_string())).collect();
    let mut options: Vec<FsOption<'_>> = vec![("source", Some("tmpfs")), ("mode", Some(&mode))];
    options.extend(numbers.iter().map(|(key, value)| (*key, Some(value.as_str()))));
    mount::new_mount("tmpfs", &options, Attributes::empty())
}

/// The permissions of the directory that a tmpfs is about to cover.
fn covered_mode(root: &Root<'_>, mount: &Mount) -> Result<Option<u32>> {
    match root.open_dir_in_root(Path::new(&mount.target)).and_then(|directory| rustix::fs::fstat(&directory)) {
        Ok(stat) => Ok(Some(stat.st_mode & 0o7777)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Failure::new(target_doing(mount), errno.into_cause())),
    }
}

/// rr gives payloads no SELinux label of their own: they may read what the user may, whatever
/// labels the files have, and there is nothing that a new label would open.
fn note_relabel(relabel: Relabel, notices: &mut Vec<Notice>) {
    let enforcing = || std::fs::read("/sys/fs/selinux/enforce").is_ok_and(|text| text.starts_with(b"1"));
    if relabel != Relabel::Keep && enforcing() {
        let notice = Notice(
            "`:z` and `:Z` change no labels: containers of rr run under your own SELinux label and need none"
                .to_owned(),
        );
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
}
