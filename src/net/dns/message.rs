//! DNS messages, as far as a forwarder looks into them (RFC 1035, section 4; RFC 6891). No I/O.
//!
//! What is passed on is passed on as it came, so nothing here takes a message apart and builds it anew.

/// The length of every message's header.
pub const HEADER: usize = 12;

/// The longest message that UDP carries to those who do not say otherwise (RFC 1035, section 4.2.1).
pub const CLASSIC_LIMIT: usize = 512;

/// Response codes (RFC 1035, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rcode(pub u8);

#[allow(missing_docs)]
impl Rcode {
    pub const SUCCESS: Rcode = Rcode(0);
    pub const SERVER_FAILURE: Rcode = Rcode(2);
    pub const NO_SUCH_NAME: Rcode = Rcode(3);
    pub const NOT_IMPLEMENTED: Rcode = Rcode(4);
    pub const REFUSED: Rcode = Rcode(5);
}

/// Record types that are answered here (RFC 1035, section 3.2.2; RFC 3596; RFC 6891).
#[allow(missing_docs)]
pub mod kind {
    pub const A: u16 = 1;
    pub const PTR: u16 = 12;
    pub const AAAA: u16 = 28;
    pub const OPT: u16 = 41;
    pub const ANY: u16 = 255;
}

const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
const CHECKING_DISABLED: u16 = 0x0010;

/// What a query of one question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name as labels, the root's empty one included.
    pub name: &'a [u8],
    /// Its type.
    pub kind: u16,
    /// Its class.
    pub class: u16,
    /// Where in the message it ends.
    pub end: usize,
}

/// What a query says about itself by EDNS (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The longest answer by UDP that its sender takes.
    pub payload: u16,
    /// Whether it wants DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
}

fn word(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The message's id; None for what is too short to be a message.
pub fn id(message: &[u8]) -> Option<u16> {
    message.get(HEADER - 1)?;
    word(message, 0)
}

/// Gives a message another id. It must have a header.
pub fn set_id(message: &mut [u8], id: u16) {
    message[..2].copy_from_slice(&id.to_be_bytes());
}

/// Whether this is a query, of whatever kind: it has a header, which says so.
pub fn is_query(message: &[u8]) -> bool {
    id(message).is_some() && word(message, 2).is_some_and(|flags| flags & RESPONSE == 0)
}

/// What became of a query. The upper bits that EDNS adds are not looked at: no code that matters here has them.
pub fn rcode(message: &[u8]) -> Rcode {
    Rcode(message.get(3).map_or(0, |byte| byte & 0x0f))
}

/// The place after the name at `at`, which is labels alone or ends with a pointer.
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

/// The name at `at`, if it is labels alone: the first name of a message has nothing to point to.
fn plain_name(message: &[u8], start: usize) -> Option<&[u8]> {
    const LONGEST_NAME: usize = 255;
    let mut at = start;
    loop {
        match usize::from(*message.get(at)?) {
            0 => return message.get(start..=at).filter(|name| name.len() <= LONGEST_NAME),
            length if length < 0x40 => at += 1 + length,
            _ => return None,
        }
    }
}

/// The only question of a message; None where there are more or fewer, or where it is none.
pub fn question(message: &[u8]) -> Option<Question<'_>> {
    if word(message, 4)? != 1 {
        return None;
    }
    let name = plain_name(message, HEADER)?;
    let end = HEADER + name.len();
    Some(Question { name, kind: word(message, end)?, class: word(message, end + 2)?, end: end + 4 })
}

/// The labels of a [`Question`]'s name, without the root's.
pub fn labels(mut name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = name.split_first().filter(|(length, _)| **length != 0)?;
        let (label, rest) = rest.split_at_checked(length.into())?;
        name = rest;
        Some(label)
    })
}

/// A name as labels; None where it has an empty or too long label, or is too long itself (RFC 1035, section 2.3.4).
pub fn encode_name(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        name.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        name.extend(label.bytes());
    }
    name.push(0);
    (name.len() <= 255).then_some(name)
}

/// Whether `reply`, which came from whom `query` was sent to, answers it. `id` is the one it was sent with.
///
/// The question has to come back, but for letter case. A server that could not or would not read it may leave it out.
pub fn answers(query: &[u8], id: u16, reply: &[u8]) -> bool {
    let (Some(asked), Some(told)) = (word(query, 2), word(reply, 2)) else { return false };
    if self::id(reply) != Some(id) || told & RESPONSE == 0 || (asked ^ told) & OPCODE != 0 {
        return false;
    }
    let Some(asked) = question(query).filter(|_| asked & OPCODE == 0) else { return true };
    if word(reply, 4) == Some(0) {
        return ![Rcode::SUCCESS, Rcode::NO_SUCH_NAME].contains(&rcode(reply));
    }
    question(reply).is_some_and(|told| {
        told.name.eq_ignore_ascii_case(asked.name) && (told.kind, told.class) == (asked.kind, asked.class)
    })
}

/// What a query's OPT record says; None where it has none, or cannot be read.
pub fn edns(query: &[u8]) -> Option<Edns> {
    let mut at = HEADER;
    for _ in 0..word(query, 4)? {
        at = skip_name(query, at)? + 4;
    }
    let before = usize::from(word(query, 6)?) + usize::from(word(query, 8)?);
    for number in 0..before + usize::from(word(query, 10)?) {
        let after_name = skip_name(query, at)?;
        if number >= before && word(query, after_name)? == kind::OPT {
            let payload = word(query, after_name + 2)?;
            let dnssec_ok = word(query, after_name + 6)? & 0x8000 != 0;
            return Some(Edns { payload, dnssec_ok });
        }
        at = after_name + 10 + usize::from(word(query, after_name + 8)?);
    }
    None
}

/// The longest answer that whoever sent `query` by UDP takes.
pub fn datagram_limit(query: &[u8]) -> usize {
    edns(query).map_or(0, |edns| usize::from(edns.payload)).max(CLASSIC_LIMIT)
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Of one who knows.
    Authoritative,
    /// Of one who only asks others.
    Forwarder,
}

/// Data of records that belong to the question's name; its form is that of the question's type, or as the pair says.
pub struct Record {
    /// The record's type.
    pub kind: u16,
    /// Its data.
    pub data: Vec<u8>,
}

/// A reply to `query` with these records for the question's name, which live for `ttl` seconds. Where they do not all
/// fit into `limit` bytes, those that do, marked as cut off. `query` has a header.
pub fn reply(query: &[u8], code: Rcode, authority: Authority, records: &[Record], ttl: u32, limit: usize) -> Vec<u8> {
    // Room for the OPT record, which comes last.
    const OPT_LENGTH: usize = 11;
    let question = question(query);
    let edns = edns(query);
    let limit = limit.saturating_sub(if edns.is_some() { OPT_LENGTH } else { 0 });
    let asked = word(query, 2).unwrap_or_default();
    let mut flags = RESPONSE | RECURSION_AVAILABLE | u16::from(code.0);
    flags |= asked & (OPCODE | RECURSION_DESIRED | CHECKING_DISABLED);
    if authority == Authority::Authoritative {
        flags |= AUTHORITATIVE;
    }
    let mut message = query[..2].to_vec();
    message.resize(HEADER, 0);
    if let Some(question) = &question {
        message.extend(&query[HEADER..question.end]);
    }
    let mut count: u16 = 0;
    for record in records {
        let length = u16::try_from(record.data.len()).unwrap_or(u16::MAX);
        if message.len() + 12 + record.data.len() > limit {
            flags |= TRUNCATED;
            break;
        }
        // The name is the one at the header's end.
        message.extend([0xc0, HEADER as u8]);
        message.extend(record.kind.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend(length.to_be_bytes());
        message.extend(&record.data);
        count += 1;
    }
    if let Some(edns) = edns {
        let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
        let [kind_high, kind_low] = kind::OPT.to_be_bytes();
        // As much as any container takes: its link is not narrower.
        message.extend([0, kind_high, kind_low, 0x10, 0, 0, 0, dnssec_ok, 0, 0, 0]);
    }
    let counts = [flags, u16::from(question.is_some()), count, 0, u16::from(edns.is_some())];
    for (index, count) in counts.into_iter().enumerate() {
        message[2 + 2 * index..4 + 2 * index].copy_from_slice(&count.to_be_bytes());
    }
    message
}

/// The reply that says that nobody could be asked. `query` has a header.
pub fn failure(query: &[u8]) -> Vec<u8> {
    reply(query, Rcode::SERVER_FAILURE, Authority::Forwarder, &[], 0, CLASSIC_LIMIT)
}

/// The first message of a stream of them, each with its length before it (RFC 1035, section 4.2.2): the bytes with the
/// length, and the rest. None while it is not there entirely.
pub fn first_of_stream(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = 2 + usize::from(word(stream, 0)?);
    stream.split_at_checked(length)
}

/// A message as streams have it.
pub fn for_stream(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = Vec::with_capacity(2 + message.len());
    framed.extend(length.to_be_bytes());
    framed.extend(&message[..length.into()]);
    framed
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A query for `name` with RD set, and with an OPT record where `payload` says so.
    pub(crate) fn query(id: u16, name: &str, kind: u16, payload: Option<u16>) -> Vec<u8> {
        let mut message = Vec::new();
        for word in [id, RECURSION_DESIRED, 1, 0, 0, payload.is_some().into()] {
            message.extend(word.to_be_bytes());
        }
        message.extend(encode_name(name).expect("a name"));
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        if let Some(payload) = payload {
            message.extend([0, 0, 41]);
            message.extend(payload.to_be_bytes());
            message.extend([0, 0, 0x80, 0, 0, 0]);
        }
        message
    }

    fn reply_to(query: &[u8], code: Rcode) -> Vec<u8> {
        reply(query, code, Authority::Forwarder, &[], 0, CLASSIC_LIMIT)
    }

    #[test]
    fn a_question_is_read() {
        let message = query(7, "Web.example", kind::AAAA, None);
        assert!(is_query(&message) && id(&message) == Some(7));
        let asked = question(&message).unwrap();
        assert_eq!((asked.kind, asked.class, asked.end), (kind::AAAA, 1, message.len()));
        assert_eq!(labels(asked.name).collect::<Vec<_>>(), [&b"Web"[..], b"example"]);
        assert!(!is_query(&reply_to(&message, Rcode::SUCCESS)));
        assert!(!is_query(&message[..11]) && question(&message[..message.len() - 1]).is_none());
        // A pointer, to itself: the first name of a message has nothing to point to.
        let mut pointing = message.clone();
        pointing[12] = 0xc0;
        assert_eq!(question(&pointing), None);
        assert!(encode_name("a..b").is_none() && encode_name(&"a".repeat(64)).is_none());
        assert!(encode_name(&["a"; 128].join(".")).is_none() && encode_name(&["a"; 127].join(".")).is_some());
    }

    #[test]
    fn what_edns_says_is_found() {
        assert_eq!(edns(&query(1, "a", 1, None)), None);
        assert_eq!(edns(&query(1, "a", 1, Some(1232))), Some(Edns { payload: 1232, dnssec_ok: true }));
        assert_eq!(datagram_limit(&query(1, "a", 1, Some(100))), 512);
        assert_eq!(datagram_limit(&query(1, "a", 1, Some(4096))), 4096);
        // RFC 6891, section 6.1.1: who is asked with it answers with it.
        assert_eq!(edns(&failure(&query(1, "a", 1, Some(1232)))).map(|edns| edns.dnssec_ok), Some(true));
        assert_eq!(edns(&failure(&query(1, "a", 1, None))), None);
    }

    #[test]
    fn only_an_answer_is_an_answer() {
        let asked = query(7, "a.test", kind::A, Some(1232));
        let told = reply_to(&asked, Rcode::NO_SUCH_NAME);
        assert!(answers(&asked, 7, &told));
        assert!(!answers(&asked, 8, &told), "another id");
        assert!(!answers(&asked, 7, &asked), "a query");
        assert!(!answers(&asked, 7, &told[..11]), "too short");
        assert!(!answers(&asked, 7, &reply_to(&query(7, "b.test", kind::A, None), Rcode::SUCCESS)), "another name");
        // Types 65 and 97 differ as the letters `A` and `a` do.
        let (upper, lower) = (query(7, "a.test", 65, None), query(7, "a.test", 97, None));
        assert!(!answers(&upper, 7, &reply_to(&lower, Rcode::SUCCESS)), "another type");
        assert!(answers(&asked, 7, &reply_to(&query(7, "A.tEST", kind::A, None), Rcode::SUCCESS)));
    }

    #[test]
    fn a_server_may_leave_the_question_out_of_an_error() {
        let asked = query(7, "a.test", kind::A, None);
        let without = |code: Rcode| [0, 7, 0x80, code.0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(answers(&asked, 7, &without(Rcode::REFUSED)));
        assert!(!answers(&asked, 7, &without(Rcode::SUCCESS)) && !answers(&asked, 7, &without(Rcode::NO_SUCH_NAME)));
    }

    #[test]
    fn a_reply_that_does_not_fit_is_cut_off() {
        let asked = query(7, "a.test", kind::A, Some(1232));
        let records: Vec<Record> = (0..100).map(|n| Record { kind: kind::A, data: vec![10, 0, 0, n] }).collect();
        let full = reply(&asked, Rcode::SUCCESS, Authority::Authoritative, &records, 600, 65535);
        assert_eq!((word(&full, 6), full[2] & 2), (Some(100), 0));
        let cut = reply(&asked, Rcode::SUCCESS, Authority::Authoritative, &records, 600, 512);
        assert!(cut.len() <= 512 && cut.len() > 490, "{}", cut.len());
        assert_eq!(cut[2] & 2, 2);
        assert!(edns(&cut).is_some() && answers(&asked, 7, &cut));
    }

    #[test]
    fn a_stream_comes_apart_as_it_was_put_together() {
        let stream = [for_stream(b"one"), for_stream(b""), for_stream(b"three")].concat();
        let (first, rest) = first_of_stream(&stream).unwrap();
        assert_eq!((first, first_of_stream(rest).unwrap().0), (&b"\0\x03one"[..], &b"\0\0"[..]));
        assert_eq!(first_of_stream(&stream[..4]), None);
        assert_eq!(first_of_stream(b"\0"), None);
    }

    proptest! {
        #[test]
        fn no_message_panics(noise in proptest::collection::vec(any::<u8>(), 0..80), counts in any::<[u8; 8]>()) {
            let mut message = query(7, "a.test", kind::A, Some(1232));
            message.extend(&noise);
            message[4..12].copy_from_slice(&counts);
            for message in [&noise[..], &message] {
                let _ = (edns(message), rcode(message), first_of_stream(message));
                let _ = answers(message, 7, message);
                if is_query(message) {
                    let failed = failure(message);
                    prop_assert!(!is_query(&failed) && failed.len() <= CLASSIC_LIMIT);
                    prop_assert!(answers(message, id(message).unwrap(), &failed));
                }
            }
        }

        #[test]
        fn a_name_is_its_labels(labels in proptest::collection::vec("[a-z0-9-]{1,20}", 1..6)) {
            let message = query(1, &labels.join("."), kind::A, None);
            let read: Vec<Vec<u8>> = super::labels(question(&message).unwrap().name).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(read, labels.iter().map(|label| label.clone().into_bytes()).collect::<Vec<_>>());
        }
    }
}
