//! Volumes: named directories that outlive containers.
//!
//! ```text
//! volumes/<name>/             appears whole, by rename(2), and goes the same way
//!   volume.json               labels, driver options, when it was made; volumes of older versions have none
//!   _data/                    its files, with ids of the containers that use it
//! ```
//!
//! A volume is in use as long as a container's plan names it. So whoever makes a plan holds
//! [`Store::lock_volumes_shared`] from before it looks whether the volumes are there until the plan is
//! written, and whoever removes volumes holds [`Store::lock_volumes_exclusive`] from before it reads the
//! plans until the volume has left `volumes/`. Its files are deleted afterwards, which may take long.

use super::{Store, TempDir, remove_tree};
use crate::error::{Doing, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A volume's files, in its directory.
const DATA: &str = "_data";
/// What is known about it.
const METADATA: &str = "volume.json";

/// `volume.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// When it was made.
    pub created: jiff::Timestamp,
    /// `--label`
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as typed: what they mean is the reader's business.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// The label of a volume that nobody gave a name (Docker's): it goes with its container, or with `volume
/// prune`.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Metadata {
    /// Of a volume made now, with nothing asked for.
    pub fn new() -> Metadata {
        Metadata { created: jiff::Timestamp::now(), labels: BTreeMap::new(), options: BTreeMap::new() }
    }

    /// The same for a volume without a name of its own.
    #[must_use]
    pub fn anonymous(mut self) -> Metadata {
        self.labels.insert(ANONYMOUS.to_owned(), String::new());
        self
    }
}

impl Default for Metadata {
    fn default() -> Metadata {
        Metadata::new()
    }
}

/// A volume as found on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `volumes/<name>`
    pub home: PathBuf,
    /// What is known about it.
    pub metadata: Metadata,
}

impl Volume {
    /// Whether nobody gave it a name.
    pub fn is_anonymous(&self) -> bool {
        self.metadata.labels.contains_key(ANONYMOUS)
    }

    /// The directory of its files.
    pub fn data(&self) -> PathBuf {
        self.home.join(DATA)
    }
}

/// Whether the metadata must survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is written to the disk before the volume appears: somebody has asked for this volume.
    Synced,
    /// It is not: a container brings the volume along, and says again what it is to be.
    Cached,
}

/// Makes a volume unless there is one of that name; says whether it did.
///
/// # Errors
/// The system's; then there is no new volume.
pub fn create(store: &Store, name: &str, metadata: &Metadata, durability: Durability) -> Result<bool> {
    let home = store.volumes().join(name);
    let doing = || format!("cannot make the volume {name}");
    if home.join(DATA).is_dir() {
        return Ok(false);
    }
    if home.is_dir() {
        // An older rr was killed between the two directories.
        fs::create_dir_all(home.join(DATA)).doing(doing)?;
        return Ok(false);
    }
    let new = TempDir::new(store, "volume")?;
    let data = new.path().join(DATA);
    fs::DirBuilder::new().mode(0o755).create(data).doing(doing)?;
    let text = serde_json::to_vec(metadata).doing(doing)?;
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(new.path().join(METADATA))?;
        file.write_all(&text)?;
        match durability {
            Durability::Synced => file.sync_all(),
            Durability::Cached => Ok(()),
        }
    };
    write().doing(doing)?;
    match new.publish(&home) {
        Ok(()) => Ok(true),
        // Another command was quicker: rename(2) does not replace a directory with something in it.
        Err(_) if home.join(DATA).is_dir() => Ok(false),
        Err(failure) => Err(failure.while_doing(doing())),
    }
}

/// The volume of this name, if there is one.
///
/// # Errors
/// The system's. Metadata that cannot be understood (the machine crashed) is as none, with a line in the log.
pub fn find(store: &Store, name: &str) -> Result<Option<Volume>> {
    // A name is one path component; anything else would leave the directory.
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Ok(None);
    }
    let home = store.volumes().join(name);
    let made = match fs::metadata(home.join(DATA)) {
        Ok(_) => fs::metadata(&home).doing(|| format!("cannot read the volume {name}"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(|| format!("cannot read the volume {name}")),
    };
    let metadata = read_metadata(&home).unwrap_or_else(|| {
        let created = jiff::Timestamp::from_second(made.mtime()).unwrap_or_default();
        let old = Metadata { created, ..Metadata::new() };
        if is_anonymous_name(name) { old.anonymous() } else { old }
    });
    Ok(Some(Volume { name: name.to_owned(), home, metadata }))
}

fn read_metadata(home: &Path) -> Option<Metadata> {
    let path = home.join(METADATA);
    let text = fs::read(&path).ok()?;
    match serde_json::from_slice(&text) {
        Ok(metadata) => Some(metadata),
        Err(error) => {
            log::warn!("cannot read {}: {error}", path.display());
            None
        }
    }
}

/// Whether a volume without metadata was named by rr: 64 hexadecimal digits.
fn is_anonymous_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// All volumes, by name.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Volume>> {
    let path = store.volumes();
    let doing = || format!("cannot read {}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).doing(doing)? {
        names.push(entry.doing(doing)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let found = names.iter().filter_map(|name| find(store, name).transpose());
    found.collect()
}

/// Volumes that have left `volumes/` and are still to be deleted. Dropping it without that leaves them in
/// `tmp/`, for the next sweep.
#[derive(Debug)]
pub struct Removed(TempDir);

/// Takes volumes away, all or as many as there are. The caller holds [`Store::lock_volumes_exclusive`] and
/// has seen that no container uses them.
///
/// # Errors
/// The system's; some may be gone then.
pub fn take_away<'n>(store: &Store, names: impl IntoIterator<Item = &'n str>) -> Result<Removed> {
    let bin = TempDir::new(store, "volumes")?;
    for name in names {
        match fs::rename(store.volumes().join(name), bin.path().join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.doing(|| format!("cannot remove the volume {name}"))?,
        }
    }
    Ok(Removed(bin))
}

impl Removed {
    /// Deletes their files. Runs where the ids of those are mapped.
    ///
    /// # Errors
    /// The system's; what is left is found by the next sweep.
    pub fn delete(&self) -> Result<()> {
        remove_tree(self.0.path())
    }

    /// The directories of their files.
    ///
    /// # Errors
    /// The system's.
    pub fn data(&self) -> Result<Vec<PathBuf>> {
        let path = self.0.path();
        let doing = || format!("cannot read {}", path.display());
        fs::read_dir(path).doing(doing)?.map(|entry| Ok(entry.doing(doing)?.path().join(DATA))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        (home, store)
    }

    #[test]
    fn a_volume_is_made_once_and_keeps_what_it_was_made_with() {
        let (_home, store) = store();
        let mut metadata = Metadata::new();
        metadata.labels.insert("role".into(), "db".into());
        assert!(create(&store, "data", &metadata, Durability::Synced).unwrap());
        assert!(!create(&store, "data", &Metadata::new(), Durability::Cached).unwrap());
        let found = find(&store, "data").unwrap().unwrap();
        assert_eq!(found.metadata, metadata);
        assert!(found.data().is_dir());
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
        assert!(find(&store, "nope").unwrap().is_none() && find(&store, "../layers").unwrap().is_none());
    }

    #[test]
    fn volumes_of_older_versions_are_volumes() {
        let (_home, store) = store();
        let anonymous = "0123456789abcdef".repeat(4);
        for name in ["old", &anonymous] {
            fs::create_dir_all(store.volumes().join(name).join(DATA)).unwrap();
        }
        fs::create_dir(store.volumes().join("half")).unwrap();
        fs::create_dir_all(store.volumes().join("torn").join(DATA)).unwrap();
        fs::write(store.volumes().join("torn").join(METADATA), "{\"crea").unwrap();
        let found = list(&store).unwrap();
        let names: Vec<(&str, bool)> =
            found.iter().map(|volume| (volume.name.as_str(), volume.is_anonymous())).collect();
        assert_eq!(names, [(anonymous.as_str(), true), ("old", false), ("torn", false)]);
        assert!(!create(&store, "half", &Metadata::new(), Durability::Cached).unwrap());
        assert!(find(&store, "half").unwrap().is_some());
    }

    #[test]
    fn many_make_the_same_volume_and_one_does() {
        let (_home, store) = store();
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                std::thread::spawn(move || create(&store, "one", &Metadata::new(), Durability::Cached).unwrap())
            })
            .collect();
        let made = makers.into_iter().map(|maker| maker.join().unwrap()).filter(|made| *made).count();
        assert_eq!(made, 1);
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_taken_away_is_gone_at_once_and_deleted_later() {
        let (_home, store) = store();
        for name in ["one", "two"] {
            create(&store, name, &Metadata::new(), Durability::Cached).unwrap();
            fs::write(store.volumes().join(name).join(DATA).join("file"), "x").unwrap();
        }
        let removed = take_away(&store, ["one", "two", "nope"]).unwrap();
        assert!(list(&store).unwrap().is_empty());
        assert!(removed.data().unwrap().iter().all(|data| data.join("file").exists()));
        removed.delete().unwrap();
        drop(removed);
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
    }
}
