//! The monitor: one small process a container, from before its start to after its end.
//!
//! It is process 1 of a pid namespace that encloses the container's: whatever kills the monitor, the
//! kernel then kills everything it started, the container's processes and the network's helper alike
//! (pid_namespaces(7)). It has all capabilities in the container's user namespace but keeps the user's
//! own id, so the record's files stay the user's; it keeps the host's mount and network namespaces.
//! It leads a session of its own: keys of the client's terminal reach it only as messages.

use super::audience::{Audience, PlanOnDisk};
use super::exec::{Doors, Place};
use super::executions::Executions;
use super::logfile::Log;
use super::payload;
use super::plan::{Means, RootSource};
use super::protocol::{Channel, Exit, FromInit, Listener, ToClient, ToInit, ToMonitor};
use super::stdio::{self, MonitorEnds, Output, PayloadEnds};
use super::{ATTACH_SOCKET, Keeper, Launch, Presence, Sequel, Wish, init, pump, step};
use crate::confine::cgroup::Group;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::process::ProcessName;
use crate::net::stack::{self, Inside};
use crate::net::{self, ports::OpenPorts};
use crate::rootfs::fuse;
use crate::rootfs::overlay::{self, Layers};
use crate::sys::process::{Child, Cloned, Namespaces, clone_into_group, close_inherited, exit_now};
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// The monitor's end of the conversation with the client.
pub(super) type ToClientChannel = Channel<ToClient, ToMonitor>;
type ToInitChannel = Channel<ToInit, FromInit>;

/// Runs in: the child that `spawn_child` made. Never returns.
pub(super) fn main(launch: &Launch<'_>, keeper: &mut dyn Keeper, client: ToClientChannel, group: Option<Group>) -> ! {
    let mut audience = Audience::new(client);
    let message = match monitor(launch, keeper, &mut audience, group) {
        Ok(exit) => ToClient::Exited(exit),
        Err(failure) => ToClient::Failed(failure),
    };
    // Nobody may be left to tell; the record says it all the same.
    audience.tell(&message);
    if matches!(message, ToClient::Exited(_)) {
        // Whoever waits for the end of the client's output need not wait for this.
        stdio::let_go_of_clients_streams();
        if let Err(failure) = keeper.clean_up() {
            log::debug!("{failure}");
        }
    }
    exit_now(0)
}

/// Which run of the payload it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// The client waits for it, and writes the id maps.
    First,
    /// The restart policy wants it: everything but the user namespace is made anew.
    Again,
}

fn monitor(
    launch: &Launch<'_>,
    keeper: &mut dyn Keeper,
    audience: &mut Audience,
    group: Option<Group>,
) -> Result<Exit> {
    rustix::process::setsid().doing(|| "cannot make a session for the monitor")?;
    if launch.presence == Presence::Detached {
        leave_the_clients_world()?;
    }
    if launch.plan.means.is_chroot() {
        // No pid namespace ends what the payload leaves: it becomes this process's to end (prctl(2)).
        let own = Some(rustix::process::getpid());
        rustix::process::set_child_subreaper(own).doing(|| "cannot keep the container's processes together")?;
    }
    let mut listener = None;
    let exit = supervise(launch, keeper, audience, &mut listener, group.as_ref());
    if let Some(group) = group {
        group.remove();
    }
    // Whoever connects in these moments is told of the end like the others.
    audience.join_all(listener);
    exit
}

/// From the first start of the payload to the end of its last restart.
fn supervise(
    launch: &Launch<'_>,
    keeper: &mut dyn Keeper,
    audience: &mut Audience,
    listener: &mut Option<Listener>,
    group: Option<&Group>,
) -> Result<Exit> {
    let mut round = Round::First;
    loop {
        let exit = match run_once(launch, keeper, audience, listener, (round, group)) {
            Ok(exit) => exit,
            Err(failure) => {
                if round == Round::Again {
                    keeper.given_up(Some(&failure));
                }
                return Err(failure);
            }
        };
        if std::mem::take(&mut audience.plan) == PlanOnDisk::Changed {
            keeper.plan_changed();
        }
        let wish = audience.wish;
        if wish == Wish::Restart {
            audience.wish = Wish::None;
        }
        let pause = match keeper.ended(exit, wish) {
            Ok(Sequel::End) => {
                if !launch.plan.network.ports.is_empty() {
                    // Before anybody is told: whoever starts it again at once finds the ports free.
                    end_helpers();
                }
                return Ok(exit);
            }
            Ok(Sequel::Again { after }) => after,
            Err(failure) => {
                audience.tell(&ToClient::Notice(failure.to_string()));
                return Ok(exit);
            }
        };
        end_helpers();
        audience.dismiss_guests(exit);
        if !audience.rest(listener.as_ref(), launch, pause) {
            keeper.given_up(None);
            return Ok(exit);
        }
        round = Round::Again;
    }
}

/// One run of the payload, from new namespaces to the end of the last process in them.
fn run_once(
    launch: &Launch<'_>,
    keeper: &mut dyn Keeper,
    audience: &mut Audience,
    listener: &mut Option<Listener>,
    (round, group): (Round, Option<&Group>),
) -> Result<Exit> {
    let (payload_ends, ends) = match launch.plan.stdio.tty {
        true => Default::default(),
        false => stdio::make_pipes(launch.input, &launch.output, &launch.pipes)?,
    };
    step("unshare_rest");
    let mut container = Starting::unshare_rest(launch, payload_ends, group)?;
    container.ports = match round {
        Round::First => launch.ports.take(),
        // Those without a number of their own are other ones each time.
        Round::Again => net::ports::open_for(launch.network, &launch.plan.network.ports.all())?,
    };
    let supervised = container.start(launch, audience, round).and_then(|()| {
        let log = open_log(launch)?;
        let terminal = container.announce(keeper, launch, &ends, audience, round)?;
        if listener.is_none() {
            *listener = listen(launch);
        }
        let doors = std::mem::take(&mut container.doors);
        let copy = open_copy(launch)?;
        let executions = Executions::new(Place { init: &container.init, doors, copy, plan: launch.plan, group });
        let processes = pump::Processes { init: &container.init, network: container.stack.take() };
        let pump = pump::Pump::new(processes, launch, executions, terminal, ends, log)
            .watching_memory(group.and_then(Group::memory_events));
        if let Some(notice) = pump.supervise(audience, listener.as_ref(), keeper) {
            audience.tell(&ToClient::Notice(notice));
        }
        Ok(())
    });
    let exit = container.end();
    launch.places.borrow_mut().end();
    supervised?;
    Ok(exit)
}

/// The root directory of a container that has no namespaces.
fn open_copy(launch: &Launch<'_>) -> Result<Option<OwnedFd>> {
    match (launch.plan.means.is_chroot(), &launch.plan.root) {
        (false, _) => Ok(None),
        (true, RootSource::Directory { path }) => overlay::open_directory(path).map(Some),
        (true, _) => overlay::open_directory(&launch.dir.join(overlay::COPY)).map(Some),
    }
}

/// Ends all that is left of a container without a pid namespace: the children of this process, and what becomes its child
/// by their end. A process that was made this one's child (by ptrace(2), or PR_SET_CHILD_SUBREAPER of its own) by the
/// container's root may escape.
fn end_children() {
    // One that is not waited for keeps its number: it is nobody else who is killed.
    loop {
        // Without it (CONFIG_PROC_CHILDREN) none can be found; the payload itself has been waited for.
        let Ok(children) = std::fs::read_to_string("/proc/thread-self/children") else { return };
        for pid in children.split_ascii_whitespace().filter_map(|word| word.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        if matches!(rustix::process::wait(WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {
            return;
        }
    }
}

/// Before another run: ends what was started beside the payload. The network's program would go on for a namespace
/// that nobody is in any more.
fn end_helpers() {
    if !rustix::process::getpid().is_init() {
        return;
    }
    // Every process of this pid namespace but this one (kill(2)); ESRCH: there is none.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::Signal::SIGKILL);
    // ECHILD ends it; what daemons have left became children of this process.
    while !matches!(rustix::process::wait(WaitOptions::empty()), Err(rustix::io::Errno::CHILD)) {}
}

/// What a container that outlives its client must not keep: open files and a directory in use.
fn leave_the_clients_world() -> Result<()> {
    stdio::let_go_of_clients_streams();
    close_inherited().doing(|| "cannot close the client's descriptors")?;
    rustix::process::chdir("/").doing(|| "cannot enter /")
}

/// The log, if one is kept.
fn open_log(launch: &Launch<'_>) -> Result<Option<Log>> {
    let Output::Log(plan) = &launch.output else { return Ok(None) };
    Ok(Some(Log::open(overlay::open_directory(launch.dir)?, plan)?))
}

/// Where later clients find this monitor. It comes after the client was told, whose payload need not wait
/// for it; without it the container runs all the same.
fn listen(launch: &Launch<'_>) -> Option<Listener> {
    let listener = overlay::open_directory(launch.dir)
        .and_then(|directory| Listener::bind(directory.as_fd(), ATTACH_SOCKET).doing(|| "cannot listen for clients"));
    match listener {
        Ok(listener) => Some(listener),
        Err(failure) => {
            log::debug!("{failure}");
            None
        }
    }
}

/// What a failure of `unshare_rest` says; the client adds what helps, since here /proc/sys/user shows the limits of the new
/// user namespace.
pub(super) const NAMESPACES: &str = "cannot make the container's namespaces";

/// A container whose init exists.
struct Starting {
    init: Child,
    channel: ToInitChannel,
    terminal: Option<OwnedFd>,
    fuse: Option<std::process::Child>,
    reaped: Option<Exit>,
    network: Option<net::Attaching>,
    /// rr's own process that carries its packets, where it is one of this container's.
    stack: Option<Child>,
    /// The host's ports that lead, or are to lead, into it.
    ports: OpenPorts,
    /// Under `--init`, how further processes come in.
    doors: Doors,
    means: Means,
}

/// Who will carry the container's packets, and by what.
enum Connection<'a> {
    None,
    Stack(&'a net::stack::Layout, OwnedFd),
    Program(&'a net::ResolvedNetwork, OwnedFd),
    /// Of the stack, which has failed.
    StandIn(&'a net::stack::Layout, Failure, OwnedFd),
}

impl Starting {
    /// Makes the container's namespaces and, in them, its init. The maps need not be written yet: the
    /// kernel builds the namespaces while newuidmap and newgidmap run.
    fn unshare_rest(launch: &Launch<'_>, streams: PayloadEnds, group: Option<&Group>) -> Result<Starting> {
        let (channel, inits_end) = super::protocol::channel_pair()?;
        let mut namespaces = super::isolation::namespaces(launch.plan, launch.network);
        if group.is_some() {
            // Init makes it: it would be rooted at this process's group.
            namespaces = namespaces.without(Namespaces::CGROUP);
        }
        match clone_into_group(namespaces, group.map(AsFd::as_fd)).doing(|| NAMESPACES)? {
            Cloned::Child => {
                drop(channel);
                // The monitor's to keep or to give away.
                drop(launch.ports.take());
                init::main(launch, &inits_end, streams)
            }
            Cloned::Parent(init) => {
                drop(inits_end);
                Ok(Starting {
                    init,
                    channel,
                    terminal: None,
                    fuse: None,
                    reaped: None,
                    network: None,
                    stack: None,
                    ports: OpenPorts::default(),
                    doors: Doors::default(),
                    means: launch.plan.means,
                })
            }
        }
    }

    /// From mapped ids to the payload's execve(2).
    fn start(&mut self, launch: &Launch<'_>, audience: &Audience, round: Round) -> Result<()> {
        if round == Round::First {
            match audience.starter().receive()? {
                Some(ToMonitor::IdsMapped) => {}
                _ => exit_now(ExitCode::Runner.number()),
            }
        }
        if launch.site.is_some() {
            self.wait_for_cgroup_namespace()?;
        }
        // Before init changes its ids: a process that has is not dumpable for a moment (proc(5)), and its namespace cannot be
        // opened then.
        let connection = self.prepare_network(launch.network)?;
        // At a restart there may be no place left; one may be taken all the same while the container runs.
        let is_on_networks = matches!(launch.network, net::ResolvedNetwork::Networks { .. });
        let namespace = match is_on_networks || !launch.places.borrow().is_empty() {
            true => Some(self.network_namespace()?),
            false => None,
        };
        if launch.plan.init {
            self.doors = Doors::open(&self.init)?;
        }
        self.channel.send(&ToInit::IdsMapped)?;
        self.connect(launch, connection, namespace)?;
        while let Some((message, descriptor)) = self.channel.receive_with()? {
            match message {
                FromInit::Notice(text) => audience.tell(&ToClient::Notice(text)),
                FromInit::TerminalOpened => {
                    if let Some(terminal) = &descriptor {
                        audience.resize(terminal);
                    }
                    self.terminal = descriptor;
                }
                FromInit::FuseMounted => self.fuse = Some(serve_fuse(launch, descriptor)?),
                FromInit::Failed(failure) => return Err(failure),
                FromInit::LinkMade(_) | FromInit::CgroupNamespaceMade => {}
                FromInit::ReadyToExec => {
                    self.wait_for_network(launch, audience)?;
                    self.wait_for_exec(audience)?;
                    return match descriptor {
                        Some(outcome) => read_report(outcome, &launch.plan.process.args[0]),
                        None => Ok(()),
                    };
                }
            }
        }
        Err(self.death_of_init("before it was ready"))
    }

    /// Init makes that one itself where the container has a group of its own.
    fn wait_for_cgroup_namespace(&self) -> Result<()> {
        match self.channel.receive()? {
            Some(FromInit::CgroupNamespaceMade) => Ok(()),
            Some(FromInit::Failed(failure)) => Err(failure),
            Some(other) => Err(Failure::new("cannot start init", format!("unexpected message {other:?}"))),
            None => exit_now(ExitCode::Runner.number()),
        }
    }

    /// What the network is to be made of, from init's namespace.
    fn prepare_network<'a>(&self, network: &'a net::ResolvedNetwork) -> Result<Connection<'a>> {
        match network {
            net::ResolvedNetwork::Host
            | net::ResolvedNetwork::Shared
            | net::ResolvedNetwork::Loopback
            | net::ResolvedNetwork::Networks { .. } => Ok(Connection::None),
            net::ResolvedNetwork::Carried { .. } => Ok(Connection::Program(network, self.network_namespace()?)),
            net::ResolvedNetwork::BuiltIn(layout) => match self.channel.receive_with()? {
                Some((FromInit::LinkMade(Ok(())), Some(link))) => Ok(Connection::Stack(layout, link)),
                Some((FromInit::LinkMade(Err(failure)), _)) => {
                    Ok(Connection::StandIn(layout, failure, self.network_namespace()?))
                }
                Some((FromInit::Failed(failure), _)) => Err(failure),
                Some((other, _)) => {
                    Err(Failure::new("cannot connect the container's network", format!("unexpected message {other:?}")))
                }
                None => exit_now(ExitCode::Runner.number()),
            },
        }
    }

    /// Starts whoever carries packets; `namespace` is the container's, where it is on networks with names.
    fn connect(&mut self, launch: &Launch<'_>, connection: Connection<'_>, namespace: Option<OwnedFd>) -> Result<()> {
        let (bound, directory) = (&self.ports.bound, launch.dir);
        let mut sockets = || std::mem::take(&mut self.ports.sockets);
        let mut private = None;
        match connection {
            Connection::None => {}
            // It ends with this process.
            Connection::Stack(layout, link) => {
                let mut told = None;
                if namespace.is_some() {
                    let (ours, stacks) = super::protocol::channel_pair::<stack::ToStack, ()>()?;
                    told = Some(stacks.into());
                    let inside = Inside { v4: layout.v4.container, v6: Some(layout.v6.container) };
                    private = Some((ours.into(), inside));
                }
                let ports = OpenPorts { bound: bound.clone(), sockets: sockets() };
                self.stack = Some(stack::start(link, layout, ports, told)?);
            }
            Connection::Program(network, namespace) => {
                drop(sockets());
                self.network = net::start_attach(network, namespace, bound, directory);
            }
            // No program leaves room for interfaces of others.
            Connection::StandIn(_, failure, _) if namespace.is_some() => return Err(failure),
            Connection::StandIn(layout, failure, namespace) => {
                // The program takes the ports itself.
                drop(sockets());
                self.network = Some(net::fall_back(layout, failure, namespace, bound, directory));
            }
        }
        match namespace {
            Some(namespace) => launch.places.borrow_mut().begin(namespace, private),
            None => Ok(()),
        }
    }

    fn network_namespace(&self) -> Result<OwnedFd> {
        let path = format!("/proc/{}/ns/net", host_pid(&self.init)?);
        let namespace = std::fs::File::open(&path).doing(|| format!("cannot open {path}"))?;
        Ok(namespace.into())
    }

    /// Holds init back until the network is there.
    fn wait_for_network(&mut self, launch: &Launch<'_>, audience: &Audience) -> Result<()> {
        let mut places = launch.places.borrow_mut();
        if !places.is_empty() {
            let sockets = std::mem::take(&mut self.ports.sockets);
            places.wait_ready(OpenPorts { bound: self.ports.bound.clone(), sockets })?;
        }
        if let Some(network) = self.network.take() {
            let attached = network.wait_ready()?;
            if let Some(notice) = attached.notice {
                audience.tell(&ToClient::Notice(notice.0));
            }
            self.ports.bound = attached.ports;
        } else if places.is_empty() && !matches!(launch.network, net::ResolvedNetwork::Networks { .. }) {
            return Ok(());
        }
        self.channel.send(&ToInit::NetworkAttached)
    }

    /// End of file now means that execve(2) closed the socket.
    fn wait_for_exec(&mut self, audience: &Audience) -> Result<()> {
        loop {
            match self.channel.receive()? {
                Some(FromInit::Failed(failure)) => return Err(failure),
                Some(FromInit::Notice(text)) => audience.tell(&ToClient::Notice(text)),
                Some(other) => {
                    return Err(Failure::new("cannot start the payload", format!("unexpected message {other:?}")));
                }
                None => return Ok(()),
            }
        }
    }

    fn death_of_init(&mut self, when: &str) -> Failure {
        let how = match self.end() {
            Exit::Status(status) => format!("with status {status}"),
            Exit::Signal(signal) => format!("by signal {signal}"),
        };
        Failure::new("cannot start the container", format!("init ended {when}, {how}"))
    }

    /// Tells the record, and the client that waits for it, that the payload runs.
    fn announce(
        &mut self,
        keeper: &mut dyn Keeper,
        launch: &Launch<'_>,
        ends: &MonitorEnds,
        audience: &mut Audience,
        round: Round,
    ) -> Result<Option<pump::Terminal>> {
        // The payload may be gone already, and with it its line in /proc.
        let init = host_pid(&self.init).ok().and_then(|pid| ProcessName::of(pid).ok());
        let monitor = own_host_pid().and_then(|pid| ProcessName::of(pid).ok());
        keeper.started(init, monitor, &self.ports.bound, launch.endpoints())?;
        let terminal = self.terminal.take().map(pump::Terminal::new).transpose()?;
        if round == Round::First {
            audience.admit_starter(terminal.is_some() || ends.stdin.is_some())?;
        }
        Ok(terminal)
    }

    /// Kills what is left, waits for it, and takes the network down.
    fn end(&mut self) -> Exit {
        if let Some(exit) = self.reaped {
            return exit;
        }
        // It has ended, or must end now; ESRCH is what is hoped for.
        let _ = rustix::process::pidfd_send_signal(&self.init.pidfd, Signal::KILL);
        let exit = wait_for(&self.init);
        if self.means.is_chroot() {
            end_children();
        }
        self.reaped = Some(exit);
        if let Some(mut fuse) = self.fuse.take() {
            // Its device went with the mount namespace; only its last writes are waited for.
            let _ = fuse.wait();
        }
        exit
    }
}

/// What the trampoline says, where init has become one: nothing, once it has executed `command`.
fn read_report(outcome: OwnedFd, command: &str) -> Result<()> {
    let mut report = Vec::new();
    std::fs::File::from(outcome).read_to_end(&mut report).doing(|| "cannot wait for the payload to start")?;
    payload::read_outcome(&report, command)
}

/// Starts fuse-overlayfs upon what init has mounted.
fn serve_fuse(launch: &Launch<'_>, device: Option<OwnedFd>) -> Result<std::process::Child> {
    let device = device.ok_or_else(|| Failure::new("cannot start fuse-overlayfs", "init sent no device"))?;
    let lower = match &launch.plan.root {
        RootSource::OverlaidDirectory { path } => std::slice::from_ref(path),
        _ => launch.layers.as_slice(),
    };
    let layers = Layers::open(lower, launch.dir)?;
    let writable = layers.open_writable()?;
    fuse::serve(device, &layers, &writable)
}

/// How init ended; the whole pid namespace is gone when this returns.
fn wait_for(init: &Child) -> Exit {
    loop {
        match rustix::process::waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some(status)) => return exit_of(&status),
            // ECHILD cannot be: nobody else waits for it.
            Ok(None) | Err(_) => return Exit::Signal(Signal::KILL.as_raw()),
        }
    }
}

/// How a child that was waited for has ended.
pub(super) fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(Signal::KILL.as_raw()),
    }
}

/// The process id that the host's /proc shows for a child, whose id here is another
/// (proc_pid_fdinfo(5), `Pid:` of a pidfd).
pub(super) fn host_pid(child: &Child) -> Result<i32> {
    use std::os::fd::AsRawFd;
    let doing = || "cannot find the host's process id of init";
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", child.pidfd.as_raw_fd())).doing(doing)?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    match pid {
        Some(pid @ 1..) => Ok(pid),
        _ => Err(Failure::new(doing(), "it has ended")),
    }
}

/// This process as the host's /proc shows it.
fn own_host_pid() -> Option<i32> {
    std::fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()
}
