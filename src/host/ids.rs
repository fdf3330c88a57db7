//! User and group ids on both sides of a user namespace (user_namespaces(7)).
//!
//! An [`IdMap`] is validated once, when it is made: no empty range, no overlap on either side, no
//! id at or beyond 2^32-1, at most 340 extents (the kernel's limit since Linux 4.15).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A user or group id as processes inside the container see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InsideId(pub u32);

/// A user or group id as the host (the namespace rr was started in) sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub u32);

/// One line of /proc/PID/uid_map: `inside`, `outside`, `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First id inside the container.
    pub inside: InsideId,
    /// First id on the host.
    pub outside: HostId,
    /// How many ids, at least 1.
    pub length: u32,
}

/// A whole map for users or for groups; sorted by `inside`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Extent>", into = "Vec<Extent>")]
pub struct IdMap(Vec<Extent>);

/// Both maps of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    /// /proc/PID/uid_map
    pub users: IdMap,
    /// /proc/PID/gid_map
    pub groups: IdMap,
}

/// What stat(2) shows for every id that is not mapped, by default (/proc/sys/kernel/overflowuid).
pub const OVERFLOW_ID: u32 = 65_534;

/// The kernel's limit of lines in a map (user_namespaces(7)).
pub const MAX_EXTENTS: usize = 340;

impl IdMap {
    /// Validates and sorts `extents`. The error is a sentence without a full stop.
    pub fn new(mut extents: Vec<Extent>) -> std::result::Result<IdMap, String> {
        if extents.is_empty() {
            return Err("an id map needs at least one range".into());
        }
        if extents.len() > MAX_EXTENTS {
            return Err(format!("an id map of {} ranges is over the kernel's limit of {MAX_EXTENTS}", extents.len()));
        }
        for extent in &extents {
            if extent.length == 0 {
                return Err(format!("the range {extent} is empty"));
            }
            for first in [extent.inside.0, extent.outside.0] {
                // Id 2^32-1 is "no change" to chown(2) and setresuid(2), and never mapped.
                if u64::from(first) + u64::from(extent.length) > u64::from(u32::MAX) {
                    return Err(format!("the range {extent} goes beyond id 4294967294"));
                }
            }
        }
        extents.sort_unstable_by_key(|extent| extent.outside);
        if let Some(pair) = extents.windows(2).find(|pair| pair[0].outside.0 + pair[0].length > pair[1].outside.0) {
            return Err(format!("the ranges {} and {} overlap on the host", pair[0], pair[1]));
        }
        extents.sort_unstable_by_key(|extent| extent.inside);
        if let Some(pair) = extents.windows(2).find(|pair| pair[0].inside.0 + pair[0].length > pair[1].inside.0) {
            return Err(format!("the ranges {} and {} overlap in the container", pair[0], pair[1]));
        }
        Ok(IdMap(extents))
    }

    /// The map of one id: `inside` is `outside`.
    pub fn single(inside: u32, outside: u32) -> IdMap {
        IdMap(vec![Extent { inside: InsideId(inside), outside: HostId(outside), length: 1 }])
    }

    /// The extents, sorted by their inside.
    pub fn extents(&self) -> &[Extent] {
        &self.0
    }

    /// The host's id of an id inside; None where it is not mapped.
    pub fn to_host(&self, inside: InsideId) -> Option<HostId> {
        self.0.iter().find_map(|extent| {
            let offset = inside.0.checked_sub(extent.inside.0)?;
            (offset < extent.length).then(|| HostId(extent.outside.0 + offset))
        })
    }

    /// The inside's id of an id of the host; None where it is not mapped.
    pub fn to_container(&self, outside: HostId) -> Option<InsideId> {
        self.0.iter().find_map(|extent| {
            let offset = outside.0.checked_sub(extent.outside.0)?;
            (offset < extent.length).then(|| InsideId(extent.inside.0 + offset))
        })
    }

    /// This map as a namespace inside one with the map `parent` is given it: its outside in ids of that one. Each line
    /// lies within one line of the parent's, as the kernel wants it (user_namespaces(7)). None where an id is not the
    /// parent's, or there would be too many lines.
    pub fn within(&self, parent: &IdMap) -> Option<IdMap> {
        let mut cut = Vec::new();
        for extent in &self.0 {
            let mut done = 0;
            while done < extent.length {
                let outside = extent.outside.0 + done;
                let home = parent
                    .0
                    .iter()
                    .find(|home| outside.checked_sub(home.outside.0).is_some_and(|offset| offset < home.length))?;
                let offset = outside - home.outside.0;
                let length = (extent.length - done).min(home.length - offset);
                let inside = InsideId(extent.inside.0 + done);
                cut.push(Extent { inside, outside: HostId(home.inside.0 + offset), length });
                done += length;
            }
        }
        IdMap::new(cut).ok()
    }

    /// The text that goes into /proc/PID/uid_map: one `inside outside length` a line.
    pub fn to_kernel(&self) -> String {
        self.0.iter().map(|extent| format!("{extent}\n")).collect()
    }

    /// How many ids are mapped in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|extent| u64::from(extent.length)).sum()
    }
}

impl std::str::FromStr for IdMap {
    type Err = String;
    /// What /proc/PID/uid_map shows.
    fn from_str(text: &str) -> std::result::Result<IdMap, String> {
        let extent = |line: &str| {
            let numbers: Vec<u32> = line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
            let [inside, outside, length] = numbers.try_into().ok()?;
            Some(Extent { inside: InsideId(inside), outside: HostId(outside), length })
        };
        let extents = text.lines().map(|line| extent(line).ok_or_else(|| format!("`{line}` is no line of a map")));
        IdMap::new(extents.collect::<std::result::Result<_, _>>()?)
    }
}

impl TryFrom<Vec<Extent>> for IdMap {
    type Error = String;
    fn try_from(extents: Vec<Extent>) -> std::result::Result<IdMap, String> {
        IdMap::new(extents)
    }
}

impl From<IdMap> for Vec<Extent> {
    fn from(map: IdMap) -> Vec<Extent> {
        map.0
    }
}

impl IdMaps {
    /// True where only one user and one group id exist inside.
    pub fn is_single(&self) -> bool {
        self.users.total() == 1 && self.groups.total() == 1
    }

    /// Whether root of a namespace with these maps has power over files of `user` and `group`: as their
    /// owner, or by capabilities, which reach files whose owner and group are both mapped
    /// (user_namespaces(7)). A namespace without id 0 is the user's own alone (`keep-id` of one id).
    pub fn root_reaches(&self, user: HostId, group: HostId) -> bool {
        let root = self.users.to_host(InsideId(0));
        root.is_none_or(|root| root == user)
            || (self.users.to_container(user).is_some() && self.groups.to_container(group).is_some())
    }

    /// The name of the folder that holds layers unpacked under these maps: files on disk carry the
    /// host's ids, so a layer unpacked under one map cannot serve a container with another.
    /// Twelve hexadecimal digits of FNV-1a over the maps' kernel form; equal maps, equal key.
    pub fn key(&self) -> String {
        let text = format!("{}/{}", self.users.to_kernel(), self.groups.to_kernel());
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{:012x}", hash >> 16)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside.0, self.outside.0, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(inside: u32, outside: u32, length: u32) -> Extent {
        Extent { inside: InsideId(inside), outside: HostId(outside), length }
    }

    #[test]
    fn a_map_translates_both_ways() {
        let map = IdMap::new(vec![extent(1, 100_000, 65_536), extent(0, 1000, 1)]).unwrap();
        assert_eq!(map.to_host(InsideId(0)), Some(HostId(1000)));
        assert_eq!(map.to_host(InsideId(1000)), Some(HostId(100_999)));
        assert_eq!(map.to_host(InsideId(65_537)), None);
        assert_eq!(map.to_container(HostId(100_000)), Some(InsideId(1)));
        assert_eq!(map.to_container(HostId(1)), None);
        assert_eq!(map.to_kernel(), "0 1000 1\n1 100000 65536\n");
    }

    #[test]
    fn root_reaches_what_is_its_own_or_mapped() {
        let maps = |users: Vec<Extent>, groups: Vec<Extent>| IdMaps {
            users: IdMap::new(users).unwrap(),
            groups: IdMap::new(groups).unwrap(),
        };
        let all = || vec![extent(0, 1000, 1), extent(1, 100_000, 10)];
        let others = || vec![extent(0, 100_000, 10)];
        let kept = || vec![extent(0, 100_000, 5), extent(5, 1000, 1)];
        let alone = || vec![extent(1000, 1000, 1)];
        for (users, groups, reaches) in [
            (all(), all(), true),
            (kept(), kept(), true),
            (others(), others(), false),
            (kept(), others(), false),
            (all(), others(), true),
            (alone(), alone(), true),
        ] {
            assert_eq!(maps(users, groups).root_reaches(HostId(1000), HostId(1000)), reaches);
        }
    }

    #[test]
    fn a_map_inside_another_is_cut_along_its_lines() {
        let map = |extents: &[Extent]| IdMap::new(extents.to_vec()).unwrap();
        let parent = map(&[extent(0, 1000, 1), extent(1, 100_000, 10)]);
        assert_eq!(parent.within(&parent), Some(map(&[extent(0, 0, 1), extent(1, 1, 10)])));
        // `keep-id`: the user is 5.
        let kept = map(&[extent(0, 100_000, 5), extent(5, 1000, 1), extent(6, 100_005, 5)]);
        assert_eq!(kept.within(&parent), Some(map(&[extent(0, 1, 5), extent(5, 0, 1), extent(6, 6, 5)])));
        assert_eq!(parent.within(&kept), Some(map(&[extent(0, 5, 1), extent(1, 0, 5), extent(6, 6, 5)])));
        assert_eq!(kept.to_kernel().parse(), Ok(kept));
        assert!("0 1".parse::<IdMap>().is_err());
        assert_eq!(map(&[extent(0, 99, 1)]).within(&parent), None);
        assert_eq!(map(&[extent(0, 100_005, 6)]).within(&parent), None);
    }

    #[test]
    fn bad_maps_are_refused() {
        for (extents, word) in [
            (vec![], "at least one"),
            (vec![extent(0, 1, 0)], "empty"),
            (vec![extent(0, 1, u32::MAX)], "beyond"),
            (vec![extent(0, 10, 5), extent(10, 14, 1)], "host"),
            (vec![extent(0, 10, 5), extent(4, 100, 1)], "container"),
        ] {
            let error = IdMap::new(extents).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
