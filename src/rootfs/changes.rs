//! How a container's file system differs from what it was made from.
//!
//! One walk serves `diff`, `commit` and `export`; what it meets it tells a [`Visitor`], in the order of names,
//! directories before what is in them. A directory in which nothing but something deeper has changed is told as
//! changed too, once that something is met: the parents of a change are part of it (Docker's `diff`, OCI
//! image-spec "layer").

use super::stacked::{self, Found, Stacked, is_directory, is_opaque, is_whiteout, look, names, open_directory};
use crate::error::{Failure, Result, errno_text};
use rustix::fs::{FileType, Stat, readlinkat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

/// What has become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there and is another, or something in it is.
    Modified,
    /// It is gone.
    Removed,
}

/// One path that is there.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// From the top, without a slash in front; empty for the top itself.
    pub path: &'a [u8],
    /// How it differs.
    pub change: Change,
    /// Its attributes as the calling process sees them.
    pub stat: &'a Stat,
    /// Where to find it.
    pub place: Place<'a>,
}

/// Where to find an entry.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A directory, opened.
    Directory(BorrowedFd<'a>),
    /// Anything else: its name in a directory. It may be another thing by now.
    Name(BorrowedFd<'a>, &'a CStr),
}

/// Is told what the walk meets.
pub trait Visitor {
    /// Something that is new or changed.
    ///
    /// # Errors
    /// Its own; they end the walk.
    fn entry(&mut self, entry: &Entry<'_>) -> Result<()>;

    /// Something that is gone, with all that was in it.
    ///
    /// # Errors
    /// Its own; they end the walk.
    fn removed(&mut self, path: &[u8]) -> Result<()>;

    /// The directory `path`, told just before, has replaced one as a whole: of what that had, the names `gone` are
    /// gone, and everything that is there is told after this. `within` is true where this holds for a directory
    /// around it already.
    ///
    /// # Errors
    /// Its own; they end the walk.
    fn replaced(&mut self, path: &[u8], gone: &[CString], within: bool) -> Result<()>;
}

/// What a container's file system consists of, topmost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// The upper directory of an overlay, which may not be there yet, and the trees below it.
    Overlay {
        /// What the container has changed.
        upper: PathBuf,
        /// What it was made from.
        lower: Vec<PathBuf>,
    },
    /// A whole tree that began as a copy of the trees below it.
    Copy {
        /// The container's.
        tree: PathBuf,
        /// What it was made from.
        lower: Vec<PathBuf>,
    },
    /// A directory that the container has as it is.
    Directory(PathBuf),
}

/// Paths that are not told, without slashes in front: each with all that is in it.
pub type Left<'a> = &'a [&'a str];

/// Tells `visitor` what a container has changed. Runs as root of a user namespace that has the ids of its files.
///
/// # Errors
/// The system's, with the path it was about; the visitor's.
pub fn walk_changes(parts: &Parts, left: Left<'_>, visitor: &mut dyn Visitor) -> Result<()> {
    let (top, lower) = match parts {
        Parts::Overlay { upper, lower } => (upper, lower),
        Parts::Copy { tree, lower } => (tree, lower),
        Parts::Directory(path) => {
            let doing = format!("cannot tell what has changed in {}", path.display());
            return Err(Failure::new(doing, "it is changed in place, and there is nothing to compare it with"));
        }
    };
    let (Some(top), lower) = (open(top)?, open_all(lower)?) else { return Ok(()) };
    let mut walk = Walk::new(visitor, left);
    let result = walk.top(&top, &lower).and_then(|()| match parts {
        Parts::Overlay { .. } => walk.marks(&top, &lower),
        _ => walk.whole(&Stacked::new(vec![Rc::clone(&top)]), &lower),
    });
    result.map_err(|stop| walk.explain(stop))
}

/// Tells `visitor` all that a container has, as added. Runs where [`walk_changes`] does.
///
/// # Errors
/// As there.
pub fn walk_all(parts: &Parts, left: Left<'_>, visitor: &mut dyn Visitor) -> Result<()> {
    let all: Vec<&PathBuf> = match parts {
        Parts::Overlay { upper, lower } => std::iter::once(upper).chain(lower).collect(),
        Parts::Copy { tree, .. } => vec![tree],
        Parts::Directory(path) => vec![path],
    };
    let mut opened = Vec::new();
    for path in all {
        opened.extend(open(path)?);
    }
    let all = Stacked::new(opened);
    let mut walk = Walk::new(visitor, left);
    let top = all.top().cloned();
    let result = top
        .map_or(Ok(()), |top| walk.top(&top, &Stacked::default()))
        .and_then(|()| walk.all(&all, &Stacked::default(), false));
    result.map_err(|stop| walk.explain(stop))
}

fn open_all(paths: &[PathBuf]) -> Result<Stacked> {
    let mut opened = Vec::new();
    for path in paths {
        let directory = open(path)?;
        let gone = || Failure::new(format!("cannot open {}", path.display()), errno_text(libc::ENOENT));
        opened.push(directory.ok_or_else(gone)?);
    }
    Ok(Stacked::new(opened))
}

fn open(path: &std::path::Path) -> Result<Option<Rc<OwnedFd>>> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    match openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(directory) => Ok(Some(Rc::new(directory))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Failure::new(format!("cannot open {}", path.display()), errno_text(errno.raw_os_error()))),
    }
}

/// Why a walk ended early.
enum Stop {
    /// A system call failed at the path of the moment.
    System(Errno),
    Visitor(Failure),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::System(errno)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Visitor(failure)
    }
}

type Step<T = ()> = std::result::Result<T, Stop>;

/// A directory that is told once something in it is.
struct Pending {
    path_length: usize,
    stat: Stat,
    directory: Rc<OwnedFd>,
}

struct Walk<'a> {
    visitor: &'a mut dyn Visitor,
    left: Left<'a>,
    path: Vec<u8>,
    pending: Vec<Pending>,
}

impl<'a> Walk<'a> {
    fn new(visitor: &'a mut dyn Visitor, left: Left<'a>) -> Walk<'a> {
        // A directory deep in a deep stack holds a descriptor a layer and level.
        let _ = raise_limit();
        Walk { visitor, left, path: Vec::new(), pending: Vec::new() }
    }

    fn explain(&self, stop: Stop) -> Failure {
        match stop {
            Stop::Visitor(failure) => failure,
            Stop::System(errno) => {
                let path = String::from_utf8_lossy(&self.path);
                Failure::new(format!("cannot read /{path} of the container"), errno_text(errno.raw_os_error()))
            }
        }
    }

    /// The top itself, where its owner or mode is another than it was.
    fn top(&mut self, top: &Rc<OwnedFd>, lower: &Stacked) -> Step {
        let now = rustix::fs::fstat(top)?;
        match lower.top() {
            Some(before) if differ(&now, &rustix::fs::fstat(before)?) => {
                self.tell(Change::Modified, &now, Place::Directory(top.as_fd()))
            }
            Some(_) => Ok(()),
            None => self.tell(Change::Added, &now, Place::Directory(top.as_fd())),
        }
    }

    /// Walks the upper directory of an overlay: what is not in it has not changed.
    fn marks(&mut self, upper: &Rc<OwnedFd>, lower: &Stacked) -> Step {
        for name in names(upper.as_fd())? {
            if let Some(gone) = stacked::marked(&name) {
                let was_there = lower.find(&gone)?.is_some();
                self.named(&gone, |walk| if was_there { walk.removed() } else { Ok(()) })?;
                continue;
            }
            self.named(&name, |walk| {
                let Some(stat) = look(upper.as_fd(), &name)? else { return Ok(()) };
                let before = lower.find(&name)?;
                if is_whiteout(&stat) {
                    return if before.is_some() { walk.removed() } else { Ok(()) };
                }
                if !is_directory(&stat) {
                    let change = if before.is_some() { Change::Modified } else { Change::Added };
                    return walk.tell(change, &stat, Place::Name(upper.as_fd(), &name));
                }
                let Some(directory) = open_directory(upper.as_fd(), &name)? else { return Ok(()) };
                let directory = Rc::new(directory);
                match before.filter(|before| is_directory(&before.stat)) {
                    Some(before) if !is_opaque(directory.as_fd()) => {
                        walk.merged(&stat, &before, &directory, |walk| walk.marks(&directory, &lower.enter(&name)?))
                    }
                    before => {
                        let there = before.is_some() || lower.find(&name)?.is_some();
                        let change = if there { Change::Modified } else { Change::Added };
                        walk.tell(change, &stat, Place::Directory(directory.as_fd()))?;
                        walk.all(&Stacked::new(vec![directory]), &lower.enter(&name)?, false)
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Walks a whole tree beside what it began as.
    fn whole(&mut self, tree: &Stacked, lower: &Stacked) -> Step {
        let (now, before) = (tree.entries()?, lower.entries()?);
        let all: BTreeSet<&CString> = now.keys().chain(before.keys()).collect();
        for name in all {
            self.named(name, |walk| match (now.get(name), before.get(name)) {
                (None, _) => walk.removed(),
                (Some(found), Some(old)) if is_directory(&found.stat) && is_directory(&old.stat) => {
                    let inner = tree.enter(name)?;
                    let Some(directory) = inner.top().cloned() else { return Ok(()) };
                    walk.merged(&found.stat, old, &directory, |walk| walk.whole(&inner, &lower.enter(name)?))
                }
                (Some(found), Some(old)) if is_same(name, found, old)? => Ok(()),
                (Some(found), old) => {
                    let change = if old.is_some() { Change::Modified } else { Change::Added };
                    walk.one(tree, name, found, change, &Stacked::default(), false)
                }
            })?;
        }
        Ok(())
    }

    /// Tells everything there is, whatever was there before: of a directory that replaced another as a whole.
    fn all(&mut self, tree: &Stacked, lower: &Stacked, within: bool) -> Step {
        let (now, before) = (tree.entries()?, lower.entries()?);
        if !before.is_empty() {
            let gone: Vec<CString> = before.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
            self.visitor.replaced(&self.path, &gone, within)?;
        }
        let within = within || !before.is_empty();
        for (name, found) in &now {
            let change = if before.contains_key(name) { Change::Modified } else { Change::Added };
            self.named(name, |walk| walk.one(tree, name, found, change, lower, within))?;
        }
        Ok(())
    }

    /// Tells one entry, and all that is in it.
    fn one(
        &mut self,
        tree: &Stacked,
        name: &CStr,
        found: &Found,
        change: Change,
        lower: &Stacked,
        within: bool,
    ) -> Step {
        if !is_directory(&found.stat) {
            return self.tell(change, &found.stat, Place::Name(found.parent.as_fd(), name));
        }
        let inner = tree.enter(name)?;
        let Some(directory) = inner.top() else { return Ok(()) };
        self.tell(change, &found.stat, Place::Directory(directory.as_fd()))?;
        self.all(&inner, &lower.enter(name)?, within)
    }

    /// A directory that was one before: told now if it differs itself, else when something in it does.
    fn merged(
        &mut self,
        now: &Stat,
        before: &Found,
        directory: &Rc<OwnedFd>,
        inside: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        // What is left out changes the time of the directory it is made in.
        let has_left = self.left.iter().any(|left| self.holds(left, directory));
        if differ(now, &before.stat) || (!has_left && mtime(now) != mtime(&before.stat)) {
            self.tell(Change::Modified, now, Place::Directory(directory.as_fd()))?;
            return inside(self);
        }
        self.pending.push(Pending { path_length: self.path.len(), stat: *now, directory: Rc::clone(directory) });
        let depth = self.pending.len();
        let result = inside(self);
        self.pending.truncate(depth - 1);
        result
    }

    /// Whether one of the left paths lies directly in this directory, and is there.
    fn holds(&self, left: &str, directory: &Rc<OwnedFd>) -> bool {
        let Some((parent, name)) = left.rsplit_once('/') else { return false };
        let Ok(name) = CString::new(name) else { return false };
        parent.as_bytes() == self.path && matches!(look(directory.as_fd(), &name), Ok(Some(_)))
    }

    /// Does something to the entry `name` of the directory of the moment, unless it is to be left.
    fn named(&mut self, name: &CStr, act: impl FnOnce(&mut Self) -> Step) -> Step {
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
        if !self.left.iter().any(|left| left.as_bytes() == self.path) {
            act(self)?;
        }
        self.path.truncate(length);
        Ok(())
    }

    fn tell(&mut self, change: Change, stat: &Stat, place: Place<'_>) -> Step {
        self.tell_parents()?;
        Ok(self.visitor.entry(&Entry { path: &self.path, change, stat, place })?)
    }

    fn removed(&mut self) -> Step {
        self.tell_parents()?;
        Ok(self.visitor.removed(&self.path)?)
    }

    fn tell_parents(&mut self) -> Step {
        for parent in self.pending.drain(..) {
            let path = &self.path[..parent.path_length];
            let place = Place::Directory(parent.directory.as_fd());
            self.visitor.entry(&Entry { path, change: Change::Modified, stat: &parent.stat, place })?;
        }
        Ok(())
    }
}

/// Whether mode or owner differ.
fn differ(one: &Stat, other: &Stat) -> bool {
    (one.st_mode, one.st_uid, one.st_gid) != (other.st_mode, other.st_uid, other.st_gid)
}

fn mtime(stat: &Stat) -> (i64, i64) {
    (stat.st_mtime, stat.st_mtime_nsec as i64)
}

/// Whether a file is still what it was, as far as its attributes tell: a copy keeps owner, mode and time.
fn is_same(name: &CStr, now: &Found, before: &Found) -> rustix::io::Result<bool> {
    if differ(&now.stat, &before.stat) || mtime(&now.stat) != mtime(&before.stat) {
        return Ok(false);
    }
    match FileType::from_raw_mode(now.stat.st_mode) {
        FileType::RegularFile => Ok(now.stat.st_size == before.stat.st_size),
        FileType::Symlink => {
            Ok(readlinkat(&now.parent, name, Vec::new())? == readlinkat(&before.parent, name, Vec::new())?)
        }
        _ => Ok(true),
    }
}

/// As many open files as the user may have; Go's runtime does the same in every peer.
fn raise_limit() -> rustix::io::Result<()> {
    let hard = crate::sys::rlimit::Resource::named("nofile").map(crate::sys::rlimit::hard);
    match (crate::sys::rlimit::Resource::named("nofile"), hard) {
        (Some(resource), Some(hard)) => crate::sys::rlimit::set(resource, hard, hard),
        _ => Ok(()),
    }
}
