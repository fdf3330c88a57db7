//! A tar archive becomes files on its way in: `cp - CONTAINER:PATH` and `volume import`.
//!
//! Names of the archive and links that are there already are resolved inside the root, by the kernel
//! ([`Root`]); what is made is made anew in a directory that is open, and never through a link. Owners
//! in the archive are the container's.

use crate::error::{Failure, IntoCause, Result};
use crate::image::stream::INPUT_BUFFER;
use crate::image::unpack::entries::{Archive, Entry, Kind};
use crate::image::unpack::header::Time;
use crate::image::unpack::path::{normalize, split};
use crate::image::unpack::sparse::SparseMap;
use crate::rootfs::copy_tree::Report;
use crate::rootfs::replicate::in_proc;
use crate::rootfs::resolve::Root;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where an archive goes.
pub struct Destination<'a> {
    /// What paths are confined to.
    pub root: Root<'a>,
    /// The directory inside, which exists, that names of the archive are below.
    pub directory: &'a Path,
    /// Owner and group here by those in the archive.
    pub owner: &'a dyn Fn(u64, u64) -> (u32, u32),
}

/// Unpacks the whole archive.
///
/// # Errors
/// It is damaged, or leads out; what is there excludes what comes, in Docker's words; the system's.
pub fn unpack(reader: &mut dyn Read, destination: &Destination<'_>) -> Result<Report> {
    let mut unpacker = Unpacker { destination, report: Report::default(), directories: Vec::new() };
    let mut buffered = BufReader::with_capacity(INPUT_BUFFER, &mut *reader);
    let mut archive = Archive::new(&mut buffered);
    loop {
        let next = archive.next_entry();
        let Some(entry) = next.map_err(|error| Failure::new("cannot read the archive", error.into_cause()))? else {
            break;
        };
        unpacker.entry(&entry, &mut archive)?;
    }
    // Whoever writes to the pipe need not be killed for what comes after the end.
    io::copy(reader, &mut io::sink()).map_err(|error| Failure::new("cannot read the archive", error.into_cause()))?;
    unpacker.set_times_of_directories();
    Ok(unpacker.report)
}

struct Unpacker<'a> {
    destination: &'a Destination<'a>,
    report: Report,
    /// What is made in a directory changes its time, so theirs are set at the end.
    directories: Vec<(PathBuf, Time)>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &Entry, archive: &mut Archive<'_>) -> Result<()> {
        let path = normalize(&entry.path).map_err(|why| Failure::new("cannot unpack the archive", why))?;
        if path.is_empty() {
            // The directory itself, which keeps what it has.
            return Ok(());
        }
        let (parent, name) = split(&path);
        let (shown, name) = (Path::new(OsStr::from_bytes(&path)), OsStr::from_bytes(name));
        let made = self
            .parent(Path::new(OsStr::from_bytes(parent)))
            .and_then(|parent| self.make(entry, parent.as_fd(), name, shown, archive));
        made.map_err(|problem| problem.of(shown))
    }

    /// The directory in which an entry is to be; missing ones are made, the container's root's.
    fn parent(&self, path: &Path) -> std::result::Result<OwnedFd, Problem> {
        let Destination { root, directory, owner } = self.destination;
        let whole = directory.join(path);
        match root.open_dir_in_root(&whole) {
            Err(Errno::NOENT) => {
                let made = root.make_dir_all(&whole, 0o755)?;
                let (uid, gid) = owner(0, 0);
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                rustix::fs::chownat(&made, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
                Ok(made)
            }
            opened => Ok(opened?),
        }
    }

    fn make(
        &mut self,
        entry: &Entry,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        archive: &mut Archive<'_>,
    ) -> std::result::Result<(), Problem> {
        match entry.kind {
            Kind::Directory => {
                let directory = make_directory(parent, name, path)?;
                self.directories.push((path.to_owned(), entry.mtime));
                self.finish(directory.as_fd(), entry)
            }
            Kind::Regular => {
                clear(parent, name, path)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
                match &entry.sparse {
                    Some(map) => write_sparse(&file, map, archive)?,
                    None => write_plain(&file, archive)?,
                }
                self.report.bytes += entry.size;
                self.finish(file.as_fd(), entry)?;
                Ok(rustix::fs::futimens(&file, &entry.mtime.timestamps())?)
            }
            Kind::HardLink => self.hard_link(entry, parent, name, path),
            Kind::Symlink => {
                clear(parent, name, path)?;
                rustix::fs::symlinkat(OsStr::from_bytes(&entry.link), parent, name)?;
                self.finish_name(parent, name, entry)
            }
            Kind::Fifo => {
                clear(parent, name, path)?;
                let mode = Mode::from_raw_mode(entry.mode & 0o777);
                rustix::fs::mknodat(parent, name, FileType::Fifo, mode, 0)?;
                self.finish_name(parent, name, entry)
            }
            Kind::CharDevice | Kind::BlockDevice => {
                self.report.skipped += 1;
                self.report.first_skipped.get_or_insert_with(|| path.display().to_string());
                Ok(())
            }
        }
    }

    fn hard_link(
        &self,
        entry: &Entry,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
    ) -> std::result::Result<(), Problem> {
        let link = normalize(&entry.link).map_err(Problem::Words)?;
        let Destination { root, directory, .. } = self.destination;
        let target = root.open_existing(&directory.join(OsStr::from_bytes(&link)), OFlags::PATH | OFlags::NOFOLLOW)?;
        let identity = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|there| identity(target.as_fd()) == Ok((there.st_dev, there.st_ino))) {
            return Ok(());
        }
        clear(parent, name, path)?;
        Ok(rustix::fs::linkat(CWD, in_proc(target.as_fd()), parent, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn finish(&self, file: BorrowedFd<'_>, entry: &Entry) -> std::result::Result<(), Problem> {
        let (uid, gid) = (self.destination.owner)(entry.uid, entry.gid);
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode))?;
        for (name, value) in &entry.xattrs {
            // Others are the host's business, or overlay's own.
            if !name.starts_with(b"user.") || name.starts_with(b"user.overlay.") {
                continue;
            }
            match rustix::fs::fsetxattr(file, OsStr::from_bytes(name), value, XattrFlags::empty()) {
                Err(Errno::NOTSUP) => log::debug!("the file system cannot keep {}", String::from_utf8_lossy(name)),
                set => set?,
            }
        }
        Ok(())
    }

    fn finish_name(&self, parent: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> std::result::Result<(), Problem> {
        let (uid, gid) = (self.destination.owner)(entry.uid, entry.gid);
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(rustix::fs::utimensat(parent, name, &entry.mtime.timestamps(), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn set_times_of_directories(&self) {
        let Destination { root, directory, .. } = self.destination;
        for (path, time) in self.directories.iter().rev() {
            let opened = root.open_existing(&directory.join(path), OFlags::RDONLY | OFlags::DIRECTORY);
            // One that somebody has taken away meanwhile needs no time.
            if let Err(errno) = opened.and_then(|opened| rustix::fs::futimens(&opened, &time.timestamps())) {
                log::debug!("{}: {errno}", path.display());
            }
        }
    }
}

/// What went wrong with an entry.
enum Problem {
    System(Errno),
    Archive(io::Error),
    Words(String),
}

impl Problem {
    fn of(self, path: &Path) -> Failure {
        let doing = format!("cannot unpack {}", path.display());
        match self {
            Problem::System(errno) => Failure::new(doing, errno.into_cause()),
            Problem::Archive(error) => Failure::new(doing, error.into_cause()),
            Problem::Words(words) => Failure::new(doing, words),
        }
    }
}

impl From<Errno> for Problem {
    fn from(errno: Errno) -> Problem {
        Problem::System(errno)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::Archive(error)
    }
}

fn make_directory(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> std::result::Result<OwnedFd, Problem> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let shown = path.display();
            Err(Problem::Words(format!("cannot overwrite non-directory \"{shown}\" with directory \"{shown}\"")))
        }
        opened => Ok(opened?),
    }
}

/// Makes room for what is no directory.
fn clear(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> std::result::Result<(), Problem> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            let shown = path.display();
            Err(Problem::Words(format!("cannot overwrite directory \"{shown}\" with non-directory \"{shown}\"")))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn write_plain(mut file: &File, archive: &mut Archive<'_>) -> io::Result<()> {
    loop {
        let piece = archive.data()?;
        if piece.is_empty() {
            return Ok(());
        }
        let amount = file.write(piece)?;
        archive.consume(amount);
    }
}

fn write_sparse(file: &File, map: &SparseMap, archive: &mut Archive<'_>) -> io::Result<()> {
    file.set_len(map.real_size)?;
    for extent in &map.extents {
        let (mut offset, mut left) = (extent.offset, extent.length);
        while left > 0 {
            let piece = archive.data()?;
            let limit = usize::try_from(left).unwrap_or(usize::MAX);
            let amount = file.write_at(&piece[..piece.len().min(limit)], offset)?;
            if amount == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            archive.consume(amount);
            (offset, left) = (offset + amount as u64, left - amount as u64);
        }
    }
    Ok(())
}
