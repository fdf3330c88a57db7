//! A volume at its target: its own directory, or what its driver's options put in that one's place.

use super::super::chown::give_tree;
use super::super::copy_up::{DATA, fill_directory, fill_volume};
use super::super::mount::{Mount, MountKind, Propagation};
use super::super::resolve::Root;
use super::attach::{Wanted, attach, attributes, target_doing};
use super::sources::{open_home, source_failure};
use super::{Surroundings, new_tmpfs, note_relabel};
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use crate::sys::mount::{self, Depth};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// A volume's files, as a mount that is not attached yet.
struct Tree {
    mount: OwnedFd,
    /// What messages call it.
    path: PathBuf,
    /// The driver's options say `ro`.
    read_only: bool,
}

pub(super) fn mount_volume(
    root: &Root<'_>,
    mount: &Mount,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let MountKind::Volume { name, no_copy, subpath, chown, flags, relabel, .. } = &mount.kind else {
        return Ok(());
    };
    // Of a part of a volume the image knows nothing.
    let content = if *no_copy || subpath.is_some() { None } else { image_content(root, mount)? };
    let tree = match surroundings.volumes.backings.get(name) {
        None => own_tree(name, subpath.as_deref(), content, surroundings, notices)?,
        Some(behind) => backing_tree(behind, mount, subpath.as_deref(), content, surroundings, notices)?,
    };
    if *chown {
        give_tree(tree.mount.as_fd(), (surroundings.owner)()?, &tree.path)?;
    }
    let read_only = mount.read_only || tree.read_only;
    let wanted = Wanted { attributes: attributes(*flags, read_only), propagation: Propagation::Rprivate };
    note_relabel(*relabel, notices);
    attach(root, tree.mount.as_fd(), &tree.path, mount, &wanted, notices)
}

/// `volumes/<name>/_data`, filled first where it is new.
fn own_tree(
    name: &str,
    subpath: Option<&str>,
    content: Option<OwnedFd>,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Tree> {
    let home_path = surroundings.volumes.home(name);
    let doing = || format!("cannot mount the volume {name}: {}", home_path.display());
    let home = match surroundings.sources.find(&home_path) {
        Some(home) => rustix::io::fcntl_dupfd_cloexec(home, 0).doing(doing)?,
        None => open_home(&home_path).doing(doing)?,
    };
    if let Some(content) = content {
        notices.extend(fill_volume(content.as_fd(), home.as_fd(), name)?);
    }
    let path = home_path.join(DATA);
    let mount = match subpath {
        None => mount::clone_tree(home.as_fd(), Path::new(DATA), Depth::Recursive).doing(doing)?,
        // Looked up in the attached place: before Linux 6.15 no part of a detached tree can be cloned.
        Some(subpath) => {
            let data = Root::new(home.as_fd()).open_dir_in_root(Path::new(DATA)).doing(doing)?;
            part_of(data.as_fd(), &path, subpath)?
        }
    };
    Ok(Tree { mount, path: subpath.map_or(path.clone(), |part| path.join(part)), read_only: false })
}

/// The directory of the host or the tmpfs that the driver's options name.
fn backing_tree(
    behind: &Mount,
    mount: &Mount,
    subpath: Option<&str>,
    content: Option<OwnedFd>,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Tree> {
    let (tree, path) = match &behind.kind {
        MountKind::Bind { source, recursive, .. } => {
            let depth = if *recursive { Depth::Recursive } else { Depth::One };
            let tree = surroundings.sources.clone_tree(source, depth);
            (tree.map_err(|errno| source_failure(source, mount, depth, errno))?, source.clone())
        }
        kind => {
            let tmpfs = new_tmpfs(kind, None).doing(|| format!("cannot mount a tmpfs on {}", mount.target))?;
            (tmpfs, PathBuf::from("tmpfs"))
        }
    };
    if let Some(content) = content {
        notices.extend(fill_directory(content.as_fd(), tree.as_fd(), &path)?);
    }
    let tree = match subpath {
        Some(subpath) => part_of(tree.as_fd(), &path, subpath)?,
        None => tree,
    };
    Ok(Tree { mount: tree, path, read_only: behind.read_only })
}

/// What `subpath` leads to inside the volume `whole`, whose links lead nowhere else: containers fill it.
fn part_of(whole: BorrowedFd<'_>, path: &Path, subpath: &str) -> Result<OwnedFd> {
    let doing = || format!("cannot access path {}", path.join(subpath).display());
    let part = Root::new(whole).open_existing(Path::new(subpath), OFlags::PATH).doing(doing)?;
    mount::clone_tree(part.as_fd(), Path::new(""), Depth::Recursive).doing(doing)
}

/// The image's own directory at a volume's target, where there is one: its content goes into a new
/// volume. Not what the kernel's file systems or other mounts have there.
fn image_content(root: &Root<'_>, mount: &Mount) -> Result<Option<OwnedFd>> {
    let doing = || target_doing(mount);
    match root.open_dir_in_root(Path::new(&mount.target)) {
        Ok(directory) => {
            let device = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| stat.st_dev);
            let same = device(directory.as_fd()).doing(doing)? == device(root.directory()).doing(doing)?;
            Ok(same.then_some(directory))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Failure::new(doing(), errno.into_cause())),
    }
}
