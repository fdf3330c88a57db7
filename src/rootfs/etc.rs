//! /etc/hosts, /etc/hostname and /etc/resolv.conf: rr's own files, bound over the image's, so that they
//! describe the host as it is at this start and never become part of an image.

use super::resolve::Root;
use crate::error::{Doing, Result};
use crate::sys::mount::{Attributes, Depth, attach, clone_tree, new_mount, open_place};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A file's name, below /etc and in the directory it is bound from, and its text.
pub type NameFile = (&'static str, String);

/// The files' names.
pub const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// A small file system in memory for the files, mounted upon `place`: what is bound must be attached
/// somewhere (open_tree(2) clones detached mounts since Linux 6.15 only).
///
/// # Errors
/// The system's.
pub fn mount_memory(place: BorrowedFd<'_>) -> Result<OwnedFd> {
    let doing = || "cannot mount a file system for /etc/hosts";
    let options = [("source", Some("names")), ("mode", Some("755")), ("size", Some("65536k"))];
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV;
    let memory = new_mount("tmpfs", &options, attributes).doing(doing)?;
    attach(memory.as_fd(), place).doing(doing)?;
    Ok(memory)
}

/// Writes the files into `directory`, over those of an earlier start. Runs as the container's root, whose
/// files they become.
///
/// # Errors
/// The system's: no space left.
pub fn write_files(directory: BorrowedFd<'_>, files: &[NameFile]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for (name, text) in files {
        let doing = || format!("cannot write /etc/{name}");
        let file = rustix::fs::openat(directory, *name, flags, Mode::from_raw_mode(0o644)).doing(doing)?;
        File::from(file).write_all(text.as_bytes()).doing(doing)?;
    }
    Ok(())
}

/// The files of another container, opened to be bound by a process that may not walk there any more; those that are not
/// there are left out.
pub fn open_files(directory: &Path) -> Vec<(&'static str, OwnedFd)> {
    FILES.iter().filter_map(|name| Some((*name, open_place(&directory.join(name)).ok()?))).collect()
}

/// One of the files: its name, and where it lies, as a path relative to a descriptor.
pub type Place<'a> = (&'static str, BorrowedFd<'a>, &'a Path);

/// Binds the files over the image's, but for those that the user has mounted something of their own on: `covered` says
/// whether a path is a mount's target. Comes after the volumes, since one on /etc would hide the files.
///
/// # Errors
/// The system's; a directory of the image in a file's place is EISDIR.
pub fn bind_files(root: &Root<'_>, files: &[Place<'_>], covered: impl Fn(&Path) -> bool) -> Result<()> {
    for (name, directory, path) in files {
        let doing = || format!("cannot bind /etc/{name}");
        let target = Path::new("/etc").join(name);
        if covered(&target) {
            continue;
        }
        let tree = clone_tree(*directory, path, Depth::One).doing(doing)?;
        let target = root.make_file(&target).doing(doing)?;
        attach(tree.as_fd(), target.as_fd()).doing(doing)?;
    }
    Ok(())
}
