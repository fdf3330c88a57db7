//! Images on disk as a source to import from: `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`
//! (containers-transports(5)).
//!
//! [`ImageArchive::open`] finds the one image meant and reads its manifest and config; layers are
//! then read like a registry's blobs, by digest and offset ([`ImageArchive::read_blob`]), and go through
//! the same verifying pass into the store. Nothing here trusts a digest it was told: manifest and config are
//! checked when read, layers by whoever imports them.
//!
//! A tar archive is indexed once, by its headers only ([`tar_index`]), and blobs are read from it in place;
//! one that is compressed, or no regular file, is first copied to an unnamed temporary file.
//! [`docker`] makes the manifest that `docker save`'s format lacks.

mod docker;
mod oci;
mod tar_index;

use super::config::ImageConfig;
use super::digest::{Digest, Hasher};
use super::manifest::{Document, MAX_CONFIG, MAX_MANIFEST, Manifest};
use super::platform::Platform;
use super::reference::{ArchiveKind, Reference};
use super::stream::{Compression, auto_decoder};
use crate::error::{Doing, Failure, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tar_index::TarIndex;

/// One image in a directory or file.
#[derive(Debug)]
pub struct ImageArchive {
    place: Place,
    /// The manifest's bytes: those in the archive, or, of `docker save`'s format, those made for it.
    pub manifest_bytes: Vec<u8>,
    /// Digest of these.
    pub manifest_digest: Digest,
    /// What they say.
    pub manifest: Manifest,
    /// The config's bytes.
    pub config_bytes: Vec<u8>,
    /// What they say.
    pub config: ImageConfig,
    /// Names the archive has for the image, as they are there: `alpine:3.20`, or only `3.20`.
    pub names: Vec<String>,
}

/// Where the blobs are.
#[derive(Debug, Clone)]
enum Place {
    /// An OCI layout's directory.
    Directory(PathBuf),
    /// An OCI layout in a tar file.
    Tar(TarIndex),
    /// `docker save`'s format: what each digest is in the tar file.
    Docker(TarIndex, HashMap<Digest, Section>),
}

/// A run of bytes in a file, read without moving the file's own offset: several threads may read at once.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl ImageArchive {
    /// Finds the image in the `kind` of archive at `path`: the one called `name`, or the only one, or, of
    /// one for several platforms, the one for `platform`. `scratch` is a directory with room for a
    /// decompressed copy.
    ///
    /// # Errors
    /// The archive cannot be read, is damaged or of another kind, has no such image, or several.
    pub fn open(
        kind: ArchiveKind,
        path: &Path,
        name: Option<&str>,
        platform: &Platform,
        scratch: &Path,
    ) -> Result<ImageArchive> {
        let doing = || format!("cannot read {}:{}", kind.transport(), path.display());
        let wrap = |failure: Failure| failure.while_doing(doing());
        match kind {
            ArchiveKind::OciDirectory => {
                let metadata = std::fs::metadata(path).doing(doing)?;
                if !metadata.is_dir() {
                    return Err(Failure::new(doing(), "it is not a directory (ENOTDIR)")
                        .hint(format!("for an OCI layout in a tar file: oci-archive:{}", path.display())));
                }
                oci::open(Place::Directory(path.to_owned()), name, platform).map_err(wrap)
            }
            ArchiveKind::OciArchive => {
                let index = open_tar(path, scratch).map_err(wrap)?;
                if index.find(b"index.json").is_none() {
                    let failure = Failure::new(doing(), "it has no index.json, so it is no OCI archive");
                    return Err(match index.find(b"manifest.json") {
                        Some(_) => failure.hint(format!("it is of the other kind: docker-archive:{}", path.display())),
                        None => failure,
                    });
                }
                oci::open(Place::Tar(index), name, platform).map_err(wrap)
            }
            ArchiveKind::DockerArchive => {
                let index = open_tar(path, scratch).map_err(wrap)?;
                if index.find(b"manifest.json").is_none() {
                    let failure =
                        Failure::new(doing(), "it has no manifest.json, so it is no archive of `docker save`");
                    return Err(match index.find(b"index.json") {
                        Some(_) => failure.hint(format!("it is of the other kind: oci-archive:{}", path.display())),
                        None => failure,
                    });
                }
                docker::open(index, name).map_err(wrap)
            }
        }
    }

    /// All images of the archive or layout at `path`, whichever kind it is; of an image for several platforms the
    /// one for `platform`. `scratch` is as for [`ImageArchive::open`].
    ///
    /// # Errors
    /// It cannot be read, is damaged, or is no archive of images.
    pub fn open_all(path: &Path, platform: &Platform, scratch: &Path) -> Result<Vec<ImageArchive>> {
        let doing = || format!("cannot load {}", path.display());
        let wrap = |failure: Failure| failure.while_doing(doing());
        if path.is_dir() {
            return oci::open_all(&Place::Directory(path.to_owned()), platform).map_err(wrap);
        }
        let index = open_tar(path, scratch).map_err(wrap)?;
        // Newer versions of `docker save` write both; what this has are the names that people know.
        if index.find(b"manifest.json").is_some() {
            return docker::open_all(&index).map_err(wrap);
        }
        if index.find(b"index.json").is_some() {
            return oci::open_all(&Place::Tar(index), platform).map_err(wrap);
        }
        let cause = "it has neither manifest.json nor index.json, so it is no archive of images";
        Err(Failure::new(doing(), cause).hint("for a tar file of a file system: rr import"))
    }

    /// The names that are whole: a tag alone (`latest`, as OCI layouts often have) would be the same for every image.
    pub fn whole_names(&self) -> Vec<Reference> {
        let whole = self.names.iter().filter(|name| name.contains([':', '/']));
        let mut names: Vec<Reference> = whole.filter_map(|name| name.parse().ok()).collect();
        names.dedup();
        names
    }

    /// The bytes of a blob from `offset` on; unverified.
    ///
    /// # Errors
    /// The archive does not have it, or cannot be read.
    pub fn read_blob(&self, digest: &Digest, offset: u64) -> Result<Box<dyn Read + Send>> {
        self.place.read_blob(digest, offset)
    }

    /// Puts an image together from its documents; `manifest_bytes` and `config_bytes` are what their
    /// digests say.
    fn assemble(place: Place, manifest_bytes: Vec<u8>, manifest: Manifest, names: Vec<String>) -> Result<ImageArchive> {
        let config_bytes = place.read_document(&manifest.config.digest, manifest.config.size, MAX_CONFIG)?;
        let config = ImageConfig::parse(&config_bytes)
            .map_err(|error| Failure::new(format!("cannot read the config {}", manifest.config.digest), error))?;
        let manifest_digest = Digest::of(&manifest_bytes);
        Ok(ImageArchive { place, manifest_bytes, manifest_digest, manifest, config_bytes, config, names })
    }
}

impl Place {
    fn read_blob(&self, digest: &Digest, offset: u64) -> Result<Box<dyn Read + Send>> {
        let doing = || format!("cannot read the blob {digest}");
        let missing = || Failure::new(doing(), "the archive does not have it");
        match self {
            Place::Directory(directory) => {
                let path = directory.join("blobs/sha256").join(digest.hex());
                let doing = || format!("cannot read {}", path.display());
                let mut file = File::open(&path).doing(doing)?;
                file.seek(io::SeekFrom::Start(offset)).doing(doing)?;
                Ok(Box::new(file))
            }
            Place::Tar(index) => {
                let section = index.find(format!("blobs/sha256/{}", digest.hex()).as_bytes()).ok_or_else(missing)?;
                Ok(Box::new(section.from(offset)))
            }
            Place::Docker(_, blobs) => Ok(Box::new(blobs.get(digest).ok_or_else(missing)?.clone().from(offset))),
        }
    }

    /// Reads a manifest, index or config, and checks that it is the one its descriptor means.
    fn read_document(&self, digest: &Digest, size: u64, limit: u64) -> Result<Vec<u8>> {
        let doing = || format!("cannot read the blob {digest}");
        if size > limit {
            return Err(Failure::new(
                doing(),
                format!("it has {size} bytes, and no such document has more than {limit}"),
            ));
        }
        let mut bytes = Vec::new();
        self.read_blob(digest, 0)?.take(limit + 1).read_to_end(&mut bytes).doing(doing)?;
        if bytes.len() as u64 != size {
            return Err(Failure::new(doing(), format!("it has {} bytes instead of {size}", bytes.len())));
        }
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(Failure::new(doing(), format!("it is damaged: its digest is {found}")));
        }
        Ok(bytes)
    }

    /// A file of the layout by its name.
    fn read_file(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let doing = || format!("cannot read {name}");
        match self {
            Place::Directory(directory) => {
                let file = File::open(directory.join(name)).doing(doing)?;
                file.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).doing(doing)?;
            }
            Place::Tar(index) | Place::Docker(index, _) => {
                let section = index.find(name.as_bytes());
                let section = section.ok_or_else(|| Failure::new(doing(), "the archive does not have it"))?;
                section.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).doing(doing)?;
            }
        }
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(Failure::new(doing(), format!("it has more than {MAX_MANIFEST} bytes")));
        }
        Ok(bytes)
    }
}

/// Parses a document that has to be one image's manifest.
fn parse_manifest(bytes: &[u8], media_type: &str) -> Result<Document> {
    Document::parse(bytes, Some(media_type)).map_err(|error| Failure::new("cannot read the manifest", error))
}

/// Opens a tar file and indexes it.
fn open_tar(path: &Path, scratch: &Path) -> Result<TarIndex> {
    let doing = || format!("cannot open {}", path.display());
    let file = File::open(path).doing(doing)?;
    let metadata = file.metadata().doing(doing)?;
    if metadata.is_dir() {
        return Err(Failure::new(doing(), "is a directory (EISDIR)")
            .hint(format!("for an OCI layout in a directory: oci:{}", path.display())));
    }
    let mut head = [0; 6];
    let plain = metadata.is_file() && {
        let length = file.read_at(&mut head, 0).doing(doing)?;
        let compression = Compression::sniff(&head[..length]);
        compression.map_err(|error| Failure::new(doing(), error))? == Compression::None
    };
    let file = if plain { file } else { unpacked_copy(file, scratch)? };
    TarIndex::read(file)
}

/// A decompressed copy in an unnamed file, which is gone when it is closed.
fn unpacked_copy(file: File, scratch: &Path) -> Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let doing = || format!("cannot unpack a copy of the archive in {}", scratch.display());
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let copy = openat(CWD, scratch, flags, Mode::from_raw_mode(0o600)).doing(doing)?;
    let mut copy = File::from(copy);
    let (_, mut reader) = auto_decoder(file).doing(doing)?;
    io::copy(&mut reader, &mut copy).doing(doing)?;
    copy.flush().doing(doing)?;
    Ok(copy)
}

impl Section {
    /// What is left after the first `offset` bytes.
    fn from(mut self, offset: u64) -> Section {
        let skipped = offset.min(self.left);
        self.offset += skipped;
        self.left -= skipped;
        self
    }

    /// Digest of all of it.
    fn digest(&self) -> io::Result<Digest> {
        let mut hasher = Hasher::new();
        let mut reader = self.clone();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                length => hasher.update(&buffer[..length]),
            }
        }
    }

    /// The first bytes, as many as there are.
    fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.clone().take(6).read_to_end(&mut head)?;
        Ok(head)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if length == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
