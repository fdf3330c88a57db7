//! What an image has at a volume's target goes into the volume when that is new, as Docker does it.
//!
//! The volume is filled once, whatever happens: content is first copied into a directory beside the
//! volume's (`copying-up`), which is then renamed (`copied-up`), and its entries are moved into the
//! volume one by one. Found again, the first is thrown away and the second is finished. A lock on the
//! volume's parent directory keeps two containers from doing so at once.
//!
//! Runs as root of the user namespace, so owners are kept as the image has them. The image's tree is
//! walked by descriptors and without following links.

use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags, SeekFrom, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A volume's files.
pub(super) const DATA: &str = "_data";
/// A copy that may be incomplete.
const COPYING: &str = "copying-up";
/// A complete copy on its way into the volume.
const COPIED: &str = "copied-up";

/// Fills the directory [`DATA`] of the volume `name`, whose own directory is `home`, from the image's
/// directory `content` if it is empty, and gives it that directory's owner and permissions.
pub(super) fn fill_volume(content: BorrowedFd<'_>, home: BorrowedFd<'_>, name: &str) -> Result<Vec<Notice>> {
    let doing = || format!("cannot fill the volume {name}");
    // The lock goes with the descriptor's last copy, and others have copies of `home`.
    let home = open_directory(home, OsStr::new(".")).doing(doing)?;
    rustix::fs::flock(&home, FlockOperation::LockExclusive).doing(doing)?;
    let data = open_directory(&home, OsStr::new(DATA)).doing(doing)?;

    if let Some(copied) = open_if_there(home.as_fd(), COPIED).doing(doing)? {
        move_in(copied.as_fd(), home.as_fd(), data.as_fd()).doing(doing)?;
        return Ok(Vec::new());
    }
    if !is_empty(data.as_fd()).doing(doing)? {
        return Ok(Vec::new());
    }
    let content = open_directory(content, OsStr::new(".")).doing(doing)?;
    let stat = rustix::fs::fstat(&content).doing(doing)?;
    let mut copy = Copy { linked: HashMap::new(), skipped: Vec::new(), device: stat.st_dev, top: None };
    if !is_empty(content.as_fd()).doing(doing)? {
        remove_tree(home.as_fd(), COPYING).doing(doing)?;
        rustix::fs::mkdirat(&home, COPYING, Mode::from_raw_mode(0o700)).doing(doing)?;
        let staging = open_directory(&home, OsStr::new(COPYING)).doing(doing)?;
        copy.top = Some(rustix::io::dup(&staging).doing(doing)?);
        copy.entries(content.as_fd(), staging.as_fd(), &PathBuf::new())?;
        give_metadata(content.as_fd(), data.as_fd(), &stat).doing(doing)?;
        rustix::fs::renameat(&home, COPYING, &home, COPIED).doing(doing)?;
        move_in(staging.as_fd(), home.as_fd(), data.as_fd()).doing(doing)?;
    } else {
        give_metadata(content.as_fd(), data.as_fd(), &stat).doing(doing)?;
    }
    Ok(copy.notices())
}

/// One copying of a tree.
struct Copy {
    /// Files with several names, by device and inode: where in the copy the first of them is.
    linked: HashMap<(u64, u64), PathBuf>,
    /// What could not be copied: device nodes, which a user namespace cannot make.
    skipped: Vec<PathBuf>,
    /// The device of the image's directory; what is mounted below it is not the image's.
    device: u64,
    /// The copy's top.
    top: Option<OwnedFd>,
}

impl Copy {
    fn entries(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, way: &Path) -> Result<()> {
        let doing = |path: &Path| format!("cannot copy /{} of the image into a new volume", path.display());
        for entry in Dir::read_from(from).doing(|| doing(way))? {
            let entry = entry.doing(|| doing(way))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = way.join(OsStr::from_bytes(name.to_bytes()));
            self.entry(from, to, name, &path).map_err(|error| match error {
                Error::Here(errno) => Failure::new(doing(&path), errno.into_cause()),
                Error::Below(failure) => failure,
            })?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
    ) -> std::result::Result<(), Error> {
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            if stat.st_dev != self.device {
                return Ok(());
            }
            return self.directory(from, to, name, path, &stat);
        }
        if stat.st_nlink > 1 && self.link_known(to, name, &stat, path)? {
            return Ok(());
        }
        match kind {
            FileType::RegularFile => copy_file(from, to, name, &stat)?,
            FileType::Symlink => {
                let target: CString = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&target, to, name)?;
                give_owner_and_times(to, name, &stat)?;
            }
            FileType::Fifo | FileType::Socket => {
                rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), 0)?;
                give_owner_and_times(to, name, &stat)?;
            }
            _ => self.skipped.push(path.to_owned()),
        }
        Ok(())
    }

    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
        stat: &Stat,
    ) -> std::result::Result<(), Error> {
        let name_os = OsStr::from_bytes(name.to_bytes());
        rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
        let (inner_from, inner_to) = (open_directory(from, name_os)?, open_directory(to, name_os)?);
        self.entries(inner_from.as_fd(), inner_to.as_fd(), path)?;
        // Last, for a copied entry changes the times.
        give_metadata(inner_from.as_fd(), inner_to.as_fd(), stat)?;
        Ok(())
    }

    /// Makes a further name of a file that is already in the copy; false where it is not there yet.
    fn link_known(&mut self, to: BorrowedFd<'_>, name: &CStr, stat: &Stat, path: &Path) -> rustix::io::Result<bool> {
        let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) else {
            self.linked.insert((stat.st_dev, stat.st_ino), path.to_owned());
            return Ok(false);
        };
        let Some(top) = &self.top else { return Ok(false) };
        match rustix::fs::linkat(top, first, to, name, AtFlags::empty()) {
            // The first was a device node, which is not there.
            Err(Errno::NOENT) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let Some(first) = self.skipped.first() else { return Vec::new() };
        vec![Notice(format!(
            "{} of the image {} left out of a new volume, the first of them /{}",
            self.skipped.len(),
            if self.skipped.len() == 1 { "device node was" } else { "device nodes were" },
            first.display()
        ))]
    }
}

/// What went wrong: with this entry, or with one below it, which has said so itself.
enum Error {
    Here(Errno),
    Below(Failure),
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        Error::Here(errno)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Below(failure)
    }
}

/// Copies one regular file, its holes as holes: an image may hold a file that is longer than the disk.
fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy = File::from(rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?);
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(&source, SeekFrom::Data(at)) {
            // Only a hole is left.
            Err(Errno::NXIO) => break,
            other => other?,
        };
        let end = rustix::fs::seek(&source, SeekFrom::Hole(start))?.min(length);
        rustix::fs::seek(&source, SeekFrom::Start(start))?;
        rustix::fs::seek(&copy, SeekFrom::Start(start))?;
        let copied = std::io::copy(&mut (&source).take(end.saturating_sub(start)), &mut &copy);
        copied.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        at = end.max(start + 1);
    }
    rustix::fs::ftruncate(&copy, length)?;
    give_metadata(source.as_fd(), copy.as_fd(), stat)
}

/// Owner, permissions, extended attributes and times, in the order in which none undoes another:
/// chown(2) takes the set-user-ID bit and the capabilities away.
fn give_metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> rustix::io::Result<()> {
    rustix::fs::fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_attributes(from, to)?;
    rustix::fs::futimens(to, &times(stat))
}

/// The extended attributes that belong to the content: the user's, file capabilities, access control
/// lists. Labels and overlay's own are the host's business.
fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut names = Vec::with_capacity(64 << 10);
    match rustix::fs::flistxattr(from, rustix::buffer::spare_capacity(&mut names)) {
        Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let content = |name: &&[u8]| {
        let user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        user || *name == b"security.capability" || name.starts_with(b"system.posix_acl_")
    };
    for name in names.split(|byte| *byte == 0).filter(content) {
        let name = OsStr::from_bytes(name);
        let mut value = Vec::with_capacity(64 << 10);
        rustix::fs::fgetxattr(from, name, rustix::buffer::spare_capacity(&mut value))?;
        match rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()) {
            Err(Errno::NOTSUP) => log::debug!("the volume's file system cannot keep {}", name.display()),
            other => other?,
        }
    }
    Ok(())
}

/// For what cannot be opened without effects: links, FIFOs, sockets.
fn give_owner_and_times(to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Moves all entries of the complete copy into the volume. One that is there already was put there by
/// a container that ran without copying, and stays.
fn move_in(copied: BorrowedFd<'_>, home: BorrowedFd<'_>, data: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let names = names(copied)?;
    for name in &names {
        match rustix::fs::renameat_with(copied, name, data, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => other?,
        }
    }
    remove_tree(home, COPIED)
}

fn names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn is_empty(directory: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes a directory with all that is in it, following no link; fine where it does not exist.
fn remove_tree(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    let Some(directory) = open_if_there(parent, name)? else { return Ok(()) };
    remove_entries(directory.as_fd())?;
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn remove_entries(directory: BorrowedFd<'_>) -> rustix::io::Result<()> {
    for name in names(directory)? {
        match rustix::fs::unlinkat(directory, &name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {
                remove_entries(open_directory(directory, OsStr::from_bytes(name.to_bytes()))?.as_fd())?;
                rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
            }
            other => other?,
        }
    }
    Ok(())
}

fn open_if_there(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Option<OwnedFd>> {
    match open_directory(parent, OsStr::new(name)) {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

fn open_directory(parent: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}
