//! What the tests of path look-ups share.

use super::resolve::Root;
use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// `outer/` holds the root and things that must never be reached or changed.
pub struct Tree {
    /// All of it.
    pub outer: tempfile::TempDir,
    /// `outer/root`
    pub root: fs::File,
}

impl Tree {
    /// An empty root, and a file beside it.
    pub fn new() -> Tree {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("root")).unwrap();
        fs::create_dir(outer.path().join("secret")).unwrap();
        fs::write(outer.path().join("secret/file"), "host").unwrap();
        let root = fs::File::open(outer.path().join("root")).unwrap();
        Tree { outer, root }
    }

    /// As look-ups take it.
    pub fn root(&self) -> Root<'_> {
        Root::new(self.root.as_fd())
    }

    /// The path on the host of one inside.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.outer.path().join("root").join(path)
    }
}
