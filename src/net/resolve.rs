//! What a network comes to on this machine: which of the programs is here, and whether it can work.

use super::stack::{HostLoopback, Layout};
use super::wanted::{NetworkMode, NetworkPlan};
use super::{names, ports};
use crate::error::{Failure, Notice, Result, errno_text};
use crate::host::helpers::{self, Package};
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A program that carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// pasta(1)
    Pasta,
    /// slirp4netns(1)
    Slirp4netns,
}

impl Tool {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Pasta => "pasta",
            Tool::Slirp4netns => "slirp4netns",
        }
    }

    fn package(self) -> Package {
        match self {
            Tool::Pasta => Package::Passt,
            Tool::Slirp4netns => Package::Slirp4netns,
        }
    }
}

/// A network, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedNetwork {
    /// The host's namespace.
    Host,
    /// Another container's namespace.
    Shared,
    /// A namespace with loopback only.
    Loopback,
    /// A namespace and rr's own stack.
    BuiltIn(Layout),
    /// A namespace with an interface on each of its networks.
    Networks {
        /// The container's address on the first of them.
        address: IpAddr,
        /// Whether what is outside is reached by one of them.
        leads_out: bool,
    },
    /// A namespace and a program that connects it.
    Carried {
        /// The programs to try, in this order; at least one.
        carriers: Vec<Carrier>,
        /// What becomes of the container if none of them works.
        otherwise: Otherwise,
        /// Whether queries to [`super::NAME_SERVER`] have to be forwarded. Asked for only where it is needed:
        /// pasta of 2023 gives that address as the sender of every name server's answers.
        forward_dns: ForwardDns,
        /// Whether the gateway's address is the host's loopback.
        host_loopback: HostLoopback,
    },
}

impl ResolvedNetwork {
    /// Whether the container has a network namespace of its own.
    pub fn is_own(&self) -> bool {
        !matches!(self, ResolvedNetwork::Host | ResolvedNetwork::Shared)
    }

    /// Whether it is a namespace that others are reached from.
    pub fn is_connected(&self) -> bool {
        matches!(self, ResolvedNetwork::BuiltIn(_) | ResolvedNetwork::Networks { .. } | ResolvedNetwork::Carried { .. })
    }
}

/// Who carries the packets, in a few words.
impl fmt::Display for ResolvedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolvedNetwork::Host => f.write_str("the host's own"),
            ResolvedNetwork::Shared => f.write_str("another container's"),
            ResolvedNetwork::Loopback => f.write_str("loopback only"),
            ResolvedNetwork::BuiltIn(_) => f.write_str("by rr itself"),
            ResolvedNetwork::Networks { address, .. } => write!(f, "networks of its own, there {address}"),
            ResolvedNetwork::Carried { carriers, .. } => {
                let names: Vec<&str> = carriers.iter().map(|carrier| carrier.tool.name()).collect();
                write!(f, "by {}", names.join(", else "))
            }
        }
    }
}

/// A program found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// Which.
    pub tool: Tool,
    /// Its absolute path.
    pub path: PathBuf,
}

/// See [`ResolvedNetwork::Carried`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The program was asked for by name.
    Fail,
    /// One line to the user, and loopback only.
    LoopbackOnly,
}

/// See [`ResolvedNetwork::Carried`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ForwardDns {
    Yes,
    No,
}

/// Decides who carries the container's packets.
///
/// # Errors
/// pasta or slirp4netns is asked for by name, and it, or the tun device it needs, is not there; an address cannot be had.
pub fn plan(wanted: &NetworkPlan) -> Result<(ResolvedNetwork, Vec<Notice>)> {
    let decided = match wanted.mode {
        NetworkMode::None => ResolvedNetwork::Loopback,
        NetworkMode::Host => ResolvedNetwork::Host,
        NetworkMode::Pasta => by_name(Tool::Pasta, wanted)?,
        NetworkMode::Slirp4netns => by_name(Tool::Slirp4netns, wanted)?,
        // Known only when the container has joined them (`launch::networks`).
        NetworkMode::Networks => {
            return Err(Failure::new("cannot use --network", "the container has not joined its networks"));
        }
        NetworkMode::Container => ResolvedNetwork::Shared,
        NetworkMode::Private => match open_tun() {
            Ok(()) => ResolvedNetwork::BuiltIn(wanted.private.layout_here()?),
            // No program does without it.
            Err(why) => {
                if !wanted.ports.is_empty() {
                    return Err(Failure::new(ports::DOING, why.cause).hint(why.remedy));
                }
                let why = format!("{}; {}", why.cause, why.remedy);
                return Ok((ResolvedNetwork::Loopback, vec![loopback_only(&why)]));
            }
        },
    };
    Ok((decided, Vec::new()))
}

/// The one line that says what `private` has come to.
pub(super) fn loopback_only(why: &str) -> Notice {
    Notice(format!("the container has no network but loopback: {why}"))
}

/// Fails where a program that is asked for by name cannot work here; for a time when nothing else is
/// known yet, before an image is fetched.
///
/// # Errors
/// As [`plan`].
pub fn check(mode: NetworkMode) -> Result<()> {
    match mode {
        NetworkMode::Pasta => usable(Tool::Pasta).map(drop),
        NetworkMode::Slirp4netns => usable(Tool::Slirp4netns).map(drop),
        _ => Ok(()),
    }
}

fn by_name(tool: Tool, wanted: &NetworkPlan) -> Result<ResolvedNetwork> {
    Ok(ResolvedNetwork::Carried {
        carriers: vec![usable(tool)?],
        otherwise: Otherwise::Fail,
        forward_dns: forward_dns(wanted)?,
        host_loopback: wanted.private.host_loopback(),
    })
}

fn usable(tool: Tool) -> Result<Carrier> {
    let doing = || format!("cannot use --network {}", tool.name());
    let Some(path) = helpers::find(tool.name()) else {
        return Err(Failure::new(doing(), format!("{} is not installed", tool.name())).hint(tool.package().remedy()));
    };
    open_tun().map_err(|why| Failure::new(doing(), why.cause).hint(why.remedy))?;
    Ok(Carrier { tool, path })
}

/// The programs that can stand in for the stack.
pub(super) fn stand_ins() -> Vec<Carrier> {
    // Without a default route, pasta before version 2024_10_30 ends with "External interface not usable".
    let order = match has_default_route() {
        true => [Tool::Pasta, Tool::Slirp4netns],
        false => [Tool::Slirp4netns, Tool::Pasta],
    };
    let found = |tool: Tool| Some(Carrier { tool, path: helpers::find(tool.name())? });
    order.into_iter().filter_map(found).collect()
}

fn forward_dns(wanted: &NetworkPlan) -> Result<ForwardDns> {
    Ok(match names::needs_forwarding(&super::files::read_or_empty("/etc/resolv.conf")?, wanted) {
        true => ForwardDns::Yes,
        false => ForwardDns::No,
    })
}

/// Why the tun device is of no use.
struct NoTun {
    cause: String,
    remedy: &'static str,
}

/// Opens and closes the tun device as pasta and slirp4netns will (the kernel's
/// Documentation/networking/tuntap.rst).
fn open_tun() -> std::result::Result<(), NoTun> {
    const TUN: &str = "/dev/net/tun";
    let Err(error) = rustix::fs::open(TUN, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) else { return Ok(()) };
    let remedy = match error {
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => "ask an administrator to run: chmod 666 /dev/net/tun",
        rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO => {
            "ask an administrator to run: modprobe tun (in a container: start it with --device /dev/net/tun)"
        }
        _ => "it must be possible to open it for reading and writing",
    };
    Err(NoTun { cause: format!("cannot open {TUN}: {}", errno_text(error.raw_os_error())), remedy })
}

/// Whether the host has a default route, IPv4 or IPv6; true where /proc does not say.
fn has_default_route() -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (v4, v6) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
    (v4.is_empty() && v6.is_empty()) || names_default_route(&v4, &v6)
}

/// Looks for a route of length zero through a gateway or a device that is not loopback
/// (proc_pid_net(5): `Iface Destination Gateway …  Mask`; ipv6_route: `destination length …  device`).
fn names_default_route(v4: &str, v6: &str) -> bool {
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let is_v4 = |line: Vec<String>| matches!(&line[..], [_, to, _, _, _, _, _, mask, ..] if to == "00000000" && mask == "00000000");
    let is_v6 = |line: Vec<String>| matches!(&line[..], [to, length, .., device] if length == "00" && to.bytes().all(|b| b == b'0') && device != "lo");
    v4.lines().skip(1).map(words).any(is_v4) || v6.lines().map(words).any(is_v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn a_default_route_is_seen() {
        let connected = format!("{V4}up0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        assert!(!names_default_route(&connected, ""));
        let default = format!("{connected}up0\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        assert!(names_default_route(&default, ""));
        assert!(!names_default_route(V4, ""));
    }

    #[test]
    fn a_default_route_of_ipv6_is_seen() {
        let zero = "0".repeat(32);
        // The kernel's own reject route on lo is no default route.
        let reject = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n");
        assert!(!names_default_route(V4, &reject));
        let default = format!("{zero} 00 {zero} 00 fd770000000000000000000000000001 00000400 1 0 00000003      up0\n");
        assert!(names_default_route(V4, &format!("{reject}{default}")));
    }

    #[test]
    fn none_and_host_need_nothing() {
        assert_eq!(plan(&NetworkPlan::new(NetworkMode::None)).unwrap(), (ResolvedNetwork::Loopback, vec![]));
        assert_eq!(plan(&NetworkPlan::new(NetworkMode::Host)).unwrap(), (ResolvedNetwork::Host, vec![]));
    }
}
