//! Where `export` and `save` write: a file, which appears whole or not at all, or standard output.

use crate::error::{Doing, ExitCode, Failure, Result};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// An open file that is not yet where it belongs.
#[derive(Debug)]
pub struct Destination {
    file: File,
    /// The temporary name and the one it is to get; None where it is written in place.
    rename: Option<(PathBuf, PathBuf)>,
}

impl Destination {
    /// Opens `path`, or takes standard output, which must be no terminal.
    ///
    /// # Errors
    /// A terminal; the system's.
    pub fn open(path: Option<&Path>) -> Result<Destination> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let stdout = std::io::stdout();
            if stdout.is_terminal() {
                return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect", "")
                    .code(ExitCode::General));
            }
            let file = File::from(stdout.as_fd().try_clone_to_owned().doing(|| "cannot use standard output")?);
            return Ok(Destination { file, rename: None });
        };
        let doing = || format!("cannot write {}", path.display());
        // A device or pipe is written to; a file is replaced when all is well.
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(path).doing(doing)?;
            return Ok(Destination { file, rename: None });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let file = File::create_new(&temporary).doing(doing)?;
        Ok(Destination { file, rename: Some((temporary, path.to_owned())) })
    }

    /// Where to write.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The system's.
    pub fn publish(mut self) -> Result<()> {
        match self.rename.take() {
            Some((temporary, path)) => {
                std::fs::rename(&temporary, &path).doing(|| format!("cannot write {}", path.display()))
            }
            None => Ok(()),
        }
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.rename {
            // What stays is a file that the failure's message does not name; nothing better can be done.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
