//! /etc/subuid and /etc/passwd, which administrators edit by hand.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::host::{subid, users};

fuzz_target!(|text: &[u8]| {
    for entry in subid::parse(text).flatten() {
        assert!(!entry.owner.is_empty());
    }
    if let Some(user) = users::find(text, users::Key::Name("ana")) {
        assert_eq!(user.name, "ana");
    }
    if let Some(user) = users::find(text, users::Key::Uid(1000)) {
        assert_eq!(user.uid, 1000);
    }
});
