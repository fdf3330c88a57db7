//! Subordinate ids: which further user and group ids a user may map (subuid(5), subgid(5)).
//!
//! `/etc/subuid` and `/etc/subgid` name a user (by login name or by number), the first id, and how
//! many; a user may have several lines. Where nsswitch.conf(5) has a `subid:` line that starts with
//! another source than `files` (sssd with FreeIPA, say), newuidmap(1) does not read the files at all,
//! and neither does rr: it asks `getsubids`, the tool of the same library.

use super::{helpers, users};
use crate::error::{Doing, IntoCause, Result};
use std::fmt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub use super::userns::{UsernsRequest, plan_maps};

/// Consecutive ids of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First id.
    pub first: u32,
    /// How many, at least 1; `first + length` is at most 2^32-1.
    pub length: u32,
}

impl Range {
    /// None where the range is empty or goes beyond 4294967294, the last id there is.
    pub fn new(first: u32, length: u32) -> Option<Range> {
        let end = u64::from(first) + u64::from(length);
        (length > 0 && end <= u64::from(u32::MAX)).then_some(Range { first, length })
    }

    /// The id after the last.
    pub fn end(self) -> u32 {
        self.first + self.length
    }
}

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/etc/subuid`
    Users,
    /// `/etc/subgid`
    Groups,
}

impl Kind {
    /// The file's path.
    pub fn path(self) -> &'static str {
        match self {
            Kind::Users => "/etc/subuid",
            Kind::Groups => "/etc/subgid",
        }
    }
}

/// Whose ranges are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Login name, where one is known.
    pub name: Option<String>,
    /// User id. Lines of `/etc/subgid` with a number mean the user's id, too.
    pub uid: u32,
}

impl Owner {
    /// The user with the id `uid`, by whatever name the host knows.
    ///
    /// # Errors
    /// As [`users::name_of`].
    pub fn of(uid: u32) -> Result<Owner> {
        Ok(Owner { name: users::name_of(uid)?, uid })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.uid),
        }
    }
}

/// What a search for subordinate ids found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The owner's ranges, in the order of the file.
    pub ranges: Vec<Range>,
    /// Where there are none: why, as a sentence without a full stop (`/etc/subuid has no range for `ana``).
    pub why_none: String,
}

/// Looks up the ranges of `owner` where this host keeps them.
///
/// # Errors
/// A file that exists but cannot be read.
pub fn look_up(kind: Kind, owner: &Owner) -> Result<Found> {
    if let Some(source) = other_source(nsswitch()?) {
        return Ok(ask_getsubids(kind, owner, &source));
    }
    let path = kind.path();
    match std::fs::read(path) {
        Ok(text) => Ok(find(path, &text, owner)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Found { ranges: Vec::new(), why_none: format!("{path}: {}", error.into_cause()) })
        }
        Err(error) => Err(error).doing(|| format!("cannot read {path}")),
    }
}

fn read_or_empty(path: &str) -> Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).doing(|| format!("cannot read {path}")),
    }
}

/// nsswitch.conf, which is asked for users and for groups.
fn nsswitch() -> Result<&'static [u8]> {
    static TEXT: OnceLock<Vec<u8>> = OnceLock::new();
    match TEXT.get() {
        Some(text) => Ok(text),
        None => read_or_empty("/etc/nsswitch.conf").map(|text| TEXT.get_or_init(|| text).as_slice()),
    }
}

/// The first source of nsswitch.conf's `subid:` line, if it is not `files`. libsubid looks at the
/// first one alone.
fn other_source(nsswitch: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(nsswitch);
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("subid:"))?;
    let source = line.split('#').next()?.split_whitespace().next()?;
    (source != "files").then(|| source.to_owned())
}

fn ask_getsubids(kind: Kind, owner: &Owner, source: &str) -> Found {
    let none = |why: String| Found { ranges: Vec::new(), why_none: why };
    let Some(tool) = helpers::find("getsubids") else {
        return none(format!(
            "nsswitch.conf says `subid: {source}`, and getsubids, which can ask it, is not installed"
        ));
    };
    let Some(name) = &owner.name else {
        return none(format!("uid {} has no name to ask `{source}` for", owner.uid));
    };
    let mut command = Command::new(&tool);
    if kind == Kind::Groups {
        command.arg("-g");
    }
    match command.arg(name).stdin(Stdio::null()).output() {
        Ok(output) => {
            let ranges = parse_getsubids(&output.stdout);
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let why = if words.is_empty() { String::new() } else { format!(" ({words})") };
            Found { ranges, why_none: format!("`{} {name}` knows no range{why}", tool.display()) }
        }
        Err(error) => none(format!("cannot run {}: {}", tool.display(), error.into_cause())),
    }
}

/// Reads getsubids(1)'s lines: `0: ana 100000 65536`.
fn parse_getsubids(output: &[u8]) -> Vec<Range> {
    let text = String::from_utf8_lossy(output);
    let line = |line: &str| {
        let mut words = line.split_whitespace().rev();
        let length = words.next()?.parse().ok()?;
        Range::new(words.next()?.parse().ok()?, length)
    };
    text.lines().filter_map(line).collect()
}

/// One line that is an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Login name or number, as written.
    pub owner: &'a str,
    /// The ids.
    pub range: Range,
}

/// Reads text in subuid(5)'s format: an item a line that is neither blank nor a comment; an `Err`
/// says what is wrong with it, the line's number first.
pub fn parse(text: &[u8]) -> impl Iterator<Item = std::result::Result<Entry<'_>, String>> {
    text.split(|&byte| byte == b'\n').enumerate().filter_map(|(index, line)| {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        Some(
            parse_entry(line).map_err(|why| {
                format!("line {}, `{}`: {why}", index + 1, String::from_utf8_lossy(line).escape_debug())
            }),
        )
    })
}

fn parse_entry(line: &[u8]) -> std::result::Result<Entry<'_>, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let fields: Vec<&str> = line.split(':').collect();
    let [owner, first, length] = fields[..] else { return Err("not `name:first:count`") };
    if owner.is_empty() {
        return Err("no name");
    }
    let first: u32 = first.parse().map_err(|_| "the first id is no number below 4294967296")?;
    let length: u32 = length.parse().map_err(|_| "the count is no number below 4294967296")?;
    let range = Range::new(first, length).ok_or("the range is empty or goes beyond id 4294967294")?;
    Ok(Entry { owner, range })
}

/// The ranges of `owner` in `text`, the content of `path`. A bad line that is the owner's is named
/// in the reason.
fn find(path: &str, text: &[u8], owner: &Owner) -> Found {
    let number = owner.uid.to_string();
    let is_owner = |name: &str| owner.name.as_deref() == Some(name) || name == number;
    let mut ranges = Vec::new();
    let mut why_none = format!("{path} has no range for `{owner}`");
    for entry in parse(text) {
        match entry {
            Ok(entry) if is_owner(entry.owner) => ranges.push(entry.range),
            Ok(_) => {}
            Err(why) => why_none += &format!("; its {why}"),
        }
    }
    Found { ranges, why_none }
}

/// How many ids useradd(8) gives to a user, and the first it gives (login.defs(5)).
const USUAL_COUNT: u32 = 65_536;
const USUAL_FIRST: u32 = 100_000;

/// The command that gives `owner` ranges which nobody has yet, in both files.
pub fn usermod_command(owner: &Owner) -> String {
    // For a hint, a file that cannot be read counts as empty: the search itself reported it.
    let read = |kind: Kind| std::fs::read(kind.path()).unwrap_or_default();
    let (users, groups) = (read(Kind::Users), read(Kind::Groups));
    let taken: Vec<Range> = parse(&users).chain(parse(&groups)).flatten().map(|entry| entry.range).collect();
    let free = free_range(taken);
    let (first, last) = (free.first, free.end() - 1);
    format!("usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {owner}")
}

/// The lowest range of the usual size from the usual start on that meets none of `taken`.
fn free_range(mut taken: Vec<Range>) -> Range {
    taken.sort_unstable_by_key(|range| range.first);
    let mut first = USUAL_FIRST;
    for range in taken {
        if range.first >= first.saturating_add(USUAL_COUNT) {
            break;
        }
        first = first.max(range.end());
    }
    // Where the ids are used up to the end there is no right answer; the usual one is the best known.
    Range::new(first, USUAL_COUNT).unwrap_or(Range { first: USUAL_FIRST, length: USUAL_COUNT })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ana() -> Owner {
        Owner { name: Some("ana".into()), uid: 1000 }
    }

    fn range(first: u32, length: u32) -> Range {
        Range::new(first, length).unwrap()
    }

    #[test]
    fn ranges_come_by_name_and_by_number_in_the_order_of_the_file() {
        let text = b"# comment\n\nbob:1:2\nana:100000:65536\n1000:300000:10\n ana:7:1 \n1001:9:9";
        let found = find("/etc/subuid", text, &ana());
        assert_eq!(found.ranges, [range(100_000, 65_536), range(300_000, 10), range(7, 1)]);
        let nameless = Owner { name: None, uid: 1000 };
        assert_eq!(find("/etc/subuid", text, &nameless).ranges, [range(300_000, 10)]);
    }

    #[test]
    fn a_bad_line_is_passed_over_and_named() {
        let found = find("/etc/subuid", b"ana:1000000\n\xff:1:1\nana:1:0\nbob:5:5\n", &ana());
        assert!(found.ranges.is_empty());
        assert!(found.why_none.starts_with("/etc/subuid has no range for `ana`"), "{}", found.why_none);
        assert!(found.why_none.contains("line 1, `ana:1000000`: not `name:first:count`"), "{}", found.why_none);
        assert!(found.why_none.contains("line 2"), "{}", found.why_none);
        assert!(found.why_none.contains("line 3, `ana:1:0`: the range is empty"), "{}", found.why_none);
        assert_eq!(find("x", b"ana:zero:1\nana:5:5\n", &ana()).ranges, [range(5, 5)]);
    }

    #[test]
    fn ranges_at_the_end_of_the_ids() {
        assert!(Range::new(u32::MAX - 1, 1).is_some());
        assert!(Range::new(u32::MAX, 1).is_none());
        assert!(Range::new(1, u32::MAX).is_none());
        assert!(Range::new(5, 0).is_none());
    }

    #[test]
    fn nsswitch_may_name_another_source() {
        assert_eq!(other_source(b"passwd: files\n"), None);
        assert_eq!(other_source(b"subid: files\n"), None);
        assert_eq!(other_source(b"subid:\tsss # FreeIPA\n").as_deref(), Some("sss"));
        assert_eq!(other_source(b"#subid: sss\n"), None);
        assert_eq!(other_source(b"subid:\n"), None);
    }

    #[test]
    fn getsubids_is_understood() {
        let ranges = parse_getsubids(b"0: ana 100000 65536\n1: ana 300000 10\nError fetching ranges\n");
        assert_eq!(ranges, [range(100_000, 65_536), range(300_000, 10)]);
    }

    #[test]
    fn the_hint_names_ids_nobody_has() {
        assert_eq!(free_range(vec![]), range(100_000, 65_536));
        assert_eq!(free_range(vec![range(100_000, 65_536), range(231_072, 65_536)]), range(165_536, 65_536));
        assert_eq!(free_range(vec![range(100_000, 65_536), range(165_537, 65_536)]), range(231_073, 65_536));
        assert_eq!(free_range(vec![range(1, u32::MAX - 1)]), range(100_000, 65_536));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let found = find("x", &text, &ana());
            prop_assert!(found.ranges.iter().all(|range| range.length > 0));
            parse_getsubids(&text);
            other_source(&text);
        }

        #[test]
        fn a_written_entry_is_read_back(first in 0u32..4_000_000_000, length in 1u32..200_000_000) {
            let text = format!("ana:{first}:{length}\n");
            prop_assert_eq!(find("x", text.as_bytes(), &ana()).ranges, [range(first, length)]);
        }

        #[test]
        fn the_free_range_is_free(taken in proptest::collection::vec((0u32..400_000, 1u32..100_000), 0..12)) {
            let taken: Vec<Range> = taken.into_iter().map(|(first, length)| range(first, length)).collect();
            let free = free_range(taken.clone());
            prop_assert!(taken.iter().all(|other| other.end() <= free.first || free.end() <= other.first));
        }
    }
}
