//! Writes past the page cache, as long as the disk is quick.
//!
//! In the page cache, what is not read again soon takes memory from what is; and new pages are dear where memory is:
//! in a virtual machine that gives what is free back to its host, the host has to find each page anew (ten times the
//! cost of copying the data into it). So whole blocks are written with `O_DIRECT` (open(2)). That waits for the disk,
//! and a pull should not be bound to one that is slow or busy: a writer may spend a small part of its time so, and
//! beyond that it writes into the page cache, as it does where the file system takes no direct writes.

use std::io;
use std::time::{Duration, Instant};

/// What addresses, offsets and lengths of direct writes are multiples of: the page size covers every file system's
/// and disk's demands (open(2), "O_DIRECT").
pub(super) const ALIGNMENT: usize = 4096;

/// This part of a writer's time may be spent waiting for the disk.
const SHARE_OF_TIME: u32 = 4;

/// How long one writer has waited for the disk, and whether it may wait more.
pub(super) struct DiskWait {
    began: Instant,
    waited: Duration,
    refused: bool,
}

impl DiskWait {
    /// Its time begins now.
    pub(super) fn new() -> DiskWait {
        DiskWait { began: Instant::now(), waited: Duration::ZERO, refused: false }
    }

    /// Whether the next whole block is to be written past the page cache.
    pub(super) fn is_left(&self) -> bool {
        !self.refused && self.waited * SHARE_OF_TIME <= self.began.elapsed()
    }

    /// No direct write works here.
    pub(super) fn refuse(&mut self, error: impl std::fmt::Display) {
        log::debug!("no direct writes from here on: {error}");
        self.refused = true;
    }

    /// Makes a direct write, which answers how many bytes it wrote. Where it fails that is none, and all blocks are left
    /// to ordinary writes from then on: those meet the same, or can do what a direct one cannot.
    pub(super) fn wait(&mut self, write: impl FnOnce() -> io::Result<usize>) -> usize {
        let began = Instant::now();
        let result = write();
        self.waited += began.elapsed();
        result.unwrap_or_else(|error| {
            self.refuse(error);
            0
        })
    }

    #[cfg(test)]
    pub(super) fn set_waited(&mut self, waited: Duration) {
        self.waited = waited;
    }
}

/// Memory that direct writes can be made from.
pub(super) struct AlignedBlock {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBlock {
    /// `length` bytes, all zero.
    pub(super) fn new(length: usize) -> AlignedBlock {
        let bytes = vec![0; length + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        AlignedBlock { bytes, start, length }
    }
}

impl std::ops::Deref for AlignedBlock {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl std::ops::DerefMut for AlignedBlock {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}
