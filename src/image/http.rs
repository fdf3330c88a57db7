//! HTTP to registries: agents with the right certificates, addresses, redirects, and errors in words.
//!
//! One agent a host and security, because each host may have certificates of its own in certs.d
//! (containers-certs.d(5)). Redirects are followed here and not by ureq: the Authorization header goes
//! to the host it was made for and to no other, and HTTPS does not lead to HTTP.

mod address;
mod certificates;
mod forward;
mod trouble;

use self::address::{authority, parse_url, port_of, redirected};
use self::certificates::{HostCertificates, read_certificates, system_roots};
use self::forward::ForwardConnector;
use self::trouble::describe;
pub(in crate::image) use self::trouble::describe_body;
pub use self::trouble::{Trouble, TroubleKind};
use super::proxy::Proxies;
use super::registries::Security;
use crate::host::dirs::Dirs;
use crate::host::names;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{Method, Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector as _, DefaultConnector, NextTimeout};
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
        let agent = self.make_agent(url, security, self.proxy(url)?)?;
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

    fn make_agent(&self, url: &Uri, security: Security, proxy: Option<Proxy>) -> Result<Agent, Trouble> {
        // Plain HTTP is forwarded by a proxy; through any other, TLS goes by CONNECT, and so does what goes to a proxy by TLS.
        let is_forwarded = |proxy: &Proxy| url.scheme_str() == Some("http") && proxy.protocol() == ProxyProtocol::Http;
        let (forwarding, tunnel) = match proxy {
            Some(proxy) if is_forwarded(&proxy) => (Some(proxy), None),
            other => (None, other),
        };
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
            .tls_config(self.tls(authority(url), security)?)
            .proxy(tunnel)
            .build();
        let connector = DefaultConnector::default();
        Ok(match forwarding {
            Some(proxy) => {
                let resolver = StubResolver { instead: Some((proxy.host().to_owned(), proxy.port())) };
                Agent::with_parts(config, connector.chain(ForwardConnector::new(&proxy)), resolver)
            }
            None => Agent::with_parts(config, connector, StubResolver { instead: None }),
        })
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

/// Addresses by [`names::resolve`]; ureq's own resolver uses the C library.
#[derive(Debug)]
struct StubResolver {
    /// The proxy's host and port, where it is reached in place of the address's own.
    instead: Option<(String, u16)>,
}

impl Resolver for StubResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (host, port) = match &self.instead {
            Some((host, port)) => (host.as_str(), *port),
            None => (uri.host().ok_or(ureq::Error::HostNotFound)?, port_of(uri)),
        };
        let addresses = names::resolve(host, Instant::now() + *timeout.after)
            .map_err(|cause| ureq::Error::Other(Box::new(Trouble::new(TroubleKind::Unreachable, cause))))?;
        let mut result = self.empty();
        for address in addresses.into_iter().take(16) {
            result.push(SocketAddr::new(address, port));
        }
        Ok(result)
    }
}
