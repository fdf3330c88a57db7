//! Large files go [past the page cache](crate::image::past_cache): a few of them are half of what an image weighs, and a
//! container reads little of them. Small ones stay in it.

use super::apply::{write_all, write_plain};
use super::entries::Archive;
use super::tree::Problem;
use crate::image::past_cache::{ALIGNMENT, AlignedBlock, DiskWait};
use rustix::fs::{self, OFlags};
use std::io;
use std::os::fd::OwnedFd;

/// Bytes of a file from which on it is large.
pub(super) const LARGE: u64 = 1 << 20;

/// Written at a time: half of it keeps a disk less busy, twice as much waits longer.
const PIECE: usize = 512 << 10;

/// Writes the large files of one layer.
pub(super) struct LargeFiles {
    wait: DiskWait,
    /// None until the first of them.
    block: Option<AlignedBlock>,
}

impl LargeFiles {
    /// The layer's time begins now.
    pub(super) fn new() -> LargeFiles {
        LargeFiles { wait: DiskWait::new(), block: None }
    }

    /// Writes the rest of an entry's data into `file`, which is new and empty.
    ///
    /// # Errors
    /// As of [`write_plain`], which writes what a direct write does not take.
    pub(super) fn write(&mut self, file: &OwnedFd, archive: &mut Archive<'_>) -> Result<(), Problem> {
        if !self.wait.is_left() {
            return write_plain(file, archive);
        }
        // Of an open file, so that a file system that takes none says so (EINVAL) when the file is there already.
        if let Err(errno) = fs::fcntl_setfl(file, OFlags::DIRECT) {
            self.wait.refuse(errno);
            return write_plain(file, archive);
        }
        let block = self.block.get_or_insert_with(|| AlignedBlock::new(PIECE));
        let rest = loop {
            let length = fill(block, archive)?;
            let whole = length - length % ALIGNMENT;
            let may = whole > 0 && self.wait.is_left();
            let written = if may { self.wait.wait(|| Ok(rustix::io::write(file, &block[..whole])?)) } else { 0 };
            if written < block.len() {
                break written..length;
            }
        };
        fs::fcntl_setfl(file, OFlags::empty()).map_err(|errno| Problem::System { what: "write the file", errno })?;
        write_all(file, &block[rest])?;
        write_plain(file, archive)
    }
}

/// Fills `block` with what comes next of an entry's data; says how much that was, less than all at its end.
fn fill(block: &mut [u8], archive: &mut Archive<'_>) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        let piece = archive.data()?;
        let amount = piece.len().min(block.len() - length);
        if amount == 0 {
            break;
        }
        block[length..length + amount].copy_from_slice(&piece[..amount]);
        archive.consume(amount);
        length += amount;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TarBytes;
    use super::*;
    use rustix::io::Errno;
    use std::fs::File;
    use std::io::BufReader;
    use std::time::Duration;

    #[test]
    fn files_of_all_lengths_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut buffered = 0;
        for length in [0, 1, ALIGNMENT, PIECE - 1, PIECE, PIECE + ALIGNMENT, 2 * PIECE, 2 * PIECE + 5000] {
            let data: Vec<u8> = (0..length).map(|number| (number / 7) as u8).collect();
            let tar = TarBytes::new().file("x", &data).finish();
            for way in ["direct", "late", "refused"] {
                let path = directory.path().join(format!("{length}-{way}"));
                let mut large = LargeFiles::new();
                match way {
                    "late" => large.wait.set_waited(Duration::from_secs(3600)),
                    "refused" => large.wait.refuse(Errno::INVAL),
                    _ => {}
                }
                // In pieces that end anywhere.
                let mut reader = BufReader::with_capacity(100_001, &tar[..]);
                let mut archive = Archive::new(&mut reader);
                archive.next_entry().unwrap().unwrap();
                large.write(&OwnedFd::from(File::create(&path).unwrap()), &mut archive).unwrap();
                assert!(std::fs::read(&path).unwrap() == data, "{length} {way}");
                buffered += usize::from(large.block.is_none());
            }
        }
        // Some file systems take no direct writes at all (tmpfs before Linux 6.6).
        let probe = File::create(directory.path().join("probe")).unwrap();
        assert_eq!(buffered, if fs::fcntl_setfl(probe, OFlags::DIRECT).is_ok() { 16 } else { 24 });
    }

    #[test]
    fn an_archive_that_ends_in_the_middle_is_an_error() {
        let tar = TarBytes::new().header_only(b'0', "x", LARGE).finish();
        let (directory, mut reader) = (tempfile::tempdir().unwrap(), &tar[..]);
        let mut archive = Archive::new(&mut reader);
        archive.next_entry().unwrap().unwrap();
        let file = OwnedFd::from(File::create(directory.path().join("x")).unwrap());
        let problem = LargeFiles::new().write(&file, &mut archive).unwrap_err();
        assert!(matches!(problem, Problem::Archive(_)), "{problem}");
    }
}
