//! What this machine offers: ids, helpers, directories, kernel features.

pub mod dirs;
pub mod helpers;
pub mod ids;
pub mod names;
pub mod process;
pub mod resolv_conf;
pub mod subid;
pub mod time;
pub mod userns;
pub mod users;
