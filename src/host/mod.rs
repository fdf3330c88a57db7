//! What this machine offers: ids, helpers, directories, kernel features.

pub mod ids;
