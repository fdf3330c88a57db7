//! A container's log: what the payload wrote, line by line, with time and stream.
//!
//! The format is that of the Kubernetes container runtime interface, which Podman's `k8s-file` has as
//! well: `2026-01-31T12:00:00.123456789Z stdout F text`. A line is `F` (full) where the payload ended it
//! and `P` (partial) where it had not yet when the monitor read it; so the bytes that were written can be
//! put together again exactly, and a prompt without a newline is there as soon as it is written.
//!
//! Whole lines are written, many to one write(2). A write(2) that SIGKILL cuts short leaves a torn last
//! line, which the next start takes away ([`Log::open`]) and readers pass over. A full disk holds the
//! payload back until there is room: nothing is dropped while it runs.

use super::plan::LogPlan;
use crate::error::{Doing, Result};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The file's name in the container's directory; older ones are `log.1`, `log.2` …
pub const NAME: &str = "log";

/// Which of its streams the payload wrote to; a terminal's output counts as standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Whether the payload ended a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `F`: by a newline.
    Full,
    /// `P`: not yet; the next entry of the stream goes on.
    Partial,
}

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// RFC 3339 with nine digits of a second, UTC.
    pub time: &'a str,
    /// Where it was written to.
    pub stream: Stream,
    /// Whether a newline follows.
    pub ending: Ending,
    /// Without the newline.
    pub text: &'a [u8],
}

/// Appends `bytes`, as the payload wrote them at `time`, to `to` in the log's form.
pub fn encode(time: &str, stream: Stream, bytes: &[u8], to: &mut Vec<u8>) {
    let word = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, tag) = match line.strip_suffix(b"\n") {
            Some(text) => (text, "F"),
            None => (line, "P"),
        };
        for part in [time, " ", word, " ", tag, " "] {
            to.extend_from_slice(part.as_bytes());
        }
        to.extend_from_slice(text);
        to.push(b'\n');
    }
}

/// Reads one line of the log, without its newline; None for what is no entry.
pub fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let ending = match parts.next()? {
        b"F" => Ending::Full,
        b"P" => Ending::Partial,
        _ => return None,
    };
    Some(Entry { time, stream, ending, text: parts.next()? })
}

/// The time of now, as entries have it.
pub fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

/// The log of a container that runs, as its monitor writes it.
pub(super) struct Log {
    directory: OwnedFd,
    plan: LogPlan,
    file: File,
    size: u64,
    /// Encoded and not yet written: the disk is full.
    waiting: Vec<u8>,
}

impl Log {
    /// Opens the log in the container's directory for appending, and takes a torn last line away.
    pub(super) fn open(directory: OwnedFd, plan: &LogPlan) -> Result<Log> {
        let mut file = open_file(directory.as_fd()).doing(|| "cannot open the container's log")?;
        let size = whole_lines(&mut file).doing(|| "cannot read the container's log")?;
        file.set_len(size).doing(|| "cannot repair the container's log")?;
        Ok(Log { directory, plan: plan.clone(), file, size, waiting: Vec::new() })
    }

    /// Whether the disk took everything; while it has not, the payload's output must wait.
    pub(super) fn is_written(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes what the payload wrote. Call only while [`Log::is_written`].
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        encode(&now(), stream, bytes, &mut self.waiting);
        self.retry();
    }

    /// Writes what waits; a full disk leaves it waiting.
    pub(super) fn retry(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.rotate_if_needed();
        match rustix::io::write(&self.file, &self.waiting) {
            Ok(count) if count == self.waiting.len() => {
                self.size += count as u64;
                self.waiting.clear();
                // Many short lines make it large; the monitor stays small.
                self.waiting.shrink_to(16 * 1024);
            }
            // Cut short: the torn part goes away again, so that the file always ends with a whole line.
            Ok(_) => drop(rustix::fs::ftruncate(&self.file, self.size)),
            Err(errno) => log::debug!("the log cannot be written: {errno}"),
        }
    }

    /// Goes on in a new file where this one is full, or was removed underneath.
    fn rotate_if_needed(&mut self) {
        let removed = rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0);
        let full = self.plan.max_size.is_some_and(|most| self.size > 0 && self.size + self.waiting.len() as u64 > most);
        if !removed && !full {
            return;
        }
        if full && !removed {
            self.shift();
        }
        match open_file(self.directory.as_fd()) {
            Ok(file) => {
                self.size = rustix::fs::fstat(&file).map_or(0, |stat| stat.st_size as u64);
                self.file = file;
            }
            Err(errno) => log::debug!("the log cannot be rotated: {errno}"),
        }
    }

    /// `log.1` → `log.2`, `log` → `log.1`; what is beyond `max-file` goes.
    fn shift(&self) {
        let keep = self.plan.max_files.max(1);
        // Missing older files are what a young log has.
        let older = |number: u32| if number == 0 { NAME.to_owned() } else { format!("{NAME}.{number}") };
        let _ = unlinkat(&self.directory, older(keep - 1), AtFlags::empty());
        for number in (0..keep - 1).rev() {
            let _ = renameat(&self.directory, older(number), &self.directory, older(number + 1));
        }
    }
}

fn open_file(directory: BorrowedFd<'_>) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        match openat(directory, NAME, flags, Mode::from_raw_mode(0o600)) {
            Err(Errno::INTR) => {}
            opened => return opened.map(File::from),
        }
    }
}

/// The length up to and with the last newline.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: &str = "2026-01-31T12:00:00.000000001Z";

    fn open(directory: &std::path::Path, plan: &LogPlan) -> Log {
        Log::open(File::open(directory).unwrap().into(), plan).unwrap()
    }

    #[test]
    fn lines_are_full_or_partial() {
        let mut log = Vec::new();
        encode(TIME, Stream::Stdout, b"one\n\ntw", &mut log);
        encode(TIME, Stream::Stderr, b"o \n", &mut log);
        let text = String::from_utf8(log).unwrap().replace(TIME, "T");
        assert_eq!(text, "T stdout F one\nT stdout F \nT stdout P tw\nT stderr F o \n");
        assert!(now().len() == TIME.len() && now().ends_with('Z'), "{}", now());
    }

    #[test]
    fn a_torn_last_line_goes_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        std::fs::write(&path, "T stdout F whole\nT stdout F to").unwrap();
        let mut log = open(directory.path(), &LogPlan::default());
        log.write(Stream::Stdout, b"next\n");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("T stdout F whole\n2") && text.ends_with("Z stdout F next\n"), "{text}");
        std::fs::write(&path, "torn and nothing else").unwrap();
        open(directory.path(), &LogPlan::default());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn files_rotate_and_a_removed_one_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path(), &LogPlan { max_size: Some(100), max_files: 3 });
        for number in 0..9 {
            // 45 bytes an entry: two in a file.
            log.write(Stream::Stdout, format!("{number}\n").as_bytes());
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap_or_default();
        let numbers = |name: &str| read(name).lines().map(|line| line.chars().last().unwrap()).collect::<String>();
        assert_eq!(["log.3", "log.2", "log.1", "log"].map(numbers), ["", "45", "67", "8"].map(str::to_owned));
        std::fs::remove_file(directory.path().join(NAME)).unwrap();
        log.write(Stream::Stdout, b"a\n");
        assert_eq!(numbers(NAME), "a");
        assert!(log.is_written());
    }

    proptest! {
        #[test]
        fn what_was_written_can_be_put_together_again(
            writes in proptest::collection::vec((any::<bool>(), "[a\\n ]{0,12}"), 0..20)
        ) {
            let mut log = Vec::new();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for (to_stderr, text) in &writes {
                let stream = if *to_stderr { Stream::Stderr } else { Stream::Stdout };
                encode(TIME, stream, text.as_bytes(), &mut log);
                if *to_stderr { &mut err } else { &mut out }.extend_from_slice(text.as_bytes());
            }
            let (mut read_out, mut read_err) = (Vec::new(), Vec::new());
            for line in log.split_inclusive(|byte| *byte == b'\n') {
                let entry = parse(line.strip_suffix(b"\n").unwrap()).unwrap();
                let to = if entry.stream == Stream::Stderr { &mut read_err } else { &mut read_out };
                to.extend_from_slice(entry.text);
                if entry.ending == Ending::Full { to.push(b'\n'); }
            }
            prop_assert_eq!((read_out, read_err), (out, err));
        }

        #[test]
        fn parsing_never_panics(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&line);
        }
    }
}
