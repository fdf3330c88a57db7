//! Layer streams: which compression, decompressing with bounded memory, hashing on the way.
//!
//! A pull is one pass ([`super::transfer`]), and this is the middle of it: [`auto_decoder_buffered`], then
//! [`HashingReader`] for the diff id. Nothing here holds more than fixed buffers: 32 KiB of window for gzip,
//! at most [`ZSTD_WINDOW_LOG_MAX`] for zstd.
//!
//! What a decoder finds wrong in the data is an [`io::Error`] that carries [`CorruptStream`]; errors of
//! the reader beneath pass through unchanged, so that a caller can tell a bad blob (give up) from a
//! lost connection (resume). Several gzip members (RFC 1952 section 2.2) and several zstd frames
//! (RFC 8878 section 3.1) one after another decode as one stream, as gzip(1) and zstd(1) do; anything
//! else after the end, and an end in the middle, is corruption.

use super::digest::{Digest, Hasher};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// How a layer's tar stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Compression {
    /// A tar stream as it is.
    None,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
}

/// Largest zstd window accepted, as a power of two: 128 MiB, what zstd(1) itself takes without
/// `--long`. Levels up to 19 need 8 MiB at most.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Size of the buffer that a socket or file is read through, with one read(2).
pub const INPUT_BUFFER: usize = 128 << 10;

impl Compression {
    /// The compression a layer's media type names (OCI image-spec "media types", Docker's schema 2).
    /// The error is a sentence without a full stop.
    ///
    /// Tools have pushed layers whose media type is wrong about this, and the others unpack them all
    /// the same: use it to refuse what is no layer, and [`Compression::sniff`] to decode.
    pub fn from_media_type(media_type: &str) -> Result<Compression, String> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Ok(Compression::None),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Compression::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Compression::Zstd),
            other if other.ends_with("+encrypted") => {
                Err(format!("the layer is encrypted (media type `{}`)", other.escape_debug()))
            }
            other => Err(format!("`{}` is not a media type of image layers", other.escape_debug())),
        }
    }

    /// The compression that a stream starting with `head` (6 bytes suffice) has; what has no known magic
    /// number is taken for plain tar. The error names a format that layers may not have.
    pub fn sniff(head: &[u8]) -> Result<Compression, CorruptStream> {
        let refused = |name| {
            Err(CorruptStream::new("layer", format!("it is packed with {name}; layers are gzip, zstd or plain tar")))
        };
        match head {
            [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => refused("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => refused("xz"),
            [0x04, 0x22, 0x4d, 0x18, ..] => refused("lz4"),
            [b'L', b'Z', b'I', b'P', ..] => refused("lzip"),
            [0x1f, 0x9d, ..] => refused("compress"),
            [b'P', b'K', 3, 4, ..] => refused("zip"),
            _ => Ok(Compression::None),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// Data that no retry will make right. It travels inside an [`io::Error`] of kind `InvalidData`;
/// [`CorruptStream::in_error`] finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptStream {
    format: &'static str,
    what: String,
}

impl CorruptStream {
    /// `format` is what the data should be (`gzip`, `tar`); `what` is wrong with it.
    pub fn new(format: &'static str, what: impl Into<String>) -> CorruptStream {
        CorruptStream { format, what: what.into() }
    }

    /// The corruption an error speaks of, if it does.
    pub fn in_error(error: &io::Error) -> Option<&CorruptStream> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for CorruptStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt {} data: {}", self.format, self.what)
    }
}

impl std::error::Error for CorruptStream {}

impl From<CorruptStream> for io::Error {
    fn from(corrupt: CorruptStream) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, corrupt)
    }
}

/// Reads `reader` decompressed as its first bytes ask for ([`Compression::sniff`]).
///
/// # Errors
/// Those of `reader`, and [`CorruptStream`] for a format that layers may not have.
pub fn auto_decoder<'a>(reader: impl Read + Send + 'a) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    auto_decoder_buffered(BufReader::with_capacity(INPUT_BUFFER, reader))
}

/// As [`auto_decoder`], of a reader that has a buffer of its own.
///
/// # Errors
/// As [`auto_decoder`].
pub fn auto_decoder_buffered<'a>(
    mut reader: impl BufRead + Send + 'a,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    // One fill may bring fewer than the six bytes of a magic number; read those by themselves.
    let mut head = Vec::with_capacity(6);
    reader.by_ref().take(6).read_to_end(&mut head)?;
    let compression = Compression::sniff(&head)?;
    Ok((compression, decode_buffered(compression, io::Cursor::new(head).chain(reader))?))
}

/// Reads `reader` decompressed.
///
/// # Errors
/// Only where zstd cannot get its memory. Reading yields the errors of `reader`, and [`CorruptStream`].
pub fn decoder<'a>(compression: Compression, reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    decode_buffered(compression, BufReader::with_capacity(INPUT_BUFFER, reader))
}

fn decode_buffered<'a>(
    compression: Compression,
    reader: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let reader = Beneath { reader, failed: None };
    Ok(match compression {
        Compression::None => Box::new(reader.reader),
        Compression::Gzip => Box::new(Checked { format: "gzip", inner: flate2::bufread::MultiGzDecoder::new(reader) }),
        Compression::Zstd => {
            let mut inner = zstd::stream::read::Decoder::with_buffer(reader)?;
            inner.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(Checked { format: "zstd", inner })
        }
    })
}

/// The reader beneath a decoder. Decoders do not say whose an error is, so this one keeps its own
/// aside and hands the decoder a stand-in.
struct Beneath<R> {
    reader: R,
    failed: Option<io::Error>,
}

impl<R> Beneath<R> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let stand_in = io::Error::from(error.kind());
            // An interrupted call is retried by whoever reads, so it is no failure to report later.
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            stand_in
        })
    }
}

impl<R: BufRead> Read for Beneath<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(buffer);
        self.keep(result)
    }
}

impl<R: BufRead> BufRead for Beneath<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Two calls, because the borrow of a returned slice would outlive the error's handling;
        // the second finds the buffer filled.
        if let Err(error) = self.reader.fill_buf() {
            return self.keep(Err(error));
        }
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

/// A decoder over [`Beneath`].
trait Decoder: Read {
    /// Takes the error of the reader beneath, if it had one.
    fn failed_beneath(&mut self) -> Option<io::Error>;
}

impl<R: BufRead> Decoder for flate2::bufread::MultiGzDecoder<Beneath<R>> {
    fn failed_beneath(&mut self) -> Option<io::Error> {
        self.get_mut().failed.take()
    }
}

impl<R: BufRead> Decoder for zstd::stream::read::Decoder<'_, Beneath<R>> {
    fn failed_beneath(&mut self) -> Option<io::Error> {
        self.get_mut().failed.take()
    }
}

/// Turns a decoder's own errors into [`CorruptStream`].
struct Checked<D> {
    format: &'static str,
    inner: D,
}

impl<D: Decoder> Read for Checked<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if let Some(beneath) = self.inner.failed_beneath() {
                return beneath;
            }
            match error.kind() {
                io::ErrorKind::Interrupted => error,
                io::ErrorKind::UnexpectedEof => CorruptStream::new(self.format, "it ends in the middle").into(),
                _ => CorruptStream::new(self.format, error.to_string()).into(),
            }
        })
    }
}

/// Hashes and counts what is read through it.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    bytes: u64,
    /// What the reader beneath has ready and was hashed already.
    hashed: usize,
}

impl<R: Read> HashingReader<R> {
    /// Hashes from here on.
    pub fn new(inner: R) -> HashingReader<R> {
        HashingReader { inner, hasher: Hasher::new(), bytes: 0, hashed: 0 }
    }

    /// Goes on where another reader of the same stream stopped (an interrupted download).
    pub fn resume(inner: R, hasher: Hasher, bytes: u64) -> HashingReader<R> {
        HashingReader { inner, hasher, bytes, hashed: 0 }
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The reader beneath.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The digest of what was read, and its length in bytes.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.bytes)
    }

    /// Reads what is left, then as [`HashingReader::finish`]. For a diff id, which is of the whole tar
    /// stream: unpacking stops at the end-of-archive blocks, padding may follow.
    pub fn drain(mut self) -> io::Result<(Digest, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.finish())
    }

    /// The hasher's state and the bytes so far, for [`HashingReader::resume`].
    pub fn into_state(self) -> (Hasher, u64) {
        (self.hasher, self.bytes)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let known = self.hashed.min(count);
        self.hashed -= known;
        self.hasher.update(&buffer[known..count]);
        self.bytes += (count - known) as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for HashingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ready = self.inner.fill_buf()?;
        self.hasher.update(&ready[self.hashed..]);
        self.bytes += (ready.len() - self.hashed) as u64;
        self.hashed = ready.len();
        Ok(ready)
    }

    fn consume(&mut self, amount: usize) {
        self.hashed -= amount;
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        auto_decoder(stream)?.1.read_to_end(&mut data)?;
        Ok(data)
    }

    /// Compresses, with data of several windows and blocks.
    fn sample() -> Vec<u8> {
        (0..200_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
    }

    #[test]
    fn members_and_frames_concatenate() {
        let data = sample();
        for pack in [gzip, zstd] {
            let stream = [pack(&data), pack(b""), pack(b"tail")].concat();
            assert!(read_all(&stream).unwrap() == [&data[..], b"tail"].concat());
        }
        assert!(read_all(&data).unwrap() == data);
        assert_eq!(read_all(b"").unwrap(), b"");
        assert_eq!(read_all(b"x").unwrap(), b"x");
    }

    #[test]
    fn a_skippable_frame_may_come_first() {
        let stream = [&[0x5e, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(b"data")].concat();
        assert_eq!(read_all(&stream).unwrap(), b"data");
    }

    #[test]
    fn truncation_is_corruption_at_every_length() {
        let data = b"some text that is long enough, is long enough to be packed".repeat(9);
        for pack in [gzip, zstd] {
            let stream = pack(&data);
            // Fewer bytes than the magic number are a plain stream.
            for length in 4..stream.len() {
                let error = read_all(&stream[..length]).expect_err("a truncated stream was accepted");
                let corrupt = CorruptStream::in_error(&error).unwrap_or_else(|| panic!("{length}: {error:?}"));
                assert!(corrupt.to_string().contains("it ends in the middle"), "{length}: {corrupt}");
            }
        }
    }

    #[test]
    fn trailing_garbage_and_flipped_bits_are_corruption() {
        let data = sample();
        for pack in [gzip, zstd] {
            for garbage in [&b"garbage that is no member"[..], &[0; 512], b"\x1f"] {
                let error = read_all(&[&pack(&data), garbage].concat()).expect_err("garbage was accepted");
                assert!(CorruptStream::in_error(&error).is_some(), "{error:?}");
            }
            let mut stream = pack(&data);
            let middle = stream.len() / 2;
            stream[middle] ^= 0x10;
            let error = read_all(&stream).expect_err("a flipped bit was accepted");
            assert!(CorruptStream::in_error(&error).is_some(), "{error:?}");
        }
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        for (head, name) in [
            (&b"BZh91AY"[..], "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"\x04\x22\x4d\x18\x64", "lz4"),
            (b"PK\x03\x04", "zip"),
        ] {
            let error = read_all(head).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn an_error_beneath_passes_through_unchanged() {
        struct Lost;
        impl Read for Lost {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(libc::ECONNRESET))
            }
        }
        for pack in [gzip, zstd] {
            let stream = pack(&sample());
            let (_, mut reader) = auto_decoder(stream[..1000].chain(Lost)).unwrap();
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        }
    }

    #[test]
    fn media_types_name_the_compression() {
        for (media_type, compression) in [
            ("application/vnd.oci.image.layer.v1.tar", Compression::None),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip),
        ] {
            assert_eq!(Compression::from_media_type(media_type).unwrap(), compression);
        }
        for (media_type, word) in [
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
            ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "not a media type"),
        ] {
            assert!(Compression::from_media_type(media_type).unwrap_err().contains(word));
        }
    }

    #[test]
    fn hashing_sees_every_byte_and_resumes() {
        let data = sample();
        let mut first = HashingReader::new(&data[..1234]);
        io::copy(&mut first, &mut io::sink()).unwrap();
        let (hasher, bytes) = first.into_state();
        let second = HashingReader::resume(&data[1234..], hasher, bytes);
        assert_eq!(second.drain().unwrap(), (Digest::of(&data), data.len() as u64));
    }

    #[test]
    fn hashing_a_buffer_sees_every_byte_once() {
        let data = sample();
        let mut hashing = HashingReader::new(BufReader::with_capacity(1000, &data[..]));
        // Looked at twice, used in part, and left before the end.
        assert_eq!(hashing.fill_buf().unwrap().len(), 1000);
        hashing.consume(1);
        assert_eq!(hashing.fill_buf().unwrap().len(), 999);
        hashing.read_exact(&mut [0; 5000]).unwrap();
        assert_eq!(hashing.drain().unwrap(), (Digest::of(&data), data.len() as u64));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(magic in prop_oneof![Just(vec![0x1f, 0x8b, 8]), Just(vec![0x28, 0xb5, 0x2f, 0xfd]), Just(vec![])],
                          rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_all(&[magic, rest].concat());
        }
    }
}
