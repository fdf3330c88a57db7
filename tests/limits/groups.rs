//! A container in a control group of its own, whatever controllers that has.

use super::{MOUNT, field, group_of, own_parent};
use crate::support::{Rr, requires, wait_until};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Starts a container `cc` below `parent`.
fn start(rr: &Rr, parent: &str, options: &[&str], script: &str) {
    let base = ["run", "-d", "--name", "cc", "--network", "none", "--cgroup-parent", parent];
    rr.run([&base, options, &Rr::ALPINE, &["sh", "-c", script]].concat()).succeeds();
}

fn processes(group: &Path) -> usize {
    fs::read_to_string(group.join("cgroup.procs")).map_or(0, |text| text.lines().count())
}

const SLEEP: &str = "sleep 1000 & wait";

#[test]
fn the_container_is_the_root_of_what_it_sees() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    start(&rr, &parent, &[], SLEEP);
    let group = group_of(&rr, "cc").expect("a group");
    assert!(group.starts_with(format!("{MOUNT}{parent}")), "{}", group.display());
    assert!(wait_until(Duration::from_secs(10), || processes(&group) == 2));
    let sees = |words: &[&str]| rr.run([&["exec", "cc"], words].concat());
    assert_eq!(sees(&["grep", "0::", "/proc/1/cgroup"]).succeeds().stdout, "0::/\n");
    assert_eq!(sees(&["grep", "0::", "/proc/self/cgroup"]).succeeds().stdout, "0::/\n");
    assert_eq!(sees(&["head", "-n", "1", "/sys/fs/cgroup/cgroup.procs"]).succeeds().stdout, "1\n");
    let made = sees(&["mkdir", "/sys/fs/cgroup/below"]).exits(1);
    assert!(made.stderr.contains("Read-only"), "{made}");
    // What exec starts is in the group as well.
    let script = "grep -c . /sys/fs/cgroup/cgroup.procs";
    assert_eq!(sees(&["sh", "-c", script]).succeeds().stdout, "3\n");
    rr.run(["rm", "-f", "cc"]).succeeds();
    assert!(!group.exists());
    rr.nothing_is_left();
}

#[test]
fn with_the_hosts_namespace_it_sees_where_it_is() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    let below = ["--cgroup-parent", &parent, "--cgroupns", "host"];
    let seen = rr.sh(&below, "grep 0:: /proc/self/cgroup; ls /sys/fs/cgroup | grep -c cgroup.procs").succeeds().stdout;
    let (path, count) = seen.trim().split_once('\n').expect("two lines");
    assert!(path.contains("/rr-") && path.contains(parent.trim_matches('/')), "{seen}");
    assert_eq!(count, "1");
    rr.nothing_is_left();
}

#[test]
fn under_init_exec_still_finds_the_namespace() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    start(&rr, &parent, &["--init"], SLEEP);
    let seen = rr.run(["exec", "cc", "grep", "0::", "/proc/self/cgroup"]).succeeds().stdout;
    assert_eq!(seen, "0::/\n");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn pause_freezes_the_group() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    start(&rr, &parent, &[], "trap 'exit 7' TERM; while :; do echo x; sleep 0.02; done");
    let group = group_of(&rr, "cc").expect("a group");
    let frozen = || fs::read_to_string(group.join("cgroup.events")).expect("a group").contains("frozen 1");
    let lines = || rr.run(["logs", "cc"]).succeeds().stdout.lines().count();
    assert!(wait_until(Duration::from_secs(10), || lines() > 5));
    rr.run(["pause", "cc"]).succeeds();
    assert!(frozen());
    assert_eq!(field(&rr, "cc", "State.Status"), "paused");
    // Nobody was sent SIGSTOP, whose parents would have noticed.
    let init = field(&rr, "cc", "State.Pid");
    let status = fs::read_to_string(format!("/proc/{init}/status")).expect("a process");
    assert!(!status.contains("T (stopped)"), "{status}");
    std::thread::sleep(Duration::from_millis(100));
    let before = lines();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(lines(), before);
    rr.run(["pause", "cc"]).fails_with(1, "is already paused");
    rr.run(["unpause", "cc"]).succeeds();
    assert!(!frozen());
    assert!(wait_until(Duration::from_secs(10), || lines() > before));
    // The other ways out of a pause.
    rr.run(["pause", "cc"]).succeeds();
    rr.run(["stop", "cc"]).succeeds();
    assert_eq!(field(&rr, "cc", "State.ExitCode"), "7");
    assert!(!group.exists());
    rr.run(["start", "cc"]).succeeds();
    rr.run(["pause", "cc"]).succeeds();
    rr.run(["kill", "cc"]).succeeds();
    assert_eq!(rr.run(["wait", "cc"]).succeeds().stdout, "137\n");
    rr.run(["start", "cc"]).succeeds();
    rr.run(["pause", "cc"]).succeeds();
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_restarted_payload_is_in_the_same_group() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    start(&rr, &parent, &["--restart", "on-failure:2"], "cat /proc/self/cgroup; exit 3");
    assert!(wait_until(Duration::from_secs(20), || field(&rr, "cc", "State.Status") == "exited"));
    let seen = rr.run(["logs", "cc"]).succeeds().stdout;
    assert_eq!(seen.lines().filter(|line| *line == "0::/").count(), 3, "{seen}");
    assert_eq!(group_of(&rr, "cc"), None);
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn no_group_is_left_by_a_monitor_that_was_killed() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    let kill_monitor = || {
        let id = field(&rr, "cc", "Id");
        let state = fs::read_to_string(rr.store().join("containers").join(id).join("state.json")).expect("a state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        let monitor = state["monitor"]["pid"].as_i64().expect("a monitor") as i32;
        let monitor = rustix::process::Pid::from_raw(monitor).expect("a pid");
        rustix::process::kill_process(monitor, rustix::process::Signal::KILL).expect("its monitor is the user's");
    };
    start(&rr, &parent, &[], SLEEP);
    let group = group_of(&rr, "cc").expect("a group");
    kill_monitor();
    assert!(wait_until(Duration::from_secs(10), || field(&rr, "cc", "State.Status") == "exited"));
    assert!(!group.exists());
    rr.run(["rm", "cc"]).succeeds();
    start(&rr, &parent, &["--rm"], SLEEP);
    let group = group_of(&rr, "cc").expect("a group");
    kill_monitor();
    assert!(wait_until(Duration::from_secs(10), || rr.run(["ps", "-aq"]).succeeds().stdout.is_empty()));
    assert!(!group.exists());
    rr.nothing_is_left();
}

#[test]
fn a_fork_bomb_ends_at_once() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    start(&rr, &parent, &["--ulimit", "nproc=4000"], "f() { sleep 0.01; f & f & }; f; wait; sleep 1000");
    let group = group_of(&rr, "cc").expect("a group");
    assert!(wait_until(Duration::from_secs(10), || processes(&group) > 50));
    rr.run(["rm", "-f", "cc"]).succeeds();
    assert!(!group.exists());
    rr.nothing_is_left();
}

#[test]
fn a_parent_that_cannot_be_is_refused() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    let refused = |given: &str, reason: &str| {
        rr.alpine(&["--cgroup-parent", given], &["true"]).output().fails_with(125, reason);
    };
    refused("/", "is not yours to write to");
    refused("/surely/not/there", "there is no directory /sys/fs/cgroup/surely/not/there");
    refused(&format!("{parent}/.."), "it may not contain `..`");
    rr.nothing_is_left();
}

#[test]
fn a_start_that_fails_leaves_no_group() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    let groups = || {
        let entries = fs::read_dir(format!("{MOUNT}{parent}")).expect("own group").flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("rr-")).map(|entry| entry.path())
    };
    let own = |rr: &Rr| {
        let ids: Vec<String> =
            rr.run(["ps", "-aq", "--no-trunc"]).succeeds().stdout.lines().map(str::to_owned).collect();
        groups().filter(|path| ids.iter().any(|id| path.to_string_lossy().contains(id.as_str()))).count()
    };
    let options = ["--cgroup-parent", &parent, "--workdir", "/etc/passwd", "--name", "cc"];
    rr.run([&["run"], &options[..], &Rr::ALPINE, &["true"]].concat()).exits(125);
    assert_eq!(own(&rr), 0);
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_controller_that_is_not_there_is_named() {
    let parent = requires!(own_parent());
    let file = format!("{MOUNT}{parent}/cgroup.controllers");
    let there = fs::read_to_string(file).expect("own group");
    // Only where it is not, as on a host of version 1, can this be seen.
    if there.contains("memory") {
        return;
    }
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.alpine(&["-m", "64m"], &["true"]).env("RR_CGROUP_MANAGER", "cgroupfs").output();
    let outcome = outcome.fails_with(125, "does not have the controllers memory").says("hint: ");
    assert_eq!(outcome.stdout, "");
    let words = ["run", "-d", "--name", "cc", "--cgroup-parent", &parent, "--network", "none"];
    rr.run([&words[..], &Rr::ALPINE, &["sleep", "100"]].concat()).succeeds();
    rr.run(["update", "--cpus", "1", "cc"]).fails_with(1, "does not have the controllers cpu");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn explain_tells_of_the_group_what_strace_sees() {
    let parent = requires!(own_parent());
    let rr = requires!(Rr::with_alpine());
    requires!(if crate::support::command_exists("strace") { Ok(()) } else { Err("strace is not installed") });
    // strace(1) keeps set-user-ID programs from being any: the maps have the user's own id alone.
    let own = ["--rm", "--network", "none", "--uidmap", "0:0:1", "--gidmap", "0:0:1", "--cgroup-parent", &parent];
    let run = [&own[..], &Rr::ALPINE, &["/bin/true"]].concat();
    let told = rr.run([&["explain", "--run"], &run[..]].concat()).succeeds().stdout;
    assert!(told.contains("mkdir(GROUP)") && told.contains("CLONE_INTO_CGROUP"), "{told}");
    let (file, binary) = (rr.path("trace"), rr.binary().to_str().expect("UTF-8"));
    let strace = ["-f", "-o", file.to_str().expect("UTF-8"), binary, "run"];
    rr.any_command("strace", [&strace[..], &run].concat()).output().succeeds();
    let seen = std::fs::read_to_string(&file).expect("a trace");
    let made = seen.lines().any(|line| line.contains(" mkdir(\"/sys/fs/cgroup") && line.contains("/rr-"));
    assert!(made && seen.contains("CLONE_INTO_CGROUP"), "{seen}");
    let without = rr.run([&["explain", "--run"], &Rr::ALPINE[..], &["/bin/true"]].concat()).succeeds().stdout;
    assert!(!without.contains("(GROUP") && !without.contains("INTO_CGROUP"), "{without}");
    rr.nothing_is_left();
}
