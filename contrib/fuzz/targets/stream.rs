//! Compressed layers: gzip, zstd and plain, told apart by their first bytes.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::image::stream::auto_decoder;
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((_, decoder)) = auto_decoder(bytes) {
        // A bomb is cut off by the layer's declared size, not here.
        let _ = decoder.take(1 << 20).read_to_end(&mut Vec::new());
    }
});
