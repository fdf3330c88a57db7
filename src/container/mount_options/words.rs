//! What the three options have in common: words that may be said once, and paths.

use crate::container::plan::{MountFlags, Propagation};
use crate::container::values::{self, Parsed};
use std::path::{Path, PathBuf};

/// Whether a word was one of those asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No,
}

/// `nosuid` or `suid` and so on; what was not said keeps the default.
#[derive(Default)]
pub(super) struct FlagChoices {
    nosuid: Option<bool>,
    nodev: Option<bool>,
    noexec: Option<bool>,
}

impl FlagChoices {
    pub(super) fn take(&mut self, word: &str) -> Parsed<Taken> {
        let (choice, value) = match word {
            "nosuid" | "suid" => (&mut self.nosuid, word == "nosuid"),
            "nodev" | "dev" => (&mut self.nodev, word == "nodev"),
            "noexec" | "exec" => (&mut self.noexec, word == "noexec"),
            _ => return Ok(Taken::No),
        };
        once(choice, value, word).map(|()| Taken::Yes)
    }

    pub(super) fn resolve(&self, default: MountFlags) -> MountFlags {
        MountFlags {
            nosuid: self.nosuid.unwrap_or(default.nosuid),
            nodev: self.nodev.unwrap_or(default.nodev),
            noexec: self.noexec.unwrap_or(default.noexec),
        }
    }
}

/// Sets what may be said only once: `ro,rw` has no good meaning.
pub(super) fn once<T>(place: &mut Option<T>, value: T, word: &str) -> Parsed<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` is said twice or contradicts another option")),
    }
}

pub(super) fn propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "private" => Propagation::Private,
        "rprivate" => Propagation::Rprivate,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        _ => return None,
    })
}

pub(super) fn mount_target(path: &str) -> Parsed<String> {
    if !path.starts_with('/') {
        return Err(format!("invalid mount path: '{path}' mount path must be absolute"));
    }
    if path.contains('\0') {
        return Err("a path cannot hold a NUL byte".into());
    }
    match values::clean_path(path) {
        root if root == "/" => Err("the target cannot be '/'".into()),
        target => Ok(target),
    }
}

/// True for what is a path of the host and not a volume's name.
pub(super) fn is_path(source: &str) -> bool {
    source.starts_with('/') || matches!(source, "." | "..") || source.starts_with("./") || source.starts_with("../")
}

pub(super) fn host_path(source: &str, directory: &Path) -> PathBuf {
    // Joining an absolute path takes that alone. `..` stays for the kernel to resolve: what is before
    // it may be a symbolic link.
    directory.join(source).components().collect()
}
