//! Who asks: the answer to a registry's challenge (RFC 9110 section 11; distribution's token authentication specification).

use super::refusal::status_text;
use super::{MAX_ANSWER, Repository, Scope};
use crate::image::auth::Credentials;
use crate::image::challenge::{self, Challenge};
use crate::image::http::{Trouble, TroubleKind};
use crate::image::registries::Security;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::sync::PoisonError;
use ureq::Body;
use ureq::http::header::WWW_AUTHENTICATE;
use ureq::http::{HeaderMap, Method, Response};

/// What a token server answers (distribution's token authentication specification).
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Repository {
    pub(super) fn current_authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a 401: gets a new Authorization, unless another thread has just done so.
    pub(super) fn authenticate(&self, headers: &HeaderMap, used: Option<&str>) -> Result<(), Trouble> {
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
