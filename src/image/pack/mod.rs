//! Packing: files become a tar stream, and a tar stream becomes a layer's blob.
//!
//! - [`tar`] writes entries: ustar, and PAX for what that cannot say.
//! - [`tree`] turns what [`crate::rootfs::changes`] meets into entries, with whiteouts (OCI image-spec "layer") and
//!   owners as the container sees them.
//! - [`layer`] is the one pass of a stream into the store: hash, compress, hash, file.

pub mod layer;
pub mod tar;
pub mod tree;
