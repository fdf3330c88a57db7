//! (skeleton)

pub mod cover;
pub mod identity;
pub mod kernel_filesystems;
pub mod mount;
pub mod resolve;
