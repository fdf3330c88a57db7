//! A root file system on which nothing can be mounted, for a container without namespaces: what is otherwise bound
//! over the image is written into its private copy.

use super::etc::NameFile;
use super::resolve::Root;
use crate::error::{Doing, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// What became of the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// They are there.
    Made,
    /// Nobody may make any here, as in a user namespace (mknod(2), EPERM).
    Refused,
}

/// The same six as in other containers (runtime-spec, "Default Devices").
const DEVICES: [(&CStr, u32, u32); 6] =
    [(c"null", 1, 3), (c"zero", 1, 5), (c"full", 1, 7), (c"random", 1, 8), (c"urandom", 1, 9), (c"tty", 5, 0)];

/// Writes /etc/hosts and its like over the image's.
///
/// # Errors
/// The system's; a directory of the image in a file's place is EISDIR.
pub fn write_names(root: &Root<'_>, files: &[NameFile]) -> Result<()> {
    let doing = |name: &str| format!("cannot write /etc/{name}");
    for (name, text) in files {
        let etc = root.make_dir_all(Path::new("/etc"), 0o755).doing(|| doing(name))?;
        // Whatever the image has there, a link or a FIFO: it is not followed or waited at.
        remove_file(etc.as_fd(), *name).doing(|| doing(name))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&etc, *name, flags, Mode::from_raw_mode(0o644)).doing(|| doing(name))?;
        File::from(file).write_all(text.as_bytes()).doing(|| doing(name))?;
    }
    Ok(())
}

/// Makes /dev's nodes, and a /dev/shm.
///
/// # Errors
/// The system's, but for [`Devices::Refused`].
pub fn make_devices(root: &Root<'_>) -> Result<Devices> {
    let doing = || "cannot make the container's devices";
    let dev = root.make_dir_all(Path::new("/dev"), 0o755).doing(doing)?;
    let shm = root.make_dir_all(Path::new("/dev/shm"), 0o777).doing(doing)?;
    chmod(shm.as_fd(), 0o1777).doing(doing)?;
    for (name, major, minor) in DEVICES {
        remove_file(dev.as_fd(), name).doing(doing)?;
        let (mode, device) = (Mode::from_raw_mode(0o666), rustix::fs::makedev(major, minor));
        match rustix::fs::mknodat(&dev, name, FileType::CharacterDevice, mode, device) {
            Err(Errno::PERM) => return Ok(Devices::Refused),
            made => made.doing(doing)?,
        }
        // The umask has taken something from it.
        match rustix::fs::chmodat(&dev, name, mode, AtFlags::empty()) {
            // A filter around this container has only pretended to make it (decision 24).
            Err(Errno::NOENT) => return Ok(Devices::Refused),
            changed => changed.doing(doing)?,
        }
    }
    Ok(Devices::Made)
}

/// fchmod(2) takes no O_PATH descriptor.
fn chmod(place: BorrowedFd<'_>, mode: u32) -> rustix::io::Result<()> {
    let directory =
        rustix::fs::openat(place, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::fchmod(directory, Mode::from_raw_mode(mode))
}

fn remove_file(directory: BorrowedFd<'_>, name: impl rustix::path::Arg) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}
