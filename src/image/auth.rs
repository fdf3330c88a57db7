//! Credentials: what `docker login`, `podman login` and credential helpers have left.
//!
//! Files are asked in the order of containers-auth.json(5); in each, the keys from the most specific
//! (`host/namespace/repository`) to the host. A credential helper that is configured for a host is asked
//! instead of the file's own entry for it. Files that do not exist are passed over; a malformed one is
//! an error, since pulling without the credentials it holds would fail in a way hard to understand.

use super::manifest::{null_is_default, parse_object};
use super::reference::DEFAULT_DOMAIN;
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a registry is told to prove who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user name and a password (or an access token in its place).
    Password {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// An OAuth2 refresh token, as `docker login` keeps it for some registries.
    IdentityToken(String),
}

/// Secrets do not go into logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Anonymous => f.write_str("Anonymous"),
            Credentials::Password { user, .. } => write!(f, "Password({user}, …)"),
            Credentials::IdentityToken(_) => f.write_str("IdentityToken(…)"),
        }
    }
}

/// auth.json, config.json of Docker.
#[derive(Default, Deserialize)]
struct File {
    #[serde(default, deserialize_with = "null_is_default")]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers", deserialize_with = "null_is_default")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore", deserialize_with = "null_is_default")]
    store: String,
}

/// One entry of `auths`.
#[derive(Default, Deserialize)]
struct Entry {
    /// base64 of `user:password`
    #[serde(default, deserialize_with = "null_is_default")]
    auth: String,
    #[serde(default, deserialize_with = "null_is_default")]
    username: String,
    #[serde(default, deserialize_with = "null_is_default")]
    password: String,
    #[serde(default, deserialize_with = "null_is_default")]
    identitytoken: String,
}

/// What a helper answers to `get` (docker-credential-helpers' protocol).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// What a helper says, and what Docker's own client compares with, where it knows no credentials.
const HELPER_KNOWS_NONE: &str = "credentials not found";

/// The credentials for `repository` (`host[:port]/path`), from the first file that has any.
///
/// # Errors
/// A file cannot be read or is malformed; a helper fails.
pub fn find(dirs: &Dirs, repository: &str) -> Result<Credentials> {
    find_in(&files(dirs), repository, &ask_helper)
}

/// As [`find`], from `file` only where there is one.
///
/// # Errors
/// As there.
pub fn find_for(dirs: &Dirs, file: Option<&Path>, repository: &str) -> Result<Credentials> {
    file.map_or_else(|| find(dirs, repository), |file| find_in_file(file, repository))
}

/// As [`find`], from one file only.
///
/// # Errors
/// As there.
pub fn find_in_file(file: &Path, repository: &str) -> Result<Credentials> {
    find_in(&[file.to_owned()], repository, &ask_helper)
}

/// The files, in order. `$REGISTRY_AUTH_FILE` is used instead of the others; where `$DOCKER_CONFIG` or `--config` names a
/// directory, `login` has written there, so it comes first.
fn files(dirs: &Dirs) -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![path];
    }
    let home = dirs.home.as_deref();
    let asked = variable("DOCKER_CONFIG");
    let docker = if asked.is_some() { None } else { home.map(|home| home.join(".docker")) };
    [
        asked.map(|asked| asked.join("config.json")),
        dirs.session.as_ref().map(|session| session.join("containers/auth.json")),
        dirs.config.as_ref().map(|config| config.join("containers/auth.json")),
        docker.map(|docker| docker.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type AskHelper<'a> = &'a dyn Fn(&str, &str) -> Result<Option<Credentials>>;

fn find_in(files: &[PathBuf], repository: &str, ask: AskHelper<'_>) -> Result<Credentials> {
    for path in files {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(error).doing(|| format!("cannot read {}", path.display())),
        };
        let doing = || format!("cannot use {}", path.display());
        let file = parse(&text).map_err(|error| Failure::new(doing(), error))?;
        if let Some(found) = file.find(repository, ask).map_err(|failure| failure.while_doing(doing()))? {
            log::debug!("credentials for {repository} from {}: {found:?}", path.display());
            return Ok(found);
        }
    }
    Ok(Credentials::Anonymous)
}

/// Parses one file; an empty one is empty. The error is a sentence without a full stop.
fn parse(text: &[u8]) -> std::result::Result<File, String> {
    if text.trim_ascii().is_empty() {
        return Ok(File::default());
    }
    // The text may quote secrets from the file: say the place, not what is there.
    parse_object(text).map_err(|error| {
        let place = error.rsplit_once(" at ").map(|(_, place)| format!(" (at {place})")).unwrap_or_default();
        format!("it is not valid JSON for credentials{place}")
    })
}

impl File {
    fn find(&self, repository: &str, ask: AskHelper<'_>) -> Result<Option<Credentials>> {
        let host = repository.split('/').next().unwrap_or(repository);
        if let Some((key, helper)) = self.helpers.iter().find(|(key, _)| hosts_match(key, host)) {
            return if helper.is_empty() { Ok(None) } else { ask(helper, key) };
        }
        if let Some((key, entry)) = self.find_entry(repository)
            && let Some(found) = entry.credentials(key).doing(|| "cannot read its credentials")?
        {
            return Ok(Some(found));
        }
        if self.store.is_empty() {
            return Ok(None);
        }
        // The store keeps Docker Hub under the address of its first API.
        let address = if host == DEFAULT_DOMAIN { "https://index.docker.io/v1/" } else { host };
        ask(&self.store, address)
    }

    /// The entry with the most specific key that covers `repository`.
    fn find_entry(&self, repository: &str) -> Option<(&str, &Entry)> {
        let mut key = repository;
        loop {
            if let Some((key, entry)) = self.auths.get_key_value(key) {
                return Some((key, entry));
            }
            match key.rsplit_once('/') {
                Some((parent, _)) => key = parent,
                None => break,
            }
        }
        // Docker writes hosts also as addresses, `https://host/v1/`.
        let by_host = self.auths.iter().find(|(other, _)| hosts_match(other, key));
        by_host.map(|(key, entry)| (key.as_str(), entry))
    }
}

impl Entry {
    /// None where the entry is empty, as a credential store leaves it. The error names the key only.
    fn credentials(&self, key: &str) -> std::result::Result<Option<Credentials>, String> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.username.is_empty() {
            return Ok(Some(Credentials::Password { user: self.username.clone(), password: self.password.clone() }));
        }
        if self.auth.is_empty() {
            return Ok(None);
        }
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(self.auth.trim()).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = text.as_deref().and_then(|text| text.split_once(':'));
        let Some((user, password)) = pair else {
            return Err(format!("`auth` of `{key}` is not base64 of user:password"));
        };
        // Old Dockers padded with zero bytes.
        let password = password.trim_end_matches('\0');
        if user == "00000000-0000-0000-0000-000000000000" && !password.is_empty() {
            // Azure's registry puts an identity token behind this name.
            return Ok(Some(Credentials::IdentityToken(password.to_owned())));
        }
        Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }))
    }
}

/// Whether a key of `auths` or `credHelpers` is the host's: `host`, `https://host`, `https://host/v1/`.
/// Docker Hub has three names.
fn hosts_match(key: &str, host: &str) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let key_host = match bare {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        // Without a scheme, what has a path is of a namespace, not of the whole host.
        None => key,
    };
    let one_name = |host: &str| match host {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_DOMAIN.to_owned(),
        other => other.to_ascii_lowercase(),
    };
    one_name(key_host) == one_name(host)
}

/// Runs `docker-credential-HELPER get`; None where it knows no credentials for the address.
fn ask_helper(helper: &str, address: &str) -> Result<Option<Credentials>> {
    let doing = || format!("cannot ask docker-credential-{helper} for the credentials of {address}");
    match run_helper(helper, "get", address) {
        Ok(Answer::Said(answer)) => parse_answer(&answer).map(Some).map_err(|error| Failure::new(doing(), error)),
        Ok(Answer::KnowsNone) => Ok(None),
        Err(failure) => Err(Failure { doing: doing(), ..failure }),
    }
}

/// What a helper answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// This, on its standard output.
    Said(Vec<u8>),
    /// That it has no credentials for the address.
    KnowsNone,
}

/// Runs `docker-credential-HELPER VERB` with `input` (docker-credential-helpers' protocol).
///
/// # Errors
/// There is no such helper, or it fails.
pub(super) fn run_helper(helper: &str, verb: &str, input: &str) -> Result<Answer> {
    let program = format!("docker-credential-{helper}");
    let doing = || format!("cannot run {program} {verb}");
    if Path::new(helper).components().count() != 1 || helper.contains('/') {
        return Err(Failure::new(doing(), "this is no name of a helper"));
    }
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(doing)?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            // A helper that does not read its input ends by itself; its status tells.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other.doing(doing)?,
        }
    }
    let output = child.wait_with_output().doing(doing)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if said.contains(HELPER_KNOWS_NONE) {
            return Ok(Answer::KnowsNone);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let why = [said.trim(), stderr.trim()].join(" ");
        return Err(Failure::new(doing(), format!("it ended with {}: {}", output.status, why.trim().escape_debug())));
    }
    Ok(Answer::Said(output.stdout))
}

/// The error is a sentence without a full stop, and without what the helper said: it may be a secret.
fn parse_answer(answer: &[u8]) -> std::result::Result<Credentials, String> {
    let answer: HelperAnswer =
        serde_json::from_slice(answer).map_err(|_| "its answer is not the JSON of a user name and a secret")?;
    if answer.username == "<token>" {
        return Ok(Credentials::IdentityToken(answer.secret));
    }
    Ok(Credentials::Password { user: answer.username, password: answer.secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password { user: user.into(), password: password.into() }
    }

    fn auth(user: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(format!("{user}:pass:word")))
    }

    fn find_text(text: &str, repository: &str) -> Result<Credentials> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let ask = |helper: &str, address: &str| match helper {
            "none" => Ok(None),
            _ => Ok(Some(Credentials::IdentityToken(format!("{helper} {address}")))),
        };
        find_in(&["/nowhere/auth.json".into(), file.path().into()], repository, &ask)
    }

    #[test]
    fn the_most_specific_key_wins() {
        let text = format!(
            r#"{{"auths":{{"r.io/a/b":{},"r.io/a":{},"r.io":{},"https://index.docker.io/v1/":{},"https://x.io":{}}}}}"#,
            auth("repo"),
            auth("space"),
            auth("host"),
            auth("hub"),
            auth("x")
        );
        for (repository, user) in [
            ("r.io/a/b", "repo"),
            ("r.io/a/c", "space"),
            ("r.io/ab", "host"),
            ("docker.io/library/alpine", "hub"),
            ("x.io/y", "x"),
        ] {
            assert_eq!(find_text(&text, repository).unwrap(), password(user, "pass:word"), "{repository}");
        }
        assert_eq!(find_text(&text, "other.io/a").unwrap(), Credentials::Anonymous);
    }

    #[test]
    fn all_forms_of_entries_are_read() {
        let entry = |entry: &str| find_text(&format!(r#"{{"auths":{{"r.io":{entry}}}}}"#), "r.io/a").unwrap();
        assert_eq!(entry(r#"{"username":"u","password":"p"}"#), password("u", "p"));
        assert_eq!(entry(r#"{"auth":null,"identitytoken":"t"}"#), Credentials::IdentityToken("t".into()));
        assert_eq!(entry("{}"), Credentials::Anonymous);
        assert_eq!(
            entry(&format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("u:p").trim_end_matches('='))),
            password("u", "p")
        );
        assert_eq!(find_text(r#"{"auths":null,"HttpHeaders":{}}"#, "r.io/a").unwrap(), Credentials::Anonymous);
        assert_eq!(find_text("", "r.io/a").unwrap(), Credentials::Anonymous);
    }

    #[test]
    fn helpers_come_before_entries_and_the_store_after() {
        let text = format!(
            r#"{{"auths":{{"r.io":{},"s.io":{{}}}},"credHelpers":{{"r.io":"own","n.io":"none"}},"credsStore":"store"}}"#,
            auth("host")
        );
        let token = |text: &str| Credentials::IdentityToken(text.into());
        assert_eq!(find_text(&text, "r.io/a").unwrap(), token("own r.io"));
        assert_eq!(find_text(&text, "s.io/a").unwrap(), token("store s.io"));
        assert_eq!(find_text(&text, "docker.io/library/a").unwrap(), token("store https://index.docker.io/v1/"));
        assert_eq!(find_text(&text, "n.io/a").unwrap(), Credentials::Anonymous);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for text in [
            r#"{"auths":{"r.io":{"auth":"secret!"}}}"#,
            &format!(r#"{{"auths":{{"r.io":{{"auth":"{}"}}}}}}"#, STANDARD.encode("secret")),
            r#"{"auths":{"r.io":"secret"}}"#,
            r#"{"auths":{"r.io":{"password":"secret"#,
        ] {
            let error = find_text(text, "r.io/a").unwrap_err().to_string();
            assert!(error.contains("cannot use /") && !error.contains("secret"), "{error}");
        }
        assert!(!format!("{:?}", password("u", "secret")).contains("secret"));
    }

    #[test]
    fn a_helper_is_run_and_its_answers_are_told_apart() {
        assert_eq!(parse_answer(br#"{"Username":"u","Secret":"p"}"#), Ok(password("u", "p")));
        assert_eq!(
            parse_answer(br#"{"ServerURL":"x","Username":"<token>","Secret":"t"}"#),
            Ok(Credentials::IdentityToken("t".into()))
        );
        assert!(!parse_answer(b"hunter2").unwrap_err().contains("hunter2"));
        let error = ask_helper("rr-no-such-helper", "r.io").unwrap_err();
        assert!(error.to_string().contains("ENOENT"), "{error}");
        assert!(ask_helper("../evil", "r.io").unwrap_err().to_string().contains("no name of a helper"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,100}", entry in ".{0,20}") {
            let _ = parse(text.as_bytes());
            let _ = Entry { auth: entry, ..Entry::default() }.credentials("x");
        }
    }
}
