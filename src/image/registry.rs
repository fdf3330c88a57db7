//! One repository of one registry (OCI distribution-spec 1.1, Docker Registry HTTP API V2).
//!
//! A [`Repository`] authenticates when it is asked to, tries again what may pass, and believes nothing:
//! every document is checked against the digest it was asked by, and a blob's reader never yields more
//! bytes than were announced. A blob's reader goes on by itself, by a range request, where the
//! connection broke; whether all bytes together have the right digest is for whoever reads them.

mod authentication;
mod blob;
mod refusal;
mod upload;

pub(super) use self::upload::Uploaded;
use super::auth::Credentials;
use super::digest::Digest;
use super::http::{Agents, RequestBody, Trouble, TroubleKind, describe_body};
use super::manifest::{MAX_MANIFEST, media_type};
use super::registries::{Endpoint, Security};
use std::io::Read;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use ureq::Body;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, Method, Response};

/// Largest answer of a token server, and most of an error's text that is read.
const MAX_ANSWER: u64 = 1 << 20;
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
}

fn accept_manifests() -> Vec<(&'static str, String)> {
    vec![("Accept", media_type::ACCEPTED.join(", "))]
}

/// `Docker-Content-Digest`, where it is one that can be compared.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("Docker-Content-Digest")?.to_str().ok()?.parse().ok()
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

#[cfg(test)]
mod tests;
