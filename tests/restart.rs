//! `--restart`: the monitor starts the payload again, by Docker's rules, until somebody ends it.

use crate::support::{Rr, requires, wait_until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// `run -d` in alpine without a network; returns the id.
fn detached(rr: &Rr, flags: &[&str], script: &str) -> String {
    let words = [&["run", "-d", "--network", "none"], flags, &Rr::ALPINE, &["sh", "-c", script]].concat();
    rr.run(words).succeeds_quietly().line().to_owned()
}

fn field(rr: &Rr, container: &str, field: &str) -> String {
    rr.run(["inspect", "-f", &format!("{{{{.{field}}}}}"), container]).succeeds().line().to_owned()
}

fn until(rr: &Rr, container: &str, name: &str, value: &str) {
    let mut last = String::new();
    let met = wait_until(Duration::from_secs(20), || {
        last = field(rr, container, name);
        last == value
    });
    assert!(met, "{container}'s {name} is {last}, not {value}");
}

#[test]
fn on_failure_starts_it_again_so_many_times() {
    let rr = requires!(Rr::with_alpine());
    let begun = Instant::now();
    detached(&rr, &["--name", "ff", "--restart", "on-failure:3"], "echo run; exit 7");
    until(&rr, "ff", "State.Status", "exited");
    assert!(begun.elapsed() >= Duration::from_millis(100 + 200 + 400), "{:?}", begun.elapsed());
    assert_eq!(rr.run(["logs", "ff"]).succeeds().stdout, "run\n".repeat(4));
    assert_eq!(field(&rr, "ff", "RestartCount"), "3");
    assert_eq!(field(&rr, "ff", "State.ExitCode"), "7");
    let policy = "HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount";
    assert_eq!(field(&rr, "ff", policy), "on-failure 3");
    // The user's own start counts anew; success is no failure.
    rr.run(["start", "ff"]).succeeds();
    until(&rr, "ff", "RestartCount", "3");
    until(&rr, "ff", "State.Status", "exited");
    detached(&rr, &["--name", "good", "--restart", "on-failure"], "echo run");
    until(&rr, "good", "State.Status", "exited");
    assert_eq!((rr.run(["logs", "good"]).stdout.as_str(), field(&rr, "good", "RestartCount").as_str()), ("run\n", "0"));
    rr.no_process_is_left();
    rr.run(["rm", "ff", "good"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn every_run_has_new_namespaces_and_the_same_files() {
    let rr = requires!(Rr::with_alpine());
    let script = "echo $$ $(cat /proc/mounts | grep -c ' / ') $(hostname) >> /runs; touch /dev/shm/$(wc -l < /runs)
        ls /dev/shm; [ $(wc -l < /runs) = 3 ] && { cat /runs; exit 0; }; exit 1";
    detached(&rr, &["--name", "nn", "--hostname", "hh", "--restart", "on-failure"], script);
    until(&rr, "nn", "State.Status", "exited");
    assert_eq!(rr.run(["logs", "nn"]).succeeds().stdout, "1\n2\n3\n1 1 hh\n1 1 hh\n1 1 hh\n");
    rr.run(["rm", "nn"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_restarting_container_is_seen_and_ended() {
    let rr = requires!(Rr::with_alpine());
    // After some quick ends the pause is long enough to be met.
    for (end, exit) in [(&["stop", "xx"][..], 0), (&["kill", "xx"], 0), (&["rm", "-f", "xx"], 0), (&["rm", "xx"], 1)] {
        detached(&rr, &["--name", "xx", "--restart", "always"], "exit 5");
        until(&rr, "xx", "RestartCount", "6");
        until(&rr, "xx", "State.Status", "restarting");
        let status = rr.run(["ps", "--format", "{{.Status}}"]).succeeds().stdout;
        assert!(status.starts_with("Restarting (5) ") && status.ends_with(" ago\n"), "{status}");
        assert_eq!(field(&rr, "xx", "State.Running}} {{.State.Restarting}} {{.State.Pid"), "true true 0");
        rr.run(["attach", "xx"]).fails_with(1, "cannot attach to a restarting container");
        rr.run(["start", "xx"]).succeeds();
        let begun = Instant::now();
        rr.run(end).exits(exit);
        // Nobody waited for the end of the pause, which is 3.2 s or 6.4.
        assert!(begun.elapsed() < Duration::from_secs(2), "{end:?} took {:?}", begun.elapsed());
        if exit == 1 {
            rr.run(["stop", "xx"]).succeeds();
        }
        if end[0] != "rm" || exit == 1 {
            rr.no_process_is_left();
            assert_eq!(field(&rr, "xx", "State.Status}} {{.State.ExitCode"), "exited 5");
            rr.run(["rm", "xx"]).succeeds();
        }
        rr.nothing_is_left();
    }
}

#[test]
fn who_ends_a_running_one_ends_its_restarts() {
    let rr = requires!(Rr::with_alpine());
    let script = "trap 'exit 3' TERM; trap 'exit 4' USR1; echo up; while :; do sleep 0.1; done";
    let up = |runs: usize| {
        let logged = || rr.run(["logs", "xx"]).stdout == "up\n".repeat(runs);
        assert!(wait_until(Duration::from_secs(20), logged), "{}", rr.run(["logs", "xx"]));
    };
    detached(&rr, &["--name", "xx", "--restart", "unless-stopped"], script);
    up(1);
    // A signal that is no end by its meaning does not end the restarts, whatever the payload makes of it.
    rr.run(["kill", "-s", "USR1", "xx"]).succeeds();
    up(2);
    assert_eq!(rr.run(["stop", "xx"]).succeeds().stdout, "xx\n");
    assert_eq!(field(&rr, "xx", "State.Status}} {{.State.ExitCode}} {{.RestartCount"), "exited 3 1");
    rr.run(["start", "xx"]).succeeds();
    up(3);
    rr.run(["restart", "xx"]).succeeds();
    up(4);
    rr.run(["kill", "xx"]).succeeds();
    assert_eq!(rr.run(["wait", "xx"]).succeeds().stdout, "137\n");
    assert_eq!(field(&rr, "xx", "State.Status"), "exited");
    rr.no_process_is_left();
    rr.run(["rm", "xx"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn wait_returns_at_each_end_and_attached_clients_leave() {
    let rr = requires!(Rr::with_alpine());
    let script = "echo up; read line; echo got $line; exit 6";
    detached(&rr, &["--name", "ww", "-i", "--restart", "always"], script);
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "ww"]).stdout == "up\n"));
    let waiting = rr.command(["wait", "ww"]).spawn();
    let mut attached = rr.command(["attach", "ww"]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    attached.write_stdin(b"one\n");
    assert_eq!(attached.wait().exits(6).stdout, "got one\n");
    assert_eq!(waiting.wait().succeeds().stdout, "6\n");
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "ww"]).stdout == "up\ngot one\nup\n"));
    // The next run has an input of its own.
    let mut attached = rr.command(["attach", "ww"]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    attached.write_stdin(b"two\n");
    assert_eq!(attached.wait().exits(6).stdout, "got two\n");
    rr.run(["rm", "-f", "ww"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_client_in_the_foreground_stays_until_the_last_end() {
    let rr = requires!(Rr::with_alpine());
    let run = |flags: &[&str], script: &str| {
        rr.command([&["run", "--network", "none"], flags, &Rr::ALPINE, &["sh", "-c", script]].concat())
    };
    let counted = "echo run >> /runs; wc -l < /runs; [ $(wc -l < /runs) = 3 ] || exit 9";
    assert_eq!(run(&["--name", "ff", "--restart", "on-failure:5"], counted).output().succeeds().stdout, "1\n2\n3\n");
    assert_eq!(
        run(&["--name", "gg", "--restart", "on-failure:1"], "echo x; exit 9").output().exits(9).stdout,
        "x\nx\n"
    );
    // Without a log every run has the client's own streams.
    let unlogged =
        run(&["--name", "hh", "-i", "--log-driver", "none", "--restart", "on-failure"], "read x; echo $x; [ $x = b ]");
    assert_eq!(unlogged.stdin("a\nb\n").output().succeeds().stdout, "a\nb\n");
    // Interrupted, it is the end; and so is the client's death.
    let running =
        run(&["--name", "ii", "--restart", "always"], "trap 'exit 2' INT; echo up; while :; do sleep 0.1; done");
    let running = running.spawn();
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "ii"]).stdout == "up\n"));
    running.signal(Signal::INT);
    running.wait().exits(2);
    let running = run(&["--name", "jj", "--restart", "always"], "echo up; exec sleep 1000").spawn();
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "jj"]).stdout == "up\n"));
    running.signal(Signal::KILL);
    drop(running.wait());
    rr.no_process_is_left();
    assert_eq!(field(&rr, "jj", "State.Status"), "exited");
    rr.run(["rm", "ff", "gg", "hh", "ii", "jj"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_terminal_keeps_its_size_over_a_restart() {
    let rr = requires!(Rr::with_alpine());
    let script = "stty size; read line; [ $line = end ]";
    let words =
        [&["run", "-it", "--name", "tt", "--network", "none", "--restart", "on-failure"], &Rr::ALPINE[..]].concat();
    let mut terminal = rr.command([&words[..], &["sh", "-c", script]].concat()).terminal(30, 100);
    terminal.expect("30 100\r\n");
    terminal.resize(20, 90);
    terminal.send("more\r");
    terminal.expect("20 90\r\n");
    terminal.send("end\r");
    assert_eq!(terminal.wait().code(), Some(0));
    rr.run(["rm", "tt"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn the_network_is_attached_again_and_its_program_does_not_pile_up() {
    let rr = requires!(Rr::with_alpine());
    for mode in ["pasta", "slirp4netns"] {
        requires!(crate::support::command_exists(mode).then_some(()).ok_or(format!("{mode} is not installed")));
        let script = "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; exit 1";
        let flags = ["run", "-d", "--name", "nn", "--network", mode, "--restart", "on-failure:3"];
        rr.run([&flags[..], &Rr::ALPINE, &["sh", "-c", script]].concat()).succeeds();
        until(&rr, "nn", "State.Status", "restarting");
        let helpers = || rr.processes().iter().filter(|process| process.command.contains("/proc/self/fd/0")).count();
        assert_eq!(helpers(), 0, "{:#?}", rr.processes());
        until(&rr, "nn", "State.Status", "exited");
        assert_eq!(rr.run(["logs", "nn"]).succeeds().stdout, "inet 10.0.2.100\n".repeat(4));
        rr.no_process_is_left();
        rr.run(["rm", "nn"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn a_start_that_fails_is_the_end_of_the_restarts() {
    let rr = requires!(Rr::with_alpine());
    let place = rr.directory("place");
    std::fs::write(place.join("there"), "").unwrap();
    let mount = format!("{}/there:/there", place.display());
    detached(&rr, &["--name", "ee", "-v", &mount, "--restart", "always"], "sleep 0.5; exit 1");
    std::fs::remove_file(place.join("there")).unwrap();
    until(&rr, "ee", "State.Status", "exited");
    assert!(field(&rr, "ee", "State.Error").contains("there"), "{}", field(&rr, "ee", "State.Error"));
    rr.no_process_is_left();
    rr.run(["rm", "ee"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn policies_are_checked() {
    let rr = requires!(Rr::with_alpine());
    let fails = |flags: &[&str], text: &str| {
        rr.run([&["run"], flags, &Rr::ALPINE, &["true"]].concat()).fails_with(125, text);
    };
    fails(&["--rm", "--restart", "always"], "conflicting options: --restart and --rm");
    fails(&["--restart", "nope"], "unknown policy 'nope'");
    fails(&["--restart", "always:3"], "maximum retry count can only be used with 'on-failure'");
    rr.sh(&["--restart", "no"], "true").succeeds();
    rr.nothing_is_left();
}

#[test]
fn update_changes_the_policy_also_of_one_that_runs() {
    let rr = requires!(Rr::with_alpine());
    let script = "trap 'exit 4' USR1; echo up; while :; do sleep 0.1; done";
    let up = |runs: usize| {
        let logged = || rr.run(["logs", "uu"]).stdout == "up\n".repeat(runs);
        assert!(wait_until(Duration::from_secs(20), logged), "{}", rr.run(["logs", "uu"]));
    };
    detached(&rr, &["--name", "uu"], script);
    up(1);
    assert_eq!(rr.run(["update", "--restart", "on-failure:5", "uu"]).succeeds_quietly().stdout, "uu\n");
    assert_eq!(field(&rr, "uu", "HostConfig.RestartPolicy.Name"), "on-failure");
    rr.run(["kill", "-s", "USR1", "uu"]).succeeds();
    up(2);
    rr.run(["update", "--restart=no", "uu"]).succeeds();
    rr.run(["kill", "-s", "USR1", "uu"]).succeeds();
    until(&rr, "uu", "State.Status", "exited");
    assert_eq!(rr.run(["logs", "uu"]).stdout, "up\nup\n");
    // A name is the plan's as well, and neither change takes the other back.
    rr.run(["update", "--restart=always", "uu"]).succeeds();
    rr.run(["rename", "uu", "vv"]).succeeds();
    assert_eq!(field(&rr, "vv", "HostConfig.RestartPolicy.Name"), "always");
    rr.run(["update", "vv"]).fails_with(1, "you must provide one or more flags");
    rr.run(["update", "--memory", "1m", "vv"]).fails_with(1, "Minimum memory limit allowed is 6MB");
    rr.run(["update", "--restart", "no", "nobody"]).fails_with(1, "No such container: nobody");
    rr.run(["rm", "vv"]).succeeds();
    detached(&rr, &["--name", "rr", "--rm"], "exec sleep 1000");
    rr.run(["update", "--restart", "always", "rr"]).fails_with(1, "because AutoRemove is enabled");
    rr.run(["rm", "-f", "rr"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_is_to_run_after_a_reboot_is_started_by_one_command() {
    let rr = requires!(Rr::with_alpine());
    for (name, policy) in
        [("aa", "always"), ("un", "unless-stopped"), ("st", "unless-stopped"), ("of", "on-failure"), ("no", "no")]
    {
        detached(&rr, &["--name", name, "--restart", policy], "exec sleep 1000");
    }
    rr.run(["stop", "-t", "0", "st", "aa"]).succeeds();
    rr.reboot();
    assert_eq!(rr.run(["ps", "-q"]).succeeds().stdout, "");
    rr.run(["start", "--all", "--filter", "should-start-on-boot=true"]).succeeds();
    let mut names: Vec<String> =
        rr.run(["ps", "--format", "{{.Names}}"]).succeeds().stdout.lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["aa", "un"]);
    rr.run(["start", "--filter", "restart-policy=on-failure", "--filter", "status=exited"]).succeeds();
    assert_eq!(field(&rr, "of", "State.Status"), "running");
    rr.run(["start", "--all", "aa"]).fails_with(1, "take no names beside them");
    rr.run(["start"]).fails_with(1, "CONTAINER");
    rr.run(["rm", "-f", "aa", "un", "st", "of", "no"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn replace_takes_the_place_of_a_container() {
    let rr = requires!(Rr::with_alpine());
    let first = detached(&rr, &["--name", "pp"], "exec sleep 1000");
    let second = detached(&rr, &["--name", "pp", "--replace"], "exec sleep 1000");
    assert_ne!(first, second);
    assert_eq!(rr.run(["ps", "-aq", "--no-trunc"]).succeeds().stdout, format!("{second}\n"));
    rr.run([&["create", "--name", "pp", "--replace"], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    assert_eq!(field(&rr, "pp", "State.Status"), "created");
    rr.run([&["run", "--replace"], &Rr::ALPINE[..], &["true"]].concat())
        .fails_with(125, "cannot replace container without --name being set");
    rr.run(["rm", "pp"]).succeeds();
    rr.nothing_is_left();
}
