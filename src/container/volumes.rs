//! What is done with volumes: made, listed, removed, pruned.
//!
//! Errors are in Docker's words. A volume is in use as long as a container exists that names it, whether
//! that runs or not; how that is kept true while containers come and go stands with
//! [`crate::store::volumes`].

use super::copy::pack::Packer;
use super::copy::unpack::{self, Destination};
use super::record;
use super::usage;
use super::values;
use super::volume_driver;
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::ids::{IdMap, InsideId};
use crate::launch::StoreNamespace;
use crate::rootfs::copy_tree::Report;
use crate::rootfs::mount::{Mount, MountKind};
use crate::rootfs::overlay;
use crate::rootfs::resolve::Root;
use crate::store::volumes::{self, Durability, Metadata, Removed, Volume};
use crate::store::{Event, Kind, Store};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// `volume create` as asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// None: the volume gets 64 random digits, and counts as anonymous.
    pub name: Option<String>,
    /// `--driver`
    pub driver: Option<String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--opt`
    pub options: BTreeMap<String, String>,
}

/// What happens to a volume, for the event log.
fn event(name: &str, action: &str) -> Event {
    Event::now(Kind::Volume, action, name).with("driver", "local")
}

/// Makes a volume and returns its name; one that exists is as it should be.
///
/// # Errors
/// The name, the driver or its options are none, in Docker's words; or the system's.
pub fn create(store: &Store, wish: Wish) -> Result<String> {
    let (name, metadata) = match wish.name {
        Some(name) => (name, Metadata::new()),
        None => (super::create::new_id()?, Metadata::new().anonymous()),
    };
    let refuse = |why: String| Failure::new(format!("create {}", name.escape_debug()), why).code(ExitCode::General);
    values::volume_name(&name).map_err(refuse)?;
    match wish.driver.as_deref() {
        None | Some("" | "local") => {}
        Some(driver) => {
            let why = format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found");
            return Err(refuse(why).hint("rr has one driver, local"));
        }
    }
    volume_driver::backing(&wish.options).map_err(refuse)?;
    let mut labels = metadata.labels;
    labels.extend(wish.labels);
    let metadata = Metadata { labels, options: wish.options, ..metadata };
    volumes::create(store, &name, &metadata, Durability::Synced)?;
    store.tell_and_bound(&[event(&name, "create")]);
    Ok(name)
}

/// Makes the volumes of a container's plan that are not there yet; returns the anonymous ones it has made.
/// The caller holds [`Store::lock_volumes_shared`] until the plan is written.
///
/// # Errors
/// The system's.
pub fn prepare(store: &Store, mounts: &[Mount]) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for mount in mounts {
        let MountKind::Volume { name, anonymous, labels, options, .. } = &mount.kind else { continue };
        let mut metadata = Metadata { labels: labels.clone(), options: options.clone(), ..Metadata::new() };
        if *anonymous {
            metadata = metadata.anonymous();
        }
        let asked = !labels.is_empty() || !options.is_empty();
        let durability = if asked { Durability::Synced } else { Durability::Cached };
        if volumes::create(store, name, &metadata, durability)? && *anonymous {
            made.push(name.clone());
        }
    }
    Ok(made)
}

/// What lies behind the volumes of `mounts` that have driver options, by name: a bind or a tmpfs.
///
/// # Errors
/// Options that this rr does not know, or the system's.
pub fn backings(store: &Store, mounts: &[Mount]) -> Result<BTreeMap<String, Mount>> {
    let mut found = BTreeMap::new();
    for mount in mounts {
        let MountKind::Volume { name, .. } = &mount.kind else { continue };
        let Some(volume) = volumes::find(store, name)? else { continue };
        let backing = volume_driver::backing(&volume.metadata.options);
        if let Some(backing) = backing.doing(|| format!("cannot mount the volume {name}"))? {
            found.insert(name.clone(), backing);
        }
    }
    Ok(found)
}

/// The volume of this name.
///
/// # Errors
/// `no such volume`, or the system's.
pub fn find(store: &Store, name: &str) -> Result<Volume> {
    volumes::find(store, name)?.ok_or_else(|| no_such_volume(name))
}

fn no_such_volume(name: &str) -> Failure {
    let known = Known::NoSuchVolume(name.to_owned());
    Failure::new(format!("get {}", name.escape_debug()), "no such volume").code(ExitCode::General).known(known)
}

/// All volumes, by name.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Volume>> {
    volumes::list(store)
}

/// The ids of the containers that use each volume.
///
/// # Errors
/// The store cannot be read. One unreadable plan is an error: what it uses is unknown.
pub fn users(store: &Store) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for plan in record::plans(store)? {
        for mount in plan.mounts {
            if let MountKind::Volume { name, .. } = mount.kind {
                users.entry(name).or_default().push(plan.id.clone());
            }
        }
    }
    Ok(users)
}

/// Removes a volume that no container uses.
///
/// # Errors
/// There is none of that name; it is in use; or the system's.
pub fn remove(store: &Store, name: &str) -> Result<()> {
    let removed = {
        let _lock = store.lock_volumes_exclusive()?;
        find(store, name)?;
        if let Some(ids) = users(store)?.get(name) {
            let why = format!("volume is in use - [{}]", ids.join(", "));
            let known = Known::VolumeInUse { name: name.to_owned(), users: ids.clone() };
            return Err(Failure::new(format!("remove {name}"), why).code(ExitCode::General).known(known));
        }
        volumes::take_away(store, [name])?
    };
    store.tell_and_bound(&[event(name, "destroy")]);
    delete(&removed).map(drop)
}

/// What [`prune`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names of the volumes that are gone.
    pub names: Vec<String>,
    /// What they took, bytes.
    pub bytes: u64,
}

/// Removes all volumes that no container uses and that are `wanted`.
///
/// # Errors
/// The system's.
pub fn prune(store: &Store, wanted: impl Fn(&Volume) -> bool) -> Result<Pruned> {
    // A `--rm` container whose processes were killed is removed on the way.
    record::list(store)?;
    let (names, removed) = {
        let _lock = store.lock_volumes_exclusive()?;
        let users = users(store)?;
        let unused = list(store)?.into_iter().filter(|volume| !users.contains_key(&volume.name) && wanted(volume));
        let names: Vec<String> = unused.map(|volume| volume.name).collect();
        if names.is_empty() {
            return Ok(Pruned::default());
        }
        let removed = volumes::take_away(store, names.iter().map(String::as_str))?;
        store.tell_and_bound(&names.iter().map(|name| event(name, "destroy")).collect::<Vec<_>>());
        (names, removed)
    };
    Ok(Pruned { names, bytes: delete(&removed)? })
}

/// Writes the files of a volume to `out` as a tar archive, with the owners that containers of the default
/// map see.
///
/// # Errors
/// There is no such volume; the system's.
pub fn export(store: &Store, name: &str, out: &File) -> Result<Report> {
    let directory = files_of(&find(store, name)?)?;
    StoreNamespace::here()?.run(|| {
        let place = overlay::open_directory(&directory)?;
        let owner = |uid, gid| (u64::from(uid), u64::from(gid));
        let mut packer = Packer::new(BufWriter::with_capacity(256 << 10, out), &owner);
        packer.add(place.as_fd(), Path::new("."))?;
        packer.finish()
    })
}

/// Unpacks the tar archive that is read from `input` into a volume; what is there stays unless the archive
/// has a file of the same name.
///
/// # Errors
/// There is no such volume; the archive is damaged; the system's.
pub fn import(store: &Store, name: &str, mut input: &File) -> Result<Report> {
    let directory = files_of(&find(store, name)?)?;
    let namespace = StoreNamespace::here()?;
    namespace.run(|| {
        let place = overlay::open_directory(&directory)?;
        let known = |id: u64, map: &IdMap| {
            let id = u32::try_from(id).ok().filter(|id| map.to_host(InsideId(*id)).is_some());
            id.unwrap_or(0)
        };
        let maps = namespace.maps();
        let owner = |uid, gid| (known(uid, &maps.users), known(gid, &maps.groups));
        let destination = Destination { root: Root::new(place.as_fd()), directory: Path::new("/"), owner: &owner };
        unpack::unpack(&mut input, &destination)
    })
}

/// The directory in which a volume's files are.
fn files_of(volume: &Volume) -> Result<PathBuf> {
    let doing = || format!("cannot reach the files of the volume {}", volume.name);
    match volume_driver::backing(&volume.metadata.options).doing(doing)?.map(|behind| behind.kind) {
        None => Ok(volume.data()),
        Some(MountKind::Bind { source, .. }) => Ok(source),
        Some(_) => Err(Failure::new(doing(), "it is a tmpfs, of which each container has its own")),
    }
}

/// Deletes the files, which may belong to any id the user has; returns how many bytes they had.
fn delete(removed: &Removed) -> Result<u64> {
    StoreNamespace::here()?.run(|| {
        let bytes = removed.data()?.iter().try_fold(0, |sum, data| {
            usage::lengths_below(data).map(|bytes| sum + bytes).doing(|| format!("cannot measure {}", data.display()))
        })?;
        removed.delete()?;
        Ok(bytes)
    })
}
