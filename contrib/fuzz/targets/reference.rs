//! Image names as people type them: what is accepted prints as itself.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::image::platform::Platform;
use rr::image::reference::ImageName;

fuzz_target!(|text: &str| {
    match ImageName::parse(text) {
        // An id prints as Docker prints it, without its algorithm.
        Ok(ImageName::Id(hex)) => assert_eq!(ImageName::parse(&format!("sha256:{hex}")), Ok(ImageName::Id(hex))),
        Ok(name) => {
            let printed = name.to_string();
            match ImageName::parse(&printed) {
                Ok(again) => assert_eq!(again.to_string(), printed, "from {text:?}"),
                Err(why) => panic!("{text:?} is accepted and its own form {printed:?} is not: {why}"),
            }
        }
        Err(_) => {}
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().as_ref(), Ok(&platform), "from {text:?}");
    }
});
