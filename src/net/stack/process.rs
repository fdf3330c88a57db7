//! The process that the stack runs in: a child of the monitor, which the kernel ends with it (pid_namespaces(7)). It
//! stays in the host's network namespace, where its sockets are the user's own, and gives up everything else.

use super::{Layout, Outside, Stack, sandbox};
use crate::error::{Doing, Result};
use crate::net::dns::{DOMAIN, Upstream};
use crate::net::ports::OpenPorts;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into, close_all_but, exit_now};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, Signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The process's name, as ps(1) shows it.
pub const NAME: &std::ffi::CStr = c"rr-net";
/// Where the host's name servers are written.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Starts the process that serves `device`, and does not wait for it: what the container sends meanwhile lies in the
/// device's queue. `ports` lead into the container; `told` is as with [`serve`]. The calling process must be
/// single-threaded.
///
/// # Errors
/// There can be no further process.
pub fn start(device: OwnedFd, layout: &Layout, ports: OpenPorts, told: Option<OwnedFd>) -> Result<Child> {
    match clone_into(Namespaces::NONE).doing(|| "cannot start the network's process")? {
        Cloned::Parent(child) => Ok(child),
        Cloned::Child => {
            let result = serve(device, layout, ports, told);
            log::debug!("the network's process ends: {result:?}");
            exit_now(1)
        }
    }
}

/// Runs in: a child of whoever keeps the network, in the host's network namespace; `told` is where that one tells who is
/// on a network of several, `ports` lead to the container of `layout`. Returns only on failure.
///
/// # Errors
/// The device's; or the system's.
pub fn serve(device: OwnedFd, layout: &Layout, ports: OpenPorts, told: Option<OwnedFd>) -> Result<()> {
    let doing = || "cannot serve the container's network";
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing(doing)?;
    rustix::thread::set_name(NAME).doing(doing)?;
    keep_only(&device, &ports, told.as_ref())?;
    raise_file_limit();
    let upstream = match layout.outside {
        Outside::Reachable => Upstream::new(Path::new(RESOLV_CONF), DOMAIN),
        Outside::OutOfReach => Upstream::none(),
    };
    let mut stack = Stack::new(device, layout.clone(), upstream).doing(doing)?;
    told.map_or(Ok(()), |told| stack.listen_to(told)).doing(doing)?;
    stack.publish(ports).doing(|| super::super::ports::DOING)?;
    sandbox::enter(&Upstream::directories(Path::new(RESOLV_CONF)))?;
    stack.run().doing(doing)
}

/// Closes what the monitor has open; whoever waits for the end of a pipe must not wait for this process.
fn keep_only(device: &OwnedFd, ports: &OpenPorts, told: Option<&OwnedFd>) -> Result<()> {
    let doing = || "cannot let go of the standard streams";
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).doing(doing)?;
    rustix::stdio::dup2_stdin(&null).doing(doing)?;
    rustix::stdio::dup2_stdout(&null).doing(doing)?;
    rustix::stdio::dup2_stderr(&null).doing(doing)?;
    let kept = [&null, device].into_iter().chain(told).chain(&ports.sockets);
    let kept: Vec<BorrowedFd<'_>> = kept.map(AsFd::as_fd).collect();
    close_all_but(&kept);
    Ok(())
}

/// Each flow has a descriptor.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Up to the hard limit everybody may go (getrlimit(2)).
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
