//! The start of a container: the sequence of the program's heart, both sides of it.
//!
//! ```text
//! client                      monitor                       init
//!   spawn_child ────────────► (user and pid namespace)
//!   write_id_maps             unshare_rest ───────────────► (mount, pid, uts, ipc, net, cgroup)
//!        │                         │                             raise_interfaces
//!        │                         │◄──────── LinkMade ────────  opens layers and sources
//!        └──── IdsMapped ─────────►└──────── IdsMapped ─────────► become_ns_root
//!                              start_attach (network)            make_mounts_private
//!                                                                write_names
//!                                                                mount_overlay, add_user_entry
//!                                                                mount_kernel_filesystems
//!                                                                bind_volumes
//!                                                                pivot, detach_old_root
//!                                  ◄──────── ReadyToExec ─────── confine
//!   ◄───────── Started ────────────◄──────── end of file ─────── exec_payload
//!   Signal, Resize ──────────────► passed on
//!   ◄───────── Exited ──────────── the record says so, or is gone
//!                              clean_up
//! ```
//!
//! The namespaces are made while the two helpers that write the maps run, since those take longer than
//! anything rr does itself; a new user namespace has all its capabilities before it has any id.

mod audience;
pub mod exec;
pub mod executing;
mod executions;
pub mod health;
pub mod id_maps;
mod init;
pub mod isolation;
pub mod logfile;
mod monitor;
pub mod networks;
mod payload;
pub mod plan;
pub mod protocol;
mod pump;
mod reaper;
mod remedy;
pub mod shared_memory;
pub mod standing;
mod starter;
pub mod stdio;
pub mod unshared;
pub mod user_namespace;

pub use audience::asks_for_end;
pub use payload::open_pipes_to_all;
pub use user_namespace::StoreNamespace;

use crate::confine::cgroup::{Group, Site};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::ids::HostId;
use crate::host::namespaces;
use crate::host::process::ProcessName;
use crate::net::ports::{Bound, OpenPorts};
use crate::net::{Endpoint, ResolvedNetwork};
use crate::rootfs::etc::NameFile;
use crate::rootfs::overlay::Driver;
use crate::rootfs::volumes::Volumes;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into};
use health::{Checked, HealthStatus};
use networks::{ParentNamespace, Places};
use plan::{Means, RunPlan};
use protocol::{Channel, Exit, ToClient, ToMonitor, WindowSize};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a start needs besides the plan.
pub struct Launch<'a> {
    /// What is to run.
    pub plan: &'a RunPlan,
    /// `containers/<id>`: upper/ and work/ are made here.
    pub dir: &'a Path,
    /// The container's /etc/hosts and its like.
    pub names: [NameFile; 3],
    /// Where another container keeps its own, which are this one's as well then: `containers/<id>`.
    pub shared_names: Option<PathBuf>,
    /// The unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// Where volumes are.
    pub volumes: Volumes<'a>,
    /// Who stacks the layers.
    pub driver: Driver,
    /// Who carries the container's packets.
    pub network: &'a ResolvedNetwork,
    /// The host's ports that the first run begins with; the monitor takes them out.
    pub ports: Cell<OpenPorts>,
    /// The user namespaces that the container's is made in, each inside the one before; none where that is this process's.
    pub parents: &'a [ParentNamespace],
    /// With `--ipc container:…`: the other container's /dev/shm and /dev/mqueue, where it has them.
    pub shared_memory: shared_memory::Trees,
    /// The container's places on networks with names.
    pub places: RefCell<Places>,
    /// Where the container's control group is to be, if it is to have one.
    pub site: Option<&'a Site>,
    /// The user and group that rr runs as.
    pub user: (HostId, HostId),
    /// The size the payload's terminal begins with, with `-t`.
    pub window: Option<WindowSize>,
    /// Whether the client stays.
    pub presence: Presence,
    /// What a payload without a terminal reads.
    pub input: stdio::Input,
    /// Where a payload's output goes; one with a terminal has it there, and perhaps in the log as well.
    pub output: stdio::Output,
    /// What stands in for the client's terminals, with [`stdio::Output::Client`].
    pub pipes: stdio::ClientPipes<'a>,
}

/// Whether the client stays with the container it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It does, and the container ends with it unless it detaches.
    Attached,
    /// It leaves once the payload runs: `-d`.
    Detached,
}

/// How long a later client waits for the monitor's answer: longer than the start of a network may take.
const ANSWER_SECONDS: i64 = 30;

/// The socket in a container's directory where its monitor listens for later clients.
pub const ATTACH_SOCKET: &str = "attach";

/// What [`step`] logs to, for whoever listens to that alone.
pub const STEP: &str = "rr::step";

/// Says which step of the start sequence comes next, by its name in the module's diagram. Costs one comparison where
/// nobody listens.
fn step(name: &str) {
    log::debug!(target: STEP, "{name}");
}

/// Whoever keeps the container's record; called in the monitor.
pub trait Keeper {
    /// The payload runs; the names are missing where it has ended already. `ports` lead into it, and `endpoints` are what
    /// it has on its networks.
    ///
    /// # Errors
    /// The record cannot be written; the container is then ended.
    fn started(
        &mut self,
        init: Option<ProcessName>,
        monitor: Option<ProcessName>,
        ports: &[Bound],
        endpoints: Vec<Endpoint>,
    ) -> Result<()>;

    /// The container is on other networks now; of `lost` nobody has asked to be taken off.
    fn placed(&mut self, endpoints: Vec<Endpoint>, lost: &[String]);

    /// The plan on disk is another than the one that the monitor was started with.
    fn plan_changed(&mut self);

    /// Whether the container is paused, so that no health check can be made of it.
    fn is_paused(&self) -> bool;

    /// A health check has ended, so long after the payload's start: how the container is now.
    fn checked(&mut self, checked: Checked, after: Duration) -> HealthStatus;

    /// The payload is sent a signal since the container is unhealthy.
    fn remedied(&mut self, signal: i32);

    /// The kernel has killed in the container for want of memory.
    fn out_of_memory(&mut self);

    /// Who carried the container's packets has ended before it, and the container goes on without a network; `why`, in
    /// words for a user.
    fn network_lost(&mut self, why: &str);

    /// A process that a client had started in the container has ended.
    fn execution_died(&mut self, id: &str, exit: Exit);

    /// The payload has ended and no process of it is left: what comes then. At the end the clients are told next.
    ///
    /// # Errors
    /// The record cannot be written or removed; the user is told, and it is the end.
    fn ended(&mut self, exit: Exit, wish: Wish) -> Result<Sequel>;

    /// After [`Sequel::Again`] it is the end all the same: the start failed, or somebody wants the end.
    fn given_up(&mut self, failure: Option<&Failure>);

    /// Removes what nobody needs to wait for, after the clients have been told of the end.
    ///
    /// # Errors
    /// The system's; nobody is left to hear of it.
    fn clean_up(&mut self) -> Result<()>;
}

/// What somebody wants to become of the container, whatever its restart policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nobody has said so.
    None,
    /// The user has asked for its end, or its health check was to bring that about.
    StayDown,
    /// Its health check was to bring about another run.
    Restart,
}

/// What comes after the end of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// The monitor ends as well.
    End,
    /// The container is started again.
    Again {
        /// After this time.
        after: Duration,
    },
}

/// A container that this process is attached to. Dropping it ends the container if this process has
/// started it.
pub struct Running {
    channel: Channel<ToMonitor, ToClient>,
    /// The payload had ended by the time this client was let in.
    ended: Option<Exit>,
    /// None for a client that came later: the monitor is not its child, and goes on without it.
    monitor: Option<Monitor>,
    stream: Option<OwnedFd>,
}

/// What a client that comes later wants of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Its terminal, or its input and log.
    Streams,
    /// Its end.
    End,
    /// That nothing starts it again once it has ended.
    StayDown,
    /// That it reads its plan anew.
    Plan,
}

/// What the monitor says while the payload runs.
#[derive(Debug)]
pub enum Event {
    /// One line for the user.
    Notice(String),
    /// There is more in the log.
    Logged,
    /// The end; everything was logged before.
    Exited(Exit),
}

/// Starts a container and waits until its payload runs. `notice` is called for each line the user
/// should read. The calling process must be single-threaded.
///
/// # Errors
/// Whatever stage failed, in its words; then no process of the container is left. The keeper has not
/// been called: what becomes of the record is the caller's to decide.
pub fn start(launch: &Launch<'_>, keeper: &mut dyn Keeper, notice: &mut dyn FnMut(String)) -> Result<Running> {
    let (user, group) = launch.user;
    if !launch.plan.stdio.tty && !launch.plan.ids.root_reaches(user, group) {
        open_pipes_to_all();
    }
    step("spawn_child");
    let (mut running, monitor) = spawn_child(launch, keeper)?;
    // The monitor has them now.
    drop(launch.ports.take());
    step("write_id_maps");
    if launch.parents.is_empty() && launch.plan.means == Means::Namespaces {
        let mapped = id_maps::write_id_maps(monitor.child.pid, &launch.plan.ids).and_then(|writing| writing.wait());
        mapped.map_err(|failure| explain(running.failure_of_monitor().unwrap_or(failure)))?;
    }
    running.channel.send(&ToMonitor::IdsMapped)?;
    running.monitor = Some(monitor);
    running.wait_until_started(notice).map_err(explain)?;
    Ok(running)
}

/// What the monitor cannot tell: which limit on namespaces is reached, for it sees those of its own user namespace.
fn explain(failure: Failure) -> Failure {
    match failure.doing == monitor::NAMESPACES && failure.cause.contains("ENOSPC") {
        true => namespaces::explain(failure),
        false => failure,
    }
}

/// Makes the monitor, in a new user namespace and a pid namespace around the container's own.
fn spawn_child(launch: &Launch<'_>, keeper: &mut dyn Keeper) -> Result<(Running, Monitor)> {
    let (channel, monitors_end) = protocol::channel_pair()?;
    let (cloned, group) = clone_monitor(launch)?;
    match cloned {
        Cloned::Child => {
            drop(channel);
            monitor::main(launch, keeper, monitors_end, group)
        }
        Cloned::Parent(child) => {
            drop(monitors_end);
            Ok((Running { channel, ended: None, monitor: None, stream: None }, Monitor { child, released: false }))
        }
    }
}

/// The monitor, and for it the container's control group, if there is to be one.
fn clone_monitor(launch: &Launch<'_>) -> Result<(Cloned, Option<Group>)> {
    let make = |site: &Site| site.make(&launch.plan.id, &launch.plan.limits, launch.dir);
    let (group, moving) = match launch.site {
        Some(site) if site.moves_its_maker() => (None, Some(site)),
        Some(site) => (Some(make(site)?), None),
        None => (None, None),
    };
    if launch.plan.means == Means::Chroot {
        let cloned = clone_into(Namespaces::NONE).doing(|| "cannot start the container's monitor")?;
        return Ok((cloned, group));
    }
    if launch.parents.is_empty() && moving.is_none() {
        let cloned = clone_into(Namespaces::USER.and(Namespaces::PID));
        return Ok((cloned.map_err(|error| user_namespace::user_namespace_failure(&error))?, group));
    }
    let prepare = || moving.map(make).transpose().map(|moved| moved.or(group));
    starter::clone_from_starter(launch.parents, &launch.plan.ids, prepare)
}

fn monitor_is_gone() -> Failure {
    Failure::new("cannot run the container", "its monitor was killed").code(ExitCode::Runner)
}

impl Running {
    /// Attaches to a container that another client has started; `directory` is `containers/<id>`.
    ///
    /// # Errors
    /// The outer: its monitor does not listen, with the errno of connect(2); ECONNREFUSED also where it has ended
    /// instead of an answer, and ETIMEDOUT where it gives none for half a minute. The inner: it refuses.
    pub fn attach(directory: BorrowedFd<'_>, interest: Interest) -> rustix::io::Result<Result<Running>> {
        let channel = Channel::connect(directory, ATTACH_SOCKET)?;
        let mut running = Running { channel, ended: None, monitor: None, stream: None };
        let wish = match interest {
            Interest::Streams => ToMonitor::Attach,
            Interest::End => ToMonitor::Watch,
            Interest::StayDown => ToMonitor::StayDown,
            Interest::Plan => ToMonitor::PlanChanged,
        };
        if running.channel.send(&wish).is_err() {
            return Err(Errno::CONNREFUSED);
        }
        // Between two runs of the payload, and while one starts, an answer takes its time.
        let patience = Timespec { tv_sec: ANSWER_SECONDS, tv_nsec: 0 };
        loop {
            match poll(&mut [PollFd::new(&running.channel, PollFlags::IN)], Some(&patience)) {
                Ok(0) => return Err(Errno::TIMEDOUT),
                Err(Errno::INTR) => continue,
                _ => {}
            }
            match running.channel.receive_with() {
                Ok(Some((ToClient::Started, stream))) => running.stream = stream,
                Ok(Some((ToClient::Exited(exit), _))) => running.ended = Some(exit),
                Ok(Some((ToClient::Failed(failure), _))) => return Ok(Err(failure)),
                Ok(Some((
                    ToClient::Notice(_) | ToClient::Logged | ToClient::Executing | ToClient::Executions(_),
                    _,
                ))) => continue,
                Ok(None) => return Err(Errno::CONNREFUSED),
                Err(failure) => return Ok(Err(failure)),
            }
            return Ok(Ok(running));
        }
    }

    /// Why the monitor has ended, if it has: the ids of a process that is gone cannot be mapped either, and that is not why.
    fn failure_of_monitor(&self) -> Option<Failure> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        while matches!(poll(&mut [PollFd::new(&self.channel, PollFlags::IN)], Some(&at_once)), Ok(1..)) {
            match self.channel.receive() {
                Ok(Some(ToClient::Failed(failure))) => return Some(failure),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
        None
    }

    fn wait_until_started(&mut self, notice: &mut dyn FnMut(String)) -> Result<()> {
        loop {
            match self.channel.receive_with()? {
                Some((ToClient::Started, stream)) => {
                    self.stream = stream;
                    return Ok(());
                }
                Some((ToClient::Notice(text), _)) => notice(text),
                Some((ToClient::Logged | ToClient::Executing | ToClient::Executions(_), _)) => {}
                Some((ToClient::Failed(failure), _)) => return Err(failure),
                Some((ToClient::Exited(exit), _)) => {
                    return Err(Failure::new(
                        "cannot start the container",
                        format!("it ended with status {}", exit.code()),
                    ));
                }
                None => return Err(monitor_is_gone()),
            }
        }
    }

    /// The socket that carries the payload's terminal, or its input where there is none; non-blocking.
    pub fn stream(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    /// Asks for [`Event::Logged`]: the log has been read to its end.
    pub fn wait_for_log(&self) {
        // A monitor that is gone is met by the next `event`.
        let _ = self.channel.send(&ToMonitor::Waiting);
    }

    /// Readable when [`Running::event`] has something.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Waits for the monitor.
    ///
    /// # Errors
    /// The monitor was killed; the kernel has ended the container with it.
    pub fn event(&self) -> Result<Event> {
        if let Some(exit) = self.ended {
            return Ok(Event::Exited(exit));
        }
        match self.channel.receive()? {
            Some(ToClient::Notice(text)) => Ok(Event::Notice(text)),
            Some(ToClient::Logged) => Ok(Event::Logged),
            Some(ToClient::Exited(exit)) => Ok(Event::Exited(exit)),
            Some(ToClient::Failed(failure)) => Err(failure),
            Some(ToClient::Started | ToClient::Executing | ToClient::Executions(_)) => {
                Err(Failure::new("cannot follow the container", "it was started twice"))
            }
            None => Err(monitor_is_gone()),
        }
    }

    /// Passes a signal to the payload; does nothing where it has ended.
    pub fn signal(&self, number: i32) {
        // A monitor that is gone is met by the next `event`.
        let _ = self.channel.send(&ToMonitor::Signal(number));
    }

    /// Tells the payload's terminal its size.
    pub fn resize(&self, size: WindowSize) {
        let _ = self.channel.send(&ToMonitor::Resize(size));
    }

    /// Leaves; the container goes on.
    ///
    /// # Errors
    /// The monitor is gone.
    pub fn detach(self) -> Result<()> {
        if let Err(failure) = self.channel.send(&ToMonitor::Detach) {
            // A short payload has ended meanwhile: what its monitor said last is still there to be read.
            while !matches!(self.event().map_err(|_| failure.clone())?, Event::Exited(_)) {}
            self.finish();
            return Ok(());
        }
        if let Some(monitor) = self.monitor {
            monitor.release();
        }
        Ok(())
    }

    /// Lets the monitor go after [`Event::Exited`]: it has only files to remove.
    pub fn finish(self) {
        if let Some(monitor) = self.monitor {
            monitor.release();
        }
    }
}

/// The monitor as its client holds it: killed, and the container with it, on every early return.
struct Monitor {
    child: Child,
    released: bool,
}

impl Launch<'_> {
    /// What the container has on its networks now.
    fn endpoints(&self) -> Vec<Endpoint> {
        Endpoint::of(self.network).into_iter().chain(self.places.borrow().for_record()).collect()
    }
}

impl Monitor {
    /// It goes on, or has been reaped.
    fn release(mut self) {
        self.released = true;
    }

    fn reap(&self) {
        let id = || WaitId::PidFd(self.child.pidfd.as_fd());
        while matches!(rustix::process::waitid(id(), WaitIdOptions::EXITED), Err(rustix::io::Errno::INTR)) {}
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        // After a failed start it is cleaning up and ends by itself; else the closed channel tells it.
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        self.reap();
    }
}
