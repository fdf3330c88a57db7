//! Published ports as pasta(1) is told of them: `--tcp-ports` and `--udp-ports`.

use super::{Bound, Protocol, bind};
use crate::error::{Failure, Result};
use std::net::IpAddr;

/// The options, in every version since 2023. A port on every address has none in front, which is both families.
pub fn arguments(ports: &[Bound]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (option, protocol) in [("--tcp-ports", Protocol::Tcp), ("--udp-ports", Protocol::Udp)] {
        let specs = specs(ports, protocol);
        match specs.is_empty() {
            true => arguments.extend([option.to_owned(), "none".to_owned()]),
            false => arguments.extend(specs.into_iter().flat_map(|spec| [option.to_owned(), spec])),
        }
    }
    arguments
}

/// `ADDRESS/FIRST-LAST:FIRST-LAST`, consecutive ports joined: a command line holds no 65,535 of them.
fn specs(ports: &[Bound], protocol: Protocol) -> Vec<String> {
    struct Run {
        address: Option<IpAddr>,
        host: u16,
        container: u16,
        length: u16,
    }
    let mut runs: Vec<Run> = Vec::new();
    for (place, port) in ports.iter().enumerate().filter(|(_, port)| port.protocol == protocol) {
        if place > 0 && port.is_twin_of(&ports[place - 1]) {
            continue;
        }
        let has_twin = ports.get(place + 1).is_some_and(|next| next.is_twin_of(port));
        let address = if has_twin { None } else { Some(port.address) };
        let follows = |run: &&mut Run| {
            run.address == address
                && run.host.checked_add(run.length) == Some(port.host)
                && run.container.checked_add(run.length) == Some(port.container)
        };
        match runs.last_mut().filter(follows) {
            Some(run) => run.length += 1,
            None => runs.push(Run { address, host: port.host, container: port.container, length: 1 }),
        }
    }
    let text = |run: &Run| {
        let address = run.address.map(|address| format!("{address}/")).unwrap_or_default();
        let range = |first: u16| match run.length {
            1 => first.to_string(),
            length => format!("{first}-{}", first + (length - 1)),
        };
        format!("{address}{}:{}", range(run.host), range(run.container))
    };
    runs.iter().map(text).collect()
}

/// Which of `ports` pasta has taken, once it is ready: without a route of IPv6 on the host it takes none of IPv6.
///
/// # Errors
/// One that was asked for by its address is not among them.
pub fn taken(ports: &[Bound]) -> Result<Vec<Bound>> {
    let mut taken: Vec<Bound> = Vec::with_capacity(ports.len());
    for port in ports {
        match (bind::is_taken(port), taken.last().is_some_and(|last| port.is_twin_of(last))) {
            (true, _) => taken.push(*port),
            (false, true) => {}
            (false, false) => {
                let doing = format!("cannot publish port {}/{}", port.container, port.protocol);
                return Err(Failure::new(doing, format!("pasta did not take {}", port.host_text())));
            }
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(address: &str, host: u16, container: u16, protocol: Protocol) -> Bound {
        Bound { address: address.parse().unwrap(), host, container, protocol }
    }

    #[test]
    fn ports_are_told_in_ranges() {
        use Protocol::{Tcp, Udp};
        let ports = [
            bound("0.0.0.0", 8000, 80, Tcp),
            bound("::", 8000, 80, Tcp),
            bound("0.0.0.0", 8001, 81, Tcp),
            bound("::", 8001, 81, Tcp),
            bound("127.0.0.1", 9000, 90, Tcp),
            bound("::1", 9001, 91, Tcp),
            bound("0.0.0.0", 65535, 53, Udp),
        ];
        let expected = [
            "--tcp-ports",
            "8000-8001:80-81",
            "--tcp-ports",
            "127.0.0.1/9000:90",
            "--tcp-ports",
            "::1/9001:91",
            "--udp-ports",
            "0.0.0.0/65535:53",
        ];
        assert_eq!(arguments(&ports), expected);
        assert_eq!(arguments(&[]), ["--tcp-ports", "none", "--udp-ports", "none"]);
    }
}
