//! The bridge of a network and the pairs of interfaces that join containers to it, by rtnetlink(7).
//!
//! Runs in the network's keeper, as root of the user namespace that owns the network's namespace and encloses those of
//! its containers: only who may administer both ends may make a pair whose ends are in two namespaces.

use super::roll::Endpoint;
use crate::error::{Doing, Failure, Result, errno_text};
use crate::net::NETWORK_NAME_SERVER;
use crate::sys::netlink::{self, Requests};
use rustix::net::netdevice::name_to_index;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The bridge's name, in a namespace where nobody else names anything.
pub const BRIDGE: &str = "bridge0";
/// The number of an interface's kind among its attributes, and that of the kind's own (linux/if_link.h).
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// The other end of a pair (linux/veth.h).
const VETH_INFO_PEER: u16 = 1;

/// A network's bridge, in the network namespace of this process.
#[derive(Debug)]
pub struct Bridge {
    socket: OwnedFd,
    index: u32,
    mtu: u32,
    /// This process's network namespace, to come back to.
    home: File,
    /// How many pairs have been made, for their names.
    made: u64,
}

/// The bridge's end of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plug(u32);

impl Bridge {
    /// Makes the bridge and brings it up.
    ///
    /// # Errors
    /// The system's: the kernel may have no bridges.
    pub fn make(mtu: u32) -> Result<Bridge> {
        let doing = || "cannot make the network's bridge";
        let socket = netlink::open().doing(doing)?;
        let home = File::open("/proc/self/ns/net").doing(doing)?;
        let mut requests = Requests::default();
        new_link(&mut requests, BRIDGE, "bridge", |_| {});
        finish(requests, &socket, doing).map_err(|failure| match failure.cause.contains("EOPNOTSUPP") {
            true => failure.hint("ask an administrator to run: modprobe bridge"),
            false => failure,
        })?;
        let index = name_to_index(&socket, BRIDGE).doing(doing)?;
        let mut requests = Requests::default();
        requests.link(index, libc::IFF_UP);
        requests.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        finish(requests, &socket, doing)?;
        Ok(Bridge { socket, index, mtu, home, made: 0 })
    }

    /// Makes an interface of this process's network namespace a port of the bridge, and brings it up.
    ///
    /// # Errors
    /// The system's.
    pub fn enslave(&self, name: &str) -> Result<()> {
        let doing = || format!("cannot make {name} a port of the network's bridge");
        let index = name_to_index(&self.socket, name).doing(doing)?;
        let mut requests = Requests::default();
        requests.link(index, libc::IFF_UP);
        requests.attribute(libc::IFLA_MTU, &self.mtu.to_ne_bytes());
        requests.attribute(libc::IFLA_MASTER, &self.index.to_ne_bytes());
        finish(requests, &self.socket, doing)
    }

    /// Gives the network namespace `namespace` an interface on the bridge, with its addresses.
    ///
    /// # Errors
    /// The system's; then there is no interface.
    pub fn plug(&mut self, namespace: BorrowedFd<'_>, interface: &str, wanted: &Wanted<'_>) -> Result<Plug> {
        let doing = || format!("cannot make the container's interface {interface}");
        let name = format!("veth{}", self.made);
        self.made += 1;
        let mut requests = Requests::default();
        new_link(&mut requests, &name, "veth", |data| {
            // struct ifinfomsg and attributes, as if it were a request of its own.
            let mut peer = vec![0; INTERFACE_HEADER];
            add_attribute(&mut peer, libc::IFLA_IFNAME, &terminated(interface));
            add_attribute(&mut peer, libc::IFLA_ADDRESS, &wanted.endpoint.mac.0);
            add_attribute(&mut peer, libc::IFLA_MTU, &self.mtu.to_ne_bytes());
            add_attribute(&mut peer, libc::IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
            data.attribute(VETH_INFO_PEER, &peer);
        });
        finish(requests, &self.socket, doing)?;
        let index = name_to_index(&self.socket, &name).doing(doing)?;
        let mut requests = Requests::default();
        requests.link(index, libc::IFF_UP);
        requests.attribute(libc::IFLA_MTU, &self.mtu.to_ne_bytes());
        requests.attribute(libc::IFLA_MASTER, &self.index.to_ne_bytes());
        let done = finish(requests, &self.socket, doing).and_then(|()| self.set_up(namespace, interface, wanted));
        match done {
            Ok(()) => Ok(Plug(index)),
            Err(failure) => {
                self.unplug(Plug(index));
                Err(failure)
            }
        }
    }

    /// Takes a pair away; its other end may have gone with its namespace.
    pub fn unplug(&self, plug: Plug) {
        let mut fixed = [0; INTERFACE_HEADER];
        fixed[4..8].copy_from_slice(&plug.0.to_ne_bytes());
        let mut requests = Requests::default();
        requests.begin(libc::RTM_DELLINK, 0, &fixed);
        if let Err(failure) = finish(requests, &self.socket, || "cannot remove an interface") {
            log::debug!("{failure}");
        }
    }

    /// Sets the container's end up, from inside its namespace.
    fn set_up(&self, namespace: BorrowedFd<'_>, interface: &str, wanted: &Wanted<'_>) -> Result<()> {
        self.inside(
            namespace,
            || format!("cannot set up the container's interface {interface}"),
            || configure(interface, wanted),
        )
    }

    /// Has the ways of [`Wanted::route`] lead by an interface that is there.
    ///
    /// # Errors
    /// The system's.
    pub fn lead(&self, namespace: BorrowedFd<'_>, interface: &str, wanted: &Wanted<'_>) -> Result<()> {
        let doing = || format!("cannot set the container's routes by {interface}");
        self.inside(namespace, doing, || {
            let socket = netlink::open().doing(doing)?;
            let index = name_to_index(&socket, interface).doing(doing)?;
            let mut requests = Requests::default();
            add_routes(&mut requests, index, wanted);
            finish(requests, &socket, doing)
        })
    }

    /// Does something in the container's namespace.
    fn inside(
        &self,
        namespace: BorrowedFd<'_>,
        doing: impl Fn() -> String,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network)).doing(&doing)?;
        let done = work().map_err(|failure| failure.while_doing(doing()));
        // The way back is into what this process may administer as well; without it no pair could be made any more.
        let back = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        done.and(back.doing(|| "cannot return to the network's namespace"))
    }
}

/// How a container's end is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Addresses.
    pub endpoint: &'a Endpoint,
    /// What goes by it.
    pub route: Route,
}

/// See [`Wanted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Nothing but the network: another one of the container's leads.
    None,
    /// The way to the name server: the network leads, and is internal.
    NameServer,
    /// That, and all that is outside, by the network's gateway.
    Gateway,
}

/// The ways that lead by a gateway.
fn add_routes(requests: &mut Requests, index: u32, wanted: &Wanted<'_>) {
    for address in &wanted.endpoint.addresses {
        if wanted.route == Route::Gateway {
            requests.default_route(index, address.gateway);
        }
        if wanted.route != Route::None && address.ip.is_ipv4() {
            requests.route(index, Some(NETWORK_NAME_SERVER.into()), address.gateway);
        }
    }
}

/// Addresses and routes of an interface of this process's network namespace.
fn configure(interface: &str, wanted: &Wanted<'_>) -> Result<()> {
    let doing = || "cannot give it its addresses";
    let socket = netlink::open().doing(doing)?;
    let index = name_to_index(&socket, interface).doing(doing)?;
    let mut requests = Requests::default();
    requests.link(index, libc::IFF_UP);
    for address in &wanted.endpoint.addresses {
        requests.address(index, address.ip, address.prefix);
    }
    add_routes(&mut requests, index, wanted);
    finish(requests, &socket, doing)
}

/// The length of `struct ifinfomsg` (rtnetlink(7)).
const INTERFACE_HEADER: usize = 16;

/// A new interface of a kind, with the kind's own attributes.
fn new_link(requests: &mut Requests, name: &str, kind: &str, data: impl FnOnce(&mut Requests)) {
    requests.begin(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &[0; INTERFACE_HEADER]);
    requests.attribute(libc::IFLA_IFNAME, &terminated(name));
    requests.nested(libc::IFLA_LINKINFO, |info| {
        info.attribute(IFLA_INFO_KIND, kind.as_bytes());
        info.nested(IFLA_INFO_DATA, data);
    });
}

/// A `struct rtattr` behind what is there.
fn add_attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    to.extend((4 + value.len() as u16).to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// Sends, and fails with the first refusal.
fn finish<D: Into<String>>(requests: Requests, socket: &OwnedFd, doing: impl Fn() -> D) -> Result<()> {
    match requests.send(socket).doing(&doing)?.first() {
        None => Ok(()),
        Some((_, error)) => Err(Failure::new(doing(), errno_text(error.raw_os_error().unwrap_or(0)))),
    }
}
