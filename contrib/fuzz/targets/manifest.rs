//! Manifests and indexes, as a registry serves them.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::image::manifest::Document;

fuzz_target!(|bytes: &[u8]| {
    for content_type in [None, Some("application/vnd.oci.image.index.v1+json"), Some("text/plain; charset=utf-8")] {
        // Errors are fine, panics are bugs.
        let _ = Document::parse(bytes, content_type);
    }
});
