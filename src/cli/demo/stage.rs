//! Where a chapter's commands run: a directory, a container's name and a port that are the chapter's own, and what ends
//! them and takes everything away again.
//!
//! A command is a shell's, as a reader would type it, and `rr` in it is this program. It runs in a process group of its
//! own: keys go to the tour alone, which then ends the group. Signals are read from a descriptor meanwhile, so that
//! none ends the tour before it has cleaned up.

use super::chapters::Side;
use crate::container::record;
use crate::error::{Doing, Failure, Result};
use crate::launch::StoreNamespace;
use crate::store::Store;
use crate::sys::process::{ExecWords, spawn_leader};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Why the tour goes no further.
pub enum Ending {
    /// It cannot.
    Failed(Failure),
    /// Somebody wants it to end; with this exit status.
    Stopped(i32),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Ending {
        Ending::Failed(failure)
    }
}

/// What a command did.
pub struct Ran {
    /// What it wrote to standard output and standard error, in the order in which it did.
    pub output: String,
    /// 128 + n where signal n ended it.
    pub status: i32,
}

/// Signals that end the tour.
const ENDS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// The signals that end the tour, held back for it.
pub struct Signals(SignalFd);

impl Signals {
    /// From here on they are read.
    ///
    /// # Errors
    /// The system's.
    pub fn hold() -> Result<Signals> {
        let doing = || "cannot listen for signals";
        let set: SigSet = ENDS.into_iter().collect();
        set.thread_block().doing(doing)?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).doing(doing)?;
        Ok(Signals(descriptor))
    }

    /// Whether one has come.
    ///
    /// # Errors
    /// [`Ending::Stopped`]: it has.
    pub fn look(&self) -> std::result::Result<(), Ending> {
        match self.0.read_signal().doing(|| "cannot listen for signals")? {
            Some(signal) => Err(Ending::Stopped(128 + signal.ssi_signo as i32)),
            None => Ok(()),
        }
    }

    /// Waits until `other` can be read or has hung up.
    ///
    /// # Errors
    /// [`Ending::Stopped`]: a signal has come first.
    pub fn wait_for(&self, other: impl AsFd) -> std::result::Result<(), Ending> {
        let doing = || "cannot wait for a command of the tour";
        loop {
            let mut fds = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(&other, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                ready => ready.doing(doing)?,
            };
            let ready = !fds[1].revents().is_empty();
            self.look()?;
            if ready {
                return Ok(());
            }
        }
    }
}

/// See the module.
pub struct Stage<'a> {
    signals: &'a Signals,
    /// `bin` with rr in it, and `work`, in which the commands run.
    base: PathBuf,
    environment: Vec<String>,
    /// What stands for `{…}` in commands.
    values: Vec<(&'static str, String)>,
    /// Names of containers the commands may make.
    containers: [String; 2],
}

impl<'a> Stage<'a> {
    /// Prepares an empty one for containers of `image`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(store: &Store, image: &str, signals: &'a Signals) -> Result<Stage<'a>> {
        let doing = || "cannot make a directory for the tour";
        let base = nix::unistd::mkdtemp(&std::env::temp_dir().join("rr-demo.XXXXXX")).doing(doing)?;
        let containers = free_names(store);
        let values =
            vec![("name", containers[0].clone()), ("image", image.to_owned()), ("port", free_port().to_string())];
        // From here on dropping it removes the directory.
        let stage = Stage { signals, environment: environment(&base), base, values, containers };
        let bin = stage.base.join("bin");
        std::fs::create_dir(&bin).and_then(|()| std::fs::create_dir(stage.work())).doing(doing)?;
        let program = std::env::current_exe().doing(|| "cannot find rr's own program file")?;
        std::os::unix::fs::symlink(program, bin.join("rr")).doing(doing)?;
        Ok(stage)
    }

    fn work(&self) -> PathBuf {
        self.base.join("work")
    }

    /// The command with its values filled in.
    pub fn fill(&self, command: &str) -> String {
        self.values.iter().fold(command.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// What `{name}` in later commands stands for.
    pub fn keep(&mut self, name: &'static str, value: &str) {
        self.values.push((name, value.to_owned()));
    }

    /// Runs a filled command to its end.
    ///
    /// # Errors
    /// [`Ending::Stopped`]: by a signal, and the command was ended.
    pub fn run(&self, side: Side, command: &str) -> std::result::Result<Ran, Ending> {
        // The shell's own way into the directory: this process stays where its user's relative paths lead somewhere.
        let words = match side {
            Side::Host => vec!["sh", "-c", "cd -- \"$1\" && eval \"$2\"", "sh"],
            Side::Inside => vec!["sh", "-c", "exec rr exec \"$1\" sh -c \"$2\"", "sh"],
        };
        let place = match side {
            Side::Host => self.work().display().to_string(),
            Side::Inside => self.containers[0].clone(),
        };
        let words: Vec<String> = words.into_iter().map(str::to_owned).chain([place, command.to_owned()]).collect();
        self.spawn(&words, Some(self.signals))
    }

    /// Whether a program is found there.
    ///
    /// # Errors
    /// As [`Stage::run`].
    pub fn has(&self, side: Side, program: &str) -> std::result::Result<bool, Ending> {
        Ok(self.run(side, &format!("command -v {program}"))?.status == 0)
    }

    /// Without `signals` nothing ends it before its time.
    fn spawn(&self, words: &[String], signals: Option<&Signals>) -> std::result::Result<Ran, Ending> {
        let doing = || "cannot start a command of the tour";
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing(doing)?;
        let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing(doing)?;
        let exec = ExecWords::new(words, &self.environment).map_err(|cause| Failure::new(doing(), cause))?;
        let streams = [nothing.as_fd(), writer.as_fd(), writer.as_fd()];
        let child = spawn_leader(Path::new("/bin/sh"), &exec, streams).doing(doing)?;
        drop(writer);
        let output = read(&reader, signals);
        if output.is_err() {
            let killed = Pid::from_raw(child.pid).map(|group| kill_process_group(group, rustix::process::Signal::KILL));
            if killed != Some(Ok(())) {
                // It is no leader yet: there is nobody else in the group.
                rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL).ok();
            }
        }
        let ended = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        let ended = ended.doing(|| "cannot wait for a command of the tour")?;
        let status = ended
            .and_then(|status| status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)));
        Ok(Ran { output: output?, status: status.unwrap_or(1) })
    }

    /// Ends the containers that are still there and removes the directory, whoever owns the files in it.
    fn clear(&self) -> Result<()> {
        let words = ["sh", "-c", "exec rr rm -f --ignore \"$@\" >/dev/null", "sh"];
        let words: Vec<String> = words.map(str::to_owned).into_iter().chain(self.containers.clone()).collect();
        // A signal is no reason to leave something behind.
        if let Err(Ending::Failed(failure)) = self.spawn(&words, None) {
            return Err(failure);
        }
        let doing = || format!("cannot remove {}", self.base.display());
        std::fs::remove_dir_all(&self.base)
            .doing(doing)
            .or_else(|_| StoreNamespace::here()?.run(|| std::fs::remove_dir_all(&self.base).doing(doing)))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.clear() {
            crate::cli::report::failure(&failure);
        }
    }
}

/// Everything until its end of file.
fn read(reader: &OwnedFd, signals: Option<&Signals>) -> std::result::Result<String, Ending> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        signals.map_or(Ok(()), |signals| signals.wait_for(reader))?;
        match rustix::io::read(reader, &mut piece) {
            Err(Errno::INTR) => {}
            Ok(0) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            // Nothing in the tour writes as much; what does is not kept.
            Ok(length) if bytes.len() < 1 << 20 => bytes.extend_from_slice(&piece[..length]),
            other => drop(other.doing(|| "cannot read what a command of the tour writes")?),
        }
    }
}

/// Names of containers that nobody has.
fn free_names(store: &Store) -> [String; 2] {
    let names = |number: u32| {
        let first = if number == 1 { "tour".to_owned() } else { format!("tour{number}") };
        [first.clone(), format!("{first}-host")]
    };
    let free = |names: &[String; 2]| names.iter().all(|name| record::find(store, name).is_err());
    (1..).map(names).find(free).unwrap_or_else(|| names(1))
}

/// A port that nobody listens on at the moment. Not one that the kernel gives to whoever asks for any
/// (`ip_local_port_range`, 32768 and up), and another one for each tour that runs at the same time.
fn free_port() -> u16 {
    let start = std::process::id() % 10_000;
    let port = |step: u32| 20_000 + u16::try_from((start + step) % 10_000).unwrap_or(0);
    (0..10_000).map(port).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap_or(8080)
}

/// This process's, with this rr before any other; a variable that is no text is left out.
fn environment(base: &Path) -> Vec<String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let path = std::env::var("PATH").unwrap_or_else(|_| usual.to_owned());
    std::env::vars_os()
        .filter_map(text)
        .filter(|(name, _)| name != "PATH")
        .chain([("PATH".to_owned(), format!("{}:{path}", base.join("bin").display()))])
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
