//! The way out of a network: the stack serves a TAP device that is a port of the network's bridge, for all its containers.
//!
//! The stack's sockets are the host's, and its device is the network's. So its process is made before the keeper leaves
//! the host's network namespace, and waits for the device, which the keeper makes in the other one.

use super::links::Bridge;
use crate::error::{Doing, Failure, Result};
use crate::launch::protocol::{Channel, channel_pair};
use crate::net::ports::OpenPorts;
use crate::net::stack::{self, Layout, Subnet};
use crate::store::networks::Pool;
use crate::sys::process::{Cloned, Namespaces, clone_into, exit_now};
use crate::sys::tun;
use std::os::fd::AsFd;

/// The device's name, in a namespace where nobody else names anything.
const DEVICE: &str = "tap0";

/// A process that waits for its device.
pub(super) struct WayOut(Channel<(), ()>);

impl WayOut {
    /// Runs in: the keeper, in the host's network namespace. The process ends with the keeper, or when this is dropped.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn prepare(pools: &[Pool]) -> Result<WayOut> {
        let layout = layout(pools)?;
        let (ours, stacks) = channel_pair()?;
        match clone_into(Namespaces::NONE).doing(|| "cannot start the network's process")? {
            Cloned::Parent(_) => Ok(WayOut(ours)),
            Cloned::Child => {
                drop(ours);
                if let Ok(Some(((), Some(device)))) = stacks.receive_with() {
                    drop(stacks);
                    let ended = stack::serve(device, &layout, OpenPorts::default());
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
    pub(super) fn open(self, bridge: &Bridge) -> Result<()> {
        let device = tun::open_tap(DEVICE).doing(|| format!("cannot open {}", tun::DEVICE))?;
        bridge.enslave(DEVICE)?;
        self.0.send_with(&(), Some(device.as_fd()))
    }
}

/// The stack is gateway and name server.
fn layout(pools: &[Pool]) -> Result<Layout> {
    let subnet = |pool: &Pool| {
        let (gateway, prefix) = (pool.gateway, pool.subnet.prefix());
        Subnet { container: pool.subnet.first(), gateway, name_server: gateway, prefix }
    };
    let of = |v6: bool| pools.iter().find(|pool| pool.subnet.is_v6() == v6).map(subnet);
    let v4 = of(false).ok_or_else(|| Failure::new("cannot lay out the network", "it has no addresses of IPv4"))?;
    let default = Layout::default();
    // Without addresses of IPv6, nobody uses the default's.
    Ok(Layout { v4, v6: of(true).unwrap_or(default.v6), ..default })
}
