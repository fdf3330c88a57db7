//! What a walk meets, as entries of a tar stream: a layer, or a whole file system.
//!
//! Owners, file capabilities and access control lists are translated from the namespace this runs in to the ids that
//! the container has. What was squashed when it was unpacked (see [`crate::image::unpack`]) is given back the owner and
//! mode it had. Sockets are left out: no archive can hold one (Docker and Podman leave them out too).

use super::tar::{Header, Kind, TarWriter};
use crate::error::{Doing, Result};
use crate::host::ids::IdMaps;
use crate::image::unpack::ownership::{Ownership, Value};
use crate::image::unpack::path::show;
use crate::rootfs::changes::{Entry, Place, Visitor};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, fgetxattr, flistxattr, fstat, openat, readlinkat, seek};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Names of marks in layers (OCI image-spec "layer", "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Attributes that a layer keeps, but for those in [`OURS`].
const KEPT: [&[u8]; 4] = [b"user.", b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"];
/// Attributes that overlay, fuse-overlayfs and rr keep their own state in.
const OURS: [&[u8]; 2] = [b"user.overlay.", b"user.fuseoverlayfs."];
/// The owner and mode of a squashed file, as `uid:gid:0mode`.
const OVERRIDE_STAT: &[u8] = b"user.containers.override_stat";

/// What came of packing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackReport {
    /// Entries written, whiteouts included.
    pub entries: u64,
    /// Sockets that were left out.
    pub sockets: u64,
    /// Files whose owner or group the container does not have, and which were given to its root.
    pub foreign: u64,
    /// The first of them.
    pub first_foreign: Option<String>,
}

/// Writes what it meets as tar.
pub struct TreePacker<'a, W> {
    tar: TarWriter<W>,
    ownership: Ownership<'a>,
    /// Paths of files with several links, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    report: PackReport,
    buffer: Vec<u8>,
}

impl<'a, W: Write> TreePacker<'a, W> {
    /// Packs files of a container with the maps `container`, seen from a namespace with the maps `namespace`.
    pub fn new(writer: W, container: &'a IdMaps, namespace: &'a IdMaps) -> TreePacker<'a, W> {
        TreePacker {
            tar: TarWriter::new(writer),
            ownership: Ownership::back(container, namespace),
            links: HashMap::new(),
            report: PackReport::default(),
            buffer: vec![0; 256 << 10],
        }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> Result<(W, PackReport)> {
        let writer = self.tar.finish().doing(|| "cannot write the archive")?;
        Ok((writer, self.report))
    }

    fn header(&mut self, entry: &Entry<'_>, kind: Kind) -> Header {
        let stat = entry.stat;
        let (user, group) = (self.ownership.user(stat.st_uid.into()), self.ownership.group(stat.st_gid.into()));
        if user.is_none() || group.is_none() {
            self.report.foreign += 1;
            self.report.first_foreign.get_or_insert_with(|| show(entry.path));
        }
        Header {
            mode: stat.st_mode & 0o7777,
            uid: user.unwrap_or(0).into(),
            gid: group.unwrap_or(0).into(),
            mtime: stat.st_mtime,
            mtime_nanoseconds: stat.st_mtime_nsec as u32,
            ..Header::new(entry.path, kind)
        }
    }

    fn put(&mut self, header: &Header) -> Result<()> {
        self.report.entries += 1;
        self.tar.entry(header).doing(|| "cannot write the archive")
    }

    fn directory(&mut self, entry: &Entry<'_>, directory: BorrowedFd<'_>) -> Result<()> {
        let mut header = self.header(entry, Kind::Directory);
        if header.path.is_empty() {
            // The entry of a layer's top matters where it says something.
            if (header.mode, header.uid, header.gid) == (0o755, 0, 0) {
                return Ok(());
            }
            header.path = b"./".to_vec();
        }
        self.attributes(&mut header, entry.path, directory)?;
        self.put(&header)
    }

    fn regular(&mut self, entry: &Entry<'_>, parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let doing = || format!("cannot read {}", show(entry.path));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(parent, name, flags, Mode::empty()) {
            // It was removed or replaced since it was looked at: a container that runs does that.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(()),
            file => file.doing(doing)?,
        };
        let stat = fstat(&file).doing(doing)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let entry = &Entry { stat: &stat, ..*entry };
        if self.hard_link(entry)? {
            return Ok(());
        }
        let mut header = self.header(entry, Kind::Regular);
        header.size = u64::try_from(stat.st_size).unwrap_or(0);
        self.attributes(&mut header, entry.path, file.as_fd())?;
        self.put(&header)?;
        self.content(&file, header.size).map_err(|failure| failure.while_doing(doing()))
    }

    /// Whether the entry is a further name of a file that was written already, which is then written as such.
    fn hard_link(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let stat = entry.stat;
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        match self.links.get(&(stat.st_dev, stat.st_ino)) {
            Some(first) => {
                let link = first.clone();
                let header = Header { link, ..self.header(entry, Kind::HardLink) };
                self.put(&header)?;
                Ok(true)
            }
            None => {
                self.links.insert((stat.st_dev, stat.st_ino), entry.path.to_vec());
                Ok(false)
            }
        }
    }

    /// Copies `size` bytes; holes are not read. A file that has become shorter meanwhile is filled with zeros.
    fn content(&mut self, file: &OwnedFd, size: u64) -> Result<()> {
        let writing = || "cannot write the archive";
        let mut offset = 0;
        while offset < size {
            // lseek(2): a file system without holes says that all is data; ENXIO: nothing but a hole is left.
            let data = match seek(file, SeekFrom::Data(offset)) {
                Err(Errno::NXIO) => break,
                Err(Errno::INVAL | Errno::OPNOTSUPP) => offset,
                data => data.doing(|| "cannot find its data")?.min(size),
            };
            self.tar.fill(data - offset).doing(writing)?;
            let end = seek(file, SeekFrom::Hole(data)).unwrap_or(size).min(size);
            offset = data;
            while offset < end {
                let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(self.buffer.len());
                let length = rustix::io::pread(file, &mut self.buffer[..wanted], offset).doing(|| "cannot read on")?;
                if length == 0 {
                    break;
                }
                self.tar.data(&self.buffer[..length]).doing(writing)?;
                offset += length as u64;
            }
            if offset < end || end == data {
                break;
            }
        }
        let left = self.tar.left();
        self.tar.fill(left).doing(writing)
    }

    fn special(&mut self, entry: &Entry<'_>, parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let doing = || format!("cannot read {}", show(entry.path));
        let kind = match FileType::from_raw_mode(entry.stat.st_mode) {
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Socket => {
                self.report.sockets += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.hard_link(entry)? {
            return Ok(());
        }
        let mut header = self.header(entry, kind);
        match kind {
            Kind::Symlink => match readlinkat(parent, name, Vec::new()) {
                Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                link => header.link = link.doing(doing)?.into_bytes(),
            },
            Kind::CharDevice | Kind::BlockDevice => {
                header.device = (rustix::fs::major(entry.stat.st_rdev), rustix::fs::minor(entry.stat.st_rdev));
            }
            _ => {}
        }
        self.put(&header)
    }

    /// Adds the extended attributes of a file or directory.
    fn attributes(&mut self, header: &mut Header, path: &[u8], file: BorrowedFd<'_>) -> Result<()> {
        let doing = || format!("cannot read the attributes of {}", show(path));
        for name in attribute_names(file).doing(doing)? {
            let bytes = name.to_bytes();
            let kept =
                KEPT.iter().any(|kept| bytes.starts_with(kept)) && !OURS.iter().any(|ours| bytes.starts_with(ours));
            if !kept || bytes.contains(&b'=') {
                continue;
            }
            let Some(value) = attribute(file, &name).doing(doing)? else { continue };
            if bytes == OVERRIDE_STAT {
                restore_stat(header, &value);
                continue;
            }
            if let Value::Set(value) = self.ownership.attribute(bytes, &value) {
                header.xattrs.push((bytes.to_vec(), shortest_capability(bytes, value.into_owned())));
            }
        }
        header.xattrs.sort_unstable();
        Ok(())
    }

    fn mark(&mut self, path: &[u8]) -> Result<()> {
        self.put(&Header { mode: 0o600, ..Header::new(path, Kind::Regular) })
    }
}

impl<W: Write> Visitor for TreePacker<'_, W> {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        match entry.place {
            Place::Directory(directory) => self.directory(entry, directory),
            Place::Name(parent, name) => match FileType::from_raw_mode(entry.stat.st_mode) {
                FileType::RegularFile => self.regular(entry, parent, name),
                _ => self.special(entry, parent, name),
            },
        }
    }

    fn removed(&mut self, path: &[u8]) -> Result<()> {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        self.mark(&[&path[..at], WHITEOUT, &path[at..]].concat())
    }

    fn replaced(&mut self, path: &[u8], _: &[CString], within: bool) -> Result<()> {
        if within {
            return Ok(());
        }
        self.mark(&[path, b"/", OPAQUE].concat())
    }
}

fn attribute_names(file: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    // xattr(7): the list is at most 64 KiB.
    let mut list = vec![0; 64 << 10];
    let length = match flistxattr(file, &mut list) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
}

/// A value; None where it is gone, or speaks of ids that this namespace does not have (EOVERFLOW).
fn attribute(file: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 64 << 10];
    match fgetxattr(file, name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OVERFLOW | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// A capability of the third revision that belongs to root is one of the second (capabilities(7)), which is what
/// archives hold.
fn shortest_capability(name: &[u8], value: Vec<u8>) -> Vec<u8> {
    if name == b"security.capability" && value.len() == 24 && value[3] == 3 && value[20..] == [0; 4] {
        let mut second = value[..20].to_vec();
        second[3] = 2;
        return second;
    }
    value
}

/// Gives a squashed file back what it was. What is not of that form is passed over: a container may have set it.
fn restore_stat(header: &mut Header, value: &[u8]) {
    let parse = || {
        let mut parts = std::str::from_utf8(value).ok()?.split(':');
        let (uid, gid, mode) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let mode = u32::from_str_radix(mode, 8).ok()?;
        Some((uid, gid, mode & 0o7777))
    };
    if let Some((uid, gid, mode)) = parse() {
        (header.uid, header.gid, header.mode) = (uid, gid, mode);
    }
}
