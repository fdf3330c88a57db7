//! A tar stream into the store as a layer's blob, in one pass:
//!
//! ```text
//! tar ─→ hash ─→ gzip ─→ hash ─→ tmp/… ─→ oci/blobs/sha256/…
//!      diff id        blob digest
//! ```
//!
//! The blob appears by rename(2) under its digest, so whatever ends this early leaves nothing but a file in `tmp/`.

use crate::error::{Doing, Result};
use crate::image::digest::{Digest, Hasher};
use crate::store::{Store, TempFile};
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};

/// zlib's default, as Docker and Podman compress.
const GZIP_LEVEL: u32 = 6;

/// A layer that is in the store, compressed by gzip: what every registry and every client reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedLayer {
    /// Digest of the blob.
    pub blob: Digest,
    /// Length of the blob, bytes.
    pub size: u64,
    /// Digest of the tar stream.
    pub diff_id: Digest,
    /// Length of the tar stream, bytes.
    pub tar_bytes: u64,
}

/// Takes a tar stream and makes a layer of it.
pub struct LayerWriter {
    tar: HashingWriter<flate2::write::GzEncoder<HashingWriter<BufWriter<TempFile>>>>,
}

impl LayerWriter {
    /// Begins a layer.
    ///
    /// # Errors
    /// The system's.
    pub fn new(store: &Store) -> Result<LayerWriter> {
        let file = TempFile::new(store, "layer")?;
        let file = HashingWriter::new(BufWriter::with_capacity(256 << 10, file));
        // No time and no name in the header: equal content has an equal blob.
        let encoder = flate2::GzBuilder::new().write(file, flate2::Compression::new(GZIP_LEVEL));
        Ok(LayerWriter { tar: HashingWriter::new(encoder) })
    }

    /// Ends the stream and puts the blob into the store.
    ///
    /// # Errors
    /// The system's: no space left, above all.
    pub fn publish(self, store: &Store) -> Result<PackedLayer> {
        let doing = || "cannot write the layer";
        let (encoder, diff_id, tar_bytes) = self.tar.finish();
        let file = encoder.finish().doing(doing)?;
        let (file, blob, size) = file.finish();
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).doing(doing)?;
        file.publish(&store.blob(&blob.hex()))?;
        Ok(PackedLayer { blob, size, diff_id, tar_bytes })
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tar.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes and counts what is written through it.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Hashes from here on.
    pub fn new(inner: W) -> HashingWriter<W> {
        HashingWriter { inner, hasher: Hasher::new(), bytes: 0 }
    }

    /// The writer beneath, the digest of what was written, and its length in bytes.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.bytes)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::stream::{Compression, HashingReader, auto_decoder};
    use crate::image::testing::store;

    #[test]
    fn the_blob_gives_the_stream_back() {
        let (_home, store) = store();
        let data: Vec<u8> = (0..300_000_u32).flat_map(|number| (number / 7).to_be_bytes()).collect();
        let mut writer = LayerWriter::new(&store).unwrap();
        writer.write_all(&data).unwrap();
        let layer = writer.publish(&store).unwrap();
        assert_eq!((layer.diff_id, layer.tar_bytes), (Digest::of(&data), data.len() as u64));
        let blob = std::fs::read(store.blob(&layer.blob.hex())).unwrap();
        assert_eq!((Digest::of(&blob), blob.len() as u64), (layer.blob, layer.size));
        let (found, decoder) = auto_decoder(&blob[..]).unwrap();
        assert_eq!(found, Compression::Gzip);
        assert_eq!(HashingReader::new(decoder).drain().unwrap().0, layer.diff_id);
        assert_eq!(std::fs::read_dir(store.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn a_layer_that_is_given_up_leaves_nothing() {
        let (_home, store) = store();
        let mut writer = LayerWriter::new(&store).unwrap();
        writer.write_all(b"half").unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(store.tmp()).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(store.root().join("oci/blobs/sha256")).unwrap().count(), 0);
    }
}
