//! The start of a container: the sequence of the program's heart, both sides of it.
//!
//! ```text
//! client                      monitor                       init
//!   spawn_child ────────────► (user and pid namespace)
//!   write_id_maps             unshare_rest ───────────────► (mount, pid, uts, ipc, net, cgroup)
//!        │                         │                             opens layers and sources
//!        └──── IdsMapped ─────────►└──────── IdsMapped ─────────► become_ns_root
//!                              start_attach (network)            make_mounts_private
//!                                                                mount_overlay, add_user_entry
//!                                                                mount_kernel_filesystems
//!                                                                bind_volumes
//!                                                                pivot, detach_old_root
//!                                  ◄──────── ReadyToExec ─────── confine
//!   ◄───────── Started ────────────◄──────── end of file ─────── exec_payload
//!   Signal, Resize ──────────────► passed on
//!   ◄───────── Exited ──────────── cleaned up
//! ```
//!
//! The namespaces are made while the two helpers that write the maps run, since those take longer than
//! anything rr does itself; a new user namespace has all its capabilities before it has any id.

pub mod id_maps;
mod init;
mod monitor;
pub mod plan;
pub mod protocol;
mod pump;
mod reaper;
pub mod user_namespace;

pub use user_namespace::StoreNamespace;

use crate::error::{ExitCode, Failure, Result};
use crate::host::ids::HostId;
use crate::host::process::ProcessName;
use crate::net::ResolvedNetwork;
use crate::rootfs::overlay::Driver;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into};
use plan::RunPlan;
use protocol::{Channel, Exit, ToClient, ToMonitor, WindowSize};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a start needs besides the plan.
pub struct Launch<'a> {
    /// What is to run.
    pub plan: &'a RunPlan,
    /// `containers/<id>`: upper/ and work/ are made here, hosts and resolv.conf lie here.
    pub dir: &'a Path,
    /// The unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// The store's volumes, `volumes/<name>/_data` below.
    pub volumes: &'a Path,
    /// Who stacks the layers.
    pub driver: Driver,
    /// Who carries the container's packets.
    pub network: &'a ResolvedNetwork,
    /// The user and group that rr runs as.
    pub user: (HostId, HostId),
    /// The size the payload's terminal begins with, with `-t`.
    pub window: Option<WindowSize>,
}

impl Launch<'_> {
    /// Whether init must wait before the payload starts until a helper has attached the network.
    fn waits_for_network(&self) -> bool {
        self.network.is_carried()
    }
}

/// Whoever keeps the container's record; called in the monitor.
pub trait Keeper {
    /// The payload runs; the names are missing where it has ended already.
    ///
    /// # Errors
    /// The record cannot be written; the container is then ended.
    fn started(&mut self, init: Option<ProcessName>, monitor: Option<ProcessName>) -> Result<()>;

    /// The payload has ended and no process of the container is left.
    ///
    /// # Errors
    /// The record cannot be written or removed; the user is told.
    fn ended(&mut self, exit: Exit) -> Result<()>;
}

/// A container that this process is attached to. Dropping it ends the container.
pub struct Running {
    channel: Channel<ToMonitor, ToClient>,
    monitor: Monitor,
    terminal: Option<OwnedFd>,
}

/// What the monitor says while the payload runs.
#[derive(Debug)]
pub enum Event {
    /// One line for the user.
    Notice(String),
    /// The end.
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
        init::open_pipes_to_all();
    }
    log::debug!("spawn_child");
    let mut running = spawn_child(launch, keeper)?;
    log::debug!("write_id_maps");
    id_maps::write_id_maps(running.monitor.child.pid, &launch.plan.ids)?.wait()?;
    running.channel.send(&ToMonitor::IdsMapped)?;
    loop {
        match running.channel.receive_with()? {
            Some((ToClient::Started, terminal)) => {
                running.terminal = terminal;
                return Ok(running);
            }
            Some((ToClient::Notice(text), _)) => notice(text),
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

/// Makes the monitor, in a new user namespace and a pid namespace around the container's own.
fn spawn_child(launch: &Launch<'_>, keeper: &mut dyn Keeper) -> Result<Running> {
    let (channel, monitors_end) = protocol::channel_pair()?;
    let namespaces = Namespaces::USER.and(Namespaces::PID);
    match clone_into(namespaces).map_err(|error| user_namespace::user_namespace_failure(&error))? {
        Cloned::Child => {
            drop(channel);
            monitor::main(launch, keeper, monitors_end)
        }
        Cloned::Parent(child) => {
            drop(monitors_end);
            Ok(Running { channel, monitor: Monitor { child, released: false }, terminal: None })
        }
    }
}

fn monitor_is_gone() -> Failure {
    Failure::new("cannot run the container", "its monitor was killed").code(ExitCode::Runner)
}

impl Running {
    /// The socket that carries the payload's terminal, with `-t`; non-blocking.
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
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
        match self.channel.receive()? {
            Some(ToClient::Notice(text)) => Ok(Event::Notice(text)),
            Some(ToClient::Exited(exit)) => Ok(Event::Exited(exit)),
            Some(ToClient::Failed(failure)) => Err(failure),
            Some(ToClient::Started) => Err(Failure::new("cannot follow the container", "it was started twice")),
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
        self.channel.send(&ToMonitor::Detach)?;
        self.monitor.release();
        Ok(())
    }

    /// Reaps the monitor after [`Event::Exited`], so that nothing is left when rr returns.
    pub fn finish(self) {
        self.monitor.reap();
        self.monitor.release();
    }
}

/// The monitor as its client holds it: killed, and the container with it, on every early return.
struct Monitor {
    child: Child,
    released: bool,
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
