//! The start sequence of one run, step by step: which process does what, by which system calls.
//!
//! The names are those of `launch` and of docs/explanation/architecture.md. Told is what a plan leads to where nothing is
//! refused; not told are the calls that only open, look at or close what another one needs. A test compares this with what
//! strace(1) sees of the same run.

use crate::confine::capabilities::CapabilitySet;
use crate::confine::limits::Setting;
use crate::confine::seccomp::SeccompChoice;
use crate::container::plan::{Ipc, KernelPaths, Mount, MountKind, NetworkMode, Propagation, RootSource, RunPlan};
use crate::container::run::layer_paths;
use crate::error::Result;
use crate::host::ids::IdMap;
use crate::host::userns::{MapWriter, map_writer, own_ids};
use crate::launch::isolation::namespaces;
use crate::net::{self, ResolvedNetwork};
use crate::rootfs::cover::DEFAULT_COVERED;
use crate::rootfs::overlay::Driver;
use crate::store::Store;
use crate::sys::process::Namespaces;
use serde::Serialize;
use std::path::Path;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Step {
    /// Its name in the code.
    pub name: &'static str,
    /// Who takes it.
    pub process: Actor,
    /// What it is for: a sentence.
    pub purpose: String,
    /// The calls, in their order.
    pub calls: Vec<Call>,
}

/// One system call, or several that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Call {
    /// With the arguments that matter.
    pub text: String,
    /// The manual page to read.
    pub manual: &'static str,
}

/// The three processes of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Actor {
    /// The command itself, as the user.
    Client,
    /// Root of the container's user namespace, outside of the container.
    Monitor,
    /// Process 1 of the container.
    Init,
}

impl Actor {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Actor::Client => "client",
            Actor::Monitor => "monitor",
            Actor::Init => "init",
        }
    }
}

fn call(text: impl Into<String>, manual: &'static str) -> Call {
    Call { text: text.into(), manual }
}

fn step(name: &'static str, process: Actor, purpose: impl Into<String>, calls: Vec<Call>) -> Step {
    Step { name, process, purpose: purpose.into(), calls }
}

/// The steps of a run of `plan`.
///
/// # Errors
/// The maps or the network cannot be had, as a run would say it; the store cannot be read.
pub fn steps(store: &Store, plan: &RunPlan, driver: Driver) -> Result<Vec<Step>> {
    let (network, _) = match plan.network.mode {
        // Who carries their packets is decided elsewhere; their namespaces are told here.
        NetworkMode::Networks => (ResolvedNetwork::Loopback, Vec::new()),
        NetworkMode::Container => (ResolvedNetwork::Shared, Vec::new()),
        _ => net::plan(&plan.network)?,
    };
    let layers: Vec<String> = match &plan.root {
        RootSource::Layers { .. } => layer_paths(store, plan)?.iter().map(|path| path.display().to_string()).collect(),
        RootSource::Directory { path } | RootSource::OverlaidDirectory { path } => vec![path.display().to_string()],
    };
    let directory = store.containers().join(&plan.id);
    let is_overlaid = !matches!(plan.root, RootSource::Directory { .. });
    let mut steps = vec![
        step(
            "spawn_child",
            Actor::Client,
            "A process in a user namespace of its own, where it has every capability and no id yet. It becomes the monitor, and \
             its pid namespace surrounds the container's: when it dies, the kernel ends the container.",
            control_group(plan)
                .into_iter()
                .chain([call("clone3(CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD)", "user_namespaces(7)")])
                .collect(),
        ),
        step("write_id_maps", Actor::Client, "Which ids of the host the container's users are.", id_maps(plan)?),
        step(
            "unshare_rest",
            Actor::Monitor,
            "The container's process 1, in its other namespaces. It is made while the client writes the id maps.",
            vec![call(
                format!(
                    "clone3({} | CLONE_PIDFD{})",
                    flags(namespaces(plan, &network)),
                    if plan.limits.is_default() { "" } else { " | CLONE_INTO_CGROUP" }
                ),
                "namespaces(7)",
            )],
        ),
        step(
            "open_sources",
            Actor::Init,
            "Brings up the network's interfaces, and opens as the user what only the user may reach.",
            {
                let mut calls = interfaces(plan, &network);
                calls.extend(layers.iter().map(|layer| call(format!("openat({layer}, O_PATH)"), "open(2)")));
                calls.extend(sources(plan).map(|source| call(format!("open_tree({source})"), "open_tree(2)")));
                calls
            },
        ),
        step(
            "become_ns_root",
            Actor::Init,
            "Waits until the maps are written, then takes id 0 of them.",
            become_root(plan),
        ),
        step(
            "make_mounts_private",
            Actor::Init,
            "What is mounted from here on stays in this mount namespace; what the host mounts later still arrives.",
            vec![call("mount(\"/\", MS_REC | MS_SLAVE)", "mount_namespaces(7)")],
        ),
        step(
            "write_names",
            Actor::Init,
            "/etc/hosts, /etc/hostname and /etc/resolv.conf of the container.",
            match plan.remove {
                true => in_memory("names").into_iter().chain([openat_names()]).collect(),
                false => vec![openat_names()],
            },
        ),
    ];
    steps.push(step(
        "mount_overlay",
        Actor::Init,
        match is_overlaid {
            true => "The image's layers and a directory of the container's become one tree: what is read comes from the topmost \
                     layer that has it, what is written goes into the container's own.",
            false => "The directory given becomes the root as it is.",
        },
        match (&plan.root, driver) {
            (RootSource::Directory { path }, _) => vec![
                call(format!("open_tree({}, OPEN_TREE_CLONE)", path.display()), "open_tree(2)"),
                call("move_mount()", "move_mount(2)"),
            ],
            (_, Driver::Fuse) => vec![call("execve(fuse-overlayfs)", "fuse-overlayfs(1)")],
            (_, Driver::Copy) => vec![call(format!("mkdirat({}, tree)", directory.display()), "mkdir(2)")],
            (_, Driver::Auto | Driver::Kernel | Driver::KernelByMount) => overlay(&layers, &directory, plan.remove),
        },
    ));
    steps.push(step(
        "mount_kernel_filesystems",
        Actor::Init,
        "/proc, /sys and /dev, which the kernel fills; what of them tells about the host or could harm it is covered.",
        kernel_filesystems(plan, &network),
    ));
    steps.push(step("bind_volumes", Actor::Init, "What was asked for, and the three files of names.", binds(plan)));
    let mut pivot =
        vec![call("pivot_root(\".\", \".\")", "pivot_root(2)"), call("umount2(\".\", MNT_DETACH)", "umount(2)")];
    if plan.isolation.uts == crate::container::plan::Sharing::Own {
        pivot.insert(0, call(format!("sethostname({:?})", plan.hostname), "uts_namespaces(7)"));
    }
    if plan.read_only {
        pivot.push(call("mount_setattr(\"/\", MOUNT_ATTR_RDONLY)", "mount_setattr(2)"));
    }
    steps.push(step(
        "pivot",
        Actor::Init,
        "The tree becomes the root of the mount namespace, and the host's is let go: unlike after chroot(2), no path leads back.",
        pivot,
    ));
    steps.push(step(
        "confine",
        Actor::Init,
        "Gives up what the payload must not have, the filter first.",
        confinement(plan),
    ));
    steps.push(step(
        "exec_payload",
        Actor::Init,
        "The command; process 1 is the payload from here on.",
        vec![call(format!("execve({})", words(&plan.process.args)), "execve(2)")],
    ));
    Ok(steps)
}

fn words(args: &[String]) -> String {
    args.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// CLONE_NEWNS and so on.
fn flags(set: Namespaces) -> String {
    let all = [
        (Namespaces::MOUNT, "CLONE_NEWNS"),
        (Namespaces::PID, "CLONE_NEWPID"),
        (Namespaces::UTS, "CLONE_NEWUTS"),
        (Namespaces::IPC, "CLONE_NEWIPC"),
        (Namespaces::NETWORK, "CLONE_NEWNET"),
        (Namespaces::CGROUP, "CLONE_NEWCGROUP"),
    ];
    all.iter().filter(|(one, _)| set.contains(*one)).map(|(_, name)| *name).collect::<Vec<_>>().join(" | ")
}

/// The group that keeps what was asked for; without limits there is none.
fn control_group(plan: &RunPlan) -> Vec<Call> {
    if plan.limits.is_default() {
        return Vec::new();
    }
    let write = |setting: Setting| {
        call(format!("write(GROUP/{}, {:?})", setting.files.join(" or "), setting.value), "cgroup-v2.rst")
    };
    let settings = plan.limits.settings().into_iter().map(write);
    [call("mkdir(GROUP), below a control group that is the user's", "cgroups(7)")].into_iter().chain(settings).collect()
}

fn id_maps(plan: &RunPlan) -> Result<Vec<Call>> {
    let line = |map: &IdMap| map.to_kernel().trim_end().replace('\n', " ");
    let write = |file: &str, text: String| call(format!("write(/proc/MONITOR/{file}, {text:?})"), "user_namespaces(7)");
    let (users, groups) = (line(&plan.ids.users), line(&plan.ids.groups));
    Ok(match map_writer(&plan.ids)? {
        MapWriter::Helpers { users: newuidmap, groups: newgidmap } => vec![
            call(format!("execve({} MONITOR {users})", newuidmap.display()), "newuidmap(1)"),
            call(format!("execve({} MONITOR {groups})", newgidmap.display()), "newgidmap(1)"),
        ],
        MapWriter::OwnIdOnly => {
            vec![write("setgroups", "deny".into()), write("uid_map", users), write("gid_map", groups)]
        }
        MapWriter::Privileged => vec![write("uid_map", users), write("gid_map", groups)],
    })
}

fn interfaces(plan: &RunPlan, network: &ResolvedNetwork) -> Vec<Call> {
    match network {
        ResolvedNetwork::BuiltIn(layout) => vec![
            call("open(/dev/net/tun)", "tun.rst"),
            call("ioctl(TUNSETIFF, eth0, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)", "tun.rst"),
            call(
                format!(
                    "sendto(NETLINK_ROUTE: lo and eth0 up, {}/{} on eth0, a route by {})",
                    layout.v4.container, layout.v4.prefix, layout.v4.gateway
                ),
                "rtnetlink(7)",
            ),
        ],
        ResolvedNetwork::Loopback if plan.network.mode != NetworkMode::Networks => {
            vec![call("ioctl(SIOCSIFFLAGS, lo, IFF_UP)", "netdevice(7)")]
        }
        _ => Vec::new(),
    }
}

/// What is bound, from where on the host.
fn sources(plan: &RunPlan) -> impl Iterator<Item = String> + '_ {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source.display().to_string()),
        MountKind::Volume { .. } | MountKind::Tmpfs { .. } => None,
    })
}

fn become_root(plan: &RunPlan) -> Vec<Call> {
    let mut calls = Vec::new();
    let is_own_alone = plan.ids.groups.total() == 1 && plan.ids.groups.to_container(own_ids().1).is_some();
    if !plan.process.keep_groups && !is_own_alone {
        calls.push(call("setgroups(0)", "setgroups(2)"));
    }
    calls.push(call("setresgid(0, 0, 0)", "setresgid(2)"));
    calls.push(call("setresuid(0, 0, 0)", "setresuid(2)"));
    calls
}

fn openat_names() -> Call {
    call("openat(hosts, hostname, resolv.conf, O_CREAT)", "open(2)")
}

/// A new file system by the mount API.
fn in_memory(source: &str) -> [Call; 4] {
    [
        call("fsopen(\"tmpfs\")", "fsopen(2)"),
        call(format!("fsconfig(source={source}, mode=755, size=65536k)"), "fsconfig(2)"),
        call("fsmount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)", "fsmount(2)"),
        call("move_mount()", "move_mount(2)"),
    ]
}

fn overlay(layers: &[String], directory: &Path, is_thrown_away: bool) -> Vec<Call> {
    let mut calls = vec![
        call(format!("mkdirat({}, upper and work)", directory.display()), "mkdir(2)"),
        call("fsopen(\"overlay\")", "fsopen(2)"),
        call("fsconfig(userxattr)", "overlayfs.rst"),
    ];
    if is_thrown_away {
        calls.push(call("fsconfig(volatile)", "overlayfs.rst"));
    }
    calls.extend(layers.iter().rev().map(|layer| call(format!("fsconfig(lowerdir+={layer})"), "overlayfs.rst")));
    calls.push(call("fsconfig(upperdir=upper, workdir=work)", "overlayfs.rst"));
    calls.push(call("fsmount()", "fsmount(2)"));
    calls.push(call(format!("move_mount({})", directory.display()), "move_mount(2)"));
    calls
}

fn kernel_filesystems(plan: &RunPlan, network: &ResolvedNetwork) -> Vec<Call> {
    let fresh = |kind: &str, place: &str, manual: &'static str| {
        [call(format!("fsopen({kind:?})"), manual), call(format!("move_mount({place})"), "move_mount(2)")]
    };
    let mut calls: Vec<Call> = fresh("proc", "/proc", "proc(5)").into();
    match network.is_own() {
        true => calls.extend(fresh("sysfs", "/sys", "sysfs(5)")),
        false => calls.push(call("open_tree(/sys, OPEN_TREE_CLONE | AT_RECURSIVE)", "open_tree(2)")),
    }
    calls.extend(fresh("tmpfs", "/dev", "tmpfs(5)"));
    calls.push(call("open_tree(/dev/null, zero, full, random, urandom, tty, OPEN_TREE_CLONE)", "open_tree(2)"));
    calls.push(call("symlinkat(/proc/self/fd, /dev/fd) and the like", "symlink(2)"));
    calls.extend(fresh("devpts", "/dev/pts", "pts(4)"));
    if plan.isolation.ipc == Ipc::Own {
        calls.push(call(format!("fsopen(\"tmpfs\", size={})", plan.shm_size), "shm_overview(7)"));
        calls.push(call("move_mount(/dev/shm)", "move_mount(2)"));
        calls.extend(fresh("mqueue", "/dev/mqueue", "mq_overview(7)"));
    }
    if plan.kernel_paths == KernelPaths::Masked {
        let (masked, read_only) = (DEFAULT_COVERED.masked, DEFAULT_COVERED.read_only);
        calls.push(call(format!("move_mount({})", masked.join(", ")), "move_mount(2)"));
        calls.push(call(format!("mount_setattr({}, MOUNT_ATTR_RDONLY)", read_only.join(", ")), "mount_setattr(2)"));
    }
    calls
}

fn binds(plan: &RunPlan) -> Vec<Call> {
    let one = |mount: &Mount| {
        let mut calls = Vec::new();
        match &mount.kind {
            MountKind::Bind { source, propagation, .. } => {
                calls.push(call(format!("open_tree({}, OPEN_TREE_CLONE)", source.display()), "open_tree(2)"));
                if mount.read_only || *propagation != Propagation::Rprivate {
                    let attributes = if mount.read_only { ", MOUNT_ATTR_RDONLY" } else { "" };
                    calls.push(call(format!("mount_setattr({}{attributes})", mount.target), "mount_setattr(2)"));
                }
            }
            MountKind::Volume { name, .. } => {
                calls.push(call(format!("open_tree(the volume {name}, OPEN_TREE_CLONE)"), "open_tree(2)"));
            }
            MountKind::Tmpfs { .. } => calls.push(call("fsopen(\"tmpfs\")", "tmpfs(5)")),
        }
        calls.push(call(format!("move_mount({})", mount.target), "move_mount(2)"));
        calls
    };
    let mut calls: Vec<Call> = plan.mounts.iter().flat_map(one).collect();
    for name in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        if !plan.mounts.iter().any(|mount| mount.target == name) {
            calls.push(call(format!("move_mount({name})"), "move_mount(2)"));
        }
    }
    calls
}

fn confinement(plan: &RunPlan) -> Vec<Call> {
    let process = &plan.process;
    let mut calls = Vec::new();
    calls.extend(process.rlimits.iter().map(|limit| call(format!("prlimit64({limit})"), "prlimit(2)")));
    if process.no_new_privileges {
        calls.push(call("prctl(PR_SET_NO_NEW_PRIVS)", "prctl(2)"));
    }
    if process.seccomp != SeccompChoice::Unconfined {
        calls.push(call("seccomp(SECCOMP_SET_MODE_FILTER)", "seccomp(2)"));
    }
    let dropped = CapabilitySet::ALL.without(process.capabilities.bounding).names();
    if !dropped.is_empty() {
        calls.push(call(format!("prctl(PR_CAPBSET_DROP) for {}", dropped.join(" ")), "capabilities(7)"));
    }
    let user = if process.user.is_empty() { "0" } else { &process.user };
    calls.push(call(format!("setresgid(of {user})"), "setresgid(2)"));
    calls.push(call(format!("setresuid(of {user})"), "setresuid(2)"));
    calls.push(call(format!("capset({})", process.capabilities.bounding.names().join(" ")), "capset(2)"));
    calls.push(call(format!("chdir({:?})", process.cwd), "chdir(2)"));
    calls.push(call("close_range(3, CLOSE_RANGE_CLOEXEC)", "close_range(2)"));
    calls
}
