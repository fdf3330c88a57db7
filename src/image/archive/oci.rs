//! OCI image layouts (OCI image-spec "image layout"): which manifest of `index.json` is meant.

use super::{ImageArchive, Place, parse_manifest};
use crate::error::{Failure, Result};
use crate::image::manifest::{Descriptor, Document, Index, MAX_MANIFEST, media_type};
use crate::image::platform::Platform;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd and BuildKit write the whole reference here, and only the tag into [`REF_NAME`].
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An index may list indexes; more levels than this are a circle or a trick.
const DEEPEST: usize = 4;

/// Opens the image of a layout.
pub fn open(place: Place, name: Option<&str>, platform: &Platform) -> Result<ImageArchive> {
    let bytes = place.read_file("index.json")?;
    let Document::Index(index) = parse_manifest(&bytes, media_type::OCI_INDEX)? else {
        return Err(Failure::new("cannot read index.json", "it is no index"));
    };
    let chosen = choose(&index, name, platform)?.clone();
    open_entry(place, chosen, platform)
}

/// Opens all images of a layout: of each name, and each without one.
pub fn open_all(place: &Place, platform: &Platform) -> Result<Vec<ImageArchive>> {
    let bytes = place.read_file("index.json")?;
    let Document::Index(index) = parse_manifest(&bytes, media_type::OCI_INDEX)? else {
        return Err(Failure::new("cannot read index.json", "it is no index"));
    };
    let mut all: Vec<String> = index.manifests.iter().filter_map(|entry| names(entry).into_iter().next()).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return Ok(vec![open(place.clone(), None, platform)?]);
    }
    let mut images = Vec::new();
    for name in &all {
        images.push(open(place.clone(), Some(name), platform)?);
    }
    for nameless in index.manifests.iter().filter(|entry| names(entry).is_empty()) {
        images.push(open_entry(place.clone(), nameless.clone(), platform)?);
    }
    Ok(images)
}

fn open_entry(place: Place, mut chosen: Descriptor, platform: &Platform) -> Result<ImageArchive> {
    let names = names(&chosen);
    for _ in 0..DEEPEST {
        let bytes = place.read_document(&chosen.digest, chosen.size, MAX_MANIFEST)?;
        match parse_manifest(&bytes, &chosen.media_type)? {
            Document::Manifest(manifest) => return ImageArchive::assemble(place, bytes, manifest, names),
            Document::Index(index) => {
                let next = index.choose(platform).map_err(|error| Failure::new("cannot choose an image", error))?;
                chosen = next.clone();
            }
        }
    }
    Err(Failure::new("cannot choose an image", format!("indexes lie in each other more than {DEEPEST} deep")))
}

/// The entry that is meant: by name; else the only one; else, of one image for several platforms, the fitting one.
fn choose<'a>(index: &'a Index, name: Option<&str>, platform: &Platform) -> Result<&'a Descriptor> {
    let doing = "cannot choose an image";
    let Some(name) = name else {
        return match &index.manifests[..] {
            [] => Err(Failure::new(doing, "index.json lists none")),
            [only] => Ok(only),
            several => {
                let mut all: Vec<String> = several.iter().flat_map(names).collect();
                all.sort_unstable();
                all.dedup();
                if all.len() > 1 {
                    return Err(several_images(&all));
                }
                index.choose(platform).map_err(|error| Failure::new(doing, error))
            }
        };
    };
    let named = Index {
        manifests: index.manifests.iter().filter(|entry| names(entry).iter().any(|own| own == name)).cloned().collect(),
    };
    // Several of one name are one image's platforms.
    let digest = match &named.manifests[..] {
        [] => {
            let all: Vec<String> = index.manifests.iter().flat_map(names).collect();
            return Err(no_such_image(name, &all));
        }
        [only] => only.digest,
        _ => named.choose(platform).map_err(|error| Failure::new(doing, error))?.digest,
    };
    // Another name of the same image has an entry of its own.
    let is_meant = |entry: &&Descriptor| entry.digest == digest && names(entry).iter().any(|own| own == name);
    let found = index.manifests.iter().find(is_meant);
    found.ok_or_else(|| no_such_image(name, &[]))
}

fn names(entry: &Descriptor) -> Vec<String> {
    [CONTAINERD_NAME, REF_NAME].iter().filter_map(|key| entry.annotations.get(*key)).cloned().collect()
}

/// The archive has several images, and none was named.
pub fn several_images(names: &[String]) -> Failure {
    Failure::new("cannot choose an image", format!("it has several: {}", list(names)))
        .hint("say which by its name after a colon: KIND:PATH:NAME")
}

/// The archive has no image of that name.
pub fn no_such_image(name: &str, names: &[String]) -> Failure {
    let has = if names.is_empty() { "its images have no names".to_owned() } else { format!("it has {}", list(names)) };
    Failure::new(format!("cannot find the image `{}` in it", name.escape_debug()), has)
}

/// Names for a message, printable and not endless.
fn list(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect();
    let more = if names.len() > MOST { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
