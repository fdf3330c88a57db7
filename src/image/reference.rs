//! Image names: what a user types, resolved Docker's way.
//!
//! The grammar and the defaults are those of the `distribution/reference` library that Docker and
//! Podman share: `[domain/]path[:tag][@digest]`, where a first part without dot, colon or upper case,
//! and that is not `localhost`, belongs to the path; `docker.io` and `library/` are implied.
//! An [`ImageName`] is wider: it may also be an image id or name a place on disk (`oci:DIR`).

use super::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The registry that names without one mean.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// What Docker Hub was called; still understood.
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
/// The namespace of Docker Hub's official images.
const OFFICIAL_NAMESPACE: &str = "library/";
/// The tag of a name that has neither tag nor digest.
const DEFAULT_TAG: &str = "latest";
/// Longest path in bytes (distribution/reference `RepositoryNameTotalLengthMax`).
const MAX_PATH: usize = 255;
/// Longest tag in bytes (OCI distribution-spec "Pulling manifests").
const MAX_TAG: usize = 128;

/// A complete reference: domain, path, and a tag or digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// How a name was typed: with its registry or leaving it to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `quay.io/a/b`
    Qualified,
    /// `alpine:3`, `user/x`: registries.conf(5) may say which registry is meant.
    Short,
    /// A short name that could as well be the beginning of an image's id: `cafe`.
    MaybeId,
}

/// What a user can type where an image is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// A name in a registry, or in the local store.
    Registry {
        /// The name, normalised as Docker does.
        reference: Reference,
        /// Whether the registry was typed.
        spelling: Spelling,
    },
    /// The id of a local image or a prefix of one: lower-case hexadecimal digits, at most 64.
    Id(String),
    /// An image on disk.
    Archive {
        /// Which layout it has.
        kind: ArchiveKind,
        /// The directory or file.
        path: PathBuf,
        /// Which of several images, as the archive names it.
        name: Option<String>,
    },
}

/// Layouts of images on disk (containers-transports(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// `oci:DIR[:name]`: an OCI image layout.
    OciDirectory,
    /// `oci-archive:FILE[:name]`: the same in a tar file.
    OciArchive,
    /// `docker-archive:FILE[:ref]`: what `docker save` writes.
    DockerArchive,
}

impl ArchiveKind {
    /// Every kind.
    pub const ALL: [ArchiveKind; 3] = [ArchiveKind::OciDirectory, ArchiveKind::OciArchive, ArchiveKind::DockerArchive];

    /// The word before the colon.
    pub fn transport(self) -> &'static str {
        match self {
            ArchiveKind::OciDirectory => "oci",
            ArchiveKind::OciArchive => "oci-archive",
            ArchiveKind::DockerArchive => "docker-archive",
        }
    }
}

impl ImageName {
    /// Understands `text`. The error is a sentence without a full stop.
    pub fn parse(text: &str) -> Result<ImageName, String> {
        for kind in ArchiveKind::ALL {
            if let Some(place) = text.strip_prefix(kind.transport()).and_then(|rest| rest.strip_prefix(':')) {
                return parse_archive(kind, place);
            }
        }
        if let Some(hex) = text.strip_prefix("sha256:") {
            return if is_id(hex) {
                Ok(ImageName::Id(hex.to_owned()))
            } else {
                Err(format!("`{}` is no image id: after `sha256:` come up to 64 digits 0-9a-f", text.escape_debug()))
            };
        }
        if is_id(text) && text.len() == 64 {
            return Ok(ImageName::Id(text.to_owned()));
        }
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let reference: Reference = text.parse()?;
        let spelling = match split_domain(text) {
            Some(_) => Spelling::Qualified,
            None if is_id(text) => Spelling::MaybeId,
            None => Spelling::Short,
        };
        Ok(ImageName::Registry { reference, spelling })
    }
}

/// `DIR[:name]`. As containers-transports(5) has it, the path ends at the first colon.
fn parse_archive(kind: ArchiveKind, place: &str) -> Result<ImageName, String> {
    let (path, name) = match place.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (place, None),
    };
    if path.is_empty() {
        return Err(format!("`{}:` needs a path", kind.transport()));
    }
    if name == Some("") {
        return Err(format!("`{}:{}` ends with a colon but no name", kind.transport(), place.escape_debug()));
    }
    Ok(ImageName::Archive { kind, path: path.into(), name: name.map(str::to_owned) })
}

/// Whether `text` can be an image id or the beginning of one.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageName::Registry { reference, .. } => f.write_str(&reference.familiar()),
            ImageName::Id(hex) => f.write_str(hex),
            ImageName::Archive { kind, path, name } => {
                write!(f, "{}:{}", kind.transport(), path.display())?;
                name.iter().try_for_each(|name| write!(f, ":{name}"))
            }
        }
    }
}

impl Reference {
    /// Registry host and port as typed: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository in the registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, without its colon.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, without its at sign.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and path: `docker.io/library/alpine`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// As Docker prints it: `alpine:latest`, `user/x:1`, `quay.io/a/b@sha256:…`.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_repository(), self.suffix())
    }

    /// The repository as Docker prints it: `alpine`, `user/x`, `quay.io/a/b`.
    pub fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        let path = self.path.strip_prefix(OFFICIAL_NAMESPACE).filter(|rest| !rest.contains('/')).unwrap_or(&self.path);
        // A namespace of one letter case or with a dot would be taken for a domain when typed again.
        // So would `oci` with a tag be taken for an image on disk, and `sha256` or 64 digits for an id.
        let reserved = path == "sha256"
            || (path.len() == 64 && is_id(path))
            || ArchiveKind::ALL.iter().any(|kind| kind.transport() == path);
        if reserved || split_domain(path).is_some() { self.repository() } else { path.to_owned() }
    }

    /// The same repository by digest alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same path, tag and digest in another repository, written `domain/path`.
    ///
    /// # Errors
    /// `repository` is no repository's name; a sentence without a full stop.
    pub fn in_repository(&self, repository: &str) -> Result<Reference, String> {
        format!("{repository}{}", self.suffix()).parse()
    }

    /// What a registry is asked for: the digest where there is one, else the tag.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// `:tag@digest`, each where there is one.
    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, self.suffix())
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

impl TryFrom<String> for Reference {
    type Error = String;
    fn try_from(text: String) -> Result<Reference, String> {
        text.parse()
    }
}

impl FromStr for Reference {
    type Err = String;

    /// Parses and normalises; a name without tag and digest gets `:latest`. The error is a sentence
    /// without a full stop.
    fn from_str(text: &str) -> Result<Reference, String> {
        if text.is_empty() {
            return Err("an image name cannot be empty".into());
        }
        if let Some(odd) = text.chars().find(|letter| !letter.is_ascii_graphic()) {
            return Err(format!(
                "the image name `{}` holds the character `{}`, which no name can have",
                text.escape_debug(),
                odd.escape_debug()
            ));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to the domain's port.
        let (name, tag) = match rest.rfind(':').filter(|&colon| !rest[colon..].contains('/')) {
            Some(colon) => (&rest[..colon], Some(check_tag(&rest[colon + 1..])?)),
            None => (rest, None),
        };
        let (domain, path) = match split_domain(rest).map(|(domain, _)| domain) {
            Some(LEGACY_DEFAULT_DOMAIN) => (DEFAULT_DOMAIN, &name[LEGACY_DEFAULT_DOMAIN.len() + 1..]),
            Some(domain) => (domain, &name[domain.len() + 1..]),
            None => (DEFAULT_DOMAIN, name),
        };
        check_domain(domain)?;
        let implied = if domain == DEFAULT_DOMAIN && !path.contains('/') { OFFICIAL_NAMESPACE } else { "" };
        check_path(path, text)?;
        let path = format!("{implied}{path}");
        if path.len() > MAX_PATH {
            return Err(format!("the image name is {} characters long, over the limit of {MAX_PATH}", path.len()));
        }
        if domain == DEFAULT_DOMAIN && implied == OFFICIAL_NAMESPACE && name.len() == 64 && is_id(name) {
            return Err("64 hexadecimal digits are an image id, not a name".into());
        }
        let tag = match (tag, &digest) {
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Reference { domain: domain.to_owned(), path, tag, digest })
    }
}

/// The domain of a name that has one, and the rest (`splitDockerDomain` of distribution/reference).
fn split_domain(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    let is_domain = first == "localhost"
        || first.contains(['.', ':'])
        // A path cannot have upper case, so this can only be meant as a host.
        || first.bytes().any(|byte| byte.is_ascii_uppercase());
    is_domain.then_some((first, rest))
}

/// `host[:port]`, where host is a DNS name, an IPv4 address or an IPv6 address in brackets.
fn check_domain(domain: &str) -> Result<(), String> {
    let error = || format!("`{}` is no registry: it must be host[:port]", domain.escape_debug());
    let (host, port) = match domain.rfind(':').filter(|&colon| !domain[colon..].contains(']')) {
        Some(colon) => (&domain[..colon], Some(&domain[colon + 1..])),
        None => (domain, None),
    };
    // A port beyond 65535 parses in Docker and fails when it connects; say it now.
    if port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err()) {
        return Err(format!("`{}` is no registry: the port must be a number up to 65535", domain.escape_debug()));
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().map(|_| ()).map_err(|_| error());
    }
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        edge(label.as_bytes().first())
            && edge(label.as_bytes().last())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.split('.').all(label) { Ok(()) } else { Err(error()) }
}

/// Components of `[a-z0-9]` with single separators `.`, `_`, `__` or any number of `-` between.
/// `whole` is what the user typed.
fn check_path(path: &str, whole: &str) -> Result<(), String> {
    let whole = whole.escape_debug();
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("the image name `{whole}` has upper-case letters; names are lower case"));
    }
    if let Some(odd) = path.chars().find(|letter| !matches!(letter, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '/')) {
        return Err(format!(
            "the image name `{whole}` holds the character `{}`, which no name can have",
            odd.escape_debug()
        ));
    }
    if path.split('/').any(str::is_empty) {
        return Err(format!("the image name `{whole}` has an empty part"));
    }
    match path.split('/').find(|component| !is_path_component(component)) {
        Some(component) => Err(format!(
            "the image name `{whole}` has the part `{component}`: separators stand singly between letters or digits"
        )),
        None => Ok(()),
    }
}

fn is_path_component(component: &str) -> bool {
    let is_word = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = component.as_bytes();
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes.split(is_word).all(|separator| {
            matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&byte| byte == b'-')
        })
}

/// `[\w][\w.-]{0,127}`
fn check_tag(tag: &str) -> Result<&str, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if tag.len() > MAX_TAG {
        return Err(format!("the tag is {} characters long, over the limit of {MAX_TAG}", tag.len()));
    }
    let valid = tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if valid {
        Ok(tag)
    } else {
        Err(format!(
            "`{}` is no tag: letters, digits, `_`, `.` and `-`, not starting with `.` or `-`",
            tag.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        for (typed, whole) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("user/x:Tag", "docker.io/user/x:Tag"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("test.com:5000", "docker.io/library/test.com:5000"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("LOCALHOST/x", "LOCALHOST/x:latest"),
            ("host:5000/a/b/c", "host:5000/a/b/c:latest"),
            ("host/a", "docker.io/host/a:latest"),
            ("Host/a", "Host/a:latest"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b"),
            ("[fd00::1]/a", "[fd00::1]/a:latest"),
            ("192.168.0.1/a", "192.168.0.1/a:latest"),
            ("a__b/c---d/e.f_g", "docker.io/a__b/c---d/e.f_g:latest"),
            ("xn--n3h.com/my:x", "xn--n3h.com/my:x"),
        ] {
            assert_eq!(full(typed), whole);
            assert_eq!(full(whole), whole);
        }
        assert_eq!(full(&format!("a@{DIGEST}")), format!("docker.io/library/a@{DIGEST}"));
        assert_eq!(full(&format!("host:5000/a/b:t@{DIGEST}")), format!("host:5000/a/b:t@{DIGEST}"));
    }

    #[test]
    fn bad_names_are_refused_with_what_is_bad() {
        for (typed, word) in [
            ("", "empty"),
            ("Alpine", "upper-case"),
            ("a b", "character ` `"),
            ("a\n", "character `\\n`"),
            ("ünder", "character `ü`"),
            ("a/", "empty part"),
            ("/a", "empty part"),
            ("a//b", "empty part"),
            ("host:5000/", "empty part"),
            ("a..b", "separators"),
            ("a___b", "separators"),
            ("-a", "separators"),
            ("a-", "separators"),
            ("a:", "no tag"),
            ("a:-x", "no tag"),
            ("a:b:c", "character `:`"),
            ("a?b", "character `?`"),
            ("host:port/a", "port"),
            ("host:99999/a", "port"),
            ("-host.com/a", "no registry"),
            ("[::g]/a", "no registry"),
            ("http://host/a", "port"),
            ("a@sha256:12", "64 digits"),
            ("a@md5:12", "md5"),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "image id"),
        ] {
            let error = typed.parse::<Reference>().expect_err(typed);
            assert!(error.contains(word), "{typed:?}: {error}");
        }
        assert!("a".repeat(256).parse::<Reference>().unwrap_err().contains("255"));
        assert!(format!("a:{}", "b".repeat(129)).parse::<Reference>().unwrap_err().contains("128"));
    }

    #[test]
    fn the_familiar_form_is_the_short_one() {
        for (typed, familiar) in [
            ("docker.io/library/alpine:latest", "alpine:latest"),
            ("docker.io/user/x:1", "user/x:1"),
            ("docker.io/library/a/b", "library/a/b:latest"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("docker.io/a.b/c", "docker.io/a.b/c:latest"),
        ] {
            assert_eq!(typed.parse::<Reference>().unwrap().familiar(), familiar);
        }
        // The short form would be an id.
        let digits = &DIGEST[7..];
        let typed = format!("library/{digits}:latest");
        assert_eq!(typed.parse::<Reference>().unwrap().familiar(), format!("docker.io/{typed}"));
    }

    #[test]
    fn image_names_tell_ids_and_places_from_names() {
        let hex = &DIGEST[7..];
        assert_eq!(ImageName::parse(hex), Ok(ImageName::Id(hex.into())));
        assert_eq!(ImageName::parse("sha256:ab12"), Ok(ImageName::Id("ab12".into())));
        assert!(ImageName::parse("sha256:xyz").is_err());
        assert_eq!(
            ImageName::parse("oci:/a/b:name:1"),
            Ok(ImageName::Archive {
                kind: ArchiveKind::OciDirectory,
                path: "/a/b".into(),
                name: Some("name:1".into())
            })
        );
        assert_eq!(
            ImageName::parse("docker-archive:x.tar"),
            Ok(ImageName::Archive { kind: ArchiveKind::DockerArchive, path: "x.tar".into(), name: None })
        );
        assert!(ImageName::parse("oci-archive:").unwrap_err().contains("path"));
        assert!(ImageName::parse("oci:x:").unwrap_err().contains("no name"));
        for (typed, expected) in [
            ("alpine", Spelling::Short),
            ("a/b", Spelling::Short),
            ("cafe", Spelling::MaybeId),
            ("cafe:1", Spelling::Short),
            ("docker.io/alpine", Spelling::Qualified),
            ("docker://quay.io/a", Spelling::Qualified),
            ("docker://alpine", Spelling::Short),
        ] {
            match ImageName::parse(typed).unwrap() {
                ImageName::Registry { spelling, .. } => assert_eq!(spelling, expected, "{typed}"),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Text close to the grammar.
    fn likely() -> impl Strategy<Value = String> {
        "([a-zA-Z0-9.-]{1,8}(:[0-9]{1,5})?/)?[a-z0-9._/-]{1,20}(:[A-Za-z0-9_.-]{1,9})?(@sha256:[0-9a-f]{64})?"
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = ImageName::parse(&text);
        }

        #[test]
        fn whole_and_familiar_forms_mean_the_same(text in likely()) {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
                prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
            }
        }
    }
}
