//! Health checks: a command that the monitor executes in the container from time to time ([`super::exec`]).
//!
//! Here is when a check begins, how long it may take and what came of it; what that means for the container is its
//! record's to say ([`super::Keeper::checked`]). A container without a check has none of this: no timer, no
//! descriptor, no system call.

use super::exec::{self, Job, Order, Place, Streams};
use super::executing::outcome_so_far;
use super::executions::Activity;
use super::monitor::{ToClientChannel, exit_of, host_pid};
use super::plan::{HealthPlan, Process};
use super::protocol::{Channel, Exit, ToClient, ToMonitor, channel_pair};
use super::remedy::Remedy;
use super::{ATTACH_SOCKET, Keeper, Wish};
use crate::error::{Doing, Failure, Result};
use crate::host::time::go_duration;
use crate::sys::process::Child;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How a container is, as its checks have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No check has decided yet.
    #[default]
    Starting,
    /// The last check has succeeded, or too few after it have failed.
    Healthy,
    /// As many checks in a row as its plan says have failed.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// What came of one check, with Docker's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Checked {
    /// When it began.
    pub start: Timestamp,
    /// When it had ended.
    pub end: Timestamp,
    /// The command's status, 0 for good health; -1 where it took too long or could not be started.
    pub exit_code: i32,
    /// What it has written, to 4096 bytes; then with three dots.
    pub output: String,
}

/// The most bytes of a check's output that are kept (Docker's `maxOutputLen`).
const LONGEST_OUTPUT: usize = 4096;

/// How long a bad result is held back, until it is known whether the container is at its end: then what went wrong with
/// the check is no sign of bad health.
const MOMENT: Duration = Duration::from_millis(100);

/// The checks of one run of the payload.
pub(super) struct Checks<'a> {
    plan: &'a HealthPlan,
    process: Process,
    begun: Instant,
    /// What the record said last.
    status: HealthStatus,
    /// When the next one begins, unless one is under way.
    next: Instant,
    current: Option<Check>,
    held: Option<Outcome>,
    /// Clients who want a check now.
    asked: Vec<ToClientChannel>,
    /// The container was found unhealthy, and is being ended.
    remedy: Option<Remedy>,
}

/// A bad result.
struct Outcome {
    checked: Checked,
    /// How long the payload had run when the check began.
    after: Duration,
    /// Who wants to know of it.
    asked: Vec<ToClientChannel>,
    /// When it counts.
    due: Instant,
}

/// One check, under way.
struct Check {
    child: Child,
    /// Where the new process says why it could not execute the command.
    channel: Channel<ToMonitor, ToClient>,
    output: Option<OwnedFd>,
    text: Vec<u8>,
    /// There was more than is kept.
    cut: bool,
    start: Timestamp,
    /// How long the payload had run by then.
    after: Duration,
    deadline: Instant,
    overran: bool,
    /// It took so long because the container is paused, which says nothing of its health.
    stood_still: bool,
    /// Who wants to know what comes of it.
    asked: Vec<ToClientChannel>,
}

impl<'a> Checks<'a> {
    /// None where the plan has no check. The first comes after one interval, as Docker's does.
    pub(super) fn new(health: Option<&'a HealthPlan>, payload: &Process) -> Option<Checks<'a>> {
        let plan = health?;
        let args = plan.command()?;
        let begun = Instant::now();
        let process = Process { args, entrypoint_words: 0, ..payload.clone() };
        let status = HealthStatus::Starting;
        let mut checks = Checks {
            plan,
            process,
            begun,
            status,
            next: begun,
            current: None,
            held: None,
            asked: Vec::new(),
            remedy: None,
        };
        checks.next = begun + checks.interval();
        Some(checks)
    }

    fn interval(&self) -> Duration {
        let starts = self.status == HealthStatus::Starting && self.begun.elapsed() < self.plan.start_period();
        if starts { self.plan.start_interval() } else { self.plan.interval() }
    }

    /// `client` wants one now, and to be told of its end.
    pub(super) fn ask(&mut self, client: ToClientChannel) {
        self.asked.push(client);
    }

    /// Adds what poll(2) is to watch.
    pub(super) fn watch<'f>(&'f self, fds: &mut Vec<PollFd<'f>>) {
        let Some(check) = &self.current else { return };
        fds.push(PollFd::new(&check.child.pidfd, PollFlags::IN));
        fds.extend(check.output.iter().map(|output| PollFd::new(output, PollFlags::IN)));
    }

    /// How long nothing has to be done by itself; None: until a descriptor says so.
    pub(super) fn time_left(&self) -> Option<Duration> {
        if let Some(remedy) = &self.remedy {
            return remedy.time_left();
        }
        if let Some(outcome) = &self.held {
            return Some(outcome.due.saturating_duration_since(Instant::now()));
        }
        let until = match &self.current {
            // It was killed: its end is awaited.
            Some(check) if check.overran => return None,
            Some(check) => check.deadline,
            None if !self.asked.is_empty() => return Some(Duration::ZERO),
            None => self.next,
        };
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Goes on with the check that is under way, or begins one whose time has come.
    pub(super) fn tend(&mut self, place: &Place<'_>, keeper: &mut dyn Keeper, wish: &mut Wish) -> Activity {
        if let Some(remedy) = &mut self.remedy {
            // It is at its end: whoever asks now is told by the end of the channel.
            self.asked.clear();
            return remedy.tend(place, keeper);
        }
        let activity = self.check(place, keeper);
        if activity == Activity::Some && self.status == HealthStatus::Unhealthy {
            self.remedy = Remedy::begin(self.plan.on_failure, place, keeper, wish);
        }
        activity
    }

    fn check(&mut self, place: &Place<'_>, keeper: &mut dyn Keeper) -> Activity {
        if let Some(outcome) = self.held.take() {
            if Instant::now() < outcome.due {
                self.held = Some(outcome);
                return Activity::None;
            }
            // On a busy machine the end takes longer than a moment.
            if is_exiting(place.init) {
                self.held = Some(Outcome { due: Instant::now() + MOMENT, ..outcome });
                return Activity::None;
            }
            self.conclude(outcome.checked, outcome.after, &outcome.asked, keeper);
            return Activity::Some;
        }
        if let Some(mut check) = self.current.take() {
            check.read_output();
            let Some(exit) = check.reap() else {
                check.watch_the_clock(keeper);
                self.current = Some(check);
                return Activity::None;
            };
            if check.stood_still {
                // Whoever asked for it is told by the end of the channel.
                self.next = Instant::now() + self.interval();
            } else {
                self.finish(check, exit, keeper);
            }
            return Activity::Some;
        }
        if self.asked.is_empty() && Instant::now() < self.next {
            return Activity::None;
        }
        if keeper.is_paused() {
            self.asked.clear();
            self.next = Instant::now() + self.interval();
            return Activity::None;
        }
        let start = Timestamp::now();
        match self.begin(place, start) {
            Ok(check) => self.current = Some(check),
            Err(failure) => {
                let asked = std::mem::take(&mut self.asked);
                let checked = Checked { start, end: Timestamp::now(), exit_code: -1, output: failure.to_string() };
                self.hold(checked, self.begun.elapsed(), asked);
            }
        }
        Activity::Some
    }

    fn begin(&mut self, place: &Place<'_>, start: Timestamp) -> Result<Check> {
        let doing = || "cannot start the health check";
        let (channel, theirs) = channel_pair()?;
        let (output, writer) = pipe_with(PipeFlags::CLOEXEC).doing(doing)?;
        rustix::io::ioctl_fionbio(&output, true).doing(doing)?;
        // As /dev/stdout it can be opened anew by whoever is root there, who may be nobody here (`--userns nomap`).
        rustix::fs::fchmod(&writer, Mode::from_raw_mode(0o666)).doing(doing)?;
        let second = writer.try_clone().doing(doing)?;
        let order = Order { process: self.process.clone(), streams: Streams::Output };
        let child = exec::spawn(place, &theirs, || Ok(Job { order, streams: vec![writer, second] }))?;
        Ok(Check {
            child,
            channel,
            output: Some(output),
            text: Vec::new(),
            cut: false,
            start,
            after: self.begun.elapsed(),
            deadline: Instant::now() + self.plan.timeout(),
            overran: false,
            stood_still: false,
            asked: std::mem::take(&mut self.asked),
        })
    }

    fn finish(&mut self, mut check: Check, exit: Exit, keeper: &mut dyn Keeper) {
        check.read_the_rest();
        let mut output = String::from_utf8_lossy(&check.text).into_owned();
        if check.cut {
            output.push_str("...");
        }
        let exit_code = match check.outcome(&self.process.args[0]) {
            _ if check.overran => {
                let colon = if output.is_empty() { "" } else { ": " };
                output = format!("Health check exceeded timeout ({}){colon}{output}", go_duration(self.plan.timeout()));
                -1
            }
            Ok(()) => exit.code(),
            Err(failure) => {
                output = failure.to_string();
                failure.code.number()
            }
        };
        let checked = Checked { start: check.start, end: Timestamp::now(), exit_code, output };
        match checked.exit_code == 0 || check.overran {
            true => self.conclude(checked, check.after, &check.asked, keeper),
            false => self.hold(checked, check.after, check.asked),
        }
    }

    fn hold(&mut self, checked: Checked, after: Duration, asked: Vec<ToClientChannel>) {
        self.held = Some(Outcome { checked, after, asked, due: Instant::now() + MOMENT });
    }

    /// `after` is how long the payload had run when the check began.
    fn conclude(&mut self, checked: Checked, after: Duration, asked: &[ToClientChannel], keeper: &mut dyn Keeper) {
        let exit = Exit::Status(checked.exit_code);
        self.status = keeper.checked(checked, after);
        // Docker's interval is from the end of a check to the beginning of the next.
        self.next = Instant::now() + self.interval();
        for client in asked {
            // One that is gone needs to hear no more.
            let _ = client.send(&ToClient::Exited(exit));
        }
    }
}

/// Whether a process is at its end: process 1 of a container takes all others along before it is gone
/// (pid_namespaces(7)).
fn is_exiting(process: &Child) -> bool {
    // PF_EXITING of linux/sched.h, in the flags of proc_pid_stat(5): the ninth field, the seventh behind the name.
    const EXITING: u64 = 4;
    let Ok(pid) = host_pid(process) else { return true };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & EXITING != 0)
}

impl Check {
    /// Takes some of what it has written; what is too much is thrown away.
    fn read_output(&mut self) {
        let Some(output) = &self.output else { return };
        let mut bytes = [0; LONGEST_OUTPUT];
        match rustix::io::read(output, &mut bytes[..]) {
            Ok(0) => self.output = None,
            Ok(count) => {
                let room = LONGEST_OUTPUT - self.text.len();
                self.cut |= count > room;
                self.text.extend(&bytes[..count.min(room)]);
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => self.output = None,
        }
    }

    /// After its end: children of it may go on to write, so the end of the pipe is not waited for.
    fn read_the_rest(&mut self) {
        let mut before = None;
        while self.output.is_some() && self.text.len() < LONGEST_OUTPUT && before != Some(self.text.len()) {
            before = Some(self.text.len());
            self.read_output();
        }
    }

    /// Kills it when it takes too long, with what it has started: its process group.
    fn watch_the_clock(&mut self, keeper: &dyn Keeper) {
        if self.overran || Instant::now() < self.deadline {
            return;
        }
        self.overran = true;
        self.stood_still = keeper.is_paused();
        if let Some(group) = Pid::from_raw(self.child.pid) {
            // It leads its own session. ESRCH: not yet; then there is nothing beside it either.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        // It may have ended in this instant.
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL);
    }

    /// How it has ended, once it has.
    fn reap(&self) -> Option<Exit> {
        let id = WaitId::PidFd(self.child.pidfd.as_fd());
        let status = rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok()??;
        Some(exit_of(&status))
    }

    /// Why the command could not be executed, where it could not.
    fn outcome(&self, command: &str) -> Result<()> {
        // All copies of the other end went with the new process.
        while let Some((message, descriptors)) = self.channel.receive_all()? {
            match (message, descriptors.first()) {
                (ToClient::Failed(failure), _) => return Err(failure),
                (ToClient::Executing, Some(outcome)) => outcome_so_far(outcome, command)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Has the monitor of the container at `directory` (`containers/<id>`) make a check now, and waits for it: how its
/// command has ended. None where the container has ended meanwhile.
///
/// # Errors
/// The outer: the monitor does not listen, with the errno of connect(2). The inner: it refuses.
pub fn check_now(directory: BorrowedFd<'_>) -> rustix::io::Result<Result<Option<Exit>>> {
    let channel: Channel<ToMonitor, ToClient> = Channel::connect(directory, ATTACH_SOCKET)?;
    let ask = || {
        channel.send(&ToMonitor::Check)?;
        loop {
            match channel.receive()? {
                Some(ToClient::Exited(exit)) => return Ok(Some(exit)),
                Some(ToClient::Failed(failure)) => return Err(failure),
                Some(
                    ToClient::Notice(_)
                    | ToClient::Started
                    | ToClient::Executing
                    | ToClient::Executions(_)
                    | ToClient::Logged,
                ) => {}
                None => return Ok(None),
            }
        }
    };
    Ok(ask())
}

/// Of a container without a check.
pub(super) fn no_check() -> Failure {
    Failure::new("cannot check the container's health", "it has no defined healthcheck")
}
