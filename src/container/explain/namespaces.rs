//! The eight namespaces (namespaces(7)), by the numbers that /proc/PID/ns shows.

use super::Seen;
use rustix::fs::CWD;
use serde::Serialize;

/// One kind of namespace, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Namespace {
    /// The name in /proc/PID/ns.
    pub kind: &'static str,
    /// What it keeps apart, in a few words.
    pub keeps: &'static str,
    /// The manual page.
    pub manual: &'static str,
    /// The inode number of the one that this process of rr is in, which names it as long as anybody is in it.
    pub host: Seen<u64>,
    /// That of the container's.
    pub container: Seen<u64>,
}

impl Namespace {
    /// Whether the container is in the host's; None where that could not be read.
    pub fn is_shared(&self) -> Option<bool> {
        Some(self.host.get()? == self.container.get()?)
    }
}

const KINDS: [(&str, &str, &str); 8] = [
    ("user", "user and group ids, capabilities", "user_namespaces(7)"),
    ("mnt", "what is mounted where", "mount_namespaces(7)"),
    ("pid", "process ids", "pid_namespaces(7)"),
    ("uts", "host name and domain name", "uts_namespaces(7)"),
    ("ipc", "shared memory, semaphores, message queues", "ipc_namespaces(7)"),
    ("net", "interfaces, addresses, routes, ports", "network_namespaces(7)"),
    ("cgroup", "the root of the control groups that are shown", "cgroup_namespaces(7)"),
    ("time", "the clocks of boot and uptime", "time_namespaces(7)"),
];

/// Whether those of a process may be looked at.
pub fn are_readable(pid: i32) -> bool {
    matches!(number(&pid.to_string(), "user"), Seen::Is(_))
}

/// Those of this process and of the process `pid`.
pub fn all(pid: i32) -> Vec<Namespace> {
    let kind = |&(kind, keeps, manual): &(&'static str, &'static str, &'static str)| Namespace {
        kind,
        keeps,
        manual,
        host: number("self", kind),
        container: number(&pid.to_string(), kind),
    };
    KINDS.iter().map(kind).collect()
}

/// The number in the link `user:[4026531837]`.
fn number(process: &str, kind: &str) -> Seen<u64> {
    let path = format!("/proc/{process}/ns/{kind}");
    let read = rustix::fs::readlinkat(CWD, path.as_str(), Vec::new()).map_err(std::io::Error::from).and_then(|link| {
        let text = link.to_str().ok().and_then(|text| text.split(['[', ']']).nth(1)?.parse().ok());
        text.ok_or_else(|| std::io::Error::from_raw_os_error(libc::EPROTO))
    });
    Seen::from(read, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shares_all_with_itself() {
        let all = all(std::process::id() as i32);
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|namespace| namespace.is_shared() == Some(true)), "{all:?}");
        assert!(all.iter().all(|namespace| namespace.host.get().is_some_and(|number| *number > 0)));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let Seen::Unreadable(why) = number("0", "user") else { panic!("there is no process 0") };
        assert!(why.starts_with("/proc/0/ns/user: ") && why.contains("ENOENT"), "{why}");
    }
}
