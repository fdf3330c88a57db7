//! Processes that are named so that a later one cannot be mistaken for them.
//!
//! A process id is used again after its process is gone, and after a reboot all of them are. Id, start
//! time and boot id together name one process for ever.

use crate::sys::ready::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A process of this machine, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// Process id as the host's /proc shows it.
    pub pid: i32,
    /// Field 22 of proc_pid_stat(5): clock ticks after boot.
    pub start_time: u64,
    /// /proc/sys/kernel/random/boot_id (random(4)).
    pub boot_id: String,
}

impl ProcessName {
    /// Names the living process `pid`.
    ///
    /// # Errors
    /// It is gone, or /proc cannot be read.
    pub fn of(pid: i32) -> io::Result<ProcessName> {
        Ok(ProcessName { pid, start_time: start_time(pid)?, boot_id: boot_id()? })
    }

    /// Whether it still lives (a zombie counts).
    pub fn lives(&self) -> bool {
        boot_id().is_ok_and(|id| id == self.boot_id) && start_time(self.pid).is_ok_and(|time| time == self.start_time)
    }

    /// Waits until it has ended, at most for `patience`; true if it has.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, patience: Option<Duration>) -> io::Result<bool> {
        let Some(pidfd) = self.open()? else { return Ok(true) };
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            let left = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
            // A pidfd becomes readable when its process has ended (pidfd_open(2)).
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], left.as_ref()) {
                Err(Errno::INTR) => {}
                ready => return Ok(ready? > 0),
            }
        }
    }

    /// A descriptor of it; None where it is gone.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            pidfd => pidfd?,
        };
        // Looked at after the descriptor was opened: from here on it is this process or none.
        Ok(self.lives().then_some(pidfd))
    }

    /// Its root directory as a place (`O_PATH`), with what is mounted there; None where it is gone.
    ///
    /// # Errors
    /// The system's: EACCES, where the process is not the user's (proc_pid_root(5)).
    pub fn open_root(&self) -> io::Result<Option<OwnedFd>> {
        use rustix::fs::{Mode, OFlags};
        if !self.lives() {
            return Ok(None);
        }
        let path = format!("/proc/{}/root", self.pid);
        let root = match rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            root => root?,
        };
        // Its name still is the process's, so it was when the directory was opened.
        Ok(self.lives().then_some(root))
    }

    /// Sends it a signal; one that is gone already is fine.
    ///
    /// # Errors
    /// EPERM, where the process is not the user's.
    pub fn kill(&self, signal: Signal) -> io::Result<()> {
        let Some(pidfd) = self.open()? else { return Ok(()) };
        match pidfd_send_signal(&pidfd, signal) {
            Err(Errno::SRCH) => Ok(()),
            result => Ok(result?),
        }
    }
}

/// The boot's id.
///
/// # Errors
/// /proc cannot be read.
pub fn boot_id() -> io::Result<String> {
    // No process outlives its boot.
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(id.clone());
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT_ID.get_or_init(|| id.trim_end().to_owned()).clone())
}

fn start_time(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat).ok_or_else(|| io::Error::other("unexpected text in /proc/PID/stat"))
}

/// Field 22; the second, the command's name in parentheses, may hold anything.
fn parse_start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(parse_start_time(stat), Some(4242));
        assert_eq!(parse_start_time("7 (sh"), None);
    }

    #[test]
    fn this_process_lives_and_another_with_its_pid_does_not() {
        let me = ProcessName::of(std::process::id() as i32).unwrap();
        assert!(me.lives());
        assert!(!ProcessName { start_time: me.start_time + 1, ..me.clone() }.lives());
        assert!(!ProcessName { boot_id: "other".into(), ..me.clone() }.lives());
        assert!(!me.wait(Some(Duration::from_millis(1))).unwrap());
        assert!(ProcessName { start_time: me.start_time + 1, ..me }.wait(None).unwrap());
    }
}
