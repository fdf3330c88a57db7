//! rr where it is run by others: inside a real Docker, as a CI job is, inside other sandboxes and inside itself.
//!
//! `contrib/test` starts the Docker daemon. What works where is said in `docs/reference/everywhere.md`.

use crate::support::{Outcome, Rr, images, requires};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Every row of the table names its test, and every test that is no row of it is here.
#[test]
fn the_table_is_what_is_tested() {
    let source = std::env::var_os("RR_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let read =
        |path: &str| std::fs::read_to_string(source.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (table, code) = (read("docs/reference/everywhere.md"), read("tests/everywhere.rs"));
    let rows: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`').map(|(_, name)| name)).collect();
    let tests = code.lines().filter_map(|line| line.strip_prefix("fn ")?.strip_suffix("() {"));
    let tests: BTreeSet<&str> = tests.filter(|name| *name != "the_table_is_what_is_tested").collect();
    assert_eq!(rows, tests, "docs/reference/everywhere.md");
}

/// The image of the containers that rr runs in: alpine, with nothing of rr's.
const IMAGE: &str = "rr-test-everywhere";

/// The Docker daemon that `contrib/test` has started.
struct Docker<'a> {
    rr: &'a Rr,
    host: String,
}

impl Docker<'_> {
    fn of(rr: &Rr) -> Result<Docker<'_>, String> {
        static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
        let host = std::env::var("RR_TEST_DOCKER").ok().filter(|host| !host.is_empty());
        let docker = Docker { rr, host: host.ok_or("no Docker daemon: contrib/test starts one as root")? };
        LOADED.get_or_init(|| docker.load()).clone()?;
        Ok(docker)
    }

    fn load(&self) -> Result<(), String> {
        let archive = self.rr.path("docker.tar").display().to_string();
        let source = format!("oci-archive:{}", images::alpine()?.display());
        let target = format!("docker-archive:{archive}:{IMAGE}:latest");
        let copy = ["--insecure-policy", "copy", "-q", source.as_str(), &target];
        for outcome in [self.rr.any_command("skopeo", copy).output(), self.command(&["load", "-q", "-i", &archive])] {
            if !outcome.status.success() {
                return Err(outcome.to_string());
            }
        }
        Ok(())
    }

    fn command(&self, words: &[&str]) -> Outcome {
        // A newer client of another origin may come first in PATH.
        self.rr.any_command("/usr/bin/docker", words).env("DOCKER_HOST", &self.host).output()
    }

    /// Runs a script in a container with rr in its PATH and an image at `$IMAGE`.
    fn sh(&self, options: &[&str], script: &str) -> Outcome {
        let rr = format!("{}:/usr/local/bin/rr:ro", self.rr.binary().display());
        let image = format!("{}:/image.tar:ro", images::alpine().expect("it was loaded").display());
        let run = ["run", "--rm", "--network", "none", "-v", &rr, "-v", &image, "-e", "IMAGE=oci-archive:/image.tar"];
        self.command(&[&run[..], options, &[IMAGE, "sh", "-euc", script]].concat())
    }
}

const UNCONFINED: [&str; 2] = ["--security-opt", "seccomp=unconfined"];
const AS_USER: [&str; 4] = ["-u", "1000:1000", "-e", "HOME=/tmp"];

#[test]
fn root_in_plain_docker_has_chroot_alone() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let script = "
        set +e
        rr run --rm $IMAGE sh -c 'ls /dev/null; id -u; exit 7'; echo $?
        rr run --rm -q -u nobody:video -w /new alpine:3.20.3 sh -c 'id -u; id -G; pwd; touch /x' 2>/dev/null; echo $?
        # Its monitor removes the files when the client has gone on.
        n=0; while [ -n \"$(ls /root/.local/share/rr/containers)\" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
        ls /root/.local/share/rr/containers | wc -l
        rr run --rm --isolation namespaces alpine:3.20.3 true; echo $?
        rr doctor";
    let outcome = docker.sh(&[], script).succeeds();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[..9], ["/dev/null", "0", "7", "65534", "27", "/new", "1", "0", "125"], "{outcome}");
    let said: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("rr: ")).collect();
    assert!(
        matches!(&said[..], [chroot, forbidden]
            if chroot.contains("clone(2) of a user namespace: operation not permitted (EPERM)")
                && chroot.contains("is not isolated")
                && forbidden.contains("cannot make a user namespace: operation not permitted (EPERM)")),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("start the outer one with: --security-opt seccomp=unconfined"), "{outcome}");
    assert!(lines[9..].iter().any(|line| line.starts_with("less     isolation")), "{outcome}");
}

#[test]
fn a_user_in_plain_docker_is_told_what_the_outer_side_must_give() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let outcome = docker.sh(&AS_USER, "set +e; rr run --rm $IMAGE true; echo $?").succeeds();
    assert_eq!(outcome.stdout, "125\n", "{outcome}");
    let errors = outcome.stderr.lines().filter(|line| line.contains("EPERM"));
    assert_eq!(errors.count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("cannot make a user namespace: operation not permitted (EPERM)"), "{outcome}");
    assert!(outcome.stderr.ends_with("start the outer one with: --security-opt seccomp=unconfined\n"), "{outcome}");
}

/// What is refused there: a /proc of one's own, since Docker's masks hide parts of the outer one, and overlay, since the
/// upper directory would lie on overlay.
#[test]
fn in_docker_without_its_filter_there_are_namespaces() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let script =
        "set +e; rr run --rm -q $IMAGE sh -c 'id -u; hostname | wc -c; cat /etc/alpine-release; exit 7'; echo $?";
    for (user, single) in [(&["-u", "0"][..], false), (&AS_USER[..], true)] {
        let outcome = docker.sh(&[&UNCONFINED, user].concat(), script).succeeds();
        assert_eq!(outcome.stdout, "0\n13\n3.20.3\n7\n", "{outcome}");
        let count = |words: &str| outcome.stderr.lines().filter(|line| line.contains(words)).count();
        assert_eq!(count("shares this /proc"), 1, "{outcome}");
        assert_eq!(count("refuses an overlay"), 1, "{outcome}");
        assert_eq!(count("only one user id is mapped"), usize::from(single), "{outcome}");
        assert_eq!(count("isolat"), 0, "{outcome}");
    }
}

#[test]
fn in_docker_a_volume_gives_overlay_back() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let script = "rr run --rm -q $IMAGE sh -c 'grep -c \"^overlay / \" /proc/mounts; touch /usr/made; rm -r /usr/share; mkdir /usr/share; ls /usr/share | wc -l'";
    let on_tmpfs = ["--tmpfs", "/root/.local/share/rr:exec,size=200m"];
    let outcome = docker.sh(&[&UNCONFINED[..], &on_tmpfs].concat(), script).succeeds();
    assert_eq!(outcome.stdout, "1\n0\n", "{outcome}");
    assert!(!outcome.stderr.contains("refuses an overlay"), "{outcome}");
    // Without one, what would help is said.
    let outcome = docker.sh(&UNCONFINED, "rr run --rm -q $IMAGE true").succeeds();
    assert!(outcome.stderr.contains("XDG_DATA_HOME on a volume would help"), "{outcome}");
    // A volume that is full: one error, and nothing is left behind in it.
    let script = "set +e; rr run --rm -q $IMAGE true; echo $?; ls /root/.local/share/rr/containers | wc -l";
    let small = ["--tmpfs", "/root/.local/share/rr:exec,size=2m"];
    let outcome = docker.sh(&[&UNCONFINED[..], &small].concat(), script).succeeds();
    assert_eq!(outcome.stdout, "125\n0\n", "{outcome}");
    assert!(outcome.stderr.contains("no space left on device (ENOSPC)"), "{outcome}");
}

/// With the outer masks lifted as well, a container has a /proc of its own.
#[test]
fn in_docker_without_filter_and_masks_proc_is_fresh() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let options = ["--security-opt", "systempaths=unconfined"];
    let script = "rr run --rm -q $IMAGE sh -c 'ls /proc | grep -c \"^[0-9]\"'";
    let outcome = docker.sh(&[&UNCONFINED[..], &options].concat(), script).succeeds();
    // sh, ls and grep; perhaps not all of them any more.
    assert!(matches!(outcome.stdout.trim(), "2" | "3"), "{outcome}");
    assert!(!outcome.stderr.contains("/proc"), "{outcome}");
}

/// No shell, no /etc/passwd, no /tmp, no HOME and no certificates.
#[test]
fn rr_is_the_entry_point_of_an_image_from_scratch() {
    let rr = Rr::new();
    let docker = requires!(Docker::of(&rr));
    let tar = rr.path("scratch.tar").display().to_string();
    let (binary, archive) = (rr.binary(), requires!(images::alpine()));
    let pack = "cp \"$1\" rr && cp \"$2\" image.tar && tar -cf \"$3\" rr image.tar && rm rr image.tar";
    let words = ["-euc", pack, "pack", &binary.display().to_string(), &archive.display().to_string(), &tar];
    rr.any_command("sh", words).dir(rr.directory("scratch")).output().succeeds();
    docker.command(&["import", &tar, "rr-test-scratch"]).succeeds();
    let run = |options: &[&str], words: &[&str]| {
        let start = ["run", "--rm", "--network", "none"];
        docker.command(&[&start[..], options, &["rr-test-scratch", "/rr"], words].concat())
    };
    let words = ["run", "--rm", "-q", "oci-archive:/image.tar", "sh", "-c", "id -u; cat /etc/alpine-release; exit 7"];
    let user = ["--security-opt", "seccomp=unconfined", "-u", "1000:1000", "--tmpfs", "/tmp", "-e", "HOME=/tmp"];
    for options in [&UNCONFINED[..], &[], &user] {
        assert_eq!(run(options, &words).exits(7).stdout, "0\n3.20.3\n", "{options:?}");
    }
    // A user who can write nowhere is told where rr wants to.
    run(&["--security-opt", "seccomp=unconfined", "-u", "1000:1000"], &words)
        .fails_with(125, "cannot make /.local/share/rr: permission denied (EACCES)");
}

/// `--volume` for rr and an image, in containers of rr's and podman's.
fn brought_along(rr: &Rr) -> Vec<String> {
    let archive = images::alpine().expect("the caller has asked");
    let volumes = [(rr.binary(), "/usr/local/bin/rr"), (archive, "/image.tar")];
    volumes.iter().flat_map(|(from, to)| ["-v".to_owned(), format!("{}:{to}:ro", from.display())]).collect()
}

const NESTED: &str = "rr run --rm -q oci-archive:/image.tar sh -c 'id -u; cat /etc/alpine-release; exit 7'; echo $?";

#[test]
fn rr_runs_in_rr() {
    let rr = requires!(Rr::with_alpine());
    let volumes = brought_along(&rr);
    let volumes: Vec<&str> = volumes.iter().map(String::as_str).collect();
    for helpers in [None, Some("")] {
        for (options, chroot) in [
            (&["--security-opt", "seccomp=unconfined"][..], false),
            (&["--privileged"], false),
            // rr's own filter is Docker's.
            (&[], true),
        ] {
            let mut outer = rr.alpine(&[&volumes[..], options].concat(), &["sh", "-c", NESTED]);
            if let Some(path) = helpers {
                outer = outer.env("RR_HELPER_PATH", path);
            }
            let outcome = outer.output().succeeds();
            assert_eq!(outcome.stdout, "0\n3.20.3\n7\n", "{options:?} {helpers:?}: {outcome}");
            let said = |words: &str| outcome.stderr.lines().filter(|line| line.contains(words)).count();
            assert_eq!(said("is not isolated"), usize::from(chroot), "{options:?}: {outcome}");
            assert_eq!(said("refuses an overlay"), usize::from(!chroot), "{options:?}: {outcome}");
        }
    }
    rr.nothing_is_left();
}

#[test]
fn rr_runs_in_bubblewrap() {
    let rr = Rr::new();
    let image = requires!(images::alpine()).display().to_string();
    let binary = rr.binary().display().to_string();
    let home = rr.home().display().to_string();
    let script = format!("{binary} run --rm -q oci-archive:{image} sh -c 'id -u; exit 7'; echo $?");
    let sandbox = ["--ro-bind", "/", "/", "--bind", &home, &home, "--dev", "/dev", "--proc", "/proc", "--unshare-all"];
    let words = [&sandbox[..], &["--setenv", "XDG_DATA_HOME", &home, "sh", "-c", &script]].concat();
    let outcome = rr.any_command("bwrap", words).env("XDG_RUNTIME_DIR", rr.home()).output().succeeds();
    assert_eq!(outcome.stdout, "0\n7\n", "{outcome}");
    assert!(outcome.stderr.contains("do not exist in this user namespace"), "{outcome}");
    assert!(outcome.stderr.contains("/dev/net/tun"), "{outcome}");
    rr.nothing_is_left();
}

/// A limit that is 0 is named, with what lifts it. Root of a user namespace may set those of its own.
#[test]
fn a_limit_on_namespaces_is_named() {
    let rr = requires!(Rr::with_alpine());
    let own = rr.binary().display().to_string();
    let words = Rr::ALPINE.join(" ");
    for kind in ["mnt", "pid", "uts", "ipc", "net", "cgroup"] {
        let script = format!(
            "echo 0 >/proc/sys/user/max_{kind}_namespaces && exec {own} run --rm --isolation namespaces {words} true"
        );
        let outcome = rr.run(["unshare", "sh", "-c", &script]).exits(125);
        let cause = format!("max_{kind}_namespaces is 0: no space left on device (ENOSPC)");
        let remedy = format!("sysctl -w user.max_{kind}_namespaces=65536");
        assert!(outcome.stderr.contains(&cause) && outcome.stderr.contains(&remedy), "{outcome}");
    }
    let script =
        format!("echo 0 >/proc/sys/user/max_net_namespaces && exec {own} run --rm --network host {words} echo here");
    assert_eq!(rr.run(["unshare", "sh", "-c", &script]).succeeds().stdout, "here\n");
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces && exec {own} run --rm --isolation namespaces {words} true"
    );
    rr.run(["unshare", "sh", "-c", &script]).fails_with(125, "sysctl -w user.max_user_namespaces=65536");
    rr.nothing_is_left();
}
