//! What went wrong on the way to a registry, in words.

use super::Patience;
use crate::error::{Failure, IntoCause, errno_text};
use std::fmt;
use std::io;
use std::time::Duration;

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
    pub(in crate::image) fn new(kind: TroubleKind, cause: impl Into<String>) -> Trouble {
        Trouble { kind, cause: cause.into(), hints: Vec::new() }
    }

    pub(in crate::image) fn hint(mut self, hint: impl Into<String>) -> Trouble {
        self.hints.push(hint.into());
        self
    }

    /// As a failure of `doing`.
    pub(in crate::image) fn while_doing(self, doing: impl Into<String>) -> Failure {
        self.hints.into_iter().fold(Failure::new(doing, self.cause), Failure::hint)
    }

    /// The trouble inside an error of a blob's reader.
    pub(in crate::image) fn in_error(error: &io::Error) -> Option<&Trouble> {
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

/// What ureq met, in words.
pub(super) fn describe(host: &str, error: ureq::Error, patience: &Patience) -> Trouble {
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
        // The first is TLS 1.3's; older servers say the second of none as well as of one that they do not like.
        rustls::Error::AlertReceived(
            rustls::AlertDescription::CertificateRequired | rustls::AlertDescription::BadCertificate,
        ) => unreachable("it wants a client's certificate, or another one (TLS)".into()).hint(format!(
            "a certificate and its key are taken from ~/.config/containers/certs.d/{host}/client.cert and client.key"
        )),
        rustls::Error::InvalidMessage(_) => unreachable("it does not speak TLS".into()),
        other => unreachable(format!("no TLS: {other}")),
    }
}

/// The error of reading a body, in words.
pub(in crate::image) fn describe_body(host: &str, error: io::Error, patience: &Patience) -> Trouble {
    describe(host, ureq::Error::from(error), patience)
}
