//! Archives made by hand, for tests: also such as no tar program would write.

use super::header::{BLOCK, tests::seal};
use super::pax::tests::record;

/// A tar stream under construction.
#[derive(Default, Clone)]
pub struct TarBytes {
    bytes: Vec<u8>,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
    link: Vec<u8>,
    mtime: u64,
}

impl TarBytes {
    pub fn new() -> TarBytes {
        TarBytes { mtime: 1_500_000_000, ..TarBytes::default() }
    }

    /// The mode of the entries that follow; without, 0755 for directories and 0644 for others.
    pub fn mode(mut self, mode: u32) -> TarBytes {
        self.mode = Some(mode);
        self
    }

    /// The default mode again.
    pub fn plain_mode(mut self) -> TarBytes {
        self.mode = None;
        self
    }

    /// The owner of the entries that follow.
    pub fn owner(mut self, uid: u32, gid: u32) -> TarBytes {
        self.owner = Some((uid, gid));
        self
    }

    /// The modification time of the entries that follow.
    pub fn mtime(mut self, secs: u64) -> TarBytes {
        self.mtime = secs;
        self
    }

    pub fn file(self, path: impl AsRef<[u8]>, data: &[u8]) -> TarBytes {
        self.entry(b'0', path, data)
    }

    pub fn dir(self, path: impl AsRef<[u8]>) -> TarBytes {
        self.entry(b'5', path, b"")
    }

    pub fn symlink(mut self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> TarBytes {
        self.link = target.as_ref().to_vec();
        self.entry(b'2', path, b"")
    }

    pub fn hard_link(mut self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> TarBytes {
        self.link = target.as_ref().to_vec();
        self.entry(b'1', path, b"")
    }

    /// A header and padded data.
    pub fn entry(mut self, flag: u8, path: impl AsRef<[u8]>, data: &[u8]) -> TarBytes {
        self = self.header_only(flag, path, data.len() as u64);
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A header that promises `size` bytes which do not follow.
    pub fn header_only(mut self, flag: u8, path: impl AsRef<[u8]>, size: u64) -> TarBytes {
        let path = path.as_ref();
        let link = std::mem::take(&mut self.link);
        let mut block = [0; BLOCK];
        block[..path.len()].copy_from_slice(path);
        block[157..157 + link.len()].copy_from_slice(&link);
        let mode = self.mode.unwrap_or(if flag == b'5' { 0o755 } else { 0o644 });
        let (uid, gid) = self.owner.unwrap_or((0, 0));
        block[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        block[108..116].copy_from_slice(format!("{uid:07o}\0").as_bytes());
        block[116..124].copy_from_slice(format!("{gid:07o}\0").as_bytes());
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(format!("{:011o}\0", self.mtime).as_bytes());
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        seal(&mut block);
        self.bytes.extend_from_slice(&block);
        self
    }

    pub fn pax(self, records: &[(&str, &[u8])]) -> TarBytes {
        let data: Vec<u8> = records.iter().flat_map(|(keyword, value)| record(keyword, value)).collect();
        self.entry(b'x', "PaxHeader", &data)
    }

    pub fn pax_global(self, records: &[(&str, &[u8])]) -> TarBytes {
        let data: Vec<u8> = records.iter().flat_map(|(keyword, value)| record(keyword, value)).collect();
        self.entry(b'g', "PaxHeader", &data)
    }

    pub fn gnu_long(self, flag: u8, name: &[u8]) -> TarBytes {
        self.entry(flag, "././@LongLink", &[name, b"\0"].concat())
    }

    /// An old GNU sparse file; `extents` beyond four go to extension blocks.
    pub fn gnu_sparse(mut self, path: &str, extents: &[(u64, u64)], real_size: u64, data: &[u8]) -> TarBytes {
        let start = self.bytes.len();
        self = self.header_only(b'S', path, data.len() as u64);
        let number = |value: u64| format!("{value:011o}\0").into_bytes();
        let pairs: Vec<u8> =
            extents.iter().flat_map(|(offset, length)| [number(*offset), number(*length)].concat()).collect();
        let (first, rest) = pairs.split_at(pairs.len().min(96));
        let mut block: [u8; BLOCK] = self.bytes[start..].try_into().unwrap();
        block[257..265].copy_from_slice(b"ustar  \0");
        block[386..386 + first.len()].copy_from_slice(first);
        block[482] = u8::from(!rest.is_empty());
        block[483..495].copy_from_slice(&number(real_size));
        seal(&mut block);
        self.bytes[start..].copy_from_slice(&block);
        let mut chunks = rest.chunks(504).peekable();
        while let Some(chunk) = chunks.next() {
            let mut extension = [0; BLOCK];
            extension[..chunk.len()].copy_from_slice(chunk);
            extension[504] = u8::from(chunks.peek().is_some());
            self.bytes.extend_from_slice(&extension);
        }
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

/// One entry of each kind that parsers treat differently.
pub fn mixed() -> Vec<u8> {
    let extents: Vec<(u64, u64)> = (0..30).map(|index| (index * 4096, 2)).collect();
    TarBytes::new()
        .dir("dir/")
        .gnu_long(b'L', &[b'l'; 150])
        .file("short", b"content")
        .pax(&[("path", b"pax-name"), ("SCHILY.xattr.user.a", b"b"), ("mtime", b"1.5")])
        .file("short", b"")
        .gnu_sparse("sparse", &extents, 200_000, &[1; 60])
        .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"100")])
        .file("one", &[&b"1\n5\n2\n"[..], &[0; 506], b"xy"].concat())
        .hard_link("hard", "pax-name")
        .finish()
}

/// Makes every header block's checksum right again, so that what follows it gets tested.
pub fn reseal(bytes: &mut [u8]) {
    for block in bytes.as_chunks_mut::<BLOCK>().0 {
        if block[257..262] == *b"ustar" {
            seal(block);
        }
    }
}
