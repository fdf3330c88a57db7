//! What the root file system is stacked from, and what each layer has added.

use super::Seen;
use super::mounts::Mounted;
use crate::container::plan::RootSource;
use crate::container::record::Container;
use crate::container::run::layer_paths;
use crate::error::{Doing, Result};
use crate::image::{self, config::ImageConfig};
use crate::launch::StoreNamespace;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stack {
    /// Who puts the layers on top of each other: the kernel's `overlay`, `fuse`, or whatever the root is a
    /// part of; None where the container does not run.
    pub file_system: Option<String>,
    /// Overlay's options (Documentation/filesystems/overlayfs.rst), as the kernel has them.
    pub options: String,
    /// Topmost first.
    pub layers: Vec<Layer>,
}

/// One directory of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Layer {
    /// What it is.
    pub kind: Kind,
    /// Where on the host.
    pub path: PathBuf,
    /// Digest of its tar stream, of an image's.
    pub digest: Option<String>,
    /// The step that has made it, as the image tells it.
    pub created_by: Option<String>,
    /// What is in it.
    pub content: Seen<Content>,
}

/// What a directory is in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// What the container writes.
    Upper,
    /// A layer of the image; nobody changes it.
    Image,
    /// Empty files that rr mounts the container's names and devices on.
    MountPoints,
    /// The directory that was given by `--rootfs`.
    Directory,
    /// A copy of all layers, where nobody can stack them.
    Copy,
}

/// What was counted in one layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Content {
    /// Files that are no directories.
    pub files: u64,
    /// Directories, the top not counted.
    pub directories: u64,
    /// Whiteouts: names of lower layers that it hides.
    pub removed: u64,
    /// Lengths of its regular files, bytes.
    pub bytes: u64,
}

impl Stack {
    /// That of a container; `mounts` are its own where it runs.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(store: &Store, container: &Container, mounts: Option<&[Mounted]>) -> Result<Stack> {
        let mut stack = Stack::without_content(store, container, mounts)?;
        count(container, &mut stack.layers);
        Ok(stack)
    }

    /// The same, and nothing counted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn without_content(store: &Store, container: &Container, mounts: Option<&[Mounted]>) -> Result<Stack> {
        let plan = &container.plan;
        let root = mounts
            .and_then(|mounts| mounts.iter().rev().find(|mount| mount.id.is_some() && mount.target == Path::new("/")));
        let mut layers = Vec::new();
        let mut add = |kind, path: PathBuf, digest: Option<&String>, created_by: Option<String>| {
            let content = Seen::Is(Content::default());
            layers.push(Layer { kind, path, digest: digest.cloned(), created_by, content });
        };
        let tree = container.dir.join("tree");
        match (&plan.root, tree.exists()) {
            (_, true) => add(Kind::Copy, tree, None, None),
            (RootSource::Directory { .. }, _) => {}
            _ => add(Kind::Upper, container.dir.join("upper"), None, None),
        }
        match &plan.root {
            RootSource::Directory { path } | RootSource::OverlaidDirectory { path } => {
                add(Kind::Directory, path.clone(), None, None);
            }
            RootSource::Layers { diff_ids } => {
                let image = plan.image.as_ref().and_then(|image| image::resolve(store, &image.id).ok());
                let steps = image.as_ref().map(|image| steps(&image.config)).unwrap_or_default();
                let paths = layer_paths(store, plan)?;
                // Layers that others hide altogether are not in the stack; the empty files below all are no layer.
                let extra = paths.len().saturating_sub(diff_ids.len());
                let first = steps.len().saturating_sub(diff_ids.len());
                for (index, path) in paths.into_iter().enumerate().rev() {
                    match index.checked_sub(extra) {
                        None => add(Kind::MountPoints, path, None, None),
                        Some(at) => add(Kind::Image, path, diff_ids.get(at), steps.get(first + at).cloned()),
                    }
                }
            }
        }
        Ok(Stack {
            file_system: root.map(|root| root.file_system.clone()),
            options: root.map(|root| root.super_options.clone()).unwrap_or_default(),
            layers,
        })
    }
}

/// The commands that have made layers, bottom first.
fn steps(config: &ImageConfig) -> Vec<String> {
    config.history.iter().filter(|step| !step.empty_layer).map(|step| step.created_by.clone()).collect()
}

/// Counts as root of the store's namespace, since files may be readable to their owners in the container alone.
fn count(container: &Container, layers: &mut [Layer]) {
    let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.path.clone()).collect();
    let counted = StoreNamespace::here().and_then(|namespace| {
        namespace.run_on_files_of(&container.plan.ids, || {
            Ok(paths.iter().map(|path| content_of(path).map_err(|failure| failure.to_string())).collect::<Vec<_>>())
        })
    });
    match counted {
        Ok(all) => {
            for (layer, content) in layers.iter_mut().zip(all) {
                layer.content = content.map_or_else(Seen::Unreadable, Seen::Is);
            }
        }
        Err(failure) => layers.iter_mut().for_each(|layer| layer.content = Seen::Unreadable(failure.to_string())),
    }
}

/// Of a tree that is not there yet, nothing: the container was never started.
fn content_of(path: &Path) -> Result<Content> {
    let mut content = Content::default();
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.doing(|| format!("cannot list {}", directory.display()))?,
        };
        for entry in entries.flatten() {
            // What vanishes meanwhile is not counted.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                content.directories += 1;
                pending.push(entry.path());
            } else if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
                content.removed += 1;
            } else {
                content.files += 1;
                content.bytes += if metadata.is_file() { metadata.len() } else { 0 };
            }
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_counted() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        fs::write(scratch.path().join("a/x"), "12345").unwrap();
        std::os::unix::fs::symlink("nowhere", scratch.path().join("l")).unwrap();
        let content = content_of(scratch.path()).unwrap();
        assert_eq!(content, Content { files: 2, directories: 2, removed: 0, bytes: 5 });
        assert_eq!(content_of(&scratch.path().join("none")).unwrap(), Content::default());
    }
}
