//! registries.conf: which registry a short name means, and where a registry really is
//! (containers-registries.conf(5), version 2 of the format).
//!
//! The main file is the one `$CONTAINERS_REGISTRIES_CONF` names, else the user's own, else the system's.
//! Drop-in files follow in the order of their names, the system's and then the user's; where the user
//! has a main file of their own the system's drop-ins do not count. That is what Podman and skopeo do.
//!
//! Where nothing is configured a short name means Docker Hub, as it does to Docker.

use super::reference::{DEFAULT_DOMAIN, Reference, Spelling};
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The configuration, all files put together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registries {
    /// Registries a short name is looked for in, in order.
    search: Vec<String>,
    /// `[[registry]]`, one a prefix.
    rules: Vec<Rule>,
    /// Short name → repository.
    aliases: BTreeMap<String, String>,
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    #[serde(default)]
    registry: Vec<Rule>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    /// Version 1 of the format had a table of this name.
    registries: Option<toml::Table>,
}

/// One `[[registry]]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Rule {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    #[serde(rename = "mirror")]
    mirrors: Vec<Mirror>,
}

/// One `[[registry.mirror]]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// How a registry may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// HTTPS with a certificate that verifies.
    Verified,
    /// HTTPS with any certificate, else plain HTTP.
    Insecure,
}

/// A place an image can be had from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The image there.
    pub reference: Reference,
    /// How that registry may be spoken to.
    pub security: Security,
}

impl Endpoint {
    /// Host and port to connect to. Docker Hub's registry has a name of its own.
    pub fn host(&self) -> &str {
        match self.reference.domain() {
            DEFAULT_DOMAIN => "registry-1.docker.io",
            other => other,
        }
    }
}

impl Registries {
    /// Reads the files of this machine and user.
    ///
    /// # Errors
    /// A file cannot be read or is malformed. A file that does not exist is fine, unless
    /// `$CONTAINERS_REGISTRIES_CONF` names it.
    pub fn load(dirs: &Dirs) -> Result<Registries> {
        let chosen = std::env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|path| !path.is_empty());
        let users = dirs.config.as_ref().map(|config| config.join("containers"));
        Registries::load_from(chosen.map(PathBuf::from), users.as_deref(), Path::new("/etc/containers"))
    }

    /// The registries that a short name is looked for in, in order.
    pub fn search(&self) -> &[String] {
        &self.search
    }

    /// As [`Registries::load`], with the folders given.
    fn load_from(chosen: Option<PathBuf>, users: Option<&Path>, system: &Path) -> Result<Registries> {
        let mut registries = Registries::default();
        let users_own = users.map(|folder| folder.join("registries.conf"));
        let mut folders = vec![system, users.unwrap_or(system)];
        if let Some(path) = chosen {
            let file = read(&path)?
                .ok_or_else(|| Failure::new(format!("cannot read {}", path.display()), "no such file (ENOENT)"))?;
            registries.merge(file, &path)?;
        } else if let Some((path, file)) = users_own.and_then(|path| read(&path).transpose().map(|file| (path, file))) {
            registries.merge(file?, &path)?;
            folders.remove(0);
        } else {
            let path = system.join("registries.conf");
            registries.merge(read(&path)?.unwrap_or_default(), &path)?;
        }
        folders.dedup();
        for folder in folders {
            for path in drop_ins(&folder.join("registries.conf.d"))? {
                registries.merge(read(&path)?.unwrap_or_default(), &path)?;
            }
        }
        Ok(registries)
    }

    /// The configuration of one file's text alone; `path` is for the error.
    ///
    /// # Errors
    /// The text is malformed.
    pub fn from_text(text: &str, path: &Path) -> Result<Registries> {
        let mut registries = Registries::default();
        registries.merge(parse(text).doing(|| format!("cannot use {}", path.display()))?, path)?;
        Ok(registries)
    }

    /// Puts a later file over what the earlier ones said.
    fn merge(&mut self, file: File, path: &Path) -> Result<()> {
        let bad = |cause: String| Failure::new(format!("cannot use {}", path.display()), cause);
        self.search = file.unqualified_search_registries.unwrap_or(std::mem::take(&mut self.search));
        for mut rule in file.registry {
            rule.complete().map_err(bad)?;
            self.rules.retain(|other| other.prefix != rule.prefix);
            self.rules.push(rule);
        }
        // An empty alias erases one of an earlier file.
        self.aliases.extend(file.aliases);
        self.aliases.retain(|_, value| !value.is_empty());
        Ok(())
    }

    /// What a name may mean, in the order to try: a qualified one means itself.
    ///
    /// # Errors
    /// The configuration names something that is no registry; a sentence without a full stop.
    pub fn candidates(&self, name: &Reference, spelling: Spelling) -> std::result::Result<Vec<Reference>, String> {
        if spelling == Spelling::Qualified {
            return Ok(vec![name.clone()]);
        }
        let short = name.familiar_repository();
        if let Some(repository) = self.aliases.get(&short) {
            return Ok(vec![name.in_repository(repository)?]);
        }
        if self.search.is_empty() {
            return Ok(vec![name.clone()]);
        }
        self.search.iter().map(|registry| in_location(name, &format!("{registry}/{short}"))).collect()
    }

    /// Where to get `reference` from, in the order to try: the mirrors, then the registry itself.
    ///
    /// # Errors
    /// It is blocked, or a location makes no reference; a sentence without a full stop.
    pub fn endpoints(&self, reference: &Reference) -> std::result::Result<Vec<Endpoint>, String> {
        let whole = reference.to_string();
        let best = self.rules.iter().filter_map(|rule| Some((rule.matched(reference, &whole)?, rule)));
        let Some((matched, rule)) = best.max_by_key(|(_, rule)| rule.prefix.len()) else {
            return Ok(vec![endpoint(reference.clone(), false)]);
        };
        if rule.blocked {
            return Err(format!("registries.conf blocks `{}`", rule.prefix));
        }
        let rest = &whole[matched..];
        let mirrors = rule.mirrors.iter().filter(|mirror| mirror.serves(reference, rule));
        let mut endpoints = Vec::new();
        for mirror in mirrors {
            endpoints.push(endpoint(parse_location(&mirror.location, rest)?, mirror.insecure));
        }
        let own = if rule.location.is_empty() { reference.clone() } else { parse_location(&rule.location, rest)? };
        endpoints.push(endpoint(own, rule.insecure));
        Ok(endpoints)
    }
}

impl Rule {
    /// Fills in what may be left out and checks the rest.
    fn complete(&mut self) -> std::result::Result<(), String> {
        for text in [&mut self.prefix, &mut self.location] {
            *text = text.trim_end_matches('/').to_owned();
        }
        if self.prefix.is_empty() {
            self.prefix.clone_from(&self.location);
        }
        let wildcard = self.prefix.strip_prefix("*.");
        if self.prefix.is_empty() {
            return Err("a [[registry]] has neither prefix nor location".into());
        }
        if self.prefix.contains("://") || self.location.contains("://") {
            return Err(format!("`{}`: prefix and location are written without a scheme", self.prefix));
        }
        if wildcard.unwrap_or(&self.prefix).contains('*') || wildcard.is_some_and(|host| host.contains(['/', ':'])) {
            return Err(format!("`{}`: a wildcard stands for subdomains only, as in *.example.com", self.prefix));
        }
        for mirror in &mut self.mirrors {
            mirror.location = mirror.location.trim_end_matches('/').to_owned();
            if mirror.location.is_empty() {
                return Err(format!("a mirror of `{}` has no location", self.prefix));
            }
            if !matches!(mirror.pull_from_mirror.as_str(), "" | "all" | "digest-only" | "tag-only") {
                return Err(format!(
                    "a mirror of `{}` has pull-from-mirror `{}`; it can be all, digest-only or tag-only",
                    self.prefix, mirror.pull_from_mirror
                ));
            }
        }
        // A rule that names its own location only, and that by prefix, rewrites nothing.
        if self.location.is_empty() && wildcard.is_none() {
            self.location.clone_from(&self.prefix);
        }
        Ok(())
    }

    /// How many bytes of `whole`, which is `reference`'s text, the prefix covers; None where it is another's.
    fn matched(&self, reference: &Reference, whole: &str) -> Option<usize> {
        if let Some(suffix) = self.prefix.strip_prefix('*') {
            let host = reference.domain();
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            return (host.len() > suffix.len() && host.ends_with(suffix)).then_some(host.len());
        }
        let rest = whole.strip_prefix(&self.prefix)?;
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(self.prefix.len())
    }
}

impl Mirror {
    fn serves(&self, reference: &Reference, rule: &Rule) -> bool {
        let by_digest = reference.digest().is_some();
        match self.pull_from_mirror.as_str() {
            "digest-only" => by_digest,
            "tag-only" => !by_digest,
            _ => by_digest || !rule.mirror_by_digest_only,
        }
    }
}

/// Localhost needs no certificate, as with Docker: nobody else listens in there.
fn endpoint(reference: Reference, insecure: bool) -> Endpoint {
    let security = if insecure || is_loopback(reference.domain()) { Security::Insecure } else { Security::Verified };
    Endpoint { reference, security }
}

/// Whether `host[:port]` is this machine by its own word: `localhost`, 127.0.0.0/8, `[::1]`.
fn is_loopback(domain: &str) -> bool {
    let host = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => domain.split(':').next().unwrap_or(domain),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `location` and what of the reference comes after the prefix.
fn parse_location(location: &str, rest: &str) -> std::result::Result<Reference, String> {
    let text = format!("{location}{rest}");
    let reference: Reference = text.parse().map_err(|error| format!("registries.conf: {error}"))?;
    check_location(reference, location)
}

/// `name` in the repository `location`, which must start with its registry.
fn in_location(name: &Reference, location: &str) -> std::result::Result<Reference, String> {
    let reference = name.in_repository(location).map_err(|error| format!("registries.conf: {error}"))?;
    check_location(reference, location)
}

/// A location without a registry would be completed to one on Docker Hub; nobody means that here.
fn check_location(reference: Reference, location: &str) -> std::result::Result<Reference, String> {
    let host = location.split('/').next().unwrap_or(location);
    let is_hub = reference.domain() == DEFAULT_DOMAIN && matches!(host, "docker.io" | "index.docker.io");
    if is_hub || reference.domain() == host {
        return Ok(reference);
    }
    Err(format!("registries.conf: `{host}` is no registry: it has neither a dot nor a port, and is not localhost"))
}

/// Reads one file; None where there is none.
fn read(path: &Path) -> Result<Option<File>> {
    let doing = || format!("cannot read {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).doing(|| format!("cannot use {}", path.display())).map(Some),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).doing(doing),
    }
}

/// Parses one file. The error is a sentence that names the line.
fn parse(text: &str) -> std::result::Result<File, String> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{place}{}", error.message())
    })?;
    if file.registries.is_some() {
        return Err("it is written in version 1 of the format ([registries.search]), which is no longer read".into());
    }
    Ok(file)
}

/// The drop-in files of a folder, in the order of their names.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("cannot read {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).doing(doing),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.doing(doing)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::ImageName;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn config(text: &str) -> Registries {
        let mut registries = Registries::default();
        registries.merge(parse(text).unwrap(), Path::new("test.conf")).unwrap();
        registries
    }

    /// Endpoints as text, `!` after an insecure one.
    fn endpoints(registries: &Registries, name: &str) -> Vec<String> {
        let endpoints = registries.endpoints(&name.parse().unwrap()).unwrap();
        let mark = |endpoint: &Endpoint| if endpoint.security == Security::Insecure { "!" } else { "" };
        endpoints.iter().map(|endpoint| format!("{}{}", endpoint.reference, mark(endpoint))).collect()
    }

    fn candidates(registries: &Registries, name: &str) -> Vec<String> {
        let Ok(ImageName::Registry { reference, spelling }) = ImageName::parse(name) else { panic!("{name}") };
        registries.candidates(&reference, spelling).unwrap().iter().map(Reference::to_string).collect()
    }

    #[test]
    fn the_manuals_example_works() {
        let registries = config(
            r#"
            unqualified-search-registries = ["example.com"]
            [[registry]]
            prefix = "example.com/foo"
            location = "internal-registry-for-example.com/bar"
            [[registry.mirror]]
            location = "example-mirror-0.local/mirror-for-foo"
            [[registry.mirror]]
            location = "example-mirror-1.local/mirrors/foo"
            insecure = true
            [[registry]]
            location = "registry.com"
            [[registry.mirror]]
            location = "mirror.registry.com"
            "#,
        );
        assert_eq!(
            endpoints(&registries, "example.com/foo/image"),
            [
                "example-mirror-0.local/mirror-for-foo/image:latest",
                "example-mirror-1.local/mirrors/foo/image:latest!",
                "internal-registry-for-example.com/bar/image:latest",
            ]
        );
        assert_eq!(
            endpoints(&registries, "registry.com/image"),
            ["mirror.registry.com/image:latest", "registry.com/image:latest"]
        );
        assert_eq!(endpoints(&registries, "example.com/foobar"), ["example.com/foobar:latest"]);
        assert_eq!(candidates(&registries, "image:1"), ["example.com/image:1"]);
        assert_eq!(candidates(&registries, "a/image"), ["example.com/a/image:latest"]);
    }

    #[test]
    fn short_names_mean_docker_hub_unless_configured() {
        let none = Registries::default();
        assert_eq!(candidates(&none, "alpine"), ["docker.io/library/alpine:latest"]);
        let registries = config(
            r#"
            unqualified-search-registries = ["docker.io", "localhost:5000"]
            [aliases]
            fedora = "registry.fedoraproject.org/fedora"
            "#,
        );
        assert_eq!(
            candidates(&registries, "alpine"),
            ["docker.io/library/alpine:latest", "localhost:5000/alpine:latest"]
        );
        assert_eq!(candidates(&registries, "fedora:40"), ["registry.fedoraproject.org/fedora:40"]);
        assert_eq!(
            candidates(&registries, &format!("fedora@{DIGEST}")),
            [format!("registry.fedoraproject.org/fedora@{DIGEST}")]
        );
        assert_eq!(candidates(&registries, "quay.io/fedora"), ["quay.io/fedora:latest"]);
    }

    #[test]
    fn docker_hub_can_have_a_mirror_and_localhost_is_insecure() {
        let registries = config(
            "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"localhost:5000\"\n\
             [[registry.mirror]]\nlocation = \"m.net/hub/\"\npull-from-mirror = \"digest-only\"\n",
        );
        assert_eq!(
            endpoints(&registries, "alpine"),
            ["localhost:5000/library/alpine:latest!", "docker.io/library/alpine:latest"]
        );
        assert_eq!(endpoints(&registries, &format!("alpine@{DIGEST}")).len(), 3);
        for (name, insecure) in [
            ("localhost/a", true),
            ("127.9.9.9:5000/a", true),
            ("[::1]:5000/a", true),
            ("LOCALHOST:1/a", true),
            ("localhost.example.com/a", false),
            ("128.0.0.1/a", false),
        ] {
            assert_eq!(endpoints(&Registries::default(), name)[0].ends_with('!'), insecure, "{name}");
        }
        let endpoint = &registries.endpoints(&"alpine".parse().unwrap()).unwrap()[1];
        assert_eq!(endpoint.host(), "registry-1.docker.io");
    }

    #[test]
    fn the_longest_prefix_decides() {
        let registries = config(
            r#"
            [[registry]]
            location = "a.com"
            insecure = true
            [[registry]]
            prefix = "a.com/x/y"
            blocked = true
            [[registry]]
            prefix = "*.b.com"
            insecure = true
            [[registry]]
            prefix = "*.deep.b.com"
            location = "c.com/all"
            [[registry]]
            prefix = "d.com/x:bad"
            blocked = true
            [[registry]]
            prefix = "e.com"
            mirror-by-digest-only = true
            [[registry.mirror]]
            location = "f.com"
            "#,
        );
        assert_eq!(endpoints(&registries, "a.com/x/yz"), ["a.com/x/yz:latest!"]);
        assert!(registries.endpoints(&"a.com/x/y:1".parse().unwrap()).unwrap_err().contains("blocks `a.com/x/y`"));
        assert_eq!(endpoints(&registries, "s.b.com:5000/x"), ["s.b.com:5000/x:latest!"]);
        assert_eq!(endpoints(&registries, "b.com/x"), ["b.com/x:latest"]);
        assert_eq!(endpoints(&registries, "s.deep.b.com/x"), ["c.com/all/x:latest"]);
        assert!(registries.endpoints(&"d.com/x:bad".parse().unwrap()).is_err());
        assert!(registries.endpoints(&"d.com/x:good".parse().unwrap()).is_ok());
        assert_eq!(endpoints(&registries, "e.com/x").len(), 1);
        assert_eq!(endpoints(&registries, &format!("e.com/x@{DIGEST}")).len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("x = [", "line 1"),
            ("\n\n[[registry]]\ninsecure = \"yes\"", "line 4"),
            ("[registries.search]\nregistries = []", "version 1"),
            ("[[registry]]\nblocked = true", "neither prefix nor location"),
            ("[[registry]]\nprefix = \"a.*.com\"", "wildcard"),
            ("[[registry]]\nprefix = \"*.com/x\"", "wildcard"),
            ("[[registry]]\nlocation = \"https://a.com\"", "scheme"),
            ("[[registry]]\nlocation = \"a.com\"\n[[registry.mirror]]\ninsecure = true", "no location"),
            (
                "[[registry]]\nlocation = \"a.com\"\n[[registry.mirror]]\nlocation = \"b.com\"\npull-from-mirror = \"x\"",
                "pull-from-mirror `x`",
            ),
        ] {
            let mut registries = Registries::default();
            let error = parse(text)
                .and_then(|file| registries.merge(file, Path::new("x")).map_err(|failure| failure.to_string()))
                .unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        let registries = config("[[registry]]\nprefix = \"a.com\"\nlocation = \"mirror/x\"");
        assert!(registries.endpoints(&"a.com/b".parse().unwrap()).unwrap_err().contains("`mirror` is no registry"));
    }

    #[test]
    fn files_override_each_other_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (system, users) = (folder.path().join("etc"), folder.path().join("home"));
        let write = |path: PathBuf, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let search = |chosen: Option<PathBuf>| {
            Registries::load_from(chosen, Some(&users), &system).map(|registries| registries.search)
        };
        assert_eq!(search(None).unwrap(), [""; 0]);
        write(system.join("registries.conf"), "unqualified-search-registries = ['system.com']");
        assert_eq!(search(None).unwrap(), ["system.com"]);
        write(system.join("registries.conf.d/b.conf"), "unqualified-search-registries = ['b.com']");
        write(system.join("registries.conf.d/a.conf"), "unqualified-search-registries = ['a.com']");
        write(system.join("registries.conf.d/c.txt"), "not TOML");
        assert_eq!(search(None).unwrap(), ["b.com"]);
        let chosen = folder.path().join("chosen.conf");
        assert!(search(Some(chosen.clone())).unwrap_err().to_string().contains("ENOENT"));
        write(chosen.clone(), "");
        assert_eq!(search(Some(chosen)).unwrap(), ["b.com"]);
        write(users.join("registries.conf.d/z.conf"), "unqualified-search-registries = ['user.com']");
        assert_eq!(search(None).unwrap(), ["user.com"]);
        std::fs::remove_file(users.join("registries.conf.d/z.conf")).unwrap();
        write(users.join("registries.conf"), "unqualified-search-registries = ['own.com']");
        assert_eq!(search(None).unwrap(), ["own.com"]);
        write(users.join("registries.conf"), "?");
        assert!(search(None).unwrap_err().to_string().contains("home/registries.conf: line 1"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[\\[registry\\]\\]\n|prefix = \"[a-z.*/:]{0,9}\"\n|location = \"[a-z./:]{0,9}\"\n|.{0,9}\n){0,8}") {
            if let Ok(file) = parse(&text) {
                let mut registries = Registries::default();
                if registries.merge(file, Path::new("x")).is_ok() {
                    let _ = registries.endpoints(&"a.b/c".parse().unwrap());
                    let _ = registries.candidates(&"c".parse().unwrap(), Spelling::Short);
                }
            }
        }
    }
}
