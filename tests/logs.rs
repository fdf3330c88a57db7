//! What a payload writes is kept: every byte, with its stream and time, and nobody who reads holds it back.

use crate::support::{Outcome, Registry, Rr, requires, wait_until};
use rustix::process::Signal;
use std::time::Duration;

fn user(registry: &Registry) -> Rr {
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    rr
}

/// Runs a container without `--rm` to its end.
fn run(rr: &Rr, name: &str, flags: &[&str], script: &str) -> Outcome {
    let base = ["run", "--network", "none", "--name", name];
    rr.run(base.iter().chain(flags).chain(&["alpine", "sh", "-c", script]))
}

#[test]
fn a_foreground_run_prints_and_keeps_the_same_bytes() {
    let rr = user(requires!(Registry::shared()));
    let script = "printf 'one\\n\\ntwo'; echo err >&2; sleep 0.1; printf '\\000\\377three'";
    let outcome = run(&rr, "ll", &[], script).succeeds();
    assert_eq!(outcome.stdout_bytes, b"one\n\ntwo\0\xffthree");
    assert_eq!(outcome.stderr, "err\n");
    let logs = rr.run(["logs", "ll"]).succeeds();
    assert_eq!((logs.stdout_bytes, logs.stderr), (outcome.stdout_bytes, outcome.stderr));
    // The file itself: RFC 3339 with nine digits, stream, full or partial.
    let path = rr.run(["inspect", "-f", "{{.LogPath}}", "ll"]).succeeds().line().to_owned();
    let log = std::fs::read(path).expect("the log is a file");
    for line in log.strip_suffix(b"\n").expect("whole lines").split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        assert!(words[0].len() == 30 && words[0].ends_with('Z') && ["F", "P"].contains(&words[2]), "{text}");
    }
    rr.run(["rm", "ll"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn rm_and_log_driver_none_keep_nothing() {
    let rr = user(requires!(Registry::shared()));
    assert_eq!(run(&rr, "rr", &["--rm"], "echo x; ls -l /proc/self/fd/1").succeeds().stdout.lines().next(), Some("x"));
    assert_eq!(run(&rr, "nn", &["--log-driver", "none"], "echo x").succeeds().stdout, "x\n");
    rr.run(["logs", "nn"]).fails_with(1, "--log-driver none");
    let outcome = run(&rr, "jj", &["--log-driver", "journald"], "echo x").succeeds();
    assert!(outcome.stderr.contains("kept in a file"), "{outcome}");
    assert_eq!(rr.run(["logs", "jj"]).succeeds().stdout, "x\n");
    rr.run(["logs", "nobody"]).fails_with(1, "No such container: nobody");
    rr.run(["rm", "nn", "jj"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn lines_are_chosen_by_number_and_time() {
    let rr = user(requires!(Registry::shared()));
    run(&rr, "ll", &[], "for i in 1 2 3; do echo $i; sleep 0.3; done").succeeds();
    let logs = |flags: &[&str]| rr.run(["logs"].iter().chain(flags).chain(&["ll"])).succeeds().stdout;
    assert_eq!(logs(&["--tail", "2"]), "2\n3\n");
    assert_eq!(logs(&["-n0"]), "");
    assert_eq!(logs(&["--tail", "all", "--details"]), " 1\n 2\n 3\n");
    let stamped = logs(&["-t"]);
    let time = |at: usize| stamped.lines().nth(at).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(logs(&["--since", &time(1)]), "2\n3\n");
    assert_eq!(logs(&["--until", &time(1)]), "1\n2\n");
    assert_eq!(logs(&["--since", "1h", "--until", &time(0)]), "1\n");
    assert_eq!(logs(&["--since", "2001-01-01"]), "1\n2\n3\n");
    rr.run(["logs", "--since", "tomorrow", "ll"]).fails_with(1, "cannot use --since tomorrow");
    rr.run(["logs", "--tail", "x", "ll"]).fails_with(1, "cannot use --tail x");
    rr.run(["rm", "ll"]).succeeds();
}

#[test]
fn following_ends_with_the_container() {
    let rr = user(requires!(Registry::shared()));
    let script = "echo early; while ! test -e /go; do sleep 0.05; done; for i in $(seq 2000); do echo $i; done";
    let go = rr.directory("go");
    let volume = format!("{}:/go.d", go.display());
    let script = script.replace("/go;", "/go.d/go;");
    let words = ["run", "-d", "--network", "none", "--name", "ff", "-v", &volume, "alpine", "sh", "-c", &script];
    rr.run(words).succeeds();
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "ff"]).stdout == "early\n"));
    let all = rr.command(["logs", "-f", "ff"]).spawn();
    let new = rr.command(["logs", "-f", "--tail", "0", "ff"]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(go.join("go"), "").expect("the directory is open to all");
    let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(all.wait().succeeds_quietly().stdout, format!("early\n{numbers}"));
    assert_eq!(new.wait().succeeds_quietly().stdout, numbers);
    assert_eq!(rr.run(["logs", "-f", "ff"]).succeeds().stdout, format!("early\n{numbers}"));
    rr.run(["rm", "ff"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_reader_that_stops_holds_nobody_back() {
    let rr = user(requires!(Registry::shared()));
    // More than pipes and sockets hold.
    let script = "seq 100000; sleep 0.2; echo done";
    let words = ["run", "--network", "none", "--name", "ss", "alpine", "sh", "-c", script];
    let client = rr.command(words).spawn();
    assert!(wait_until(Duration::from_secs(20), || rr.run(["ps", "-q"]).stdout.lines().count() == 1));
    client.signal(Signal::STOP);
    let ended = || rr.run(["inspect", "-f", "{{.State.Status}}", "ss"]).stdout == "exited\n";
    assert!(wait_until(Duration::from_secs(20), ended), "the payload waits for a client that was stopped");
    client.signal(Signal::CONT);
    let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let outcome = client.wait().succeeds();
    assert!(outcome.stdout == numbers + "done\n", "{} bytes were printed", outcome.stdout.len());
    rr.run(["rm", "ss"]).succeeds();
}

#[test]
fn logs_rotate_and_survive_being_removed() {
    let rr = user(requires!(Registry::shared()));
    let options = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"];
    let outcome = run(&rr, "ll", &options, "for i in $(seq 400); do echo $i; usleep 1000; done").succeeds();
    let numbers: String = (1..=400).map(|number| format!("{number}\n")).collect();
    assert_eq!(outcome.stdout, numbers, "who follows misses nothing");
    let kept = rr.run(["logs", "ll"]).succeeds().stdout;
    assert!(numbers.ends_with(&kept) && kept.lines().count() > 150 && kept.lines().count() < 300, "{kept}");
    let path = rr.run(["inspect", "-f", "{{.LogPath}}", "ll"]).succeeds().line().to_owned();
    for suffix in ["", ".1", ".2"] {
        assert!(std::fs::metadata(format!("{path}{suffix}")).expect("three files").len() <= 4096);
    }
    assert!(!std::fs::exists(format!("{path}.3")).expect("readable"));
    rr.run(["rm", "ll"]).succeeds();

    let script = "echo one; while ! test -e /x/go; do sleep 0.05; done; echo two";
    let shared = rr.directory("x");
    let volume = format!("{}:/x", shared.display());
    rr.run(["run", "-d", "--network", "none", "--name", "gg", "-v", &volume, "alpine", "sh", "-c", script]).succeeds();
    assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "gg"]).stdout == "one\n"));
    let path = rr.run(["inspect", "-f", "{{.LogPath}}", "gg"]).succeeds().line().to_owned();
    std::fs::remove_file(path).expect("it is the user's own");
    std::fs::write(shared.join("go"), "").expect("the directory is open to all");
    rr.run(["wait", "gg"]).succeeds();
    assert_eq!(rr.run(["logs", "gg"]).succeeds().stdout, "two\n");
    rr.run(["rm", "gg"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_run_whose_output_nobody_reads_ends() {
    let rr = user(requires!(Registry::shared()));
    let script = "\"$0\" run --network none --name yy alpine yes | head -n 2";
    let outcome = rr.any_command("sh", ["-c", script, &rr.binary().display().to_string()]).output();
    assert_eq!(outcome.succeeds().stdout, "y\ny\n");
    rr.no_process_is_left();
    assert_eq!(rr.run(["inspect", "-f", "{{.State.Status}}", "yy"]).succeeds().stdout, "exited\n");
    rr.run(["rm", "yy"]).succeeds();
}

#[test]
fn the_monitor_does_not_grow_with_what_it_logs() {
    let rr = user(requires!(Registry::shared()));
    let own_memory = |script: &str| -> u64 {
        rr.run(["run", "-d", "--network", "none", "--name", "pp", "alpine", "sh", "-c", script]).succeeds();
        let logged = || rr.run(["logs", "--tail", "1", "pp"]).stdout == "last\n";
        assert!(wait_until(Duration::from_secs(20), logged), "the payload does not come to its end");
        let monitor = rr.processes().into_iter().find(|process| process.command.contains(" run -d "));
        let path = format!("/proc/{}/smaps_rollup", monitor.expect("a monitor").pid);
        let rollup = std::fs::read_to_string(path).expect("the monitor is readable");
        rr.run(["rm", "-f", "pp"]).succeeds();
        let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).expect("a line of that name");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
    };
    let (quiet, busy) = (own_memory("echo last; sleep 1000"), own_memory("seq 100000; echo last; sleep 1000"));
    assert!(busy < quiet + 128, "{quiet} kB became {busy} kB");
    rr.nothing_is_left();
}

#[test]
fn a_full_disk_holds_the_output_back_until_there_is_room() {
    let rr = requires!(Rr::with_alpine());
    // The store's own file system, which root of a user namespace may mount and enlarge. A line takes some fifty
    // bytes in the log: it fills half a dozen times.
    let script = r#"
        mount -t tmpfs -o size=2m,mode=700 none "$XDG_DATA_HOME"
        "$0" run --name full --network none --rootfs rootfs:O sh -c 'seq 200000; echo end >&2' >out 2>err &
        left() { df --output=avail "$XDG_DATA_HOME" | tail -n 1; }
        for size in 4m 6m 64m; do
            tries=0
            while [ "$(left)" -gt 128 ] && [ $tries -lt 600 ]; do sleep 0.05; tries=$((tries + 1)); done
            # The next piece does not fit: it waits, and nothing has ended.
            sleep 1; "$0" inspect -f '{{.State.Status}}' full
            mount -o remount,size=$size "$XDG_DATA_HOME"
        done
        wait $!; echo "status $?"
        "$0" logs full >logged 2>logged.err; "$0" rm full >/dev/null; umount "$XDG_DATA_HOME""#;
    let words = ["--map-root-user", "--map-auto", "--mount", "--", "sh", "-c", script];
    let binary = rr.binary().display().to_string();
    let outcome = rr.any_command("unshare", words.iter().copied().chain([binary.as_str()])).output().succeeds();
    assert_eq!(outcome.stdout, "running\nrunning\nrunning\nstatus 0\n", "{outcome}");
    let numbers: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    for (file, expected) in [("out", numbers.as_str()), ("err", "end\n"), ("logged", &numbers), ("logged.err", "end\n")]
    {
        let text = std::fs::read_to_string(rr.path(file)).expect("the script's file");
        assert!(text == expected, "{file} has {} bytes instead of {}", text.len(), expected.len());
    }
    rr.nothing_is_left();
}
