//! A new image: config and layers become documents in the layout, under a name.

use super::config::{History, ImageConfig};
use super::index::{LayoutIndex, Notes};
use super::local::{self, Image, Layer};
use super::manifest::{Descriptor, Manifest, media_type};
use super::pack::layer::PackedLayer;
use super::platform::Platform;
use super::pull::put_document;
use super::reference::Reference;
use super::stream::Compression;
use crate::error::{Doing, Failure, Result};
use crate::store::Store;

/// Which documents an image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// OCI image-spec 1.1.
    #[default]
    Oci,
    /// Docker's image manifest version 2, schema 2.
    Docker,
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Format, String> {
        match text {
            "oci" => Ok(Format::Oci),
            "docker" => Ok(Format::Docker),
            other => Err(format!("`{}` is neither oci nor docker", other.escape_debug())),
        }
    }
}

impl Format {
    /// The media type of manifests.
    pub fn manifest(self) -> &'static str {
        match self {
            Format::Oci => media_type::OCI_MANIFEST,
            Format::Docker => media_type::DOCKER_MANIFEST,
        }
    }

    /// The media type of configs.
    pub fn config(self) -> &'static str {
        match self {
            Format::Oci => media_type::OCI_CONFIG,
            Format::Docker => media_type::DOCKER_CONFIG,
        }
    }

    /// The media type of layers. Docker's schema has none for zstd that its own tools read.
    pub fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Format::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Format::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Format::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Format::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Format::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Format::Docker, Compression::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        }
    }
}

/// What a new image is made of.
#[derive(Debug)]
pub struct NewImage<'a> {
    /// The image it is built upon.
    pub base: Option<&'a Image>,
    /// What it says about its containers, and who made it; layers and history are the base's still.
    pub config: ImageConfig,
    /// The layers it adds, bottom first.
    pub layers: &'a [PackedLayer],
    /// How those came about, and what else was done.
    pub history: Vec<History>,
    /// Which documents.
    pub format: Format,
    /// What it is called.
    pub names: &'a [Reference],
}

/// An image's config before there is anything in it: for this machine's platform.
pub fn empty_config() -> ImageConfig {
    let Platform { os, architecture, variant, .. } = Platform::host();
    let rootfs = super::config::RootFs { kind: "layers".into(), diff_ids: Vec::new() };
    ImageConfig { os, architecture, variant, rootfs, ..ImageConfig::default() }
}

/// Puts a new image into the store. The blobs of its layers are there; the caller holds [`Store::lock_shared`].
///
/// # Errors
/// The system's; a name with a digest.
pub fn add_image(store: &Store, new: NewImage<'_>) -> Result<Image> {
    let doing = || "cannot make the image";
    if let Some(name) = new.names.iter().find(|name| name.digest().is_some()) {
        return Err(Failure::new(doing(), format!("{name} has a digest, and a digest cannot be chosen")));
    }
    let mut config = new.config;
    config.rootfs.kind = "layers".into();
    config.rootfs.diff_ids.extend(new.layers.iter().map(|layer| layer.diff_id));
    config.history.extend(new.history);
    let mut layers: Vec<Descriptor> = Vec::new();
    for layer in new.base.iter().flat_map(|base| &base.layers) {
        layers.push(descriptor_of(layer, new.format).doing(doing)?);
    }
    let media_type = new.format.layer(Compression::Gzip);
    layers.extend(new.layers.iter().map(|layer| descriptor(media_type, layer.blob, layer.size)));
    let config_bytes = serde_json::to_vec(&config).doing(doing)?;
    let id = put_document(store, &config_bytes)?;
    let manifest = Manifest {
        media_type: new.format.manifest().to_owned(),
        config: descriptor(new.format.config(), id, config_bytes.len() as u64),
        layers,
    };
    let manifest_bytes = manifest.to_json().doing(doing)?;
    let digest = put_document(store, &manifest_bytes)?;
    let mut entry = descriptor(&manifest.media_type, digest, manifest_bytes.len() as u64);
    entry.platform = Some(config.platform());
    let below = new.base.map_or(Some(0), |base| base.unpacked_size);
    let unpacked = below.map(|below| below + new.layers.iter().map(|layer| layer.tar_bytes).sum::<u64>());
    let hidden = new.base.map_or(0, |base| base.hidden_layers);
    entry.note(&Notes { image_id: id, source: digest, unpacked, hidden });
    let index = LayoutIndex::update(store, |index| {
        index.add(&entry, None);
        new.names.iter().for_each(|name| index.add(&entry, Some(name)));
        Ok(index.clone())
    })?;
    local::load(store, &index, &entry)
}

/// A layer of another image in the terms of `format`. The error is a sentence.
fn descriptor_of(layer: &Layer, format: Format) -> std::result::Result<Descriptor, String> {
    let compression = Compression::from_media_type(&layer.media_type)?;
    Ok(descriptor(format.layer(compression), layer.blob, layer.size))
}

/// A pointer to a blob.
pub(super) fn descriptor(media_type: &str, digest: super::digest::Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
        other: serde_json::Map::new(),
    }
}
