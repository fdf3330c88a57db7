//! `rr save`

use super::destination::Destination;
use super::verbs::Verb;
use super::{personality, store};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image::reference::{ImageName, Reference};
use crate::image::{self, ArchiveFormat, Image};
use crate::store::{Event, Kind, Store};
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
            for (image, name) in named(&store, text)? {
                match images.iter_mut().find(|(other, _)| other.manifest_digest == image.manifest_digest) {
                    Some((_, names)) => {
                        names.extend(name.filter(|name| !names.contains(name)).into_iter().collect::<Vec<_>>())
                    }
                    None => images.push((image, name.into_iter().collect())),
                }
            }
        }
        let told: Vec<Event> = images.iter().map(|(image, _)| saved(image)).collect();
        if format == ArchiveFormat::OciDirectory {
            let directory = self.output.ok_or_else(|| wrong("oci-dir needs a directory (-o)".into()))?;
            image::save_to_directory(&store, &images, &directory)?;
            store.tell_and_bound(&told);
            return Ok(0);
        }
        let destination = Destination::open(self.output.as_deref())?;
        image::save_to_file(&store, &images, format, destination.file())?;
        destination.publish()?;
        store.tell_and_bound(&told);
        Ok(0)
    }
}

fn saved(image: &Image) -> Event {
    let id = image.id.to_string();
    Event::now(Kind::Image, "save", &*id).with("name", &*id)
}

/// What a word means: a repository without a tag all its images, as with Docker, anything else one.
fn named(store: &Store, text: &str) -> Result<Vec<(Image, Option<Reference>)>> {
    let last = text.rsplit('/').next().unwrap_or(text);
    if !personality::is_podman()
        && !last.contains([':', '@'])
        && let Ok(ImageName::Registry { reference, .. }) = ImageName::parse(text)
    {
        let all = all_of(store, &reference)?;
        if !all.is_empty() {
            return Ok(all);
        }
    }
    Ok(vec![one(store, text)?])
}

/// Every name in the repository, with its image; where there is none, those of another registry that the short name
/// stands for.
fn all_of(store: &Store, wanted: &Reference) -> Result<Vec<(Image, Option<Reference>)>> {
    let images = image::list(store)?.images;
    let those = |matches: &dyn Fn(&Reference) -> bool| -> Vec<(Image, Option<Reference>)> {
        let names = images.iter().flat_map(|image| image.names.iter().map(move |name| (image, name)));
        let found = names.filter(|(_, name)| name.tag().is_some() && matches(name));
        found.map(|(image, name)| (image.clone(), Some(name.clone()))).collect()
    };
    let exact = those(&|name| name.repository() == wanted.repository());
    let short = || those(&|name| name.path() == wanted.familiar_repository());
    Ok(if exact.is_empty() { short() } else { exact })
}

/// An image, and the name it was named by; one named by its id has none in the archive, as with Docker.
fn one(store: &Store, text: &str) -> Result<(Image, Option<Reference>)> {
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
