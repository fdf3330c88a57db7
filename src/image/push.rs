//! Pushing an image of the store to a registry: blobs first, those it has passed over, then the manifest.

use super::access::Access;
use super::digest::Digest;
use super::http::Trouble;
use super::index::LayoutIndex;
use super::local::{self, Image, read_blob};
use super::reference::Reference;
use super::registries::{Endpoint, Registries, Security};
use super::registry::{Repository, Scope, Uploaded};
use super::save::media_type_of;
use crate::error::{Doing, Result};
use crate::host::dirs::Dirs;
use crate::store::Store;
use std::collections::BTreeSet;

/// What became of a part of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The registry had it.
    Exists,
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Pushed,
}

/// Pushes `image` as `target`; `told` hears of each layer, by its diff id. Answers the manifest's digest.
///
/// # Errors
/// The registry cannot be reached, refuses, or fails in the middle; the store's copy is damaged.
pub fn push(
    store: &Store,
    dirs: &Dirs,
    image: &Image,
    target: &Reference,
    access: &Access,
    told: &mut dyn FnMut(&Digest, Fate),
) -> Result<(Digest, u64)> {
    let doing = || format!("cannot push to {target}");
    let _lock = store.lock_shared()?;
    let manifest = read_blob(store, &image.manifest_digest)?;
    let repository = connect(dirs, target, access, Scope::Push)?;
    let others = neighbours(store, target)?;
    let failed = |trouble: Trouble| trouble.while_doing(doing());
    let mut blobs: Vec<(Digest, u64, Option<Digest>)> =
        image.layers.iter().map(|layer| (layer.blob, layer.size, Some(layer.diff_id))).collect();
    let config_size = std::fs::metadata(store.blob(&image.id.hex())).doing(doing)?.len();
    blobs.push((image.id, config_size, None));
    let mut done = BTreeSet::new();
    for (digest, size, diff_id) in blobs {
        if !done.insert(digest) {
            continue;
        }
        let from: Vec<String> =
            others.iter().filter(|(_, has)| has.contains(&digest)).map(|(path, _)| path.clone()).collect();
        let path = store.blob(&digest.hex());
        let fate = match repository.put_blob(&digest, size, &path, &from).map_err(failed)? {
            Uploaded::Exists => Fate::Exists,
            Uploaded::Mounted => Fate::Mounted,
            Uploaded::Sent => Fate::Pushed,
        };
        if let Some(diff_id) = diff_id {
            told(&diff_id, fate);
        }
    }
    let identifier = repository.endpoint().reference.identifier();
    let digest = repository.put_manifest(&identifier, &media_type_of(&manifest), &manifest).map_err(failed)?;
    Ok((digest, manifest.len() as u64))
}

/// Whether the registry `host[:port]` takes the credentials.
///
/// # Errors
/// It does not, or cannot be asked.
pub fn check_login(dirs: &Dirs, host: &str, access: &Access) -> Result<()> {
    let doing = || format!("cannot log in to {host}");
    // Only the host of the name is used.
    let reference: Reference = format!("{host}/login").parse().doing(doing)?;
    let repository = connect(dirs, &reference, access, Scope::Login)?;
    repository.check().map_err(|trouble| trouble.while_doing(doing()))
}

/// The registry itself: nothing is pushed to a mirror.
fn connect(dirs: &Dirs, target: &Reference, access: &Access, scope: Scope) -> Result<Repository> {
    let registries = Registries::load(dirs)?;
    let endpoints = registries.endpoints(target).doing(|| format!("cannot push to {target}"))?;
    let own = endpoints.into_iter().next_back();
    let endpoint = own.unwrap_or(Endpoint { reference: target.clone(), security: Security::Verified });
    Ok(access.open(dirs, endpoint)?.with_scope(scope))
}

/// Repositories of the same registry that images of the store are named after, and the blobs of those images: the
/// registry may have them there.
fn neighbours(store: &Store, target: &Reference) -> Result<Vec<(String, BTreeSet<Digest>)>> {
    let index = LayoutIndex::read(store)?;
    let mut found = Vec::new();
    for entry in index.distinct() {
        let Ok(image) = local::load(store, &index, entry) else { continue };
        let blobs: BTreeSet<Digest> = image.layers.iter().map(|layer| layer.blob).collect();
        for name in image.names.iter().filter(|name| name.domain() == target.domain() && name.path() != target.path()) {
            found.push((name.path().to_owned(), blobs.clone()));
        }
    }
    Ok(found)
}
