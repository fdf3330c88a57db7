//! The way out of a network: the stack serves a TAP device that is a port of the network's bridge, for all its containers.
//!
//! The stack's sockets are the host's, and its device is the network's. So its process is made before the keeper leaves
//! the host's network namespace, and waits for the device, which the keeper makes in the other one.

use super::links::Bridge;
use crate::error::{Doing, Failure, Result};
use crate::launch::protocol::{Channel, channel_pair};
use crate::net::NETWORK_NAME_SERVER;
use crate::net::ports::OpenPorts;
use crate::net::stack::{self, Inside, Layout, Outside, Subnet, ToStack, Told};
use crate::store::networks::{Metadata, Pool};
use crate::sys::process::{Cloned, Namespaces, clone_into, exit_now};
use crate::sys::tun;
use std::os::fd::{AsFd, BorrowedFd};

/// The device's name, in a namespace where nobody else names anything.
const DEVICE: &str = "tap0";

/// A process that waits for its device.
pub(super) struct WayOut(Channel<ToStack, ()>);

/// What the stack is told by.
pub(super) struct Opened(Channel<ToStack, ()>);

impl WayOut {
    /// Runs in: the keeper, in the host's network namespace. The process ends with the keeper, or when this is dropped.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn prepare(metadata: &Metadata) -> Result<WayOut> {
        let layout = layout(metadata)?;
        let (ours, stacks) = channel_pair::<ToStack, ()>()?;
        match clone_into(Namespaces::NONE).doing(|| "cannot start the network's process")? {
            Cloned::Parent(_) => Ok(WayOut(ours)),
            Cloned::Child => {
                drop(ours);
                if let Ok(Some((_, Some(device)))) = stacks.receive_with() {
                    let ended = stack::serve(device, &layout, OpenPorts::default(), Some(stacks.into()));
                    log::debug!("the network's process ends: {ended:?}");
                }
                exit_now(1)
            }
        }
    }

    /// Runs in: the keeper, in the network's own namespace.
    ///
    /// # Errors
    /// There is no tun device here.
    pub(super) fn open(self, bridge: &Bridge) -> Result<Opened> {
        let device = tun::open_tap(DEVICE).doing(|| format!("cannot open {}", tun::DEVICE))?;
        bridge.enslave(DEVICE)?;
        self.0.send_with(&ToStack::Names(Told::default()), Some(device.as_fd()))?;
        Ok(Opened(self.0))
    }
}

impl Opened {
    /// Tells the stack who is on the network now. Where it is gone, nobody is left to ask it.
    pub(super) fn tell(&self, told: Told) {
        if let Err(failure) = self.0.send(&ToStack::Names(told)) {
            log::debug!("{failure}");
        }
    }

    /// Tells the stack that a container has no interface any more.
    pub(super) fn part(&self, inside: Inside) {
        if let Err(failure) = self.0.send(&ToStack::Left(inside)) {
            log::debug!("{failure}");
        }
    }

    /// Gives the stack a line by which ports that lead to `inside` are handed in.
    ///
    /// # Errors
    /// The stack is gone.
    pub(super) fn connect(&self, line: BorrowedFd<'_>, inside: Inside) -> Result<()> {
        self.0.send_with(&ToStack::Ports(inside), Some(line))
    }
}

/// The stack is gateway and name server.
fn layout(metadata: &Metadata) -> Result<Layout> {
    let subnet = |pool: &Pool| {
        let (gateway, prefix) = (pool.gateway, pool.subnet.prefix());
        let name_server = if pool.subnet.is_v6() { gateway } else { NETWORK_NAME_SERVER.into() };
        Subnet { container: pool.subnet.first(), gateway, name_server, prefix }
    };
    let of = |v6: bool| metadata.pools.iter().find(|pool| pool.subnet.is_v6() == v6).map(subnet);
    let v4 = of(false).ok_or_else(|| Failure::new("cannot lay out the network", "it has no addresses of IPv4"))?;
    let default = Layout::default();
    // Without addresses of IPv6, nobody uses the default's.
    let outside = if metadata.internal { Outside::OutOfReach } else { Outside::Reachable };
    Ok(Layout { v4, v6: of(true).unwrap_or(default.v6), outside, ..default })
}
