//! What a container sends to its name server, what name servers send back, and the host's resolv.conf.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::host::resolv_conf::ResolvConf;
use rr::net::dns::{LocalNames, message};

fuzz_target!(|bytes: &[u8]| {
    let read = ResolvConf::parse(&String::from_utf8_lossy(bytes));
    assert_eq!(ResolvConf::parse(&read.to_text()), read);
    assert!((1..=3).contains(&read.name_servers().len()));

    // A query and what is said to be its answer, cut where the first byte says.
    let (query, reply) = bytes.split_at(bytes.first().map_or(0, |&at| usize::from(at).min(bytes.len())));
    let mut names = LocalNames::new("net");
    names.add("web", [10, 89, 0, 2].into());
    names.add("web", "fd00::2".parse().unwrap());
    let id = message::id(query).unwrap_or_default();
    let _ = (message::answers(query, id, reply), message::rcode(reply), message::edns(reply));
    if message::is_query(query) {
        let limit = message::datagram_limit(query);
        for answer in [Some(message::failure(query)), names.answer(query, 1, limit)].into_iter().flatten() {
            assert!(answer.len() <= limit && !message::is_query(&answer));
            assert!(message::answers(query, id, &answer));
        }
    }
    let mut rest = bytes;
    while let Some((first, further)) = message::first_of_stream(rest) {
        assert_eq!(first.len() + further.len(), rest.len());
        assert_eq!(message::for_stream(&first[2..]), first);
        rest = further;
    }
});
