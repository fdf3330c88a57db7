//! What a container shares with the host, and what is set in the namespaces that are its own.

use super::plan::{Mount, MountKind, RunPlan};
use crate::error::{Doing, Notice, Result, errno_text};
use crate::net::ResolvedNetwork;
use crate::rootfs::mount::{MountFlags, Propagation, Relabel};
use crate::sys::process::Namespaces;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The namespaces that the container's init is made in, besides the monitor's user namespace.
pub fn namespaces(plan: &RunPlan, network: &ResolvedNetwork) -> Namespaces {
    if plan.means.is_chroot() {
        return Namespaces::NONE;
    }
    let mut all =
        Namespaces::MOUNT.and(Namespaces::PID).and(Namespaces::UTS).and(Namespaces::IPC).and(Namespaces::CGROUP);
    if network.is_own() {
        all = all.and(Namespaces::NETWORK);
    }
    plan.isolation.own(all)
}

/// Part of a plan; the default is a container with every namespace of its own and nothing set in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// `--ipc`: System V objects, message queues and /dev/shm (ipc_namespaces(7)).
    pub ipc: Ipc,
    /// `--uts`: host and domain name (uts_namespaces(7)).
    pub uts: Sharing,
    /// `--cgroupns`: what /proc/self/cgroup shows as the root (cgroup_namespaces(7)).
    pub cgroup: Sharing,
    /// `--pid`: whose processes /proc shows. The pid namespace is the container's own all the same: the kernel ends with it
    /// whatever the container has started.
    pub processes: Processes,
    /// The container whose namespaces are shared: the name that was typed, its id once that is known.
    pub container: Option<String>,
    /// `--domainname`: the NIS domain name (setdomainname(2)).
    pub domain: Option<String>,
    /// `--sysctl`, in the order given; only settings of namespaces that are the container's own.
    pub sysctls: Vec<Sysctl>,
    /// `--oom-score-adj`: -1000 to 1000 (proc_pid_oom_score_adj(5)).
    pub oom_score_adj: Option<i16>,
    /// `--device`
    pub devices: Vec<Device>,
    /// `--security-opt mask=` and `unmask=`
    pub masks: Masks,
}

/// Whose namespace of one kind the container lives in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Its own.
    #[default]
    Own,
    /// The one rr was started in.
    Host,
    /// That of [`Isolation::container`].
    Container,
}

/// `--pid`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Processes {
    /// The container's.
    #[default]
    Own,
    /// Those of the pid namespace that rr was started in, by their ids there.
    Host,
}

/// `--ipc`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipc {
    /// A namespace and a /dev/shm of its own.
    #[default]
    Own,
    /// The same without a /dev/shm: Docker's `none`.
    WithoutShm,
    /// The host's, with its /dev/shm and /dev/mqueue.
    Host,
    /// That of [`Isolation::container`], with its /dev/shm and /dev/mqueue.
    Container,
}

impl Ipc {
    /// Whether it is the host's or another container's.
    pub fn is_shared(self) -> bool {
        matches!(self, Ipc::Host | Ipc::Container)
    }
}

/// One kernel setting (sysctl(8)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// As typed: `net.ipv4.ip_forward`.
    pub name: String,
    /// What is written.
    pub value: String,
}

impl Sysctl {
    /// Below /proc/sys. The first separator tells which of the two is one (sysctl.d(5)): in
    /// `net/ipv4/conf/eth0.1/forwarding` the dot belongs to a name.
    pub fn path(&self) -> PathBuf {
        let slashes = self.name.find(['.', '/']).is_some_and(|at| self.name.as_bytes()[at] == b'/');
        let below = if slashes { self.name.clone() } else { self.name.replace('.', "/") };
        PathBuf::from("/proc/sys").join(below)
    }
}

/// A device node of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Absolute path in the container.
    pub container: String,
    /// Of `rwm`, as typed; information only: without a device control group it is the node's own permissions that count.
    pub permissions: String,
}

impl Device {
    /// A device cannot be made in a user namespace (mknod(2), EPERM): the host's node is bound.
    pub fn mount(&self) -> Mount {
        let kind = MountKind::Bind {
            source: self.host.clone(),
            recursive: false,
            propagation: Propagation::Rprivate,
            chown: false,
            create_source: false,
            flags: MountFlags { nosuid: true, nodev: false, noexec: true },
            relabel: Relabel::Keep,
        };
        Mount { target: self.container.clone(), kind, read_only: false }
    }
}

/// Changes to the paths that are hidden by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Masks {
    /// `mask=`: absolute paths in the container that are hidden as well.
    pub more: Vec<String>,
    /// `unmask=`: patterns (`*` within a component) of paths that are neither hidden nor read-only.
    pub fewer: Vec<String>,
}

impl Masks {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        self.more.is_empty() && self.fewer.is_empty()
    }

    /// Whether `path` is to be left alone.
    pub fn leave(&self, path: &str) -> bool {
        self.fewer.iter().any(|pattern| matches(pattern, path))
    }
}

/// filepath.Match's `*` and `?`, component by component.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.trim_end_matches('/').split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern.zip(path).all(|(p, word)| component(p.as_bytes(), word.as_bytes()))
}

fn component(pattern: &[u8], word: &[u8]) -> bool {
    match (pattern, word) {
        ([], word) => word.is_empty(),
        ([b'*', rest @ ..], word) => (0..=word.len()).any(|skipped| component(rest, &word[skipped..])),
        ([b'?', rest @ ..], [_, word @ ..]) => component(rest, word),
        ([one, rest @ ..], [other, word @ ..]) => one == other && component(rest, word),
        (_, []) => false,
    }
}

impl Isolation {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Isolation::default()
    }

    /// Those of `namespaces` that are nobody else's.
    pub fn own(&self, namespaces: Namespaces) -> Namespaces {
        let shared = [
            (self.ipc.is_shared(), Namespaces::IPC),
            (self.uts != Sharing::Own, Namespaces::UTS),
            (self.cgroup != Sharing::Own, Namespaces::CGROUP),
        ];
        shared.into_iter().filter(|(shared, _)| *shared).fold(namespaces, |own, (_, one)| own.without(one))
    }

    /// Runs in: init, as root, while /proc is the host's still: its /proc/sys shows the reader's own namespaces.
    ///
    /// # Errors
    /// A setting that the kernel refuses.
    pub(super) fn apply(&self) -> Result<Vec<Notice>> {
        for sysctl in &self.sysctls {
            std::fs::write(sysctl.path(), &sysctl.value)
                .doing(|| format!("cannot set --sysctl {}={}", sysctl.name, sysctl.value))?;
        }
        if let Some(domain) = &self.domain {
            rustix::system::setdomainname(domain.as_bytes())
                .doing(|| format!("cannot set the domain name {domain}"))?;
        }
        Ok(self.oom_score_adj.and_then(adjust_oom_score).into_iter().collect())
    }
}

/// The kernel lets nobody without CAP_SYS_RESOURCE of the machine go below what they have (proc_pid_oom_score_adj(5)).
fn adjust_oom_score(value: i16) -> Option<Notice> {
    let error = std::fs::write("/proc/self/oom_score_adj", value.to_string()).err()?;
    let now = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let why = errno_text(error.raw_os_error().unwrap_or(0));
    Some(Notice(format!("--oom-score-adj stays at {}, since without root it can only be raised: {why}", now.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_files() {
        let path = |name: &str| Sysctl { name: name.into(), value: String::new() }.path();
        assert_eq!(path("net.ipv4.ip_forward"), PathBuf::from("/proc/sys/net/ipv4/ip_forward"));
        assert_eq!(path("net/ipv4/conf/eth0.1/forwarding"), PathBuf::from("/proc/sys/net/ipv4/conf/eth0.1/forwarding"));
    }

    #[test]
    fn patterns_match_whole_components() {
        let masks = |pattern: &str| Masks { more: vec![], fewer: vec![pattern.into()] };
        for (pattern, path, expected) in [
            ("/proc/acpi", "/proc/acpi", true),
            ("/proc/acpi/", "/proc/acpi", true),
            ("/proc/*", "/proc/acpi", true),
            ("/proc/*", "/proc/a/b", false),
            ("/proc/a?pi", "/proc/acpi", true),
            ("/proc/*i*", "/proc/kcore", false),
            ("/sys/*", "/proc/acpi", false),
            ("", "/proc/acpi", false),
        ] {
            assert_eq!(masks(pattern).leave(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn shared_namespaces_are_not_made() {
        let all = Namespaces::UTS.and(Namespaces::IPC).and(Namespaces::CGROUP);
        assert_eq!(Isolation::default().own(all), all);
        let shared = Isolation { ipc: Ipc::Host, uts: Sharing::Host, ..Isolation::default() };
        assert_eq!(shared.own(all), Namespaces::CGROUP);
        let shared = Isolation { ipc: Ipc::Container, cgroup: Sharing::Container, ..Isolation::default() };
        assert_eq!(shared.own(all), Namespaces::UTS);
        assert_eq!(Isolation { ipc: Ipc::WithoutShm, ..Isolation::default() }.own(all), all);
    }
}
