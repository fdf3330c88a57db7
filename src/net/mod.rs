//! The container's network: who carries its packets, and the files that name things.
//!
//! `none` is a network namespace with loopback alone, `host` is no namespace at all. For `private`,
//! the default, packets move between a tap device in the container's namespace and ordinary sockets of
//! the user: by rr's own [`stack`]; where its device cannot be made by pasta(1), else by slirp4netns(1); and
//! where nothing works there is loopback alone, which is said in one line. Asked for by name, a program
//! that does not work is an error.
//!
//! All three lay out the same small network, slirp4netns's own default, so that the
//! container's files do not depend on which of them runs:
//!
//! ```text
//! 10.0.2.0/24    10.0.2.2 gateway    10.0.2.3 name server, where one is forwarded    10.0.2.100 container
//! ```
//!
//! The container's address differs from the host's, so the host's own address reaches the host, as in
//! Docker; the host's loopback is reached only where that was asked for. Where the host uses these ranges itself,
//! [`stack`]'s are others, and other addresses can be asked for ([`PrivateNetwork`]).
//!
//! The calls, in order: [`plan`] and [`files`] in the client; [`raise_interfaces`] in init, while others write the id
//! maps; then in the monitor either [`stack::start`], for which nobody waits, or [`start_attach`], and
//! [`Attaching::wait_ready`] right before the payload is executed, so that a
//! program's start (14 ms for slirp4netns, 25 to 60 for pasta) passes while the root file system is built.

mod attach;
pub mod dns;
mod endpoint;
mod files;
mod interfaces;
mod names;
mod namespace;
pub mod ports;
mod private;
mod resolve;
pub mod stack;
pub mod subnet;
mod wanted;

pub use attach::{Attached, Attaching, fall_back, start_attach};
pub use endpoint::{Endpoint, Place};
pub use files::files;
pub use interfaces::raise_interfaces;
pub use names::{HostNames, hosts, resolv_conf};
pub use namespace::prepare_namespace;
pub use private::PrivateNetwork;
pub use resolve::{Carrier, ForwardDns, Otherwise, ResolvedNetwork, Tool, check, plan};
pub use wanted::{MacAddress, Membership, NetworkMode, NetworkPlan};

use std::net::Ipv4Addr;

/// The container's address in its own network.
pub const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
/// Its default gateway.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Queries sent here go to the host's name server.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// The name server of a container on networks with names: whichever of them leads answers there, so that the container's
/// resolv.conf need not change when another does. An address that is on no network (RFC 3927).
pub const NETWORK_NAME_SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 53, 53);

/// The interface's name in the container: Docker's.
pub const INTERFACE: &str = "eth0";
/// Its MTU, the largest that all of the programs take; with 1500, throughput falls to a tenth.
pub const MTU: u32 = 65520;
