//! Ports as Docker's `ps` shows them, consecutive ones joined.

use super::Bound;
use std::fmt::Write;

/// A port of the list: published, or exposed only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where it is published.
    pub host: Option<(std::net::IpAddr, u16)>,
    /// The container's port.
    pub container: u16,
    /// `tcp`, `udp` or `sctp`
    pub protocol: String,
}

impl From<&Bound> for Shown {
    fn from(bound: &Bound) -> Shown {
        Shown {
            host: Some((bound.address, bound.host)),
            container: bound.container,
            protocol: bound.protocol.to_string(),
        }
    }
}

/// A run of consecutive ports.
struct Run {
    address: Option<std::net::IpAddr>,
    protocol: String,
    host: Option<u16>,
    first: u16,
    last: u16,
}

impl Run {
    fn of(port: &Shown) -> Run {
        Run {
            address: port.host.map(|(address, _)| address),
            protocol: port.protocol.clone(),
            host: port.host.map(|(_, port)| port),
            first: port.container,
            last: port.container,
        }
    }

    /// Takes `port` in, if it is the next one.
    fn take(&mut self, port: &Shown) -> bool {
        let next = |number: u16| number.checked_add(self.last - self.first + 1);
        let fits = self.address == port.host.map(|(address, _)| address)
            && self.protocol == port.protocol
            && next(self.first) == Some(port.container)
            && self.host.and_then(next) == port.host.map(|(_, port)| port);
        if fits {
            self.last = port.container;
        }
        fits
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let length = self.last - self.first;
        let range = |first: u16| if length == 0 { first.to_string() } else { format!("{first}-{}", first + length) };
        if let (Some(address), Some(host)) = (self.address, self.host) {
            // The address in brackets where it needs them.
            let at = std::net::SocketAddr::new(address, 0).to_string();
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{}->", at.trim_end_matches('0'), range(host));
        }
        let _ = write!(text, "{}/{}", range(self.first), self.protocol);
        text
    }
}

/// The text of Docker's column PORTS (docker/cli, `DisplayablePorts`): ports whose numbers are the same on both sides,
/// or that are exposed only, are joined into ranges; the others follow one by one.
pub fn dockers(ports: &[Shown]) -> String {
    let mut ports: Vec<&Shown> = ports.iter().collect();
    ports.sort_by_key(|port| {
        let (address, host) = port.host.map_or((String::new(), 0), |(address, host)| (address.to_string(), host));
        (port.container, address, host, port.protocol.clone())
    });
    let (mut whole, mut open): (Vec<String>, Vec<Run>) = Default::default();
    let mut others = Vec::new();
    for port in ports {
        if port.host.is_some_and(|(_, host)| host != port.container) {
            others.push(Run::of(port).text());
            continue;
        }
        let of_its_kind =
            |run: &&mut Run| run.protocol == port.protocol && run.address == port.host.map(|(address, _)| address);
        match open.iter_mut().find(of_its_kind) {
            None => open.push(Run::of(port)),
            Some(run) => {
                if !run.take(port) {
                    whole.push(std::mem::replace(run, Run::of(port)).text());
                }
            }
        }
    }
    whole.extend(open.iter().map(Run::text));
    whole.extend(others);
    whole.join(", ")
}

/// The text of Podman's column: also ports of other numbers are joined.
pub fn podmans(ports: &[Shown]) -> String {
    let mut ports: Vec<&Shown> = ports.iter().collect();
    ports.sort_by_key(|port| {
        (port.protocol.clone(), port.host.map(|(address, host)| (address.to_string(), host)), port.container)
    });
    let mut runs: Vec<Run> = Vec::new();
    for port in ports {
        if !runs.last_mut().is_some_and(|run| run.take(port)) {
            runs.push(Run::of(port));
        }
    }
    runs.iter().map(Run::text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str) -> Shown {
        let (host, inside) = text.split_once("->").map_or((None, text), |(host, inside)| (Some(host), inside));
        let (container, protocol) = inside.split_once('/').unwrap();
        let host = host.map(|host| {
            let at: std::net::SocketAddr = host.parse().unwrap();
            (at.ip(), at.port())
        });
        Shown { host, container: container.parse().unwrap(), protocol: protocol.to_owned() }
    }

    fn all(texts: &[&str]) -> Vec<Shown> {
        texts.iter().map(|text| port(text)).collect()
    }

    /// Cases of docker/cli's own test of the function (formatter/container_test.go), and of IPv6 as its version 28 prints it.
    #[test]
    fn ports_are_joined_as_docker_joins_them() {
        for (ports, expected) in [
            (&[][..], ""),
            (&["9988/tcp"], "9988/tcp"),
            (&["9988/udp"], "9988/udp"),
            (&["4.3.2.1:8899->9988/tcp"], "4.3.2.1:8899->9988/tcp"),
            (&["4.3.2.1:9988->9988/tcp"], "4.3.2.1:9988->9988/tcp"),
            (&["9988/udp", "9988/tcp"], "9988/tcp, 9988/udp"),
            (&["1.2.3.4:9998->9998/udp", "1.2.3.4:9999->9999/udp"], "1.2.3.4:9998-9999->9998-9999/udp"),
            (&["1.2.3.4:8887->9998/udp", "1.2.3.4:8888->9999/udp"], "1.2.3.4:8887->9998/udp, 1.2.3.4:8888->9999/udp"),
            (&["9998/udp", "9999/udp"], "9998-9999/udp"),
            (
                &["1.2.3.4:9998->9998/udp", "1.2.3.4:6677->9998/udp", "1.2.3.4:7766->9998/tcp"],
                "1.2.3.4:9998->9998/udp, 1.2.3.4:6677->9998/udp, 1.2.3.4:7766->9998/tcp",
            ),
            (
                &["0.0.0.0:80->80/tcp", "[::]:80->80/tcp", "0.0.0.0:81->81/tcp", "[::]:81->81/tcp"],
                "0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp",
            ),
        ] {
            assert_eq!(dockers(&all(ports)), expected, "{ports:?}");
        }
    }

    #[test]
    fn runs_that_break_stand_in_front() {
        assert_eq!(dockers(&all(&["80/tcp", "81/tcp", "90/tcp", "53/udp"])), "80-81/tcp, 53/udp, 90/tcp");
        assert_eq!(dockers(&all(&["65535/tcp", "65534/tcp"])), "65534-65535/tcp");
    }

    #[test]
    fn podman_joins_ports_of_other_numbers_too() {
        let ports = all(&["0.0.0.0:8001->81/tcp", "0.0.0.0:8000->80/tcp", "0.0.0.0:8003->82/tcp", "53/udp"]);
        assert_eq!(podmans(&ports), "0.0.0.0:8000-8001->80-81/tcp, 0.0.0.0:8003->82/tcp, 53/udp");
    }
}
