//! apt(8) in a container of one id: it must not become another user.
//!
//! apt downloads as the user `_apt`, and looks whether it has become that user: there is none but root here. It reads
//! a further file of settings where `APT_CONFIG` names one (apt.conf(5)); it lies in /dev, which is rr's own file
//! system, so that nothing of the image changes.

use super::resolve::Root;
use crate::error::{Doing, Result};
use rustix::fs::{Mode, OFlags};
use std::path::Path;

/// The file's name in /dev.
const NAME: &str = ".rr-apt.conf";

/// What `APT_CONFIG` is to say where [`write`] has written.
pub const CONFIG: &str = "/dev/.rr-apt.conf";

/// Writes the file, in an image that has apt. Runs in init, between the mount of /dev and those of volumes.
///
/// # Errors
/// The system's.
pub fn write(root: &Root<'_>) -> Result<()> {
    if root.open_dir_in_root(Path::new("/etc/apt")).is_err() {
        return Ok(());
    }
    let doing = || format!("cannot write {CONFIG} in the container");
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dev = rustix::fs::openat(root.directory(), "dev", directory, Mode::empty()).doing(doing)?;
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&dev, NAME, new, Mode::from_raw_mode(0o644)).doing(doing)?;
    rustix::io::write(&file, b"APT::Sandbox::User \"root\";\n").map(drop).doing(doing)
}
