//! What crosses between outside and inside, and what does not: streams, descriptors, variables, files.

use crate::support::{Rr, requires};
use std::collections::BTreeSet;

#[test]
fn standard_streams_pass_unchanged() {
    let rr = requires!(Rr::with_alpine());
    let bytes: Vec<u8> = (0..4_000_000u32).flat_map(|n| n.to_le_bytes()).take(5_000_001).collect();
    let outcome = rr.alpine(&["-i"], &["cat"]).stdin(&bytes).output().succeeds();
    assert!(outcome.stdout_bytes == bytes, "{} bytes of {}", outcome.stdout_bytes.len(), bytes.len());
    let outcome = rr.sh(&[], "echo out; echo err >&2; cat").succeeds();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn without_i_standard_input_is_empty() {
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.alpine(&[], &["cat"]).stdin("not for you").output().succeeds_quietly();
    assert_eq!(outcome.stdout, "");
}

#[test]
fn only_the_standard_descriptors_come_in() {
    let rr = requires!(Rr::with_alpine());
    // 3 is ls's own (CVE-2024-21626 was one too many).
    let outcome = rr.alpine(&[], &["ls", "/proc/self/fd"]).output().succeeds_quietly();
    assert_eq!(outcome.stdout, "0\n1\n2\n3\n");
}

#[test]
fn the_environment_is_the_containers() {
    let rr = requires!(Rr::with_alpine());
    rr.any_command("sh", ["-c", "printf 'B=from file\n# no\nFROM_RR\n' > env"]).output().succeeds();
    let command = rr.alpine(&["-e", "A=1 2", "--env-file", "env", "-e", "GIVEN", "-e", "ABSENT"], &["env"]);
    let outcome = command.env("FROM_RR", "x").env("GIVEN", "y").env("SECRET", "z").output().succeeds_quietly();
    let lines: BTreeSet<&str> = outcome.stdout.lines().collect();
    for line in ["A=1 2", "B=from file", "FROM_RR=x", "GIVEN=y", "HOME=/root"] {
        assert!(lines.contains(line), "{line}: {outcome}");
    }
    assert!(!outcome.stdout.contains("SECRET") && !outcome.stdout.contains("ABSENT"), "{outcome}");
    assert!(outcome.stdout.contains("\nPATH=") || outcome.stdout.starts_with("PATH="), "{outcome}");
}

#[test]
fn what_is_written_is_gone_afterwards() {
    let rr = requires!(Rr::with_alpine());
    rr.sh(&[], "echo x > /etc/motd; mkdir /new; rm /bin/ls; test -d /new").succeeds_quietly();
    rr.sh(&[], "test ! -e /new && ls /etc/motd").succeeds_quietly();
    rr.nothing_is_left();
}

#[test]
fn the_host_name_is_the_short_id_or_as_asked() {
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.sh(&["--cidfile", "cid"], "hostname; cat /etc/hostname").succeeds_quietly();
    let id = std::fs::read_to_string(rr.path("cid")).expect("the cidfile");
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(outcome.stdout, format!("{0}\n{0}\n", &id[..12]));
    let outcome = rr.sh(&["-h", "box"], "hostname; grep -c box /etc/hosts").succeeds_quietly();
    assert_eq!(outcome.stdout, "box\n1\n");
}

#[test]
fn a_cidfile_that_exists_is_refused() {
    let rr = requires!(Rr::with_alpine());
    std::fs::write(rr.path("cid"), "precious").expect("own directory");
    rr.sh(&["--cidfile", "cid"], "true").fails_with(125, "cid");
    assert_eq!(std::fs::read_to_string(rr.path("cid")).expect("still there"), "precious");
    rr.nothing_is_left();
}

#[test]
fn an_entrypoint_stands_before_the_command() {
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.alpine(&["--entrypoint", "echo"], &["a", "b  c"]).output().succeeds_quietly();
    assert_eq!(outcome.stdout, "a b  c\n");
}

#[test]
fn containers_at_once_do_not_disturb_each_other() {
    let rr = requires!(Rr::with_alpine());
    let running: Vec<_> = (0..8)
        .map(|n| rr.alpine(&[], &["sh", "-c", &format!("echo {n} > /same; sleep 0.2; cat /same")]).spawn())
        .collect();
    for (n, command) in running.into_iter().enumerate() {
        assert_eq!(command.wait().succeeds_quietly().stdout, format!("{n}\n"));
    }
    rr.nothing_is_left();
}
