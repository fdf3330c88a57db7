//! Limits that are kept, each shown by a payload that goes against it.

use super::{MOUNT, field, group_of};
use crate::support::{Rr, requires, wait_until};
use std::fs;
use std::time::Duration;

/// What the user's systemd hands down, or, without it, what the groups above this process do.
fn delegated() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let systemd = format!("{MOUNT}/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
    let own = super::own_parent().map(|parent| format!("{MOUNT}{parent}/cgroup.controllers"));
    fs::read_to_string(systemd).or_else(|error| own.map_or(Err(error), fs::read_to_string)).unwrap_or_default()
}

/// A user with alpine, on a machine that keeps limits of these kinds.
fn with(controllers: &[&str]) -> Result<Rr, String> {
    let there = delegated();
    match controllers.iter().find(|wanted| !there.split_whitespace().any(|name| name == **wanted)) {
        None => Rr::with_alpine(),
        Some(controller) => Err(format!("the controller {controller} is not delegated to the user")),
    }
}

/// Starts a container `cc`.
fn start(rr: &Rr, options: &[&str], script: &str) {
    let base = ["run", "-d", "--name", "cc", "--network", "none"];
    rr.run([&base, options, &Rr::ALPINE, &["sh", "-c", script]].concat()).succeeds();
}

fn setting(rr: &Rr, file: &str) -> String {
    let group = group_of(rr, "cc").expect("a group");
    fs::read_to_string(group.join(file)).expect("a setting").trim().to_owned()
}

#[test]
fn who_takes_too_much_memory_is_killed_and_that_is_said() {
    let rr = requires!(with(&["memory"]));
    // tail keeps what has no end of line: a hundred megabytes.
    let hog = "head -c 100000000 /dev/zero | tail >/dev/null";
    start(&rr, &["-m", "24m", "--memory-swap", "24m"], &format!("exec sh -c '{hog}; exit $?'"));
    rr.run(["wait", "cc"]).succeeds();
    assert_eq!(field(&rr, "cc", "State.OOMKilled"), "true");
    let events = rr.run(["events", "--since", "10m", "--stream=false", "--filter", "event=oom"]).succeeds().stdout;
    assert!(events.contains("container oom"), "{events}");
    rr.run(["rm", "cc"]).succeeds();
    // Where it is process 1 itself.
    let words = ["run", "--name", "cc", "--network", "none", "-m", "24m", "--memory-swap", "24m"];
    let eats = ["awk", "BEGIN { s = \"0123456789abcdef\"; while (1) s = s s }"];
    rr.run([&words[..], &Rr::ALPINE, &eats].concat()).exits(137);
    assert_eq!(
        (field(&rr, "cc", "State.OOMKilled"), field(&rr, "cc", "State.ExitCode")),
        ("true".into(), "137".into())
    );
    assert_eq!(field(&rr, "cc", "HostConfig.Memory"), "25165824");
    rr.run(["rm", "cc"]).succeeds();
    // Whoever ends otherwise was not killed for it.
    start(&rr, &["-m", "64m"], "exit 3");
    rr.run(["wait", "cc"]).succeeds();
    assert_eq!(field(&rr, "cc", "State.OOMKilled"), "false");
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn no_more_processes_than_allowed() {
    let rr = requires!(with(&["pids"]));
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done 2>&1; wait";
    let outcome = rr.sh(&["--pids-limit", "5"], script);
    assert!(outcome.stdout.contains("Resource temporarily unavailable"), "{outcome}");
    assert_eq!(rr.sh(&["--pids-limit", "-1"], "cat /sys/fs/cgroup/pids.max").succeeds().stdout, "max\n");
    rr.nothing_is_left();
}

#[test]
fn processor_time_is_limited_and_shared() {
    let rr = requires!(with(&["cpu"]));
    let script = "n=0; while [ $n -lt 30000 ]; do n=$((n+1)); done; cat /sys/fs/cgroup/cpu.max; \
                  grep nr_throttled /sys/fs/cgroup/cpu.stat";
    let seen =
        rr.alpine(&["--cpus", "0.1"], &["sh", "-c", script]).within(Duration::from_secs(200)).output().succeeds();
    let (max, throttled) = seen.stdout.trim().split_once('\n').expect("two lines");
    assert_eq!(max, "10000 100000");
    assert_ne!(throttled, "nr_throttled 0");
    let sees = |options: &[&str], file: &str| rr.sh(options, &format!("cat /sys/fs/cgroup/{file}")).succeeds().stdout;
    assert_eq!(sees(&["--cpu-quota", "20000", "--cpu-period", "50000"], "cpu.max"), "20000 50000\n");
    assert_eq!(sees(&["--cpu-shares", "1024"], "cpu.weight"), "100\n");
    assert_eq!(sees(&["-c", "262144"], "cpu.weight"), "10000\n");
    rr.nothing_is_left();
}

#[test]
fn processors_are_chosen_or_the_remedy_is_named() {
    if delegated().contains("cpuset") {
        let rr = requires!(with(&["cpuset"]));
        let script = "nproc; cat /sys/fs/cgroup/cpuset.cpus.effective /sys/fs/cgroup/cpuset.mems.effective";
        let options = ["--cpuset-cpus", "1", "--cpuset-mems", "0"];
        assert_eq!(rr.sh(&options, script).succeeds().stdout, "1\n1\n0\n");
        rr.nothing_is_left();
        return;
    }
    let rr = requires!(with(&["pids"]));
    let outcome = rr.alpine(&["--cpuset-cpus", "0"], &["true"]).output().exits(125);
    assert!(outcome.stderr.contains("cpuset") && outcome.stderr.contains("Delegate=cpu cpuset io"), "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn disks_are_limited_or_the_remedy_is_named() {
    let device = fs::read_dir("/sys/block").expect("sysfs").flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        (name.starts_with("vd") || name.starts_with("sd")).then(|| format!("/dev/{name}"))
    });
    let rr = requires!(with(&["pids"]));
    let device = requires!(device.ok_or("no disk here"));
    let (bytes, operations) = (format!("{device}:1mb"), format!("{device}:50"));
    let options = ["--device-write-bps", &bytes, "--device-read-iops", &operations];
    if !delegated().split_whitespace().any(|name| name == "io") {
        let outcome = rr.alpine(&options, &["true"]).output().exits(125);
        assert!(outcome.stderr.contains(" io") && outcome.stderr.contains("Delegate=cpu cpuset io"), "{outcome}");
        rr.nothing_is_left();
        return;
    }
    start(&rr, &options, "sleep 1000");
    let max = setting(&rr, "io.max");
    assert!(max.contains("wbps=1048576") && max.contains("riops=50"), "{max}");
    assert!(max.contains("rbps=max"), "{max}");
    let inspected = field(&rr, "cc", "HostConfig.BlkioDeviceWriteBps");
    assert!(inspected.contains("1048576"), "{inspected}");
    rr.run(["rm", "-f", "cc"]).succeeds();
    // The smallest of Docker's is the smallest of the kernel's, and 10 to BFQ.
    let weights = "cat /sys/fs/cgroup/io.bfq.weight 2>/dev/null || cat /sys/fs/cgroup/io.weight";
    let seen = rr.sh(&["--blkio-weight", "10"], weights).succeeds().stdout;
    assert!(matches!(seen.lines().next(), Some("default 1" | "10" | "default 10")), "{seen}");
    rr.nothing_is_left();
}

#[test]
fn limits_change_while_the_container_runs() {
    let rr = requires!(with(&["cpu", "memory", "pids"]));
    start(&rr, &["-m", "64m", "--pids-limit", "50", "--cpus", "0.5"], "sleep 1000");
    rr.run(["update", "-m", "128m", "--memory-swap", "256m", "--pids-limit", "60", "--cpus", "1", "cc"]).succeeds();
    assert_eq!(setting(&rr, "memory.max"), (128 << 20).to_string());
    assert_eq!(setting(&rr, "pids.max"), "60");
    assert_eq!(setting(&rr, "cpu.max"), "100000 100000");
    assert_eq!(field(&rr, "cc", "HostConfig.Memory"), (128 << 20).to_string());
    assert_eq!(field(&rr, "cc", "HostConfig.NanoCpus"), "1000000000");
    // `explain` has the kernel's word for each.
    let text = rr.run(["explain", "--json", "--only", "limits", "cc"]).succeeds().stdout;
    let picture: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let told = picture["Limits"]["Group"].as_array().expect("a list");
    for limit in told {
        let file = limit["File"].as_str().expect("a name");
        assert_eq!(limit["Kernel"], setting(&rr, file), "{file}");
    }
    assert!(told.iter().any(|limit| limit["File"] == "pids.max" && limit["Asked"] == "60"), "{text}");
    rr.run(["update", "-m", "1m", "cc"]).fails_with(1, "Minimum memory limit allowed is 6MB");
    assert_eq!(setting(&rr, "memory.max"), (128 << 20).to_string());
    rr.run(["update", "--restart", "always", "cc"]).succeeds();
    assert_eq!(field(&rr, "cc", "HostConfig.RestartPolicy.Name"), "always");
    // They hold for the next run as well.
    rr.run(["restart", "-t", "0", "cc"]).succeeds();
    assert_eq!(setting(&rr, "pids.max"), "60");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn stats_are_the_groups() {
    let rr = requires!(with(&["memory", "pids"]));
    start(&rr, &["-m", "64m", "--pids-limit", "50"], "sleep 1000 & sleep 1000 & wait");
    let pids = || rr.run(["stats", "--no-stream", "--format", "{{.PIDs}}", "cc"]).succeeds().line().to_owned();
    assert!(wait_until(Duration::from_secs(20), || pids() == "3"));
    let memory = rr.run(["stats", "--no-stream", "--format", "{{.MemUsage}} {{.MemPerc}}", "cc"]).succeeds();
    assert!(memory.line().contains("/ 64MiB ") && !memory.line().starts_with("0B"), "{memory}");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}
