//! The names of a network's own containers. No I/O.

use super::message::{self, Authority, Rcode, Record, kind};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How long others may remember an answer, in seconds; Docker's number.
const TIME_TO_LIVE: u32 = 600;

const INTERNET: u16 = 1;
const ANY_CLASS: u16 = 255;

/// A table of names, each alone or before the network's: `web` and `web.NETWORK` are the same. Empty, it knows nothing,
/// and every query goes to a name server.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LocalNames {
    /// The network's name, in lower case.
    network: String,
    /// In lower case.
    by_name: HashMap<String, Vec<IpAddr>>,
    /// The first name that was given to each address.
    by_address: HashMap<IpAddr, String>,
}

impl LocalNames {
    /// A network without a container.
    pub fn new(network: &str) -> LocalNames {
        LocalNames { network: network.to_ascii_lowercase(), ..LocalNames::default() }
    }

    /// Adds an address to a name, which several containers may share. The first name that an address gets is the one
    /// that is found by the address.
    pub fn add(&mut self, name: &str, address: IpAddr) {
        let name = name.to_ascii_lowercase();
        self.by_address.entry(address).or_insert_with(|| name.clone());
        let addresses = self.by_name.entry(name).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// The answer to `query`, of at most `limit` bytes, if it is about a name here. `turn`, another number for each
    /// query, decides which of several addresses comes first.
    pub fn answer(&self, query: &[u8], turn: usize, limit: usize) -> Option<Vec<u8>> {
        const OPCODE: u8 = 0x78;
        if self.by_name.is_empty() || query.get(2)? & OPCODE != 0 {
            return None;
        }
        let question = message::question(query).filter(|asked| [INTERNET, ANY_CLASS].contains(&asked.class))?;
        let name = text(question.name)?;
        let mut records = match reversed(&name) {
            Some(address) => vec![self.pointer(self.by_address.get(&address)?, question.kind)],
            None => self.addresses(&name)?.iter().map(|address| record(*address, question.kind)).collect(),
        };
        if !records.is_empty() {
            let first = turn % records.len();
            records.rotate_left(first);
        }
        let records: Vec<Record> = records.into_iter().flatten().collect();
        Some(message::reply(query, Rcode::SUCCESS, Authority::Authoritative, &records, TIME_TO_LIVE, limit))
    }

    fn addresses(&self, name: &str) -> Option<&Vec<IpAddr>> {
        self.by_name.get(name).or_else(|| {
            let bare = name.strip_suffix(self.network.as_str())?.strip_suffix('.')?;
            self.by_name.get(bare)
        })
    }

    fn pointer(&self, name: &str, wanted: u16) -> Option<Record> {
        let full = format!("{name}.{}", self.network);
        let data = message::encode_name(&full).or_else(|| message::encode_name(name))?;
        [kind::PTR, kind::ANY].contains(&wanted).then_some(Record { kind: kind::PTR, data })
    }
}

/// The address as a record of this type; None where it is of the other family: the name exists, without such records.
fn record(address: IpAddr, wanted: u16) -> Option<Record> {
    let (kind, data) = match address {
        IpAddr::V4(address) => (kind::A, address.octets().to_vec()),
        IpAddr::V6(address) => (kind::AAAA, address.octets().to_vec()),
    };
    [kind, kind::ANY].contains(&wanted).then_some(Record { kind, data })
}

/// A name in lower case with dots between its labels; None where a label has a dot, or what is no text.
fn text(name: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    for label in message::labels(name) {
        if label.contains(&b'.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(std::str::from_utf8(label).ok()?);
    }
    text.make_ascii_lowercase();
    Some(text)
}

/// The address that a name of `in-addr.arpa` or `ip6.arpa` stands for (RFC 1035, section 3.5; RFC 3596, section 2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let octets: Vec<u8> = digits.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
        let [d, c, b, a] = octets.try_into().ok()?;
        return Some(Ipv4Addr::new(a, b, c, d).into());
    }
    let digits: Vec<&str> = name.strip_suffix(".ip6.arpa")?.split('.').collect();
    if digits.len() != 32
        || digits.iter().any(|digit| digit.len() != 1 || !digit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return None;
    }
    let hexadecimal: String = digits.into_iter().rev().collect();
    Some(Ipv6Addr::from(u128::from_str_radix(&hexadecimal, 16).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::query;
    use super::*;
    use proptest::prelude::*;

    fn table() -> LocalNames {
        let mut names = LocalNames::new("Backend");
        for (name, address) in [
            ("Web", "10.89.0.2"),
            ("web", "fd00::2"),
            ("pool", "10.89.0.3"),
            ("pool", "10.89.0.4"),
            ("a.b", "10.89.0.5"),
            ("other", "10.89.0.2"),
        ] {
            names.add(name, address.parse().unwrap());
        }
        names
    }

    /// The answer's addresses or name, without the question and the header.
    fn ask(name: &str, kind: u16) -> Option<Vec<Vec<u8>>> {
        let asked = query(7, name, kind, None);
        let answer = table().answer(&asked, 0, 512)?;
        assert!(message::answers(&asked, 7, &answer) && message::rcode(&answer) == Rcode::SUCCESS);
        assert_eq!(answer[2] & 0x04, 0x04, "authoritative");
        let mut rest = &answer[asked.len()..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            assert_eq!((&rest[..2], &rest[4..10]), (&[0xc0, 12][..], &[0, 1, 0, 0, 0x02, 0x58][..]));
            let length = usize::from(rest[11]);
            found.push(rest[12..12 + length].to_vec());
            rest = &rest[12 + length..];
        }
        assert_eq!(usize::from(answer[7]), found.len());
        Some(found)
    }

    #[test]
    fn a_name_is_found_in_any_case_with_and_without_the_network() {
        for name in ["web", "WEB", "web.backend", "Web.BackEnd"] {
            assert_eq!(ask(name, kind::A), Some(vec![vec![10, 89, 0, 2]]), "{name}");
            let six = Ipv6Addr::from(0xfd00_u128 << 112 | 2).octets().to_vec();
            assert_eq!(ask(name, kind::AAAA), Some(vec![six]), "{name}");
        }
        assert_eq!(ask("a.b", kind::A), Some(vec![vec![10, 89, 0, 5]]));
        assert_eq!(ask("a.b.backend", kind::A), Some(vec![vec![10, 89, 0, 5]]));
    }

    #[test]
    fn what_is_not_here_is_somebody_elses() {
        for name in ["webb", "backend", "web.backend.x", "web.other", "x.web"] {
            assert_eq!(ask(name, kind::A), None, "{name}");
        }
        assert_eq!(LocalNames::default().answer(&query(1, "web", kind::A, None), 0, 512), None);
        // Another class, and an update.
        let mut chaos = query(1, "web", kind::A, None);
        *chaos.last_mut().unwrap() = 3;
        assert_eq!(table().answer(&chaos, 0, 512), None);
        let mut update = query(1, "web", kind::A, None);
        update[2] |= 5 << 3;
        assert_eq!(table().answer(&update, 0, 512), None);
    }

    #[test]
    fn a_name_without_such_records_exists_all_the_same() {
        assert_eq!(ask("pool", kind::AAAA), Some(vec![]));
        assert_eq!(ask("web", 15), Some(vec![]));
        assert_eq!(ask("web", kind::ANY).map(|found| found.len()), Some(2));
    }

    #[test]
    fn several_addresses_take_turns() {
        let first = |turn: usize| {
            let asked = query(7, "pool", kind::A, None);
            let answer = table().answer(&asked, turn, 512).unwrap();
            answer[asked.len() + 15]
        };
        assert_eq!([first(0), first(1), first(2)], [3, 4, 3]);
    }

    #[test]
    fn an_address_has_the_first_of_its_names() {
        let web = message::encode_name("web.backend");
        assert_eq!(ask("2.0.89.10.in-addr.arpa", kind::PTR), web.clone().map(|name| vec![name]));
        let six = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        assert_eq!(ask(&six, kind::PTR), web.map(|name| vec![name]));
        assert_eq!(ask("2.0.89.10.in-addr.arpa", kind::A), Some(vec![]));
        for unknown in ["9.0.89.10.in-addr.arpa", "2.0.89.in-addr.arpa", "x.ip6.arpa"] {
            assert_eq!(ask(unknown, kind::PTR), None, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_no_panic(name in "[a-z0-9.]{1,30}", noise in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(encoded) = message::encode_name(&name) {
                let mut asked = query(7, "x", kind::PTR, None);
                asked.splice(12..15, encoded);
                let _ = table().answer(&asked, 3, 512);
            }
            let _ = table().answer(&noise, 3, 512);
        }
    }
}
