//! What this machine offers: ids, helpers, directories, kernel features.

pub mod dirs;
pub mod helpers;
pub mod ids;
pub mod means;
pub mod names;
pub mod namespaces;
pub mod process;
pub mod resolv_conf;
pub mod subid;
pub mod time;
pub mod userns;
pub mod users;
