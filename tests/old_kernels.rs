//! What rr does where the kernel lacks a system call: a filter answers ENOSYS in its place, as an older kernel does.
//!
//! A filter without privilege needs `no_new_privs`, under which newuidmap has no privilege either: the containers
//! here have one id.

use crate::support::{Outcome, Rr, requires};
use rr::confine::capabilities::set_no_new_privileges;
use rr::sys::seccomp::{install, sock_filter};

/// What `act` returns where these system calls do not exist, for the threads and processes it starts.
fn without<T: Send>(calls: &[u32], act: impl FnOnce() -> T + Send) -> T {
    let instruction = |code: u16, jt: u8, k: u32| sock_filter { code, jt, jf: 0, k };
    // BPF_LD | BPF_W | BPF_ABS: the call's number, at offset 0 of struct seccomp_data (seccomp(2)).
    let mut program = vec![instruction(0x20, 0, 0)];
    for (place, call) in calls.iter().enumerate() {
        // BPF_JMP | BPF_JEQ | BPF_K: to the last instruction.
        program.push(instruction(0x15, (calls.len() - place) as u8, *call));
    }
    // BPF_RET | BPF_K: SECCOMP_RET_ALLOW, or SECCOMP_RET_ERRNO with ENOSYS.
    program.extend([instruction(0x06, 0, 0x7fff_0000), instruction(0x06, 0, 0x0005_0000 | 38)]);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_no_new_privileges().expect("prctl(2)");
            install(&program).expect("a filter of our own");
            act()
        });
        thread.join().expect("the test's own thread")
    })
}

/// The same number on every architecture (asm-generic/unistd.h), as all since Linux 5.0.
const MOUNT_SETATTR: u32 = 442;
const FSOPEN: u32 = 430;

fn succeeds(outcome: Outcome, text: &str) {
    assert_eq!(outcome.clone().succeeds().stdout, text, "{outcome}");
}

#[test]
fn before_linux_5_12_mounts_are_restricted_by_mount_2() {
    let rr = requires!(Rr::with_alpine());
    let shared = rr.directory("shared");
    std::fs::copy("/bin/busybox", shared.join("busybox")).expect("contrib/test installs busybox-static");
    let at = |options: &str| format!("{}:/x{options}", shared.display());
    let (plain, read_only, no_exec) = (at(""), at(":ro"), at(":noexec"));
    without(&[MOUNT_SETATTR], || {
        // That the filter works: the other tests' answer is another one.
        let probe = rr.sh(&["-v", &read_only], "touch /x/made 2>&1 || echo refused; cat /proc/self/uid_map | wc -l");
        let probe = probe.succeeds();
        assert!(probe.stdout.ends_with("refused\n1\n"), "{probe}");
        assert!(probe.stderr.contains("no_new_privs"), "{probe}");
        succeeds(rr.sh(&["-v", &plain], "touch /x/made && /x/busybox echo made"), "made\n");
        succeeds(rr.sh(&["-v", &no_exec], "/x/busybox true 2>/dev/null || echo refused"), "refused\n");
        succeeds(rr.sh(&["--read-only"], "touch /made 2>/dev/null || echo refused"), "refused\n");
        let protected = "echo 1 2>/dev/null >/proc/sys/kernel/domainname || echo refused
            mkdir /sys/x 2>/dev/null || echo refused; wc -c </proc/interrupts; ls /sys/firmware | wc -l";
        succeeds(rr.sh(&[], protected), "refused\nrefused\n0\n0\n");
    });
    rr.nothing_is_left();
}

#[test]
fn before_linux_5_2_rr_says_what_is_missing() {
    let rr = requires!(Rr::with_alpine());
    let outcome = without(&[FSOPEN], || rr.sh(&[], "true"));
    let outcome = outcome.fails_with(125, "function not implemented (ENOSYS)");
    assert!(outcome.stderr.contains("hint: "), "{outcome}");
    rr.nothing_is_left();
}
