//! --volume, --mount and --tmpfs: a target is absolute and stays below the root.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::container::mount_options;
use std::path::Path;

fuzz_target!(|text: &str| {
    let here = Path::new("/home/ana");
    let parsed = [mount_options::volume(text, here), mount_options::mount(text, here), mount_options::tmpfs(text)];
    for mount in parsed.into_iter().flatten() {
        assert!(mount.target.starts_with('/'), "{text:?} gives {mount:?}");
        assert!(!mount.target.split('/').any(|part| part == ".." || part == "."), "{text:?} gives {mount:?}");
        assert!(!mount.target.contains('\0'), "{text:?} gives {mount:?}");
    }
});
