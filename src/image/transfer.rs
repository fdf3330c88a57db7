//! Layers into the store: one streaming pass each, side by side.
//!
//! ```text
//! source ─→ hash ─→ tmp/blob-… ─→ inflate ─┼─→ hash ─→ unpack into tmp/layer-…
//!            blob digest          a thread │ another: diff id
//! ```
//!
//! Runs as root of the store's user namespace. A blob and a tree appear
//! in the store only when both digests are right. The partial blob of a broken download stays in `tmp/`;
//! the next pass reads it first and asks for the rest only. Each tree and each blob is locked while it is
//! made, so a second rr that wants the same waits and finds it done.

mod input;
mod partial;

use self::input::Input;
use super::ahead::Ahead;
use super::assemble::Format;
use super::digest::Digest;
use super::http::{Trouble, TroubleKind};
use super::local::Layer;
use super::pack::layer::PackedLayer;
use super::progress::{Event, LayerState, Progress};
use super::stream::{Compression, HashingReader, auto_decoder_buffered};
use super::unpack::{UnmappedIds, UnpackOptions, UnpackReport, unpack_layer};
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::store::{Store, TempDir, TempFile};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where blobs come from.
pub(super) trait BlobSource: Sync {
    /// The bytes of a blob of `size` bytes from `offset` on. The reader's errors carry a [`Trouble`] where
    /// they are the source's fault.
    ///
    /// # Errors
    /// The source does not have it.
    fn open(&self, digest: &Digest, size: u64, offset: u64) -> std::result::Result<Box<dyn Read + Send + '_>, Trouble>;
}

/// What is known about an unpacked layer; lies beside its tree as `<diff id>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    /// Length of the tar stream, bytes.
    pub(super) tar_bytes: u64,
    /// What came of unpacking it.
    pub(super) report: UnpackReport,
}

/// Everything a transfer needs to know.
pub(super) struct Transfer<'a> {
    pub(super) store: &'a Store,
    /// Asked in turn.
    pub(super) sources: &'a [&'a dyn BlobSource],
    /// Of the containers that the layers are for.
    pub(super) maps: &'a IdMaps,
    /// Of the namespace that this runs in.
    pub(super) namespace: &'a IdMaps,
    pub(super) unmapped: UnmappedIds,
    pub(super) progress: &'a dyn Progress,
}

impl Transfer<'_> {
    /// Brings all `layers` into the store; those that are there are passed over.
    ///
    /// # Errors
    /// Of the first layer that failed; the others are stopped then.
    pub(super) fn run(&self, layers: &[Layer]) -> Result<()> {
        let mut tasks = distinct(layers);
        // The longest first, so that it is not alone at the end.
        tasks.sort_by_key(|&place| std::cmp::Reverse(layers[place].size));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (next, stop, first_error) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
        let work = || {
            while let Some(&place) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let task = Task { transfer: self, layer: &layers[place], place, stop: &stop };
                if let Err(failure) = task.run() {
                    stop.store(true, Ordering::Relaxed);
                    first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..tasks.len().min(cores + 1) {
                scope.spawn(work);
            }
        });
        first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

/// The places of the layers, each content once.
fn distinct(layers: &[Layer]) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    (0..layers.len()).filter(|&place| seen.insert((layers[place].diff_id, layers[place].blob))).collect()
}

/// Reads a layer's record; one that is missing or damaged is as good as none, since it only informs.
pub(super) fn read_record(store: &Store, key: &str, diff_id: &Digest) -> Option<LayerRecord> {
    let path = record_path(store, key, diff_id);
    let text = std::fs::read(&path).ok()?;
    serde_json::from_slice(&text).inspect_err(|error| log::debug!("{}: {error}", path.display())).ok()
}

fn record_path(store: &Store, key: &str, diff_id: &Digest) -> std::path::PathBuf {
    store.layer(key, &format!("{}.json", diff_id.hex()))
}

/// Writes what is known about a tree, before the tree itself is there.
fn write_record(store: &Store, key: &str, diff_id: &Digest, record: &LayerRecord) -> Result<()> {
    let folder = store.layers().join(key);
    let doing = || format!("cannot make {}", folder.display());
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).doing(doing),
        _ => {}
    }
    let text = serde_json::to_vec(record).doing(doing)?;
    let mut file = TempFile::new(store, "file")?;
    file.file().write_all(&text).doing(doing)?;
    file.publish(&record_path(store, key, diff_id))
}

/// Gives a layer that was packed here its tree, unless it has one: the directory that it was packed from, or, where
/// that is not what overlay would take as a lower layer, what unpacking makes of its blob. Runs as root of the store's
/// user namespace, whose maps are `namespace`.
///
/// # Errors
/// The system's.
pub fn settle(
    store: &Store,
    layer: &PackedLayer,
    maps: &IdMaps,
    namespace: &IdMaps,
    packed_from: Option<&Path>,
) -> Result<()> {
    let (key, hex) = (maps.key(), layer.diff_id.hex());
    let tree = store.layer(&key, &hex);
    if tree.exists() {
        return Ok(());
    }
    let Some(directory) = packed_from else {
        let layer = Layer {
            blob: layer.blob,
            size: layer.size,
            media_type: Format::Oci.layer(Compression::Gzip).to_owned(),
            diff_id: layer.diff_id,
        };
        let (progress, unmapped) = (&super::progress::Silent, UnmappedIds::Squash);
        return Transfer { store, sources: &[], maps, namespace, unmapped, progress }.run(&[layer]);
    };
    // Whoever makes the same tree meanwhile is waited for.
    let _making = TempDir::named(store, &format!("layer-{key}-{hex}"))?;
    if tree.exists() {
        return Ok(());
    }
    let record = LayerRecord { tar_bytes: layer.tar_bytes, report: UnpackReport::default() };
    write_record(store, &key, &layer.diff_id, &record)?;
    std::fs::rename(directory, &tree).doing(|| format!("cannot move {} to {}", directory.display(), tree.display()))
}

/// Why one attempt at a layer failed: decides what becomes of the partial blob, and whether another
/// source may do better.
enum Setback {
    /// The source gave up. What came of it so far is kept.
    Lost(Trouble),
    /// What came was not what the manifest says. It is thrown away.
    Bad(Failure),
    /// It is this machine's fault, or someone else has failed and all stop.
    Local(Failure),
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Setback {
        Setback::Local(failure)
    }
}

/// One layer.
struct Task<'a> {
    transfer: &'a Transfer<'a>,
    layer: &'a Layer,
    place: usize,
    stop: &'a AtomicBool,
}

impl Task<'_> {
    fn tell(&self, state: LayerState) {
        self.transfer.progress.event(Event::Layer { index: self.place, state });
    }

    fn run(&self) -> Result<()> {
        let store = self.transfer.store;
        let (key, hex) = (self.transfer.maps.key(), self.layer.diff_id.hex());
        let tree = store.layer(&key, &hex);
        let blob = store.blob(&self.layer.blob.hex());
        if tree.exists() && blob.exists() {
            self.tell(LayerState::Exists);
            return Ok(());
        }
        self.tell(LayerState::Waiting);
        let mut new_tree = TempDir::named(store, &format!("layer-{key}-{hex}"))?;
        let mut new_blob = TempFile::named(store, &format!("blob-{}", self.layer.blob.hex()))?;
        // Looked at again, now that whoever made them before has let go of the locks.
        let needs = Needs { tree: !tree.exists(), blob: !blob.exists() };
        if !needs.tree && !needs.blob {
            self.tell(LayerState::Exists);
            return Ok(());
        }
        let outcome = self.make(&needs, &mut new_tree, &mut new_blob);
        let record = match outcome {
            Ok(record) => record,
            Err(Setback::Lost(trouble)) => {
                if new_blob.file().metadata().is_ok_and(|metadata| metadata.len() > 0) {
                    new_blob.keep();
                }
                return Err(trouble.while_doing(self.doing()));
            }
            Err(Setback::Bad(failure) | Setback::Local(failure)) => return Err(failure),
        };
        if needs.blob {
            new_blob.publish(&blob)?;
        }
        if let Some(record) = record {
            write_record(store, &key, &self.layer.diff_id, &record)?;
            new_tree.publish(&tree)?;
        }
        self.tell(LayerState::Done);
        Ok(())
    }

    fn doing(&self) -> String {
        format!("cannot get the layer {}", self.layer.blob)
    }

    /// Makes what is needed, from the first source that can. A record where the tree was made.
    fn make(
        &self,
        needs: &Needs,
        tree: &mut TempDir,
        blob: &mut TempFile,
    ) -> std::result::Result<Option<LayerRecord>, Setback> {
        if !needs.blob {
            let kept = KeptBlob { path: self.transfer.store.blob(&self.layer.blob.hex()) };
            return self.attempt(&kept, needs, tree, blob);
        }
        let mut last = Setback::Local(Failure::new(
            self.doing(),
            format!("the store does not have blob {}, and nobody may be asked for it", self.layer.blob),
        ));
        for source in self.transfer.sources {
            let resumed = blob.file().metadata().doing(|| self.doing())?.len() > 0;
            last = match self.attempt(*source, needs, tree, blob) {
                // What an earlier rr left may have been damaged since: once more from the start.
                Err(Setback::Bad(_)) if resumed => match self.attempt(*source, needs, tree, blob) {
                    Err(setback) => setback,
                    done => return done,
                },
                Err(setback) => setback,
                done => return done,
            };
            if matches!(last, Setback::Local(_)) {
                break;
            }
        }
        Err(last)
    }

    /// One pass over the blob from `source`.
    fn attempt(
        &self,
        source: &dyn BlobSource,
        needs: &Needs,
        tree: &mut TempDir,
        blob: &mut TempFile,
    ) -> std::result::Result<Option<LayerRecord>, Setback> {
        let mut input = Input::open(self, source, needs, blob)?;
        let result = if needs.tree {
            tree.make()?;
            self.unpack(&mut input, tree).map(Some)
        } else {
            io::copy(&mut input, &mut io::sink()).doing(|| self.doing()).map(|_| None)
        };
        let result = self.verify(&mut input, result);
        drop(input);
        if matches!(result, Err(Setback::Bad(_))) && needs.blob {
            blob.file().set_len(0).doing(|| self.doing())?;
        }
        result
    }

    /// What the pass over the input amounts to. The digest of the blob is looked at before anything else
    /// that is wrong: what has another digest is the source's fault, and all else follows from it.
    fn verify(
        &self,
        input: &mut Input<'_>,
        result: Result<Option<Unpacked>>,
    ) -> std::result::Result<Option<LayerRecord>, Setback> {
        // The rest of what could not be unpacked, or what the decoder had no need to look at.
        let drained = io::copy(input, &mut io::sink());
        // What the input met explains more than what the decoder or the unpacker made of it.
        if let Some(setback) = input.take_trouble() {
            return Err(setback);
        }
        drained.doing(|| self.doing())?;
        input.check().map_err(Setback::Bad)?;
        // The blob is what was asked for, so no other source can do better from here on.
        let unpacked = result.map_err(|failure| failure.while_doing(self.doing()))?;
        let Some(Unpacked { diff_id, record }) = unpacked else { return Ok(None) };
        if diff_id != self.layer.diff_id {
            let cause =
                format!("its content has the digest {diff_id}, and the image's config says {}", self.layer.diff_id);
            return Err(Failure::new(self.doing(), cause).into());
        }
        Ok(Some(record))
    }

    /// Inflates, hashes and unpacks the input.
    fn unpack(&self, input: &mut Input<'_>, tree: &TempDir) -> Result<Unpacked> {
        let options = UnpackOptions {
            ids: self.transfer.maps,
            namespace: self.transfer.namespace,
            unmapped: self.transfer.unmapped,
        };
        std::thread::scope(|scope| {
            let (_, decoder) = auto_decoder_buffered(input).doing(|| "cannot read its beginning")?;
            let ahead = Ahead::start(scope, decoder).doing(|| "cannot start a thread")?;
            let mut tar = HashingReader::new(ahead);
            let report = unpack_layer(&mut tar, tree.path(), &options)?;
            let (diff_id, tar_bytes) = tar.drain().doing(|| "cannot read it to its end")?;
            Ok(Unpacked { diff_id, record: LayerRecord { tar_bytes, report } })
        })
    }
}

/// A tree that was made, and the digest of its tar stream.
struct Unpacked {
    diff_id: Digest,
    record: LayerRecord,
}

/// What of a layer is missing.
struct Needs {
    tree: bool,
    blob: bool,
}

/// A blob that the store has.
struct KeptBlob {
    path: std::path::PathBuf,
}

impl BlobSource for KeptBlob {
    fn open(&self, _: &Digest, _: u64, _: u64) -> std::result::Result<Box<dyn Read + Send + '_>, Trouble> {
        let file = File::open(&self.path).doing(|| format!("cannot read {}", self.path.display()));
        Ok(Box::new(file.map_err(|failure| Trouble::new(TroubleKind::Wrong, failure.to_string()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_there_twice_is_made_once() {
        let layer = |content: &str| Layer {
            blob: Digest::of(content.as_bytes()),
            size: 1,
            media_type: String::new(),
            diff_id: Digest::of(b"the same"),
        };
        assert_eq!(distinct(&[layer("a"), layer("b"), layer("a")]), [0, 1]);
    }
}
