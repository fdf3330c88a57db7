//! `pivot` and `detach_old_root`: the container's tree becomes `/`, the host's tree goes away.

use crate::error::{Doing, Failure, Result};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use std::os::fd::BorrowedFd;

/// Keeps every later mount of this namespace to itself (mount_namespaces(7)). The tree becomes a slave
/// rather than private, so that volumes with `rslave` still see what the host mounts below them.
///
/// # Errors
/// The system's.
pub fn make_mounts_private() -> Result<()> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .doing(|| "cannot make mounts private")
}

/// pivot_root(2) onto the mount `root`, with the old root stacked upon the same place (".", ".").
///
/// # Errors
/// The system's; EINVAL where `root` is not a mount of this namespace.
pub fn pivot(root: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(root).doing(|| "cannot enter the root file system")?;
    rustix::process::pivot_root(".", ".").doing(|| "cannot make the root file system the root (pivot_root)")
}

/// Lets go of the host's tree; from here on no path leads to it.
///
/// # Errors
/// The system's.
pub fn detach_old_root() -> Result<()> {
    // "." is now the old root; what is still open there goes with its last user.
    unmount(".", UnmountFlags::DETACH).doing(|| "cannot detach the host's file system")?;
    rustix::process::chdir("/").doing(|| "cannot enter /")
}

/// What stands in for [`pivot`] and [`detach_old_root`] where nothing can be mounted: chroot(2) into an open directory. Who
/// is root there can leave it again.
///
/// # Errors
/// The system's.
pub fn enter_by_chroot(tree: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(tree).doing(|| "cannot enter the root file system")?;
    rustix::process::chroot(".").doing(|| "cannot make the root file system the root (chroot)")
}

/// `--read-only`: nothing below `/` can be changed but what is mounted there.
///
/// # Errors
/// The system's.
pub fn make_root_read_only(root: BorrowedFd<'_>) -> Result<()> {
    use crate::sys::mount::{Attributes, Depth, set_attributes_attached};
    let attributes = Attributes::MOUNT_ATTR_RDONLY;
    set_attributes_attached(root, attributes, None, Depth::One)
        .map(drop)
        .doing(|| "cannot make the root file system read-only")
}

/// Fails where the current directory lies outside of the root, as a descriptor that leaked into the
/// container would allow (CVE-2024-21626).
///
/// # Errors
/// See above.
pub fn check_working_directory() -> Result<()> {
    let doing = "cannot enter the working directory";
    let path = rustix::process::getcwd(Vec::new()).doing(|| doing)?;
    if path.to_bytes().first() == Some(&b'/') {
        return Ok(());
    }
    Err(Failure::new(doing, format!("it lies outside of the container: {}", path.to_string_lossy())))
}
