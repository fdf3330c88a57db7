//! A container's processes stopped: `pause`, and `commit` for as long as it looks at the files.
//!
//! Every process of its pid namespace gets SIGSTOP, again until none is found running: a child that was made
//! meanwhile is found the next time. The user who made the container's user namespace may do that whatever ids its
//! processes have (user_namespaces(7)). Those that were stopped before stay so afterwards.

use super::processes::{Watch, members};
use super::record::Container;
use crate::error::{Doing, Result};
use crate::host::process::ProcessName;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::io;

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
        let doing = || format!("cannot pause container {}", container.plan.name);
        let mut watch = Watch::of(container);
        for _ in 0..MOST_PASSES {
            let members = watch.members().into_iter();
            let running: Vec<i32> = members.filter(|member| !member.is_stopped).map(|member| member.pid).collect();
            if running.is_empty() && !watch.look_anew() {
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

impl Standstill {
    /// It goes on without this; the result is whom it stopped.
    pub fn keep(mut self) -> Vec<ProcessName> {
        // One that is gone needs no continuing.
        std::mem::take(&mut self.0).into_iter().filter_map(|pid| ProcessName::of(pid).ok()).collect()
    }

    /// The standstill of all that stand still in the container, whoever stopped them.
    pub fn of_all_stopped(container: &Container) -> Standstill {
        Standstill(members(container).into_iter().filter(|member| member.is_stopped).map(|member| member.pid).collect())
    }
}

/// Continues processes that [`Standstill::keep`] has named.
///
/// # Errors
/// The first of the system's; all are tried.
pub fn resume(stopped: &[ProcessName]) -> io::Result<()> {
    let mut result = Ok(());
    for process in stopped {
        result = result.and(process.kill(Signal::CONT));
    }
    result
}

impl Drop for Standstill {
    fn drop(&mut self) {
        for pid in &self.0 {
            // One that is gone was killed while it stood still.
            let _ = signal(*pid, Signal::CONT);
        }
    }
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
