//! What makes a copy of a file one: its data with the holes, and all that belongs to it.
//!
//! Shared by whoever copies trees by descriptors ([`super::copy_up`], [`super::copy_tree`]).

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// Copies one regular file, its holes as holes: an image may hold a file that is longer than the disk.
pub(super) fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy = File::from(rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?);
    copy_data(&source, &copy, u64::try_from(stat.st_size).unwrap_or(0))?;
    give_metadata(source.as_fd(), copy.as_fd(), stat)
}

/// Copies `length` bytes of `source` into the empty file `copy`, holes as holes.
pub(super) fn copy_data(source: &File, copy: &File, length: u64) -> rustix::io::Result<()> {
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(source, SeekFrom::Data(at)) {
            // Only a hole is left.
            Err(Errno::NXIO) => break,
            other => other?,
        };
        let end = rustix::fs::seek(source, SeekFrom::Hole(start))?.min(length);
        rustix::fs::seek(source, SeekFrom::Start(start))?;
        rustix::fs::seek(copy, SeekFrom::Start(start))?;
        let mut piece: std::io::Take<&File> = source.take(end.saturating_sub(start));
        let mut into: &File = copy;
        let copied = std::io::copy(&mut piece, &mut into);
        copied.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        at = end.max(start + 1);
    }
    rustix::fs::ftruncate(copy, length)
}

/// Owner, permissions, extended attributes and times, in the order in which none undoes another:
/// chown(2) takes the set-user-ID bit and the capabilities away.
pub(super) fn give_metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> rustix::io::Result<()> {
    rustix::fs::fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_attributes(from, to)?;
    rustix::fs::futimens(to, &times(stat))
}

/// The extended attributes that belong to the content: the user's, file capabilities, access control
/// lists. Labels and overlay's own are the host's business.
pub(super) fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
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
pub(super) fn give_owner_and_times(to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// The names in a directory that was opened to be read, without `.` and `..`.
///
/// # Errors
/// The system's.
pub fn names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Opens a directory to be read; a link is not followed.
pub(super) fn open_directory(parent: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// File systems of the kernel that are no part of a container's files (statfs(2)): proc, sysfs, cgroup,
/// cgroup2, devpts, mqueue.
const KERNELS: [u64; 6] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x1cd1, 0x1980_0202];

/// Whether the place lies in a file system of the kernel.
pub fn is_kernels(place: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(place).is_ok_and(|stat| KERNELS.contains(&(stat.f_type as u64)))
}

/// Opens the directory at a place (`O_PATH`) to be read.
///
/// # Errors
/// The system's.
pub fn reopen_directory(place: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(place, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the regular file at a place (`O_PATH`) to be read; the magic link names that very file.
///
/// # Errors
/// The system's.
pub fn reopen_file(place: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, in_proc(place), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The name under which this process can reach what a descriptor is open on (proc_pid_fd(5)).
pub fn in_proc(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
