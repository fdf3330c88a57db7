//! How packets get in and out.

use super::{Seen, read};
use crate::container::plan::NetworkMode;
use crate::container::record::Container;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    /// `--network`, as it was asked for.
    pub mode: String,
    /// What the container has; None where it does not run.
    pub interfaces: Option<Seen<Vec<Interface>>>,
    /// The IPv4 router that everything else goes to.
    pub gateway: Option<Ipv4Addr>,
    /// From the container's interface to the host, a station each.
    pub way: Vec<String>,
    /// The host's ports that lead into it.
    pub ports: Vec<String>,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Interface {
    /// `eth0`
    pub name: String,
    /// Its addresses, with the length of their prefix.
    pub addresses: Vec<String>,
    /// Bytes it has received and sent.
    pub received: u64,
    /// See `received`.
    pub sent: u64,
}

impl Network {
    /// That of a container.
    pub fn of(container: &Container, payload: Option<i32>) -> Network {
        let plan = &container.plan.network;
        let live = payload.map(|pid| {
            let path = format!("/proc/{pid}/net/dev");
            let other = |file: &str| read(pid, file).unwrap_or_default();
            let addresses =
                [v4_addresses(&other("net/fib_trie"), &other("net/route")), v6_addresses(&other("net/if_inet6"))];
            Seen::from(read(pid, "net/dev").map(|text| interfaces(&text, &addresses.concat())), &path)
        });
        let mode = match plan.mode {
            NetworkMode::None => "none".to_owned(),
            NetworkMode::Host => "host".to_owned(),
            NetworkMode::Private => "private".to_owned(),
            NetworkMode::Pasta => "pasta".to_owned(),
            NetworkMode::Slirp4netns => "slirp4netns".to_owned(),
            NetworkMode::Networks => {
                plan.networks.iter().map(|membership| membership.network.clone()).collect::<Vec<_>>().join(", ")
            }
            NetworkMode::Container => format!("container:{}", plan.container.as_deref().unwrap_or_default()),
        };
        Network {
            mode,
            gateway: payload.and_then(|pid| gateway(&read(pid, "net/route").ok()?)),
            way: way(container, payload),
            ports: ports(container),
            interfaces: live,
        }
    }
}

fn ports(container: &Container) -> Vec<String> {
    let all = container.state.ports.iter();
    all.map(|port| format!("{} → {}/{}", port.host_text(), port.container, port.protocol)).collect()
}

/// Station after station, from the container outwards.
fn way(container: &Container, payload: Option<i32>) -> Vec<String> {
    let servant = |name: &str| {
        let monitor = container.state.monitor.as_ref().filter(|_| payload.is_some())?;
        let children = crate::container::processes::children(monitor.pid);
        let is_it =
            |pid: i32| crate::container::processes::Stat::of(pid).is_some_and(|stat| stat.command.starts_with(name));
        children.into_iter().map(|(pid, _)| pid).find(|pid| is_it(*pid))
    };
    let process = |name: &str| match servant(name) {
        Some(pid) => {
            format!("{name} (process {pid} of the host), in the host's network namespace, without a privilege")
        }
        None => format!("{name}, a process in the host's network namespace, without a privilege"),
    };
    let sockets = "an ordinary socket of yours for each connection (socket(2))".to_owned();
    let host = "the host's own routes and interfaces".to_owned();
    let tap = || "eth0 in the container: a TAP device, whose other end is a descriptor (tun.rst)".to_owned();
    match container.plan.network.mode {
        NetworkMode::None => vec!["lo in the container: nothing leads out".into()],
        NetworkMode::Host => {
            vec!["no namespace of its own: the container uses the host's interfaces and ports".into(), host]
        }
        NetworkMode::Container => vec!["the network namespace of the other container, and all that is there".into()],
        NetworkMode::Private => vec![tap(), process("rr-net"), sockets, host],
        NetworkMode::Pasta => vec![tap(), process("pasta"), sockets, host],
        NetworkMode::Slirp4netns => vec![tap(), process("slirp4netns"), sockets, host],
        NetworkMode::Networks => vec![
            "eth0 in the container: one end of a pair of devices (veth(4))".into(),
            "the other end, on a bridge in the network's own namespace, where the other containers' ends are".into(),
            "rr-net, the network's keeper, on a TAP device of that bridge and in the host's network namespace".into(),
            sockets,
            host,
        ],
    }
}

/// An address of an interface, with the length of its prefix.
type Address = (String, IpAddr, u8);

/// /proc/net/dev (proc_pid_net(5)).
fn interfaces(devices: &str, addresses: &[Address]) -> Vec<Interface> {
    let device = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let name = name.trim().to_owned();
        let own = addresses.iter().filter(|(of, _, _)| *of == name);
        let addresses = own.map(|(_, address, prefix)| format!("{address}/{prefix}")).collect();
        Some(Interface { received: *numbers.first()?, sent: *numbers.get(8)?, name, addresses })
    };
    devices.lines().filter_map(device).collect()
}

/// /proc/net/if_inet6: `fd000000000000000000000000000064 02 40 00 80     eth0`.
fn v6_addresses(text: &str) -> Vec<Address> {
    let address = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, prefix, _, _, name] = words.as_slice() else { return None };
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        Some(((*name).to_owned(), address.into(), u8::from_str_radix(prefix, 16).ok()?))
    };
    text.lines().filter_map(address).collect()
}

/// The local addresses of /proc/net/fib_trie, each of the interface through which /proc/net/route reaches its network.
fn v4_addresses(trie: &str, routes: &str) -> Vec<Address> {
    let networks: Vec<(String, u32, u32)> = routes.lines().skip(1).filter_map(network).collect();
    let mut all: Vec<Address> = Vec::new();
    let mut leaf = None;
    for line in trie.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["|--", address] => leaf = address.parse::<Ipv4Addr>().ok(),
            ["/32", "host", "LOCAL"] => {
                let Some(address) = leaf else { continue };
                let number = u32::from(address);
                let of = networks.iter().filter(|(_, first, mask)| *mask != 0 && number & mask == *first);
                let own = of.max_by_key(|(_, _, mask)| *mask);
                let (name, prefix) = match own {
                    Some((name, _, mask)) => (name.clone(), mask.leading_ones() as u8),
                    None if address.is_loopback() => ("lo".to_owned(), 8),
                    None => continue,
                };
                let found = (name, IpAddr::from(address), prefix);
                // Each table of routes has it.
                if !all.contains(&found) {
                    all.push(found);
                }
            }
            _ => {}
        }
    }
    all
}

/// Interface, first address and mask of a route without a gateway.
fn network(line: &str) -> Option<(String, u32, u32)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number =
        |at: usize| Some(u32::from(Ipv4Addr::from(u32::from_str_radix(words.get(at)?, 16).ok()?.to_ne_bytes())));
    (number(2)? == 0).then_some(((*words.first()?).to_owned(), number(1)?, number(7)?))
}

/// The gateway of the route to everywhere in /proc/net/route, whose numbers are in the machine's order of bytes.
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let is_default = number(1)? == 0 && number(7)? == 0;
        is_default.then(|| Ipv4Addr::from(number(2).unwrap_or(0).to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let devices = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo:     10       1    0    0    0     0          0         0      20       2    0    0    0     0       0          0\n";
        let v6 = "00000000000000000000000000000001 01 80 10 80       lo\nfd000000000000000000000000000064 02 40 00 80     eth0\n";
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.2.100\n        /32 host LOCAL\n     |-- 10.0.2.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n        /32 host LOCAL\n";
        let number = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let routes = format!(
            "Iface\neth0\t{}\t{}\t1\t0\t0\t0\t{}\t0\n",
            number([10, 0, 2, 0]),
            number([0; 4]),
            number([255, 255, 255, 0])
        );
        let v4 = v4_addresses(trie, &routes);
        let found = |name: &str, address: [u8; 4], prefix| (name.to_owned(), IpAddr::from(address), prefix);
        assert_eq!(v4, [found("eth0", [10, 0, 2, 100], 24), found("lo", [127, 0, 0, 1], 8)]);
        let all = interfaces(devices, &v6_addresses(v6));
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].received, all[0].sent, all[0].addresses.as_slice()),
            (10, 20, ["::1/128".to_owned()].as_slice())
        );
    }

    #[test]
    fn the_default_route_is_found() {
        let number = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let (zero, router) = (number([0; 4]), number([10, 0, 2, 2]));
        let text = format!(
            "Iface Destination Gateway\neth0\t{}\t{zero}\t1\t0\t0\t0\t{}\t0\neth0\t{zero}\t{router}\t3\t0\t0\t0\t{zero}\t0\n",
            number([10, 0, 2, 0]),
            number([255, 255, 255, 0])
        );
        assert_eq!(gateway(&text), Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(gateway(""), None);
    }
}
