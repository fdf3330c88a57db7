//! Files become a tar archive on their way out: `cp CONTAINER:PATH -` and `volume export`.
//!
//! As in [`crate::rootfs::copy_tree`], nothing is looked up twice and nothing but files and directories is
//! opened. Owners in the archive are the container's.

use crate::error::{Failure, IntoCause, Result};
use crate::image::pack::tar::{Header, Kind, TarWriter};
use crate::rootfs::copy_tree::Report;
use crate::rootfs::replicate::{is_kernels, names, reopen_directory, reopen_file};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A tar archive being written.
pub struct Packer<'a, W: Write> {
    tar: TarWriter<W>,
    /// Owner and group as the archive is to have them.
    owner: &'a dyn Fn(u32, u32) -> (u64, u64),
    /// Files with several names, by device and inode: the first of them in the archive.
    linked: HashMap<(u64, u64), PathBuf>,
    report: Report,
}

impl<'a, W: Write> Packer<'a, W> {
    /// Begins an archive.
    pub fn new(out: W, owner: &'a dyn Fn(u32, u32) -> (u64, u64)) -> Packer<'a, W> {
        Packer { tar: TarWriter::new(out), owner, linked: HashMap::new(), report: Report::default() }
    }

    /// Adds what is at `place`, and all below it, under the name `path`.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn add(&mut self, place: BorrowedFd<'_>, path: &Path) -> Result<()> {
        self.entry(place, path, None)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> Result<Report> {
        self.tar.finish().map_err(|error| Failure::new("cannot write the archive", error.into_cause()))?;
        Ok(self.report)
    }

    fn entry(&mut self, place: BorrowedFd<'_>, path: &Path, device: Option<u64>) -> Result<()> {
        let stat = rustix::fs::fstat(place).map_err(|errno| failed(path, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.put(path, &self.header(path, Kind::Directory, &stat))?;
                // What the kernel mounts there is no part of the files, but its place is.
                if device.is_some_and(|device| device != stat.st_dev) && is_kernels(place) {
                    return Ok(());
                }
                self.entries(place, path, &stat)
            }
            FileType::RegularFile => self.regular(place, path, &stat),
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(place, c"", Vec::new()).map_err(|errno| failed(path, errno))?;
                self.put(path, &Header { link: link.into_bytes(), ..self.header(path, Kind::Symlink, &stat) })
            }
            FileType::Fifo => self.put(path, &self.header(path, Kind::Fifo, &stat)),
            _ => {
                self.report.skipped += 1;
                self.report.first_skipped.get_or_insert_with(|| path.display().to_string());
                Ok(())
            }
        }
    }

    fn entries(&mut self, place: BorrowedFd<'_>, path: &Path, stat: &Stat) -> Result<()> {
        let here = |errno| failed(path, errno);
        let directory = reopen_directory(place).map_err(here)?;
        let mut all = names(directory.as_fd()).map_err(here)?;
        all.sort_unstable();
        for name in all {
            let inner = path.join(OsStr::from_bytes(name.to_bytes()));
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&directory, &name, flags, Mode::empty()) {
                // Somebody is at work here.
                Err(Errno::NOENT) => {}
                entry => {
                    self.entry(entry.map_err(|errno| failed(&inner, errno))?.as_fd(), &inner, Some(stat.st_dev))?
                }
            }
        }
        Ok(())
    }

    fn regular(&mut self, place: BorrowedFd<'_>, path: &Path, stat: &Stat) -> Result<()> {
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.linked.get(&identity) {
                let link = first.as_os_str().as_bytes().to_vec();
                return self.put(path, &Header { link, ..self.header(path, Kind::HardLink, stat) });
            }
            self.linked.insert(identity, path.to_owned());
        }
        let mut file = File::from(reopen_file(place).map_err(|errno| failed(path, errno))?);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.put(path, &Header { size, ..self.header(path, Kind::Regular, stat) })?;
        self.report.bytes += size;
        self.content(&mut file, size).map_err(|error| failed_io(path, error))
    }

    /// Copies so many bytes: the header has said how long the file is. One that shrinks meanwhile ends in
    /// zeros, as with tar(1).
    fn content(&mut self, file: &mut File, size: u64) -> io::Result<()> {
        let mut left = size;
        let mut buffer = vec![0; usize::try_from(size.clamp(1, 128 << 10)).unwrap_or(1)];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match file.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return self.tar.fill(left),
                length => {
                    let length = length?;
                    self.tar.data(&buffer[..length])?;
                    left -= length as u64;
                }
            }
        }
        Ok(())
    }

    fn header(&self, path: &Path, kind: Kind, stat: &Stat) -> Header {
        let (uid, gid) = (self.owner)(stat.st_uid, stat.st_gid);
        Header {
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            mtime: stat.st_mtime,
            mtime_nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ..Header::new(path.as_os_str().as_bytes(), kind)
        }
    }

    fn put(&mut self, path: &Path, header: &Header) -> Result<()> {
        self.tar.entry(header).map_err(|error| failed_io(path, error))
    }
}

fn failed(path: &Path, errno: Errno) -> Failure {
    Failure::new(format!("cannot copy {}", path.display()), errno.into_cause())
}

fn failed_io(path: &Path, error: io::Error) -> Failure {
    Failure::new(format!("cannot write {} to the archive", path.display()), error.into_cause())
}
