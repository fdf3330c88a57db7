//! What `build` remembers: which layer came of which step upon which files, so that the same need not be done again.
//!
//! A record lies in `builds/` of the store under the digest of all that went into its step. The layer it names is kept
//! as an image's is; [`forget_all`] gives all of them up to the next collection of garbage.

use super::digest::Digest;
use super::pack::layer::PackedLayer;
use crate::error::{Doing, Result};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The layer; None where it has changed nothing.
    pub layer: Option<PackedLayer>,
    /// When, RFC 3339.
    pub created: String,
    /// The step, for people.
    pub step: String,
}

fn record(store: &Store, key: &Digest) -> PathBuf {
    store.builds().join(format!("{}.json", key.hex()))
}

/// What is remembered under `key`, if its layer's blob is still there. A damaged record is none.
pub fn find(store: &Store, key: &Digest) -> Option<Built> {
    let path = record(store, key);
    let text = std::fs::read(&path).ok()?;
    let built: Built =
        serde_json::from_slice(&text).inspect_err(|error| log::debug!("{}: {error}", path.display())).ok()?;
    let is_whole = built.layer.as_ref().is_none_or(|layer| store.blob(&layer.blob.hex()).exists());
    is_whole.then_some(built)
}

/// Remembers it. The caller holds [`Store::lock_shared`] since before the layer was made.
///
/// # Errors
/// The system's.
pub fn keep(store: &Store, key: &Digest, built: &Built) -> Result<()> {
    let folder = store.builds();
    let doing = || format!("cannot write to {}", folder.display());
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).doing(doing),
        _ => {}
    }
    store.replace(&record(store, key), &serde_json::to_vec(built).doing(doing)?)
}

/// All records; damaged ones are left out.
///
/// # Errors
/// The directory cannot be read.
pub fn list(store: &Store) -> Result<Vec<Built>> {
    let parse = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    Ok(paths(store)?.into_iter().filter_map(parse).collect())
}

/// Forgets everything; the result is how many records there were. The layers go with the next collection of garbage.
///
/// # Errors
/// The system's.
pub fn forget_all(store: &Store) -> Result<usize> {
    let all = paths(store)?;
    for path in &all {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(all.len())
}

fn paths(store: &Store) -> Result<Vec<PathBuf>> {
    let folder = store.builds();
    let doing = || format!("cannot read {}", folder.display());
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(doing)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).doing(doing)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::store;

    #[test]
    fn a_record_is_found_as_long_as_its_layer_is_there() {
        let (_home, store) = store();
        let key = Digest::of(b"key");
        assert_eq!(find(&store, &key), None);
        let nothing = Built { layer: None, created: "2026-01-01T00:00:00Z".into(), step: "RUN true".into() };
        keep(&store, &key, &nothing).unwrap();
        assert_eq!(find(&store, &key), Some(nothing.clone()));
        let blob = Digest::of(b"blob");
        let layer = PackedLayer { blob, size: 4, diff_id: blob, tar_bytes: 4 };
        keep(&store, &key, &Built { layer: Some(layer), ..nothing }).unwrap();
        assert_eq!(find(&store, &key), None);
        std::fs::write(store.blob(&blob.hex()), "blob").unwrap();
        assert!(find(&store, &key).is_some());
        std::fs::write(record(&store, &key), "damaged").unwrap();
        assert_eq!((find(&store, &key), list(&store).unwrap().len()), (None, 0));
        assert_eq!((forget_all(&store).unwrap(), forget_all(&store).unwrap()), (1, 0));
    }
}
