//! A reader that runs ahead of whoever reads it, in a thread of its own: a layer is downloaded and inflated by one
//! thread while another unpacks it, so that an image of one big layer keeps two processors busy.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

/// What goes from thread to thread at a time. Small enough to be in the processor's cache still.
const BLOCK: usize = 256 << 10;

/// How many blocks there are: as far as one thread can be ahead of the other.
const BLOCKS: usize = 4;

/// The end that reads. Dropped early, it ends the thread with the block that is being read.
pub struct Ahead {
    full: Receiver<io::Result<Block>>,
    empty: Sender<Vec<u8>>,
    current: Block,
    /// What of the current block has been used.
    used: usize,
}

/// Its first `length` bytes have been read.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    length: usize,
}

impl Ahead {
    /// Starts to read `reader`.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, reader: impl Read + Send + 'scope) -> io::Result<Ahead> {
        let ((to_reader, full), (empty, from_reader)) = (channel(), channel());
        for _ in 0..BLOCKS {
            // Cannot fail: the other end is here.
            let _ = empty.send(vec![0; BLOCK]);
        }
        Builder::new().name("ahead".into()).spawn_scoped(scope, move || run(reader, &from_reader, &to_reader))?;
        Ok(Ahead { full, empty, current: Block::default(), used: 0 })
    }
}

/// Fills blocks until the reader ends, or nobody wants them any more.
fn run(mut reader: impl Read, empty: &Receiver<Vec<u8>>, full: &Sender<io::Result<Block>>) {
    while let Ok(mut bytes) = empty.recv() {
        let (length, error) = fill(&mut reader, &mut bytes);
        let ended = length < bytes.len();
        if length > 0 && full.send(Ok(Block { bytes, length })).is_err() {
            return;
        }
        if let Some(error) = error {
            let _ = full.send(Err(error));
        }
        if ended {
            return;
        }
    }
}

/// Reads until `bytes` is full; less where the reader ended or failed.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut length = 0;
    while length < bytes.len() {
        match reader.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Some(error)),
        }
    }
    (length, None)
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.current.length {
            let done = std::mem::take(&mut self.current);
            self.used = 0;
            if !done.bytes.is_empty() {
                // Fails where the thread has ended, and needs no more blocks.
                let _ = self.empty.send(done.bytes);
            }
            // Fails at the end: the thread is gone, and all it has sent is taken.
            if let Ok(block) = self.full.recv() {
                self.current = block?;
            }
        }
        Ok(&self.current.bytes[self.used..self.current.length])
    }

    fn consume(&mut self, amount: usize) {
        self.used += amount;
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives this many bytes in small pieces, then an error.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
            }
            let count = self.0.min(buffer.len()).min(1000);
            buffer[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn all_bytes_come_in_order() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5] {
            let data: Vec<u8> = (0..length).map(|number| (number >> 3) as u8).collect();
            let mut read = Vec::new();
            std::thread::scope(|scope| Ahead::start(scope, &data[..]).unwrap().read_to_end(&mut read).unwrap());
            assert!(read == data, "{length}");
        }
    }

    #[test]
    fn an_error_comes_after_what_was_read_before_it() {
        for length in [0, 5, BLOCK, 2 * BLOCK + 1] {
            let mut read = Vec::new();
            let error =
                std::thread::scope(|scope| Ahead::start(scope, Failing(length)).unwrap().read_to_end(&mut read));
            assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
            assert_eq!(read.len(), length);
        }
    }

    #[test]
    fn one_that_is_not_read_to_its_end_ends_its_thread() {
        std::thread::scope(|scope| {
            let mut ahead = Ahead::start(scope, io::repeat(1)).unwrap();
            assert!(!ahead.fill_buf().unwrap().is_empty());
        });
    }
}
