//! What a payload may do: capabilities, the system-call filter, limits.

use crate::support::{Outcome, Rr, requires, small_root};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A user with Alpine's root file system, so that these tests pull nothing.
struct Confined {
    rr: Rr,
    root: PathBuf,
}

impl Confined {
    fn new() -> Result<Confined, String> {
        let rr = Rr::new();
        let root = small_root(&rr)?;
        Ok(Confined { rr, root })
    }

    /// `rr run OPTIONS --rootfs ROOT COMMAND`
    fn run(&self, options: &[&str], command: &[&str]) -> Outcome {
        let root = self.root.to_str().expect("a temporary path is UTF-8");
        let fixed = ["run", "--rm", "--network", "none"];
        self.rr.run(fixed.iter().chain(options).chain(&["--rootfs", root]).chain(command))
    }

    /// Lines of the payload's /proc/self/status, `Name value` each, separated by commas.
    fn status(&self, options: &[&str], names: &str) -> String {
        let outcome = self.run(options, &["grep", "-E", &format!("^({names}):"), "/proc/self/status"]).succeeds();
        let lines = outcome.stdout.lines().map(|line| line.replace(":\t", " ").replace('\t', " "));
        lines.collect::<Vec<_>>().join(", ")
    }
}

const SETS: &str = "CapInh|CapPrm|CapEff|CapBnd|CapAmb";

/// capabilities(7)'s sets as /proc/PID/status shows them.
fn sets(inheritable: u64, permitted: u64, bounding: u64, ambient: u64) -> String {
    format!(
        "CapInh {inheritable:016x}, CapPrm {permitted:016x}, CapEff {permitted:016x}, CapBnd {bounding:016x}, \
         CapAmb {ambient:016x}"
    )
}

/// Docker's default fourteen.
const DEFAULT: u64 = 0xa804_25fb;
const NET_ADMIN: u64 = 1 << 12;
const CHOWN: u64 = 1;

#[test]
fn root_has_dockers_capabilities_and_none_is_inheritable() {
    let container = requires!(Confined::new());
    assert_eq!(container.status(&[], SETS), sets(0, DEFAULT, DEFAULT, 0));
    assert_eq!(container.status(&["--cap-drop", "ALL"], SETS), sets(0, 0, 0, 0));
    assert_eq!(container.status(&["--cap-drop", "ALL", "--cap-add", "chown"], SETS), sets(0, CHOWN, CHOWN, 0));
    let with = DEFAULT | NET_ADMIN;
    assert_eq!(container.status(&["--cap-add", "NET_ADMIN"], SETS), sets(0, with, with, 0));
    container.rr.nothing_is_left();
}

#[test]
fn other_users_hold_only_what_was_added() {
    let container = requires!(Confined::new());
    let user = ["--user", "1000:1000"];
    assert_eq!(container.status(&user, SETS), sets(0, 0, DEFAULT, 0));
    let added = sets(NET_ADMIN, NET_ADMIN, DEFAULT | NET_ADMIN, NET_ADMIN);
    assert_eq!(container.status(&["--user", "1000:1000", "--cap-add", "CAP_NET_ADMIN"], SETS), added);
    // no_new_privs must not take what execve(2) gives by the ambient set.
    let options = ["--user", "1000:1000", "--cap-add", "net_admin", "--security-opt", "no-new-privileges"];
    assert_eq!(container.status(&options, SETS), added);
    assert_eq!(container.status(&user, "Uid|Gid"), "Uid 1000 1000 1000 1000, Gid 1000 1000 1000 1000");
}

#[test]
fn privileged_is_every_capability_and_no_filter() {
    let container = requires!(Confined::new());
    let last: u32 =
        fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("proc").trim().parse().expect("a number");
    let all = u64::MAX >> (63 - last);
    assert_eq!(container.status(&["--privileged"], SETS), sets(0, all, all, 0));
    assert_eq!(container.status(&["--privileged"], "Seccomp"), "Seccomp 0");
}

#[test]
fn an_unknown_capability_is_one_clear_error() {
    let container = requires!(Confined::new());
    container.run(&["--cap-add", "net_admim"], &["id"]).fails_with(125, "the nearest name is CAP_NET_ADMIN");
    container.run(&["--cap-drop", "nothing"], &["id"]).fails_with(125, "there is no capability `nothing`");
    container.rr.nothing_is_left();
}

#[test]
fn the_filter_is_on_and_follows_the_capabilities() {
    let container = requires!(Confined::new());
    assert_eq!(container.status(&[], "NoNewPrivs|Seccomp"), "NoNewPrivs 0, Seccomp 2");
    let options = ["--security-opt", "no-new-privileges"];
    assert_eq!(container.status(&options, "NoNewPrivs|Seccomp"), "NoNewPrivs 1, Seccomp 2");
    // A new user namespace needs no capability: only the filter can be what refuses it.
    let outcome = container.run(&[], &["unshare", "-U", "id"]).exits(1);
    assert!(outcome.stderr.contains("Operation not permitted"), "{}", outcome.stderr);
    container.run(&["--security-opt", "seccomp=unconfined"], &["unshare", "-U", "id"]).succeeds();
    container.run(&["--cap-add", "SYS_ADMIN"], &["unshare", "-U", "id"]).succeeds();
    container.run(&["--user", "1000"], &["unshare", "-U", "id"]).exits(1);
}

#[test]
fn a_profile_of_the_users_own_is_the_filter() {
    let container = requires!(Confined::new());
    let file = container.rr.path("profile.json");
    let write = |text: &str| fs::write(&file, text).expect("the directory is ours");
    let option = format!("seccomp={}", file.display());
    let run = |script: &str| container.run(&["--security-opt", &option], &["sh", "-c", script]);
    write(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat", "of-a-later-kernel"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "args": null},
            {"name": "chroot", "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"names": ["uname"], "action": "SCMP_ACT_KILL_PROCESS"}]}"#,
    );
    let outcome = run("mkdir /tmp/x; chroot / true; uname; echo $?").succeeds();
    assert!(outcome.stderr.contains("No space left on device"), "{outcome}");
    assert!(outcome.stderr.contains("can't change root directory"), "{outcome}");
    // SIGSYS is 31 (signal(7)).
    assert!(outcome.stdout.ends_with("159\n"), "{outcome}");
    // Processes that come later have it too.
    let root = container.root.to_str().expect("UTF-8");
    let start = ["run", "-d", "--name", "profile", "--network", "none", "--security-opt", &option, "--rootfs", root];
    container.rr.run([&start[..], &["sleep", "1000"]].concat()).succeeds();
    fs::remove_file(&file).expect("it was read when the container was made");
    let outcome = container.rr.run(["exec", "profile", "mkdir", "/tmp/x"]).exits(1);
    assert!(outcome.stderr.contains("No space left on device"), "{outcome}");
    container.rr.run(["rm", "-f", "-t", "0", "profile"]).succeeds();

    run("true").fails_with(125, "no such file or directory (ENOENT)");
    write("{");
    run("true").fails_with(125, "it is no profile: ");
    write(r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#);
    // Nothing can be executed under it, and that is an error like others.
    assert!(!run("true").status.success());
    container.rr.nothing_is_left();
}

/// A program of 32 bits numbers its calls differently, and must not pass by the filter for it.
#[test]
#[cfg(target_arch = "x86_64")]
fn programs_of_32_bits_are_filtered_by_their_own_numbers() {
    let container = requires!(Confined::new());
    let source = container.rr.path("unshare.s");
    // unshare(CLONE_NEWUSER); the errno is the exit status.
    let text = ".globl _start\n_start:\nmov $310, %eax\nmov $0x10000000, %ebx\nint $0x80\nneg %eax\nmov %eax, %ebx\n\
                mov $1, %eax\nint $0x80\n";
    fs::write(&source, text).expect("the directory is ours");
    let output = Command::new("cc")
        .args(["-m32", "-nostdlib", "-static", "-o"])
        .args([&container.root.join("bin/unshare32"), &source])
        .output();
    let built = match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("no 32-bit program: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("no C compiler: {error}")),
    };
    requires!(built);
    const EPERM: i32 = 1;
    container.run(&[], &["unshare32"]).exits(EPERM);
    container.run(&["--security-opt", "seccomp=unconfined"], &["unshare32"]).exits(0);
}

#[test]
fn limits_are_set_and_the_users_own_cannot_be_exceeded() {
    let container = requires!(Confined::new());
    let outcome = container.run(&["--ulimit", "nofile=99:100"], &["sh", "-c", "ulimit -Sn; ulimit -Hn"]).succeeds();
    assert_eq!(outcome.stdout, "99\n100\n");
    container.run(&["--ulimit", "nofile=2:1"], &["id"]).fails_with(125, "the soft limit 2 is above the hard limit 1");
    let beyond = format!("nofile={}", u64::MAX / 2);
    let outcome = container.run(&["--ulimit", &beyond], &["id"]).fails_with(125, "(EPERM)");
    assert!(outcome.stderr.contains("hint: your own hard limit of nofile is "), "{}", outcome.stderr);
    container.rr.nothing_is_left();
}
