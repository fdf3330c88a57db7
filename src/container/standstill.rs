//! A container's processes stopped for as long as somebody looks at its files: `commit --pause`.
//!
//! Every process of its pid namespace gets SIGSTOP, again until none is found running: a child that was made
//! meanwhile is found the next time. The user who made the container's user namespace may do that whatever ids its
//! processes have (user_namespaces(7)). Those that were stopped before stay so afterwards.

use super::record::Container;
use crate::error::{Doing, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A standstill; it ends when this is dropped.
#[derive(Debug)]
pub struct Standstill(BTreeSet<i32>);

/// Passes until only processes that are stopped already are found. A fork(2) bomb may outrun any number.
const MOST_PASSES: usize = 50;

impl Standstill {
    /// Stops the processes of the container; of one that does not run there are none.
    ///
    /// # Errors
    /// The system's.
    pub fn of(container: &Container) -> Result<Standstill> {
        let mut standstill = Standstill(BTreeSet::new());
        let Some(init) = &container.state.init else { return Ok(standstill) };
        if !init.lives() {
            return Ok(standstill);
        }
        let Some(namespace) = pid_namespace(init.pid) else { return Ok(standstill) };
        let doing = || format!("cannot pause container {}", container.plan.name);
        for _ in 0..MOST_PASSES {
            let running: Vec<i32> = processes()
                .filter(|pid| pid_namespace(*pid).as_ref() == Some(&namespace))
                .filter(|pid| !is_stopped(*pid))
                .collect();
            if running.is_empty() {
                break;
            }
            for pid in running {
                if signal(pid, Signal::STOP).doing(doing)? {
                    standstill.0.insert(pid);
                }
            }
        }
        Ok(standstill)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        for pid in &self.0 {
            // One that is gone was killed while it stood still.
            let _ = signal(*pid, Signal::CONT);
        }
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The pid namespace of a process, as the kernel names it; None for one that is gone or somebody else's.
fn pid_namespace(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// Whether a process is stopped, or is no more than a zombie (proc_pid_stat(5)).
fn is_stopped(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes().first().copied());
    matches!(state, Some(Some(b'T' | b't' | b'Z' | b'X')))
}

/// Sends a signal; false where there is no such process any more.
fn signal(pid: i32, signal: Signal) -> rustix::io::Result<bool> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(false) };
    match kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno),
    }
}
