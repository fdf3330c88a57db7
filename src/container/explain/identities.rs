//! User and group ids on both sides, and who allowed them.

use super::{Seen, You, read};
use crate::host::ids::{Extent, HostId, IdMap, InsideId};
use crate::host::subid::{Kind, Owner, parse};
use crate::host::userns::own_ids;
use serde::Serialize;

/// One of the two maps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdSide {
    /// `user` or `group`.
    pub what: &'static str,
    /// Its lines, as the kernel has them; of a container that does not run, as they will be written.
    pub ranges: Seen<Vec<IdRange>>,
}

/// Ids that follow each other on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdRange {
    /// The first id in the container.
    pub inside: u32,
    /// The first on the host.
    pub host: u32,
    /// How many.
    pub length: u32,
    /// Why these are the container's.
    pub source: Source,
}

/// Why a user may map ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all_fields = "PascalCase")]
pub enum Source {
    /// It is the user's own, which anybody may map.
    Own,
    /// A line of /etc/subuid or /etc/subgid grants it (subuid(5)).
    Line {
        /// The file.
        file: &'static str,
        /// The line's number, from 1 on.
        number: usize,
        /// The line.
        text: String,
    },
    /// None of both: the ids are root's who has started it, or are granted by another source of nsswitch.conf(5).
    Other,
}

impl IdSide {
    /// The map of user ids.
    pub fn users(planned: &IdMap, payload: Option<i32>, you: &You) -> IdSide {
        IdSide { what: "user", ranges: ranges(planned, payload.map(|pid| (pid, "uid_map")), you, Kind::Users) }
    }

    /// The map of group ids.
    pub fn groups(planned: &IdMap, payload: Option<i32>, you: &You) -> IdSide {
        IdSide { what: "group", ranges: ranges(planned, payload.map(|pid| (pid, "gid_map")), you, Kind::Groups) }
    }

    /// The host's id of one inside.
    pub fn to_host(&self, inside: u32) -> Option<u32> {
        let range = self.ranges.get()?.iter().find(|range| inside.wrapping_sub(range.inside) < range.length)?;
        Some(range.host + (inside - range.inside))
    }

    /// The id inside of one of the host's.
    pub fn to_container(&self, host: u32) -> Option<u32> {
        let range = self.ranges.get()?.iter().find(|range| host.wrapping_sub(range.host) < range.length)?;
        Some(range.inside + (host - range.host))
    }
}

fn ranges(planned: &IdMap, live: Option<(i32, &str)>, you: &You, kind: Kind) -> Seen<Vec<IdRange>> {
    let read = live.map(|(pid, file)| (read(pid, file), format!("/proc/{pid}/{file}")));
    let map = match read {
        None => planned.clone(),
        Some((text, path)) => match Seen::from(text, &path) {
            Seen::Is(text) => match text.parse() {
                Ok(map) => map,
                Err(why) => return Seen::Unreadable(format!("{path}: {why}")),
            },
            Seen::Unreadable(why) => return Seen::Unreadable(why),
        },
    };
    let granted = std::fs::read(kind.path()).unwrap_or_default();
    let owner = Owner { name: you.name.clone(), uid: you.uid };
    let own = if kind == Kind::Users { you.uid } else { you.gid };
    let source = |extent: &Extent| source(extent, own, kind.path(), &granted, &owner);
    Seen::Is(map.extents().iter().map(|extent| range(extent, source(extent))).collect())
}

fn range(extent: &Extent, source: Source) -> IdRange {
    IdRange { inside: extent.inside.0, host: extent.outside.0, length: extent.length, source }
}

/// A range lies within one line or is the user's own: the maps are made of these.
fn source(extent: &Extent, own: u32, file: &'static str, granted: &[u8], owner: &Owner) -> Source {
    if (extent.outside.0, extent.length) == (own, 1) {
        return Source::Own;
    }
    let number = owner.uid.to_string();
    for (index, line) in granted.split(|&byte| byte == b'\n').enumerate() {
        let Some(Ok(entry)) = parse(line).next() else { continue };
        let is_owner = owner.name.as_deref() == Some(entry.owner) || entry.owner == number;
        let first = extent.outside.0;
        if is_owner && first >= entry.range.first && first + extent.length <= entry.range.end() {
            let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
            return Source::Line { file, number: index + 1, text };
        }
    }
    Source::Other
}

/// What an id is on the other side: `explain --id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IdAnswer {
    /// `user` or `group`.
    pub what: &'static str,
    /// The number that was asked about.
    pub id: u32,
    /// Who that id of the container is on the host, where it is mapped.
    pub outside: Option<u32>,
    /// Who that id of the host is in the container, where it is mapped.
    pub inside: Option<u32>,
    /// Whether that id of the host is the user's own.
    pub is_own: bool,
    /// The ids of the container: first and last of each range.
    pub ids: Vec<(u32, u32)>,
}

impl IdAnswer {
    /// Asks both maps about a number.
    pub fn of(id: u32, users: &IdMap, groups: &IdMap) -> [IdAnswer; 2] {
        let (user, group) = own_ids();
        [("user", users, user), ("group", groups, group)].map(|(what, map, own)| IdAnswer {
            what,
            id,
            outside: map.to_host(InsideId(id)).map(|id| id.0),
            inside: map.to_container(HostId(id)).map(|id| id.0),
            is_own: own == HostId(id),
            ids: map.extents().iter().map(|extent| (extent.inside.0, extent.inside.0 + (extent.length - 1))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_in_its_line() {
        let granted = b"# ids\n\nbob:100000:65536\nana:165536:65536\n1000:300000:10\n";
        let owner = Owner { name: Some("ana".into()), uid: 1000 };
        let of = |first: u32, length: u32| {
            let extent = Extent { inside: InsideId(1), outside: HostId(first), length };
            source(&extent, 1000, "/etc/subuid", granted, &owner)
        };
        let line = |number, text: &str| Source::Line { file: "/etc/subuid", number, text: text.into() };
        assert_eq!(of(1000, 1), Source::Own);
        assert_eq!(of(165_536, 65_536), line(4, "ana:165536:65536"));
        assert_eq!(of(300_001, 9), line(5, "1000:300000:10"));
        for (first, length) in [(165_536, 65_537), (100_000, 1), (1000, 2), (300_000, 11)] {
            assert_eq!(of(first, length), Source::Other, "{first} {length}");
        }
    }

    #[test]
    fn an_id_is_asked_for_both_ways() {
        let map: IdMap = "0 1000 1\n1 100000 65536\n".parse().unwrap();
        let [user, _] = IdAnswer::of(1000, &map, &map);
        assert_eq!((user.outside, user.inside), (Some(100_999), Some(0)));
        assert_eq!(user.ids, [(0, 0), (1, 65_536)]);
        let [user, group] = IdAnswer::of(70_000, &map, &map);
        assert_eq!((user.outside, group.inside), (None, None));
    }
}
