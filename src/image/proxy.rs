//! Which proxy a registry is asked through: the variables and rules of Go's `net/http.ProxyFromEnvironment`, so
//! that docker, podman and rr agree. `HTTPS_PROXY` and `HTTP_PROXY` by the address's scheme, `NO_PROXY` for what
//! is reached directly, each also in lower case; loopback never goes through a proxy.

use std::net::IpAddr;

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    https: Option<String>,
    http: Option<String>,
    exceptions: Vec<Exception>,
}

/// One entry of `NO_PROXY`, with the port it is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    whom: Whom,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    /// `*`
    Everybody,
    /// An address, or a network of so many bits.
    Network(IpAddr, u32),
    /// `.example.com` and `*.example.com`: names below. `example.com`: that, too.
    Names { suffix: String, itself: Option<String> },
}

impl Proxies {
    pub(super) fn from_environment() -> Proxies {
        let variable = |name: &str| {
            let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            value(name).or_else(|| value(&name.to_ascii_lowercase()))
        };
        Proxies::new(variable("HTTPS_PROXY"), variable("HTTP_PROXY"), &variable("NO_PROXY").unwrap_or_default())
    }

    fn new(https: Option<String>, http: Option<String>, exceptions: &str) -> Proxies {
        let entries = exceptions.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Proxies { https, http, exceptions: entries.map(Exception::parse).collect() }
    }

    /// The proxy as the variable has it, and the variable; None where the host is asked directly. `host` has no
    /// port, and an IPv6 address its brackets.
    pub(super) fn of(&self, scheme: &str, host: &str, port: u16) -> Option<(&str, &'static str)> {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        if self.exceptions.iter().any(|exception| exception.covers(&host, address, port)) {
            return None;
        }
        match scheme {
            "https" => Some((self.https.as_deref()?, "HTTPS_PROXY")),
            _ => Some((self.http.as_deref()?, "HTTP_PROXY")),
        }
    }
}

impl Exception {
    fn parse(entry: &str) -> Exception {
        let entry = entry.to_ascii_lowercase();
        let network = |text: &str| {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            Some(Whom::Network(address, bits.unwrap_or(all).min(all)))
        };
        if entry == "*" {
            return Exception { whom: Whom::Everybody, port: None };
        }
        if let Some(whom) = network(&entry) {
            return Exception { whom, port: None };
        }
        let (name, port) = match entry.rsplit_once(':').map(|(name, port)| (name, port.parse().ok())) {
            Some((name, Some(port))) => (name, Some(port)),
            _ => (entry.as_str(), None),
        };
        let whom = network(name).unwrap_or_else(|| {
            let below = name.strip_prefix('*').unwrap_or(name);
            match below.starts_with('.') {
                true => Whom::Names { suffix: below.to_owned(), itself: None },
                false => Whom::Names { suffix: format!(".{below}"), itself: Some(below.to_owned()) },
            }
        });
        Exception { whom, port }
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        match &self.whom {
            Whom::Everybody => true,
            Whom::Network(network, bits) => address.is_some_and(|address| is_in(address, *network, *bits)),
            Whom::Names { suffix, itself } => host.ends_with(suffix) || itself.as_deref() == Some(host),
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies(exceptions: &str) -> Proxies {
        Proxies::new(Some("http://secure:1".into()), Some("http://plain:2".into()), exceptions)
    }

    #[test]
    fn the_scheme_chooses_and_loopback_is_asked_directly() {
        let both = proxies("");
        assert_eq!(both.of("https", "a.io", 443), Some(("http://secure:1", "HTTPS_PROXY")));
        assert_eq!(both.of("http", "a.io", 80), Some(("http://plain:2", "HTTP_PROXY")));
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST"] {
            assert_eq!(both.of("https", host, 443), None, "{host}");
        }
        let one = Proxies::new(None, Some("plain:2".into()), "");
        assert_eq!(one.of("https", "a.io", 443), None);
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        let goes_around = |exceptions: &str, host: &str, port| proxies(exceptions).of("https", host, port).is_none();
        for (exceptions, host, port, around) in [
            ("*", "a.io", 443, true),
            ("a.io", "a.io", 443, true),
            ("A.IO", "b.a.io", 443, true),
            ("a.io", "ba.io", 443, false),
            (".a.io", "b.a.io", 443, true),
            (".a.io", "a.io", 443, false),
            ("*.a.io", "b.a.io", 443, true),
            ("*.a.io", "a.io", 443, false),
            ("a.io:5000", "a.io", 5000, true),
            ("a.io:5000", "a.io", 443, false),
            ("x.io, a.io ,", "a.io", 443, true),
            ("10.0.0.0/8", "10.200.3.4", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("10.0.0.1", "10.0.0.1", 443, true),
            ("10.0.0.1:80", "10.0.0.1", 443, false),
            ("0.0.0.0/0", "8.8.8.8", 443, true),
            ("fd00::/8", "[fd12::1]", 443, true),
            ("fd00::/8", "[2001::1]", 443, false),
            ("", "a.io", 443, false),
        ] {
            assert_eq!(goes_around(exceptions, host, port), around, "{exceptions} and {host}:{port}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(exceptions in "[a-z0-9.*:/,\\[\\] ]{0,40}", host in "[a-z0-9.:\\[\\]]{0,20}", port: u16) {
            let _ = proxies(&exceptions).of("https", &host, port);
        }
    }
}
