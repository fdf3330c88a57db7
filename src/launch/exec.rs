//! One more process in a container that runs: `rr exec`.
//!
//! ```text
//! client                        monitor                              the new process
//!   Exec, order, streams ──────► spawn: clone3 in the pid namespace ─► join (mount, uts, ipc, net, cgroup)
//!                                                                       become_root, resolve_identity
//!                                                                       take_streams
//!   ◄─────────────────────────────────────── Executing ──────────────── confine
//!   ◄────────────────────────────────────── end of a pipe ───────────── execute
//!   Signal, Detach ────────────► passed on
//!   ◄──────────── Exited ─────── reaped
//! ```
//!
//! The monitor makes it rather than the client. A pid namespace ends only when the last process in it was
//! reaped (pid_namespaces(7)), so a parent that is stopped, or reaps nothing, would keep the container from
//! ending; the monitor always reaps. What it starts has the container's limits and groups already, and ends
//! with it, whatever becomes of the client.
//!
//! Until it executes, the new process is rr among the container's processes. Nothing of it is in their reach:
//! it is not dumpable from before its first instant, so that whoever is root there can neither trace it nor
//! open its memory, its descriptors, its root or its program through /proc (ptrace(2), "Ptrace access mode
//! checking"; CVE-2016-9962, CVE-2019-5736); its working directory is looked at after it was entered, and
//! every descriptor is close-on-exec (CVE-2024-21626). What it executes first is no file of the host's or the
//! container's, so that no `/proc/self/exe` leads to rr ([`crate::sys::trampoline`]).

use super::monitor::{ToClientChannel, host_pid};
use super::payload::{self, Command};
use super::plan::{Process, RunPlan, Sharing};
use super::protocol::{ToClient, WindowSize};
use super::user_namespace::{OldGroups, become_root};
use crate::confine::cgroup::Group;
use crate::error::{Doing, Failure, Result};
use crate::net::NetworkMode;
use crate::rootfs::identity::{Identity, resolve_identity};
use crate::rootfs::kernel_filesystems::{Pty, open_pty};
use crate::rootfs::pivot;
use crate::rootfs::resolve::Root;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into_group, exit_now};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::DumpableBehavior;
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What a client wants executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The command, and as whom.
    pub process: Process,
    /// What it reads and writes.
    pub streams: Streams,
}

/// The standard streams of an [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Streams {
    /// `-t`: a new terminal of the container's, of this size.
    Terminal(Option<WindowSize>),
    /// The three that come along.
    InputAndOutput,
    /// Output and error come along; there is nothing to read.
    Output,
    /// None.
    Nothing,
}

/// An order as the new process gets it.
pub(super) struct Job {
    pub(super) order: Order,
    /// As many descriptors as its streams say, in their order.
    pub(super) streams: Vec<OwnedFd>,
}

impl Job {
    /// What came along with [`super::protocol::ToMonitor::Exec`].
    pub(super) fn read(mut descriptors: Vec<OwnedFd>) -> Result<Job> {
        let doing = || "cannot read what is to be executed";
        if descriptors.is_empty() {
            return Err(Failure::new(doing(), "no file came along"));
        }
        let mut file = File::from(descriptors.remove(0));
        let mut text = Vec::new();
        file.rewind().doing(doing)?;
        file.read_to_end(&mut text).doing(doing)?;
        let order = serde_json::from_slice(&text).doing(doing)?;
        Ok(Job { order, streams: descriptors })
    }
}

/// The container, as much of it as a new process must know.
pub(super) struct Place<'a> {
    /// Process 1 of the container.
    pub(super) init: &'a Child,
    /// Its namespaces, where init lets nobody look into it; else none.
    pub(super) doors: Doors,
    /// Its root directory, where that is all that it has of its own.
    pub(super) copy: Option<OwnedFd>,
    /// Its control group, if it has one.
    pub(super) group: Option<&'a Group>,
    pub(super) plan: &'a RunPlan,
}

/// Descriptors of namespaces.
#[derive(Debug, Default)]
pub(super) struct Doors(Vec<(LinkNameSpaceType, OwnedFd)>);

/// All that there are, by their names in /proc/PID/ns.
const DOORS: [(&str, LinkNameSpaceType); 6] = [
    ("mnt", LinkNameSpaceType::Mount),
    ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
    ("ipc", LinkNameSpaceType::InterProcessCommunication),
    ("net", LinkNameSpaceType::Network),
    ("cgroup", LinkNameSpaceType::ControlGroup),
    ("pid", LinkNameSpaceType::ProcessID),
];

impl Doors {
    /// Those of `init`, which has not become root yet: under `--init` it is rr for ever, and out of reach.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(init: &Child) -> Result<Doors> {
        let pid = host_pid(init)?;
        let open = |(name, kind)| {
            let path = format!("/proc/{pid}/ns/{name}");
            File::open(&path).map(|file| (kind, file.into())).doing(|| format!("cannot open {path}"))
        };
        DOORS.into_iter().map(open).collect::<Result<_>>().map(Doors)
    }
}

impl Place<'_> {
    fn enter(&self, namespaces: ThreadNameSpaceType) -> rustix::io::Result<()> {
        if self.doors.0.is_empty() {
            // One call for all of them, for which Linux 5.8 looks at the process once (setns(2)).
            return rustix::thread::move_into_thread_name_spaces(self.init.pidfd.as_fd(), namespaces);
        }
        let wanted = |kind: LinkNameSpaceType| namespaces.contains(ThreadNameSpaceType::from_bits_retain(kind as u32));
        let mut doors = self.doors.0.iter().filter(|(kind, _)| wanted(*kind));
        doors.try_for_each(|(kind, door)| rustix::thread::move_into_link_name_space(door.as_fd(), Some(*kind)))
    }
}

/// Makes a process in the container that does `job`, which is called in it. It reports to `client`, and as a child
/// of this process it must be reaped.
///
/// Runs in: the monitor, single-threaded.
///
/// # Errors
/// The container has ended; process 1 has made itself unreachable; or the system's.
pub(super) fn spawn(place: &Place<'_>, client: &ToClientChannel, job: impl FnOnce() -> Result<Job>) -> Result<Child> {
    let doing = || "cannot start a process in the container";
    if place.copy.is_some() {
        return match clone_into_group(Namespaces::NONE, place.group.map(AsFd::as_fd)).doing(doing)? {
            Cloned::Child => main(place, client, job),
            Cloned::Parent(child) => Ok(child),
        };
    }
    let home = File::open("/proc/self/ns/pid").doing(doing)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(doing)?;
    // Children are born there from here on; this process stays where it is.
    let cloned = place
        .enter(ThreadNameSpaceType::PROCESS_ID)
        .map_err(std::io::Error::from)
        .and_then(|()| clone_into_group(Namespaces::NONE, place.group.map(AsFd::as_fd)));
    if let Ok(Cloned::Child) = cloned {
        main(place, client, job)
    }
    // To where one came from, one always may.
    let back = rustix::thread::move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::ProcessID));
    let dumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    match cloned.doing(doing)? {
        Cloned::Parent(child) => {
            back.and(dumpable).doing(doing)?;
            Ok(child)
        }
        Cloned::Child => exit_now(1),
    }
}

/// Runs in: the new process. Never returns.
fn main(place: &Place<'_>, client: &ToClientChannel, job: impl FnOnce() -> Result<Job>) -> ! {
    let Err(failure) = job().and_then(|job| sequence(place, client, job));
    let code = failure.code.number();
    // The client may be gone; then nobody is left to tell.
    let _ = client.send(&ToClient::Failed(failure));
    exit_now(code)
}

/// The page to read: from a process of the monitor's to the command.
fn sequence(place: &Place<'_>, client: &ToClientChannel, job: Job) -> Result<Infallible> {
    let Job { order: Order { process, streams: kind }, streams } = job;
    let outside = open_root()?;
    match &place.copy {
        Some(copy) => pivot::enter_by_chroot(copy.as_fd())?,
        None => join(place)?,
    }
    become_root(if process.keep_groups { OldGroups::Kept } else { OldGroups::Dropped })?;
    stay_out_of_reach()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let inside = open_root()?;
    let root = Root::new(inside.as_fd());
    // By the files as they are now.
    let identity = resolve_identity(&root, &process.user, &process.additional_groups, &place.plan.ids)?;
    // Terminals and devices are this machine's where the container cannot have any.
    let devices = if place.copy.is_some() { Root::new(outside.as_fd()) } else { root };
    let master = take_streams(&devices, kind, &streams, &identity)?;
    let command = Command::prepare(&process, &identity, &place.plan.ids)?;
    let trampoline = payload::make_trampoline()?;
    let doing = || "cannot make a pipe for the client";
    let (outcome, report) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(doing)?;
    let along: Vec<BorrowedFd<'_>> = [Some(&outcome), master.as_ref()].into_iter().flatten().map(AsFd::as_fd).collect();
    client.send_all(&ToClient::Executing, &along)?;
    payload::confine(&process, &identity, place.plan)?;
    stay_out_of_reach()?;
    Err(match trampoline {
        Some(trampoline) => command.execute_by(trampoline, report, &process.args[0]),
        None => command.execute(&process.args[0]),
    })
}

fn open_root() -> Result<OwnedFd> {
    rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| "cannot open the root directory")
}

/// The other namespaces; the working directory and the root are those of the mount namespace then.
fn join(place: &Place<'_>) -> Result<()> {
    let isolation = &place.plan.isolation;
    let mut namespaces = ThreadNameSpaceType::MOUNT;
    namespaces.set(ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME, isolation.uts == Sharing::Own);
    namespaces.set(ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION, !isolation.ipc.is_shared());
    namespaces.set(ThreadNameSpaceType::CONTROL_GROUP, isolation.cgroup == Sharing::Own);
    // With `container:`, here and above, the monitor, whose child this is, is in the other one's namespace already, and may not enter it.
    let own_network = !matches!(place.plan.network.mode, NetworkMode::Host | NetworkMode::Container);
    namespaces.set(ThreadNameSpaceType::NETWORK, own_network);
    place.enter(namespaces).doing(|| "cannot join the container's namespaces")
}

/// A change of ids makes a process dumpable where the administrator wants core files of set-user-ID programs
/// (proc_sys_fs(5), suid_dumpable).
fn stay_out_of_reach() -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing(|| "cannot close this process to others")
}

/// Standard input, output and error. Returns the master of a new terminal, if there is one.
fn take_streams(root: &Root<'_>, kind: Streams, given: &[OwnedFd], identity: &Identity) -> Result<Option<OwnedFd>> {
    let doing = || "cannot set up the standard streams";
    rustix::process::setsid().doing(doing)?;
    let place = |stdin: BorrowedFd<'_>, stdout: BorrowedFd<'_>, stderr: BorrowedFd<'_>| {
        rustix::stdio::dup2_stdin(stdin)
            .and_then(|()| rustix::stdio::dup2_stdout(stdout))
            .and_then(|()| rustix::stdio::dup2_stderr(stderr))
            .doing(doing)
    };
    match (kind, given) {
        (Streams::Terminal(size), []) => {
            let Pty { master, slave } = open_terminal(root, size)?;
            rustix::process::ioctl_tiocsctty(&slave).doing(|| "cannot take the terminal")?;
            place(slave.as_fd(), slave.as_fd(), slave.as_fd())?;
            payload::let_it_reopen_stdio(identity, Some(&slave))?;
            return Ok(Some(master));
        }
        (Streams::InputAndOutput, [stdin, stdout, stderr]) => place(stdin.as_fd(), stdout.as_fd(), stderr.as_fd())?,
        (Streams::Output, [stdout, stderr]) => {
            place(open_null(root)?.as_fd(), stdout.as_fd(), stderr.as_fd())?;
        }
        (Streams::Nothing, []) => {
            let null = open_null(root)?;
            place(null.as_fd(), null.as_fd(), null.as_fd())?;
        }
        _ => return Err(Failure::new(doing(), "the client has sent too few descriptors, or too many")),
    }
    payload::let_it_reopen_stdio(identity, None)?;
    Ok(None)
}

/// A terminal of the container's own devpts, or what its root has put in that place: only a devpts will do.
fn open_terminal(root: &Root<'_>, size: Option<WindowSize>) -> Result<Pty> {
    let doing = || "cannot open a terminal in the container: /dev/pts";
    let pts = root.open_existing(Path::new("/dev/pts"), OFlags::RDONLY | OFlags::DIRECTORY).doing(doing)?;
    // DEVPTS_SUPER_MAGIC (statfs(2)).
    if rustix::fs::fstatfs(&pts).doing(doing)?.f_type as u64 != 0x1cd1 {
        return Err(Failure::new(doing(), "it is no devpts file system"));
    }
    let pty = open_pty(pts.as_fd())?;
    if let Some(size) = size {
        rustix::termios::tcsetwinsize(&pty.slave, size.into()).doing(|| "cannot set the terminal's size")?;
    }
    Ok(pty)
}

/// The container's /dev/null, or what its root has put in that place: only the null device will do.
fn open_null(root: &Root<'_>) -> Result<OwnedFd> {
    let doing = || "cannot open /dev/null in the container";
    // O_NONBLOCK: a FIFO must not be waited at.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let null = root.open_existing(Path::new("/dev/null"), flags).doing(doing)?;
    let stat = rustix::fs::fstat(&null).doing(doing)?;
    // null(4): character device 1:3.
    let is_device = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice;
    if !is_device || stat.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(Failure::new(doing(), "it is not the null device"));
    }
    rustix::io::ioctl_fionbio(&null, false).doing(doing)?;
    Ok(null)
}
