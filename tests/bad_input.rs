//! What people mistype: one clear error in the one form, the right status, nothing left.

use crate::support::{Rr, requires};

#[test]
fn options_with_bad_values_say_which_and_why() {
    let rr = requires!(Rr::with_alpine());
    for (options, text) in [
        (&["--network", "nonsense"][..], "nonsense"),
        (&["--user", "a:b:c"], "a:b:c"),
        (&["--cap-add", "FLYING"], "FLYING"),
        (&["--ulimit", "nofile"], "nofile"),
        (&["--ulimit", "nofile=9:1"], "nofile"),
        (&["--shm-size", "much"], "much"),
        (&["--stop-signal", "SIGNOTHING"], "SIGNOTHING"),
        (&["--env-file", "/no/such/file"], "/no/such/file"),
        (&["--name", "a/b"], "a/b"),
        (&["--hostname", "a b"], "a b"),
        (&["--add-host", "nothing"], "nothing"),
        (&["--dns", "not-an-address"], "not-an-address"),
        (&["--workdir", "relative"], "relative"),
        (&["--userns", "odd"], "odd"),
        (&["--uidmap", "1:2:3:4"], "1:2:3:4"),
        (&["--security-opt", "odd=1"], "odd"),
        (&["--detach-keys", "ctrl-"], "ctrl-"),
        (&["--tmpfs", "relative"], "relative"),
        (&["--label-file", "/no/such/labels"], "/no/such/labels"),
    ] {
        rr.sh(options, "true").fails_with(125, text);
    }
    rr.nothing_is_left();
}

#[test]
fn image_names_with_odd_characters_are_refused() {
    let rr = Rr::new();
    for name in ["UPPER", "a b", "a//b", "-x", "a:", "a@sha256:1", "\u{1b}[31mred", "oci:", "oci-archive:/no/such/file"]
    {
        let outcome = rr.run(["run", "--rm", "--pull", "never", name, "true"]).exits(125);
        assert!(!outcome.stderr.contains('\u{1b}'), "no control characters reach the terminal: {outcome}");
    }
    rr.nothing_is_left();
}

#[test]
fn an_unknown_container_or_image_is_named() {
    let rr = Rr::new();
    for command in [&["rm", "no-such"][..], &["inspect", "no-such"], &["rmi", "no-such"], &["tag", "no-such", "b"]] {
        rr.run(command).fails_with(1, "no-such");
    }
}

#[test]
fn a_home_that_cannot_be_read_or_written_is_named() {
    let rr = requires!(Rr::with_alpine());
    let words = [&["run", "--rm", "--network", "none"], &Rr::ALPINE[..], &["true"]].concat();
    let command = rr.command(&words).env("XDG_DATA_HOME", "/proc/nowhere");
    command.output().fails_with(125, "/proc/nowhere");
    // A relative path is to be ignored (XDG Base Directory Specification).
    rr.command(&words).env("XDG_DATA_HOME", "relative").output().succeeds();
    assert!(!rr.path("relative").exists());
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let rr = requires!(Rr::with_alpine());
    rr.sh(&[], "true").succeeds();
    let version = rr.store().join("version");
    assert!(version.exists(), "the store says its version");
    std::fs::write(&version, "99\n").expect("own file");
    rr.sh(&[], "true").fails_with(125, "99");
    assert_eq!(std::fs::read_to_string(&version).expect("still there"), "99\n");
}

/// What rr says, and the exit status; then likewise as `docker` and as `podman`.
type Said<'a> = (&'a [&'a str], [(i32, &'a str); 3]);

fn compare(rr: &Rr, table: &[Said<'_>]) {
    for (words, said) in table {
        for (name, (status, text)) in ["rr", "docker", "podman"].into_iter().zip(said) {
            let outcome = match name {
                "rr" => rr.run(*words),
                name => rr.command_as(name, *words).output(),
            };
            let says = outcome.stderr.contains(text) && outcome.status.code() == Some(*status);
            assert!(says, "`{name} {}`: {status} and {text:?} are wanted: {outcome}", words.join(" "));
            assert_eq!(outcome.stdout, "", "`{name} {}`: {outcome}", words.join(" "));
        }
    }
}

/// Verbs in a state in which they cannot be done; nothing of the containers changes by that.
#[test]
fn verbs_in_the_wrong_state_are_refused_and_change_nothing() {
    let rr = requires!(Rr::with_alpine());
    let make = |verb: &[&str], name: &str, script: &str| {
        let words = [verb, &["--network", "none", "--name", name], &Rr::ALPINE, &["sh", "-c", script]].concat();
        rr.run(words).succeeds_quietly().line().to_owned()
    };
    make(&["create"], "fresh", "true");
    let ended = make(&["run", "-d"], "ended", "exit 3");
    rr.run(["wait", "ended"]).succeeds_quietly();
    let running = make(&["run", "-d"], "running", "exec sleep 1000");
    make(&["run", "-d"], "paused", "exec sleep 1000");
    rr.run(["pause", "paused"]).succeeds_quietly();
    let states = || rr.run(["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}", "--sort", "names"]).stdout;
    let state = |text: String| text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let before: Vec<String> = state(states());

    let not_running = "is not running";
    let daemon = |text: &str| format!("Error response from daemon: {text}");
    let cannot_kill = daemon(&format!("Cannot kill container: ended: Container {ended} is not running"));
    let cannot_remove = daemon(&format!("You cannot remove a running container {running}. Stop the container"));
    let taken = daemon("Conflict. The container name \"/ended\" is already in use by container");
    let exec = daemon(&format!("Container {ended} is not running"));
    let in_use = "that name is already in use";
    compare(
        &rr,
        &[
            (&["exec", "ended", "true"], [(125, not_running), (1, &exec), (255, "container state improper")]),
            (&["exec", "fresh", "true"], [(125, not_running), (1, not_running), (255, "container state improper")]),
            (&["exec", "paused", "true"], [(125, "is paused"), (1, "is paused, unpause"), (255, "state improper")]),
            (&["kill", "ended"], [(1, not_running), (1, &cannot_kill), (125, "can only kill running containers")]),
            (&["pause", "ended"], [(1, not_running), (1, not_running), (125, "is not running, can't pause")]),
            (&["pause", "paused"], [(1, "already paused"), (1, "is already paused"), (125, "already paused")]),
            (&["unpause", "running"], [(1, "not paused"), (1, "is not paused"), (125, "not paused")]),
            (
                &["attach", "ended"],
                [
                    (1, "attach to a stopped"),
                    (1, "You cannot attach to a stopped container, start it first"),
                    (125, "you can only attach to running containers"),
                ],
            ),
            (&["top", "ended"], [(1, not_running), (1, not_running), (125, "top can only be used on running")]),
            (&["rm", "running"], [(1, "container is running"), (1, &cannot_remove), (2, "cannot remove container")]),
            (
                &["rm", "paused"],
                [
                    (1, "container is running"),
                    (1, "You cannot remove a paused container"),
                    (2, "paused containers cannot"),
                ],
            ),
            (
                &["start", "paused"],
                [
                    (1, "a paused container"),
                    (1, "cannot start a paused container, try unpause instead"),
                    (125, "a paused container"),
                ],
            ),
            (&["rename", "running", "ended"], [(1, "already in use"), (1, &taken), (125, in_use)]),
            (
                &["create", "--name", "ended", "--rootfs", "rootfs:O", "true"],
                [(1, "already in use"), (1, &taken), (125, in_use)],
            ),
            (
                &["healthcheck", "run", "running"],
                [(125, "no defined healthcheck"), (125, "no defined healthcheck"), (125, "no defined healthcheck")],
            ),
        ],
    );
    assert_eq!(state(states()), before);
    // What is so already is no failure, as with Docker.
    assert_eq!(rr.run(["start", "running"]).succeeds_quietly().stdout, "running\n");
    assert_eq!(rr.run(["stop", "ended"]).succeeds_quietly().stdout, "ended\n");
    assert_eq!(state(states()), before);
    rr.run(["rm", "-f", "-t", "0", "fresh", "ended", "running", "paused"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn templates_filters_and_durations_that_are_none_are_named() {
    let rr = requires!(Rr::with_alpine());
    let words = [&["create", "--network", "none", "--name", "cc"], &Rr::ALPINE[..], &["true"]].concat();
    rr.run(words).succeeds_quietly();
    let create = ["create", "--rootfs", "rootfs:O"];
    let with = |options: &[&'static str]| [&create[..], options, &["true"]].concat();
    let (interval, retries, timeout) =
        (with(&["--health-interval=x"]), with(&["--health-retries=-1"]), with(&["--stop-timeout=x"]));
    let unclosed = "template parsing error: template: ";
    let lacks = "map has no entry for key: Nope";
    compare(
        &rr,
        &[
            (&["inspect", "-f", "{{.Nope", "cc"], [(1, "unclosed action"), (64, unclosed), (125, "unclosed action")]),
            (&["inspect", "-f", "{{.Nope}}", "cc"], [(1, lacks), (1, unclosed), (125, lacks)]),
            (&["ps", "-a", "--format", "{{.ID"], [(1, "unclosed action"), (1, unclosed), (125, "unclosed action")]),
            (&["ps", "-a", "--format", "{{.Nope}}"], [(1, lacks), (1, unclosed), (125, lacks)]),
            (&["volume", "ls", "--format", "{{.ID"], [(1, "unclosed action"), (1, unclosed), (125, "unclosed action")]),
            (&["images", "--format", "{{.ID"], [(1, "unclosed action"), (1, unclosed), (125, "unclosed action")]),
            (&["events", "--until", "0s", "--format", "{{.ID"], [(1, "unclosed"), (64, unclosed), (125, "unclosed")]),
            (
                &["ps", "--filter", "nope=1"],
                [(1, "invalid filter 'nope'"), (1, "Invalid filter 'nope'"), (125, "nope")],
            ),
            (
                &["ps", "--filter", "nope"],
                [(125, "bad format of filter"), (125, "bad format of filter"), (125, "bad format of filter")],
            ),
            (&["ps", "--filter", "status=x"], [(1, "status=x"), (1, "nvalid filter 'status=x'"), (125, "status=x")]),
            (&["ps", "--filter", "health=x"], [(1, "health=x"), (1, "health=x"), (125, "health=x")]),
            (&["volume", "ls", "--filter", "x=1"], [(1, "'x'"), (1, "Invalid filter 'x'"), (125, "'x'")]),
            (&["network", "ls", "--filter", "x=1"], [(1, "'x'"), (1, "Invalid filter 'x'"), (125, "'x'")]),
            (&["container", "prune", "-f", "--filter", "until=x"], [(1, "until=x"), (1, "until=x"), (125, "until=x")]),
            (&["logs", "--since", "x", "cc"], [(1, "--since x"), (1, "--since x"), (125, "--since x")]),
            (&["events", "--since", "x"], [(1, "--since x"), (1, "--since x"), (125, "--since x")]),
            (&["stop", "-t", "x", "cc"], [(125, "x"), (125, "x"), (125, "x")]),
            (&interval, [(125, "--health-interval x"), (125, "--health-interval x"), (125, "--health-interval x")]),
            (&retries, [(125, "cannot be negative"), (125, "cannot be negative"), (125, "cannot be negative")]),
            (&timeout, [(125, "--stop-timeout x"), (125, "--stop-timeout x"), (125, "--stop-timeout x")]),
        ],
    );
    rr.run(["rm", "cc"]).succeeds_quietly();
    rr.nothing_is_left();
}
