//! What an image has at a volume's target goes into the volume when that is new, as Docker does it.
//!
//! The volume is filled once, whatever happens: content is first copied into a directory beside the
//! volume's (`copying-up`), which is then renamed (`copied-up`), and its entries are moved into the
//! volume one by one. Found again, the first is thrown away and the second is finished. A lock on the
//! volume's parent directory keeps two containers from doing so at once.
//!
//! Runs as root of the user namespace, so owners are kept as the image has them. The image's tree is
//! walked by descriptors and without following links.

use super::replicate::{copy_file, give_metadata, give_owner_and_times, names, open_directory};
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, RenameFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
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

/// Fills a directory that lies behind a volume ([`super::volumes`]), be it of the host or a tmpfs, if it is
/// empty. `path` is what messages call it. There is no place beside it for staging, so a copy that is cut
/// short is not finished later.
pub(super) fn fill_directory(content: BorrowedFd<'_>, target: BorrowedFd<'_>, path: &Path) -> Result<Vec<Notice>> {
    let doing = || format!("cannot fill {}", path.display());
    let target = match open_directory(target, OsStr::new(".")) {
        // A single file.
        Err(Errno::NOTDIR) => return Ok(Vec::new()),
        target => target.doing(doing)?,
    };
    rustix::fs::flock(&target, FlockOperation::LockExclusive).doing(doing)?;
    if !is_empty(target.as_fd()).doing(doing)? {
        return Ok(Vec::new());
    }
    let content = open_directory(content, OsStr::new(".")).doing(doing)?;
    let stat = rustix::fs::fstat(&content).doing(doing)?;
    let top = rustix::io::dup(&target).doing(doing)?;
    let mut copy = Copy { linked: HashMap::new(), skipped: Vec::new(), device: stat.st_dev, top: Some(top) };
    copy.entries(content.as_fd(), target.as_fd(), &PathBuf::new())?;
    give_metadata(content.as_fd(), target.as_fd(), &stat).doing(doing)?;
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
