//! The command line's surface: which containers a verb is for, nouns, filters, the personalities of
//! `docker` and `podman`, and what each says when something is wrong.

use crate::support::{Registry, Rr, requires};

/// A container of alpine that was made and not started.
fn made(rr: &Rr, name: &str, options: &[&str], command: &[&str]) -> String {
    let words = [&["create", "--network=none", "--name", name], options, &Rr::ALPINE, command].concat();
    rr.run(words).succeeds_quietly().line().to_owned()
}

/// One that sleeps until it is asked to end.
fn sleeping(rr: &Rr, name: &str, options: &[&str]) -> String {
    let words = [&["run", "-d", "--network=none", "--init", "--name", name], options, &Rr::ALPINE, &["sleep", "60"]];
    rr.run(words.concat()).succeeds_quietly().line().to_owned()
}

fn names(rr: &Rr, arguments: &[&str]) -> String {
    let words = [&["ps", "--format={{.Names}}"], arguments].concat();
    rr.run(words).succeeds_quietly().stdout.lines().collect::<Vec<_>>().join(" ")
}

#[test]
fn containers_are_filtered_as_docker_and_podman_do() {
    let rr = requires!(Rr::with_alpine());
    let id = made(
        &rr,
        "web_1",
        &["-l", "role=front", "-v", "data:/data", "--expose", "80", "--expose", "90-92/udp"],
        &["true"],
    );
    made(&rr, "db_1", &["-l", "role=back", "-l", "old"], &["false"]);
    rr.run(["start", "-a", "db_1"]).exits(1);
    let by = |filters: &[&str]| {
        let filters: Vec<String> = filters.iter().map(|filter| format!("--filter={filter}")).collect();
        names(&rr, &["-a"].into_iter().chain(filters.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    for (filters, expected) in [
        (&["name=_1"][..], "db_1 web_1"),
        (&["name=^web_[0-9]+$"], "web_1"),
        (&["name=^/db_1$"], "db_1"),
        (&["name=web", "name=db"], "db_1 web_1"),
        (&["name=(web|cache)"], "web_1"),
        (&["label=role"], "db_1 web_1"),
        (&["label=role=front"], "web_1"),
        (&["label!=old"], "web_1"),
        (&["label!=role=front"], "db_1"),
        (&["exited=1"], "db_1"),
        (&["exited=0"], ""),
        (&["status=exited"], "db_1"),
        (&["status=stopped"], "db_1"),
        (&["status=created"], "web_1"),
        (&["status=paused"], ""),
        (&["before=db_1"], "web_1"),
        (&["since=web_1"], "db_1"),
        (&["volume=data"], "web_1"),
        (&["volume=/data"], "web_1"),
        (&["network=none"], "db_1 web_1"),
        (&["network=bridge"], ""),
        (&["expose=80"], "web_1"),
        (&["expose=91-99/udp"], "web_1"),
        (&["expose=80/udp"], ""),
        (&["publish=80"], ""),
        (&["health=none"], "db_1 web_1"),
        (&["health=healthy"], ""),
        (&["is-task=false"], "db_1 web_1"),
        (&["is-task=true"], ""),
        (&["restart-policy=no"], "db_1 web_1"),
        (&["restart-policy=always"], ""),
        (&["until=1h"], ""),
        (&["until=0s"], "db_1 web_1"),
        (&["command=false"], "db_1"),
    ] {
        assert_eq!(by(filters), expected, "{filters:?}");
    }
    assert_eq!(by(&[&format!("id={}", &id[..12])]), "web_1");
    // A filter by state shows what -a would.
    assert_eq!(names(&rr, &["--filter=exited=1"]), "db_1");
    for (filter, code, text) in [
        ("nope=1", 1, "invalid filter 'nope'"),
        ("name", 125, "bad format of filter (expected name=value)"),
        ("status=nope", 1, "invalid filter 'status=nope'"),
        ("exited=x", 1, "invalid filter 'exited=x'"),
        ("health=fine", 1, "invalid filter 'health=fine'"),
        ("publish=http", 1, "invalid filter 'publish=http'"),
        ("name=[", 1, "it is no regular expression"),
        ("before=nope", 1, "No such container: nope"),
        ("until=soon", 1, "cannot use --filter until=soon"),
        ("is-task=perhaps", 1, "cannot use --filter is-task=perhaps"),
    ] {
        rr.run(["ps", "--filter", filter]).fails_with(code, text);
    }
}

#[test]
fn containers_are_sorted_and_bare() {
    let rr = requires!(Rr::with_alpine());
    for (name, command) in [("bb", "zz"), ("cc", "aa"), ("aa", "mm")] {
        made(&rr, name, &[], &[command]);
    }
    let sorted = |by: &str| names(&rr, &["-a", "--sort", by]);
    assert_eq!(names(&rr, &["-a"]), "aa cc bb", "the newest first");
    assert_eq!(sorted("names"), "aa bb cc");
    assert_eq!(sorted("command"), "cc aa bb");
    assert_eq!((sorted("created"), sorted("runningfor")), ("bb cc aa".to_owned(), "bb cc aa".to_owned()));
    rr.run(["ps", "--sort", "nope"]).fails_with(1, "cannot use --sort nope");
    let bare = rr.run(["ps", "-a", "--noheading"]).succeeds_quietly();
    assert!(bare.stdout.lines().count() == 3 && !bare.stdout.contains("CONTAINER ID"), "{bare}");
    // As with docker, a format is followed where -q is given too.
    assert_eq!(rr.run(["ps", "-aq", "-n1", "--format={{.Names}}"]).succeeds_quietly().stdout, "aa\n");
}

#[test]
fn verbs_take_all_the_latest_files_and_filters() {
    let rr = requires!(Rr::with_alpine());
    let first = sleeping(&rr, "first", &["-l", "it=1"]);
    let file = rr.path("cid").display().to_string();
    let second = sleeping(&rr, "second", &["--cidfile", &file]);
    let lines = |words: &[&str]| rr.run(words).succeeds_quietly().stdout;
    assert_eq!(lines(&["stop", "--filter", "label=it=1"]), format!("{first}\n"));
    assert_eq!(names(&rr, &[]), "second");
    assert_eq!(lines(&["stop", "-a"]), format!("{second}\n"), "only those that run");
    assert_eq!(lines(&["start", "--all"]), format!("{second}\n{first}\n"));
    assert_eq!(lines(&["kill", "--cidfile", &file]), format!("{second}\n"));
    assert_eq!(lines(&["wait", "--latest"]), "137\n");
    assert_eq!(lines(&["restart", "-l"]), format!("{second}\n"));
    assert_eq!(lines(&["restart", "-t0", "--running", "--all"]), format!("{second}\n{first}\n"));
    assert_eq!(lines(&["kill", "-a"]), format!("{second}\n{first}\n"));
    assert_eq!(lines(&["wait", "first", "second"]), "137\n137\n");
    assert_eq!(lines(&["stop", "-i", "nope"]), "");
    assert_eq!(lines(&["rm", "--ignore", "nope", "first"]), "first\n");
    rr.run(["rm", "-a", "second"]).fails_with(1, "take no names");
    rr.run(["rm", "-a", "-l"]).fails_with(1, "cannot be used together");
    rr.run(["rm", "--cidfile", "/no/such"]).fails_with(1, "cannot read the cidfile /no/such");
    rr.run(["stop"]).fails_with(1, "CONTAINER is missing");
    assert_eq!(lines(&["rm", "-a"]), format!("{second}\n"));
    rr.run(["rm", "--latest"]).fails_with(1, "there is no container");
    assert_eq!(lines(&["rm", "-a"]), "");
    rr.nothing_is_left();
}

#[test]
fn existence_is_told_by_the_status_alone() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    let id = rr.run(["create", "--name=it", "alpine:3.20.3"]).succeeds_quietly().line().to_owned();
    for (words, status) in [
        (["container", "exists", "it"], 0),
        (["container", "exists", &id], 0),
        (["container", "exists", &id[..6]], 0),
        (["container", "exists", "nope"], 1),
        (["image", "exists", "alpine:3.20.3"], 0),
        (["image", "exists", "docker.io/library/alpine:3.20.3"], 0),
        (["image", "exists", "alpine"], 1),
        (["image", "exists", "NO//NAME"], 1),
    ] {
        let outcome = rr.run(words).exits(status);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "{words:?}");
    }
    rr.run(["container", "exists"]).exits(125);
}

#[test]
fn ids_are_found_by_unique_prefixes() {
    let rr = requires!(Rr::with_alpine());
    // Seventeen ids: two of them begin alike.
    let ids: Vec<String> = (0..17).map(|place| made(&rr, &format!("n{place}"), &[], &["true"])).collect();
    let shared = ids.iter().map(|id| &id[..1]).find(|digit| ids.iter().filter(|id| id.starts_with(digit)).count() > 1);
    let shared = shared.expect("of seventeen");
    rr.run(["start", shared]).fails_with(1, &format!("multiple IDs found with provided prefix: {shared}"));
    rr.command_as("docker", ["start", shared])
        .output()
        .exits(1)
        .says(&format!("Error response from daemon: Multiple IDs found with provided prefix: {shared}"));
    let others: Vec<&String> = ids.iter().filter(|id| !id.starts_with(shared)).take(2).collect();
    let [one, other] = others.as_slice() else { panic!("{ids:#?}") };
    let outcome = rr.run(["rm", one, "nope", &other[..12], shared]).exits(1);
    assert_eq!(outcome.stdout, format!("{one}\n{}\n", &other[..12]), "{outcome}");
    assert!(outcome.stderr.contains("multiple IDs found"), "{outcome}");
    assert!(outcome.stderr.contains("No such container: nope"), "{outcome}");
}

#[test]
fn no_port_is_published() {
    let rr = requires!(Rr::with_alpine());
    made(&rr, "it", &[], &["true"]);
    assert_eq!(rr.run(["port", "it"]).succeeds_quietly().stdout, "");
    rr.run(["port", "it", "80"]).fails_with(1, "No public port '80/tcp' published for it");
    rr.run(["container", "port", "it", "53/udp"]).fails_with(1, "No public port '53/udp' published for it");
    rr.run(["port", "it", "http"]).fails_with(1, "PORT[/PROTOCOL]");
    rr.run(["port", "nope"]).fails_with(1, "No such container: nope");
}

#[test]
fn links_named_docker_and_podman_say_it_in_their_words() {
    let rr = requires!(Rr::with_alpine());
    let id = sleeping(&rr, "it", &[]);
    for (words, docker, podman) in [
        (
            &["stop", "nope"][..],
            (1, "Error response from daemon: No such container: nope".to_owned()),
            (125, "Error: no container with name or ID \"nope\" found: no such container".to_owned()),
        ),
        (
            &["rm", "nope"],
            (1, "Error response from daemon: No such container: nope".into()),
            (1, "Error: no container with name or ID \"nope\" found: no such container".into()),
        ),
        (
            &["inspect", "nope"],
            (1, "Error: No such object: nope".into()),
            (125, "Error: inspecting object: no such object: \"nope\"".into()),
        ),
        (
            &["container", "inspect", "nope"],
            (1, "Error: No such container: nope".into()),
            (125, "Error: inspecting object: no such container nope".into()),
        ),
        (
            &["image", "inspect", "nope"],
            (1, "Error: No such image: nope".into()),
            (125, "Error: inspecting object: nope: image not known".into()),
        ),
        (
            &["tag", "nope", "other"],
            (1, "Error response from daemon: No such image: nope:latest".into()),
            (125, "image not known".into()),
        ),
        (
            &["rm", "it"],
            (1, format!("Error response from daemon: You cannot remove a running container {id}. Stop the container")),
            (2, format!("Error: cannot remove container {id} as it is running")),
        ),
        (&["ps", "--nope"], (125, "unknown flag: --nope".into()), (125, "Error: unknown flag: --nope".into())),
        (
            &["ps", "--filter", "nope=1"],
            (1, "Error response from daemon: Invalid filter 'nope'".into()),
            (125, "invalid filter 'nope'".into()),
        ),
        (
            &["create", "--name=it", "--rootfs", "rootfs:O", "true"],
            (1, "Conflict. The container name \"/it\" is already in use by container".into()),
            (125, "the container name \"it\" is already in use by".into()),
        ),
    ] {
        let as_docker = rr.command_as("docker", words).output().exits(docker.0).says(&docker.1);
        assert!(!as_docker.stderr.contains("rr:"), "{as_docker}");
        let as_podman = rr.command_as("podman", words).output().exits(podman.0).says(&podman.1);
        assert!(as_podman.stderr.starts_with("Error: "), "{as_podman}");
    }
    rr.command_as("docker", ["--version"]).output().succeeds_quietly().prints("Docker version ");
    rr.command_as("podman", ["--version"]).output().succeeds_quietly().prints("podman version ");
    rr.command_as("podman", ["inspect", "--format={{.Name}}", "it"]).output().succeeds_quietly().prints("it\n");
    rr.command_as("docker", ["inspect", "--format={{.Name}}", "it"]).output().succeeds_quietly().prints("/it\n");
    rr.run(["kill", "it"]).succeeds_quietly();
    rr.run(["wait", "it"]).succeeds_quietly();
    let not_running = format!("Error response from daemon: Cannot kill container: it: Container {id} is not running");
    rr.command_as("docker", ["kill", "it"]).output().exits(1).says(&not_running);
    rr.command_as("podman", ["kill", "it"]).output().exits(125).says("can only kill running containers.");
    rr.command_as("docker", ["rm", "-f", "nope"]).output().exits(0).says("No such container: nope");
    rr.command_as("podman", ["rm", "-f", "nope"]).output().succeeds_quietly();
}

#[test]
fn podmans_lists_have_podmans_shape() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    let create = ["create", "--name=first", "-l", "a=b", "-v", "data:/data", "alpine:3.20.3", "sh", "-c", "echo a b"];
    let first = rr.run(create).succeeds_quietly().line().to_owned();
    rr.run(["create", "--name=second", "alpine:3.20.3"]).succeeds_quietly();
    let podman = |words: &[&str]| rr.command_as("podman", words).output().succeeds_quietly().stdout;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let listed = json(&podman(&["ps", "-a", "--format", "json"]));
    assert_eq!((&listed[0]["Names"][0], &listed[1]["Names"][0]), (&"first".into(), &"second".into()), "{listed:#}");
    assert_eq!(listed[0]["Id"], first);
    assert_eq!(listed[0]["Image"], "docker.io/library/alpine:3.20.3");
    assert_eq!(listed[0]["Command"], serde_json::json!(["sh", "-c", "echo a b"]));
    assert_eq!((&listed[0]["Labels"]["a"], &listed[0]["Mounts"][0]), (&"b".into(), &"/data".into()));
    assert_eq!(listed[0]["State"], "created");
    let format = "{{.Names}} {{.Labels}} {{.Mounts}} {{.Pid}} {{.ExitCode}} {{.Command}}";
    assert_eq!(podman(&["ps", "-l", "--format", format]), "second map[] [] 0 0 /bin/sh\n");
    let table = podman(&["ps", "-a"]);
    assert!(table.starts_with("CONTAINER ID  IMAGE                            COMMAND         CREATED"), "{table}");
    assert!(table.contains("  docker.io/library/alpine:3.20.3  sh -c echo a b  "), "{table}");
    let images = json(&podman(&["images", "--format", "json"]));
    assert_eq!(images[0]["Names"][0], "docker.io/library/alpine:3.20.3", "{images:#}");
    assert_eq!(images[0]["Id"].as_str().expect("an id").len(), 64);
    // Docker has neither these fields nor this JSON.
    rr.command_as("docker", ["ps", "-a", "--format", "{{.Pid}}"]).output().exits(1).says("Pid");
    let lines = rr.command_as("docker", ["ps", "-a", "--format", "json"]).output().succeeds_quietly().stdout;
    assert_eq!(
        (lines.lines().count(), json(lines.lines().next().expect("a line"))["Names"].clone()),
        (2, "second".into())
    );
}

#[test]
fn bad_values_and_wrong_states_have_one_clear_error() {
    let rr = requires!(Rr::with_alpine());
    made(&rr, "it", &[], &["true"]);
    sleeping(&rr, "runs", &[]);
    for (words, code, text) in [
        (&["exec", "it", "true"][..], 125, "is not running"),
        (&["rm", "runs"], 1, "container is running: stop the container before removing or force remove"),
        (&["kill", "it"], 1, "is not running"),
        (&["rename", "runs", "it"], 1, "the container name \"it\" is already in use by container"),
        (&["rename", "it", "it"], 1, "renaming a container with the same name as its current name"),
        (&["kill", "-s", "NOPE", "runs"], 1, "invalid signal: NOPE"),
        (&["stop", "-t", "soon", "runs"], 125, "cannot use --time soon"),
        (&["restart", "-t", "-7", "runs"], 125, "cannot use --time -7"),
        (&["logs", "--since", "soon", "it"], 1, "cannot use --since soon"),
        (&["ps", "-n", "few"], 125, "`few` is no value for --last"),
        (&["ps", "-a", "--format", "{{.ID"], 1, "cannot use --format {{.ID"),
        (&["ps", "-a", "--format", "{{nope .ID}}"], 1, "nope"),
        (&["ps", "-a", "--format", "table {{.Nope}}"], 1, "Nope"),
        (&["images", "--format", "{{.ID"], 1, "cannot use --format {{.ID"),
        (&["images", "--sort", "nope"], 1, "cannot use --sort nope"),
        (&["images", "--filter", "dangling=perhaps"], 1, "cannot use --filter dangling=perhaps"),
        (&["images", "--filter", "nope=1"], 1, "invalid filter 'nope'"),
        (&["images", "--filter", "before=nope"], 1, "no such image"),
        (&["inspect", "--format", "{{.Nope}}", "it"], 1, "Nope"),
        (&["inspect", "--type", "network", "it"], 1, "network it not found"),
        (&["run", "--attach", "STDWAR", "alpine"], 125, "cannot use --attach STDWAR"),
        (&["run", "-d", "--attach", "STDOUT", "alpine"], 125, "conflicting options: -a and -d"),
    ] {
        rr.run(words).fails_with(code, text);
    }
    // What is there already is no error.
    assert_eq!(rr.run(["start", "runs"]).succeeds_quietly().stdout, "runs\n");
    assert_eq!(rr.run(["stop", "it"]).succeeds_quietly().stdout, "it\n");
    rr.run(["rm", "-f", "runs", "it"]).succeeds_quietly();
    rr.nothing_is_left();
}

#[test]
fn streams_that_are_not_attached_are_not_shown() {
    let rr = requires!(Rr::with_alpine());
    let script = "echo out; echo err >&2";
    let outcome = rr.sh(&["-a", "STDOUT"], script).succeeds();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", ""));
    let outcome = rr.sh(&["-a", "stderr"], script).succeeds();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", "err\n"));
    // rr's own errors are never put away.
    rr.alpine(&["-a", "STDOUT"], &["nosuchprogram"]).output().fails_with(127, "nosuchprogram");
    rr.nothing_is_left();
}
