//! What an instruction begins with, and leaves for the next: layers and a config.

use crate::image::config::{History, ImageConfig};
use crate::image::digest::{Digest, Hasher};
use crate::image::pack::layer::PackedLayer;
use crate::image::{self, Image};
use crate::store::Store;
use std::path::PathBuf;

/// The comment in the history of what BuildKit builds, which tools look for.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Files and config at one point of a build.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The image it was begun from; None is `scratch`.
    pub base: Option<Image>,
    /// What was laid upon that, bottom first.
    pub layers: Vec<PackedLayer>,
    /// What it says about its containers; layers and history are the base's still.
    pub config: ImageConfig,
    /// What was done upon the base.
    pub history: Vec<History>,
    /// When the last layer was made, RFC 3339: what changes the config alone has no time of its own, so that the same
    /// build gives the same image.
    pub time: Option<String>,
}

impl Snapshot {
    /// Nothing but a base.
    pub fn new(base: Option<Image>) -> Snapshot {
        let config = base.as_ref().map_or_else(image::empty_config, |base| base.config.clone());
        Snapshot { base, layers: Vec::new(), time: config.created.clone(), config, history: Vec::new() }
    }

    /// Diff ids of the layers that its root file system is stacked from, bottom first.
    pub fn diff_ids(&self) -> Vec<Digest> {
        let base = self.base.iter().flat_map(Image::visible_layers).map(|layer| layer.diff_id);
        base.chain(self.layers.iter().map(|layer| layer.diff_id)).collect()
    }

    /// Where those lie under the id maps with this key, bottom first.
    pub fn trees(&self, store: &Store, key: &str) -> Vec<PathBuf> {
        self.diff_ids().iter().map(|diff_id| store.layer(key, &diff_id.hex())).collect()
    }

    /// What says which files there are.
    pub fn chain(&self) -> Digest {
        let mut hasher = Hasher::new();
        self.diff_ids().iter().for_each(|diff_id| hasher.update(diff_id.bytes()));
        hasher.finish()
    }

    /// Takes what a step has made; None where it has changed no file.
    pub fn add(&mut self, layer: Option<PackedLayer>, created: String, created_by: String) {
        self.history.push(History {
            created: Some(created.clone()),
            created_by,
            comment: COMMENT.to_owned(),
            empty_layer: layer.is_none(),
            author: self.config.author.clone(),
        });
        self.layers.extend(layer);
        self.time = Some(created);
    }

    /// Notes a change of the config.
    pub fn note(&mut self, created_by: String) {
        self.history.push(History {
            created: self.time.clone(),
            created_by,
            comment: COMMENT.to_owned(),
            empty_layer: true,
            author: self.config.author.clone(),
        });
    }
}
