//! flock(2) guards on files that may be renamed or removed by whoever holds them.
//!
//! A lock is on an inode, not on a name. So whoever gets one looks whether the name still leads to
//! that inode; where it does not, the former owner has published or removed the file and the wait
//! starts over with what is there now.

use super::write_options;
use crate::error::{Doing, Result};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What to do where someone else holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Wait until it is free.
    Wait,
    /// Give up.
    Try,
}

/// A lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Locks `path` together with others that only read; waits.
    pub(super) fn shared(path: &Path) -> Result<Lock> {
        let doing = || format!("cannot lock {}", path.display());
        loop {
            let file = write_options().open(path).doing(doing)?;
            file.lock_shared().doing(doing)?;
            if still_at(&file, path).doing(doing)? {
                return Ok(Lock { file });
            }
        }
    }

    /// Locks `path` alone, making the file where there is none; None where it is taken and `patience`
    /// is [`Patience::Try`].
    pub(super) fn exclusive(path: &Path, patience: Patience) -> Result<Option<Lock>> {
        let doing = || format!("cannot lock {}", path.display());
        loop {
            let file = write_options().open(path).doing(doing)?;
            match patience {
                Patience::Wait => file.lock().doing(doing)?,
                Patience::Try => match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => return Ok(None),
                    Err(TryLockError::Error(error)) => return Err(error).doing(doing),
                },
            }
            if still_at(&file, path).doing(doing)? {
                return Ok(Some(Lock { file }));
            }
        }
    }

    /// The locked file.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

/// Whether `path` is the name of the open `file`.
fn still_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::shared(&path).unwrap();
        let second = Lock::shared(&path).unwrap();
        assert!(Lock::exclusive(&path, Patience::Try).unwrap().is_none());
        drop((first, second));
        let alone = Lock::exclusive(&path, Patience::Try).unwrap();
        assert!(alone.is_some());
        assert!(Lock::exclusive(&path, Patience::Try).unwrap().is_none());
    }

    #[test]
    fn whoever_waited_for_a_removed_file_gets_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::exclusive(&path, Patience::Wait).unwrap().unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || Lock::exclusive(&path, Patience::Wait).unwrap().unwrap()
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::remove_file(&path).unwrap();
        drop(first);
        let second = waiter.join().unwrap();
        assert!(still_at(&second.file, &path).unwrap());
        assert!(Lock::exclusive(&path, Patience::Try).unwrap().is_none());
    }
}
