//! Unpacking a layer: a tar stream becomes a directory that overlay takes as a lower layer.
//!
//! [`unpack_layer`] runs as root of the store's user namespace, with capabilities over all the ids the
//! user has, but in the host's mount namespace: what keeps a hostile archive inside the
//! destination is [`tree`], not a chroot. Several layers are unpacked at once by threads of one
//! process, so nothing here depends on the working directory or the umask.
//!
//! From bytes to files:
//! - [`header`], [`pax`], [`sparse`] parse; bytes in, values out.
//! - [`entries`] reads the stream and gives entries, with extended headers laid over them.
//! - [`path`] normalises names and tells whiteouts from files.
//! - [`ownership`] gives owners the ids they have here.
//! - [`apply`] makes each entry in the [`tree`], large files by [`large`].
//!
//! Where archives are odd, the rule is what podman (containers/storage) makes of them, because that is
//! what image authors have tested with:
//! - A parent that is a symbolic link of the same layer is followed, beneath the destination.
//! - An entry replaces what an earlier one made; only a directory over a directory keeps its content.
//! - Missing parents are made, 0755 and root's.
//! - Character and block devices are skipped, as only real root may make them.
//! - The format's own limits hold: extended headers up to 1 MiB, paths up to 4095 bytes.
//!
//! Where rr differs: a name that is both deleted (`.wh.x`) and present in one layer is present, in either
//! order, as the OCI spec has it; global PAX headers apply (owner and time); and ids that are not mapped
//! are kept in `user.containers.override_stat`, losing setuid and setgid on the way, because a squashed
//! file belongs to the container's root and must not run as it.

mod apply;
pub mod entries;
pub mod header;
mod large;
pub mod ownership;
pub mod path;
pub mod pax;
pub mod sparse;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod tree;

use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::Path;

/// What to do with a file whose owner has no id in the user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnmappedIds {
    /// Give it to root, remember the owner in `user.containers.override_stat`, count it.
    Squash,
    /// Fail (`--strict-ids`).
    Refuse,
}

/// How to unpack.
#[derive(Debug, Clone)]
pub struct UnpackOptions<'a> {
    /// The maps of the containers that the layer is for.
    pub ids: &'a IdMaps,
    /// The maps of the user namespace that this runs in, which has all those ids.
    pub namespace: &'a IdMaps,
    /// Owners beyond those maps.
    pub unmapped: UnmappedIds,
}

/// What came of it. Everything that differs from what the archive says is counted, with the first such
/// name (printable, shortened) for a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnpackReport {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of file content written; holes do not count.
    pub bytes: u64,
    /// Names marked as deleted.
    pub whiteouts: u64,
    /// Character and block devices, and hard links to them, that were left out.
    pub devices_skipped: u64,
    /// The first of them.
    pub first_device: Option<String>,
    /// Entries given to root because their owner or group is not mapped.
    pub squashed: u64,
    /// The first of them.
    pub first_squashed: Option<String>,
    /// Extended attributes that were not set: of other security modules, overlay's own, or refused by the
    /// file system.
    pub xattrs_dropped: u64,
    /// The first of them, as `path: attribute`.
    pub first_xattr_dropped: Option<String>,
    /// Parents that the archive did not have.
    pub implied_directories: u64,
    /// The archive has an entry for its top, so the destination has the layer's owner, mode and time.
    /// Otherwise it is root's and 0755.
    pub has_root_entry: bool,
    /// The top is opaque: the layers below are hidden altogether. Overlay does not look for that at a
    /// layer's top, so whoever stacks the layers has to leave the lower ones out.
    pub root_is_opaque: bool,
}

/// Unpacks `tar` (decompressed) into `destination`, an existing, empty directory on a file system that
/// takes `user.*` attributes. After an error the destination is half done: throw it away.
///
/// Reads to the end of the archive, not to the end of the stream; drain the rest before comparing
/// a diff id. Call it as root of a user namespace, or as root.
///
/// # Errors
/// A corrupt archive, one that leads out of the destination, a system call that failed (the file
/// system is full), an unmapped id under [`UnmappedIds::Refuse`]. An error of `tar` itself is told too, but only
/// as text: a caller who wants to know more keeps it aside in its reader.
pub fn unpack_layer(tar: &mut dyn BufRead, destination: &Path, options: &UnpackOptions<'_>) -> Result<UnpackReport> {
    let doing = || format!("cannot unpack into {}", destination.display());
    let ownership = ownership::Ownership::new(options.ids, options.namespace).doing(doing)?;
    let tree = tree::Tree::open(destination, ownership.root()).map_err(|problem| Failure::new(doing(), problem))?;
    apply::Unpacker::new(tree, ownership, options).run(tar)
}
