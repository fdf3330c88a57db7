//! Init: process 1 of the container, from its first instruction to the payload's execve(2).
//!
//! The stages are types, each consumed by the step to the next, so that a step out of order does not
//! compile: [`Isolated`] → [`Mapped`] → [`Rooted`] → [`Confined`] → the payload. What a stage may
//! assume and must not do stands with its type. A failure goes to the monitor as a message.

mod chroot;

use super::payload::{self, Command, Way};
use super::plan::{Device, Ipc, KernelPaths, Means, Mount, MountKind, Processes, RootSource, Sharing};
use super::protocol::{Channel, FromInit, ToInit};
use super::reaper;
use super::stdio::{Input, PayloadEnds};
use super::user_namespace::{OldGroups, become_root};
use super::{Launch, Presence, step};
use crate::error::{Doing, ExitCode, Failure, Result, errno_text};
use crate::host::ids::{InsideId, OVERFLOW_ID};
use crate::net::ResolvedNetwork;
use crate::rootfs::cover::{self, Covered, DEFAULT_COVERED, NOTHING_COVERED};
use crate::rootfs::identity::{Identity, resolve_identity};
use crate::rootfs::kernel_filesystems::{
    self, CgroupNamespace, KernelFilesystems, NetworkOwner, SharedMemory, ShownProcesses, Terminal, TtyGroup,
};
use crate::rootfs::overlay::{self, Driver, Durability, Layers};
use crate::rootfs::resolve::Root;
use crate::rootfs::{apt, etc, fuse, pivot, user_entry, volumes};
use crate::sys::process::{Namespaces, exit_now, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{DumpableBehavior, Signal};
use std::borrow::Cow;
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Init's end of the conversation with the monitor.
pub(super) type ToMonitor = Channel<FromInit, ToInit>;

/// Runs in: process 1 of the new pid namespace. Never returns.
pub(super) fn main(launch: &Launch<'_>, monitor: &ToMonitor, streams: PayloadEnds) -> ! {
    let Err(failure) = sequence(launch, monitor, streams);
    let failure = explain_missing_call(failure);
    // The monitor may be gone; then nobody is left to tell.
    let _ = monitor.send(&FromInit::Failed(failure));
    exit_now(ExitCode::Runner.number())
}

/// What to do about a system call that does not exist.
fn explain_missing_call(failure: Failure) -> Failure {
    if !failure.cause.contains("ENOSYS") {
        return failure;
    }
    let kernel = rustix::system::uname();
    failure.hint(format!(
        "rr needs Linux 5.11 or later, without a sandbox (a seccomp filter) that takes system calls away; this kernel \
         calls itself {}",
        kernel.release().to_string_lossy()
    ))
}

/// The page to read: everything between a new set of namespaces and the payload.
fn sequence(launch: &Launch<'_>, monitor: &ToMonitor, streams: PayloadEnds) -> Result<Infallible> {
    step("open_sources");
    let isolated = Isolated::new(launch, monitor, streams)?;
    let mapped = isolated.become_ns_root()?;
    if launch.plan.means == Means::Chroot {
        return mapped.enter_copy()?.confine()?.exec_payload();
    }
    step("make_mounts_private");
    mapped.make_mounts_private()?;
    step("write_names");
    let names = mapped.write_names()?;
    step("mount_overlay");
    let tree = mapped.mount_overlay()?;
    mapped.add_user_entry(&tree)?;
    step("mount_kernel_filesystems");
    let terminal = mapped.mount_kernel_filesystems(&tree)?;
    step("bind_volumes");
    mapped.bind_volumes(&tree, names.as_ref()).map_err(|failure| mapped.explain_foreign_root(&tree, failure))?;
    step("pivot");
    let rooted = mapped.pivot(tree, terminal)?;
    // The last lines: from here on standard error is the payload's.
    step("confine");
    step("exec_payload");
    let confined = rooted.confine()?;
    confined.exec_payload()
}

/// All namespaces are new; no id is mapped yet.
///
/// May assume: every capability in the user namespace; the host's mounts, slaves of the host's; file
/// access as the user who started rr. Must do: open what only that user can reach. Must not: mount or
/// make files, since files of unmapped ids cannot be made (EOVERFLOW).
struct Isolated<'a> {
    launch: &'a Launch<'a>,
    monitor: &'a ToMonitor,
    /// `containers/<id>`, from before the root file system is mounted upon it.
    container: OwnedFd,
    layers: Option<Layers>,
    /// Of `--rootfs DIR`, where the user could open it.
    directory: Option<OwnedFd>,
    /// The plan's, and a bind for each device.
    mounts: Cow<'a, [Mount]>,
    sources: volumes::Sources,
    /// The files of names of another container, which are this one's.
    shared_names: Vec<(&'static str, OwnedFd)>,
    streams: PayloadEnds,
    network: Network,
}

/// Whether the payload has to wait for its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// It is as it will be.
    Ready,
    /// Until [`ToInit::NetworkAttached`].
    Awaited,
}

impl<'a> Isolated<'a> {
    fn new(launch: &'a Launch<'a>, monitor: &'a ToMonitor, streams: PayloadEnds) -> Result<Isolated<'a>> {
        // The kernel ends this process with its monitor, whose pid namespace encloses ours; this ends
        // it also where the two are not nested.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing(|| "cannot tie init to its monitor")?;
        if launch.site.is_some() {
            make_cgroup_namespace(launch, monitor)?;
        }
        let network = raise_interfaces(launch, monitor)?;
        let layers = match &launch.plan.root {
            RootSource::Layers { .. } => Some(Layers::open(&launch.layers, launch.dir)?),
            RootSource::OverlaidDirectory { path } => Some(Layers::open(std::slice::from_ref(path), launch.dir)?),
            RootSource::Directory { .. } => None,
        };
        let directory = match &launch.plan.root {
            // Else by the container's root, who may enter directories of subordinate ids.
            RootSource::Directory { path } => overlay::open_directory(path).ok(),
            _ => None,
        };
        let container = overlay::open_directory(launch.dir)?;
        let mut mounts = Cow::from(&launch.plan.mounts);
        if !launch.plan.isolation.devices.is_empty() {
            mounts.to_mut().extend(launch.plan.isolation.devices.iter().map(Device::mount));
        }
        let sources = volumes::Sources::open(&mounts, launch.volumes);
        let shared_names = launch.shared_names.as_deref().map(etc::open_files).unwrap_or_default();
        Ok(Isolated { launch, monitor, container, layers, directory, mounts, sources, shared_names, streams, network })
    }

    /// Waits until the client has written the maps, then takes id 0.
    fn become_ns_root(self) -> Result<Mapped<'a>> {
        let told = self.monitor.receive()?;
        step("become_ns_root");
        match told {
            Some(ToInit::IdsMapped) => {}
            Some(other) => return Err(Failure::new("cannot start init", format!("unexpected message {other:?}"))),
            None => exit_now(ExitCode::Runner.number()),
        }
        let keep = self.launch.plan.process.keep_groups;
        become_root(if keep { OldGroups::Kept } else { OldGroups::Dropped })?;
        // Where id 0 is another id than the user's (`keep-id`), the change has made this process
        // undumpable, and the monitor could not reach /proc/PID/ns (prctl(2), PR_SET_DUMPABLE).
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).doing(|| "cannot become root")?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        if self.launch.network.is_own() {
            crate::net::prepare_namespace(&self.launch.plan.ids.groups);
        }
        for notice in self.launch.plan.isolation.apply()? {
            self.monitor.send(&FromInit::Notice(notice.0))?;
        }
        let Isolated { launch, monitor, container, layers, directory, mounts, sources, shared_names, streams, network } =
            self;
        Ok(Mapped { launch, monitor, container, layers, directory, mounts, sources, shared_names, streams, network })
    }
}

/// The one whose root is the container's group, in which this process was born.
fn make_cgroup_namespace(launch: &Launch<'_>, monitor: &ToMonitor) -> Result<()> {
    if launch.plan.isolation.cgroup == Sharing::Own && !launch.plan.means.is_chroot() {
        unshare(Namespaces::CGROUP).doing(|| "cannot make the container's cgroup namespace")?;
    }
    monitor.send(&FromInit::CgroupNamespaceMade)
}

/// Brings up what interfaces a new network namespace has: it needs no id.
fn raise_interfaces(launch: &Launch<'_>, monitor: &ToMonitor) -> Result<Network> {
    let link = match launch.network {
        ResolvedNetwork::Host | ResolvedNetwork::Shared => return Ok(Network::Ready),
        network => crate::net::raise_interfaces(network),
    };
    match (launch.network, link) {
        (ResolvedNetwork::BuiltIn(_), Ok(link)) => {
            monitor.send_with(&FromInit::LinkMade(Ok(())), link.as_ref().map(AsFd::as_fd))?;
            // Interfaces on networks with names are made by others.
            Ok(if launch.places.borrow().is_empty() { Network::Ready } else { Network::Awaited })
        }
        (ResolvedNetwork::BuiltIn(_), Err(failure)) => {
            // Others may be able to: loopback is all that must work.
            crate::net::raise_interfaces(&ResolvedNetwork::Loopback)?;
            monitor.send(&FromInit::LinkMade(Err(failure)))?;
            Ok(Network::Awaited)
        }
        (ResolvedNetwork::Carried { .. } | ResolvedNetwork::Networks { .. }, link) => link.map(|_| Network::Awaited),
        (_, link) => link.map(|_| Network::Ready),
    }
}

/// Root of the user namespace, in the host's mount tree.
///
/// May assume: ids are mapped, files can be made and file systems mounted; the host's paths have their
/// names. Must not: execute anything of the image, or follow a path of it outside of [`Root`].
struct Mapped<'a> {
    launch: &'a Launch<'a>,
    monitor: &'a ToMonitor,
    /// `containers/<id>`, from before the root file system is mounted upon it.
    container: OwnedFd,
    layers: Option<Layers>,
    /// Of `--rootfs DIR`, where the user could open it.
    directory: Option<OwnedFd>,
    /// The plan's, and a bind for each device.
    mounts: Cow<'a, [Mount]>,
    sources: volumes::Sources,
    shared_names: Vec<(&'static str, OwnedFd)>,
    streams: PayloadEnds,
    network: Network,
}

/// The group of terminals on every distribution (`tty`).
const TTY_GROUP: u32 = 5;

/// The payload's terminal, or none.
type PayloadTerminal = Option<OwnedFd>;

impl<'a> Mapped<'a> {
    fn make_mounts_private(&self) -> Result<()> {
        pivot::make_mounts_private()
    }

    /// Writes /etc/hosts and its like; the result is the directory they lie in, None where they are another container's.
    /// It is the container's, where they can be changed from outside, and others can share them; of one that is thrown
    /// away when its client has seen its end it is a file system in memory, mounted where the old root will take it along,
    /// and there is nothing of them to remove.
    fn write_names(&self) -> Result<Option<OwnedFd>> {
        if !self.shared_names.is_empty() {
            return Ok(None);
        }
        let directory = match self.launch.plan.remove && self.launch.presence == Presence::Attached {
            true => etc::mount_memory(self.container.as_fd())?,
            false => self.container.try_clone().doing(|| "cannot keep the container's directory")?,
        };
        etc::write_files(directory.as_fd(), &self.launch.names)?;
        Ok(Some(directory))
    }

    /// The root file system, mounted upon the container's directory.
    fn mount_overlay(&self) -> Result<OwnedFd> {
        let Some(layers) = &self.layers else {
            let RootSource::Directory { path } = &self.launch.plan.root else {
                return Err(Failure::new(
                    "cannot make the root file system",
                    "the plan names neither layers nor a directory",
                ));
            };
            return match &self.directory {
                Some(directory) => overlay::bind_directory(directory.as_fd(), path),
                None => overlay::bind_directory(overlay::open_directory(path)?.as_fd(), path),
            };
        };
        let durability = if self.launch.plan.remove { Durability::Volatile } else { Durability::Synced };
        let driver = self.launch.driver;
        if driver == Driver::Copy {
            return layers.copy();
        }
        let writable = layers.make_writable()?;
        // Somebody's own directory keeps its owner to itself: that need not be mapped.
        if matches!(self.launch.plan.root, RootSource::Layers { .. }) {
            layers.take_over_top(&writable)?;
        }
        if driver == Driver::Fuse {
            self.check_fuse().doing(|| "cannot use fuse-overlayfs")?;
            return self.mount_fuse(layers);
        }
        let refused = match layers.mount(&writable, durability, driver)? {
            Ok(tree) => return Ok(tree),
            Err(refused) => refused,
        };
        if matches!(driver, Driver::Kernel | Driver::KernelByMount) {
            return Err(refused.failure());
        }
        let mut why = errno_text(refused.0.raw_os_error());
        if layers.lie_on_overlay() {
            why += " (your data lies on an overlay itself; XDG_DATA_HOME on a volume would help)";
        }
        match self.check_fuse() {
            Ok(()) => {
                self.notice(format!("the kernel refuses an overlay here, {why}: using fuse-overlayfs"))?;
                self.mount_fuse(layers)
            }
            Err(neither) => {
                self.notice(format!(
                    "the kernel refuses an overlay here, {why}, and {neither}: copying the image, which is slow"
                ))?;
                layers.copy()
            }
        }
    }

    /// Whether fuse-overlayfs can serve this container. It walks the whole path of its directories
    /// (realpath(3)), and the store is the user's, 0700.
    fn check_fuse(&self) -> std::result::Result<(), String> {
        fuse::find()?;
        let (user, group) = self.launch.user;
        match self.launch.plan.ids.root_reaches(user, group) {
            true => Ok(()),
            false => Err("fuse-overlayfs, as the container's root, cannot reach your directories".into()),
        }
    }

    fn mount_fuse(&self, layers: &Layers) -> Result<OwnedFd> {
        let (device, tree) = fuse::mount(layers.container())?;
        self.monitor.send_with(&FromInit::FuseMounted, Some(device.as_fd()))?;
        Ok(tree)
    }

    /// Names the user of `--userns keep-id`, in a root file system that is the container's own.
    fn add_user_entry(&self, tree: &OwnedFd) -> Result<()> {
        match (&self.launch.plan.user_entry, &self.layers) {
            (Some(entry), Some(_)) => user_entry::add_user_entry(&Root::new(tree.as_fd()), entry),
            _ => Ok(()),
        }
    }

    fn notice(&self, text: String) -> Result<()> {
        self.monitor.send(&FromInit::Notice(text))
    }

    /// Tells `act` what is hidden: Docker's lists, with what was asked for.
    fn with_covered<T>(&self, act: impl FnOnce(&Covered<'_>) -> T) -> T {
        let plan = self.launch.plan;
        let default = match plan.kernel_paths {
            KernelPaths::Masked => DEFAULT_COVERED,
            KernelPaths::Unmasked => NOTHING_COVERED,
        };
        let masks = &plan.isolation.masks;
        if masks.is_default() {
            return act(&default);
        }
        let kept = |paths: &[&'static str]| paths.iter().copied().filter(|path| !masks.leave(path)).collect::<Vec<_>>();
        let (mut masked, read_only) = (kept(default.masked), kept(default.read_only));
        masked.extend(masks.more.iter().map(String::as_str).filter(|path| cover::is_kernels(path)));
        act(&Covered { masked: &masked, read_only: &read_only, ..default })
    }

    fn mount_kernel_filesystems(&self, tree: &OwnedFd) -> Result<PayloadTerminal> {
        let plan = self.launch.plan;
        let root = Root::new(tree.as_fd());
        let wanted = |covered: &Covered<'_>| {
            let wanted = KernelFilesystems {
                covered: *covered,
                terminal: if plan.stdio.tty { Terminal::Wanted } else { Terminal::Absent },
                shm: match plan.isolation.ipc {
                    Ipc::Own => SharedMemory::Own { size: plan.shm_size },
                    Ipc::WithoutShm => SharedMemory::Absent,
                    Ipc::Host => SharedMemory::Host,
                    Ipc::Container => SharedMemory::Others {
                        shm: self.launch.shared_memory.shm.as_ref().map(AsFd::as_fd),
                        mqueue: self.launch.shared_memory.mqueue.as_ref().map(AsFd::as_fd),
                    },
                },
                processes: match plan.isolation.processes {
                    Processes::Own => ShownProcesses::Own,
                    Processes::Host => ShownProcesses::Host,
                },
                // A sysfs shows its maker's network namespace, and takes root of the user namespace that owns it.
                network: match self.launch.network.is_own() {
                    true => NetworkOwner::Container,
                    false => NetworkOwner::Host,
                },
                cgroup: match plan.isolation.cgroup {
                    Sharing::Own => CgroupNamespace::Own,
                    Sharing::Host | Sharing::Container => CgroupNamespace::Host,
                },
                tty_group: match plan.ids.groups.to_host(InsideId(TTY_GROUP)) {
                    Some(_) => TtyGroup::Mapped,
                    None => TtyGroup::Unmapped,
                },
            };
            kernel_filesystems::mount_kernel_filesystems(&root, &wanted)
        };
        let mounted = self.with_covered(wanted)?;
        if plan.ids.is_single() {
            apt::write(&root)?;
        }
        for notice in mounted.notices {
            self.notice(notice.0)?;
        }
        let Some(pty) = mounted.pty else { return Ok(None) };
        if let Some(size) = self.launch.window {
            rustix::termios::tcsetwinsize(&pty.slave, size.into()).doing(|| "cannot set the terminal's size")?;
        }
        self.monitor.send_with(&FromInit::TerminalOpened, Some(pty.master.as_fd()))?;
        Ok(Some(pty.slave))
    }

    fn bind_volumes(&self, tree: &OwnedFd, names: Option<&OwnedFd>) -> Result<()> {
        let root = Root::new(tree.as_fd());
        let mounts = &self.mounts;
        let surroundings = volumes::Surroundings {
            sources: &self.sources,
            volumes: self.launch.volumes,
            owner: &|| self.identify(&root).map(|identity| (identity.uid, identity.gid)),
        };
        for notice in volumes::bind_volumes(&root, mounts, &surroundings)? {
            self.notice(notice.0)?;
        }
        if mounts.iter().any(|mount| ["/proc", "/sys"].contains(&mount.target.as_str())) {
            self.with_covered(|covered| cover::cover_volumes(&root, covered))?;
        }
        cover::mask_elsewhere(&root, &self.launch.plan.isolation.masks.more)?;
        let files: Vec<etc::Place<'_>> = match names {
            Some(directory) => etc::FILES.map(|name| (name, directory.as_fd(), Path::new(name))).into(),
            None => self.shared_names.iter().map(|(name, file)| (*name, file.as_fd(), Path::new(""))).collect(),
        };
        etc::bind_files(&root, &files, |path| mounts.iter().any(|mount| Path::new(&mount.target) == path))
    }

    /// A directory of the user's as root file system (`--rootfs`), in a container where the user is nobody.
    fn explain_foreign_root(&self, tree: &OwnedFd, failure: Failure) -> Failure {
        let (user, group) = self.launch.user;
        let plan = self.launch.plan;
        // Below an overlay it is the lower directory that belongs to somebody.
        let directory = self.layers.as_ref().and_then(|layers| layers.lower().first()).unwrap_or(tree);
        let is_foreign = rustix::fs::fstat(directory).is_ok_and(|stat| stat.st_uid == OVERFLOW_ID);
        if matches!(plan.root, RootSource::Layers { .. }) || plan.ids.root_reaches(user, group) || !is_foreign {
            return failure;
        }
        failure.hint("the directory belongs to you, and in this user namespace you are nobody: use an image, or another --userns")
    }

    /// Who the payload is, by the container's own files.
    fn identify(&self, root: &Root<'_>) -> Result<Identity> {
        let plan = self.launch.plan;
        resolve_identity(root, &plan.process.user, &plan.process.additional_groups, &plan.ids)
    }

    /// From here on the container's tree is all there is.
    fn pivot(mut self, tree: OwnedFd, terminal: PayloadTerminal) -> Result<Rooted<'a>> {
        let plan = self.launch.plan;
        if plan.isolation.uts == Sharing::Own {
            rustix::system::sethostname(plan.hostname.as_bytes())
                .doing(|| format!("cannot set the host name {}", plan.hostname))?;
        }
        // After the volumes: one of them may bring /etc/passwd.
        let identity = self.identify(&Root::new(tree.as_fd()))?;
        for notice in &identity.notices {
            self.notice(notice.0.clone())?;
        }
        pivot::pivot(tree.as_fd())?;
        self.layers = None;
        pivot::detach_old_root()?;
        make_working_directory(&plan.process.cwd, &identity)?;
        if plan.read_only {
            pivot::make_root_read_only(tree.as_fd())?;
        }
        let Mapped { launch, monitor, streams, network, .. } = self;
        Ok(Rooted { launch, monitor, terminal, streams, identity, network })
    }
}

/// Docker makes a missing working directory, with the payload's user as owner of the last component.
fn make_working_directory(path: &str, identity: &Identity) -> Result<()> {
    let doing = || format!("cannot make the working directory {path}");
    if Path::new(path).is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path).doing(doing)?;
    std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid)).doing(doing)
}

/// The container's tree is the root.
///
/// May assume: the host's paths are gone; still all capabilities of the user namespace. Must do: give
/// up every privilege and descriptor the payload is not meant to have. Must not: write anything that
/// the image could have made a trap of, but by the payload's own rights.
struct Rooted<'a> {
    launch: &'a Launch<'a>,
    monitor: &'a ToMonitor,
    terminal: PayloadTerminal,
    streams: PayloadEnds,
    identity: Identity,
    network: Network,
}

impl<'a> Rooted<'a> {
    fn confine(self) -> Result<Confined<'a>> {
        let plan = self.launch.plan;
        self.take_stdio()?;
        let command = Command::prepare(&plan.process, &self.identity, &plan.ids)?;
        let (way, outcome) = self.way_to_execute(&command)?;
        if self.network == Network::Awaited {
            self.monitor.send_with(&FromInit::ReadyToExec, outcome.as_ref().map(AsFd::as_fd))?;
            match self.monitor.receive()? {
                Some(ToInit::NetworkAttached) => {}
                _ => exit_now(ExitCode::Runner.number()),
            }
        }
        payload::confine(&plan.process, &self.identity, plan)?;
        let Rooted { launch, monitor, network, .. } = self;
        Ok(Confined { launch, monitor, command, way, outcome, network })
    }

    /// The image may lead the payload's file to rr's own, by way of /proc (CVE-2019-5736): directly is executed only what
    /// surely is another file. Whether it is can be looked at where nobody else can write to it meanwhile.
    fn way_to_execute(&self, command: &Command) -> Result<(Way, Option<OwnedFd>)> {
        let plan = self.launch.plan;
        let shared =
            |mount: &Mount| matches!(mount.kind, MountKind::Bind { .. } | MountKind::Volume { anonymous: false, .. });
        let own_files = matches!(plan.root, RootSource::Layers { .. }) && !plan.mounts.iter().any(shared);
        if own_files && command.is_plain(&plan.process.args[0]) {
            return Ok((Way::Directly, None));
        }
        let Some(trampoline) = payload::make_trampoline()? else { return Ok((Way::Directly, None)) };
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (outcome, report) = pipe.doing(|| "cannot make a pipe for the monitor")?;
        Ok((Way::ByTrampoline { trampoline, report }, Some(outcome)))
    }

    /// Standard input, output and error: the terminal, the monitor's pipes, or what the client had;
    /// /dev/null for an input that `-i` did not ask for. Init becomes the leader of a session, which a terminal belongs to.
    fn take_stdio(&self) -> Result<()> {
        let doing = || "cannot set up the standard streams";
        if !self.launch.plan.init {
            rustix::process::setsid().doing(doing)?;
        }
        if let Some(terminal) = &self.terminal {
            if !self.launch.plan.init {
                rustix::process::ioctl_tiocsctty(terminal).doing(|| "cannot take the terminal")?;
            }
            rustix::stdio::dup2_stdin(terminal).doing(doing)?;
            rustix::stdio::dup2_stdout(terminal).doing(doing)?;
            rustix::stdio::dup2_stderr(terminal).doing(doing)?;
            return payload::let_it_reopen_stdio(&self.identity, Some(terminal));
        }
        // Without namespaces it has been placed already.
        if self.launch.input == Input::Nothing && !self.launch.plan.means.is_chroot() {
            let null =
                rustix::fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing(doing)?;
            rustix::stdio::dup2_stdin(&null).doing(doing)?;
        }
        if let Some(stdin) = &self.streams.stdin {
            rustix::stdio::dup2_stdin(stdin).doing(doing)?;
        }
        if let Some(stdout) = &self.streams.stdout {
            rustix::stdio::dup2_stdout(stdout).doing(doing)?;
        }
        if let Some(stderr) = &self.streams.stderr {
            rustix::stdio::dup2_stderr(stderr).doing(doing)?;
        }
        payload::let_it_reopen_stdio(&self.identity, None)
    }
}

/// Nothing is left to give up.
///
/// May assume: the payload's ids, capabilities, filter and streams. Must do: execute. Must not: open or
/// allocate what could fail in a way the payload would see.
struct Confined<'a> {
    launch: &'a Launch<'a>,
    monitor: &'a ToMonitor,
    command: Command,
    way: Way,
    /// What the monitor reads of the trampoline's.
    outcome: Option<OwnedFd>,
    network: Network,
}

impl Confined<'_> {
    fn exec_payload(self) -> Result<Infallible> {
        if self.network == Network::Ready {
            self.monitor.send_with(&FromInit::ReadyToExec, self.outcome.as_ref().map(AsFd::as_fd))?;
        }
        if self.launch.plan.init {
            // The child goes on below; process 1 stays and reaps.
            reaper::fork_payload(self.launch.plan.stdio.tty)?;
        }
        let name = &self.launch.plan.process.args[0];
        Err(match self.way {
            Way::Directly => self.command.execute(name),
            Way::ByTrampoline { trampoline, report } => self.command.execute_by(trampoline, report, name),
        })
    }
}
