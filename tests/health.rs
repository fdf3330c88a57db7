//! Health checks: made by the monitor in the container, by Docker's rules.

use crate::support::{Rr, requires, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};

/// `run -d` in alpine without a network.
fn detached(rr: &Rr, name: &str, flags: &[&str], script: &str) {
    let words = [&["run", "-d", "--network", "none", "--name", name], flags, &Rr::ALPINE, &["sh", "-c", script]];
    rr.run(words.concat()).succeeds_quietly();
}

fn field(rr: &Rr, container: &str, field: &str) -> String {
    rr.run(["inspect", "-f", &format!("{{{{{field}}}}}"), container]).succeeds().line().to_owned()
}

fn until(rr: &Rr, container: &str, status: &str) {
    let mut last = String::new();
    let met = wait_until(Duration::from_secs(20), || {
        last = field(rr, container, ".State.Health.Status");
        last == status
    });
    assert!(met, "{container} is {last}, not {status}: {}", field(rr, container, "json .State.Health"));
}

fn log(rr: &Rr, container: &str) -> Vec<Value> {
    serde_json::from_str(&field(rr, container, "json .State.Health.Log")).expect("the log is JSON")
}

fn ps(rr: &Rr, filter: &str) -> String {
    rr.run(["ps", "--filter", filter, "--format", "{{.Names}} {{.Status}}"]).succeeds().stdout
}

fn remove(rr: &Rr, names: &[&str]) {
    let begun = Instant::now();
    rr.run([&["rm", "-f", "-t", "0"], names].concat()).succeeds();
    assert!(begun.elapsed() < Duration::from_secs(10), "rm -f took {:?}", begun.elapsed());
    rr.nothing_is_left();
}

#[test]
fn it_becomes_healthy_unhealthy_and_healthy_again() {
    let rr = requires!(Rr::with_alpine());
    let check = "cat /well; echo bad >&2; test -e /well";
    let flags = ["--health-cmd", check, "--health-interval", "200ms", "--health-retries=2", "-e", "A=b"];
    detached(&rr, "hh", &flags, "exec sleep 1000");
    // The first check comes after an interval.
    until(&rr, "hh", "unhealthy");
    let results = log(&rr, "hh");
    assert!(results.len() >= 2, "{results:?}");
    assert_eq!(results[0]["ExitCode"], 1);
    let output = results[0]["Output"].as_str().unwrap();
    assert!(output.contains("/well") && output.ends_with("bad\n"), "{output}");
    let time = |result: &Value, name: &str| result[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time(&results[0], "Start") <= time(&results[0], "End"));
    assert!(time(&results[1], "Start").duration_since(time(&results[0], "End")).as_millis() >= 200);
    let streak: u32 = field(&rr, "hh", ".State.Health.FailingStreak").parse().unwrap();
    assert!(streak >= 2, "{streak}");
    assert!(ps(&rr, "health=unhealthy").ends_with(" (unhealthy)\n"), "{}", ps(&rr, "name=hh"));
    assert_eq!(ps(&rr, "health=healthy") + &ps(&rr, "health=none"), "");
    rr.run(["exec", "hh", "touch", "/well"]).succeeds();
    until(&rr, "hh", "healthy");
    assert_eq!(field(&rr, "hh", ".State.Health.FailingStreak"), "0");
    assert!(ps(&rr, "health=healthy").ends_with(" (healthy)\n"));
    let full = wait_until(Duration::from_secs(20), || {
        let results = log(&rr, "hh");
        assert!(results.len() <= 5);
        results.len() == 5 && results.iter().all(|result| result["ExitCode"] == 0)
    });
    assert!(full, "{:?}", log(&rr, "hh"));
    let configured: Value = serde_json::from_str(&field(&rr, "hh", "json .Config.Healthcheck")).unwrap();
    let expected = serde_json::json!({"Test": ["CMD-SHELL", check], "Interval": 200_000_000, "Retries": 2});
    assert_eq!(configured, expected);
    // The changes alone are told, and the state outlives the monitor, however that ends.
    let told = rr.run([
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "event=health_status",
        "--format",
        "{{.Action}}",
    ]);
    assert_eq!(told.succeeds().stdout, "health_status: unhealthy\nhealth_status: healthy\n");
    let state: Value = serde_json::from_slice(
        &std::fs::read(rr.store().join("containers").join(field(&rr, "hh", ".Id")).join("state.json")).unwrap(),
    )
    .unwrap();
    let monitor = rustix::process::Pid::from_raw(state["monitor"]["pid"].as_i64().unwrap() as i32).unwrap();
    rustix::process::kill_process(monitor, rustix::process::Signal::KILL).unwrap();
    assert!(wait_until(Duration::from_secs(10), || field(&rr, "hh", ".State.Status") == "exited"));
    assert_eq!(field(&rr, "hh", ".State.Health.Status"), "healthy");
    rr.no_process_is_left();
    rr.run(["start", "hh"]).succeeds();
    until(&rr, "hh", "healthy");
    remove(&rr, &["hh"]);
}

#[test]
fn failures_in_the_start_period_do_not_count() {
    let rr = requires!(Rr::with_alpine());
    let quick = ["--health-start-interval", "100ms", "--health-interval", "1h"];
    let flags = [&["--health-cmd", "false", "--health-retries", "1", "--health-start-period", "1h"], &quick[..]];
    detached(&rr, "ss", &flags.concat(), "exec sleep 1000");
    assert!(wait_until(Duration::from_secs(20), || log(&rr, "ss").len() == 5), "{:?}", log(&rr, "ss"));
    let health = field(&rr, "ss", ".State.Health.Status}} {{.State.Health.FailingStreak");
    assert_eq!(health, "starting 0");
    assert!(ps(&rr, "health=starting").ends_with(" (health: starting)\n"));
    // One success, and the interval is the usual one.
    let flags = [&["--health-cmd", "true", "--health-start-period", "1h"], &quick[..]];
    detached(&rr, "tt", &flags.concat(), "exec sleep 1000");
    until(&rr, "tt", "healthy");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(log(&rr, "tt").len(), 1);
    remove(&rr, &["ss", "tt"]);
}

#[test]
fn a_check_that_hangs_is_killed_with_its_children() {
    let rr = requires!(Rr::with_alpine());
    let check = "trap '' TERM INT HUP; echo partly; sleep 7654 & sleep 7654";
    let flags = ["--health-cmd", check, "--health-interval=100ms", "--health-timeout=300ms", "--health-retries=1"];
    detached(&rr, "hh", &flags, "exec sleep 1000");
    until(&rr, "hh", "unhealthy");
    let result = log(&rr, "hh").remove(0);
    assert_eq!(
        (&result["ExitCode"], &result["Output"]),
        (&(-1).into(), &"Health check exceeded timeout (300ms): partly\n".into())
    );
    // Of all the checks that were there, at most the one that is under way has processes: two sleeps.
    assert!(wait_until(Duration::from_secs(20), || log(&rr, "hh").len() == 5));
    let counted = rr.run(["exec", "hh", "sh", "-c", "ps | grep -c '[s]leep 7654'; true"]).succeeds();
    assert!(counted.line().parse::<u32>().unwrap() <= 3, "{counted}");
    remove(&rr, &["hh"]);
    // The end of the container does not wait for a check.
    let flags = ["--health-cmd", check, "--health-interval=100ms"];
    for end in [&["kill", "hh"][..], &["stop", "-t", "0", "hh"]] {
        detached(&rr, "hh", &flags, "exec sleep 1000");
        let begun = || !rr.run(["exec", "hh", "pgrep", "-f", "sleep 7654"]).stdout.is_empty();
        assert!(wait_until(Duration::from_secs(20), begun));
        let from = Instant::now();
        rr.run(end).succeeds();
        rr.run(["wait", "hh"]).succeeds();
        assert!(from.elapsed() < Duration::from_secs(10), "{:?}", from.elapsed());
        // What the end has killed says nothing of the health.
        assert_eq!(field(&rr, "hh", ".State.Health.Status}} {{len .State.Health.Log"), "starting 0");
        remove(&rr, &["hh"]);
    }
}

#[test]
fn much_output_is_cut_and_does_not_hold_the_check_up() {
    let rr = requires!(Rr::with_alpine());
    let check = "yes x | head -c 300000; yes y | head -c 300000 >&2";
    detached(&rr, "hh", &["--health-cmd", check, "--health-interval=100ms"], "exec sleep 1000");
    until(&rr, "hh", "healthy");
    assert_eq!(log(&rr, "hh")[0]["Output"], "x\n".repeat(2048) + "...");
    remove(&rr, &["hh"]);
}

#[test]
fn a_check_can_open_its_output_anew() {
    let rr = requires!(Rr::with_alpine());
    // Where root is nobody here, a directory of the user's will not do.
    rr.run([&["create", "--name", "cc"], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    let instruction = "HEALTHCHECK --interval=100ms CMD echo to > /dev/stdout; echo from > /dev/stderr";
    rr.run(["commit", "-c", instruction, "cc", "x/checked:v"]).succeeds();
    for options in [&[][..], &["-u", "1000"], &["--userns", "nomap"], &["-t"], &["--init"]] {
        let run = [&["run", "-d", "--network", "none", "--name", "hh"], options, &["x/checked:v", "sleep", "1000"]];
        rr.run(run.concat()).succeeds();
        until(&rr, "hh", "healthy");
        assert_eq!(log(&rr, "hh")[0]["Output"], "to\nfrom\n", "{options:?}");
        remove_all(&rr, &["hh"]);
    }
}

#[test]
fn the_images_check_is_made_unless_told_otherwise() {
    let rr = requires!(Rr::with_alpine());
    rr.run([&["create", "--name", "cc"], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    let instruction = "HEALTHCHECK --interval=200ms --retries=1 CMD test -e /well";
    rr.run(["commit", "-c", instruction, "cc", "x/checked:v"]).succeeds();
    let run = |name: &str, flags: &[&str]| {
        let words = [&["run", "-d", "--network", "none", "--name", name], flags, &["x/checked:v", "sleep", "1000"]];
        rr.run(words.concat()).succeeds();
    };
    run("own", &[]);
    run("other", &["--health-cmd", r#"["test", "-d", "/etc"]"#]);
    run("none", &["--no-healthcheck"]);
    run("nothing", &["--health-cmd", "none"]);
    until(&rr, "own", "unhealthy");
    until(&rr, "other", "healthy");
    assert_eq!(field(&rr, "other", "json .Config.Healthcheck.Test"), r#"["CMD","test","-d","/etc"]"#);
    assert_eq!(field(&rr, "other", ".Config.Healthcheck.Interval"), "200000000");
    for name in ["none", "nothing"] {
        assert_eq!(field(&rr, name, "json .Config.Healthcheck.Test"), r#"["NONE"]"#);
        let status = ps(&rr, &format!("name={name}$"));
        assert!(status.starts_with(name) && !status.contains('('), "{status}");
        assert_eq!(ps(&rr, "health=none").lines().filter(|line| line.starts_with(name)).count(), 1);
    }
    // What is made of the container is checked as it is.
    rr.run(["commit", "other", "x/again:v"]).succeeds();
    let again = field(&rr, "x/again:v", "json .Config.Healthcheck.Test");
    assert_eq!(again, r#"["CMD","test","-d","/etc"]"#);
    remove_all(&rr, &["own", "other", "none", "nothing", "cc"]);
}

/// Images stay.
fn remove_all(rr: &Rr, names: &[&str]) {
    rr.run([&["rm", "-f", "-t", "0"], names].concat()).succeeds();
    rr.no_process_is_left();
}

#[test]
fn healthcheck_run_checks_now() {
    let rr = requires!(Rr::with_alpine());
    detached(&rr, "hh", &["--health-cmd", "test -e /well", "--health-retries", "2"], "exec sleep 1000");
    detached(&rr, "plain", &[], "exec sleep 1000");
    let run = |name: &str| rr.run(["healthcheck", "run", name]);
    assert_eq!(run("hh").exits(1).stdout, "unhealthy\n");
    assert_eq!(field(&rr, "hh", ".State.Health.Status}} {{.State.Health.FailingStreak"), "starting 1");
    assert_eq!(run("hh").exits(1).stdout, "unhealthy\n");
    assert_eq!(field(&rr, "hh", ".State.Health.Status}} {{.State.Health.FailingStreak"), "unhealthy 2");
    rr.run(["exec", "hh", "touch", "/well"]).succeeds();
    assert_eq!(run("hh").succeeds_quietly().stdout, "");
    assert_eq!(field(&rr, "hh", ".State.Health.Status}} {{len .State.Health.Log"), "healthy 3");
    run("plain").fails_with(125, "has no defined healthcheck");
    run("nobody").fails_with(125, "nobody");
    rr.run(["kill", "hh"]).succeeds();
    rr.run(["wait", "hh"]).succeeds();
    run("hh").fails_with(125, "is not running");
    remove(&rr, &["hh", "plain"]);
    // A command that is not there is bad health, and says why.
    detached(&rr, "hh", &["--health-cmd", r#"["surely-not"]"#], "exec sleep 1000");
    run("hh").exits(1);
    let result = log(&rr, "hh").remove(0);
    assert_eq!(result["ExitCode"], 127);
    assert!(result["Output"].as_str().unwrap().contains("surely-not"), "{result}");
    remove(&rr, &["hh"]);
}

#[test]
fn a_paused_container_is_not_checked() {
    let rr = requires!(Rr::with_alpine());
    // The check under way hangs, so that the pause always meets it.
    let check = "test -e /hang && sleep 1000; true";
    let flags = ["--health-cmd", check, "--health-interval=100ms", "--health-timeout=1s", "--health-retries=1"];
    detached(&rr, "hh", &flags, "exec sleep 1000");
    until(&rr, "hh", "healthy");
    rr.run(["exec", "hh", "touch", "/hang"]).succeeds();
    // A pause that comes when the check was just killed met none: only one that stands still counts.
    let met = wait_until(Duration::from_secs(20), || {
        rr.run(["pause", "hh"]).succeeds();
        let processes = rr.run(["top", "hh", "state", "pid", "args"]).succeeds().stdout;
        let stand = |line: &&str| line.starts_with('T') && line.ends_with("sleep 1000");
        let is_met = processes.lines().filter(stand).count() == 2;
        if !is_met {
            rr.run(["unpause", "hh"]).succeeds();
        }
        is_met
    });
    assert!(met);
    let before = log(&rr, "hh");
    let status = field(&rr, "hh", ".State.Health.Status");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(log(&rr, "hh"), before);
    assert_eq!(field(&rr, "hh", ".State.Health.Status"), status);
    rr.run(["healthcheck", "run", "hh"]).fails_with(125, "is paused");
    rr.run(["unpause", "hh"]).succeeds();
    // The file is still there: the checks go on, and find it.
    until(&rr, "hh", "unhealthy");
    remove(&rr, &["hh"]);
}

#[test]
fn bad_health_kills_stops_or_restarts() {
    let rr = requires!(Rr::with_alpine());
    let bad = ["--health-cmd", "false", "--health-interval=100ms", "--health-retries=2", "--health-on-failure"];
    let script = "trap 'echo asked; exit 5' TERM; while :; do sleep 0.1; done";
    let status = |name: &str| field(&rr, name, ".State.Status}} {{.State.ExitCode");
    // Neither comes back, whatever the restart policy says.
    for (action, ended, said) in [("kill", "exited 137", ""), ("stop", "exited 5", "asked\n")] {
        detached(&rr, action, &[&bad[..], &[action, "--restart", "always"]].concat(), script);
        assert!(wait_until(Duration::from_secs(20), || status(action) == ended), "{}", status(action));
        assert_eq!(rr.run(["logs", action]).succeeds().stdout, said);
        assert_eq!(field(&rr, action, ".State.Health.Status}} {{.RestartCount"), "unhealthy 0");
        assert_eq!(field(&rr, action, ".Config.HealthcheckOnFailureAction"), action);
    }
    // One that minds no signal is killed when its time is over.
    let flags = [&bad[..], &["stop", "--stop-timeout", "1"]].concat();
    detached(&rr, "deaf", &flags, "trap '' TERM; while :; do sleep 0.1; done");
    assert!(wait_until(Duration::from_secs(20), || status("deaf") == "exited 137"), "{}", status("deaf"));
    let signals = rr.run(
        ["events", "--stream=false", "-f", "container=deaf", "-f", "event=kill", "--format"]
            .into_iter()
            .chain(["{{.Actor.Attributes.signal}}"]),
    );
    assert_eq!(signals.succeeds().stdout, "15\n9\n");
    // This one comes back, with `--rm` as well, until it is healthy.
    let check = "test $(wc -l < /runs) -ge 3";
    for flags in [&[][..], &["--rm"]] {
        let flags = [&["--health-cmd", check, "--health-interval=100ms", "--health-retries=1"], flags];
        let flags = [&flags.concat()[..], &["--health-on-failure=restart"]].concat();
        detached(&rr, "again", &flags, "trap 'exit 0' TERM; echo run >>/runs; while :; do sleep 0.1; done");
        until(&rr, "again", "healthy");
        assert_eq!(field(&rr, "again", ".RestartCount}} {{.State.Status"), "2 running");
        rr.run(["stop", "again"]).succeeds();
        if rr.run(["container", "exists", "again"]).status.success() {
            assert_eq!(
                status("again"),
                "exited 0",
                "{}",
                rr.run(["events", "--stream=false", "-f", "container=again"])
            );
            rr.run(["rm", "again"]).succeeds();
        }
    }
    // As podman, whose checks somebody else makes.
    let flags = ["--health-cmd", "false", "--health-retries", "1", "--health-on-failure", "kill"];
    detached(&rr, "asked", &flags, script);
    rr.run(["healthcheck", "run", "asked"]).exits(1);
    assert!(wait_until(Duration::from_secs(20), || status("asked") == "exited 137"), "{}", status("asked"));
    remove(&rr, &["kill", "stop", "deaf", "asked"]);
}

#[test]
fn a_restart_begins_anew() {
    let rr = requires!(Rr::with_alpine());
    let flags = ["--health-cmd", "true", "--health-interval=100ms", "--restart", "always"];
    detached(&rr, "rr", &flags, "test -e /twice && exec sleep 1000; touch /twice; sleep 1; exit 1");
    until(&rr, "rr", "healthy");
    assert!(wait_until(Duration::from_secs(20), || field(&rr, "rr", ".RestartCount") == "1"));
    // The first check that is on record is one of the second run.
    let anew = || {
        let started: jiff::Timestamp = field(&rr, "rr", ".State.StartedAt").parse().unwrap();
        let first = log(&rr, "rr").first().map(|check| check["Start"].as_str().unwrap().parse().unwrap());
        first.is_some_and(|first: jiff::Timestamp| first >= started)
    };
    assert!(wait_until(Duration::from_secs(20), anew));
    until(&rr, "rr", "healthy");
    remove(&rr, &["rr"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let rr = requires!(Rr::with_alpine());
    for (flags, text) in [
        (&["--health-interval", "x"][..], "cannot use --health-interval x"),
        (&["--health-interval", "-1s"], "cannot be negative"),
        (&["--health-timeout", "10us"], "cannot be less than 1ms"),
        (&["--health-start-period", "1"], "cannot use --health-start-period 1"),
        (&["--health-start-interval", "-1s"], "cannot be negative"),
        (&["--health-retries", "-1"], "cannot be negative"),
        (&["--health-retries", "many"], "cannot use --health-retries many"),
        (&["--health-cmd", "[]"], "no command"),
        (&["--health-cmd", "true", "--health-on-failure", "pray"], "invalid on-failure action \"pray\""),
        (&["--health-on-failure", "kill"], "cannot set on-failure action to kill without a health check"),
        (&["--health-cmd", "none", "--health-on-failure", "stop"], "to stop without a health check"),
        (&["--no-healthcheck", "--health-cmd", "true"], "--no-healthcheck conflicts with --health-* options"),
    ] {
        let words = [&["create"], flags, &Rr::ALPINE, &["true"]].concat();
        // What an option's value says is the client's to judge, as with Docker; what they make together is not.
        let status = if text.ends_with("without a health check") { 1 } else { 125 };
        rr.run(words).fails_with(status, text);
    }
    rr.nothing_is_left();
}
