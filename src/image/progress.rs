//! What a pull tells whoever watches it. Nothing here draws: `cli` does.

use super::digest::Digest;

/// Receives the events of one pull.
///
/// Events come from several threads. Those from [`Event::Layers`] to [`Event::Finished`] come from one
/// process, which may be a child of the one that asked for the pull: an implementation may write to
/// the terminal, but what it remembers of these events is not seen by the caller afterwards.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The name is being looked for, in the form Docker prints.
    Resolving {
        /// The whole reference.
        name: &'a str,
    },
    /// The image is known: its layers, bottom first. From here on they are named by their place.
    Layers(&'a [LayerLine]),
    /// A layer's state changed.
    Layer {
        /// Place in [`Event::Layers`].
        index: usize,
        /// Its state now.
        state: LayerState,
    },
    /// One line that the user should see: a retry, squashed ids.
    Note(&'a str),
    /// The layers are done, for good or ill; bars can be left as they are.
    Finished,
}

/// One layer, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerLine {
    /// Digest of its blob.
    pub digest: Digest,
    /// Length of its blob, bytes.
    pub size: u64,
}

impl LayerLine {
    /// The twelve digits Docker prints.
    pub fn short(&self) -> String {
        let mut hex = self.digest.hex();
        hex.truncate(12);
        hex
    }
}

/// Where a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Nothing was done yet, or another process is at it.
    Waiting,
    /// Bytes of the blob that were downloaded (and, as it is one pass, unpacked).
    Downloading {
        /// So far.
        done: u64,
    },
    /// Bytes of the blob that were unpacked from disk.
    Extracting {
        /// So far.
        done: u64,
    },
    /// It was there already.
    Exists,
    /// It is there now.
    Done,
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}
