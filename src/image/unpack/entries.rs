//! A tar stream as a sequence of entries, each with what its extended headers say laid over it.
//!
//! An entry's data is handed out as slices of the reader's own buffer, so a file goes from decompressor to write(2)
//! without a copy between. Extended headers are limited in size, because
//! they have to be held; nothing else is.

use super::header::{self, BLOCK, Header, Malformed, Time, TypeFlag};
use super::pax::{self, Overrides};
use super::sparse::{MapInData, SparseMap, check_count};
use crate::image::stream::CorruptStream;
use std::io::{self, BufRead};

/// Largest extended header, in bytes; Go's archive/tar, and with it podman, takes no larger ones.
pub const MAX_EXTENDED_HEADER: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Regular,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// One entry, as the archive means it; nothing in it has been checked against a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As stored.
    pub path: Vec<u8>,
    /// Of links; as stored.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// At most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Modification time.
    pub mtime: Time,
    /// Bytes of data in the archive.
    pub size: u64,
    /// Names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the data belongs, of sparse files.
    pub sparse: Option<SparseMap>,
}

/// A tar stream.
pub struct Archive<'r> {
    source: Source<'r>,
    globals: Overrides,
    data_left: u64,
    padding: u64,
}

/// What extended headers have said so far of the entry that comes next.
#[derive(Default)]
struct Pending {
    pax: Option<Overrides>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<'r> Archive<'r> {
    /// Starts at the first header.
    pub fn new(reader: &'r mut dyn BufRead) -> Archive<'r> {
        Archive { source: Source { reader, position: 0 }, globals: Overrides::default(), data_left: 0, padding: 0 }
    }

    /// The next entry; what was not read of the one before is skipped. None at the end, which is
    /// two blocks of zeros or, as other readers take it too, the end of the stream between entries.
    ///
    /// # Errors
    /// Those of the reader, and [`CorruptStream`].
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut pending = Pending::default();
        loop {
            self.skip_data()?;
            let Some(block) = self.header_block()? else {
                if pending.pax.is_some() || pending.path.is_some() || pending.link.is_some() {
                    return Err(corrupt("it ends after an extended header"));
                }
                return Ok(None);
            };
            let header = header::parse(&block).map_err(corrupt)?;
            self.begin_data(header.size);
            match header.flag {
                TypeFlag::Pax => {
                    let base = pending.pax.as_ref().unwrap_or(&self.globals).clone();
                    pending.pax = Some(pax::parse(&self.read_extended()?, &base).map_err(corrupt)?);
                }
                TypeFlag::PaxGlobal => {
                    let records = self.read_extended()?;
                    self.globals = pax::parse(&records, &self.globals).map_err(corrupt)?.for_all();
                }
                TypeFlag::GnuLongName => pending.path = Some(self.read_name()?),
                TypeFlag::GnuLongLink => pending.link = Some(self.read_name()?),
                TypeFlag::VolumeLabel => {}
                _ => return self.entry(header, pending).map(Some),
            }
        }
    }

    /// Bytes of the stream that were used: after [`Archive::next_entry`], where the entry's data begins.
    pub fn position(&self) -> u64 {
        self.source.position
    }

    /// The next piece of the current entry's data; empty at its end. [`Archive::consume`] what was used.
    pub fn data(&mut self) -> io::Result<&[u8]> {
        if self.data_left == 0 {
            return Ok(&[]);
        }
        let limit = usize::try_from(self.data_left).unwrap_or(usize::MAX);
        let piece = self.source.fill()?;
        if piece.is_empty() {
            return Err(corrupt("it ends in the middle of a file"));
        }
        Ok(&piece[..piece.len().min(limit)])
    }

    /// Marks `amount` bytes of what [`Archive::data`] gave as used.
    pub fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
        self.data_left -= amount as u64;
    }

    fn begin_data(&mut self, size: u64) {
        self.data_left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_data(&mut self) -> io::Result<()> {
        while self.data_left > 0 {
            let amount = self.data()?.len();
            self.consume(amount);
        }
        while self.padding > 0 {
            let amount = self.source.fill()?.len().min(self.padding as usize);
            if amount == 0 {
                return Err(corrupt("it ends in the middle of a block"));
            }
            self.source.consume(amount);
            self.padding -= amount as u64;
        }
        Ok(())
    }

    /// The next block, unless the archive ends here.
    fn header_block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let Some(block) = self.source.block()? else { return Ok(None) };
        if !header::is_zero(&block) {
            return Ok(Some(block));
        }
        match self.source.block()? {
            Some(second) if !header::is_zero(&second) => Err(corrupt("a block of zeros is followed by more")),
            _ => Ok(None),
        }
    }

    fn read_extended(&mut self) -> io::Result<Vec<u8>> {
        if self.data_left > MAX_EXTENDED_HEADER {
            return Err(corrupt(format!("an extended header is larger than {MAX_EXTENDED_HEADER} bytes")));
        }
        let mut data = Vec::with_capacity(self.data_left as usize);
        while self.data_left > 0 {
            let piece = self.data()?;
            data.extend_from_slice(piece);
            let amount = piece.len();
            self.consume(amount);
        }
        Ok(data)
    }

    /// A GNU long name: ends at its first NUL.
    fn read_name(&mut self) -> io::Result<Vec<u8>> {
        let mut name = self.read_extended()?;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// Lays the pending overrides over a header: PAX goes before GNU's, and those before the header.
    fn entry(&mut self, header: Header, pending: Pending) -> io::Result<Entry> {
        let over = pending.pax.unwrap_or_else(|| self.globals.clone());
        let mut kind = kind(header.flag);
        if let (Kind::Regular, Some(size)) = (kind, over.size) {
            self.begin_data(size);
        }
        let sparse = self.sparse_map(&header, &over)?;
        let path = over.sparse.name.or(over.path).or(pending.path).unwrap_or(header.path);
        // v7 had no type for directories (tar(5)).
        if kind == Kind::Regular && path.ends_with(b"/") {
            kind = Kind::Directory;
        }
        Ok(Entry {
            path,
            link: over.link.or(pending.link).unwrap_or(header.link),
            kind,
            mode: header.mode,
            uid: over.uid.unwrap_or(header.uid),
            gid: over.gid.unwrap_or(header.gid),
            mtime: over.mtime.unwrap_or(header.mtime),
            size: self.data_left,
            xattrs: over.xattrs,
            sparse,
        })
    }

    fn sparse_map(&mut self, header: &Header, over: &Overrides) -> io::Result<Option<SparseMap>> {
        let (extents, real_size) = if let Some(gnu) = &header.sparse {
            let mut extents = gnu.extents.clone();
            let mut extended = gnu.extended;
            while extended {
                let block = self.source.block()?.ok_or_else(|| corrupt("it ends in the middle of a sparse map"))?;
                let more;
                (more, extended) = header::sparse_extension(&block).map_err(corrupt)?;
                extents.extend(more);
                check_count(extents.len()).map_err(corrupt)?;
            }
            (extents, gnu.real_size)
        } else if let (TypeFlag::Regular, Some(real_size)) = (header.flag, over.sparse.real_size) {
            match (over.sparse.major, over.sparse.minor) {
                (0, _) => (over.sparse.extents.clone(), real_size),
                (1, 0) => (self.map_in_data()?, real_size),
                (major, minor) => return Err(corrupt(format!("sparse format {major}.{minor} is unknown"))),
            }
        } else {
            return Ok(None);
        };
        SparseMap::new(extents, real_size, self.data_left).map(Some).map_err(corrupt)
    }

    fn map_in_data(&mut self) -> io::Result<Vec<header::Extent>> {
        let mut map = MapInData::default();
        loop {
            let left = self.data_left.checked_sub(BLOCK as u64);
            let (Some(left), Some(block)) = (left, self.source.block()?) else {
                return Err(corrupt("it ends in the middle of a sparse map"));
            };
            self.data_left = left;
            if map.feed(&block).map_err(corrupt)? {
                return Ok(map.finish());
            }
        }
    }
}

fn kind(flag: TypeFlag) -> Kind {
    match flag {
        TypeFlag::HardLink => Kind::HardLink,
        TypeFlag::Symlink => Kind::Symlink,
        TypeFlag::CharDevice => Kind::CharDevice,
        TypeFlag::BlockDevice => Kind::BlockDevice,
        TypeFlag::Directory => Kind::Directory,
        TypeFlag::Fifo => Kind::Fifo,
        // The extended kinds never get here.
        _ => Kind::Regular,
    }
}

fn corrupt(what: impl Into<Malformed>) -> io::Error {
    CorruptStream::new("tar", what).into()
}

/// The reader, counted.
struct Source<'r> {
    reader: &'r mut dyn BufRead,
    position: u64,
}

impl Source<'_> {
    /// What is buffered, after reading more if that was nothing; empty at the end of the stream.
    fn fill(&mut self) -> io::Result<&[u8]> {
        // Two calls, because the borrow of a returned slice would outlive the loop; the second finds the buffer filled.
        while let Err(error) = self.reader.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
        self.position += amount as u64;
    }

    /// One whole block, or None at the end of the stream.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut have = 0;
        while have < BLOCK {
            let piece = self.fill()?;
            let amount = piece.len().min(BLOCK - have);
            if amount == 0 {
                return if have == 0 { Ok(None) } else { Err(corrupt("it ends in the middle of a block")) };
            }
            block[have..have + amount].copy_from_slice(&piece[..amount]);
            have += amount;
            self.consume(amount);
        }
        Ok(Some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, TarBytes};
    use super::*;
    use proptest::prelude::*;

    fn entries(bytes: &[u8]) -> io::Result<Vec<(Entry, Vec<u8>)>> {
        let mut reader = bytes;
        let mut archive = Archive::new(&mut reader);
        let mut all = Vec::new();
        while let Some(entry) = archive.next_entry()? {
            let mut data = Vec::new();
            loop {
                let piece = archive.data()?;
                if piece.is_empty() {
                    break;
                }
                data.extend_from_slice(piece);
                let amount = piece.len();
                archive.consume(amount);
            }
            all.push((entry, data));
        }
        Ok(all)
    }

    #[test]
    fn long_names_of_both_kinds_apply_once() {
        let long = vec![b'n'; 300];
        let tar = TarBytes::new()
            .gnu_long(b'L', &long)
            .gnu_long(b'K', b"target/of/link")
            .entry(b'2', "short", b"")
            .pax(&[("path", &long), ("mtime", b"12.5"), ("uid", b"3000000")])
            .entry(b'0', "short", b"data")
            .entry(b'0', "plain", b"")
            .finish();
        let all = entries(&tar).unwrap();
        assert_eq!((&all[0].0.path, all[0].0.kind), (&long, Kind::Symlink));
        assert_eq!(all[0].0.link, b"target/of/link");
        assert_eq!((&all[1].0.path, all[1].0.uid, &all[1].1[..]), (&long, 3_000_000, &b"data"[..]));
        assert_eq!(all[1].0.mtime, Time { secs: 12, nanos: 500_000_000 });
        assert_eq!((&all[2].0.path[..], all[2].0.uid), (&b"plain"[..], 0));
    }

    #[test]
    fn global_records_apply_to_all_that_follow_but_not_names() {
        let tar = TarBytes::new()
            .pax_global(&[("uid", b"7"), ("path", b"evil"), ("comment", b"abc")])
            .entry(b'0', "a", b"")
            .pax(&[("uid", b"8")])
            .entry(b'0', "b", b"")
            .finish();
        let all = entries(&tar).unwrap();
        assert_eq!((&all[0].0.path[..], all[0].0.uid), (&b"a"[..], 7));
        assert_eq!((&all[1].0.path[..], all[1].0.uid), (&b"b"[..], 8));
    }

    #[test]
    fn a_sparse_map_of_format_1_0_precedes_the_data() {
        let mut data = b"2\n0\n3\n8192\n2\n".to_vec();
        data.resize(BLOCK, 0);
        data.extend_from_slice(b"abcde");
        let tar = TarBytes::new()
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"holes"),
                ("GNU.sparse.realsize", b"10000"),
            ])
            .entry(b'0', "GNUSparseFile.0/holes", &data)
            .entry(b'0', "next", b"x")
            .finish();
        let all = entries(&tar).unwrap();
        let map = all[0].0.sparse.as_ref().unwrap();
        assert_eq!((&all[0].0.path[..], map.real_size, &all[0].1[..]), (&b"holes"[..], 10_000, &b"abcde"[..]));
        assert_eq!(map.extents[1], header::Extent { offset: 8192, length: 2 });
        assert_eq!(all[1].0.path, b"next");
    }

    #[test]
    fn malformed_archives_are_corrupt() {
        let whole = TarBytes::new().entry(b'0', "file", &[7; 700]).finish();
        for (bytes, word) in [
            (whole[..100].to_vec(), "middle of a block"),
            (whole[..600].to_vec(), "middle of a file"),
            (whole[..1300].to_vec(), "middle of a block"),
            (vec![b'x'; 512], "checksum"),
            (TarBytes::new().pax(&[("path", b"x")]).finish(), "after an extended header"),
            (TarBytes::new().header_only(b'x', "big", MAX_EXTENDED_HEADER + 1).finish(), "larger than"),
            ([TarBytes::new().finish()[..512].to_vec(), whole.clone()].concat(), "followed by more"),
            (
                TarBytes::new()
                    .pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.realsize", b"1")])
                    .entry(b'0', "f", b"")
                    .finish(),
                "2.0 is unknown",
            ),
        ] {
            let error = entries(&bytes).expect_err(word);
            let corrupt = CorruptStream::in_error(&error).expect("not told as corruption");
            assert!(corrupt.to_string().contains(word), "{corrupt}");
        }
        // No trailer at all is taken as the end.
        assert_eq!(entries(&whole[..512 + 1024]).unwrap().len(), 1);
        assert_eq!(entries(b"").unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn no_mutation_panics(at in 0_usize..4000, byte: u8, cut in 0_usize..8000) {
            let mut bytes = testing::mixed();
            let at = at % bytes.len();
            bytes[at] = byte;
            testing::reseal(&mut bytes);
            let _ = entries(&bytes);
            bytes.truncate(cut);
            let _ = entries(&bytes);
        }
    }
}
