//! What takes how much room: `system df`.

use super::plan::MountKind;
use super::record::{self, Status};
use super::usage::lengths_below;
use super::volumes;
use crate::error::{Doing, Failure, Result};
use crate::image::reference::Reference;
use crate::image::{self, layer_size};
use crate::launch::StoreNamespace;
use crate::store::Store;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// All there is.
#[derive(Debug, Default)]
pub struct Usage {
    /// Images, newest first.
    pub images: Vec<ImageUsage>,
    /// Containers, newest first.
    pub containers: Vec<ContainerUsage>,
    /// Volumes, by name.
    pub volumes: Vec<VolumeUsage>,
    /// What all layers of images take unpacked, each once, bytes.
    pub layer_bytes: u64,
    /// What of that is only of images that no container was made of.
    pub unused_layer_bytes: u64,
    /// Images that cannot be read.
    pub damaged: Vec<Failure>,
}

/// One image.
#[derive(Debug)]
pub struct ImageUsage {
    /// `sha256:…`
    pub id: String,
    /// The first of its names.
    pub name: Option<Reference>,
    /// When it was built.
    pub created: Option<Timestamp>,
    /// Bytes of layers that other images have too.
    pub shared: u64,
    /// Bytes of layers that it alone has.
    pub unique: u64,
    /// How many containers were made of it.
    pub containers: usize,
}

/// One container.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ContainerUsage {
    pub id: String,
    pub name: String,
    /// The image, as it was typed.
    pub image: String,
    /// What it executes.
    pub command: String,
    pub created: Timestamp,
    pub running: bool,
    /// Docker's word for its state.
    pub status: String,
    /// How many volumes it has.
    pub volumes: usize,
    /// What it has written, bytes.
    pub bytes: u64,
}

/// One volume.
#[derive(Debug)]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// How many containers have it.
    pub links: usize,
    /// What is in it, bytes.
    pub bytes: u64,
}

/// Measures all there is.
///
/// # Errors
/// The store cannot be read.
pub fn usage(store: &Store) -> Result<Usage> {
    let containers = record::list(store)?;
    let listing = image::list(store)?;
    let mut usage = Usage { damaged: listing.damaged, ..Usage::default() };
    let of_image =
        |id: &str| containers.iter().filter(|it| it.plan.image.as_ref().is_some_and(|image| image.id == id)).count();
    let (mut holders, mut used, mut sizes) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    for image in &listing.images {
        let active = of_image(&image.id.to_string()) > 0;
        for layer in image.layers.iter().collect::<Vec<_>>() {
            holders.entry(layer.diff_id).or_insert_with(BTreeSet::new).insert(image.manifest_digest);
            sizes.entry(layer.diff_id).or_insert_with(|| layer_size(store, layer));
            if active {
                used.insert(layer.diff_id);
            }
        }
    }
    usage.layer_bytes = sizes.values().sum();
    usage.unused_layer_bytes = sizes.iter().filter(|(layer, _)| !used.contains(layer)).map(|(_, size)| size).sum();
    for image in &listing.images {
        let layers: BTreeSet<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
        let (shared, unique): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| holders[layer].len() > 1);
        let sum = |layers: Vec<_>| layers.into_iter().map(|layer| sizes[layer]).sum();
        usage.images.push(ImageUsage {
            id: image.id.to_string(),
            name: image.names.first().cloned(),
            created: image.config.created(),
            shared: sum(shared),
            unique: sum(unique),
            containers: of_image(&image.id.to_string()),
        });
    }
    let volumes = volumes::list(store)?;
    let written = containers.iter().map(|it| it.dir.join("upper"));
    let paths = written.chain(volumes.iter().map(|volume| volume.data()));
    let mut sizes = sizes_of(paths.collect())?.into_iter();
    for container in &containers {
        let plan = &container.plan;
        usage.containers.push(ContainerUsage {
            id: plan.id.clone(),
            name: plan.name.clone(),
            image: plan.image.as_ref().map(|image| image.name.clone()).unwrap_or_default(),
            command: plan.process.args.join(" "),
            created: plan.created,
            running: container.state.status == Status::Running,
            status: container.state.status.word().to_owned(),
            volumes: volumes_of(plan).count(),
            bytes: sizes.next().unwrap_or(0),
        });
    }
    for name in volumes.into_iter().map(|volume| volume.name) {
        let links = containers.iter().filter(|it| volumes_of(&it.plan).any(|own| own == name)).count();
        usage.volumes.push(VolumeUsage { links, bytes: sizes.next().unwrap_or(0), name });
    }
    Ok(usage)
}

fn volumes_of(plan: &super::plan::RunPlan) -> impl Iterator<Item = &str> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Volume { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// The bytes of the regular files below each directory, by their lengths; of one that is not there none. In one visit
/// to the store's namespace: the files may be readable to ids of containers alone.
///
/// # Errors
/// A directory cannot be read; what vanishes meanwhile is no error.
pub fn sizes_of(directories: Vec<PathBuf>) -> Result<Vec<u64>> {
    if directories.iter().all(|directory| !directory.exists()) {
        return Ok(vec![0; directories.len()]);
    }
    StoreNamespace::here()?.run(|| {
        let size = |directory: &PathBuf| match directory.exists() {
            true => lengths_below(directory).doing(|| format!("cannot measure {}", directory.display())),
            false => Ok(0),
        };
        directories.iter().map(size).collect()
    })
}
