//! A container's file system from outside, running or not: what it has changed, and all that it has.
//!
//! Read in the store's namespace, from the trees it is stacked from; nothing is mounted, and what the container's
//! mounts show is not part of it.

use super::plan::{RootSource, RunPlan};
use super::record::Container;
use crate::error::Result;
use crate::image::pack::layer::{LayerWriter, PackedLayer};
use crate::image::pack::tree::{PackReport, TreePacker};
use crate::launch::StoreNamespace;
use crate::rootfs::changes::{Change, Entry, Parts, Visitor, walk_all, walk_changes};
use crate::store::Store;
use std::ffi::CString;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

/// What rr makes in a container's file system for its own mounts. Docker has them in a layer of their own, which is
/// neither shown nor committed.
pub const OWN: [&str; 6] = ["dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf"];

/// What the container's file system consists of.
pub fn parts(store: &Store, container: &Container) -> Parts {
    let RunPlan { root, ids, .. } = &container.plan;
    let lower: Vec<PathBuf> = match root {
        RootSource::Directory { path } => return Parts::Directory(path.clone()),
        RootSource::OverlaidDirectory { path } => vec![path.clone()],
        RootSource::Layers { diff_ids } => {
            let key = ids.key();
            diff_ids.iter().rev().map(|id| store.layer(&key, id.trim_start_matches("sha256:"))).collect()
        }
    };
    let tree = container.dir.join("tree");
    // The copying driver makes tree/, the others upper/ (`launch::init`).
    match tree.exists() {
        true => Parts::Copy { tree, lower },
        false => Parts::Overlay { upper: container.dir.join("upper"), lower },
    }
}

/// What the container has changed, sorted as the walk meets it: by name, parents first.
///
/// # Errors
/// It has its file system from a directory that it changes in place; the system's.
pub fn changes(store: &Store, container: &Container) -> Result<Vec<(Change, Vec<u8>)>> {
    let parts = parts(store, container);
    StoreNamespace::here()?.run_on_files_of(&container.plan.ids, || {
        let mut list = List::default();
        walk_changes(&parts, &OWN, &mut list)?;
        list.0.sort_by(|one, other| one.1.cmp(&other.1));
        Ok(list.0)
    })
}

/// Collects what a walk meets.
#[derive(Default)]
struct List(Vec<(Change, Vec<u8>)>);

impl Visitor for List {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        // The top has no name that Docker prints.
        if !entry.path.is_empty() {
            self.0.push((entry.change, entry.path.to_vec()));
        }
        Ok(())
    }

    fn removed(&mut self, path: &[u8]) -> Result<()> {
        self.0.push((Change::Removed, path.to_vec()));
        Ok(())
    }

    fn replaced(&mut self, path: &[u8], gone: &[CString], _: bool) -> Result<()> {
        self.0.extend(gone.iter().map(|name| (Change::Removed, [path, b"/", name.to_bytes()].concat())));
        Ok(())
    }
}

/// Which of a container's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What it has changed, with whiteouts for what it has removed.
    Changes,
    /// All of them.
    Everything,
}

/// Packs files of the container into a layer in the store.
///
/// # Errors
/// The system's: no space left, above all.
pub fn pack_layer(store: &Store, container: &Container, extent: Extent) -> Result<(PackedLayer, PackReport)> {
    let parts = parts(store, container);
    let ids = &container.plan.ids;
    let namespace = StoreNamespace::here()?;
    namespace.run_on_files_of(ids, || {
        let writer = LayerWriter::new(store)?;
        let mut packer = TreePacker::new(writer, ids, namespace.maps());
        match extent {
            Extent::Changes => walk_changes(&parts, &OWN, &mut packer)?,
            Extent::Everything => walk_all(&parts, &[], &mut packer)?,
        }
        let (writer, report) = packer.finish()?;
        Ok((writer.publish(store)?, report))
    })
}

/// Writes all files of the container to `out` as a tar archive.
///
/// # Errors
/// The system's.
pub fn export(store: &Store, container: &Container, out: &File) -> Result<PackReport> {
    let parts = parts(store, container);
    let ids = &container.plan.ids;
    let namespace = StoreNamespace::here()?;
    namespace.run_on_files_of(ids, || {
        let mut packer = TreePacker::new(BufWriter::with_capacity(256 << 10, out), ids, namespace.maps());
        walk_all(&parts, &[], &mut packer)?;
        packer.finish().map(|(_, report)| report)
    })
}
