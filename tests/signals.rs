//! Signals reach the payload, and no process of rr can be killed so that anything stays behind.

use crate::support::{Registry, Rr, Running, requires, wait_until};
use rustix::process::{Pid, Signal};
use std::time::Duration;

/// Starts a container whose payload writes a line when it is ready.
fn start(rr: &Rr, flags: &[&str], script: &str) -> Running {
    let marker = rr.directory("marker");
    // A former start's line must not be mistaken for this one's.
    let _ = std::fs::remove_file(marker.join("ready"));
    let volume = format!("{}:/marker", marker.display());
    let script = format!("{script}\ntouch /marker/ready; while :; do sleep 0.1; done");
    let words: Vec<&str> = ["run", "--network", "none", "-v", &volume]
        .into_iter()
        .chain(flags.iter().copied())
        .chain(["alpine", "sh", "-c", &script])
        .collect();
    let running = rr.command(words).spawn();
    assert!(wait_until(Duration::from_secs(30), || marker.join("ready").exists()), "the payload did not start");
    running
}

#[test]
fn signals_are_passed_on() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["pull", "-q", "alpine"]).succeeds();
    for (signal, name) in [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let running = start(&rr, &["--rm"], &format!("trap 'echo got {name}; exit 9' {name}"));
        running.signal(signal);
        let outcome = running.wait().exits(9);
        assert_eq!(outcome.stdout, format!("got {name}\n"));
    }
    rr.nothing_is_left();
}

#[test]
fn an_init_passes_signals_on_and_reaps() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["pull", "-q", "alpine"]).succeeds();
    let running =
        start(&rr, &["--rm", "--init"], "sh -c 'sleep 0.1 & exit 0'; trap 'ps -o stat | grep -c ^Z; exit 4' TERM");
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().exits(4).stdout, "0\n");
    rr.nothing_is_left();
}

/// The children of a process, by /proc.
fn children(pid: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)).collect()
}

#[test]
fn killing_client_monitor_or_init_leaves_nothing() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["pull", "-q", "alpine"]).succeeds();
    // What tries to stay: ignored signals, daemons, processes in sessions of their own.
    let script = "trap '' HUP TERM INT; (sleep 1000 &); setsid sleep 1001 & ";
    for flags in [&["--rm"][..], &["--rm", "--init"], &["--name", "kept"]] {
        for victim in ["client", "monitor", "init"] {
            let running = start(&rr, flags, script);
            let client = running.pid();
            let monitor = children(client)[0];
            let init = children(monitor)[0];
            match victim {
                "client" => running.signal(Signal::KILL),
                "monitor" => rustix::process::kill_process(monitor, Signal::KILL).unwrap(),
                _ => rustix::process::kill_process(init, Signal::KILL).unwrap(),
            }
            let outcome = running.wait();
            match victim {
                "client" => {}
                "monitor" => drop(outcome.fails_with(125, "monitor was killed")),
                _ => drop(outcome.exits(137)),
            }
            rr.no_process_is_left();
            // The record is right, whoever died.
            if flags.contains(&"--rm") {
                assert!(wait_until(Duration::from_secs(10), || rr.run(["ps", "-aq"]).succeeds().stdout.is_empty()));
            } else {
                let status = || rr.run(["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "kept"]).succeeds();
                assert!(wait_until(Duration::from_secs(10), || status().line() == "exited 137"), "{}", status());
                rr.run(["rm", "kept"]).succeeds();
            }
            rr.nothing_is_left();
        }
    }
}

#[test]
fn a_running_container_is_removed_only_by_force() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let running = start(&rr, &["--name", "busy"], "trap '' TERM");
    rr.run(["rm", "busy"]).fails_with(1, "running");
    rr.run(["rm", "-f", "busy"]).succeeds();
    running.wait().exits(137);
    rr.nothing_is_left();
}

#[test]
fn a_removal_that_was_cut_short_is_gone_on_with() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "mkdir -m 700 /private /volume/private; touch /private/x; chown -R 5:5 /private /volume/private";
    let words = ["run", "--network", "none", "--name", "half", "-v", "/volume", "alpine", "sh", "-c", script];
    let containers = rr.store().join("containers");
    let count = |path: &std::path::Path| std::fs::read_dir(path).expect("the store is readable").count();
    // What `rm` and `rm -v` leave that are killed right after the container has ceased to exist.
    for (mark, volumes) in [("plan.json.removed-with-volumes", 0), ("plan.json.removed", 1)] {
        rr.run(words).succeeds();
        let dir = std::fs::read_dir(&containers).unwrap().next().unwrap().unwrap().path();
        std::fs::rename(dir.join("plan.json"), dir.join(mark)).unwrap();
        assert_eq!(rr.run(["ps", "-aq"]).succeeds_quietly().stdout, "");
        assert_eq!(count(&containers), 0);
        assert_eq!(count(&rr.store().join("volumes")), volumes, "{mark}");
    }
    // Its name is free.
    rr.run(["run", "--rm", "--network", "none", "--name", "half", "alpine", "true"]).succeeds();
    rr.nothing_is_left();
}
