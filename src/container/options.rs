//! What was asked for when a container is created, before image and machine had their say.
//!
//! `cli::run_flags` fills [`CreateOptions`] in from arguments; an Engine API or a compose file may
//! fill it in as well. Every value is already parsed (a size is bytes, a signal a number), nothing
//! is merged yet: `None` and an empty list mean "not said", which [`super::create::resolve_plan`]
//! answers with the image's or Docker's default.

use super::plan::{
    HealthPlan, Isolation, KernelPaths, Limits, LogPlan, Masks, Means, Mount, NetworkMode, NetworkPlan, RestartPolicy,
    Rlimit, SeccompWish,
};
use crate::host::userns::UsernsRequest;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A container as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateOptions {
    /// Where the root file system comes from.
    pub source: Source,
    /// The words after the image: they replace the image's Cmd.
    pub command: Vec<String>,
    /// `--entrypoint`: replaces the image's Entrypoint and drops its Cmd; an empty list (from
    /// `--entrypoint ""`) leaves the command alone to be executed.
    pub entrypoint: Option<Vec<String>>,
    /// `--name`, valid.
    pub name: Option<String>,
    /// `--env-file` and then `--env`, in order; later ones win.
    pub env: Vec<EnvChange>,
    /// `--workdir`, absolute.
    pub workdir: Option<String>,
    /// `--user`
    pub user: Option<String>,
    /// `--group-add`, without `keep-groups`.
    pub groups: Vec<String>,
    /// `--group-add keep-groups`
    pub keep_groups: bool,
    /// `--hostname`, valid.
    pub hostname: Option<String>,
    /// `--userns`, `--uidmap` and `--gidmap`.
    pub userns: UsernsRequest,
    /// By what it is kept apart: [`super::without_namespaces::adapt`].
    pub means: Means,
    /// `--network`, `--dns` and the like: nothing of it depends on the image.
    pub network: NetworkPlan,
    /// `--volume`, then `--mount`, then `--tmpfs`, each in the order given.
    pub mounts: Vec<Mount>,
    /// `--volumes-from`, in the order given.
    pub volumes_from: Vec<VolumesFrom>,
    /// `--shm-size`, bytes.
    pub shm_size: Option<u64>,
    /// `--read-only`
    pub read_only: bool,
    /// `--init`
    pub init: bool,
    /// `--rm`
    pub remove: bool,
    /// `--restart`
    pub restart: RestartPolicy,
    /// `--health-cmd` and its like, `--no-healthcheck`
    pub health: Option<HealthPlan>,
    /// `--stop-signal`
    pub stop_signal: Option<i32>,
    /// `--stop-timeout`, seconds.
    pub stop_timeout: Option<u32>,
    /// `--label-file` and then `--label`; later ones win.
    pub labels: BTreeMap<String, String>,
    /// `--expose`, as `80/tcp`.
    pub expose: Vec<String>,
    /// `--ulimit`
    pub rlimits: Vec<Rlimit>,
    /// `--memory`, `--cpus` and the like.
    pub limits: Limits,
    /// What the payload may do.
    pub privileges: Privileges,
    /// `--ipc`, `--sysctl`, `--device` and the like.
    pub isolation: Isolation,
    /// `-t`
    pub tty: bool,
    /// `-i`
    pub interactive: bool,
    /// The client stays attached (false for `-d` and for `create`).
    pub foreground: bool,
    /// `--log-driver` and `--log-opt`; None with `none`.
    pub log: Option<LogPlan>,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An image's name or id, or `oci:`, `oci-archive:`, `docker-archive:` and a path.
    Image(String),
    /// `--rootfs DIR`, absolute.
    Directory(PathBuf),
    /// `--rootfs DIR:O`, absolute.
    OverlaidDirectory(PathBuf),
}

/// `--volumes-from CONTAINER[:MODE]`: its binds and volumes, where nothing else is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Name or id.
    pub container: String,
    /// `ro`: also what is writable there.
    pub read_only: bool,
    /// As typed: shown by `inspect`.
    pub typed: String,
}

/// One change to the image's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvChange {
    /// `NAME=value`, or `NAME` with the value it has in rr's own environment.
    Set(String, String),
    /// `-e NAME` where rr's own environment has no NAME: Docker takes the image's away.
    Unset(String),
}

/// What the payload may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// `--cap-add`, as typed.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, as typed.
    pub cap_drop: Vec<String>,
    /// `--privileged`: every capability of the user namespace, no filter, no masked paths.
    pub privileged: bool,
    /// `--security-opt`, as typed: shown by `inspect`.
    pub security_options: Vec<String>,
    /// `--security-opt no-new-privileges`
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=…`
    pub seccomp: SeccompWish,
    /// `--security-opt systempaths=unconfined`
    pub kernel_paths: KernelPaths,
    /// `--security-opt mask=…` and `unmask=…`
    pub masks: Masks,
}

impl CreateOptions {
    /// Nothing asked for but a source: what `rr run IMAGE` means.
    pub fn new(source: Source) -> CreateOptions {
        CreateOptions {
            source,
            command: Vec::new(),
            entrypoint: None,
            name: None,
            env: Vec::new(),
            workdir: None,
            user: None,
            groups: Vec::new(),
            keep_groups: false,
            hostname: None,
            userns: UsernsRequest::default(),
            means: Means::default(),
            network: NetworkPlan::new(NetworkMode::Private),
            mounts: Vec::new(),
            volumes_from: Vec::new(),
            shm_size: None,
            read_only: false,
            init: false,
            remove: false,
            restart: RestartPolicy::No,
            health: None,
            stop_signal: None,
            stop_timeout: None,
            labels: BTreeMap::new(),
            expose: Vec::new(),
            rlimits: Vec::new(),
            limits: Limits::default(),
            privileges: Privileges::default(),
            isolation: Isolation::default(),
            tty: false,
            interactive: false,
            foreground: true,
            log: Some(LogPlan::default()),
        }
    }
}

impl Default for Privileges {
    fn default() -> Privileges {
        Privileges {
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            privileged: false,
            security_options: Vec::new(),
            no_new_privileges: false,
            seccomp: SeccompWish::Default,
            kernel_paths: KernelPaths::Masked,
            masks: Masks::default(),
        }
    }
}
