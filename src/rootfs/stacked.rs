//! Layers' trees read as overlay would show them, without a mount.
//!
//! Works on trees marked as overlay marks them (`userxattr`): a character device 0:0 is a whiteout,
//! `user.overlay.opaque` hides what lower layers have below a directory. Every step is one name below an open
//! directory and never follows a link, because the topmost tree may belong to a container that runs and
//! exchanges what lies in it.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, statat};
use rustix::io::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Hides what lower layers have below a directory (overlayfs, "unprivileged overlays"; fuse-overlayfs).
const OPAQUE: [&CStr; 2] = [c"user.overlay.opaque", c"user.fuseoverlayfs.opaque"];

/// fuse-overlayfs makes files of these names where it may not make devices, and always one in an opaque
/// directory. No image has such names: they are what layers mark the same with.
const MARK: &[u8] = b".wh.";

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One directory of a stack of trees: those of its layers that contribute to it, topmost first.
#[derive(Debug, Clone, Default)]
pub struct Stacked {
    parts: Vec<Rc<OwnedFd>>,
}

/// What a name in a [`Stacked`] directory leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The directory it lies in.
    pub parent: Rc<OwnedFd>,
    /// Its attributes, of the topmost layer that has it.
    pub stat: Stat,
}

impl Stacked {
    /// The directory that `parts` make together, topmost first. An opaque mark on one of them is not looked at, as
    /// overlay does not look at those of its layers' tops.
    pub fn new(parts: Vec<Rc<OwnedFd>>) -> Stacked {
        Stacked { parts }
    }

    /// The topmost of the directories, whose owner, mode and times are those of the whole.
    pub fn top(&self) -> Option<&Rc<OwnedFd>> {
        self.parts.first()
    }

    /// What `name` leads to; None where there is nothing, or a whiteout.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self, name: &CStr) -> Result<Option<Found>> {
        for part in &self.parts {
            match look(part.as_fd(), name)? {
                None => {}
                Some(stat) if is_whiteout(&stat) => return Ok(None),
                Some(stat) => return Ok(Some(Found { parent: Rc::clone(part), stat })),
            }
        }
        Ok(None)
    }

    /// All names and what they lead to, sorted bytewise.
    ///
    /// # Errors
    /// The system's.
    pub fn entries(&self) -> Result<BTreeMap<CString, Found>> {
        let mut all: BTreeMap<CString, Option<Found>> = BTreeMap::new();
        for part in &self.parts {
            for name in names(part.as_fd())? {
                if let Some(hidden) = marked(&name) {
                    all.entry(hidden).or_insert(None);
                    continue;
                }
                if all.contains_key(&name) {
                    continue;
                }
                if let Some(stat) = look(part.as_fd(), &name)? {
                    let found = (!is_whiteout(&stat)).then(|| Found { parent: Rc::clone(part), stat });
                    all.insert(name, found);
                }
            }
        }
        Ok(all.into_iter().filter_map(|(name, found)| Some((name, found?))).collect())
    }

    /// The directory `name`; empty where that is none.
    ///
    /// # Errors
    /// The system's.
    pub fn enter(&self, name: &CStr) -> Result<Stacked> {
        let mut inner = Stacked::default();
        for part in &self.parts {
            match look(part.as_fd(), name)? {
                None => continue,
                Some(stat) if is_directory(&stat) => {}
                Some(_) => break,
            }
            let Some(directory) = open_directory(part.as_fd(), name)? else { break };
            let hides = is_opaque(directory.as_fd());
            inner.parts.push(Rc::new(directory));
            if hides {
                break;
            }
        }
        Ok(inner)
    }
}

/// The names in one directory, sorted bytewise.
///
/// # Errors
/// The system's.
pub fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The attributes of `name`, itself where it is a link; None where it is not there (any more).
///
/// # Errors
/// The system's.
pub fn look(directory: BorrowedFd<'_>, name: &CStr) -> Result<Option<Stat>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Opens a directory for reading; None where it is none (any more).
///
/// # Errors
/// The system's.
pub fn open_directory(directory: BorrowedFd<'_>, name: &CStr) -> Result<Option<OwnedFd>> {
    match openat(directory, name, OPEN_DIRECTORY, Mode::empty()) {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether `stat` is that of a directory.
pub fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Whether `stat` is that of overlay's mark for a name that is gone.
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// The name that a file called `name` marks as gone, if it is a mark.
pub fn marked(name: &CStr) -> Option<CString> {
    name.to_bytes().strip_prefix(MARK).and_then(|name| CString::new(name).ok())
}

/// Whether a directory hides what lower layers have in its place.
pub fn is_opaque(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0; 1];
    OPAQUE.iter().any(|name| matches!(fgetxattr(directory, *name, &mut value), Ok(1) if value == *b"y"))
}
