//! `events`: what happened and what happens, without a daemon that could be asked.

use crate::support::{Rr, requires, wait_until};
use std::time::Duration;

fn in_alpine(rr: &Rr, flags: &[&str], script: &str) -> crate::support::RrCommand {
    rr.command([flags, &["--network", "none"], &Rr::ALPINE, &["sh", "-c", script]].concat())
}

/// The events so far, each as `format` shows it.
fn told(rr: &Rr, format: &str, filters: &[&str]) -> Vec<String> {
    let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
    let words: Vec<&str> = ["events", "--stream=false", "--format", format].into_iter().chain(filters).collect();
    rr.run(words).succeeds_quietly().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_run_is_told_in_dockers_order() {
    let rr = requires!(Rr::with_alpine());
    in_alpine(&rr, &["run", "--rm", "--name", "ee", "--label", "role=web"], "exit 3").output().exits(3);
    assert_eq!(told(&rr, "{{.Action}}", &[]), ["create", "attach", "start", "die", "destroy"]);
    let die = told(
        &rr,
        "{{.Type}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}} {{.Actor.Attributes.role}}",
        &["event=die"],
    );
    assert_eq!(die, ["container ee 3 web"]);
    in_alpine(&rr, &["run", "-d", "--name", "dd"], "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done")
        .output()
        .succeeds();
    assert!(wait_until(Duration::from_secs(20), || rr.run(["logs", "dd"]).stdout == "up\n"));
    rr.run(["rename", "dd", "ff"]).succeeds();
    rr.run(["restart", "ff"]).succeeds();
    rr.run(["kill", "ff"]).succeeds();
    rr.run(["wait", "ff"]).succeeds();
    rr.run(["rm", "ff"]).succeeds();
    let actions = told(&rr, "{{.Action}}", &["type=container"]).split_off(5);
    // The payload's death and the signal that brings it are told by two processes.
    let (before, after) = actions.split_at(actions.len() - 3);
    assert_eq!(before, ["create", "start", "rename", "kill", "die", "stop", "start", "restart"]);
    let mut end = after.to_vec();
    end[..2].sort();
    assert_eq!(end, ["die", "kill", "destroy"]);
    assert_eq!(told(&rr, "{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}", &["event=rename"]), ["/dd ff"]);
    assert_eq!(told(&rr, "{{.Actor.Attributes.signal}}", &["event=kill"]), ["15", "9"]);
    assert_eq!(told(&rr, "{{.Action}}", &["container=ee", "label=role=web", "event=start"]), ["start"]);
    assert!(told(&rr, "{{.Action}}", &["container=nobody"]).is_empty());
    rr.nothing_is_left();
}

/// devcontainers waits for its container with this command line, and reads a JSON object a line.
#[test]
fn the_devcontainers_command_line_sees_a_start_as_it_happens() {
    let rr = requires!(Rr::with_alpine());
    in_alpine(&rr, &["run", "--rm"], "true").output().succeeds();
    let file = rr.path("seen");
    let script = format!("exec \"$0\" events --format '{{{{json .}}}}' --filter event=start > {}", file.display());
    let events = rr.any_command("sh", ["-c", &script, &rr.binary().display().to_string()]).spawn();
    std::thread::sleep(Duration::from_millis(500));
    in_alpine(&rr, &["run", "--rm", "--name", "dc", "-l", "devcontainer.local_folder=/x"], "sleep 1")
        .spawn()
        .wait()
        .succeeds();
    let seen = || std::fs::read_to_string(&file).unwrap_or_default();
    assert!(wait_until(Duration::from_secs(10), || seen().ends_with('\n')), "{:?}", seen());
    events.signal(rustix::process::Signal::TERM);
    drop(events.wait());
    let lines: Vec<serde_json::Value> = seen().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1, "what was before is not told: {lines:?}");
    assert_eq!((&lines[0]["status"], &lines[0]["Type"]), (&"start".into(), &"container".into()));
    assert_eq!(lines[0]["id"].as_str().map(str::len), Some(64));
    assert_eq!(lines[0]["Actor"]["Attributes"]["devcontainer.local_folder"], "/x");
    assert_eq!(lines[0]["Actor"]["Attributes"]["name"], "dc");
}

#[test]
fn commands_and_volumes_are_told_as_well() {
    let rr = requires!(Rr::with_alpine());
    in_alpine(&rr, &["run", "-d", "--name", "xx"], "exec sleep 1000").output().succeeds();
    rr.run(["exec", "xx", "sh", "-c", "exit 5"]).exits(5);
    let actions = told(&rr, "{{.Action}}", &["event=exec_create", "event=exec_start", "event=exec_die"]);
    assert_eq!(actions, ["exec_create: sh -c exit 5", "exec_start: sh -c exit 5", "exec_die"]);
    assert_eq!(told(&rr, "{{.Actor.Attributes.exitCode}}", &["event=exec_die"]), ["5"]);
    // The end of what nobody waits for, and of what could not be executed.
    rr.run(["exec", "-d", "xx", "sh", "-c", "sleep 0.3; exit 6"]).succeeds();
    let ids: Vec<String> =
        serde_json::from_str(rr.run(["inspect", "-f", "{{json .ExecIDs}}", "xx"]).succeeds().line()).expect("a list");
    let started = told(&rr, "{{.Actor.Attributes.execID}}", &["event=exec_start"]);
    assert_eq!(ids, started[1..], "{started:?}");
    assert!(wait_until(Duration::from_secs(20), || told(&rr, "{{.Action}}", &["event=exec_die"]).len() == 2));
    rr.run(["exec", "xx", "surely-not"]).exits(127);
    let ends = told(&rr, "{{.Actor.Attributes.execID}} {{.Actor.Attributes.exitCode}}", &["event=exec_die"]);
    assert_eq!(ends[1], format!("{} 6", ids[0]));
    assert!(ends[2].ends_with(" 127"), "{ends:?}");
    assert!(wait_until(Duration::from_secs(10), || {
        rr.run(["inspect", "-f", "{{json .ExecIDs}}", "xx"]).succeeds().line() == "null"
    }));
    // What the container takes along.
    rr.run(["exec", "-d", "xx", "sleep", "1000"]).succeeds();
    rr.run(["rm", "-f", "xx"]).succeeds();
    rr.run(["volume", "create", "vv"]).succeeds();
    rr.run(["volume", "rm", "vv"]).succeeds();
    assert_eq!(told(&rr, "{{.Action}} {{.Actor.ID}}", &["volume=vv"]), ["create vv", "destroy vv"]);
    rr.nothing_is_left();
}

#[test]
fn every_verb_is_told_by_dockers_name() {
    let rr = requires!(Rr::with_alpine());
    in_alpine(&rr, &["run", "-d", "--name", "xx"], "exec sleep 1000").output().succeeds();
    std::fs::write(rr.path("file"), "x").unwrap();
    let file = rr.path("file").display().to_string();
    for words in [
        &["pause", "xx"][..],
        &["unpause", "xx"],
        &["cp", &file, "xx:/file"],
        &["cp", "xx:/file", &file],
        &["top", "xx"],
        &["export", "-o", &file, "xx"],
        &["update", "--restart", "no", "xx"],
        &["commit", "xx", "x/made:v"],
        &["commit", "--pause=false", "xx"],
    ] {
        rr.run(words).succeeds();
    }
    let actions = told(&rr, "{{.Action}}", &["container=xx"]).split_off(2);
    let pausing = ["pause", "unpause", "commit", "commit"];
    let expected = ["pause", "unpause", "extract-to-dir", "archive-path", "top", "export", "update"];
    assert_eq!(actions, [&expected[..], &pausing].concat());
    assert_eq!(told(&rr, "{{.Actor.Attributes.imageRef}}", &["event=commit"]), ["x/made:v", ""]);
    rr.run(["rm", "-f", "-t", "0", "xx"]).succeeds();
    // Images are told of by their ids, or by their names.
    rr.run(["save", "-o", &file, "x/made:v"]).succeeds();
    rr.run(["load", "-q", "-i", &file]).succeeds();
    rr.run(["tag", "x/made:v", "x/made:w"]).succeeds();
    rr.run(["rmi", "x/made:v", "x/made:w"]).succeeds();
    let images = told(&rr, "{{.Action}}", &["type=image"]);
    assert_eq!(images, ["save", "load", "tag", "untag", "untag", "delete"]);
    rr.no_process_is_left();
}

#[test]
fn since_and_until_bound_what_is_told() {
    let rr = requires!(Rr::with_alpine());
    in_alpine(&rr, &["run", "--rm"], "true").output().succeeds();
    std::thread::sleep(Duration::from_millis(1100));
    in_alpine(&rr, &["create", "--name", "late"], "true").output().succeeds();
    let lines = |words: &[&str]| rr.run([&["events", "--format", "{{.Action}}"], words].concat()).succeeds().stdout;
    assert_eq!(lines(&["--since", "1s", "--until", "0s"]), "create\n");
    assert_eq!(lines(&["--until", "1s"]), "create\nattach\nstart\ndie\ndestroy\n");
    // A time to come is waited for.
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1500)).to_string();
    let waiting = rr.command(["events", "--until", &until, "--since", "0s", "--format", "{{.Action}}"]).spawn();
    std::thread::sleep(Duration::from_millis(400));
    rr.run(["rm", "late"]).succeeds();
    assert_eq!(waiting.wait().succeeds().stdout, "destroy\n");
    rr.run(["events", "--since", "yesterday"]).fails_with(1, "--since");
    rr.run(["events", "--filter", "nope=1"]).fails_with(1, "invalid filter 'nope'");
    rr.run(["events", "--format", "{{.Nope"]).fails_with(1, "--format");
}

#[test]
fn a_start_costs_one_write_and_a_log_that_cannot_be_written_holds_nothing_up() {
    let rr = requires!(Rr::with_alpine());
    std::fs::create_dir_all(rr.store().join("events")).unwrap();
    std::fs::create_dir(rr.store().join("events/log")).unwrap();
    in_alpine(&rr, &["run", "--rm"], "echo ran").output().succeeds_quietly();
    std::fs::remove_dir(rr.store().join("events/log")).unwrap();
    in_alpine(&rr, &["run", "--rm"], "true").output().succeeds();
    let text = std::fs::read_to_string(rr.store().join("events/log")).unwrap();
    // Each write begins and ends with a newline.
    assert_eq!(text.matches("\n\n").count() + 1, 2, "{text}");
    rr.nothing_is_left();
}
