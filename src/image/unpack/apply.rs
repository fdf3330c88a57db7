//! Makes the entries of an archive in a [`Tree`].
//!
//! A file costs openat, write, futimens and close, and fchown or fchmod only where what openat made is not
//! right yet. Directories get their owner, mode, time and ACLs at the very end: entries made in them would change
//! the time again, and a set-group-id bit or a default ACL would be inherited by those.

use super::entries::{Archive, Entry, Kind};
use super::header::Time;
use super::large::{LARGE, LargeFiles};
use super::ownership::{Ownership, Value};
use super::path::{self, Meaning, Relative};
use super::sparse::SparseMap;
use super::tree::{self, During, Found, Problem, Tree};
use super::{UnmappedIds, UnpackOptions, UnpackReport};
use crate::error::{Failure, Result};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// containers/storage keeps the true owner and mode of squashed files here, as `uid:gid:0mode`.
const OVERRIDE_STAT: &str = "user.containers.override_stat";

/// Hard links to devices are skipped with them; an archive with more devices than this is not an image,
/// and links to the rest are an error.
const MOST_DEVICES: usize = 1 << 16;

/// xattr(7), "VFS imposes".
const LONGEST_XATTR: usize = 64 << 10;

/// One unpacking under way.
pub struct Unpacker<'a> {
    tree: Tree,
    ownership: Ownership<'a>,
    options: &'a UnpackOptions<'a>,
    report: UnpackReport,
    /// What directories get at the end, by path.
    directories: BTreeMap<Relative, DirectoryEnd>,
    devices: BTreeSet<Relative>,
    large: LargeFiles,
}

/// Owner, as an id of the namespace this runs in, and mode, as they can be here.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
    /// The archive's, where they are different.
    squashed_from: Option<(u64, u64, u32)>,
}

/// What a directory gets at the end.
struct DirectoryEnd {
    /// Position in the archive: of two paths to one directory, the later wins.
    order: u64,
    owner: Owner,
    mtime: Time,
    acls: Vec<(Vec<u8>, Vec<u8>)>,
    state: DirectoryState,
}

/// Whether a directory is known to be as mkdirat made it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DirectoryState {
    Fresh,
    Unknown,
}

impl<'a> Unpacker<'a> {
    /// Nothing unpacked yet.
    pub fn new(tree: Tree, ownership: Ownership<'a>, options: &'a UnpackOptions<'a>) -> Unpacker<'a> {
        Unpacker {
            tree,
            ownership,
            options,
            report: UnpackReport::default(),
            directories: BTreeMap::new(),
            devices: BTreeSet::new(),
            large: LargeFiles::new(),
        }
    }

    /// Unpacks all of `tar`.
    pub fn run(mut self, tar: &mut dyn BufRead) -> Result<UnpackReport> {
        let mut archive = Archive::new(tar);
        while let Some(entry) = archive.next_entry().map_err(|error| whole(Problem::Archive(error)))? {
            self.report.entries += 1;
            if let Err(problem) = self.entry(&mut archive, &entry) {
                return Err(self.failure(&entry, problem));
            }
        }
        self.finish_directories().map_err(whole)?;
        self.report.implied_directories = self.tree.implied_directories;
        Ok(self.report)
    }

    fn failure(&self, entry: &Entry, problem: Problem) -> Failure {
        let failure = Failure::new(format!("cannot unpack `{}` of the layer", path::show(&entry.path)), &problem);
        match problem {
            Problem::Unmapped { id, mapped } => failure.hint(format!(
                "the user's ranges in /etc/subuid and /etc/subgid give {mapped} ids; an administrator can enlarge them \
                 so that {id} is among them"
            )),
            _ => failure,
        }
    }

    fn entry(&mut self, archive: &mut Archive<'_>, entry: &Entry) -> std::result::Result<(), Problem> {
        let path = path::normalize(&entry.path).map_err(Problem::Refused)?;
        let (parent, name) = path::split(&path);
        match path::meaning(&path).map_err(Problem::Refused)? {
            Meaning::AufsMetadata => return Ok(()),
            Meaning::Opaque => return self.opaque(parent),
            Meaning::Whiteout(deleted) => {
                let parent = self.tree.make_directory_path(parent)?;
                self.report.whiteouts += 1;
                return self.tree.whiteout(parent.as_fd(), deleted);
            }
            Meaning::Plain => {}
        }
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            self.skip_device(path);
            return Ok(());
        }
        if let Some((name, _)) = entry.xattrs.iter().find(|(_, value)| value.len() > LONGEST_XATTR) {
            return Err(Problem::Refused(format!("the attribute `{}` is longer than 64 KiB", path::show(name))));
        }
        if path.is_empty() {
            return self.root(entry);
        }
        if entry.kind == Kind::HardLink {
            return self.hard_link(&path, entry);
        }
        let owner = self.owner(entry)?;
        let directory = self.tree.make_directory_path(parent)?;
        let at = directory.as_fd();
        match entry.kind {
            Kind::Directory => self.directory(at, name, &path, entry, owner),
            Kind::Regular => self.regular(at, name, &path, entry, owner, archive),
            _ => self.special(at, name, &path, entry, owner),
        }
    }

    fn opaque(&mut self, directory: &[u8]) -> std::result::Result<(), Problem> {
        if directory.is_empty() {
            self.report.root_is_opaque = true;
        }
        let directory = self.tree.make_directory_path(directory)?;
        tree::mark_opaque(directory.as_fd())
    }

    fn skip_device(&mut self, path: Relative) {
        self.report.devices_skipped += 1;
        self.report.first_device.get_or_insert_with(|| path::show(&path));
        if self.devices.len() < MOST_DEVICES {
            self.devices.insert(path);
        }
    }

    /// The entry of the layer's top.
    fn root(&mut self, entry: &Entry) -> std::result::Result<(), Problem> {
        if entry.kind != Kind::Directory {
            return Err(Problem::Refused("only a directory can have this name".into()));
        }
        self.report.has_root_entry = true;
        let owner = self.owner(entry)?;
        let root = self.tree.make_directory_path(b"")?;
        self.set_directory_xattrs(root.as_fd(), entry)?;
        self.end_later(Relative::new(), entry, owner, DirectoryState::Unknown);
        Ok(())
    }

    fn directory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &Relative,
        entry: &Entry,
        owner: Owner,
    ) -> std::result::Result<(), Problem> {
        let make = || fs::mkdirat(parent, name, Mode::from_raw_mode(owner.mode & 0o777));
        let state = match make() {
            Ok(()) => DirectoryState::Fresh,
            Err(Errno::EXIST) => match self.tree.look(parent, name)? {
                Some(Found::Directory) => DirectoryState::Unknown,
                what => {
                    self.remove(parent, name, path)?;
                    make().during("make the directory")?;
                    if what == Some(Found::Whiteout) {
                        self.tree.mark_opaque_at(parent, name)?;
                    }
                    DirectoryState::Fresh
                }
            },
            Err(errno) => return Err(Problem::System { what: "make the directory", errno }),
        };
        if !entry.xattrs.is_empty() {
            let directory = self.tree.make_directory_path(path)?;
            self.set_directory_xattrs(directory.as_fd(), entry)?;
        }
        self.end_later(path.clone(), entry, owner, state);
        Ok(())
    }

    fn end_later(&mut self, path: Relative, entry: &Entry, owner: Owner, mut state: DirectoryState) {
        if self.directories.contains_key(&path) {
            state = DirectoryState::Unknown;
        }
        let acls = entry.xattrs.iter().filter(|(name, _)| fate(name) == Fate::SetAtTheEnd).cloned().collect();
        let end = DirectoryEnd { order: self.report.entries, owner, mtime: entry.mtime, acls, state };
        self.directories.insert(path, end);
    }

    fn regular(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &Relative,
        entry: &Entry,
        owner: Owner,
        archive: &mut Archive<'_>,
    ) -> std::result::Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(owner.mode & 0o777);
        let file = self.make(parent, name, path, "create the file", || fs::openat(parent, name, flags, mode))?;
        match &entry.sparse {
            Some(map) => write_sparse(&file, map, archive)?,
            None if entry.size >= LARGE => self.large.write(&file, archive)?,
            None => write_plain(&file, archive)?,
        }
        self.report.bytes += entry.size;
        if (owner.uid, owner.gid) != (0, 0) {
            set_owner(&file, owner)?;
        }
        if !self.tree.mode_is_exact(owner.mode) {
            fs::fchmod(&file, Mode::from_raw_mode(owner.mode)).during("set the mode")?;
        }
        for (name, value) in &entry.xattrs {
            match fate(name) {
                Fate::Drop => self.drop_xattr(entry, name),
                Fate::Set | Fate::SetAtTheEnd => self.set_xattr(file.as_fd(), &entry.path, name, value)?,
            }
        }
        self.remember_squashed(file.as_fd(), owner)?;
        fs::futimens(&file, &entry.mtime.timestamps()).during("set the time")
    }

    /// Symbolic links and fifos.
    fn special(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &Relative,
        entry: &Entry,
        owner: Owner,
    ) -> std::result::Result<(), Problem> {
        if entry.kind == Kind::Symlink {
            let target = &entry.link[..];
            self.make(parent, name, path, "make the symbolic link", || fs::symlinkat(target, parent, name))?;
        } else {
            let mode = Mode::from_raw_mode(owner.mode & 0o777);
            let make = || fs::mknodat(parent, name, FileType::Fifo, mode, 0);
            self.make(parent, name, path, "make the fifo", make)?;
        }
        if (owner.uid, owner.gid) != (0, 0) {
            tree::set_owner_at(parent, name, owner.uid, owner.gid)?;
        }
        if entry.kind == Kind::Fifo && !self.tree.mode_is_exact(owner.mode) {
            tree::set_mode_at(parent, name, owner.mode)?;
        }
        // Only `trusted` and other modules' `security` attributes can be on these (xattr(7)).
        for (name, _) in &entry.xattrs {
            self.drop_xattr(entry, name);
        }
        fs::utimensat(parent, name, &entry.mtime.timestamps(), AtFlags::SYMLINK_NOFOLLOW).during("set the time")
    }

    /// A second name for a file of this layer. Whatever the entry says of owner, mode and time is the file's
    /// already.
    fn hard_link(&mut self, path: &Relative, entry: &Entry) -> std::result::Result<(), Problem> {
        let target = path::normalize(&entry.link).map_err(Problem::Refused)?;
        if self.devices.contains(&target) {
            self.skip_device(path.clone());
            return Ok(());
        }
        let missing = || Problem::Refused(format!("it links to `{}`, which is not in this layer", path::show(&target)));
        let (target_parent, target_name) = path::split(&target);
        if target_name.is_empty() {
            return Err(Problem::Refused("it links to the layer itself".into()));
        }
        let (parent, name) = path::split(path);
        let parent = self.tree.make_directory_path(parent)?;
        let parent = parent.as_fd();
        let target_parent = match self.tree.find_directory(target_parent) {
            Err(Problem::System { errno: Errno::NOENT, .. }) => return Err(missing()),
            result => result?,
        };
        let at = target_parent.as_fd();
        // Flags empty: a link to a symbolic link is a second name of the link itself.
        let link = || fs::linkat(at, target_name, parent, name, AtFlags::empty());
        match link() {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => Err(missing()),
            Err(Errno::EXIST) => {
                let of_target = match fs::statat(at, target_name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => return Err(missing()),
                    result => result.during("look at the link's target")?,
                };
                let of_name = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).during("look at what is there")?;
                if (of_target.st_dev, of_target.st_ino) == (of_name.st_dev, of_name.st_ino) {
                    return Ok(());
                }
                self.remove(parent, name, path)?;
                link().during("make the hard link")
            }
            Err(errno) => Err(Problem::System { what: "make the hard link", errno }),
        }
    }

    /// Makes something that is no directory at `name`, in the place of what is there.
    fn make<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &Relative,
        what: &'static str,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> std::result::Result<T, Problem> {
        match make() {
            Err(Errno::EXIST) => {
                self.remove(parent, name, path)?;
                make().during(what)
            }
            result => result.during(what),
        }
    }

    /// Removes what an earlier entry made at `path`, and forgets what directories there were to get.
    fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &Relative) -> std::result::Result<(), Problem> {
        self.tree.remove(parent, name)?;
        self.directories.remove(path);
        let beneath = path::join(path, b"");
        let gone: Vec<Relative> = self
            .directories
            .range(beneath.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&beneath))
            .cloned()
            .collect();
        for path in gone {
            self.directories.remove(&path);
        }
        Ok(())
    }

    /// Owner and mode with what is not mapped given to the container's root. The set-id bit of a squashed id
    /// goes: it would let anyone in the container become the container's root.
    fn owner(&mut self, entry: &Entry) -> std::result::Result<Owner, Problem> {
        let (uid, gid) = (self.ownership.user(entry.uid), self.ownership.group(entry.gid));
        let mut mode = entry.mode;
        if let (Some(uid), Some(gid)) = (uid, gid) {
            return Ok(Owner { uid, gid, mode, squashed_from: None });
        }
        if self.options.unmapped == UnmappedIds::Refuse {
            let ids = self.options.ids;
            let (id, map) = if uid.is_none() { (entry.uid, &ids.users) } else { (entry.gid, &ids.groups) };
            return Err(Problem::Unmapped { id, mapped: map.total() });
        }
        if uid.is_none() {
            mode &= !0o4000;
        }
        if gid.is_none() && entry.kind != Kind::Directory {
            mode &= !0o2000;
        }
        self.report.squashed += 1;
        self.report.first_squashed.get_or_insert_with(|| path::show(&entry.path));
        let squashed_from = Some((entry.uid, entry.gid, entry.mode));
        let root = self.ownership.root();
        Ok(Owner { uid: uid.unwrap_or(root.0), gid: gid.unwrap_or(root.1), mode, squashed_from })
    }

    fn remember_squashed(&self, file: BorrowedFd<'_>, owner: Owner) -> std::result::Result<(), Problem> {
        let Some((uid, gid, mode)) = owner.squashed_from else { return Ok(()) };
        let value = format!("{uid}:{gid}:0{mode:o}");
        fs::fsetxattr(file, OVERRIDE_STAT, value.as_bytes(), XattrFlags::empty()).during("remember the true owner")
    }

    fn set_directory_xattrs(&mut self, directory: BorrowedFd<'_>, entry: &Entry) -> std::result::Result<(), Problem> {
        for (name, value) in &entry.xattrs {
            match fate(name) {
                Fate::Drop => self.drop_xattr(entry, name),
                Fate::Set => self.set_xattr(directory, &entry.path, name, value)?,
                Fate::SetAtTheEnd => {}
            }
        }
        Ok(())
    }

    /// Sets an attribute; one that this file system or kernel does not take, or that speaks of ids which are not
    /// mapped (an ACL), is dropped and counted.
    fn set_xattr(
        &mut self,
        file: BorrowedFd<'_>,
        path: &[u8],
        name: &[u8],
        value: &[u8],
    ) -> std::result::Result<(), Problem> {
        let Value::Set(value) = self.ownership.attribute(name, value) else {
            self.count_dropped(path, name);
            return Ok(());
        };
        match fs::fsetxattr(file, name, &value, XattrFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => {
                self.count_dropped(path, name);
                Ok(())
            }
            Err(errno) => Err(Problem::System { what: "set an extended attribute", errno }),
        }
    }

    fn drop_xattr(&mut self, entry: &Entry, name: &[u8]) {
        self.count_dropped(&entry.path, name);
    }

    fn count_dropped(&mut self, path: &[u8], name: &[u8]) {
        self.report.xattrs_dropped += 1;
        self.report.first_xattr_dropped.get_or_insert_with(|| format!("{}: {}", path::show(path), path::show(name)));
    }

    /// Gives directories what they get at the end, in the archive's order.
    fn finish_directories(&mut self) -> std::result::Result<(), Problem> {
        let mut ends: Vec<(Relative, DirectoryEnd)> = std::mem::take(&mut self.directories).into_iter().collect();
        ends.sort_unstable_by_key(|(_, end)| end.order);
        for (path, end) in ends {
            // None where something else has taken its place by another path (a link's).
            let Some(directory) = self.tree.reopen_directory(&path)? else { continue };
            self.finish_directory(&directory, &path, &end)?;
        }
        Ok(())
    }

    fn finish_directory(
        &mut self,
        directory: &OwnedFd,
        path: &[u8],
        end: &DirectoryEnd,
    ) -> std::result::Result<(), Problem> {
        let owner = end.owner;
        let fresh = end.state == DirectoryState::Fresh;
        if !fresh || (owner.uid, owner.gid) != (0, 0) {
            set_owner(directory, owner)?;
        }
        if !fresh || !self.tree.mode_is_exact(owner.mode) {
            fs::fchmod(directory, Mode::from_raw_mode(owner.mode)).during("set the mode")?;
        }
        for (name, value) in &end.acls {
            self.set_xattr(directory.as_fd(), path, name, value)?;
        }
        self.remember_squashed(directory.as_fd(), owner)?;
        fs::futimens(directory, &end.mtime.timestamps()).during("set the time")
    }
}

/// A failure that is not one entry's.
fn whole(problem: Problem) -> Failure {
    Failure::new("cannot unpack the layer", problem)
}

fn set_owner(file: &OwnedFd, owner: Owner) -> std::result::Result<(), Problem> {
    fs::fchown(file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).during("set the owner")
}

/// What becomes of an extended attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Set,
    /// On directories: it would be inherited by what is made in them.
    SetAtTheEnd,
    Drop,
}

/// `user` attributes, file capabilities and ACLs are an image's. `trusted` and what security modules keep cannot be
/// set here. Those that overlay, fuse-overlayfs and rr itself read their own state from are never taken from an
/// archive: they could hide or redirect what lies below, or forge an owner.
fn fate(name: &[u8]) -> Fate {
    const OURS: [&[u8]; 3] = [b"user.overlay.", b"user.fuseoverlayfs.", b"user.containers.override_stat"];
    if name == b"system.posix_acl_access" || name == b"system.posix_acl_default" {
        return Fate::SetAtTheEnd;
    }
    let kept = name == b"security.capability" || name.starts_with(b"user.");
    if kept && !OURS.iter().any(|ours| name.starts_with(ours)) { Fate::Set } else { Fate::Drop }
}

/// Writes the rest of an entry's data.
///
/// # Errors
/// Of the archive, and the system's.
pub(super) fn write_plain(file: &OwnedFd, archive: &mut Archive<'_>) -> std::result::Result<(), Problem> {
    loop {
        let piece = archive.data()?;
        if piece.is_empty() {
            return Ok(());
        }
        let amount = write_some(|| rustix::io::write(file, piece))?;
        archive.consume(amount);
    }
}

/// Writes all of `bytes`.
///
/// # Errors
/// The system's.
pub(super) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> std::result::Result<(), Problem> {
    while !bytes.is_empty() {
        bytes = &bytes[write_some(|| rustix::io::write(file, bytes))?..];
    }
    Ok(())
}

/// Writes an entry's data where its map says, and makes the file as long as it says.
fn write_sparse(file: &OwnedFd, map: &SparseMap, archive: &mut Archive<'_>) -> std::result::Result<(), Problem> {
    fs::ftruncate(file, map.real_size).during("set the sparse file's size")?;
    for extent in &map.extents {
        let (mut offset, mut left) = (extent.offset, extent.length);
        while left > 0 {
            let piece = archive.data()?;
            let limit = usize::try_from(left).unwrap_or(usize::MAX);
            let piece = &piece[..piece.len().min(limit)];
            let amount = write_some(|| rustix::io::pwrite(file, piece, offset))?;
            archive.consume(amount);
            offset += amount as u64;
            left -= amount as u64;
        }
    }
    Ok(())
}

fn write_some(write: impl Fn() -> rustix::io::Result<usize>) -> std::result::Result<usize, Problem> {
    rustix::io::retry_on_intr(write).during("write the file")
}
