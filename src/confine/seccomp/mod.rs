//! System-call filters (seccomp(2)).

use serde::{Deserialize, Serialize};

/// The choice of system-call filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompChoice {
    /// The profile compiled into rr.
    Default,
    /// No filter: `--security-opt seccomp=unconfined`, `--privileged`.
    Unconfined,
}
