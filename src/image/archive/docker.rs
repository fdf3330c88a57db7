//! What `docker save` writes (Docker image-spec v1.2, "Combined Image JSON + Filesystem Changeset
//! Format"): `manifest.json` names a config and layers by file, without digests.
//!
//! rr makes a manifest of it. A plain layer's digest is its diff id, which the config has; a compressed one is
//! hashed here. Either is verified later, when it is imported.

use super::oci::{no_such_image, several_images};
use super::tar_index::TarIndex;
use super::{ImageArchive, Place, Section, parse_manifest};
use crate::error::{Doing, Failure, Result};
use crate::image::config::ImageConfig;
use crate::image::digest::Digest;
use crate::image::manifest::{Document, MAX_CONFIG, media_type, null_is_default};
use crate::image::reference::Reference;
use crate::image::stream::Compression;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read;

/// One image of `manifest.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

/// Opens the image of an archive that has a `manifest.json`.
pub fn open(index: TarIndex, name: Option<&str>) -> Result<ImageArchive> {
    let saved = read_manifest(&index)?;
    open_saved(index, choose(saved, name)?)
}

/// Opens all images of such an archive.
pub fn open_all(index: &TarIndex) -> Result<Vec<ImageArchive>> {
    read_manifest(index)?.into_iter().map(|saved| open_saved(index.clone(), saved)).collect()
}

fn read_manifest(index: &TarIndex) -> Result<Vec<Saved>> {
    let bytes = Place::Docker(index.clone(), HashMap::new()).read_file("manifest.json")?;
    serde_json::from_slice(&bytes).doing(|| "cannot read manifest.json")
}

fn open_saved(index: TarIndex, saved: Saved) -> Result<ImageArchive> {
    let mut blobs = HashMap::new();
    let config_section = find(&index, &saved.config)?;
    let config_bytes = read_config(&config_section, &saved.config)?;
    let config = ImageConfig::parse(&config_bytes)
        .map_err(|error| Failure::new(format!("cannot read {}", saved.config.escape_debug()), error))?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != saved.layers.len() {
        let cause = format!("it lists {} layers, and the config {}", saved.layers.len(), diff_ids.len());
        return Err(Failure::new("cannot read manifest.json", cause));
    }
    let config_digest = Digest::of(&config_bytes);
    blobs.insert(config_digest, config_section);
    let mut layers = Vec::new();
    for (layer, diff_id) in saved.layers.iter().zip(diff_ids) {
        let section = find(&index, layer)?;
        let (media_type, digest) = identify(&section, diff_id, layer)?;
        layers.push(serde_json::json!({ "mediaType": media_type, "digest": digest, "size": section.left }));
        blobs.insert(digest, section);
    }
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": { "mediaType": media_type::OCI_CONFIG, "digest": config_digest, "size": config_bytes.len() },
        "layers": layers,
    });
    let bytes = serde_json::to_vec(&manifest).doing(|| "cannot make a manifest")?;
    match parse_manifest(&bytes, media_type::OCI_MANIFEST)? {
        Document::Manifest(manifest) => {
            ImageArchive::assemble(Place::Docker(index, blobs), bytes, manifest, saved.repo_tags)
        }
        Document::Index(_) => Err(Failure::new("cannot make a manifest", "it came out as an index")),
    }
}

/// The image that is meant: by name, compared as Docker resolves names; else the only one.
fn choose(mut saved: Vec<Saved>, name: Option<&str>) -> Result<Saved> {
    let all = |saved: &[Saved]| saved.iter().flat_map(|image| image.repo_tags.clone()).collect::<Vec<_>>();
    let Some(name) = name else {
        return match (saved.pop(), saved.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::new("cannot choose an image", "manifest.json lists none")),
            (Some(last), false) => {
                saved.push(last);
                Err(several_images(&all(&saved)))
            }
        };
    };
    let same = |tag: &String| match (tag.parse::<Reference>(), name.parse::<Reference>()) {
        (Ok(tag), Ok(name)) => tag == name,
        _ => tag == name,
    };
    let known = all(&saved);
    let found = saved.into_iter().find(|image| image.repo_tags.iter().any(same));
    found.ok_or_else(|| no_such_image(name, &known))
}

fn find(index: &TarIndex, name: &str) -> Result<Section> {
    // Names in manifest.json are those of the tar's entries.
    let normalised = crate::image::unpack::path::normalize(name.as_bytes()).ok();
    let section = normalised.and_then(|name| index.find(&name));
    section.ok_or_else(|| {
        Failure::new(
            "cannot read the image",
            format!("manifest.json names `{}`, which is not there", name.escape_debug()),
        )
    })
}

fn read_config(section: &Section, name: &str) -> Result<Vec<u8>> {
    let doing = || format!("cannot read {}", name.escape_debug());
    if section.left > MAX_CONFIG {
        return Err(Failure::new(doing(), format!("it has more than {MAX_CONFIG} bytes; no config has")));
    }
    let mut bytes = Vec::new();
    section.clone().read_to_end(&mut bytes).doing(doing)?;
    Ok(bytes)
}

/// Media type and digest of a layer's file.
fn identify(section: &Section, diff_id: &Digest, name: &str) -> Result<(&'static str, Digest)> {
    let doing = || format!("cannot read the layer {}", name.escape_debug());
    let head = section.head().doing(doing)?;
    let media_type = match Compression::sniff(&head).map_err(|error| Failure::new(doing(), error))? {
        Compression::None => return Ok(("application/vnd.oci.image.layer.v1.tar", *diff_id)),
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    Ok((media_type, section.digest().doing(doing)?))
}
