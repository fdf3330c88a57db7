//! `:U`: a tree changes hands.
//!
//! Other containers may be at work in the tree, so nothing is looked up twice: each directory is
//! entered through its parent's descriptor without following links, and each entry is changed by
//! fchownat(2) with `AT_SYMLINK_NOFOLLOW`. A link put in a file's place gets a new owner itself, and
//! leads nowhere. Mounts below the tree are not entered.

use crate::error::{Doing, Failure, IntoCause, Result};
use crate::host::ids::OVERFLOW_ID;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Gives the file or directory `top`, and all below it, to the user and group `owner` (ids inside).
/// `path` is what messages call it.
pub(super) fn give_tree(top: BorrowedFd<'_>, owner: (u32, u32), path: &Path) -> Result<()> {
    let stat = rustix::fs::fstat(top).doing(|| format!("cannot look at {}", path.display()))?;
    give(top, c"", &stat, owner, path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        give_entries(top, c".", stat.st_dev, owner, path)?;
    }
    Ok(())
}

fn give_entries(parent: BorrowedFd<'_>, name: &CStr, device: u64, owner: (u32, u32), path: &Path) -> Result<()> {
    let doing = || format!("cannot change the owner of what is in {}", path.display());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        // It was a directory a moment ago: somebody is at work here, and it is theirs to finish.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        other => other.doing(doing)?,
    };
    let directory = directory.as_fd();
    for entry in Dir::read_from(directory).doing(doing)? {
        let entry = entry.doing(doing)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let path = path.join(OsStr::from_bytes(name.to_bytes()));
        let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other.doing(|| format!("cannot look at {}", path.display()))?,
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_directory && stat.st_dev != device {
            continue;
        }
        give(directory, name, &stat, owner, &path)?;
        if is_directory {
            give_entries(directory, name, device, owner, &path)?;
        }
    }
    Ok(())
}

/// Changes one entry; an empty `name` is `parent` itself.
fn give(parent: BorrowedFd<'_>, name: &CStr, stat: &Stat, owner: (u32, u32), path: &Path) -> Result<()> {
    if (stat.st_uid, stat.st_gid) == owner {
        return Ok(());
    }
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    match rustix::fs::chownat(parent, name, Some(uid), Some(gid), flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => {
            let failure = Failure::new(format!("cannot change the owner of {}", path.display()), errno.into_cause());
            let foreign = stat.st_uid == OVERFLOW_ID || stat.st_gid == OVERFLOW_ID;
            if errno == Errno::PERM && foreign {
                Err(failure
                    .hint("it belongs to a user or group outside of the container, and only they may give it away"))
            } else {
                Err(failure)
            }
        }
    }
}
