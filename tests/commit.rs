//! `diff` and `commit`: what a container has changed, as lines and as a layer that others read.

use crate::support::{Registry, Rr, command_exists, requires};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// Everything that layers have a way of their own to say.
const CHANGES: &str = r#"set -e
rm -rf /etc/apk /etc/motd
rm -rf /var/cache && mkdir -p /var/cache/misc/new && echo x >/var/cache/misc/f
mkdir -p /new/deep && echo hi >/new/deep/file && ln /new/deep/file /new/hard && ln -s ../target /new/link && mkfifo /new/fifo
chown 1000:1001 /new/deep/file && chmod 4755 /new/deep/file && chown -h 7:8 /new/link
chmod 700 /srv && chown 3:4 /srv
echo end | dd of=/new/sparse bs=1 seek=5000000 2>/dev/null
rm -rf /home && echo file >/home
rm /usr/bin/yes && mkdir /usr/bin/yes && echo in >/usr/bin/yes/file
touch -d '2001-02-03 04:05:06' /new/old
long=$(printf 'n%.0s' $(seq 150)) && mkdir -p /new/$long/$long && echo long >/new/$long/$long/ü
ln -s /new/$long/$long /new/longlink
echo new >>/etc/passwd
"#;

/// One line a path: what the kernel knows of it, and its content's sum.
const LIST: &str = r#"cd "$1"; find . -xdev ! -path './proc*' ! -path './sys*' ! -path './dev*' ! -path ./etc/hosts ! -path ./etc/hostname ! -path ./etc/resolv.conf ! -path ./run/.containerenv ! -path './run/secrets*' | LC_ALL=C sort | while read -r f; do
  case $(stat -c %F "$f") in directory) what='%n %f %u %g' ;; 'symbolic link') what='%n %f %u %g %N' ;; *) what='%n %f %u %g %h %s %Y' ;; esac
  echo $(stat -c "$what" "$f") $([ -f "$f" ] && [ ! -L "$f" ] && md5sum <"$f")
done"#;

fn user() -> Result<Rr, String> {
    Ok(Rr::new().with_mirror(Registry::shared()?))
}

/// A stopped container `c` that has made [`CHANGES`].
fn changed() -> Result<Rr, String> {
    let rr = user()?;
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "sh", "-c", CHANGES]).succeeds();
    Ok(rr)
}

/// Runs a shell command as root of a namespace with all of the user's ids.
fn as_root(rr: &Rr, script: &str, arguments: &[&str]) -> String {
    let command = ["--user", "--mount", "--map-root-user", "--map-auto", "--", "sh", "-ec", script, "sh"];
    rr.any_command("unshare", [&command[..], arguments].concat())
        .within(Duration::from_secs(120))
        .output()
        .succeeds()
        .stdout
}

/// podman with a storage of its own.
fn podman(rr: &Rr, arguments: &[&str]) -> crate::support::Outcome {
    let (root, runroot) = (rr.path("podman"), rr.path("podman-run"));
    let own =
        ["--root", root.to_str().unwrap(), "--runroot", runroot.to_str().unwrap(), "--cgroup-manager", "cgroupfs"];
    rr.any_command("podman", [&own[..], arguments].concat()).within(Duration::from_secs(120)).output()
}

/// Runs a shell script as root of podman's namespace, with what `mount` mounts as `$1`. This needs no container to
/// run, which podman cannot on every machine rr can.
fn in_podmans_mount(rr: &Rr, mount: &str, script: &str, argument: &str) -> String {
    let (root, runroot) = (rr.path("podman"), rr.path("podman-run"));
    let command = format!("podman --root {} --runroot {}", root.display(), runroot.display());
    let script = format!("set -- \"$({command} {mount})\" \"$1\"\n{script}");
    podman(rr, &["unshare", "sh", "-ec", &script, "sh", argument]).succeeds().stdout
}

fn container_directory(rr: &Rr) -> std::path::PathBuf {
    let id = rr.run(["inspect", "-f", "{{.Id}}", "it"]).succeeds().stdout.trim().to_owned();
    rr.store().join("containers").join(id)
}

#[test]
fn diff_says_what_was_added_changed_and_deleted() {
    let rr = requires!(user());
    rr.run(["create", "--name", "it", "--network", "none", "alpine", "true"]).succeeds();
    assert_eq!(rr.run(["diff", "it"]).succeeds().stdout, "");
    let script = "mkdir /a && echo >/a/b && echo >>/etc/passwd && rm /etc/motd && rm -r /etc/apk && chmod 700 /opt && \
                  touch /etc/issue && echo >/usr/lib/new && rm -r /media && mkdir /media && touch /media/usb";
    rr.run(["rm", "it"]).succeeds();
    rr.run(["run", "--name", "it", "--network", "none", "-v", "/mount", "alpine", "sh", "-c", script]).succeeds();
    let expected = "A /a\nA /a/b\nC /etc\nD /etc/apk\nC /etc/issue\nD /etc/motd\nC /etc/passwd\nC /media\nD /media/cdrom\n\
                    D /media/floppy\nC /media/usb\nA /mount\nC /opt\nC /usr\nC /usr/lib\nA /usr/lib/new\n";
    assert_eq!(rr.run(["diff", "it"]).succeeds().stdout, expected);
    let json = rr.run(["container", "diff", "--format", "json", "it"]).succeeds().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["added"], serde_json::json!(["/a", "/a/b", "/mount", "/usr/lib/new"]));
    rr.run(["diff", "nope"]).fails_with(1, "No such container: nope");
    rr.run(["diff", "--format", "yaml", "it"]).fails_with(1, "json");
}

#[test]
fn diff_says_the_same_with_a_copied_image_and_of_a_running_container() {
    let rr = requires!(user());
    let script =
        "mkdir /a && echo >/a/b && echo >>/etc/passwd && rm /etc/motd && rm -r /home && echo >/home && chmod 700 /opt";
    let mut said = Vec::new();
    for driver in ["kernel", "copy"] {
        rr.command([
            "run",
            "-d",
            "--name",
            driver,
            "--network",
            "none",
            "alpine",
            "sh",
            "-c",
            &format!("{script}; echo done; sleep 1000"),
        ])
        .env("RR_OVERLAY", driver)
        .output()
        .succeeds();
        assert!(crate::support::wait_until(Duration::from_secs(20), || {
            rr.run(["logs", driver]).succeeds().stdout == "done\n"
        }));
        said.push(rr.run(["diff", driver]).succeeds().stdout);
        rr.run(["rm", "-f", driver]).succeeds();
    }
    assert_eq!(said[0], "A /a\nA /a/b\nC /etc\nD /etc/motd\nC /etc/passwd\nC /home\nC /opt\n");
    assert_eq!(said[0], said[1]);
}

#[test]
fn diff_of_a_directory_says_that_there_is_nothing_to_compare() {
    let rr = requires!(Rr::with_alpine());
    rr.run(["create", "--name", "it", "--network", "none", "--rootfs", "rootfs", "true"]).succeeds();
    rr.run(["diff", "it"]).fails_with(1, "nothing to compare it with");
}

#[test]
fn diff_is_podmans() {
    requires!(command_exists("podman"), "podman is not installed");
    let rr = requires!(user());
    let script = "mkdir /a && echo >/a/b && echo >>/etc/passwd && rm /etc/motd && rm -r /etc/apk && chmod 700 /opt && \
                  touch /etc/issue && echo >/usr/lib/new && mkdir -p /var/x/y";
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    let archive = format!("oci-archive:{}", crate::support::images::alpine().unwrap().display());
    let id = podman(&rr, &["pull", "-q", &archive]).succeeds().stdout;
    podman(&rr, &["create", "--name", "it", "--network", "none", id.trim(), "true"]).succeeds();
    in_podmans_mount(&rr, "mount it", "chroot \"$1\" /bin/sh -c \"$2\"", script);
    let theirs = podman(&rr, &["diff", "it"]).succeeds().stdout;
    let (mut ours, mut theirs): (Vec<String>, Vec<String>) = (
        rr.run(["diff", "it"]).succeeds().stdout.lines().map(str::to_owned).collect(),
        theirs.lines().map(str::to_owned).collect(),
    );
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn a_committed_image_has_what_the_container_had_here_and_elsewhere() {
    for program in ["podman", "umoci", "skopeo", "unshare"] {
        requires!(command_exists(program), &format!("{program} is not installed"));
    }
    let rr = requires!(changed());
    let id = rr.run(["commit", "it", "mine:1"]).succeeds().stdout;
    assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
    let listing = ["run", "--rm", "--network", "none", "mine:1", "sh", "-c", LIST, "sh", "/"];
    let ours = rr.command(listing).within(Duration::from_secs(120)).output().succeeds().stdout;
    let exported = rr.path("export.tar");
    rr.run(["export", "-o", exported.to_str().unwrap(), "it"]).succeeds();
    let directory = rr.path("exported");
    std::fs::create_dir(&directory).unwrap();
    let script =
        format!("tar -C \"$1\" --numeric-owner --same-owner --same-permissions -xf \"$2\"\nset -- \"$1\"\n{LIST}");
    let containers = as_root(&rr, &script, &[directory.to_str().unwrap(), exported.to_str().unwrap()]);
    assert_same(&containers, &ours, "the container and the image");

    let layout = rr.path("layout");
    let source = format!("oci:{}:docker.io/library/mine:1", rr.store().join("oci").display());
    let copy = ["--insecure-policy", "copy", "--quiet", &source, &format!("oci:{}:t", layout.display())];
    rr.any_command("skopeo", copy).output().succeeds();
    let script = format!("umoci unpack --image \"$1:t\" \"$2\" >/dev/null\nset -- \"$2/rootfs\"\n{LIST}");
    let umocis = as_root(&rr, &script, &[layout.to_str().unwrap(), rr.path("bundle").to_str().unwrap()]);
    assert_same(&umocis, &ours, "umoci's copy and ours");
    let id = podman(&rr, &["pull", "-q", "oci:layout:t"]).succeeds().stdout;
    let podmans = in_podmans_mount(&rr, &format!("image mount {}", id.trim()), LIST, "");
    assert_same(&podmans, &ours, "podman's copy and ours");
    assert!(ours.contains("./new/link") && !ours.contains("./etc/motd") && !ours.contains("/var/cache/apk"), "{ours}");
    rr.run(["rm", "it"]).succeeds();
}

fn assert_same(theirs: &str, ours: &str, what: &str) {
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    assert!(ours.len() > 400, "only {} paths", ours.len());
    let missing: Vec<&&str> = theirs.iter().filter(|line| !ours.contains(line)).take(20).collect();
    let more: Vec<&&str> = ours.iter().filter(|line| !theirs.contains(line)).take(20).collect();
    assert!(missing.is_empty() && more.is_empty(), "{what} differ:\n{missing:#?}\n{more:#?}");
}

#[test]
fn the_layer_holds_attributes_and_capabilities_and_no_sockets() {
    for program in ["unshare", "setcap", "getcap", "tar"] {
        requires!(command_exists(program), &format!("{program} is not installed"));
    }
    let rr = requires!(changed());
    let upper = container_directory(&rr).join("upper");
    let script = "cp /bin/true \"$1/new/tool\" && setcap cap_net_raw+ep \"$1/new/tool\"";
    as_root(&rr, script, &[upper.to_str().unwrap()]);
    let kept = rustix::fs::setxattr(upper.join("new/deep"), "user.note", b"kept", rustix::fs::XattrFlags::empty());
    kept.expect("the directory belongs to the container's root, who is this user");
    // A socket's path has at most 108 bytes (unix(7)).
    let directory = std::fs::File::open(upper.join("new")).unwrap();
    let _socket = UnixListener::bind(format!("/proc/self/fd/{}/s", directory.as_raw_fd()))
        .expect("a socket in the upper directory");
    rr.run(["commit", "it", "mine"]).succeeds();
    let layer = newest_layer(&rr, "mine");
    let names = tar(&layer, &["-tf"]);
    for name in ["etc/.wh.apk", "etc/.wh.motd", "var/cache/.wh..wh..opq", "home", "new/sparse", "usr/bin/yes/file"] {
        assert!(names.lines().any(|line| line == name), "{name} is not in:\n{names}");
    }
    assert!(!names.contains("new/s\n") && !names.contains("etc/hosts") && !names.contains("new/.wh."), "{names}");
    let details = tar(&layer, &["--xattrs", "--xattrs-include=*", "-tvvf"]);
    assert!(details.contains("user.note") && details.contains("security.capability"), "{details}");
    let links: Vec<&str> = details.lines().filter(|line| line.contains(" link to ")).collect();
    assert_eq!(links.len(), 1, "{details}");
    let bundle = rr.path("x");
    std::fs::create_dir(&bundle).unwrap();
    let script = "tar -C \"$1\" --xattrs --xattrs-include='*' -xf \"$2\" new/tool && getcap \"$1/new/tool\"";
    let caps = as_root(&rr, script, &[bundle.to_str().unwrap(), layer.to_str().unwrap()]);
    assert!(caps.contains("cap_net_raw=ep"), "{caps}");
}

/// The layer that an image has last, as a file.
fn newest_layer(rr: &Rr, name: &str) -> std::path::PathBuf {
    let layout = rr.store().join("oci");
    let blob = |digest: &str| layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let json = |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let index = json(&layout.join("index.json"));
    let name = format!("docker.io/library/{name}:latest");
    let entry = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == name.as_str());
    let manifest = json(&blob(entry.expect("the image is in the index")["digest"].as_str().unwrap()));
    blob(manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap())
}

fn tar(layer: &Path, options: &[&str]) -> String {
    let output = std::process::Command::new("tar").args(options).arg(layer).arg("-z").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn owners_are_the_containers_whatever_its_map() {
    let rr = requires!(user());
    let script = "echo >/f0 && echo >/f1 && chown 5:6 /f1 && stat -c '%n %u %g' /f0 /f1 /etc/shadow";
    for userns in ["auto", "nomap", "keep-id"] {
        let name = format!("of-{userns}");
        let options =
            ["run", "--name", &name, "--network", "none", "--userns", userns, "--user", "0", "alpine", "sh", "-c"];
        let before = rr.run([&options[..], &[script]].concat()).succeeds().stdout;
        rr.run(["commit", "-q", &name, &name]).succeeds();
        let after = ["run", "--rm", "--network", "none", &name, "stat", "-c", "%n %u %g", "/f0", "/f1", "/etc/shadow"];
        assert_eq!(rr.run(after).succeeds().stdout, before, "{userns}");
        assert!(before.contains("/f1 5 6"), "{before}");
    }
}

#[test]
fn the_image_runs_as_the_container_did_and_as_the_changes_say() {
    let rr = requires!(user());
    rr.run([
        "create",
        "--name",
        "it",
        "--network",
        "none",
        "-e",
        "A=1",
        "-l",
        "role=test",
        "-w",
        "/srv",
        "--user",
        "7",
        "-h",
        "box",
        "--expose",
        "80",
        "-v",
        "/data",
        "--stop-signal",
        "QUIT",
        "--entrypoint",
        "/bin/echo",
        "alpine",
        "one",
        "two",
    ])
    .succeeds();
    let ids = rr.path("iid");
    let id = rr.run(["commit", "--iidfile", ids.to_str().unwrap(), "it", "plain"]).succeeds().stdout;
    assert_eq!(std::fs::read_to_string(&ids).unwrap(), id.trim());
    let config = |name: &str| -> serde_json::Value {
        let text = rr.run(["image", "inspect", name]).succeeds().stdout;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].clone()
    };
    let plain = config("plain");
    assert_eq!(plain["Config"]["Entrypoint"], serde_json::json!(["/bin/echo"]));
    assert_eq!(plain["Config"]["Cmd"], serde_json::json!(["one", "two"]));
    assert_eq!((&plain["Config"]["User"], &plain["Config"]["WorkingDir"]), (&"7".into(), &"/srv".into()));
    assert_eq!(plain["Config"]["Labels"]["role"], "test");
    assert!(plain["Config"]["ExposedPorts"]["80/tcp"].is_object(), "{plain}");
    assert_eq!(plain["Config"]["StopSignal"], "SIGQUIT");
    let env = plain["Config"]["Env"].to_string();
    assert!(env.contains("A=1") && env.contains("PATH=") && !env.contains("HOSTNAME"), "{env}");
    assert!(plain["Config"]["Volumes"].get("/data").is_none(), "{plain}");
    assert_eq!(rr.run(["run", "--rm", "--network", "none", "plain"]).succeeds().stdout, "one two\n");

    let options = [
        "-a",
        "Ana <a@b>",
        "-m",
        "said so",
        "--include-volumes",
        "-f",
        "docker",
        "-c",
        "CMD three",
        "-c",
        "ENV A=2 B=\"x y\"",
    ];
    let more = [
        "-c",
        "ENTRYPOINT []",
        "-c",
        "USER root",
        "-c",
        "HEALTHCHECK --retries=2 CMD true",
        "-p=false",
        "it",
        "x/changed:v",
    ];
    rr.run([&["commit"][..], &options, &more].concat()).succeeds();
    let changed = config("x/changed:v");
    assert_eq!(changed["Config"]["Cmd"], serde_json::json!(["/bin/sh", "-c", "three"]));
    assert!(changed["Config"]["Volumes"]["/data"].is_object(), "{changed}");
    assert_eq!(changed["Config"]["Healthcheck"]["Retries"], 2);
    assert_eq!((&changed["Author"], &changed["Comment"]), (&"Ana <a@b>".into(), &"said so".into()));
    let env = ["run", "--rm", "--network", "none", "x/changed:v", "sh", "-c", "echo $A $B; id -u"];
    assert_eq!(rr.run(env).succeeds().stdout, "2 x y\n0\n");
    rr.run(["commit", "-c", "RUN true", "it"]).fails_with(1, "--change");
    rr.run(["commit", "-f", "tar", "it"]).fails_with(1, "neither oci nor docker");
    rr.run(["commit", "it", "Upper"]).fails_with(1, "upper-case");
    rr.run(["commit", "nope"]).fails_with(1, "No such container");
}

#[test]
fn a_running_container_is_committed_and_goes_on() {
    let rr = requires!(user());
    // A rename, because a snapshot may come between the two halves of `>`: the file is emptied, then written.
    let script = "i=0; while true; do i=$((i+1)); echo $i >/next; mv /next /tick; sleep 0.05; done";
    rr.run(["run", "-d", "--name", "it", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    let tick = container_directory(&rr).join("upper/tick");
    assert!(crate::support::wait_until(Duration::from_secs(20), || tick.exists()));
    rr.run(["commit", "it", "snap"]).succeeds();
    let then = std::fs::read_to_string(&tick).unwrap();
    assert!(crate::support::wait_until(Duration::from_secs(20), || std::fs::read_to_string(&tick).unwrap() != then));
    let seen = rr.run(["run", "--rm", "--network", "none", "snap", "cat", "/tick"]).succeeds().stdout;
    assert!(seen.trim().parse::<u32>().is_ok(), "{seen}");
    rr.run(["rm", "-f", "it"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_directory_becomes_an_image_of_one_layer() {
    let rr = requires!(Rr::with_alpine());
    rr.run(["create", "--name", "it", "--network", "none", "--rootfs", "rootfs:O", "cat", "/etc/alpine-release"])
        .succeeds();
    rr.run(["commit", "it", "from-directory"]).succeeds();
    assert_eq!(rr.run(["run", "--rm", "--network", "none", "from-directory"]).succeeds().stdout, "3.20.3\n");
}

#[test]
fn a_container_whose_image_is_gone_is_not_committed() {
    let rr = requires!(user());
    rr.run(["create", "--name", "it", "--network", "none", "alpine", "true"]).succeeds();
    rr.run(["rmi", "-f", "alpine"]).succeeds();
    let outcome = rr.run(["commit", "it", "x"]).fails_with(1, "no such image");
    assert!(outcome.stderr.contains("rr pull alpine"), "{}", outcome.stderr);
}
