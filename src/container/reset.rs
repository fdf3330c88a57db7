//! `system reset`: everything that rr keeps for a user is removed, and every container ended.

use super::record::{self, AnonymousVolumes, Force};
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use crate::launch::StoreNamespace;
use crate::store::{Patience, Store, remove_tree};
use std::time::{Duration, Instant};

/// How long commands that make something may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends all containers and removes the store and the runtime directory, whoever's the files in them are.
///
/// # Errors
/// A container does not end; another command keeps making something; the system's.
pub fn reset(store: &Store, dirs: &Dirs) -> Result<()> {
    for container in record::list(store)? {
        record::remove(store, &container, Force::Yes, AnonymousVolumes::Kept)?;
    }
    let deadline = Instant::now() + PATIENCE;
    let _lock = loop {
        match store.lock_exclusive(Patience::Try)? {
            Some(lock) => break lock,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            None => {
                return Err(Failure::new(
                    "cannot remove everything",
                    "another rr is making something, and does not end",
                ));
            }
        }
    };
    // Containers of commands that were faster than the lock, and those whose records are damaged.
    for container in record::list(store)? {
        record::remove(store, &container, Force::Yes, AnonymousVolumes::Kept)?;
    }
    let root = store.root().to_owned();
    let empty = || {
        let doing = || format!("cannot read {}", root.display());
        for entry in std::fs::read_dir(&root).doing(doing)? {
            remove_tree(&entry.doing(doing)?.path())?;
        }
        Ok(())
    };
    // In the namespace, where all ids are the user's; its root is the user, who owns the directory above.
    StoreNamespace::here()?.run(empty)?;
    remove_tree(&root)?;
    remove_tree(&dirs.runtime)
}
