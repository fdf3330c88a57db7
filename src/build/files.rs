//! `COPY`, `ADD` and `WORKDIR`: files into the snapshot.
//!
//! A child in the store's namespace mounts the layers as a container would have them, copies with all look-ups confined
//! to that root ([`Root`], [`copy_tree`]), unmounts, and harvests. Nothing of the image is executed. Where things end up
//! is BuildKit's: a directory's content goes into the target, a file into a target that is a directory or says so by a
//! slash, and else it becomes the target.

use super::ignore::Ignore;
use super::mode::Mode;
use super::scratch::{Ground, Harvest, Scratch};
use super::select::{self, Selected, Selection};
use crate::container::copy::unpack::{self, Destination};
use crate::error::{Doing, Failure, Result};
use crate::host::ids::{IdMap, InsideId};
use crate::image::stream::{INPUT_BUFFER, auto_decoder};
use crate::image::unpack::entries::Archive;
use crate::rootfs::copy_paths::{NoTarget, Side, Target};
use crate::rootfs::copy_tree::{self, Privileges, Rules};
use crate::rootfs::identity::resolve_identity;
use crate::rootfs::overlay::{Driver, Durability, Layers};
use crate::rootfs::pivot;
use crate::rootfs::replicate::reopen_file;
use crate::rootfs::resolve::Root;
use crate::sys::process::{Namespaces, unshare};
use rustix::fs::{AtFlags, Gid, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::fs::File;
use std::io::BufReader;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Files of one place.
pub enum Origin<'a> {
    /// A directory of the host; what is copied belongs to root.
    Directory(&'a Path, Selection),
    /// The same, but an archive is unpacked: ADD.
    Archives(&'a Path, Selection),
    /// Another snapshot, whose layers are these, bottom first; what is copied keeps its owner.
    Layers(Scratch, &'a [String], Option<&'a Ignore>),
}

/// What is to be done.
#[derive(Default)]
pub struct Transfer<'a> {
    /// Where files come from.
    pub origins: Vec<Origin<'a>>,
    /// Absolute; a slash at the end says that it is a directory.
    pub target: &'a str,
    /// `--chown`
    pub chown: Option<&'a str>,
    /// `--chmod`
    pub chmod: Option<Mode>,
    /// `--parents`: below the target, sources have the directories that they have been named by.
    pub parents: bool,
}

/// Copies into a new layer upon `layers`, bottom first.
///
/// # Errors
/// What is there excludes what comes; the system's.
pub fn copy(ground: &Ground<'_>, layers: Vec<PathBuf>, driver: Driver, transfer: &Transfer<'_>) -> Result<Harvest> {
    changed(ground, layers, driver, |root| {
        let copying = Copying::new(ground, root, transfer)?;
        transfer.origins.iter().try_for_each(|origin| copying.origin(origin, driver))
    })
}

/// Copies into a directory in which there was nothing; [`Scratch::files`] is where. The caller clears it.
///
/// # Errors
/// As for [`copy`].
pub fn stage(ground: &Ground<'_>, driver: Driver, transfer: &Transfer<'_>) -> Result<Scratch> {
    let scratch = Scratch::new(ground.store, Vec::new())?;
    ground.namespace.run_on_files_of(&ground.ids, || {
        in_mounted(&scratch, driver, |root| {
            let copying = Copying::new(ground, root, transfer)?;
            transfer.origins.iter().try_for_each(|origin| copying.origin(origin, driver))
        })
    })?;
    Ok(scratch)
}

/// Makes a directory, as WORKDIR does, in a new layer upon `layers`. It becomes root's: as of BuildKit and Docker,
/// whoever the user is.
///
/// # Errors
/// Something else is there; the system's.
pub fn make_directory(ground: &Ground<'_>, layers: Vec<PathBuf>, driver: Driver, path: &str) -> Result<Harvest> {
    changed(ground, layers, driver, |root| {
        let owner = own_ids(ground, (0, 0));
        make_directories(root, Path::new(path), owner).map(drop).doing(|| format!("cannot make {path}"))
    })
}

/// Runs `change` with the mounted layers in a child, and makes a layer of what it does.
fn changed(
    ground: &Ground<'_>,
    layers: Vec<PathBuf>,
    driver: Driver,
    change: impl FnOnce(&Root<'_>) -> Result<()>,
) -> Result<Harvest> {
    let scratch = Scratch::new(ground.store, layers)?;
    ground.namespace.run_on_files_of(&ground.ids, || {
        in_mounted(&scratch, driver, change)?;
        scratch.harvest(ground, &[])
    })
}

/// Runs `change` with the layers mounted; where it fails, nothing of what it has done is left. Runs as root of the store's
/// namespace, in a process of its own.
fn in_mounted(scratch: &Scratch, driver: Driver, change: impl FnOnce(&Root<'_>) -> Result<()>) -> Result<()> {
    unshare(Namespaces::MOUNT).doing(|| "cannot make a mount namespace")?;
    pivot::make_mounts_private()?;
    // What is made on the way is open to all, and written by nobody else.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let tree = mount(scratch, driver)?;
    let result = change(&Root::new(tree.as_fd()));
    drop(tree);
    unmount(scratch.path(), UnmountFlags::DETACH).doing(|| "cannot unmount the layers")?;
    result.or_else(|failure| scratch.clear().and(Err(failure)))
}

/// The layers with `upper` above them, mounted upon the scratch directory; a copy of them where the kernel refuses.
fn mount(scratch: &Scratch, driver: Driver) -> Result<OwnedFd> {
    let layers = Layers::open(scratch.lower(), scratch.path())?;
    // fuse-overlayfs would be another process to look after: what a copy does is the same.
    if matches!(driver, Driver::Copy | Driver::Fuse) {
        return layers.copy();
    }
    let writable = layers.make_writable()?;
    layers.take_over_top(&writable)?;
    match layers.mount(&writable, Durability::Volatile, driver)? {
        Ok(tree) => Ok(tree),
        Err(refused) if driver == Driver::Auto => {
            log::debug!("{}", refused.failure());
            layers.copy()
        }
        Err(refused) => Err(refused.failure()),
    }
}

/// Ids of the store's namespace by those of the container.
pub fn own_ids(ground: &Ground<'_>, (uid, gid): (u32, u32)) -> (u32, u32) {
    let one = |map: &IdMap, here: &IdMap, id: u32| {
        map.to_host(InsideId(id)).and_then(|host| here.to_container(host)).map_or(0, |id| id.0)
    };
    let here = ground.namespace.maps();
    (one(&ground.ids.users, &here.users, uid), one(&ground.ids.groups, &here.groups, gid))
}

/// Opens a directory, making it and its parents, which then belong to `owner`.
fn make_directories(root: &Root<'_>, path: &Path, owner: (u32, u32)) -> rustix::io::Result<OwnedFd> {
    match root.open_dir_in_root(path) {
        Err(Errno::NOENT) => {}
        opened => return opened,
    }
    let mut missing = Vec::new();
    for parent in path.ancestors() {
        match root.open_dir_in_root(parent) {
            Err(Errno::NOENT) => missing.push(parent),
            _ => break,
        }
    }
    let mut made = root.make_dir_all(path, 0o755)?;
    for parent in missing.iter().rev() {
        made = root.open_dir_in_root(parent)?;
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        rustix::fs::chownat(&made, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    Ok(made)
}

/// What becomes of a source that is an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archives {
    Copied,
    Unpacked,
}

/// A transfer into a mounted root.
struct Copying<'a> {
    root: &'a Root<'a>,
    transfer: &'a Transfer<'a>,
    /// The owner of everything that is copied, and of directories made for it, in this namespace.
    owner: Option<(u32, u32)>,
    roots: (u32, u32),
    ground: &'a Ground<'a>,
}

impl<'a> Copying<'a> {
    fn new(ground: &'a Ground<'a>, root: &'a Root<'a>, transfer: &'a Transfer<'a>) -> Result<Copying<'a>> {
        let owner = match transfer.chown {
            None => None,
            Some(text) => Some(own_ids(ground, owner_of(ground, root, text)?)),
        };
        Ok(Copying { root, transfer, owner, roots: own_ids(ground, (0, 0)), ground })
    }

    fn origin(&self, origin: &Origin<'_>, driver: Driver) -> Result<()> {
        match origin {
            Origin::Directory(directory, selection) => {
                self.all(directory, selection, &|_, _| self.owner.unwrap_or(self.roots), Archives::Copied)
            }
            Origin::Archives(directory, selection) => {
                self.all(directory, selection, &|_, _| self.owner.unwrap_or(self.roots), Archives::Unpacked)
            }
            Origin::Layers(scratch, patterns, exclude) => {
                let tree = mount(scratch, driver)?;
                let selected = select::select(scratch.path(), patterns, None, *exclude);
                let copied = selected.and_then(|selection| {
                    let owner = |uid, gid| self.owner.unwrap_or((uid, gid));
                    self.all(scratch.path(), &selection, &owner, Archives::Copied)
                });
                drop(tree);
                unmount(scratch.path(), UnmountFlags::DETACH).doing(|| "cannot unmount the layers")?;
                scratch.clear()?;
                copied
            }
        }
    }

    fn all(
        &self,
        directory: &Path,
        selection: &Selection,
        owner: &dyn Fn(u32, u32) -> (u32, u32),
        archives: Archives,
    ) -> Result<()> {
        let top = crate::rootfs::overlay::open_directory(directory)?;
        let from = Root::new(top.as_fd());
        let into_directory = self.transfer.target.ends_with('/') || self.count() > 1;
        for source in &selection.sources {
            let doing = || format!("cannot copy {}", source.path.display());
            let entry = from.open_existing(&source.path, OFlags::PATH).doing(doing)?;
            let is_unpacked =
                archives == Archives::Unpacked && !source.is_directory && self.unpack(entry.as_fd(), source)?;
            if !is_unpacked {
                self.one(source, entry.as_fd(), into_directory, owner)?;
            }
        }
        Ok(())
    }

    /// How many sources the instruction names: several need a directory.
    fn count(&self) -> usize {
        let count = |origin: &Origin<'_>| match origin {
            Origin::Directory(_, selection) | Origin::Archives(_, selection) => selection.sources.len(),
            Origin::Layers(_, patterns, _) => patterns.len(),
        };
        self.transfer.origins.iter().map(count).sum()
    }

    fn one(
        &self,
        source: &Selected,
        entry: BorrowedFd<'_>,
        into_directory: bool,
        owner: &dyn Fn(u32, u32) -> (u32, u32),
    ) -> Result<()> {
        let below = self.transfer.parents.then(|| Path::new(self.transfer.target).join(&source.parents));
        let below = match (&below, source.is_directory) {
            (Some(path), true) => Some(path.join(&source.name)),
            (Some(path), false) => Some(path.clone()),
            (None, _) => None,
        };
        let into_directory = into_directory || below.is_some();
        let target = below.as_deref().unwrap_or(Path::new(self.transfer.target));
        let doing = || format!("cannot copy to {}", self.transfer.target);
        let mode = self.transfer.chmod.as_ref();
        let mode = mode.map(|mode| move |old: u32, is_directory: bool| mode.apply(old, is_directory));
        let rules = Rules {
            mode: mode.as_ref().map(|mode| mode as &dyn Fn(u32, bool) -> u32),
            ..Rules::new(owner, Privileges::Kept)
        };
        if !source.is_directory && into_directory {
            let directory = make_directories(self.root, target, self.owner.unwrap_or(self.roots)).doing(doing)?;
            return copy_tree::copy_as(entry, directory.as_fd(), &source.name, &rules).map(drop);
        }
        match (self.find_target(target)?, source.is_directory) {
            (Target::Directory(directory), false) => {
                copy_tree::copy_as(entry, directory.as_fd(), &source.name, &rules).map(drop)
            }
            (Target::Directory(directory), true) => {
                let wanted = |path: &Path| select::is_wanted(source, path);
                let rules = Rules { wanted: Some(&wanted), ..rules };
                copy_tree::copy_contents(entry, directory.as_fd(), &rules).map(drop)
            }
            (Target::File { .. }, true) => {
                Err(Failure::new(doing(), format!("cannot copy to non-directory: {}", self.transfer.target)))
            }
            (Target::File { parent, name } | Target::Missing { parent, name, .. }, _) => {
                // The copy itself is the first name of the path.
                let wanted = |path: &Path| select::is_wanted(source, path.strip_prefix(&name).unwrap_or(path));
                let rules = Rules { wanted: Some(&wanted), ..rules };
                copy_tree::copy_as(entry, parent.as_fd(), &name, &rules).map(drop)
            }
        }
    }

    /// Unpacks an archive into the target; false where the file is none.
    fn unpack(&self, entry: BorrowedFd<'_>, source: &Selected) -> Result<bool> {
        let doing = || format!("cannot unpack {}", source.path.display());
        let open = || reopen_file(entry).map(File::from).doing(doing);
        let is_archive = {
            let (_, decoder) = auto_decoder(open()?).doing(doing)?;
            let mut buffered = BufReader::with_capacity(INPUT_BUFFER, decoder);
            matches!(Archive::new(&mut buffered).next_entry(), Ok(Some(_)))
        };
        if !is_archive {
            return Ok(false);
        }
        let directory = Path::new(self.transfer.target);
        make_directories(self.root, directory, self.owner.unwrap_or(self.roots)).doing(doing)?;
        let owner = |uid: u64, gid: u64| match (self.owner, u32::try_from(uid), u32::try_from(gid)) {
            (Some(owner), _, _) => owner,
            (None, Ok(uid), Ok(gid)) => own_ids(self.ground, (uid, gid)),
            _ => self.roots,
        };
        let (_, mut decoder) = auto_decoder(open()?).doing(doing)?;
        let report = unpack::unpack(&mut decoder, &Destination { root: *self.root, directory, owner: &owner })?;
        if let Some(first) = report.first_skipped {
            log::info!("{} devices of {} were left out, the first is {first}", report.skipped, source.path.display());
        }
        Ok(true)
    }

    /// Where the copy goes; parents that are missing are made.
    fn find_target(&self, path: &Path) -> Result<Target> {
        let doing = || format!("cannot copy to {}", path.display());
        // The second time, parents are there; links may lead to further ones.
        for _ in 0..8 {
            match Side::Container(*self.root).target(path) {
                Ok(target) => return Ok(target),
                Err(NoTarget::NoParent(parent)) => {
                    make_directories(self.root, &parent, self.owner.unwrap_or(self.roots)).doing(doing)?;
                }
                Err(NoTarget::NotDirectory) => return Err(Failure::new(doing(), "not a directory")),
                Err(NoTarget::Other(errno)) => return Err(errno).doing(doing),
            }
        }
        Err(Errno::LOOP).doing(doing)
    }
}

/// `--chown`: ids inside. A user without a group: of a name the group that /etc/passwd says, of a number that number.
fn owner_of(ground: &Ground<'_>, root: &Root<'_>, text: &str) -> Result<(u32, u32)> {
    let text = match text.parse::<u32>() {
        Ok(uid) => format!("{uid}:{uid}"),
        Err(_) => text.to_owned(),
    };
    let identity = resolve_identity(root, &text, &[], &ground.ids);
    let identity = identity.map_err(|failure| failure.while_doing(format!("invalid chown {text}")))?;
    Ok((identity.uid, identity.gid))
}
