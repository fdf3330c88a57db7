//! The file system of a container that does not run, for who copies into or out of it.
//!
//! Mounted as init mounts it, layers, volumes and binds, but in a mount namespace that ends with the
//! process that made it, owned by the store's user namespace: nothing of the container is executed, and
//! nobody else sees the mounts. A tmpfs is left out, for there is nothing in it.

use super::plan::{Mount, MountKind, RootSource, RunPlan};
use crate::error::{Doing, Result};
use crate::rootfs::etc;
use crate::rootfs::overlay::{self, Driver, Durability, Layers};
use crate::rootfs::pivot;
use crate::rootfs::resolve::Root;
use crate::rootfs::volumes::{self, Sources, Surroundings, Volumes};
use crate::sys::process::{Namespaces, unshare};
use rustix::fs::{Access, AtFlags, Mode};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A container that does not run.
pub struct Standing<'a> {
    /// What it is.
    pub plan: &'a RunPlan,
    /// `containers/<id>`
    pub dir: &'a Path,
    /// The unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// Where volumes are.
    pub volumes: Volumes<'a>,
}

impl Standing<'_> {
    /// Mounts it and returns its root. Runs with all capabilities in the store's user namespace and the ids of
    /// the container's root, in a process that ends after its work; nobody may start the container meanwhile.
    ///
    /// # Errors
    /// The kernel refuses the overlay, a source of a mount is gone, or the system's.
    pub fn mount(&self) -> Result<OwnedFd> {
        unshare(Namespaces::MOUNT).doing(|| "cannot make a mount namespace")?;
        pivot::make_mounts_private()?;
        // As in init: what is made on the way is open to all, and written by nobody else.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        // Before something is mounted upon it.
        let directory = overlay::open_directory(self.dir)?;
        let tree = self.mount_root()?;
        let root = Root::new(tree.as_fd());
        let mounts: Vec<Mount> = self.plan.mounts.iter().filter_map(standing).collect();
        let surroundings = Surroundings {
            sources: &Sources::default(),
            volumes: self.volumes,
            // Never asked: `:U` is for a start.
            owner: &|| Ok((0, 0)),
        };
        for notice in volumes::bind_volumes(&root, &mounts, &surroundings)? {
            log::info!("{notice}");
        }
        // A container that was never started has none of its own yet, nor has one with `--rm`.
        let is_there = |name: &&str| rustix::fs::accessat(&directory, *name, Access::EXISTS, AtFlags::empty()).is_ok();
        let there = etc::FILES.into_iter().filter(is_there);
        let files: Vec<etc::Place<'_>> = there.map(|name| (name, directory.as_fd(), Path::new(name))).collect();
        let covered = |path: &Path| mounts.iter().any(|mount| Path::new(&mount.target) == path);
        etc::bind_files(&root, &files, covered)?;
        if self.plan.read_only {
            pivot::make_root_read_only(tree.as_fd())?;
        }
        rustix::process::umask(Mode::empty());
        Ok(tree)
    }

    fn mount_root(&self) -> Result<OwnedFd> {
        let layers = match &self.plan.root {
            RootSource::Directory { path } => {
                return overlay::bind_directory(overlay::open_directory(path)?.as_fd(), path);
            }
            RootSource::OverlaidDirectory { path } => Layers::open(std::slice::from_ref(path), self.dir)?,
            RootSource::Layers { .. } => Layers::open(&self.layers, self.dir)?,
        };
        // Where the layers were copied, that copy is the container's.
        if self.dir.join("tree").exists() {
            return layers.copy();
        }
        let writable = layers.make_writable()?;
        if matches!(self.plan.root, RootSource::Layers { .. }) {
            layers.take_over_top(&writable)?;
        }
        layers.mount(&writable, Durability::Volatile, Driver::Auto)?.map_err(|refused| {
            refused.failure().hint("start the container: `cp` works with a running one whoever stacks its layers")
        })
    }
}

/// The mount as it is without a start: what `:U` says was done then, or will be.
fn standing(mount: &Mount) -> Option<Mount> {
    let mut mount = mount.clone();
    match &mut mount.kind {
        MountKind::Bind { chown, .. } | MountKind::Volume { chown, .. } => *chown = false,
        MountKind::Tmpfs { .. } => return None,
    }
    Some(mount)
}
