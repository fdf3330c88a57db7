//! Host names to addresses, without the C library.
//!
//! getaddrinfo(3) of a statically linked glibc loads the host's name service modules into the process,
//! which works only with the very same glibc. So rr looks into /etc/hosts and asks the servers of
//! resolv.conf(5) itself (RFC 1035, RFC 3596), and where that finds nothing it has getent(1) ask the
//! host's name services, which know more (mDNS, LDAP, systemd-resolved).

use super::resolv_conf::ResolvConf;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Address records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordType {
    /// IPv4
    A = 1,
    /// IPv6
    Aaaa = 28,
}

/// What a name server answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// These addresses; none where the name exists without any.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// The answer was cut off: ask again over TCP.
    Truncated,
}

/// The addresses of `host`, IPv6 after IPv4 as most machines reach only that. `host` may be an address,
/// in brackets too. The error is a phrase: `unknown host`, or why nobody could be asked.
///
/// Nothing is asked after `deadline`.
pub fn resolve(host: &str, deadline: Instant) -> Result<Vec<IpAddr>, String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let found = in_hosts(&hosts, bare);
    if !found.is_empty() {
        return Ok(found);
    }
    // RFC 6761 section 6.3
    if bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    match ask_servers(bare, &ResolvConf::parse(&resolv_conf), deadline) {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        outcome => {
            let found = ask_getent(bare);
            if found.is_empty() { Err(outcome.err().unwrap_or_else(|| "unknown host".into())) } else { Ok(found) }
        }
    }
}

/// The addresses of `name` in the text of a hosts(5) file.
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_ascii_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect()
}

/// The full names to ask for, in order (resolv.conf(5), `ndots`).
fn full_names(host: &str, resolv_conf: &ResolvConf) -> Vec<String> {
    if let Some(absolute) = host.strip_suffix('.') {
        return vec![absolute.to_owned()];
    }
    let mut names: Vec<String> = resolv_conf.search.iter().map(|domain| format!("{host}.{domain}")).collect();
    let dots = host.matches('.').count();
    names.insert(if dots >= resolv_conf.ndots() { 0 } else { names.len() }, host.to_owned());
    names
}

/// Asks the name servers for IPv4 and IPv6 addresses.
fn ask_servers(host: &str, resolv_conf: &ResolvConf, deadline: Instant) -> Result<Vec<IpAddr>, String> {
    for name in full_names(host, resolv_conf) {
        let mut found = Vec::new();
        for record in [RecordType::A, RecordType::Aaaa] {
            match ask_in_turn(&name, record, resolv_conf, deadline)? {
                Answer::Addresses(addresses) => found.extend(addresses),
                Answer::NoName | Answer::Truncated => break,
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err("unknown host".into())
}

/// Asks one server after the other, `attempts` times; an answer that there is no such name is final.
fn ask_in_turn(name: &str, record: RecordType, resolv_conf: &ResolvConf, deadline: Instant) -> Result<Answer, String> {
    let mut trouble = String::new();
    // A zone index (`fe80::1%eth0`) needs the interface's number; such servers are left out.
    let asked: Vec<IpAddr> = resolv_conf
        .name_servers()
        .into_iter()
        .filter(|server| server.interface.is_none())
        .map(|server| server.address)
        .collect();
    for server in (0..resolv_conf.attempts()).flat_map(|_| &asked) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match ask(name, record, SocketAddr::new(*server, 53), resolv_conf.timeout().min(left)) {
            Ok(answer) => return Ok(answer),
            Err(error) => trouble = format!("cannot look it up: name server {server}: {}", describe(error)),
        }
    }
    Err(if trouble.is_empty() { "cannot look it up: no name server answered in time".into() } else { trouble })
}

fn describe(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".into(),
        _ => crate::error::IntoCause::into_cause(error),
    }
}

/// Asks one server once.
fn ask(name: &str, record: RecordType, server: SocketAddr, timeout: Duration) -> io::Result<Answer> {
    let mut id = [0; 2];
    getrandom(&mut id[..], GetRandomFlags::empty())?;
    let id = u16::from_be_bytes(id);
    let query = encode_query(id, name, record)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name is too long for DNS"))?;
    let unspecified: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((unspecified, 0))?;
    // Connected: answers of others do not arrive, and "connection refused" does.
    socket.connect(server)?;
    socket.send(&query)?;
    let end = Instant::now() + timeout;
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        match decode_answer(&buffer[..length], id, &query) {
            // An answer to something else: a late or a forged one.
            None => continue,
            Some(Ok(Answer::Truncated)) => return ask_over_tcp(&query, id, server, left),
            Some(answer) => return answer,
        }
    }
}

/// RFC 7766: the same message with its length before it.
fn ask_over_tcp(query: &[u8], id: u16, server: SocketAddr, timeout: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    decode_answer(&answer, id, query).unwrap_or_else(|| Err(malformed()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its answer is malformed")
}

/// A question in RFC 1035's form; None where the name does not fit.
fn encode_query(id: u16, name: &str, record: RecordType) -> Option<Vec<u8>> {
    const RECURSION_DESIRED: u16 = 0x0100;
    let mut message = Vec::with_capacity(18 + name.len());
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    if name.len() > 253 {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    const INTERNET: u16 = 1;
    message.extend((record as u16).to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Some(message)
}

/// Reads the answer to `query`. None where it is not one.
fn decode_answer(message: &[u8], id: u16, query: &[u8]) -> Option<io::Result<Answer>> {
    let word = |at: usize| message.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let flags = word(2)?;
    let is_response = flags & 0x8000 != 0;
    // The question must come back as it was, but for letter case.
    let question = &query[12..];
    let same_question = message.get(12..12 + question.len()).is_some_and(|own| own.eq_ignore_ascii_case(question));
    if word(0)? != id || !is_response || (word(4)? == 1 && !same_question) {
        return None;
    }
    if flags & 0x0200 != 0 {
        return Some(Ok(Answer::Truncated));
    }
    match flags & 0x000f {
        0 if same_question => {}
        3 => return Some(Ok(Answer::NoName)),
        0 => return Some(Err(malformed())),
        code => return Some(Err(io::Error::other(format!("it answered with error {code}")))),
    }
    // The question ends with its type and its class.
    let wanted = word(8 + question.len())?;
    let addresses = read_records(message, 12 + question.len(), word(6)?, wanted);
    Some(addresses.map(Answer::Addresses).ok_or_else(malformed))
}

/// The addresses among `count` records from `at` on; None where they are malformed. Aliases (CNAME)
/// precede the addresses they lead to and need no look.
fn read_records(message: &[u8], mut at: usize, count: u16, wanted: u16) -> Option<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for _ in 0..count {
        at = skip_name(message, at)?;
        let header = message.get(at..at + 10)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[8], header[9]]));
        let data = message.get(at + 10..at + 10 + length)?;
        if kind == wanted {
            addresses.push(match *data {
                [a, b, c, d] if kind == RecordType::A as u16 => Ipv4Addr::new(a, b, c, d).into(),
                _ => IpAddr::from(<[u8; 16]>::try_from(data).ok()?),
            });
        }
        at += 10 + length;
    }
    Some(addresses)
}

/// The place after the name at `at`. A compressed name ends with a pointer, which need not be followed.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length if length & 0xc0 == 0 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// What the host's name services say, by getent(1); nothing where that is missing or they know nothing.
fn ask_getent(host: &str) -> Vec<IpAddr> {
    // A name that looks like an option is none.
    if host.starts_with('-') {
        return Vec::new();
    }
    let output = Command::new("getent").args(["ahosts", host]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(output) => parse_getent(&String::from_utf8_lossy(&output.stdout)),
        Err(error) => {
            log::debug!("cannot run getent: {error}");
            Vec::new()
        }
    }
}

/// The first word of each line, each address once.
fn parse_getent(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in text.lines().filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn addresses_and_localhost_need_no_server() {
        assert_eq!(resolve("192.0.2.1", soon()).unwrap(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolve("[::1]", soon()).unwrap(), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
        assert!(resolve("LocalHost", soon()).unwrap().iter().all(IpAddr::is_loopback));
        assert!(resolve("registry.localhost", soon()).unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn hosts_and_resolv_conf_are_read() {
        let hosts = "127.0.0.1 localhost\n192.0.2.7 registry.test Reg # comment other\nbad line\n::7 reg\n";
        assert_eq!(in_hosts(hosts, "reg"), ["192.0.2.7", "::7"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert!(in_hosts(hosts, "other").is_empty());
        let text = "nameserver 192.0.2.1\nsearch a.b c\noptions ndots:2\n";
        let resolv_conf = ResolvConf::parse(text);
        assert_eq!(full_names("x.y", &resolv_conf), ["x.y.a.b", "x.y.c", "x.y"]);
        assert_eq!(full_names("x.y.z", &resolv_conf), ["x.y.z", "x.y.z.a.b", "x.y.z.c"]);
        assert_eq!(full_names("x.", &resolv_conf), ["x"]);
        assert_eq!(parse_getent("192.0.2.1 STREAM h\n192.0.2.1 DGRAM\n::1 STREAM\nx\n").len(), 2);
    }

    /// An answer to `query` with these records: (type, data).
    fn answer(query: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = query.to_vec();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (kind, data) in records {
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn answers_are_understood() {
        let query = encode_query(7, "a.test", RecordType::A).unwrap();
        let cname: (u16, &[u8]) = (5, &[1, b'x', 0]);
        let decode =
            |message: &[u8]| decode_answer(message, 7, &query).map(|answer| answer.map_err(|error| error.to_string()));
        assert_eq!(
            decode(&answer(&query, 0x8180, &[cname, (1, &[192, 0, 2, 1])])),
            Some(Ok(Answer::Addresses(vec![Ipv4Addr::new(192, 0, 2, 1).into()])))
        );
        assert_eq!(decode(&answer(&query, 0x8180, &[])), Some(Ok(Answer::Addresses(vec![]))));
        assert_eq!(decode(&answer(&query, 0x8183, &[])), Some(Ok(Answer::NoName)));
        assert_eq!(decode(&answer(&query, 0x8380, &[])), Some(Ok(Answer::Truncated)));
        assert_eq!(decode(&answer(&query, 0x8182, &[])), Some(Err("it answered with error 2".into())));
        assert!(decode(&answer(&query, 0x8180, &[(1, &[1, 2])])).unwrap().is_err());
        // Not an answer, not to this query, not to this question.
        assert_eq!(decode(&query), None);
        assert_eq!(decode(&answer(&encode_query(8, "a.test", RecordType::A).unwrap(), 0x8180, &[])), None);
        assert_eq!(decode(&answer(&encode_query(7, "b.test", RecordType::A).unwrap(), 0x8180, &[])), None);
        assert!(encode_query(1, "a..b", RecordType::A).is_none());
        assert!(encode_query(1, &"a".repeat(64), RecordType::A).is_none());
    }

    #[test]
    fn a_server_is_asked_and_its_silence_ends() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(b"junk", from).unwrap();
            server.send_to(&answer(&buffer[..length], 0x8180, &[(28, &[1; 16])]), from).unwrap();
            server
        });
        let got = ask("x.test", RecordType::Aaaa, address, Duration::from_secs(5)).unwrap();
        assert_eq!(got, Answer::Addresses(vec![IpAddr::from([1; 16])]));
        let _silent = answering.join().unwrap();
        let error = ask("x.test", RecordType::A, address, Duration::from_millis(50)).unwrap_err();
        assert_eq!(describe(error), "no answer");
    }

    proptest! {
        #[test]
        fn no_answer_panics(noise in proptest::collection::vec(any::<u8>(), 0..80), count in any::<u16>()) {
            let query = encode_query(7, "a.test", RecordType::Aaaa).unwrap();
            let _ = decode_answer(&noise, 7, &query);
            let mut message = answer(&query, 0x8180, &[]);
            message[6..8].copy_from_slice(&count.to_be_bytes());
            message.extend(noise);
            let _ = decode_answer(&message, 7, &query);
        }

        #[test]
        fn no_file_panics(text in ".{0,100}") {
            let _ = full_names("x", &ResolvConf::parse(&text));
            let _ = in_hosts(&text, "x");
            let _ = encode_query(1, &text, RecordType::A);
        }
    }
}
