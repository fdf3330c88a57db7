//! `cp`: files between a container and the host.
//!
//! The work is done by a child that is root of the store's user namespace, and so may read and write files
//! of all ids the user has. It reaches the container's files through one descriptor: of a container that
//! runs, its root directory as /proc/PID/root gives it, with all that is mounted there; of one that does
//! not, what [`Standing`] mounts. Every look-up below is confined by the kernel, see
//! [`crate::rootfs::copy_paths`] and [`crate::rootfs::copy_tree`]. Nothing of the container is executed or
//! loaded (CVE-2019-14271).

pub mod pack;
pub mod unpack;

use super::record::{self, Container, Held};
use super::run::layer_paths;
use super::volumes;
use crate::error::{Doing, Failure, IntoCause, Result};
use crate::host::ids::{HostId, IdMap, IdMaps, InsideId, OVERFLOW_ID};
use crate::host::process::ProcessName;
use crate::launch::StoreNamespace;
use crate::launch::standing::Standing;
use crate::launch::user_namespace::{act_as, run_in_namespace_of};
use crate::rootfs::copy_paths::{FinalLink, NoTarget, Side, Source, Target};
use crate::rootfs::copy_tree::{self, Privileges, Report, Rules};
use crate::rootfs::resolve::Root;
use crate::rootfs::volumes::Volumes;
use crate::store::Store;
use pack::Packer;
use rustix::fs::{FileType, StatVfsMountFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::BufWriter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};
use unpack::Destination;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the host into the container.
    Into,
    /// From the container to the host.
    Out,
}

/// Whose a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The container's root's, or the user's own.
    Taken,
    /// `-a`: whose the original is.
    Kept,
}

/// What to copy, and how.
#[derive(Debug, Clone, Copy)]
pub struct Copying<'a> {
    /// Which way.
    pub direction: Direction,
    /// The path that is copied, on its side.
    pub from: &'a Path,
    /// The path it is copied to, on the other.
    pub to: &'a Path,
    /// `-L`
    pub link: FinalLink,
    /// `-a`
    pub ownership: Ownership,
}

/// Copies between the container and the host.
///
/// # Errors
/// One of the paths leads nowhere, or what is there excludes what is copied, in Docker's words; the system's.
pub fn copy(store: &Store, container: &Container, copying: &Copying<'_>) -> Result<Report> {
    with_root(store, container, |inside| {
        let container_side = Side::Container(Root::new(inside.root));
        let (from, to) = match copying.direction {
            Direction::Into => (Side::Host, container_side),
            Direction::Out => (container_side, Side::Host),
        };
        let source = from.source(copying.from, copying.link).map_err(|errno| no_source(container, copying, errno))?;
        let target = to.target(copying.to).map_err(|why| no_target(container, copying, why))?;
        if copying.direction == Direction::Into {
            inside.check_writable(&target)?;
        }
        let owner = |uid, gid| inside.owner(copying, uid, gid);
        let privileges = match (copying.direction, copying.ownership) {
            (Direction::Out, _) => Privileges::Dropped,
            (Direction::Into, _) => Privileges::Kept,
        };
        place(&source, &target, &Rules::new(&owner, privileges))
    })
}

/// Writes what `path` names, and all below it, to `out` as a tar archive with the container's owners.
///
/// # Errors
/// The path leads nowhere, in Docker's words; the system's.
pub fn to_archive(store: &Store, container: &Container, path: &Path, link: FinalLink, out: &File) -> Result<Report> {
    with_root(store, container, |inside| {
        let source = Side::Container(Root::new(inside.root)).source(path, link);
        let source = source.map_err(|errno| match errno {
            Errno::NOENT => no_such_file(container, path),
            _ => Failure::new(format!("cannot copy {}", path.display()), errno.into_cause()),
        })?;
        let owner = |uid, gid| inside.containers_ids(uid, gid);
        let mut packer = Packer::new(BufWriter::with_capacity(256 << 10, out), &owner);
        packer.add(source.entry.as_fd(), Path::new(source.name.as_deref().unwrap_or(".".as_ref())))?;
        packer.finish()
    })
}

/// Unpacks the tar archive that is read from `input` into the directory `path` of the container.
///
/// # Errors
/// There is no such directory, in Docker's words; the archive is damaged; the system's.
pub fn from_archive(store: &Store, container: &Container, path: &Path, mut input: &File) -> Result<Report> {
    with_root(store, container, |inside| {
        let root = Root::new(inside.root);
        let target = Side::Container(root).target(path);
        let directory = match target {
            Ok(target @ Target::Directory(_)) => target,
            Ok(Target::File { .. }) | Err(NoTarget::NotDirectory) => {
                let place = format!("{}:{}", container.plan.name, path.display());
                return Err(Failure::new("cannot unpack", format!("destination \"{place}\" must be a directory")));
            }
            _ => return Err(no_such_file(container, path)),
        };
        inside.check_writable(&directory)?;
        let owner = |uid, gid| inside.own_ids(uid, gid);
        unpack::unpack(&mut input, &Destination { root, directory: path, owner: &owner })
    })
}

/// Puts the copy where Docker does, by what is there.
fn place(source: &Source, target: &Target, rules: &Rules<'_>) -> Result<Report> {
    let entry = source.entry.as_fd();
    let is_directory = FileType::from_raw_mode(source.stat.st_mode) == FileType::Directory;
    match (target, &source.name) {
        (Target::Directory(directory), Some(name)) => copy_tree::copy_as(entry, directory.as_fd(), name, rules),
        (Target::Directory(directory), None) => copy_tree::copy_contents(entry, directory.as_fd(), rules),
        (Target::File { .. }, _) if is_directory => Err(Failure::new("cannot copy directory", "")),
        (Target::Missing { is_directory: true, .. }, _) if !is_directory => Err(Failure::new("no such directory", "")),
        (Target::File { parent, name } | Target::Missing { parent, name, .. }, _) => {
            copy_tree::copy_as(entry, parent.as_fd(), name, rules)
        }
    }
}

fn no_source(container: &Container, copying: &Copying<'_>, errno: Errno) -> Failure {
    let path = copying.from.display();
    match (copying.direction, errno) {
        (Direction::Out, Errno::NOENT) => no_such_file(container, copying.from),
        (Direction::Out, _) => {
            Failure::new(format!("cannot copy {path} of container {}", container.plan.name), errno.into_cause())
        }
        (Direction::Into, _) => Failure::new(format!("lstat {path}"), errno.into_cause()),
    }
}

fn no_target(container: &Container, copying: &Copying<'_>, why: NoTarget) -> Failure {
    match (copying.direction, why) {
        (Direction::Into, NoTarget::NoParent(path)) => no_such_file(container, &path),
        (Direction::Out, NoTarget::NoParent(path)) => {
            Failure::new("invalid output path", format!("directory \"{}\" does not exist", path.display()))
        }
        (_, NoTarget::NotDirectory) => {
            Failure::new(format!("cannot copy to {}", copying.to.display()), "not a directory")
        }
        (_, NoTarget::Other(errno)) => {
            Failure::new(format!("cannot copy to {}", copying.to.display()), errno.into_cause())
        }
    }
}

/// Docker's words.
fn no_such_file(container: &Container, path: &Path) -> Failure {
    Failure::new(format!("Could not find the file {} in container {}", path.display(), container.plan.name), "")
}

/// A container's files, as the child in the store's namespace has them.
pub(super) struct Inside<'a> {
    pub(super) root: BorrowedFd<'a>,
    ids: &'a IdMaps,
    namespace: &'a IdMaps,
}

impl Inside<'_> {
    /// Owner and group of a copy, as ids of the store's namespace.
    fn owner(&self, copying: &Copying<'_>, uid: u32, gid: u32) -> (u32, u32) {
        match (copying.direction, copying.ownership) {
            // The store's root is the user.
            (Direction::Out, Ownership::Taken) => (0, 0),
            (Direction::Out, Ownership::Kept) => (uid, gid),
            (Direction::Into, ownership) => {
                let one = |map: &IdMap, here: &IdMap, id: u32| {
                    let host = here.to_host(InsideId(id));
                    let known = host.filter(|id| ownership == Ownership::Kept && map.to_container(*id).is_some());
                    known.and_then(|id| here.to_container(id)).map_or_else(|| first_id(map, here), |id| id.0)
                };
                let (ids, here) = (self.ids, self.namespace);
                (one(&ids.users, &here.users, uid), one(&ids.groups, &here.groups, gid))
            }
        }
    }

    /// The container's ids of what belongs to these of the store's namespace; the kernel's "nobody" where
    /// the container has none.
    fn containers_ids(&self, uid: u32, gid: u32) -> (u64, u64) {
        let one = |map: &IdMap, here: &IdMap, id: u32| {
            let inside = here.to_host(InsideId(id)).and_then(|host| map.to_container(host));
            u64::from(inside.map_or(OVERFLOW_ID, |id| id.0))
        };
        (one(&self.ids.users, &self.namespace.users, uid), one(&self.ids.groups, &self.namespace.groups, gid))
    }

    /// The host's ids of what belongs to these of the store's namespace; None where it shows no more than that it has
    /// none.
    pub(super) fn host_ids(&self, uid: u32, gid: u32) -> (Option<u32>, Option<u32>) {
        let one = |here: &IdMap, id: u32| here.to_host(InsideId(id)).filter(|_| id != OVERFLOW_ID).map(|id| id.0);
        (one(&self.namespace.users, uid), one(&self.namespace.groups, gid))
    }

    /// The other way; what the container has no id for becomes its root's.
    fn own_ids(&self, uid: u64, gid: u64) -> (u32, u32) {
        let one = |map: &IdMap, here: &IdMap, id: u64| {
            let inside = u32::try_from(id).ok().map(InsideId);
            let host = inside.and_then(|id| map.to_host(id)).and_then(|host| here.to_container(host));
            host.map_or_else(|| first_id(map, here), |id| id.0)
        };
        (one(&self.ids.users, &self.namespace.users, uid), one(&self.ids.groups, &self.namespace.groups, gid))
    }

    /// Docker says in words of its own what the kernel would say with EROFS.
    fn check_writable(&self, target: &Target) -> Result<()> {
        let directory = match target {
            Target::Directory(directory) => directory.as_fd(),
            Target::File { parent, .. } | Target::Missing { parent, .. } => parent.as_fd(),
        };
        let flags = rustix::fs::fstatvfs(directory).doing(|| "cannot look at the target")?.f_flag;
        if !flags.contains(StatVfsMountFlags::RDONLY) {
            return Ok(());
        }
        let device = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| stat.st_dev).ok();
        match device(directory) == device(self.root) {
            true => Err(Failure::new("container rootfs is marked read-only", "")),
            false => Err(Failure::new("mounted volume is marked read-only", "")),
        }
    }
}

/// The container's root, or where it has none its lowest id, in the store's namespace.
fn first_id(map: &IdMap, here: &IdMap) -> u32 {
    let first = map.extents().first().map_or(InsideId(0), |extent| extent.inside);
    let host: Option<HostId> = map.to_host(first);
    host.and_then(|id| here.to_container(id)).map_or(0, |id| id.0)
}

/// A container's files, before anybody has entered a namespace.
enum View {
    /// It runs, as this process.
    Running(OwnedFd, ProcessName),
    /// It does not, and nobody can start it while this is held.
    Standing(Held),
}

/// How long a command that copies waits for another that does: only one can mount a container's files.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How long a start or an end of the container is waited for.
const SOON: Duration = Duration::from_secs(10);

impl View {
    fn of(store: &Store, container: &Container) -> Result<View> {
        let deadline = Instant::now() + SOON;
        let mut container = container.clone();
        loop {
            if let Some(running) = View::running(&container)? {
                return Ok(running);
            }
            if let Some((held, _)) = record::hold_within(&container, PATIENCE)? {
                return Ok(View::Standing(held));
            }
            // Its monitor lives and its payload does not: one of them has just begun, or is about to end.
            if Instant::now() >= deadline {
                return Err(Failure::new(unreachable(&container), "it is being started or stopped"));
            }
            std::thread::sleep(Duration::from_millis(10));
            container = record::find(store, &container.plan.id)?;
        }
    }

    fn running(container: &Container) -> Result<Option<View>> {
        let Some(init) = &container.state.init else { return Ok(None) };
        let root = init.open_root().doing(|| unreachable(container))?;
        Ok(root.map(|root| View::Running(root, init.clone())))
    }
}

fn unreachable(container: &Container) -> String {
    format!("cannot reach the files of container {}", container.plan.name)
}

/// fuse-overlayfs: the kernel lets only members of the user namespace that has mounted it pass (fuse(4)).
const FUSE_SUPER_MAGIC: u64 = 0x6573_5546;

/// Runs `work` on the container's files, in a child that is root of the store's user namespace, or where the
/// files are served by fuse-overlayfs, of the container's own.
pub(super) fn with_root<T, W>(store: &Store, container: &Container, work: W) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    W: FnOnce(&Inside<'_>) -> Result<T>,
{
    let (plan, ids) = (&container.plan, &container.plan.ids);
    let view = View::of(store, container)?;
    if let View::Running(root, init) = &view
        && rustix::fs::fstatfs(root).is_ok_and(|stat| stat.f_type as u64 == FUSE_SUPER_MAGIC)
    {
        return run_in_namespace_of(init, || {
            allow_many_files();
            work(&Inside { root: root.as_fd(), ids, namespace: ids })
        });
    }
    let namespace = StoreNamespace::here()?.keeping_groups();
    let backings = volumes::backings(store, &plan.mounts)?;
    namespace.run_on_files_of(ids, || {
        allow_many_files();
        let namespace = namespace.maps();
        // What is made in the container, directories on the way and overlay's own, is its root's.
        let root = (first_id(&ids.users, &namespace.users), first_id(&ids.groups, &namespace.groups));
        if root != (0, 0) {
            act_as(root.0, root.1)?;
        }
        match &view {
            View::Running(root, _) => work(&Inside { root: root.as_fd(), ids, namespace }),
            View::Standing(held) => {
                let volumes = Volumes { directory: &store.volumes(), backings: &backings };
                let layers = layer_paths(store, plan)?;
                let root = Standing { plan, dir: &held.dir, layers, volumes }.mount()?;
                work(&Inside { root: root.as_fd(), ids, namespace })
            }
        }
    })
}

/// A deep tree takes a few descriptors a directory.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        log::debug!("the limit of open files stays: {errno}");
    }
}
