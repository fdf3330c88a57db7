//! `--mount`.

use super::VolumeOptions;
use super::csv::csv_fields;
use super::tmpfs::TmpfsOptions;
use super::words::{Taken, host_path, is_path, mount_target, once, propagation};
use crate::container::plan::{Mount, MountKind, Relabel};
use crate::container::values::{self, Parsed};
use std::collections::BTreeMap;
use std::path::Path;

/// `--mount type=…,source=…,target=…,…`: one line of comma-separated values with quotes as in a CSV
/// file. A missing source of a bind is not created. A relative source starts at `directory`.
pub fn mount(text: &str, directory: &Path) -> Parsed<Mount> {
    let invalid = |why: String| format!("invalid argument '{text}' for --mount: {why}");
    let mut wanted = MountWords::default();
    for field in csv_fields(text).map_err(invalid)? {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        wanted.take(&key.to_ascii_lowercase(), value).map_err(invalid)?;
    }
    wanted.resolve(directory).map_err(invalid)
}

/// The kinds that `--mount type=` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MountType {
    Bind,
    Volume,
    Tmpfs,
}

/// What the fields of `--mount` said.
#[derive(Default)]
struct MountWords {
    kind: Option<MountType>,
    source: Option<String>,
    target: Option<String>,
    options: VolumeOptions,
    create_source: Option<bool>,
    tmpfs: TmpfsOptions,
    /// The fields that are about one kind only, and that kind.
    only_for: Vec<(String, MountType)>,
}

impl MountWords {
    fn take(&mut self, key: &str, value: Option<&str>) -> Parsed<()> {
        let needed = || value.filter(|value| !value.is_empty()).ok_or_else(|| format!("`{key}` needs a value"));
        let switch = || value.map_or(Ok(true), values::boolean);
        for (prefix, kind) in [("bind-", MountType::Bind), ("volume-", MountType::Volume), ("tmpfs-", MountType::Tmpfs)]
        {
            if key.starts_with(prefix) {
                self.only_for.push((key.to_owned(), kind));
            }
        }
        match key {
            "type" => once(&mut self.kind, mount_type(needed()?)?, key),
            "source" | "src" => once(&mut self.source, needed()?.to_owned(), key),
            "target" | "dst" | "destination" => once(&mut self.target, mount_target(needed()?)?, key),
            "readonly" | "ro" => once(&mut self.options.read_only, switch()?, key),
            "u" | "chown" => {
                self.options.chown = switch()?;
                Ok(())
            }
            "relabel" => once(&mut self.options.relabel, relabel(needed()?)?, key),
            "consistency" => Ok(()),
            "bind-propagation" => {
                let wanted =
                    propagation(needed()?).ok_or_else(|| format!("invalid propagation `{}`", value.unwrap_or("")))?;
                once(&mut self.options.propagation, wanted, key)
            }
            "bind-nonrecursive" => once(&mut self.options.recursive, !switch()?, key),
            "bind-recursive" => self.take_recursion(needed()?),
            "bind-create-src" => once(&mut self.create_source, switch()?, key),
            "volume-nocopy" => once(&mut self.options.copy, !switch()?, key),
            "volume-driver" if value == Some("local") => Ok(()),
            "tmpfs-size" => self.tmpfs.take("size", Some(needed()?)),
            "tmpfs-mode" => self.tmpfs.take("mode", Some(needed()?)),
            "volume-driver" => Err(format!("`{key}={}` is not supported: there is local", value.unwrap_or(""))),
            "volume-opt" => key_and_value(&mut self.options.driver, needed()?, key),
            "volume-label" => key_and_value(&mut self.options.labels, needed()?, key),
            "volume-subpath" => once(&mut self.options.subpath, subpath(needed()?)?, key),
            _ if value.is_none() && self.options.flags.take(key)? == Taken::Yes => self.tmpfs.flags.take(key).map(drop),
            _ => Err(format!("unexpected key '{key}'")),
        }
    }

    /// Docker's `bind-recursive`: a read-only mount is read-only all the way down wherever the kernel
    /// can do that, so `readonly` says nothing new.
    fn take_recursion(&mut self, value: &str) -> Parsed<()> {
        match value {
            "enabled" | "readonly" => once(&mut self.options.recursive, true, "bind-recursive"),
            "disabled" => once(&mut self.options.recursive, false, "bind-recursive"),
            "writable" => Err("`bind-recursive=writable` is not supported".into()),
            _ => Err(format!("invalid value for bind-recursive: `{value}`")),
        }
    }

    fn resolve(self, directory: &Path) -> Parsed<Mount> {
        let kind = self.kind.unwrap_or(MountType::Volume);
        if let Some((key, _)) = self.only_for.iter().find(|(_, of)| *of != kind) {
            return Err(format!("'{key}' does not go with mount type '{}'", kind.name()));
        }
        let target = self.target.clone().ok_or("target is required")?;
        let read_only = self.options.read_only == Some(true);
        Ok(Mount { target, kind: self.resolve_kind(kind, directory)?, read_only })
    }

    fn resolve_kind(&self, kind: MountType, directory: &Path) -> Parsed<MountKind> {
        match (kind, self.source.as_deref()) {
            (MountType::Bind, None) => Err("source is required for mount type 'bind'".into()),
            (MountType::Bind, Some(source)) if !is_path(source) => {
                Err(format!("invalid mount path: '{source}' mount path must be absolute"))
            }
            (MountType::Bind, Some(source)) => {
                let mut bind = self.options.bind(host_path(source, directory))?;
                if let MountKind::Bind { create_source, .. } = &mut bind {
                    *create_source = self.create_source == Some(true);
                }
                Ok(bind)
            }
            (MountType::Volume, source) => {
                source.map_or(Ok(()), values::volume_name)?;
                crate::container::volume_driver::backing(&self.options.driver)?;
                self.options.volume(source.unwrap_or(""))
            }
            (MountType::Tmpfs, Some(_)) => Err("a source does not go with mount type 'tmpfs'".into()),
            (MountType::Tmpfs, None) if self.options.chown || self.options.relabel.is_some() => {
                Err("`chown` and `relabel` do not go with mount type 'tmpfs'".into())
            }
            (MountType::Tmpfs, None) => Ok(self.tmpfs.kind()),
        }
    }
}

impl MountType {
    fn name(self) -> &'static str {
        match self {
            MountType::Bind => "bind",
            MountType::Volume => "volume",
            MountType::Tmpfs => "tmpfs",
        }
    }
}

/// `NAME=VALUE`; a name alone has an empty value, as Docker takes it.
fn key_and_value(into: &mut BTreeMap<String, String>, text: &str, key: &str) -> Parsed<()> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(format!("`{key}={text}` has no name"));
    }
    into.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// A path below a volume's top.
fn subpath(text: &str) -> Parsed<String> {
    let path = Path::new(text);
    if path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(format!("the subpath '{text}' must be a relative path within the volume"));
    }
    Ok(text.to_owned())
}

fn mount_type(word: &str) -> Parsed<MountType> {
    match word.to_ascii_lowercase().as_str() {
        "bind" => Ok(MountType::Bind),
        "volume" => Ok(MountType::Volume),
        "tmpfs" => Ok(MountType::Tmpfs),
        _ => Err(format!("the mount type '{word}' is none of bind, volume and tmpfs")),
    }
}

fn relabel(word: &str) -> Parsed<Relabel> {
    match word {
        "shared" => Ok(Relabel::Shared),
        "private" => Ok(Relabel::Private),
        _ => Err(format!("invalid value for relabel: `{word}` is neither shared nor private")),
    }
}
