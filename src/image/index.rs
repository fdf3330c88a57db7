//! `oci/index.json`: which manifests the store holds, and what they are called.
//!
//! One entry a name, as OCI image-spec "image layout" has it: the annotation
//! `org.opencontainers.image.ref.name` holds the whole normalised reference, so that
//! `skopeo copy oci:…/oci:docker.io/library/alpine:latest` finds it. A manifest without a name is an
//! image that lost its tag. Annotations of rr's own spare reading every manifest to list the images;
//! where another tool has written the entry they are missing, and the manifest is read.

use super::digest::Digest;
use super::manifest::{Descriptor, media_type, parse_object};
use super::reference::Reference;
use crate::error::{Doing, Failure, Result};
use crate::store::Store;
use serde::{Deserialize, Serialize};

/// The name of a manifest (OCI image-spec "annotations").
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Digest of the config: Docker's image id.
const IMAGE_ID: &str = "rr.image.id";
/// Digest the registry knows the image by; that of an index where there was one.
const SOURCE_DIGEST: &str = "rr.source.digest";
/// Bytes of all layers' tar streams.
const UNPACKED_SIZE: &str = "rr.unpacked.size";

/// How many layers at the bottom are hidden by an opaque top of one above them.
const HIDDEN_LAYERS: &str = "rr.layers.hidden";

/// The index of the store's OCI layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayoutIndex {
    schema_version: u32,
    #[serde(default = "oci_index")]
    media_type: String,
    /// The entries, oldest first.
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

fn oci_index() -> String {
    media_type::OCI_INDEX.to_owned()
}

impl LayoutIndex {
    /// Reads it.
    pub(super) fn read(store: &Store) -> Result<LayoutIndex> {
        let path = store.layout().join("index.json");
        let doing = || format!("cannot read the image index {}", path.display());
        let bytes = std::fs::read(&path).doing(doing)?;
        let index: LayoutIndex = parse_object(&bytes).map_err(|error| Failure::new(doing(), error))?;
        Ok(index)
    }

    /// Changes it under its lock; written only where `change` changed something and succeeded.
    pub(super) fn update<T>(store: &Store, change: impl FnOnce(&mut LayoutIndex) -> Result<T>) -> Result<T> {
        let _lock = store.lock_index()?;
        let before = LayoutIndex::read(store)?;
        let mut after = before.clone();
        let value = change(&mut after)?;
        if after != before {
            let path = store.layout().join("index.json");
            let text = serde_json::to_vec(&after).doing(|| format!("cannot write {}", path.display()))?;
            store.replace(&path, &text)?;
        }
        Ok(value)
    }

    /// The entry of exactly this name.
    pub(super) fn named(&self, name: &Reference) -> Option<&Descriptor> {
        let name = name.to_string();
        self.manifests.iter().find(|entry| entry.annotations.get(REF_NAME) == Some(&name))
    }

    /// All names of a manifest, sorted.
    pub(super) fn names_of(&self, digest: &Digest) -> Vec<Reference> {
        let mut names: Vec<Reference> =
            self.manifests.iter().filter(|entry| entry.digest == *digest).filter_map(Descriptor::name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Each manifest once, in the order they came.
    pub(super) fn distinct(&self) -> Vec<&Descriptor> {
        let mut seen = std::collections::BTreeSet::new();
        self.manifests.iter().filter(|entry| seen.insert(entry.digest)).collect()
    }

    /// Adds a manifest under `name`, or without one. Whatever had that name before loses it.
    pub(super) fn add(&mut self, manifest: &Descriptor, name: Option<&Reference>) {
        if let Some(name) = name {
            self.take_name(name, Some(&manifest.digest));
        }
        let text = name.map(Reference::to_string);
        let same = |entry: &&mut Descriptor| {
            let had = entry.annotations.get(REF_NAME);
            // A nameless entry of the same manifest takes the name on.
            entry.digest == manifest.digest && (had == text.as_ref() || had.is_none() || text.is_none())
        };
        let mut entry = manifest.clone();
        entry.annotations.remove(REF_NAME);
        match self.manifests.iter_mut().find(same) {
            Some(old) => {
                let text = text.or_else(|| old.annotations.get(REF_NAME).cloned());
                entry.annotations.extend(text.map(|text| (REF_NAME.to_owned(), text)));
                *old = entry;
            }
            None => {
                entry.annotations.extend(text.map(|text| (REF_NAME.to_owned(), text)));
                self.manifests.push(entry);
            }
        }
    }

    /// Takes a name away from whatever has it, but for the manifest `keep`. A manifest that loses its
    /// last name stays, nameless.
    pub(super) fn take_name(&mut self, name: &Reference, keep: Option<&Digest>) {
        let text = name.to_string();
        let has_it = |entry: &Descriptor| {
            entry.annotations.get(REF_NAME) == Some(&text) && keep.is_none_or(|keep| entry.digest != *keep)
        };
        while let Some(place) = self.manifests.iter().position(has_it) {
            let digest = self.manifests[place].digest;
            if self.manifests.iter().filter(|entry| entry.digest == digest).count() > 1 {
                self.manifests.remove(place);
            } else {
                self.manifests[place].annotations.remove(REF_NAME);
            }
        }
    }

    /// Removes a manifest with all its names.
    pub(super) fn remove(&mut self, digest: &Digest) {
        self.manifests.retain(|entry| entry.digest != *digest);
    }
}

/// What rr notes down in an index entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notes {
    /// Digest of the config.
    pub(super) image_id: Digest,
    /// Digest in the registry.
    pub(super) source: Digest,
    /// Bytes of the layers' tar streams, where they were counted.
    pub(super) unpacked: Option<u64>,
    /// How many layers at the bottom are hidden.
    pub(super) hidden: usize,
}

impl Descriptor {
    /// The name of this index entry, where it has one that rr can read.
    pub(super) fn name(&self) -> Option<Reference> {
        self.annotations.get(REF_NAME)?.parse().ok()
    }

    /// The image id of this index entry, where rr wrote it.
    pub(super) fn image_id(&self) -> Option<Digest> {
        self.annotations.get(IMAGE_ID)?.parse().ok()
    }

    /// The digest in the registry, where rr wrote this index entry.
    pub(super) fn source_digest(&self) -> Option<Digest> {
        self.annotations.get(SOURCE_DIGEST)?.parse().ok()
    }

    /// Bytes of the layers' tar streams, where rr wrote this index entry and has counted them.
    pub(super) fn unpacked_size(&self) -> Option<u64> {
        self.annotations.get(UNPACKED_SIZE)?.parse().ok()
    }

    /// How many layers at the bottom are hidden.
    pub(super) fn hidden_layers(&self) -> usize {
        self.annotations.get(HIDDEN_LAYERS).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Writes the notes into this index entry.
    pub(super) fn note(&mut self, notes: &Notes) {
        self.annotations.insert(IMAGE_ID.to_owned(), notes.image_id.to_string());
        self.annotations.insert(SOURCE_DIGEST.to_owned(), notes.source.to_string());
        if let Some(bytes) = notes.unpacked {
            self.annotations.insert(UNPACKED_SIZE.to_owned(), bytes.to_string());
        }
        if notes.hidden > 0 {
            self.annotations.insert(HIDDEN_LAYERS.to_owned(), notes.hidden.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(content: &str) -> Descriptor {
        Descriptor {
            media_type: media_type::OCI_MANIFEST.into(),
            digest: Digest::of(content.as_bytes()),
            size: 1,
            platform: None,
            annotations: [("kept".to_owned(), "yes".to_owned())].into(),
            other: serde_json::Map::new(),
        }
    }

    fn empty() -> LayoutIndex {
        LayoutIndex { schema_version: 2, media_type: oci_index(), manifests: Vec::new(), other: serde_json::Map::new() }
    }

    fn name(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_moves_and_leaves_its_image_nameless() {
        let mut index = empty();
        index.add(&entry("old"), Some(&name("a")));
        index.add(&entry("old"), Some(&name("b")));
        index.add(&entry("new"), Some(&name("a")));
        assert_eq!(index.names_of(&Digest::of(b"old")), [name("b")]);
        assert_eq!(index.named(&name("a")).unwrap().digest, Digest::of(b"new"));
        index.add(&entry("new"), Some(&name("b")));
        assert_eq!(index.names_of(&Digest::of(b"old")), []);
        assert_eq!(index.distinct().len(), 2);
        index.add(&entry("old"), Some(&name("c")));
        assert_eq!(index.manifests.len(), 3);
        assert_eq!(index.named(&name("c")).unwrap().annotations["kept"], "yes");
        index.add(&entry("old"), None);
        assert_eq!(index.names_of(&Digest::of(b"old")), [name("c")]);
        index.remove(&Digest::of(b"new"));
        assert_eq!(index.manifests.len(), 1);
    }

    #[test]
    fn what_other_tools_wrote_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        let text = format!(
            r#"{{"schemaVersion":2,"x":1,"manifests":[{{"mediaType":"m","digest":"{}","size":3,"artifactType":"t"}}]}}"#,
            Digest::of(b"")
        );
        std::fs::write(store.layout().join("index.json"), text).unwrap();
        LayoutIndex::update(&store, |index| {
            index.add(&entry("new"), Some(&name("a")));
            Ok(())
        })
        .unwrap();
        let text = std::fs::read_to_string(store.layout().join("index.json")).unwrap();
        assert!(text.contains(r#""x":1"#) && text.contains(r#""artifactType":"t""#), "{text}");
        assert!(text.contains(r#""org.opencontainers.image.ref.name":"docker.io/library/a:latest""#), "{text}");
    }

    #[test]
    fn a_damaged_index_is_an_error_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        std::fs::write(store.layout().join("index.json"), "{").unwrap();
        let error = LayoutIndex::update(&store, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("index.json: "), "{error}");
    }

    proptest! {
        /// Whatever is added and taken, a name has one manifest and no manifest is lost.
        #[test]
        fn names_are_unique(steps in proptest::collection::vec((0..4usize, 0..4usize, any::<bool>()), 0..30)) {
            let mut index = empty();
            let mut added = std::collections::BTreeSet::new();
            for (content, tag, add) in steps {
                let name = name(&format!("n:{tag}"));
                if add {
                    index.add(&entry(&content.to_string()), Some(&name));
                    added.insert(content);
                    prop_assert_eq!(index.named(&name).unwrap().digest, Digest::of(content.to_string().as_bytes()));
                } else {
                    index.take_name(&name, None);
                    prop_assert!(index.named(&name).is_none());
                }
                let mut names: Vec<_> = index.manifests.iter().filter_map(Descriptor::name).collect();
                let count = names.len();
                names.sort();
                names.dedup();
                prop_assert_eq!(names.len(), count);
                prop_assert_eq!(index.distinct().len(), added.len());
            }
        }
    }
}
