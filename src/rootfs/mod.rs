//! (skeleton)

pub mod mount;
