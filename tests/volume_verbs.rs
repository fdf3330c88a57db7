//! `rr volume …`: volumes by themselves, and what becomes of those of containers.

use crate::support::{Rr, requires, wait_until};
use rustix::process::Signal;
use std::time::Duration;

fn names(rr: &Rr, options: &[&str]) -> Vec<String> {
    let outcome = rr.run([&["volume", "ls", "-q"], options].concat()).succeeds_quietly();
    outcome.stdout.lines().map(str::to_owned).collect()
}

/// Creates a container that is not started; returns its id.
fn create(rr: &Rr, options: &[&str]) -> String {
    let words = [&["create", "--network", "none"], options, &Rr::ALPINE, &["true"]].concat();
    rr.run(words).succeeds_quietly().line().to_owned()
}

#[test]
fn a_volume_is_made_shown_and_removed() {
    let rr = Rr::new();
    assert_eq!(rr.run(["volume", "create", "data"]).succeeds_quietly().stdout, "data\n");
    assert_eq!(rr.run(["volume", "create", "data"]).succeeds_quietly().stdout, "data\n");
    rr.run(["volume", "create", "--label", "role=db", "--label", "plain", "-d", "local", "labelled"]).succeeds();
    assert_eq!(
        rr.run(["volume", "ls"]).succeeds().stdout,
        "DRIVER    VOLUME NAME\nlocal     data\nlocal     labelled\n"
    );
    assert_eq!(
        rr.run(["volume", "list", "--format", "{{.Name}} {{.Labels}} {{.Label \"role\"}}"]).succeeds().stdout,
        "data  \nlabelled plain=,role=db db\n"
    );
    let json = rr.run(["volume", "inspect", "data", "labelled"]).succeeds_quietly().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let data = rr.store().join("volumes/data/_data");
    assert_eq!(json[0]["Mountpoint"], data.to_str().expect("UTF-8"));
    assert_eq!(
        (&json[0]["Driver"], &json[0]["Scope"], &json[0]["Options"]),
        // As Docker and Podman have it where nothing was asked for.
        (&"local".into(), &"local".into(), &serde_json::json!({}))
    );
    assert_eq!(json[1]["Labels"]["role"], "db");
    let created = json[0]["CreatedAt"].as_str().expect("a time");
    assert!(created.ends_with('Z') && created.len() >= 20, "{created}");
    assert_eq!(
        rr.run(["volume", "inspect", "-f", "{{.Mountpoint}}", "data"]).succeeds().line(),
        data.to_str().unwrap()
    );
    rr.run(["volume", "exists", "data"]).succeeds_quietly();
    rr.run(["volume", "exists", "nope"]).exits(1);
    assert_eq!(rr.run(["volume", "rm", "data", "labelled"]).succeeds_quietly().stdout, "data\nlabelled\n");
    assert!(names(&rr, &[]).is_empty());
    rr.nothing_is_left();
}

#[test]
fn bad_names_drivers_and_options_get_dockers_words() {
    let rr = Rr::new();
    for (words, text) in [
        (
            &["a/b"][..],
            "create a/b: \"a/b\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
        ),
        (&["x"], "create x: volume name is too short, names should be at least two alphanumeric characters"),
        (&["-d", "nope", "vol"], "create vol: error looking up volume plugin nope: plugin \"nope\" not found"),
        (&["-o", "nope=1", "vol"], "create vol: invalid option: \"nope\""),
        (&["-o", "type=none", "vol"], "create vol: missing required option: \"device\""),
        (&["-o", "type=nfs", "-o", "device=:/x", "-o", "o=addr=::1", "vol"], "without root"),
    ] {
        rr.run([&["volume", "create"], words].concat()).fails_with(1, text);
    }
    rr.run(["volume", "rm", "nope"]).fails_with(1, "get nope: no such volume");
    assert_eq!(rr.run(["volume", "rm", "-f", "nope"]).succeeds().stdout, "nope\n");
    let outcome = rr.run(["volume", "inspect", "nope"]).fails_with(1, "get nope: no such volume");
    assert_eq!(outcome.stdout, "[]\n");
    rr.run(["volume", "ls", "-f", "nope=1"]).fails_with(1, "nope");
    assert!(names(&rr, &[]).is_empty());
}

#[test]
fn lists_are_filtered() {
    let rr = requires!(Rr::with_alpine());
    for name in ["one", "two", "three"] {
        rr.run(["volume", "create", "--label", &format!("n={name}"), name]).succeeds();
    }
    let id = create(&rr, &["-v", "one:/x", "--name", "user"]);
    assert_eq!(names(&rr, &["-f", "dangling=true"]), ["three", "two"]);
    assert_eq!(names(&rr, &["-f", "dangling=0"]), ["one"]);
    assert_eq!(names(&rr, &["-f", "name=o"]), ["one", "two"]);
    assert_eq!(names(&rr, &["-f", "label=n=two"]), ["two"]);
    assert_eq!(names(&rr, &["-f", "label=n", "-f", "driver=local", "-f", "name=th"]), ["three"]);
    assert!(names(&rr, &["-f", "driver=nfs"]).is_empty());
    rr.run(["volume", "ls", "-f", "dangling=maybe"]).fails_with(1, "neither true nor false");
    let text = format!("remove one: volume is in use - [{id}]");
    rr.run(["volume", "rm", "one"]).fails_with(1, &text);
    rr.run(["volume", "rm", "-f", "one"]).fails_with(1, &text);
    rr.run(["rm", "user"]).succeeds();
    rr.run(["volume", "rm", "one", "two", "three"]).succeeds();
}

#[test]
fn anonymous_volumes_go_with_rm_or_v_and_are_pruned() {
    let rr = requires!(Rr::with_alpine());
    rr.sh(&["-v", "/gone"], "touch /gone/x").succeeds();
    assert!(names(&rr, &[]).is_empty(), "--rm");
    create(&rr, &["-v", "/anonymous", "-v", "named:/named", "--name", "first"]);
    create(&rr, &["-v", "/anonymous", "--name", "second"]);
    let all = names(&rr, &[]);
    assert_eq!(all.len(), 3);
    assert_eq!(all.iter().filter(|name| name.len() == 64).count(), 2);
    rr.run(["rm", "-v", "first"]).succeeds();
    assert_eq!(names(&rr, &[]).len(), 2);
    rr.run(["rm", "second"]).succeeds();
    assert_eq!(names(&rr, &[]).len(), 2, "without -v it stays");
    // A name that rr made is as good as any other.
    let kept = names(&rr, &["-f", "label=com.docker.volume.anonymous"]).remove(0);
    rr.sh(&["-v", &format!("{kept}:/x")], "echo 12345 >/x/y; chown 77 /x/y").succeeds();
    assert_eq!(names(&rr, &[]).len(), 2, "a volume given by its name stays");
    let asked = rr.command(["volume", "prune"]).stdin("n\n").output().succeeds();
    assert!(asked.stdout.ends_with("Are you sure you want to continue? [y/N] "), "{}", asked.stdout);
    assert!(
        asked
            .stdout
            .starts_with("WARNING! This will remove anonymous local volumes not used by at least one container.")
    );
    let outcome = rr.run(["volume", "prune", "-f"]).succeeds_quietly();
    assert_eq!(outcome.stdout, format!("Deleted Volumes:\n{kept}\n\nTotal reclaimed space: 6B\n"));
    assert_eq!(names(&rr, &[]), ["named"]);
    assert_eq!(rr.run(["volume", "prune", "-f"]).succeeds().stdout, "Total reclaimed space: 0B\n");
    rr.run(["volume", "create", "--label", "keep", "kept"]).succeeds();
    rr.run(["volume", "prune", "-a", "-f", "--filter", "label!=keep"]).succeeds();
    assert_eq!(names(&rr, &[]), ["kept"]);
    assert_eq!(rr.run(["volume", "create"]).succeeds().line().len(), 64);
    rr.run(["volume", "prune", "-f"]).succeeds();
    assert_eq!(names(&rr, &[]), ["kept"]);
    let tmp = std::fs::read_dir(rr.store().join("tmp")).expect("readable").count();
    assert_eq!(tmp, 0, "something is left in tmp/");
    rr.nothing_is_left();
}

#[test]
fn volumes_from_another_container() {
    let rr = requires!(Rr::with_alpine());
    let shared = rr.directory("shared");
    let bind = format!("{}:/bind", shared.display());
    create(&rr, &["-v", "/anonymous", "-v", "named:/named", "-v", &bind, "--tmpfs", "/tmpfs", "--name", "from"]);
    let script = "echo 1 >/anonymous/x; echo 2 >/named/x; echo 3 >/bind/x; ! grep ' /tmpfs ' /proc/mounts";
    rr.sh(&["--volumes-from", "from"], script).succeeds();
    assert_eq!(names(&rr, &[]).len(), 2, "`--rm` leaves what another container uses");
    assert_eq!(std::fs::read_to_string(shared.join("x")).expect("written"), "3\n");
    let script = "cat /anonymous/x /named/x /bind/x; touch /named/y || exit 9";
    let outcome = rr.sh(&["--volumes-from=from:ro"], script).exits(9);
    assert_eq!(outcome.stdout, "1\n2\n3\n");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome}");
    // The container's own come first.
    let own = rr.sh(&["--volumes-from", "from", "-v", "other:/named"], "ls /named | wc -l; cat /bind/x").succeeds();
    assert_eq!(own.stdout, "0\n3\n");
    create(&rr, &["--volumes-from", "from:ro", "--name", "to"]);
    let shown = rr.run(["inspect", "-f", "{{.HostConfig.VolumesFrom}} {{len .Mounts}}", "to"]).succeeds();
    assert_eq!(shown.line(), "[from:ro] 3");
    rr.run(["rm", "-v", "from"]).succeeds();
    assert_eq!(names(&rr, &[]).len(), 3, "`to` still uses the anonymous one");
    rr.run(["rm", "-v", "to"]).succeeds();
    assert_eq!(names(&rr, &[]), ["named", "other"]);
    rr.sh(&["--volumes-from", "nobody"], "true").fails_with(125, "No such container: nobody");
    rr.sh(&["--volumes-from", "x:nope"], "true").fails_with(125, "invalid mode: nope");
    rr.nothing_is_left();
}

#[test]
fn driver_options_bind_a_directory_or_make_a_tmpfs() {
    let rr = requires!(Rr::with_alpine());
    let (full, empty) = (rr.directory("full"), rr.directory("empty"));
    std::fs::write(full.join("file"), "of the host\n").expect("own directory");
    let device = |path: &std::path::Path| format!("device={}", path.display());
    let bind = |name: &str, o: &str, path: &std::path::Path| {
        rr.run(["volume", "create", "-o", "type=none", "-o", o, "-o", &device(path), name]).succeeds();
    };
    bind("bound", "o=bind", &full);
    bind("ro", "o=bind,ro", &full);
    bind("filled", "o=bind", &empty);
    rr.run(["volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,mode=700", "mem"])
        .succeeds();
    assert_eq!(rr.sh(&["-v", "bound:/x"], "cat /x/file; touch /x/new").succeeds().stdout, "of the host\n");
    assert!(full.join("new").exists());
    rr.sh(&["-v", "ro:/x"], "touch /x/no || exit 9").exits(9);
    rr.sh(&["-v", "filled:/etc/apk"], "test -f /etc/apk/repositories").succeeds();
    assert!(empty.join("repositories").exists(), "the image's content is copied there");
    let script = "stat -c %a /x; grep ' /x ' /proc/mounts | cut -d' ' -f1; dd if=/dev/zero of=/x/big bs=1k count=2000";
    let outcome = rr.sh(&["-v", "mem:/x"], script).exits(1);
    assert!(outcome.stdout.starts_with("700\ntmpfs"), "{outcome}");
    assert!(rr.sh(&["-v", "mem:/etc/apk:nocopy"], "ls /etc/apk").succeeds().stdout.is_empty());
    assert!(rr.sh(&["-v", "mem:/etc/apk"], "ls /etc/apk").succeeds().stdout.contains("repositories"));
    let options = rr.run(["volume", "inspect", "-f", "{{.Options.o}}", "ro"]).succeeds();
    assert_eq!(options.line(), "bind,ro");
    bind("missing", "o=bind", &rr.path("missing"));
    rr.sh(&["-v", "missing:/x"], "true").fails_with(125, "bind source path does not exist");
    rr.nothing_is_left();
}

#[test]
fn mount_makes_volumes_and_takes_parts_of_them() {
    let rr = requires!(Rr::with_alpine());
    let device = rr.directory("device");
    let made = format!(
        "type=volume,source=made,target=/x,volume-label=a=b,volume-opt=type=none,volume-opt=o=bind,volume-opt=device={}",
        device.display()
    );
    rr.sh(&["--mount", &made], "mkdir -p /x/in/side; echo part >/x/in/side/file; ln -s /etc /x/link").succeeds();
    assert!(device.join("in/side/file").exists());
    assert_eq!(rr.run(["volume", "inspect", "-f", "{{.Labels.a}}", "made"]).succeeds().line(), "b");
    let part = "type=volume,src=made,dst=/y,volume-subpath=in/side,readonly";
    let outcome = rr.sh(&["--mount", part], "cat /y/file; touch /y/no || exit 9").exits(9);
    assert_eq!(outcome.stdout, "part\n");
    // A link that a container put there leads nowhere outside of the volume.
    rr.sh(&["--mount", "type=volume,src=made,dst=/y,volume-subpath=link"], "true")
        .fails_with(125, "cannot access path");
    rr.sh(&["-v", "own:/x"], "mkdir /x/sub; echo own >/x/sub/file").succeeds();
    let part = "type=volume,src=own,dst=/y,volume-subpath=sub";
    assert_eq!(rr.sh(&["--mount", part], "cat /y/file").succeeds().stdout, "own\n");
    let part = "type=volume,src=own,dst=/y,volume-subpath=sub/file";
    assert_eq!(rr.sh(&["--mount", part], "cat /y").succeeds().stdout, "own\n");
    let copied = "type=volume,src=fresh,dst=/etc/apk";
    assert!(rr.sh(&["--mount", copied], "ls /etc/apk").succeeds().stdout.contains("repositories"));
    let empty = "type=volume,src=fresh2,dst=/etc/apk,volume-nocopy";
    assert!(rr.sh(&["--mount", empty], "ls /etc/apk").succeeds().stdout.is_empty());
    rr.nothing_is_left();
}

#[test]
fn volumes_are_made_and_removed_by_many_at_once() {
    let rr = requires!(Rr::with_alpine());
    rr.run(["volume", "create", "contested"]).succeeds();
    // Containers that bring it along, against its removal: whatever starts has a whole volume.
    let runs: Vec<_> = (0..8)
        .map(|number| {
            let script = format!("echo {number} >/x/{number}; cat /x/{number}");
            rr.alpine(&["-v", "contested:/x"], &["sh", "-c", &script]).spawn()
        })
        .collect();
    let removals: Vec<_> = (0..16).map(|_| rr.command(["volume", "rm", "contested"]).spawn()).collect();
    for (number, run) in runs.into_iter().enumerate() {
        assert_eq!(run.wait().succeeds().stdout, format!("{number}\n"));
    }
    for removal in removals {
        let outcome = removal.wait();
        let words = ["volume is in use - [", "no such volume"];
        assert!(
            outcome.stdout == "contested\n" || words.iter().any(|words| outcome.stderr.contains(words)),
            "{outcome}"
        );
    }
    let creates: Vec<_> = (0..16).map(|n| rr.command(["volume", "create", &format!("v{}", n % 4)]).spawn()).collect();
    for create in creates {
        create.wait().succeeds_quietly();
    }
    rr.run(["volume", "prune", "-af"]).succeeds();
    assert!(names(&rr, &[]).is_empty());
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).expect("readable").count(), 0);
    rr.nothing_is_left();
}

#[test]
fn killed_commands_leave_whole_volumes() {
    let rr = Rr::new();
    for round in 0..40_u64 {
        let name = format!("v{round}");
        let words: &[&str] = if round % 2 == 0 { &["create", "--label", "a=b"] } else { &["rm"] };
        let name = if round % 2 == 0 { name } else { format!("v{}", round - 1) };
        let running = rr.command([&["volume"], words, &[name.as_str()]].concat()).spawn();
        std::thread::sleep(Duration::from_micros(round * 150));
        running.signal(Signal::KILL);
        running.wait();
        for volume in names(&rr, &[]) {
            let label = rr.run(["volume", "inspect", "-f", "{{.Labels.a}}", &volume]).succeeds();
            assert_eq!(label.line(), "b", "{volume} came without its label");
        }
    }
    rr.run(["volume", "prune", "-af"]).succeeds();
    assert!(wait_until(Duration::from_secs(5), || names(&rr, &[]).is_empty()));
    rr.nothing_is_left();
}

#[test]
fn a_name_that_is_taken_leaves_no_volume_behind() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["--name", "taken"]);
    rr.sh(&["--name", "taken", "-v", "/anonymous"], "true").fails_with(125, "is already in use by container");
    assert!(names(&rr, &[]).is_empty());
    rr.run(["rm", "taken"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn files_of_a_volume_go_out_and_in_as_an_archive() {
    let rr = requires!(Rr::with_alpine());
    let script = "echo text >/x/file; ln /x/file /x/hard; mkdir -m 700 /x/dir; touch /x/dir/in; chown -R 5:6 /x/dir";
    rr.sh(&["-v", "from:/x"], script).succeeds();
    rr.run(["volume", "export", "-o", "archive.tar", "from"]).succeeds_quietly();
    let piped = rr.run(["volume", "export", "from"]).succeeds_quietly().stdout_bytes;
    assert_eq!(piped, std::fs::read(rr.path("archive.tar")).expect("the archive"));
    for name in ["to", "other"] {
        rr.run(["volume", "create", name]).succeeds();
    }
    rr.run(["volume", "import", "to", "archive.tar"]).succeeds_quietly();
    rr.command(["volume", "import", "other", "-"]).stdin(&piped).output().succeeds_quietly();
    for name in ["to", "other"] {
        let script = "cat /x/file; stat -c %u:%g:%a /x/dir/in /x/dir; stat -c %h /x/file";
        let outcome = rr.sh(&["-v", &format!("{name}:/x")], script).succeeds();
        assert_eq!(outcome.stdout, "text\n5:6:644\n5:6:700\n2\n");
    }
    rr.run(["volume", "export", "nope"]).fails_with(1, "get nope: no such volume");
    rr.run(["volume", "export", "-o", "x.tar", "nope"]).fails_with(1, "no such volume");
    assert!(!rr.path("x.tar").exists());
    rr.run(["volume", "import", "nope", "archive.tar"]).fails_with(1, "get nope: no such volume");
    rr.run(["volume", "import", "to", "nope.tar"]).fails_with(1, "ENOENT");
    rr.run(["volume", "prune", "-af"]).succeeds();
    rr.nothing_is_left();
}
