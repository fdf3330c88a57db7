//! What this machine offers: ids, helpers, directories, kernel features.

pub mod dirs;
pub mod ids;
pub mod process;
