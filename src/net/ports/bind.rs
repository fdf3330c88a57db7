//! Taking the host's ports.
//!
//! A port is taken as whoever carries the container's packets will take it: TCP with SO_REUSEADDR, so that
//! connections of an earlier run that linger in TIME_WAIT stand in nobody's way, and listening at once, which is
//! what finds another listener (tcp(7), socket(7)).

use super::{Bound, HostPort, Protocol, Published};
use crate::error::{Failure, Result, errno_text};
use crate::net::{ResolvedNetwork, Tool};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// How often a random port that is free in one family only is given back for another.
const TRIES: usize = 64;

/// Ports of the host that were taken for one start.
#[derive(Debug, Default)]
pub struct OpenPorts {
    /// Which, in the order they were asked for.
    pub bound: Vec<Bound>,
    /// Listening sockets (TCP) and bound ones (UDP), one for each of `bound`. None where a program takes them itself.
    pub sockets: Vec<OwnedFd>,
}

/// Which address families a port without an address is published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// IPv4, and IPv6 where the host has it.
    Both,
    /// IPv4 alone.
    V4,
}

/// Takes all of `wanted`; those without a choice come first.
///
/// # Errors
/// One cannot be had; says which and what helps.
pub fn open(wanted: &[Published], families: Families) -> Result<OpenPorts> {
    let mut taken: Vec<Option<Vec<(Bound, OwnedFd)>>> = wanted.iter().map(|_| None).collect();
    let (fixed, free): (Vec<usize>, Vec<usize>) =
        (0..wanted.len()).partition(|&place| wanted[place].host.fixed().is_some());
    for place in fixed.into_iter().chain(free) {
        taken[place] = Some(take(&wanted[place], families)?);
    }
    let mut ports = OpenPorts::default();
    for (bound, socket) in taken.into_iter().flatten().flatten() {
        ports.bound.push(bound);
        ports.sockets.push(socket);
    }
    Ok(ports)
}

/// Takes `wanted` for a container of this network; those that a program will take itself were tried, and are free.
///
/// # Errors
/// Those of [`open`]; or the network cannot publish an address.
pub fn open_for(network: &ResolvedNetwork, wanted: &[Published]) -> Result<OpenPorts> {
    let carriers = match network {
        _ if wanted.is_empty() => return Ok(OpenPorts::default()),
        ResolvedNetwork::Host | ResolvedNetwork::Loopback | ResolvedNetwork::Shared => return Ok(OpenPorts::default()),
        // Nobody comes in by an internal network, either.
        ResolvedNetwork::Networks { leads_out: false, .. } => return Ok(OpenPorts::default()),
        ResolvedNetwork::Networks { leads_out: true, .. } | ResolvedNetwork::BuiltIn(_) => {
            return open(wanted, Families::Both);
        }
        ResolvedNetwork::Carried { carriers, .. } => carriers,
    };
    let families = match carriers.iter().all(|carrier| carrier.tool == Tool::Slirp4netns) {
        true => Families::V4,
        false => Families::Both,
    };
    if let (Families::V4, Some(port)) =
        (families, wanted.iter().find(|port| port.address.is_some_and(|address| address.is_ipv6())))
    {
        let doing = format!("cannot publish port {}/{}", port.container, port.protocol);
        return Err(Failure::new(doing, "slirp4netns can publish it on addresses of IPv4 only"));
    }
    let mut ports = open(wanted, families)?;
    ports.sockets.clear();
    Ok(ports)
}

/// Whether somebody has the port.
pub fn is_taken(port: &Bound) -> bool {
    bind(SocketAddr::new(port.address, port.host), port.protocol).is_err_and(|errno| errno == Errno::ADDRINUSE)
}

/// Whether the fixed ones of `wanted` can be had now, for a time when nothing has been made yet.
///
/// # Errors
/// Those of [`open`].
pub fn check_free(wanted: &[Published]) -> Result<()> {
    wanted.iter().filter(|port| port.host.fixed().is_some()).try_for_each(|port| take(port, Families::Both).map(drop))
}

/// Takes one port, in each family it is wanted in.
fn take(port: &Published, families: Families) -> Result<Vec<(Bound, OwnedFd)>> {
    match port.host {
        HostPort::Any => take_any(port, families),
        HostPort::Within { first, last } => {
            let mut refused = None;
            for number in first..=last {
                match take_number(port, number, families) {
                    Ok(taken) => return Ok(taken),
                    Err(refusal) if refusal.errno == Errno::ADDRINUSE => refused = Some(refusal),
                    Err(refusal) => return Err(refusal.failure(port)),
                }
            }
            // A range is not empty.
            Err(refused.unwrap_or(Refusal { at: any_address(port), errno: Errno::ADDRINUSE }).failure(port))
        }
    }
}

/// Takes a port of the kernel's choice (ip(7), `ip_local_port_range`), the same one in both families.
fn take_any(port: &Published, families: Families) -> Result<Vec<(Bound, OwnedFd)>> {
    let mut refused = None;
    for _ in 0..TRIES {
        let at = any_address(port);
        let socket = bind(at, port.protocol).map_err(|errno| Refusal { at, errno }.failure(port))?;
        let number = local_port(&socket).map_err(|errno| Refusal { at, errno }.failure(port))?;
        let bound = Bound { address: at.ip(), host: number, container: port.container, protocol: port.protocol };
        let first = (bound, socket);
        if port.address.is_some() || families == Families::V4 {
            return Ok(vec![first]);
        }
        match take_twin(port, number) {
            Ok(twin) => return Ok(std::iter::once(first).chain(twin).collect()),
            Err(refusal) if refusal.errno == Errno::ADDRINUSE => refused = Some(refusal),
            Err(refusal) => return Err(refusal.failure(port)),
        }
    }
    Err(refused.unwrap_or(Refusal { at: any_address(port), errno: Errno::ADDRINUSE }).failure(port))
}

fn take_number(
    port: &Published,
    number: u16,
    families: Families,
) -> std::result::Result<Vec<(Bound, OwnedFd)>, Refusal> {
    let at = SocketAddr::new(any_address(port).ip(), number);
    let socket = bind(at, port.protocol).map_err(|errno| Refusal { at, errno })?;
    let bound = Bound { address: at.ip(), host: number, container: port.container, protocol: port.protocol };
    let twin = match port.address.is_none() && families == Families::Both {
        true => take_twin(port, number)?,
        false => None,
    };
    Ok(std::iter::once((bound, socket)).chain(twin).collect())
}

/// The IPv6 half of a port on every address; None on a host without IPv6.
fn take_twin(port: &Published, number: u16) -> std::result::Result<Option<(Bound, OwnedFd)>, Refusal> {
    let at = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), number);
    match bind(at, port.protocol) {
        Ok(socket) => {
            let bound = Bound { address: at.ip(), host: number, container: port.container, protocol: port.protocol };
            Ok(Some((bound, socket)))
        }
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => Ok(None),
        Err(errno) => Err(Refusal { at, errno }),
    }
}

fn any_address(port: &Published) -> SocketAddr {
    SocketAddr::new(port.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0)
}

fn bind(at: SocketAddr, protocol: Protocol) -> rustix::io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &at)?;
    if protocol == Protocol::Tcp {
        // As many as the kernel allows (listen(2)).
        rustix::net::listen(&socket, i32::MAX)?;
    }
    Ok(socket)
}

fn local_port(socket: &OwnedFd) -> rustix::io::Result<u16> {
    let address = rustix::net::getsockname(socket)?;
    SocketAddr::try_from(address).map(|address| address.port())
}

/// The kernel does not give an address.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: SocketAddr,
    errno: Errno,
}

impl Refusal {
    /// In Docker's words where it has some.
    fn failure(self, port: &Published) -> Failure {
        let Refusal { at, errno } = self;
        let doing = format!("cannot publish port {}/{}", port.container, port.protocol);
        let why = errno_text(errno.raw_os_error());
        match errno {
            Errno::ADDRINUSE => Failure::new(doing, format!("Bind for {at} failed: port is already allocated: {why}")),
            Errno::ACCESS => {
                let first = first_unprivileged_port();
                let cause = format!("cannot expose privileged port {}: {why}", at.port());
                let failure = Failure::new(doing, cause);
                match first.filter(|first| at.port() < *first) {
                    Some(first) => failure.hint(format!(
                        "use a port from {first} on, or ask an administrator to run: sysctl -w net.ipv4.ip_unprivileged_port_start={}",
                        at.port()
                    )),
                    None => failure,
                }
            }
            Errno::ADDRNOTAVAIL => Failure::new(doing, format!("listen {at}: {why}"))
                .hint(format!("{} is no address of this machine: see `ip address`", at.ip())),
            Errno::MFILE => Failure::new(doing, format!("listen {at}: {why}"))
                .hint("each published port is an open file: raise the limit with `ulimit -n`, or publish fewer"),
            _ => Failure::new(doing, format!("listen {at}: {why}")),
        }
    }
}

/// The lowest port that needs no privilege (ip(7), `ip_unprivileged_port_start`).
fn first_unprivileged_port() -> Option<u16> {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_loopback(host: HostPort) -> Published {
        Published { address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), host, container: 80, protocol: Protocol::Tcp }
    }

    #[test]
    fn a_taken_port_is_refused_in_dockers_words() {
        let first = open(&[on_loopback(HostPort::Any)], Families::Both).unwrap();
        let port = on_loopback(HostPort::exactly(first.bound[0].host));
        for failure in [open(&[port], Families::Both).unwrap_err(), check_free(&[port]).unwrap_err()] {
            assert_eq!(
                failure.to_string(),
                format!(
                    "cannot publish port 80/tcp: Bind for 127.0.0.1:{} failed: port is already allocated: \
                     address already in use (EADDRINUSE)",
                    first.bound[0].host
                )
            );
        }
        drop(first);
        assert_eq!(check_free(&[port]), Ok(()));
    }

    #[test]
    fn the_first_free_port_of_a_range_is_taken() {
        let (first, second) = loop {
            let socket = open(&[on_loopback(HostPort::Any)], Families::Both).unwrap();
            let first = socket.bound[0].host;
            if first == u16::MAX {
                continue;
            }
            if let Ok(second) = open(&[on_loopback(HostPort::exactly(first + 1))], Families::Both) {
                drop(second);
                break (socket, first + 1);
            }
        };
        let range = HostPort::Within { first: first.bound[0].host, last: second };
        let taken = open(&[on_loopback(range)], Families::Both).unwrap();
        assert_eq!(taken.bound[0].host, second);
        // Both are taken now.
        assert!(open(&[on_loopback(range)], Families::Both).unwrap_err().cause.contains("already allocated"));
    }

    #[test]
    fn a_random_port_is_the_same_in_both_families() {
        let any = Published { address: None, ..on_loopback(HostPort::Any) };
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let taken = open(&[Published { protocol, ..any }], Families::Both).unwrap();
            assert!(taken.bound.iter().all(|bound| bound.host == taken.bound[0].host && bound.host != 0));
            assert!(taken.bound[1..].iter().all(|bound| bound.is_twin_of(&taken.bound[0])));
            assert_eq!(taken.sockets.len(), taken.bound.len());
            assert_eq!(open(&[Published { protocol, ..any }], Families::V4).unwrap().bound.len(), 1);
        }
    }

    #[test]
    fn an_address_that_is_not_the_hosts_is_named() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let port = Published { address: Some("192.0.2.7".parse().unwrap()), ..on_loopback(HostPort::exactly(40_001)) };
        let failure = open(&[port], Families::Both).unwrap_err();
        assert!(failure.cause.contains("EADDRNOTAVAIL") && failure.hints[0].contains("192.0.2.7"), "{failure:?}");
    }
}
