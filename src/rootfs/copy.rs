//! The last rung of `mount_overlay`: the layers are copied, bottom to top, into one plain tree.
//!
//! Slow and large, but it needs nothing of the kernel. Layers are rr's own unpacked trees, marked as
//! overlay marks them (a character device 0:0 is a whiteout, `user.overlay.opaque` an opaque
//! directory). Every name is one component below an open directory, and links are never followed.

use super::replicate::times;
use crate::error::{Failure, Result, errno_text};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags, chownat, fchmod, fgetxattr, flistxattr,
    fsetxattr, futimens, linkat, mkdirat, mknodat, openat, readlinkat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Copies `layers`, bottom first, into the empty directory `target`. Runs as root of the user namespace.
///
/// # Errors
/// The system's (no space left, above all), with the path it was about.
pub fn copy_layers(layers: &[OwnedFd], target: BorrowedFd<'_>) -> Result<()> {
    for layer in layers {
        // Hard links are within one layer (OCI image-spec, "layer").
        let mut copier = Copier { root: target, links: HashMap::new(), path: Vec::new() };
        if let Err(errno) = copier.entries(layer.as_fd(), target) {
            let cause = format!("{}: {}", copier.shown_path(), errno_text(errno.raw_os_error()));
            return Err(Failure::new("cannot copy the image's layers", cause));
        }
    }
    Ok(())
}

/// Hides what lower layers have below a directory (overlayfs, `userxattr`).
const OPAQUE: &CStr = c"user.overlay.opaque";
/// Overlay's own attributes mean nothing in a plain tree.
const OVERLAY_ATTRIBUTES: &[u8] = b"user.overlay.";

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const OPEN_FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Copier<'fd> {
    root: BorrowedFd<'fd>,
    /// Paths, below the root, of the copies of files with several links, by inode number.
    links: HashMap<u64, CString>,
    /// The names that lead to what is being copied.
    path: Vec<CString>,
}

impl Copier<'_> {
    /// Copies what `from` holds into `to`.
    fn entries(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
        // Opened anew: O_PATH descriptors cannot be read, and reading moves the descriptor's position.
        let readable = openat(from, c".", OPEN_DIRECTORY, Mode::empty())?;
        for entry in Dir::read_from(&readable)? {
            let name = entry?.file_name().to_owned();
            if name.as_c_str() == c"." || name.as_c_str() == c".." {
                continue;
            }
            self.path.push(name.clone());
            self.entry(readable.as_fd(), to, &name)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            return self.directory(from, to, name, &stat);
        }
        remove(to, name)?;
        match kind {
            // A whiteout; other devices are never unpacked.
            FileType::CharacterDevice => return Ok(()),
            FileType::RegularFile => return self.file(from, to, name, &stat),
            FileType::Symlink => symlinkat(&*readlinkat(from, name, Vec::new())?, to, name)?,
            _ => mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode), 0)?,
        }
        chownat(to, name, owner(&stat).0, owner(&stat).1, AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
    ) -> rustix::io::Result<()> {
        let source = openat(from, name, OPEN_DIRECTORY, Mode::empty())?;
        let mut value = [0; 1];
        let opaque = matches!(fgetxattr(&source, OPAQUE, &mut value), Ok(1) if value == *b"y");
        let there = statat(to, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_directory = there.is_ok_and(|there| FileType::from_raw_mode(there.st_mode) == FileType::Directory);
        if opaque || !is_directory {
            remove(to, name)?;
            mkdirat(to, name, Mode::RWXU)?;
        }
        let target = openat(to, name, OPEN_DIRECTORY, Mode::empty())?;
        self.entries(source.as_fd(), target.as_fd())?;
        finish(&source, &target, stat)
    }

    fn file(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                return linkat(self.root, first, to, name, AtFlags::empty());
            }
            self.links.insert(stat.st_ino, self.joined_path());
        }
        let source = openat(from, name, OPEN_FILE, Mode::empty())?;
        let target = openat(to, name, NEW_FILE, Mode::RWXU)?;
        let (mut reader, mut writer) = (std::fs::File::from(source), std::fs::File::from(target));
        // By reflink or inside the kernel where the file systems can (copy_file_range(2)).
        std::io::copy(&mut reader, &mut writer).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        finish(&reader, &writer, stat)
    }

    fn joined_path(&self) -> CString {
        let bytes = self.path.iter().map(|name| name.as_bytes()).collect::<Vec<_>>().join(&b'/');
        // Parts of C strings hold no NUL.
        CString::new(bytes).unwrap_or_default()
    }

    fn shown_path(&self) -> String {
        format!("/{}", self.joined_path().to_string_lossy())
    }
}

/// Owner, attributes, mode and times, in the order in which none undoes another: chown(2) clears
/// set-user-ID bits and file capabilities.
fn finish(from: impl AsFd, to: impl AsFd, stat: &Stat) -> rustix::io::Result<()> {
    rustix::fs::fchown(&to, owner(stat).0, owner(stat).1)?;
    copy_attributes(from.as_fd(), to.as_fd())?;
    fchmod(&to, Mode::from_raw_mode(stat.st_mode))?;
    futimens(&to, &times(stat))
}

fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut names = vec![0; 64 * 1024];
    let length = match flistxattr(from, &mut names) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        // security.selinux is the policy's to give.
        if name.to_bytes().starts_with(OVERLAY_ATTRIBUTES) || name == c"security.selinux" {
            continue;
        }
        let mut value = vec![0; 64 * 1024];
        let length = fgetxattr(from, name, &mut value)?;
        fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

/// Removes a file, or a directory with all it holds; what is not there is fine.
fn remove(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        other => return other,
    }
    let inner = openat(directory, name, OPEN_DIRECTORY, Mode::empty())?;
    for entry in Dir::read_from(&inner)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            remove(inner.as_fd(), entry.file_name())?;
        }
    }
    unlinkat(directory, name, AtFlags::REMOVEDIR)
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn later_layers_win_and_links_modes_and_opaque_directories_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let (one, two, target) = (home.path().join("1"), home.path().join("2"), home.path().join("t"));
        for path in [&one.join("d"), &two.join("d"), &target] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(one.join("a"), "old").unwrap();
        fs::hard_link(one.join("a"), one.join("b")).unwrap();
        fs::write(one.join("d/hidden"), "").unwrap();
        std::os::unix::fs::symlink("/etc", one.join("link")).unwrap();
        fs::write(two.join("d/new"), "new").unwrap();
        fs::set_permissions(two.join("d/new"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::create_dir(two.join("link")).unwrap();
        rustix::fs::setxattr(two.join("d"), OPAQUE, b"y", XattrFlags::empty()).unwrap();
        copy_layers(&[open(&one), open(&two)], open(&target).as_fd()).unwrap();
        assert_eq!(fs::read_to_string(target.join("b")).unwrap(), "old");
        assert_eq!(fs::metadata(target.join("a")).unwrap().nlink(), 2);
        assert!(!target.join("d/hidden").exists());
        assert_eq!(fs::metadata(target.join("d/new")).unwrap().mode() & 0o7777, 0o4751);
        assert!(fs::symlink_metadata(target.join("link")).unwrap().is_dir());
        assert!(rustix::fs::getxattr(target.join("d"), OPAQUE, &mut [0; 1]).is_err());
    }
}
