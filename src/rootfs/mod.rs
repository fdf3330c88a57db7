//! The container's root file system: layers stacked ([`overlay`], [`fuse`], [`copy`]), what the kernel
//! fills ([`kernel_filesystems`], [`cover`]), what the user asked for ([`mount`], [`volumes`]), rr's own files
//! ([`etc`], [`user_entry`], [`apt`]), and the step inside ([`pivot`]). Without a mount, [`stacked`] reads what the layers make
//! together, and [`changes`] what a container has changed. What is copied in and out goes by [`copy_paths`] and
//! [`copy_tree`].
//!
//! The image is hostile: whatever is looked up in it goes through [`resolve`].

pub mod apt;
pub mod bare;
pub mod changes;
mod chown;
pub mod copy;
pub mod copy_paths;
pub mod copy_tree;
mod copy_up;
pub mod cover;
pub mod etc;
pub mod fuse;
pub mod identity;
pub mod kernel_filesystems;
pub mod mount;
pub mod overlay;
pub mod pivot;
pub mod replicate;
pub mod resolve;
pub mod stacked;
#[cfg(test)]
mod testing;
pub mod user_entry;
pub mod volumes;
