//! One command: how it is started, how long it may take, what came of it.

use super::terminal::Terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// A command to be. Its environment is only what was given here.
pub struct RrCommand {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    stdin: Vec<u8>,
    limit: Duration,
}

impl RrCommand {
    pub(super) fn new<I, S>(program: impl AsRef<OsStr>, args: I) -> RrCommand
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        RrCommand {
            program: program.as_ref().to_owned(),
            args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            env: Vec::new(),
            dir: PathBuf::from("/"),
            stdin: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }

    /// Sets a variable of the command's environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> RrCommand {
        self = self.env_remove(name.as_ref());
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable out of it.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> RrCommand {
        self.env.retain(|(present, _)| present != name.as_ref());
        self
    }

    /// The working directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> RrCommand {
        self.dir = dir.as_ref().to_owned();
        self
    }

    /// What it reads on standard input (a pipe); by default nothing but end-of-file.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> RrCommand {
        self.stdin = bytes.as_ref().to_owned();
        self
    }

    /// How long it may take before it is killed and the test fails; a minute by default.
    pub fn within(mut self, limit: Duration) -> RrCommand {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    pub fn output(mut self) -> Outcome {
        let input = std::mem::take(&mut self.stdin);
        let mut running = self.spawn();
        running.write_stdin(&input);
        running.wait()
    }

    /// Starts it; standard input stays an open pipe until [`Running::close_stdin`] or [`Running::wait`].
    pub fn spawn(self) -> Running {
        let mut child = self
            .std_command(&[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let stdin = child.stdin.take();
        let stdout = collect(child.stdout.take().expect("stdout is a pipe"));
        let stderr = collect(child.stderr.take().expect("stderr is a pipe"));
        let line = self.line();
        Running { child, stdin, stdout: Some(stdout), stderr: Some(stderr), line, limit: self.limit }
    }

    /// Starts it as the leader of a session whose controlling terminal is a new pseudo-terminal.
    pub fn terminal(self, rows: u16, columns: u16) -> Terminal {
        // setsid(1) makes the session and takes the terminal, then becomes the program: same process.
        Terminal::spawn(self.std_command(&["setsid", "--ctty", "--"]), rows, columns, self.line(), self.limit)
    }

    /// `wrapper` becomes the program, and so does env(1) before it, which undoes ignored signals: a
    /// test runner started in the background ignores SIGINT, and what it starts would inherit that.
    fn std_command(&self, wrapper: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.arg("--default-signal").args(wrapper).arg(&self.program).args(&self.args);
        command.env_clear().envs(self.env.iter().cloned()).current_dir(&self.dir);
        command
    }

    fn line(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy();
        let args = self.args.iter().map(|arg| format!(" {}", arg.to_string_lossy()));
        program.into_owned() + &args.collect::<String>()
    }
}

/// A command under way. Dropping it kills it (only that process: what rr itself ends is rr's).
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    line: String,
    limit: Duration,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child that was not waited for can be signalled");
    }

    /// Writes to its standard input; a reader that is gone is its own affair.
    pub fn write_stdin(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input was closed before");
        match stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => panic!("{}: stdin: {error}", self.line),
            _ => {}
        }
    }

    /// Gives it end-of-file on standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Closes standard input and waits for the end within the command's time.
    pub fn wait(mut self) -> Outcome {
        self.close_stdin();
        let status = wait_bounded(&mut self.child, self.limit);
        // Whoever still holds the pipes now is something rr left behind; it must not hang the test.
        let finished = super::wait_until(Duration::from_secs(10), || {
            self.stdout.as_ref().is_none_or(JoinHandle::is_finished)
                && self.stderr.as_ref().is_none_or(JoinHandle::is_finished)
        });
        if !finished {
            panic!("`{}` ended, but something keeps its standard output or error open", self.line);
        }
        let text = |handle: Option<JoinHandle<Vec<u8>>>| handle.map(|h| h.join().expect("the reader does not panic"));
        let stdout = text(self.stdout.take()).unwrap_or_default();
        let stderr = text(self.stderr.take()).unwrap_or_default();
        let outcome = Outcome {
            line: self.line.clone(),
            status: status.unwrap_or_else(|| ExitStatus::from_raw(9)),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stdout_bytes: stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        };
        assert!(status.is_some(), "took longer than {:?}, killed: {outcome}", self.limit);
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            end(&mut self.child);
        }
    }
}

/// Waits for `child`; None, with the child killed and reaped, once `limit` is over.
pub(super) fn wait_bounded(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    if let Some(status) = child.try_wait().expect("a child can be waited for") {
        return Some(status);
    }
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a child has a pidfd");
    let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
    // A pidfd polls readable once the process has ended (pidfd_open(2)).
    let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)).expect("poll");
    if ready == 0 {
        end(child);
        return None;
    }
    Some(child.wait().expect("a child can be waited for"))
}

/// Kills and reaps a child that has not been waited for.
pub(super) fn end(child: &mut Child) {
    child.kill().expect("a child that was not waited for can be killed");
    child.wait().expect("a child can be waited for");
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct Outcome {
    line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output as text.
    pub stdout: String,
    /// The same, as it was.
    pub stdout_bytes: Vec<u8>,
    /// Its standard error as text.
    pub stderr: String,
}

impl Outcome {
    /// It ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Outcome {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// It ended with status 0.
    #[track_caller]
    pub fn succeeds(self) -> Outcome {
        self.exits(0)
    }

    /// It succeeded and wrote nothing to standard error.
    #[track_caller]
    pub fn succeeds_quietly(self) -> Outcome {
        assert_eq!(self.stderr, "", "{self}");
        self.exits(0)
    }

    /// rr itself failed with `code` and said so once in its one form, `text` being part of it:
    /// `rr: cannot …: cause`, then only `hint: ` lines; notices may come before. No panic, no backtrace.
    #[track_caller]
    pub fn fails_with(self, code: i32, text: &str) -> Outcome {
        let outcome = self.exits(code);
        let lines: Vec<&str> = outcome.stderr.lines().collect();
        let cannot = lines.iter().filter(|line| line.starts_with("rr: cannot ")).count();
        assert!(cannot <= 1, "one error, not {cannot}: {outcome}");
        let at = lines.iter().rposition(|line| line.starts_with("rr: "));
        let at = at.unwrap_or_else(|| panic!("no line says what failed: {outcome}"));
        assert!(lines[at + 1..].iter().all(|line| line.starts_with("hint: ")), "only hints after the error: {outcome}");
        assert!(outcome.stderr.contains(text), "the error should have {text:?}: {outcome}");
        assert!(!outcome.stderr.contains("panicked"), "a panic is a bug: {outcome}");
        outcome
    }

    /// Standard error has `text` in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Outcome {
        assert!(self.stderr.contains(text), "standard error should have {text:?}: {self}");
        self
    }

    /// Standard output begins with `text`.
    #[track_caller]
    pub fn prints(self, text: &str) -> Outcome {
        assert!(self.stdout.starts_with(text), "standard output should begin with {text:?}: {self}");
        self
    }

    /// Standard output without the newline at its end.
    pub fn line(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n$ {}\n{}\n--- stdout\n{}\n--- stderr\n{}", self.line, self.status, self.stdout, self.stderr)
    }
}
