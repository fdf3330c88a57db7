//! `save`: images of the store into an archive that other tools read.
//!
//! What is written is verified on the way: a damaged blob is an error and not a damaged archive.

use super::digest::{Digest, Hasher};
use super::local::{Image, Layer, read_blob};
use super::pack::tar::{Header, Kind, TarWriter};
use super::reference::Reference;
use super::stream::{HashingReader, auto_decoder};
use super::transfer::read_record;
use crate::error::{Doing, Failure, Result};
use crate::store::Store;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// What an archive can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArchiveFormat {
    /// What `docker save` writes: layers unpacked, named by their diff ids.
    #[default]
    Docker,
    /// An OCI image layout in a tar file.
    OciArchive,
    /// An OCI image layout in a directory.
    OciDirectory,
}

impl std::str::FromStr for ArchiveFormat {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<ArchiveFormat, String> {
        match text {
            "docker-archive" | "docker" => Ok(ArchiveFormat::Docker),
            "oci-archive" | "oci" => Ok(ArchiveFormat::OciArchive),
            "oci-dir" => Ok(ArchiveFormat::OciDirectory),
            other => Err(format!("`{}` is none of docker-archive, oci-archive and oci-dir", other.escape_debug())),
        }
    }
}

/// An image to save, and the names it has in the archive.
pub type Saved = (Image, Vec<Reference>);

/// Writes the images as a tar file of a format that is one. The caller holds [`Store::lock_shared`].
///
/// # Errors
/// The system's; a damaged blob.
pub fn save_to_file(store: &Store, images: &[Saved], format: ArchiveFormat, out: &File) -> Result<()> {
    let mut tar = TarWriter::new(BufWriter::with_capacity(256 << 10, out));
    match format {
        ArchiveFormat::Docker => save_docker(store, images, &mut tar)?,
        _ => {
            // skopeo, unprivileged, cannot make directories that are not in the archive.
            for path in [&b"blobs"[..], b"blobs/sha256"] {
                let header = Header { mode: 0o755, ..Header::new(path, Kind::Directory) };
                tar.entry(&header).doing(|| "cannot write the archive")?;
            }
            save_layout(store, images, &mut tar)?;
        }
    }
    tar.finish().doing(|| "cannot write the archive").map(|_| ())
}

/// Writes the images as an OCI image layout into a directory, which is made.
///
/// # Errors
/// The system's; a damaged blob.
pub fn save_to_directory(store: &Store, images: &[Saved], directory: &Path) -> Result<()> {
    if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        let cause = "there is something in it already";
        return Err(Failure::new(format!("cannot write images to {}", directory.display()), cause));
    }
    save_layout(store, images, &mut Folder(directory.to_owned()))
}

/// Where files go.
trait Sink {
    /// Writes one file of exactly `size` bytes.
    fn put(&mut self, path: &str, size: u64, content: &mut dyn Read) -> Result<()>;
}

impl<W: Write> Sink for TarWriter<W> {
    fn put(&mut self, path: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        let doing = || format!("cannot write {path} of the archive");
        self.entry(&Header { size, ..Header::new(path.as_bytes(), Kind::Regular) }).doing(doing)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match content.read(&mut buffer).doing(doing)? {
                0 => break,
                length => self.data(&buffer[..length]).doing(doing)?,
            }
        }
        if self.left() > 0 {
            return Err(Failure::new(doing(), "it is shorter than its image says"));
        }
        Ok(())
    }
}

/// A directory to put files into.
struct Folder(PathBuf);

impl Sink for Folder {
    fn put(&mut self, path: &str, _: u64, content: &mut dyn Read) -> Result<()> {
        let path = self.0.join(path);
        let doing = || format!("cannot write {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(&self.0)).doing(doing)?;
        let mut file = File::create(&path).doing(doing)?;
        io::copy(content, &mut file).doing(doing).map(|_| ())
    }
}

fn put_bytes(sink: &mut dyn Sink, path: &str, bytes: &[u8]) -> Result<()> {
    sink.put(path, bytes.len() as u64, &mut &bytes[..])
}

fn put_json(sink: &mut dyn Sink, path: &str, value: &Value) -> Result<()> {
    put_bytes(sink, path, value.to_string().as_bytes())
}

/// Docker image-spec v1.2, "Combined Image JSON + Filesystem Changeset Format".
fn save_docker(store: &Store, images: &[Saved], sink: &mut dyn Sink) -> Result<()> {
    let mut written = BTreeSet::new();
    let (mut manifest, mut repositories) = (Vec::new(), BTreeMap::<String, BTreeMap<String, String>>::new());
    for (image, names) in images {
        for layer in &image.layers {
            if written.insert(layer.diff_id) {
                put_plain_layer(store, layer, sink)?;
            }
        }
        let config = format!("{}.json", image.id.hex());
        if written.insert(image.id) {
            put_bytes(sink, &config, &read_blob(store, &image.id)?)?;
        }
        let layer_name = |layer: &Layer| format!("{}.tar", layer.diff_id.hex());
        let tags: Vec<String> = names.iter().filter(|name| name.tag().is_some()).map(Reference::familiar).collect();
        manifest.push(json!({
            "Config": config,
            "RepoTags": if tags.is_empty() { Value::Null } else { json!(tags) },
            "Layers": image.layers.iter().map(layer_name).collect::<Vec<_>>(),
        }));
        for name in names {
            if let (Some(tag), Some(top)) = (name.tag(), image.layers.last()) {
                let tags = repositories.entry(name.familiar_repository()).or_default();
                tags.insert(tag.to_owned(), top.diff_id.hex());
            }
        }
    }
    put_json(sink, "manifest.json", &Value::Array(manifest))?;
    if repositories.is_empty() { Ok(()) } else { put_json(sink, "repositories", &json!(repositories)) }
}

/// A layer's tar stream. Its length has to be known before: from the layer's record, else by reading it twice.
fn put_plain_layer(store: &Store, layer: &Layer, sink: &mut dyn Sink) -> Result<()> {
    let doing = || format!("cannot read the layer {}", layer.blob);
    let open = || -> Result<_> {
        let file = File::open(store.blob(&layer.blob.hex())).doing(doing)?;
        let (_, decoder) = auto_decoder(file).doing(doing)?;
        Ok(HashingReader::new(decoder))
    };
    let size = match known_size(store, layer) {
        Some(size) => size,
        None => open()?.drain().doing(doing)?.1,
    };
    let mut reader = open()?;
    sink.put(&format!("{}.tar", layer.diff_id.hex()), size, &mut reader)?;
    check(reader.finish().0, layer.diff_id, doing)
}

fn known_size(store: &Store, layer: &Layer) -> Option<u64> {
    let keys = std::fs::read_dir(store.layers()).ok()?.flatten();
    let mut records = keys.filter_map(|key| read_record(store, &key.file_name().to_string_lossy(), &layer.diff_id));
    records.next().map(|record| record.tar_bytes)
}

/// What a layer takes unpacked, bytes: its tar stream where that was counted, else its blob.
pub fn layer_size(store: &Store, layer: &Layer) -> u64 {
    known_size(store, layer).unwrap_or(layer.size)
}

fn check(found: Digest, wanted: Digest, doing: impl Fn() -> String) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(
        doing(),
        format!("the store's copy is damaged: its content has the digest {found} instead of {wanted}"),
    ))
}

/// OCI image-spec "image layout".
fn save_layout(store: &Store, images: &[Saved], sink: &mut dyn Sink) -> Result<()> {
    put_bytes(sink, "oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
    let mut written = BTreeSet::new();
    let mut entries = Vec::new();
    for (image, names) in images {
        let manifest = read_blob(store, &image.manifest_digest)?;
        let blobs = image.layers.iter().map(|layer| layer.blob).chain([image.id, image.manifest_digest]);
        for digest in blobs {
            if written.insert(digest) {
                put_blob(store, &digest, sink)?;
            }
        }
        let media_type = media_type_of(&manifest);
        let entry = |name: Option<&Reference>| {
            let mut entry = json!({
                "mediaType": media_type,
                "digest": image.manifest_digest,
                "size": manifest.len(),
                "platform": image.platform,
            });
            if let Some(name) = name {
                // containerd, and with it Docker, looks for its own.
                entry["annotations"] = json!({
                    "org.opencontainers.image.ref.name": name.to_string(),
                    "io.containerd.image.name": name.to_string(),
                });
            }
            entry
        };
        match names.is_empty() {
            true => entries.push(entry(None)),
            false => entries.extend(names.iter().map(|name| entry(Some(name)))),
        }
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": super::manifest::media_type::OCI_INDEX,
        "manifests": entries,
    });
    put_json(sink, "index.json", &index)
}

/// What a manifest says it is.
pub(super) fn media_type_of(manifest: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(manifest).ok();
    let said = value.as_ref().and_then(|value| value["mediaType"].as_str()).map(str::to_owned);
    said.unwrap_or_else(|| super::manifest::media_type::OCI_MANIFEST.to_owned())
}

fn put_blob(store: &Store, digest: &Digest, sink: &mut dyn Sink) -> Result<()> {
    let path = store.blob(&digest.hex());
    let doing = || format!("cannot read {}", path.display());
    let file = File::open(&path).doing(doing)?;
    let size = file.metadata().doing(doing)?.len();
    let mut reader = HashingReader::resume(file, Hasher::new(), 0);
    sink.put(&format!("blobs/sha256/{}", digest.hex()), size, &mut reader)?;
    check(reader.finish().0, *digest, doing)
}
