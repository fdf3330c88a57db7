//! What a container may use.
//!
//! `groups` wants control groups, version 2, and one of them that is the user's; `controllers` wants the controllers of
//! the kernel in it as well, as a login session under systemd has them. `contrib/test` prepares the first on every host;
//! `tests/vm/run` boots a machine that has both.

mod controllers;
mod groups;
mod scopes;

use crate::support::{Rr, requires};
use std::fs;
use std::path::PathBuf;

const MOUNT: &str = "/sys/fs/cgroup";

/// Whether version 2 is all there is.
fn is_unified() -> bool {
    PathBuf::from(MOUNT).join("cgroup.controllers").exists()
}

/// The group of this process, as /proc has it.
fn own_group() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").expect("/proc is mounted");
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned()
}

/// The nearest group above this process's own that is the user's.
fn own_parent() -> Result<String, String> {
    let own = own_group();
    let writable = |path: &&str| {
        let files = ["", "cgroup.procs", "cgroup.subtree_control"];
        files.iter().all(|file| {
            let path = format!("{MOUNT}{path}/{file}");
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        })
    };
    let above: Vec<&str> = own.match_indices('/').rev().map(|(at, _)| &own[..at]).collect();
    match above.iter().find(|path| is_unified() && writable(path)) {
        Some(path) => Ok(format!("/{}", path.trim_start_matches('/'))),
        None => Err(format!("no control group above {own} is the user's")),
    }
}

/// The directory of a container's group; None where there is none (any more).
fn group_of(rr: &Rr, name: &str) -> Option<PathBuf> {
    let id = rr.run(["inspect", "-f", "{{.Id}}", name]).succeeds().line().to_owned();
    let path = fs::read_to_string(rr.store().join("containers").join(id).join("cgroup")).ok()?;
    Some(PathBuf::from(path)).filter(|path| path.is_dir())
}

fn field(rr: &Rr, name: &str, field: &str) -> String {
    rr.run(["inspect", "-f", &format!("{{{{.{field}}}}}"), name]).succeeds().line().to_owned()
}

#[test]
fn impossible_limits_are_refused_before_anything_starts() {
    let rr = Rr::new();
    for (options, reason) in [
        (&["-m", "5m"][..], "Minimum memory limit allowed is 6MB"),
        (&["-m", "lots"], "cannot use --memory lots: invalid size"),
        (&["-m", "-2"], "cannot use --memory -2"),
        (&["--memory-swap", "1g"], "You should always set the Memory limit when using Memoryswap limit"),
        (&["-m", "64m", "--memory-swap", "32m"], "Minimum memoryswap limit should be larger than memory limit"),
        (&["-m", "64m", "--memory-reservation", "1g"], "Minimum memory limit can not be less than memory reservation"),
        (&["--memory-reservation", "1m"], "Minimum memory reservation allowed is 6MB"),
        (&["--memory-swappiness", "101"], "valid memory swappiness range is 0-100"),
        (&["--cpus", "4096"], "range of CPUs is from 0.01 to"),
        (&["--cpus", "-1"], "failed to parse -1 as a rational number"),
        (&["--cpus", "0.0000000001"], "value is too precise"),
        (&["--cpus", "1", "--cpu-quota", "1000"], "Nano CPUs and CPU Quota cannot both be set"),
        (&["--cpus", "1", "--cpu-period", "1000"], "Nano CPUs and CPU Period cannot both be set"),
        (&["--cpu-period", "5"], "CPU cfs period can not be less than 1ms"),
        (&["--cpu-quota", "5"], "CPU cfs quota can not be less than 1ms"),
        (&["--cpu-shares", "-1"], "invalid CPU shares (-1)"),
        (&["--cpuset-cpus", "9999"], "Requested CPUs are not available - requested 9999"),
        (&["--cpuset-cpus", "a-b"], "Invalid value a-b for cpuset cpus"),
        (&["--cpuset-mems", "999"], "Requested memory nodes are not available"),
        (&["--pids-limit", "many"], "cannot use --pids-limit many"),
        (&["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
        (&["--blkio-weight-device", "/dev/null:500"], "not a block device"),
        (&["--device-read-bps", "/dev/null:1m"], "not a block device"),
        (&["--device-write-bps", "nowhere"], "bad format: nowhere"),
        (&["--device-write-iops", "/dev/null:1k"], "Number must be a positive integer"),
        (&["--device-read-iops", "null:1"], "bad format for device path"),
    ] {
        // No image of that name is anywhere: whatever is refused now was refused before it was looked for.
        let words = [&["run", "--rm"], options, &["registry.invalid/none", "true"]].concat();
        rr.run(words).fails_with(125, reason);
    }
    rr.nothing_is_left();
}

#[test]
fn a_limit_that_nobody_can_keep_is_one_precise_error() {
    let rr = Rr::new();
    // Where the user's systemd runs, there is nothing that it does not know.
    let uid = rustix::process::geteuid().as_raw();
    if is_unified() && PathBuf::from(format!("/run/user/{uid}/systemd/private")).exists() {
        return;
    }
    let command = rr.command(["run", "--rm", "--pids-limit", "5", "registry.invalid/none", "true"]);
    // As on a machine without systemd: with a manager that is not there.
    let outcome = command.env("RR_CGROUP_MANAGER", "systemd").output();
    let outcome = outcome.exits(125);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("rr: cannot limit the container: "), "{outcome}");
    assert!(lines[1].starts_with("hint: "), "{outcome}");
    let outcome =
        rr.command(["run", "--pids-limit", "5", "registry.invalid/none"]).env("RR_CGROUP_MANAGER", "x").output();
    outcome.exits(125);
    rr.nothing_is_left();
}

#[test]
fn without_limits_control_groups_are_nobodys_business() {
    let rr = requires!(Rr::with_alpine());
    rr.run([&["run", "-d", "--name", "cc", "--network", "none"], &Rr::ALPINE[..], &["sleep", "100"]].concat())
        .succeeds();
    assert_eq!(group_of(&rr, "cc"), None);
    let monitors: Vec<String> = rr
        .processes()
        .iter()
        .filter_map(|process| fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).ok())
        .filter_map(|text| text.lines().find_map(|line| Some(line.strip_prefix("0::")?.to_owned())))
        .collect();
    assert!(monitors.iter().all(|group| *group == own_group()), "{monitors:?}");
    rr.run(["update", "--pids-limit", "7", "cc"]).exits(1);
    assert_eq!(field(&rr, "cc", "HostConfig.PidsLimit"), "<no value>");
    assert_eq!(field(&rr, "cc", "HostConfig.Memory"), "0");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}
