//! The event log: what happened to containers, images and volumes, for `events`.
//!
//! There is no daemon to ask, so whoever does something appends a line, and whoever wants to know follows the file.
//! Telling costs an open(2), one write(2) and a close(2), waits for nobody, and never fails what it tells of. A line
//! begins and ends with a newline: one that a kill or a full disk has torn spoils no other.
//!
//! ```text
//! events/log      the newest; O_APPEND makes a write whole among those of other processes
//! events/log.1    what was before; older events are forgotten
//! ```

use super::Store;
use crate::error::{Doing, Result};
use crate::sys::ready::timespec;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, inotify};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

/// A file of this size, bytes, is put aside for a new one.
const LARGEST: u64 = 1 << 20;

/// What a thing is that something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Kind {
    Container,
    Image,
    Volume,
    Network,
}

impl Kind {
    /// Docker's name of it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Volume => "volume",
            Kind::Network => "network",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it happened to.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Docker's word: `start`, `die`, `exec_create: sh`.
    #[serde(rename = "a")]
    pub action: String,
    /// Id of the container, id or name of the image, name of the volume.
    #[serde(rename = "i")]
    pub id: String,
    /// Docker's attributes: `name`, `image`, `exitCode`, labels.
    #[serde(rename = "t", default)]
    pub attributes: BTreeMap<String, String>,
    /// When.
    #[serde(rename = "n")]
    pub time: Timestamp,
}

impl Event {
    /// Something that happens now.
    pub fn now(kind: Kind, action: impl Into<String>, id: impl Into<String>) -> Event {
        Event { kind, action: action.into(), id: id.into(), attributes: BTreeMap::new(), time: Timestamp::now() }
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Event {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

impl Store {
    fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// Tells of events. What fails is logged only: they have happened all the same.
    pub fn tell(&self, events: &[Event]) {
        if let Err(error) = self.append(events) {
            log::debug!("cannot write the event log: {error}");
        }
    }

    /// As [`Store::tell`], and keeps the log within its bounds; for where nobody waits.
    pub fn tell_and_bound(&self, events: &[Event]) {
        self.tell(events);
        self.bound_events();
    }

    /// Keeps the event log within its bounds.
    pub fn bound_events(&self) {
        if let Err(error) = self.rotate() {
            log::debug!("cannot bound the event log: {error}");
        }
    }

    fn append(&self, events: &[Event]) -> io::Result<()> {
        let mut text = Vec::with_capacity(512);
        for event in events {
            text.push(b'\n');
            serde_json::to_writer(&mut text, event)?;
        }
        text.push(b'\n');
        let path = self.events().join("log");
        let open = || File::options().append(true).create(true).mode(0o600).open(&path);
        let file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.events())?;
                open()?
            }
            file => file?,
        };
        // One write: a torn one is left torn, since its rest would come after what others have written.
        rustix::io::write(&file, &text)?;
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        let path = self.events().join("log");
        if std::fs::metadata(&path)?.len() < LARGEST {
            return Ok(());
        }
        let directory = File::open(self.events())?;
        if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
            // Another process is at it.
            return Ok(());
        }
        if std::fs::metadata(&path)?.len() < LARGEST {
            return Ok(());
        }
        std::fs::rename(&path, self.events().join("log.1"))
    }

    /// Reads the event log.
    ///
    /// # Errors
    /// The system's.
    pub fn read_events(&self, from: From) -> Result<Reader> {
        let doing = || "cannot read the event log";
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.events()).doing(doing)?;
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).doing(doing)?;
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, self.events(), flags).doing(doing)?;
        let mut reader = Reader { directory: self.events(), watch, files: Vec::new() };
        // The watch comes first: what is written from here on is noticed.
        reader.open_new(from).doing(doing)?;
        Ok(reader)
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the oldest event that is kept.
    Start,
    /// After the newest.
    End,
}

/// A place in the event log.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    watch: OwnedFd,
    /// Oldest first. A file that was put aside is read on: who opened it before may still write into it.
    files: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    file: File,
    identity: (u64, u64),
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
}

impl Reader {
    /// The events that have come since the last call, in the order of their times.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self) -> Result<Vec<Event>> {
        let doing = || "cannot read the event log";
        self.open_new(From::Start).doing(doing)?;
        let mut events = Vec::new();
        for part in &mut self.files {
            part.file.read_to_end(&mut part.begun).doing(doing)?;
            let Some(end) = part.begun.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = part.begun.split_off(end + 1);
            let lines = std::mem::replace(&mut part.begun, rest);
            // What cannot be read was torn.
            events.extend(lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
        }
        // The newest and the one before it: nobody writes into an older one.
        let old = self.files.len().saturating_sub(2);
        self.files.drain(..old);
        events.sort_by_key(|event: &Event| event.time);
        Ok(events)
    }

    /// Opens what is not open yet.
    fn open_new(&mut self, from: From) -> io::Result<()> {
        for name in ["log.1", "log"] {
            let mut file = match File::open(self.directory.join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                file => file?,
            };
            let metadata = file.metadata()?;
            let identity = (metadata.dev(), metadata.ino());
            if self.files.iter().any(|part| part.identity == identity) {
                continue;
            }
            if from == From::End {
                file.seek(SeekFrom::End(0))?;
            }
            self.files.push(Part { file, identity, begun: Vec::new() });
        }
        Ok(())
    }

    /// Waits for more, at most so long. Ends early for nothing now and then.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, limit: Option<Duration>) -> Result<()> {
        let doing = || "cannot follow the event log";
        let limit = limit.map(timespec);
        match poll(&mut [PollFd::new(&self.watch, PollFlags::IN)], limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            ready => ready.doing(doing)?,
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        // That something happened is all there is to know.
        match rustix::io::read(&self.watch, &mut buffer[..]) {
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno).doing(doing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_at(&directory.path().join("rr")).unwrap();
        (directory, store)
    }

    fn event(action: &str) -> Event {
        Event::now(Kind::Container, action, "id").with("name", "x")
    }

    fn actions(reader: &mut Reader) -> Vec<String> {
        reader.read().unwrap().into_iter().map(|event| event.action).collect()
    }

    #[test]
    fn events_are_read_as_they_were_told() {
        let (_directory, store) = store();
        let mut late = store.read_events(From::End).unwrap();
        let told = [event("create"), event("start")];
        store.tell(&told);
        assert_eq!(store.read_events(From::Start).unwrap().read().unwrap(), told);
        late.wait(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(actions(&mut late), ["create", "start"]);
        assert!(actions(&mut store.read_events(From::End).unwrap()).is_empty());
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let (_directory, store) = store();
        store.tell(&[event("one")]);
        let path = store.events().join("log");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"\n{\"k\":\"contai");
        std::fs::write(&path, text).unwrap();
        store.tell(&[event("two")]);
        assert_eq!(actions(&mut store.read_events(From::Start).unwrap()), ["one", "two"]);
    }

    #[test]
    fn a_full_file_is_put_aside_and_a_reader_misses_nothing() {
        let (_directory, store) = store();
        let mut reader = store.read_events(From::End).unwrap();
        let long = "x".repeat(64 * 1024);
        let mut seen = Vec::new();
        for number in 0..70 {
            store.tell_and_bound(&[event(&number.to_string()).with("long", &*long)]);
            seen.extend(actions(&mut reader));
        }
        assert_eq!(seen, (0..70).map(|number| number.to_string()).collect::<Vec<_>>());
        let kept = actions(&mut store.read_events(From::Start).unwrap());
        assert!(kept.len() < 40 && kept.last().map(String::as_str) == Some("69"), "{kept:?}");
        assert_eq!(std::fs::read_dir(store.events()).unwrap().count(), 2);
    }
}
