//! `stats`: what a container uses at one moment.
//!
//! Of a container that has a control group its files say it, as far as its controllers reach
//! (Documentation/admin-guide/cgroup-v2.rst). Else the figures are sums over its processes, from the host's
//! /proc: what a process that nobody waits for (its parent ignores SIGCHLD) has used is lost with it, and memory is
//! the proportional set size, in which a page that several processes share counts once.

use super::processes::{Member, Stat, TICKS, members};
use super::record::{Container, Status};
use crate::confine::cgroup::value_of;
use crate::error::{Doing, Result};
use crate::net::NetworkMode;
use std::time::Duration;

/// Sums of a container from its start, and what it has at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors, to a hundredth of a second.
    pub processor: Duration,
    /// Bytes of memory.
    pub memory: u64,
    /// Tasks: processes and their threads.
    pub tasks: u64,
    /// Bytes through the network's devices, but for loopback.
    pub network: Traffic,
    /// Bytes from and to block devices.
    pub block: Traffic,
    /// Bytes of memory that it may use, where it was given a limit.
    pub memory_limit: Option<u64>,
}

/// Bytes in two directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received, or read.
    pub read: u64,
    /// Sent, or written.
    pub written: u64,
}

impl Usage {
    /// Of a container that does not run all is zero, as Docker has it.
    pub fn of(container: &Container) -> Usage {
        if !matches!(container.state.status, Status::Running | Status::Paused) {
            return Usage::default();
        }
        let mut usage = Usage::default();
        let mut ticks = 0;
        for member in members(container) {
            let stat = Stat::of(member.pid).unwrap_or_default();
            ticks += stat.used + stat.used_by_children;
            usage.memory += proportional_size(&member);
            usage.tasks += member.status.threads;
            let block = read(member.pid, "io").as_deref().map(parse_io).unwrap_or_default();
            usage.block.read += block.read;
            usage.block.written += block.written;
        }
        if let Some(monitor) = &container.state.monitor {
            // The container's processes that it has waited for: those of `exec`, and of former runs.
            ticks += Stat::of(monitor.pid).map_or(0, |stat| stat.used_by_children);
        }
        usage.processor = Duration::from_millis(ticks * (1000 / TICKS));
        if let Some(group) = container.group() {
            usage.ask(|file| group.read(file));
        }
        // The host's network counts for everybody.
        if let Some(init) = container.state.init.as_ref().filter(|_| container.plan.network.mode != NetworkMode::Host) {
            usage.network = read(init.pid, "net/dev").as_deref().map(parse_devices).unwrap_or_default();
        }
        usage
    }
}

impl Usage {
    /// Its limit of memory on a machine that has `all`.
    pub fn limit(&self, all: u64) -> u64 {
        self.memory_limit.map_or(all, |limit| limit.min(all))
    }

    /// Takes from the files of a control group what they say, as Docker reads them.
    fn ask(&mut self, read: impl Fn(&str) -> Option<String>) {
        let number = |file: &str| read(file).and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(used) = read("cpu.stat").and_then(|text| value_of(&text, "usage_usec")) {
            self.processor = Duration::from_micros(used);
        }
        if let Some(memory) = number("memory.current") {
            // Pages that nobody needs: they go before anything is killed.
            let cache = read("memory.stat").and_then(|text| value_of(&text, "inactive_file")).unwrap_or(0);
            self.memory = memory.saturating_sub(cache);
        }
        self.memory_limit = number("memory.max");
        self.tasks = number("pids.current").unwrap_or(self.tasks);
        self.block = read("io.stat").map_or(self.block, |text| parse_io_stat(&text));
    }
}

/// Lines of `MAJOR:MINOR rbytes=N wbytes=N …`.
fn parse_io_stat(text: &str) -> Traffic {
    let sum = |key: &str| text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum();
    Traffic { read: sum("rbytes="), written: sum("wbytes=") }
}

/// Bytes of memory that a container may have: all of the machine (proc_meminfo(5)).
///
/// # Errors
/// /proc/meminfo cannot be read.
pub fn memory_limit() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").doing(|| "cannot read /proc/meminfo")?;
    Ok(kilobytes(&text, "MemTotal:"))
}

fn read(pid: i32, file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

/// `Pss` (proc_pid_smaps(5)), which wants the right to trace the process; process 1 under `--init` gives it to nobody, so
/// of that its resident memory counts.
fn proportional_size(member: &Member) -> u64 {
    let rollup = read(member.pid, "smaps_rollup");
    rollup.map_or(member.status.resident, |text| kilobytes(&text, "Pss:"))
}

/// The bytes of `Name:    12 kB`; 0 where there is no such line.
fn kilobytes(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// proc_pid_io(5); the children that a process has waited for are in it.
fn parse_io(text: &str) -> Traffic {
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0);
    Traffic { read: value("read_bytes:"), written: value("write_bytes:") }
}

/// proc_pid_net(5), `dev`: eight numbers of what was received, then of what was sent.
fn parse_devices(text: &str) -> Traffic {
    let mut traffic = Traffic::default();
    for (device, numbers) in text.lines().filter_map(|line| line.split_once(':')) {
        if device.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = numbers.split_whitespace().map(|number| number.parse().unwrap_or(0)).collect();
        traffic.read += numbers.first().copied().unwrap_or(0);
        traffic.written += numbers.get(8).copied().unwrap_or(0);
    }
    traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_but_loopback_are_summed() {
        let text = "Inter-|   Receive      |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n\
                    \x20   lo:     500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n  eth0: 1000 2 0 0 0 0 0 0 70 1 0 0 0 0 0 0\n\
                    eth1:1 2 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";
        assert_eq!(parse_devices(text), Traffic { read: 1001, written: 77 });
        assert_eq!(parse_devices(""), Traffic::default());
    }

    #[test]
    fn a_group_says_what_its_controllers_know() {
        let mut usage = Usage { tasks: 3, memory: 5, ..Usage::default() };
        usage.ask(|file| match file {
            "cpu.stat" => Some("usage_usec 1500\nuser_usec 1\n".into()),
            "memory.current" => Some("9000\n".into()),
            "memory.stat" => Some("anon 1\ninactive_file 1000\n".into()),
            "memory.max" => Some("max\n".into()),
            "io.stat" => Some("8:0 rbytes=1 wbytes=2 rios=3\n8:16 rbytes=10 wbytes=20\n".into()),
            _ => None,
        });
        assert_eq!((usage.processor, usage.memory, usage.tasks), (Duration::from_micros(1500), 8000, 3));
        assert_eq!((usage.memory_limit, usage.block), (None, Traffic { read: 11, written: 22 }));
    }

    #[test]
    fn bytes_of_devices_are_not_those_of_system_calls() {
        let text = "rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\n\
                    cancelled_write_bytes: 5\n";
        assert_eq!(parse_io(text), Traffic { read: 4096, written: 8192 });
        assert_eq!(kilobytes("Rss:   12 kB\nPss:    5 kB\nPss_Dirty: 1 kB\n", "Pss:"), 5120);
    }
}
