//! One repository of one registry (OCI distribution-spec 1.1, Docker Registry HTTP API V2).
//!
//! A [`Repository`] authenticates when it is asked to, tries again what may pass, and believes nothing:
//! every document is checked against the digest it was asked by, and a blob's reader never yields more
//! bytes than were announced. A blob's reader goes on by itself, by a range request, where the
//! connection broke; whether all bytes together have the right digest is for whoever reads them.

use super::auth::Credentials;
use super::challenge::{self, Challenge};
use super::digest::Digest;
use super::http::{Agents, RequestBody, Trouble, TroubleKind, describe_body};
use super::manifest::{MAX_MANIFEST, media_type};
use super::registries::{Endpoint, Security};
use super::transfer::BlobSource;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::io::{self, Read};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, Method, Response, StatusCode};
use ureq::{Body, BodyReader};

/// Largest answer of a token server, and most of an error's text that is read.
const MAX_ANSWER: u64 = 1 << 20;
/// Bytes that must have come for a broken connection to count as the first one again.
const PROGRESS: u64 = 1 << 20;
/// A token is asked for anew this many times for one request: the first, and one for an expired one.
const MAX_CHALLENGES: u32 = 2;

/// A repository at an endpoint.
#[derive(Debug)]
pub(super) struct Repository {
    endpoint: Endpoint,
    credentials: Credentials,
    agents: Agents,
    /// `https` or `http`, once one of them has answered.
    scheme: OnceLock<&'static str>,
    /// The Authorization header that was last good.
    authorization: Mutex<Option<String>>,
    /// What it is for.
    scope: Scope,
}

/// What a token is asked for, where the registry does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Reading the repository.
    Pull,
    /// Reading and writing it.
    Push,
    /// Nothing but to be known.
    Login,
}

/// Whether a request that met temporary trouble is tried again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// A manifest or index as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The document.
    pub(super) bytes: Vec<u8>,
    /// Its digest, verified.
    pub(super) digest: Digest,
    /// The Content-Type it came with.
    pub(super) content_type: Option<String>,
}

/// What a token server answers (distribution's token authentication specification).
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a registry says about an error.
#[derive(Deserialize)]
struct ErrorAnswer {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Repository {
    pub(super) fn new(endpoint: Endpoint, credentials: Credentials, agents: Agents) -> Repository {
        Repository {
            endpoint,
            credentials,
            agents,
            scheme: OnceLock::new(),
            authorization: Mutex::new(None),
            scope: Scope::Pull,
        }
    }

    /// The same for another purpose than pulling.
    #[must_use]
    pub(super) fn with_scope(self, scope: Scope) -> Repository {
        Repository { scope, ..self }
    }

    /// The same repository with what was learned about it, but no connection: for after a fork.
    pub(super) fn afresh(&self) -> Repository {
        Repository {
            endpoint: self.endpoint.clone(),
            credentials: self.credentials.clone(),
            agents: self.agents.afresh(),
            scheme: self.scheme.clone(),
            authorization: Mutex::new(self.current_authorization()),
            scope: self.scope,
        }
    }

    /// Where it is.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The digest of what `identifier` (a tag or a digest) names now; None where the registry does not say.
    pub(super) fn manifest_digest(&self, identifier: &str) -> Result<Option<Digest>, Trouble> {
        let response = self.request(&Method::HEAD, &format!("manifests/{identifier}"), &accept_manifests())?;
        Ok(announced_digest(response.headers()))
    }

    /// The manifest or index `identifier` names.
    pub(super) fn manifest(&self, identifier: &str) -> Result<Fetched, Trouble> {
        let (bytes, headers) = self.small(&format!("manifests/{identifier}"), &accept_manifests(), MAX_MANIFEST)?;
        let digest = Digest::of(&bytes);
        let asked = identifier.parse().ok();
        if let Some(wanted) = asked.or_else(|| announced_digest(&headers)).filter(|wanted| *wanted != digest) {
            return Err(self.wrong(format!("the manifest has the digest {digest} instead of {wanted}")));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Fetched { bytes, digest, content_type })
    }

    /// A small blob, whole and verified.
    pub(super) fn small_blob(&self, digest: &Digest, size: u64, limit: u64) -> Result<Vec<u8>, Trouble> {
        if size > limit {
            return Err(self.wrong(format!("blob {digest} is to have {size} bytes, over the limit of {limit}")));
        }
        let mut bytes = Vec::new();
        self.blob(digest, size, 0).read_to_end(&mut bytes).map_err(|error| match Trouble::in_error(&error) {
            Some(trouble) => trouble.clone(),
            None => self.wrong(error.to_string()),
        })?;
        if Digest::of(&bytes) != *digest {
            return Err(self.wrong(format!("blob {digest} has other content: its digest is {}", Digest::of(&bytes))));
        }
        Ok(bytes)
    }

    /// The bytes of a blob of `size` bytes from `offset` on. Nothing is asked before the first read. The
    /// reader's errors carry a [`Trouble`].
    pub(super) fn blob(&self, digest: &Digest, size: u64, offset: u64) -> BlobReader<'_> {
        BlobReader {
            repository: self,
            digest: *digest,
            size,
            offset,
            body: None,
            failures: 0,
            failed_at: 0,
            ended: false,
        }
    }

    /// A whole answer of at most `limit` bytes; a broken connection is tried again.
    fn small(&self, path: &str, headers: &[(&str, String)], limit: u64) -> Result<(Vec<u8>, HeaderMap), Trouble> {
        let mut tries = 0;
        loop {
            let response = self.request(&Method::GET, path, headers)?;
            let (parts, body) = response.into_parts();
            match self.read_limited(body, limit) {
                Ok(bytes) => return Ok((bytes, parts.headers)),
                Err(trouble) if trouble.kind == TroubleKind::Temporary => self.wait(&mut tries, None, trouble)?,
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn read_limited(&self, body: Body, limit: u64) -> Result<Vec<u8>, Trouble> {
        if body.content_length().is_some_and(|length| length > limit) {
            return Err(self.wrong(format!("the answer is over the limit of {limit} bytes")));
        }
        let mut bytes = Vec::new();
        let mut reader = body.into_reader().take(limit + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| describe_body(self.endpoint.host(), error, self.agents.patience()))?;
        if bytes.len() as u64 > limit {
            return Err(self.wrong(format!("the answer is over the limit of {limit} bytes")));
        }
        Ok(bytes)
    }

    /// A request for something below the repository, until it succeeds or cannot. A `path` that begins with a slash
    /// is one of the registry, and it may be a whole address.
    fn request(&self, method: &Method, path: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Trouble> {
        self.request_body(method, path, headers, RequestBody::None, Again::Yes)
    }

    /// As [`Repository::request`], with a body.
    fn request_body(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: RequestBody<'_>,
        again: Again,
    ) -> Result<Response<Body>, Trouble> {
        let (mut tries, mut challenges) = (0, 0);
        loop {
            let used = self.current_authorization();
            let response = match self.exchange(method, path, headers, body, used.as_deref()) {
                Ok(response) => response,
                Err(trouble) if trouble.kind == TroubleKind::Temporary && again == Again::Yes => {
                    self.wait(&mut tries, None, trouble)?;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            match response.status().as_u16() {
                200..=299 => return Ok(response),
                401 if challenges < MAX_CHALLENGES => {
                    match self.authenticate(response.headers(), used.as_deref()) {
                        Ok(()) => challenges += 1,
                        // Its token server's: the same may work in a while.
                        Err(trouble) if trouble.kind == TroubleKind::Temporary => {
                            self.wait(&mut tries, None, trouble)?;
                        }
                        Err(trouble) => return Err(trouble),
                    }
                }
                408 | 429 | 500 | 502..=504 if again == Again::Yes => {
                    let retry_after = retry_after(response.headers(), jiff::Timestamp::now());
                    let trouble = self.refusal(path, response);
                    self.wait(&mut tries, retry_after, trouble)?;
                }
                _ => return Err(self.refusal(path, response)),
            }
        }
    }

    /// One exchange by the scheme that works. Where HTTP is allowed, HTTPS is still tried first.
    fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: RequestBody<'_>,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, Trouble> {
        let security = self.endpoint.security;
        let by = |scheme: &str| {
            let url = self.url(scheme, path);
            let own = url.starts_with(&format!("{scheme}://{}/", self.endpoint.host()));
            self.agents.exchange_body(method, &url, headers, body, authorization.filter(|_| own), security)
        };
        if let Some(scheme) = self.scheme.get() {
            return by(scheme);
        }
        let secure = by("https");
        let result = match (&secure, security) {
            (Ok(_), _) | (Err(_), Security::Verified) => secure.inspect(|_| _ = self.scheme.set("https")),
            (Err(first), Security::Insecure) => {
                log::debug!("not by HTTPS: {first}");
                by("http").inspect(|_| _ = self.scheme.set("http"))
            }
        };
        result.map_err(|trouble| match (trouble.kind, security) {
            (TroubleKind::Unreachable, Security::Verified) if trouble.cause.ends_with("it does not speak TLS") => trouble
                .hint(format!(
                    "if plain HTTP is meant, say so in ~/.config/containers/registries.conf: [[registry]] location = \"{}\" insecure = true",
                    self.endpoint.reference.domain()
                )),
            _ => trouble,
        })
    }

    /// The address of `path`; see [`Repository::request`].
    fn url(&self, scheme: &str, path: &str) -> String {
        let host = self.endpoint.host();
        if let Some((typed, rest)) = path.split_once("://") {
            // A registry behind a proxy that does its TLS may not know of it: its own addresses stay as they were
            // reached first.
            let own = rest.strip_prefix(host).is_some_and(|rest| rest.starts_with('/'));
            return if own { format!("{scheme}://{rest}") } else { format!("{typed}://{rest}") };
        }
        match path.starts_with('/') {
            true => format!("{scheme}://{host}{path}"),
            false => format!("{scheme}://{host}/v2/{}/{path}", self.endpoint.reference.path()),
        }
    }

    /// Whether the registry takes the credentials (distribution-spec "Determining Support").
    pub(super) fn check(&self) -> Result<(), Trouble> {
        self.request(&Method::GET, "/v2/", &[]).map(|_| ())
    }

    /// Waits before another try, or gives up.
    fn wait(&self, tries: &mut u32, asked: Option<Duration>, trouble: Trouble) -> Result<(), Trouble> {
        let patience = self.agents.patience();
        *tries += 1;
        if *tries >= patience.tries {
            return Err(Trouble { cause: format!("{} (tried {tries} times)", trouble.cause), ..trouble });
        }
        let backoff = patience.backoff * 2_u32.saturating_pow(*tries - 1);
        let wait = asked.unwrap_or(backoff);
        if wait > patience.longest_wait {
            let seconds = wait.as_secs();
            return Err(Trouble { cause: format!("{} (it asks to wait {seconds} seconds)", trouble.cause), ..trouble });
        }
        log::info!("{trouble}; trying again in {} ms", wait.as_millis());
        std::thread::sleep(wait);
        Ok(())
    }

    fn current_authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a 401: gets a new Authorization, unless another thread has just done so.
    fn authenticate(&self, headers: &HeaderMap, used: Option<&str>) -> Result<(), Trouble> {
        let mut current = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_deref() != used {
            return Ok(());
        }
        let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = lines.flat_map(challenge::parse).collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let authorization = match (of("bearer"), of("basic"), &self.credentials) {
            (Some(bearer), _, _) => format!("Bearer {}", self.fetch_token(bearer)?),
            (None, Some(_), Credentials::Password { user, password }) => basic(user, password),
            (None, Some(_), _) => return Err(self.denied("it wants a user name and a password")),
            (None, None, _) => return Err(self.denied("it refuses access and does not say how to get it")),
        };
        if Some(authorization.as_str()) == used {
            return Err(self.denied("it does not accept the user name and password"));
        }
        *current = Some(authorization);
        Ok(())
    }

    /// A token by the challenge, with the credentials there are.
    fn fetch_token(&self, challenge: &Challenge) -> Result<String, Trouble> {
        let realm = challenge.parameter("realm").ok_or_else(|| self.wrong("it names no token server"))?;
        let secure = realm.starts_with("https://") || self.endpoint.security == Security::Insecure;
        if !secure {
            return Err(self.wrong(format!("its token server `{}` is not HTTPS", realm.escape_debug())));
        }
        let path = self.endpoint.reference.path();
        let own_scope = match self.scope {
            Scope::Pull => format!("repository:{path}:pull"),
            Scope::Push => format!("repository:{path}:pull,push"),
            Scope::Login => String::new(),
        };
        let scope = challenge.parameter("scope").unwrap_or(&own_scope);
        let service = challenge.parameter("service").unwrap_or("");
        let response = match &self.credentials {
            Credentials::IdentityToken(token) => self.agents.post_form(
                realm,
                &[
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("client_id", "rr"),
                    ("scope", scope),
                    ("refresh_token", token),
                ],
                self.endpoint.security,
            )?,
            Credentials::Password { user, password } => {
                let url = token_url(realm, service, scope, Some(user));
                self.agents.exchange(&Method::GET, &url, &[], Some(&basic(user, password)), self.endpoint.security)?
            }
            Credentials::Anonymous => {
                let url = token_url(realm, service, scope, None);
                self.agents.exchange(&Method::GET, &url, &[], None, self.endpoint.security)?
            }
        };
        self.read_token(response)
    }

    fn read_token(&self, response: Response<Body>) -> Result<String, Trouble> {
        let status = response.status();
        if matches!(status.as_u16(), 400 | 401 | 403) {
            return Err(self.denied("its token server does not accept who asks"));
        }
        if !status.is_success() {
            let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            let kind = if passes { TroubleKind::Temporary } else { TroubleKind::Wrong };
            return Err(self.trouble(kind, format!("its token server answers {}", status_text(status))));
        }
        let bytes = self.read_limited(response.into_body(), MAX_ANSWER)?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&bytes).ok();
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        let is_header = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        token.filter(is_header).ok_or_else(|| self.wrong("its token server's answer holds no token"))
    }

    /// A status that is no success, in words.
    fn refusal(&self, path: &str, response: Response<Body>) -> Trouble {
        let status = response.status();
        // What the registry says about it is a help, no more; it need not be readable.
        let said = self.read_limited(response.into_body(), MAX_ANSWER).ok();
        let answer: Option<ErrorAnswer> = said.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let first = answer.and_then(|answer| answer.errors.into_iter().next());
        let said = first.as_ref().map(said_text).unwrap_or_default();
        match status.as_u16() {
            404 => self.trouble(TroubleKind::NotFound, self.not_found(path, first.as_ref())),
            401 | 403 => self.denied(&format!("access is denied: it answers {}{said}", status_text(status))),
            408 | 429 | 500..=599 => {
                self.trouble(TroubleKind::Temporary, format!("it answers {}{said}", status_text(status)))
            }
            _ => self.wrong(format!("it answers {}{said}", status_text(status))),
        }
    }

    fn not_found(&self, path: &str, error: Option<&ErrorEntry>) -> String {
        let repository = self.endpoint.reference.path();
        match path.split_once('/') {
            _ if error.is_some_and(|error| error.code == "NAME_UNKNOWN") => {
                format!("it has no repository {repository}")
            }
            Some(("manifests", tag)) if !tag.contains(':') => {
                format!("it has no image {repository} with the tag {tag}")
            }
            Some(("manifests", digest)) => format!("it has no image {repository} with the digest {digest}"),
            Some((_, digest)) => format!("it has no blob {digest} in {repository}"),
            None => format!("it has no {path} in {repository}"),
        }
    }

    fn denied(&self, cause: &str) -> Trouble {
        let host = self.endpoint.reference.domain();
        let trouble = self.trouble(TroubleKind::Denied, cause.to_owned());
        match self.credentials {
            Credentials::Anonymous => trouble.hint(format!(
                "if the image exists and is private, log in to {host} first: rr reads what `podman login` and `docker login` keep"
            )),
            _ => trouble.hint(format!("check the credentials kept for {host}, or log in to it again")),
        }
    }

    fn wrong(&self, cause: impl Into<String>) -> Trouble {
        self.trouble(TroubleKind::Wrong, cause.into())
    }

    fn trouble(&self, kind: TroubleKind, cause: String) -> Trouble {
        Trouble::new(kind, format!("{}: {cause}", self.endpoint.host()))
    }
}

fn said_text(error: &ErrorEntry) -> String {
    let text = if error.message.is_empty() { &error.code } else { &error.message };
    // It comes from outside: one line, and not a long one.
    let line: String = text.chars().take(200).collect();
    if line.is_empty() { line } else { format!(" ({})", line.escape_debug()) }
}

/// `404 Not Found`
fn status_text(status: StatusCode) -> String {
    format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or("")).trim_end().to_owned()
}

fn accept_manifests() -> Vec<(&'static str, String)> {
    vec![("Accept", media_type::ACCEPTED.join(", "))]
}

/// `Docker-Content-Digest`, where it is one that can be compared.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("Docker-Content-Digest")?.to_str().ok()?.parse().ok()
}

/// RFC 7617
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The token server's address with its query; what the realm itself has of one stays.
fn token_url(realm: &str, service: &str, scope: &str, account: Option<&str>) -> String {
    let mut url = realm.to_owned();
    let mut separator = if realm.contains('?') { '&' } else { '?' };
    // A scope a parameter: a challenge may name several, as for a blob of another repository.
    let scopes = scope.split_whitespace().map(|scope| ("scope", Some(scope)));
    for (name, value) in std::iter::once(("service", Some(service))).chain(scopes).chain([("account", account)]) {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        url.push(separator);
        url.push_str(name);
        url.push('=');
        percent_encode(value, &mut url);
        separator = '&';
    }
    url
}

/// RFC 3986: everything but the unreserved characters, and `:` and `/`, which a query may hold and
/// scopes are made of.
fn percent_encode(value: &str, url: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => url.push(byte.into()),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// The wait that Retry-After asks for, in seconds or until a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // One that is over asks for no wait.
    Some(date.duration_since(now).try_into().unwrap_or_default())
}

/// Reads a blob and goes on where the connection broke.
pub(super) struct BlobReader<'a> {
    repository: &'a Repository,
    digest: Digest,
    size: u64,
    /// Of the next byte.
    offset: u64,
    body: Option<BodyReader<'static>>,
    /// Without [`PROGRESS`] in between.
    failures: u32,
    /// Where the last failure was.
    failed_at: u64,
    /// All bytes came, and nothing after them.
    ended: bool,
}

impl BlobReader<'_> {
    /// Asks for the bytes from `offset` on.
    fn open(&mut self) -> Result<BodyReader<'static>, Trouble> {
        let path = format!("blobs/{}", self.digest);
        let range = format!("bytes={}-", self.offset);
        let headers: &[(&str, String)] = if self.offset > 0 { &[("Range", range)] } else { &[] };
        let response = self.repository.request(&Method::GET, &path, headers)?;
        let from = if response.status() == StatusCode::PARTIAL_CONTENT {
            let from = range_start(response.headers());
            if from != Some(self.offset) {
                return Err(self.repository.wrong(format!("blob {}: it sends another range than asked", self.digest)));
            }
            self.offset
        } else {
            0
        };
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length != self.size - from) {
            let whole = length + from;
            return Err(self.repository.wrong(format!(
                "blob {} is {whole} bytes long there, and the manifest says {}",
                self.digest, self.size
            )));
        }
        let mut body = response.into_body().into_reader();
        // A registry without ranges starts over; what is known already is passed over.
        let known = self.offset - from;
        let skipped =
            io::copy(&mut body.by_ref().take(known), &mut io::sink()).map_err(|error| self.describe(error))?;
        if skipped < known {
            return Err(self.cut_off());
        }
        Ok(body)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        if self.body.is_none() {
            self.body = Some(self.open()?);
        }
        let Some(body) = &mut self.body else { return Ok(0) };
        let left = self.size - self.offset;
        // One byte more than is left is asked for, to see an end that does not come.
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)).max(1);
        let count = match body.read(&mut buffer[..wanted]) {
            Ok(count) => count as u64,
            Err(error) => return Err(self.describe(error)),
        };
        match count {
            0 if left == 0 => self.ended = true,
            0 => return Err(self.cut_off()),
            _ if left == 0 => {
                return Err(self.repository.wrong(format!(
                    "blob {} does not end after the {} bytes the manifest says",
                    self.digest, self.size
                )));
            }
            _ => {}
        }
        self.offset += count;
        Ok(count as usize)
    }

    fn describe(&self, error: io::Error) -> Trouble {
        describe_body(self.repository.endpoint.host(), error, self.repository.agents.patience())
    }

    fn cut_off(&self) -> Trouble {
        self.repository.trouble(
            TroubleKind::Temporary,
            format!("blob {} ends after {} of {} bytes", self.digest, self.offset, self.size),
        )
    }
}

impl BlobSource for Repository {
    fn open(&self, digest: &Digest, size: u64, offset: u64) -> Result<Box<dyn Read + Send + '_>, Trouble> {
        Ok(Box::new(self.blob(digest, size, offset)))
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.read_some(buffer) {
                Ok(count) => {
                    if self.offset - self.failed_at >= PROGRESS {
                        self.failures = 0;
                    }
                    return Ok(count);
                }
                Err(trouble) if trouble.kind == TroubleKind::Temporary => {
                    self.body = None;
                    self.failed_at = self.offset;
                    self.repository.wait(&mut self.failures, None, trouble)?;
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }
}

/// Where the bytes of a 206 start: `bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

mod upload;

pub(super) use upload::Uploaded;

#[cfg(test)]
mod tests;
