//! Which files a COPY means, and what they are: the sources' patterns resolved, what is excluded left out, and the
//! digest of all that is copied.
//!
//! A source is looked up inside its root ([`Root`]), so no link in it leads out; below it links are copied, not
//! followed. Times do not go into the digest: a fresh checkout is the same source.

use super::ignore::Ignore;
use super::pattern::Pattern;
use crate::error::{Doing, Failure, IntoCause, Result};
use crate::image::digest::{Digest, Hasher};
use crate::rootfs::replicate;
use crate::rootfs::resolve::Root;
use crate::rootfs::stacked::is_directory;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether a path below the root, a directory or not, is left out.
pub type Excluded<'a> = &'a dyn Fn(&Path, bool) -> Verdict;

/// What becomes of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is copied.
    Taken,
    /// It is not, with all that is in it.
    Left,
    /// It is a directory that is not, but something in it may be.
    Opened,
}

/// What is copied.
#[derive(Debug, Clone)]
pub struct Selection {
    /// In the order of the instruction.
    pub sources: Vec<Selected>,
    /// Of all of it.
    pub digest: Digest,
}

/// One source.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Where it is below the root, without links in it.
    pub path: PathBuf,
    /// What a copy in a directory is called.
    pub name: OsString,
    /// Whether it is a directory, whose content is copied.
    pub is_directory: bool,
    /// The directories that it has been named by, after `/./` where that stands in the name.
    pub parents: PathBuf,
    /// What is copied, by paths below the root; None is everything.
    pub only: Option<BTreeSet<PathBuf>>,
}

/// Finds what `patterns` mean below `root`; what `exclude` fits, by its path below a source, is left out.
///
/// # Errors
/// One that is no pattern finds nothing; a file cannot be read.
pub fn select(
    root: &Path,
    patterns: &[String],
    excluded: Option<Excluded<'_>>,
    exclude: Option<&Ignore>,
) -> Result<Selection> {
    let directory = open(root)?;
    let within = Root::new(directory.as_fd());
    // The kernel's name for it, which those of what lies in it begin with.
    let top = name_of(&directory).doing(|| format!("cannot open {}", root.display()))?;
    let mut walk =
        Walk { root, excluded, exclude, source: PathBuf::new(), hasher: Hasher::new(), only: BTreeSet::new() };
    let mut sources = Vec::new();
    for pattern in patterns {
        for path in expand(&within, pattern, excluded)? {
            let name = path.file_name().unwrap_or_default().to_owned();
            let pivot = pattern.split_once("/./").map(|(before, _)| cleaned(before)).unwrap_or_default();
            let parents = path.strip_prefix(pivot).unwrap_or(&path).parent().unwrap_or(Path::new("")).to_owned();
            let not_found = |why: String| {
                let cause = format!("failed to calculate checksum of ref: \"/{}\": {why}", path.display());
                Failure::new("failed to solve", cause)
            };
            let found = within.open_existing(&path, OFlags::PATH).map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => not_found("not found".to_owned()),
                errno => not_found(errno.into_cause()),
            })?;
            let real = name_of(&found).doing(|| format!("cannot look at {}", path.display()))?;
            let real = real.strip_prefix(&top).map_err(|_| not_found("not found".to_owned()))?.to_owned();
            let metadata = walk.metadata(&real)?;
            if !real.as_os_str().is_empty() && walk.verdict(&real, metadata.is_dir()) == Verdict::Left {
                return Err(not_found("not found".to_owned()));
            }
            walk.hasher.update(name.as_bytes());
            walk.hasher.update(b"\0");
            let is_directory = metadata.is_dir();
            if !is_directory && exclude.is_some_and(|exclude| exclude.verdict(Path::new(&name), false) == Verdict::Left)
            {
                continue;
            }
            walk.source = real.clone();
            match is_directory {
                true => _ = walk.directory(&real)?,
                false => walk.entry(&real, &metadata)?,
            }
            let only = std::mem::take(&mut walk.only);
            let only = (excluded.is_some() || exclude.is_some()).then_some(only);
            sources.push(Selected { path: real, name, is_directory, parents, only });
        }
    }
    Ok(Selection { sources, digest: walk.hasher.finish() })
}

fn open(root: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, root, flags, Mode::empty()).doing(|| format!("cannot open {}", root.display()))
}

/// Where what is open lies (proc_pid_fd(5)).
fn name_of(file: &OwnedFd) -> std::io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The path as Docker takes it: absolute ones and `..` are within the root.
pub fn cleaned(text: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = clean.pop(),
            name => clean.push(name),
        }
    }
    clean
}

/// The paths that a pattern means; a plain path means itself.
fn expand(root: &Root<'_>, pattern: &str, excluded: Option<Excluded<'_>>) -> Result<Vec<PathBuf>> {
    let path = cleaned(pattern);
    if !Pattern::is_wild(pattern) {
        return Ok(vec![path]);
    }
    let mut found = vec![PathBuf::new()];
    for part in path.iter() {
        let text = part.to_string_lossy();
        if !Pattern::is_wild(&text) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let pattern = Pattern::new(&text).doing(|| "failed to solve")?;
        let mut next = Vec::new();
        for directory in &found {
            // What is no directory has nothing in it.
            let Ok(names) = names_inside(root, directory) else { continue };
            let fits = names.into_iter().filter(|name| pattern.matches(&name.to_string_lossy()));
            next.extend(fits.map(|name| directory.join(name)));
        }
        found = next;
    }
    found.retain(|path| {
        let Ok(found) = root.open_existing(path, OFlags::PATH | OFlags::NOFOLLOW) else { return false };
        let is_directory = rustix::fs::fstat(&found).is_ok_and(|stat| is_directory(&stat));
        excluded.is_none_or(|excluded| excluded(path, is_directory) != Verdict::Left)
    });
    Ok(found)
}

fn names_inside(root: &Root<'_>, directory: &Path) -> rustix::io::Result<Vec<OsString>> {
    let opened = root.open_existing(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names: Vec<OsString> =
        replicate::names(opened.as_fd())?.into_iter().map(|name| OsString::from_vec(name.into_bytes())).collect();
    names.sort_unstable();
    Ok(names)
}

fn names(directory: &Path) -> std::io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(directory)?;
    let mut names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

struct Walk<'a> {
    root: &'a Path,
    excluded: Option<Excluded<'a>>,
    exclude: Option<&'a Ignore>,
    /// The source that is walked.
    source: PathBuf,
    hasher: Hasher,
    only: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn verdict(&self, path: &Path, is_directory: bool) -> Verdict {
        let of_root = self.excluded.map_or(Verdict::Taken, |excluded| excluded(path, is_directory));
        let below = path.strip_prefix(&self.source).ok().filter(|below| !below.as_os_str().is_empty());
        match (of_root, self.exclude, below) {
            (Verdict::Taken, Some(exclude), Some(below)) => exclude.verdict(below, is_directory),
            _ => of_root,
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        let whole = self.root.join(path);
        std::fs::symlink_metadata(&whole).doing(|| format!("cannot look at {}", whole.display()))
    }

    /// What is in a directory; whether there is anything.
    fn directory(&mut self, path: &Path) -> Result<bool> {
        let whole = self.root.join(path);
        let mut any = false;
        for name in names(&whole).doing(|| format!("cannot read {}", whole.display()))? {
            let inner = path.join(&name);
            let metadata = self.metadata(&inner)?;
            match self.verdict(&inner, metadata.is_dir()) {
                Verdict::Left => continue,
                Verdict::Taken => {
                    self.entry(&inner, &metadata)?;
                    any = true;
                    if metadata.is_dir() {
                        self.directory(&inner)?;
                    }
                }
                // It comes along where something in it does.
                Verdict::Opened => {
                    if metadata.is_dir() && self.directory(&inner)? {
                        self.entry(&inner, &metadata)?;
                        any = true;
                    }
                }
            }
        }
        Ok(any)
    }

    /// One file or directory itself.
    fn entry(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        let whole = self.root.join(path);
        let reading = || format!("cannot read {}", whole.display());
        self.hasher.update(path.as_os_str().as_bytes());
        self.hasher.update(format!("\0{:o}:", metadata.mode()).as_bytes());
        if metadata.is_symlink() {
            let link = std::fs::read_link(&whole).doing(reading)?;
            self.hasher.update(link.as_os_str().as_bytes());
        } else if metadata.is_file() {
            self.hasher.update(digest_of(&whole).doing(reading)?.bytes());
        }
        self.hasher.update(b"\0");
        if self.excluded.is_some() || self.exclude.is_some() {
            self.only.insert(path.to_owned());
        }
        Ok(())
    }
}

/// The digest of a file's content.
pub fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the path, from where the copying of `source` begins, is to be copied.
pub fn is_wanted(source: &Selected, below: &Path) -> bool {
    source.only.as_ref().is_none_or(|only| only.contains(&source.path.join(below)))
}
