//! The partial blob that a download is appended to. A blob is hardly ever read again, by a push, or to unpack it under
//! other ids: it goes [past the page cache](super::super::past_cache).

use crate::image::past_cache::{ALIGNMENT, DiskWait};
use rustix::fs::{self, CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A blob of which more is written at its end.
pub(super) struct Partial<'a> {
    file: &'a File,
    /// The same file, opened for direct writes, where its file system has them.
    direct: Option<File>,
    length: u64,
    wait: DiskWait,
}

impl<'a> Partial<'a> {
    /// `file` is what is open at `path`, and has `length` bytes.
    pub(super) fn new(file: &'a File, path: &Path, length: u64) -> Partial<'a> {
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        // A file system that has no direct writes says so here (EINVAL).
        let direct = fs::openat(CWD, path, flags, Mode::empty()).ok().map(File::from);
        Partial { file, direct, length, wait: DiskWait::new() }
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

    /// Appends as much as a direct write takes; says how much that was.
    fn append_past_cache(&mut self, bytes: &[u8]) -> usize {
        let whole = bytes.len() - bytes.len() % ALIGNMENT;
        let is_aligned =
            self.length.is_multiple_of(ALIGNMENT as u64) && bytes.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let may = whole > 0 && is_aligned && self.wait.is_left();
        let Some(direct) = self.direct.as_ref().filter(|_| may) else { return 0 };
        let written = self.wait.wait(|| direct.write_at(&bytes[..whole], self.length));
        self.length += written as u64;
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::past_cache::AlignedBlock;
    use std::time::Duration;

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
        partial.wait.set_waited(Duration::from_secs(3600));
        assert_eq!(partial.append_past_cache(&bytes), 0, "the disk is too slow");
        partial.wait.set_waited(Duration::ZERO);
        partial.append(&bytes[..1]).unwrap();
        assert_eq!(partial.append_past_cache(&bytes), 0, "an odd offset");
        assert_eq!(partial.best_length(ALIGNMENT), ALIGNMENT - 1);
    }
}
