//! `rr doctor`: what it says is what a run does.

use crate::support::{Rr, requires};
use rr::confine::capabilities::set_no_new_privileges;
use rr::sys::seccomp::{install, sock_filter};

/// The findings by topic: verdict and words.
fn findings(rr: &Rr, expected: i32, set_up: impl FnOnce() + Send) -> serde_json::Value {
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_up();
            rr.run(["doctor", "--json"])
        });
        thread.join().expect("the test's own thread")
    });
    let outcome = outcome.exits(expected);
    let object: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("it prints JSON");
    assert_eq!(object["Works"], expected == 0, "{outcome}");
    object
}

fn finding<'a>(object: &'a serde_json::Value, topic: &str) -> &'a serde_json::Value {
    let all = object["Findings"].as_array().expect("a list");
    all.iter().find(|finding| finding["Topic"] == topic).unwrap_or_else(|| panic!("nothing on {topic}: {object}"))
}

/// A filter that lets one system call fail with `errno` and no_new_privs, for this thread's processes.
fn refuse(call: i64, errno: u32) {
    let step = |code: u16, jt: u8, jf: u8, k: u32| sock_filter { code, jt, jf, k };
    // BPF_LD | BPF_W | BPF_ABS of the number, BPF_JMP | BPF_JEQ, two BPF_RET (seccomp(2)).
    let program = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, call as u32),
        step(0x06, 0, 0, 0x0005_0000 | errno),
        step(0x06, 0, 0, 0x7fff_0000),
    ];
    set_no_new_privileges().expect("prctl(2)");
    install(&program).expect("a filter of our own");
}

#[test]
fn a_machine_that_has_everything_is_well() {
    let rr = requires!(Rr::with_alpine());
    let object = findings(&rr, 0, || ());
    for topic in ["directories", "user ids", "user namespace", "other namespaces", "image layers", "/proc", "network"] {
        assert_eq!(finding(&object, topic)["Verdict"], "works", "{object}");
    }
    let text = rr.run(["doctor"]).succeeds();
    assert!(text.stdout.contains("`rr run` works here"), "{text}");
    assert!(text.stderr.is_empty(), "{text}");
    rr.sh(&[], "true").succeeds_quietly();
    rr.nothing_is_left();
}

#[test]
fn without_helpers_there_is_less_and_a_run_says_the_same() {
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.command(["doctor", "--json"]).env("RR_HELPER_PATH", "").output().succeeds();
    let object: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("it prints JSON");
    let ids = finding(&object, "user ids");
    assert_eq!(ids["Verdict"], "lesser", "{object}");
    let says = ids["Says"].as_str().expect("words");
    let run = rr.alpine(&[], &["true"]).env("RR_HELPER_PATH", "").output().succeeds();
    assert!(run.stderr.contains(says), "doctor: {says}\nrun: {}", run.stderr);
    rr.nothing_is_left();
}

#[test]
fn where_no_user_namespace_can_be_made_a_run_does_not_work() {
    let rr = requires!(Rr::with_alpine());
    // Both ways to make one: unshare(2), and clone3(2) by which rr makes the others.
    let object = findings(&rr, 1, || refuse(libc::SYS_unshare, libc::EPERM as u32));
    let missing = finding(&object, "user namespace");
    assert_eq!(missing["Verdict"], "missing");
    assert!(missing["Says"].as_str().is_some_and(|says| says.contains("EPERM")), "{object}");
    assert!(missing["Remedies"][0].as_str().is_some_and(|hint| hint.contains("seccomp=unconfined")), "{object}");
    rr.nothing_is_left();
}

#[test]
fn where_overlay_is_refused_the_next_rung_is_named() {
    let rr = requires!(Rr::with_alpine());
    // The kernel takes no upper directory on an overlay of which user attributes are asked: a store within a container.
    for name in ["l", "u", "w", "m"] {
        rr.directory(name);
    }
    let script = "mount -t overlay -o userxattr,lowerdir=l,upperdir=u,workdir=w none m && XDG_DATA_HOME=$PWD/m \"$0\" doctor --json";
    let binary = rr.binary().display().to_string();
    let outcome = rr.run(["unshare", "sh", "-c", script, &binary]).succeeds();
    let object: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("it prints JSON");
    let layers = finding(&object, "image layers");
    assert_eq!(layers["Verdict"], "lesser", "{object}");
    assert!(layers["Says"].as_str().is_some_and(|says| says.contains("fuse-overlayfs")), "{object}");
    rr.run(["unshare", "rm", "-rf", "u", "w"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let rr = Rr::new();
    let outcome = rr.command(["doctor"]).env("XDG_DATA_HOME", "/proc/nowhere").output().exits(1);
    assert!(outcome.stdout.contains("MISSING  directories"), "{outcome}");
    assert!(outcome.stdout.contains("hint: set XDG_DATA_HOME"), "{outcome}");
    rr.nothing_is_left();
}
