//! Where a step changes files, and how that becomes a layer.

use crate::error::{Doing, Result};
use crate::host::ids::IdMaps;
use crate::image::pack::layer::{LayerWriter, PackedLayer};
use crate::image::pack::tree::{PackReport, TreePacker};
use crate::image::settle;
use crate::launch::StoreNamespace;
use crate::rootfs::changes::{Parts, walk_changes};
use crate::rootfs::overlay::open_directory;
use crate::rootfs::replicate::in_proc;
use crate::rootfs::resolve::Root;
use crate::store::{Store, TempDir, remove_tree};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::Permissions;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What steps work with.
pub struct Ground<'a> {
    /// The store.
    pub store: &'a Store,
    /// The maps that containers of the build have.
    pub ids: IdMaps,
    /// Where their files are reached.
    pub namespace: StoreNamespace,
}

/// A directory in `tmp/` that a step changes files in: as a container's, with `upper` and `work`, or `tree`.
pub struct Scratch {
    dir: TempDir,
    /// The layers below, bottom first; never none.
    lower: Vec<PathBuf>,
}

/// What a step has left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Harvest {
    /// None where nothing has changed.
    pub layer: Option<PackedLayer>,
    /// What came of packing it.
    pub report: PackReport,
}

impl Scratch {
    /// An empty one upon `layers`, bottom first.
    ///
    /// # Errors
    /// The system's.
    pub fn new(store: &Store, layers: Vec<PathBuf>) -> Result<Scratch> {
        let dir = TempDir::new(store, "build")?;
        let mut lower = layers;
        if lower.is_empty() {
            // Overlay wants something below.
            let nothing = dir.path().join("nothing");
            let doing = || format!("cannot make {}", nothing.display());
            std::fs::create_dir(&nothing).doing(doing)?;
            std::fs::set_permissions(&nothing, Permissions::from_mode(0o755)).doing(doing)?;
            lower.push(nothing);
        }
        Ok(Scratch { dir, lower })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The layers below, bottom first.
    pub fn lower(&self) -> &[PathBuf] {
        &self.lower
    }

    /// Packs what has changed, but for `left`, gives the layer its tree, and removes the rest. Runs as root of the
    /// store's namespace, with nothing mounted here any more.
    ///
    /// # Errors
    /// The system's: no space left, above all.
    pub fn harvest(&self, ground: &Ground<'_>, left: &[&str]) -> Result<Harvest> {
        let harvest = self.pack(ground, left)?;
        if let Some(layer) = &harvest.layer {
            let upper = self.path().join("upper");
            // Only what the kernel's overlay has written is what it can read again; it has left this mark.
            let is_kernels = ["work/incompat/volatile", "incompat/volatile"];
            let tree = is_kernels.iter().any(|mark| self.path().join(mark).exists()).then_some(upper.as_path());
            if let Some(tree) = tree {
                left.iter().try_for_each(|path| remove_inside(tree, path))?;
            }
            settle(ground.store, layer, &ground.ids, ground.namespace.maps(), tree)?;
        }
        self.clear()?;
        Ok(harvest)
    }

    /// What has been written into it, where there was nothing below.
    pub fn files(&self) -> PathBuf {
        let tree = self.path().join("tree");
        if tree.exists() { tree } else { self.path().join("upper") }
    }

    fn pack(&self, ground: &Ground<'_>, left: &[&str]) -> Result<Harvest> {
        let lower: Vec<PathBuf> = self.lower.iter().rev().cloned().collect();
        let tree = self.path().join("tree");
        let parts = match tree.exists() {
            true => Parts::Copy { tree, lower },
            false => Parts::Overlay { upper: self.path().join("upper"), lower },
        };
        let writer = LayerWriter::new(ground.store)?;
        let mut packer = TreePacker::new(writer, &ground.ids, ground.namespace.maps());
        walk_changes(&parts, left, &mut packer)?;
        let (writer, report) = packer.finish()?;
        let layer = if report.entries > 0 { Some(writer.publish(ground.store)?) } else { None };
        Ok(Harvest { layer, report })
    }

    /// Removes what is in it, whosoever it is. Runs as root of the store's namespace.
    ///
    /// # Errors
    /// The system's.
    pub fn clear(&self) -> Result<()> {
        ["upper", "work", "tree", "attach"].iter().try_for_each(|name| remove_tree(&self.path().join(name)))
    }
}

/// Removes `path` below `top`, if it is there. The step may have put links on the way, which lead nowhere but to what is
/// its own.
fn remove_inside(top: &Path, path: &str) -> Result<()> {
    let path = Path::new(path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let directory = open_directory(top)?;
    match Root::new(directory.as_fd()).open_dir_in_root(parent) {
        Ok(parent) => remove_tree(&Path::new(&in_proc(parent.as_fd())).join(name)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(errno) => Err(errno).doing(|| format!("cannot open {}", parent.display())),
    }
}
