//! Pulling: from a name to an image that is in the store and unpacked.
//!
//! The client itself resolves the name: configuration, credentials, manifest, config, all small. What
//! is left, the layers, is work for one child in the store's user namespace ([`transfer`]). Last the image's documents and its name go into the layout, so that a name never
//! leads to an image that is not whole. The store is locked against garbage collection all the time.

use super::access::Access;
use super::archive::ImageArchive;
use super::config::ImageConfig;
use super::digest::Digest;
use super::http::{Trouble, TroubleKind};
use super::index::{LayoutIndex, Notes};
use super::local::{self, Image, Layer, MAX_NESTING};
use super::manifest::{Descriptor, Document, MAX_CONFIG, Manifest};
use super::platform::Platform;
use super::progress::{Event, LayerLine, Progress};
use super::reference::{ImageName, Reference, Spelling};
use super::registries::{Endpoint, Registries};
use super::registry::{Fetched, Repository};
use super::transfer::{self, BlobSource, Transfer};
use super::unpack::UnmappedIds;
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use crate::host::ids::IdMaps;
use crate::launch::StoreNamespace;
use crate::store::{self, Store, TempFile, sweep};
use std::io::{Read, Write};

/// When the registry is asked (`--pull`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time; what is there already is not fetched again.
    Always,
    /// Where the store has no such image.
    Missing,
    /// Not at all.
    Never,
    /// Each time; where the registry cannot be reached, what the store has will do.
    Newer,
}

/// One pull.
pub struct PullRequest<'a> {
    /// What to pull.
    pub name: &'a ImageName,
    /// Whether to ask the registry.
    pub policy: PullPolicy,
    /// Whom the image must be for; None is this machine, and then an image that says otherwise is taken
    /// with a note.
    pub platform: Option<Platform>,
    /// The maps of the containers that layers are unpacked for.
    pub maps: &'a IdMaps,
    /// What becomes of files with other ids.
    pub unmapped: UnmappedIds,
    /// Is told what happens.
    pub progress: &'a dyn Progress,
    /// Where configuration and credentials are.
    pub dirs: &'a Dirs,
    /// How registries are reached.
    pub access: &'a Access,
}

/// How long a partial download waits for the pull that resumes it.
pub(super) const KEEP_PARTIAL: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// An image whose documents are known and verified.
pub(super) struct Resolved {
    /// What it will be called; it need not have a name.
    pub(super) names: Vec<Reference>,
    /// The manifest as it came.
    pub(super) manifest_bytes: Vec<u8>,
    /// The manifest.
    pub(super) manifest: Manifest,
    /// The config as it came.
    pub(super) config_bytes: Vec<u8>,
    /// The config.
    pub(super) config: ImageConfig,
    /// The digest the source knows it by.
    pub(super) source_digest: Digest,
}

/// Makes sure that the image is in the store and unpacked under the request's maps, and answers it.
/// The calling process must be single-threaded ([`StoreNamespace::run`]).
///
/// # Errors
/// The name leads nowhere, the registry cannot be reached or lies, the disk is full … In each case what
/// the store had before it has still, and nothing half made is visible in it.
pub fn pull(store: &Store, request: &PullRequest<'_>) -> Result<Image> {
    let _lock = store.lock_shared()?;
    let doing = || format!("cannot pull {}", request.name);
    let wanted = Wanted { platform: request.platform.clone() };
    if let ImageName::Archive { kind, path, name } = request.name {
        let opened = ImageArchive::open(*kind, path, name.as_deref(), &wanted.or_host(), &store.tmp());
        let archive = opened.map_err(|failure| failure.while_doing(doing()))?;
        let resolved = resolve_archive(&archive, request.platform.as_ref()).doing(doing)?;
        let image = finish(store, request, resolved, &[&archive], &[]);
        return image.map_err(|failure| failure.while_doing(doing()));
    }
    let found = local::find(store, request.name)?.filter(|image| wanted.accepts(image));
    match (request.policy, found) {
        (PullPolicy::Missing | PullPolicy::Never, Some(image)) => unpack_kept(store, request, image),
        (PullPolicy::Never, None) => {
            Err(Failure::new(format!("cannot find the image {}", request.name), "it is not in the store")
                .hint("without --pull never, rr asks its registry"))
        }
        (_, found) => match request.name {
            ImageName::Registry { reference, spelling } => {
                let image = pull_name(store, request, reference, *spelling, found)?;
                let event = store::Event::now(store::Kind::Image, "pull", reference.familiar());
                store.tell_and_bound(&[event.with("name", reference.familiar_repository())]);
                Ok(image)
            }
            _ => found.map_or_else(
                || {
                    Err(Failure::new(
                        doing(),
                        "no image in the store has this id, and registries are asked by name only",
                    ))
                },
                |image| unpack_kept(store, request, image),
            ),
        },
    }
}

/// Puts an opened image into the store, as [`pull`] does with one that is named.
///
/// # Errors
/// As there.
pub fn load(store: &Store, request: &PullRequest<'_>, archive: &ImageArchive) -> Result<Image> {
    let _lock = store.lock_shared()?;
    let doing = || format!("cannot load {}", request.name);
    let resolved = resolve_archive(archive, request.platform.as_ref()).doing(doing)?;
    finish(store, request, resolved, &[archive], &[]).map_err(|failure| failure.while_doing(doing()))
}

/// Which platforms will do.
struct Wanted {
    platform: Option<Platform>,
}

impl Wanted {
    /// An image of the store does, unless another platform was asked for by name.
    fn accepts(&self, image: &Image) -> bool {
        self.platform.as_ref().is_none_or(|wanted| wanted.distance(&image.platform).is_some())
    }

    fn or_host(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }
}

/// Unpacks an image of the store under further ids, from its kept blobs.
fn unpack_kept(store: &Store, request: &PullRequest<'_>, image: Image) -> Result<Image> {
    if local::is_unpacked(store, &image, request.maps) {
        return Ok(image);
    }
    let sources = match (request.policy, image.names.first()) {
        // A blob that has gone missing can be had again by the image's name.
        (PullPolicy::Missing, Some(name)) => places(request, name).unwrap_or_default(),
        _ => Vec::new(),
    };
    transfer_layers(store, request, &image.layers, &as_sources(&sources), &sources)?;
    Ok(image)
}

/// Tries what the name may mean, one after the other.
fn pull_name(
    store: &Store,
    request: &PullRequest<'_>,
    reference: &Reference,
    spelling: Spelling,
    found: Option<Image>,
) -> Result<Image> {
    let doing = || format!("cannot pull {}", reference.familiar());
    let registries = Registries::load(request.dirs).map_err(|failure| failure.while_doing(doing()))?;
    let candidates = registries.candidates(reference, spelling).doing(doing)?;
    let mut troubles = Vec::new();
    for candidate in &candidates {
        match pull_candidate(store, request, &registries, candidate, found.as_ref()) {
            Ok(image) => return Ok(image),
            Err(Miss::Trouble(trouble)) => troubles.extend(trouble),
            Err(Miss::Failure(failure)) => return Err(failure.while_doing(doing())),
        }
    }
    match found {
        Some(image) if request.policy == PullPolicy::Newer => {
            let why = troubles.first().map_or_else(String::new, |trouble| format!(": {trouble}"));
            request.progress.event(Event::Note(&format!("using the image in the store{why}")));
            unpack_kept(store, request, image)
        }
        _ => Err(put_together(troubles).while_doing(doing())),
    }
}

/// One trouble as it is; several in one line, with the hints of all.
fn put_together(mut troubles: Vec<Trouble>) -> Trouble {
    if troubles.len() == 1 {
        return troubles.remove(0);
    }
    let cause = troubles.iter().map(|trouble| trouble.cause.as_str()).collect::<Vec<_>>().join("; ");
    let mut hints: Vec<String> = troubles.into_iter().flat_map(|trouble| trouble.hints).collect();
    hints.dedup();
    Trouble { kind: TroubleKind::Unreachable, cause, hints }
}

/// Why a candidate gave no image.
enum Miss {
    /// Its endpoints' troubles: another candidate may do.
    Trouble(Vec<Trouble>),
    /// Something that the next candidate would meet as well.
    Failure(Failure),
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Miss {
        Miss::Failure(failure)
    }
}

/// Pulls exactly this reference, from the first endpoint that has it.
fn pull_candidate(
    store: &Store,
    request: &PullRequest<'_>,
    registries: &Registries,
    candidate: &Reference,
    found: Option<&Image>,
) -> std::result::Result<Image, Miss> {
    request.progress.event(Event::Resolving { name: &candidate.to_string() });
    let endpoints = registries.endpoints(candidate).doing(|| "cannot choose a registry")?;
    let repositories = connect(request, endpoints)?;
    let mut troubles = Vec::new();
    for (place, repository) in repositories.iter().enumerate() {
        let identifier = candidate.identifier();
        if let Some(image) = found.filter(|image| is_current(image, candidate, repository, &identifier)) {
            return Ok(unpack_kept(store, request, image.clone())?);
        }
        let name = local::stored_name(candidate);
        match resolve(repository, &identifier, request.platform.as_ref(), name) {
            Ok(resolved) => {
                // Blobs are known by their digests, so the other endpoints may help out.
                let mut sources: Vec<&Repository> = vec![repository];
                sources.extend(repositories[place + 1..].iter());
                return Ok(finish(store, request, resolved, &[], &sources)?);
            }
            Err(trouble) => {
                log::debug!("{trouble}");
                troubles.push(trouble);
            }
        }
    }
    Err(Miss::Trouble(troubles))
}

/// Whether the registry still has, under this name, what the store has. Where it cannot be asked so, it
/// is asked for the manifest next, and what is wrong will be said there.
fn is_current(image: &Image, candidate: &Reference, repository: &Repository, identifier: &str) -> bool {
    if !image.names.contains(&local::stored_name(candidate)) {
        return false;
    }
    match repository.manifest_digest(identifier) {
        Ok(digest) => digest == Some(image.source_digest),
        Err(trouble) => {
            log::debug!("{trouble}");
            false
        }
    }
}

/// Repositories at the endpoints, with the credentials for each.
fn connect(request: &PullRequest<'_>, endpoints: Vec<Endpoint>) -> Result<Vec<Repository>> {
    endpoints.into_iter().map(|endpoint| request.access.open(request.dirs, endpoint)).collect()
}

/// The repositories an image of the store can be had from again.
fn places(request: &PullRequest<'_>, name: &Reference) -> Result<Vec<Repository>> {
    let registries = Registries::load(request.dirs)?;
    connect(request, registries.endpoints(name).doing(|| "cannot choose a registry")?)
}

/// From a tag or digest to the one image for the platform, all documents verified.
fn resolve(
    repository: &Repository,
    identifier: &str,
    platform: Option<&Platform>,
    name: Reference,
) -> std::result::Result<Resolved, Trouble> {
    let host = repository.endpoint().host();
    let wrong = |error: String| Trouble::new(TroubleKind::Wrong, format!("{host}: {error}"));
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let mut fetched = repository.manifest(identifier)?;
    let source_digest = fetched.digest;
    for _ in 0..MAX_NESTING {
        let Fetched { bytes, content_type, .. } = fetched;
        match Document::parse(&bytes, content_type.as_deref()).map_err(wrong)? {
            Document::Index(index) => {
                let chosen = index.choose(&wanted).map_err(wrong)?;
                fetched = repository.manifest(&chosen.digest.to_string())?;
            }
            Document::Manifest(manifest) => {
                let config_bytes = repository.small_blob(&manifest.config.digest, manifest.config.size, MAX_CONFIG)?;
                let config = ImageConfig::parse(&config_bytes).map_err(wrong)?;
                check_platform(&config, platform).map_err(wrong)?;
                return Ok(Resolved {
                    names: vec![name],
                    manifest_bytes: bytes,
                    manifest,
                    config_bytes,
                    config,
                    source_digest,
                });
            }
        }
    }
    Err(wrong("its indexes are nested too deep".into()))
}

/// The documents of an image on disk. It is called what the archive calls it, where that is a whole name.
fn resolve_archive(archive: &ImageArchive, platform: Option<&Platform>) -> std::result::Result<Resolved, String> {
    check_platform(&archive.config, platform)?;
    Ok(Resolved {
        names: archive.whole_names(),
        manifest_bytes: archive.manifest_bytes.clone(),
        manifest: archive.manifest.clone(),
        config_bytes: archive.config_bytes.clone(),
        config: archive.config.clone(),
        source_digest: archive.manifest_digest,
    })
}

impl BlobSource for ImageArchive {
    fn open(&self, digest: &Digest, size: u64, offset: u64) -> std::result::Result<Box<dyn Read + Send + '_>, Trouble> {
        let blob = self.read_blob(digest, offset);
        let blob = blob.map_err(|failure| Trouble::new(TroubleKind::Wrong, failure.to_string()))?;
        // One byte more than announced is enough to see that there is more.
        Ok(Box::new(blob.take(size.saturating_sub(offset) + 1)))
    }
}

/// Refuses another operating system, and another platform than was asked for by name.
pub(super) fn check_platform(config: &ImageConfig, wanted: Option<&Platform>) -> std::result::Result<(), String> {
    let own = config.platform();
    // Very old images do not say; they are for Linux.
    if !matches!(own.os.as_str(), "linux" | "") {
        return Err(format!("the image is for {}, and rr runs Linux images", own.to_string().escape_debug()));
    }
    match wanted {
        Some(wanted) if !own.architecture.is_empty() && wanted.distance(&own).is_none() => {
            Err(format!("the image is for {}, not for {wanted}", own.to_string().escape_debug()))
        }
        _ => Ok(()),
    }
}

/// Fetches and unpacks the layers, then puts the documents and the name into the layout.
fn finish(
    store: &Store,
    request: &PullRequest<'_>,
    resolved: Resolved,
    sources: &[&dyn BlobSource],
    repositories: &[&Repository],
) -> Result<Image> {
    let layers = local::pair_layers(&resolved.manifest, &resolved.config).doing(|| "cannot use its manifest")?;
    note_platform(request, &resolved.config);
    let fresh: Vec<Repository> = repositories.iter().map(|repository| repository.afresh()).collect();
    transfer_layers(store, request, &layers, sources, &fresh)?;
    publish(store, request, &resolved, &layers)
}

fn note_platform(request: &PullRequest<'_>, config: &ImageConfig) {
    let (own, host) = (config.platform(), Platform::host());
    if request.platform.is_none() && !own.architecture.is_empty() && host.distance(&own).is_none() {
        request.progress.event(Event::Note(&format!("the image is for {own}, and this machine is {host}")));
    }
}

fn as_sources(repositories: &[Repository]) -> Vec<&dyn BlobSource> {
    repositories.iter().map(|repository| repository as &dyn BlobSource).collect()
}

/// Has a child in the store's namespace bring the layers into the store, if any are missing.
fn transfer_layers(
    store: &Store,
    request: &PullRequest<'_>,
    layers: &[Layer],
    sources: &[&dyn BlobSource],
    repositories: &[Repository],
) -> Result<()> {
    let key = request.maps.key();
    let is_there =
        |layer: &Layer| store.layer(&key, &layer.diff_id.hex()).exists() && store.blob(&layer.blob.hex()).exists();
    let lines: Vec<LayerLine> = layers.iter().map(|layer| LayerLine { digest: layer.blob, size: layer.size }).collect();
    request.progress.event(Event::Layers(&lines));
    if layers.iter().all(is_there) {
        for index in 0..layers.len() {
            request.progress.event(Event::Layer { index, state: super::progress::LayerState::Exists });
        }
        request.progress.event(Event::Finished);
        return Ok(());
    }
    let mut all = sources.to_vec();
    all.extend(as_sources(repositories));
    let namespace = StoreNamespace::here()?;
    let transfer = Transfer {
        store,
        sources: &all,
        maps: request.maps,
        namespace: namespace.maps(),
        unmapped: request.unmapped,
        progress: request.progress,
    };
    namespace.run(|| {
        sweep(store, KEEP_PARTIAL)?;
        let result = transfer.run(layers);
        request.progress.event(Event::Finished);
        result
    })
}

/// Puts manifest, config and name into the layout.
fn publish(store: &Store, request: &PullRequest<'_>, resolved: &Resolved, layers: &[Layer]) -> Result<Image> {
    let manifest_digest = put_document(store, &resolved.manifest_bytes)?;
    let image_id = put_document(store, &resolved.config_bytes)?;
    let key = request.maps.key();
    let records: Vec<_> =
        layers.iter().filter_map(|layer| transfer::read_record(store, &key, &layer.diff_id)).collect();
    let unpacked = (records.len() == layers.len()).then(|| records.iter().map(|record| record.tar_bytes).sum());
    let is_opaque = |record: &transfer::LayerRecord| record.report.root_is_opaque;
    let hidden = if unpacked.is_some() { records.iter().rposition(is_opaque).unwrap_or(0) } else { 0 };
    tell_about(request, &records);
    let mut entry = Descriptor {
        media_type: resolved.manifest.media_type.clone(),
        digest: manifest_digest,
        size: resolved.manifest_bytes.len() as u64,
        platform: Some(resolved.config.platform()),
        annotations: std::collections::BTreeMap::new(),
        other: serde_json::Map::new(),
    };
    entry.note(&Notes { image_id, source: resolved.source_digest, unpacked, hidden });
    let index = LayoutIndex::update(store, |index| {
        index.add(&entry, None);
        resolved.names.iter().for_each(|name| index.add(&entry, Some(name)));
        Ok(index.clone())
    })?;
    local::load(store, &index, &entry)
}

/// Writes a small document as a blob, unless it is there.
pub(super) fn put_document(store: &Store, bytes: &[u8]) -> Result<Digest> {
    let digest = Digest::of(bytes);
    let path = store.blob(&digest.hex());
    // One that is there but damaged is replaced.
    if std::fs::read(&path).is_ok_and(|kept| kept == bytes) {
        return Ok(digest);
    }
    let mut file = TempFile::new(store, "file")?;
    file.file().write_all(bytes).doing(|| format!("cannot write {}", path.display()))?;
    file.publish(&path)?;
    Ok(digest)
}

/// One line for each way in which what was unpacked differs from what the archives say.
fn tell_about(request: &PullRequest<'_>, records: &[transfer::LayerRecord]) {
    let reports = || records.iter().map(|record| &record.report);
    let devices: u64 = reports().map(|report| report.devices_skipped).sum();
    if let Some(first) = reports().find_map(|report| report.first_device.as_ref()) {
        request.progress.event(Event::Note(&format!("{devices} device nodes were left out, the first is {first}")));
    }
    let squashed: u64 = reports().map(|report| report.squashed).sum();
    // That there is only one id has been said, and what follows from it.
    let first_squashed = reports().find_map(|report| report.first_squashed.as_ref());
    if let Some(first) = first_squashed.filter(|_| !request.maps.is_single()) {
        request.progress.event(Event::Note(&format!(
            "{squashed} files have owners that are not mapped and were given to root, the first is {first}"
        )));
    }
}
