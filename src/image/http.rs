//! HTTP to registries: agents with the right certificates, addresses, redirects, and errors in words.
//!
//! One agent a host and security, because each host may have certificates of its own in certs.d
//! (containers-certs.d(5)). Redirects are followed here and not by ureq: the Authorization header goes
//! to the host it was made for and to no other, and HTTPS does not lead to HTTP.

use super::proxy::Proxies;
use super::registries::Security;
use crate::error::{Doing, Failure, IntoCause, errno_text};
use crate::host::dirs::Dirs;
use crate::host::names;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use ureq::http::{Method, Response, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Proxy, ProxyProtocol};

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection, name lookup and TLS included.
    pub connect: Duration,
    /// For the next byte.
    pub silence: Duration,
    /// Tries of one request, or in a row without progress.
    pub tries: u32,
    /// Before the second try; doubles with each.
    pub backoff: Duration,
    /// Longest wait that a registry can ask for with Retry-After.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            tries: 5,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// What kind of trouble there was: decides whether to try again, here or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nobody was reached: unknown host, connection refused, no trust.
    Unreachable,
    /// The same may work in a while.
    Temporary,
    /// The registry does not have it.
    NotFound,
    /// The registry wants to know who asks, or does not like who asks.
    Denied,
    /// What came is not what was asked for.
    Wrong,
}

/// What went wrong between rr and a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What to make of it.
    pub kind: TroubleKind,
    /// In words, the registry's host first.
    pub cause: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Trouble {
    pub(super) fn new(kind: TroubleKind, cause: impl Into<String>) -> Trouble {
        Trouble { kind, cause: cause.into(), hints: Vec::new() }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Trouble {
        self.hints.push(hint.into());
        self
    }

    /// As a failure of `doing`.
    pub(super) fn while_doing(self, doing: impl Into<String>) -> Failure {
        self.hints.into_iter().fold(Failure::new(doing, self.cause), Failure::hint)
    }

    /// The trouble inside an error of a blob's reader.
    pub(super) fn in_error(error: &io::Error) -> Option<&Trouble> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Trouble {}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> io::Error {
        io::Error::other(trouble)
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestBody<'a> {
    /// Nothing.
    None,
    /// These bytes, which may be none: then the request says so.
    Bytes(&'a [u8]),
    /// A part of a file.
    File {
        /// Its own position is not used.
        file: &'a File,
        /// Of the first byte.
        offset: u64,
        /// How many.
        length: u64,
    },
}

/// Bytes a second below which sending a body is given up.
const SLOWEST: u64 = 4 << 10;

/// A part of a file as a reader.
struct FilePart<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl io::Read for FilePart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Most redirects in a row; curl's own default is 50, browsers' 20, registries need one or two.
const MAX_REDIRECTS: usize = 10;

/// Makes and keeps agents. Connections must not be used on both sides of a fork: make a new one there.
#[derive(Debug)]
pub(super) struct Agents {
    patience: Patience,
    certificate_folders: Vec<PathBuf>,
    proxies: Proxies,
    /// By scheme and authority, and whether certificates do not matter.
    agents: Mutex<BTreeMap<(String, bool), Agent>>,
}

/// The host's certificates, read once a process. Agents of a forked process inherit them.
static SYSTEM_ROOTS: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();

impl Agents {
    pub(super) fn new(dirs: &Dirs, patience: Patience) -> Agents {
        // Podman's, rootless Docker's and Docker Desktop's.
        let config = dirs.config.iter().flat_map(|config| ["containers", "docker"].map(|of| config.join(of)));
        let users = config.chain(dirs.home.iter().map(|home| home.join(".docker")));
        let systems = ["/etc/containers", "/etc/docker"].map(PathBuf::from);
        Agents {
            patience,
            certificate_folders: users.chain(systems).map(|folder| folder.join("certs.d")).collect(),
            proxies: Proxies::from_environment(),
            agents: Mutex::new(BTreeMap::new()),
        }
    }

    /// The same settings without any connection.
    pub(super) fn afresh(&self) -> Agents {
        Agents {
            patience: self.patience,
            certificate_folders: self.certificate_folders.clone(),
            proxies: self.proxies.clone(),
            agents: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The agent for a URL's scheme and authority.
    fn agent(&self, url: &Uri, security: Security) -> Result<Agent, Trouble> {
        let host = authority(url);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (format!("{}://{host}", url.scheme_str().unwrap_or_default()), security == Security::Insecure);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.make_agent(host, security, self.proxy(url)?)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    /// The proxy for a URL, if it is asked through one.
    fn proxy(&self, url: &Uri) -> Result<Option<Proxy>, Trouble> {
        let scheme = url.scheme_str().unwrap_or_default();
        let Some((address, variable)) = self.proxies.of(scheme, url.host().unwrap_or_default(), port_of(url)) else {
            return Ok(None);
        };
        // Not what it says: there may be a password in it.
        let wrong = |what: &str| Trouble::new(TroubleKind::Wrong, format!("{}: {variable} {what}", authority(url)));
        let proxy = Proxy::new(address).map_err(|_| wrong("is no address of a proxy"))?;
        match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
            _ => Err(wrong("names a SOCKS proxy, and rr speaks only with HTTP proxies")),
        }
    }

    /// A trouble of `url` in words, with the proxy that it may be about.
    fn describe(&self, url: &Uri, error: ureq::Error) -> Trouble {
        let trouble = describe(authority(url), error, &self.patience);
        match self.proxy(url) {
            Ok(Some(proxy)) if trouble.kind == TroubleKind::Unreachable => trouble.hint(format!(
                "it is asked through the proxy {}:{}, as HTTPS_PROXY or HTTP_PROXY says; hosts in NO_PROXY are not",
                proxy.host(),
                proxy.port()
            )),
            _ => trouble,
        }
    }

    fn make_agent(&self, host: &str, security: Security, proxy: Option<Proxy>) -> Result<Agent, Trouble> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("rr/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(self.patience.connect))
            .timeout_resolve(Some(self.patience.connect))
            .timeout_send_request(Some(self.patience.silence))
            .timeout_send_body(Some(self.patience.silence))
            .timeout_recv_response(Some(self.patience.silence))
            .timeout_per_read(Some(self.patience.silence))
            .input_buffer_size(128 << 10)
            .max_idle_connections_per_host(16)
            .tls_config(self.tls(host, security)?)
            .proxy(proxy)
            .build();
        Ok(Agent::with_parts(config, DefaultConnector::default(), StubResolver))
    }

    fn tls(&self, host: &str, security: Security) -> Result<TlsConfig, Trouble> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .disable_verification(security == Security::Insecure);
        let own =
            self.host_certificates(host).map_err(|failure| Trouble::new(TroubleKind::Wrong, failure.to_string()))?;
        let mut roots = own.authorities;
        if security == Security::Verified {
            roots.extend(SYSTEM_ROOTS.get_or_init(system_roots).iter().cloned());
        }
        // A machine without certificates of its own (a bare container) gets Mozilla's.
        let roots = if roots.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&roots) };
        Ok(builder.root_certs(roots).client_cert(own.client).build())
    }

    /// What certs.d holds for a host; the first folder that has one counts.
    fn host_certificates(&self, host: &str) -> crate::error::Result<HostCertificates> {
        // A host from a redirect is text from outside: it must stay one name.
        if host.contains('/') || host.starts_with('.') {
            return Ok(HostCertificates::default());
        }
        match self.certificate_folders.iter().map(|folder| folder.join(host)).find(|folder| folder.is_dir()) {
            Some(folder) => read_certificates(&folder),
            None => Ok(HostCertificates::default()),
        }
    }

    /// One request without a body, redirects followed. `authorization` goes to the host of `url` only.
    pub(super) fn exchange(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, String)],
        authorization: Option<&str>,
        security: Security,
    ) -> Result<Response<Body>, Trouble> {
        self.exchange_body(method, url, headers, RequestBody::None, authorization, security)
    }

    /// One request, redirects followed: each gets the body again.
    pub(super) fn exchange_body(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, String)],
        body: RequestBody<'_>,
        authorization: Option<&str>,
        security: Security,
    ) -> Result<Response<Body>, Trouble> {
        let first = parse_url(url)?;
        let mut at = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let own = at.authority() == first.authority() && at.scheme() == first.scheme();
            let response = self.send(method, &at, headers, body, authorization.filter(|_| own), security)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            at = redirected(&at, response.headers(), security)?;
        }
        let host = first.host().unwrap_or_default();
        Err(Trouble::new(TroubleKind::Wrong, format!("{host}: more than {MAX_REDIRECTS} redirects in a row")))
    }

    fn send(
        &self,
        method: &Method,
        url: &Uri,
        headers: &[(&str, String)],
        body: RequestBody<'_>,
        authorization: Option<&str>,
        security: Security,
    ) -> Result<Response<Body>, Trouble> {
        let host = authority(url);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        let wrong = |error: ureq::http::Error| Trouble::new(TroubleKind::Wrong, format!("{host}: {error}"));
        log::debug!("{method} {url}");
        let agent = self.agent(url, security)?;
        let result = match body {
            RequestBody::None => agent.run(request.body(()).map_err(wrong)?),
            RequestBody::Bytes(bytes) => agent.run(request.body(bytes).map_err(wrong)?),
            RequestBody::File { file, offset, length } => {
                let mut part = FilePart { file, offset, left: length };
                let body = ureq::SendBody::from_reader(&mut part);
                let request = request.header(CONTENT_LENGTH, length).body(body).map_err(wrong)?;
                // The time for a body is for the whole of it, and a layer's may be long.
                let limit = self.patience.silence + Duration::from_secs(length / SLOWEST);
                agent.run(agent.configure_request(request).timeout_send_body(Some(limit)).build())
            }
        };
        let response = result.map_err(|error| self.describe(url, error))?;
        log::debug!("{method} {url}: {}", response.status());
        Ok(response)
    }

    /// A form's POST, not redirected: it carries a secret.
    pub(super) fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        security: Security,
    ) -> Result<Response<Body>, Trouble> {
        let uri = parse_url(url)?;
        let agent = self.agent(&uri, security)?;
        agent.post(&uri).send_form(fields.iter().copied()).map_err(|error| self.describe(&uri, error))
    }
}

/// An address for HTTP; `user@host` is refused, as no registry needs it.
fn parse_url(url: &str) -> Result<Uri, Trouble> {
    let uri: Option<Uri> = url.parse().ok();
    let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = |uri: &Uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    uri.filter(|uri| is_http(uri) && has_host(uri)).ok_or_else(|| {
        Trouble::new(TroubleKind::Wrong, format!("`{}` is no address of a registry", url.escape_debug()))
    })
}

/// `host[:port]`
fn authority(url: &Uri) -> &str {
    url.authority().map(|authority| authority.as_str()).unwrap_or_default()
}

fn port_of(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Where a redirect from `from` leads (RFC 9110 section 10.2.2).
fn redirected(from: &Uri, headers: &HeaderMap, security: Security) -> Result<Uri, Trouble> {
    let host = from.host().unwrap_or_default();
    let wrong = |what: String| Trouble::new(TroubleKind::Wrong, format!("{host}: {what}"));
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| wrong("a redirect without a readable Location".into()))?;
    let to = parse_url(&join(from, location)).map_err(|trouble| wrong(format!("a redirect: {trouble}")))?;
    if from.scheme_str() == Some("https") && to.scheme_str() == Some("http") && security == Security::Verified {
        return Err(wrong("a redirect from HTTPS to plain HTTP, which only an insecure registry may do".into()));
    }
    Ok(to)
}

/// `location` as seen from `from` (RFC 3986 section 5.2, without `..`, which servers resolve).
fn join(from: &Uri, location: &str) -> String {
    let scheme = from.scheme_str().unwrap_or("https");
    let authority = from.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let location = location.split('#').next().unwrap_or(location);
    if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    }
}

/// Addresses by [`names::resolve`]; ureq's own resolver uses the C library.
#[derive(Debug)]
struct StubResolver;

impl Resolver for StubResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = port_of(uri);
        let addresses = names::resolve(host, Instant::now() + *timeout.after)
            .map_err(|cause| ureq::Error::Other(Box::new(Trouble::new(TroubleKind::Unreachable, cause))))?;
        let mut result = self.empty();
        for address in addresses.into_iter().take(16) {
            result.push(SocketAddr::new(address, port));
        }
        Ok(result)
    }
}

/// What ureq met, in words.
fn describe(host: &str, error: ureq::Error, patience: &Patience) -> Trouble {
    use ureq::Timeout;
    let seconds = |duration: Duration| duration.as_secs_f32();
    let trouble = |kind, what: String| Trouble::new(kind, format!("{host}: {what}"));
    match error {
        ureq::Error::Io(error) => describe_io(host, error),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            trouble(TroubleKind::Unreachable, format!("no connection within {} seconds", seconds(patience.connect)))
        }
        ureq::Error::Timeout(_) => {
            trouble(TroubleKind::Temporary, format!("nothing came for {} seconds", seconds(patience.silence)))
        }
        ureq::Error::HostNotFound => trouble(TroubleKind::Unreachable, "unknown host".into()),
        ureq::Error::Other(other) => match other.downcast::<Trouble>() {
            Ok(inner) => trouble(inner.kind, inner.cause),
            Err(other) => trouble(TroubleKind::Temporary, other.to_string()),
        },
        ureq::Error::ConnectProxyFailed(what) => {
            trouble(TroubleKind::Unreachable, format!("the proxy does not lead there: {what}"))
        }
        ureq::Error::Rustls(error) => describe_tls(host, &error),
        ureq::Error::Tls(what) => trouble(TroubleKind::Unreachable, format!("no TLS: {what}")),
        ureq::Error::Protocol(error) => {
            trouble(TroubleKind::Wrong, format!("it does not speak HTTP as it should: {error}"))
        }
        other => trouble(TroubleKind::Wrong, other.to_string()),
    }
}

fn describe_io(host: &str, error: io::Error) -> Trouble {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return describe_tls(host, tls);
    }
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => TroubleKind::Unreachable,
        _ => TroubleKind::Temporary,
    };
    let cause = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was closed in the middle".to_owned(),
        // ureq makes errors of these kinds without a number.
        io::ErrorKind::ConnectionRefused => errno_text(libc::ECONNREFUSED),
        _ => error.into_cause(),
    };
    Trouble::new(kind, format!("{host}: {cause}"))
}

fn describe_tls(host: &str, error: &rustls::Error) -> Trouble {
    let unreachable = |what: String| Trouble::new(TroubleKind::Unreachable, format!("{host}: {what}"));
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            unreachable("its certificate is of an issuer this machine does not trust (TLS)".into())
                .hint(format!("put the issuer's certificate into ~/.config/containers/certs.d/{host}/ca.crt"))
        }
        rustls::Error::InvalidCertificate(_) => unreachable(format!("its certificate is not valid (TLS): {error}")),
        rustls::Error::InvalidMessage(_) => unreachable("it does not speak TLS".into()),
        other => unreachable(format!("no TLS: {other}")),
    }
}

/// The error of reading a body, in words.
pub(super) fn describe_body(host: &str, error: io::Error, patience: &Patience) -> Trouble {
    describe(host, ureq::Error::from(error), patience)
}

/// Certificates of one host.
#[derive(Default)]
struct HostCertificates {
    authorities: Vec<Certificate<'static>>,
    client: Option<ClientCert>,
}

/// Reads a folder of certs.d: `*.crt` are authorities, `NAME.cert` with `NAME.key` is the client's.
fn read_certificates(folder: &Path) -> crate::error::Result<HostCertificates> {
    let doing = || format!("cannot read {}", folder.display());
    let mut found = HostCertificates::default();
    for entry in std::fs::read_dir(folder).doing(doing)? {
        let path = entry.doing(doing)?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(read_pem(&path)?.0),
            Some("cert") => {
                let (chain, _) = read_pem(&path)?;
                let key_path = path.with_extension("key");
                let (_, key) = read_pem(&key_path)?;
                let key = key.ok_or_else(|| {
                    Failure::new(format!("cannot use {}", key_path.display()), "it holds no private key")
                })?;
                found.client = Some(ClientCert::new_with_certs(&chain, key));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The certificates and the private key in a PEM file.
fn read_pem(path: &Path) -> crate::error::Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let text = std::fs::read(path).doing(|| format!("cannot read {}", path.display()))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| Failure::new(format!("cannot use {}", path.display()), error))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(own) => key = Some(own),
            _ => {}
        }
    }
    Ok((certificates, key))
}

/// The machine's authorities. Those that cannot be read are passed over, as every TLS client does.
fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::debug!("system certificates: {error}");
    }
    found.certs.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined() {
        let from: Uri = "https://a.io:5000/v2/x/blobs/1?q".parse().unwrap();
        for (location, expected) in [
            ("https://b.io/y?z#f", "https://b.io/y?z"),
            ("//b.io/y", "https://b.io/y"),
            ("/y", "https://a.io:5000/y"),
            ("y", "https://a.io:5000/v2/x/blobs/y"),
            ("?y", "https://a.io:5000/v2/x/blobs/1?y"),
        ] {
            assert_eq!(join(&from, location), expected);
        }
    }

    #[test]
    fn unsafe_redirects_are_refused() {
        let from: Uri = "https://a.io/x".parse().unwrap();
        let to = |location: &'static str, security| {
            let headers: HeaderMap = [(LOCATION, location.parse().unwrap())].into_iter().collect();
            redirected(&from, &headers, security).map_err(|trouble| trouble.cause)
        };
        assert!(to("http://a.io/x", Security::Verified).unwrap_err().contains("plain HTTP"));
        assert!(to("http://a.io/x", Security::Insecure).is_ok());
        assert!(to("file:///etc/passwd", Security::Insecure).unwrap_err().contains("no address"));
        assert!(to("https://user:pw@a.io/", Security::Verified).unwrap_err().contains("no address"));
        assert!(redirected(&from, &HeaderMap::new(), Security::Verified).unwrap_err().cause.contains("Location"));
    }

    #[test]
    fn certificates_are_read_and_mistakes_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), "").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not PEM").unwrap();
        assert!(read_certificates(folder.path()).unwrap().authorities.is_empty());
        std::fs::write(folder.path().join("client.cert"), "").unwrap();
        let error = read_certificates(folder.path()).err().unwrap();
        assert!(error.to_string().contains("client.key: "), "{error}");
    }
}
