//! Paths inside a container's root file system, looked up so that they cannot lead out of it.
//!
//! An image is hostile: any component of any path in it may be a symbolic link to anywhere, and it
//! may dangle. So nothing here hands a path to the kernel twice. A path is resolved once, to a
//! descriptor, with openat2(2) and `RESOLVE_IN_ROOT`, under which `/` and `..` are those of the
//! container, and `RESOLVE_NO_MAGICLINKS`, under which links such as /proc/self/root lead nowhere;
//! whatever happens next happens to that descriptor. What is missing is made one component at a
//! time, each relative to its parent's descriptor and never through a link that the kernel follows
//! on its own (CVE-2021-30465, CVE-2023-27561, CVE-2024-1753 were such second look-ups in other
//! runtimes).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// How often a step is repeated when something else changes the tree under our feet.
const MAX_RACES: usize = 64;

/// A directory that is the root of every look-up made through it.
#[derive(Debug, Clone, Copy)]
pub struct Root<'fd> {
    directory: BorrowedFd<'fd>,
}

/// What is to be at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Directory,
    /// A file that is not a directory.
    File,
}

impl<'fd> Root<'fd> {
    /// `directory` becomes `/`; it may be an `O_PATH` descriptor.
    pub fn new(directory: BorrowedFd<'fd>) -> Root<'fd> {
        Root { directory }
    }

    /// The root itself.
    pub fn directory(&self) -> BorrowedFd<'fd> {
        self.directory
    }

    /// Opens what `path` leads to, links followed. Errors are openat2(2)'s: ENOENT, ENOTDIR, ELOOP
    /// (also for a magic link) and so on.
    pub fn open_existing(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.open_with(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens a directory as a place (`O_PATH`): to mount on, or to look further from.
    pub fn open_dir_in_root(&self, path: &Path) -> Result<OwnedFd> {
        self.open_existing(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Opens a directory as a place, and makes it and its parents with `mode` (less the umask) where
    /// they are missing. ENOTDIR where something else is in the way.
    pub fn make_dir_all(&self, path: &Path, mode: u32) -> Result<OwnedFd> {
        match self.open_dir_in_root(path) {
            Err(Errno::NOENT) => self.make(path, Last::Directory, Mode::from_raw_mode(mode)),
            other => other,
        }
    }

    /// Opens a file as a place, and makes an empty one (mode 0644 less the umask), and its parents
    /// (0755), where there is none. EISDIR where the path leads to a directory.
    pub fn make_file(&self, path: &Path) -> Result<OwnedFd> {
        let file = match self.open_existing(path, OFlags::PATH) {
            Err(Errno::NOENT) => self.make(path, Last::File, Mode::from_raw_mode(0o755))?,
            other => other?,
        };
        if file_type(file.as_fd())? == FileType::Directory { Err(Errno::ISDIR) } else { Ok(file) }
    }

    fn open_with(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        // The empty path means the root here; openat2 would say ENOENT.
        let path = if path.as_os_str().is_empty() { Path::new("/") } else { path };
        let mut result = Err(Errno::AGAIN);
        for _ in 0..MAX_RACES {
            result = rustix::fs::openat2(self.directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
            // EAGAIN: `..` met a rename somewhere on the system and the kernel could not be sure.
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// Walks `path` by hand, making what is missing. The kernel cannot do this: it neither makes
    /// directories on the way nor a file at the end of a dangling link, and Docker does both.
    fn make(&self, path: &Path, last: Last, directory_mode: Mode) -> Result<OwnedFd> {
        let mut walk = Walk {
            root: *self,
            here: self.open_dir_in_root(Path::new("/"))?,
            passed: Vec::new(),
            pending: components(path.as_os_str()).collect(),
            links: 0,
            misses: 0,
        };
        while let Some(name) = walk.pending.pop_front() {
            if name == "." {
                continue;
            }
            if name == ".." {
                walk.go_up()?;
                continue;
            }
            let wanted = if walk.pending.is_empty() { last } else { Last::Directory };
            let entry = match walk.open_entry(&name) {
                Err(Errno::NOENT) => {
                    match make_entry(walk.here.as_fd(), &name, wanted, directory_mode) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno),
                    }
                    // Look again, without following: what is there now may not be ours.
                    walk.misses += 1;
                    if walk.misses > MAX_RACES {
                        return Err(Errno::AGAIN);
                    }
                    walk.pending.push_front(name);
                    continue;
                }
                other => other?,
            };
            match file_type(entry.as_fd())? {
                FileType::Symlink => walk.follow(entry.as_fd())?,
                FileType::Directory => walk.enter(name, entry),
                _ if wanted == Last::File => return Ok(entry),
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok(walk.here)
    }
}

/// A walk down a path whose links are read, not followed.
struct Walk<'fd> {
    root: Root<'fd>,
    /// Where the walk is.
    here: OwnedFd,
    /// The names between the root and `here`: none is a link or `..`.
    passed: Vec<OsString>,
    /// The components still to go.
    pending: VecDeque<OsString>,
    /// How many links were read.
    links: usize,
    /// How often in a row the next component was not there.
    misses: usize,
}

impl Walk<'_> {
    fn open_entry(&self, name: &OsStr) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.here, name, flags, Mode::empty())
    }

    fn enter(&mut self, name: OsString, directory: OwnedFd) {
        self.passed.push(name);
        self.here = directory;
        self.misses = 0;
    }

    /// `..` of the root is the root. The way up is the way that was come, from the root again:
    /// asking the kernel for `..` of a directory that was moved meanwhile could lead out.
    fn go_up(&mut self) -> Result<()> {
        if self.passed.pop().is_some() {
            self.reopen()?;
        }
        Ok(())
    }

    fn follow(&mut self, link: BorrowedFd<'_>) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let target = OsString::from_vec(rustix::fs::readlinkat(link, c"", Vec::new())?.into_bytes());
        if target.as_bytes().first() == Some(&b'/') {
            self.passed.clear();
            self.reopen()?;
        }
        for name in components(&target).rev() {
            self.pending.push_front(name);
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        let way: PathBuf = self.passed.iter().collect();
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        self.here = self.root.open_with(&way, OFlags::PATH | OFlags::DIRECTORY, resolve)?;
        Ok(())
    }
}

fn make_entry(parent: BorrowedFd<'_>, name: &OsStr, wanted: Last, directory_mode: Mode) -> Result<()> {
    match wanted {
        Last::Directory => rustix::fs::mkdirat(parent, name, directory_mode),
        Last::File => {
            let mode = Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(parent, name, FileType::RegularFile, mode, 0)
        }
    }
}

/// The components of a path without its empty ones and `.`; but a `/` or `/.` at the end, which says
/// that the path is a directory's, stays as a last `.`.
fn components(path: &OsStr) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    let bytes = path.as_bytes();
    let directory = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    bytes
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .chain(directory.then_some(b".".as_slice()))
        .map(|name| OsStr::from_bytes(name).to_owned())
}

fn file_type(fd: BorrowedFd<'_>) -> Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::testing::Tree;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn identity(fd: &OwnedFd) -> (u64, u64) {
        let stat = rustix::fs::fstat(fd).unwrap();
        (stat.st_dev, stat.st_ino)
    }

    fn identity_at(path: &Path) -> (u64, u64) {
        let meta = fs::metadata(path).unwrap();
        (meta.dev(), meta.ino())
    }

    #[test]
    fn missing_directories_are_made_with_the_mode() {
        let tree = Tree::new();
        let made = tree.root().make_dir_all(Path::new("/a/b/c"), 0o700).unwrap();
        assert_eq!(identity(&made), identity_at(&tree.inside("a/b/c")));
        assert_eq!(fs::metadata(tree.inside("a/b")).unwrap().permissions().mode() & 0o777, 0o700);
        let again = tree.root().make_dir_all(Path::new("a//./b/../b/c/"), 0o755).unwrap();
        assert_eq!(identity(&again), identity(&made));
    }

    #[test]
    fn links_lead_to_places_inside_even_where_they_dangle() {
        let tree = Tree::new();
        let secret = tree.outer.path().join("secret");
        symlink(&secret, tree.inside("absolute")).unwrap();
        symlink("../../../secret", tree.inside("up")).unwrap();
        let made = tree.root().make_dir_all(Path::new("/absolute/x"), 0o755).unwrap();
        let copy = tree.inside(secret.to_str().unwrap().trim_start_matches('/'));
        assert_eq!(identity(&made), identity_at(&copy.join("x")));
        let file = tree.root().make_file(Path::new("/up/file")).unwrap();
        assert_eq!(identity(&file), identity_at(&tree.inside("secret/file")));
        assert_eq!(fs::read_to_string(secret.join("file")).unwrap(), "host");
        assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_made_at_the_end_of_a_dangling_link() {
        let tree = Tree::new();
        fs::create_dir(tree.inside("etc")).unwrap();
        symlink("/run/resolv.conf", tree.inside("etc/resolv.conf")).unwrap();
        let file = tree.root().make_file(Path::new("/etc/resolv.conf")).unwrap();
        assert_eq!(identity(&file), identity_at(&tree.inside("run/resolv.conf")));
    }

    #[test]
    fn what_is_of_the_wrong_kind_is_refused() {
        let tree = Tree::new();
        fs::create_dir(tree.inside("dir")).unwrap();
        fs::write(tree.inside("file"), "").unwrap();
        symlink("loop", tree.inside("loop")).unwrap();
        symlink("nowhere/../file", tree.inside("odd")).unwrap();
        symlink("/proc/self/root", tree.inside("magic")).unwrap();
        let root = tree.root();
        assert_eq!(root.make_file(Path::new("/dir")).unwrap_err(), Errno::ISDIR);
        assert_eq!(root.make_file(Path::new("/")).unwrap_err(), Errno::ISDIR);
        assert_eq!(root.make_file(Path::new("/new/..")).unwrap_err(), Errno::ISDIR);
        assert_eq!(root.make_dir_all(Path::new("/file"), 0o755).unwrap_err(), Errno::NOTDIR);
        assert_eq!(root.make_dir_all(Path::new("/file/x"), 0o755).unwrap_err(), Errno::NOTDIR);
        assert_eq!(root.make_dir_all(Path::new("/loop/x"), 0o755).unwrap_err(), Errno::LOOP);
        assert_eq!(root.make_dir_all(Path::new("/odd"), 0o755).unwrap_err(), Errno::NOTDIR);
        assert_eq!(root.open_dir_in_root(Path::new("/magic")).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn links_that_multiply_come_to_an_end() {
        let tree = Tree::new();
        symlink("bomb/bomb", tree.inside("bomb")).unwrap();
        assert_eq!(tree.root().make_dir_all(Path::new("/bomb"), 0o755).unwrap_err(), Errno::LOOP);
        // Forty links are followed, one more is not, as the kernel has it.
        symlink("missing/directory", tree.inside("link0")).unwrap();
        for number in 1..41 {
            symlink(format!("link{}", number - 1), tree.inside(&format!("link{number}"))).unwrap();
        }
        assert_eq!(tree.root().make_dir_all(Path::new("/link40"), 0o755).unwrap_err(), Errno::LOOP);
        let made = tree.root().make_dir_all(Path::new("/link39"), 0o755).unwrap();
        assert_eq!(identity(&made), identity_at(&tree.inside("missing/directory")));
    }

    #[test]
    fn magic_links_of_a_real_proc_are_refused() {
        let slash = fs::File::open("/").unwrap();
        let root = Root::new(slash.as_fd());
        assert_eq!(root.open_existing(Path::new("/proc/self/root"), OFlags::PATH).unwrap_err(), Errno::LOOP);
        assert_eq!(root.make_dir_all(Path::new("/proc/self/root/etc"), 0o755).unwrap_err(), Errno::LOOP);
    }

    /// A few names, so that paths, links and directories meet often.
    fn nasty_path() -> impl Strategy<Value = String> {
        let name = prop_oneof![4 => "[abc]", 2 => Just("..".to_owned()), 1 => Just(".".to_owned())];
        (any::<bool>(), prop::collection::vec(name, 1..6))
            .prop_map(|(absolute, names)| format!("{}{}", if absolute { "/" } else { "" }, names.join("/")))
    }

    #[derive(Debug, Clone)]
    enum Entry {
        Link(String, String),
        Directory(String),
        File(String),
    }

    fn nasty_tree() -> impl Strategy<Value = Vec<Entry>> {
        let at = || "[abc](/[abc]){0,2}";
        let entry = prop_oneof![
            3 => (at(), nasty_path()).prop_map(|(at, target)| Entry::Link(at, target)),
            2 => at().prop_map(Entry::Directory),
            1 => at().prop_map(Entry::File),
        ];
        prop::collection::vec(entry, 0..12)
    }

    fn plant(tree: &Tree, entries: &[Entry]) {
        // The links planted may already lead out: each entry's parent must be a true directory.
        let plain = |at: &str| {
            let parents: Vec<_> =
                Path::new(at).parent().unwrap().ancestors().map(|way| tree.inside(way.to_str().unwrap())).collect();
            parents.iter().all(|way| fs::symlink_metadata(way).is_ok_and(|meta| meta.is_dir()))
        };
        for entry in entries {
            match entry {
                Entry::Link(at, target) if plain(at) => drop(symlink(target, tree.inside(at))),
                Entry::Directory(at) if plain(at) => drop(fs::create_dir(tree.inside(at))),
                Entry::File(at) if plain(at) && !tree.inside(at).exists() => {
                    drop(fs::File::create_new(tree.inside(at)))
                }
                _ => {}
            }
        }
    }

    fn nothing_outside_changed(tree: &Tree) {
        let mut names: Vec<_> =
            fs::read_dir(tree.outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["root", "secret"]);
        assert_eq!(fs::read_dir(tree.outer.path().join("secret")).unwrap().count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// What is made is what the kernel finds in the root afterwards, and never lies outside.
        #[test]
        fn made_directories_are_where_the_kernel_looks(entries in nasty_tree(), path in nasty_path()) {
            let tree = Tree::new();
            plant(&tree, &entries);
            if let Ok(made) = tree.root().make_dir_all(Path::new(&path), 0o755) {
                let found = tree.root().open_dir_in_root(Path::new(&path));
                prop_assert_eq!(identity(&made), identity(&found.unwrap()));
                let place = fs::read_link(format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&made))).unwrap();
                prop_assert!(place.starts_with(fs::canonicalize(tree.inside("")).unwrap()));
            }
            nothing_outside_changed(&tree);
        }

        #[test]
        fn made_files_are_where_the_kernel_looks(entries in nasty_tree(), path in nasty_path()) {
            let tree = Tree::new();
            plant(&tree, &entries);
            if let Ok(made) = tree.root().make_file(Path::new(&path)) {
                let found = tree.root().open_existing(Path::new(&path), OFlags::PATH);
                prop_assert_eq!(identity(&made), identity(&found.unwrap()));
            }
            nothing_outside_changed(&tree);
        }

        /// Any bytes but NUL: an answer, never a panic.
        #[test]
        fn odd_bytes_do_no_harm(bytes in prop::collection::vec(1_u8.., 0..300)) {
            let tree = Tree::new();
            let _ = tree.root().make_dir_all(Path::new(OsStr::from_bytes(&bytes)), 0o755);
            nothing_outside_changed(&tree);
        }
    }
}
