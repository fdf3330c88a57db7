//! The small values of options.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::confine::capabilities::CapabilitySet;
use rr::confine::rlimits::Rlimit;
use rr::container::values;
use rr::host::userns::UsernsRequest;

fuzz_target!(|bytes: &[u8]| {
    let _ = values::key_file(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (values::size(text), values::boolean(text), values::hostname(text), values::add_host(text));
    let _ = (values::key_value(text), values::detach_keys(text));
    let _ = (text.parse::<CapabilitySet>(), text.parse::<Rlimit>());
    let _ = UsernsRequest::parse(Some(text), &[], &[]);
    let _ = UsernsRequest::parse(None, &[text.to_owned()], &[]);
    if let Ok(name) = values::container_name(text) {
        assert!(!name.contains('/') && !name.starts_with('.'), "{text:?} is a name");
    }
    if let Ok(number) = values::signal(text) {
        assert_eq!(values::signal(&values::signal_name(number)), Ok(number), "from {text:?}");
    }
    let clean = values::clean_path(text);
    assert_eq!(values::clean_path(&clean), clean, "from {text:?}");
});
