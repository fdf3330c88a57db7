//! What a test's rr left behind: found in /proc, by the store's path.
//!
//! A process belongs to a private home if that path is in its command line, environment, mounts,
//! or open files, or if it shares a pid namespace (other than ours) with such a process. The payload
//! of a container is found by its mounts: its root overlay names the store's layers. The process of a container's
//! network shows nothing of itself but its name and its parent, a process of that home (prctl(2), PR_SET_DUMPABLE).

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A process that belongs to a test's rr.
#[derive(Debug, Clone)]
pub struct Process {
    /// In our pid namespace.
    pub pid: i32,
    /// Arguments joined by blanks; the name in brackets for one that has none.
    pub command: String,
    pid_namespace: Option<PathBuf>,
    parent: i32,
}

/// Everything left of the home at `base`: one line each.
pub fn find(base: &Path) -> Vec<String> {
    let mut found: Vec<String> =
        processes(base).iter().map(|process| format!("process {}: {}", process.pid, process.command)).collect();
    found.extend(mounts(base).iter().map(|mount| format!("mount: {mount}")));
    found.extend(keepers(base).iter().map(|(network, pid)| format!("keeper {pid} of the network {network}")));
    for (kind, directory) in [("container", base.join("data/rr/containers")), ("runtime file", base.join("run/rr"))] {
        found.extend(entries(&directory).iter().map(|path| format!("{kind}: {}", path.display())));
    }
    found
}

/// The processes of the home at `base`, oldest first as far as ids tell.
pub fn processes(base: &Path) -> Vec<Process> {
    let needle = base.as_os_str().as_encoded_bytes();
    let ours = std::process::id() as i32;
    let all: Vec<Process> = numbers_in_proc().into_iter().filter(|pid| *pid != ours).filter_map(read_process).collect();
    let (mut found, others): (Vec<Process>, Vec<Process>) =
        all.into_iter().partition(|process| mentions(process.pid, needle));
    let own = std::fs::read_link("/proc/self/ns/pid").ok();
    let namespaces: BTreeSet<PathBuf> = found
        .iter()
        .filter_map(|process| process.pid_namespace.clone())
        .filter(|ns| Some(ns) != own.as_ref())
        .collect();
    let (members, others): (Vec<Process>, Vec<Process>) =
        others.into_iter().partition(|p| p.pid_namespace.as_ref().is_some_and(|ns| namespaces.contains(ns)));
    found.extend(members);
    let parents: BTreeSet<i32> = found.iter().map(|process| process.pid).collect();
    let hidden = |process: &Process| process.pid_namespace.is_none() && parents.contains(&process.parent);
    found.extend(others.into_iter().filter(hidden));
    found.sort_by_key(|process| process.pid);
    found
}

/// The networks of the home at `base` that a process keeps, and that process.
pub fn keepers(base: &Path) -> Vec<(String, i32)> {
    let keeper = |directory: &PathBuf| {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).ok()?;
        let address = SocketAddrUnix::new(directory.join("keeper")).expect("a short path");
        rustix::net::connect(&socket, &address).ok()?;
        let pid = rustix::net::sockopt::socket_peercred(&socket).ok()?.pid;
        Some((directory.file_name()?.to_string_lossy().into_owned(), pid.as_raw_nonzero().get()))
    };
    entries(&base.join("data/rr/networks")).iter().filter_map(keeper).collect()
}

/// Kills the processes of the home at `base` until there are none.
pub fn end_processes(base: &Path) {
    let gone = super::wait_until(std::time::Duration::from_secs(10), || {
        let left = processes(base);
        for process in &left {
            if let Some(pid) = rustix::process::Pid::from_raw(process.pid) {
                // It may have ended by itself, or (a map helper) not be ours to kill; the loop looks again.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        left.is_empty()
    });
    assert!(gone || std::thread::panicking(), "cannot end: {:#?}", processes(base));
}

/// Mounts below `base` that this process sees: a container's own must never show here.
fn mounts(base: &Path) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let base = base.to_string_lossy();
    text.lines().filter(|line| line.contains(base.as_ref())).map(str::to_owned).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn numbers_in_proc() -> Vec<i32> {
    let names = entries(Path::new("/proc"));
    let mut numbers: Vec<i32> = names.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// None for one that has ended, zombies included: they wait for their parent, and hold nothing.
fn read_process(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself have blanks and parentheses: the state follows the last one (proc(5)).
    let (head, tail) = stat.rsplit_once(") ")?;
    if tail.starts_with(['Z', 'X']) {
        return None;
    }
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&arguments).replace('\0', " ").trim().to_owned();
    let command = if command.is_empty() { format!("[{}]", head.split_once('(')?.1) } else { command };
    let parent = tail.split(' ').nth(1)?.parse().ok()?;
    Some(Process { pid, command, pid_namespace: std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok(), parent })
}

fn mentions(pid: i32, needle: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    // mountinfo of a process in our own mount namespace would show every test's mounts.
    let elsewhere =
        std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok() != std::fs::read_link("/proc/self/ns/mnt").ok();
    let files = if elsewhere { &["cmdline", "environ", "mountinfo"][..] } else { &["cmdline", "environ"] };
    if files.iter().any(|file| std::fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| has(&bytes))) {
        return true;
    }
    let links = entries(Path::new(&format!("/proc/{pid}/fd")));
    links.iter().any(|link| std::fs::read_link(link).is_ok_and(|target| has(target.as_os_str().as_encoded_bytes())))
}
