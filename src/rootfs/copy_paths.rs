//! Where the two paths of `cp` lead, by Docker's rules for slashes at the end, `/.` and links.
//!
//! Both sides follow the same rules; on the container's every look-up is confined ([`Root`]) and ends in a
//! descriptor, which is all that the copying then uses: what the container exchanges meanwhile changes
//! nothing (CVE-2018-15664).

use super::resolve::Root;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Whose paths.
#[derive(Debug, Clone, Copy)]
pub enum Side<'fd> {
    /// The container's: looked up inside.
    Container(Root<'fd>),
    /// The user's own, as their shell would.
    Host,
}

/// Whether a link at the end of the source's path is copied itself or what it leads to (`-L`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalLink {
    /// The link itself, unless the path ends in a slash.
    Itself,
    /// What it leads to.
    Followed,
}

/// What is to be copied.
#[derive(Debug)]
pub struct Source {
    /// A place (`O_PATH`): the file, directory or link itself.
    pub entry: OwnedFd,
    /// What it is.
    pub stat: Stat,
    /// The name that a copy in a directory gets; none where the entries of a directory are meant, not the
    /// directory (`/.` at the end, or the root).
    pub name: Option<OsString>,
}

/// Where the copy goes.
#[derive(Debug)]
pub enum Target {
    /// Into this directory, which exists.
    Directory(OwnedFd),
    /// In the place of what `name` is in `parent`, which is no directory.
    File {
        /// The directory it lies in.
        parent: OwnedFd,
        /// Its name there.
        name: OsString,
    },
    /// There is nothing yet.
    Missing {
        /// The directory in which it is to be.
        parent: OwnedFd,
        /// Its name there.
        name: OsString,
        /// The path ends in a slash, so it is to be a directory.
        is_directory: bool,
    },
}

/// Why there is no [`Target`].
#[derive(Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// The directory in which it would be does not exist.
    NoParent(PathBuf),
    /// The path ends in a slash and leads to something that is no directory.
    NotDirectory,
    /// The system's.
    Other(Errno),
}

impl From<Errno> for NoTarget {
    fn from(errno: Errno) -> NoTarget {
        NoTarget::Other(errno)
    }
}

impl Side<'_> {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        match self {
            Side::Container(root) => root.open_existing(path, flags | OFlags::PATH),
            Side::Host => rustix::fs::openat(CWD, path, flags | OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
        }
    }

    /// Finds what `path` names.
    ///
    /// # Errors
    /// The system's: ENOENT, ENOTDIR with a slash after a file, ELOOP.
    pub fn source(&self, path: &Path, link: FinalLink) -> Result<Source> {
        let path = &cleaned(path);
        let flags =
            if link == FinalLink::Followed || says_directory(path) { OFlags::empty() } else { OFlags::NOFOLLOW };
        let entry = self.open(path, flags)?;
        let stat = rustix::fs::fstat(&entry)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if says_directory(path) && !is_directory {
            return Err(Errno::NOTDIR);
        }
        let whole = says_contents(path) && is_directory;
        let name = if whole { None } else { own_name(path) };
        Ok(Source { entry, stat, name })
    }

    /// Finds where a copy at `path` would go. Links are followed, also one that leads nowhere: the copy is
    /// then made where it leads.
    ///
    /// # Errors
    /// See [`NoTarget`].
    pub fn target(&self, path: &Path) -> std::result::Result<Target, NoTarget> {
        let path = &cleaned(path);
        let is_directory = says_directory(path);
        match self.open(path, OFlags::DIRECTORY) {
            Ok(directory) => return Ok(Target::Directory(directory)),
            Err(Errno::NOTDIR | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut path = without_end(path);
        for _ in 0..MAX_LINKS {
            let (parent_path, name) = split(&path);
            let parent = match self.open(&parent_path, OFlags::DIRECTORY) {
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(NoTarget::NoParent(parent_path)),
                parent => parent?,
            };
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let entry = match rustix::fs::openat(&parent, &name, flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(Target::Missing { parent, name, is_directory }),
                entry => entry?,
            };
            match FileType::from_raw_mode(rustix::fs::fstat(&entry)?.st_mode) {
                // Resolved anew from where it stands, so that what is `..` in it is so on the disk.
                FileType::Symlink => {
                    let link = rustix::fs::readlinkat(entry.as_fd(), c"", Vec::new())?;
                    path = without_end(&parent_path.join(OsString::from_vec(link.into_bytes())));
                }
                // It was none a moment ago.
                FileType::Directory => return Ok(Target::Directory(entry)),
                _ if is_directory => return Err(NoTarget::NotDirectory),
                _ => return Ok(Target::File { parent, name }),
            }
        }
        Err(Errno::LOOP.into())
    }
}

/// The path as Docker takes it: `..` takes back the name before it, whatever that is on the disk. What the
/// path says by its end stays.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        let takes_back = part == Component::ParentDir
            && clean
                .components()
                .next_back()
                .is_some_and(|last| matches!(last, Component::Normal(_) | Component::RootDir));
        match takes_back {
            // Of the root it is the root.
            true => _ = clean.pop(),
            false => clean.push(part),
        }
    }
    if clean.as_os_str().is_empty() {
        clean.push(".");
    }
    if says_contents(path) {
        // As text: `join` would know better.
        let mut text = clean.into_os_string();
        text.push("/.");
        return text.into();
    }
    if says_directory(path) { clean.join("") } else { clean }
}

/// Whether the path says that it leads to a directory.
fn says_directory(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || says_contents(path)
}

/// Whether the path names the entries of a directory rather than the directory.
fn says_contents(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes == b"." || bytes.ends_with(b"/.")
}

/// The last name of the path; None for the root and for `..`.
fn own_name(path: &Path) -> Option<OsString> {
    path.file_name().map(OsStr::to_owned)
}

/// The path without slashes and `/.` at its end.
fn without_end(path: &Path) -> PathBuf {
    // `components` leaves out what stands for nothing, and keeps `..`.
    path.components().collect()
}

/// The directory and the name in it.
fn split(path: &Path) -> (PathBuf, OsString) {
    let (parent, name) = (path.parent(), path.file_name());
    match (parent, name) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => (PathBuf::from("."), name.to_owned()),
        (Some(parent), Some(name)) => (parent.to_owned(), name.to_owned()),
        // The root, or `..` at the end: directories, which were looked for before.
        _ => (path.to_owned(), OsString::from(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::testing::Tree;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// With what leads elsewhere, or nowhere, in its root.
    fn filled() -> Tree {
        let tree = Tree::new();
        fs::create_dir_all(tree.inside("dir/sub")).unwrap();
        fs::write(tree.inside("dir/file"), "inside").unwrap();
        for (target, name) in [
            ("dir", "to-dir"),
            ("/dir/file", "to-file"),
            ("/new/er", "dangling"),
            ("dir/new", "dangling-near"),
            ("../../../secret", "up"),
            ("loop", "loop"),
        ] {
            symlink(target, tree.inside(name)).unwrap();
        }
        tree
    }

    #[test]
    fn sources_by_slash_dot_and_link() {
        let tree = filled();
        let side = Side::Container(tree.root());
        let kind = |path: &str, link| {
            let source = side.source(Path::new(path), link)?;
            let name = source.name.map(|name| name.into_string().unwrap());
            Ok::<_, Errno>((FileType::from_raw_mode(source.stat.st_mode), name.unwrap_or_default()))
        };
        use FileType::{Directory, RegularFile, Symlink};
        use FinalLink::{Followed, Itself};
        for (path, link, expected) in [
            ("/dir", Itself, Ok((Directory, "dir"))),
            ("dir/", Itself, Ok((Directory, "dir"))),
            ("/dir/.", Itself, Ok((Directory, ""))),
            ("/", Itself, Ok((Directory, ""))),
            (".", Itself, Ok((Directory, ""))),
            ("/dir/..", Itself, Ok((Directory, ""))),
            ("/dir/sub/..", Itself, Ok((Directory, "dir"))),
            ("/nope/../dir/", Itself, Ok((Directory, "dir"))),
            ("../../dir", Itself, Ok((Directory, "dir"))),
            ("/dir/file", Itself, Ok((RegularFile, "file"))),
            ("/dir/file/", Itself, Err(Errno::NOTDIR)),
            ("/dir/file/.", Itself, Err(Errno::NOTDIR)),
            ("/to-file", Itself, Ok((Symlink, "to-file"))),
            ("/to-file", Followed, Ok((RegularFile, "to-file"))),
            ("/to-dir", Itself, Ok((Symlink, "to-dir"))),
            ("/to-dir/", Itself, Ok((Directory, "to-dir"))),
            ("/to-dir/.", Itself, Ok((Directory, ""))),
            ("/nope", Itself, Err(Errno::NOENT)),
            ("/up/x", Itself, Err(Errno::NOENT)),
            ("/loop", Followed, Err(Errno::LOOP)),
        ] {
            let expected = expected.map(|(kind, name): (FileType, &str)| (kind, name.to_owned()));
            assert_eq!(kind(path, link), expected, "{path} {link:?}");
        }
    }

    #[test]
    fn targets_by_what_is_there() {
        let tree = filled();
        let side = Side::Container(tree.root());
        let show = |path: &str| match side.target(Path::new(path)) {
            Ok(Target::Directory(_)) => "directory".to_owned(),
            Ok(Target::File { name, .. }) => format!("file {}", name.display()),
            Ok(Target::Missing { name, is_directory, .. }) => format!("missing {} {is_directory}", name.display()),
            Err(NoTarget::NoParent(path)) => format!("no parent {}", path.display()),
            Err(NoTarget::NotDirectory) => "not a directory".to_owned(),
            Err(NoTarget::Other(errno)) => format!("{errno:?}"),
        };
        for (path, expected) in [
            ("/", "directory"),
            ("/dir", "directory"),
            ("/to-dir", "directory"),
            ("/dir/file", "file file"),
            ("/to-file", "file file"),
            ("/dir/file/", "not a directory"),
            ("/new", "missing new false"),
            ("/new/", "missing new true"),
            ("/new/er", "no parent /new"),
            ("/dir/../new", "missing new false"),
            ("", "directory"),
            ("/dir/file/x", "no parent /dir/file"),
            ("/dangling", "no parent /new"),
            ("/dangling-near", "missing new false"),
            ("/up", "missing secret false"),
            ("/loop", &format!("{:?}", Errno::LOOP)),
        ] {
            assert_eq!(show(path), expected, "{path}");
        }
        // The one that was there.
        assert_eq!(fs::read_dir(tree.outer.path().join("secret")).unwrap().count(), 1);
    }
}
