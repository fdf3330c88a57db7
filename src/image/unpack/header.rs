//! One 512-byte tar header block: bytes in, fields out, no I/O.
//!
//! Four dialects share the first 257 bytes: v7, POSIX ustar, GNU (tar(5) "GNU tar archives") and
//! star. They differ in what follows: a name prefix, or GNU's sparse map.

use rustix::fs::{Timespec, Timestamps};

/// Size of a header and the unit that data is padded to.
pub const BLOCK: usize = 512;

/// What is wrong with bytes of an archive: a sentence without a full stop.
pub type Malformed = String;

/// What an entry is, by its type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeFlag {
    /// `0`, NUL, `7`
    Regular,
    /// `1`
    HardLink,
    /// `2`
    Symlink,
    /// `3`
    CharDevice,
    /// `4`
    BlockDevice,
    /// `5`
    Directory,
    /// `6`
    Fifo,
    /// `x`: PAX records for the next entry
    Pax,
    /// `g`: PAX records for all that follow
    PaxGlobal,
    /// `L`: the next entry's name
    GnuLongName,
    /// `K`: the next entry's link target
    GnuLongLink,
    /// `S`: a regular file with holes, old GNU format
    GnuSparse,
    /// `V`: a volume's label; means nothing in a layer
    VolumeLabel,
}

/// Seconds and nanoseconds since the epoch; `nanos` counts forward, before the epoch too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// May be negative.
    pub secs: i64,
    /// 0 to 999,999,999
    pub nanos: u32,
}

impl Time {
    /// Both times of a file: that of the last access is set to that of modification, so that unpacking twice gives the same.
    pub fn timestamps(self) -> Timestamps {
        let time = Timespec { tv_sec: self.secs, tv_nsec: self.nanos.into() };
        Timestamps { last_access: time, last_modification: time }
    }
}

/// A run of data in a sparse file; all else is holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte, in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// The fields of one header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Prefix and name joined; as stored, so it may be empty, absolute or hold anything but NUL.
    pub path: Vec<u8>,
    /// Link target, of links.
    pub link: Vec<u8>,
    /// What it is.
    pub flag: TypeFlag,
    /// Permission bits and setuid, setgid, sticky: at most 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of data that follow, without padding; 0 for entries that have none.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Only of [`TypeFlag::GnuSparse`].
    pub sparse: Option<GnuSparse>,
}

/// The sparse fields of an old GNU header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GnuSparse {
    /// The first four extents at most.
    pub extents: Vec<Extent>,
    /// An extension block follows ([`sparse_extension`]).
    pub extended: bool,
    /// The file's size with its holes.
    pub real_size: u64,
}

/// True for a block of zeros: two of them end an archive.
pub fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Parses a header block.
pub fn parse(block: &[u8; BLOCK]) -> Result<Header, Malformed> {
    verify_checksum(block)?;
    let dialect = Dialect::of(block);
    let mut path = text(&block[..100]).to_vec();
    if let Some(prefix) = dialect.prefix(block).filter(|prefix| !prefix.is_empty()) {
        path = [prefix, b"/", &path].concat();
    }
    let flag = type_flag(block[156])?;
    let size = if has_data(flag) { unsigned(&block[124..136], "size")? } else { 0 };
    Ok(Header {
        link: text(&block[157..257]).to_vec(),
        mode: (unsigned(&block[100..108], "mode")? & 0o7777) as u32,
        uid: unsigned(&block[108..116], "uid")?,
        gid: unsigned(&block[116..124], "gid")?,
        size,
        mtime: Time { secs: signed(&block[136..148], "mtime")?, nanos: 0 },
        sparse: if flag == TypeFlag::GnuSparse { Some(gnu_sparse(block)?) } else { None },
        path,
        flag,
    })
}

/// Entries that are only a header have no data even where their size field says so: some writers
/// put a hard link's file size there (tar(5)).
fn has_data(flag: TypeFlag) -> bool {
    use TypeFlag::*;
    !matches!(flag, HardLink | Symlink | CharDevice | BlockDevice | Directory | Fifo)
}

fn type_flag(byte: u8) -> Result<TypeFlag, Malformed> {
    Ok(match byte {
        b'0' | 0 | b'7' => TypeFlag::Regular,
        b'1' => TypeFlag::HardLink,
        b'2' => TypeFlag::Symlink,
        b'3' => TypeFlag::CharDevice,
        b'4' => TypeFlag::BlockDevice,
        b'5' => TypeFlag::Directory,
        b'6' => TypeFlag::Fifo,
        b'x' | b'X' => TypeFlag::Pax,
        b'g' => TypeFlag::PaxGlobal,
        b'L' => TypeFlag::GnuLongName,
        b'K' => TypeFlag::GnuLongLink,
        b'S' => TypeFlag::GnuSparse,
        b'V' => TypeFlag::VolumeLabel,
        other => return Err(format!("unknown entry type `{}`", other.escape_ascii())),
    })
}

/// Which fields follow the first 257 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl Dialect {
    fn of(block: &[u8; BLOCK]) -> Dialect {
        match (&block[257..263], &block[508..512]) {
            (b"ustar\0", b"tar\0") => Dialect::Star,
            (b"ustar\0", _) => Dialect::Ustar,
            (b"ustar ", _) => Dialect::Gnu,
            _ => Dialect::V7,
        }
    }

    fn prefix(self, block: &[u8; BLOCK]) -> Option<&[u8]> {
        match self {
            Dialect::Ustar => Some(text(&block[345..500])),
            Dialect::Star => Some(text(&block[345..476])),
            Dialect::Gnu | Dialect::V7 => None,
        }
    }
}

/// The sum of all bytes with the checksum field as spaces. Historic writers summed signed bytes.
fn verify_checksum(block: &[u8; BLOCK]) -> Result<(), Malformed> {
    let stored = unsigned(&block[148..156], "checksum")?;
    let mut block = *block;
    block[148..156].fill(b' ');
    // Sums of numbers this narrow are made of many bytes at a time; 512 bytes cannot overflow them.
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    if stored == u64::from(sum) {
        return Ok(());
    }
    let signed_sum: i32 = block.iter().map(|byte| i32::from(*byte as i8)).sum();
    if i64::try_from(stored) == Ok(i64::from(signed_sum)) {
        return Ok(());
    }
    Err("the header checksum is wrong".into())
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn unsigned(field: &[u8], name: &str) -> Result<u64, Malformed> {
    u64::try_from(signed(field, name)?).map_err(|_| format!("the {name} is negative"))
}

/// A number: octal digits between spaces and NULs, or, where the first bit is set, big-endian
/// two's complement (GNU's and star's "base-256").
fn signed(field: &[u8], name: &str) -> Result<i64, Malformed> {
    let Some((first, rest)) = field.split_first() else { return Ok(0) };
    if first & 0x80 == 0 {
        return octal(field).ok_or_else(|| format!("the {name} `{}` is no octal number", field.escape_ascii()));
    }
    // The seven bits left in the first byte, sign-extended from bit 6.
    let mut value = i128::from((first << 1) as i8 >> 1);
    for byte in rest {
        value = value << 8 | i128::from(*byte);
        // Twelve bytes hold 95 bits: this cannot overflow 128.
    }
    i64::try_from(value).map_err(|_| format!("the {name} is beyond 64 bits"))
}

fn octal(field: &[u8]) -> Option<i64> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    // Twelve digits are 36 bits: no overflow.
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => Some(value << 3 | i64::from(digit - b'0')),
        _ => None,
    })
}

fn gnu_sparse(block: &[u8; BLOCK]) -> Result<GnuSparse, Malformed> {
    Ok(GnuSparse {
        extents: sparse_entries(&block[386..482])?,
        extended: block[482] != 0,
        real_size: unsigned(&block[483..495], "sparse size")?,
    })
}

/// Parses an extension block of an old GNU sparse header: up to 21 extents, and whether one more follows.
pub fn sparse_extension(block: &[u8; BLOCK]) -> Result<(Vec<Extent>, bool), Malformed> {
    Ok((sparse_entries(&block[..504])?, block[504] != 0))
}

/// Pairs of 12-byte numbers; an empty pair ends them.
fn sparse_entries(area: &[u8]) -> Result<Vec<Extent>, Malformed> {
    area.chunks_exact(24)
        .take_while(|pair| pair[0] != 0)
        .map(|pair| {
            Ok(Extent {
                offset: unsigned(&pair[..12], "sparse offset")?,
                length: unsigned(&pair[12..], "sparse length")?,
            })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes the checksum of a header made by hand.
    pub fn seal(block: &mut [u8; BLOCK]) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn sample() -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(b"bin/file");
        block[100..108].copy_from_slice(b"0104755\0");
        block[108..116].copy_from_slice(b"   1750\0");
        block[116..124].copy_from_slice(b"0000144 ");
        block[124..136].copy_from_slice(b"00000001750\0");
        block[136..148].copy_from_slice(b"14771234567 ");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        seal(&mut block);
        block
    }

    #[test]
    fn a_ustar_header_is_understood() {
        let mut block = sample();
        block[345..350].copy_from_slice(b"a/b/c");
        seal(&mut block);
        let header = parse(&block).unwrap();
        assert_eq!(header.path, b"a/b/c/bin/file");
        assert_eq!((header.mode, header.uid, header.gid, header.size), (0o4755, 1000, 100, 1000));
        assert_eq!(header.mtime.secs, 0o14771234567);
        assert_eq!(header.flag, TypeFlag::Regular);
    }

    #[test]
    fn numbers_may_be_base_256() {
        let mut block = sample();
        block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]);
        block[136..148].copy_from_slice(&[0xff; 12]);
        block[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe]);
        seal(&mut block);
        let header = parse(&block).unwrap();
        assert_eq!((header.size, header.mtime.secs, header.uid), (0x2_0000_0001, -1, 4_294_967_294));
    }

    #[test]
    fn malformed_fields_are_named() {
        for (range, bytes, word) in [
            (124..136, &b"0000000175x\0"[..], "size"),
            (124..136, &[0xff; 12], "negative"),
            (124..136, &[0x80, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "beyond 64 bits"),
            (156..157, b"Q", "entry type `Q`"),
            (108..116, b"12 34 \0\0", "uid"),
        ] {
            let mut block = sample();
            block[range].copy_from_slice(bytes);
            seal(&mut block);
            let error = parse(&block).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let mut block = sample();
        block[0] ^= 1;
        assert!(parse(&block).unwrap_err().contains("checksum"));
    }

    #[test]
    fn header_only_entries_have_no_data() {
        for flag in *b"123456" {
            let mut block = sample();
            block[156] = flag;
            seal(&mut block);
            assert_eq!(parse(&block).unwrap().size, 0);
        }
    }

    proptest! {
        #[test]
        fn no_block_panics(mut block in proptest::collection::vec(any::<u8>(), BLOCK),
                           flag in proptest::sample::select(b"01234567xgLKSV\0".to_vec()),
                           magic in proptest::sample::select(vec![*b"ustar\0", *b"ustar ", [0; 6]])) {
            block[156] = flag;
            block[257..263].copy_from_slice(&magic);
            let mut block: [u8; BLOCK] = block.try_into().unwrap();
            let _ = parse(&block);
            seal(&mut block);
            let _ = parse(&block);
            let _ = sparse_extension(&block);
        }

        #[test]
        fn octal_fields_round_trip(number in 0_u64..1_u64 << 33) {
            let mut block = sample();
            block[124..136].copy_from_slice(format!("{number:011o}\0").as_bytes());
            seal(&mut block);
            prop_assert_eq!(parse(&block).unwrap().size, number);
        }
    }
}
