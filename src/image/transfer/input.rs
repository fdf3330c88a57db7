//! The compressed stream of one layer: hashed, and appended to the partial blob, on its way to the decoder.

use super::partial::Partial;
use super::{BlobSource, Needs, Setback, Task};
use crate::error::{Doing, Failure, IntoCause, Result};
use crate::image::digest::Hasher;
use crate::image::http::{Trouble, TroubleKind};
use crate::image::past_cache::AlignedBlock;
use crate::image::progress::LayerState;
use crate::store::TempFile;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What is read, hashed and written at a time, and between two reports of progress: few calls, and still in the
/// processor's cache when the decoder comes to it.
const BLOCK: usize = 512 << 10;

/// A block is not waited for longer than this, so that what a slow source has sent is soon on disk, from where a
/// killed pull is resumed.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// First what is left of an earlier download, then the source.
pub(super) struct Input<'a> {
    task: &'a Task<'a>,
    source: &'a dyn BlobSource,
    /// What an earlier download left, to be read before the source is asked.
    kept: io::Take<File>,
    kept_length: u64,
    from_source: Option<Box<dyn Read + Send + 'a>>,
    /// Where the source's bytes are appended to.
    partial: Option<Partial<'a>>,
    block: AlignedBlock,
    /// What of the block has not been taken yet.
    ready: std::ops::Range<usize>,
    hasher: Hasher,
    /// Hashed so far; all of them have been in the block.
    bytes: u64,
    /// The source failed after it had given the block's bytes.
    next: Option<Setback>,
    /// What went wrong here: decoders and the unpacker pass it on as text only.
    trouble: Option<Setback>,
}

impl<'a> Input<'a> {
    /// Reads nothing yet.
    pub(super) fn open(
        task: &'a Task<'a>,
        source: &'a dyn BlobSource,
        needs: &Needs,
        blob: &'a mut TempFile,
    ) -> std::result::Result<Input<'a>, Setback> {
        let doing = || format!("cannot read {}", blob.path().display());
        let kept = File::open(blob.path()).doing(doing)?;
        let mut kept_length = kept.metadata().doing(doing)?.len();
        let mut partial = None;
        if needs.blob {
            let path = blob.path().to_owned();
            let file = blob.file();
            if kept_length > task.layer.size {
                file.set_len(0).doing(|| task.doing())?;
                kept_length = 0;
            }
            partial = Some(Partial::new(file, &path, kept_length));
        }
        Ok(Input {
            task,
            source,
            kept: kept.take(kept_length),
            kept_length,
            from_source: None,
            partial,
            block: AlignedBlock::new(BLOCK),
            ready: 0..0,
            hasher: Hasher::new(),
            bytes: 0,
            next: None,
            trouble: None,
        })
    }

    /// Takes what went wrong.
    pub(super) fn take_trouble(&mut self) -> Option<Setback> {
        self.trouble.take()
    }

    /// Whether what was read to its end is the blob.
    pub(super) fn check(&self) -> Result<()> {
        let layer = self.task.layer;
        if self.bytes != layer.size {
            let cause = format!("it has {} bytes, and the manifest says {}", self.bytes, layer.size);
            return Err(Failure::new(self.task.doing(), cause));
        }
        let digest = self.hasher.clone().finish();
        if digest != layer.blob {
            return Err(Failure::new(self.task.doing(), format!("what came has the wrong digest, {digest}")));
        }
        Ok(())
    }

    /// Fills the block, which has been used up; leaves it empty at the end.
    fn next_block(&mut self) -> std::result::Result<(), Setback> {
        self.ready = 0..0;
        if self.task.stop.load(Ordering::Relaxed) {
            return Err(Setback::Lost(Trouble::new(TroubleKind::Temporary, "another layer failed")));
        }
        if let Some(setback) = self.next.take() {
            return Err(setback);
        }
        let count = if self.bytes < self.kept_length { self.read_kept()? } else { self.read_source()? };
        self.hasher.update(&self.block[..count]);
        self.bytes += count as u64;
        self.ready = 0..count;
        self.tell();
        Ok(())
    }

    fn read_kept(&mut self) -> std::result::Result<usize, Setback> {
        let count = self.kept.read(&mut self.block).doing(|| self.task.doing())?;
        if count == 0 {
            return Err(Failure::new(self.task.doing(), "the partial download shrank while it was read").into());
        }
        Ok(count)
    }

    fn read_source(&mut self) -> std::result::Result<usize, Setback> {
        if self.from_source.is_none() {
            let layer = self.task.layer;
            let opened = self.source.open(&layer.blob, layer.size, self.kept_length).map_err(Setback::Lost)?;
            self.from_source = Some(opened);
        }
        let Some(source) = &mut self.from_source else { return Ok(0) };
        let wanted = self.partial.as_ref().map_or(BLOCK, |partial| partial.best_length(BLOCK));
        let (began, mut have) = (Instant::now(), 0);
        while have < wanted && began.elapsed() < LONGEST_WAIT {
            match source.read(&mut self.block[have..wanted]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(error) => {
                    let setback = self.task.setback(error);
                    if have == 0 {
                        return Err(setback);
                    }
                    self.next = Some(setback);
                    break;
                }
            }
        }
        if let Some(partial) = &mut self.partial {
            partial.append(&self.block[..have]).doing(|| self.task.doing())?;
        }
        Ok(have)
    }

    fn tell(&self) {
        let done = self.bytes;
        self.task.tell(match self.partial {
            Some(_) => LayerState::Downloading { done },
            None => LayerState::Extracting { done },
        });
    }
}

impl Task<'_> {
    /// What an error of a source's reader amounts to.
    fn setback(&self, error: io::Error) -> Setback {
        match Trouble::in_error(&error) {
            Some(trouble) if trouble.kind == TroubleKind::Wrong => {
                Setback::Bad(trouble.clone().while_doing(self.doing()))
            }
            Some(trouble) => Setback::Lost(trouble.clone()),
            None => Setback::Local(Failure::new(self.doing(), error.into_cause())),
        }
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.trouble.is_some() {
            return Err(io::Error::other("the input has failed before"));
        }
        if self.ready.is_empty()
            && let Err(setback) = self.next_block()
        {
            self.trouble = Some(setback);
            return Err(io::Error::other("the input failed"));
        }
        Ok(&self.block[self.ready.clone()])
    }

    fn consume(&mut self, amount: usize) {
        self.ready.start += amount;
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
