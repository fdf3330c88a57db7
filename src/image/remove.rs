//! Removing images by Docker's rules, and collecting what nothing uses any more.
//!
//! Removing takes names and manifests out of the index, at once. The garbage (blobs that no manifest in
//! the index leads to, trees that are a layer neither of such an image nor of a container) is then
//! collected under the store's exclusive lock. Where a pull or a starting container holds that lock,
//! collecting is left to the next command that comes by: waiting for a long download would be worse.

use super::built;
use super::index::LayoutIndex;
use super::local::{self, Image};
use super::manifest::Descriptor;
use super::reference::{ImageName, Reference};
use super::transfer::LayerRecord;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::StoreNamespace;
use crate::store::{Patience, Store, TempDir, remove_tree, sweep};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How long a partial download waits for the pull that resumes it.
const KEEP_PARTIAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// A container that was made from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUser {
    /// Its name or short id, for the message.
    pub container: String,
    /// Whether it is running now.
    pub running: bool,
}

/// `-f`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse what containers use and ids with several names.
    No,
    /// Refuse only what running containers use.
    Yes,
}

/// What [`remove`] did, in the order Docker prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names taken away.
    pub untagged: Vec<Reference>,
    /// The image's id (`sha256:…`) where the image itself is gone.
    pub deleted: Option<String>,
}

/// What a layer's tree is used by a container as: the key of its id maps and the diff id's digits.
pub type UsedLayer = (String, String);

/// What [`collect_garbage`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// True where someone is making something; the rest is zero then.
    pub deferred: bool,
    /// Blobs removed.
    pub blobs: u64,
    /// What they took, bytes.
    pub blob_bytes: u64,
    /// Layers' trees removed.
    pub layers: u64,
    /// What their tar streams took, bytes.
    pub layer_bytes: u64,
}

/// Removes what `name` names: one of several names, or the image with its last one. By id, all its
/// names. Frees no space: see [`collect_garbage`].
///
/// `users` answers which containers were made from an image, by its id (`sha256:…`).
///
/// # Errors
/// There is no such image, or Docker's rules forbid it; with exit status 1.
pub fn remove(
    store: &Store,
    name: &ImageName,
    force: Force,
    users: &dyn Fn(&str) -> Result<Vec<ImageUser>>,
) -> Result<Removed> {
    let doing = || format!("cannot remove the image {name}");
    let conflict = |cause: String| Failure::new(doing(), cause).code(ExitCode::General);
    LayoutIndex::update(store, |index| {
        let Some(entry) = local::find_entry(store, index, name)?.cloned() else {
            return Err(local::no_such_image(doing(), &name.to_string()));
        };
        let names = index.names_of(&entry.digest);
        if let Some(one) = named_one(name, &entry, &names).filter(|_| names.len() > 1) {
            index.take_name(&one, None);
            return Ok(Removed { untagged: vec![one], deleted: None });
        }
        let id = image_id(store, index, &entry);
        let users = match &id {
            Some(id) => users(id)?,
            None => Vec::new(),
        };
        check_rules(&names, &users, force).map_err(conflict)?;
        index.remove(&entry.digest);
        Ok(Removed { untagged: names, deleted: Some(id.unwrap_or_else(|| entry.digest.to_string())) })
    })
}

/// The name that goes where an image was named by one of its names, not by its id.
fn named_one(name: &ImageName, entry: &Descriptor, names: &[Reference]) -> Option<Reference> {
    let ImageName::Registry { reference, .. } = name else { return None };
    let exact = local::stored_name(reference);
    if names.contains(&exact) {
        return Some(exact);
    }
    // A short name that stands for another registry's; an id's beginning stands for no name.
    entry.name().filter(|name| name.path() == reference.familiar_repository() && name.tag() == reference.tag())
}

/// The image id; None for an image too damaged to have one, which can be removed all the same.
fn image_id(store: &Store, index: &LayoutIndex, entry: &Descriptor) -> Option<String> {
    if let Some(id) = entry.image_id() {
        return Some(id.to_string());
    }
    match local::load(store, index, entry) {
        Ok(image) => Some(image.id.to_string()),
        Err(failure) => {
            log::debug!("{failure}");
            None
        }
    }
}

/// Docker's rules for the removal of an image with all its names. The error is a sentence.
fn check_rules(names: &[Reference], users: &[ImageUser], force: Force) -> std::result::Result<(), String> {
    if let Some(user) = users.iter().find(|user| user.running) {
        return Err(format!("the running container {} uses it (-f does not help)", user.container));
    }
    if force == Force::Yes {
        return Ok(());
    }
    if let Some(user) = users.first() {
        return Err(format!("the container {} uses it (remove that first, or use -f)", user.container));
    }
    let repositories: BTreeSet<String> = names.iter().map(Reference::repository).collect();
    if repositories.len() > 1 {
        return Err(format!("it has names in {} repositories (name one, or use -f)", repositories.len()));
    }
    Ok(())
}

/// Removes blobs and layers that nothing uses, and what dead processes left in `tmp/`.
///
/// `used` answers which layers' trees containers stand on; it is called with the store locked.
///
/// # Errors
/// The store cannot be read; something cannot be removed.
pub fn collect_garbage(store: &Store, used: &dyn Fn() -> Result<BTreeSet<UsedLayer>>) -> Result<Collected> {
    collect(store, used, KEEP_PARTIAL)
}

/// As [`collect_garbage`], and partial downloads go too.
///
/// # Errors
/// As there.
pub fn collect_all_garbage(store: &Store, used: &dyn Fn() -> Result<BTreeSet<UsedLayer>>) -> Result<Collected> {
    collect(store, used, Duration::ZERO)
}

fn collect(store: &Store, used: &dyn Fn() -> Result<BTreeSet<UsedLayer>>, keep_partial: Duration) -> Result<Collected> {
    let Some(_lock) = store.lock_exclusive(Patience::Try)? else {
        return Ok(Collected { deferred: true, ..Collected::default() });
    };
    let garbage = find_garbage(store, &used()?)?;
    if garbage.layers.is_empty() && is_empty(&store.tmp())? {
        return garbage.remove(store);
    }
    StoreNamespace::here()?.run(|| {
        let collected = garbage.remove(store)?;
        sweep(store, keep_partial)?;
        Ok(collected)
    })
}

fn is_empty(directory: &std::path::Path) -> Result<bool> {
    let mut entries = std::fs::read_dir(directory).doing(|| format!("cannot read {}", directory.display()))?;
    Ok(entries.next().is_none())
}

/// What nothing uses.
#[derive(Debug, Default)]
struct Garbage {
    blobs: Vec<PathBuf>,
    layers: Vec<PathBuf>,
}

/// Marks what the images of the index, the containers and the records of builds use; all else is garbage. An image that cannot
/// be read makes this fail: what it uses is unknown then, so nothing may go.
fn find_garbage(store: &Store, used: &BTreeSet<UsedLayer>) -> Result<Garbage> {
    let index = LayoutIndex::read(store)?;
    let mut blobs = BTreeSet::new();
    let mut layers = BTreeSet::new();
    for entry in index.distinct() {
        let Image { manifest_digest, id, layers: of_image, .. } = local::load(store, &index, entry)?;
        blobs.extend([entry.digest, manifest_digest, id].map(|digest| digest.hex()));
        blobs.extend(of_image.iter().map(|layer| layer.blob.hex()));
        layers.extend(of_image.iter().map(|layer| layer.diff_id.hex()));
    }
    for layer in built::list(store)?.into_iter().filter_map(|built| built.layer) {
        blobs.insert(layer.blob.hex());
        layers.insert(layer.diff_id.hex());
    }
    let mut garbage = Garbage::default();
    for (name, path) in entries(&store.layout().join("blobs/sha256"))? {
        if !blobs.contains(&name) {
            garbage.blobs.push(path);
        }
    }
    for (key, folder) in entries(&store.layers())? {
        for (name, path) in entries(&folder)? {
            let hex = name.trim_end_matches(".json");
            if !layers.contains(hex) && !used.contains(&(key.clone(), hex.to_owned())) {
                garbage.layers.push(path);
            }
        }
    }
    Ok(garbage)
}

/// Names and paths in a directory.
fn entries(directory: &std::path::Path) -> Result<Vec<(String, PathBuf)>> {
    let doing = || format!("cannot read {}", directory.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).doing(doing)? {
        let entry = entry.doing(doing)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}

impl Garbage {
    /// Removes it; goes on after a failure and then says the first.
    fn remove(&self, store: &Store) -> Result<Collected> {
        let mut collected = Collected::default();
        let mut first_error = Ok(());
        for path in &self.blobs {
            let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            match remove_tree(path) {
                Ok(()) => {
                    collected.blobs += 1;
                    collected.blob_bytes += bytes;
                }
                Err(failure) => first_error = first_error.and(Err(failure)),
            }
        }
        for path in self.layers.iter().filter(|path| path.extension().is_some()) {
            let record = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<LayerRecord>(&text).ok());
            collected.layer_bytes += record.map_or(0, |record| record.tar_bytes);
        }
        for path in &self.layers {
            match remove_layer(store, path) {
                Ok(()) => collected.layers += u64::from(path.extension().is_none()),
                Err(failure) => first_error = first_error.and(Err(failure)),
            }
        }
        first_error.map(|()| collected)
    }
}

/// Moves a tree out of `layers/` first: a half removed one must not pass for a layer.
fn remove_layer(store: &Store, path: &std::path::Path) -> Result<()> {
    if !path.is_dir() {
        return remove_tree(path);
    }
    let mut grave = TempDir::new(store, "removed")?;
    grave.take(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{put_image, store};

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    fn nobody(_: &str) -> Result<Vec<ImageUser>> {
        Ok(Vec::new())
    }

    fn someone(running: bool) -> impl Fn(&str) -> Result<Vec<ImageUser>> {
        move |_| Ok(vec![ImageUser { container: "web".into(), running }])
    }

    #[test]
    fn one_of_several_names_is_untagged_and_the_last_deletes() {
        let (_home, store) = store();
        let id = put_image(&store, "a", &["one"]);
        local::tag(&store, &name("a"), &"b:2".parse().unwrap()).unwrap();
        let removed = remove(&store, &name("a"), Force::No, &someone(true)).unwrap();
        assert_eq!(removed, Removed { untagged: vec!["a".parse().unwrap()], deleted: None });
        let removed = remove(&store, &name("b:2"), Force::No, &nobody).unwrap();
        assert_eq!(removed.deleted, Some(id.to_string()));
        assert!(local::find(&store, &name("b:2")).unwrap().is_none());
        let error = remove(&store, &name("b:2"), Force::No, &nobody).unwrap_err();
        assert_eq!(error.to_string(), "cannot remove the image b:2: no such image");
        assert_eq!(error.code, ExitCode::General);
    }

    #[test]
    fn containers_and_many_repositories_stand_in_the_way() {
        let (_home, store) = store();
        let id = put_image(&store, "a", &["one"]);
        let by_id = ImageName::Id(id.hex()[..12].to_owned());
        for (force, running, word) in
            [(Force::No, true, "running"), (Force::Yes, true, "running"), (Force::No, false, "use -f")]
        {
            let error = remove(&store, &name("a"), force, &someone(running)).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        local::tag(&store, &name("a"), &"a:2".parse().unwrap()).unwrap();
        local::tag(&store, &name("a"), &"other".parse().unwrap()).unwrap();
        let error = remove(&store, &by_id, Force::No, &nobody).unwrap_err();
        assert!(error.to_string().contains("2 repositories"), "{error}");
        assert_eq!(remove(&store, &by_id, Force::Yes, &someone(false)).unwrap().untagged.len(), 3);
    }

    #[test]
    fn an_id_with_names_in_one_repository_goes_whole() {
        let (_home, store) = store();
        let id = put_image(&store, "a", &["one"]);
        local::tag(&store, &name("a"), &"a:2".parse().unwrap()).unwrap();
        let removed = remove(&store, &ImageName::Id(id.hex()), Force::No, &nobody).unwrap();
        assert_eq!(removed.untagged.len(), 2);
    }

    #[test]
    fn garbage_is_what_no_image_and_no_container_uses() {
        let (_home, store) = store();
        put_image(&store, "a", &["shared", "of a"]);
        put_image(&store, "b", &["shared", "of b"]);
        let tree = |content: &str| store.layer("key", &crate::image::testing::diff_id(content).hex());
        for content in ["shared", "of a", "of b"] {
            std::fs::create_dir_all(tree(content).join("etc")).unwrap();
            std::fs::write(tree(content).with_extension("json"), "{}").unwrap();
        }
        remove(&store, &name("b"), Force::No, &nobody).unwrap();
        let in_use = ("key".to_owned(), crate::image::testing::diff_id("of b").hex());
        let garbage = find_garbage(&store, &[in_use].into()).unwrap();
        // The manifest, the config and one layer of b.
        assert_eq!((garbage.blobs.len(), garbage.layers.len()), (3, 0));
        let collected = find_garbage(&store, &BTreeSet::new()).unwrap().remove(&store).unwrap();
        assert_eq!((collected.blobs, collected.layers), (3, 1));
        assert!(collected.blob_bytes > 0);
        assert!(!tree("of b").exists() && !tree("of b").with_extension("json").exists());
        assert!(tree("shared").exists());
        assert!(local::find(&store, &name("a")).unwrap().is_some());
        assert_eq!(std::fs::read_dir(store.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_image_keeps_everything_until_it_is_removed() {
        let (_home, store) = store();
        let id = put_image(&store, "a", &["one"]);
        std::fs::write(store.blob(&id.hex()), "damaged").unwrap();
        assert!(find_garbage(&store, &BTreeSet::new()).is_err());
        remove(&store, &name("a"), Force::No, &nobody).unwrap();
        assert_eq!(find_garbage(&store, &BTreeSet::new()).unwrap().blobs.len(), 3);
    }

    #[test]
    fn collecting_does_not_wait_for_a_pull() {
        let (_home, store) = store();
        let _pull = store.lock_shared().unwrap();
        let collected = collect_garbage(&store, &|| unreachable!("not asked while locked out")).unwrap();
        assert!(collected.deferred);
    }
}
