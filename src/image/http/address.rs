//! Addresses of registries, and where redirects lead.

use super::{Trouble, TroubleKind};
use crate::image::registries::Security;
use ureq::http::Uri;
use ureq::http::header::{HeaderMap, LOCATION};

/// An address for HTTP; `user@host` is refused, as no registry needs it.
pub(super) fn parse_url(url: &str) -> Result<Uri, Trouble> {
    let uri: Option<Uri> = url.parse().ok();
    let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = |uri: &Uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    uri.filter(|uri| is_http(uri) && has_host(uri)).ok_or_else(|| {
        Trouble::new(TroubleKind::Wrong, format!("`{}` is no address of a registry", url.escape_debug()))
    })
}

/// `host[:port]`
pub(super) fn authority(url: &Uri) -> &str {
    url.authority().map(|authority| authority.as_str()).unwrap_or_default()
}

pub(super) fn port_of(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Where a redirect from `from` leads (RFC 9110 section 10.2.2).
pub(super) fn redirected(from: &Uri, headers: &HeaderMap, security: Security) -> Result<Uri, Trouble> {
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
}
