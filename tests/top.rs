//! `top` and `stats`: what runs in a container, and what it uses.

use crate::support::{Rr, requires, wait_until};
use std::time::Duration;

fn detached(rr: &Rr, name: &str, flags: &[&str], script: &str) {
    let words = [&["run", "-d", "--network", "none", "--name", name], flags, &Rr::ALPINE, &["sh", "-c", script]];
    rr.run(words.concat()).succeeds_quietly();
}

fn remove(rr: &Rr, names: &[&str]) {
    rr.run([&["rm", "-f", "-t", "0"], names].concat()).succeeds();
    rr.nothing_is_left();
}

fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn top_shows_the_containers_processes_only_with_its_own_users() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "tt", &["-u", "guest"], "sleep 1000 & exec sleep 2000");
    detached(&rr, "other", &[], "exec sleep 3000");
    // The shell may not have forked yet.
    let both = wait_until(Duration::from_secs(10), || {
        rr.run(["top", "tt"]).succeeds().stdout.lines().filter(|line| line.contains("sleep ")).count() == 2
    });
    assert!(both, "{}", rr.run(["top", "tt"]));
    let full = rr.run(["top", "tt"]).succeeds().stdout;
    let lines: Vec<Vec<&str>> = full.lines().map(cells).collect();
    assert_eq!(lines[0], ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    assert_eq!(lines.len(), 3, "{full}");
    for line in &lines[1..] {
        assert_eq!((line[0], line[5], line[6], line[7]), ("guest", "?", "00:00:00", "sleep"), "{full}");
        // The ids are the host's.
        assert!(std::path::Path::new(&format!("/proc/{}", line[1])).exists(), "{full}");
    }
    let init = rr.run(["inspect", "-f", "{{.State.Pid}}", "tt"]).succeeds().line().to_owned();
    assert!(lines[1..].iter().any(|line| line[1] == init && line[8] == "2000"), "{full}");
    let chosen = rr.run(["top", "tt", "pid,ppid", "user", "huser", "state", "args"]).succeeds().stdout;
    let lines: Vec<Vec<&str>> = chosen.lines().map(cells).collect();
    assert_eq!(lines[0], ["PID", "PPID", "USER", "HUSER", "STATE", "COMMAND"]);
    assert!(lines[1..].iter().any(|line| line[0] == "1" && line[1] == "0" && line[6] == "2000"), "{chosen}");
    assert!(lines[1..].iter().any(|line| line[0] != "1" && line[1] == "1" && line[6] == "1000"), "{chosen}");
    assert!(lines[1..].iter().all(|line| line[2] == "guest" && line[3].parse::<u32>().is_ok()), "{chosen}");
    remove(&rr, &["tt", "other"]);
}

#[test]
fn top_passes_other_options_to_the_hosts_ps() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "tt", &[], "exec sleep 1000");
    for options in [&["-o", "pid,user,args"][..], &["--", "-eo", "pid,user,args"]] {
        let text = rr.run([&["top", "tt"], options].concat()).succeeds().stdout;
        let lines: Vec<Vec<&str>> = text.lines().map(cells).collect();
        assert_eq!(lines[0], ["PID", "USER", "COMMAND"], "{text}");
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[1][1..], ["root", "sleep", "1000"], "{text}");
    }
    let aux = rr.run(["top", "tt", "aux"]).succeeds().stdout;
    assert_eq!(aux.lines().count(), 2, "{aux}");
    rr.run(["top", "tt", "-eo", "user"]).fails_with(1, "Couldn't find PID field in ps output");
    rr.run(["top", "tt", "--nonsense"]).fails_with(1, "ps: ");
    let without = rr.command(["top", "tt", "aux"]).env("RR_HELPER_PATH", "").output();
    without.fails_with(1, "options of ps(1) need that program on the host");
    rr.command(["top", "tt"]).env("RR_HELPER_PATH", "").output().succeeds();
    rr.run(["stop", "-t", "0", "tt"]).succeeds();
    rr.run(["top", "tt"]).fails_with(1, "is not running");
    rr.command_as("podman", ["top", "tt"])
        .output()
        .exits(125)
        .says("Error: top can only be used on running containers");
    rr.run(["top", "nosuch"]).fails_with(1, "No such container: nosuch");
    rr.run(["top"]).fails_with(1, "requires at least 1 argument");
    remove(&rr, &["tt"]);
}

#[test]
fn an_executed_command_and_a_paused_container_are_in_top() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "tt", &["--init"], "exec sleep 1000");
    rr.run(["exec", "-d", "tt", "sleep", "2000"]).succeeds();
    rr.run(["pause", "tt"]).succeeds();
    let text = rr.run(["top", "tt", "pid", "state", "seccomp", "capeff", "args"]).succeeds().stdout;
    assert!(text.contains("sleep 1000") && text.contains("sleep 2000") && text.contains("filter"), "{text}");
    assert!(text.contains("CHOWN,") && text.lines().skip(1).all(|line| cells(line)[1] == "T"), "{text}");
    rr.run(["unpause", "tt"]).succeeds();
    remove(&rr, &["tt"]);
}

#[test]
fn stats_tell_a_busy_container_from_an_idle_one() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "busy", &[], "head -c 20000000 /dev/zero >/big; sync; while :; do :; done");
    detached(&rr, "idle", &[], "exec sleep 1000");
    rr.run([&["create", "--network", "none", "--name", "made"][..], &Rr::ALPINE, &["true"]].concat()).succeeds();
    let table = rr.run(["stats", "--no-stream"]).succeeds().stdout;
    assert!(table.starts_with("CONTAINER ID   NAME "), "{table}");
    assert!(table.lines().next().unwrap().ends_with("PIDS") && table.lines().count() == 3, "{table}");
    let json = rr.run(["stats", "--no-stream", "--all", "--no-trunc", "--format", "json"]).succeeds().stdout;
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let field = |name: &str, field: &str| {
        let row = rows.iter().find(|row| row["Name"] == name).unwrap_or_else(|| panic!("{name}: {json}"));
        row[field].as_str().unwrap_or_else(|| panic!("{field}: {json}")).to_owned()
    };
    let share = |name: &str| field(name, "CPUPerc").trim_end_matches('%').parse::<f64>().unwrap();
    assert_eq!(rows.len(), 3, "{json}");
    assert_eq!(field("idle", "ID").len(), 64);
    assert!(share("busy") > share("idle") && share("busy") > 0.0, "{json}");
    assert_eq!((field("idle", "PIDs"), field("idle", "NetIO")), ("1".into(), "0B / 0B".into()));
    assert!(field("idle", "MemUsage").contains("iB / ") && !field("idle", "MemUsage").starts_with("0B"), "{json}");
    // The kernel counts what goes to block devices: a store on a tmpfs has none.
    let pid = rr.run(["inspect", "-f", "{{.State.Pid}}", "busy"]).succeeds().line().to_owned();
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("the user's own process");
    let written: u64 = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap();
    assert_eq!(field("busy", "BlockIO").contains(" / 20"), written >= 20_000_000, "{io}{json}");
    let zero = ["CPUPerc", "MemUsage", "MemPerc", "BlockIO", "PIDs"].map(|name| field("made", name));
    assert_eq!(zero, ["0.00%", "0B / 0B", "0.00%", "0B / 0B", "0"]);
    let named = rr.run(["stats", "--no-stream", "--format", "{{.Container}} {{.Name}}", "idle"]);
    assert_eq!(named.succeeds().stdout, "idle idle\n");
    rr.run(["stats", "--no-stream", "nosuch"]).fails_with(1, "No such container: nosuch");
    rr.run(["stats", "--no-stream", "--all", "idle"]).fails_with(1, "exclude each other");
    rr.run(["stats", "--no-stream", "--format", "{{.Nope}}"]).fails_with(1, "Nope");
    remove(&rr, &["busy", "idle", "made"]);
}

#[test]
fn stats_go_on_until_the_containers_that_were_named_are_gone() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "ss", &[], "exec sleep 1000");
    let mut screen = rr.command(["stats", "ss"]).terminal(24, 100);
    screen.expect("\x1b[2J");
    screen.expect("\x1b[H");
    screen.expect("ss");
    screen.expect("\x1b[J");
    screen.expect("\x1b[H");
    let piped = rr.command(["stats", "--interval", "1", "--format", "{{.Name}}", "ss"]).spawn();
    rr.run(["rm", "-f", "-t", "0", "ss"]).succeeds();
    assert!(screen.wait().success());
    let text = piped.wait().succeeds().stdout;
    assert!(text.lines().all(|line| line == "ss"), "{text}");
    rr.nothing_is_left();
}
