//! `rr cp`: files between a container and the host, by Docker's rules, and nothing else.

use crate::support::{Outcome, Registry, Rr, command_exists, images, requires, wait_until};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

/// Creates a container that is not started.
fn create(rr: &Rr, name: &str, options: &[&str]) {
    rr.run([&["create", "--network", "none", "--name", name], options, &Rr::ALPINE, &["true"]].concat())
        .succeeds_quietly();
}

/// Starts a container that goes on until it is removed.
fn start(rr: &Rr, name: &str, options: &[&str], script: &str) {
    let script = format!("{script}\nwhile :; do sleep 0.1; done");
    let words = [&["run", "-d", "--network", "none", "--name", name], options, &Rr::ALPINE, &["sh", "-c", &script]];
    rr.run(words.concat()).succeeds_quietly();
}

/// What the container's own `sh` says of its files; the container does not run.
fn ask(rr: &Rr, name: &str, script: &str) -> String {
    // Started, it runs `true`; so it is asked through a copy of its files.
    let out = rr.path("asked");
    let _ = rr.run(["unshare", "rm", "-rf", "asked"]);
    rr.run(["cp", "-a", &format!("{name}:/"), "asked"]).succeeds();
    rr.run(["unshare", "sh", "-c", &format!("cd {} && {script}", out.display())]).succeeds().stdout
}

fn cp(rr: &Rr, from: &str, to: &str) -> Outcome {
    rr.run(["cp", from, to])
}

#[test]
fn files_go_in_and_out_of_a_stopped_and_of_a_running_container() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, "stopped", &[]);
    start(&rr, "running", &[], "");
    std::fs::write(rr.path("file"), "of the host\n").expect("own directory");
    std::fs::set_permissions(rr.path("file"), std::fs::Permissions::from_mode(0o640)).expect("own file");
    for name in ["stopped", "running"] {
        cp(&rr, "file", &format!("{name}:/etc/new")).succeeds_quietly();
        cp(&rr, &format!("{name}:/etc/new"), &format!("back-{name}")).succeeds_quietly();
        let back = rr.path(&format!("back-{name}"));
        assert_eq!(std::fs::read_to_string(&back).expect("it came back"), "of the host\n");
        let metadata = std::fs::metadata(&back).expect("it came back");
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o640, rustix::process::geteuid().as_raw()));
        assert_eq!(ask(&rr, name, "stat -c %u:%g:%a etc/new"), "0:0:640\n");
        // The container's directory into one that is there, and as one that is not.
        cp(&rr, &format!("{name}:/etc/apk"), ".").succeeds();
        cp(&rr, &format!("{name}:/etc/apk"), &format!("apk-{name}")).succeeds();
        assert!(rr.path("apk/repositories").exists() && rr.path(&format!("apk-{name}/repositories")).exists());
    }
    assert_eq!(rr.run(["ps", "-q"]).succeeds().stdout.lines().count(), 1, "nothing was started");
    rr.run(["rm", "-f", "stopped", "running"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_was_copied_in_is_there_at_the_start() {
    let rr = requires!(Rr::with_alpine());
    let words = ["create", "--network", "none", "--name", "cc", "-v", "vol:/vol"];
    rr.run([&words[..], &Rr::ALPINE, &["cat", "/new/file", "/vol/file"]].concat()).succeeds();
    std::fs::create_dir(rr.path("dir")).expect("own directory");
    std::fs::write(rr.path("dir/file"), "text\n").expect("own directory");
    cp(&rr, "dir", "cc:/new").succeeds();
    cp(&rr, "dir/.", "cc:/vol").succeeds();
    for _ in 0..2 {
        assert_eq!(rr.run(["start", "-a", "cc"]).succeeds_quietly().stdout, "text\ntext\n");
    }
    assert!(rr.store().join("volumes/vol/_data/file").exists());
    cp(&rr, "cc:/vol/file", "back").succeeds();
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn files_are_reached_whoever_stacks_the_layers() {
    let rr = requires!(Rr::with_alpine());
    requires!(command_exists("fuse-overlayfs"), "fuse-overlayfs is not installed");
    std::fs::write(rr.path("file"), "of the host\n").expect("own directory");
    for driver in ["kernel", "fuse", "copy"] {
        let script = "touch /made; while :; do sleep 0.1; done";
        let words = [&["run", "-d", "--network", "none", "--name", driver], &Rr::ALPINE[..], &["sh", "-c", script]];
        rr.command(words.concat()).env("RR_OVERLAY", driver).output().succeeds();
        let made = || cp(&rr, &format!("{driver}:/made"), "made").status.success();
        assert!(wait_until(Duration::from_secs(10), made), "{driver}");
        cp(&rr, "file", &format!("{driver}:/etc/new")).succeeds_quietly();
        cp(&rr, &format!("{driver}:/etc"), &format!("etc-{driver}")).succeeds();
        assert_eq!(std::fs::read_to_string(rr.path(&format!("etc-{driver}/new"))).expect("copied"), "of the host\n");
        rr.run(["stop", "-t", "0", driver]).succeeds();
        cp(&rr, &format!("{driver}:/etc/hosts"), "hosts").succeeds_quietly();
        assert!(std::fs::read_to_string(rr.path("hosts")).expect("copied").contains("localhost"));
        cp(&rr, &format!("{driver}:/etc/new"), "stopped").succeeds_quietly();
        rr.run(["rm", driver]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn many_copy_at_once() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, "cc", &[]);
    let copies: Vec<_> = (0..8)
        .map(|number| {
            std::fs::write(rr.path(&format!("f{number}")), "x").expect("own directory");
            rr.command(["cp", &format!("f{number}"), "cc:/srv"]).spawn()
        })
        .collect();
    for copy in copies {
        copy.wait().succeeds_quietly();
    }
    cp(&rr, "cc:/srv/.", "all").succeeds();
    assert_eq!(std::fs::read_dir(rr.path("all")).expect("copied").count(), 8);
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn volumes_binds_and_tmpfs_are_seen() {
    let rr = requires!(Rr::with_alpine());
    let shared = rr.directory("shared");
    std::fs::write(shared.join("of-host"), "bound\n").expect("own directory");
    let bind = format!("{}:/bind", shared.display());
    let read_only = format!("{}:/ro:ro", shared.display());
    let options = ["-v", &bind, "-v", &read_only, "-v", "vol:/etc/apk", "--tmpfs", "/tmpfs"];
    create(&rr, "stopped", &options);
    start(&rr, "running", &options, "echo in memory >/tmpfs/file");
    std::fs::write(rr.path("new"), "new\n").expect("own directory");
    for name in ["stopped", "running"] {
        cp(&rr, &format!("{name}:/bind/of-host"), "out").succeeds();
        assert_eq!(std::fs::read_to_string(rr.path("out")).expect("copied"), "bound\n");
        cp(&rr, &format!("{name}:/etc/apk/repositories"), "out").succeeds();
        cp(&rr, "new", &format!("{name}:/bind/{name}")).succeeds();
        assert_eq!(std::fs::read_to_string(shared.join(name)).expect("copied"), "new\n");
        cp(&rr, "new", &format!("{name}:/ro/x")).fails_with(1, "mounted volume is marked read-only");
    }
    let is_there = || cp(&rr, "running:/tmpfs/file", "out").status.success();
    assert!(wait_until(Duration::from_secs(10), is_there));
    assert_eq!(std::fs::read_to_string(rr.path("out")).expect("copied"), "in memory\n");
    create(&rr, "ro", &["--read-only", "-v", "vol:/vol"]);
    cp(&rr, "new", "ro:/etc/new").fails_with(1, "container rootfs is marked read-only");
    cp(&rr, "new", "ro:/vol/new").succeeds();
    cp(&rr, "running:/proc/self/../version", "version").succeeds();
    assert!(std::fs::read_to_string(rr.path("version")).expect("copied").starts_with("Linux version"));
    // The kernel's file systems are no part of a container's files.
    cp(&rr, "running:/", "all").succeeds();
    assert_eq!(std::fs::read_dir(rr.path("all/proc")).expect("a directory").count(), 0);
    assert_eq!(std::fs::read_dir(rr.path("all/sys")).expect("a directory").count(), 0);
    rr.run(["rm", "-f", "stopped", "running", "ro"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn owners_are_the_other_sides_or_kept() {
    let rr = requires!(Rr::with_alpine());
    start(&rr, "cc", &[], "touch /of-5; chown 5:6 /of-5; cp /bin/busybox /setuid; chmod 4755 /setuid; touch /ready");
    assert!(wait_until(Duration::from_secs(10), || cp(&rr, "cc:/ready", "ready").status.success()));
    let me = rustix::process::geteuid().as_raw();
    cp(&rr, "cc:/of-5", "taken").succeeds();
    assert_eq!(std::fs::metadata(rr.path("taken")).expect("copied").uid(), me);
    rr.run(["cp", "-a", "cc:/of-5", "kept"]).succeeds();
    assert_eq!(rr.run(["unshare", "stat", "-c", "%u:%g", "kept"]).succeeds().stdout, "5:6\n");
    // And back again.
    cp(&rr, "kept", "cc:/roots").succeeds();
    rr.run(["cp", "--archive", "kept", "cc:/again"]).succeeds();
    assert_eq!(ask(&rr, "cc", "stat -c %u:%g roots again"), "0:0\n5:6\n");
    // A program of the container's root must not become one that runs as the user.
    for options in [&["cp"][..], &["cp", "-a"]] {
        rr.run([options, &["cc:/setuid", "program"]].concat()).succeeds();
        assert_eq!(std::fs::metadata(rr.path("program")).expect("copied").mode() & 0o7777, 0o755);
    }
    rr.run(["rm", "-f", "cc"]).succeeds();
    // Another map: ids are the container's, not the store's.
    create(&rr, "keep", &["--userns", "keep-id"]);
    cp(&rr, "ready", "keep:/etc/new").succeeds();
    let script =
        format!("stat -c %u:%g etc/new; [ $(stat -c %u etc/new) != $(stat -c %u {}) ]", rr.path("ready").display());
    let owner = ask(&rr, "keep", &script);
    assert_ne!(owner, "0:0\n", "root of a keep-id container is not the user");
    rr.run(["rm", "keep"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_cannot_be_copied_gets_dockers_words() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, "cc", &[]);
    std::fs::write(rr.path("file"), "").expect("own directory");
    std::fs::create_dir(rr.path("dir")).expect("own directory");
    for (from, to, text) in [
        ("cc:/nope", ".", "Could not find the file /nope in container cc"),
        ("cc:/nope/deep", ".", "Could not find the file /nope/deep in container cc"),
        ("nobody:/x", ".", "No such container: nobody"),
        ("file", "nobody:/x", "No such container: nobody"),
        ("nope", "cc:/tmp", "lstat nope: no such file or directory"),
        ("file", "other", "must specify at least one container source"),
        ("cc:/etc", "cc:/tmp", "copying between containers is not supported"),
        ("file", "cc:/nope/deep", "Could not find the file /nope in container cc"),
        ("cc:/etc/passwd", "nope/deep", "invalid output path: directory \"nope\" does not exist"),
        ("dir", "cc:/etc/passwd", "cannot copy directory"),
        ("file", "cc:/nope/", "no such directory"),
        ("cc:/etc/passwd", "nope/", "no such directory"),
        ("cc:/etc/passwd/", ".", "ENOTDIR"),
        ("file", "cc:/etc/passwd/", "not a directory"),
    ] {
        let outcome = cp(&rr, from, to).fails_with(1, text);
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
    std::fs::create_dir_all(rr.path("dir/passwd")).expect("own directory");
    cp(&rr, "dir/.", "cc:/etc").fails_with(1, "cannot overwrite non-directory \"passwd\" with directory \"passwd\"");
    rr.run(["cp", "cc:/etc"]).fails_with(1, "TARGET is missing");
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn containers_of_other_maps_take_files_and_start_with_them() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    std::fs::create_dir(rr.path("dir")).expect("own directory");
    std::fs::write(rr.path("dir/file"), "text\n").expect("own directory");
    let archive = tar(&rr, &["-c", "--owner=0", "--group=0", "dir"], b"").stdout_bytes;
    for userns in ["--userns=auto", "--userns=keep-id", "--userns=nomap"] {
        let script = "stat -c %u:%g /dir /dir/file /vol/file /etc/dir/file; cat /dir/file; touch /dir/new /vol/new";
        let words = ["create", "-q", userns, "-u0", "--network=none", "--name=cc", "-v", "/vol", "busybox"];
        rr.run([&words[..], &["sh", "-c", script]].concat()).succeeds();
        rr.run(["cp", "dir", "cc:/"]).succeeds_quietly();
        rr.run(["cp", "dir/.", "cc:/vol"]).succeeds_quietly();
        rr.run(["cp", "dir", "cc:/etc"]).succeeds_quietly();
        rr.run(["cp", "cc:/dir/file", "back"]).succeeds_quietly();
        assert_eq!(std::fs::metadata(rr.path("back")).expect("copied").uid(), rustix::process::geteuid().as_raw());
        let expected = "0:0\n0:0\n0:0\n0:0\ntext\n";
        assert_eq!(rr.run(["start", "-a", "cc"]).succeeds_quietly().stdout, expected, "{userns}");
        rr.run(["rm", "-v", "cc"]).succeeds();
        let run = ["run", "-d", userns, "-u0", "--network=none", "--name=cc", "busybox", "sleep", "1000"];
        rr.run(run).succeeds();
        rr.run(["cp", "dir", "cc:/"]).succeeds_quietly();
        rr.command(["cp", "-", "cc:/"]).stdin(&archive).output().succeeds_quietly();
        let out = rr.run(["cp", "cc:/dir", "-"]).succeeds_quietly().stdout_bytes;
        let listed = tar(&rr, &["-tv", "--numeric-owner"], &out).stdout;
        assert!(listed.lines().count() == 2 && listed.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
        rr.run(["rm", "-f", "cc"]).succeeds();
    }
    rr.nothing_is_left();
}

/// Path, kind, permissions, and content or target of everything below `top`.
fn listing(top: &Path) -> BTreeMap<String, String> {
    fn walk(top: &Path, path: &Path, found: &mut BTreeMap<String, String>) {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
        let name = path.strip_prefix(top).expect("below the top").display().to_string();
        let kind = metadata.file_type();
        let text = if kind.is_symlink() {
            format!("link to {}", std::fs::read_link(path).expect("a link").display())
        } else if kind.is_dir() {
            "directory".to_owned()
        } else {
            format!("{:o} {}", metadata.mode() & 0o777, std::fs::read_to_string(path).expect("a readable file"))
        };
        found.insert(name, text);
        if kind.is_dir() {
            for entry in std::fs::read_dir(path).expect("a readable directory") {
                walk(top, &entry.expect("an entry").path(), found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(top, top, &mut found);
    found
}

/// Files of every kind, and links between them.
fn fixture(top: &Path) {
    std::fs::create_dir_all(top.join("dir/sub")).expect("own directory");
    std::fs::create_dir_all(top.join("other/dir")).expect("own directory");
    std::fs::create_dir_all(top.join("empty")).expect("own directory");
    std::fs::write(top.join("file"), "file").expect("own directory");
    std::fs::write(top.join("second"), "second").expect("own directory");
    std::fs::write(top.join("dir/in-dir"), "in dir").expect("own directory");
    std::fs::write(top.join("dir/sub/deep"), "deep").expect("own directory");
    std::fs::write(top.join("other/dir/old"), "old").expect("own directory");
    std::fs::set_permissions(top.join("dir/in-dir"), std::fs::Permissions::from_mode(0o700)).expect("own file");
    symlink("file", top.join("to-file")).expect("a link");
    symlink("dir", top.join("to-dir")).expect("a link");
    symlink("nowhere", top.join("dangling")).expect("a link");
}

/// Sources and targets, each below the top of its side.
const TABLE: [(&str, &str); 24] = [
    ("file", "new"),
    ("file", "second"),
    ("file", "empty"),
    ("file", "empty/"),
    ("file", "empty/new"),
    ("file", "new/"),
    ("file", "nope/new"),
    ("file", "to-dir"),
    ("file", "file/"),
    ("dir", "new"),
    ("dir", "new/"),
    ("dir", "empty"),
    ("dir", "empty/"),
    ("dir", "other"),
    ("dir", "second"),
    ("dir/", "empty"),
    ("dir/.", "empty"),
    ("dir/.", "new"),
    ("dir/.", "other/dir"),
    ("dir/sub/..", "empty"),
    ("nope", "new"),
    ("file/", "new"),
    ("to-dir/", "empty"),
    ("to-dir/.", "empty"),
];

/// Runs every line of the table in both directions; `cp` copies, `fetch` brings a directory of the
/// container out after `reset` has put the fixture there.
fn outcomes(
    work: &Path,
    fixture_in: &dyn Fn(&str),
    cp: &dyn Fn(&str, &str) -> bool,
) -> BTreeMap<String, (bool, BTreeMap<String, String>)> {
    let mut all = BTreeMap::new();
    for (number, (from, to)) in TABLE.iter().enumerate() {
        let out = work.join(format!("out{number}"));
        fixture(&out);
        fixture_in(&format!("/o{number}"));
        let good = cp(&format!("cc:/o{number}/{from}"), &format!("{}/{to}", out.display()));
        all.insert(format!("out {from} {to}"), (good, listing(&out)));
        let inside = format!("/i{number}");
        fixture_in(&inside);
        let host = work.join("host");
        let good = cp(&format!("{}/{from}", host.display()), &format!("cc:{inside}/{to}"));
        let back = work.join(format!("back{number}"));
        assert!(cp(&format!("cc:{inside}"), &back.display().to_string()), "{inside} cannot be fetched");
        all.insert(format!("into {from} {to}"), (good, listing(&back)));
    }
    all
}

#[test]
fn sources_and_targets_of_every_kind_end_as_with_podman() {
    requires!(command_exists("podman"), "podman is not installed");
    let rr = requires!(Rr::with_alpine());
    let archive = requires!(images::alpine());
    create(&rr, "cc", &[]);
    let ours = rr.directory("ours");
    fixture(&ours.join("host"));
    let rr_cp = |from: &str, to: &str| cp(&rr, from, to).status.success();
    let fixture_in = |path: &str| assert!(rr_cp(&format!("{}/host", ours.display()), &format!("cc:{path}")));
    let ours = outcomes(&ours, &fixture_in, &rr_cp);

    // A home of its own: Podman leaves a process that holds its namespaces.
    let peer = Rr::new();
    let theirs = peer.directory("theirs");
    fixture(&theirs.join("host"));
    let podman = |words: &[&str]| {
        let storage = peer.path("podman");
        let root = storage.join("root").display().to_string();
        let run = storage.join("run").display().to_string();
        let options = ["--root", &root, "--runroot", &run, "--storage-driver=vfs", "--cgroup-manager=cgroupfs"];
        peer.any_command("podman", [&options[..], &["--events-backend=none"], words].concat())
            .within(Duration::from_secs(120))
            .output()
    };
    let source = format!("oci-archive:{}", archive.display());
    let image = podman(&["pull", "-q", &source]).succeeds().line().to_owned();
    podman(&["create", "--name", "cc", "--network=none", &image, "true"]).succeeds();
    let podman_cp = |from: &str, to: &str| podman(&["cp", from, to]).status.success();
    let fixture_in = |path: &str| assert!(podman_cp(&format!("{}/host", theirs.display()), &format!("cc:{path}")));
    let theirs = outcomes(&theirs, &fixture_in, &podman_cp);
    podman(&["rm", "-f", "cc"]).succeeds();
    // Where Docker does what Podman does not: a directory copied to a name with a slash that is not there is made,
    // a file with a slash is no directory, and a link with a slash gives its own name.
    let dockers = ["out dir new/", "into dir new/", "out file/ new", "out to-dir/ empty"];
    for line in dockers {
        assert_ne!(ours[line], theirs[line], "Podman has changed: {line}");
    }
    let differences: Vec<String> = ours
        .iter()
        .filter(|(line, outcome)| theirs[*line] != **outcome && !dockers.contains(&line.as_str()))
        .map(|(line, outcome)| format!("{line}\n  rr     {outcome:?}\n  podman {:?}", theirs[line]))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

/// Packs or unpacks with tar(1).
fn tar(rr: &Rr, words: &[&str], input: &[u8]) -> Outcome {
    rr.any_command("tar", words).stdin(input).output().succeeds()
}

#[test]
fn archives_go_in_by_standard_input_and_out_by_standard_output() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, "cc", &[]);
    fixture(&rr.path("tree"));
    std::fs::hard_link(rr.path("tree/file"), rr.path("tree/hard")).expect("own directory");
    let words = ["-c", "--owner=5", "--group=6", "-C", "tree", "."];
    let archive = tar(&rr, &words, b"").stdout_bytes;
    let into = |archive: &[u8], to: &str| rr.command(["cp", "-", to]).stdin(archive).output();
    into(&archive, "cc:/srv").succeeds_quietly();
    assert_eq!(ask(&rr, "cc", "stat -c %u:%g:%h srv/file srv/dir/sub"), "5:6:2\n5:6:2\n");
    let out = rr.run(["cp", "cc:/srv", "-"]).succeeds_quietly().stdout_bytes;
    let listed = tar(&rr, &["-tv", "--numeric-owner"], &out).stdout;
    assert!(listed.lines().any(|line| line.contains("5/6") && line.ends_with("srv/dir/in-dir")), "{listed}");
    assert!(listed.lines().any(|line| line.ends_with(" srv/")), "{listed}");
    assert!(listed.lines().any(|line| line.contains(" link to srv/")), "{listed}");
    std::fs::create_dir(rr.path("back")).expect("own directory");
    tar(&rr, &["-x", "-C", "back", "--no-same-owner"], &out);
    assert_eq!(listing(&rr.path("back/srv")), listing(&rr.path("tree")));
    let names = tar(&rr, &["-t"], &rr.run(["cp", "cc:/srv/dir/.", "-"]).succeeds().stdout_bytes).stdout;
    assert!(names.lines().any(|name| name.trim_start_matches("./") == "sub/deep"), "{names}");
    // Sparse files, long names, and names that would lead out.
    let long = "n".repeat(200);
    rr.any_command(
        "sh",
        ["-c", &format!("truncate -s 1G tree/sparse; echo end >>tree/sparse; echo long >tree/{long}")],
    )
    .output()
    .succeeds();
    into(&tar(&rr, &["-c", "--sparse", "-C", "tree", "."], b"").stdout_bytes, "cc:/srv").succeeds();
    let out = ask(
        &rr,
        "cc",
        &format!("stat -c %s srv/sparse; cat srv/{long}; [ $(stat -c %b srv/sparse) -lt 1000 ] && echo holes"),
    );
    assert_eq!(out, "1073741828\nlong\nholes\n");
    let long_out = rr.run(["cp", &format!("cc:/srv/{long}"), "-"]).succeeds().stdout_bytes;
    assert_eq!(tar(&rr, &["-xO"], &long_out).stdout, "long\n");
    let evil = tar(&rr, &["-c", "-P", "--transform=s,^,../../../,", "-C", "tree", "file"], b"").stdout_bytes;
    into(&evil, "cc:/srv").fails_with(1, "leads out of");
    // What is in the way, or no archive.
    into(&archive, "cc:/etc/passwd").fails_with(1, "destination \"cc:/etc/passwd\" must be a directory");
    into(&archive, "cc:/nope").fails_with(1, "Could not find the file /nope in container cc");
    into(b"this is no archive, and has more than one block of text in it".repeat(20).as_slice(), "cc:/srv")
        .fails_with(1, "cannot read the archive");
    rr.run(["cp", "cc:/nope", "-"]).fails_with(1, "Could not find the file /nope in container cc");
    // A running one.
    start(&rr, "running", &[], "");
    into(&archive, "running:/srv").succeeds();
    assert!(!rr.run(["cp", "running:/srv", "-"]).succeeds().stdout_bytes.is_empty());
    rr.run(["rm", "-f", "cc", "running"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_container_that_exchanges_links_while_it_runs_gains_nothing() {
    let rr = requires!(Rr::with_alpine());
    let secret = rr.directory("secret");
    std::fs::write(secret.join("file"), "secret of the host").expect("own directory");
    std::fs::create_dir(rr.path("tree")).expect("own directory");
    for name in ["file", "one", "two"] {
        std::fs::write(rr.path("tree").join(name), "from outside").expect("own directory");
    }
    // Directories and files change places with links to the host's, as quickly as can be.
    let script = format!(
        "mkdir -p /w/real /w/up; echo inside >/w/real/file; ln -s {0} /w/link; ln -s {0}/file /w/flink\n\
         ln -s / /w/root; ln -s ../../../../../../../../{0} /w/dots; touch /ready\n\
         while :; do mv -T /w/real /w/x; mv -T /w/link /w/real; mv -T /w/real /w/link; mv -T /w/x /w/real\n\
         rm -f /w/real/file; ln -s {0}/file /w/real/file; rm -f /w/real/file; echo inside >/w/real/file; done",
        secret.display()
    );
    let words = ["run", "-d", "--network", "none", "--name", "cc"];
    rr.run([&words[..], &Rr::ALPINE, &["sh", "-c", &script]].concat()).succeeds();
    assert!(wait_until(Duration::from_secs(10), || cp(&rr, "cc:/ready", "ready").status.success()));
    let before = listing(&secret);
    let archive = tar(&rr, &["-c", "-C", "tree", "file", "one", "two"], b"").stdout_bytes;
    for round in 0..60 {
        let out = format!("out{round}");
        cp(&rr, "cc:/w/real/file", &out);
        cp(&rr, "cc:/w/.", &format!("{out}-tree"));
        rr.run(["cp", "-L", "cc:/w/real/file", &format!("{out}-l")]);
        cp(&rr, "tree/file", "cc:/w/real/file");
        cp(&rr, "tree/.", "cc:/w/real");
        cp(&rr, "tree", "cc:/w/dots");
        cp(&rr, "tree/file", "cc:/w/flink");
        rr.command(["cp", "-", "cc:/w/real"]).stdin(&archive).output();
        let packed = rr.run(["cp", "cc:/w/.", "-"]);
        assert!(!packed.stdout.contains("secret of the host"), "an archive leaks");
        assert_eq!(listing(&secret), before, "something outside was changed in round {round}");
        for found in [&out, &format!("{out}-l"), &format!("{out}-tree")] {
            let path = rr.path(found);
            for (name, text) in listing(&path) {
                assert!(!text.contains("secret of the host"), "{found}/{name} leaks");
            }
        }
    }
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn programs_of_the_container_are_never_run() {
    let rr = requires!(Rr::with_alpine());
    // CVE-2019-14271 loaded the container's libnss into the process that copied.
    let root = rr.path("rootfs");
    for name in ["bin/tar", "bin/cp", "lib/libnss_files.so.2", "bin/sh.new"] {
        let path = root.join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, "#!/bin/busybox sh\necho run >/was-run\n").expect("own directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("own file");
    }
    start(&rr, "cc", &["-v", "/watch"], "");
    std::fs::write(rr.path("file"), "x").expect("own directory");
    cp(&rr, "cc:/etc", "etc").succeeds();
    cp(&rr, "file", "cc:/watch/file").succeeds();
    cp(&rr, "cc:/was-run", "x").fails_with(1, "Could not find the file /was-run");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}
