//! By what containers are kept apart: namespaces, or where a process can have none, chroot(2) alone.
//!
//! The second is the last rung: inside a plain `docker run`, whose seccomp filter refuses user namespaces, root
//! keeps CAP_SYS_CHROOT and CAP_CHOWN and no more. It is taken only where the first was tried and refused, and only
//! by a process that has the capabilities for it: nobody else pays for the trial.

use crate::error::{Failure, Result, errno_text};
use crate::sys::process::{Cloned, Namespaces, clone_into, exit_now};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::sync::OnceLock;

/// By what a container is kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A user namespace and those that belong to it.
    #[default]
    Namespaces,
    /// chroot(2): another root directory, and nothing else.
    Chroot,
}

impl Means {
    /// Whether it is the usual.
    pub fn is_namespaces(&self) -> bool {
        *self == Means::Namespaces
    }

    /// Whether nothing is made and nothing can be mounted for the container.
    pub fn is_chroot(self) -> bool {
        self == Means::Chroot
    }
}

/// `--isolation` and `RR_ISOLATION`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MeansWish {
    /// Namespaces, and where they are refused what else there is.
    #[default]
    Auto,
    /// Namespaces or an error.
    Namespaces,
    /// chroot(2), also where namespaces can be had.
    Chroot,
}

impl std::str::FromStr for MeansWish {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<MeansWish, String> {
        match text {
            "" | "auto" => Ok(MeansWish::Auto),
            "namespaces" => Ok(MeansWish::Namespaces),
            "chroot" => Ok(MeansWish::Chroot),
            other => Err(format!("`{other}` is none of auto, namespaces and chroot")),
        }
    }
}

/// The variable that says what `--isolation` does, for every command.
pub const VARIABLE: &str = "RR_ISOLATION";

/// What chroot(2) with an image's files takes: the call, files of all ids, and becoming the payload's user.
const NEEDED: CapabilitySet = CapabilitySet::SYS_CHROOT
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID);

/// What this process has decided, and what refused it namespaces if that was found out. A process decides once, for the
/// store and for its container.
static DECIDED: OnceLock<(Means, Option<String>)> = OnceLock::new();

/// Decides for this process, unless that was done.
///
/// # Errors
/// chroot is wished for and cannot be had.
pub fn decide(wish: MeansWish) -> Result<Means> {
    if let Some((means, _)) = DECIDED.get() {
        return Ok(*means);
    }
    let decided = match wish {
        MeansWish::Namespaces => (Means::Namespaces, None),
        MeansWish::Auto if may_chroot() => match refusal() {
            Some(why) => (Means::Chroot, Some(why)),
            None => (Means::Namespaces, None),
        },
        MeansWish::Auto => (Means::Namespaces, None),
        MeansWish::Chroot if may_chroot() => (Means::Chroot, None),
        MeansWish::Chroot => {
            let why = "it takes root with the capabilities SYS_CHROOT, CHOWN, DAC_OVERRIDE, FOWNER, SETUID and SETGID";
            return Err(Failure::new("cannot use --isolation chroot", why)
                .hint("without it rr uses namespaces, which take no privilege"));
        }
    };
    Ok(DECIDED.get_or_init(|| decided).0)
}

/// What refused this process namespaces, where it has tried and gone without.
pub fn why() -> Option<&'static str> {
    DECIDED.get()?.1.as_deref()
}

/// What this process uses for work on the store; by `RR_ISOLATION` where nothing was decided yet.
///
/// # Errors
/// As for [`decide`]; or the variable names nothing.
pub fn here() -> Result<Means> {
    match DECIDED.get() {
        Some((means, _)) => Ok(*means),
        None => decide(wish_of_environment()?),
    }
}

/// What `RR_ISOLATION` says.
///
/// # Errors
/// It names nothing.
pub fn wish_of_environment() -> Result<MeansWish> {
    let value = std::env::var(VARIABLE).unwrap_or_default();
    value.parse().map_err(|cause: String| Failure::new(format!("cannot use {VARIABLE}"), cause))
}

/// Whether this process could go on with chroot(2).
pub fn may_chroot() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED))
}

/// What refuses this process the namespaces of a container: None where it can have them. Tried in a process that ends
/// at once. The mount namespace has to be of use: AppArmor lets Docker's containers make one and mount nothing.
pub fn refusal() -> Option<String> {
    let tried = match clone_into(Namespaces::USER.and(Namespaces::MOUNT).and(Namespaces::PID)) {
        Ok(Cloned::Child) => exit_now({
            let slaves = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            mount_change("/", slaves).map_or_else(rustix::io::Errno::raw_os_error, |()| 0)
        }),
        Ok(Cloned::Parent(child)) => {
            let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            match status.ok().flatten().and_then(|status| status.exit_status()) {
                Some(0) => return None,
                Some(number) => format!("mounting in a mount namespace: {}", errno_text(number)),
                None => "the process that tried was killed".to_owned(),
            }
        }
        Err(error) => format!("clone(2) of a user namespace: {}", errno_text(error.raw_os_error().unwrap_or(0))),
    };
    Some(tried)
}
