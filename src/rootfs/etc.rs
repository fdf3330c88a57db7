//! /etc/hosts, /etc/hostname and /etc/resolv.conf: files of the container's record, bound over the
//! image's, so that they can be changed from outside and never become part of an image.

use super::resolve::Root;
use crate::error::{Doing, Result};
use crate::sys::mount::{Depth, attach, clone_tree};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// The files' names, in `containers/<id>/` and in /etc.
pub const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Binds [`FILES`] of the container's `directory` over the image's, but for those that the
/// user has mounted something of their own on: `covered` says whether a path is a mount's target.
/// Comes after the volumes, since one on /etc would hide the files. `directory` was opened before
/// the root file system was mounted upon it, or it would show that.
///
/// # Errors
/// The system's; a directory of the image in a file's place is EISDIR.
pub fn bind_files(root: &Root<'_>, directory: BorrowedFd<'_>, covered: impl Fn(&Path) -> bool) -> Result<()> {
    for name in FILES {
        let doing = || format!("cannot bind /etc/{name}");
        let target = Path::new("/etc").join(name);
        if covered(&target) {
            continue;
        }
        let tree = clone_tree(directory, Path::new(name), Depth::One).doing(doing)?;
        let target = root.make_file(&target).doing(doing)?;
        attach(tree.as_fd(), target.as_fd()).doing(doing)?;
    }
    Ok(())
}
