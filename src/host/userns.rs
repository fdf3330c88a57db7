//! The id maps of a container's user namespace, from what is asked for and what the user owns.
//!
//! Every user owns a list of ids: their own first, then the subordinate ones in the order of
//! `/etc/subuid`. A map is a rearrangement of that list, so `--userns` modes and `--uidmap` are
//! written in places of it (0 is the user, 1 the first subordinate id), as rootless podman's are.
//! Root with no subordinate ids owns every id of the namespace it is in: on the host that makes
//! container root host root, as in Docker as root; inside another container it makes the ids of that
//! container the ids of the nested one.
//!
//! The kernel takes a line only if it lies within one line of the parent namespace's own map, so
//! ranges are cut along those (user_namespaces(7)). Where no more than the user's own id can be
//! mapped, the map has this one id, and a notice says why and what would help.

use super::helpers::{self, MapHelper};
use super::ids::{Extent, HostId, IdMap, IdMaps, InsideId, MAX_EXTENTS};
use super::means::{self, Means};
use super::subid::{self, Kind, Owner, Range};
use crate::error::{Doing, Failure, Notice, Result};
use rustix::thread::CapabilitySet;
use std::path::PathBuf;
use std::str::FromStr;

/// Which maps are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UsernsRequest {
    /// `--userns auto` and `host`, the default: root inside is the user, all subordinate ids follow.
    #[default]
    Auto,
    /// `--userns keep-id[:uid=N,gid=N]`: the user has their own (or the given) ids inside.
    KeepId {
        /// User id inside; None is the user's own.
        uid: Option<u32>,
        /// Group id inside; None is the user's own.
        gid: Option<u32>,
    },
    /// `--userns nomap`: subordinate ids alone, the user's own is not mapped.
    NoMap,
    /// Root inside is the user, and no other id exists.
    Single,
    /// `--uidmap`, `--gidmap`; one that is empty follows the other.
    Explicit {
        /// `--uidmap`, in the order given.
        uidmaps: Vec<RequestedRange>,
        /// `--gidmap`, in the order given.
        gidmaps: Vec<RequestedRange>,
    },
}

/// One `--uidmap` or `--gidmap`: `CONTAINER:HOST[:SIZE]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedRange {
    /// First id inside.
    pub inside: u32,
    /// Where the host's side begins.
    pub host: HostPlace,
    /// How many, at least 1.
    pub length: u32,
}

/// The host's side of a [`RequestedRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPlace {
    /// `N`: a place in the list of the user's own ids; 0 is the user, 1 the first subordinate id.
    Index(u32),
    /// `@N`: this id of the host, which must be the user's own.
    Id(u32),
}

impl FromStr for RequestedRange {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<RequestedRange, String> {
        let bad = || format!("`{text}` is not CONTAINER:HOST[:SIZE]");
        // Digits alone: `u32` would take a `+`, which podman gives another meaning.
        let digits = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        let number = |word: &str| Some(word).filter(digits).and_then(|word| word.parse::<u32>().ok()).ok_or_else(bad);
        let fields: Vec<&str> = text.split(':').collect();
        let (inside, host, length) = match fields[..] {
            [inside, host] => (inside, host, "1"),
            [inside, host, length] => (inside, host, length),
            _ => return Err(bad()),
        };
        let host = match host.strip_prefix('@') {
            Some(id) => HostPlace::Id(number(id)?),
            None => HostPlace::Index(number(host)?),
        };
        let range = RequestedRange { inside: number(inside)?, host, length: number(length)? };
        if range.length == 0 {
            return Err(format!("`{text}` maps no id: its size is 0"));
        }
        Ok(range)
    }
}

impl UsernsRequest {
    /// Reads the values of `--userns`, `--uidmap` and `--gidmap`.
    ///
    /// # Errors
    /// An unknown mode, a value that is no number, or modes that exclude each other.
    pub fn parse(userns: Option<&str>, uidmaps: &[String], gidmaps: &[String]) -> Result<UsernsRequest> {
        let bad = |option: &str, why: String| Failure::new(format!("cannot use {option}"), why);
        let ranges = |option: &str, values: &[String]| -> Result<Vec<RequestedRange>> {
            values.iter().map(|value| value.parse().map_err(|why| bad(option, why))).collect()
        };
        let (uidmaps, gidmaps) = (ranges("--uidmap", uidmaps)?, ranges("--gidmap", gidmaps)?);
        if !uidmaps.is_empty() || !gidmaps.is_empty() {
            return match userns {
                None => Ok(UsernsRequest::Explicit { uidmaps, gidmaps }),
                Some(mode) => Err(bad(
                    &format!("--userns {mode}"),
                    "--uidmap and --gidmap already say which ids are mapped".into(),
                )),
            };
        }
        let mode = userns.unwrap_or("auto");
        match mode.split_once(':') {
            None => match mode {
                "" | "auto" | "host" => Ok(UsernsRequest::Auto),
                "keep-id" => Ok(UsernsRequest::KeepId { uid: None, gid: None }),
                "nomap" => Ok(UsernsRequest::NoMap),
                _ => Err(bad(&format!("--userns {mode}"), "the modes are auto, host, keep-id and nomap".into())),
            },
            Some(("keep-id", options)) => keep_id_options(options).map_err(|why| bad(&format!("--userns {mode}"), why)),
            Some((name, _)) => {
                Err(bad(&format!("--userns {mode}"), format!("`{name}` takes no options; keep-id takes uid= and gid=")))
            }
        }
    }
}

/// Whether root of a container with these maps has power over the files of the user rr runs as.
pub fn root_reaches_own_files(ids: &IdMaps) -> bool {
    let (user, group) = own_ids();
    ids.root_reaches(user, group)
}

/// The user and group rr runs as.
pub fn own_ids() -> (HostId, HostId) {
    (HostId(rustix::process::geteuid().as_raw()), HostId(rustix::process::getegid().as_raw()))
}

impl UsernsRequest {
    /// Who the payload is where neither `--user` nor the image says: with `keep-id` the user, as in
    /// podman; else None, which means root.
    pub fn kept_user(&self) -> Option<String> {
        self.kept_ids().map(|(uid, gid)| format!("{uid}:{gid}"))
    }

    /// The user and group id that the user has inside with `keep-id`.
    pub fn kept_ids(&self) -> Option<(u32, u32)> {
        let UsernsRequest::KeepId { uid, gid } = self else { return None };
        let uid = uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let gid = gid.unwrap_or_else(|| rustix::process::getegid().as_raw());
        Some((uid, gid))
    }
}

fn keep_id_options(options: &str) -> std::result::Result<UsernsRequest, String> {
    let (mut uid, mut gid) = (None, None);
    for option in options.split(',') {
        let (key, value) = option.split_once('=').ok_or_else(|| format!("`{option}` is not uid=N or gid=N"))?;
        let value = value.parse::<u32>().ok().filter(|&id| id < u32::MAX);
        let value = value.ok_or_else(|| format!("`{option}`: not a number from 0 to 4294967294"))?;
        match key {
            "uid" => uid = Some(value),
            "gid" => gid = Some(value),
            _ => return Err(format!("`{key}` is not uid or gid")),
        }
    }
    Ok(UsernsRequest::KeepId { uid, gid })
}

/// Makes the maps for the user rr runs as, and says what could not be had.
///
/// # Errors
/// A file of subordinate ids that cannot be read; an explicit map that asks for ids the user does not
/// have; explicit ranges that overlap; `nomap` where there is no further id.
pub fn plan_maps(request: &UsernsRequest) -> Result<(IdMaps, Vec<Notice>)> {
    match means::here()? {
        Means::Namespaces => Situation::here()?.plan(request),
        Means::Chroot => Ok((ids_as_they_are(request)?, Vec::new())),
    }
}

/// Every id of this process's own user namespace, as itself.
fn ids_as_they_are(request: &UsernsRequest) -> Result<IdMaps> {
    if *request != UsernsRequest::Auto {
        return Err(Failure::new("cannot use --userns", "with --isolation chroot there is no user namespace"));
    }
    let map = |kind| {
        let lines = namespace_lines(kind)?.into_iter();
        let extents =
            lines.map(|line| Extent { inside: InsideId(line.first), outside: HostId(line.first), length: line.length });
        IdMap::new(extents.collect()).doing(|| "cannot map user ids")
    };
    Ok(IdMaps { users: map(Kind::Users)?, groups: map(Kind::Groups)? })
}

/// Who writes the maps of a new user namespace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum MapWriter {
    /// rr itself, any ids: it holds CAP_SETUID and CAP_SETGID.
    Privileged,
    /// rr itself, its own user and group id; `deny` has to go to `/proc/PID/setgroups` first.
    OwnIdOnly,
    /// newuidmap(1) and newgidmap(1).
    Helpers {
        /// Path of newuidmap.
        users: PathBuf,
        /// Path of newgidmap.
        groups: PathBuf,
    },
}

/// Chooses who writes `maps`; called right before writing them.
///
/// # Errors
/// The maps need a helper, and there is none that works.
pub fn map_writer(maps: &IdMaps) -> Result<MapWriter> {
    if may_map_any_id() {
        return Ok(MapWriter::Privileged);
    }
    let own = |map: &IdMap, id: u32| matches!(map.extents(), [one] if one.length == 1 && one.outside.0 == id);
    if own(&maps.users, rustix::process::geteuid().as_raw()) && own(&maps.groups, rustix::process::getegid().as_raw()) {
        return Ok(MapWriter::OwnIdOnly);
    }
    let find = |helper| {
        helpers::find_map_helper(helper)
            .map_err(|unusable| Failure::new("cannot map user ids", unusable.why).hint(unusable.remedy))
    };
    Ok(MapWriter::Helpers { users: find(MapHelper::Users)?, groups: find(MapHelper::Groups)? })
}

/// CAP_SETUID and CAP_SETGID let a process write any map. Mapping id 0 of the parent also takes
/// CAP_SETFCAP since Linux 5.12 (user_namespaces(7)).
fn may_map_any_id() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SETFCAP;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// What the user owns, and why not more.
#[derive(Debug, Clone)]
struct Situation {
    users: OwnIds,
    groups: OwnIds,
    /// Why there is one id only; None where there are more.
    shortage: Option<Shortage>,
}

/// Why only the user's own id can be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shortage {
    /// A sentence without a full stop.
    why: String,
    /// What to do.
    remedy: String,
}

impl Situation {
    fn here() -> Result<Situation> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (user_lines, group_lines) = (namespace_lines(Kind::Users)?, namespace_lines(Kind::Groups)?);
        let owner = Owner::of(uid)?;
        let (sub_users, sub_groups) = (subid::look_up(Kind::Users, &owner)?, subid::look_up(Kind::Groups, &owner)?);
        let mut users = OwnIds::new(uid, &sub_users.ranges, &user_lines);
        let mut groups = OwnIds::new(gid, &sub_groups.ranges, &group_lines);
        let privileged = may_map_any_id();
        if privileged && uid == 0 && (users.is_single() || groups.is_single()) {
            users = OwnIds::new(uid, &user_lines, &user_lines);
            groups = OwnIds::new(gid, &group_lines, &group_lines);
        }
        let shortage = [(&users, sub_users, Kind::Users), (&groups, sub_groups, Kind::Groups)]
            .into_iter()
            .find(|(own, ..)| own.is_single())
            .map(|(_, found, kind)| Shortage::of_ids(&owner, found, kind))
            .or_else(|| (!privileged).then(|| Shortage::of_helpers(&owner)).flatten());
        Ok(match shortage {
            None => Situation { users, groups, shortage },
            Some(_) => Situation {
                users: OwnIds::new(uid, &[], &user_lines),
                groups: OwnIds::new(gid, &[], &group_lines),
                shortage,
            },
        })
    }

    fn plan(&self, request: &UsernsRequest) -> Result<(IdMaps, Vec<Notice>)> {
        let (user, group) = (self.users.user(), self.groups.user());
        let mut notices = Vec::new();
        let (users, groups) = match request {
            UsernsRequest::Auto => (self.users.all_from_zero(), self.groups.all_from_zero()),
            UsernsRequest::KeepId { uid, gid } => {
                (self.users.keep(uid.unwrap_or(user)), self.groups.keep(gid.unwrap_or(group)))
            }
            UsernsRequest::NoMap => (self.users.without_user(), self.groups.without_user()),
            UsernsRequest::Single => (self.users.slice(0, 0, 1), self.groups.slice(0, 0, 1)),
            UsernsRequest::Explicit { uidmaps, gidmaps } => {
                let uids = if uidmaps.is_empty() { gidmaps } else { uidmaps };
                let gids = if gidmaps.is_empty() { uidmaps } else { gidmaps };
                (self.explicit(uids, &self.users, "--uidmap")?, self.explicit(gids, &self.groups, "--gidmap")?)
            }
        };
        if let Some(shortage) = &self.shortage {
            match request {
                UsernsRequest::Auto | UsernsRequest::KeepId { .. } => {
                    let text = "only one user id is mapped, so files of other users cannot be kept apart";
                    notices.push(Notice(format!("{text}: {}; {}", shortage.why, shortage.remedy)));
                }
                UsernsRequest::NoMap => {
                    let why = format!("without the user's own id none is left: {}", shortage.why);
                    return Err(Failure::new("cannot use --userns nomap", why).hint(shortage.remedy.clone()));
                }
                UsernsRequest::Single | UsernsRequest::Explicit { .. } => {}
            }
        }
        let make = |extents| finish(extents).doing(|| "cannot map user ids");
        let ((users, cut_users), (groups, cut_groups)) = (make(users)?, make(groups)?);
        if matches!(request, UsernsRequest::Explicit { .. }) {
            for (map, own, option) in [(&users, user, "--uidmap"), (&groups, group, "--gidmap")] {
                if map.to_host(InsideId(0)).is_none() && map.to_container(HostId(own)).is_none() {
                    let why = "neither id 0 of the container nor your own is mapped, so nobody can make its files";
                    return Err(Failure::new(format!("cannot use {option}"), why).hint(format!("add {option} 0:…")));
                }
            }
        }
        if cut_users || cut_groups {
            notices.push(Notice(format!(
                "only the first {MAX_EXTENTS} ranges of subordinate ids are mapped: the kernel takes no more"
            )));
        }
        Ok((IdMaps { users, groups }, notices))
    }

    fn explicit(&self, asked: &[RequestedRange], own: &OwnIds, option: &str) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        for range in asked {
            let found = match range.host {
                HostPlace::Index(index) => own.slice(u64::from(index), range.inside, range.length),
                HostPlace::Id(id) => own.ids(id, range.inside, range.length),
            };
            let reached: u64 = found.iter().map(|extent| u64::from(extent.length)).sum();
            if reached < u64::from(range.length) {
                let mut failure = Failure::new(
                    format!("cannot use {option}"),
                    format!("`{range}` asks for ids you do not have: you have {} in all", own.total()),
                );
                if let Some(shortage) = &self.shortage {
                    failure.cause += &format!(" ({})", shortage.why);
                    failure = failure.hint(shortage.remedy.clone());
                }
                return Err(failure);
            }
            extents.extend(found);
        }
        IdMap::new(extents.clone()).doing(|| format!("cannot use {option}"))?;
        Ok(extents)
    }
}

impl std::fmt::Display for RequestedRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            HostPlace::Index(index) => write!(f, "{}:{index}:{}", self.inside, self.length),
            HostPlace::Id(id) => write!(f, "{}:@{id}:{}", self.inside, self.length),
        }
    }
}

impl Shortage {
    fn of_ids(owner: &Owner, found: subid::Found, kind: Kind) -> Shortage {
        if found.ranges.is_empty() {
            let remedy = format!("ask an administrator to run: {}", subid::usermod_command(owner));
            return Shortage { why: found.why_none, remedy };
        }
        // There are ranges, but every id of them is foreign to the namespace rr runs in.
        let why = format!("the ranges of `{owner}` in {} do not exist in this user namespace", kind.path());
        Shortage { why, remedy: "give ranges that /proc/self/uid_map and gid_map contain".into() }
    }

    fn of_helpers(owner: &Owner) -> Option<Shortage> {
        if owner.name.is_none() {
            // newuidmap(1) ends with "cannot determine your user name" in this case.
            let why = format!("uid {} has no name in the user database, and newuidmap(1) insists on one", owner.uid);
            return Some(Shortage { why, remedy: "add the user to /etc/passwd".into() });
        }
        [MapHelper::Users, MapHelper::Groups].into_iter().find_map(|helper| {
            let unusable = helpers::find_map_helper(helper).err()?;
            Some(Shortage { why: unusable.why, remedy: unusable.remedy })
        })
    }
}

/// The ids of the user namespace rr runs in, a range for each line of its map.
fn namespace_lines(kind: Kind) -> Result<Vec<Range>> {
    let path = match kind {
        Kind::Users => "/proc/self/uid_map",
        Kind::Groups => "/proc/self/gid_map",
    };
    let text = std::fs::read_to_string(path).doing(|| format!("cannot read {path}"))?;
    parse_kernel_map(&text)
        .ok_or_else(|| Failure::new(format!("cannot read {path}"), format!("`{}` is no id map", text.trim())))
}

/// The inside ranges of a map as the kernel prints it; None where it is not one.
fn parse_kernel_map(text: &str) -> Option<Vec<Range>> {
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [inside, _outside, length] = numbers[..] else { return None };
        Range::new(inside, length)
    };
    text.lines().map(line).collect()
}

/// The list of the ids a user owns, none twice, each piece within one line of the namespace's map.
/// The first piece is the user's own id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnIds(Vec<Range>);

impl OwnIds {
    /// `user` first, then `others` as far as they are in `lines` and not yet in the list.
    fn new(user: u32, others: &[Range], lines: &[Range]) -> OwnIds {
        let mut list = vec![Range { first: user, length: 1 }];
        for &other in others {
            let mut pieces: Vec<Range> = lines.iter().filter_map(|&line| intersection(other, line)).collect();
            pieces.sort_unstable_by_key(|piece| piece.first);
            for &known in &list {
                pieces = pieces.into_iter().flat_map(|piece| difference(piece, known)).collect();
            }
            list.extend(pieces);
        }
        OwnIds(list)
    }

    fn user(&self) -> u32 {
        self.0[0].first
    }

    fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|range| u64::from(range.length)).sum()
    }

    /// Maps up to `length` ids from the place `index` of the list to `inside` and those after it.
    /// Shorter where the list, or the ids inside, end before.
    fn slice(&self, index: u64, inside: u32, length: u32) -> Vec<Extent> {
        let mut skip = index;
        let mut inside = inside;
        let mut left = length.min(u32::MAX - inside);
        let mut extents = Vec::new();
        for range in &self.0 {
            if skip >= u64::from(range.length) {
                skip -= u64::from(range.length);
                continue;
            }
            // `skip` is below a u32 here.
            let offset = skip as u32;
            skip = 0;
            let take = left.min(range.length - offset);
            if take == 0 {
                break;
            }
            extents.push(extent(inside, range.first + offset, take));
            inside += take;
            left -= take;
        }
        extents
    }

    /// Maps those of the `length` ids from `first` on which are in the list.
    fn ids(&self, first: u32, inside: u32, length: u32) -> Vec<Extent> {
        let Some(wanted) = Range::new(first, length) else { return Vec::new() };
        let pieces = self.0.iter().filter_map(|&own| intersection(own, wanted));
        let place = |piece: Range| inside.checked_add(piece.first - first);
        pieces.filter_map(|piece| Some(extent(place(piece)?, piece.first, piece.length))).collect()
    }

    fn all_from_zero(&self) -> Vec<Extent> {
        self.slice(0, 0, u32::MAX)
    }

    /// The user at `id`; the subordinate ids around it from 0 on.
    fn keep(&self, id: u32) -> Vec<Extent> {
        let mut extents = self.slice(1, 0, id);
        extents.extend(self.slice(0, id, 1));
        extents.extend(self.slice(u64::from(id) + 1, id.saturating_add(1), u32::MAX));
        extents
    }

    fn without_user(&self) -> Vec<Extent> {
        self.slice(1, 0, u32::MAX)
    }
}

fn extent(inside: u32, outside: u32, length: u32) -> Extent {
    Extent { inside: InsideId(inside), outside: HostId(outside), length }
}

fn intersection(a: Range, b: Range) -> Option<Range> {
    let (first, end) = (a.first.max(b.first), a.end().min(b.end()));
    Range::new(first, end.checked_sub(first)?)
}

/// What of `a` is not in `b`: none, one or two ranges.
fn difference(a: Range, b: Range) -> impl Iterator<Item = Range> {
    let before = b.first.min(a.end()).checked_sub(a.first).and_then(|length| Range::new(a.first, length));
    let start = b.end().max(a.first);
    let after = a.end().checked_sub(start).and_then(|length| Range::new(start, length));
    before.into_iter().chain(after)
}

/// Validates; keeps the first 340 lines where there are more, and says so.
fn finish(mut extents: Vec<Extent>) -> std::result::Result<(IdMap, bool), String> {
    let cut = extents.len() > MAX_EXTENTS;
    extents.truncate(MAX_EXTENTS);
    Ok((IdMap::new(extents)?, cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(first: u32, length: u32) -> Range {
        Range::new(first, length).unwrap()
    }

    /// All ids, as on a host.
    fn host() -> Vec<Range> {
        vec![range(0, u32::MAX)]
    }

    fn owning(subordinate: &[Range]) -> Situation {
        let own = |id| OwnIds::new(id, subordinate, &host());
        Situation { users: own(1000), groups: own(100), shortage: None }
    }

    fn poor() -> Situation {
        let shortage = Shortage { why: "/etc/subuid has no range for `ana`".into(), remedy: "run: usermod".into() };
        Situation { shortage: Some(shortage), ..owning(&[]) }
    }

    fn users(situation: &Situation, request: &UsernsRequest) -> String {
        situation.plan(request).unwrap().0.users.to_kernel().trim_end().replace('\n', ", ")
    }

    fn explicit(ranges: &[&str]) -> UsernsRequest {
        let uidmaps = ranges.iter().map(|text| text.parse().unwrap()).collect();
        UsernsRequest::Explicit { uidmaps, gidmaps: Vec::new() }
    }

    #[test]
    fn root_inside_is_the_user_and_all_ranges_follow() {
        let rich = owning(&[range(100_000, 65_536), range(300_000, 10)]);
        let (maps, notices) = rich.plan(&UsernsRequest::Auto).unwrap();
        assert_eq!(maps.users.to_kernel(), "0 1000 1\n1 100000 65536\n65537 300000 10\n");
        assert_eq!(maps.groups.to_kernel(), "0 100 1\n1 100000 65536\n65537 300000 10\n");
        assert_eq!(notices, []);
    }

    #[test]
    fn keep_id_puts_the_user_among_the_subordinate_ids() {
        let rich = owning(&[range(100_000, 65_536)]);
        let keep = |uid, gid| UsernsRequest::KeepId { uid, gid };
        assert_eq!(users(&rich, &keep(None, None)), "0 100000 1000, 1000 1000 1, 1001 101000 64536");
        assert_eq!(users(&rich, &keep(Some(0), None)), "0 1000 1, 1 100000 65536");
        assert_eq!(users(&rich, &keep(Some(70_000), None)), "0 100000 65536, 70000 1000 1");
        let (maps, _) = rich.plan(&keep(Some(5), Some(7))).unwrap();
        assert_eq!(maps.groups.to_host(InsideId(7)), Some(HostId(100)));
        assert_eq!(maps.users.to_host(InsideId(5)), Some(HostId(1000)));
        assert_eq!(users(&rich, &keep(Some(u32::MAX - 1), None)), "0 100000 65536, 4294967294 1000 1");
    }

    #[test]
    fn nomap_leaves_the_user_out() {
        assert_eq!(users(&owning(&[range(100_000, 65_536)]), &UsernsRequest::NoMap), "0 100000 65536");
        let error = poor().plan(&UsernsRequest::NoMap).unwrap_err();
        assert_eq!(error.hints, ["run: usermod"]);
    }

    #[test]
    fn with_no_ranges_there_is_one_id_and_one_notice() {
        let (maps, notices) = poor().plan(&UsernsRequest::Auto).unwrap();
        assert!(maps.is_single());
        assert_eq!(maps.users.to_kernel(), "0 1000 1\n");
        assert_eq!(notices.len(), 1);
        assert!(notices[0].0.ends_with("/etc/subuid has no range for `ana`; run: usermod"), "{}", notices[0].0);
        let keep = poor().plan(&UsernsRequest::KeepId { uid: None, gid: None }).unwrap().0;
        assert_eq!(
            (keep.users.to_kernel().as_str(), keep.groups.to_kernel().as_str()),
            ("1000 1000 1\n", "100 100 1\n")
        );
        // Asked for: nothing to say.
        assert_eq!(poor().plan(&UsernsRequest::Single).unwrap().1, []);
    }

    #[test]
    fn explicit_ranges_count_in_the_users_own_ids() {
        let rich = owning(&[range(100_000, 10), range(300_000, 10)]);
        assert_eq!(users(&rich, &explicit(&["0:1:5", "5:0:1"])), "0 100000 5, 5 1000 1");
        // Across the end of a range.
        assert_eq!(users(&rich, &explicit(&["0:9:4"])), "0 100008 2, 2 300000 2");
        let (uidmaps, gidmaps) =
            (["0:@300001:2".parse().unwrap(), "7:@1000".parse().unwrap()], ["0:@100".parse().unwrap()]);
        let by_id = UsernsRequest::Explicit { uidmaps: uidmaps.into(), gidmaps: gidmaps.into() };
        assert_eq!(users(&rich, &by_id), "0 300001 2, 7 1000 1");
        let gidmaps = vec!["0:0:3".parse().unwrap()];
        let (maps, _) = rich.plan(&UsernsRequest::Explicit { uidmaps: vec![], gidmaps }).unwrap();
        assert_eq!(maps.users.to_kernel(), "0 1000 1\n1 100000 2\n");
        assert_eq!(maps.groups.to_kernel(), "0 100 1\n1 100000 2\n");
    }

    #[test]
    fn an_explicit_map_must_have_root_or_the_user() {
        let error = owning(&[range(100_000, 10)]).plan(&explicit(&["1:2"])).unwrap_err();
        assert!(error.to_string().starts_with("cannot use --uidmap: neither id 0"), "{error}");
    }

    #[test]
    fn explicit_ranges_beyond_the_users_ids_are_refused() {
        let rich = owning(&[range(100_000, 10)]);
        for (ranges, words) in [
            (["0:0:12"].as_slice(), "`0:0:12` asks for ids you do not have: you have 11"),
            (&["0:@99999:1"], "asks for ids you do not have"),
            (&["0:0:2", "1:5:1"], "overlap in the container"),
            (&["0:0:2", "5:1:1"], "overlap on the host"),
            (&["4294967295:0:1"], "asks for ids you do not have"),
        ] {
            let error = rich.plan(&explicit(ranges)).unwrap_err();
            assert!(error.cause.contains(words), "{error}");
        }
        assert_eq!(poor().plan(&explicit(&["0:0:2"])).unwrap_err().hints, ["run: usermod"]);
        assert_eq!(users(&poor(), &explicit(&["33:0:1"])), "33 1000 1");
    }

    #[test]
    fn lines_are_cut_along_the_parents_map() {
        // In a container whose own map is `0 1000 1`, `1 100000 65536`.
        let parent = parse_kernel_map("         0       1000          1\n 1 100000 65536\n").unwrap();
        let root = OwnIds::new(0, &parent, &parent);
        assert_eq!(root.all_from_zero(), [extent(0, 0, 1), extent(1, 1, 65_536)]);
        assert_eq!(root.keep(5), [extent(0, 1, 5), extent(5, 0, 1), extent(6, 6, 65_531)]);
        // podman:1:999 and podman:1001:64535, for uid 1000, partly outside of a small parent.
        let parent = [range(0, 500), range(500, 1500)];
        let nested = OwnIds::new(1000, &[range(1, 999), range(1001, 64_535)], &parent);
        assert_eq!(
            nested.all_from_zero(),
            [extent(0, 1000, 1), extent(1, 1, 499), extent(500, 500, 500), extent(1000, 1001, 999)]
        );
        assert!(OwnIds::new(1000, &[range(100_000, 65_536)], &parent).is_single());
    }

    #[test]
    fn root_of_the_host_maps_everything() {
        let all = OwnIds::new(0, &host(), &host()).all_from_zero();
        assert_eq!(all, [extent(0, 0, 1), extent(1, 1, u32::MAX - 1)]);
        assert!(IdMap::new(all).is_ok());
    }

    #[test]
    fn ranges_that_hold_the_user_or_each_other_count_once() {
        let own = OwnIds::new(1000, &[range(999, 3), range(500, 1000)], &host());
        let maps = IdMap::new(own.all_from_zero()).unwrap();
        assert_eq!(maps.total(), 1000);
    }

    #[test]
    fn more_ranges_than_the_kernel_takes_are_cut_and_said() {
        let many: Vec<Range> = (0..400).map(|n| range(100_000 + 10 * n, 5)).collect();
        let (maps, notices) = owning(&many).plan(&UsernsRequest::Auto).unwrap();
        assert_eq!(maps.users.extents().len(), MAX_EXTENTS);
        assert_eq!(notices.len(), 1);
    }

    #[test]
    fn options_are_read() {
        let parse = |mode: &str| UsernsRequest::parse(Some(mode), &[], &[]);
        assert_eq!(UsernsRequest::parse(None, &[], &[]).unwrap(), UsernsRequest::Auto);
        assert_eq!(parse("host").unwrap(), UsernsRequest::Auto);
        assert_eq!(parse("keep-id:uid=5").unwrap(), UsernsRequest::KeepId { uid: Some(5), gid: None });
        for bad in [
            "private",
            "keep-id:",
            "keep-id:uid=",
            "keep-id:uid=-1",
            "keep-id:uid=4294967295",
            "keep-id:x=1",
            "auto:size=5",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let maps = ["0:0:1".to_owned()];
        assert!(UsernsRequest::parse(Some("keep-id"), &maps, &[]).is_err());
        assert!(UsernsRequest::parse(None, &[], &maps).is_ok());
        assert_eq!(parse("keep-id:uid=5,gid=6").unwrap().kept_user().as_deref(), Some("5:6"));
        assert_eq!(parse("host").unwrap().kept_user(), None);
        for bad in ["", "0", "0:0:0", "0:0:1:2", "a:0:1", "0:@:1", "0:-1:1", "+0:0:1", "0:0:4294967296"] {
            assert!(UsernsRequest::parse(None, &[bad.to_owned()], &[]).is_err(), "{bad}");
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<Range>> {
        proptest::collection::vec((0u32..5000, 1u32..3000).prop_map(|(first, length)| range(first, length)), 0..8)
    }

    proptest! {
        /// Whatever the files and the parent's map say, the kernel's rules hold.
        #[test]
        fn every_planned_map_is_one_the_kernel_takes(
            subordinate in ranges(),
            cuts in proptest::collection::btree_set(1u32..8000, 0..5),
            keep: Option<u32>,
        ) {
            // The user's id is always in the namespace they run in.
            let mut ends: Vec<u32> = cuts.into_iter().collect();
            ends.push(9000);
            let mut first = 0;
            let parent: Vec<Range> = ends.into_iter().map(|end| { let line = range(first, end - first); first = end; line }).collect();
            let own = OwnIds::new(1000, &subordinate, &parent);
            let situation = Situation { users: own.clone(), groups: own.clone(), shortage: None };
            let keep = keep.filter(|&id| id < u32::MAX);
            for request in [UsernsRequest::Auto, UsernsRequest::KeepId { uid: keep, gid: None }] {
                let (maps, _) = situation.plan(&request).unwrap();
                prop_assert!(maps.users.to_container(HostId(1000)).is_some());
                for line in maps.users.extents() {
                    let within = |parent: &Range| {
                        parent.first <= line.outside.0 && line.outside.0 + line.length <= parent.end()
                    };
                    prop_assert!(parent.iter().any(within));
                }
            }
            let all = situation.plan(&UsernsRequest::Auto).unwrap().0;
            prop_assert_eq!(all.users.total(), own.total());
        }

        #[test]
        fn any_text_is_no_panic(text in ".{0,40}") {
            let _ = text.parse::<RequestedRange>();
            let _ = UsernsRequest::parse(Some(&text), &[], &[]);
            let _ = parse_kernel_map(&text);
        }
    }
}
