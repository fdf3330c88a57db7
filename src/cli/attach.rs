//! The client's side of a running container: signals in, terminal bytes both ways, exit status out.
//!
//! Without `-t` the payload has this process's own standard streams ([`super::relay`] stands between it and
//! a terminal), and all that is left to do is to pass signals on. With `-t` bytes are copied between the terminal, in raw mode, and the
//! monitor's socket; keys such as Ctrl-C and Ctrl-Z are bytes like any other and take effect inside.
//! The old mode comes back on every way out but SIGKILL, by [`RawMode`]'s drop: all other signals that
//! would end this process are read from a descriptor here.

use super::relay::Relay;
use super::report;
use crate::container::logs::Tail;
use crate::container::{lifecycle, record};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::launch::logfile::{Ending, Entry, Stream};
use crate::launch::protocol::WindowSize;
use crate::launch::{Event, Interest, Running};
use crate::store::Store;
use crate::sys::ready::timespec;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdin, stdout};
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
    /// What the payload's streams are.
    pub streams: Streams,
    /// What this client's leaving means.
    pub hang_up: HangUp,
    /// Output to pass on to a terminal, where it is neither a terminal's of its own nor logged.
    pub relay: Option<Relay>,
}

/// What a user may say about attaching.
pub struct Attachment {
    /// `--sig-proxy`
    pub signals: SignalProxy,
    /// `--detach-keys`
    pub detach_keys: Vec<u8>,
}

/// See [`Attach::streams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// A terminal, whose modes and size are this client's business.
    Terminal,
    /// Files and pipes.
    Plain,
}

/// See [`Attach::hang_up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// When this client's terminal hangs up the container is to end, within so long.
    Ends(Duration),
    /// The container goes on.
    Leaves,
}

/// What is followed: a container, or one command in it.
pub trait Followed {
    /// Readable when [`Followed::event`] has something.
    fn as_fd(&self) -> BorrowedFd<'_>;
    /// The terminal's bytes or the payload's input; non-blocking.
    fn stream(&self) -> Option<BorrowedFd<'_>>;
    /// What has happened.
    ///
    /// # Errors
    /// It cannot be followed any more.
    fn event(&self) -> Result<Event>;
    /// Passes a signal on.
    fn signal(&self, number: i32);
    /// Tells the terminal its size.
    fn resize(&self, size: WindowSize);
    /// Asks for [`Event::Logged`].
    fn wait_for_log(&self);
}

impl Followed for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        Running::as_fd(self)
    }

    fn stream(&self) -> Option<BorrowedFd<'_>> {
        Running::stream(self)
    }

    fn event(&self) -> Result<Event> {
        Running::event(self)
    }

    fn signal(&self, number: i32) {
        Running::signal(self, number);
    }

    fn resize(&self, size: WindowSize) {
        Running::resize(self, size);
    }

    fn wait_for_log(&self) {
        Running::wait_for_log(self);
    }
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
/// called [`hold_signals`] before it started the container. What is written to `log` is printed.
///
/// # Errors
/// The monitor was killed; or the terminal cannot be used, which ends the container.
pub fn follow(running: Running, attach: &Attach, log: Option<Tail>) -> Result<i32> {
    match events(&running, attach, log)? {
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

/// Attaches to a container that runs; returns the payload's status.
///
/// # Errors
/// It does not run (Docker's words), or cannot be attached to.
pub fn to_running(store: &Store, text: &str, attachment: &Attachment, input: Input) -> Result<i32> {
    let container = record::find(store, text)?;
    let tty = container.plan.stdio.tty;
    // Before the monitor knows of this client: nothing that is written from then on is missed.
    let log = if tty { None } else { Some(Tail::at_end(&container.dir)?) };
    hold_signals()?;
    let Some(running) = lifecycle::attach(&container, Interest::Streams)? else {
        let doing = format!("cannot attach to container {text}");
        let cause = "You cannot attach to a stopped container, start it first";
        let failure = Failure::new(doing, cause).code(ExitCode::General);
        return Err(failure.known(Known::NotRunning { id: container.plan.id }));
    };
    store.tell(&[crate::container::events::event(&container.plan, "attach")]);
    if let (true, Some(size)) = (tty, window()) {
        running.resize(size);
    }
    let how = Attach {
        signals: attachment.signals,
        detach_keys: attachment.detach_keys.clone(),
        input,
        streams: if tty { Streams::Terminal } else { Streams::Plain },
        hang_up: HangUp::Leaves,
        relay: None,
    };
    match events(&running, &how, log)? {
        End::Exited(code) => {
            running.finish();
            Ok(code)
        }
        End::Detached(code) => {
            store.tell(&[crate::container::events::event(&container.plan, "detach")]);
            running.detach().map(|()| code)
        }
    }
}

/// Follows until the end or until the user detaches.
///
/// # Errors
/// As [`follow`].
pub fn events(followed: &dyn Followed, attach: &Attach, log: Option<Tail>) -> Result<End> {
    let signals = signal_descriptor()?;
    let terminal = attach.streams == Streams::Terminal && followed.stream().is_some();
    let raw = match attach.input {
        Input::Open if terminal && isatty(stdin()) => Some(RawMode::enter()?),
        _ => None,
    };
    let mut client = Client {
        attach,
        input_open: attach.input == Input::Open && followed.stream().is_some(),
        stream_open: followed.stream().is_some(),
        keys: KeyWatch::new(if terminal { &attach.detach_keys } else { &[] }),
        log,
        log_has_more: false,
        deadline: None,
    };
    let end = client.events(followed, &signals);
    drop(raw);
    end
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

/// How following ended, with rr's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum End {
    Exited(i32),
    Detached(i32),
}

/// What [`follow`] keeps between events.
struct Client<'a> {
    attach: &'a Attach,
    input_open: bool,
    stream_open: bool,
    keys: KeyWatch<'a>,
    /// What has not been printed yet of the log.
    log: Option<Tail>,
    /// There may be something to print at once.
    log_has_more: bool,
    /// After SIGHUP: when the payload is killed.
    deadline: Option<Instant>,
}

impl Client<'_> {
    fn events(&mut self, running: &dyn Followed, signals: &SignalFd) -> Result<End> {
        self.log_has_more = self.log.is_some();
        loop {
            if self.log_has_more
                && let Some(end) = self.print_log(running)?
            {
                return Ok(end);
            }
            let [spoken, signalled, typed, printed] = self.wait(running, signals)?;
            if signalled && let Some(end) = self.take_signals(running, signals)? {
                return Ok(end);
            }
            if printed {
                self.print(running);
                self.attach.relay.iter().for_each(|relay| _ = relay.copy());
            }
            if typed && self.read_keys(running)? {
                return Ok(End::Detached(0));
            }
            if spoken {
                match running.event()? {
                    Event::Notice(text) => report::notice(&text),
                    Event::Logged => self.log_has_more = self.log.is_some(),
                    Event::Exited(exit) => {
                        // Whatever was written has been sent or logged before.
                        while self.stream_open && self.has_more(running)? {
                            self.print(running);
                        }
                        while self.attach.relay.as_ref().is_some_and(Relay::copy) {}
                        self.print_log(running)?;
                        while self.log_has_more {
                            self.print_log(running)?;
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
    fn wait(&self, running: &dyn Followed, signals: &SignalFd) -> Result<[bool; 4]> {
        let nothing = PollFlags::empty();
        let terminal = running.stream().filter(|_| self.stream_open);
        let monitor = running.as_fd();
        let stdin = stdin();
        let mut fds = vec![
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
        self.attach.relay.iter().for_each(|relay| relay.watch(&mut fds));
        let timeout = match self.deadline {
            _ if self.log_has_more => Some(Duration::ZERO),
            deadline => deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
        };
        match poll(&mut fds, timeout.map(timespec).as_ref()) {
            Ok(_) => {
                let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
                let [spoken, signalled, typed] = [0, 1, 2].map(|at: usize| ready(&fds[at]));
                Ok([spoken, signalled, typed, fds[3..].iter().any(ready)])
            }
            Err(Errno::INTR) => Ok([false; 4]),
            Err(error) => Err(error).doing(|| "cannot wait for the container"),
        }
    }

    /// Whether the stream has something to read at once.
    fn has_more(&self, running: &dyn Followed) -> Result<bool> {
        let Some(stream) = running.stream() else { return Ok(false) };
        match poll(&mut [PollFd::new(&stream, PollFlags::IN)], Some(&timespec(Duration::ZERO))) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error).doing(|| "cannot wait for the container"),
        }
    }

    /// Prints what has come into the log, then asks to be told of more.
    fn print_log(&mut self, running: &dyn Followed) -> Result<Option<End>> {
        let Some(log) = &mut self.log else { return Ok(None) };
        let mut gone = false;
        let mut print = |entry: Entry<'_>| {
            let to = if entry.stream == Stream::Stdout { stdout() } else { stderr() };
            let mut line = entry.text.to_vec();
            if entry.ending == Ending::Full {
                line.push(b'\n');
            }
            gone |= write_all(to, &line) == Err(Errno::PIPE);
            Ok(())
        };
        // One piece at a time: signals are looked after in between, however much there is.
        self.log_has_more = log.read(&mut print)?;
        if !gone {
            if !self.log_has_more {
                running.wait_for_log();
            }
            return Ok(None);
        }
        self.log_has_more = false;
        self.log = None;
        if let HangUp::Leaves = self.attach.hang_up {
            return Ok(Some(End::Detached(128 + libc::SIGPIPE)));
        }
        // Nobody reads what this container is run for: `rr run image yes | head` ends.
        running.signal(libc::SIGKILL);
        Ok(None)
    }

    fn take_signals(&mut self, running: &dyn Followed, signals: &SignalFd) -> Result<Option<End>> {
        while let Some(info) = signals.read_signal().doing(|| "cannot read a signal")? {
            let number = info.ssi_signo as i32;
            if number == Signal::SIGWINCH as i32 && self.attach.streams == Streams::Terminal {
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
                match self.attach.hang_up {
                    HangUp::Ends(within) => self.deadline = Some(Instant::now() + within),
                    HangUp::Leaves => return Ok(Some(End::Detached(128 + number))),
                }
            }
        }
        Ok(None)
    }

    /// Terminal to standard output.
    fn print(&mut self, running: &dyn Followed) {
        let Some(terminal) = running.stream() else { return };
        let mut bytes = [0; 16 * 1024];
        match rustix::io::read(terminal, &mut bytes) {
            Ok(0) => self.stream_open = false,
            Ok(count) => {
                // Output that nobody reads any more is dropped: the payload goes on, as under Docker.
                let _ = write_all(stdout(), &bytes[..count]);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.stream_open = false,
        }
    }

    /// Standard input to the terminal; true when the keys that detach were typed.
    fn read_keys(&mut self, running: &dyn Followed) -> Result<bool> {
        let Some(terminal) = running.stream() else { return Ok(false) };
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
pub(super) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
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
pub(super) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters it.
    ///
    /// # Errors
    /// Standard input is no terminal, or is gone.
    pub(super) fn enter() -> Result<RawMode> {
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
