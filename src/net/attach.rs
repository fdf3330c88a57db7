//! Starting pasta or slirp4netns for one container.
//!
//! Runs in the monitor: in the container's user namespace, in the host's mount and network
//! namespaces, as process 1 of a pid namespace of its own. Whatever is started here is killed by the
//! kernel when the monitor ends, so neither program needs to watch for the container's end.
//!
//! The program gets the namespace as its standard input and opens `/proc/self/fd/0`. It could not open
//! `/proc/PID/ns/net`: that takes the rights to trace init, which pasta gives up first thing. And of
//! other inherited descriptors newer ones close all before looking.
//!
//! Where the user's id inside is not 0 (`--userns keep-id`), execve(2) would take the monitor's
//! capabilities away; they are made ambient around the start (capabilities(7)).

use super::ports::slirp4netns::Api;
use super::ports::{self, Bound};
use super::resolve::{loopback_only, stand_ins};
use super::stack::{HostLoopback, Layout};
use super::{CONTAINER, Carrier, ForwardDns, GATEWAY, INTERFACE, MTU, NAME_SERVER, Otherwise, ResolvedNetwork, Tool};
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use crate::sys::ready::timespec;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::CapabilitySet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a program may take to get ready; they need some hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A network that is being attached. Dropping it leaves the program running.
#[must_use]
#[derive(Debug)]
pub struct Attaching {
    first: Result<Starting>,
    others: Vec<Carrier>,
    otherwise: Otherwise,
    carriage: Carriage,
}

/// What each of the programs is to carry.
#[derive(Debug)]
struct Carriage {
    forward_dns: ForwardDns,
    host_loopback: HostLoopback,
    /// Ports of the host that are to lead to the container.
    ports: Vec<Bound>,
    /// `containers/<id>`
    directory: PathBuf,
    namespace: OwnedFd,
}

/// What has become of it.
#[derive(Debug, PartialEq)]
pub struct Attached {
    /// The container has loopback only after all.
    pub notice: Option<Notice>,
    /// The ports that lead to it.
    pub ports: Vec<Bound>,
}

/// Starts the program that connects `namespace`, a network namespace's descriptor
/// (`/proc/PID/ns/net`), and takes `ports` for it; None where `network` needs none. `directory` is the container's,
/// `containers/<id>`. A failure is told by [`Attaching::wait_ready`].
///
/// The calling process must be single-threaded, must not have set SIGCHLD to be ignored, and must hold
/// CAP_SYS_ADMIN and CAP_NET_ADMIN in the user namespace that owns `namespace`.
pub fn start_attach(
    network: &ResolvedNetwork,
    namespace: OwnedFd,
    ports: &[Bound],
    directory: &Path,
) -> Option<Attaching> {
    let ResolvedNetwork::Carried { carriers, otherwise, forward_dns, host_loopback } = network else { return None };
    let (first, others) = carriers.split_first()?;
    let carriage = Carriage {
        forward_dns: *forward_dns,
        host_loopback: *host_loopback,
        ports: ports.to_vec(),
        directory: directory.to_owned(),
        namespace,
    };
    Some(Attaching { first: start(first, &carriage), others: others.to_vec(), otherwise: *otherwise, carriage })
}

/// As [`start_attach`], in place of rr's own stack, which cannot work because of `failure`: what is installed is tried,
/// and without anything there is loopback only. So it is where the addresses are not those that the programs know
/// ([`super::PrivateNetwork`]). The container's files are as they are: queries go to [`NAME_SERVER`].
pub fn fall_back(
    layout: &Layout,
    failure: Failure,
    namespace: OwnedFd,
    ports: &[Bound],
    directory: &Path,
) -> Attaching {
    let carriage = Carriage {
        forward_dns: ForwardDns::Yes,
        host_loopback: HostLoopback::OutOfReach,
        ports: ports.to_vec(),
        directory: directory.to_owned(),
        namespace,
    };
    let others = if *layout == Layout::default() { stand_ins() } else { Vec::new() };
    Attaching { first: Err(failure), others, otherwise: Otherwise::LoopbackOnly, carriage }
}

impl Attaching {
    /// Waits until interface, address, default route and published ports are there. A notice where the container
    /// has loopback only after all.
    ///
    /// # Errors
    /// A program that was asked for by name does not work; none does, and ports were to be published.
    pub fn wait_ready(self) -> Result<Attached> {
        let ports = &self.carriage.ports;
        let mut failures = match self.first.and_then(|first| first.wait_ready(ports)) {
            Ok(ports) => return Ok(Attached { notice: None, ports }),
            Err(failure) => vec![failure],
        };
        for carrier in &self.others {
            match start(carrier, &self.carriage).and_then(|next| next.wait_ready(ports)) {
                Ok(ports) => return Ok(Attached { notice: None, ports }),
                Err(failure) => failures.push(failure),
            }
        }
        if self.otherwise == Otherwise::Fail {
            return Err(failures.swap_remove(0));
        }
        let all = failures.iter().map(Failure::to_string).collect::<Vec<_>>().join("; ");
        match ports.is_empty() {
            true => Ok(Attached { notice: Some(loopback_only(&all)), ports: Vec::new() }),
            false => Err(Failure::new(ports::DOING, all)),
        }
    }
}

/// One program under way.
#[derive(Debug)]
struct Starting {
    tool: Tool,
    child: Child,
    /// What it writes to standard error. A file in memory: nobody has to read it, and no SIGPIPE and
    /// no full pipe stops a program that complains later.
    said: File,
    /// Readable when slirp4netns is ready, at end of file when it has ended. pasta has none: its
    /// first process ends when it is.
    ready: Option<OwnedFd>,
    /// Where slirp4netns is told of ports.
    api: Option<Api>,
}

fn start(carrier: &Carrier, carriage: &Carriage) -> Result<Starting> {
    let doing = || format!("cannot start {}", carrier.path.display());
    let said = rustix::fs::memfd_create("stderr", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).doing(doing)?;
    let mut command = Command::new(&carrier.path);
    command
        .current_dir("/")
        .stdin(carriage.namespace.try_clone().doing(doing)?)
        .stdout(Stdio::null())
        .stderr(said.try_clone().doing(doing)?);
    let (mut pipe, mut api) = (None, None);
    match carrier.tool {
        Tool::Pasta => command.args(pasta_arguments(carriage)),
        Tool::Slirp4netns => {
            let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing(doing)?;
            if !carriage.ports.is_empty() {
                let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
                let directory = rustix::fs::open(&carriage.directory, flags, Mode::empty()).doing(doing)?;
                let made = Api::new(directory);
                command.arg(made.argument());
                api = Some(made);
            }
            command.args(slirp4netns_arguments(carriage.host_loopback, writer.as_raw_fd()));
            pipe = Some((reader, writer));
            &mut command
        }
    };
    // Inherited by this one child: the process is single-threaded.
    let inherited: Vec<BorrowedFd<'_>> =
        pipe.iter().map(|(_, writer)| writer.as_fd()).chain(api.iter().map(|api| api.directory().as_fd())).collect();
    let set_flags = |flags| inherited.iter().try_for_each(|descriptor| rustix::io::fcntl_setfd(descriptor, flags));
    set_flags(FdFlags::empty()).doing(doing)?;
    let child = with_ambient_capabilities(|| command.spawn()).doing(doing)?;
    set_flags(FdFlags::CLOEXEC).doing(doing)?;
    drop(inherited);
    Ok(Starting { tool: carrier.tool, child, said: File::from(said), ready: pipe.map(|(reader, _)| reader), api })
}

/// Only options that pasta has had since 2023.
fn pasta_arguments(carriage: &Carriage) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--quiet",
        "--config-net",
        "--ns-ifname",
        INTERFACE,
        "--mtu",
        &MTU.to_string(),
        "--address",
        &CONTAINER.to_string(),
        "--netmask",
        "24",
        "--gateway",
        &GATEWAY.to_string(),
        // Ports of the container's own choice are not carried outward.
        "--tcp-ns",
        "none",
        "--udp-ns",
        "none",
        // Newer ones would look whether /proc/self/fd/0 is still there, where self is gone by then.
        "--no-netns-quit",
    ]
    .map(str::to_owned)
    .into();
    if carriage.host_loopback == HostLoopback::OutOfReach {
        // The gateway's address is the host's loopback else, which would lay open what listens there.
        arguments.push("--no-map-gw".into());
    }
    arguments.extend(ports::pasta::arguments(&carriage.ports));
    if carriage.forward_dns == ForwardDns::Yes {
        arguments.extend(["--dns-forward".into(), NAME_SERVER.to_string()]);
    }
    arguments.extend(["--netns".into(), "/proc/self/fd/0".into()]);
    arguments
}

/// Options of slirp4netns 0.4 (2019) and later.
fn slirp4netns_arguments(host_loopback: HostLoopback, ready: i32) -> Vec<String> {
    let ready = format!("--ready-fd={ready}");
    let confined = (host_loopback == HostLoopback::OutOfReach).then_some("--disable-host-loopback");
    ["--configure", "--mtu", &MTU.to_string(), "--enable-sandbox", "--enable-seccomp", &ready, "--netns-type=path"]
        .into_iter()
        .chain(confined)
        .chain(["/proc/self/fd/0", INTERFACE])
        .map(str::to_owned)
        .collect()
}

impl Starting {
    /// The ports of `ports` that lead to the container now.
    fn wait_ready(mut self, ports: &[Bound]) -> Result<Vec<Bound>> {
        let tool = self.tool.name();
        let doing = || format!("cannot connect the container's network with {tool}");
        let watched = match &self.ready {
            Some(ready) => ready.try_clone(),
            None => rustix::process::pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).map_err(Into::into),
        }
        .doing(doing)?;
        if !readable_within(watched.as_fd(), PATIENCE).doing(doing)? {
            let failure = Failure::new(doing(), format!("it was not ready after {} seconds", PATIENCE.as_secs()));
            self.end();
            return Err(failure);
        }
        let ready = match &self.ready {
            Some(pipe) => File::from(pipe.try_clone().doing(doing)?).read(&mut [0]).doing(doing)? == 1,
            None => self.child.wait().doing(doing)?.success(),
        };
        if !ready {
            self.end();
            return Err(Failure::new(doing(), last_words(&self.said)));
        }
        let published = match (ports.is_empty(), self.api.take()) {
            (true, _) => Ok(Vec::new()),
            (false, Some(api)) => api.publish(ports),
            (false, None) => ports::pasta::taken(ports),
        };
        if published.is_err() {
            self.end();
        }
        // Enough is written: a program that complains for weeks must not fill the memory.
        rustix::fs::fcntl_add_seals(&self.said, SealFlags::GROW | SealFlags::SHRINK).doing(doing)?;
        published
    }

    /// Kills and reaps it, where that has not happened.
    fn end(&mut self) {
        // It has ended before where these fail, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// False where nothing came within `limit`.
fn readable_within(descriptor: BorrowedFd<'_>, limit: Duration) -> rustix::io::Result<bool> {
    let limit = timespec(limit);
    loop {
        match rustix::event::poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&limit)) {
            // A signal that was handled: the wait begins again, and so does the limit.
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(|ready| ready > 0),
        }
    }
}

/// The last line of `said` that is about the matter.
fn last_words(said: &File) -> String {
    let mut text = vec![0; 64 * 1024];
    match said.read_at(&mut text, 0) {
        Ok(length) => last_line(&String::from_utf8_lossy(&text[..length])),
        Err(error) => format!("it failed, and what it says cannot be read: {}", error.into_cause()),
    }
}

fn last_line(text: &str) -> String {
    // pasta says this of every message where no syslog listens.
    let matters = |line: &&str| !line.is_empty() && !line.starts_with("Failed to send ");
    text.lines().map(str::trim).rfind(matters).unwrap_or("it ended without a word").to_owned()
}

/// Calls `spawn` so that what it executes keeps this process's capabilities whatever its user id.
fn with_ambient_capabilities<T>(spawn: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    if rustix::process::geteuid().is_root() {
        return spawn();
    }
    // For entering the namespace, setting it up, and the sandboxes the programs lock themselves into.
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::NET_ADMIN
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::SETPCAP
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID;
    let before = rustix::thread::capabilities(None)?;
    let mut inheriting = before;
    inheriting.inheritable |= needed & before.permitted;
    rustix::thread::set_capabilities(None, inheriting)?;
    let raised = (needed & before.permitted)
        .iter()
        .try_for_each(|capability| rustix::thread::configure_capability_in_ambient_set(capability, true));
    let result = raised.map_err(std::io::Error::from).and_then(|()| spawn());
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(None, before)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier(path: &str, tool: Tool) -> Carrier {
        Carrier { tool, path: path.into() }
    }

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    fn attach(carriers: Vec<Carrier>, otherwise: Otherwise) -> Result<Attached> {
        let network = ResolvedNetwork::Carried {
            carriers,
            otherwise,
            forward_dns: ForwardDns::No,
            host_loopback: HostLoopback::OutOfReach,
        };
        start_attach(&network, null(), &[], Path::new("/")).unwrap().wait_ready()
    }

    // The programs here only fail, or end well as pasta's first process does: what the real ones do is
    // the integration tests' matter.

    #[test]
    fn a_failure_carries_the_programs_last_words() {
        for tool in [Tool::Pasta, Tool::Slirp4netns] {
            // mv(1) knows none of the options, and GNU's ends with a line of its own.
            let failure = attach(vec![carrier("/bin/mv", tool)], Otherwise::Fail).unwrap_err();
            assert_eq!(failure.doing, format!("cannot connect the container's network with {}", tool.name()));
            assert!(failure.cause.contains("mv"), "{failure}");
        }
    }

    #[test]
    fn private_tries_all_and_then_tells() {
        let both = vec![carrier("/bin/false", Tool::Pasta), carrier("/nowhere", Tool::Slirp4netns)];
        let notice = attach(both, Otherwise::LoopbackOnly).unwrap().notice.unwrap().0;
        assert_eq!(
            notice,
            "the container has no network but loopback: cannot connect the container's network with pasta: \
             it ended without a word; cannot start /nowhere: no such file or directory (ENOENT)"
        );
    }

    #[test]
    fn the_second_program_is_used_where_the_first_fails() {
        let both = vec![carrier("/bin/false", Tool::Slirp4netns), carrier("/bin/true", Tool::Pasta)];
        assert_eq!(attach(both, Otherwise::LoopbackOnly), Ok(Attached { notice: None, ports: vec![] }));
    }

    #[test]
    fn only_loopback_and_host_start_nothing() {
        assert!(start_attach(&ResolvedNetwork::Host, null(), &[], Path::new("/")).is_none());
        assert!(start_attach(&ResolvedNetwork::Loopback, null(), &[], Path::new("/")).is_none());
    }

    #[test]
    fn silence_has_words_too() {
        assert_eq!(last_line(""), "it ended without a word");
        assert_eq!(last_line("a\n b \n\nFailed to send 9 bytes to syslog\n"), "b");
    }
}
