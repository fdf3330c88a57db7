//! The values of `--publish` and `--expose`. No I/O.
//!
//! Both are read as Docker reads them (docker/go-connections, `nat.ParsePortSpec`), and refused in its words.

use super::values::Parsed;
use crate::net::ports::{HostPort, Protocol, Published};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One `--publish`: `[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]`, where HOST and CONTAINER may be ranges, or Docker's long
/// form `published=HOST,target=CONTAINER,protocol=PROTOCOL`.
///
/// # Errors
/// It is none, in Docker's words.
pub fn publish(text: &str) -> Parsed<Vec<Published>> {
    match text.contains('=') {
        true => short(&from_long_form(text)?),
        false => short(text),
    }
}

fn from_long_form(text: &str) -> Parsed<String> {
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("published", value)) => published = value,
            Some(("target", value)) => target = value,
            Some(("protocol", value)) => protocol = value,
            // `mode` is Swarm's, and every container's is this.
            Some(("mode", "host" | "ingress")) => {}
            Some((name, _)) if !name.is_empty() => return Err(format!("invalid field key {name}")),
            _ => return Err(format!("invalid publish opts format (should be name=value but got '{part}')")),
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

fn short(text: &str) -> Parsed<Vec<Published>> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (front, container) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, host) = front.rsplit_once(':').unwrap_or(("", front));
    let protocol = transport(protocol)?;
    let address = match address {
        "" => None,
        address => Some(ip_address(address)?),
    };
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let (first, last) = range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    let published = |container, host| Published { address, host, container, protocol };
    // Docker takes a host port of 0 for any, as bind(2) does.
    if matches!(host, "" | "0") {
        return Ok((first..=last).map(|container| published(container, HostPort::Any)).collect());
    }
    let (host_first, host_last) = range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?;
    if first == last {
        return Ok(vec![published(first, HostPort::Within { first: host_first, last: host_last })]);
    }
    if last - first != host_last - host_first {
        return Err(format!("invalid ranges specified for container and host Ports: {container} and {host}"));
    }
    Ok((first..=last)
        .zip(host_first..)
        .map(|(container, host)| published(container, HostPort::exactly(host)))
        .collect())
}

fn transport(text: &str) -> Parsed<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => {
            Err("invalid proto: sctp cannot be published, since nothing carries it without root; there is tcp and udp"
                .into())
        }
        _ => Err(format!("invalid proto: {text}")),
    }
}

fn ip_address(text: &str) -> Parsed<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address: IpAddr = bare.parse().map_err(|_| format!("invalid IP address: {text}"))?;
    match address.is_ipv4() && bare.len() != text.len() {
        true => Err(format!("invalid IP address: {text}")),
        false => Ok(address),
    }
}

/// `80` or `8000-8010`, not 0.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    // parse() would take a plus sign.
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let (first, last) = (number(first)?, number(last)?);
    (first > 0 && first <= last).then_some((first, last))
}

/// Ports to be exposed: `80`, `80/udp`, `8000-8010/tcp`; each as `80/tcp`.
///
/// # Errors
/// It is none, in Docker's words.
pub fn expose(text: &str) -> Parsed<Vec<String>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    match (range(ports), protocol.as_str()) {
        (Some((first, last)), "tcp" | "udp" | "sctp") => {
            Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err(format!(
            "invalid range format for --expose: {text}, error: it is not of the form PORT[-PORT][/tcp|udp|sctp]"
        )),
    }
}

/// `published` without repetitions.
///
/// # Errors
/// Two of them cannot be had at once.
pub fn distinct(published: Vec<Published>) -> Parsed<Vec<Published>> {
    let mut kept: Vec<Published> = Vec::with_capacity(published.len());
    let mut fixed = BTreeSet::new();
    for port in published {
        // `-p 80 -p 80` is two random ports; the same one twice is one.
        let is_new = match port.host.fixed() {
            Some(host) => fixed.insert((port.address, host, port.container, port.protocol)),
            None => true,
        };
        if is_new {
            kept.push(port);
        }
    }
    match crate::net::ports::collision(&kept) {
        Some((one, _)) => Err(format!(
            "conflicting port mappings for host port {} (protocol {}): port is already allocated",
            one.host, one.protocol
        )),
        None => Ok(kept),
    }
}

/// What `--publish-all` adds: each of `exposed` that `published` does not have, on any port of the host.
///
/// # Errors
/// One of them is no port, or of SCTP.
pub fn of_exposed(exposed: &[String], published: &[Published]) -> Parsed<Vec<Published>> {
    let mut known: BTreeSet<_> = published.iter().map(|port| (port.container, port.protocol)).collect();
    let mut added = Vec::new();
    for text in exposed {
        let of_text = short(text).map_err(|why| format!("{text} is exposed: {why}"))?;
        added.extend(of_text.into_iter().filter(|port| known.insert((port.container, port.protocol))));
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(address: Option<&str>, host: HostPort, container: u16, protocol: Protocol) -> Published {
        Published { address: address.map(|text| text.parse().unwrap()), host, container, protocol }
    }

    #[test]
    fn dockers_forms_are_read() {
        use HostPort::{Any, Within};
        use Protocol::{Tcp, Udp};
        let exactly = HostPort::exactly;
        for (text, expected) in [
            ("80", vec![one(None, Any, 80, Tcp)]),
            ("80/udp", vec![one(None, Any, 80, Udp)]),
            ("80/UDP", vec![one(None, Any, 80, Udp)]),
            (":80", vec![one(None, Any, 80, Tcp)]),
            ("::80", vec![one(None, Any, 80, Tcp)]),
            ("0:80", vec![one(None, Any, 80, Tcp)]),
            ("8080:80", vec![one(None, exactly(8080), 80, Tcp)]),
            ("127.0.0.1:8080:80/tcp", vec![one(Some("127.0.0.1"), exactly(8080), 80, Tcp)]),
            ("127.0.0.1::80", vec![one(Some("127.0.0.1"), Any, 80, Tcp)]),
            ("[::1]:8080:80", vec![one(Some("::1"), exactly(8080), 80, Tcp)]),
            ("::1:8080:80", vec![one(Some("::1"), exactly(8080), 80, Tcp)]),
            ("[::1]::53/udp", vec![one(Some("::1"), Any, 53, Udp)]),
            ("8000-8001:80-81", vec![one(None, exactly(8000), 80, Tcp), one(None, exactly(8001), 81, Tcp)]),
            ("8000-8010:80", vec![one(None, Within { first: 8000, last: 8010 }, 80, Tcp)]),
            ("80-81", vec![one(None, Any, 80, Tcp), one(None, Any, 81, Tcp)]),
            ("65535:65535", vec![one(None, exactly(65535), 65535, Tcp)]),
            ("published=8080,target=80,protocol=udp", vec![one(None, exactly(8080), 80, Udp)]),
            ("target=80", vec![one(None, Any, 80, Tcp)]),
        ] {
            assert_eq!(publish(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_in_dockers_words() {
        for (text, why) in [
            ("", "no port specified: <empty>"),
            ("8080:", "no port specified: 8080:<empty>"),
            ("8080:http", "invalid containerPort: http"),
            ("8080:0", "invalid containerPort: 0"),
            ("8080:65536", "invalid containerPort: 65536"),
            ("8080:+80", "invalid containerPort: +80"),
            ("8080:81-80", "invalid containerPort: 81-80"),
            ("8080:1-2-3", "invalid containerPort: 1-2-3"),
            ("http:80", "invalid hostPort: http"),
            ("0-5:80", "invalid hostPort: 0-5"),
            ("localhost:8080:80", "invalid IP address: localhost"),
            ("[127.0.0.1]:8080:80", "invalid IP address: [127.0.0.1]"),
            ("fe80::1%eth0:8080:80", "invalid IP address: fe80::1%eth0"),
            ("8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
            ("80/icmp", "invalid proto: icmp"),
            ("80/", "invalid proto: "),
            ("published=1,nope=2", "invalid field key nope"),
            ("=80,", "invalid publish opts format (should be name=value but got '=80')"),
        ] {
            assert_eq!(publish(text), Err(why.to_owned()), "{text}");
        }
        assert!(publish("80/sctp").unwrap_err().starts_with("invalid proto: sctp"));
    }

    #[test]
    fn exposed_ports_are_single_ones() {
        assert_eq!(expose("80"), Ok(vec!["80/tcp".to_owned()]));
        assert_eq!(expose("53-54/UDP"), Ok(vec!["53/udp".to_owned(), "54/udp".to_owned()]));
        for bad in ["", "0", "9-1", "80/icmp", "80:80", "x"] {
            assert!(expose(bad).unwrap_err().starts_with("invalid range format for --expose"), "{bad}");
        }
    }

    #[test]
    fn the_same_twice_is_once_and_two_of_one_port_conflict() {
        let all = |texts: &[&str]| texts.iter().flat_map(|text| publish(text).unwrap()).collect::<Vec<_>>();
        assert_eq!(distinct(all(&["8080:80", "8080:80", "80", "80"])).unwrap().len(), 3);
        assert_eq!(distinct(all(&["8080:80", "8080:80/udp", "8081:80"])).unwrap().len(), 3);
        assert_eq!(
            distinct(all(&["8080:80", "127.0.0.1:8080:81"])),
            Err("conflicting port mappings for host port 8080 (protocol tcp): port is already allocated".to_owned())
        );
    }

    #[test]
    fn all_adds_what_is_not_published_yet() {
        let exposed = ["53/udp", "80/tcp"].map(str::to_owned);
        let added = of_exposed(&exposed, &publish("8080:80").unwrap()).unwrap();
        assert_eq!(added, [one(None, HostPort::Any, 53, Protocol::Udp)]);
        assert!(of_exposed(&["9/sctp".to_owned()], &[]).unwrap_err().contains("sctp"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-z:/=,.\\[\\]+-]{0,30}|\\PC{0,20}") {
            let _ = publish(&text).map(distinct);
            let _ = expose(&text);
        }

        #[test]
        fn what_is_printed_in_dockers_form_is_read_as_it_was(
            address in proptest::option::of(any::<IpAddr>()), first in 1_u16.., host in 1_u16.., length in 0_u16..20, udp: bool,
        ) {
            let length = length.min(u16::MAX - first).min(u16::MAX - host);
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let front = match address {
                None => String::new(),
                Some(IpAddr::V6(address)) => format!("[{address}]:"),
                Some(address) => format!("{address}:"),
            };
            let text = format!("{front}{host}-{}:{first}-{}/{protocol}", host + length, first + length);
            let read = publish(&text).unwrap();
            prop_assert_eq!(read.len(), usize::from(length) + 1);
            for (offset, port) in (0..).zip(read) {
                prop_assert_eq!(port, Published { address, host: HostPort::exactly(host + offset), container: first + offset, protocol });
            }
        }
    }
}
