//! The client's side of a running container: signals in, terminal bytes both ways, exit status out.
//!
//! Without a terminal the payload has this process's own standard streams, and all that is left to do
//! is to pass signals on. With one, bytes are copied between the terminal, in raw mode, and the
//! monitor's socket; keys such as Ctrl-C and Ctrl-Z are bytes like any other and take effect inside.
//! The old mode comes back on every way out but SIGKILL, by [`RawMode`]'s drop: all other signals that
//! would end this process are read from a descriptor here.

use super::report;
use crate::error::{Doing, Result};
use crate::launch::protocol::WindowSize;
use crate::launch::{Event, Running};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How a client follows its container.
pub struct Attach {
    /// `--sig-proxy`: signals go to the payload.
    pub signals: SignalProxy,
    /// The bytes that detach; none: nothing does.
    pub detach_keys: Vec<u8>,
    /// `-i`: standard input is read.
    pub input: Input,
    /// How long the payload may take to end after the terminal has hung up.
    pub stop_timeout: Duration,
}

/// See [`Attach::signals`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalProxy {
    /// Signals are passed to the payload.
    On,
    /// A signal ends the client; the container goes on.
    Off,
}

/// See [`Attach::input`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Input {
    Open,
    Closed,
}

/// The size of the terminal at standard output, for the payload's own.
pub fn window() -> Option<WindowSize> {
    let size = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok()?;
    Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
}

/// Signals that go to the payload (podman-run(1), `--sig-proxy`).
const FORWARDED: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGWINCH,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Follows the container to its end, or until the user detaches; returns rr's exit status. The caller
/// called [`hold_signals`] before it started the container.
///
/// # Errors
/// The monitor was killed; or the terminal cannot be used, which ends the container.
pub fn follow(running: Running, attach: &Attach) -> Result<i32> {
    let signals = signal_descriptor()?;
    let raw = match running.terminal() {
        Some(_) if attach.input == Input::Open && isatty(stdin()) => Some(RawMode::enter()?),
        _ => None,
    };
    let mut client = Client {
        attach,
        input_open: attach.input == Input::Open && running.terminal().is_some(),
        terminal_open: running.terminal().is_some(),
        keys: KeyWatch::new(&attach.detach_keys),
        deadline: None,
    };
    let end = client.events(&running, &signals);
    drop(raw);
    match end? {
        End::Exited(code) => {
            running.finish();
            Ok(code)
        }
        End::Detached(code) => {
            running.detach()?;
            Ok(code)
        }
    }
}

/// Holds back [`FORWARDED`] until [`follow`] reads them. Called before the container starts: a signal
/// that comes once the payload runs, however early, is the payload's and must not end the client.
///
/// # Errors
/// The system's.
pub fn hold_signals() -> Result<()> {
    FORWARDED.into_iter().collect::<SigSet>().thread_block().doing(|| "cannot listen for signals")
}

/// A descriptor that delivers [`FORWARDED`], which [`hold_signals`] has blocked.
fn signal_descriptor() -> Result<SignalFd> {
    let set: SigSet = FORWARDED.into_iter().collect();
    let doing = || "cannot listen for signals";
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).doing(doing)
}

enum End {
    Exited(i32),
    Detached(i32),
}

/// What [`follow`] keeps between events.
struct Client<'a> {
    attach: &'a Attach,
    input_open: bool,
    terminal_open: bool,
    keys: KeyWatch<'a>,
    /// After SIGHUP: when the payload is killed.
    deadline: Option<Instant>,
}

impl Client<'_> {
    fn events(&mut self, running: &Running, signals: &SignalFd) -> Result<End> {
        loop {
            let [spoken, signalled, typed, printed] = self.wait(running, signals)?;
            if signalled && let Some(end) = self.take_signals(running, signals)? {
                return Ok(end);
            }
            if printed {
                self.print(running);
            }
            if typed && self.read_keys(running)? {
                return Ok(End::Detached(0));
            }
            if spoken {
                match running.event()? {
                    Event::Notice(text) => report::notice(&text),
                    Event::Exited(exit) => {
                        while self.terminal_open {
                            self.wait_for_terminal(running)?;
                            self.print(running);
                        }
                        return Ok(End::Exited(exit.code()));
                    }
                }
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.deadline = None;
                running.signal(Signal::SIGKILL as i32);
            }
        }
    }

    /// Which of monitor, signals, input and terminal have something.
    fn wait(&self, running: &Running, signals: &SignalFd) -> Result<[bool; 4]> {
        let nothing = PollFlags::empty();
        let terminal = running.terminal().filter(|_| self.terminal_open);
        let monitor = running.as_fd();
        let stdin = stdin();
        let mut fds = [
            PollFd::new(&monitor, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            // poll(2) reports errors and hang-ups even when nothing is asked for, so what is closed
            // must not be there at all: the monitor stands in for it.
            if self.input_open { PollFd::new(&stdin, PollFlags::IN) } else { PollFd::new(signals, nothing) },
            match &terminal {
                Some(terminal) => PollFd::new(terminal, PollFlags::IN),
                None => PollFd::new(signals, nothing),
            },
        ];
        let timeout = self.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => Ok([0, 1, 2, 3].map(|at: usize| !fds[at].revents().is_empty())),
            Err(Errno::INTR) => Ok([false; 4]),
            Err(error) => Err(error).doing(|| "cannot wait for the container"),
        }
    }

    fn wait_for_terminal(&self, running: &Running) -> Result<()> {
        let Some(terminal) = running.terminal() else { return Ok(()) };
        match poll(&mut [PollFd::new(&terminal, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error).doing(|| "cannot wait for the container"),
        }
    }

    fn take_signals(&mut self, running: &Running, signals: &SignalFd) -> Result<Option<End>> {
        while let Some(info) = signals.read_signal().doing(|| "cannot read a signal")? {
            let number = info.ssi_signo as i32;
            if number == Signal::SIGWINCH as i32 && running.terminal().is_some() {
                if let Some(size) = window() {
                    running.resize(size);
                }
                continue;
            }
            let stops = [Signal::SIGTSTP as i32, Signal::SIGCONT as i32, Signal::SIGWINCH as i32].contains(&number);
            if self.attach.signals == SignalProxy::Off && !stops {
                return Ok(Some(End::Detached(128 + number)));
            }
            running.signal(number);
            if number == Signal::SIGTSTP as i32 {
                // The shell that started rr gets its prompt back; SIGCONT then passes through here too.
                nix::sys::signal::raise(Signal::SIGSTOP).doing(|| "cannot stop")?;
            }
            if number == Signal::SIGHUP as i32 {
                // The terminal is gone. What does not end by itself must not stay behind for ever.
                self.deadline = Some(Instant::now() + self.attach.stop_timeout);
            }
        }
        Ok(None)
    }

    /// Terminal to standard output.
    fn print(&mut self, running: &Running) {
        let Some(terminal) = running.terminal() else { return };
        let mut bytes = [0; 16 * 1024];
        match rustix::io::read(terminal, &mut bytes) {
            Ok(0) => self.terminal_open = false,
            Ok(count) => {
                // Output that nobody reads any more is dropped: the payload goes on, as under Docker.
                let _ = write_all(stdout(), &bytes[..count]);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.terminal_open = false,
        }
    }

    /// Standard input to the terminal; true when the keys that detach were typed.
    fn read_keys(&mut self, running: &Running) -> Result<bool> {
        let Some(terminal) = running.terminal() else { return Ok(false) };
        let mut bytes = [0; 4096];
        let count = match rustix::io::read(stdin(), &mut bytes) {
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Ok(0) | Err(_) => {
                self.input_open = false;
                return Ok(false);
            }
            Ok(count) => count,
        };
        let (pass, detach) = self.keys.feed(&bytes[..count]);
        // A payload that has ended takes no more; its end is the next event.
        let _ = write_all(terminal, &pass);
        Ok(detach)
    }
}

/// Writes everything, waiting where the other side is slow.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Looks for the detach keys in what is typed. Bytes that may be their beginning are held back until
/// the next byte decides.
struct KeyWatch<'a> {
    keys: &'a [u8],
    matched: usize,
}

impl KeyWatch<'_> {
    fn new(keys: &[u8]) -> KeyWatch<'_> {
        KeyWatch { keys, matched: 0 }
    }

    /// What is to be passed on, and whether the keys are complete.
    fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut pass = Vec::with_capacity(typed.len() + self.matched);
        for &byte in typed {
            if self.keys.is_empty() {
                pass.push(byte);
                continue;
            }
            // On a mismatch the held bytes go out, but for the longest end of them that is again a
            // beginning of the keys.
            while self.matched > 0 && self.keys[self.matched] != byte {
                let held = &self.keys[..self.matched];
                let keep = (0..self.matched).rev().find(|&length| held.ends_with(&self.keys[..length])).unwrap_or(0);
                pass.extend_from_slice(&held[..self.matched - keep]);
                self.matched = keep;
            }
            if self.keys[self.matched] != byte {
                pass.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.keys.len() {
                return (pass, true);
            }
        }
        (pass, false)
    }
}

/// Raw mode of the terminal at standard input (termios(3)); the old mode comes back on drop.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> Result<RawMode> {
        let doing = || "cannot put the terminal into raw mode";
        let before = tcgetattr(stdin()).doing(doing)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).doing(doing)?;
        Ok(RawMode { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone has no mode to restore.
        let _ = tcsetattr(stdin().as_fd(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_detach_also_when_typed_one_by_one() {
        let mut watch = KeyWatch::new(b"\x10\x11");
        assert_eq!(watch.feed(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(watch.feed(b"b\x10"), (b"\x10b".to_vec(), false));
        assert_eq!(watch.feed(b"\x11rest"), (b"".to_vec(), true));
    }

    #[test]
    fn a_repeated_beginning_is_not_lost() {
        let mut watch = KeyWatch::new(b"aab");
        assert_eq!(watch.feed(b"aaab"), (b"a".to_vec(), true));
        let mut none = KeyWatch::new(b"");
        assert_eq!(none.feed(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    proptest! {
        #[test]
        fn what_is_typed_passes_up_to_the_keys(typed in "[ab]{0,20}", keys in "[ab]{1,4}") {
            let (pass, detach) = KeyWatch::new(keys.as_bytes()).feed(typed.as_bytes());
            let pass = String::from_utf8(pass).unwrap();
            match typed.find(&keys) {
                Some(at) => { prop_assert!(detach); prop_assert_eq!(&pass, &typed[..at]); }
                None => { prop_assert!(!detach); prop_assert!(typed.starts_with(&pass)); prop_assert!(keys.starts_with(&typed[pass.len()..])); }
            }
        }
    }
}
