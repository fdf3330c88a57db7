//! Where `export` and `save` write: a file, which appears whole or not at all, or standard output.

use crate::error::{Doing, ExitCode, Failure, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// An open file that is not yet where it belongs.
#[derive(Debug)]
pub struct Destination {
    file: File,
    name: Name,
}

/// What the file is called.
#[derive(Debug)]
enum Name {
    /// It is written in place, or has got its name.
    Final,
    /// Nothing yet (O_TMPFILE, open(2)): the kernel removes it with whoever writes it, however that ends.
    None {
        /// What it is to be called.
        wanted: PathBuf,
    },
    /// Where the file system has no such files.
    Temporary {
        /// Now.
        current: PathBuf,
        /// Then.
        wanted: PathBuf,
    },
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
            return Ok(Destination { file, name: Name::Final });
        };
        let doing = || format!("cannot write {}", path.display());
        // A device or pipe is written to; a file is replaced when all is well.
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(path).doing(doing)?;
            return Ok(Destination { file, name: Name::Final });
        }
        let wanted = path.to_owned();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Destination { file: file.into(), name: Name::None { wanted } }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let current = temporary(path);
                let file = File::create_new(&current).doing(doing)?;
                Ok(Destination { file, name: Name::Temporary { current, wanted } })
            }
            Err(errno) => Err(errno).doing(doing),
        }
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
        let doing = |path: &Path| format!("cannot write {}", path.display());
        match std::mem::replace(&mut self.name, Name::Final) {
            Name::Final => Ok(()),
            Name::None { wanted } => match self.link(&wanted) {
                Err(Errno::EXIST) => {
                    // A link replaces nothing, a rename does.
                    let current = temporary(&wanted);
                    self.link(&current).doing(|| doing(&wanted))?;
                    self.name = Name::Temporary { current, wanted };
                    self.publish()
                }
                linked => linked.doing(|| doing(&wanted)),
            },
            Name::Temporary { current, wanted } => {
                let renamed = std::fs::rename(&current, &wanted).doing(|| doing(&wanted));
                if renamed.is_err() {
                    self.name = Name::Temporary { current, wanted };
                }
                renamed
            }
        }
    }

    /// Gives a file without a name one (linkat(2), "/proc/self/fd").
    fn link(&self, path: &Path) -> rustix::io::Result<()> {
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, file, CWD, path, AtFlags::SYMLINK_FOLLOW)
    }
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Name::Temporary { current, .. } = &self.name {
            // What stays is a file that the failure's message does not name; nothing better can be done.
            let _ = std::fs::remove_file(current);
        }
    }
}
