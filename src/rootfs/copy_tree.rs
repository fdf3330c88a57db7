//! Files and trees copied between two places that other processes may be changing meanwhile.
//!
//! Nothing is looked up twice. A source is a place (`O_PATH`), looked at through its descriptor, and only a
//! regular file or a directory is ever opened, by that same descriptor: no device, FIFO or socket that a
//! container puts in a file's place. A target is one name in an open directory, and is made anew
//! (`O_EXCL`, mkdir(2)), never opened through a link (CVE-2018-15664).
//!
//! The rules are Docker's: a directory is merged with one that is there, anything else takes the place of
//! what is there, and a directory and something else exclude each other.

use super::replicate::{copy_attributes, copy_data, in_proc, is_kernels, names, reopen_directory, reopen_file, times};
use crate::error::{Failure, IntoCause, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a copy gets of what the original has; its data, its permissions and its times it gets always.
pub struct Rules<'a> {
    /// Owner and group of a copy by those of the original, ids of this process's namespace.
    pub owner: &'a dyn Fn(u32, u32) -> (u32, u32),
    /// Set-user-ID and set-group-ID bits, and extended attributes: file capabilities, access control lists.
    pub privileges: Privileges,
    /// Permissions of files and directories in place of the original's, by that and whether it is a directory.
    pub mode: Option<&'a dyn Fn(u32, bool) -> u32>,
    /// Whether what has this path, from where the copying begins, is copied.
    pub wanted: Option<&'a dyn Fn(&Path) -> bool>,
}

impl<'a> Rules<'a> {
    /// All is copied, with the permissions it has.
    pub fn new(owner: &'a dyn Fn(u32, u32) -> (u32, u32), privileges: Privileges) -> Rules<'a> {
        Rules { owner, privileges, mode: None, wanted: None }
    }
}

/// Whether a copy runs with more than its caller's rights, as the original does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// It does.
    Kept,
    /// It does not: a program of the container's root must not become one that runs as the user, whoever
    /// starts it.
    Dropped,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Bytes of the files.
    pub bytes: u64,
    /// Devices and sockets, which were left out.
    pub skipped: u64,
    /// The first of them.
    pub first_skipped: Option<String>,
}

/// Copies `entry` as `name` into the directory `parent`.
///
/// # Errors
/// What is there and what is copied exclude each other, in Docker's words; or the system's, with the path.
pub fn copy_as(entry: BorrowedFd<'_>, parent: BorrowedFd<'_>, name: &OsStr, rules: &Rules<'_>) -> Result<Report> {
    let name = c_name(name).map_err(|errno| failed(Path::new(name), errno))?;
    let mut copier = Copier::new(rules, parent)?;
    copier.path.push(OsStr::from_bytes(name.to_bytes()));
    copier.entry(entry, parent, &name, None)?;
    Ok(copier.report)
}

/// Copies what the directory `entry` holds into the directory `target`, whose own attributes stay.
///
/// # Errors
/// As for [`copy_as`].
pub fn copy_contents(entry: BorrowedFd<'_>, target: BorrowedFd<'_>, rules: &Rules<'_>) -> Result<Report> {
    let mut copier = Copier::new(rules, target)?;
    let stat = copier.here(rustix::fs::fstat(entry))?;
    let target_stat = copier.here(rustix::fs::fstat(target))?;
    copier.made = Some((target_stat.st_dev, target_stat.st_ino));
    let opened = copier.here(reopen_directory(entry))?;
    copier.entries(opened.as_fd(), target, &stat)?;
    Ok(copier.report)
}

struct Copier<'a> {
    rules: &'a Rules<'a>,
    /// The directory in which `path` begins.
    top: OwnedFd,
    /// What is being copied, below `top`.
    path: PathBuf,
    /// Files with several names, by device and inode: the first copy's path, device and inode.
    linked: HashMap<(u64, u64), (PathBuf, (u64, u64))>,
    /// The outermost directory that is copied into: met again inside the source, it is left out.
    made: Option<(u64, u64)>,
    report: Report,
}

impl<'a> Copier<'a> {
    fn new(rules: &'a Rules<'a>, top: BorrowedFd<'_>) -> Result<Copier<'a>> {
        let top = rustix::io::fcntl_dupfd_cloexec(top, 0).map_err(|errno| failed(Path::new("."), errno))?;
        let report = Report::default();
        Ok(Copier { rules, top, path: PathBuf::new(), linked: HashMap::new(), made: None, report })
    }

    /// Adds the current path to a system's error.
    fn here<T>(&self, result: rustix::io::Result<T>) -> Result<T> {
        result.map_err(|errno| failed(&self.path, errno))
    }

    fn entries(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
        let mut all = self.here(names(from))?;
        all.sort_unstable();
        for name in all {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let place = match rustix::fs::openat(from, &name, flags, Mode::empty()) {
                // Somebody is at work here.
                Err(Errno::NOENT) => continue,
                place => place,
            };
            self.path.push(OsStr::from_bytes(name.to_bytes()));
            let place = self.here(place)?;
            if self.rules.wanted.is_none_or(|wanted| wanted(&self.path)) {
                self.entry(place.as_fd(), to, &name, Some(stat.st_dev))?;
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Copies one entry; `device` is the one of the directory it was found in.
    fn entry(&mut self, place: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, device: Option<u64>) -> Result<()> {
        let stat = self.here(rustix::fs::fstat(place))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                if self.made == Some((stat.st_dev, stat.st_ino)) {
                    return Ok(());
                }
                self.directory(place, to, name, &stat, device)
            }
            FileType::RegularFile => self.regular(place, to, name, &stat),
            FileType::Symlink => {
                self.clear(to, name)?;
                let link = self.here(rustix::fs::readlinkat(place, c"", Vec::new()))?;
                self.here(rustix::fs::symlinkat(&link, to, name))?;
                self.finish_name(to, name, &stat)
            }
            FileType::Fifo => {
                self.clear(to, name)?;
                let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
                self.here(rustix::fs::mknodat(to, name, FileType::Fifo, mode, 0))?;
                self.finish_name(to, name, &stat)
            }
            _ => {
                self.report.skipped += 1;
                self.report.first_skipped.get_or_insert_with(|| self.path.display().to_string());
                Ok(())
            }
        }
    }

    fn directory(
        &mut self,
        place: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        device: Option<u64>,
    ) -> Result<()> {
        match rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = self.here(rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW))?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    let shown = self.path.display();
                    return Err(
                        self.conflict(format!("cannot overwrite non-directory \"{shown}\" with directory \"{shown}\""))
                    );
                }
            }
            Err(errno) => return self.here(Err(errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = self.here(rustix::fs::openat(to, name, flags, Mode::empty()))?;
        if self.made.is_none() {
            let own = self.here(rustix::fs::fstat(&made))?;
            self.made = Some((own.st_dev, own.st_ino));
        }
        let source = self.here(reopen_directory(place))?;
        // What the kernel mounts there is no part of the files, but its place is.
        if device.is_none_or(|device| device == stat.st_dev) || !is_kernels(place) {
            self.entries(source.as_fd(), made.as_fd(), stat)?;
        }
        // Last, for a copied entry changes the times.
        self.finish(source.as_fd(), made.as_fd(), stat)
    }

    fn regular(&mut self, place: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
        if stat.st_nlink > 1 && self.link_known(to, name, stat)? {
            return Ok(());
        }
        let source = File::from(self.here(reopen_file(place))?);
        let copy = self.make_file(to, name)?;
        let length = match u64::try_from(stat.st_size).unwrap_or(0) {
            // Files of proc and sysfs have no length that could be known before.
            0 if is_kernels(place) => {
                let copied = std::io::copy(&mut &source, &mut &copy);
                self.here(copied.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)))?
            }
            length => self.here(copy_data(&source, &copy, length)).map(|()| length)?,
        };
        self.report.bytes += length;
        if stat.st_nlink > 1 {
            let own = self.here(rustix::fs::fstat(&copy))?;
            self.linked.insert((stat.st_dev, stat.st_ino), (self.path.clone(), (own.st_dev, own.st_ino)));
        }
        self.finish(source.as_fd(), copy.as_fd(), stat)
    }

    /// A new file in the place of what is there. One that something is mounted upon (/etc/hosts) cannot go,
    /// and is written anew.
    fn make_file(&mut self, to: BorrowedFd<'_>, name: &CStr) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = || rustix::fs::openat(to, name, flags | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o600));
        match make() {
            Err(Errno::EXIST) => {}
            made => return self.here(made).map(File::from),
        }
        match self.remove(to, name)? {
            Removal::Done => self.here(make()).map(File::from),
            Removal::Busy => {
                let flags_of_place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let place = self.here(rustix::fs::openat(to, name, flags_of_place, Mode::empty()))?;
                let stat = self.here(rustix::fs::fstat(&place))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return self.here(Err(Errno::BUSY));
                }
                let file = rustix::fs::openat(
                    CWD,
                    in_proc(place.as_fd()),
                    OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC,
                    Mode::empty(),
                );
                self.here(file).map(File::from)
            }
        }
    }

    /// Makes room for what is no directory.
    fn clear(&mut self, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        match self.remove(to, name)? {
            Removal::Done => Ok(()),
            Removal::Busy => self.here(Err(Errno::BUSY)),
        }
    }

    fn remove(&self, to: BorrowedFd<'_>, name: &CStr) -> Result<Removal> {
        match rustix::fs::unlinkat(to, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(Removal::Done),
            Err(Errno::BUSY) => Ok(Removal::Busy),
            Err(Errno::ISDIR) => {
                let shown = self.path.display();
                Err(self.conflict(format!("cannot overwrite directory \"{shown}\" with non-directory \"{shown}\"")))
            }
            Err(errno) => self.here(Err(errno)),
        }
    }

    fn conflict(&self, cause: String) -> Failure {
        Failure::new("cannot copy", cause)
    }

    /// Makes a further name of a file that was copied; false where it was not yet.
    fn link_known(&mut self, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<bool> {
        let Some((first, identity)) = self.linked.get(&(stat.st_dev, stat.st_ino)) else { return Ok(false) };
        // No link on the way is followed, and what is found must be the very file.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(copy) = rustix::fs::openat2(&self.top, first, flags, Mode::empty(), resolve) else { return Ok(false) };
        let own = self.here(rustix::fs::fstat(&copy))?;
        if (own.st_dev, own.st_ino) != *identity {
            return Ok(false);
        }
        self.clear(to, name)?;
        match rustix::fs::linkat(CWD, in_proc(copy.as_fd()), to, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            // Another mount, or a file system without links: it becomes a file of its own.
            Err(Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(errno) => self.here(Err(errno)),
        }
    }

    /// Owner, permissions, extended attributes and times, in the order in which none undoes another.
    fn finish(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
        let owner = (self.rules.owner)(stat.st_uid, stat.st_gid);
        self.here(rustix::fs::fchown(to, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1))))?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let keeps = self.rules.privileges == Privileges::Kept;
        // On a directory the bits give nobody anything.
        let mask = if keeps || is_directory { 0o7777 } else { 0o1777 };
        let mode = self.rules.mode.map_or(stat.st_mode, |mode| mode(stat.st_mode & 0o7777, is_directory));
        self.here(rustix::fs::fchmod(to, Mode::from_raw_mode(mode & mask)))?;
        if keeps {
            self.here(copy_attributes(from, to))?;
        }
        self.here(rustix::fs::futimens(to, &times(stat)))
    }

    /// The same for what cannot be opened without effects: links and FIFOs.
    fn finish_name(&self, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
        let owner = (self.rules.owner)(stat.st_uid, stat.st_gid);
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        self.here(rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))?;
        self.here(rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW))
    }
}

/// What [`Copier::remove`] could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// There is nothing of that name.
    Done,
    /// Something is mounted upon it.
    Busy,
}

fn c_name(name: &OsStr) -> rustix::io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)
}

fn failed(path: &Path, errno: Errno) -> Failure {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Failure::new(format!("cannot copy {}", path.display()), errno.into_cause())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn place(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap()
    }

    fn same(uid: u32, gid: u32) -> (u32, u32) {
        (uid, gid)
    }

    const RULES: Rules<'static> = Rules { owner: &same, privileges: Privileges::Dropped, mode: None, wanted: None };

    #[test]
    fn a_tree_is_copied_with_links_holes_modes_and_times() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/one"), "text").unwrap();
        fs::set_permissions(from.join("sub/one"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("sub/one"), from.join("two")).unwrap();
        symlink("nowhere", from.join("link")).unwrap();
        nix::unistd::mkfifo(&from.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        std::os::unix::fs::FileExt::write_at(&sparse, b"end", (1 << 30) - 3).unwrap();
        let report = copy_as(place(&from).as_fd(), place(&to).as_fd(), OsStr::new("copy"), &RULES).unwrap();
        drop(socket);
        let copy = to.join("copy");
        let one = fs::metadata(copy.join("sub/one")).unwrap();
        assert_eq!((one.mode() & 0o7777, one.nlink()), (0o751, 2));
        assert_eq!(fs::metadata(copy.join("two")).unwrap().ino(), one.ino());
        assert_eq!(fs::read_link(copy.join("link")).unwrap().to_str(), Some("nowhere"));
        assert_eq!(fs::metadata(copy.join("fifo")).unwrap().mode() & 0o777, 0o640);
        assert!(fs::metadata(copy.join("sparse")).unwrap().blocks() < 100);
        assert_eq!(one.mtime_nsec(), fs::metadata(from.join("sub/one")).unwrap().mtime_nsec());
        assert_eq!(report, Report { bytes: (1 << 30) + 4, skipped: 1, first_skipped: Some("copy/socket".into()) });
    }

    #[test]
    fn what_is_there_is_merged_replaced_or_in_the_way() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        fs::create_dir_all(from.join("dir")).unwrap();
        fs::create_dir_all(to.join("dir")).unwrap();
        fs::write(home.path().join("secret"), "kept").unwrap();
        fs::write(from.join("dir/file"), "new").unwrap();
        symlink("../../secret", to.join("dir/file")).unwrap();
        fs::write(to.join("dir/other"), "stays").unwrap();
        copy_contents(place(&from).as_fd(), place(&to).as_fd(), &RULES).unwrap();
        assert_eq!(fs::read_to_string(to.join("dir/file")).unwrap(), "new");
        assert!(fs::symlink_metadata(to.join("dir/file")).unwrap().is_file());
        assert_eq!(fs::read_to_string(to.join("dir/other")).unwrap(), "stays");
        assert_eq!(fs::read_to_string(home.path().join("secret")).unwrap(), "kept");
        fs::write(to.join("in-the-way"), "").unwrap();
        let failure = copy_as(place(&from).as_fd(), place(&to).as_fd(), OsStr::new("in-the-way"), &RULES).unwrap_err();
        assert!(failure.cause.contains("cannot overwrite non-directory \"in-the-way\" with directory"), "{failure}");
        let file = place(&from.join("dir/file"));
        let failure = copy_as(file.as_fd(), place(&to).as_fd(), OsStr::new("dir"), &RULES).unwrap_err();
        assert!(failure.cause.contains("cannot overwrite directory \"dir\" with non-directory"), "{failure}");
    }

    #[test]
    fn a_directory_is_copied_into_itself_once() {
        let home = tempfile::tempdir().unwrap();
        let from = home.path().join("from");
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("file"), "x").unwrap();
        copy_as(place(&from).as_fd(), place(&from.join("inner")).as_fd(), OsStr::new("copy"), &RULES).unwrap();
        assert!(from.join("inner/copy/file").exists() && from.join("inner/copy/inner").exists());
        assert!(!from.join("inner/copy/inner/copy").exists());
    }
}
