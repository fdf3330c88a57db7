//! `--init`: process 1 stays rr's, passes signals on and reaps what is orphaned (pid_namespaces(7)).
//!
//! It is made unreachable first: with PR_SET_DUMPABLE off, nothing in the container can open
//! /proc/1/exe, /proc/1/root or trace it, since its memory belongs to the host's user namespace
//! (CVE-2019-5736; ptrace(2), "Ptrace access mode checking").

use crate::error::{Doing, Result};
use crate::sys::process::{Cloned, close_all_from, exit_now, fork};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{DumpableBehavior, WaitOptions};

/// Forks; returns in the child, which is to become the payload. Process 1 never returns.
pub(super) fn fork_payload(with_terminal: bool) -> Result<()> {
    let doing = || "cannot start the payload under --init";
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(doing)?;
    let all = SigSet::all();
    all.thread_block().doing(doing)?;
    // Not clone3: the filter is in place already, and it knows no way to look into its arguments.
    match fork().doing(doing)? {
        Cloned::Parent(child) => {
            // The payload's copy of the socket to the monitor must be the last: its end is success.
            close_all_from(0);
            supervise(child.pid, &all)
        }
        Cloned::Child => {
            rustix::process::setsid().doing(doing)?;
            if with_terminal {
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).doing(|| "cannot take the terminal")?;
            }
            Ok(())
        }
    }
}

/// Passes signals on until the payload ends; then process 1 ends with its status, and the rest of the
/// container with process 1.
fn supervise(payload: i32, all: &SigSet) -> ! {
    let payload_pid = rustix::process::Pid::from_raw(payload);
    loop {
        match all.wait() {
            Ok(Signal::SIGCHLD) => reap(payload),
            Ok(signal) => {
                let signal = rustix::process::Signal::from_named_raw(signal as i32);
                if let (Some(pid), Some(signal)) = (payload_pid, signal) {
                    // Not reaped yet, so the id is still its own; it may have ended in this instant.
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
            // Real-time signals have no name in nix; they cannot be passed on.
            Err(_) => {}
        }
    }
}

fn reap(payload: i32) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == payload {
            exit_now(match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => code,
                (None, Some(signal)) => 128 + signal,
                (None, None) => continue,
            });
        }
    }
}
