//! A whole layer onto a real file system: whatever it holds, nothing outside of its directory changes.
//! `contrib/fuzz/run` runs this as an unprivileged user that is root of a user namespace.
#![no_main]
#[path = "../seal.rs"]
mod seal;

use libfuzzer_sys::fuzz_target;
use rr::host::ids::{IdMap, IdMaps};
use rr::image::unpack::{UnmappedIds, UnpackOptions, unpack_layer};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let base = parent.join(format!("rr-fuzz-{}", std::process::id()));
    let (canary, inside) = (base.join("canary"), base.join("layer"));
    fs::create_dir_all(&inside).expect("a directory of our own");
    fs::write(&canary, "untouched").expect("a file of our own");
    // What archives like to go through; `up` leads to the canary.
    symlink("..", base.join("up")).expect("a link of our own");
    let before = fs::metadata(&canary).expect("it was made");

    let ids = IdMaps { users: IdMap::single(0, 0), groups: IdMap::single(0, 0) };
    let options = UnpackOptions { ids: &ids, namespace: &ids, unmapped: UnmappedIds::Squash };
    let _ = unpack_layer(&mut seal::seal(bytes).as_slice(), &inside, &options);

    let after = fs::metadata(&canary).expect("the canary lives");
    assert_eq!(fs::read(&canary).expect("the canary is readable"), b"untouched");
    let facts = |meta: &fs::Metadata| (meta.ino(), meta.nlink(), meta.mode(), meta.uid(), meta.mtime_nsec());
    assert_eq!(facts(&before), facts(&after));
    let mut names: Vec<_> =
        fs::read_dir(&base).expect("our own").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["canary", "layer", "up"]);
    // A layer may close its own directory to its owner; as root of the namespace that is no obstacle,
    // outside of one it would be.
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o700)).expect("our own");
    fs::remove_dir_all(&base).expect("our own");
});
