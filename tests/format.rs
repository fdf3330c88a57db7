//! What `ps`, `images` and `inspect` print: for people, for `--format`, and as the real `docker`
//! client prints the same things where it is installed.

use crate::support::{Answer, HostileServer, Registry, Rr, command_exists, requires};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A root file system with busybox in it: containers without an image.
fn rootfs(rr: &Rr) -> Result<PathBuf, String> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::fs::exists(path).unwrap_or(false));
    let busybox = busybox.ok_or("busybox-static is not installed")?;
    let root = rr.directory("rootfs");
    let bin = root.join("bin");
    std::fs::create_dir_all(&bin).map_err(|error| error.to_string())?;
    std::fs::copy(busybox, bin.join("sh")).map_err(|error| error.to_string())?;
    Ok(root)
}

/// Two containers that have ended: `web` (status 0, labels) and `db` (status 3).
fn two_containers(rr: &Rr) -> Result<(), String> {
    let root = rootfs(rr)?.display().to_string();
    let web = [
        "run",
        "--network=none",
        "--name=web",
        "-l",
        "role=front",
        "-l",
        "tier=1",
        "--rootfs",
        &root,
        "sh",
        "-c",
        "exit 0",
    ];
    rr.run(web).succeeds();
    let db = ["run", "--network=none", "--name=db", "-e", "A=1", "--stop-signal=QUIT", "-w", "/tmp", "--cap-drop=ALL"];
    rr.run(db.into_iter().chain(["--rootfs", &root, "sh", "-c", "exit 3"])).exits(3);
    Ok(())
}

#[test]
fn ps_lists_and_filters() {
    let rr = Rr::new();
    requires!(two_containers(&rr));
    let lines = |arguments: &[&str]| -> Vec<String> {
        let arguments = ["ps"].iter().chain(arguments);
        rr.run(arguments).succeeds_quietly().stdout.lines().map(str::to_owned).collect()
    };
    assert_eq!(lines(&[]).len(), 1, "ended containers are shown with -a only");
    let all = lines(&["-a"]);
    assert!(all[0].starts_with("CONTAINER ID   IMAGE        COMMAND            CREATED"), "{all:#?}");
    assert!(all[1].contains("   <no image>   \"sh -c 'exit 3'\"   "), "{all:#?}");
    assert!(all[1].contains("Exited (3) ") && all[1].ends_with("db"), "the newest first: {all:#?}");
    assert!(all[2].contains("Exited (0) ") && all[2].ends_with("web"), "{all:#?}");
    let names = |filters: &[&str]| {
        let filters: Vec<String> = filters.iter().map(|filter| format!("--filter={filter}")).collect();
        let mut arguments = vec!["-a", "--format={{.Names}}"];
        arguments.extend(filters.iter().map(String::as_str));
        lines(&arguments).join(" ")
    };
    assert_eq!(names(&[]), "db web");
    assert_eq!(names(&["label=role"]), "web");
    assert_eq!(names(&["label=role=back"]), "");
    assert_eq!(names(&["name=^we"]), "web");
    assert_eq!(names(&["exited=3"]), "db");
    assert_eq!(names(&["status=exited", "status=created"]), "db web");
    assert_eq!(names(&["status=running"]), "");
    assert_eq!(names(&["before=db"]), "web");
    assert_eq!(names(&["since=web"]), "db");
    assert_eq!(lines(&["-l", "--format={{.Names}}"]), ["db"]);
    assert_eq!(lines(&["-n", "2", "--format={{.Names}}"]), ["db", "web"]);
    let ids = lines(&["-aq"]);
    assert!(ids.len() == 2 && ids.iter().all(|id| id.len() == 12), "{ids:?}");
    let whole = lines(&["-aq", "--no-trunc"]);
    assert!(whole.iter().zip(&ids).all(|(whole, id)| whole.len() == 64 && whole.starts_with(id)), "{whole:?}");
    assert_eq!(lines(&["-a", "--format={{.Label \"tier\"}}."]), [".", "1."]);
    let json: Value = serde_json::from_str(&lines(&["-l", "--format=json"])[0]).expect("a line of JSON");
    assert_eq!((&json["Names"], &json["State"]), (&json!("db"), &json!("exited")));
    assert!(lines(&["-as"])[1].contains("B (virtual "), "{:?}", lines(&["-as"]));
    rr.run(["ps", "--filter=status=nope"]).fails_with(1, "status=nope");
    rr.run(["ps", "--format", "{{.Nope}}", "-a"]).fails_with(1, "Nope");
}

#[test]
fn inspect_has_dockers_fields() {
    let rr = Rr::new();
    requires!(two_containers(&rr));
    let show = |format: &str| rr.run(["inspect", "--format", format, "db"]).succeeds_quietly().line().to_owned();
    assert_eq!(show("{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.State.Running}}"), "/db exited 3 false");
    assert_eq!(show("{{json .Config.Cmd}} {{.Path}} {{json .Args}}"), r#"["sh","-c","exit 3"] sh ["-c","exit 3"]"#);
    assert_eq!(show("{{.Config.WorkingDir}} {{.Config.StopSignal}}"), "/tmp SIGQUIT");
    assert_eq!(show("{{range .Config.Env}}{{println .}}{{end}}").lines().last(), Some("A=1"));
    assert_eq!(show("{{.HostConfig.NetworkMode}} {{.HostConfig.CapDrop}}"), "none [ALL]");
    assert_eq!(show(r#"{{index .Config.Labels "none"}}."#), ".");
    // What is not there is told, what is there is shown.
    let outcome = rr.run(["inspect", "db", "nope", "web"]).fails_with(1, "No such object: nope");
    let found: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!((&found[0]["Name"], &found[1]["Name"]), (&json!("/db"), &json!("/web")));
    assert_eq!(rr.run(["inspect", "nope"]).exits(1).stdout, "[]\n");
    rr.run(["inspect", "--type=image", "db"]).fails_with(1, "No such image: db");
    rr.run(["container", "inspect", "nope"]).fails_with(1, "No such container: nope");
    rr.run(["inspect", "--format", "{{.Nope}}", "db"]).fails_with(1, "Nope");
}

#[test]
fn rm_removes_what_it_can() {
    let rr = Rr::new();
    requires!(two_containers(&rr));
    let outcome = rr.run(["rm", "web", "nope", "db"]).fails_with(1, "No such container: nope");
    assert_eq!(outcome.stdout, "web\ndb\n");
    rr.run(["rm", "-f", "nope"]).succeeds();
    assert_eq!(rr.run(["ps", "-aq"]).succeeds_quietly().stdout, "");
    rr.nothing_is_left();
}

#[test]
fn rm_takes_volumes_of_other_ids_along() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let script = "mkdir -m 700 /data/x && touch /data/x/f && chown -R 1000:1000 /data/x";
    for userns in ["auto", "keep-id"] {
        let userns = format!("--userns={userns}");
        let run =
            ["run", "-q", "--network=none", "--name=it", &userns, "-u0", "-v", "/data", "busybox", "sh", "-c", script];
        rr.run(run).succeeds_quietly();
        rr.run(["rm", "-v", "it"]).succeeds_quietly();
        let left = std::fs::read_dir(rr.store().join("volumes")).expect("the store").count();
        assert_eq!(left, 0, "{userns}");
    }
    rr.nothing_is_left();
}

#[test]
fn pull_says_what_it_does_off_a_terminal() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let first = rr.run(["pull", "alpine:3.20.3"]).succeeds();
    assert_eq!(first.stdout, "docker.io/library/alpine:3.20.3\n");
    let lines: Vec<&str> = first.stderr.lines().collect();
    assert!(lines.iter().any(|line| line.ends_with(": Pulling fs layer")), "{first}");
    assert!(lines.iter().any(|line| line.ends_with(": Pull complete")), "{first}");
    assert!(lines.iter().any(|line| line.starts_with("Digest: sha256:")), "{first}");
    assert_eq!(lines.last(), Some(&"Status: Downloaded newer image for alpine:3.20.3"));
    assert!(!first.stderr.contains('\x1b') && !first.stderr.contains('\r'), "{first}");
    let again = rr.run(["pull", "alpine:3.20.3"]).succeeds();
    assert_eq!(again.stderr.lines().last(), Some("Status: Image is up to date for alpine:3.20.3"));
    let quiet = rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    assert_eq!(quiet.stdout, first.stdout);
    // A name that fails does not keep the others from being pulled.
    let some = rr.run(["pull", "-q", "nope/nope:1", "busybox"]).exits(1);
    assert_eq!(some.stdout, "docker.io/library/busybox:latest\n");
    rr.nothing_is_left();
}

#[test]
fn pull_draws_bars_on_a_terminal() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let mut terminal = rr.command(["pull", "alpine:3.20.3"]).env("TERM", "xterm").terminal(24, 100);
    terminal.expect(": Pull complete");
    terminal.expect("docker.io/library/alpine:3.20.3");
    assert!(terminal.wait().success());
    assert!(terminal.screen().contains('\x1b'), "bars are redrawn in place");
}

#[test]
fn images_are_listed_tagged_and_removed() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3", "busybox"]).succeeds_quietly();
    let lines = |arguments: &[&str]| -> Vec<String> {
        let arguments = ["images"].iter().chain(arguments);
        rr.run(arguments).succeeds_quietly().stdout.lines().map(str::to_owned).collect()
    };
    let all = lines(&[]);
    assert!(all[0].starts_with("REPOSITORY   TAG       IMAGE ID       CREATED"), "{all:#?}");
    assert_eq!(all.len(), 3, "{all:#?}");
    let alpine = all.iter().find(|line| line.starts_with("alpine       3.20.3    ")).expect("alpine's line");
    assert!(alpine.contains(" years ago   ") && alpine.ends_with("MB"), "{alpine}");
    assert_eq!(lines(&["-q"]).len(), 2);
    assert!(lines(&["-q", "--no-trunc"]).iter().all(|id| id.len() == 71 && id.starts_with("sha256:")));
    assert!(lines(&["--digests"])[1].contains("sha256:"));
    rr.run(["tag", "alpine:3.20.3", "localhost:5000/mine:1"]).succeeds_quietly();
    let names = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["--format={{.Repository}}:{{.Tag}}"].iter().chain(arguments).copied().collect();
        let mut names = lines(&arguments);
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&["alpine"]), "alpine:3.20.3");
    assert_eq!(names(&["--filter=reference=*/mine:*"]), "localhost:5000/mine:1");
    assert_eq!(names(&["--filter=reference=al*", "--filter=reference=busy*"]), "alpine:3.20.3 busybox:latest");
    assert_eq!(names(&["--filter=dangling=true"]), "");
    let show =
        |format: &str| rr.run(["inspect", "--format", format, "alpine:3.20.3"]).succeeds_quietly().line().to_owned();
    assert_eq!(show("{{.Architecture}}/{{.Os}} {{json .Config.Cmd}}"), r#"amd64/linux ["/bin/sh"]"#);
    assert_eq!(show("{{json .RepoTags}}"), r#"["alpine:3.20.3","localhost:5000/mine:1"]"#);
    assert!(show("{{index .RepoDigests 0}}").starts_with("alpine@sha256:"));
    assert_eq!(show("{{.RootFS.Type}} {{len .RootFS.Layers}}"), "layers 1");
    let id = show("{{.Id}}");
    // By id only with -f, as it has two names; by name one of them goes.
    rr.run(["rmi", &id]).fails_with(1, "cannot remove the image");
    assert_eq!(rr.run(["rmi", "localhost:5000/mine:1"]).succeeds_quietly().stdout, "Untagged: localhost:5000/mine:1\n");
    let removed = rr.run(["rmi", "nope:1", "alpine:3.20.3"]).fails_with(1, "no such image").stdout;
    assert_eq!(removed, format!("Untagged: alpine:3.20.3\nDeleted: {id}\n"));
    assert_eq!(names(&[]), "busybox:latest");
}

#[test]
fn an_image_in_use_stays() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["run", "-q", "--network=none", "--name=user", "busybox", "true"]).succeeds_quietly();
    rr.run(["rmi", "busybox"]).fails_with(1, "cannot remove the image");
    assert_eq!(rr.run(["ps", "-a", "--format={{.Image}}", "--filter=ancestor=busybox"]).succeeds().line(), "busybox");
    assert!(rr.run(["ps", "-as"]).succeeds().stdout.contains("(virtual "));
    rr.run(["rm", "user"]).succeeds_quietly();
    let count = |directory: &str| std::fs::read_dir(rr.store().join(directory)).expect("the store").count();
    assert!(count("oci/blobs/sha256") > 0);
    rr.run(["rmi", "busybox"]).succeeds_quietly();
    assert_eq!(count("oci/blobs/sha256"), 0, "an image that is gone takes no space");
    let trees = std::fs::read_dir(rr.store().join("layers")).expect("the store").flatten();
    let trees: Vec<_> = trees.flat_map(|key| std::fs::read_dir(key.path()).expect("own directory").flatten()).collect();
    assert!(trees.is_empty(), "{trees:?}");
    rr.nothing_is_left();
}

#[test]
fn cidfile_holds_the_id_and_is_never_overwritten() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let path = rr.path("cid").display().to_string();
    let run = ["run", "-q", "--network=none", "--cidfile", &path, "busybox", "hostname"];
    let id = rr.run(run).succeeds_quietly().line().to_owned();
    let kept = std::fs::read_to_string(&path).expect("the cidfile");
    assert!(kept.len() == 64 && kept.starts_with(&id), "{kept} {id}");
    rr.run(run).fails_with(125, "exists already");
    let other = rr.path("other").display().to_string();
    rr.run(["run", "--pull=never", "--cidfile", &other, "nope:1"]).fails_with(125, "not in the store");
    assert!(!rr.path("other").exists(), "nothing was created");
}

/// The real docker client, asking a server that says what rr said: what it prints of that is what
/// rr itself should have printed.
struct Docker<'a> {
    rr: &'a Rr,
    server: HostileServer,
}

impl Docker<'_> {
    /// A server that knows rr's containers.
    fn of(rr: &Rr) -> Docker<'_> {
        let inspected: Vec<Value> = ["db", "web"]
            .into_iter()
            .map(|name| {
                let text = rr.run(["inspect", "--format", "json", name]).succeeds_quietly().stdout;
                serde_json::from_str(&text).expect("inspect prints JSON")
            })
            .collect();
        let status = |name: &str| {
            let format = "{{.Status}}";
            rr.run(["ps", "-a", "--filter", &format!("name=^{name}$"), "--format", format]).succeeds().line().to_owned()
        };
        let listed: Vec<Value> = inspected
            .iter()
            .map(|container| {
                let created: jiff::Timestamp = container["Created"].as_str().unwrap().parse().expect("RFC 3339");
                let name = container["Name"].as_str().unwrap();
                // The daemon quotes arguments with blanks.
                let quote = |word: &str| if word.contains(' ') { format!("'{word}'") } else { word.to_owned() };
                let words = container["Config"]["Cmd"].as_array().unwrap().iter().filter_map(Value::as_str);
                let words: Vec<String> = words.map(quote).collect();
                json!({
                    "Id": container["Id"], "Names": [name], "Image": "", "ImageID": "", "Command": words.join(" "),
                    "Created": created.as_second(), "Ports": [], "Labels": container["Config"]["Labels"],
                    "State": "exited", "Status": status(&name[1..]), "Mounts": [],
                    "NetworkSettings": { "Networks": container["NetworkSettings"]["Networks"] },
                    "HostConfig": { "NetworkMode": "none" },
                })
            })
            .collect();
        let server = HostileServer::start(move |request| {
            let path = request.path.split('?').next().unwrap_or_default();
            if path.ends_with("/_ping") {
                return Answer::new(200, "text/plain", "OK").header("Api-Version", "1.44").header("OSType", "linux");
            }
            if path.ends_with("/containers/json") {
                return Answer::new(200, "application/json", json!(listed).to_string());
            }
            let wanted = path.strip_suffix("/json").and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            match inspected.iter().find(|container| container["Name"] == format!("/{wanted}")) {
                Some(container) => Answer::new(200, "application/json", container.to_string()),
                None => Answer::new(404, "application/json", json!({"message": "not here"}).to_string()),
            }
        });
        Docker { rr, server }
    }

    fn prints(&self, arguments: &[&str]) -> String {
        let host = format!("tcp://{}", self.server.address());
        let command = self.rr.any_command("docker", arguments).env("DOCKER_HOST", host).env("TZ", "UTC");
        command.output().succeeds().stdout
    }
}

#[test]
fn tables_and_templates_are_those_of_the_docker_client() {
    if !command_exists("docker") {
        // Not among what contrib/test installs, so not promised: the other tests stand alone.
        eprintln!("the docker client is not installed");
        return;
    }
    let rr = Rr::new();
    requires!(two_containers(&rr));
    // So that both say "N seconds ago" of everything, whichever comes first.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let docker = Docker::of(&rr);
    for arguments in [
        &["ps", "-a"][..],
        &["ps", "-aq"],
        &["ps", "-a", "--no-trunc"],
        &["ps", "-a", "--format", "table {{.ID}}\\t{{.Names}}\\t{{.Status}}"],
        &["ps", "-a", "--format", "table {{.Names}}\\t{{.Labels}}\\t{{.CreatedAt}}"],
        &["ps", "-a", "--format", "{{.ID}}: {{.Command}} {{.RunningFor}} {{.State}}"],
        &["ps", "-a", "--format", "{{upper .Names}} {{truncate .ID 4}} {{pad .Names 2 3}}| {{title .State}}"],
        &["ps", "-a", "--format", "{{.Label \"role\"}} {{json .Names}} {{join (split .Names \"e\") \"-\"}}"],
        &["inspect", "--format", "{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}}", "db", "web"],
        &["inspect", "--format", "{{json .Config.Env}} {{json .Config.Labels}} {{json .Config.Entrypoint}}", "db"],
        &[
            "inspect",
            "--format",
            "{{range .Config.Env}}{{println .}}{{end}}{{len .Mounts}} {{.HostConfig.ShmSize}}",
            "db",
        ],
        &["inspect", "--format", "{{index .Config.Labels \"role\"}}/{{index .Config.Labels \"nope\"}}", "web"],
        &["inspect", "--format", "{{.HostConfig.CapDrop}} {{.Config.Cmd}} {{.Args}} {{.HostConfig.AutoRemove}}", "db"],
        &["inspect", "--format", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{.IPAddress}};{{end}}", "db"],
        &["inspect", "--format", "{{if .State.Running}}up{{else}}down{{end}} {{.State.Pid}} {{.RestartCount}}", "db"],
        &["inspect", "--format", "{{json .State}}", "db"],
    ] {
        let ours = rr.run(arguments).succeeds_quietly().stdout;
        let theirs = docker.prints(arguments);
        // A second may pass between the two.
        let steady = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "0");
        let (ours, theirs) = match arguments.contains(&"{{json .State}}") {
            // The order of fields is not part of JSON.
            true => (sorted(&ours), sorted(&theirs)),
            false => (steady(&ours), steady(&theirs)),
        };
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

fn sorted(text: &str) -> String {
    serde_json::from_str::<Value>(text).expect("JSON").to_string()
}

#[test]
fn images_look_like_the_docker_clients() {
    if !command_exists("docker") {
        eprintln!("the docker client is not installed");
        return;
    }
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3", "busybox"]).succeeds_quietly();
    // Of the same repository: docker shows several repositories of one image in any order.
    rr.run(["tag", "busybox", "busybox:other"]).succeeds_quietly();
    let text = rr.run(["image", "inspect", "--format=json", "alpine:3.20.3", "busybox"]).succeeds_quietly().stdout;
    let mut images: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let created = |image: &Value| image["Created"].as_str().unwrap().parse::<jiff::Timestamp>().expect("RFC 3339");
    // As a daemon lists them, and as rr does: the newest first.
    images.sort_by_key(|image| std::cmp::Reverse(created(image)));
    let listed: Vec<Value> = images
        .iter()
        .map(|image| {
            json!({
                "Id": image["Id"], "ParentId": "", "RepoTags": image["RepoTags"], "RepoDigests": image["RepoDigests"],
                "Created": created(image).as_second(), "Size": image["Size"], "SharedSize": -1, "Containers": -1,
                "Labels": image["Config"]["Labels"],
            })
        })
        .collect();
    let server = HostileServer::start(move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        if path.ends_with("/_ping") {
            return Answer::new(200, "text/plain", "OK").header("Api-Version", "1.44").header("OSType", "linux");
        }
        if path.ends_with("/images/json") {
            return Answer::new(200, "application/json", json!(listed).to_string());
        }
        let wanted = images.iter().find(|image| {
            let names = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
            names.into_iter().any(|name| path.ends_with(&format!("/images/{name}/json")))
        });
        match wanted {
            Some(image) => Answer::new(200, "application/json", image.to_string()),
            None => Answer::new(404, "application/json", json!({"message": "not here"}).to_string()),
        }
    });
    let docker = Docker { rr: &rr, server };
    for arguments in [
        &["images"][..],
        &["images", "-q"],
        &["images", "--no-trunc", "-q"],
        &["images", "--format", "table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}\\t{{.Size}}"],
        &["images", "--format", "{{.Repository}}:{{.Tag}} {{.CreatedSince}} {{.CreatedAt}} {{.Size}}"],
        &["images", "--no-trunc", "--format", "table {{.ID}}\\t{{.CreatedSince}}"],
        &["image", "inspect", "--format", "{{.Id}} {{.Architecture}} {{.Os}} {{.Size}}", "alpine:3.20.3"],
        &[
            "image",
            "inspect",
            "--format",
            "{{json .RepoTags}} {{json .RootFS.Layers}} {{.RepoDigests}}",
            "busybox:latest",
        ],
        &["image", "inspect", "--format", "{{json .Config.Cmd}} {{json .Config.Env}} {{.Created}}", "busybox:latest"],
        &["image", "inspect", "--format", "{{json .Config.Labels}} {{.Config.WorkingDir}}", "alpine:3.20.3"],
    ] {
        let ours = rr.run(arguments).succeeds_quietly().stdout;
        assert_eq!(ours, docker.prints(arguments), "{arguments:?}");
    }
}
