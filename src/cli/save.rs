//! `rr save`

use super::destination::Destination;
use super::store;
use super::verbs::Verb;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image::reference::{ImageName, Reference};
use crate::image::{self, ArchiveFormat, Image};
use crate::store::Store;
use std::path::PathBuf;

/// Write images to an archive
#[derive(Debug, clap::Parser)]
pub struct Save {
    /// docker-archive, oci-archive or oci-dir
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: String,
    /// Accepted for Podman's sake: any number of images can be saved
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Write to a file or, with oci-dir, a directory instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accepted for Podman's sake: nothing is said anyway
    #[arg(short, long)]
    quiet: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Save {
    fn run(self) -> Result<i32> {
        let wrong = |cause: String| Failure::new("cannot use --format", cause).code(ExitCode::General);
        let format = self.format.parse::<ArchiveFormat>().map_err(wrong)?;
        let store = store()?;
        let _lock = store.lock_shared()?;
        let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
        for text in &self.images {
            let (image, name) = named(&store, text)?;
            match images.iter_mut().find(|(other, _)| other.manifest_digest == image.manifest_digest) {
                Some((_, names)) => {
                    names.extend(name.filter(|name| !names.contains(name)).into_iter().collect::<Vec<_>>())
                }
                None => images.push((image, name.into_iter().collect())),
            }
        }
        if format == ArchiveFormat::OciDirectory {
            let directory = self.output.ok_or_else(|| wrong("oci-dir needs a directory (-o)".into()))?;
            return image::save_to_directory(&store, &images, &directory).map(|()| 0);
        }
        let destination = Destination::open(self.output.as_deref())?;
        image::save_to_file(&store, &images, format, destination.file())?;
        destination.publish().map(|()| 0)
    }
}

/// An image, and the name it was named by; one named by its id has none in the archive, as with Docker.
fn named(store: &Store, text: &str) -> Result<(Image, Option<Reference>)> {
    let image = image::resolve(store, text)?;
    let typed = ImageName::parse(text).doing(|| format!("cannot save {}", text.escape_debug()))?;
    let name = match typed {
        ImageName::Registry { reference, .. } if image.names.contains(&reference) => Some(reference),
        // A short name that stands for another registry's.
        ImageName::Registry { reference, .. } => image
            .names
            .iter()
            .find(|name| name.path() == reference.familiar_repository() && name.tag() == reference.tag())
            .cloned(),
        _ => None,
    };
    Ok((image, name))
}
