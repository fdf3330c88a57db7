//! The on-disk layout, its locks, and how things appear in it.
//!
//! ```text
//! $XDG_DATA_HOME/rr/        0700
//!   version                 "1"
//!   lock                    flock: shared while something is made, exclusive to collect garbage
//!   index.lock              flock: whoever rewrites oci/index.json
//!   oci/                    a valid OCI image layout: oci-layout, index.json, blobs/sha256/
//!   layers/<ids>/<diff id>/ a layer's tree, unpacked under the id maps with that key; never changed
//!   layers/<ids>/<diff id>.json   what is known about it (size)
//!   builds/<key>.json       which layer came of which step of a build
//!   build-caches/<digest>/  what RUN --mount=type=cache keeps, by its id
//!   containers/<id>/        one container's record, plan, upper directory, log
//!   names/                  container names
//!   volumes.lock            flock: shared while a plan that names volumes is made, exclusive to remove volumes
//!   volumes/<name>/         see [`volumes`]
//!   networks.lock           flock: shared while a plan that names networks is made, exclusive to make or remove networks
//!   networks/<name>/        see [`networks`]
//!   keepers.lock            flock: whoever starts, joins or ends the process that keeps a network
//!   mountpoints/            a layer of empty files below the image's, for what rr mounts on files
//!   events/log              what has happened
//!   tmp/                    what is being made; each thing is flocked by its maker
//! ```
//!
//! Everything is made in `tmp/` and appears by rename(2), so whatever is outside `tmp/` is whole. What
//! lies in `tmp/` and has a free lock was left by a process that died: it is resumed or removed. All
//! locks are flock(2) locks: the kernel frees them with their owner, however it dies.
//!
//! The rule that keeps garbage collection honest: from finding an image to having written the record
//! that uses it, hold [`Store::lock_shared`]; to delete what nothing uses, hold
//! [`Store::lock_exclusive`].

mod events;
mod lock;
pub mod networks;
mod temp;
pub mod volumes;

pub use events::{Event, From, Kind, Reader};
pub use lock::{Lock, Patience};
pub use temp::{TempDir, TempFile, sweep};

use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The layout above, as the file `version` names it.
const VERSION: &str = "1";

/// The directories below the root.
const DIRECTORIES: [&str; 7] = ["oci", "oci/blobs", "oci/blobs/sha256", "layers", "containers", "names", "volumes"];

/// An open store. Cheap to clone, and holds no descriptor.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store in `dirs.data`, making it where there is none.
    ///
    /// # Errors
    /// The directory cannot be made or read, or is a store of another version, which is left untouched.
    pub fn open(dirs: &Dirs) -> Result<Store> {
        Store::open_at(&dirs.data)
    }

    /// Opens or makes the store at `root`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_at(root: &Path) -> Result<Store> {
        let store = Store { root: root.to_owned() };
        let version = root.join("version");
        match std::fs::read_to_string(&version) {
            Ok(text) if text.trim_end() == VERSION => Ok(store),
            Ok(text) => Err(Failure::new(
                format!("cannot use the store {}", root.display()),
                format!("it is of version `{}`, and this rr knows version {VERSION}", text.trim_end().escape_debug()),
            )
            .hint("use the rr that made it, or set XDG_DATA_HOME to keep a second store")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                store.make()?;
                Ok(store)
            }
            Err(error) => Err(error).doing(|| format!("cannot read {}", version.display())),
        }
    }

    /// Makes what is missing; the version comes last, so a store that has one is whole.
    fn make(&self) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        // 0700 also for the missing parents, as the XDG Base Directory Specification wants.
        builder.recursive(true).mode(0o700);
        let make =
            |path: PathBuf| builder.create(&path).doing(|| format!("cannot make the directory {}", path.display()));
        make(self.root.clone())?;
        make(self.tmp())?;
        for directory in DIRECTORIES {
            make(self.root.join(directory))?;
        }
        self.write_if_missing(&self.layout().join("oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
        self.write_if_missing(
            &self.layout().join("index.json"),
            b"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}",
        )?;
        self.write_if_missing(&self.root.join("version"), format!("{VERSION}\n").as_bytes())
    }

    /// Another rr may be making the same store, so this must not overwrite what it already uses.
    fn write_if_missing(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file = TempFile::new(self, "file")?;
        file.file().write_all(content).doing(|| format!("cannot write {}", path.display()))?;
        file.publish_new(path).map(|_| ())
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The OCI image layout: `oci/`.
    pub fn layout(&self) -> PathBuf {
        self.root.join("oci")
    }

    /// The blob with the SHA-256 digest of these 64 hexadecimal digits.
    pub fn blob(&self, hex: &str) -> PathBuf {
        self.root.join("oci/blobs/sha256").join(hex)
    }

    /// The tree of a layer: `key` is [`crate::host::ids::IdMaps::key`], `hex` the diff id's digits.
    pub fn layer(&self, key: &str, hex: &str) -> PathBuf {
        self.root.join("layers").join(key).join(hex)
    }

    /// A layer for the bottom of a root file system, with empty files in /etc of these names: what an image
    /// does not have of them need not be made in the container's own layer before it can be mounted upon.
    /// (Docker stacks an "init layer" for the same purpose.) Its files are the user's.
    ///
    /// # Errors
    /// The system's; the layer is made at its first use.
    pub fn mountpoints<'a>(&self, files: impl Iterator<Item = &'a str>) -> Result<PathBuf> {
        let path = self.root.join("mountpoints");
        if path.exists() {
            return Ok(path);
        }
        let doing = || format!("cannot make {}", path.display());
        let mut new = TempDir::named(self, "mountpoints")?;
        if !path.exists() {
            new.make()?;
            let etc = new.path().join("etc");
            std::fs::create_dir(&etc).doing(doing)?;
            for name in files {
                std::fs::write(etc.join(name), "").doing(doing)?;
                std::fs::set_permissions(etc.join(name), Permissions::from_mode(0o644)).doing(doing)?;
            }
            for directory in [&etc, new.path()] {
                std::fs::set_permissions(directory, Permissions::from_mode(0o755)).doing(doing)?;
            }
            new.publish(&path)?;
        }
        Ok(path)
    }

    /// All unpacked layers, by key of their id maps.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// What builds have made. There is no such directory before the first.
    pub fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    /// Directories that steps of builds keep things in (`RUN --mount=type=cache`).
    pub fn build_caches(&self) -> PathBuf {
        self.root.join("build-caches")
    }

    /// One directory a container.
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// One file or link a container's name.
    pub fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    /// One directory a volume.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// One directory a network. There is none before the first network is made.
    pub fn networks(&self) -> PathBuf {
        self.root.join("networks")
    }

    /// What is being made.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// For whoever makes something that uses images or layers: they stay as long as this is held.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_shared(&self) -> Result<Lock> {
        Lock::shared(&self.root.join("lock"))
    }

    /// For whoever deletes what nothing uses. With [`Patience::Try`], None where someone holds it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_exclusive(&self, patience: Patience) -> Result<Option<Lock>> {
        Lock::exclusive(&self.root.join("lock"), patience)
    }

    /// For whoever makes a plan that names volumes: they stay until it is written.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_volumes_shared(&self) -> Result<Lock> {
        Lock::shared(&self.root.join("volumes.lock"))
    }

    /// For whoever removes volumes that no plan names.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_volumes_exclusive(&self) -> Result<Lock> {
        let lock = Lock::exclusive(&self.root.join("volumes.lock"), Patience::Wait)?;
        lock.ok_or_else(|| Failure::new("cannot lock the volumes", "the lock was not waited for"))
    }

    /// For whoever makes a plan that names networks: they stay until it is written.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_networks_shared(&self) -> Result<Lock> {
        Lock::shared(&self.root.join("networks.lock"))
    }

    /// For whoever makes networks, or removes those that no plan names.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_networks_exclusive(&self) -> Result<Lock> {
        let lock = Lock::exclusive(&self.root.join("networks.lock"), Patience::Wait)?;
        lock.ok_or_else(|| Failure::new("cannot lock the networks", "the lock was not waited for"))
    }

    /// For whoever starts the process that keeps a network, or joins one; and for that process, which must not end while
    /// somebody does. With [`Patience::Try`], None where someone holds it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_keepers(&self, patience: Patience) -> Result<Option<Lock>> {
        Lock::exclusive(&self.root.join("keepers.lock"), patience)
    }

    /// For whoever reads `oci/index.json` in order to write it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn lock_index(&self) -> Result<Lock> {
        let lock = Lock::exclusive(&self.root.join("index.lock"), Patience::Wait)?;
        lock.ok_or_else(|| Failure::new("cannot lock the image index", "the lock was not waited for"))
    }

    /// Replaces the file at `path` by `content` in one step; it survives a crash of the machine.
    ///
    /// # Errors
    /// The system's, as for a full disk; then the old file is as it was.
    pub fn replace(&self, path: &Path, content: &[u8]) -> Result<()> {
        let doing = || format!("cannot write {}", path.display());
        let mut file = TempFile::new(self, "file")?;
        file.file().write_all(content).doing(doing)?;
        file.file().sync_all().doing(doing)?;
        file.publish(path)
    }

    /// Gives a file that root of a user namespace made to the store's owner, whose id root need not
    /// be (`--userns keep-id`): what is left behind must be removable without a namespace.
    fn give_to_owner(&self, file: impl AsFd) -> io::Result<()> {
        let owner = std::fs::metadata(&self.root)?;
        let stat = rustix::fs::fstat(&file)?;
        if stat.st_uid == owner.uid() {
            return Ok(());
        }
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
    }
}

/// How files of the store are opened for writing: made if missing, never truncated, 0644 so that
/// other tools run by the same user in another namespace can read blobs.
fn write_options() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    options
}

/// Removes `path` and everything below it; what is not there is fine. Symbolic links are not followed.
/// Trees that hold files of subordinate ids need root of their user namespace.
///
/// # Errors
/// The system's.
pub fn remove_tree(path: &Path) -> Result<()> {
    let result = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).doing(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_store_is_private_and_an_oci_layout() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("share/rr");
        let store = Store::open_at(&root).unwrap();
        assert_eq!(std::fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        let layout: serde_json::Value =
            serde_json::from_slice(&std::fs::read(store.layout().join("oci-layout")).unwrap()).unwrap();
        assert_eq!(layout["imageLayoutVersion"], "1.0.0");
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(store.layout().join("index.json")).unwrap()).unwrap();
        assert_eq!(index["schemaVersion"], 2);
        assert_eq!(std::fs::read_dir(store.tmp()).unwrap().count(), 0);
        Store::open_at(&root).unwrap();
    }

    #[test]
    fn a_store_half_made_is_completed_and_keeps_its_index() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        std::fs::remove_file(home.path().join("version")).unwrap();
        std::fs::remove_dir(store.volumes()).unwrap();
        std::fs::write(store.layout().join("index.json"), "kept").unwrap();
        Store::open_at(home.path()).unwrap();
        assert!(store.volumes().is_dir());
        assert_eq!(std::fs::read_to_string(store.layout().join("index.json")).unwrap(), "kept");
    }

    #[test]
    fn a_store_of_another_version_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("version"), "2\n").unwrap();
        let error = Store::open_at(home.path()).unwrap_err();
        assert!(error.to_string().contains("version `2`"), "{error}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_root_that_cannot_be_made_is_named() {
        let error = Store::open_at(Path::new("/proc/rr")).unwrap_err();
        assert!(error.to_string().starts_with("cannot make the directory /proc/rr: "), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Store::open_at(file.path()).unwrap_err();
        assert!(error.to_string().contains("ENOTDIR"), "{error}");
    }

    #[test]
    fn replacing_is_all_or_nothing() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        let path = home.path().join("x");
        store.replace(&path, b"one").unwrap();
        store.replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(store.replace(&home.path().join("no/such"), b"x").is_err());
        assert_eq!(std::fs::read_dir(store.tmp()).unwrap().count(), 0);
    }
}
