//! Images in the store: finding them, listing them, naming them.
//!
//! [`find`] is on the way of every `rr run`: it reads the layout's index, one manifest and one config,
//! and nothing else. Both documents are checked against their digests, which costs microseconds and
//! turns a damaged store into an error instead of a strange container.

use super::config::ImageConfig;
use super::digest::Digest;
use super::index::LayoutIndex;
use super::manifest::{Descriptor, Document, Manifest};
use super::platform::Platform;
use super::reference::{ImageName, Reference, Spelling};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::ids::IdMaps;
use crate::store::Store;

/// One image, complete but for its layers' content.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Digest of its config: Docker's image id.
    pub id: Digest,
    /// Digest of its manifest.
    pub manifest_digest: Digest,
    /// Digest the registry knows it by: that of an index where it came from one.
    pub source_digest: Digest,
    /// Its names, sorted; empty where a newer image took its last one.
    pub names: Vec<Reference>,
    /// What it says about its containers.
    pub config: ImageConfig,
    /// Its layers, bottom first.
    pub layers: Vec<Layer>,
    /// How many of them, from the bottom, are hidden altogether: a layer above them has an opaque top,
    /// which overlay does not look for. See [`Image::visible_layers`].
    pub hidden_layers: usize,
    /// What its blobs take, bytes.
    pub size: u64,
    /// What its layers' tar streams take, bytes; None where rr did not count them.
    pub unpacked_size: Option<u64>,
    /// Whom it is for.
    pub platform: Platform,
}

impl Image {
    /// The layers that a root file system is stacked from, bottom first.
    pub fn visible_layers(&self) -> &[Layer] {
        self.layers.get(self.hidden_layers..).unwrap_or_default()
    }
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob.
    pub blob: Digest,
    /// Length of the blob, bytes.
    pub size: u64,
    /// Media type of the blob.
    pub media_type: String,
    /// Digest of the uncompressed tar stream; the layer's tree lies in [`Store::layer`] by it.
    pub diff_id: Digest,
}

/// The images of a store, and those entries that could not be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first, as Docker prints them.
    pub images: Vec<Image>,
    /// What is wrong with each of the others.
    pub damaged: Vec<Failure>,
}

/// The local image that `name` means, if there is one. No network, no configuration.
///
/// A name without a registry means Docker Hub's; where the store has no such image, one of another
/// registry with that path (`registries.conf` had chosen it then). A single word of hexadecimal digits
/// may also be the beginning of an id.
///
/// # Errors
/// The store cannot be read; several images match.
pub fn find(store: &Store, name: &ImageName) -> Result<Option<Image>> {
    let index = LayoutIndex::read(store)?;
    match find_entry(store, &index, name)? {
        Some(entry) => load(store, &index, entry).map(Some),
        None => Ok(None),
    }
}

/// As [`find`], for the text of a command line.
///
/// # Errors
/// As there, and where there is no such image (exit status 1).
pub fn resolve(store: &Store, text: &str) -> Result<Image> {
    let doing = || format!("cannot find the image {}", text.escape_debug());
    let name = ImageName::parse(text).doing(doing)?;
    find(store, &name)?.ok_or_else(|| no_such_image(doing(), text))
}

/// What was being done with an image that is not there.
pub(super) fn no_such_image(doing: String, name: &str) -> Failure {
    Failure::new(doing, "no such image").code(ExitCode::General).known(Known::NoSuchImage(name.to_owned()))
}

/// Whether every layer of `image` is unpacked under `maps`: one stat a layer.
pub fn is_unpacked(store: &Store, image: &Image, maps: &IdMaps) -> bool {
    let key = maps.key();
    image.layers.iter().all(|layer| store.layer(&key, &layer.diff_id.hex()).exists())
}

/// All images of the store.
///
/// # Errors
/// The index cannot be read.
pub fn list(store: &Store) -> Result<Listing> {
    let index = LayoutIndex::read(store)?;
    let mut listing = Listing::default();
    for entry in index.distinct() {
        match load(store, &index, entry) {
            Ok(image) => listing.images.push(image),
            Err(failure) => listing.damaged.push(failure),
        }
    }
    listing.images.sort_by_key(|image| std::cmp::Reverse(image.config.created()));
    Ok(listing)
}

/// Gives the image `source` the further name `target`, taking it from whatever had it.
///
/// # Errors
/// There is no such image, or `target` has a digest.
pub fn tag(store: &Store, source: &ImageName, target: &Reference) -> Result<()> {
    let doing = || format!("cannot tag {source}");
    if target.digest().is_some() {
        return Err(Failure::new(doing(), format!("{target} has a digest, and a digest cannot be chosen")));
    }
    LayoutIndex::update(store, |index| {
        let Some(entry) = find_entry(store, index, source)?.cloned() else {
            return Err(no_such_image(doing(), &source.to_string()));
        };
        index.add(&entry, Some(target));
        Ok(())
    })
}

/// The index entry that `name` means.
pub(super) fn find_entry<'a>(
    store: &Store,
    index: &'a LayoutIndex,
    name: &ImageName,
) -> Result<Option<&'a Descriptor>> {
    match name {
        ImageName::Registry { reference, spelling } => {
            if let Some(entry) = find_reference(index, reference, *spelling)? {
                return Ok(Some(entry));
            }
            match spelling {
                Spelling::MaybeId => find_id(store, index, &reference.familiar_repository()),
                Spelling::Qualified | Spelling::Short => Ok(None),
            }
        }
        ImageName::Id(hex) => find_id(store, index, hex),
        // What an archive holds is known only by reading it; that is pulling.
        ImageName::Archive { .. } => Ok(None),
    }
}

fn find_reference<'a>(
    index: &'a LayoutIndex,
    reference: &Reference,
    spelling: Spelling,
) -> Result<Option<&'a Descriptor>> {
    if let Some(entry) = index.named(&stored_name(reference)) {
        return Ok(Some(entry));
    }
    // By digest, any name of the same repository will do: the content is what was asked for.
    if let Some(digest) = reference.digest() {
        let serves = |entry: &&Descriptor| {
            (entry.digest == digest || entry.source_digest() == Some(digest))
                && entry.name().is_some_and(|name| name.repository() == reference.repository())
        };
        return Ok(index.manifests.iter().find(serves));
    }
    if spelling == Spelling::Qualified {
        return Ok(None);
    }
    let path = reference.familiar_repository();
    let same =
        |entry: &&Descriptor| entry.name().is_some_and(|name| name.path() == path && name.tag() == reference.tag());
    let mut matches = index.manifests.iter().filter(same);
    let first = matches.next();
    match (
        first.and_then(Descriptor::name),
        matches.find(|entry| Some(entry.digest) != first.map(|first| first.digest)),
    ) {
        (Some(one), Some(other)) => Err(Failure::new(
            format!("cannot tell which image {} is", reference.familiar()),
            format!("it could be {one} or {}", other.name().map(|name| name.to_string()).unwrap_or_default()),
        )
        .hint("name it with its registry")
        .code(ExitCode::General)),
        _ => Ok(first),
    }
}

/// The name an image is kept under: one with a digest has no tag, since a tag moves and this cannot.
pub(super) fn stored_name(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest),
        None => reference.clone(),
    }
}

/// The entry whose image id starts with `prefix`, or whose manifest has this whole digest.
fn find_id<'a>(store: &Store, index: &'a LayoutIndex, prefix: &str) -> Result<Option<&'a Descriptor>> {
    let mut found: Option<(&Descriptor, Digest)> = None;
    for entry in index.distinct() {
        if entry.digest.hex() == prefix {
            return Ok(Some(entry));
        }
        let id = match entry.image_id() {
            Some(id) => id,
            // Written by another tool. A damaged one has no id that could be meant.
            None => match load(store, index, entry) {
                Ok(image) => image.id,
                Err(failure) => {
                    log::debug!("{failure}");
                    continue;
                }
            },
        };
        if !id.hex().starts_with(prefix) {
            continue;
        }
        match found {
            Some((_, other)) if other != id => {
                return Err(Failure::new(
                    format!("cannot tell which image {prefix} is"),
                    "several image ids start with these digits",
                )
                .hint("give more of the id's digits")
                .code(ExitCode::General));
            }
            Some(_) => {}
            None => found = Some((entry, id)),
        }
    }
    Ok(found.map(|(entry, _)| entry))
}

/// Reads the image of an index entry.
pub(super) fn load(store: &Store, index: &LayoutIndex, entry: &Descriptor) -> Result<Image> {
    let called = entry.name().map_or_else(|| entry.digest.to_string(), |name| name.familiar());
    load_parts(store, index, entry).map_err(|failure| {
        failure
            .while_doing(format!("cannot read the image {called}"))
            .hint(format!("pull it again: rr rmi -f {called} && rr pull {called}"))
    })
}

fn load_parts(store: &Store, index: &LayoutIndex, entry: &Descriptor) -> Result<Image> {
    let (manifest_digest, manifest) = read_manifest(store, entry)?;
    let config = read_blob(store, &manifest.config.digest)?;
    let config = ImageConfig::parse(&config).doing(|| format!("cannot read blob {}", manifest.config.digest))?;
    let layers = pair_layers(&manifest, &config).doing(|| format!("cannot use manifest {manifest_digest}"))?;
    Ok(Image {
        id: manifest.config.digest,
        manifest_digest,
        source_digest: entry.source_digest().unwrap_or(entry.digest),
        names: index.names_of(&entry.digest),
        layers,
        hidden_layers: entry.hidden_layers(),
        size: manifest.blobs_size(),
        unpacked_size: entry.unpacked_size(),
        platform: config.platform(),
        config,
    })
}

/// The manifest an entry leads to. Other tools may have put an index into the layout.
pub(super) fn read_manifest(store: &Store, entry: &Descriptor) -> Result<(Digest, Manifest)> {
    let mut digest = entry.digest;
    let mut media_type = entry.media_type.clone();
    for _ in 0..MAX_NESTING {
        let bytes = read_blob(store, &digest)?;
        let doing = || format!("cannot use blob {digest}");
        match Document::parse(&bytes, Some(&media_type)).doing(doing)? {
            Document::Manifest(manifest) => return Ok((digest, manifest)),
            Document::Index(nested) => {
                let chosen = nested.choose(&Platform::host()).doing(doing)?;
                media_type.clone_from(&chosen.media_type);
                digest = chosen.digest;
            }
        }
    }
    Err(Failure::new(format!("cannot use blob {}", entry.digest), "its indexes are nested too deep"))
}

/// How deep indexes may lie in indexes. One in one is known to exist.
pub(super) const MAX_NESTING: usize = 4;

/// Reads a small blob whole and checks its digest.
pub(super) fn read_blob(store: &Store, digest: &Digest) -> Result<Vec<u8>> {
    let path = store.blob(&digest.hex());
    let doing = || format!("cannot read {}", path.display());
    let bytes = std::fs::read(&path).doing(doing)?;
    if Digest::of(&bytes) != *digest {
        return Err(Failure::new(doing(), "its content does not have the digest it is named by"));
    }
    Ok(bytes)
}

/// A manifest's layers with the config's diff ids. The error is a sentence without a full stop.
pub(super) fn pair_layers(manifest: &Manifest, config: &ImageConfig) -> std::result::Result<Vec<Layer>, String> {
    let (blobs, diff_ids) = (&manifest.layers, &config.rootfs.diff_ids);
    if blobs.len() != diff_ids.len() {
        return Err(format!("the manifest has {} layers and the config has {}", blobs.len(), diff_ids.len()));
    }
    let layer = |(blob, diff_id): (&Descriptor, &Digest)| Layer {
        blob: blob.digest,
        size: blob.size,
        media_type: blob.media_type.clone(),
        diff_id: *diff_id,
    };
    Ok(blobs.iter().zip(diff_ids).map(layer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::IdMap;
    use crate::image::testing::{diff_id, put_image, store};

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    fn found(store: &Store, text: &str) -> Option<Digest> {
        find(store, &name(text)).unwrap().map(|image| image.id)
    }

    #[test]
    fn images_are_found_by_name_id_and_digest() {
        let (_home, store) = store();
        let id = put_image(&store, "alpine:3", &["one", "two"]);
        put_image(&store, "other", &["three"]);
        let image = find(&store, &name("docker.io/library/alpine:3")).unwrap().unwrap();
        assert_eq!(image.id, id);
        assert_eq!(image.names, ["alpine:3".parse().unwrap()]);
        assert_eq!(image.layers.len(), 2);
        assert_eq!(image.layers[1].diff_id, diff_id("two"));
        assert_eq!(image.config.config.env, ["A=b"]);
        for text in [
            "alpine:3".to_owned(),
            id.hex(),
            id.to_string(),
            id.hex()[..12].to_owned(),
            format!("sha256:{}", &id.hex()[..6]),
            format!("alpine@{}", image.manifest_digest),
            format!("alpine:9@{}", image.manifest_digest),
            image.manifest_digest.to_string(),
        ] {
            assert_eq!(found(&store, &text), Some(id), "{text}");
        }
        for text in ["alpine".to_owned(), "quay.io/alpine:3".into(), format!("other2@{}", image.manifest_digest)] {
            assert_eq!(found(&store, &text), None, "{text}");
        }
        assert_eq!(resolve(&store, "nope").unwrap_err().to_string(), "cannot find the image nope: no such image");
    }

    #[test]
    fn a_short_name_finds_the_registry_it_was_pulled_from() {
        let (_home, store) = store();
        let id = put_image(&store, "quay.io/tool:1", &["one"]);
        assert_eq!(found(&store, "tool:1"), Some(id));
        put_image(&store, "ghcr.io/tool:1", &["two"]);
        let error = find(&store, &name("tool:1")).unwrap_err();
        assert!(error.to_string().contains("quay.io/tool:1 or ghcr.io/tool:1"), "{error}");
        let hub = put_image(&store, "tool:1", &["three"]);
        assert_eq!(found(&store, "tool:1"), Some(hub));
    }

    #[test]
    fn an_ambiguous_prefix_is_refused() {
        let (_home, store) = store();
        let ids: Vec<String> = (0..20).map(|number| put_image(&store, &format!("n{number}"), &["x"]).hex()).collect();
        // Twenty ids and sixteen first digits: two share one.
        let shared = "0123456789abcdef"
            .chars()
            .find(|digit| ids.iter().filter(|id| id.starts_with(*digit)).count() > 1)
            .unwrap()
            .to_string();
        let error = find(&store, &name(&shared)).unwrap_err();
        assert!(error.to_string().contains("several image ids"), "{error}");
    }

    #[test]
    fn a_tag_moves_and_the_list_shows_all() {
        let (_home, store) = store();
        let a = put_image(&store, "a", &["one"]);
        let b = put_image(&store, "b", &["two"]);
        tag(&store, &name("a"), &"b".parse().unwrap()).unwrap();
        assert_eq!(found(&store, "b"), Some(a));
        let listing = list(&store).unwrap();
        assert_eq!(listing.images.len(), 2);
        assert_eq!(listing.images.iter().find(|image| image.id == b).unwrap().names, []);
        let error = tag(&store, &name("zz"), &"b".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "cannot tag zz:latest: no such image");
    }

    #[test]
    fn damage_is_found_and_does_not_hide_the_others() {
        let (_home, store) = store();
        let a = put_image(&store, "a", &["one"]);
        put_image(&store, "b", &["two"]);
        std::fs::write(store.blob(&a.hex()), "{}").unwrap();
        let error = find(&store, &name("a")).unwrap_err();
        assert!(error.to_string().contains("does not have the digest"), "{error}");
        assert!(error.hints[0].contains("rr pull a:latest"));
        let listing = list(&store).unwrap();
        assert_eq!((listing.images.len(), listing.damaged.len()), (1, 1));
    }

    #[test]
    fn unpacked_means_every_layer_under_these_maps() {
        let (_home, store) = store();
        put_image(&store, "a", &["one", "two"]);
        let image = find(&store, &name("a")).unwrap().unwrap();
        let maps = |outside| IdMaps { users: IdMap::single(0, outside), groups: IdMap::single(0, outside) };
        std::fs::create_dir_all(store.layer(&maps(1).key(), &diff_id("one").hex())).unwrap();
        assert!(!is_unpacked(&store, &image, &maps(1)));
        std::fs::create_dir_all(store.layer(&maps(1).key(), &diff_id("two").hex())).unwrap();
        assert!(is_unpacked(&store, &image, &maps(1)));
        assert!(!is_unpacked(&store, &image, &maps(2)));
    }
}
