//! The clients of a running container, as its monitor sees them: the one that started it, and those
//! that attached later.
//!
//! At any time a client has at most a handful of messages to read, so that sending never blocks: the
//! answer to its attaching, one [`ToClient::Logged`] for each [`ToMonitor::Waiting`], and the end.

use super::executions::Executions;
use super::monitor::ToClientChannel;
use super::networks::{Handed, Places};
use super::protocol::{Exit, Listener, ToClient, ToMonitor, WindowSize};
use super::pump::{self, Buffer, PATIENCE, Side, signal};
use super::stdio::let_go_of_clients_streams;
use super::{Launch, Wish};
use crate::error::{Doing, Failure, Result};
use crate::sys::process::Child;
use crate::sys::ready::{is_ready, timespec};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Everybody who is connected.
pub(super) struct Audience {
    clients: Vec<Client>,
    /// Whether one of them wants the container to stay down.
    pub(super) wish: Wish,
    /// Whether one of them has changed the container's plan.
    pub(super) plan: PlanOnDisk,
    /// The last size that one of them has told.
    size: Option<WindowSize>,
}

/// Whether the plan on disk is the one that the container was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PlanOnDisk {
    #[default]
    Same,
    Changed,
}

/// What a client's going means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It started the container, which ends with it unless it detaches.
    Starter,
    /// It came later.
    Guest,
}

struct Client {
    channel: ToClientChannel,
    role: Role,
    /// The terminal's bytes, both ways; or the payload's input.
    stream: Option<OwnedFd>,
    /// How much of the output now passing it has taken.
    taken: usize,
    /// Since when it has taken nothing although there was something.
    stuck: Option<Instant>,
    /// It was stuck for too long: output passes it by until it reads again.
    left_behind: bool,
    log: LogReader,
    /// What it is told once the record says the same.
    owed: Option<ToClient>,
}

/// What clients may ask of.
pub(super) struct Scene<'a> {
    /// None between two runs of the payload.
    pub(super) init: Option<&'a Child>,
    /// The number of the signal that asks the payload to end.
    pub(super) stop_signal: i32,
    /// Where the container is.
    pub(super) places: &'a RefCell<Places>,
    /// Whether there is a terminal, or a pipe for input.
    pub(super) has_streams: bool,
    /// Whether output is logged.
    pub(super) is_logged: bool,
}

impl Scene<'_> {
    /// Passes a signal on; one that asks for the end is also the wish that it be one.
    fn signal(&self, number: i32, wish: &mut Wish) {
        if asks_for_end(number, self.stop_signal) {
            *wish = Wish::StayDown;
        }
        if let Some(init) = self.init {
            signal(init, number);
        }
    }

    /// Takes the container to one more network.
    fn connect(&self, at: Handed, connection: Option<OwnedFd>) -> ToClient {
        let place =
            connection.ok_or_else(|| Failure::new("cannot join a network", "no connection to it has come along"));
        told(place.and_then(|connection| self.places.borrow_mut().join(at, connection)))
    }

    /// Why a client cannot attach, where it cannot.
    fn refusal(&self) -> Option<Failure> {
        let cause = match (self.init, self.has_streams || self.is_logged) {
            (None, _) => "You cannot attach to a restarting container, wait until it is running",
            (Some(_), false) => "it keeps no log, and its output goes straight to the client that started it",
            (Some(_), true) => return None,
        };
        Some(Failure::new("cannot attach to the container", cause))
    }
}

fn told(result: Result<()>) -> ToClient {
    result.map_or_else(ToClient::Failed, |()| ToClient::Started)
}

/// Whether a signal asks the payload to end, so that whoever sends it does not want it back. A SIGHUP that makes a
/// server read its configuration anew must not switch the restarts off.
pub fn asks_for_end(signal: i32, stop_signal: i32) -> bool {
    signal == stop_signal || matches!(signal, libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
}

/// What a client knows of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogReader {
    /// It has read everything and waits to be woken.
    Waiting,
    /// It is reading, and nothing came since it last was told.
    Reading,
    /// It is reading, and there is more than it was told of.
    Behind,
}

impl Client {
    fn new(channel: ToClientChannel, role: Role) -> Client {
        let log = LogReader::Reading;
        Client { channel, role, stream: None, taken: 0, stuck: None, left_behind: false, log, owed: None }
    }

    /// Tells it that it is attached, with a stream where there is one to be had.
    fn admit(&mut self, with_stream: bool) -> Result<()> {
        if !with_stream {
            return self.channel.send(&ToClient::Started);
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, clients) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .doing(|| "cannot make a socket pair for the terminal")?;
        self.stream = Some(ours);
        self.taken = usize::MAX;
        self.channel.send_with(&ToClient::Started, Some(clients.as_fd()))
    }

    /// Has a process started for it in the container, which has none between two runs of the payload.
    fn execute(&self, executions: Option<&mut Executions<'_>>, id: String, descriptors: Vec<OwnedFd>) {
        let channel = self.channel.again().doing(|| "cannot execute a command in the container");
        match (executions, channel) {
            (Some(executions), Ok(channel)) => executions.begin(id, channel, descriptors),
            (_, Err(failure)) => self.refuse(failure),
            (None, Ok(_)) => self.refuse(Failure::new(
                "cannot execute a command in the container",
                "it is restarting, wait until it is running",
            )),
        }
    }

    /// Has a health check made for it.
    fn check(&self, executions: Option<&mut Executions<'_>>) {
        let doing = || "cannot check the container's health";
        match (executions, self.channel.again().doing(doing)) {
            (Some(executions), Ok(channel)) => executions.check(channel),
            (_, Err(failure)) => self.refuse(failure),
            (None, Ok(_)) => self.refuse(Failure::new(doing(), "it is restarting, wait until it is running")),
        }
    }

    fn refuse(&self, failure: Failure) {
        // A client that is gone needs to hear no more.
        let _ = self.channel.send(&ToClient::Failed(failure));
    }

    /// Whether there is nothing of `output` left that it is waited for.
    fn has_taken(&self, output: &[u8]) -> bool {
        self.stream.is_none() || self.left_behind || self.taken >= output.len()
    }

    /// Gives it what it takes of `output`.
    fn print(&mut self, output: &[u8]) {
        let Some(stream) = &self.stream else { return };
        if self.left_behind {
            // It has room again: from the next output on it is waited for like others.
            if is_ready(stream, PollFlags::OUT) {
                (self.left_behind, self.stuck, self.taken) = (false, None, usize::MAX);
            }
            return;
        }
        while self.taken < output.len() {
            match rustix::io::write(stream, &output[self.taken..]) {
                Ok(count) => {
                    self.taken += count;
                    self.stuck = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let since = *self.stuck.get_or_insert_with(Instant::now);
                    self.left_behind = since.elapsed() >= PATIENCE;
                    return;
                }
                Err(_) => {
                    self.stream = None;
                    return;
                }
            }
        }
    }

    /// There is more in the log.
    fn wake(&mut self) {
        self.log = match self.log {
            LogReader::Waiting => {
                // A client that is gone is noticed when its channel is read.
                let _ = self.channel.send(&ToClient::Logged);
                LogReader::Reading
            }
            LogReader::Reading | LogReader::Behind => LogReader::Behind,
        };
    }

    fn waits(&mut self) {
        let more = self.log == LogReader::Behind;
        self.log = LogReader::Waiting;
        if more {
            self.wake();
        }
    }
}

impl Audience {
    /// The client that starts the container, alone.
    pub(super) fn new(starter: ToClientChannel) -> Audience {
        Audience {
            clients: vec![Client::new(starter, Role::Starter)],
            wish: Wish::None,
            plan: PlanOnDisk::Same,
            size: None,
        }
    }

    /// The channel to the client that starts the container, until it has started the first time.
    pub(super) fn starter(&self) -> &ToClientChannel {
        &self.clients[0].channel
    }

    /// Whether the client that started the container is still there.
    pub(super) fn has_starter(&self) -> bool {
        self.clients.iter().any(|client| client.role == Role::Starter)
    }

    /// Tells the starter that the payload runs.
    pub(super) fn admit_starter(&mut self, with_stream: bool) -> Result<()> {
        self.clients[0].admit(with_stream)
    }

    pub(super) fn join(&mut self, channel: ToClientChannel) {
        self.clients.push(Client::new(channel, Role::Guest));
    }

    /// Everybody who waits to be let in.
    pub(super) fn join_all(&mut self, listener: Option<Listener>) {
        while let Some(channel) = listener.as_ref().and_then(Listener::accept) {
            self.join(channel);
        }
    }

    /// Tells everybody; whoever is gone needs to hear no more.
    pub(super) fn tell(&self, message: &ToClient) {
        for client in &self.clients {
            let _ = client.channel.send(message);
        }
    }

    /// Adds what poll(2) is to watch.
    pub(super) fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>, input: &Buffer) {
        for client in &self.clients {
            fds.push(PollFd::new(&client.channel, PollFlags::IN));
            let Some(stream) = &client.stream else { continue };
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, input.is_empty());
            flags.set(PollFlags::OUT, client.stuck.is_some() && !client.left_behind);
            // poll(2) reports a hang-up even when nothing is asked for.
            if !flags.is_empty() {
                fds.push(PollFd::new(stream, flags));
            }
        }
    }

    /// How long the output may still wait for the client that is stuck the longest.
    pub(super) fn patience_left(&self) -> Option<Duration> {
        let waited_for = self.clients.iter().filter(|client| !client.left_behind);
        let longest = waited_for.filter_map(|client| client.stuck).min()?;
        Some(PATIENCE.saturating_sub(longest.elapsed()))
    }

    /// Takes one message of each that has one.
    pub(super) fn hear(
        &mut self,
        scene: &Scene<'_>,
        mut executions: Option<&mut Executions<'_>>,
        mut resize: impl FnMut(WindowSize),
    ) {
        let Audience { clients, wish, plan, size: last_size } = self;
        clients.retain_mut(|client| {
            if !is_ready(&client.channel, PollFlags::IN) {
                return true;
            }
            let (message, descriptors) = match client.channel.receive_all() {
                Ok(received) => received.unzip(),
                Err(_) => (None, None),
            };
            match message {
                Some(ToMonitor::Signal(number)) => scene.signal(number, wish),
                Some(ToMonitor::Resize(size)) => {
                    *last_size = Some(size);
                    resize(size);
                }
                Some(ToMonitor::Waiting) => client.waits(),
                Some(ToMonitor::Watch) => return client.admit(false).is_ok(),
                Some(ToMonitor::StayDown) => {
                    *wish = Wish::StayDown;
                    return client.admit(false).is_ok();
                }
                Some(ToMonitor::PlanChanged) => {
                    *plan = PlanOnDisk::Changed;
                    return client.admit(false).is_ok();
                }
                Some(ToMonitor::Attach) => match scene.refusal() {
                    None => return client.admit(scene.has_streams).is_ok(),
                    Some(refusal) => return client.channel.send(&ToClient::Failed(refusal)).is_ok(),
                },
                Some(ToMonitor::Connect(at)) => {
                    let connection = descriptors.and_then(|descriptors| descriptors.into_iter().next());
                    client.owed = Some(scene.connect(at, connection));
                }
                Some(ToMonitor::Disconnect { network }) => {
                    client.owed = Some(told(scene.places.borrow_mut().leave(&network)));
                }
                Some(ToMonitor::IdsMapped) => {}
                Some(ToMonitor::Exec { id }) => {
                    // From here on it is not of this audience.
                    client.execute(executions.as_deref_mut(), id, descriptors.unwrap_or_default());
                    return false;
                }
                Some(ToMonitor::Check) => {
                    client.check(executions.as_deref_mut());
                    return false;
                }
                Some(ToMonitor::ListExecutions) => {
                    let ids = executions.as_deref().map(Executions::ids).unwrap_or_default();
                    // A client that is gone needs to hear no more.
                    let _ = client.channel.send(&ToClient::Executions(ids));
                    return false;
                }
                Some(ToMonitor::Detach) => {
                    if client.role == Role::Starter {
                        // Nothing of the client's is kept: whoever waits for its output to end may go on.
                        let_go_of_clients_streams();
                    }
                    return false;
                }
                None => {
                    if client.role == Role::Starter {
                        // It was killed: a foreground container ends with it.
                        scene.signal(libc::SIGKILL, wish);
                    }
                    return false;
                }
            }
            true
        });
    }

    /// Whether one has had the container moved to other networks, and has not been answered.
    pub(super) fn has_moved(&self) -> bool {
        self.clients.iter().any(|client| client.owed.is_some())
    }

    /// Gives them their answers.
    pub(super) fn pay(&mut self) {
        for client in &mut self.clients {
            if let Some(answer) = client.owed.take() {
                // One that is gone needs to hear no more.
                let _ = client.channel.send(&answer);
            }
        }
    }

    /// Tells those who came later how the payload has ended, and lets them go; the client that started the container
    /// stays for the next run.
    pub(super) fn dismiss_guests(&mut self, exit: Exit) {
        self.clients.retain(|client| {
            if client.role == Role::Guest {
                // One that is gone needs to hear no more.
                let _ = client.channel.send(&ToClient::Exited(exit));
            }
            client.role == Role::Starter
        });
    }

    /// Between two runs of the payload: listens to clients for so long. False where one of them wants no other run.
    pub(super) fn rest(&mut self, listener: Option<&Listener>, launch: &Launch<'_>, pause: Duration) -> bool {
        let stop_signal = launch.plan.stop_signal;
        let places = &launch.places;
        let scene = Scene { init: None, stop_signal, places, has_streams: false, is_logged: false };
        let until = Instant::now() + pause;
        while self.wish == Wish::None {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let mut fds: Vec<PollFd<'_>> =
                self.clients.iter().map(|client| PollFd::new(&client.channel, PollFlags::IN)).collect();
            fds.extend(listener.map(|listener| PollFd::new(listener, PollFlags::IN)));
            // Whatever it says, time and clients are looked at again.
            let _ = poll(&mut fds, Some(&timespec(left)));
            self.hear(&scene, None, |_| {});
            // The record is written when the next run begins.
            self.pay();
            if let Some(channel) = listener.and_then(Listener::accept) {
                self.join(channel);
            }
        }
        false
    }

    /// Gives a new terminal the size that clients' have, if one of them has told it.
    pub(super) fn resize(&self, terminal: &OwnedFd) {
        if let Some(size) = self.size {
            pump::resize(terminal, size);
        }
    }

    /// New output is about to be printed.
    pub(super) fn begin_output(&mut self) {
        for client in &mut self.clients {
            client.taken = 0;
        }
        self.wake();
    }

    /// Gives everybody what they take; true when all that are waited for have all of it.
    pub(super) fn print(&mut self, output: &[u8]) -> bool {
        for client in &mut self.clients {
            client.print(output);
        }
        self.clients.iter().all(|client| client.has_taken(output))
    }

    /// Waits until a client takes output again, as long as it is waited for.
    pub(super) fn wait_for_room(&self) {
        let stuck = self.clients.iter().filter(|client| client.stuck.is_some() && !client.left_behind);
        let mut fds: Vec<PollFd<'_>> =
            stuck.filter_map(|client| client.stream.as_ref()).map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
        let left = self.patience_left().unwrap_or_default();
        // Whatever it says, `print` is tried again.
        let _ = poll(&mut fds, Some(&timespec(left)));
    }

    /// There is more in the log.
    pub(super) fn wake(&mut self) {
        for client in &mut self.clients {
            client.wake();
        }
    }

    /// Takes what one of the clients has typed, if there is room for it.
    pub(super) fn read_input(&mut self, input: &mut Buffer) {
        for client in &mut self.clients {
            if !input.is_empty() {
                return;
            }
            if let Some(stream) = &client.stream
                && input.fill(stream.as_fd()) == Side::Gone
            {
                client.stream = None;
            }
        }
    }
}
