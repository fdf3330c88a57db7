//! Ways out of containers that others have had, tried on rr. docs/explanation/security.md says what each was, and names
//! the tests; some are in the files of what they are about.

use crate::support::{Outcome, Rr, requires, small_root};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A user with a root file system that an attacker has made, and a directory of the host's that is to stay as it is.
struct Hostile {
    rr: Rr,
    root: PathBuf,
    host: PathBuf,
}

impl Hostile {
    fn new() -> Result<Hostile, String> {
        let rr = Rr::new();
        let root = small_root(&rr)?;
        let host = rr.directory("hosts");
        fs::write(host.join("secret"), "secret of the host\n").map_err(|error| error.to_string())?;
        Ok(Hostile { rr, root, host })
    }

    /// `rr run OPTIONS --rootfs ROOT sh -c SCRIPT`
    fn run(&self, options: &[&str], script: &str) -> Outcome {
        let root = self.root.to_str().expect("UTF-8");
        self.rr.run([&["run", "--rm", "--network", "none"], options, &["--rootfs", root, "sh", "-c", script]].concat())
    }

    /// Puts a link in the place of what the image has there.
    fn link(&self, name: &str, to: impl AsRef<Path>) {
        let path = self.root.join(name);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).expect("the directory is ours");
        } else if path.is_symlink() || path.exists() {
            fs::remove_file(&path).expect("the directory is ours");
        }
        symlink(to, path).expect("the directory is ours");
    }

    /// Nothing was written into the host's directory, and nothing of it was seen.
    fn held(&self, outcome: &Outcome) {
        let names: Vec<_> =
            fs::read_dir(&self.host).expect("readable").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["secret"], "{outcome}");
        assert_eq!(
            fs::read_to_string(self.host.join("secret")).expect("readable"),
            "secret of the host\n",
            "{outcome}"
        );
        assert!(!outcome.stdout.contains("secret of the host"), "{outcome}");
    }
}

/// CVE-2019-5736: the payload is a link to the program of whoever executes it, or has that as its interpreter.
#[test]
fn the_payloads_program_is_never_rr() {
    let hostile = requires!(Hostile::new());
    hostile.link("link", "/proc/self/exe");
    for (name, text) in [("script", "#!/proc/self/exe\n"), ("both", "#!/link\n")] {
        fs::write(hostile.root.join(name), text).expect("the directory is ours");
        fs::set_permissions(hostile.root.join(name), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }
    let root = hostile.root.to_str().expect("UTF-8");
    let overlaid = format!("{root}:O");
    for root in [root, &overlaid] {
        for options in [&[][..], &["--init"], &["-v", "shared:/shared"]] {
            for command in ["/proc/self/exe", "/link", "/script", "/both", "/proc/1/exe", "/dev/fd/../exe"] {
                let words = [&["run", "--rm", "--network", "none"], options, &["--rootfs", root, command, "version"]];
                let outcome = hostile.rr.run(words.concat());
                assert!(!outcome.status.success(), "{outcome}");
                assert_eq!(outcome.stdout, "", "{outcome}");
            }
        }
    }
    hostile.rr.run(["volume", "rm", "shared"]).succeeds();
    hostile.rr.nothing_is_left();
}

/// The same of an image, whose files nobody else can change, and which is executed directly.
#[test]
fn an_images_program_is_never_rr() {
    let hostile = requires!(Hostile::new());
    let dockerfile = "ln -s /proc/self/exe /link; printf '#!/link\\n' >/script; chmod 755 /script";
    let start = ["run", "--name", "made", "--network", "none"];
    hostile
        .rr
        .run([&start[..], &["--rootfs", hostile.root.to_str().expect("UTF-8"), "sh", "-c", dockerfile]].concat())
        .succeeds();
    hostile.rr.run(["commit", "made", "evil"]).succeeds();
    hostile.rr.run(["rm", "made"]).succeeds();
    for command in ["/link", "/script", "/proc/self/exe"] {
        let outcome = hostile.rr.run(["run", "--rm", "--network", "none", "evil", command, "version"]);
        assert!(!outcome.status.success() && outcome.stdout.is_empty(), "{outcome}");
    }
    let outcome = hostile.rr.run(["run", "--rm", "--network", "none", "evil", "readlink", "/proc/self/exe"]).succeeds();
    assert_eq!(outcome.stdout, "/bin/busybox\n");
    hostile.rr.nothing_is_left();
}

/// CVE-2024-21626: a working directory that leads through one of rr's descriptors.
#[test]
fn a_working_directory_through_a_descriptor_is_refused() {
    let hostile = requires!(Hostile::new());
    let mut refused = 0;
    for number in 0..16 {
        for name in ["self", "1", "thread-self"] {
            let directory = format!("/proc/{name}/fd/{number}");
            let outcome = hostile
                .run(&["-w", &directory], "cat etc/alpine-release ../etc/alpine-release 2>/dev/null; stat -c %i . /");
            refused += usize::from(!outcome.status.success());
            if outcome.status.success() {
                let inodes: BTreeSet<&str> = outcome.stdout.lines().filter(|line| !line.starts_with('3')).collect();
                assert_eq!(inodes.len(), 1, "{directory}: {outcome}");
            }
            hostile.held(&outcome);
        }
    }
    assert!(refused > 0, "no descriptor was there, so nothing was tried");
    hostile.rr.nothing_is_left();
}

/// CVE-2023-27561, CVE-2019-19921: the image's /proc, /sys or /dev is a link.
#[test]
fn linked_kernel_directories_are_refused() {
    for name in ["proc", "sys", "dev"] {
        let hostile = requires!(Hostile::new());
        hostile.link(name, &hostile.host);
        let outcome = hostile.run(&[], "true").fails_with(125, "the image has something else than a directory there");
        hostile.held(&outcome);
    }
}

/// CVE-2025-31133: what masks is a /dev/null of the image's.
#[test]
fn masks_are_made_of_the_hosts_null_device() {
    let hostile = requires!(Hostile::new());
    fs::create_dir_all(hostile.root.join("dev")).expect("the directory is ours");
    hostile.link("dev/null", "/proc/sys/kernel/core_pattern");
    let script = "cat /proc/interrupts | wc -c; stat -c %t:%T /dev/null /proc/interrupts; (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null || echo refused";
    assert_eq!(hostile.run(&[], script).succeeds().stdout, "0\n1:3\n1:3\nrefused\n");
    hostile.rr.nothing_is_left();
}

/// CVE-2025-52565: /dev/console is bound to what a /dev/pts/N of the image's leads to.
#[test]
fn the_console_is_the_containers_own_terminal() {
    let hostile = requires!(Hostile::new());
    fs::create_dir_all(hostile.root.join("dev/pts")).expect("the directory is ours");
    for name in ["dev/console", "dev/pts/0", "dev/ptmx", "dev/tty"] {
        hostile.link(name, hostile.host.join("secret"));
    }
    let root = hostile.root.to_str().expect("UTF-8");
    let script = "stat -c %t:%T /dev/console; test -t 0 && tty; (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null || echo refused";
    let command = hostile.rr.command(["run", "--rm", "-it", "--network", "none", "--rootfs", root, "sh", "-c", script]);
    let mut terminal = command.terminal(24, 80);
    terminal.expect("88:0");
    terminal.expect("/dev/pts/0");
    terminal.expect("refused");
    assert!(terminal.wait().success());
    assert_eq!(fs::read_to_string(hostile.host.join("secret")).expect("readable"), "secret of the host\n");
    hostile.rr.nothing_is_left();
}

/// CVE-2025-52881, CVE-2019-16884: a mount upon what rr writes to in /proc, straight or by a link of the image's.
#[test]
fn nothing_is_mounted_on_proc() {
    let hostile = requires!(Hostile::new());
    hostile.link("led", "/proc/self/attr");
    for target in ["/proc/self/attr", "/led", "/proc/1", "/proc/self"] {
        let mount = format!("{}:{target}", hostile.host.display());
        let outcome = hostile.run(&["-v", &mount], "true");
        assert!(!outcome.status.success(), "{target}: {outcome}");
        hostile.held(&outcome);
    }
    hostile.rr.nothing_is_left();
}

/// Links of the image in the places that rr writes to or mounts upon: they lead somewhere inside.
#[test]
fn links_of_the_image_stay_inside() {
    let hostile = requires!(Hostile::new());
    let host = hostile.host.display().to_string();
    let up = format!("../../../../../../../../../..{host}");
    for (name, to) in [("work", &up), ("target", &host), ("tmpfs", &up), ("file", &format!("{host}/secret"))] {
        hostile.link(name, to);
    }
    let given = hostile.rr.directory("given");
    fs::write(given.join("from"), "given\n").expect("the directory is ours");
    let (directory, file) = (format!("{}:/target/below", given.display()), format!("{}/from:/file", given.display()));
    let options = ["-w", "/work/new", "-v", &directory, "-v", &file, "--tmpfs", "/tmpfs/t", "-v", "/target/anonymous"];
    let outcome =
        hostile.run(&options, "pwd; cat /target/below/from /file; echo x >/target/anonymous/x; touch /tmpfs/t/x");
    hostile.held(&outcome);
    assert!(outcome.succeeds().stdout.ends_with("given\ngiven\n"));
    // What has those names inside is the container's own.
    assert!(hostile.root.join(host.trim_start_matches('/')).exists());

    let hostile = requires!(Hostile::new());
    hostile.link("etc", &hostile.host);
    let outcome = hostile.run(&[], "ls /etc; cat /etc/secret; hostname");
    hostile.held(&outcome);
    hostile.rr.nothing_is_left();
}

/// CVE-2021-30465: a directory of a shared volume becomes a link while another container mounts below it.
#[test]
fn a_target_that_changes_under_the_mount_stays_inside() {
    let hostile = requires!(Hostile::new());
    let root = hostile.root.to_str().expect("UTF-8");
    let host = hostile.host.display();
    let flip = format!(
        "cd /shared; mkdir real; ln -s {host} link; ln -s / up
         while :; do mv -T link x 2>/dev/null; mv -T x link; ln -sfn {host} target; rm -f target; mkdir target 2>/dev/null; rmdir target 2>/dev/null; ln -sfn / target; rm -f target; done"
    );
    let start = ["run", "-d", "--name", "flipper", "--network", "none", "-v", "shared:/shared", "--rootfs", root];
    hostile.rr.run([&start[..], &["sh", "-c", &flip]].concat()).succeeds();
    let made = format!("made-{}", std::process::id());
    for _ in 0..40 {
        let target = format!("/shared/target/{made}");
        let outcome =
            hostile.run(&["-v", "shared:/shared", "--tmpfs", &target], "cat /shared/target/secret 2>/dev/null; true");
        hostile.held(&outcome);
        assert!(!Path::new("/").join(&made).exists());
    }
    hostile.rr.run(["rm", "-f", "-t", "0", "flipper"]).succeeds();
    hostile.rr.run(["volume", "rm", "shared"]).succeeds();
    hostile.rr.nothing_is_left();
}

/// CVE-2024-1753: what is mounted of a source that others write to is found by a link. CVE-2024-9407: an option of a
/// mount is taken for something else than it is.
#[test]
fn a_part_of_a_volume_is_found_inside_of_it() {
    let hostile = requires!(Hostile::new());
    let plant = format!("ln -s {} /v/link; ln -s / /v/root; mkdir /v/plain", hostile.host.display());
    hostile.run(&["-v", "planted:/v"], &plant).succeeds();
    for subpath in ["link", "root", "root/etc", "plain/../link", "../../.."] {
        let mount = format!("type=volume,src=planted,dst=/m,volume-subpath={subpath}");
        let outcome = hostile.run(&["--mount", &mount], "cat /m/secret /m/passwd; ls /m");
        // `/` of the volume is all that a link to `/` can lead to.
        assert!(!outcome.stdout.contains("root:") && !outcome.stdout.contains("bin"), "{subpath}: {outcome}");
        hostile.held(&outcome);
    }
    let mount = format!("type=bind,src={},dst=/m,bind-propagation=rshared/../..", hostile.host.display());
    hostile.run(&["--mount", &mount], "true").fails_with(125, "bind-propagation");
    hostile.rr.run(["volume", "rm", "planted"]).succeeds();
    hostile.rr.nothing_is_left();
}

/// CVE-2022-0492: a release agent of control groups runs on the host.
#[test]
fn release_agents_cannot_be_set() {
    let hostile = requires!(Hostile::new());
    let script = "mkdir /c; for type in cgroup cgroup2; do for o in memory rdma none,name=x; do
            mount -t $type -o $o none /c 2>/dev/null && find /c -name release_agent; done; done
        find /sys/fs/cgroup -name release_agent | while read f; do (echo /x >$f) 2>/dev/null && echo $f; done; echo done";
    for options in [&[][..], &["--privileged"], &["--cap-add", "ALL"], &["--privileged", "--cgroupns", "host"]] {
        assert_eq!(hostile.run(options, script).succeeds().stdout, "done\n", "{options:?}");
    }
    hostile.rr.nothing_is_left();
}

/// CVE-2020-15257: a service of the runner's listens in the abstract namespace of the host's network.
#[test]
fn rr_listens_nowhere_that_a_container_reaches() {
    let hostile = requires!(Hostile::new());
    let root = hostile.root.to_str().expect("UTF-8");
    let sockets = |outcome: Outcome| -> BTreeSet<String> {
        outcome.succeeds().stdout.lines().filter_map(|line| Some(line.split_once('@')?.1.to_owned())).collect()
    };
    let look = |name: &str| {
        hostile.rr.run(["run", "--rm", "--name", name, "--network", "host", "--rootfs", root, "cat", "/proc/net/unix"])
    };
    let before = sockets(look("before"));
    hostile
        .rr
        .run(["run", "-d", "--name", "beside", "--network", "host", "--rootfs", root, "sleep", "1000"])
        .succeeds();
    let new: Vec<String> =
        sockets(look("after")).difference(&before).filter(|name| name.contains("rr")).cloned().collect();
    assert!(new.is_empty(), "{new:?}");
    hostile.rr.run(["rm", "-f", "-t", "0", "beside"]).succeeds();
    hostile.rr.nothing_is_left();
}

/// Signals and ptrace(2) to the monitor, and what /proc shows of other processes.
#[test]
fn only_its_own_processes_are_in_reach() {
    let hostile = requires!(Hostile::new());
    for options in [&[][..], &["--init"], &["--privileged"], &["--init", "--privileged"]] {
        let script = "ls -d /proc/[0-9]* | wc -l; cat /proc/*/root/hosts/secret 2>/dev/null; for p in $(seq 2 400); do kill -0 $p 2>/dev/null && readlink /proc/$p/exe; done | sort -u";
        let outcome = hostile.run(options, script).succeeds();
        let mut lines = outcome.stdout.lines();
        let count: u32 = lines.next().and_then(|line| line.parse().ok()).expect("a number");
        assert!(count <= 5, "{outcome}");
        assert!(lines.all(|line| line == "/bin/busybox"), "{outcome}");
        hostile.held(&outcome);
        // Everything in reach is killed, and the monitor tells of it.
        hostile.run(options, "kill -9 -1; exit 3").exits(3);
    }
    hostile.rr.nothing_is_left();
}

/// keyrings(7) are the user's, whatever container they are in.
#[test]
#[cfg(target_arch = "x86_64")]
fn keys_of_the_user_cannot_be_read() {
    let hostile = requires!(Hostile::new());
    let built = |name: &str, number: u32| -> Result<(), String> {
        // The call's errno is the exit status.
        let text = format!(
            ".globl _start\n_start:\nmov ${number}, %eax\nxor %edi, %edi\nxor %esi, %esi\nxor %edx, %edx\nsyscall\nneg %eax\nmov %eax, %edi\nmov $60, %eax\nsyscall\n"
        );
        let source = hostile.rr.path("call.s");
        fs::write(&source, text).map_err(|error| error.to_string())?;
        let mut compiler = std::process::Command::new("cc");
        let output = compiler
            .args(["-nostdlib", "-static", "-o"])
            .args([&hostile.root.join("bin").join(name), &source])
            .output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    // syscall_64.tbl; EPERM is the filter's answer: the calls' own to these arguments are others (keyctl(2), add_key(2)).
    for (name, number) in [("add_key", 248), ("request_key", 249), ("keyctl", 250)] {
        requires!(built(name, number));
        hostile.run(&[], name).exits(1);
        assert_ne!(hostile.run(&["--security-opt", "seccomp=unconfined"], name).status.code(), Some(1));
    }
    assert_eq!(hostile.run(&[], "wc -c </proc/keys").succeeds().stdout, "0\n");
    hostile.rr.nothing_is_left();
}

/// The page for readers names tests that there are, and all of the history that it must.
#[test]
fn the_page_on_security_is_true() {
    let top = std::env::var_os("RR_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let source = |path: &str| fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let page = source("docs/explanation/security.md");
    for cve in [
        "CVE-2016-9962",
        "CVE-2018-15664",
        "CVE-2019-5736",
        "CVE-2019-14271",
        "CVE-2020-15257",
        "CVE-2021-30465",
        "CVE-2022-0492",
        "CVE-2023-27561",
        "CVE-2024-1753",
        "CVE-2024-9407",
        "CVE-2024-21626",
        "CVE-2025-31133",
        "CVE-2025-52565",
        "CVE-2025-52881",
    ] {
        assert!(page.contains(cve), "{cve} is missing");
    }
    let named: BTreeSet<&str> = page.split('`').filter(|word| word.contains("::") && !word.contains(' ')).collect();
    assert!(named.len() >= 15, "{named:?}");
    for name in named {
        let (file, test) = name.split_once("::").expect("it contains that");
        let text = source(&format!("tests/{file}.rs"));
        assert!(text.contains(&format!("fn {test}(")), "there is no test {name}");
    }
}
