//! The processes that clients have started in the container beside its payload, as the monitor keeps them.

use super::exec::{self, Job, Place};
use super::health::{Checks, no_check};
use super::monitor::{ToClientChannel, exit_of};
use super::protocol::{Exit, ToClient, ToMonitor};
use super::{Keeper, Wish};
use crate::sys::process::{Child, signal};
use crate::sys::ready::is_ready;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// All that were started and have not ended.
pub(super) struct Executions<'a> {
    place: Place<'a>,
    all: Vec<Execution>,
    /// Of a container that has a health check.
    checks: Option<Checks<'a>>,
}

struct Execution {
    /// What it is called.
    id: String,
    child: Child,
    /// Who started it; None once it was left alone.
    client: Option<ToClientChannel>,
    /// Of one that was left alone: what it prints goes nowhere, but goes.
    terminal: Option<OwnedFd>,
}

/// Whether anything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Some,
    None,
}

impl<'p> Executions<'p> {
    pub(super) fn new(place: Place<'p>) -> Executions<'p> {
        let checks = Checks::new(place.plan.health.as_ref(), &place.plan.process);
        Executions { place, all: Vec::new(), checks }
    }

    /// Starts what `client` wants, which is told of a failure.
    pub(super) fn begin(&mut self, id: String, client: ToClientChannel, descriptors: Vec<OwnedFd>) {
        match exec::spawn(&self.place, &client, || Job::read(descriptors)) {
            Ok(child) => {
                self.all.push(Execution { id, child, client: Some(client), terminal: None });
            }
            Err(failure) => {
                // One that is gone needs to hear no more.
                let _ = client.send(&ToClient::Failed(failure));
            }
        }
    }

    /// What those are called that have not ended.
    pub(super) fn ids(&self) -> Vec<String> {
        self.all.iter().map(|execution| execution.id.clone()).collect()
    }

    /// `client` wants a health check, and is told of its end.
    pub(super) fn check(&mut self, client: ToClientChannel) {
        match &mut self.checks {
            Some(checks) => checks.ask(client),
            None => {
                // One that is gone needs to hear no more.
                let _ = client.send(&ToClient::Failed(no_check()));
            }
        }
    }

    /// The container has ended: what its checks say now is not of its health.
    pub(super) fn end_checks(&mut self) {
        self.checks = None;
    }

    /// How long nothing has to be done by itself; None: until a descriptor says so.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.checks.as_ref().and_then(Checks::time_left)
    }

    /// Adds what poll(2) is to watch.
    pub(super) fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        for execution in &self.all {
            fds.push(PollFd::new(&execution.child.pidfd, PollFlags::IN));
            fds.extend(execution.client.iter().map(|client| PollFd::new(client, PollFlags::IN)));
            fds.extend(execution.terminal.iter().map(|terminal| PollFd::new(terminal, PollFlags::IN)));
        }
        if let Some(checks) = &self.checks {
            checks.watch(fds);
        }
    }

    /// Hears clients, reaps what has ended, and checks the container's health when its time has come; `wish` is what is
    /// to become of the container, which bad health may decide.
    pub(super) fn tend(&mut self, keeper: &mut dyn Keeper, wish: &mut Wish) -> Activity {
        let mut activity = Activity::None;
        self.all.retain_mut(|execution| {
            let heard = execution.hear();
            execution.drain();
            let ended = execution.reap();
            if let Some(exit) = ended {
                // Before its client knows, who may look for it.
                keeper.execution_died(&execution.id, exit);
                execution.tell(exit);
            }
            if heard == Activity::Some || ended.is_some() {
                activity = Activity::Some;
            }
            ended.is_none()
        });
        // Last: what of the others has ended with the container has been reaped.
        if let Some(checks) = &mut self.checks
            && checks.tend(&self.place, keeper, wish) == Activity::Some
        {
            activity = Activity::Some;
        }
        activity
    }
}

impl Execution {
    /// Takes one message of its client, if there is one.
    fn hear(&mut self) -> Activity {
        let Some(client) = &self.client else { return Activity::None };
        if !is_ready(client, PollFlags::IN) {
            return Activity::None;
        }
        match client.receive_with() {
            Ok(Some((ToMonitor::Signal(number), _))) => {
                if let Some(signal) = signal(number) {
                    self.kill(signal);
                }
            }
            Ok(Some((ToMonitor::Detach, terminal))) => {
                self.client = None;
                // The client has made it non-blocking for itself.
                self.terminal = terminal;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                // It was killed: what it has started for itself ends with it.
                self.client = None;
                self.kill(Signal::KILL);
            }
        }
        Activity::Some
    }

    fn kill(&self, signal: Signal) {
        // It may have ended in this instant.
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, signal);
    }

    fn drain(&mut self) {
        let Some(terminal) = &self.terminal else { return };
        let mut bytes = [0; 4096];
        match rustix::io::read(terminal, &mut bytes[..]) {
            Ok(1..) | Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: nobody has its other end open any more (pty(7)).
            Ok(0) | Err(_) => self.terminal = None,
        }
    }

    /// How it has ended, once it has.
    fn reap(&self) -> Option<Exit> {
        let id = WaitId::PidFd(self.child.pidfd.as_fd());
        let status = rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok()??;
        Some(exit_of(&status))
    }

    fn tell(&self, exit: Exit) {
        if let Some(client) = &self.client {
            // One that is gone needs to hear no more.
            let _ = client.send(&ToClient::Exited(exit));
        }
    }
}
