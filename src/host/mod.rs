//! What this machine offers: ids, helpers, directories, kernel features.

pub mod dirs;
pub mod helpers;
pub mod ids;
pub mod process;
pub mod subid;
pub mod userns;
pub mod users;

use serde::{Deserialize, Serialize};

/// One thing a user has to know although rr goes on: a fallback that changes what they get. One line,
/// lower case, no full stop; `cli` prints each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notice(pub String);
