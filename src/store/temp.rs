//! What is being made: files and directories in `tmp/`, each flocked by its maker.
//!
//! A [`TempFile`] is its own lock. A [`TempDir`] has its lock beside it, `<name>.lock`, because the
//! directory itself is renamed away. Named ones (`blob-<digest>`, `layer-<ids>-<diff id>`) make two
//! processes that want the same thing meet: the second waits, and finds the thing done.

use super::lock::{Lock, Patience};
use super::{Store, remove_tree};
use crate::error::{Doing, Failure, Result};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes names unique within a process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A name in `tmp/` nobody else uses: pid, a counter, and the clock (pids come again).
fn unique(prefix: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanoseconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{prefix}-{}-{count}-{nanoseconds:x}", std::process::id())
}

/// A file being made; removed when dropped unless it was published or [`TempFile::keep`]t.
#[derive(Debug)]
pub struct TempFile {
    lock: Lock,
    path: PathBuf,
    gone: bool,
}

impl TempFile {
    /// A new empty file of a unique name that starts with `prefix`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(store: &Store, prefix: &str) -> Result<TempFile> {
        TempFile::named(store, &unique(prefix))
    }

    /// The file `tmp/<name>`, with whatever a dead maker has left in it. Waits while another process
    /// is making it.
    ///
    /// # Errors
    /// The system's.
    pub fn named(store: &Store, name: &str) -> Result<TempFile> {
        let path = store.tmp().join(name);
        let doing = || format!("cannot make {}", path.display());
        let Some(mut lock) = Lock::exclusive(&path, Patience::Wait)? else {
            return Err(Failure::new(doing(), "its lock was not waited for"));
        };
        store.give_to_owner(&*lock.file()).doing(doing)?;
        Ok(TempFile { lock, path, gone: false })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.lock.file()
    }

    /// Where it is while it is being made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it to `path`, replacing what was there.
    ///
    /// # Errors
    /// The system's; then the file is removed.
    pub fn publish(mut self, path: &Path) -> Result<()> {
        std::fs::rename(&self.path, path).doing(|| format!("cannot write {}", path.display()))?;
        self.gone = true;
        Ok(())
    }

    /// Gives it the name `path` unless that is taken; says whether it did.
    ///
    /// # Errors
    /// The system's.
    pub fn publish_new(self, path: &Path) -> Result<bool> {
        // link(2) is the rename that does not replace and that every file system has.
        match std::fs::hard_link(&self.path, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).doing(|| format!("cannot write {}", path.display())),
        }
    }

    /// Leaves it in `tmp/`, unlocked, for a later process to go on with.
    pub fn keep(mut self) {
        self.gone = true;
    }
}

impl io::Write for TempFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self.lock.file(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.gone {
            // Removed under the lock. A failure leaves garbage that the next sweep finds.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A directory being made; removed with all its content when dropped unless it was published.
#[derive(Debug)]
pub struct TempDir {
    lock: Option<Lock>,
    path: PathBuf,
    published: bool,
}

impl TempDir {
    /// A new empty directory, mode 0700, of a unique name that starts with `prefix`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(store: &Store, prefix: &str) -> Result<TempDir> {
        let mut directory = TempDir::named(store, &unique(prefix))?;
        directory.make()?;
        Ok(directory)
    }

    /// Takes the lock of `tmp/<name>`, waiting while another process makes that directory, without
    /// making it yet: look whether the other has published it, then call [`TempDir::make`].
    ///
    /// # Errors
    /// The system's.
    pub fn named(store: &Store, name: &str) -> Result<TempDir> {
        let path = store.tmp().join(name);
        let Some(mut lock) = Lock::exclusive(&lock_of(&path), Patience::Wait)? else {
            return Err(Failure::new(format!("cannot make {}", path.display()), "its lock was not waited for"));
        };
        store.give_to_owner(&*lock.file()).doing(|| format!("cannot make {}", path.display()))?;
        Ok(TempDir { lock: Some(lock), path, published: false })
    }

    /// Makes the directory, empty: what a dead maker has left is removed first.
    ///
    /// # Errors
    /// The system's.
    pub fn make(&mut self) -> Result<()> {
        remove_tree(&self.path)?;
        let made = std::fs::DirBuilder::new().mode(0o700).create(&self.path);
        made.doing(|| format!("cannot make {}", self.path.display()))
    }

    /// Where it is while it is being made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the directory `path` in here, to be removed with this one.
    ///
    /// # Errors
    /// The system's, also of the removal.
    pub fn take(&mut self, path: &Path) -> Result<()> {
        let inside = self.path.join("taken");
        std::fs::rename(path, &inside).doing(|| format!("cannot remove {}", path.display()))?;
        remove_tree(&inside)
    }

    /// Renames it to `path`, where nothing may be yet.
    ///
    /// # Errors
    /// The system's; then the directory is removed.
    pub fn publish(mut self, path: &Path) -> Result<()> {
        std::fs::rename(&self.path, path)
            .doing(|| format!("cannot move {} to {}", self.path.display(), path.display()))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !self.published && remove_tree(&self.path).is_err() {
            // Without its lock file no sweep would find the rest, so that stays too.
            return;
        }
        let _ = std::fs::remove_file(lock_of(&self.path));
        // Only now may another process take the lock.
        self.lock.take();
    }
}

fn lock_of(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Removes from `tmp/` what dead processes left, but for partial blobs (`blob-…`), which the next pull
/// resumes, while they are younger than `keep`. Needs root of the user namespace for layers' trees.
///
/// # Errors
/// The first one met; the rest is removed nevertheless.
pub fn sweep(store: &Store, keep: std::time::Duration) -> Result<()> {
    let doing = || format!("cannot read {}", store.tmp().display());
    let mut first_error = Ok(());
    for entry in std::fs::read_dir(store.tmp()).doing(doing)? {
        let entry = entry.doing(doing)?;
        let result = sweep_one(&entry, keep);
        if first_error.is_ok() {
            first_error = result;
        }
    }
    first_error
}

fn sweep_one(entry: &std::fs::DirEntry, keep: std::time::Duration) -> Result<()> {
    let path = entry.path();
    let Ok(metadata) = entry.metadata() else {
        return Ok(()); // published or removed meanwhile
    };
    let name = entry.file_name();
    let name = name.to_string_lossy();
    if metadata.is_dir() {
        // Its lock file tells; one that has none was swept in part.
        return match Lock::exclusive(&lock_of(&path), Patience::Try)? {
            Some(lock) => {
                let result = remove_tree(&path).and_then(|()| remove_tree(&lock_of(&path)));
                drop(lock);
                result
            }
            None => Ok(()),
        };
    }
    let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
    if name.starts_with("blob-") && age < keep {
        return Ok(());
    }
    // A lock file whose directory exists is dealt with there.
    if name.strip_suffix(".lock").is_some_and(|directory| path.with_file_name(directory).exists()) {
        return Ok(());
    }
    match Lock::exclusive(&path, Patience::Try)? {
        Some(lock) => {
            let result = remove_tree(&path);
            drop(lock);
            result
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        (home, store)
    }

    fn in_tmp(store: &Store) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(store.tmp())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn unpublished_things_vanish_with_their_makers() {
        let (_home, store) = store();
        let file = TempFile::new(&store, "x").unwrap();
        let dir = TempDir::new(&store, "y").unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        assert_eq!(in_tmp(&store).len(), 3);
        drop((file, dir));
        assert!(in_tmp(&store).is_empty());
    }

    #[test]
    fn a_kept_file_is_gone_on_with() {
        let (_home, store) = store();
        let mut file = TempFile::named(&store, "blob-1").unwrap();
        file.file().write_all(b"half").unwrap();
        file.keep();
        let again = TempFile::named(&store, "blob-1").unwrap();
        assert_eq!(std::fs::read(again.path()).unwrap(), b"half");
        again.publish(&store.root().join("whole")).unwrap();
        assert!(in_tmp(&store).is_empty());
    }

    #[test]
    fn publishing_new_does_not_replace() {
        let (_home, store) = store();
        let path = store.root().join("x");
        assert!(TempFile::new(&store, "f").unwrap().publish_new(&path).unwrap());
        assert!(!TempFile::new(&store, "f").unwrap().publish_new(&path).unwrap());
        assert!(in_tmp(&store).is_empty());
    }

    #[test]
    fn the_second_maker_waits_and_finds_it_published() {
        let (_home, store) = store();
        let target = store.root().join("done");
        let mut first = TempDir::named(&store, "layer-1").unwrap();
        first.make().unwrap();
        let second = std::thread::spawn({
            let (store, target) = (store.clone(), target.clone());
            move || {
                let _lock = TempDir::named(&store, "layer-1").unwrap();
                target.exists()
            }
        });
        std::thread::sleep(Duration::from_millis(50));
        first.publish(&target).unwrap();
        assert!(second.join().unwrap());
        assert!(in_tmp(&store).is_empty());
    }

    #[test]
    fn sweeping_takes_what_the_dead_left_and_nothing_of_the_living() {
        let (_home, store) = store();
        let living_file = TempFile::new(&store, "f").unwrap();
        let living_dir = TempDir::new(&store, "d").unwrap();
        for file in ["file-dead", "layer-dead.lock", "other.lock", "blob-dead"] {
            std::fs::write(store.tmp().join(file), "").unwrap();
        }
        std::fs::create_dir_all(store.tmp().join("layer-dead/sub")).unwrap();
        std::fs::create_dir_all(store.tmp().join("no-lock/sub")).unwrap();
        sweep(&store, Duration::from_secs(60)).unwrap();
        let left = in_tmp(&store);
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(left.contains(&"blob-dead".to_owned()));
        assert!(living_file.path().exists() && living_dir.path().exists());
        sweep(&store, Duration::ZERO).unwrap();
        assert_eq!(in_tmp(&store).len(), 3);
    }
}
