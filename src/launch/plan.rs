//! The run plan: everything about a container that is decided before it starts.
//!
//! `cli` turns arguments into options, [`crate::container`] resolves it with
//! the image's config into a [`RunPlan`], and from then on nothing asks the command line again. The
//! plan is written to `containers/<id>/plan.json` and never changes; it can say what an OCI
//! runtime-spec `config.json` can say.

pub use super::isolation::{Device, Ipc, Isolation, Masks, Processes, Sharing, Sysctl};
use crate::confine::capabilities::Granted;
pub use crate::confine::limits::{Bound, DeviceLimit, Limits, Rate};
pub use crate::confine::rlimits::Rlimit;
pub use crate::confine::seccomp::{SeccompChoice, SeccompWish};
use crate::host::ids::IdMaps;
pub use crate::host::means::Means;
pub use crate::net::{Membership, NetworkMode, NetworkPlan};
pub use crate::rootfs::mount::{Mount, MountFlags, MountKind, Propagation, Relabel};
pub use crate::rootfs::user_entry::UserEntry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A container, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique among the containers of a store.
    pub name: String,
    /// Seconds and nanoseconds since the epoch, RFC 3339 in JSON.
    pub created: jiff::Timestamp,
    /// What the root file system is made of.
    pub root: RootSource,
    /// The image's name as the user typed it; None with `--rootfs`.
    pub image: Option<ImageUse>,
    /// What is executed, and as whom.
    pub process: Process,
    /// The id maps of the user namespace.
    pub ids: IdMaps,
    /// By what it is kept apart. What goes without namespaces shares them all, as `isolation` and `network` then say.
    #[serde(default, skip_serializing_if = "Means::is_namespaces")]
    pub means: Means,
    /// With `--userns keep-id`: who the user is inside, for /etc/passwd and /etc/group.
    #[serde(default)]
    pub user_entry: Option<UserEntry>,
    /// Volumes, bind mounts and tmpfs, in the order of their depth (parents first).
    pub mounts: Vec<Mount>,
    /// Host name; by default the first twelve digits of the id.
    pub hostname: String,
    /// Network mode and names.
    pub network: NetworkPlan,
    /// /dev/shm's size in bytes; Docker's default is 64 MiB.
    pub shm_size: u64,
    /// `--read-only`: the root file system is mounted read-only.
    pub read_only: bool,
    /// `--init`: rr stays as process 1, forwards signals and reaps.
    pub init: bool,
    /// `--rm`: container and anonymous volumes go away at the end.
    pub remove: bool,
    /// Number of the signal that asks the payload to end; from `--stop-signal`, the image, or 15.
    pub stop_signal: i32,
    /// Seconds between that signal and SIGKILL; Docker's default is 10.
    pub stop_timeout: u32,
    /// Labels of the image and of `--label`.
    pub labels: BTreeMap<String, String>,
    /// Ports the image exposes, as in its config (`80/tcp`); information only.
    pub exposed_ports: Vec<String>,
    /// Standard streams.
    pub stdio: StdioPlan,
    /// The log of the payload's output; None with `--log-driver none`.
    #[serde(default)]
    pub log: Option<LogPlan>,
    /// Whether the container is started again when its payload has ended; `update` changes it.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// How its health is checked, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthPlan>,
    /// Whether the kernel's sensitive files are hidden.
    pub kernel_paths: KernelPaths,
    /// What it shares with the host, and what is set in its own namespaces.
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    pub isolation: Isolation,
    /// What it may use; `update` changes it.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// What was typed and has been resolved above; only `inspect` reads it.
    pub asked: Asked,
}

/// How a container's log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlan {
    /// `--log-opt max-size`: bytes after which a new file is begun; None: never.
    pub max_size: Option<u64>,
    /// `--log-opt max-file`: how many files are kept, at least 1.
    pub max_files: u32,
}

impl Default for LogPlan {
    /// Docker's: one file that grows.
    fn default() -> LogPlan {
        LogPlan { max_size: None, max_files: 1 }
    }
}

/// How a container's health is checked: the image's HEALTHCHECK with what was asked for instead. A number that is 0
/// stands for Docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthPlan {
    /// Docker's `Test`: `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    pub test: Vec<String>,
    /// The image's `SHELL`, for `CMD-SHELL`; where it is empty, `/bin/sh -c`.
    pub shell: Vec<String>,
    /// Nanoseconds from the end of a check to the beginning of the next.
    pub interval: u64,
    /// Nanoseconds that a check may take.
    pub timeout: u64,
    /// Nanoseconds from the payload's start in which failures do not count.
    pub start_period: u64,
    /// Nanoseconds between two checks in the start period.
    pub start_interval: u64,
    /// Failures in a row that make the container unhealthy.
    pub retries: u32,
    /// What is done when it is.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// `--health-on-failure`: what is done about a container that is found unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Nothing.
    #[default]
    None,
    /// Its payload is killed; that is the end, whatever its restart policy says.
    Kill,
    /// It is stopped and started again, whatever its restart policy says.
    Restart,
    /// It is stopped, and stays down.
    Stop,
}

impl OnFailure {
    /// Podman's word.
    pub fn word(self) -> &'static str {
        match self {
            OnFailure::None => "none",
            OnFailure::Kill => "kill",
            OnFailure::Restart => "restart",
            OnFailure::Stop => "stop",
        }
    }
}

impl HealthPlan {
    /// What is executed; None where nothing is.
    pub fn command(&self) -> Option<Vec<String>> {
        let (kind, words) = self.test.split_first()?;
        match (kind.as_str(), words) {
            ("CMD", [_, ..]) => Some(words.to_vec()),
            ("CMD-SHELL", [command, ..]) => {
                let shell = self.shell.iter().map(String::as_str);
                let shell: Vec<&str> = if self.shell.is_empty() { vec!["/bin/sh", "-c"] } else { shell.collect() };
                Some(shell.into_iter().chain([command.as_str()]).map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// Docker's default is 30 s.
    pub fn interval(&self) -> Duration {
        or_default(self.interval, Duration::from_secs(30))
    }

    /// Docker's default is 30 s.
    pub fn timeout(&self) -> Duration {
        or_default(self.timeout, Duration::from_secs(30))
    }

    /// Docker's default is none.
    pub fn start_period(&self) -> Duration {
        Duration::from_nanos(self.start_period)
    }

    /// Docker's default is 5 s.
    pub fn start_interval(&self) -> Duration {
        or_default(self.start_interval, Duration::from_secs(5))
    }

    /// Docker's default is 3.
    pub fn retries(&self) -> u32 {
        if self.retries == 0 { 3 } else { self.retries }
    }
}

fn or_default(nanoseconds: u64, default: Duration) -> Duration {
    if nanoseconds == 0 { default } else { Duration::from_nanos(nanoseconds) }
}

/// `--restart`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It is not.
    #[default]
    No,
    /// Where it has failed.
    OnFailure {
        /// At most so often; None: without bound.
        most: Option<u32>,
    },
    /// However it has ended.
    Always,
    /// As `Always`; where the user has stopped it, also not at the next boot.
    UnlessStopped,
}

impl RestartPolicy {
    /// Docker's name of it.
    pub fn word(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::OnFailure { .. } => "on-failure",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
        }
    }
}

/// Whether the kernel's sensitive files in /proc and /sys are masked and read-only, as the
/// runtime-spec's `maskedPaths` and `readonlyPaths` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelPaths {
    /// Docker's default lists.
    Masked,
    /// `--privileged`, `--security-opt systempaths=unconfined`.
    Unmasked,
}

/// Options as typed, kept for `inspect`: nothing acts on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `--cap-add`
    pub cap_add: Vec<String>,
    /// `--cap-drop`
    pub cap_drop: Vec<String>,
    /// `--security-opt`
    pub security_options: Vec<String>,
    /// `--privileged`
    pub privileged: bool,
    /// `--volumes-from`
    #[serde(default)]
    pub volumes_from: Vec<String>,
}

/// The root file system's source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootSource {
    /// Image layers, bottom first, unpacked under the plan's id maps.
    Layers {
        /// Diff ids (`sha256:…`), bottom first.
        diff_ids: Vec<String>,
    },
    /// `--rootfs DIR`: used as it is.
    Directory {
        /// Absolute path on the host.
        path: PathBuf,
    },
    /// `--rootfs DIR:O`: an overlay above the directory, thrown away with the container.
    OverlaidDirectory {
        /// Absolute path on the host.
        path: PathBuf,
    },
}

/// The image a container was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageUse {
    /// As the user typed it.
    pub name: String,
    /// Digest of the image's config: Docker's image id.
    pub id: String,
    /// Digest of the manifest.
    pub manifest: String,
}

/// What is executed (runtime-spec `process`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Entrypoint and command, at least one word.
    pub args: Vec<String>,
    /// How many of the words in front are the entrypoint's; information only.
    pub entrypoint_words: usize,
    /// `KEY=value`, complete but for what needs the root file system (HOME, see `launch::init`).
    pub env: Vec<String>,
    /// Absolute path in the container; created if missing.
    pub cwd: String,
    /// `--user` or the image's User: `name|uid[:group|gid]`, looked up in the container's own
    /// /etc/passwd and /etc/group. Empty means root.
    pub user: String,
    /// `--group-add`: names or numbers, looked up inside.
    pub additional_groups: Vec<String>,
    /// `--group-add keep-groups`: setgroups(2) is not called, the user's own groups stay.
    pub keep_groups: bool,
    /// What the payload may do beyond an ordinary user of the container.
    pub capabilities: Granted,
    /// `no_new_privs` (prctl(2)).
    pub no_new_privileges: bool,
    /// Which system-call filter.
    pub seccomp: SeccompChoice,
    /// `--ulimit`, setrlimit(2).
    pub rlimits: Vec<Rlimit>,
}

/// Standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioPlan {
    /// `-t`: a pseudo-terminal.
    pub tty: bool,
    /// `-i`: standard input stays open.
    pub interactive: bool,
    /// The client stays attached (false for `-d`).
    pub foreground: bool,
}
