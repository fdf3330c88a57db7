//! Image configs; what is read can be written and read again.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::image::config::ImageConfig;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = ImageConfig::parse(bytes) {
        let _ = (config.created(), config.platform());
        let written = serde_json::to_vec(&config).expect("a config is plain data");
        assert_eq!(ImageConfig::parse(&written).as_ref(), Ok(&config));
    }
});
