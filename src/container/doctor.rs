//! What `rr doctor` looks at: everything a default run needs of this machine, each found out by doing it.
//!
//! The words and remedies are those of the errors and notices that a run would print, because the same functions
//! are called. Nothing stays behind: namespaces and mounts end with the processes that made them.

use crate::confine::cgroup;
use crate::confine::limits::names;
use crate::error::{Doing, Failure, Notice, Result, errno_text};
use crate::host::dirs::Dirs;
use crate::host::helpers::{self, MapHelper, Package};
use crate::host::means::{self, Means};
use crate::host::namespaces;
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::launch::StoreNamespace;
use crate::launch::user_namespace::FILTER_REMEDY as REMEDY;
use crate::net;
use crate::rootfs::overlay::{Driver, Durability, Layers};
use crate::rootfs::{fuse, pivot};
use crate::store::{Store, TempDir};
use crate::sys::mount::{Attributes, new_mount};
use crate::sys::process::{Cloned, Namespaces, clone_into, exit_now, unshare};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How a default run fares with one thing it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Works,
    /// A run works, with something else in its place or without something.
    Lesser,
    /// A run does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Finding {
    /// What, in a few words.
    pub topic: String,
    /// How it is.
    pub verdict: Verdict,
    /// What rr will use, or why it cannot.
    pub says: String,
    /// What would mend it, each a sentence or a command.
    pub remedies: Vec<String>,
}

impl Finding {
    fn new(topic: &str, verdict: Verdict, says: impl Into<String>) -> Finding {
        Finding { topic: topic.to_owned(), verdict, says: says.into(), remedies: Vec::new() }
    }

    fn works(topic: &str, says: impl Into<String>) -> Finding {
        Finding::new(topic, Verdict::Works, says)
    }

    fn lesser(topic: &str, says: impl Into<String>) -> Finding {
        Finding::new(topic, Verdict::Lesser, says)
    }

    fn missing(topic: &str, failure: Failure) -> Finding {
        Finding { remedies: failure.hints.clone(), ..Finding::new(topic, Verdict::Missing, failure.to_string()) }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedies.push(remedy.into());
        self
    }
}

/// Looks at everything. The calling process must be single-threaded.
pub fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    let store = directories(&mut findings);
    match isolation() {
        Ok(()) => {}
        Err(finding) => {
            // Nothing else is made for a container there.
            findings.push(finding);
            return findings;
        }
    }
    findings.extend(ids());
    let namespace = match StoreNamespace::here().and_then(|namespace| namespace.run(|| Ok(())).map(|()| namespace)) {
        Ok(namespace) => namespace,
        Err(failure) => {
            // Everything else happens inside of one.
            findings.push(Finding::missing("user namespace", failure));
            return findings;
        }
    };
    findings.push(Finding::works("user namespace", "can be made, and its id maps written"));
    findings.push(other_namespaces(&namespace));
    if let Some(store) = &store {
        findings.push(layers(&namespace, store));
    }
    findings.push(fresh_proc(&namespace));
    findings.push(network());
    findings.push(system_call_filter());
    findings.push(limits());
    findings.extend(low_ports());
    findings.extend(after_logout());
    findings
}

/// Home, store and runtime directory.
fn directories(findings: &mut Vec<Finding>) -> Option<Store> {
    const TOPIC: &str = "directories";
    let dirs = match Dirs::from_environment() {
        Ok(dirs) => dirs,
        Err(failure) => {
            findings.push(Finding::missing(TOPIC, failure));
            return None;
        }
    };
    let store = Store::open(&dirs).and_then(|store| TempDir::new(&store, "doctor").map(|_removed| store));
    match store {
        Ok(store) => {
            let says = format!("{}, and for sockets {}", store.root().display(), dirs.runtime.display());
            findings.push(Finding::works(TOPIC, says));
            Some(store)
        }
        Err(failure) => {
            findings.push(Finding::missing(TOPIC, failure.hint("set XDG_DATA_HOME to a directory that you can write")));
            None
        }
    }
}

/// Whether containers get namespaces; if not, all there is to say.
fn isolation() -> std::result::Result<(), Finding> {
    const TOPIC: &str = "isolation";
    match means::here() {
        Err(failure) => Err(Finding::missing(TOPIC, failure)),
        Ok(Means::Namespaces) => Ok(()),
        Ok(Means::Chroot) => {
            let says = "a root directory of its own, by chroot(2), and nothing else";
            Err(match means::why() {
                Some(why) => Finding::lesser(TOPIC, format!("{says}: namespaces are refused, {why}")).remedy(REMEDY),
                None => Finding::lesser(TOPIC, format!("{says}, as {} says", means::VARIABLE)),
            })
        }
    }
}

/// Subordinate ids and the programs that map them.
fn ids() -> Vec<Finding> {
    const TOPIC: &str = "user ids";
    let maps = match plan_maps(&UsernsRequest::Auto) {
        Ok((maps, _)) if !maps.is_single() => maps,
        Ok((_, notices)) => {
            let why = notices.into_iter().map(|Notice(why)| why).collect::<Vec<_>>().join("; ");
            return vec![Finding::lesser(TOPIC, why)];
        }
        Err(failure) => return vec![Finding::missing(TOPIC, failure)],
    };
    let says = format!("{} user ids and {} group ids in a container", maps.users.total(), maps.groups.total());
    let helper = |helper: MapHelper| helpers::find_map_helper(helper).ok().map(|path| path.display().to_string());
    let with = match (helper(MapHelper::Users), helper(MapHelper::Groups)) {
        (Some(users), Some(groups)) => format!(", by {users} and {groups}"),
        _ => String::new(),
    };
    vec![Finding::works(TOPIC, says + &with)]
}

/// Tries each of the namespaces that a container has besides its user namespace.
fn other_namespaces(namespace: &StoreNamespace) -> Finding {
    const TOPIC: &str = "other namespaces";
    const ALL: [(&str, Namespaces); 6] = [
        ("mnt", Namespaces::MOUNT),
        ("pid", Namespaces::PID),
        ("uts", Namespaces::UTS),
        ("ipc", Namespaces::IPC),
        ("net", Namespaces::NETWORK),
        ("cgroup", Namespaces::CGROUP),
    ];
    let refused = namespace.run(|| {
        let mut refused: Vec<(String, i32)> = Vec::new();
        for (name, one) in ALL {
            match clone_into(one) {
                Ok(Cloned::Child) => exit_now(0),
                Ok(Cloned::Parent(child)) => reap(child.pidfd.as_fd())?,
                Err(error) => refused.push((name.to_owned(), error.raw_os_error().unwrap_or(0))),
            }
        }
        Ok(refused)
    });
    let refused = match refused {
        Ok(refused) => refused,
        Err(failure) => return Finding::missing(TOPIC, failure),
    };
    let names = |list: &[(String, i32)]| list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let Some((_, error)) = refused.first() else {
        return Finding::works(TOPIC, ALL.map(|(name, _)| name).join(", "));
    };
    let mut finding = Finding::new(TOPIC, Verdict::Missing, format!("{}: {}", names(&refused), errno_text(*error)));
    for (name, error) in &refused {
        // The limit is reached (namespaces(7), "The /proc/sys/user directory").
        if *error == libc::ENOSPC {
            finding = finding.remedy(namespaces::limit_remedy(name));
        }
    }
    finding
}

fn reap(child: std::os::fd::BorrowedFd<'_>) -> Result<()> {
    waitid(WaitId::PidFd(child), WaitIdOptions::EXITED).map(drop).doing(|| "cannot wait for a process")
}

/// Who stacks the image's layers, by mounting two directories of the store.
fn layers(namespace: &StoreNamespace, store: &Store) -> Finding {
    const TOPIC: &str = "image layers";
    let attempt = || -> Result<Option<String>> {
        let scratch = TempDir::new(store, "doctor")?;
        let (lower, container) = (scratch.path().join("lower"), scratch.path().join("container"));
        for directory in [&lower, &container] {
            std::fs::create_dir(directory).doing(|| format!("cannot make {}", directory.display()))?;
        }
        namespace.run(|| try_overlay(&lower, &container))
    };
    match attempt() {
        Err(failure) => Finding::missing(TOPIC, failure),
        Ok(None) => Finding::works(TOPIC, "stacked by the kernel's overlay"),
        Ok(Some(why)) => match fuse::find() {
            Ok(program) => Finding::lesser(TOPIC, format!("stacked by {}, for {why}", program.display())),
            Err(no_fuse) => Finding::lesser(TOPIC, format!("copied for each container, for {why}, and {no_fuse}"))
                .remedy(Package::FuseOverlayfs.remedy()),
        },
    }
}

/// Runs in: a worker in the store's namespace. None where the kernel's overlay works, else why not.
fn try_overlay(lower: &Path, container: &Path) -> Result<Option<String>> {
    unshare(Namespaces::MOUNT).doing(|| "cannot make a mount namespace")?;
    pivot::make_mounts_private()?;
    let layers = Layers::open(&[PathBuf::from(lower)], container)?;
    let writable = layers.make_writable()?;
    let mounted = layers.mount(&writable, Durability::Volatile, Driver::Kernel)?;
    Ok(mounted.err().map(|refused| refused.failure().to_string()))
}

/// Whether a container gets a /proc of its own.
fn fresh_proc(namespace: &StoreNamespace) -> Finding {
    const TOPIC: &str = "/proc";
    let tried = namespace.run(|| match clone_into(Namespaces::PID.and(Namespaces::MOUNT)) {
        Ok(Cloned::Child) => exit_now(match new_mount("proc", &[], Attributes::empty()) {
            Ok(_) => 0,
            Err(error) => error.raw_os_error(),
        }),
        Ok(Cloned::Parent(child)) => {
            let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            let status = status.doing(|| "cannot wait for a process")?;
            Ok(status.and_then(|status| status.exit_status()).unwrap_or(libc::EIO))
        }
        Err(error) => Ok(error.raw_os_error().unwrap_or(libc::EIO)),
    });
    match tried {
        Ok(0) => Finding::works(TOPIC, "each container has its own"),
        Ok(error) => {
            let says = format!("shared with the processes around the container: {}", errno_text(error));
            Finding::lesser(TOPIC, says).remedy(
                "parts of /proc are hidden here, as inside another container; start that one with: --security-opt \
                 systempaths=unconfined",
            )
        }
        Err(failure) => Finding::missing(TOPIC, failure),
    }
}

/// Who carries the packets of `--network private`.
fn network() -> Finding {
    const TOPIC: &str = "network";
    match net::plan(&net::NetworkPlan::default()) {
        Ok((network, notices)) => match notices.into_iter().next() {
            Some(Notice(why)) => Finding::lesser(TOPIC, why),
            None => Finding::works(TOPIC, network.to_string()),
        },
        Err(failure) => Finding::missing(TOPIC, failure),
    }
}

/// Which limits can be kept; a run without any does not need them.
fn limits() -> Finding {
    const TOPIC: &str = "limits";
    match cgroup::offer() {
        Ok(offer) if !offer.controllers.is_empty() => {
            let says = format!("{}, by {}", names(&offer.controllers), offer.by);
            offer.remedies.into_iter().fold(Finding::works(TOPIC, says), Finding::remedy)
        }
        Ok(offer) => Finding::lesser(TOPIC, format!("none can be kept by {}: it has no controllers", offer.by)),
        Err(failure) => {
            let finding = Finding::lesser(TOPIC, format!("none can be kept: {}", failure.cause));
            failure.hints.into_iter().fold(finding, Finding::remedy)
        }
    }
}

fn system_call_filter() -> Finding {
    const TOPIC: &str = "system-call filter";
    match crate::sys::seccomp::is_supported() {
        true => Finding::works(TOPIC, "seccomp"),
        false => Finding::lesser(TOPIC, "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"),
    }
}

/// From which port on containers can be published (ip_unprivileged_port_start in ip-sysctl.rst).
fn low_ports() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let first: u32 = text.trim().parse().ok()?;
    let finding = Finding::works("published ports", format!("from {first} on"));
    Some(match first {
        0..=80 => finding,
        _ => finding
            .remedy("for lower ones ask an administrator to run: sysctl -w net.ipv4.ip_unprivileged_port_start=80"),
    })
}

/// Whether systemd ends the user's processes, and so detached containers, at logout (logind.conf(5)).
fn after_logout() -> Option<Finding> {
    // sd_booted(3)
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let name = crate::host::users::name_of(rustix::process::geteuid().as_raw()).ok().flatten()?;
    Some(match Path::new("/var/lib/systemd/linger").join(&name).exists() {
        true => Finding::works("after logout", "detached containers go on (linger is on)"),
        false => Finding::lesser("after logout", "systemd may end detached containers when your last session ends")
            .remedy(format!("run: loginctl enable-linger {name}")),
    })
}
