//! What people mistype: one clear error in the one form, the right status, nothing left.

use crate::support::{Rr, requires};

#[test]
fn options_with_bad_values_say_which_and_why() {
    let rr = requires!(Rr::with_alpine());
    for (options, text) in [
        (&["--network", "nonsense"][..], "nonsense"),
        (&["--user", "a:b:c"], "a:b:c"),
        (&["--cap-add", "FLYING"], "FLYING"),
        (&["--ulimit", "nofile"], "nofile"),
        (&["--ulimit", "nofile=9:1"], "nofile"),
        (&["--shm-size", "much"], "much"),
        (&["--stop-signal", "SIGNOTHING"], "SIGNOTHING"),
        (&["--env-file", "/no/such/file"], "/no/such/file"),
        (&["--name", "a/b"], "a/b"),
        (&["--hostname", "a b"], "a b"),
        (&["--add-host", "nothing"], "nothing"),
        (&["--dns", "not-an-address"], "not-an-address"),
        (&["--workdir", "relative"], "relative"),
        (&["--userns", "odd"], "odd"),
        (&["--uidmap", "1:2:3:4"], "1:2:3:4"),
        (&["--security-opt", "odd=1"], "odd"),
        (&["--detach-keys", "ctrl-"], "ctrl-"),
        (&["--tmpfs", "relative"], "relative"),
        (&["--label-file", "/no/such/labels"], "/no/such/labels"),
    ] {
        rr.sh(options, "true").fails_with(125, text);
    }
    rr.nothing_is_left();
}

#[test]
fn image_names_with_odd_characters_are_refused() {
    let rr = Rr::new();
    for name in ["UPPER", "a b", "a//b", "-x", "a:", "a@sha256:1", "\u{1b}[31mred", "oci:", "oci-archive:/no/such/file"]
    {
        let outcome = rr.run(["run", "--rm", "--pull", "never", name, "true"]).exits(125);
        assert!(!outcome.stderr.contains('\u{1b}'), "no control characters reach the terminal: {outcome}");
    }
    rr.nothing_is_left();
}

#[test]
fn an_unknown_container_or_image_is_named() {
    let rr = Rr::new();
    for command in [&["rm", "no-such"][..], &["inspect", "no-such"], &["rmi", "no-such"], &["tag", "no-such", "b"]] {
        rr.run(command).fails_with(1, "no-such");
    }
}

#[test]
fn a_home_that_cannot_be_read_or_written_is_named() {
    let rr = requires!(Rr::with_alpine());
    let words = [&["run", "--rm", "--network", "none"], &Rr::ALPINE[..], &["true"]].concat();
    let command = rr.command(&words).env("XDG_DATA_HOME", "/proc/nowhere");
    command.output().fails_with(125, "/proc/nowhere");
    // A relative path is to be ignored (XDG Base Directory Specification).
    rr.command(&words).env("XDG_DATA_HOME", "relative").output().succeeds();
    assert!(!rr.path("relative").exists());
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let rr = requires!(Rr::with_alpine());
    rr.sh(&[], "true").succeeds();
    let version = rr.store().join("version");
    assert!(version.exists(), "the store says its version");
    std::fs::write(&version, "99\n").expect("own file");
    rr.sh(&[], "true").fails_with(125, "99");
    assert_eq!(std::fs::read_to_string(&version).expect("still there"), "99\n");
}
