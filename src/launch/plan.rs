//! The run plan: everything about a container that is decided before it starts.
//!
//! `cli` turns arguments into options, [`crate::container`] resolves it with
//! the image's config into a [`RunPlan`], and from then on nothing asks the command line again. The
//! plan is written to `containers/<id>/plan.json` and never changes; it can say what an OCI
//! runtime-spec `config.json` can say.

use crate::confine::capabilities::Granted;
pub use crate::confine::rlimits::Rlimit;
pub use crate::confine::seccomp::SeccompChoice;
use crate::host::ids::IdMaps;
pub use crate::net::{NetworkMode, NetworkPlan};
pub use crate::rootfs::mount::{Mount, MountFlags, MountKind, Propagation, Relabel};
pub use crate::rootfs::user_entry::UserEntry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    /// Whether the kernel's sensitive files are hidden.
    pub kernel_paths: KernelPaths,
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
