//! Images in the store: listed, named, removed, and what removal frees.

use crate::support::{Registry, Rr, requires};
use std::path::Path;

/// A user with alpine and busybox.
fn user() -> Option<Rr> {
    let registry = Registry::shared();
    let rr = Rr::new().with_mirror(registry.ok()?);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    rr.run(["pull", "-q", "busybox"]).succeeds();
    Some(rr)
}

/// Number of files below a directory.
fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

fn id_of(rr: &Rr, name: &str) -> String {
    rr.run(["images", "-q", "--no-trunc", name]).succeeds().stdout.trim().to_owned()
}

#[test]
fn a_tag_is_a_further_name_and_removal_of_the_last_frees_the_disk() {
    let rr = requires!(user().ok_or("no registry"));
    rr.run(["tag", "alpine", "mine:1"]).succeeds_quietly();
    let id = id_of(&rr, "mine:1");
    assert_eq!(id, id_of(&rr, "alpine"));
    assert_eq!(rr.run(["rmi", "alpine"]).succeeds().stdout, "Untagged: alpine:latest\n");
    rr.run(["run", "--rm", "--network", "none", "mine:1", "true"]).succeeds();
    let outcome = rr.run(["rmi", "mine:1"]).succeeds();
    assert_eq!(outcome.stdout, format!("Untagged: mine:1\nDeleted: {id}\n"));
    rr.run(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    // busybox alone is left: a manifest, a config and a layer.
    assert_eq!(files(&rr.store().join("oci/blobs")), 3);
    rr.run(["rmi", "busybox"]).succeeds();
    assert_eq!(files(&rr.store().join("oci/blobs")), 0);
    assert_eq!(files(&rr.store().join("layers")), 0);
    assert_eq!(files(&rr.store().join("tmp")), 0);
    rr.run(["rmi", "busybox"]).fails_with(1, "no such image");
}

#[test]
fn ids_and_their_beginnings_name_images() {
    let rr = requires!(user().ok_or("no registry"));
    let id = id_of(&rr, "alpine");
    let hex = id.trim_start_matches("sha256:");
    for name in [&id, hex, &hex[..12], &hex[..7]] {
        let release = rr.run(["run", "--rm", "--network", "none", name, "cat", "/etc/alpine-release"]);
        assert_eq!(release.succeeds().stdout, "3.20.3\n");
    }
    rr.run(["rmi", &hex[..12]]).succeeds();
    rr.run(["inspect", &hex[..12]]).exits(1);
}

#[test]
fn an_image_in_use_stays_and_its_layers_outlive_a_forced_removal() {
    let rr = requires!(user().ok_or("no registry"));
    rr.run(["run", "--name", "user", "--network", "none", "alpine", "true"]).succeeds();
    rr.run(["rmi", "alpine"]).fails_with(1, "uses it");
    let layers = files(&rr.store().join("layers"));
    rr.run(["rmi", "busybox"]).succeeds();
    assert!(files(&rr.store().join("layers")) < layers);
    rr.run(["rmi", "-f", "alpine"]).succeeds();
    assert!(files(&rr.store().join("layers")) > 10, "the container's layers are gone");
    rr.run(["rm", "user"]).succeeds();
}

#[test]
fn a_damaged_image_is_named_and_can_be_pulled_again() {
    let rr = requires!(user().ok_or("no registry"));
    let id = id_of(&rr, "alpine");
    std::fs::write(rr.store().join("oci/blobs/sha256").join(id.trim_start_matches("sha256:")), "{}").expect("own file");
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "true"]);
    outcome.fails_with(125, "does not have the digest it is named by");
    let listing = rr.run(["images"]).exits(1);
    assert!(listing.stdout.contains("busybox") && listing.stderr.contains("cannot read the image alpine:latest"));
    rr.run(["rmi", "-f", "alpine"]).succeeds();
    rr.run(["run", "--rm", "--network", "none", "alpine", "true"]).succeeds();
}
