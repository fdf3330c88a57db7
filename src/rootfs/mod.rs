//! (skeleton)

mod chown;
pub mod copy;
mod copy_up;
pub mod cover;
pub mod etc;
pub mod fuse;
pub mod identity;
pub mod kernel_filesystems;
pub mod mount;
pub mod overlay;
pub mod pivot;
pub mod resolve;
pub mod volumes;
