//! System-call filters (seccomp(2)): what of the kernel a container's payload can reach.
//!
//! `profile` says which calls are allowed (Docker's default profile), `abi` gives them the
//! numbers of the machine's architectures, `compile` makes the program that the kernel runs at each
//! call. Profile and names are left behind when rr is built: build.rs writes tables of numbers, and
//! the finished program for the default capabilities, into this module. Some rules depend on the
//! bounding set, so other sets have other filters; they come from the same compiler, in some tens of
//! microseconds, when they are asked for.
//!
//! Calls the profile does not allow fail with EPERM; calls that Linux got after the profile was
//! written fail with ENOSYS, as on an older kernel.

#[cfg(test)]
mod abi;
pub mod compile;
pub mod given;
mod pretend;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod tests;

#[cfg(test)]
use super::capability_names;

use super::capabilities::CapabilitySet;
use crate::error::{Failure, IntoCause, Result};
use crate::sys::seccomp::{self, sock_filter};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The choice of system-call filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompChoice {
    /// The profile compiled into rr.
    Default,
    /// No filter: `--security-opt seccomp=unconfined`, `--privileged`.
    Unconfined,
    /// `--security-opt seccomp=FILE`, compiled for the container's capabilities.
    Given(Program),
}

pub use given::{Profile, Program};
pub use pretend::Ownership;

/// What is asked for, before the container's capabilities are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SeccompWish {
    /// See [`SeccompChoice::Default`].
    #[default]
    Default,
    /// See [`SeccompChoice::Unconfined`].
    Unconfined,
    /// `--security-opt seccomp=FILE`
    Profile(Profile),
}

impl SeccompWish {
    /// For a payload with this bounding set.
    ///
    /// # Errors
    /// The profile becomes too long a program.
    pub fn choose(self, bounding: CapabilitySet) -> Result<SeccompChoice> {
        Ok(match self {
            SeccompWish::Default => SeccompChoice::Default,
            SeccompWish::Unconfined => SeccompChoice::Unconfined,
            SeccompWish::Profile(profile) => SeccompChoice::Given(
                profile.compile(bounding).map_err(|why| Failure::new("cannot use the system-call profile", why))?,
            ),
        })
    }
}

/// What build.rs made of the profile, and the numbers of all calls.
mod built {
    use super::compile::{Action::*, Comparison::*, Condition, Defaults, Entry, Table, Words::*};
    use super::sock_filter;
    include!(concat!(env!("OUT_DIR"), "/seccomp.rs"));
}

/// The default profile's program for a payload with this bounding set.
pub fn program(bounding: CapabilitySet) -> Cow<'static, [sock_filter]> {
    // Most capabilities change nothing.
    if bounding.bits() & built::DEPENDS_ON == CapabilitySet::DEFAULT.bits() & built::DEPENDS_ON {
        return Cow::Borrowed(&built::DEFAULT_PROGRAM);
    }
    compile::compile(&built::TABLES, built::DEFAULTS, bounding.bits())
        .into_iter()
        .map(|i| sock_filter { code: i.code, jt: i.jump_true, jf: i.jump_false, k: i.operand })
        .collect()
}

/// A condition on an argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// 0 to 5
    pub place: u8,
    /// The bits that are looked at.
    pub mask: u64,
    /// What they must be.
    pub value: u64,
}

/// A program for one of rr's own processes, on the machine's own architecture: of all calls only these are made, where
/// a condition holds that comes with one, or one of several. All others fail with EPERM; those of another architecture
/// are its end.
pub fn only(calls: &[(libc::c_long, Option<Argument>)]) -> Vec<sock_filter> {
    let numbers: Vec<u32> = calls.iter().map(|(number, _)| *number as u32).collect();
    let conditions: Vec<Option<compile::Condition>> = calls
        .iter()
        .map(|(_, argument)| {
            let argument = argument.as_ref()?;
            let comparison = compile::Comparison::MaskedEqual { mask: argument.mask };
            Some(compile::Condition { argument: argument.place, comparison, value: argument.value })
        })
        .collect();
    let entries: Vec<compile::Entry<'_>> = numbers
        .iter()
        .zip(&conditions)
        .map(|(number, condition)| compile::Entry {
            numbers: std::slice::from_ref(number),
            action: compile::Action::Allow,
            conditions: condition.as_slice(),
            with_capabilities: 0,
            without_capabilities: 0,
        })
        .collect();
    let own = compile::Table { unknown_from: u32::MAX, entries: &entries, ..built::TABLES[0] };
    let refused = compile::Action::Errno(compile::EPERM);
    compile::compile(&[own], compile::Defaults { known: refused, unknown: refused }, 0)
        .into_iter()
        .map(|i| sock_filter { code: i.code, jt: i.jump_true, jf: i.jump_false, k: i.operand })
        .collect()
}

/// Filters the calls of this process from here on, and of all that comes from it. Cannot be undone.
///
/// - runs in: process 1 of the container, before [`drop_caps`](super::capabilities::drop_caps)
/// - may assume: CAP_SYS_ADMIN is effective, or `no_new_privs` is set: one of them must be (seccomp(2))
/// - must do: nothing that needs a call outside the profile afterwards. The rest of the start
///   sequence (prctl, capset, setgroups, setresgid, setresuid, close_range, write, execve) is inside
pub fn install_seccomp(choice: &SeccompChoice, bounding: CapabilitySet, ownership: Ownership) -> Result<()> {
    let program = match choice {
        SeccompChoice::Unconfined => return Ok(()),
        SeccompChoice::Default => program(bounding),
        SeccompChoice::Given(program) => Cow::Borrowed(program.instructions()),
    };
    let pretend = || match ownership {
        Ownership::Real => Ok(()),
        Ownership::Pretended => seccomp::install(&pretend::program()),
    };
    seccomp::install(&program).and_then(|()| pretend()).map_err(|error| {
        let failure = Failure::new("cannot install the system-call filter", error.into_cause());
        if seccomp::is_supported() {
            failure
        } else {
            failure.hint("this kernel cannot filter system calls; to run without: --security-opt seccomp=unconfined")
        }
    })
}
