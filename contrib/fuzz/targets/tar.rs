//! Tar headers with all their extensions: entries one after the other, no file system involved.
#![no_main]
#[path = "../seal.rs"]
mod seal;

use libfuzzer_sys::fuzz_target;
use rr::image::unpack::entries::Archive;
use rr::image::unpack::path;

fuzz_target!(|bytes: &[u8]| {
    let bytes = seal::seal(bytes);
    let mut reader = bytes.as_slice();
    let mut archive = Archive::new(&mut reader);
    while let Ok(Some(entry)) = archive.next_entry() {
        if let Ok(name) = path::normalize(&entry.path) {
            assert!(!name.starts_with(b"/") && name.split(|&byte| byte == b'/').all(|part| part != b".."));
        }
        while let Ok(piece) = archive.data() {
            let length = piece.len();
            if length == 0 {
                break;
            }
            archive.consume(length);
        }
        assert!(archive.position() <= bytes.len() as u64);
    }
});
