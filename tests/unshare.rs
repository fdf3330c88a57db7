//! `rr unshare`: a command that reaches files of subordinate ids.

use crate::support::{Rr, wait_until};
use rustix::process::Signal;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

#[test]
fn the_command_is_root_of_every_id_the_user_has() {
    let rr = Rr::new();
    let me = rustix::process::geteuid().as_raw();
    assert_eq!(rr.run(["unshare", "id", "-u"]).succeeds_quietly().stdout, "0\n");
    let map = rr.run(["unshare", "cat", "/proc/self/uid_map"]).succeeds().stdout;
    let first: Vec<&str> = map.lines().next().unwrap_or("").split_whitespace().collect();
    assert_eq!(first, ["0", &me.to_string(), "1"], "{map}");
    assert!(map.lines().count() > 1, "only one id: {map}");
    // What belongs to a subordinate id is made, and removed, from inside.
    let file = rr.path("of-another");
    rr.run(["unshare", "sh", "-c", "touch of-another && chown 5:6 of-another && chmod 600 of-another"]).succeeds();
    let metadata = std::fs::metadata(&file).expect("the file is there");
    assert!(metadata.uid() != me && metadata.uid() != 5, "{}", metadata.uid());
    std::fs::read(&file).expect_err("somebody else's");
    rr.run(["unshare", "sh", "-c", "stat -c %u:%g of-another && rm of-another"]).succeeds();
    assert!(!file.exists());
    rr.nothing_is_left();
}

#[test]
fn environment_directory_and_status_are_the_commands() {
    let rr = Rr::new();
    let script = "echo $HOME $MINE; pwd; cat; exit 7";
    let outcome = rr.command(["unshare", "sh", "-c", script]).env("MINE", "kept").stdin("typed\n").output().exits(7);
    let expected = format!("{} kept\n{}\ntyped\n", rr.home().display(), rr.path("").display());
    assert_eq!(outcome.stdout.replace("//", "/"), expected.replace("/\n", "\n"));
    // rr becomes the command: it ends as that does, by the same signal.
    let script = "\"$0\" unshare sh -c 'kill -TERM $$'; echo $?";
    let ended = rr.any_command("sh", ["-c", script, &rr.binary().display().to_string()]).output().succeeds();
    assert_eq!(ended.stdout, "143\n");
    rr.command(["unshare"]).env("SHELL", "/bin/sh").stdin("exit 5\n").output().exits(5);
    rr.command(["unshare", "--", "sh", "-c", "exit 6"]).output().exits(6);
    // Mounts are its own.
    rr.run(["unshare", "sh", "-c", "mount -t tmpfs none tmp && touch tmp/x"]).succeeds();
    assert_eq!(std::fs::read_dir(rr.path("tmp")).expect("readable").count(), 0);
    rr.nothing_is_left();
}

#[test]
fn what_cannot_be_done_is_one_error() {
    let rr = Rr::new();
    rr.run(["unshare", "surely-not-there"]).fails_with(127, "cannot execute surely-not-there");
    rr.run(["unshare", "/etc/passwd"]).fails_with(126, "EACCES");
    rr.run(["unshare", "--rootless-netns", "true"]).fails_with(125, "share no network namespace");
    rr.run(["unshare", "--mount-proc", "true"]).fails_with(125, "the command has none of its own");
    // As inside another container, whose /proc has masks.
    let script = "mount -t tmpfs none /proc/sys && \"$0\" unshare --pid --mount true";
    let binary = rr.binary().display().to_string();
    let masked = rr.run(["unshare", "--mount", "sh", "-c", script, &binary]);
    masked.fails_with(125, "cannot mount a fresh /proc: ").says("without --mount the command keeps this /proc");
    rr.run(["unshare", "--nope"]).fails_with(125, "there is no option --nope");
}

#[test]
fn each_option_makes_its_own_namespace_and_no_other() {
    let rr = Rr::new();
    const KINDS: [&str; 6] = ["net", "pid", "uts", "ipc", "mnt", "cgroup"];
    let script = format!("cd /proc/self/ns && for kind in {}; do readlink $kind; done", KINDS.join(" "));
    let host = rr.any_command("sh", ["-c", &script]).output().succeeds().stdout;
    let differing = |options: &[&str]| {
        // Of the shell's child with --pid: rr's own pid namespace stays, but that of readlink is looked at.
        let words: Vec<&str> = [&["unshare"][..], options, &["sh", "-c", &script]].concat();
        let inside = rr.run(words).succeeds_quietly().stdout;
        let (inside, host): (Vec<_>, Vec<_>) = (inside.lines().collect(), host.lines().collect());
        assert_eq!(inside.len(), KINDS.len(), "{inside:?}");
        (0..KINDS.len()).filter(|&kind| inside[kind] != host[kind]).map(|kind| KINDS[kind]).collect::<Vec<_>>()
    };
    assert_eq!(differing(&[]), ["mnt"]);
    for (long, short, own) in [
        ("--net", "-n", &["net", "mnt"][..]),
        ("--uts", "-u", &["uts", "mnt"]),
        ("--ipc", "-i", &["ipc", "mnt"]),
        ("--mount", "-m", &["mnt"]),
        ("--cgroup", "-C", &["mnt", "cgroup"]),
    ] {
        assert_eq!(differing(&[long]), own);
        assert_eq!(differing(&[short]), own);
    }
    // /proc of the outside would not know the process.
    assert_eq!(differing(&["--pid", "--mount"]), ["pid", "mnt"]);
    assert_eq!(differing(&["-pm"]), ["pid", "mnt"]);
    assert_eq!(differing(&["-rUf", "-p", "--mount-proc"]), ["pid", "mnt"]);
    assert_eq!(differing(&["-npuimC"]), KINDS);
    rr.nothing_is_left();
}

#[test]
fn the_examples_of_the_classroom_work_without_root() {
    let rr = Rr::new();
    let sh = |options: &[&str], script: &str| {
        let words: Vec<&str> = [&["unshare"][..], options, &["sh", "-c", script]].concat();
        rr.run(words).succeeds_quietly().stdout
    };
    // Process 1, and nobody but it and its children in /proc.
    assert_eq!(sh(&["--pid", "--mount"], "echo $$; echo /proc/[0-9]*"), "1\n/proc/1\n");
    // Without --mount the old /proc stays, with the host's processes.
    let me = std::process::id().to_string();
    assert_eq!(sh(&["--pid"], &format!("echo $$; test -d /proc/{me} && echo old")), "1\nold\n");
    // A host name that the other side does not see.
    let name = rr.any_command("uname", ["-n"]).output().succeeds().stdout;
    assert_eq!(sh(&["--uts"], "hostname classroom && uname -n"), "classroom\n");
    assert_eq!(rr.any_command("uname", ["-n"]).output().succeeds().stdout, name);
    // Loopback is up, alone, and a port is free that is taken outside.
    assert_eq!(
        sh(&["--net"], "ip -o link | wc -l; ip -o -4 address | tr -s ' ' | cut -d' ' -f 2,4"),
        "1\nlo 127.0.0.1/8\n"
    );
    // Network namespaces with names, a veth pair between them, and packets that get across.
    let script = "set -e; mount -t tmpfs none /run; ip netns add blue; ip netns list
        ip link add out type veth peer name in netns blue
        ip address add 192.0.2.1/24 dev out; ip link set out up
        ip netns exec blue sh -c 'ip address add 192.0.2.2/24 dev in; ip link set in up; ip link set lo up'
        ip netns exec blue cat /proc/net/dev | grep -c in:
        ping -c 1 -W 5 192.0.2.2 | grep -o '1 received'";
    assert_eq!(sh(&["--net", "--mount"], script), "blue\n1\n1 received\n");
    // Shared memory of System V.
    assert_eq!(sh(&["--ipc"], "ipcmk -M 4096 >/dev/null; wc -l </proc/sysvipc/shm"), "2\n");
    assert_eq!(sh(&["--ipc"], "wc -l </proc/sysvipc/shm"), "1\n");
    // A tmpfs that the other shell does not see.
    assert_eq!(sh(&["--mount"], "mount -t tmpfs none tmp && echo hidden >tmp/file && cat tmp/file"), "hidden\n");
    assert_eq!(std::fs::read_dir(rr.path("tmp")).expect("readable").count(), 0);
    assert_eq!(sh(&["--mount"], "findmnt -n -o PROPAGATION /"), "private\n");
    rr.nothing_is_left();
}

#[test]
fn the_status_and_the_signals_of_process_1_are_passed_on() {
    let rr = Rr::new();
    rr.run(["unshare", "--pid", "sh", "-c", "exit 7"]).exits(7);
    // By its own child's signal it ends with the shell's word for it; process 1 itself by a status.
    rr.run(["unshare", "--pid", "sh", "-c", "sh -c 'kill -TERM $$'"]).exits(143);
    rr.run(["unshare", "--pid", "surely-not-there"]).fails_with(127, "cannot execute surely-not-there");
    rr.run(["unshare", "--pid", "/etc/passwd"]).fails_with(126, "EACCES");
    // One with a handler handles it; one without would not hear of it, and dies as it would anywhere else.
    let handler = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut terminal = rr.command(["unshare", "--pid", "sh", "-c", handler]).terminal(24, 80);
    terminal.expect("ready");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait().code(), Some(9));
    // Keys come from the terminal, to the whole group: once.
    let handler = "trap 'echo caught' INT; echo ready; sleep 0.3; sleep 0.3; exit 4";
    let mut terminal = rr.command(["unshare", "--pid", "sh", "-c", handler]).terminal(24, 80);
    terminal.expect("ready");
    terminal.send("\x03");
    assert_eq!(terminal.wait().code(), Some(4));
    assert_eq!(terminal.screen().matches("caught").count(), 1, "{}", terminal.screen());
    let without_handler = || {
        let mut terminal = rr.command(["unshare", "--pid", "cat"]).terminal(24, 80);
        terminal.send("ready\r");
        // Once by the terminal's echo, once by cat, which then surely runs.
        terminal.expect("ready\r\nready\r\n");
        terminal
    };
    let mut terminal = without_handler();
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait().code(), Some(143));
    let mut terminal = without_handler();
    terminal.send("\x03");
    assert_eq!(terminal.wait().code(), Some(130));
    // rr's own death takes them all along.
    let mut running = rr.command(["unshare", "--pid", "sh", "-c", "sleep 100 & wait"]).spawn();
    assert!(wait_until(Duration::from_secs(20), || rr.processes().len() >= 3), "{:#?}", rr.processes());
    running.signal(Signal::KILL);
    assert!(wait_until(Duration::from_secs(20), || !running.is_running()));
    rr.nothing_is_left();
}
