//! The partial blob that a download is appended to: past the page cache, where the disk is quick.
//!
//! A blob is hardly ever read again: by a push, or to unpack it under other ids. In the page cache it would take
//! memory from files that are, and new pages are dear where memory is: in a virtual machine that gives what is free
//! back to its host, the host has to find each page anew (ten times the cost of copying the data into it). So whole
//! blocks are written with `O_DIRECT` (open(2)). That waits for the disk, and a pull should not be bound to
//! one that is slow or busy: a layer may spend a small part of its time so, and beyond that
//! it writes into the page cache, as it does where the file system takes no direct writes.

use rustix::fs::{self, CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What addresses, offsets and lengths of direct writes are multiples of: the page size covers every file system's
/// and disk's demands (open(2), "O_DIRECT").
const ALIGNMENT: usize = 4096;

/// This part of a layer's time may be spent waiting for the disk.
const SHARE_OF_TIME: u32 = 4;

/// A blob of which more is written at its end.
pub(super) struct Partial<'a> {
    file: &'a File,
    /// The same file, opened for direct writes; None once it has refused one.
    direct: Option<File>,
    length: u64,
    began: Instant,
    /// How long direct writes have taken.
    waited: Duration,
}

impl<'a> Partial<'a> {
    /// `file` is what is open at `path`, and has `length` bytes.
    pub(super) fn new(file: &'a File, path: &Path, length: u64) -> Partial<'a> {
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        // A file system that has no direct writes says so here (EINVAL).
        let direct = fs::openat(CWD, path, flags, Mode::empty()).ok().map(File::from);
        Partial { file, direct, length, began: Instant::now(), waited: Duration::ZERO }
    }

    /// How many of `most` bytes are best appended next: as many as end at a boundary from where direct writes go on.
    pub(super) fn best_length(&self, most: usize) -> usize {
        most - (self.length % ALIGNMENT as u64) as usize
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let past_cache = self.append_past_cache(bytes);
        let rest = &bytes[past_cache..];
        self.file.write_all_at(rest, self.length)?;
        self.length += rest.len() as u64;
        Ok(())
    }

    /// Appends as much as a direct write takes; says how much that was. An error is left to the ordinary write that
    /// follows: it meets the same, or can do what a direct one cannot.
    fn append_past_cache(&mut self, bytes: &[u8]) -> usize {
        let whole = bytes.len() - bytes.len() % ALIGNMENT;
        let is_aligned =
            self.length.is_multiple_of(ALIGNMENT as u64) && bytes.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let is_late = self.waited * SHARE_OF_TIME > self.began.elapsed();
        let Some(direct) = self.direct.as_ref().filter(|_| whole > 0 && is_aligned && !is_late) else { return 0 };
        let began = Instant::now();
        let written = match direct.write_at(&bytes[..whole], self.length) {
            Ok(written) => written,
            Err(error) => {
                log::debug!("no direct writes from here on: {error}");
                self.direct = None;
                0
            }
        };
        self.waited += began.elapsed();
        self.length += written as u64;
        written
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbered bytes at an address that direct writes can be made from.
    fn block(length: usize) -> AlignedBlock {
        let mut block = AlignedBlock::new(length);
        block.iter_mut().zip(0_u32..).for_each(|(byte, number)| *byte = (number >> 4) as u8);
        block
    }

    #[test]
    fn pieces_of_all_lengths_come_out_in_order() {
        let directory = tempfile::tempdir().unwrap();
        // Half a page first, as an interrupted download leaves it.
        for kept in [0, 2048] {
            for refused in [false, true] {
                let path = directory.path().join(format!("{kept}-{refused}"));
                let mut expected = vec![7; kept];
                std::fs::write(&path, &expected).unwrap();
                let file = File::options().read(true).write(true).open(&path).unwrap();
                let mut partial = Partial::new(&file, &path, kept as u64);
                if refused {
                    partial.direct = None;
                }
                for length in [ALIGNMENT * 8, 1, ALIGNMENT * 4, 5000, ALIGNMENT * 2, ALIGNMENT, 3] {
                    let piece = block(length);
                    partial.append(&piece).unwrap();
                    expected.extend_from_slice(&piece);
                }
                assert!(std::fs::read(&path).unwrap() == expected, "{kept} {refused}");
            }
        }
    }

    #[test]
    fn only_what_is_aligned_and_in_time_goes_past_the_cache() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blob");
        let file = File::create(&path).unwrap();
        let mut partial = Partial::new(&file, &path, 0);
        let takes_direct = partial.direct.is_some();
        let bytes = block(ALIGNMENT * 2 + 1);
        assert_eq!(partial.append_past_cache(&bytes[1..]), 0, "an odd address");
        assert_eq!(partial.append_past_cache(&bytes[..100]), 0, "less than a page");
        assert_eq!(partial.append_past_cache(&bytes), if takes_direct { ALIGNMENT * 2 } else { 0 });
        partial.waited = Duration::from_secs(3600);
        assert_eq!(partial.append_past_cache(&bytes), 0, "the disk is too slow");
        partial.waited = Duration::ZERO;
        partial.append(&bytes[..1]).unwrap();
        assert_eq!(partial.append_past_cache(&bytes), 0, "an odd offset");
        assert_eq!(partial.best_length(ALIGNMENT), ALIGNMENT - 1);
    }
}
