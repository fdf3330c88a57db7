//! Scopes of the user's systemd.

use super::{field, group_of};
use crate::support::{Rr, requires, wait_until};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn systemd() -> Result<(), String> {
    let socket = format!("/run/user/{}/systemd/private", rustix::process::geteuid().as_raw());
    if Path::new(&socket).exists() { Ok(()) } else { Err("no systemd runs for the user".into()) }
}

/// Units of rr that the user's systemd knows.
fn units() -> String {
    let output = Command::new("systemctl")
        .args(["--user", "list-units", "--all", "--plain", "--no-legend", "rr-*"])
        .env("XDG_RUNTIME_DIR", format!("/run/user/{}", rustix::process::geteuid().as_raw()))
        .output()
        .expect("systemctl");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_scope_holds_the_container_and_goes_with_it() {
    requires!(systemd());
    let rr = requires!(Rr::with_alpine());
    let words = ["run", "-d", "--name", "cc", "--network", "none", "--pids-limit", "20"];
    rr.command([&words[..], &Rr::ALPINE, &["sleep", "1000"]].concat())
        .env("RR_CGROUP_MANAGER", "systemd")
        .output()
        .succeeds();
    let id = field(&rr, "cc", "Id");
    let scope = format!("rr-{id}.scope");
    let group = group_of(&rr, "cc").expect("a group");
    assert!(group.ends_with(format!("{scope}/container")), "{}", group.display());
    assert!(units().contains(&scope));
    // The monitor is beside the container, and not counted with it.
    assert_eq!(std::fs::read_to_string(group.join("cgroup.procs")).expect("a group").lines().count(), 1);
    let monitors = group.parent().expect("a scope").join("monitor/cgroup.procs");
    let monitors = std::fs::read_to_string(monitors).expect("a group");
    let state = std::fs::read_to_string(rr.store().join("containers").join(&id).join("state.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    let monitor = state["monitor"]["pid"].to_string();
    assert!(monitors.lines().any(|pid| pid == monitor), "{monitors} {state}");
    assert_eq!(rr.run(["exec", "cc", "cat", "/sys/fs/cgroup/pids.max"]).succeeds().stdout, "20\n");
    rr.run(["rm", "-f", "cc"]).succeeds();
    assert!(wait_until(Duration::from_secs(20), || !units().contains(&scope) && !group.exists()), "{}", units());
    rr.nothing_is_left();
}

#[test]
fn a_scope_is_made_in_the_slice_that_was_asked_for() {
    requires!(systemd());
    let rr = requires!(Rr::with_alpine());
    let words = ["run", "-d", "--name", "cc", "--network", "none", "--cgroup-parent", "rrtest.slice"];
    rr.run([&words[..], &Rr::ALPINE, &["sleep", "1000"]].concat()).succeeds();
    let group = group_of(&rr, "cc").expect("a group");
    assert!(group.to_string_lossy().contains("/rrtest.slice/rr-"), "{}", group.display());
    assert_eq!(field(&rr, "cc", "HostConfig.CgroupParent"), "rrtest.slice");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_scope_ends_with_a_monitor_that_was_killed() {
    requires!(systemd());
    let rr = requires!(Rr::with_alpine());
    let words = ["run", "-d", "--name", "cc", "--network", "none", "--pids-limit", "20"];
    rr.run([&words[..], &Rr::ALPINE, &["sleep", "1000"]].concat()).succeeds();
    let id = field(&rr, "cc", "Id");
    for process in rr.processes() {
        // The payload goes with its monitor.
        let pid = rustix::process::Pid::from_raw(process.pid).expect("a pid");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    assert!(wait_until(Duration::from_secs(20), || !units().contains(&id)), "{}", units());
    assert_eq!(field(&rr, "cc", "State.Status"), "exited");
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}
