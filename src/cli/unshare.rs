//! `rr unshare`

use super::verbs::Verb;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::StoreNamespace;
use crate::launch::unshared::{self, Entered, Mounts, Proc, Wanted};
use crate::sys::process::{Child, Namespaces, signal};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Run a command as root of the store's user namespace, and of others where wanted
///
/// You are root there, and have every id that /etc/subuid and /etc/subgid give you: the way to files of
/// subordinate ids. It is no container: the files are the host's. The options are those of unshare(1).
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr unshare [OPTIONS] [COMMAND [ARGUMENT]...]")]
pub struct Unshare {
    /// Interfaces, addresses and ports of its own; loopback is up (network_namespaces(7))
    #[arg(short = 'n', long)]
    net: bool,
    /// It is process 1, and all its processes end with it (pid_namespaces(7))
    #[arg(short = 'p', long)]
    pid: bool,
    /// A host name of its own (uts_namespaces(7))
    #[arg(short = 'u', long)]
    uts: bool,
    /// System V objects and message queues of its own (ipc_namespaces(7))
    #[arg(short = 'i', long)]
    ipc: bool,
    /// Mounts of the host do not appear later, and with --pid /proc is fresh (mount_namespaces(7))
    #[arg(short = 'm', long)]
    mount: bool,
    /// Its control group is the root of those it sees (cgroup_namespaces(7))
    #[arg(short = 'C', long)]
    cgroup: bool,
    /// With --pid: /proc shows the processes of the new namespace
    #[arg(long)]
    mount_proc: bool,
    /// As --pid does
    #[arg(short = 'f', long, hide = true)]
    fork: bool,
    /// As always
    #[arg(short = 'U', long, hide = true)]
    user: bool,
    /// As always
    #[arg(short = 'r', long, hide = true)]
    map_root_user: bool,
    /// As always with --pid
    #[arg(long, hide = true)]
    kill_child: bool,
    /// Podman's, for a network namespace that containers share; rr has none
    #[arg(long, hide = true)]
    rootless_netns: bool,
    /// The command and its arguments [default: the shell in $SHELL]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    words: Vec<OsString>,
}

impl Verb for Unshare {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        if self.rootless_netns {
            let cause = "containers of rr share no network namespace: each has its own";
            return Err(Failure::new("cannot use --rootless-netns", cause));
        }
        let wanted = self.wanted()?;
        let store = StoreNamespace::here()?;
        if !self.pid {
            unshared::enter(&store, &wanted)?;
            return self.execute();
        }
        let former = hold_signals()?;
        // Its other end closes when process 1 becomes the command.
        let (executed, open) = pipe_with(PipeFlags::CLOEXEC).doing(|| "cannot make a pipe")?;
        match unshared::enter(&store, &wanted)? {
            Entered::Outside(child) => {
                drop(open);
                follow(&child, executed.as_fd())
            }
            Entered::Command => {
                former.thread_set_mask().doing(|| "cannot listen for signals")?;
                self.execute()
            }
        }
    }
}

impl Unshare {
    fn wanted(&self) -> Result<Wanted> {
        if self.mount_proc && !self.pid {
            let cause = "it shows the processes of a pid namespace, and the command has none of its own";
            return Err(Failure::new("cannot mount a fresh /proc", cause).hint("add --pid"));
        }
        let asked = [
            (self.net, Namespaces::NETWORK),
            (self.pid, Namespaces::PID),
            (self.uts, Namespaces::UTS),
            (self.ipc, Namespaces::IPC),
            (self.cgroup, Namespaces::CGROUP),
        ];
        let asked = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, namespace)| namespace);
        let private = self.mount || self.mount_proc;
        Ok(Wanted {
            namespaces: asked.fold(Namespaces::NONE, Namespaces::and),
            mounts: if private { Mounts::Private } else { Mounts::Received },
            proc: if private && self.pid { Proc::Fresh } else { Proc::Hosts },
        })
    }

    /// Becomes the command.
    fn execute(self) -> Result<i32> {
        let (command, arguments) = match self.words.split_first() {
            Some((command, arguments)) => (command.clone(), arguments),
            None => (shell(), &[][..]),
        };
        let error = Command::new(&command).args(arguments).exec();
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ExitCode::NotFound,
            _ => ExitCode::NotExecutable,
        };
        let failed: std::result::Result<i32, _> = Err(error);
        failed.doing(|| format!("cannot execute {}", command.display())).map_err(|failure| failure.code(code))
    }
}

/// The user's own shell, or else the one that is everywhere.
fn shell() -> OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// Signals that whoever waits for process 1 of a pid namespace passes on to it.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Blocks them; returns the former mask, which is the command's.
fn hold_signals() -> Result<SigSet> {
    let former = SigSet::thread_get_mask().doing(|| "cannot listen for signals")?;
    PASSED_ON.into_iter().collect::<SigSet>().thread_block().doing(|| "cannot listen for signals")?;
    Ok(former)
}

/// Passes signals on to process 1 of the command's pid namespace until it has ended; returns rr's exit status.
fn follow(child: &Child, executed: BorrowedFd<'_>) -> Result<i32> {
    let doing = || "cannot listen for signals";
    // Until then a signal would find rr's own code there, and be lost on it.
    while poll(&mut [PollFd::new(&executed, PollFlags::empty())], None) == Err(rustix::io::Errno::INTR) {}
    let set: SigSet = PASSED_ON.into_iter().collect();
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).doing(doing)?;
    let mut killed_by = None;
    loop {
        let mut fds = [PollFd::new(&child.pidfd, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled.doing(doing)?,
        };
        // What came before the end is passed on before the end is looked at.
        while let Some(info) = signals.read_signal().doing(doing)? {
            pass_on(child, info.ssi_signo as i32, info.ssi_code > 0, &mut killed_by);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if let Some(status) =
            waitid(WaitId::PidFd(child.pidfd.as_fd()), options).doing(|| "cannot wait for the command")?
        {
            let signal = killed_by.or(status.terminating_signal());
            return Ok(status.exit_status().unwrap_or_else(|| 128 + signal.unwrap_or(0)));
        }
    }
}

/// Passes one on. `from_terminal`: the kernel has sent it to the whole foreground process group already.
///
/// Process 1 hears of no signal that it has no handler for, and only SIGKILL from outside ends it all the same
/// (pid_namespaces(7)): where anybody else would have died of this one, it dies of that.
fn pass_on(child: &Child, number: i32, from_terminal: bool, killed_by: &mut Option<i32>) {
    // That it has ended meanwhile is what any of these fail of.
    if would_end(child.pid, number) {
        *killed_by = Some(number);
        pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL).ok();
    } else if let (false, Some(signal)) = (from_terminal, signal(number)) {
        pidfd_send_signal(&child.pidfd, signal).ok();
    }
}

/// Whether the process neither handles, ignores nor blocks the signal, by the masks of proc_pid_status(5).
fn would_end(pid: i32, number: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
    };
    match (mask("SigBlk:"), mask("SigIgn:"), mask("SigCgt:")) {
        (Some(blocked), Some(ignored), Some(caught)) => (blocked | ignored | caught) & (1 << (number - 1)) == 0,
        _ => false,
    }
}
