//! resolv.conf(5), as a text. No I/O.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// As many servers as the C library asks (MAXNS in resolv.conf(5)).
const SERVERS: usize = 3;

/// The lines that matter here, each word as it was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// `nameserver`, all of them, the malformed ones too.
    pub servers: Vec<String>,
    /// `search` or `domain`, whichever came last.
    pub search: Vec<String>,
    /// `options`, added up.
    pub options: Vec<String>,
}

/// A name server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Without the interface.
    pub address: IpAddr,
    /// The interface of a link-local address: `eth0` of `fe80::1%eth0`.
    pub interface: Option<String>,
}

impl ResolvConf {
    /// Reads the text of a file. What is not known is passed over, as the C library does.
    pub fn parse(text: &str) -> ResolvConf {
        let mut resolver = ResolvConf::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let keyword = words.next();
            let words = words.map(str::to_owned);
            match keyword {
                Some("nameserver") => resolver.servers.extend(words.take(1)),
                Some("search") => resolver.search = words.collect(),
                Some("domain") => resolver.search = words.take(1).collect(),
                Some("options") => resolver.options.extend(words),
                _ => {}
            }
        }
        resolver
    }

    /// The text that says the same.
    pub fn to_text(&self) -> String {
        let mut text: String = self.servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        if !self.search.is_empty() {
            text += &format!("search {}\n", self.search.join(" "));
        }
        if !self.options.is_empty() {
            text += &format!("options {}\n", self.options.join(" "));
        }
        text
    }

    /// Whom the C library asks: the first three, and where there is none the machine's own loopback.
    pub fn name_servers(&self) -> Vec<NameServer> {
        let mut servers: Vec<NameServer> = self.servers.iter().filter_map(|word| NameServer::parse(word)).collect();
        servers.truncate(SERVERS);
        if servers.is_empty() {
            servers.push(NameServer { address: Ipv4Addr::LOCALHOST.into(), interface: None });
        }
        servers
    }

    /// How many dots a name needs to be asked for as it is first: 1, at most 15.
    pub fn ndots(&self) -> usize {
        self.number("ndots").unwrap_or(1).min(15) as usize
    }

    /// How long a server has for its answer: 5 seconds, at most 30.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.number("timeout").unwrap_or(5).clamp(1, 30).into())
    }

    /// How often each server is asked: twice, at most 5 times.
    pub fn attempts(&self) -> u32 {
        self.number("attempts").unwrap_or(2).clamp(1, 5)
    }

    /// Whether each query begins with another server.
    pub fn rotates(&self) -> bool {
        self.options.iter().any(|word| word == "rotate")
    }

    /// The last `NAME:NUMBER`.
    fn number(&self, name: &str) -> Option<u32> {
        let value = |word: &String| word.strip_prefix(name)?.strip_prefix(':')?.parse().ok();
        self.options.iter().rev().find_map(value)
    }
}

impl NameServer {
    /// `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0`.
    pub fn parse(word: &str) -> Option<NameServer> {
        let (address, interface) = match word.split_once('%') {
            Some((address, interface)) => (address, Some(interface.to_owned())),
            None => (word, None),
        };
        Some(NameServer { address: address.parse().ok()?, interface })
    }

    /// Whether it is on the loopback of whoever asks.
    pub fn is_loopback(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn servers(text: &str) -> Vec<String> {
        let shown = |server: NameServer| match server.interface {
            Some(interface) => format!("{}%{interface}", server.address),
            None => server.address.to_string(),
        };
        ResolvConf::parse(text).name_servers().into_iter().map(shown).collect()
    }

    #[test]
    fn three_servers_are_asked_and_loopback_where_none_is_named() {
        let text = "nameserver 192.0.2.1 # main\nnameserver nonsense\nnameserver fe80::1%eth0\nnameserver ::2\nnameserver ::3\n";
        assert_eq!(servers(text), ["192.0.2.1", "fe80::1%eth0", "::2"]);
        assert_eq!(servers("search x\n"), ["127.0.0.1"]);
        assert_eq!(ResolvConf::parse(text).servers.len(), 5);
    }

    #[test]
    fn options_have_the_c_librarys_bounds() {
        let numbers = |text: &str| {
            let read = ResolvConf::parse(text);
            (read.ndots(), read.timeout().as_secs(), read.attempts(), read.rotates())
        };
        assert_eq!(numbers(""), (1, 5, 2, false));
        assert_eq!(
            numbers("options ndots:99 timeout:99 attempts:99\noptions rotate timeout:x timeout\n"),
            (15, 30, 5, true)
        );
        assert_eq!(numbers("options timeout:1 timeout:0 attempts:0\n"), (1, 1, 1, false));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(text in "((nameserver|search|domain|options|#)( [a-z0-9:.%]{1,12}){0,3}\n){0,6}") {
            let read = ResolvConf::parse(&text);
            prop_assert_eq!(ResolvConf::parse(&read.to_text()), read);
        }

        #[test]
        fn any_text_is_no_panic(text in ".{0,200}") {
            let read = ResolvConf::parse(&text);
            let _ = (read.name_servers(), read.timeout(), read.to_text());
        }
    }
}
