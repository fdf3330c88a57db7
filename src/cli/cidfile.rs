//! `--cidfile`: the container's id in a file that must not have been there.

use crate::error::{Doing, Failure, Result};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file, made before the container is, so that a name that is taken stops both; removed again
/// unless an id is written.
pub struct CidFile {
    path: PathBuf,
    file: Option<File>,
}

impl CidFile {
    /// Makes the file.
    ///
    /// # Errors
    /// It exists (another container's id may be in it), or the system's.
    pub fn new(path: &Path) -> Result<CidFile> {
        let doing = || format!("cannot write the container's id to {}", path.display());
        match File::options().write(true).create_new(true).open(path) {
            Ok(file) => Ok(CidFile { path: path.to_owned(), file: Some(file) }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::new(doing(), "it exists already")
                .hint(format!("make sure the other container isn't running, or delete {}", path.display()))),
            Err(error) => Err(error).doing(doing),
        }
    }

    /// Writes the id, without a newline, as Docker does.
    ///
    /// # Errors
    /// The system's.
    pub fn write(mut self, id: &str) -> Result<()> {
        let doing = || format!("cannot write the container's id to {}", self.path.display());
        match &mut self.file {
            Some(file) => file.write_all(id.as_bytes()).doing(doing)?,
            None => return Ok(()),
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // An empty file that stays behind is met by the next run's error.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_kept_only_with_an_id_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cid");
        drop(CidFile::new(&path).unwrap());
        assert!(!path.exists());
        CidFile::new(&path).unwrap().write("abc").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        let failure = CidFile::new(&path).err().unwrap();
        assert!(failure.cause.contains("exists") && failure.hints.len() == 1, "{failure}");
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
    }
}
