//! `--volume`, `--mount` and `--tmpfs` as Docker's command line spells them.
//!
//! Each parser turns one argument into a [`Mount`] or one sentence that begins as Docker's does. No
//! path is looked at: whether a source exists is the run's business. The only knowledge of the
//! machine is the directory that a relative source starts at.

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

/// `--tmpfs TARGET[:OPTION,…]` with tmpfs(5)'s options.
pub fn tmpfs(text: &str) -> Parsed<Mount> {
    let invalid = |why: &str| format!("invalid tmpfs specification: '{text}': {why}");
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = mount_target(target).map_err(|why| invalid(&why))?;
    let mut wanted = TmpfsOptions::default();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        wanted.take(key, value).map_err(|why| invalid(&why))?;
    }
    Ok(Mount { target, kind: wanted.kind(), read_only: wanted.read_only == Some(true) })
}

#[derive(Default)]
pub(super) struct TmpfsOptions {
    read_only: Option<bool>,
    size: Option<u64>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    flags: FlagChoices,
}

impl TmpfsOptions {
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    pub(super) fn take(&mut self, key: &str, value: Option<&str>) -> Parsed<()> {
        match (key, value) {
            ("ro" | "rw", None) => once(&mut self.read_only, key == "ro", key),
            ("size", Some(value)) => once(&mut self.size, values::size(value)?, key),
            ("mode", Some(value)) => once(&mut self.mode, octal_mode(value)?, key),
            ("uid", Some(value)) => once(&mut self.uid, number(value)?, key),
            ("gid", Some(value)) => once(&mut self.gid, number(value)?, key),
            ("size" | "mode" | "uid" | "gid", None) => Err(format!("`{key}` needs a value")),
            // What rr does anyway.
            ("private" | "rprivate" | "notmpcopyup", None) => Ok(()),
            (_, None) if self.flags.take(key)? == Taken::Yes => Ok(()),
            _ => Err(format!("invalid tmpfs option `{key}`")),
        }
    }

    pub(super) fn kind(&self) -> MountKind {
        let docker = MountFlags { nosuid: true, nodev: true, noexec: true };
        MountKind::Tmpfs {
            size: self.size,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            flags: self.flags.resolve(docker),
        }
    }
}

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
                super::volume_driver::backing(&self.options.driver)?;
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

/// Whether a word was one of those asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// `nosuid` or `suid` and so on; what was not said keeps the default.
#[derive(Default)]
struct FlagChoices {
    nosuid: Option<bool>,
    nodev: Option<bool>,
    noexec: Option<bool>,
}

impl FlagChoices {
    fn take(&mut self, word: &str) -> Parsed<Taken> {
        let (choice, value) = match word {
            "nosuid" | "suid" => (&mut self.nosuid, word == "nosuid"),
            "nodev" | "dev" => (&mut self.nodev, word == "nodev"),
            "noexec" | "exec" => (&mut self.noexec, word == "noexec"),
            _ => return Ok(Taken::No),
        };
        once(choice, value, word).map(|()| Taken::Yes)
    }

    fn resolve(&self, default: MountFlags) -> MountFlags {
        MountFlags {
            nosuid: self.nosuid.unwrap_or(default.nosuid),
            nodev: self.nodev.unwrap_or(default.nodev),
            noexec: self.noexec.unwrap_or(default.noexec),
        }
    }
}

/// Sets what may be said only once: `ro,rw` has no good meaning.
fn once<T>(place: &mut Option<T>, value: T, word: &str) -> Parsed<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` is said twice or contradicts another option")),
    }
}

fn propagation(word: &str) -> Option<Propagation> {
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

fn mount_target(path: &str) -> Parsed<String> {
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
fn is_path(source: &str) -> bool {
    source.starts_with('/') || matches!(source, "." | "..") || source.starts_with("./") || source.starts_with("../")
}

fn host_path(source: &str, directory: &Path) -> PathBuf {
    // Joining an absolute path takes that alone. `..` stays for the kernel to resolve: what is before
    // it may be a symbolic link.
    directory.join(source).components().collect()
}

fn octal_mode(text: &str) -> Parsed<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(mode),
        _ => Err(format!("`{text}` is no octal mode")),
    }
}

fn number(text: &str) -> Parsed<u32> {
    match text.parse() {
        // 2^32-1 means "no change" to the kernel.
        Ok(number) if number != u32::MAX && !text.starts_with('+') => Ok(number),
        _ => Err(format!("`{text}` is no id")),
    }
}

/// The fields of one CSV record (RFC 4180): a field in quotes may hold commas, and quotes doubled.
fn csv_fields(text: &str) -> Parsed<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return Err(format!("a quote inside the unquoted field `{field}`"));
        }
        if field.is_empty() || field.contains(['\n', '\r']) {
            return Err("a field is empty or holds a line break".into());
        }
        fields.push(field);
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("text after a closing quote: `{after}`")),
        };
    }
}

/// The field after its opening quote, and what follows its closing one.
fn quoted_field(mut rest: &str) -> Parsed<(String, &str)> {
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: &str = "/home/ana/work";

    fn vol(text: &str) -> Parsed<Mount> {
        volume(text, Path::new(HERE))
    }

    fn mnt(text: &str) -> Parsed<Mount> {
        mount(text, Path::new(HERE))
    }

    fn bind(source: &str) -> MountKind {
        MountKind::Bind {
            source: source.into(),
            recursive: true,
            propagation: Propagation::Rprivate,
            chown: false,
            create_source: true,
            flags: MountFlags::default(),
            relabel: Relabel::Keep,
        }
    }

    fn named(name: &str) -> MountKind {
        MountKind::Volume {
            name: name.into(),
            anonymous: name.is_empty(),
            no_copy: false,
            subpath: None,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            chown: false,
            flags: MountFlags::default(),
            relabel: Relabel::Keep,
        }
    }

    #[test]
    fn sources_are_paths_names_or_nothing() {
        let expect = |text: &str, target: &str, kind: MountKind| {
            assert_eq!(vol(text), Ok(Mount { target: target.into(), kind, read_only: false }), "{text}");
        };
        expect("/data:/mnt", "/mnt", bind("/data"));
        expect("/data:/mnt/../x//y/.", "/x/y", bind("/data"));
        expect(".:/src", "/src", bind(HERE));
        expect("./a:/src", "/src", bind("/home/ana/work/a"));
        expect("../b:/src", "/src", bind("/home/ana/work/../b"));
        expect("cache:/c", "/c", named("cache"));
        expect("/only", "/only", named(""));
    }

    #[test]
    fn volume_options_are_read() {
        let Mount { kind, read_only, .. } = vol("/a:/b:ro,Z,U,noexec,bind,rslave").unwrap();
        assert!(read_only);
        let expected = MountKind::Bind {
            source: "/a".into(),
            recursive: false,
            propagation: Propagation::Rslave,
            chown: true,
            create_source: true,
            flags: MountFlags { noexec: true, ..MountFlags::default() },
            relabel: Relabel::Private,
        };
        assert_eq!(kind, expected);
        let MountKind::Volume { no_copy, .. } = vol("vol:/b:nocopy,rw,cached").unwrap().kind else { panic!() };
        assert!(no_copy);
    }

    #[test]
    fn bad_volumes_get_one_clear_sentence() {
        for (text, word) in [
            ("", "empty"),
            (":/x", "empty"),
            ("/a::ro", "empty"),
            ("/a:/b:ro:x", "not of the form"),
            ("/a:ro", "options need a source"),
            ("/a:b", "must be absolute"),
            ("/a:/", "cannot be '/'"),
            ("/a:/b:foo", "invalid mode: foo"),
            ("/a:/b:ro,rw", "contradicts"),
            ("/a:/b:z,Z", "contradicts"),
            ("/a:/b:exec,noexec", "contradicts"),
            ("/a:/b:nocopy", "for volumes"),
            ("vol:/b:rshared", "for paths of the host"),
            ("/a:/b:O", "not supported"),
            ("/a:/b:idmap=uids=1", "not supported"),
            ("x:/b", "too short"),
            ("a/b:/c", "absolute path"),
            ("~x:/c", "invalid characters"),
            ("-ab:/c", "invalid characters"),
        ] {
            let error = vol(text).unwrap_err();
            assert!(error.starts_with("invalid volume specification: "), "{error}");
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn volumes_of_other_containers() {
        let from = |container: &str, read_only, typed: &str| VolumesFrom {
            container: container.into(),
            read_only,
            typed: typed.into(),
        };
        assert_eq!(volumes_from("web"), Ok(from("web", false, "web")));
        assert_eq!(volumes_from("web:ro,z"), Ok(from("web", true, "web:ro,z")));
        assert!(volumes_from("web:nope").unwrap_err().contains("invalid mode: nope"));
        assert!(volumes_from(":ro").is_err() && volumes_from("web:ro,rw").is_err());
    }

    #[test]
    fn volumes_can_be_made_by_mount() {
        let text = "type=volume,src=vol,dst=/x,volume-opt=type=none,\"volume-opt=o=bind,ro\",volume-opt=device=/d,\
                    volume-label=a=1,volume-label=b,volume-subpath=in/side";
        let MountKind::Volume { labels, options, subpath, .. } = mnt(text).unwrap().kind else { panic!() };
        assert_eq!(subpath.as_deref(), Some("in/side"));
        assert_eq!(labels, BTreeMap::from([("a".into(), "1".into()), ("b".into(), String::new())]));
        let expected = [("device", "/d"), ("o", "bind,ro"), ("type", "none")];
        assert_eq!(options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn tmpfs_has_dockers_defaults_and_the_options_change_them() {
        let docker = MountFlags { nosuid: true, nodev: true, noexec: true };
        let plain = MountKind::Tmpfs { size: None, mode: None, uid: None, gid: None, flags: docker };
        assert_eq!(tmpfs("/run"), Ok(Mount { target: "/run".into(), kind: plain, read_only: false }));
        let full = MountKind::Tmpfs {
            size: Some(64 << 20),
            mode: Some(0o1770),
            uid: Some(7),
            gid: Some(8),
            flags: MountFlags { noexec: false, ..docker },
        };
        let text = "/run:ro,size=64m,mode=1770,uid=7,gid=8,exec";
        assert_eq!(tmpfs(text), Ok(Mount { target: "/run".into(), kind: full, read_only: true }));
        for text in
            ["run", "/", "/x:size=", "/x:size=50%", "/x:mode=8", "/x:mode", "/x:nr_inodes=1", "/x:uid=4294967295"]
        {
            assert!(tmpfs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mount_takes_docker_and_podman_words() {
        let Mount { target, kind, read_only } = mnt("type=bind,src=./x,dst=/y,readonly").unwrap();
        let mut expected = bind("/home/ana/work/x");
        let MountKind::Bind { create_source, .. } = &mut expected else { panic!() };
        *create_source = false;
        assert_eq!((target.as_str(), read_only, &kind), ("/y", true, &expected));
        assert_eq!(mnt("type=bind,source=./x,destination=/y,ro=true").unwrap().kind, expected);
        assert!(!mnt("type=bind,source=./x,target=/y,readonly=false").unwrap().read_only);
        assert_eq!(mnt("target=/y").unwrap().kind, named(""));
        assert_eq!(mnt("source=vol,target=/y").unwrap().kind, named("vol"));
        let MountKind::Bind { source, propagation, recursive, chown, relabel, .. } =
            mnt("type=bind,\"src=/a,b\"\"c\",target=/y,bind-propagation=rshared,bind-nonrecursive,U,relabel=shared")
                .unwrap()
                .kind
        else {
            panic!()
        };
        assert_eq!(source, Path::new("/a,b\"c"));
        assert_eq!((propagation, recursive, chown, relabel), (Propagation::Rshared, false, true, Relabel::Shared));
        let MountKind::Tmpfs { size, mode, flags, .. } =
            mnt("type=tmpfs,dst=/y,tmpfs-size=1g,tmpfs-mode=700,exec").unwrap().kind
        else {
            panic!()
        };
        assert_eq!((size, mode, flags.noexec, flags.nosuid), (Some(1 << 30), Some(0o700), false, true));
    }

    #[test]
    fn bad_mounts_get_one_clear_sentence() {
        for (text, word) in [
            ("", "empty"),
            ("type=bind,target=/x", "source is required"),
            ("type=bind,source=x,target=/x", "must be absolute"),
            ("type=bind,source=/x", "target is required"),
            ("type=npipe,source=/x,target=/x", "none of"),
            ("type=tmpfs,source=/x,target=/x", "does not go with"),
            ("type=bind,source=/x,target=/x,volume-nocopy", "does not go with"),
            ("type=volume,source=vv,target=/x,tmpfs-size=1", "does not go with"),
            ("type=bind,source=/x,target=/x,colour=red", "unexpected key 'colour'"),
            ("type=bind,source=/x,target=/x,readonly=maybe", "maybe"),
            ("type=bind,source=/x,source=/y,target=/x", "twice"),
            ("type=bind,\"source=/x,target=/x", "not closed"),
            ("type=bind,\"source=/x\"y,target=/x", "closing quote"),
            ("type=bind,sou\"rce=/x,target=/x", "inside"),
            ("type=bind,source=/x,target=/x,bind-propagation=up", "propagation"),
            ("type=volume,source=vv,target=/x,volume-driver=nfs", "not supported"),
            ("type=volume,source=vv,target=/x,volume-opt=nope=1", "invalid option"),
            ("type=volume,source=vv,target=/x,volume-subpath=../x", "within the volume"),
            ("type=volume,source=vv,target=/x,volume-label==1", "no name"),
        ] {
            let error = mnt(text).unwrap_err();
            assert!(error.starts_with("invalid argument '") && error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,60}") {
            let _ = (vol(&text), mnt(&text), tmpfs(&text));
        }

        #[test]
        fn likely_text_gets_an_answer_with_a_clean_target(text in "(type=(bind|tmpfs|volume),)?[/a-z.:=,\"-]{0,40}") {
            for mount in [vol(&text), mnt(&text), tmpfs(&text)].into_iter().flatten() {
                prop_assert!(mount.target.len() > 1 && mount.target == values::clean_path(&mount.target));
                if let MountKind::Bind { source, .. } = mount.kind {
                    prop_assert!(source.is_absolute());
                }
            }
        }

        #[test]
        fn fields_survive_quoting(fields in prop::collection::vec("[a-c,\"= ]{1,8}", 1..5)) {
            let quoted: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            prop_assert_eq!(csv_fields(&quoted.join(",")), Ok(fields));
        }
    }
}
