//! What lies where in a tar file, from its headers alone.

use super::Section;
use crate::error::{Doing, Failure, Result};
use crate::image::unpack::entries::{Archive, Kind};
use crate::image::unpack::header::BLOCK;
use crate::image::unpack::path;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::sync::Arc;

/// Files and links of a tar file, by normalised name.
#[derive(Debug, Clone)]
pub struct TarIndex {
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

#[derive(Debug, Clone)]
enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// Old `docker save` wrote a layer that is there twice as a link to the first.
    Link(Vec<u8>),
}

/// An image archive has a few files a layer. More than this is something else, and would fill the memory.
const MOST_MEMBERS: usize = 100_000;

/// Links to follow before taking them for a circle.
const MOST_LINKS: usize = 8;

impl TarIndex {
    /// Reads the headers of `file`, a regular file.
    pub fn read(mut file: File) -> Result<TarIndex> {
        let doing = || "cannot read the tar file".to_owned();
        let length = file.seek(SeekFrom::End(0)).doing(doing)?;
        let mut members = HashMap::new();
        let mut at = 0;
        loop {
            file.seek(SeekFrom::Start(at)).doing(doing)?;
            // A new reader at each header, so that the data between them is not read.
            let mut reader = BufReader::new(&file);
            let mut archive = Archive::new(&mut reader);
            // What does not even begin as one is something else.
            let reading = || if at == 0 { doing() + ": it is no tar archive" } else { doing() };
            let Some(entry) = archive.next_entry().doing(reading)? else { break };
            let offset = at + archive.position();
            let size = entry.size;
            let name = path::normalize(&entry.path).map_err(|error| Failure::new(doing(), error))?;
            let shown = path::show(&entry.path);
            let end = offset.checked_add(size).and_then(|end| end.checked_next_multiple_of(BLOCK as u64));
            at = end
                .filter(|end| *end <= length)
                .ok_or_else(|| Failure::new(doing(), format!("it is cut off in `{shown}`")))?;
            match entry.kind {
                Kind::Regular if entry.sparse.is_none() => members.insert(name, Member::File { offset, size }),
                Kind::Symlink => {
                    let beside = path::join(path::split(&name).0, &entry.link);
                    // One that leads out of the archive leads to nothing in it.
                    path::normalize(&beside).ok().and_then(|target| members.insert(name, Member::Link(target)))
                }
                Kind::HardLink => {
                    path::normalize(&entry.link).ok().and_then(|target| members.insert(name, Member::Link(target)))
                }
                _ => None,
            };
            if members.len() > MOST_MEMBERS {
                return Err(Failure::new(doing(), format!("it has more than {MOST_MEMBERS} files; no image has")));
            }
        }
        if members.is_empty() {
            return Err(Failure::new(doing(), "it is empty"));
        }
        Ok(TarIndex { file: Arc::new(file), members })
    }

    /// The bytes of the file called `name`, links followed.
    pub fn find(&self, name: &[u8]) -> Option<Section> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
            match self.members.get(name)? {
                Member::File { offset, size } => {
                    return Some(Section { file: Arc::clone(&self.file), offset: *offset, left: *size });
                }
                Member::Link(target) => name = target,
            }
        }
        None
    }
}
