//! `export` and `import`, `save` and `load`, `history`: images and file systems as archives.

use crate::support::{Registry, Rr, command_exists, images, requires};
use std::path::Path;
use std::process::Command;

fn user() -> Result<Rr, String> {
    let rr = Rr::new().with_mirror(Registry::shared()?);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    Ok(rr)
}

fn id_of(rr: &Rr, name: &str) -> String {
    rr.run(["images", "-q", "--no-trunc", name]).succeeds().stdout.trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Runs a program of this machine to success; what it wrote.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("HOME", "/nonexistent").output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_exported_container_becomes_an_image_again() {
    let rr = requires!(user());
    let script = "echo mine >/mine && chown 5:6 /mine && rm /etc/motd";
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    let file = rr.path("it.tar");
    rr.run(["export", "-o", text(&file), "it"]).succeeds_quietly();
    let names = run("tar", &["-tf", text(&file)]);
    for name in ["bin/sh", "mine", "etc/alpine-release", "proc/", "var/"] {
        assert!(names.lines().any(|line| line == name), "{name} is not in:\n{names}");
    }
    assert!(!names.contains("etc/motd") && !names.contains(".wh."), "{names}");
    let options = ["import", "-c", "CMD [\"cat\", \"/mine\"]", "-c", "ENV A=1", "-m", "a message"];
    let id = rr.run([&options[..], &[text(&file), "mine:1"]].concat()).succeeds().stdout;
    assert_eq!(id.trim(), id_of(&rr, "mine:1"));
    assert_eq!(rr.run(["run", "--rm", "--network", "none", "mine:1"]).succeeds().stdout, "mine\n");
    let owner = ["run", "--rm", "--network", "none", "mine:1", "stat", "-c", "%u:%g", "/mine"];
    assert_eq!(rr.run(owner).succeeds().stdout, "5:6\n");
    let history = rr.run(["history", "--format", "{{.Comment}}", "mine:1"]).succeeds().stdout;
    assert_eq!(history, "a message\n");

    let bytes = std::fs::read(&file).unwrap();
    let id = rr.command(["import", "-"]).stdin(&bytes).output().succeeds().stdout;
    assert_eq!(rr.run(["run", "--rm", "--network", "none", id.trim(), "cat", "/mine"]).succeeds().stdout, "mine\n");
    run("gzip", &[text(&file)]);
    rr.run(["import", text(&rr.path("it.tar.gz")), "packed"]).succeeds();
    rr.run(["run", "--rm", "--network", "none", "packed", "test", "-f", "/mine"]).succeeds();
    rr.run(["export", "nope"]).fails_with(1, "No such container");
}

#[test]
fn a_name_without_a_tag_is_saved_with_all_its_tags() {
    let rr = requires!(user());
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "touch", "/mine"]).succeeds();
    rr.run(["commit", "-q", "it", "x/it:a"]).succeeds();
    for name in ["x/it:b", "x/it", "x/other:c"] {
        rr.run(["tag", "x/it:a", name]).succeeds();
    }
    rr.run(["commit", "-q", "--change", "ENV A=1", "it", "x/it:later"]).succeeds();
    let saved = |program: Option<&str>, images: &[&str]| {
        let file = rr.path("saved.tar");
        let words = [&["save", "-o", text(&file)], images].concat();
        match program {
            Some(program) => rr.command_as(program, words).output().succeeds(),
            None => rr.run(words).succeeds(),
        };
        let manifest = run("tar", &["-xOf", text(&file), "manifest.json"]);
        std::fs::remove_file(&file).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
        let mut images: Vec<Vec<String>> = Vec::new();
        for image in manifest.as_array().unwrap() {
            let tags = image["RepoTags"].as_array().into_iter().flatten();
            let mut tags: Vec<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
            tags.sort();
            images.push(tags);
        }
        images.sort();
        images
    };
    for program in [None, Some("docker")] {
        let all = saved(program, &["x/it"]);
        assert_eq!(all, [&["x/it:a", "x/it:b", "x/it:latest"][..], &["x/it:later"]], "{program:?}");
    }
    assert_eq!(saved(Some("podman"), &["x/it"]).len(), 1);
    assert_eq!(saved(None, &["x/it:b"]), [["x/it:b"]]);
    let several = saved(None, &["x/it:later", "alpine", "x/it:a", "x/other"]);
    assert_eq!(several, [&["alpine:latest"][..], &["x/it:a", "x/other:c"], &["x/it:later"]]);
    rr.run(["save", "-o", "/dev/null", "x/nope"]).fails_with(1, "x/nope");
}

#[test]
fn what_is_no_archive_is_not_imported() {
    let rr = Rr::new();
    let file = rr.path("text");
    std::fs::write(&file, "no archive at all, but long enough to be one's first block. ".repeat(20)).unwrap();
    rr.run(["import", text(&file), "x"]).fails_with(1, "cannot import the archive");
    std::fs::write(&file, "").unwrap();
    rr.run(["import", text(&file), "x"]).fails_with(1, "nothing in it");
    rr.run(["import", "/no/such/file"]).fails_with(1, "ENOENT");
    rr.run(["import", "http://127.0.0.1:1/x.tar"]).fails_with(1, "cannot download");
    rr.run(["import", "-c", "FROM x", text(&file)]).fails_with(1, "--change");
    assert_eq!(rr.run(["images", "-q"]).succeeds().stdout, "");
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).unwrap().count(), 0);
    rr.run(["load", "-i", text(&file)]).fails_with(1, "cannot load");
    rr.run(["load", "-i", "/no/such/file"]).fails_with(1, "ENOENT");
}

#[test]
fn a_terminal_is_refused() {
    let rr = requires!(user());
    rr.run(["create", "--name", "it", "--network", "none", "alpine", "true"]).succeeds();
    for arguments in [["export", "it"], ["save", "alpine"]] {
        let mut terminal = rr.command(arguments).terminal(24, 80);
        terminal.expect("cowardly refusing to save to a terminal");
        assert_eq!(terminal.wait().code(), Some(1));
    }
}

#[test]
fn saved_images_are_loaded_again() {
    let rr = requires!(user());
    rr.run(["pull", "-q", "busybox"]).succeeds();
    rr.run(["tag", "alpine", "other/name:2"]).succeeds();
    let (alpine, busybox) = (id_of(&rr, "alpine"), id_of(&rr, "busybox"));
    for format in ["docker-archive", "oci-archive", "oci-dir"] {
        let file = rr.path(format);
        let images = ["alpine", "busybox", "other/name:2"];
        rr.run([&["save", "--format", format, "-o", text(&file)], &images[..]].concat()).succeeds_quietly();
        let fresh = Rr::new();
        let loaded = fresh.run(["load", "-q", "-i", text(&file)]).succeeds().stdout;
        let mut lines: Vec<&str> = loaded.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        let expected = ["Loaded image: alpine:latest", "Loaded image: busybox:latest", "Loaded image: other/name:2"];
        assert_eq!(lines, expected, "{format}");
        assert_eq!((id_of(&fresh, "alpine"), id_of(&fresh, "busybox")), (alpine.clone(), busybox.clone()));
        let release =
            ["run", "--rm", "--network", "none", "--pull", "never", "other/name:2", "cat", "/etc/alpine-release"];
        assert_eq!(fresh.run(release).succeeds().stdout, "3.20.3\n");
    }
    let by_id = rr.run(["save", &alpine]).exits(0);
    assert!(by_id.stderr.is_empty());
}

#[test]
fn an_image_saved_by_its_id_is_loaded_without_a_name_and_from_standard_input_packed() {
    let rr = requires!(user());
    let id = id_of(&rr, "alpine");
    let file = rr.path("by-id.tar");
    rr.run(["save", "-o", text(&file), &id]).succeeds();
    run("gzip", &[text(&file)]);
    let bytes = std::fs::read(rr.path("by-id.tar.gz")).unwrap();
    let fresh = Rr::new();
    let loaded = fresh.command(["load"]).stdin(&bytes).output().succeeds().stdout;
    assert_eq!(loaded, format!("Loaded image ID: {id}\n"));
}

#[test]
fn others_read_what_was_saved_and_ours_is_what_others_save() {
    for program in ["skopeo", "podman"] {
        requires!(command_exists(program), &format!("{program} is not installed"));
    }
    let rr = requires!(user());
    let id = id_of(&rr, "alpine");
    for (format, transport) in
        [("docker-archive", "docker-archive"), ("oci-archive", "oci-archive"), ("oci-dir", "oci")]
    {
        let file = rr.path(format);
        rr.run(["save", "--format", format, "-o", text(&file), "alpine"]).succeeds();
        let copy = rr.path(&format!("copy-{format}"));
        // skopeo verifies every digest on the way.
        let (source, target) = (format!("{transport}:{}", text(&file)), format!("oci:{}:t", text(&copy)));
        rr.any_command("skopeo", ["--insecure-policy", "copy", "--quiet", &source, &target]).output().succeeds();
        let config = rr.any_command("skopeo", ["inspect", "--config", "--raw", &source]).output().succeeds().stdout;
        assert_eq!(crate::support::sha256(config.as_bytes()), id, "{format}");
    }
    let theirs = rr.path("theirs.tar");
    let source = format!("oci-archive:{}", text(images::alpine().unwrap()));
    let target = format!("docker-archive:{}:theirs/alpine:9", text(&theirs));
    rr.any_command("skopeo", ["--insecure-policy", "copy", "--quiet", &source, &target]).output().succeeds();
    assert_eq!(rr.run(["load", "-q", "-i", text(&theirs)]).succeeds().stdout, "Loaded image: theirs/alpine:9\n");
}

#[test]
fn a_damaged_blob_is_not_saved() {
    let rr = requires!(user());
    let layers = rr.run(["image", "inspect", "-f", "{{json .RootFS.Layers}}", "alpine"]).succeeds().stdout;
    assert!(layers.contains("sha256:"));
    let blobs = rr.store().join("oci/blobs/sha256");
    let largest = std::fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len());
    let mut bytes = std::fs::read(largest.as_ref().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest.unwrap(), bytes).unwrap();
    for format in ["docker-archive", "oci-archive"] {
        let file = rr.path(format);
        rr.run(["save", "--format", format, "-o", text(&file), "alpine"]).fails_with(1, "cannot");
        assert!(!file.exists(), "{format}: half an archive was left");
    }
    rr.run(["save", "--format", "zip", "alpine"]).fails_with(1, "none of docker-archive");
    rr.run(["save", "nope"]).fails_with(1, "no such image");
}

#[test]
fn history_is_dockers_table() {
    let rr = requires!(user());
    let table = rr.run(["history", "alpine"]).succeeds().stdout;
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("IMAGE          CREATED"), "{table}");
    let id = id_of(&rr, "alpine");
    assert!(lines.next().unwrap().starts_with(&id[7..19]) && table.contains("<missing>"), "{table}");
    let first = rr.run(["image", "history", "--no-trunc", "-q", "alpine"]).succeeds().stdout;
    assert_eq!(first.lines().next(), Some(id.as_str()));
    let sizes = rr.run(["history", "-H=false", "--format", "{{.Size}}", "alpine"]).succeeds().stdout;
    let largest = sizes.lines().map(|size| size.parse::<u64>().unwrap()).max().unwrap();
    assert!((7_000_000..9_000_000).contains(&largest), "{sizes}");
    rr.run(["history", "nope"]).fails_with(1, "no such image");
}
