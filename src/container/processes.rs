//! The processes of a container, found in the host's /proc: for `pause`, `top` and `stats`.

use super::plan::Means;
use super::record::Container;
use std::collections::{BTreeMap, BTreeSet};

/// A process of the container.
#[derive(Debug, Clone)]
pub struct Member {
    /// Process id as the host's /proc shows it.
    pub pid: i32,
    /// Or no more than a zombie.
    pub is_stopped: bool,
    /// What /proc/PID/status says of it.
    pub status: Status,
}

/// The processes of a container, by their ids; of one that does not run there are none.
///
/// All that descend from the monitor and are in a pid namespace below its own (the container's, and any that were made
/// in it), if it has one. Their namespaces themselves are not asked, since a process that is not dumpable (process 1 under `--init`,
/// ssh-agent) keeps them to itself.
pub fn members(container: &Container) -> Vec<Member> {
    Watch::of(container).members()
}

/// Looks for the processes of a container again and again.
#[derive(Debug)]
pub struct Watch {
    monitor: Option<i32>,
    means: Means,
    /// Who was none of them and is not looked at again, so that whoever forks all the time does not outrun this.
    strangers: BTreeSet<i32>,
    /// Whether the last look passed over any.
    has_skipped: bool,
}

impl Watch {
    /// Has not looked yet.
    pub fn of(container: &Container) -> Watch {
        let monitor = container.state.monitor.as_ref().filter(|monitor| monitor.lives());
        Watch {
            monitor: monitor.map(|monitor| monitor.pid),
            means: container.plan.means,
            strangers: BTreeSet::new(),
            has_skipped: false,
        }
    }

    /// Those there are now.
    pub fn members(&mut self) -> Vec<Member> {
        self.has_skipped = !self.strangers.is_empty();
        self.monitor.map_or_else(Vec::new, |monitor| members_below(monitor, self.means, &mut self.strangers))
    }

    /// Has the next look be at everybody: a process may have got the id of a stranger that is gone. False where the last
    /// one was.
    pub fn look_anew(&mut self) -> bool {
        self.strangers.clear();
        self.has_skipped
    }
}

/// The children of a process, by their ids.
pub fn children(parent: i32) -> Vec<(i32, Status)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Status::of(pid)?))).filter(|(_, status)| status.parent == parent).collect()
}

fn members_below(monitor: i32, means: Means, strangers: &mut BTreeSet<i32>) -> Vec<Member> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids = pids.filter(|pid| !strangers.contains(pid));
    let text =
        |pid: i32| Some(String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/status")).ok()?).into_owned());
    // Of most processes two numbers are enough.
    let all: BTreeMap<i32, (Lineage, String)> =
        pids.filter_map(|pid| text(pid).and_then(|text| Some((pid, (Lineage::parse(&text)?, text))))).collect();
    let Some(monitors) = all.get(&monitor).map(|(lineage, _)| lineage.depth) else { return Vec::new() };
    // Without namespaces they are in the monitor's own.
    let outside = monitors - usize::from(means.is_chroot());
    let descends = |pid: i32| {
        // The chain is no longer than there are processes, also where it was read while it changed.
        let chain = std::iter::successors(Some(pid), |pid| all.get(pid).map(|(lineage, _)| lineage.parent));
        chain.take(all.len()).any(|ancestor| ancestor == monitor)
    };
    let is_inside = |pid: i32, lineage: &Lineage| lineage.depth > outside && pid != monitor && descends(pid);
    let (inside, others): (Vec<_>, Vec<_>) = all.iter().partition(|(pid, (lineage, _))| is_inside(**pid, lineage));
    strangers.extend(others.into_iter().map(|(pid, _)| *pid).filter(|pid| *pid != monitor));
    let member = |pid: i32, text: &str| {
        let mut status = Status::parse(text)?;
        // From here on the first is the id in the container's own namespace.
        status.pids.drain(..outside);
        Some(Member { pid, is_stopped: status.state.starts_with(['T', 't', 'Z', 'X']), status })
    };
    inside.into_iter().filter_map(|(pid, (_, text))| member(*pid, text)).collect()
}

/// Where a process belongs.
struct Lineage {
    parent: i32,
    /// In how many pid namespaces it has an id.
    depth: usize,
}

impl Lineage {
    fn parse(text: &str) -> Option<Lineage> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        Some(Lineage {
            parent: field("PPid:")?.trim().parse().ok()?,
            depth: field("NSpid:")?.split_whitespace().count(),
        })
    }
}

/// What /proc/PID/status tells everybody (proc_pid_status(5)); ids are the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `S (sleeping)`
    pub state: String,
    /// The parent's process id on the host.
    pub parent: i32,
    /// Its process ids, one for each pid namespace: of a [`Member`] the first is that in the container's.
    pub pids: Vec<i32>,
    /// Real, effective, saved and file system user id.
    pub users: Vec<u32>,
    /// Likewise the groups.
    pub groups: Vec<u32>,
    /// Inheritable, permitted, effective, bounding and ambient capabilities, a bit each.
    pub capabilities: [u64; 5],
    /// 0: none, 1: strict, 2: a filter (seccomp(2)).
    pub seccomp: u32,
    /// Resident memory (`VmRSS`) in bytes; 0 where it has none, as a zombie.
    pub resident: u64,
    /// Tasks it has, itself included.
    pub threads: u64,
}

impl Status {
    /// That of a process; None where it is gone.
    pub fn of(pid: i32) -> Option<Status> {
        Status::parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/status")).ok()?))
    }

    fn parse(text: &str) -> Option<Status> {
        let fields: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
        let field = |name: &str| fields.get(name).copied();
        let number = |name: &str| field(name).and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0);
        let ids = |name: &str| {
            field(name).unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        };
        let capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .map(|name| field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0));
        Some(Status {
            state: field("State")?.to_owned(),
            parent: field("PPid")?.parse().ok()?,
            pids: field("NSpid")?.split_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
            users: ids("Uid"),
            groups: ids("Gid"),
            capabilities,
            seccomp: u32::try_from(number("Seccomp")).unwrap_or(0),
            resident: number("VmRSS") * 1024,
            threads: number("Threads"),
        })
    }
}

/// What /proc/PID/stat tells everybody (proc_pid_stat(5)). Times are in clock ticks, a hundredth of a second each
/// (USER_HZ, which is 100 on every architecture rr is for).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// The program's name, at most 15 bytes.
    pub command: String,
    /// Process group, on the host.
    pub group: i32,
    /// Its terminal's device number; 0 for none.
    pub terminal: u32,
    /// Time on a processor.
    pub used: u64,
    /// That of the children it has waited for, and of theirs.
    pub used_by_children: u64,
    /// -20 to 19.
    pub nice: i32,
    /// When it was started, after boot.
    pub started: u64,
    /// Bytes of its address space.
    pub size: u64,
}

/// Clock ticks in a second.
pub const TICKS: u64 = 100;

impl Stat {
    /// None for one that is gone.
    pub fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    fn parse(text: &str) -> Option<Stat> {
        // The name, in parentheses, may hold anything.
        let (before, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of them is the third of the manual's.
        let number = |place: usize| fields.get(place - 3)?.parse::<i64>().ok();
        let positive = |place: usize| number(place).and_then(|number| u64::try_from(number).ok());
        Some(Stat {
            command: before.split_once('(')?.1.to_owned(),
            group: i32::try_from(number(5)?).ok()?,
            terminal: number(7)? as u32,
            used: positive(14)? + positive(15)?,
            used_by_children: positive(16)? + positive(17)?,
            nice: i32::try_from(number(19)?).ok()?,
            started: positive(22)?,
            size: positive(23)?,
        })
    }
}

/// Its arguments with blanks between them, or its program's name in brackets where it has none.
pub fn command_line(pid: i32, stat: &Stat) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return format!("[{}]", stat.command);
    }
    // What a payload names itself must not reach the terminal as control characters.
    let text = String::from_utf8_lossy(bytes).replace('\0', " ");
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_process_is_read() {
        let me = std::process::id() as i32;
        let status = Status::parse(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        assert_eq!(status.pids.first(), Some(&me));
        assert!(status.resident > 0 && status.threads > 0 && status.users.len() == 4, "{status:?}");
        let stat = Stat::of(me).unwrap();
        assert!(stat.started > 0 && stat.size > 0 && !stat.command.is_empty(), "{stat:?}");
        assert!(!command_line(me, &stat).contains('\0'));
    }

    #[test]
    fn a_status_is_read() {
        let text = "Name:\tsh\nState:\tS (sleeping)\nPPid:\t7\nUid:\t1000\t1001\t1000\t1000\nGid:\t5\t5\t5\t5\n\
                    NSpid:\t9\t3\t1\nVmRSS:\t    1024 kB\nThreads:\t2\nCapInh:\t0000000000000000\n\
                    CapPrm:\t00000000a80425fb\nCapEff:\t0\nCapBnd:\t1\nCapAmb:\t2\nSeccomp:\t2\n";
        let expected = Status {
            state: "S (sleeping)".into(),
            parent: 7,
            pids: vec![9, 3, 1],
            users: vec![1000, 1001, 1000, 1000],
            groups: vec![5; 4],
            capabilities: [0, 0xa804_25fb, 0, 1, 2],
            seccomp: 2,
            resident: 1 << 20,
            threads: 2,
        };
        assert_eq!(Status::parse(text), Some(expected));
        assert_eq!(Status::parse("State:\tS\n"), None);
    }

    #[test]
    fn a_name_with_parentheses_shifts_no_field() {
        let text = "7 (a) (b)) S 1 70 3 34817 5 6 7 8 9 10 11 12 13 14 20 -5 17 18 4242 4096 21";
        let expected = Stat {
            command: "a) (b)".into(),
            group: 70,
            terminal: 34817,
            used: 23,
            used_by_children: 27,
            nice: -5,
            started: 4242,
            size: 4096,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (sh"), None);
    }

    proptest! {
        #[test]
        fn no_text_ends_it(text in "\\PC*") {
            let _ = (Status::parse(&text), Stat::parse(&text));
        }
    }
}
