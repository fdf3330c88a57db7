//! Plain HTTP through a proxy: each request has the whole address in its first line (RFC 9112 section 3.2.2), as curl,
//! podman and docker send it. ureq knows CONNECT only, which proxies let through to ports of TLS, and not to port 80.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::Proxy;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Makes connections that lead to a proxy into ones to the server behind it.
#[derive(Debug)]
pub(super) struct ForwardConnector {
    /// Of `Proxy-Authorization`, with the end of the line; empty where the proxy asks for none.
    authorization: String,
}

impl ForwardConnector {
    pub(super) fn new(proxy: &Proxy) -> ForwardConnector {
        let (user, password) = (proxy.username(), proxy.password());
        let authorization = if user.is_some() || password.is_some() {
            let both = format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default());
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(both))
        } else {
            String::new()
        };
        ForwardConnector { authorization }
    }
}

impl<In: Transport> Connector<In> for ForwardConnector {
    type Out = Forwarded<In>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let server = format!("http://{}", super::authority(details.uri));
        let authorization = self.authorization.clone();
        Ok(chained.map(|to_proxy| Forwarded { to_proxy, server, authorization, at_head: true }))
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub(super) struct Forwarded<In> {
    to_proxy: In,
    /// `http://HOST[:PORT]`
    server: String,
    authorization: String,
    /// What is sent next is the head of a request: nothing was sent since the last answer.
    at_head: bool,
}

impl<In: Transport> Transport for Forwarded<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.to_proxy.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let amount = match std::mem::take(&mut self.at_head) {
            true => insert(self.to_proxy.buffers().output(), amount, &self.server, &self.authorization)
                .ok_or_else(|| ureq::Error::Other("the head of the request is too long for the proxy".into()))?,
            false => amount,
        };
        self.to_proxy.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.at_head = true;
        self.to_proxy.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.to_proxy.is_open()
    }
}

/// Lays `server` before the target of the request whose head is the first `amount` bytes of `buffer`, and a line after
/// its first; the new amount. None where that is no head, or there is no room.
fn insert(buffer: &mut [u8], amount: usize, server: &str, line: &str) -> Option<usize> {
    let head = buffer.get(..amount)?;
    let target = head.iter().position(|byte| *byte == b' ')? + 1;
    let rest = head.iter().position(|byte| *byte == b'\n')? + 1;
    let more = server.len() + line.len();
    if target > rest || amount + more > buffer.len() {
        return None;
    }
    buffer.copy_within(rest..amount, rest + more);
    buffer[rest + server.len()..rest + more].copy_from_slice(line.as_bytes());
    buffer.copy_within(target..rest, target + server.len());
    buffer[target..target + server.len()].copy_from_slice(server.as_bytes());
    Some(amount + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_gets_the_whole_address_and_the_proxy_its_password() {
        let inserted = |head: &str, room: usize, line: &str| {
            let mut buffer = head.as_bytes().to_vec();
            buffer.resize(head.len() + room, 0);
            let amount = insert(&mut buffer, head.len(), "http://a:5000", line)?;
            Some(String::from_utf8(buffer[..amount].to_vec()).unwrap())
        };
        let head = "GET /v2/?x HTTP/1.1\r\nHost: a:5000\r\n\r\n";
        let whole = "GET http://a:5000/v2/?x HTTP/1.1\r\nHost: a:5000\r\n\r\n";
        assert_eq!(inserted(head, 13, "").unwrap(), whole);
        assert_eq!(inserted(head, 12, ""), None, "no room");
        assert_eq!(inserted(head, 100, "P: q\r\n").unwrap(), whole.replace("\r\nHost", "\r\nP: q\r\nHost"));
        assert_eq!(inserted("no head", 100, ""), None);
        assert_eq!(inserted("\n ", 100, ""), None);
    }

    #[test]
    fn a_proxy_is_told_who_asks() {
        let line = |address: &str| ForwardConnector::new(&Proxy::new(address).unwrap()).authorization;
        assert_eq!(line("http://proxy:3128"), "");
        assert_eq!(line("http://ana:secret@proxy:3128"), "Proxy-Authorization: Basic YW5hOnNlY3JldA==\r\n");
    }
}
