//! The middle rung of `mount_overlay`: fuse-overlayfs(1), for kernels whose own overlay refuses.
//!
//! Init opens /dev/fuse and mounts it, since only init is in the container's mount namespace; the
//! descriptor goes to the monitor, which starts fuse-overlayfs upon it (libfuse takes `/dev/fd/N` as a
//! mount point that is mounted already). So the program that serves the container's root lives outside
//! of the container: it is not seen there, cannot be killed from there, and ends with the monitor.

use super::overlay::{Layers, Writable};
use crate::error::{Doing, Failure, Result};
use crate::host::helpers;
use crate::sys::mount::{Attributes, attach, new_mount};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::FdFlags;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program, if this machine can use it: it is installed, and /dev/fuse can be opened.
pub fn find() -> std::result::Result<PathBuf, String> {
    let program = helpers::find("fuse-overlayfs").ok_or("fuse-overlayfs is not installed")?;
    match open_device() {
        Ok(_) => Ok(program),
        Err(error) => Err(format!("/dev/fuse: {}", crate::error::errno_text(error.raw_os_error()))),
    }
}

fn open_device() -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// Runs in: init. Mounts a fuse file system upon `place`; returns the device, to be served by
/// [`serve`], and the mount's root. Whoever looks into it waits until it is served.
///
/// # Errors
/// The system's.
pub fn mount(place: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd)> {
    let doing = || "cannot mount fuse-overlayfs";
    let device = open_device().doing(doing)?;
    let number = device.as_raw_fd().to_string();
    let options = [
        ("source", Some("fuse-overlayfs")),
        ("fd", Some(number.as_str())),
        // The root is a directory; the ids are those of the process that mounts (mount.fuse3(8)).
        ("rootmode", Some("40000")),
        ("user_id", Some("0")),
        ("group_id", Some("0")),
        ("default_permissions", None),
        ("allow_other", None),
    ];
    let tree = new_mount("fuse", &options, Attributes::empty()).doing(doing)?;
    attach(tree.as_fd(), place).doing(doing)?;
    Ok((device, tree))
}

/// Runs in: the monitor. Starts the program upon a mounted device.
///
/// # Errors
/// It cannot be started.
pub fn serve(device: OwnedFd, layers: &Layers, writable: &Writable) -> Result<std::process::Child> {
    let doing = || "cannot start fuse-overlayfs";
    let program = find().map_err(|cause| Failure::new(doing(), cause))?;
    let inherited: Vec<BorrowedFd<'_>> =
        layers.lower().iter().chain([&writable.upper, &writable.work, &device]).map(AsFd::as_fd).collect();
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower: Vec<String> = layers.lower().iter().rev().map(name).collect();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), name(&writable.upper), name(&writable.work));
    let set_all = |flags| inherited.iter().try_for_each(|fd| rustix::io::fcntl_setfd(fd, flags));
    // No other process is started between these two lines: the monitor has one thread.
    set_all(FdFlags::empty()).doing(doing)?;
    let child = Command::new(program)
        .args(["-f", "-o", &options, &format!("/dev/fd/{}", device.as_raw_fd())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Root of the namespace, or it would lose its capabilities by execve(2).
        .uid(0)
        .gid(0)
        .spawn();
    set_all(FdFlags::CLOEXEC).doing(doing)?;
    child.doing(doing)
}
