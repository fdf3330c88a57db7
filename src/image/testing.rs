//! Small images for unit tests.

use super::digest::Digest;
use super::index::{LayoutIndex, Notes};
use super::manifest::{Descriptor, media_type};
use crate::store::Store;
use serde_json::json;

/// A store in a directory of its own.
pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_at(home.path()).unwrap();
    (home, store)
}

/// The made-up diff id of a layer whose blob is `content`.
pub(crate) fn diff_id(content: &str) -> Digest {
    Digest::of(format!("diff of {content}").as_bytes())
}

fn put_blob(store: &Store, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    std::fs::write(store.blob(&digest.hex()), bytes).unwrap();
    digest
}

/// Puts an image with these layers into the store under `name`; answers its id.
pub(crate) fn put_image(store: &Store, name: &str, layers: &[&str]) -> Digest {
    let platform = super::platform::Platform::host();
    let config = json!({
        "architecture": platform.architecture, "os": "linux",
        "config": {"Env": ["A=b"], "Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| diff_id(layer)).collect::<Vec<_>>()},
    })
    .to_string();
    let config_digest = put_blob(store, config.as_bytes());
    let layer = |content: &&str| {
        json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": put_blob(store, content.as_bytes()),
            "size": content.len(),
        })
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": {"mediaType": media_type::OCI_CONFIG, "digest": config_digest, "size": config.len()},
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
    .to_string();
    let digest = put_blob(store, manifest.as_bytes());
    let mut entry = Descriptor {
        media_type: media_type::OCI_MANIFEST.into(),
        digest,
        size: manifest.len() as u64,
        platform: None,
        annotations: [].into(),
        other: serde_json::Map::new(),
    };
    entry.note(&Notes { image_id: config_digest, source: digest, unpacked: None, hidden: 0 });
    LayoutIndex::update(store, |index| {
        index.add(&entry, Some(&name.parse().unwrap()));
        Ok(())
    })
    .unwrap();
    config_digest
}
