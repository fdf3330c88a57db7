//! The container's network: who carries its packets, and the files that name things.
//!
//! `none` is a network namespace with loopback alone, `host` is no namespace at all. For `private`,
//! the default, a user-mode network program moves packets between a tap device in the container's
//! namespace and ordinary sockets of the user: pasta(1) where it is there, else slirp4netns(1), and
//! where neither works loopback alone, which is said in one line. Asked for by name, a program that
//! does not work is an error.
//!
//! Both programs are told to lay out the same small network, slirp4netns's own default, so that the
//! container's files do not depend on which of them runs:
//!
//! ```text
//! 10.0.2.0/24    10.0.2.2 gateway    10.0.2.3 name server, where one is forwarded    10.0.2.100 container
//! ```
//!
//! The container's address differs from the host's, so the host's own address reaches the host, as in
//! Docker; the host's loopback cannot be reached.
//!
//! Three calls, in order: [`plan`] and [`files`] in the client, [`start_attach`] in the monitor as soon
//! as the namespace exists, [`Attaching::wait_ready`] right before the payload is executed, so that a
//! program's start (14 ms for slirp4netns, 25 to 60 for pasta) passes while the root file system is built.

mod attach;
mod names;

pub use attach::{Attaching, start_attach};
pub use names::{HostNames, hosts, resolv_conf};

use crate::error::{Doing, Failure, Notice, Result, errno_text};
use crate::host::helpers::{self, Package};
use crate::host::ids::{IdMap, InsideId};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// The container's address in its own network.
pub const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
/// Its default gateway.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Queries sent here go to the host's name server.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// Network and names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Which network.
    pub mode: NetworkMode,
    /// `--dns`: name servers instead of the host's.
    pub dns: Vec<String>,
    /// `--dns-search`
    pub dns_search: Vec<String>,
    /// `--dns-option`
    pub dns_options: Vec<String>,
    /// `--add-host name:address`, as (name, address); `host-gateway` is kept as that word.
    pub add_hosts: Vec<(String, String)>,
}

/// `--network`, as asked for; [`plan`] resolves `Private` to what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// A network namespace with loopback only.
    None,
    /// The host's network namespace.
    Host,
    /// pasta if it is there, else slirp4netns, else loopback only and one line that says so.
    Private,
    /// pasta(1), or an error.
    Pasta,
    /// slirp4netns(1), or an error.
    Slirp4netns,
}

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
    /// A namespace with loopback only.
    Loopback,
    /// A namespace and a program that connects it.
    Carried {
        /// The programs to try, in this order; at least one.
        carriers: Vec<Carrier>,
        /// What becomes of the container if none of them works.
        otherwise: Otherwise,
        /// Whether queries to [`NAME_SERVER`] have to be forwarded. Asked for only where it is needed:
        /// pasta of 2023 gives that address as the sender of every name server's answers.
        forward_dns: ForwardDns,
    },
}

impl ResolvedNetwork {
    /// Whether the payload has to wait for [`Attaching::wait_ready`].
    pub fn is_carried(&self) -> bool {
        matches!(self, ResolvedNetwork::Carried { .. })
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
/// pasta or slirp4netns is asked for by name, and it, or the tun device it needs, is not there.
pub fn plan(wanted: &NetworkPlan) -> Result<(ResolvedNetwork, Vec<Notice>)> {
    let decided = match wanted.mode {
        NetworkMode::None => ResolvedNetwork::Loopback,
        NetworkMode::Host => ResolvedNetwork::Host,
        NetworkMode::Pasta => by_name(Tool::Pasta, wanted)?,
        NetworkMode::Slirp4netns => by_name(Tool::Slirp4netns, wanted)?,
        NetworkMode::Private => match private(wanted) {
            Ok(decided) => decided,
            Err(why) => return Ok((ResolvedNetwork::Loopback, vec![loopback_only(&why)])),
        },
    };
    Ok((decided, Vec::new()))
}

/// The one line that says what `private` has come to.
fn loopback_only(why: &str) -> Notice {
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
        NetworkMode::None | NetworkMode::Host | NetworkMode::Private => Ok(()),
    }
}

fn by_name(tool: Tool, wanted: &NetworkPlan) -> Result<ResolvedNetwork> {
    Ok(ResolvedNetwork::Carried {
        carriers: vec![usable(tool)?],
        otherwise: Otherwise::Fail,
        forward_dns: forward_dns(wanted)?,
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

/// The programs for `private`, or why there are none and what would help.
fn private(wanted: &NetworkPlan) -> std::result::Result<ResolvedNetwork, String> {
    // Without a default route, pasta before version 2024_10_30 ends with "External interface not usable".
    let order = match has_default_route() {
        true => [Tool::Pasta, Tool::Slirp4netns],
        false => [Tool::Slirp4netns, Tool::Pasta],
    };
    let found = |tool: Tool| Some(Carrier { tool, path: helpers::find(tool.name())? });
    let carriers: Vec<Carrier> = order.into_iter().filter_map(found).collect();
    if carriers.is_empty() {
        return Err(format!("neither pasta nor slirp4netns is installed; {}", Package::Passt.remedy()));
    }
    open_tun().map_err(|why| format!("{}; {}", why.cause, why.remedy))?;
    let forward_dns = forward_dns(wanted).map_err(|failure| failure.to_string())?;
    Ok(ResolvedNetwork::Carried { carriers, otherwise: Otherwise::LoopbackOnly, forward_dns })
}

fn forward_dns(wanted: &NetworkPlan) -> Result<ForwardDns> {
    Ok(match names::needs_forwarding(&read_or_empty("/etc/resolv.conf")?, wanted) {
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
            ResolvedNetwork::Carried { .. } => Some(IpAddr::V4(CONTAINER)),
            ResolvedNetwork::Loopback => None,
            // Debian's way: an address that always reaches this machine and nobody else.
            ResolvedNetwork::Host => Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1))),
        },
        host_address: match network {
            ResolvedNetwork::Carried { .. } => host_address(),
            ResolvedNetwork::Host => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ResolvedNetwork::Loopback => None,
        },
    };
    Ok([
        ("hosts", hosts(&names, hostname, &wanted.add_hosts)?),
        ("hostname", format!("{hostname}\n")),
        ("resolv.conf", resolv_conf(&read_or_empty("/etc/resolv.conf")?, network, wanted)),
    ])
}

fn read_or_empty(path: &str) -> Result<String> {
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
    let ask = |from: &str, to: &str| -> Option<IpAddr> {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to.parse::<SocketAddr>().ok()?).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified() && !address.is_loopback())
    };
    ask("0.0.0.0:0", "192.0.2.1:9").or_else(|| ask("[::]:0", "[2001:db8::1]:9"))
}

/// Readies a new network namespace from inside: loopback goes up, and what Docker allows is allowed,
/// ports below 1024 and ICMP echo without privilege. Runs in init, as root of the user namespace,
/// while /proc is the host's still (its sys/net shows the reader's namespace).
///
/// # Errors
/// Loopback cannot be brought up. The two settings are only convenient: where /proc/sys is read-only,
/// as inside another container, they are left out.
pub fn prepare_namespace(groups: &IdMap) -> Result<()> {
    crate::sys::net::loopback_up().doing(|| "cannot bring up the container's loopback interface")?;
    let last = last_group(groups);
    for (path, value) in [
        ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0".to_owned()),
        // Both ends must be mapped ids, or the write is EINVAL (icmp(7)).
        ("/proc/sys/net/ipv4/ping_group_range", format!("0 {last}")),
    ] {
        if let Err(error) = std::fs::write(path, value) {
            log::debug!("cannot set {path}: {error}");
        }
    }
    Ok(())
}

/// The last of the group ids that are mapped without a gap from 0 on; 0 where 0 itself is not.
fn last_group(groups: &IdMap) -> u32 {
    let mut next = 0;
    for extent in groups.extents() {
        if extent.inside == InsideId(next) {
            next += extent.length;
        }
    }
    // The range ends at 2^31-1 (ping_group_range in ip-sysctl.rst).
    next.saturating_sub(1).min(i32::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::{Extent, HostId};

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
    fn pings_are_allowed_to_the_mapped_groups() {
        let extent = |inside, outside, length| Extent { inside: InsideId(inside), outside: HostId(outside), length };
        let last = |extents| last_group(&IdMap::new(extents).unwrap());
        assert_eq!(last(vec![extent(0, 1000, 1), extent(1, 100_000, 65_536)]), 65_536);
        assert_eq!(last(vec![extent(0, 1000, 1), extent(5, 100_000, 10)]), 0);
        assert_eq!(last(vec![extent(1000, 1000, 1)]), 0);
        assert_eq!(last(vec![extent(0, 0, 1), extent(1, 1, u32::MAX - 1)]), 0x7fff_ffff);
    }

    #[test]
    fn none_and_host_need_nothing() {
        let wanted =
            |mode| NetworkPlan { mode, dns: vec![], dns_search: vec![], dns_options: vec![], add_hosts: vec![] };
        assert_eq!(plan(&wanted(NetworkMode::None)).unwrap(), (ResolvedNetwork::Loopback, vec![]));
        assert_eq!(plan(&wanted(NetworkMode::Host)).unwrap(), (ResolvedNetwork::Host, vec![]));
    }
}
