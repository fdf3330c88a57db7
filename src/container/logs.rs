//! Reading a container's log, also while it is written and rotated.
//!
//! The format is [`crate::launch::logfile`]'s. A reader keeps the file open that it is in, so a rotation
//! takes nothing away from it: it reads that file to its end and goes on with the next newer one.

use crate::error::{Doing, Result};
use crate::launch::logfile::{self, Entry};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A place in a container's log.
#[derive(Debug)]
pub struct Tail {
    directory: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
}

/// More than this is not read at a time, so that whoever reads stays small.
const BLOCK: usize = 64 * 1024;

impl Tail {
    /// After everything that is there now; `directory` is `containers/<id>`.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn at_end(directory: &Path) -> Result<Tail> {
        let mut tail =
            Tail { directory: directory.to_owned(), file: open(&directory.join(logfile::NAME))?, begun: vec![] };
        if let Some(file) = &mut tail.file {
            file.seek(SeekFrom::End(0)).doing(|| "cannot read the container's log")?;
        }
        Ok(tail)
    }

    /// Before the oldest line that is kept.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn at_start(directory: &Path) -> Result<Tail> {
        let mut tail = Tail { directory: directory.to_owned(), file: None, begun: vec![] };
        tail.file = tail.oldest()?;
        Ok(tail)
    }

    /// Reads some lines and calls `each` for each; false where nothing more is there now.
    ///
    /// # Errors
    /// The log cannot be read, or what `each` says.
    pub fn read(&mut self, each: &mut dyn FnMut(Entry<'_>) -> Result<()>) -> Result<bool> {
        let doing = || "cannot read the container's log";
        let Some(file) = &mut self.file else {
            self.file = self.oldest()?;
            return Ok(self.file.is_some());
        };
        let held_back = self.begun.len();
        let count = file.take(BLOCK as u64).read_to_end(&mut self.begun).doing(doing)?;
        if count == 0 {
            return self.go_on();
        }
        let Some(end) = self.begun[held_back..].iter().rposition(|byte| *byte == b'\n') else { return Ok(true) };
        let rest = self.begun.split_off(held_back + end + 1);
        let lines = std::mem::replace(&mut self.begun, rest);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            // What is no entry was not written by a monitor; there is nothing to show of it.
            if let Some(entry) = line.strip_suffix(b"\n").and_then(logfile::parse) {
                each(entry)?;
            }
        }
        Ok(true)
    }

    /// At the end of a file: goes on with the next newer one, if the log was rotated.
    fn go_on(&mut self) -> Result<bool> {
        let Some(current) = self.file.as_ref().and_then(identity) else { return Ok(false) };
        let mut newer = None;
        for number in 0.. {
            let Some(file) = open(&self.name(number))? else {
                // Not among those that are kept: all of them are newer.
                self.file = self.oldest()?.or(self.file.take());
                return Ok(self.file.as_ref().and_then(identity) != Some(current));
            };
            if identity(&file) == Some(current) {
                break;
            }
            newer = Some(file);
        }
        let Some(newer) = newer else { return Ok(false) };
        // The last that was written before the rotation may have come after this reader's last look.
        let Some(file) = &mut self.file else { return Ok(false) };
        if file.take(1).read_to_end(&mut self.begun).doing(|| "cannot read the container's log")? > 0 {
            return Ok(true);
        }
        self.begun.clear();
        self.file = Some(newer);
        Ok(true)
    }

    fn oldest(&self) -> Result<Option<File>> {
        let mut oldest = None;
        for number in 0.. {
            match open(&self.name(number))? {
                Some(file) => oldest = Some(file),
                None => break,
            }
        }
        Ok(oldest)
    }

    fn name(&self, number: u32) -> PathBuf {
        match number {
            0 => self.directory.join(logfile::NAME),
            number => self.directory.join(format!("{}.{number}", logfile::NAME)),
        }
    }
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).doing(|| format!("cannot open {}", path.display())),
    }
}

/// What names a file whatever it is called; None where that cannot be told.
fn identity(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::logfile::{Stream, encode};
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut entry = Vec::new();
        encode("T", Stream::Stdout, text.as_bytes(), &mut entry);
        File::options().append(true).create(true).open(path).unwrap().write_all(&entry).unwrap();
    }

    fn rest(tail: &mut Tail) -> String {
        let mut text = String::new();
        while tail
            .read(&mut |entry| {
                text.push_str(std::str::from_utf8(entry.text).unwrap());
                Ok(())
            })
            .unwrap()
        {}
        text
    }

    #[test]
    fn a_reader_follows_through_rotations() {
        let directory = tempfile::tempdir().unwrap();
        let path = |number: u32| match number {
            0 => directory.path().join("log"),
            number => directory.path().join(format!("log.{number}")),
        };
        let mut tail = Tail::at_start(directory.path()).unwrap();
        assert_eq!(rest(&mut tail), "");
        append(&path(0), "a\n");
        assert_eq!(rest(&mut tail), "a");
        append(&path(0), "b\n");
        std::fs::rename(path(0), path(1)).unwrap();
        append(&path(0), "c\n");
        std::fs::rename(path(1), path(2)).unwrap();
        std::fs::rename(path(0), path(1)).unwrap();
        append(&path(0), "d\n");
        assert_eq!(rest(&mut tail), "bcd");
        assert_eq!(rest(&mut Tail::at_start(directory.path()).unwrap()), "abcd");
        let mut late = Tail::at_end(directory.path()).unwrap();
        assert_eq!(rest(&mut late), "");
        append(&path(0), "e\n");
        assert_eq!((rest(&mut late), rest(&mut tail)), ("e".into(), "e".into()));
    }

    #[test]
    fn a_line_is_read_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("log"), "T stdout F be").unwrap();
        let mut tail = Tail::at_start(directory.path()).unwrap();
        assert_eq!(rest(&mut tail), "");
        let mut file = File::options().append(true).open(directory.path().join("log")).unwrap();
        file.write_all(b"gun\nno entry\nT stderr F x\n").unwrap();
        assert_eq!(rest(&mut tail), "begunx");
    }
}
