//! Where mounts come from, opened while the process still is the user.

use super::super::mount::{Mount, MountKind};
use super::Volumes;
use crate::error::{Failure, IntoCause};
use crate::sys::mount::{self, Depth};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The sources of mounts, opened by the user who asked for them.
///
/// The container's root need not be that user, nor have power over their files (`--userns nomap`): it could
/// not come through a private home or the store, both 0700. What the user cannot open is looked up later
/// by the container's root, who may enter directories of subordinate ids.
#[derive(Debug, Default)]
pub struct Sources(Vec<(PathBuf, OwnedFd)>);

impl Sources {
    /// Opens what it can. Runs while the process still has the user's own ids.
    pub fn open(mounts: &[Mount], volumes: Volumes<'_>) -> Sources {
        let open = |mount: &Mount| {
            let kind = match &mount.kind {
                MountKind::Volume { name, .. } => volumes.backings.get(name).map_or(&mount.kind, |behind| &behind.kind),
                kind => kind,
            };
            let (path, opened) = match kind {
                MountKind::Bind { source, .. } => (source.clone(), mount::open_place(source)),
                MountKind::Volume { name, .. } => (volumes.home(name), open_home(&volumes.home(name))),
                MountKind::Tmpfs { .. } => return None,
            };
            // What is wrong with it is said when it is mounted.
            Some((path, opened.ok()?))
        };
        Sources(mounts.iter().filter_map(open).collect())
    }

    pub(super) fn find(&self, path: &Path) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, descriptor)| descriptor.as_fd())
    }

    /// A detached copy of the mount at `path`.
    pub(super) fn clone_tree(&self, path: &Path, depth: Depth) -> rustix::io::Result<OwnedFd> {
        match self.find(path) {
            Some(opened) => mount::clone_tree(opened, Path::new(""), depth),
            None => mount::clone_host_tree(path, depth),
        }
    }
}

/// A volume's own directory, to be locked (flock(2)) and filled.
pub(super) fn open_home(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Explains why a source could not be bound, as far as that can be verified here.
pub(super) fn source_failure(source: &Path, mount: &Mount, depth: Depth, errno: Errno) -> Failure {
    let doing = format!("cannot mount {} on {}", source.display(), mount.target);
    match errno {
        Errno::NOENT => Failure::new(doing, format!("bind source path does not exist: {}", source.display())),
        Errno::ACCESS => {
            let failure = Failure::new(doing, errno.into_cause());
            match closed_directory(source) {
                Some(directory) => failure.hint(format!("you may not enter the directory {}", directory.display())),
                None => failure,
            }
        }
        // The kernel's answer where taking only the top would show what other mounts cover.
        Errno::INVAL if depth == Depth::One && mount::clone_host_tree(source, Depth::Recursive).is_ok() => {
            Failure::new(doing, "there are mounts below it, which only root could leave out")
                .hint("let them come along: use `rbind`, or leave `bind-nonrecursive` out")
        }
        _ => Failure::new(doing, errno.into_cause()),
    }
}

/// The first directory on the way to `path` that may not be searched.
fn closed_directory(path: &Path) -> Option<&Path> {
    let mut way: Vec<&Path> = path.ancestors().skip(1).collect();
    way.reverse();
    way.into_iter().find(|directory| {
        rustix::fs::accessat(CWD, *directory, Access::EXEC_OK, AtFlags::EACCESS) == Err(Errno::ACCESS)
    })
}
