//! What a registry refuses, in words.

use super::{MAX_ANSWER, Repository};
use crate::image::auth::Credentials;
use crate::image::http::{Trouble, TroubleKind};
use serde::Deserialize;
use ureq::Body;
use ureq::http::{Response, StatusCode};

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
    /// A status that is no success, in words.
    pub(super) fn refusal(&self, path: &str, response: Response<Body>) -> Trouble {
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

    pub(super) fn denied(&self, cause: &str) -> Trouble {
        let host = self.endpoint.reference.domain();
        let trouble = self.trouble(TroubleKind::Denied, cause.to_owned());
        match self.credentials {
            Credentials::Anonymous => trouble.hint(format!(
                "if the image exists and is private, log in to {host} first: rr reads what `podman login` and `docker login` keep"
            )),
            _ => trouble.hint(format!("check the credentials kept for {host}, or log in to it again")),
        }
    }

    pub(super) fn wrong(&self, cause: impl Into<String>) -> Trouble {
        self.trouble(TroubleKind::Wrong, cause.into())
    }

    pub(super) fn trouble(&self, kind: TroubleKind, cause: String) -> Trouble {
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
pub(super) fn status_text(status: StatusCode) -> String {
    format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or("")).trim_end().to_owned()
}
