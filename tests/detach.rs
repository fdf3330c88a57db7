//! `-d`, and what is done with a container from other commands: create, start, stop, kill, wait,
//! restart, rename, attach.

use crate::support::{Registry, Rr, requires, wait_until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A user with alpine pulled.
fn user(registry: &Registry) -> Rr {
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    rr
}

/// Starts a container in the background; returns its id.
fn detached(rr: &Rr, flags: &[&str], script: &str) -> String {
    let base = ["run", "-d", "--network", "none"];
    let command = ["alpine", "sh", "-c", script];
    rr.run(base.iter().chain(flags).chain(&command)).succeeds_quietly().line().to_owned()
}

fn field(rr: &Rr, container: &str, field: &str) -> String {
    rr.run(["inspect", "-f", &format!("{{{{.{field}}}}}"), container]).succeeds().line().to_owned()
}

/// Waits until the log of the container has the text.
fn until_logged(rr: &Rr, container: &str, text: &str) {
    let logged = || rr.run(["logs", container]).stdout.contains(text);
    assert!(wait_until(Duration::from_secs(20), logged), "{text:?} is not logged");
}

const LOOP: &str = "while :; do sleep 0.1; done";

#[test]
fn a_detached_container_goes_on_and_holds_nothing_of_its_client() {
    let rr = user(requires!(Registry::shared()));
    // A descriptor that the client was given must not live on in the monitor: flock(1) around `run -d`.
    let script = format!("exec 9>lock; flock 9; \"$0\" run -d --network none --name dd alpine sh -c '{LOOP}'");
    let id = rr.any_command("sh", ["-c", &script, &rr.binary().display().to_string()]).output().succeeds_quietly();
    assert_eq!(id.line().len(), 64);
    rr.any_command("flock", ["-n", "lock", "true"]).output().succeeds();
    assert_eq!(field(&rr, "dd", "State.Status"), "running");
    assert_eq!(field(&rr, "dd", "Id"), id.line());
    rr.run(["stop", "-t", "0", "dd"]).succeeds();
    rr.no_process_is_left();
    assert_eq!(field(&rr, "dd", "State.ExitCode"), "137");
    rr.run(["rm", "dd"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn stop_asks_and_then_kills() {
    let rr = user(requires!(Registry::shared()));
    detached(&rr, &["--name", "polite"], &format!("trap 'exit 7' TERM; echo up; {LOOP}"));
    detached(&rr, &["--name", "usr"], &format!("trap 'exit 8' USR1; echo up; {LOOP}"));
    detached(&rr, &["--name", "planned", "--stop-signal", "HUP"], &format!("trap 'exit 9' HUP; echo up; {LOOP}"));
    detached(&rr, &["--name", "deaf"], &format!("trap '' TERM; echo up; {LOOP}"));
    for name in ["polite", "usr", "planned", "deaf"] {
        until_logged(&rr, name, "up");
    }
    let begun = Instant::now();
    let outcome = rr.run(["stop", "-t", "1", "polite", "planned", "deaf"]).succeeds_quietly();
    assert_eq!(outcome.stdout, "polite\nplanned\ndeaf\n");
    assert!(begun.elapsed() >= Duration::from_secs(1), "deaf had its second");
    rr.run(["stop", "--signal", "USR1", "usr"]).succeeds();
    let codes = ["polite", "usr", "planned", "deaf"].map(|name| field(&rr, name, "State.ExitCode"));
    assert_eq!(codes, ["7", "8", "9", "137"]);
    // One that does not run is as stop wants it; kill has nobody to signal.
    rr.run(["stop", "polite"]).succeeds();
    rr.run(["kill", "polite"]).fails_with(1, "is not running");
    let outcome = rr.run(["stop", "nobody", "polite"]).fails_with(1, "No such container: nobody");
    assert_eq!(outcome.stdout, "polite\n");
    rr.run(["rm", "polite", "usr", "planned", "deaf"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn kill_sends_any_signal() {
    let rr = user(requires!(Registry::shared()));
    detached(&rr, &["--name", "kk"], &format!("trap 'echo usr2' USR2; echo up; {LOOP}"));
    until_logged(&rr, "kk", "up");
    rr.run(["kill", "-s", "USR2", "kk"]).succeeds();
    until_logged(&rr, "kk", "usr2");
    rr.run(["kill", "-s", "NOPE", "kk"]).fails_with(1, "invalid signal: NOPE");
    assert_eq!(rr.run(["kill", "kk"]).succeeds().stdout, "kk\n");
    assert_eq!(rr.run(["wait", "kk"]).succeeds().stdout, "137\n");
    rr.run(["rm", "kk"]).succeeds();
    // A payload of another user is the user's own all the same.
    detached(&rr, &["--rm", "--name", "uu", "-u", "1000"], LOOP);
    rr.run(["kill", "uu"]).succeeds();
    assert!(wait_until(Duration::from_secs(5), || rr.run(["ps", "-aq"]).stdout.is_empty()));
    rr.nothing_is_left();
}

#[test]
fn wait_prints_each_status_also_of_what_is_removed() {
    let rr = user(requires!(Registry::shared()));
    let gate = rr.directory("gate");
    let first = detached(
        &rr,
        &["--rm", "-v", &format!("{}:/gate", gate.display())],
        "until [ -e /gate/open ]; do sleep 0.1; done; exit 3",
    );
    let second = detached(&rr, &[], "exit 4");
    let waiting = rr.command(["wait", &first, &second, "nobody"]).spawn();
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(gate.join("open"), "").unwrap();
    assert_eq!(waiting.wait().fails_with(1, "No such container: nobody").stdout, "3\n4\n");
    assert_eq!(rr.run(["wait", &second]).succeeds().stdout, "4\n");
    rr.run(["rm", &second]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_created_container_waits_for_its_start() {
    let rr = user(requires!(Registry::shared()));
    let script = "echo run >> /runs; cat /runs; exit 5";
    let create = ["create", "--network", "none", "--name", "cc", "alpine", "sh", "-c", script];
    let id = rr.run(create).succeeds_quietly();
    assert_eq!(id.line().len(), 64);
    assert_eq!(field(&rr, "cc", "State.Status"), "created");
    assert_eq!(rr.run(["wait", "cc"]).succeeds().stdout, "0\n");
    // Attached, with the payload's status; the second time upon the first's changes.
    assert_eq!(rr.run(["start", "-a", "cc"]).exits(5).stdout, "run\n");
    assert_eq!(rr.run(["start", "-a", "cc"]).exits(5).stdout, "run\nrun\n");
    assert_eq!(rr.run(["start", "cc"]).succeeds().stdout, "cc\n");
    assert!(wait_until(Duration::from_secs(10), || field(&rr, "cc", "State.Status") == "exited"));
    assert_eq!(rr.run(["logs", "cc"]).succeeds().stdout, "run\nrun\nrun\nrun\nrun\nrun\n");
    rr.run(["rm", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn create_rm_is_there_until_it_has_run() {
    let rr = user(requires!(Registry::shared()));
    let create = ["create", "--rm", "-i", "--network", "none", "--name", "cc", "alpine", "cat"];
    rr.run(create).succeeds();
    assert_eq!(rr.run(["ps", "-a", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout, "cc created\n");
    assert_eq!(rr.command(["start", "-ai", "cc"]).stdin("typed").output().succeeds().stdout, "typed");
    assert_eq!(rr.run(["ps", "-aq"]).succeeds().stdout, "");
    rr.nothing_is_left();
}

#[test]
fn a_running_container_is_not_started_twice() {
    let rr = user(requires!(Registry::shared()));
    let id = detached(&rr, &["--name", "rr"], &format!("echo up; {LOOP}"));
    let pid = field(&rr, "rr", "State.Pid");
    assert_eq!(rr.run(["start", "rr"]).succeeds().stdout, "rr\n");
    assert_eq!(field(&rr, "rr", "State.Pid"), pid);
    assert_eq!(rr.run(["restart", "-t", "0", &id[..12]]).succeeds().line(), &id[..12]);
    assert_ne!(field(&rr, "rr", "State.Pid"), pid);
    // Many at once: one starts it, and each finds it started.
    rr.run(["kill", "rr"]).succeeds();
    rr.run(["wait", "rr"]).succeeds();
    let starts: Vec<_> = (0..8).map(|_| rr.command(["start", "rr"]).spawn()).collect();
    for start in starts {
        start.wait().succeeds_quietly();
    }
    assert!(wait_until(Duration::from_secs(5), || rr.run(["logs", "rr"]).stdout == "up\nup\nup\n"));
    rr.run(["rm", "-f", "rr"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_killed_monitor_leaves_a_container_that_starts_again() {
    let rr = user(requires!(Registry::shared()));
    for flags in [&["--name", "mm"][..], &["--name", "mm", "--rm"]] {
        detached(&rr, flags, &format!("echo up; {LOOP}"));
        until_logged(&rr, "mm", "up");
        let monitor =
            rr.processes().into_iter().find(|process| process.command.contains(" run -d ")).expect("a monitor");
        rustix::process::kill_process(rustix::process::Pid::from_raw(monitor.pid).unwrap(), Signal::KILL).unwrap();
        rr.no_process_is_left();
        if flags.contains(&"--rm") {
            assert_eq!(rr.run(["ps", "-aq"]).succeeds().stdout, "");
            continue;
        }
        assert_eq!(field(&rr, "mm", "State.Status"), "exited");
        rr.run(["start", "mm"]).succeeds();
        assert!(wait_until(Duration::from_secs(5), || rr.run(["logs", "mm"]).stdout == "up\nup\n"));
        rr.run(["rm", "-f", "mm"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn rename_moves_the_claim_also_of_a_running_container() {
    let rr = user(requires!(Registry::shared()));
    detached(&rr, &["--name", "old", "--rm"], LOOP);
    detached(&rr, &["--name", "taken"], "true");
    rr.run(["rename", "old", "taken"]).fails_with(1, "is already in use by container");
    rr.run(["rename", "old", "old"]).fails_with(1, "same name");
    rr.run(["rename", "old", "a b"]).fails_with(1, "invalid container name");
    rr.run(["rename", "nobody", "new"]).fails_with(1, "No such container: nobody");
    assert_eq!(rr.run(["rename", "old", "new"]).succeeds_quietly().stdout, "");
    rr.run(["inspect", "old"]).fails_with(1, "old");
    assert_eq!(field(&rr, "new", "Name"), "/new");
    rr.run(["stop", "-t", "0", "new"]).succeeds();
    rr.run(["rm", "taken"]).succeeds();
    let names = std::fs::read_dir(rr.store().join("names")).expect("readable").count();
    assert_eq!(names, 0, "a name is still claimed");
    rr.nothing_is_left();
}

#[test]
fn attach_shows_output_and_gives_input() {
    let rr = user(requires!(Registry::shared()));
    detached(&rr, &["--name", "aa", "-i"], "echo before; while read line; do echo \"got $line\"; done");
    until_logged(&rr, "aa", "before");
    let mut first = rr.command(["attach", "--sig-proxy=false", "aa"]).spawn();
    let watcher = rr.command(["attach", "--no-stdin", "aa"]).spawn();
    // Both are there before anything is typed.
    std::thread::sleep(Duration::from_millis(500));
    first.write_stdin(b"one\n");
    until_logged(&rr, "aa", "got one");
    std::thread::sleep(Duration::from_millis(200));
    first.signal(Signal::TERM);
    assert_eq!(first.wait().exits(128 + 15).stdout, "got one\n");
    // The others stay, and so does the container.
    rr.run(["kill", "aa"]).succeeds();
    assert_eq!(watcher.wait().exits(137).stdout, "got one\n");
    rr.run(["attach", "aa"]).fails_with(1, "cannot attach to a stopped container");
    rr.run(["rm", "aa"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_terminal_is_left_and_attached_to_again() {
    let rr = user(requires!(Registry::shared()));
    let mut terminal =
        rr.command(["run", "-it", "--name", "tt", "--network", "none", "alpine", "sh"]).terminal(30, 100);
    terminal.expect("/ # ");
    terminal.send("\x10\x11");
    assert_eq!(terminal.wait().code(), Some(0));
    let mut again = rr.command(["attach", "tt"]).terminal(40, 120);
    let mut third = rr.command(["attach", "tt"]).terminal(40, 120);
    // A terminal that was drawn before shows nothing until something is typed.
    std::thread::sleep(Duration::from_millis(500));
    again.send("\rstty size; echo se''en\r");
    again.expect("40 120\r\nseen\r\n");
    third.expect("seen\r\n");
    third.send("\x10\x11");
    assert_eq!(third.wait().code(), Some(0));
    again.send("exit 6\r");
    assert_eq!(again.wait().code(), Some(6));
    assert!(rr.run(["logs", "tt"]).succeeds().stdout.contains("seen\r\n"));
    rr.run(["rm", "tt"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn many_start_and_go_at_once() {
    let rr = user(requires!(Registry::shared()));
    let runs: Vec<_> = (0..16)
        .map(|number| {
            let name = format!("n{number}");
            rr.command(["run", "-d", "--network", "none", "--name", &name, "alpine", "sleep", "1000"]).spawn()
        })
        .collect();
    rr.run(["ps"]).succeeds_quietly();
    for run in runs {
        run.wait().succeeds_quietly();
    }
    assert_eq!(rr.run(["ps", "-q"]).succeeds().stdout.lines().count(), 16);
    let removals: Vec<_> = (0..16).map(|number| rr.command(["rm", "-f", &format!("n{number}")]).spawn()).collect();
    rr.run(["ps", "-a"]).succeeds_quietly();
    for removal in removals {
        removal.wait().succeeds_quietly();
    }
    rr.nothing_is_left();
}
