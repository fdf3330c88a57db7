//! `pause` and `unpause`.

use crate::support::{Rr, requires, wait_until};
use std::time::Duration;

/// Starts a container `cc` in which `script` runs.
fn start(rr: &Rr, options: &[&str], script: &str) {
    let base = ["run", "-d", "--name", "cc", "--network", "none"];
    rr.run([&base, options, &Rr::ALPINE, &["sh", "-c", script]].concat()).succeeds();
}

fn field(rr: &Rr, field: &str) -> String {
    rr.run(["inspect", "-f", &format!("{{{{.{field}}}}}"), "cc"]).succeeds().line().to_owned()
}

/// How often the payload has written a line into its log.
fn count(rr: &Rr) -> usize {
    rr.run(["logs", "cc"]).succeeds().stdout.lines().count()
}

const COUNT: &str = "while :; do echo x; sleep 0.02; done";

#[test]
fn a_paused_container_stands_still_and_goes_on() {
    let rr = requires!(Rr::with_alpine());
    start(&rr, &["--init"], &format!("{COUNT} & {COUNT}"));
    assert!(wait_until(Duration::from_secs(10), || count(&rr) > 5));
    assert_eq!(rr.run(["pause", "cc"]).succeeds_quietly().stdout, "cc\n");
    assert_eq!((field(&rr, "State.Status"), field(&rr, "State.Paused")), ("paused".into(), "true".into()));
    assert_eq!(field(&rr, "State.Running"), "true");
    let listed = rr.run(["ps", "--format", "{{.Status}} {{.State}}"]).succeeds();
    assert!(listed.stdout.starts_with("Up ") && listed.stdout.ends_with("(Paused) paused\n"), "{listed}");
    assert_eq!(rr.run(["ps", "-q", "--filter", "status=paused"]).succeeds().stdout.lines().count(), 1);
    // What was written before is on its way to the log for a moment.
    std::thread::sleep(Duration::from_millis(100));
    let before = count(&rr);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count(&rr), before);
    rr.run(["pause", "cc"]).fails_with(1, "is already paused");
    rr.run(["exec", "cc", "true"]).fails_with(125, "is paused, unpause the container before exec");
    assert_eq!(rr.run(["unpause", "--all"]).succeeds().stdout.lines().count(), 1);
    assert_eq!(field(&rr, "State.Status"), "running");
    assert!(wait_until(Duration::from_secs(10), || count(&rr) > before + 5));
    rr.run(["unpause", "cc"]).fails_with(1, "is not paused");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.run(["pause", "cc"]).fails_with(1, "No such container: cc");
    rr.nothing_is_left();
}

#[test]
fn a_paused_container_is_stopped_killed_restarted_and_removed() {
    let rr = requires!(Rr::with_alpine());
    start(&rr, &[], "trap 'echo asked; exit 7' TERM; echo up; while :; do sleep 0.05; done");
    let begin = || {
        assert!(wait_until(Duration::from_secs(10), || rr.run(["logs", "cc"]).stdout.ends_with("up\n")));
        rr.run(["pause", "cc"]).succeeds();
    };
    begin();
    rr.run(["stop", "cc"]).succeeds();
    assert_eq!(field(&rr, "State.ExitCode"), "7");
    rr.run(["pause", "cc"]).fails_with(1, "is not running");
    rr.run(["start", "cc"]).succeeds();
    assert_eq!(field(&rr, "State.Status"), "running");
    begin();
    rr.run(["restart", "cc"]).succeeds();
    assert_eq!(field(&rr, "State.Status"), "running");
    begin();
    rr.run(["kill", "cc"]).succeeds();
    assert_eq!(rr.run(["wait", "cc"]).succeeds().stdout, "137\n");
    rr.run(["start", "cc"]).succeeds();
    begin();
    rr.run(["rm", "cc"]).fails_with(1, "container is running");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_the_payload_has_stopped_stays_stopped() {
    let rr = requires!(Rr::with_alpine());
    start(&rr, &[], "sleep 1000 & echo $! > /stopped; kill -STOP $!; while :; do sleep 0.05; done");
    let state = || rr.run(["exec", "cc", "sh", "-c", "cut -d' ' -f3 /proc/$(cat /stopped)/stat"]);
    assert!(wait_until(Duration::from_secs(10), || state().stdout == "T\n"));
    rr.run(["pause", "cc"]).succeeds();
    rr.run(["unpause", "cc"]).succeeds();
    assert_eq!(state().succeeds().stdout, "T\n");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn processes_that_multiply_are_all_caught() {
    let rr = requires!(Rr::with_alpine());
    // Each generation ends when the next is there.
    start(
        &rr,
        &["--ulimit", "nproc=4000"],
        "f() { echo x; sleep 0.01; f & }; f & f & f & f & while :; do sleep 0.01; done",
    );
    assert!(wait_until(Duration::from_secs(10), || count(&rr) > 20));
    rr.run(["pause", "cc"]).succeeds();
    std::thread::sleep(Duration::from_millis(100));
    let before = count(&rr);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count(&rr), before);
    rr.run(["unpause", "cc"]).succeeds();
    assert!(wait_until(Duration::from_secs(10), || count(&rr) > before + 20));
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}
