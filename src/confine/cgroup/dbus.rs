//! As much of D-Bus as it takes to ask systemd for a scope (D-Bus Specification 0.43): one call on a connection of one's
//! own, and one signal.
//!
//! Messages are built and read by pure functions. What a peer sends is bounded and checked; a peer that says something
//! else gets an error, never a wait without end.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the peer may take for an answer.
const PATIENCE: Duration = Duration::from_secs(25);
/// The longest message that is read; the specification allows 128 MiB.
const LONGEST: usize = 1 << 20;

/// A property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `s`
    Text(String),
    /// `b`
    Flag(bool),
    /// `au`
    Numbers(Vec<u32>),
}

/// A connection to a peer, without a bus between.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    serial: u32,
}

/// What a message is about, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    kind: u8,
    member: String,
    error: String,
    reply_to: u32,
    signature: String,
}

const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

impl Connection {
    /// Connects, and says who this process is (SASL EXTERNAL: the kernel vouches for its user).
    ///
    /// # Errors
    /// The system's; the peer refuses this user.
    pub fn open(path: &Path) -> io::Result<Connection> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let answer = read_line(&mut stream)?;
        if !answer.starts_with("OK ") {
            let answer = answer.escape_debug();
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("it answers `{answer}`")));
        }
        stream.write_all(b"BEGIN\r\n")?;
        Ok(Connection { stream, serial: 0 })
    }

    /// Calls `StartTransientUnit`; the inner error is the peer's refusal, in its words. The result is the job's path.
    ///
    /// # Errors
    /// The system's, or what the peer sends is no D-Bus.
    pub fn start_transient_unit(
        &mut self,
        (path, interface): (&str, &str),
        unit: &str,
        properties: &[(&str, Value)],
    ) -> io::Result<Result<String, String>> {
        self.serial += 1;
        let body = transient_unit(unit, properties);
        self.stream.write_all(&call(self.serial, path, interface, "StartTransientUnit", "ssa(sv)a(sa(sv))", &body))?;
        loop {
            let (header, body) = self.receive()?;
            if header.reply_to != self.serial {
                continue;
            }
            let mut reader = Reader { bytes: &body, at: 0 };
            match header.kind {
                METHOD_RETURN => return Ok(Ok(reader.text().ok_or_else(garbled)?)),
                ERROR => {
                    let words = if header.signature.starts_with('s') { reader.text() } else { None };
                    return Ok(Err(words.unwrap_or(header.error)));
                }
                _ => {}
            }
        }
    }

    /// Waits for the signal `JobRemoved` of this job; the result is its word for how the job went.
    ///
    /// # Errors
    /// As above.
    pub fn wait_for_job(&mut self, job: &str) -> io::Result<String> {
        loop {
            let (header, body) = self.receive()?;
            if header.kind != SIGNAL || header.member != "JobRemoved" || header.signature != "uoss" {
                continue;
            }
            let mut reader = Reader { bytes: &body, at: 0 };
            let (_id, path) = (reader.number(), reader.text());
            let (_unit, result) = (reader.text(), reader.text());
            if path.as_deref() == Some(job) {
                return result.ok_or_else(garbled);
            }
        }
    }

    fn receive(&mut self) -> io::Result<(Header, Vec<u8>)> {
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed)?;
        let (rest, body) = lengths(&fixed).ok_or_else(garbled)?;
        let mut fields = vec![0; rest];
        self.stream.read_exact(&mut fields)?;
        let mut content = vec![0; body];
        self.stream.read_exact(&mut content)?;
        let header = parse_header(&fixed, &fields).ok_or_else(garbled)?;
        Ok((header, content))
    }
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it answers is no D-Bus message")
}

/// One line of the handshake, without its end.
fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        if line.len() > 512 {
            return Err(garbled());
        }
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(|_| garbled())
}

/// Builds in little-endian order; positions count from the message's beginning.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// An array of things that begin at multiples of `alignment`; its length leaves out the padding before the first.
    fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Writer)) {
        self.number(0);
        let length_at = self.0.len() - 4;
        self.align(alignment);
        let start = self.0.len();
        fill(self);
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => {
                self.signature("s");
                self.text(text);
            }
            Value::Flag(flag) => {
                self.signature("b");
                self.number(u32::from(*flag));
            }
            Value::Numbers(numbers) => {
                self.signature("au");
                self.array(4, |writer| numbers.iter().for_each(|number| writer.number(*number)));
            }
        }
    }
}

/// The arguments: name, mode, properties, no auxiliary units.
fn transient_unit(unit: &str, properties: &[(&str, Value)]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(unit);
    writer.text("fail");
    writer.array(8, |writer| {
        for (name, value) in properties {
            writer.align(8);
            writer.text(name);
            writer.value(value);
        }
    });
    writer.array(8, |_| {});
    writer.0
}

/// A method call with its body.
fn call(serial: u32, path: &str, interface: &str, member: &str, signature: &str, body: &[u8]) -> Vec<u8> {
    // Little-endian, method call, no flags, version 1.
    let mut writer = Writer(vec![b'l', 1, 0, 1]);
    writer.number(body.len() as u32);
    writer.number(serial);
    writer.array(8, |writer| {
        let fields = [(1, "o", path), (2, "s", interface), (3, "s", member), (8, "g", signature)];
        for (code, kind, text) in fields {
            writer.align(8);
            writer.0.push(code);
            writer.signature(kind);
            if kind == "g" { writer.signature(text) } else { writer.text(text) }
        }
    });
    writer.align(8);
    writer.0.extend(body);
    writer.0
}

/// From the fixed part of a header: bytes of the fields with their padding, and of the body.
fn lengths(fixed: &[u8; 16]) -> Option<(usize, usize)> {
    // A peer on this machine has this machine's byte order, and systemd writes it.
    let number = |at: usize| Some(u32::from_le_bytes(fixed.get(at..at + 4)?.try_into().ok()?) as usize);
    let (body, fields) = (number(4)?, number(12)?);
    (fixed[0] == b'l' && body <= LONGEST && fields <= LONGEST).then(|| (fields.next_multiple_of(8), body))
}

/// What the header's fields say.
fn parse_header(fixed: &[u8; 16], fields: &[u8]) -> Option<Header> {
    let mut header = Header { kind: fixed[1], ..Header::default() };
    let length = u32::from_le_bytes(fixed[12..16].try_into().ok()?) as usize;
    let mut reader = Reader { bytes: fields.get(..length)?, at: 0 };
    while reader.at < length {
        // The fixed part has 16 bytes, so positions here are aligned as in the whole.
        reader.align(8);
        if reader.at >= length {
            break;
        }
        let code = reader.byte()?;
        match (code, reader.signature()?.as_str()) {
            (3, "s") => header.member = reader.text()?,
            (4, "s") => header.error = reader.text()?,
            (5, "u") => header.reply_to = reader.number()?,
            (8, "g") => header.signature = reader.signature()?,
            (_, "s" | "o") => drop(reader.text()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.number()?),
            _ => return None,
        }
    }
    Some(header)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.bytes.get(self.at..self.at.checked_add(4)?)?;
        self.at += 4;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn take(&mut self, length: usize) -> Option<String> {
        let end = self.at.checked_add(length)?;
        let text = String::from_utf8(self.bytes.get(self.at..end)?.to_vec()).ok()?;
        // And the NUL byte after it.
        self.at = end.checked_add(1)?;
        Some(text)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(message: &[u8]) -> Option<(Header, Vec<u8>)> {
        let fixed: [u8; 16] = message.get(..16)?.try_into().ok()?;
        let (fields, body) = lengths(&fixed)?;
        let header = parse_header(&fixed, message.get(16..16 + fields)?)?;
        Some((header, message.get(16 + fields..16 + fields + body)?.to_vec()))
    }

    #[test]
    fn a_call_reads_back() {
        let properties = [
            ("PIDs", Value::Numbers(vec![7, 8])),
            ("Delegate", Value::Flag(true)),
            ("Description", Value::Text("x".into())),
        ];
        let body = transient_unit("rr-a.scope", &properties);
        let message = call(5, "/p", "a.b", "Do", "ssa(sv)a(sa(sv))", &body);
        let (header, read) = parse(&message).unwrap();
        assert_eq!((header.kind, header.member.as_str(), header.signature.as_str()), (1, "Do", "ssa(sv)a(sa(sv))"));
        assert_eq!(read, body);
        let mut reader = Reader { bytes: &body, at: 0 };
        assert_eq!((reader.text().unwrap(), reader.text().unwrap()), ("rr-a.scope".into(), "fail".into()));
        let length = reader.number().unwrap() as usize;
        reader.align(8);
        let end = reader.at + length;
        assert_eq!((reader.text().unwrap().as_str(), reader.signature().unwrap().as_str()), ("PIDs", "au"));
        assert_eq!((reader.number(), reader.number(), reader.number()), (Some(8), Some(7), Some(8)));
        reader.align(8);
        assert_eq!((reader.text().unwrap().as_str(), reader.signature().unwrap().as_str()), ("Delegate", "b"));
        assert_eq!(reader.number(), Some(1));
        reader.align(8);
        assert_eq!((reader.text().unwrap().as_str(), reader.signature().unwrap().as_str()), ("Description", "s"));
        assert_eq!(reader.text().unwrap(), "x");
        assert_eq!(reader.at, end);
        assert_eq!(reader.number(), Some(0));
    }

    /// What a call comes to with a peer that answers the handshake and then the call so.
    fn with_peer(handshake: &'static [u8], answer: Vec<u8>) -> io::Result<Result<String, String>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut peer, _) = listener.accept().unwrap();
                let mut bytes = [0; 4096];
                assert!(peer.read(&mut bytes).unwrap() > 0);
                peer.write_all(handshake).unwrap();
                // The call; whoever was refused is gone by now.
                while !answer.is_empty() && peer.read(&mut bytes).unwrap() < 100 {}
                peer.write_all(&answer).unwrap();
            });
            let mut connection = Connection::open(&path)?;
            connection.start_transient_unit(("/p", "i"), "u.scope", &[("Delegate", Value::Flag(true))])
        })
    }

    /// A message of this kind, in answer to the first call.
    fn answer(kind: u8, signature: &str, text: &str) -> Vec<u8> {
        let mut body = Writer::default();
        body.text(text);
        let mut writer = Writer(vec![b'l', kind, 0, 1]);
        writer.number(body.0.len() as u32);
        writer.number(9);
        writer.array(8, |writer| {
            writer.0.push(5);
            writer.signature("u");
            writer.number(1);
            writer.align(8);
            writer.0.push(8);
            writer.signature("g");
            writer.signature(signature);
        });
        writer.align(8);
        writer.0.extend(body.0);
        writer.0
    }

    #[test]
    fn a_peer_is_believed_or_refused() {
        const OK: &[u8] = b"OK 0123456789abcdef\r\n";
        assert_eq!(with_peer(OK, answer(METHOD_RETURN, "o", "/job/7")).unwrap(), Ok("/job/7".to_owned()));
        assert_eq!(with_peer(OK, answer(ERROR, "s", "no such slice")).unwrap(), Err("no such slice".to_owned()));
        let refused = with_peer(b"REJECTED EXTERNAL\r\n", Vec::new()).unwrap_err();
        assert!(refused.to_string().contains("REJECTED EXTERNAL"), "{refused}");
        let garbled = |answer: Vec<u8>| with_peer(OK, answer).unwrap_err().kind();
        assert_eq!(garbled(vec![b'x'; 64]), io::ErrorKind::InvalidData);
        // A length that nobody would send, and a message that ends too early.
        assert_eq!(garbled([&b"l\x02\0\x01"[..], &[0xff; 12]].concat()), io::ErrorKind::InvalidData);
        assert_eq!(garbled(answer(METHOD_RETURN, "o", "/job/7")[..40].to_vec()), io::ErrorKind::UnexpectedEof);
        assert_eq!(with_peer(&[b'O'; 600], Vec::new()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), little: bool) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (little, bytes.first_mut()) {
                *first = b'l';
            }
            if let Some((_, body)) = parse(&bytes) {
                let mut reader = Reader { bytes: &body, at: 0 };
                let _ = (reader.number(), reader.text(), reader.signature());
            }
        }
    }
}
