//! A command on a pseudo-terminal, driven as a person at a keyboard would.

use super::command::{end, wait_bounded};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Everything the command has written so far, and whether the terminal was hung up.
#[derive(Default)]
struct Screen {
    bytes: Vec<u8>,
    closed: bool,
}

/// A command and the terminal it runs on. Dropping it kills the command.
pub struct Terminal {
    child: Child,
    master: OwnedFd,
    /// Kept open so that the terminal's settings can be read after the command is gone.
    slave: OwnedFd,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    /// How much of the screen [`Terminal::expect`] has consumed.
    seen: usize,
    line: String,
    limit: Duration,
}

impl Terminal {
    pub(super) fn spawn(mut command: Command, rows: u16, columns: u16, line: String, limit: Duration) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
            .expect("the terminal's other side");
        tcsetwinsize(&slave, winsize(rows, columns)).expect("a new terminal takes a size");
        let stdio = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let child = command
            .env("TERM", "xterm")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let screen = Arc::new((Mutex::new(Screen::default()), Condvar::new()));
        let (reader, shared) = (master.try_clone().expect("a descriptor"), Arc::clone(&screen));
        std::thread::spawn(move || watch(&reader, &shared));
        Terminal { child, master, slave, screen, seen: 0, line, limit }
    }

    /// Types `text`; `\r` is the Enter key, `\x03` Ctrl-C.
    pub fn send(&self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::write(&self.master, rest).expect("the terminal takes input");
            rest = &rest[written..];
        }
    }

    /// Waits until the output not yet seen has `text`; gives what came before it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + self.limit;
        let (lock, news) = &*self.screen;
        let mut screen = lock.lock().expect("the reader does not panic");
        loop {
            let fresh = &screen.bytes[self.seen..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                let before = String::from_utf8_lossy(&fresh[..at]).into_owned();
                self.seen += at + text.len();
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if screen.closed || left.is_zero() {
                let (fresh, closed) = (String::from_utf8_lossy(fresh).into_owned(), screen.closed);
                // The reader needs the lock, and must not find it poisoned.
                drop(screen);
                panic!("`{}` on a terminal: expected {text:?}, got {fresh:?} (closed: {closed})", self.line);
            }
            screen = news.wait_timeout(screen, left).expect("the reader does not panic").0;
        }
    }

    /// Everything written so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.0.lock().expect("the reader does not panic").bytes).into_owned()
    }

    /// Changes the window's size; the kernel sends SIGWINCH to the foreground process group.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.master, winsize(rows, columns)).expect("a terminal takes a size");
    }

    /// The terminal's settings now: what a shell would find after the command.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.slave).expect("a terminal has settings")
    }

    /// The command's process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the command itself.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child that was not waited for can be signalled");
    }

    /// Waits for the command's end; the terminal stays for [`Terminal::screen`] and [`Terminal::settings`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        match wait_bounded(&mut self.child, self.limit) {
            Some(status) => status,
            None => panic!("`{}` did not end within {:?}; screen:\n{}", self.line, self.limit, self.screen()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            end(&mut self.child);
        }
    }
}

fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Copies output to the screen until the terminal is hung up (EIO, pty(7)) or closed.
fn watch(master: &OwnedFd, screen: &(Mutex<Screen>, Condvar)) {
    let mut buffer = [0; 4096];
    loop {
        let read = rustix::io::read(master, &mut buffer);
        let mut shared = screen.0.lock().expect("nobody panics with the lock");
        match read {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) | Err(_) => shared.closed = true,
            Ok(length) => shared.bytes.extend_from_slice(&buffer[..length]),
        }
        screen.1.notify_all();
        if shared.closed {
            return;
        }
    }
}
