//! One file of a container, followed from its name inside to its place on the host: `explain --path`.
//!
//! The name is walked one component at a time, each opened below the one before and never through a link that the
//! kernel would follow, so what is told is the way that was really taken. It is taken by a child that is root of the store's
//! user namespace, as for `cp`; who may do what with the file is worked out from what the child has seen.

use super::layers::{Kind, Stack};
use super::mounts::{self, Mounted};
use crate::container::copy::{Inside, with_root};
use crate::container::plan::RunPlan;
use crate::container::record::Container;
use crate::error::{Doing, Failure, IntoCause, Result};
use crate::host::ids::{HostId, IdMap, IdMaps, InsideId};
use crate::host::users;
use crate::rootfs::identity::{names_in, resolve_identity};
use crate::rootfs::resolve::Root;
use crate::store::Store;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// What is told about a file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PathAnswer {
    /// As it was asked for.
    pub asked: PathBuf,
    /// The path that it really has, without links.
    pub inside: PathBuf,
    /// The links on the way.
    pub links: Vec<Link>,
    /// `file`, `directory` and so on.
    pub kind: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Who owns it.
    pub user: Party,
    /// Which group.
    pub group: Party,
    /// Where it lies.
    pub place: Place,
    /// What a user of the container may do with it.
    pub access: Access,
}

/// A link that was followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Link {
    /// Its path inside.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
}

/// A user or a group, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Party {
    /// The id inside; None where the container has none, and shows 65534.
    pub inside: Option<u32>,
    /// The name there.
    pub inside_name: Option<String>,
    /// The id on the host; None where it is none of the ids that rr can map.
    pub host: Option<u32>,
    /// The name there, of a user.
    pub host_name: Option<String>,
}

/// Where a file lies.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Place {
    /// The mount's place in the container.
    pub mount: PathBuf,
    /// Its file system.
    pub file_system: String,
    /// Why it is there.
    pub why: String,
    /// The directories of the stack that have it, topmost first, for what lies in the root.
    pub layers: Vec<(Kind, PathBuf)>,
    /// Where the same file is on the host.
    pub host: Option<PathBuf>,
    /// While the container runs: the way to it through /proc.
    pub through_proc: Option<PathBuf>,
    /// Nothing can be written there, whatever the permissions say.
    pub read_only: bool,
    /// Nothing can be executed there.
    pub no_exec: bool,
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Access {
    /// The user inside.
    pub uid: u32,
    /// Their groups inside.
    pub groups: Vec<u32>,
    /// The name inside.
    pub name: Option<String>,
    /// Reading: of a directory, to list it.
    pub read: Verdict,
    /// Writing: of a directory, to make and remove what is in it.
    pub write: Verdict,
    /// Executing: of a directory, to pass through it.
    pub execute: Verdict,
}

/// Allowed or not, and why: a part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Verdict {
    /// See the type.
    pub allowed: bool,
    /// See the type.
    pub why: String,
}

/// What the child has seen of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    path: PathBuf,
    mode: u32,
    size: u64,
    /// As ids of the host, where they are any that rr can map.
    uid: Option<u32>,
    gid: Option<u32>,
    mount: u64,
    read_only: bool,
    no_exec: bool,
    has_acl: bool,
}

/// What the child brings back.
#[derive(Serialize, Deserialize)]
struct Walked {
    /// Every directory on the way, the root first, and the file last.
    looks: Vec<Look>,
    links: Vec<Link>,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: Option<String>,
    owner_name: Option<String>,
    group_name: Option<String>,
    /// Which directories of the stack have the file.
    layers: Vec<usize>,
}

/// Follows `path`. `user` is who asks to read or write it, in `--user`'s form; None is whoever the payload is.
///
/// # Errors
/// The path is relative, leads nowhere or out of the root; the user is unknown in the container; the system's.
pub fn follow(store: &Store, container: &Container, path: &Path, user: Option<&str>) -> Result<PathAnswer> {
    let doing = || format!("cannot follow {} in container {}", path.display(), container.plan.name);
    if !path.is_absolute() {
        return Err(Failure::new(doing(), "a path in a container begins with /"));
    }
    let plan = &container.plan;
    let payload = container.state.init.as_ref().filter(|init| init.lives()).map(|init| init.pid);
    let mounts = mounts::all(store, container, payload);
    let mounts: &[Mounted] = mounts.get().map_or(&[], Vec::as_slice);
    let stack = Stack::without_content(store, container, Some(mounts))?;
    let user = user.unwrap_or(&plan.process.user);
    let walked = with_root(store, container, |inside| {
        let root = Root::new(inside.root);
        let identity = resolve_identity(&root, user, &plan.process.additional_groups, &plan.ids)?;
        let (users, groups) = names_in(&root);
        let (looks, links) = walk(inside, path).doing(doing)?;
        let Some(file) = looks.last() else { return Err(Failure::new(doing(), Errno::NOENT.into_cause())) };
        let called = |names: &std::collections::BTreeMap<u32, String>, map: &IdMap, host: Option<u32>| {
            names.get(&map.to_container(HostId(host?))?.0).cloned()
        };
        let below = file.path.strip_prefix("/").unwrap_or(&file.path);
        let has = |layer: &super::layers::Layer| std::fs::symlink_metadata(layer.path.join(below)).is_ok();
        let layers = stack.layers.iter().enumerate().filter(|(_, layer)| has(layer)).map(|(at, _)| at).collect();
        Ok(Walked {
            owner_name: called(&users, &plan.ids.users, file.uid),
            group_name: called(&groups, &plan.ids.groups, file.gid),
            uid: identity.uid,
            gid: identity.gid,
            groups: identity.groups,
            name: identity.name,
            layers,
            links,
            looks,
        })
    })?;
    answer(plan, path, payload, mounts, &stack, walked)
}

fn answer(
    plan: &RunPlan,
    asked: &Path,
    payload: Option<i32>,
    mounts: &[Mounted],
    stack: &Stack,
    walked: Walked,
) -> Result<PathAnswer> {
    let Some((file, above)) = walked.looks.split_last() else {
        return Err(Failure::new(format!("cannot follow {}", asked.display()), "it leads nowhere"));
    };
    let mount = mount_of(file, mounts);
    let in_stack = mount.is_none_or(|mount| mount.target == Path::new("/"));
    let layers = match in_stack {
        true => walked.layers.iter().map(|&at| (stack.layers[at].kind, stack.layers[at].path.clone())).collect(),
        false => Vec::new(),
    };
    let rest = |top: &Path| file.path.strip_prefix(top).map(Path::to_owned).unwrap_or_default();
    let join = |base: &Path, rest: PathBuf| if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) };
    let host = match in_stack {
        true => layers.first().map(|(_, path): &(Kind, PathBuf)| join(path, rest(Path::new("/")))),
        false => mount.and_then(|mount| Some(join(mount.host.as_ref()?, rest(&mount.target)))),
    };
    let party = |map: &IdMap, host: Option<u32>, inside_name: Option<String>, host_name: Option<String>| Party {
        inside: host.and_then(|host| map.to_container(HostId(host))).map(|id| id.0),
        inside_name,
        host,
        host_name,
    };
    let named = |uid: u32| users::name_of(uid).ok().flatten();
    Ok(PathAnswer {
        asked: asked.to_owned(),
        inside: file.path.clone(),
        kind: kind_of(file.mode),
        mode: file.mode & 0o7777,
        size: file.size,
        user: party(&plan.ids.users, file.uid, walked.owner_name, file.uid.and_then(named)),
        group: party(&plan.ids.groups, file.gid, walked.group_name, None),
        place: Place {
            mount: mount.map_or_else(|| "/".into(), |mount| mount.target.clone()),
            file_system: mount.map_or_else(String::new, |mount| mount.file_system.clone()),
            why: mount.map_or_else(|| "the root".to_owned(), |mount| mount.why.clone()),
            through_proc: payload.map(|pid| join(&PathBuf::from(format!("/proc/{pid}/root")), rest(Path::new("/")))),
            read_only: file.read_only,
            no_exec: file.no_exec,
            layers,
            host,
        },
        access: access(plan, file, above, (walked.uid, walked.gid, walked.groups, walked.name)),
        links: walked.links,
    })
}

/// The mount that a file lies in: by the kernel's number, or in a plan by its path.
fn mount_of<'a>(file: &Look, mounts: &'a [Mounted]) -> Option<&'a Mounted> {
    if mounts.iter().any(|mount| mount.id.is_some()) {
        return mounts.iter().find(|mount| mount.id == Some(file.mount));
    }
    let around = mounts.iter().filter(|mount| file.path.starts_with(&mount.target));
    around.max_by_key(|mount| mount.target.components().count())
}

fn kind_of(mode: u32) -> &'static str {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "named pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Unknown => "unknown",
    }
}

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Walks `path` below the root; what is told of each component is what its descriptor says.
fn walk(inside: &Inside<'_>, path: &Path) -> std::result::Result<(Vec<Look>, Vec<Link>), String> {
    let said = |errno: Errno, path: &Path| format!("{}: {}", path.display(), errno.into_cause());
    let root = rustix::io::dup(inside.root).map_err(|errno| said(errno, Path::new("/")))?;
    let first = look(inside, root.as_fd(), Path::new("/")).map_err(|errno| said(errno, Path::new("/")))?;
    let (mut stack, mut links): (Vec<(OwnedFd, Look)>, Vec<Link>) = (vec![(root, first)], Vec::new());
    let mut pending = components(path);
    while let Some(name) = pending.pop_front() {
        let (here, parent) = match stack.last() {
            Some((here, parent)) => (here, parent),
            None => return Err(format!("{} leads nowhere", path.display())),
        };
        if name == ".." {
            if stack.len() == 1 {
                let by = links.last().map_or_else(String::new, |link| format!(" by the link {}", link.path.display()));
                return Err(format!(
                    "the path leads{by} above the container's root, where inside there is nothing more"
                ));
            }
            stack.pop();
            continue;
        }
        let full = parent.path.join(&name);
        if (name == "self" || name == "thread-self") && is_proc(here.as_fd()) {
            return Err(format!(
                "{} is another one for each process: ask for that of one, as in /proc/1",
                full.display()
            ));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entry =
            rustix::fs::openat(here, name.as_os_str(), flags, Mode::empty()).map_err(|errno| said(errno, &full))?;
        let seen = look(inside, entry.as_fd(), &full).map_err(|errno| said(errno, &full))?;
        if FileType::from_raw_mode(seen.mode) != FileType::Symlink {
            stack.push((entry, seen));
            continue;
        }
        if is_magic(here.as_fd(), &name) {
            return Err(format!(
                "{} is a link that the kernel makes for each process: it leads to a thing, not to a path",
                full.display()
            ));
        }
        let text = rustix::fs::readlinkat(&entry, c"", Vec::new()).map_err(|errno| said(errno, &full))?;
        let target = PathBuf::from(OsString::from_vec(text.into_bytes()));
        if links.len() == MAX_LINKS {
            return Err(said(Errno::LOOP, &full));
        }
        let mut more = components(&target);
        more.extend(pending);
        pending = more;
        if target.is_absolute() {
            stack.truncate(1);
        }
        links.push(Link { path: full, target });
    }
    Ok((stack.into_iter().map(|(_, look)| look).collect(), links))
}

fn components(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// statfs(2)'s number of procfs.
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

fn is_proc(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(directory).is_ok_and(|stat| stat.f_type as u64 == PROC_SUPER_MAGIC)
}

/// /proc/PID/exe and its like.
fn is_magic(directory: BorrowedFd<'_>, name: &OsString) -> bool {
    let resolve = ResolveFlags::NO_MAGICLINKS | ResolveFlags::IN_ROOT;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    is_proc(directory)
        && rustix::fs::openat2(directory, Path::new(name), flags, Mode::empty(), resolve).err() == Some(Errno::LOOP)
}

fn look(inside: &Inside<'_>, entry: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<Look> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(entry, c"", AtFlags::EMPTY_PATH, wanted)?;
    let flags = rustix::fs::fstatvfs(entry)?.f_flag;
    let (uid, gid) = inside.host_ids(stat.stx_uid, stat.stx_gid);
    // An O_PATH descriptor has no attributes of its own; its link in /proc leads to the file (xattr(7)).
    let through = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&entry));
    let acl = rustix::fs::getxattr(through.as_str(), c"system.posix_acl_access", &mut [0_u8; 0][..]);
    Ok(Look {
        path: path.to_owned(),
        mode: stat.stx_mode.into(),
        size: stat.stx_size,
        uid,
        gid,
        mount: stat.stx_mnt_id,
        read_only: flags.contains(StatVfsMountFlags::RDONLY),
        no_exec: flags.contains(StatVfsMountFlags::NOEXEC),
        has_acl: acl.is_ok_and(|length| length > 0),
    })
}

/// Somebody who wants to do something: user, groups, capabilities by which permissions are passed over.
struct Who {
    uid: u32,
    groups: Vec<u32>,
    overrides: bool,
    reads_all: bool,
}

fn access(plan: &RunPlan, file: &Look, above: &[Look], who: (u32, u32, Vec<u32>, Option<String>)) -> Access {
    let (uid, gid, mut groups, name) = who;
    if !groups.contains(&gid) {
        groups.insert(0, gid);
    }
    let granted = &plan.process.capabilities;
    let held = if uid == 0 { granted.bounding } else { granted.ambient };
    let has = |name: &str| held.names().iter().any(|held| held.trim_start_matches("CAP_") == name);
    let who = Who { uid, groups, overrides: has("DAC_OVERRIDE"), reads_all: has("DAC_READ_SEARCH") };
    let one = |wish: Wish| verdict(&plan.ids, file, above, &who, wish);
    let (read, write, execute) = (one(Wish::Read), one(Wish::Write), one(Wish::Execute));
    Access { uid, groups: who.groups, name, read, write, execute }
}

/// The three bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read,
    Write,
    Execute,
}

impl Wish {
    fn bit(self) -> u32 {
        match self {
            Wish::Read => 4,
            Wish::Write => 2,
            Wish::Execute => 1,
        }
    }

    fn letter(self) -> char {
        match self {
            Wish::Read => 'r',
            Wish::Write => 'w',
            Wish::Execute => 'x',
        }
    }
}

/// As the kernel decides it (path_resolution(7), "Permissions"): the way, the mount, the bits, the capabilities.
fn verdict(ids: &IdMaps, file: &Look, above: &[Look], who: &Who, wish: Wish) -> Verdict {
    for directory in above {
        let passes = permits(ids, directory, who, Wish::Execute);
        if !passes.allowed {
            let why = format!("{} cannot be passed: {}", directory.path.display(), passes.why);
            return Verdict { allowed: false, why };
        }
    }
    let kind = FileType::from_raw_mode(file.mode);
    let is_device =
        matches!(kind, FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo | FileType::Socket);
    if wish == Wish::Write && file.read_only && !is_device {
        return Verdict { allowed: false, why: "it lies on a mount that is read-only".into() };
    }
    if wish == Wish::Execute && file.no_exec && kind == FileType::RegularFile {
        return Verdict { allowed: false, why: "it lies on a mount that is noexec".into() };
    }
    permits(ids, file, who, wish)
}

/// What the file's own owner, mode and the user's capabilities say.
fn permits(ids: &IdMaps, file: &Look, who: &Who, wish: Wish) -> Verdict {
    let owner = file.uid.and_then(|uid| ids.users.to_container(HostId(uid))).map(|InsideId(id)| id);
    let group = file.gid.and_then(|gid| ids.groups.to_container(HostId(gid))).map(|InsideId(id)| id);
    let (class, shift) = match () {
        () if owner == Some(who.uid) => (format!("user {} owns it", who.uid), 6),
        () if group.is_some_and(|group| who.groups.contains(&group)) => {
            (format!("group {} has it", group.unwrap_or_default()), 3)
        }
        () => ("it is others'".to_owned(), 0),
    };
    let mode = file.mode & 0o7777;
    let given = mode >> shift & wish.bit() != 0;
    let list = if file.has_acl && shift != 6 {
        "; it has an access control list too (getfacl(1)), which is not looked into"
    } else {
        ""
    };
    if given {
        let why = format!("{class}, and mode {mode:04o} gives those `{}`{list}", wish.letter());
        return Verdict { allowed: true, why };
    }
    let is_directory = FileType::from_raw_mode(file.mode) == FileType::Directory;
    let mapped = owner.is_some() && group.is_some();
    // capabilities(7): to execute a file some `x` is needed all the same.
    let overrides = who.overrides && (wish != Wish::Execute || is_directory || mode & 0o111 != 0);
    let reads = who.reads_all && (wish == Wish::Read || wish == Wish::Execute && is_directory);
    let refused = format!("{class}, and mode {mode:04o} gives those no `{}`", wish.letter());
    match (overrides, reads, mapped) {
        (true, _, true) => Verdict { allowed: true, why: format!("{refused}, but CAP_DAC_OVERRIDE passes over that") },
        (_, true, true) => {
            Verdict { allowed: true, why: format!("{refused}, but CAP_DAC_READ_SEARCH passes over that") }
        }
        (true, _, false) | (_, true, false) => {
            let why =
                format!("{refused}; capabilities do not help, since its owner or group has no id in the container");
            Verdict { allowed: false, why }
        }
        _ => Verdict { allowed: false, why: format!("{refused}{list}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &str, uid: u32, gid: u32, mode: u32) -> Look {
        let (uid, gid) = (Some(uid), Some(gid));
        let path = path.into();
        Look { path, mode, size: 0, uid, gid, mount: 1, read_only: false, no_exec: false, has_acl: false }
    }

    const FILE: u32 = 0o100_000;
    const DIRECTORY: u32 = 0o040_000;

    /// `rwx`, of somebody with these capabilities in a container whose root is 1000 and whose 1 is 100000.
    fn may(uid: u32, gid: u32, capabilities: &[&str], above: &[Look], file: &Look) -> String {
        let map: IdMap = "0 1000 1\n1 100000 65536\n".parse().unwrap();
        let ids = IdMaps { users: map.clone(), groups: map };
        let has = |name: &str| capabilities.contains(&name);
        let who = Who { uid, groups: vec![gid], overrides: has("DAC_OVERRIDE"), reads_all: has("DAC_READ_SEARCH") };
        let wishes = [Wish::Read, Wish::Write, Wish::Execute];
        let letter = |wish: Wish| if verdict(&ids, file, above, &who, wish).allowed { wish.letter() } else { '-' };
        wishes.map(letter).iter().collect()
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = look("/f", 100_000, 100_001, FILE | 0o057);
        assert_eq!(may(1, 2, &[], &[], &file), "---");
        assert_eq!(may(5, 2, &[], &[], &file), "r-x");
        assert_eq!(may(5, 5, &[], &[], &file), "rwx");
    }

    #[test]
    fn capabilities_pass_over_mapped_owners_only() {
        let (own, of_nobody) = (look("/f", 100_000, 100_000, FILE | 0o600), look("/f", 0, 0, FILE | 0o600));
        assert_eq!(may(0, 0, &["DAC_OVERRIDE"], &[], &own), "rw-");
        assert_eq!(may(0, 0, &["DAC_READ_SEARCH"], &[], &own), "r--");
        assert_eq!(may(0, 0, &["DAC_OVERRIDE"], &[], &of_nobody), "---");
        let program = look("/f", 100_000, 100_000, FILE | 0o700);
        assert_eq!(may(0, 0, &["DAC_OVERRIDE"], &[], &program), "rwx");
        let directory = look("/d", 100_000, 100_000, DIRECTORY);
        assert_eq!(may(0, 0, &["DAC_OVERRIDE"], &[], &directory), "rwx");
        assert_eq!(may(0, 0, &["DAC_READ_SEARCH"], &[], &directory), "r-x");
    }

    #[test]
    fn the_way_and_the_mount_come_first() {
        let file = look("/d/f", 1000, 1000, FILE | 0o777);
        let shut = look("/d", 100_000, 100_000, DIRECTORY | 0o700);
        assert_eq!(may(5, 5, &[], &[shut], &file), "---");
        let covered = Look { read_only: true, no_exec: true, ..file };
        assert_eq!(may(5, 5, &[], &[], &covered), "r--");
        let device = Look { read_only: true, ..look("/dev/null", 0, 0, 0o020_666) };
        assert_eq!(may(5, 5, &[], &[], &device), "rw-");
    }
}
