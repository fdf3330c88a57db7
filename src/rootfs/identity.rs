//! Who the payload runs as: `--user`, or the image's User, looked up in the container's own files.
//!
//! The rules are Docker's (moby/sys `user.GetExecUser`): a number is taken as it is, whether or not
//! /etc/passwd has it; an entry gives the primary group, HOME and, unless a group was named, the
//! supplementary groups that /etc/group lists the user in. One deliberate difference: a line whose
//! numbers cannot be read is passed over, where Docker reads them as 0, which is root.
//!
//! Both files are the image's, so hostile: they are opened inside the root, must be regular files
//! (a FIFO would block for ever) and are read up to a limit.

use super::resolve::Root;
use crate::error::{Doing, Failure, Notice, Result};
use crate::host::ids::{IdMap, IdMaps, InsideId};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest /etc/passwd or /etc/group that is read, in bytes: some hundred thousand entries.
const LONGEST_FILE: u64 = 16 << 20;

/// Docker's bound on numeric ids: 2^31 - 1.
const HIGHEST_ID: u32 = i32::MAX as u32;

/// A user as setresuid(2), setgroups(2) and the environment want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id inside; mapped.
    pub uid: u32,
    /// Primary group inside; mapped.
    pub gid: u32,
    /// For setgroups(2), the primary group first: without it among them a file that denies access to
    /// that group would be open (CVE-2022-36109). Empty where the namespace has one id only, for
    /// there setgroups(2) is denied (user_namespaces(7)).
    pub groups: Vec<u32>,
    /// HOME: /etc/passwd's, or `/`.
    pub home: String,
    /// The user's name, where /etc/passwd has one.
    pub name: Option<String>,
    /// What the user gets otherwise than asked for.
    pub notices: Vec<Notice>,
}

/// A line of /etc/passwd (passwd(5)), as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasswdEntry<'a> {
    pub(super) name: &'a str,
    pub(super) uid: u32,
    gid: u32,
    home: &'a str,
}

/// A line of /etc/group (group(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupEntry<'a> {
    pub(super) name: &'a str,
    pub(super) gid: u32,
    members: &'a str,
}

/// Looks up `user` (`name|uid[:group|gid]`, empty for root) and the `additional` groups (names or
/// numbers) in `root`.
///
/// Runs in init after volumes are in place, since one may cover /etc/passwd, or in the client for a
/// container that runs. Errors: a name that is not there, an id that `ids` does not map.
pub fn resolve_identity(root: &Root<'_>, user: &str, additional: &[String], ids: &IdMaps) -> Result<Identity> {
    let passwd = read_database(root, "/etc/passwd")?;
    let group = read_database(root, "/etc/group")?;
    let mut identity =
        look_up(user, additional, &passwd, &group).doing(|| format!("cannot run as user `{}`", user_shown(user)))?;
    check_mapped("user", identity.uid, &ids.users, user)?;
    check_mapped("group", identity.gid, &ids.groups, user)?;
    for asked in additional {
        let gid = find_group(asked, &group).doing(|| format!("cannot add group `{asked}`"))?;
        check_mapped("group", gid, &ids.groups, asked)?;
    }
    drop_unmapped(&mut identity, ids);
    Ok(identity)
}

fn user_shown(user: &str) -> &str {
    if user.is_empty() { "root" } else { user }
}

/// Groups that only the image's /etc/group gave and that have no id here are left out: the payload
/// could not have used them.
fn drop_unmapped(identity: &mut Identity, ids: &IdMaps) {
    if ids.groups.total() == 1 {
        identity.groups.clear();
        return;
    }
    let (mapped, unmapped): (Vec<u32>, Vec<u32>) =
        identity.groups.iter().partition(|gid| ids.groups.to_host(InsideId(**gid)).is_some());
    identity.groups = mapped;
    if !unmapped.is_empty() {
        let list: Vec<_> = unmapped.iter().map(u32::to_string).collect();
        identity.notices.push(Notice(format!(
            "the image puts {} into groups that have no id in this container, which are left out: {}",
            identity.name.as_deref().unwrap_or("the user"),
            list.join(" ")
        )));
    }
}

fn check_mapped(what: &str, id: u32, map: &IdMap, asked: &str) -> Result<()> {
    if map.to_host(InsideId(id)).is_some() {
        return Ok(());
    }
    let total = map.total();
    let ids = if total == 1 { "id is" } else { "ids are" };
    let failure = Failure::new(
        format!("cannot run as `{}`", user_shown(asked)),
        format!("{what} id {id} does not exist in the container: only {total} {ids} mapped"),
    );
    if id == 0 {
        // A map without root is asked for, or the only one there is; a longer range does not help.
        return Err(failure);
    }
    let file = if what == "user" { "/etc/subuid" } else { "/etc/subgid" };
    Err(failure.hint(format!(
        "have an administrator give you a range in {file} that is longer than {id}, or map that id with --{}idmap",
        if what == "user" { "u" } else { "g" }
    )))
}

/// What ids are called: the first name that a file has for each.
pub type Names = std::collections::BTreeMap<u32, String>;

/// The names of all users and of all groups in `root`; none from a file that cannot be read.
pub fn names_in(root: &Root<'_>) -> (Names, Names) {
    let passwd = read_database(root, "/etc/passwd").unwrap_or_default();
    let group = read_database(root, "/etc/group").unwrap_or_default();
    let (mut users, mut groups) = (Names::new(), Names::new());
    for entry in passwd_entries(&passwd) {
        users.entry(entry.uid).or_insert_with(|| entry.name.to_owned());
    }
    for entry in group_entries(&group) {
        groups.entry(entry.gid).or_insert_with(|| entry.name.to_owned());
    }
    (users, groups)
}

/// The whole text of a file of the container; empty where it does not exist.
pub(super) fn read_database(root: &Root<'_>, path: &str) -> Result<String> {
    let doing = || format!("cannot read {path} in the container");
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match root.open_existing(Path::new(path), flags) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        other => other.doing(doing)?,
    };
    let stat = rustix::fs::fstat(&file).doing(doing)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failure::new(doing(), "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::from(file).take(LONGEST_FILE + 1).read_to_end(&mut bytes).doing(doing)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(Failure::new(doing(), format!("it is longer than {} MiB", LONGEST_FILE >> 20)));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The look-up itself, on the texts of the two files. No id is checked against a map here.
fn look_up(user: &str, additional: &[String], passwd: &str, group: &str) -> std::result::Result<Identity, String> {
    let (user, asked_group) = user.split_once(':').map_or((user, ""), |(user, group)| (user, group));
    let user = user_or_root(user);
    let entry = find_user(user, passwd)?;
    let gid = match asked_group {
        "" => entry.gid,
        asked => find_group(asked, group)?,
    };
    let mut groups = vec![gid];
    if asked_group.is_empty() && !entry.name.is_empty() {
        let listed = group_entries(group).filter(|line| line.members.split(',').any(|member| member == entry.name));
        groups.extend(listed.map(|line| line.gid));
    }
    for asked in additional {
        groups.push(find_group(asked, group)?);
    }
    let mut seen = std::collections::HashSet::new();
    groups.retain(|gid| seen.insert(*gid));
    Ok(Identity {
        uid: entry.uid,
        gid,
        groups,
        home: if entry.home.is_empty() { "/".to_owned() } else { entry.home.to_owned() },
        name: (!entry.name.is_empty()).then(|| entry.name.to_owned()),
        notices: Vec::new(),
    })
}

fn user_or_root(user: &str) -> &str {
    if user.is_empty() { "0" } else { user }
}

/// The first entry that has the name or the number. A number without an entry is a user without a
/// name, in group 0.
fn find_user<'a>(asked: &str, passwd: &'a str) -> std::result::Result<PasswdEntry<'a>, String> {
    let number = parse_id(asked);
    let mut entries = passwd_entries(passwd);
    if let Some(entry) = entries.find(|entry| entry.name == asked || Some(entry.uid) == number) {
        return Ok(entry);
    }
    match number {
        Some(uid) if uid <= HIGHEST_ID => Ok(PasswdEntry { name: "", uid, gid: 0, home: "" }),
        _ if is_number(asked) => Err(format!("the id {asked} is not in the range 0-{HIGHEST_ID}")),
        _ => Err(format!("unable to find user {asked}: no matching entries in passwd file")),
    }
}

fn find_group(asked: &str, group: &str) -> std::result::Result<u32, String> {
    let number = parse_id(asked);
    if let Some(entry) = group_entries(group).find(|entry| entry.name == asked || Some(entry.gid) == number) {
        return Ok(entry.gid);
    }
    match number {
        Some(gid) if gid <= HIGHEST_ID => Ok(gid),
        _ if is_number(asked) => Err(format!("the id {asked} is not in the range 0-{HIGHEST_ID}")),
        _ => Err(format!("unable to find group {asked}: no matching entries in group file")),
    }
}

pub(super) fn passwd_entries(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = parse_id(fields.nth(1)?)?;
        let gid = parse_id(fields.next()?)?;
        let home = fields.nth(1).unwrap_or("");
        Some(PasswdEntry { name, uid, gid, home })
    })
}

pub(super) fn group_entries(text: &str) -> impl Iterator<Item = GroupEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = parse_id(fields.nth(1)?)?;
        Some(GroupEntry { name, gid, members: fields.next().unwrap_or("") })
    })
}

/// Decimal digits only: `u32::from_str` would also take a plus sign.
fn parse_id(text: &str) -> Option<u32> {
    if is_number(text) { text.parse().ok() } else { None }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::{Extent, HostId};
    use proptest::prelude::*;
    use rustix::fd::AsFd;
    use std::fs;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        # a comment\n\
        \n\
        daemon:x:2:2:daemon:/sbin:/sbin/nologin\n\
        broken:x:zero:0::/:\n\
        short:x:5\n\
        ana:x:1000:100:Ana,,,:/home/ana:/bin/sh\n\
        1234:x:77:78::/odd:\n\
        big:x:70000:70000::/big:\n\
        homeless:x:1001:1001::\n";
    const GROUP: &str = "root:x:0:root\n\
        wheel:x:10:root,ana\n\
        users:x:100:games\n\
        audio:x:18:ana\n\
        huge:x:90000:ana\n\
        bad:x:-1:ana\n\
        games:x:35:users\n";

    fn find(user: &str) -> std::result::Result<Identity, String> {
        look_up(user, &[], PASSWD, GROUP)
    }

    fn shape(identity: Identity) -> (u32, u32, Vec<u32>, String, Option<String>) {
        (identity.uid, identity.gid, identity.groups, identity.home, identity.name)
    }

    fn expect(user: &str, ids: (u32, u32), groups: &[u32], home: &str, name: Option<&str>) {
        let expected = (ids.0, ids.1, groups.to_vec(), home.to_owned(), name.map(str::to_owned));
        assert_eq!(shape(find(user).unwrap()), expected, "{user}");
    }

    fn maps(length: u32) -> IdMaps {
        let extent = Extent { inside: InsideId(0), outside: HostId(100_000), length };
        let map = IdMap::new(vec![extent]).unwrap();
        IdMaps { users: map.clone(), groups: map }
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        expect("", (0, 0), &[0, 10], "/root", Some("root"));
        expect("ana", (1000, 100), &[100, 10, 18, 90000], "/home/ana", Some("ana"));
        expect("1000", (1000, 100), &[100, 10, 18, 90000], "/home/ana", Some("ana"));
        expect("ana:audio", (1000, 18), &[18], "/home/ana", Some("ana"));
        expect("ana:4000", (1000, 4000), &[4000], "/home/ana", Some("ana"));
        expect("ana:", (1000, 100), &[100, 10, 18, 90000], "/home/ana", Some("ana"));
        expect(":audio", (0, 18), &[18], "/root", Some("root"));
        expect("4242", (4242, 0), &[0], "/", None);
        expect("4242:100", (4242, 100), &[100], "/", None);
        expect("1234", (77, 78), &[78], "/odd", Some("1234"));
        expect("homeless", (1001, 1001), &[1001], "/", Some("homeless"));
    }

    #[test]
    fn what_is_not_there_is_said_as_docker_says_it() {
        let said = |user: &str| find(user).unwrap_err();
        assert_eq!(said("eva"), "unable to find user eva: no matching entries in passwd file");
        assert_eq!(said("ana:staff"), "unable to find group staff: no matching entries in group file");
        assert_eq!(said("broken"), "unable to find user broken: no matching entries in passwd file");
        assert_eq!(said("short"), "unable to find user short: no matching entries in passwd file");
        assert!(said("4294967296").contains("range"));
        assert!(said("3000000000").contains("range"));
        assert!(said("-1").contains("unable to find user"));
        assert!(said("+5").contains("unable to find user"));
    }

    #[test]
    fn additional_groups_come_last_and_once() {
        let asked = ["audio".to_owned(), "555".to_owned(), "100".to_owned()];
        let identity = look_up("ana:users", &asked, PASSWD, GROUP).unwrap();
        assert_eq!(identity.groups, [100, 18, 555]);
        let error = look_up("ana", &["nobody".to_owned()], PASSWD, GROUP).unwrap_err();
        assert_eq!(error, "unable to find group nobody: no matching entries in group file");
    }

    /// A root directory with the two files.
    fn image() -> (tempfile::TempDir, File) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        fs::write(directory.path().join("etc/passwd"), PASSWD).unwrap();
        fs::write(directory.path().join("etc/group"), GROUP).unwrap();
        let fd = File::open(directory.path()).unwrap();
        (directory, fd)
    }

    #[test]
    fn ids_that_are_not_mapped_are_refused_or_left_out() {
        let (_directory, fd) = image();
        let resolve =
            |user: &str, add: &[String], length| resolve_identity(&Root::new(fd.as_fd()), user, add, &maps(length));
        let identity = resolve("ana", &[], 65_536).unwrap();
        assert_eq!(identity.groups, [100, 10, 18]);
        assert!(identity.notices[0].0.ends_with("left out: 90000"), "{:?}", identity.notices);
        let failure = resolve("big", &[], 65_536).unwrap_err();
        assert!(failure.cause.contains("user id 70000") && failure.cause.contains("65536 ids are mapped"), "{failure}");
        assert!(failure.hints[0].contains("/etc/subuid"), "{failure:?}");
        let failure = resolve("ana", &["70000".to_owned()], 65_536).unwrap_err();
        assert!(failure.cause.contains("group id 70000"), "{failure}");
        let alone = resolve("", &[], 1).unwrap();
        assert_eq!((alone.groups, alone.notices), (vec![], vec![]));
        assert!(resolve("1000", &[], 1).unwrap_err().cause.contains("only 1 id is mapped"));
    }

    #[test]
    fn an_image_without_the_files_knows_numbers_only() {
        let directory = tempfile::tempdir().unwrap();
        let fd = File::open(directory.path()).unwrap();
        let root = Root::new(fd.as_fd());
        let identity = resolve_identity(&root, "", &[], &maps(65_536)).unwrap();
        assert_eq!((identity.uid, identity.gid, identity.home.as_str()), (0, 0, "/"));
        let failure = resolve_identity(&root, "ana", &[], &maps(65_536)).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot run as user `ana`: unable to find user ana: no matching entries in passwd file"
        );
    }

    #[test]
    fn hostile_files_neither_block_nor_fill_the_memory_nor_lead_out() {
        let (directory, fd) = image();
        let passwd = directory.path().join("etc/passwd");
        let root = Root::new(fd.as_fd());
        let fails = |word: &str| {
            let failure = resolve_identity(&root, "", &[], &maps(65_536)).unwrap_err();
            assert!(failure.to_string().contains(word), "{failure}");
        };
        fs::remove_file(&passwd).unwrap();
        nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        fails("not a regular file");
        fs::remove_file(&passwd).unwrap();
        fs::create_dir(&passwd).unwrap();
        fails("not a regular file");
        fs::remove_dir(&passwd).unwrap();
        File::create(&passwd).unwrap().set_len(1 << 40).unwrap();
        fails("longer than 16 MiB");
        fs::remove_file(&passwd).unwrap();
        // The host's own /etc/passwd, which has a daemon with user id 1.
        std::os::unix::fs::symlink("../../../../../../../../etc/passwd", &passwd).unwrap();
        fails("ELOOP");
    }

    proptest! {
        #[test]
        fn any_files_get_an_answer(passwd in "\\PC{0,200}", group in "[a-z:,0-9\n-]{0,200}", user in "[a-z0-9:]{0,12}") {
            let _ = look_up(&user, std::slice::from_ref(&user), &passwd, &group);
        }

        /// A user that is in the file is found by name with that file's numbers, whatever lies around it.
        #[test]
        fn an_entry_is_found_whatever_lies_around_it(
            before in prop::collection::vec("[a-y:0-9#+ -]{0,20}", 0..8),
            uid in 0_u32..=HIGHEST_ID,
            gid in 0_u32..=HIGHEST_ID,
        ) {
            let passwd = format!("{}\nzoe:x:{uid}:{gid}::/zoe:/bin/sh\n", before.join("\n"));
            let found = look_up("zoe", &[], &passwd, "").unwrap();
            prop_assert_eq!((found.uid, found.gid, found.home.as_str()), (uid, gid, "/zoe"));
        }
    }
}
