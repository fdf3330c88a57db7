//! The mounts a user or an image can ask for, as plain data.
//!
//! `container::mount_options` makes them from `--volume`, `--mount` and `--tmpfs`; the run plan
//! carries them; [`super::volumes`] puts them in place.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One mount the user or the image asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// Where in the container; absolute, cleaned of `.` and `..`.
    pub target: String,
    /// What is mounted.
    pub kind: MountKind,
    /// `ro`
    pub read_only: bool,
}

/// Kinds of [`Mount`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind {
        /// Absolute path on the host.
        source: PathBuf,
        /// `rbind` (the default) also shows mounts below the source.
        recursive: bool,
        /// Mount propagation (mount_namespaces(7)).
        propagation: Propagation,
        /// `:U`: give the source's tree to the payload's user.
        chown: bool,
        /// `-v` creates a missing source directory as Docker does; `--mount` fails.
        create_source: bool,
        /// `nosuid`, `nodev`, `noexec` as asked for.
        flags: MountFlags,
        /// `:z`, `:Z`
        #[serde(default)]
        relabel: Relabel,
    },
    /// A volume of the store.
    Volume {
        /// Name: 64 hexadecimal digits where it is anonymous.
        name: String,
        /// True for an image's `Volumes` and for `-v /path`: removed with the container.
        anonymous: bool,
        /// `nocopy`: the image's content is not copied into the new volume.
        no_copy: bool,
        /// `volume-subpath`: what of the volume is mounted, a path inside it; all of it where None.
        #[serde(default)]
        subpath: Option<String>,
        /// `volume-label`: labels of the volume if it is made for this mount.
        #[serde(default)]
        labels: BTreeMap<String, String>,
        /// `volume-opt`: the driver's options, likewise.
        #[serde(default)]
        options: BTreeMap<String, String>,
        /// `:U`
        chown: bool,
        /// `nosuid`, `nodev`, `noexec` as asked for.
        flags: MountFlags,
        /// `:z`, `:Z`
        #[serde(default)]
        relabel: Relabel,
    },
    /// A new tmpfs.
    Tmpfs {
        /// Bytes; None is the kernel's default (half of the memory).
        size: Option<u64>,
        /// Permissions of the tmpfs's root; None takes those of the directory it covers, or 1777
        /// where there is none, as Docker does.
        mode: Option<u32>,
        /// Owner of the tmpfs's root, an id inside; None is the container's root.
        #[serde(default)]
        uid: Option<u32>,
        /// Group of the tmpfs's root, an id inside; None is the container's root.
        #[serde(default)]
        gid: Option<u32>,
        /// `nosuid,nodev,noexec` by default, as Docker's `--tmpfs`.
        flags: MountFlags,
    },
}

/// `:z` and `:Z`: which SELinux label the source's files are to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relabel {
    /// The labels stay.
    #[default]
    Keep,
    /// `z`: a label that every container may use.
    Shared,
    /// `Z`: a label of this container's own.
    Private,
}

/// Per-mount restrictions (mount(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MountFlags {
    /// MS_NOSUID
    pub nosuid: bool,
    /// MS_NODEV
    pub nodev: bool,
    /// MS_NOEXEC
    pub noexec: bool,
}

/// Mount propagation (mount_namespaces(7)); `private` variants are Docker's default `rprivate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Propagation {
    Private,
    #[default]
    Rprivate,
    Slave,
    Rslave,
    Shared,
    Rshared,
}
