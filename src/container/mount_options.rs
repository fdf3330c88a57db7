//! `--volume`, `--mount` and `--tmpfs` as Docker's command line spells them.
//!
//! Each parser turns one argument into a [`Mount`] or one sentence that begins as Docker's does. No
//! path is looked at: whether a source exists is the run's business. The only knowledge of the
//! machine is the directory that a relative source starts at.

mod csv;
mod mount;
mod tmpfs;
mod words;

pub use self::mount::mount;
pub(super) use self::tmpfs::TmpfsOptions;
pub use self::tmpfs::tmpfs;
use self::words::{FlagChoices, Taken, host_path, mount_target, once, propagation};
use super::options::VolumesFrom;
use super::plan::{Mount, MountFlags, MountKind, Propagation, Relabel};
use super::values::{self, Parsed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `--volume [SOURCE:]TARGET[:OPTION,…]`. A source with a `/` or `.` in front is a path of the host
/// and created where it is missing; any other is a volume's name; without one the volume is anonymous.
/// A relative source starts at `directory`, an absolute path.
pub fn volume(text: &str, directory: &Path) -> Parsed<Mount> {
    let invalid = |why: &str| format!("invalid volume specification: '{text}': {why}");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(invalid("a part is empty"));
    }
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [target, mode] if !mode.starts_with('/') && VolumeOptions::parse(mode).is_ok() => {
            return Err(invalid(&format!("options need a source: [SOURCE:]{target}:{mode}")));
        }
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(invalid("it is not of the form [SOURCE:]TARGET[:OPTIONS]")),
    };
    let target = mount_target(target).map_err(|why| invalid(&why))?;
    let options = VolumeOptions::parse(options).map_err(|why| invalid(&why))?;
    let kind = match source {
        Some(source) if source.starts_with(['/', '.']) => options.bind(host_path(source, directory)),
        Some(name) => values::volume_name(name).and_then(|()| options.volume(name)),
        None => options.volume(""),
    };
    Ok(Mount { target, kind: kind.map_err(|why| invalid(&why))?, read_only: options.read_only == Some(true) })
}

/// The third part of `--volume`.
#[derive(Default)]
pub(super) struct VolumeOptions {
    read_only: Option<bool>,
    recursive: Option<bool>,
    propagation: Option<Propagation>,
    copy: Option<bool>,
    relabel: Option<Relabel>,
    chown: bool,
    flags: FlagChoices,
    subpath: Option<String>,
    labels: BTreeMap<String, String>,
    driver: BTreeMap<String, String>,
}

impl VolumeOptions {
    fn parse(text: &str) -> Parsed<VolumeOptions> {
        let mut options = VolumeOptions::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            options.take(word)?;
        }
        Ok(options)
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    pub(super) fn take(&mut self, word: &str) -> Parsed<()> {
        match word {
            "ro" | "rw" => once(&mut self.read_only, word == "ro", word),
            "bind" | "rbind" => once(&mut self.recursive, word == "rbind", word),
            "copy" | "nocopy" => once(&mut self.copy, word == "copy", word),
            "z" => once(&mut self.relabel, Relabel::Shared, word),
            "Z" => once(&mut self.relabel, Relabel::Private, word),
            "U" => {
                self.chown = true;
                Ok(())
            }
            // How Docker Desktop may cache; of no meaning on Linux, and Docker takes them there too.
            "consistent" | "cached" | "delegated" => Ok(()),
            "O" => Err("the option `O` (an overlay above the source) is not supported".into()),
            _ if word == "idmap" || word.starts_with("idmap=") => {
                Err("the option `idmap` is not supported; `U` gives the source to the container's user".into())
            }
            _ => match (propagation(word), self.flags.take(word)?) {
                (Some(wanted), _) => once(&mut self.propagation, wanted, word),
                (None, Taken::Yes) => Ok(()),
                (None, Taken::No) => Err(format!("invalid mode: {word}")),
            },
        }
    }

    pub(super) fn bind(&self, source: PathBuf) -> Parsed<MountKind> {
        if self.copy.is_some() {
            return Err("`copy` and `nocopy` are for volumes, not for paths of the host".into());
        }
        Ok(MountKind::Bind {
            source,
            recursive: self.recursive.unwrap_or(true),
            propagation: self.propagation.unwrap_or_default(),
            chown: self.chown,
            create_source: true,
            flags: self.flags.resolve(MountFlags::default()),
            relabel: self.relabel.unwrap_or_default(),
        })
    }

    /// An empty name is an anonymous volume's, named when the container is created.
    fn volume(&self, name: &str) -> Parsed<MountKind> {
        if self.propagation.is_some() || self.recursive.is_some() {
            return Err("`bind`, `rbind` and propagation are for paths of the host, not for volumes".into());
        }
        Ok(MountKind::Volume {
            name: name.to_owned(),
            anonymous: name.is_empty(),
            no_copy: self.copy == Some(false),
            subpath: self.subpath.clone(),
            labels: self.labels.clone(),
            options: self.driver.clone(),
            chown: self.chown,
            flags: self.flags.resolve(MountFlags::default()),
            relabel: self.relabel.unwrap_or_default(),
        })
    }
}

/// `--volumes-from CONTAINER[:MODE]`, of which `ro` and `rw` have a meaning.
pub fn volumes_from(text: &str) -> Parsed<VolumesFrom> {
    let (container, mode) = text.split_once(':').unwrap_or((text, ""));
    if container.is_empty() {
        return Err(format!("invalid volumes-from specification: '{text}': it names no container"));
    }
    let mut read_only = None;
    for word in mode.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" | "rw" => once(&mut read_only, word == "ro", word)?,
            // See `Relabel`: there is no label that would have to be changed.
            "z" | "Z" => {}
            _ => return Err(format!("invalid mode: {word}")),
        }
    }
    Ok(VolumesFrom { container: container.to_owned(), read_only: read_only == Some(true), typed: text.to_owned() })
}

#[cfg(test)]
mod tests;
