//! Writing tar: ustar headers (POSIX 1003.1-1988), with PAX extended headers (POSIX 1003.1-2001) where a value does
//! not fit, has a fraction of a second, or is an extended attribute (`SCHILY.xattr.`, as every tool that handles images
//! reads and writes them).
//!
//! Sparse files are written out: image-spec says that layers should not have sparse entries.

use std::io::{self, Write};

/// Size of headers, and what data is padded to.
const BLOCK: usize = 512;
/// Largest id and number of seconds, and largest size, that octal digits in a ustar header can say.
const MAX_ID: u64 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;

/// What an entry is; the value is ustar's `typeflag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Regular = b'0' as isize,
    HardLink = b'1' as isize,
    Symlink = b'2' as isize,
    CharDevice = b'3' as isize,
    BlockDevice = b'4' as isize,
    Directory = b'5' as isize,
    Fifo = b'6' as isize,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Path without a slash in front; a directory's gets one at its end.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permissions, at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of data that follow; only regular files have any.
    pub size: u64,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// And nanoseconds.
    pub mtime_nanoseconds: u32,
    /// Where a link leads to; of hard links a path in the archive.
    pub link: Vec<u8>,
    /// Major and minor number of devices.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Header {
    /// An empty file of root's that nobody else may write, from the beginning of time.
    pub fn new(path: &[u8], kind: Kind) -> Header {
        Header {
            path: path.to_vec(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            mtime_nanoseconds: 0,
            link: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }
}

/// A tar stream being written.
#[derive(Debug)]
pub struct TarWriter<W> {
    inner: W,
    /// Bytes of the current entry's data that are still to come.
    left: u64,
    padding: usize,
}

impl<W: Write> TarWriter<W> {
    /// Nothing written yet.
    pub fn new(inner: W) -> TarWriter<W> {
        TarWriter { inner, left: 0, padding: 0 }
    }

    /// Begins an entry; exactly `header.size` bytes of data have to follow.
    ///
    /// # Errors
    /// The writer's; the data of the entry before is not complete.
    pub fn entry(&mut self, header: &Header) -> io::Result<()> {
        self.end_data()?;
        let mut path = header.path.clone();
        if header.kind == Kind::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let records = records(header, &path);
        if !records.is_empty() {
            let mut extended = Header::new(&extended_name(&path), Kind::Regular);
            extended.size = records.len() as u64;
            self.inner.write_all(&block(&extended, &extended.path, b'x'))?;
            self.inner.write_all(&records)?;
            self.inner.write_all(&[0; BLOCK][..padding(records.len() as u64)])?;
        }
        self.inner.write_all(&block(header, &path, header.kind as u8))?;
        self.left = header.size;
        self.padding = padding(header.size);
        Ok(())
    }

    /// Data of the current entry.
    ///
    /// # Errors
    /// The writer's; more data than was announced.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left =
            self.left.checked_sub(bytes.len() as u64).ok_or_else(|| io::Error::other("more data than announced"))?;
        self.inner.write_all(bytes)
    }

    /// Zeros as data of the current entry, in place of what is left of it.
    ///
    /// # Errors
    /// The writer's.
    pub fn fill(&mut self, mut count: u64) -> io::Result<()> {
        static ZEROS: [u8; 4 << 10] = [0; 4 << 10];
        while count > 0 {
            let length = count.min(ZEROS.len() as u64);
            self.data(&ZEROS[..length as usize])?;
            count -= length;
        }
        Ok(())
    }

    /// How much data of the current entry is still to come, bytes.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// An entry with all its data.
    ///
    /// # Errors
    /// The writer's.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(&Header { size: bytes.len() as u64, ..Header::new(path.as_bytes(), Kind::Regular) })?;
        self.data(bytes)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// The writer's; the data of the last entry is not complete.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_data()?;
        self.inner.write_all(&[0; 2 * BLOCK])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn end_data(&mut self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other("less data than announced"));
        }
        self.inner.write_all(&[0; BLOCK][..std::mem::take(&mut self.padding)])
    }
}

fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

/// The name of an extended header, for readers that know none and make a file of it.
fn extended_name(path: &[u8]) -> Vec<u8> {
    let name = path.trim_ascii_end().split(|byte| *byte == b'/').rfind(|part| !part.is_empty()).unwrap_or_default();
    let mut extended = b"PaxHeaders.0/".to_vec();
    extended.extend(name.iter().take(80));
    extended
}

/// What a ustar header cannot say.
fn records(header: &Header, path: &[u8]) -> Vec<u8> {
    let mut records = Vec::new();
    let mut record = |key: &[u8], value: &[u8]| records.extend(pax_record(key, value));
    let plain = |text: &[u8]| text.len() <= 100 && text.is_ascii();
    if !plain(path) {
        record(b"path", path);
    }
    if !plain(&header.link) {
        record(b"linkpath", &header.link);
    }
    if header.size > MAX_SIZE {
        record(b"size", header.size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], header.uid), (b"gid", header.gid)] {
        if id > MAX_ID {
            record(key, id.to_string().as_bytes());
        }
    }
    if header.mtime_nanoseconds != 0 || header.mtime < 0 || header.mtime as u64 > MAX_SIZE {
        record(b"mtime", decimal(header.mtime, header.mtime_nanoseconds).as_bytes());
    }
    for (name, value) in &header.xattrs {
        record(&[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Seconds with a fraction, which counts upwards also where the seconds are negative.
fn decimal(seconds: i64, nanoseconds: u32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, total) = if total < 0 { ("-", -total) } else { ("", total) };
    let text = format!("{sign}{}.{:09}", total / 1_000_000_000, total % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One header block. What does not fit is cut: an extended header has said it in full.
fn block(header: &Header, path: &[u8], flag: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let octal = |value: u64, digits: usize, most: u64| {
        let value = if value > most { 0 } else { value };
        format!("{value:0digits$o}").into_bytes()
    };
    put(0, &path[..path.len().min(100)]);
    put(100, &octal(u64::from(header.mode & 0o7777), 7, MAX_ID));
    put(108, &octal(header.uid, 7, MAX_ID));
    put(116, &octal(header.gid, 7, MAX_ID));
    put(124, &octal(header.size, 11, MAX_SIZE));
    put(136, &octal(u64::try_from(header.mtime).unwrap_or(0), 11, MAX_SIZE));
    put(148, b"        ");
    put(156, &[flag]);
    put(157, &header.link[..header.link.len().min(100)]);
    put(257, b"ustar\x0000");
    put(329, &octal(u64::from(header.device.0), 7, MAX_ID));
    put(337, &octal(u64::from(header.device.1), 7, MAX_ID));
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::unpack::entries::Archive;
    use proptest::prelude::*;

    fn headers() -> impl Strategy<Value = Header> {
        let name = proptest::collection::vec("[a-zäöü .]{1,60}", 1..6).prop_map(|parts| parts.join("/").into_bytes());
        let attributes =
            proptest::collection::vec(("[a-z.]{1,20}", proptest::collection::vec(any::<u8>(), 0..200)), 0..3);
        (name, 0..=0o7777_u32, any::<u32>(), any::<u32>(), any::<i32>(), 0..1_000_000_000_u32, 0..2000_u64, attributes)
            .prop_map(|(path, mode, uid, gid, mtime, nanoseconds, size, attributes)| {
                let mut xattrs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
                for (name, value) in attributes {
                    if xattrs.iter().all(|(other, _)| *other != name.as_bytes()) {
                        xattrs.push((name.into_bytes(), value));
                    }
                }
                xattrs.sort();
                Header {
                    mode,
                    uid: uid.into(),
                    gid: gid.into(),
                    mtime: mtime.into(),
                    mtime_nanoseconds: nanoseconds,
                    size,
                    xattrs,
                    ..Header::new(&path, Kind::Regular)
                }
            })
    }

    proptest! {
        /// What is written is what our own reader, which agrees with podman's and umoci's, reads.
        #[test]
        fn entries_come_back(headers in proptest::collection::vec(headers(), 0..6)) {
            let mut writer = TarWriter::new(Vec::new());
            for header in &headers {
                writer.entry(header).unwrap();
                writer.fill(header.size).unwrap();
            }
            let bytes = writer.finish().unwrap();
            prop_assert_eq!(bytes.len() % BLOCK, 0);
            let mut reader = &bytes[..];
            let mut archive = Archive::new(&mut reader);
            for header in &headers {
                let entry = archive.next_entry().unwrap().unwrap();
                prop_assert_eq!(&entry.path, &header.path);
                prop_assert_eq!((entry.uid, entry.gid, entry.mode), (header.uid, header.gid, header.mode));
                prop_assert_eq!(entry.size, header.size);
                prop_assert_eq!((entry.mtime.secs, entry.mtime.nanos), (header.mtime, header.mtime_nanoseconds));
                let mut xattrs = entry.xattrs.clone();
                xattrs.sort();
                prop_assert_eq!(&xattrs, &header.xattrs);
            }
            prop_assert!(archive.next_entry().unwrap().is_none());
        }
    }

    #[test]
    fn data_has_the_announced_length() {
        let mut writer = TarWriter::new(Vec::new());
        writer.entry(&Header { size: 3, ..Header::new(b"a", Kind::Regular) }).unwrap();
        assert!(writer.data(b"four").is_err());
        assert!(writer.entry(&Header::new(b"b", Kind::Regular)).is_err());
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in 0..1200 {
            let record = pax_record(b"key", &vec![b'x'; length]);
            let text = String::from_utf8(record.clone()).unwrap();
            assert_eq!(text.split_once(' ').unwrap().0.parse::<usize>().unwrap(), record.len());
        }
    }
}
