//! The limits on namespaces (namespaces(7), "The /proc/sys/user directory"): what is told where one is reached.

use crate::error::Failure;

/// A kind of namespace by its name in /proc/PID/ns and in the limit's.
const KINDS: [&str; 7] = ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup"];

/// What helps where none of this kind can be made any more.
pub fn limit_remedy(kind: &str) -> String {
    format!("ask an administrator to run: sysctl -w user.max_{kind}_namespaces=65536")
}

/// Adds to a failure by ENOSPC which of the limits is 0, and what helps. Runs in: who is in the namespace that was to be
/// left, whose limits /proc/sys/user shows. Where a limit above 0 is reached, none can be told.
#[must_use]
pub fn explain(mut failure: Failure) -> Failure {
    let off = switched_off();
    if let [first, ..] = off[..] {
        failure.cause = format!("user.max_{first}_namespaces is 0: {}", failure.cause);
    }
    for kind in off {
        failure = failure.hint(limit_remedy(kind));
        if kind == "net" {
            failure = failure.hint("or share the host's network: --network host");
        }
    }
    failure
}

/// The kinds of which this user may have none at all: somebody has switched them off.
fn switched_off() -> Vec<&'static str> {
    let is_zero = |kind: &&str| {
        std::fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces")).is_ok_and(|text| text.trim() == "0")
    };
    KINDS.into_iter().filter(is_zero).collect()
}
