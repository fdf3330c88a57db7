//! For unit tests only: runs a closure as root of new namespaces, the way a container's init runs.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getgid, getuid};
use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, exit};

/// Runs `test` in a child that is root of a new user namespace with many ids, and process 1 of new
/// mount, pid, uts, ipc, net and cgroup namespaces without mount propagation to the outside. Panics
/// with what the child panicked with. Where the machine gives no such namespaces the test is skipped
/// with a line that says so; with `RR_TEST_MUST_WORK` set that is a failure.
pub fn in_new_namespaces(test: impl FnOnce()) {
    let (mut wait_for_map, mut mapped) = std::io::pipe().unwrap();
    let (mut unshared, mut say_unshared) = std::io::pipe().unwrap();
    let (mut answer, mut say) = std::io::pipe().unwrap();
    // SAFETY: the child only runs this crate's code, and glibc's allocator is usable after fork(2) in a
    // program with threads; it ends with `exit` and never returns into the test runner.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop((mapped, unshared, answer));
            let outcome = unshare(libc::CLONE_NEWUSER);
            let outcome = outcome.and_then(|()| {
                say_unshared.write_all(b"u").unwrap();
                wait_for_map.read_exact(&mut [0]).map_err(|_| "SKIP no id map".to_owned())?;
                as_init(test)
            });
            let message = outcome.err().unwrap_or_default();
            say.write_all(message.as_bytes()).unwrap();
            drop(say);
            exit(0);
        }
        ForkResult::Parent { child } => {
            drop((wait_for_map, say_unshared, say));
            if unshared.read_exact(&mut [0]).is_ok() && write_maps(child) {
                mapped.write_all(b"m").unwrap();
            }
            drop(mapped);
            let mut message = String::new();
            answer.read_to_string(&mut message).unwrap();
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            match message.strip_prefix("SKIP ") {
                Some(reason) if std::env::var_os("RR_TEST_MUST_WORK").is_none() => eprintln!("skipped: {reason}"),
                _ => assert!(message.is_empty(), "in the namespaces: {message}"),
            }
        }
    }
}

/// Becomes root, unshares the rest and runs `test` in a further child, process 1 of the pid namespace.
fn as_init(test: impl FnOnce()) -> Result<(), String> {
    let rest = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP;
    let zero = nix::unistd::Uid::from_raw(0);
    let no_group = nix::unistd::Gid::from_raw(0);
    nix::unistd::setresgid(no_group, no_group, no_group).map_err(|errno| format!("setresgid: {errno}"))?;
    nix::unistd::setresuid(zero, zero, zero).map_err(|errno| format!("setresuid: {errno}"))?;
    unshare(rest)?;
    let (mut answer, mut say) = std::io::pipe().unwrap();
    // SAFETY: as above; this process has one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop(answer);
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            use rustix::mount::MountPropagationFlags as Change;
            rustix::mount::mount_change("/", Change::PRIVATE | Change::REC).unwrap();
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)) {
                let message = panic.downcast_ref::<String>().cloned();
                let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                say.write_all(message.unwrap_or_else(|| "a panic".to_owned()).as_bytes()).unwrap();
            }
            drop(say);
            exit(0);
        }
        ForkResult::Parent { child } => {
            drop(say);
            let mut message = String::new();
            answer.read_to_string(&mut message).unwrap();
            let status = waitpid(child, None).unwrap();
            if message.is_empty() && status != WaitStatus::Exited(child, 0) {
                message = format!("{status:?}");
            }
            if message.is_empty() { Ok(()) } else { Err(message) }
        }
    }
}

fn unshare(namespaces: i32) -> Result<(), String> {
    // SAFETY: only namespaces are unshared, no memory and no descriptors (unshare(2)).
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(format!("SKIP unshare: {}", io::Error::last_os_error())),
    }
}

/// `0→me, 1→subordinate ids`: directly as root, else by the helpers.
fn write_maps(child: Pid) -> bool {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    if user == 0 {
        // The second map is for a test inside a test, where 0 to 65536 are all the ids there are.
        return ["0 0 1\n1 100000 65536\n", "0 0 1\n1 1 65536\n"].into_iter().any(|map| {
            ["uid_map", "gid_map"].into_iter().all(|file| fs::write(format!("/proc/{child}/{file}"), map).is_ok())
        });
    }
    [("newuidmap", user, "/etc/subuid"), ("newgidmap", group, "/etc/subgid")].into_iter().all(|(helper, id, file)| {
        let Some((first, length)) = subordinate_ids(file, user) else { return false };
        let words = [child.to_string(), "0".into(), id.to_string(), "1".into(), "1".into(), first, length];
        Command::new(helper).args(words).status().is_ok_and(|status| status.success())
    })
}

fn subordinate_ids(file: &str, user: u32) -> Option<(String, String)> {
    let name = nix::unistd::User::from_uid(user.into()).ok()??.name;
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        (owner == name || owner == user.to_string()).then_some(())?;
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    })
}
