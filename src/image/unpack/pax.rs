//! PAX extended headers (POSIX pax "Extended Header"; tar(5)): bytes in, records out, no I/O.
//!
//! A header is a run of `LENGTH KEYWORD=VALUE\n`, where LENGTH counts the whole record. Keywords that rr
//! has no use for are skipped.

use super::header::{Extent, Malformed, Time};

/// What PAX records say of an entry; each overrides the entry's own header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `path`
    pub path: Option<Vec<u8>>,
    /// `linkpath`
    pub link: Option<Vec<u8>>,
    /// `size`: bytes of data that follow.
    pub size: Option<u64>,
    /// `uid`
    pub uid: Option<u64>,
    /// `gid`
    pub gid: Option<u64>,
    /// `mtime`
    pub mtime: Option<Time>,
    /// `SCHILY.xattr.*`, and those of `LIBARCHIVE.xattr.*` it does not have: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `GNU.sparse.*`
    pub sparse: SparseRecords,
}

/// The `GNU.sparse.*` records of formats 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseRecords {
    /// `major`: 1 says that the map comes first in the data; `minor` has only ever been 0 there.
    pub major: u64,
    /// `minor`
    pub minor: u64,
    /// `name`: the file's name in formats 0.1 and 1.0.
    pub name: Option<Vec<u8>>,
    /// `size` or `realsize`: the file's size with its holes. Its presence makes an entry sparse.
    pub real_size: Option<u64>,
    /// `map` (0.1), or the pairs of `offset` and `numbytes` (0.0).
    pub extents: Vec<Extent>,
    /// An `offset` whose `numbytes` is yet to come.
    pending_offset: Option<u64>,
}

/// Parses the records of an extended header and lays them over `base`.
pub fn parse(data: &[u8], base: &Overrides) -> Result<Overrides, Malformed> {
    let mut overrides = base.clone();
    let mut libarchive = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (Record { keyword, value }, after) = split_record(rest)?;
        rest = after;
        if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
            libarchive.push((percent_decode(name), base64(value).ok_or("a LIBARCHIVE.xattr record is no base64")?));
        } else {
            overrides.set(keyword, value)?;
        }
    }
    for (name, value) in libarchive {
        if !overrides.xattrs.iter().any(|(known, _)| *known == name) {
            overrides.xattrs.push((name, value));
        }
    }
    if let Some((name, _)) = overrides.xattrs.iter().find(|(name, _)| name.is_empty() || name.contains(&0)) {
        return Err(format!("`{}` is no name of an extended attribute", name.escape_ascii()));
    }
    Ok(overrides)
}

struct Record<'a> {
    keyword: &'a [u8],
    value: &'a [u8],
}

/// Takes one record off `data`; gives what follows, too.
fn split_record(data: &[u8]) -> Result<(Record<'_>, &[u8]), Malformed> {
    let malformed = || "a PAX record is malformed".to_owned();
    // Twenty digits hold any length; a longer run is no number worth looking at.
    let space = data.iter().take(21).position(|byte| *byte == b' ').ok_or_else(malformed)?;
    let length = decimal(&data[..space]).and_then(|length| usize::try_from(length).ok()).ok_or_else(malformed)?;
    if length > data.len() || length < space + 2 {
        return Err(malformed());
    }
    let (record, rest) = data.split_at(length);
    let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
    let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0).ok_or_else(malformed)?;
    Ok((Record { keyword: &record[..equals], value: &record[equals + 1..] }, rest))
}

impl Overrides {
    /// The part of a global header that later entries take over: what can be meant for many files.
    pub fn for_all(self) -> Overrides {
        Overrides { uid: self.uid, gid: self.gid, mtime: self.mtime, ..Overrides::default() }
    }

    /// One record. An empty value takes an override away (POSIX), so the entry's own field counts again.
    fn set(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match keyword {
            b"path" => self.path = name(keyword, value)?,
            b"linkpath" => self.link = name(keyword, value)?,
            b"size" => self.size = number(keyword, value)?,
            b"uid" => self.uid = number(keyword, value)?,
            b"gid" => self.gid = number(keyword, value)?,
            b"mtime" => self.mtime = optional(value, |value| time(value).ok_or_else(|| bad(keyword, value)))?,
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.retain(|(known, _)| known != name);
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(what) = keyword.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(what, value)?;
                }
            }
        }
        Ok(())
    }
}

impl SparseRecords {
    fn set(&mut self, what: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match what {
            b"major" => self.major = number(what, value)?.unwrap_or(0),
            b"minor" => self.minor = number(what, value)?.unwrap_or(0),
            b"name" => self.name = name(what, value)?,
            b"size" | b"realsize" => self.real_size = number(what, value)?,
            b"offset" => self.pending_offset = number(what, value)?,
            b"numbytes" => {
                let offset = self.pending_offset.take().ok_or("GNU.sparse.numbytes comes without its offset")?;
                self.extents.push(Extent { offset, length: number(what, value)?.ok_or_else(|| bad(what, value))? });
            }
            b"map" => self.extents = map(value).ok_or_else(|| bad(what, value))?,
            // `numblocks` only repeats how many there are.
            _ => {}
        }
        Ok(())
    }
}

/// `offset,length,offset,length…` of sparse format 0.1.
fn map(value: &[u8]) -> Option<Vec<Extent>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let numbers = value.split(|byte| *byte == b',').map(decimal).collect::<Option<Vec<u64>>>()?;
    let pairs = numbers.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    Some(pairs.map(|pair| Extent { offset: pair[0], length: pair[1] }).collect())
}

fn bad(keyword: &[u8], value: &[u8]) -> Malformed {
    let value = &value[..value.len().min(40)];
    format!("the PAX record {} has the value `{}`", keyword.escape_ascii(), value.escape_ascii())
}

fn optional<T>(value: &[u8], parse: impl FnOnce(&[u8]) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
    if value.is_empty() { Ok(None) } else { parse(value).map(Some) }
}

fn number(keyword: &[u8], value: &[u8]) -> Result<Option<u64>, Malformed> {
    optional(value, |value| decimal(value).ok_or_else(|| bad(keyword, value)))
}

fn name(keyword: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    optional(value, |value| if value.contains(&0) { Err(bad(keyword, value)) } else { Ok(value.to_vec()) })
}

/// Decimal digits and nothing else.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are cut off towards zero.
fn time(value: &[u8]) -> Option<Time> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(point) => (&value[..point], &value[point + 1..]),
        None => (value, &[][..]),
    };
    let secs = i64::try_from(decimal(whole)?).ok()?;
    fraction.iter().all(u8::is_ascii_digit).then_some(())?;
    let nanos =
        fraction.iter().chain(b"000000000").take(9).fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanos) {
        (false, _) => Time { secs, nanos },
        (true, 0) => Time { secs: -secs, nanos },
        // Nanoseconds count forward: -1.25 is 0.75 after -2.
        (true, _) => Time { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// libarchive writes `%` and two hexadecimal digits for bytes that a keyword may not hold.
fn percent_decode(name: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, tail)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (byte, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
            continue;
        }
        decoded.push(*byte);
        rest = tail;
    }
    decoded
}

/// RFC 4648 base64; libarchive writes it without padding.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    (held < 6).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One record, with its length.
    pub fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
        let body = keyword.len() + value.len() + 3;
        let mut length = body + 1;
        while length != body + length.to_string().len() {
            length = body + length.to_string().len();
        }
        [format!("{length} {keyword}=").as_bytes(), value, b"\n"].concat()
    }

    fn parse_all(records: &[Vec<u8>]) -> Result<Overrides, Malformed> {
        parse(&records.concat(), &Overrides::default())
    }

    #[test]
    fn records_override() {
        let overrides = parse_all(&[
            record("path", b"a\nb=c\xff"),
            record("mtime", b"1700000000.123456789123"),
            record("size", b"8589934592"),
            record("SCHILY.xattr.user.binary", b"\0=\n\0"),
            record("LIBARCHIVE.xattr.user.binary", b"AAAA"),
            record("LIBARCHIVE.xattr.user.a%3Db", b"aGVsbG8"),
            record("comment", b"ignored"),
        ])
        .unwrap();
        assert_eq!(overrides.path.unwrap(), b"a\nb=c\xff");
        assert_eq!(overrides.mtime.unwrap(), Time { secs: 1_700_000_000, nanos: 123_456_789 });
        assert_eq!(overrides.size, Some(1 << 33));
        assert_eq!(
            overrides.xattrs,
            [(b"user.binary".to_vec(), b"\0=\n\0".to_vec()), (b"user.a=b".to_vec(), b"hello".to_vec())]
        );
    }

    #[test]
    fn an_empty_value_takes_an_override_away() {
        let base = Overrides { uid: Some(5), ..Overrides::default() };
        assert_eq!(parse(&record("uid", b""), &base).unwrap(), Overrides::default());
    }

    #[test]
    fn times_count_forward() {
        for (text, secs, nanos) in [
            ("0", 0, 0),
            ("-1", -1, 0),
            ("-1.25", -2, 750_000_000),
            ("1.", 1, 0),
            ("1.000000001", 1, 1),
            ("-0.5", -1, 500_000_000),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Time { secs, nanos }), "{text}");
        }
        for text in ["", "-", ".5", "1.x", "+1", "1e3", "99999999999999999999"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn sparse_records_of_both_old_formats() {
        let extents = [Extent { offset: 0, length: 5 }, Extent { offset: 4096, length: 7 }];
        let zero = parse_all(&[
            record("GNU.sparse.size", b"9000"),
            record("GNU.sparse.numblocks", b"2"),
            record("GNU.sparse.offset", b"0"),
            record("GNU.sparse.numbytes", b"5"),
            record("GNU.sparse.offset", b"4096"),
            record("GNU.sparse.numbytes", b"7"),
        ]);
        let one = parse_all(&[record("GNU.sparse.size", b"9000"), record("GNU.sparse.map", b"0,5,4096,7")]);
        for overrides in [zero.unwrap(), one.unwrap()] {
            assert_eq!(overrides.sparse.real_size, Some(9000));
            assert_eq!(overrides.sparse.extents, extents);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for data in [
            &b"x"[..],
            b"0 \n",
            b"5 a\n",
            b"9 path=a\n junk",
            b"99 path=a\n",
            b"9 path=ab",
            b"6 =ab\n",
            b"18446744073709551616 path=a\n",
            &record("path", b"a\0b"),
            &record("size", b"-1"),
            &record("uid", b"1 "),
            &record("mtime", b"now"),
            &record("GNU.sparse.map", b"1,2,3"),
            &record("GNU.sparse.numbytes", b"3"),
            &record("SCHILY.xattr.", b"v"),
            &record("LIBARCHIVE.xattr.user.a", b"*"),
        ] {
            assert!(parse(data, &Overrides::default()).is_err(), "{}", data.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&data, &Overrides::default());
        }

        #[test]
        fn no_value_panics(keyword in "(path|size|mtime|uid|GNU\\.sparse\\.(map|offset|numbytes|size)|(SCHILY|LIBARCHIVE)\\.xattr\\.[a-z%0-9]*)",
                           value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&record(&keyword, &value), &Overrides::default());
        }

        #[test]
        fn paths_round_trip(path in proptest::collection::vec(1_u8..=255, 1..300)) {
            let overrides = parse(&record("path", &path), &Overrides::default()).unwrap();
            prop_assert_eq!(overrides.path.unwrap(), path);
        }
    }
}
