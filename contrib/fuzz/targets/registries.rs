//! registries.conf: whatever it says, every name has an answer or an error.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::image::reference::ImageName;
use rr::image::registries::Registries;
use std::path::Path;

fuzz_target!(|text: &str| {
    let Ok(registries) = Registries::from_text(text, Path::new("registries.conf")) else { return };
    for name in ["alpine", "docker.io/library/alpine:3", "example.org:5000/a/b"] {
        let Ok(ImageName::Registry { reference, spelling }) = ImageName::parse(name) else { panic!("{name}") };
        for candidate in registries.candidates(&reference, spelling).unwrap_or_default() {
            let _ = registries.endpoints(&candidate);
        }
    }
});
