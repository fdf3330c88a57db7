//! Each mount of the container: what of the host it shows, and why it is there.

use super::Seen;
use super::mountinfo::{self, Entry};
use crate::container::plan::{Mount, MountKind, RootSource, RunPlan};
use crate::container::record::Container;
use crate::rootfs::cover::DEFAULT_COVERED;
use crate::store::Store;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mounted {
    /// The kernel's number of it in /proc/PID/mountinfo; None where the container does not run.
    pub id: Option<u64>,
    /// Where in the container.
    pub target: PathBuf,
    /// `overlay`, `proc`, `ext4`.
    pub file_system: String,
    /// `rw,nosuid`
    pub options: String,
    /// Of the whole file system.
    #[serde(skip)]
    pub super_options: String,
    /// Where the same files are on the host; None where they are nowhere there.
    pub host: Option<PathBuf>,
    /// Whose doing it is, in a few words.
    pub why: String,
}

/// Those of a container: what its process 1 sees, or what is planned.
pub fn all(store: &Store, container: &Container, payload: Option<i32>) -> Seen<Vec<Mounted>> {
    let plan = &container.plan;
    let Some(pid) = payload else {
        let planned = plan.mounts.iter().map(|mount| planned(store, mount));
        return Seen::Is(planned.collect());
    };
    let path = format!("/proc/{pid}/mountinfo");
    match Seen::from(std::fs::read(&path), &path) {
        Seen::Unreadable(why) => Seen::Unreadable(why),
        Seen::Is(text) => {
            let host = mountinfo::parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default());
            let entries = mountinfo::parse(&text);
            Seen::Is(entries.iter().map(|entry| mounted(container, entry, &host)).collect())
        }
    }
}

fn mounted(container: &Container, entry: &Entry, host: &[Entry]) -> Mounted {
    Mounted {
        id: Some(entry.id),
        target: entry.target.clone(),
        file_system: entry.file_system.clone(),
        options: entry.options.clone(),
        super_options: entry.super_options.clone(),
        host: mountinfo::path_of(&entry.device, &entry.root, host),
        why: why(container, &entry.target, &entry.file_system),
    }
}

fn planned(store: &Store, mount: &Mount) -> Mounted {
    let (file_system, host) = match &mount.kind {
        MountKind::Bind { source, .. } => ("bind", Some(source.clone())),
        MountKind::Volume { name, .. } => ("volume", Some(store.volumes().join(name).join("_data"))),
        MountKind::Tmpfs { .. } => ("tmpfs", None),
    };
    Mounted {
        id: None,
        target: PathBuf::from(&mount.target),
        file_system: file_system.to_owned(),
        options: if mount.read_only { "ro" } else { "rw" }.to_owned(),
        super_options: String::new(),
        host,
        why: asked(mount),
    }
}

/// Why something is mounted at `target`.
fn why(container: &Container, target: &Path, file_system: &str) -> String {
    let plan = &container.plan;
    if let Some(mount) = plan.mounts.iter().find(|mount| Path::new(&mount.target) == target) {
        return asked(mount);
    }
    let text = target.to_string_lossy();
    if let Some(said) = of_rr(plan, &text, file_system) {
        return said.to_owned();
    }
    if let Some(parent) = plan.mounts.iter().find(|mount| target.starts_with(&mount.target)) {
        return format!("lies on the host below {}", parent.target);
    }
    "mounted from inside".to_owned()
}

/// What every container gets; the paths are those of runtime-spec and of Docker.
fn of_rr(plan: &RunPlan, target: &str, file_system: &str) -> Option<&'static str> {
    Some(match target {
        "/" => match plan.root {
            RootSource::Layers { .. } => "the root: all layers",
            RootSource::Directory { .. } => "the root: --rootfs",
            RootSource::OverlaidDirectory { .. } => "the root: --rootfs, and what is written above it",
        },
        "/proc" if file_system == "proc" => "its processes (proc(5))",
        "/sys" => "devices, its interfaces (sysfs(5))",
        "/sys/fs/cgroup" => "its control group (cgroups(7))",
        "/dev" => "a /dev of its own",
        "/dev/pts" => "its terminals (pts(4))",
        "/dev/shm" => "its shared memory",
        "/dev/mqueue" => "its message queues",
        "/dev/console" => "the terminal of process 1",
        "/etc/resolv.conf" => "name servers, written by rr",
        "/etc/hosts" => "names, written by rr",
        "/etc/hostname" => "the host name, written by rr",
        "/run/.containerenv" | "/.dockerenv" => "tells programs that they are in a container",
        "/dev/null" | "/dev/zero" | "/dev/full" | "/dev/random" | "/dev/urandom" | "/dev/tty" => {
            "the host's device node"
        }
        _ if plan.isolation.masks.more.iter().any(|path| path == target) => "hidden by mask=",
        _ if DEFAULT_COVERED.masked.contains(&target) || target.ends_with("/thermal_throttle") => "hidden",
        _ if DEFAULT_COVERED.read_only.contains(&target) => "made read-only",
        _ if target.starts_with("/dev/") && plan.isolation.devices.iter().any(|device| device.container == target) => {
            "the host's, by --device"
        }
        _ => return None,
    })
}

fn asked(mount: &Mount) -> String {
    match &mount.kind {
        MountKind::Bind { .. } if mount.target.starts_with("/dev/") => "the host's, by --device or -v".to_owned(),
        MountKind::Bind { .. } => "the host's, by -v or --mount".to_owned(),
        MountKind::Volume { anonymous: true, .. } => "an anonymous volume".to_owned(),
        MountKind::Volume { name, .. } => format!("the volume {name}"),
        MountKind::Tmpfs { .. } => "in memory, by --tmpfs".to_owned(),
    }
}
