//! The destination directory: finding, making and replacing names in it, and never outside of it.
//!
//! An archive decides what symbolic links are there, so no path is handed to the kernel to be walked
//! freely. Directories are found by openat2(2) with RESOLVE_IN_ROOT: absolute links and `..` end
//! at the destination, as they will in the container, which is also what podman's chroot makes of them.
//! The last component of a name is never followed: whatever is made is made in a directory held by
//! descriptor, under a name without slashes, with O_EXCL. What stands there already is removed first,
//! unless both are directories; a file is therefore never written through a link.
//!
//! Most entries lie in the same directory as the one before, or near: descriptors of the last few parents are
//! kept, and a directory beneath one of them is one openat(2) away. Everything that could make one of them stale
//! (a removal) empties that cache.
//!
//! Modes come out right without the process's umask being known to be 0 (threads share it): see
//! [`Tree::mode_is_exact`].

use super::path;
use crate::error::errno_text;
use rustix::fs::{self, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// Why an entry cannot be unpacked.
#[derive(Debug)]
pub enum Problem {
    /// A system call failed.
    System {
        /// What was done, as `make the directory`.
        what: &'static str,
        /// errno(3)
        errno: Errno,
    },
    /// The archive asks for what it may not have.
    Refused(String),
    /// Reading the archive failed.
    Archive(io::Error),
    /// An owner without an id in the user namespace, where that is not to be squashed.
    Unmapped {
        /// The user or group.
        id: u64,
        /// How many ids the map has.
        mapped: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::System { what, errno } => write!(f, "{what}: {}", errno_text(errno.raw_os_error())),
            Problem::Refused(what) => f.write_str(what),
            Problem::Archive(error) => match error.raw_os_error() {
                Some(number) => write!(f, "read the layer: {}", errno_text(number)),
                None => write!(f, "{error}"),
            },
            Problem::Unmapped { id, .. } => write!(f, "its owner {id} is not mapped into the user namespace"),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::Archive(error)
    }
}

/// Names the activity a system call was part of.
pub trait During<T> {
    /// `what` completes "cannot", as `make the directory`.
    fn during(self, what: &'static str) -> Result<T, Problem>;
}

impl<T> During<T> for rustix::io::Result<T> {
    fn during(self, what: &'static str) -> Result<T, Problem> {
        self.map_err(|errno| Problem::System { what, errno })
    }
}

/// Overlay's marks, as `userxattr` mounts read them (Documentation/filesystems/overlayfs.rst).
pub const OPAQUE: &str = "user.overlay.opaque";
const XATTR_WHITEOUT: &str = "user.overlay.whiteout";

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What finding a directory is called in errors.
const OPEN_PARENT: &str = "open the parent directory";

/// path_resolution(7): the kernel's own limit of symbolic links in one resolution.
const MAX_LINKS: usize = 40;

/// How a deleted name is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhiteoutForm {
    /// Character device 0:0, which mknod(2) makes in user namespaces since Linux 5.8.
    Device,
    /// An empty file with `user.overlay.whiteout`, in a directory with `user.overlay.opaque=x`: read by
    /// overlay since Linux 6.7.
    Xattr,
}

/// The destination.
pub struct Tree {
    root: Rc<OwnedFd>,
    parents: ParentCache,
    /// Bits that the process's umask takes from new files, or all where it is unknown.
    umask: u32,
    whiteouts: WhiteoutForm,
    has_openat2: bool,
    /// Who owns directories that the archive does not have.
    owner: (u32, u32),
    /// Directories made because something lies in them, not because the archive has them.
    pub implied_directories: u64,
}

impl Tree {
    /// Opens `destination`, an existing directory, gives it to `owner`, as all directories that the
    /// archive does not have, and takes ACLs and the set-group-id bit off it, which new files would inherit.
    pub fn open(destination: &Path, owner: (u32, u32)) -> Result<Tree, Problem> {
        let root = fs::openat(CWD, destination, OPEN_DIRECTORY, Mode::empty()).during("open the destination")?;
        for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
            match fs::fremovexattr(&root, acl) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(Problem::System { what: "remove an ACL from the destination", errno }),
            }
        }
        if owner != (0, 0) {
            let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
            fs::fchown(&root, Some(uid), Some(gid)).during("set the destination's owner")?;
        }
        fs::fchmod(&root, Mode::from_raw_mode(0o755)).during("set the destination's mode")?;
        Ok(Tree {
            root: Rc::new(root),
            parents: ParentCache::default(),
            umask: current_umask(),
            whiteouts: WhiteoutForm::Device,
            has_openat2: true,
            owner,
            implied_directories: 0,
        })
    }

    /// Marks deletions by extended attribute from here on.
    #[cfg(test)]
    pub fn force_xattr_whiteouts(&mut self) {
        self.whiteouts = WhiteoutForm::Xattr;
    }

    /// Walks every path itself from here on, as on kernels before 5.6.
    #[cfg(test)]
    pub fn force_own_walk(&mut self) {
        self.has_openat2 = false;
    }

    /// True where a file created with `mode` has exactly that mode: no special bits, which a change
    /// of owner would clear, and none that the umask takes.
    pub fn mode_is_exact(&self, mode: u32) -> bool {
        mode & (!0o777 | self.umask) == 0
    }

    /// The directory at `path`, links in it resolved beneath the destination; it has to be there.
    pub fn find_directory(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Problem> {
        self.lookup(path, Missing::Fail)
    }

    /// The directory at `path`; what is missing of it is made, 0755 and of the owner given to [`Tree::open`].
    pub fn make_directory_path(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Problem> {
        self.lookup(path, Missing::Make)
    }

    /// Opens the directory at `path` unless the last component is anything else.
    pub fn reopen_directory(&mut self, path: &[u8]) -> Result<Option<Rc<OwnedFd>>, Problem> {
        if path.is_empty() {
            return Ok(Some(Rc::clone(&self.root)));
        }
        let (parent, name) = path::split(path);
        let opened = match self.lookup(parent, Missing::Fail) {
            Ok(parent) => fs::openat(&parent, name, OPEN_DIRECTORY, Mode::empty()),
            Err(Problem::System { errno, .. }) => Err(errno),
            // A parent is no directory any more.
            Err(Problem::Refused(_)) => return Ok(None),
            Err(problem) => return Err(problem),
        };
        match opened {
            Ok(directory) => Ok(Some(Rc::new(directory))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(Problem::System { what: "open the directory", errno }),
        }
    }

    fn lookup(&mut self, path: &[u8], missing: Missing) -> Result<Rc<OwnedFd>, Problem> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some(known) = self.parents.get(path) {
            return Ok(known);
        }
        let (ancestor, rest) = self.nearest(path);
        let is_near = !rest.contains(&b'/');
        let found = if is_near { None } else { self.find(path)?.map(Rc::new) };
        let found = match found {
            None => self.descend(ancestor, path, rest, missing)?,
            found => found,
        };
        let directory = match found {
            None => Rc::new(self.walk(path, missing)?),
            Some(directory) => directory,
        };
        self.parents.put(path, &directory);
        Ok(directory)
    }

    /// The nearest ancestor of `path` that is kept, and the rest of the path from there.
    fn nearest<'p>(&mut self, path: &'p [u8]) -> (Rc<OwnedFd>, &'p [u8]) {
        let mut ancestor = path;
        loop {
            ancestor = path::split(ancestor).0;
            if ancestor.is_empty() {
                return (Rc::clone(&self.root), path);
            }
            if let Some(directory) = self.parents.get(ancestor) {
                return (directory, &path[ancestor.len() + 1..]);
            }
        }
    }

    /// Goes the `rest` of `path` down from an ancestor, and keeps what it passes. None where it cannot, because there
    /// is a link, or something is missing that is not to be made.
    fn descend(
        &mut self,
        ancestor: Rc<OwnedFd>,
        path: &[u8],
        rest: &[u8],
        missing: Missing,
    ) -> Result<Option<Rc<OwnedFd>>, Problem> {
        let mut at = ancestor;
        let mut end = path.len() - rest.len();
        for name in rest.split(|byte| *byte == b'/') {
            let open = |at: &OwnedFd| fs::openat(at, name, OPEN_DIRECTORY, Mode::empty());
            let opened = match open(&at) {
                Err(Errno::NOENT) if missing == Missing::Make => {
                    self.make_implied(at.as_fd(), name)?;
                    open(&at)
                }
                opened => opened,
            };
            at = match opened {
                Ok(directory) => Rc::new(directory),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(errno) => return Err(Problem::System { what: OPEN_PARENT, errno }),
            };
            end += name.len();
            if end < path.len() {
                self.parents.put(&path[..end], &at);
                end += 1;
            }
        }
        Ok(Some(at))
    }

    /// Has the kernel walk to `path`. None where it is not there, or the kernel cannot.
    fn find(&mut self, path: &[u8]) -> Result<Option<OwnedFd>, Problem> {
        if !self.has_openat2 {
            return Ok(None);
        }
        match open_in_root(self.root.as_fd(), path) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            // A seccomp filter may know no openat2(2).
            Err(Errno::NOSYS | Errno::PERM) => {
                self.has_openat2 = false;
                Ok(None)
            }
            Err(errno) => Err(Problem::System { what: OPEN_PARENT, errno }),
        }
    }

    /// Walks to `path` one component at a time, links resolved beneath the destination.
    fn walk(&mut self, path: &[u8], missing: Missing) -> Result<OwnedFd, Problem> {
        let what = OPEN_PARENT;
        let mut at = Rc::clone(&self.root);
        let mut depth = 0_usize;
        let mut links = 0;
        // Components still to go, the next one last.
        let mut ahead: Vec<Vec<u8>> = Vec::new();
        push_components(&mut ahead, path);
        while let Some(component) = ahead.pop() {
            if component == b".." {
                // The destination is its own parent. No component was entered through a link, so each
                // step up undoes one step down.
                if depth > 0 {
                    depth -= 1;
                    at = Rc::new(fs::openat(&at, "..", OPEN_DIRECTORY, Mode::empty()).during(what)?);
                }
                continue;
            }
            match fs::openat(&at, &component[..], OPEN_DIRECTORY, Mode::empty()) {
                Ok(next) => {
                    at = Rc::new(next);
                    depth += 1;
                }
                Err(Errno::NOENT) if missing == Missing::Make => {
                    self.make_implied(at.as_fd(), &component)?;
                    ahead.push(component);
                }
                Err(Errno::NOTDIR | Errno::LOOP) => match self.look(at.as_fd(), &component)? {
                    Some(Found::Symlink) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Problem::System { what, errno: Errno::LOOP });
                        }
                        let target = fs::readlinkat(&at, &component[..], Vec::new()).during(what)?;
                        if target.to_bytes().starts_with(b"/") {
                            at = Rc::clone(&self.root);
                            depth = 0;
                        }
                        push_components(&mut ahead, target.to_bytes());
                    }
                    Some(Found::Whiteout) if missing == Missing::Make => {
                        self.remove(at.as_fd(), &component)?;
                        self.make_implied(at.as_fd(), &component)?;
                        self.mark_opaque_at(at.as_fd(), &component)?;
                        ahead.push(component);
                    }
                    _ => {
                        let name = path::show(&component);
                        return Err(Problem::Refused(format!("its parent `{name}` is not a directory (ENOTDIR)")));
                    }
                },
                Err(errno) => return Err(Problem::System { what, errno }),
            }
        }
        match Rc::try_unwrap(at) {
            Ok(directory) => Ok(directory),
            // The path led back to the destination.
            Err(shared) => shared.try_clone().map_err(Problem::Archive),
        }
    }

    fn make_implied(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Problem> {
        fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)).during("make a missing parent directory")?;
        if self.owner != (0, 0) {
            set_owner_at(parent, name, self.owner.0, self.owner.1)?;
        }
        if !self.mode_is_exact(0o755) {
            set_mode_at(parent, name, 0o755)?;
        }
        self.implied_directories += 1;
        Ok(())
    }

    /// What stands at `name`, itself and not what it links to.
    pub fn look(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Found>, Problem> {
        match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => found(parent, name, &stat).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Problem::System { what: "look at what is there", errno }),
        }
    }

    /// Makes room at `name`, where something stands: removes it, trees and all.
    pub fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Problem> {
        self.parents.clear();
        remove_tree(parent, name).during("remove what was there")
    }

    /// Marks `name` as deleted in the layers below. A name that this layer has itself stays: whiteouts
    /// speak of lower layers only (OCI image-spec); a directory becomes opaque, so that it is not merged
    /// with the deleted one.
    pub fn whiteout(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Problem> {
        let result = match self.whiteouts {
            WhiteoutForm::Device => fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0),
            WhiteoutForm::Xattr => xattr_whiteout(parent, name),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match self.look(parent, name)? {
                Some(Found::Directory) => self.mark_opaque_at(parent, name),
                _ => Ok(()),
            },
            Err(Errno::PERM) if self.whiteouts == WhiteoutForm::Device => {
                self.whiteouts = WhiteoutForm::Xattr;
                self.whiteout(parent, name)
            }
            Err(errno) => Err(Problem::System { what: "make the whiteout", errno }),
        }
    }

    /// Hides what the layers below have in the directory `name`.
    pub fn mark_opaque_at(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Problem> {
        let directory =
            fs::openat(parent, name, OPEN_DIRECTORY, Mode::empty()).during("mark the directory as opaque")?;
        mark_opaque(directory.as_fd())
    }
}

/// Hides what the layers below have in `directory`.
pub fn mark_opaque(directory: BorrowedFd<'_>) -> Result<(), Problem> {
    fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty()).during("mark the directory as opaque")
}

/// Sets owner of a name, itself and not what it links to.
pub fn set_owner_at(parent: BorrowedFd<'_>, name: &[u8], uid: u32, gid: u32) -> Result<(), Problem> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).during("set the owner")
}

/// Sets the mode of a name that was just made and is no link.
pub fn set_mode_at(parent: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Problem> {
    // fchmodat(2) follows links; nothing but this thread changes the tree, and the name is no link.
    fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty()).during("set the mode")
}

/// What to do about missing components of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fail,
    Make,
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A deletion mark, in either form.
    Whiteout,
    /// Anything else.
    Other,
}

fn found(parent: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Result<Found, Problem> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Found::Directory,
        FileType::Symlink => Found::Symlink,
        FileType::CharacterDevice if stat.st_rdev == 0 => Found::Whiteout,
        FileType::RegularFile if stat.st_size == 0 && has_xattr_whiteout(parent, name)? => Found::Whiteout,
        _ => Found::Other,
    })
}

fn has_xattr_whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Problem> {
    let file = fs::openat(parent, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .during("look at what is there")?;
    Ok(fs::fgetxattr(file, XATTR_WHITEOUT, &mut [0_u8; 1][..]).is_ok())
}

fn xattr_whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?;
    fs::fsetxattr(&file, XATTR_WHITEOUT, b"y", XattrFlags::empty())?;
    // "x" makes overlay look for such whiteouts in this directory; a fully opaque one needs none.
    match fs::fsetxattr(parent, OPAQUE, b"x", XattrFlags::CREATE) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

fn open_in_root(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match fs::openat2(root, path, flags, Mode::empty(), how) {
            // `..` raced with a rename or mount anywhere on the system (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Puts the components of `path` on top of the stack `ahead`, the first one last.
fn push_components(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|byte| *byte == b'/').filter(|component| !matches!(*component, b"" | b"."));
    ahead.extend(components.rev().map(<[u8]>::to_vec));
}

/// Removes `name` and all beneath it. Directories that are not empty are moved up beside each other first,
/// so neither depth nor number of open files grows with what an archive nested.
fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    if remove_one(parent, name)? == Removal::Done {
        return Ok(());
    }
    let top = fs::openat(parent, name, OPEN_DIRECTORY, Mode::empty())?;
    let mut moved = 0_u64;
    let mut full = Vec::new();
    for child in children(&top)? {
        if remove_one(top.as_fd(), &child)? == Removal::NotEmpty {
            full.push(child);
        }
    }
    while let Some(directory) = full.pop() {
        let opened = fs::openat(&top, &directory[..], OPEN_DIRECTORY, Mode::empty())?;
        for child in children(&opened)? {
            if remove_one(opened.as_fd(), &child)? == Removal::NotEmpty {
                full.push(move_up(opened.as_fd(), &child, top.as_fd(), &mut moved)?);
            }
        }
        fs::unlinkat(&top, &directory[..], AtFlags::REMOVEDIR)?;
    }
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[derive(PartialEq, Eq)]
enum Removal {
    Done,
    NotEmpty,
}

fn remove_one(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Removal> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(Removal::Done),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    match fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(Removal::Done),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Removal::NotEmpty),
        Err(errno) => Err(errno),
    }
}

fn children(directory: &OwnedFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// Moves a directory to a free name in `top`.
fn move_up(from: BorrowedFd<'_>, name: &[u8], top: BorrowedFd<'_>, moved: &mut u64) -> rustix::io::Result<Vec<u8>> {
    loop {
        let free = format!("rr-removal-{moved}").into_bytes();
        *moved += 1;
        match fs::renameat_with(from, name, top, &free[..], RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(free),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The process's umask; proc_pid_status(5) has shown it since Linux 4.7. Where it cannot be read, all bits,
/// so that no mode is taken for exact.
fn current_umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    field.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o777)
}

/// Descriptors of the last few directories that entries were made in.
#[derive(Default)]
struct ParentCache {
    /// The most recently used last.
    entries: Vec<(Vec<u8>, Rc<OwnedFd>)>,
}

impl ParentCache {
    /// Deep enough for the way up from a subdirectory, small enough to search by comparing.
    const SIZE: usize = 12;

    fn get(&mut self, path: &[u8]) -> Option<Rc<OwnedFd>> {
        let index = self.entries.iter().rposition(|(known, _)| known == path)?;
        if index + 1 < self.entries.len() {
            let entry = self.entries.remove(index);
            self.entries.push(entry);
        }
        self.entries.last().map(|(_, directory)| Rc::clone(directory))
    }

    fn put(&mut self, path: &[u8], directory: &Rc<OwnedFd>) {
        if self.entries.len() == ParentCache::SIZE {
            self.entries.remove(0);
        }
        self.entries.push((path.to_vec(), Rc::clone(directory)));
    }

    fn clear(&mut self) {
        self.entries.clear();
    }
}
