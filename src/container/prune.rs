//! Removing what nobody needs: stopped containers, and whatever commands that were killed have left.
//!
//! Other commands may run at the same time: a container is removed under its own lock, garbage under the store's
//! ([`crate::store`]), and a name's claim under that of all names.

use super::record::{self, Container};
use crate::error::Result;
use crate::image::{self, Collected, UsedLayer};
use crate::launch::StoreNamespace;
use crate::store::{Patience, Store, remove_tree};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the lock of the store is waited for before garbage is left to the next command.
const PATIENCE: Duration = Duration::from_secs(3);

/// Containers that were removed.
#[derive(Debug, Clone, Default)]
pub struct PrunedContainers {
    /// Their ids.
    pub ids: Vec<String>,
    /// What they had written, bytes.
    pub bytes: u64,
}

/// Removes the containers that do not run and that `wanted` takes.
///
/// # Errors
/// The first that there is; the others are removed all the same.
pub fn containers(store: &Store, wanted: &dyn Fn(&Container) -> bool) -> Result<PrunedContainers> {
    let mut pruned = PrunedContainers::default();
    let mut result = Ok(());
    let stopped: Vec<Container> =
        record::list(store)?.into_iter().filter(|container| !container.is_alive() && wanted(container)).collect();
    let sizes = super::disk::sizes_of(stopped.iter().map(|container| container.dir.join("upper")).collect())?;
    for (container, bytes) in stopped.iter().zip(sizes) {
        match record::remove_unheld(store, container) {
            Ok(true) => {
                pruned.ids.push(container.plan.id.clone());
                pruned.bytes += bytes;
            }
            // Started, or removed by another command, since it was listed.
            Ok(false) => {}
            Err(failure) => result = result.and(Err(failure)),
        }
    }
    result.map(|()| pruned)
}

/// Finishes what killed commands have left of containers: half made and half removed ones, states that say
/// `running`, names of containers there are not.
///
/// # Errors
/// The store cannot be read.
pub fn leftovers(store: &Store) -> Result<()> {
    // Listing puts right and sweeps; see `record`.
    record::list(store)?;
    record::sweep_names(store)
}

/// Removes blobs and layers that nothing uses, and what is left in `tmp/`, partial downloads too. Waits a moment for
/// commands that make something.
///
/// # Errors
/// The system's.
pub fn garbage(store: &Store) -> Result<Collected> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let collected = image::collect_all_garbage(store, &|| used_layers(store))?;
        if !collected.deferred || std::time::Instant::now() >= deadline {
            return Ok(collected);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Forgets what builds have made, and removes their caches. The layers go with the next [`garbage`]; where another command
/// makes something, which may be a build, all stays.
///
/// # Errors
/// The system's.
pub fn builds(store: &Store) -> Result<()> {
    let Some(_lock) = store.lock_exclusive(Patience::Try)? else { return Ok(()) };
    image::built::forget_all(store)?;
    let caches = store.build_caches();
    if !caches.exists() {
        return Ok(());
    }
    StoreNamespace::here()?.run(|| remove_tree(&caches))
}

fn used_layers(store: &Store) -> Result<BTreeSet<UsedLayer>> {
    record::used_layers(store)
}
