//! Reads of the host what the container's files of names are made from.

use super::names::{HostNames, hosts, resolv_conf};
use super::stack::HostLoopback;
use super::{CONTAINER, GATEWAY, NetworkPlan, ResolvedNetwork};
use crate::error::{Doing, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

/// The texts of the container's /etc/hosts, /etc/hostname and /etc/resolv.conf, by name.
///
/// # Errors
/// The host's own files exist but cannot be read; `--add-host …:host-gateway` where the host cannot
/// be reached.
pub fn files(wanted: &NetworkPlan, network: &ResolvedNetwork, hostname: &str) -> Result<[(&'static str, String); 3]> {
    let names = HostNames {
        hosts_file: match network {
            ResolvedNetwork::Host => Some(read_or_empty("/etc/hosts")?),
            _ => None,
        },
        own_address: match network {
            ResolvedNetwork::BuiltIn(layout) => Some(layout.v4.container),
            ResolvedNetwork::Carried { .. } => Some(IpAddr::V4(CONTAINER)),
            ResolvedNetwork::Networks { address, .. } => Some(*address),
            ResolvedNetwork::Loopback | ResolvedNetwork::Shared => None,
            // Debian's way: an address that always reaches this machine and nobody else.
            ResolvedNetwork::Host => Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1))),
        },
        host_address: match network {
            // Which reaches both what listens on loopback alone and what listens everywhere.
            ResolvedNetwork::BuiltIn(layout) if layout.host_loopback == HostLoopback::Reachable => {
                Some(layout.v4.gateway)
            }
            ResolvedNetwork::Carried { host_loopback: HostLoopback::Reachable, .. } => Some(GATEWAY.into()),
            ResolvedNetwork::BuiltIn(_) | ResolvedNetwork::Carried { .. } => host_address(),
            ResolvedNetwork::Host => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ResolvedNetwork::Networks { leads_out: true, .. } => host_address(),
            ResolvedNetwork::Loopback | ResolvedNetwork::Networks { .. } | ResolvedNetwork::Shared => None,
        },
    };
    Ok([
        ("hosts", hosts(&names, hostname, &wanted.add_hosts)?),
        ("hostname", format!("{hostname}\n")),
        ("resolv.conf", resolv_conf(&read_or_empty("/etc/resolv.conf")?, network, wanted)),
    ])
}

pub(super) fn read_or_empty(path: &str) -> Result<String> {
    match std::fs::read(Path::new(path)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).doing(|| format!("cannot read {path}")),
    }
}

/// The address under which the host reaches others, which is what reaches the host. connect(2) on a
/// UDP socket sends nothing; it asks the routing table alone (udp(7)).
fn host_address() -> Option<IpAddr> {
    // TEST-NET-1 and the documentation prefix: addresses that are nobody's (RFC 5737, RFC 3849).
    // As addresses, not as text: text would be a name to look up, and link the C library's resolver into rr.
    let ask = |from: IpAddr, to: IpAddr| -> Option<IpAddr> {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified() && !address.is_loopback())
    };
    let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    ask(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|| ask(Ipv6Addr::UNSPECIFIED.into(), documentation.into()))
}
