//! Where a container's group can be.

use super::{Group, swap_notice, systemd};
use crate::confine::limits::{Controller, Limits, names};
use crate::error::{Doing, Failure, Notice, Result, errno_text};
use rustix::fs::Access;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where version 2 alone is mounted (systemd's unified hierarchy).
pub const MOUNT: &str = "/sys/fs/cgroup";
/// CGROUP2_SUPER_MAGIC (statfs(2)).
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Where a group will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// Below a group that the user may write to.
    Below {
        /// It.
        parent: PathBuf,
        /// What must be handed down to its children first.
        enable: BTreeSet<Controller>,
    },
    /// In a scope of the user's systemd.
    Scope {
        /// Where systemd listens.
        manager: systemd::Address,
        /// The slice that it lies in, where not systemd's default.
        slice: Option<String>,
    },
}

/// Who makes groups: `RR_CGROUP_MANAGER`, with the words of Podman's `--cgroup-manager`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Systemd, where it answers; else rr.
    Any,
    /// The user's systemd.
    Systemd,
    /// Rr itself, below a group of the user.
    Cgroupfs,
}

impl Manager {
    fn from_environment() -> Result<Manager> {
        const NAME: &str = "RR_CGROUP_MANAGER";
        let Some(word) = std::env::var_os(NAME) else { return Ok(Manager::Any) };
        match word.to_str() {
            Some("") => Ok(Manager::Any),
            Some("systemd") => Ok(Manager::Systemd),
            Some("cgroupfs") => Ok(Manager::Cgroupfs),
            _ => {
                let doing = format!("cannot use {NAME}={}", word.display());
                Err(Failure::new(doing, "it is one of systemd and cgroupfs"))
            }
        }
    }
}

/// What an administrator does so that a user's systemd has all controllers (systemd.resource-control(5), `Delegate=`).
pub(super) const DELEGATE: &str = "ask an administrator to run: mkdir -p /etc/systemd/system/user@.service.d && printf \
    '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl \
    daemon-reload; it counts from your next login on";

const DOING: &str = "cannot limit the container";

/// Decides where the group for `limits` will be; nothing is made.
///
/// # Errors
/// A limit could not be kept, with what would mend that.
pub fn find_site(limits: &Limits) -> Result<(Site, Option<Notice>)> {
    let needed = limits.controllers();
    check_mount(&needed)?;
    let manager = Manager::from_environment()?;
    let site = match limits.parent.as_deref() {
        // As Docker tells them apart: a path names groups, which are called .slice as well.
        Some(slice) if slice.ends_with(".slice") && !slice.contains('/') => {
            Site::Scope { manager: systemd::find().ok_or_else(no_systemd)?, slice: Some(slice.to_owned()) }
        }
        Some(parent) => named_parent(parent, &needed)?,
        None => match (manager, systemd::find()) {
            (Manager::Any | Manager::Systemd, Some(manager)) => Site::Scope { manager, slice: None },
            (Manager::Systemd, None) => return Err(no_systemd()),
            (Manager::Any | Manager::Cgroupfs, _) => own_tree(&own_group()?, &needed)?,
        },
    };
    let notice = match &site {
        Site::Below { parent, .. } => swap_notice(limits, parent),
        Site::Scope { .. } => user_manager_group().and_then(|group| swap_notice(limits, &group)),
    };
    if let Site::Scope { .. } = site {
        check_delegated(&needed)?;
    }
    Ok((site, notice))
}

/// Whether there is version 2 at all.
fn check_mount(needed: &BTreeSet<Controller>) -> Result<()> {
    let is_unified = rustix::fs::statfs(MOUNT).is_ok_and(|stat| stat.f_type as u64 == CGROUP2_MAGIC);
    if is_unified {
        return Ok(());
    }
    let what = match needed.is_empty() {
        true => "a control group".to_owned(),
        false => format!("the controllers {}", names(needed)),
    };
    let cause = format!("{MOUNT} is not version 2 of control groups, and in version 1 only root has {what}");
    Err(Failure::new(DOING, cause).hint(
        "ask an administrator to boot with systemd.unified_cgroup_hierarchy=1 (or cgroup_no_v1=all without systemd); \
         inside a container, /sys/fs/cgroup must be mounted there",
    ))
}

fn no_systemd() -> Failure {
    let cause = "your systemd does not answer: there is no socket systemd/private in $XDG_RUNTIME_DIR";
    let name = crate::host::users::name_of(rustix::process::geteuid().as_raw()).ok().flatten().unwrap_or_default();
    Failure::new(DOING, cause)
        .hint(format!("log in anew rather than by su or sudo, or run: loginctl enable-linger {name}"))
}

/// The group of this process; `/` stands for the root of its cgroup namespace.
fn own_group() -> Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").doing(|| "cannot read /proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    Ok(in_mount(path))
}

fn in_mount(path: &str) -> PathBuf {
    Path::new(MOUNT).join(path.trim_start_matches('/'))
}

/// Whether groups can be made in it and processes born there.
fn is_ours(group: &Path) -> bool {
    let writable = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
    writable(group) && writable(&group.join("cgroup.procs")) && writable(&group.join("cgroup.subtree_control"))
}

fn controllers(group: &Path, file: &str) -> BTreeSet<Controller> {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    Controller::ALL.into_iter().filter(|one| text.split_whitespace().any(|name| name == one.name())).collect()
}

fn missing(needed: &BTreeSet<Controller>, there: &BTreeSet<Controller>) -> BTreeSet<Controller> {
    needed.difference(there).copied().collect()
}

/// Whether a group's children can have what is needed, and what must be handed down first; else why not.
fn fit(group: &Path, needed: &BTreeSet<Controller>) -> std::result::Result<BTreeSet<Controller>, String> {
    let lacking = missing(needed, &controllers(group, "cgroup.controllers"));
    if !lacking.is_empty() {
        return Err(format!("{} does not have the controllers {}", group.display(), names(&lacking)));
    }
    let enable = missing(needed, &controllers(group, "cgroup.subtree_control"));
    // A group with processes hands nothing down but from the root (cgroup-v2.rst, "No Internal Process Constraint").
    let is_root = !group.join("cgroup.type").exists();
    let is_occupied = || fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| !text.is_empty());
    if !enable.is_empty() && !is_root && is_occupied() {
        let names = names(&enable);
        return Err(format!("{} holds processes itself, so it hands down no controllers ({names})", group.display()));
    }
    Ok(enable)
}

/// The nearest group around this process that is the user's and can hand down what is needed.
fn own_tree(own: &Path, needed: &BTreeSet<Controller>) -> Result<Site> {
    let mut why = None;
    for group in own.ancestors().take_while(|group| group.starts_with(MOUNT)) {
        if !is_ours(group) {
            continue;
        }
        match fit(group, needed) {
            Ok(enable) => return Ok(Site::Below { parent: group.to_owned(), enable }),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    let Some(why) = why else {
        let cause = format!("no control group around this process is yours ({})", own.display());
        return Err(Failure::new(DOING, cause).hint(
            "log in so that systemd runs for you (loginctl enable-linger), or have a group delegated: for a service of \
             systemd, Delegate=yes in its unit; otherwise, chown a directory of /sys/fs/cgroup with its files \
             cgroup.procs, cgroup.subtree_control and cgroup.threads to you and start your shell in a group below it",
        ));
    };
    let failure = Failure::new(DOING, why);
    if own == Path::new(MOUNT) && is_ours(own) {
        // As in a container that has a group of its own with everything in it.
        return Err(failure.hint(
            "put its processes into a group below it: mkdir -p /sys/fs/cgroup/init && for p in $(cat \
             /sys/fs/cgroup/cgroup.procs); do echo $p > /sys/fs/cgroup/init/cgroup.procs; done",
        ));
    }
    if own.as_os_str().as_encoded_bytes().windows(6).any(|part| part == b"/user@") {
        return Err(failure.hint(DELEGATE));
    }
    Err(failure.hint(
        "whoever delegates the group must enable its controllers in cgroup.subtree_control of the groups above, and \
         processes must be in groups below it (systemd: Delegate=yes and DelegateSubgroup=)",
    ))
}

/// `--cgroup-parent PATH`
fn named_parent(path: &str, needed: &BTreeSet<Controller>) -> Result<Site> {
    let parent = in_mount(path);
    let doing = || format!("cannot use --cgroup-parent {path}");
    if Path::new(path).components().any(|part| part.as_os_str() == "..") {
        return Err(Failure::new(doing(), "it may not contain `..`"));
    }
    if !parent.is_dir() {
        return Err(Failure::new(doing(), format!("there is no directory {}", parent.display())));
    }
    let own = own_group()?;
    let common = parent.ancestors().find(|group| own.starts_with(group)).unwrap_or(Path::new(MOUNT));
    for group in [parent.as_path(), common] {
        if !is_ours(group) {
            let why = format!("{} is not yours to write to: {}", group.display(), errno_text(libc::EACCES));
            return Err(Failure::new(doing(), why).hint(
                "both it and the group that it has in common with the one of this process must be yours (cgroups(7), \
                 \"Delegation\")",
            ));
        }
    }
    let enable = fit(&parent, needed).map_err(|why| Failure::new(doing(), why))?;
    Ok(Site::Below { parent, enable })
}

/// The group of the user's systemd, as it is everywhere (systemd.slice(5), user@.service(5)).
fn user_manager_group() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let path = in_mount(&format!("user.slice/user-{uid}.slice/user@{uid}.service"));
    path.is_dir().then_some(path)
}

/// What systemd could not hand down, before anything is started.
fn check_delegated(needed: &BTreeSet<Controller>) -> Result<()> {
    let Some(group) = user_manager_group() else { return Ok(()) };
    let lacking = missing(needed, &controllers(&group, "cgroup.controllers"));
    if lacking.is_empty() { Ok(()) } else { Err(not_delegated(&lacking)) }
}

/// The failure where systemd has made a scope without some controllers.
pub(super) fn not_delegated(lacking: &BTreeSet<Controller>) -> Failure {
    let (noun, verb) = if lacking.len() == 1 { ("controller", "is") } else { ("controllers", "are") };
    let cause = format!("the {noun} {} {verb} not delegated to your systemd", names(lacking));
    Failure::new(DOING, cause).hint(DELEGATE)
}

/// Hands controllers down to a group's children.
pub(super) fn enable_below(parent: &Path, enable: &BTreeSet<Controller>) -> Result<()> {
    if enable.is_empty() {
        return Ok(());
    }
    let text = enable.iter().map(|one| format!("+{}", one.name())).collect::<Vec<_>>().join(" ");
    fs::write(parent.join("cgroup.subtree_control"), &text)
        .doing(|| format!("cannot enable {text} in {}", parent.join("cgroup.subtree_control").display()))
}

/// What limits this host keeps, for `rr doctor` and `rr info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Docker's word for who makes the groups: `systemd` or `cgroupfs`.
    pub driver: &'static str,
    /// The same in words.
    pub by: String,
    /// The controllers that containers can have.
    pub controllers: BTreeSet<Controller>,
    /// What would give the others.
    pub remedies: Vec<String>,
}

/// Looks at what is there, one controller at a time.
///
/// # Errors
/// There is none, or `RR_CGROUP_MANAGER` is no such word.
pub fn offer() -> Result<Offer> {
    match find_site(&Limits::default())?.0 {
        Site::Scope { .. } => {
            let group = user_manager_group();
            let there = group.map_or_else(BTreeSet::new, |group| controllers(&group, "cgroup.controllers"));
            let all = there.len() == Controller::ALL.len();
            let remedies = if all { Vec::new() } else { vec![DELEGATE.to_owned()] };
            Ok(Offer { driver: "systemd", by: "your systemd".into(), controllers: there, remedies })
        }
        Site::Below { parent, .. } => {
            let one = |controller: &Controller| own_tree(&parent, &BTreeSet::from([*controller])).is_ok();
            let there = Controller::ALL.into_iter().filter(one).collect();
            Ok(Offer {
                driver: "cgroupfs",
                by: format!("rr, below {}", parent.display()),
                controllers: there,
                remedies: Vec::new(),
            })
        }
    }
}

impl Site {
    /// Makes the group. In a scope this process is moved to where the monitor is to be, and its children are born there.
    ///
    /// # Errors
    /// The system's or systemd's; the kernel refuses a limit.
    pub fn make(&self, id: &str, limits: &Limits, container: &Path) -> Result<Group> {
        match self {
            Site::Below { parent, enable } => {
                enable_below(parent, enable)?;
                Group::make(parent, &format!("rr-{id}"), limits, container)
            }
            Site::Scope { manager, slice } => systemd::make_scope(manager, slice.as_deref(), id, limits, container),
        }
    }

    /// Whether [`Site::make`] moves the process that calls it.
    pub fn moves_its_maker(&self) -> bool {
        matches!(self, Site::Scope { .. })
    }
}
