//! The interfaces of a new network namespace, set up from inside. Runs in init, while others write the id maps: a new
//! user namespace has every capability before it has any id.

use super::stack::Layout;
use super::{INTERFACE, MTU, ResolvedNetwork};
use crate::error::{Doing, Failure, Result, errno_text};
use crate::sys::{net, netlink, tun};
use std::os::fd::OwnedFd;

/// Frames that wait for the stack: what a window of the largest size is, in packets of an Ethernet's size.
pub(super) const QUEUE_LENGTH: u32 = 4096;
/// The number of loopback, which is the first interface of a namespace.
const LOOPBACK: u32 = 1;

/// Brings up loopback, and with rr's own stack the interface whose frames come out of the descriptor that this returns.
///
/// # Errors
/// Without loopback there is no container. The interface's failure says so; loopback may be up then.
pub fn raise_interfaces(network: &ResolvedNetwork) -> Result<Option<OwnedFd>> {
    let ResolvedNetwork::BuiltIn(layout) = network else {
        net::loopback_up().doing(|| "cannot bring up the container's loopback interface")?;
        return Ok(None);
    };
    let link = tun::open_tap(INTERFACE).doing(|| "cannot make the container's network interface")?;
    configure(layout)?;
    Ok(Some(link))
}

fn configure(layout: &Layout) -> Result<()> {
    let doing = || "cannot set up the container's network interface";
    let socket = netlink::open().doing(doing)?;
    let index = net::interface_index(&socket, INTERFACE).doing(doing)?;
    let mut requests = netlink::Requests::default();
    requests.link(LOOPBACK, libc::IFF_UP);
    requests.link(index, libc::IFF_UP);
    requests.attribute(libc::IFLA_ADDRESS, &layout.mac().0);
    requests.attribute(libc::IFLA_MTU, &MTU.to_ne_bytes());
    requests.attribute(libc::IFLA_TXQLEN, &QUEUE_LENGTH.to_ne_bytes());
    requests.address(index, layout.v4.container, layout.v4.prefix);
    requests.default_route(index, layout.v4.gateway);
    // From here on it is IPv6, which a kernel may not have.
    let needed = 4;
    requests.address(index, layout.v6.container, layout.v6.prefix);
    requests.default_route(index, layout.v6.gateway);
    for (number, error) in requests.send(&socket).doing(doing)? {
        if number < needed {
            return Err(Failure::new(doing(), errno_text(error.raw_os_error().unwrap_or(0))));
        }
        log::debug!("no IPv6 in the container: {error}");
    }
    Ok(())
}
