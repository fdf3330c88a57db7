//! `-p`, `-P`, `rr port`: ports of the host that lead into a container, in each mode that carries packets.

use super::{helpers, host_address};
use crate::support::{Outcome, Rr, images, requires, wait_until};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Every mode in which ports are published; `named` is a network that [`user`] has.
const MODES: [&str; 4] = ["private", "named", "pasta", "slirp4netns"];
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers over HTTP with the client's address.
const HTTP_SERVER: &str = "mkdir -p /www/cgi-bin
    printf '#!/bin/sh\\necho \"Content-Type: text/plain\"\\necho\\necho \"seen from $REMOTE_ADDR\"\\n' > /www/cgi-bin/who
    chmod +x /www/cgi-bin/who; exec httpd -f -p 80 -h /www";

/// Answers a datagram with itself and the client's address.
const UDP_ECHO: &str =
    "exec udpsvd -c 20 0.0.0.0 53 sh -c 'x=$(dd bs=64 count=1 2>/dev/null); echo \"$x from $UDPREMOTEADDR\"'";

/// A user with a network.
fn user() -> Rr {
    let rr = Rr::new();
    rr.run(["network", "create", "--subnet", "10.123.45.0/24", "--ipv6", "named"]).succeeds();
    rr
}

/// The words that name the image: its programs are servers, too.
fn busybox() -> Result<String, String> {
    Ok(format!("oci-archive:{}", images::busybox()?.display()))
}

/// `run -d` of a script.
fn detached(rr: &Rr, options: &[&str], image: &str, script: &str) -> Outcome {
    rr.run([&["run", "-q", "-d", "--stop-timeout", "0"], options, &[image, "sh", "-c", script]].concat())
}

/// The host's port that leads to `port` of the container at this address of the host.
fn port_of(rr: &Rr, container: &str, port: &str, address: &str) -> u16 {
    let listed = rr.run(["port", container, port]).succeeds_quietly();
    let line = listed.stdout.lines().find_map(|line| line.strip_prefix(&format!("{address}:")));
    line.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{port} at {address}: {listed}"))
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// What the HTTP server says to a client with this address, once it serves.
fn get(from: IpAddr, to: SocketAddr) -> Option<String> {
    let mut text = String::new();
    wait_until(Duration::from_secs(10), || {
        text.clear();
        try_get(from, to).is_ok_and(|answer| {
            text = answer;
            text.contains("seen from")
        })
    });
    text.lines().last().and_then(|line| line.strip_prefix("seen from ")).map(|seen| seen.trim().to_owned())
}

fn try_get(from: IpAddr, to: SocketAddr) -> std::io::Result<String> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    connect(&socket, &to)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /cgi-bin/who HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What the echo answers to a datagram from this address.
fn echoed(from: IpAddr, to: SocketAddr) -> String {
    let socket = UdpSocket::bind((from, 0)).expect("an own address");
    socket.connect(to).expect("a route");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time");
    let mut answer = String::new();
    wait_until(Duration::from_secs(10), || {
        let mut bytes = [0; 200];
        // Before the server is there, ECONNREFUSED comes back.
        let Ok(length) = socket.send(b"hello").and_then(|_| socket.recv(&mut bytes)) else { return false };
        answer = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
        true
    });
    answer
}

/// An IPv4 address as a socket of IPv6 shows it, or as it is, in front of a port.
fn is_of(seen: &str, address: &str) -> bool {
    let bare = seen.trim_start_matches('[').trim_start_matches("::ffff:");
    bare.strip_prefix(address).is_some_and(|rest| rest.is_empty() || rest.starts_with([']', ':']))
}

/// What the container sees of a client on the host's loopback, which is not its own.
fn loopback_client(mode: &str) -> &'static str {
    match mode {
        // pasta hands such connections on to the container's loopback.
        "pasta" => "127.0.0.1",
        "named" => "10.123.45.1",
        _ => "10.0.2.2",
    }
}

#[test]
fn an_http_server_is_reached_and_sees_its_client() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        detached(&rr, &["--name", "web", "--network", mode, "-p", "80"], &image, HTTP_SERVER).succeeds_quietly();
        let port = port_of(&rr, "web", "80", "0.0.0.0");
        let seen = get(host, SocketAddr::new(host, port)).unwrap_or_else(|| panic!("{mode}: no answer"));
        assert!(is_of(&seen, &host.to_string()), "{mode}: {seen}");
        let seen = get(LOOPBACK, SocketAddr::new(LOOPBACK, port)).unwrap_or_else(|| panic!("{mode}: no answer"));
        assert!(is_of(&seen, loopback_client(mode)), "{mode}: {seen}");
        rr.run(["rm", "-f", "web"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn datagrams_are_answered_and_their_sender_is_seen() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        detached(&rr, &["--name", "dns", "--network", mode, "-p", "53/udp"], &image, UDP_ECHO).succeeds_quietly();
        let port = port_of(&rr, "dns", "53/udp", "0.0.0.0");
        let answer = echoed(host, SocketAddr::new(host, port));
        assert!(answer.starts_with(&format!("hello from {host}:")), "{mode}: {answer}");
        // A client on the host's loopback gets no answer through the programs: pasta of 2023 mistakes the port where it
        // is translated, and slirp4netns lets nothing out to where it says the client is.
        if matches!(mode, "private" | "named") {
            let answer = echoed(LOOPBACK, SocketAddr::new(LOOPBACK, port));
            assert!(answer.starts_with(&format!("hello from {}:", loopback_client(mode))), "{mode}: {answer}");
        }
        rr.run(["rm", "-f", "dns"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn ipv6_leads_in_where_the_mode_has_it() {
    requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
    for mode in ["private", "named", "pasta"] {
        // From the host's loopback: the gateway's address, or the container's own loopback.
        detached(&rr, &["--name", "web", "--network", mode, "-p", "[::1]::80"], &image, HTTP_SERVER).succeeds_quietly();
        let port = port_of(&rr, "web", "80", "[::1]");
        assert!(get(loopback, SocketAddr::new(loopback, port)).is_some(), "{mode}");
        assert!(TcpStream::connect((LOOPBACK, port)).is_err(), "{mode}: only where it was asked for");
        rr.run(["rm", "-f", "web"]).succeeds();
    }
    detached(&rr, &["--rm", "--network", "slirp4netns", "-p", "[::1]::80"], &image, HTTP_SERVER)
        .fails_with(125, "cannot publish port 80/tcp: slirp4netns can publish it on addresses of IPv4 only");
    rr.nothing_is_left();
}

#[test]
fn a_client_of_ipv6_reaches_a_service_of_ipv4() {
    requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    let server = HTTP_SERVER.replace("-p 80", "-p 0.0.0.0:80");
    rr.run(["network", "create", "--subnet", "10.123.46.0/24", "of-four"]).succeeds();
    for (mode, gateway) in [("private", "10.0.2.2"), ("named", "10.123.45.1"), ("of-four", "10.123.46.1")] {
        detached(&rr, &["--name", "four", "-p", "80", "--network", mode], &image, &server).succeeds_quietly();
        let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let port = port_of(&rr, "four", "80", "[::]");
        let seen = get(loopback, SocketAddr::new(loopback, port)).unwrap_or_else(|| panic!("{mode}: no answer"));
        assert!(is_of(&seen, gateway), "{mode}: {seen}");
        rr.run(["rm", "-f", "four"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn datagrams_of_ipv6_reach_a_service_of_ipv4() {
    requires!(host_address());
    let image = requires!(busybox());
    let rr = Rr::new();
    let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
    // Without any IPv6 inside, and with nobody there.
    for options in [&["--sysctl", "net.ipv6.conf.all.disable_ipv6=1"][..], &[]] {
        let options = [options, &["--name", "four", "-p", "53/udp"]].concat();
        detached(&rr, &options, &image, UDP_ECHO).succeeds_quietly();
        let port = port_of(&rr, "four", "53/udp", "[::]");
        let answer = echoed(loopback, SocketAddr::new(loopback, port));
        assert!(answer.starts_with("hello from 10.0.2.2:"), "{answer}");
        rr.run(["rm", "-f", "four"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn what_nobody_serves_inside_is_reset() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        detached(&rr, &["--name", "idle", "--network", mode, "-p", "80"], &image, "exec sleep 60").succeeds_quietly();
        let port = port_of(&rr, "idle", "80", "0.0.0.0");
        let answer = try_get(host, SocketAddr::new(host, port));
        let kind = answer.as_ref().map_err(std::io::Error::kind);
        let closed = matches!(kind, Err(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::ConnectionRefused));
        // The programs sometimes close without a reset, and slirp4netns later than anybody waits.
        assert!(
            closed || (!matches!(mode, "private" | "named") && answer.as_deref().unwrap_or_default().is_empty()),
            "{mode}: {answer:?}"
        );
        rr.run(["rm", "-f", "idle"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn much_goes_both_ways_and_one_way_ends_before_the_other() {
    const SIZE: usize = 20 << 20;
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        // Nothing comes through pasta of 2023 from a server that speaks first.
        let asked = if mode == "pasta" { "read line;" } else { "" };
        let server =
            format!("tcpsvd 0.0.0.0 80 wc -c & exec tcpsvd 0.0.0.0 81 sh -c '{asked} exec head -c 20971520 /dev/zero'");
        detached(&rr, &["--name", "much", "--network", mode, "-p", "80", "-p", "81"], &image, &server)
            .succeeds_quietly();
        let port = |inside: &str| port_of(&rr, "much", inside, "0.0.0.0");
        let (to, from) = (port("80"), port("81"));
        let mut counted = String::new();
        let done = wait_until(Duration::from_secs(20), || {
            let Ok(mut stream) = TcpStream::connect((host, to)) else { return false };
            counted.clear();
            // The answer comes after the end of what was sent.
            let sent = stream.write_all(&vec![7; SIZE]).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
            sent.is_ok() && stream.read_to_string(&mut counted).is_ok_and(|length| length > 0)
        });
        assert!(done && counted.trim() == SIZE.to_string(), "{mode}: {counted}");
        let mut bytes = Vec::new();
        wait_until(Duration::from_secs(20), || {
            bytes.clear();
            // Until it is served, some modes accept and close.
            let Ok(mut stream) = TcpStream::connect((host, from)) else { return false };
            let asked = if mode == "pasta" { stream.write_all(b"\n") } else { Ok(()) };
            asked.and_then(|()| stream.read_to_end(&mut bytes)).is_ok() && !bytes.is_empty()
        });
        assert_eq!(bytes.len(), SIZE, "{mode}");
        rr.run(["rm", "-f", "much"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn many_clients_are_served_at_once() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        let server = "exec tcpsvd -c 300 -b 300 0.0.0.0 80 cat";
        detached(&rr, &["--name", "many", "--network", mode, "-p", "80"], &image, server).succeeds_quietly();
        let port = port_of(&rr, "many", "80", "0.0.0.0");
        let echo = |stream: &mut TcpStream, number: u32| -> std::io::Result<bool> {
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(&number.to_be_bytes())?;
            let mut answer = [0; 4];
            stream.read_exact(&mut answer)?;
            Ok(answer == number.to_be_bytes())
        };
        let serves = || TcpStream::connect((host, port)).and_then(|mut stream| echo(&mut stream, 0)).is_ok();
        assert!(wait_until(Duration::from_secs(20), serves), "{mode}");
        // slirp4netns takes one connection at a time, and a fifth of a second for each.
        let count = if mode == "slirp4netns" { 10 } else { 200 };
        let mut clients: Vec<TcpStream> =
            (0..count).map(|_| TcpStream::connect((host, port)).expect("it listens")).collect();
        for (number, client) in (1..).zip(&mut clients) {
            assert!(echo(client, number).expect("an answer"), "{mode}: {number}");
        }
        drop(clients);
        rr.run(["rm", "-f", "many"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn ranges_and_exposed_ports_are_listed_as_docker_lists_them() {
    requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        let first = 20_000 + (free_port() % 10_000);
        let range = format!("127.0.0.1:{first}-{}:{first}-{}", first + 2, first + 2);
        let other = format!("127.0.0.1:{}:80", first + 3);
        let options =
            ["--name", "web", "--network", mode, "-p", &range, "-p", &other, "--expose", "443", "--expose=53/udp"];
        detached(&rr, &options, &image, HTTP_SERVER).succeeds_quietly();
        assert!(get(LOOPBACK, SocketAddr::new(LOOPBACK, first + 3)).is_some(), "{mode}");
        let last = first + 2;
        let column = rr.run(["ps", "--format={{.Ports}}"]).succeeds_quietly();
        let expected =
            format!("53/udp, 443/tcp, 127.0.0.1:{first}-{last}->{first}-{last}/tcp, 127.0.0.1:{}->80/tcp", first + 3);
        assert_eq!(column.line(), expected, "{mode}");
        let lines: String = std::iter::once(format!("80/tcp -> 127.0.0.1:{}\n", first + 3))
            .chain((first..=last).map(|port| format!("{port}/tcp -> 127.0.0.1:{port}\n")))
            .collect();
        assert_eq!(rr.run(["port", "web"]).succeeds_quietly().stdout, lines, "{mode}");
        let number = format!("publish={}", first + 3);
        for (filter, count) in [(number.as_str(), 1), ("publish=80", 0), ("expose=80", 1), ("expose=53/udp", 1)] {
            let found = rr.run(["ps", "-q", "--filter", filter]).succeeds_quietly();
            assert_eq!(found.stdout.lines().count(), count, "{mode}: {filter}");
        }
        let inspected = rr.run(["inspect", "web"]).succeeds_quietly();
        let object: serde_json::Value = serde_json::from_str(&inspected.stdout).expect("JSON");
        let port = (first + 3).to_string();
        let binding = serde_json::json!([{ "HostIp": "127.0.0.1", "HostPort": port }]);
        assert_eq!(object[0]["NetworkSettings"]["Ports"]["80/tcp"], binding, "{inspected}");
        assert_eq!(object[0]["NetworkSettings"]["Ports"]["443/tcp"], serde_json::Value::Null, "{inspected}");
        assert_eq!(object[0]["HostConfig"]["PortBindings"]["80/tcp"], binding, "{inspected}");
        assert_eq!(object[0]["Config"]["ExposedPorts"]["80/tcp"], serde_json::json!({}), "{inspected}");
        rr.run(["stop", "web"]).succeeds();
        assert_eq!(rr.run(["port", "web"]).succeeds_quietly().stdout, "", "{mode}");
        let inspected = rr.run(["inspect", "-f", "{{json .NetworkSettings.Ports}}", "web"]).succeeds_quietly();
        assert_eq!(inspected.line(), "{}");
        rr.run(["rm", "web"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn all_exposed_ports_are_published_on_ports_of_their_own() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        let options = ["--name", "web", "--network", mode, "-P", "--expose", "80", "--expose", "5300-5301/udp"];
        detached(&rr, &options, &image, HTTP_SERVER).succeeds_quietly();
        let ports = ["80", "5300/udp", "5301/udp"].map(|port| port_of(&rr, "web", port, "0.0.0.0"));
        assert!(ports[1] != ports[2], "{mode}: {ports:?}");
        assert!(get(host, SocketAddr::new(host, ports[0])).is_some(), "{mode}");
        let asked =
            rr.run(["inspect", "-f", "{{.HostConfig.PublishAllPorts}} {{json .HostConfig.PortBindings}}", "web"]);
        assert_eq!(asked.succeeds_quietly().line(), "true {}", "{mode}");
        rr.run(["rm", "-f", "web"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn ports_are_taken_anew_at_each_start() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        let fixed = free_port();
        let fixed_text = format!("{fixed}:80");
        let options = ["--name", "web", "--network", mode, "--stop-timeout=0", "-p", &fixed_text, "-p", "80"];
        rr.run([&["create", "-q"], &options[..], &[&image, "sh", "-c", HTTP_SERVER]].concat()).succeeds();
        assert!(TcpStream::connect((host, fixed)).is_err(), "{mode}: made is not started");
        for start in [&["start", "web"][..], &["restart", "web"], &["restart", "web"]] {
            rr.run(start).succeeds_quietly();
            assert!(get(host, SocketAddr::new(host, fixed)).is_some(), "{mode}: {start:?}");
            let listed = rr.run(["port", "web", "80"]).succeeds_quietly();
            let ports: Vec<u16> =
                listed.stdout.lines().filter_map(|line| line.strip_prefix("0.0.0.0:")?.parse().ok()).collect();
            assert_eq!(ports.len(), 2, "{mode}: {listed}");
            let random = ports.into_iter().find(|port| *port != fixed).expect("another one");
            assert!(get(host, SocketAddr::new(host, random)).is_some(), "{mode}: {start:?}");
        }
        rr.run(["stop", "web"]).succeeds_quietly();
        // Somebody else has it now.
        let listener = TcpListener::bind((host, fixed)).expect("the container is stopped");
        rr.run(["start", "web"]).fails_with(1, "port is already allocated");
        drop(listener);
        // What another test is starting at this moment has a copy of it until it executes (fork(2)).
        assert!(wait_until(Duration::from_secs(5), || TcpListener::bind((host, fixed)).is_ok()));
        rr.run(["start", "web"]).succeeds_quietly();
        assert!(get(host, SocketAddr::new(host, fixed)).is_some(), "{mode}");
        rr.run(["rm", "-f", "web"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn a_restart_policy_takes_them_anew_too() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    for mode in MODES {
        let fixed = free_port();
        let text = format!("{fixed}:80");
        let options = ["--name", "web", "--network", mode, "--restart", "always", "-p", &text];
        detached(&rr, &options, &image, HTTP_SERVER).succeeds_quietly();
        for _ in 0..2 {
            assert!(get(host, SocketAddr::new(host, fixed)).is_some(), "{mode}");
            let count = || rr.run(["inspect", "-f", "{{.RestartCount}}", "web"]).succeeds().line().to_owned();
            let before = count();
            let pid = rr.run(["inspect", "-f", "{{.State.Pid}}", "web"]).succeeds().line().parse().expect("a pid");
            let pid = rustix::process::Pid::from_raw(pid).expect("it runs");
            // The payload's user inside is this user outside.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("an own process");
            assert!(wait_until(Duration::from_secs(20), || count() != before), "{mode}: it is started again");
        }
        assert!(get(host, SocketAddr::new(host, fixed)).is_some(), "{mode}");
        // Somebody is faster than the next start.
        let pid = rr.run(["inspect", "-f", "{{.State.Pid}}", "web"]).succeeds().line().parse().expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("an own process");
        let mut taken = None;
        let why = || {
            let state = rr.run(["inspect", "-f", "{{.State.Status}} {{.State.Error}}", "web"]).succeeds();
            state.line().to_owned()
        };
        let refused = wait_until(Duration::from_secs(30), || {
            taken = taken.take().or_else(|| TcpListener::bind((host, fixed)).ok());
            taken.is_some() && why().starts_with("exited ")
        });
        assert!(refused && why().contains("port is already allocated"), "{mode}: {}", why());
        rr.run(["rm", "-f", "web"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn each_container_of_a_network_has_its_own_ports() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    rr.run(["network", "create", "--internal", "inner"]).succeeds();
    for name in ["one", "two"] {
        let networks = ["--network", "inner", "--network", "named"];
        detached(&rr, &[&["--name", name, "-p", "80"], &networks[..]].concat(), &image, HTTP_SERVER).succeeds_quietly();
    }
    let first = port_of(&rr, "one", "80", "0.0.0.0");
    for name in ["one", "two"] {
        let port = port_of(&rr, name, "80", "0.0.0.0");
        let seen = get(host, SocketAddr::new(host, port)).unwrap_or_else(|| panic!("{name}: no answer"));
        assert!(is_of(&seen, &host.to_string()), "{name}: {seen}");
    }
    // By the host's address, from a container of the same network.
    let url = format!("http://{host}:{first}/cgi-bin/who");
    let fetched = rr.run(["exec", "two", "wget", "-qO-", &url]).succeeds();
    let seen = fetched.line().strip_prefix("seen from ").unwrap_or_else(|| panic!("{fetched}"));
    assert!(is_of(seen, &host.to_string()), "{seen}");
    let text = format!("{first}:80");
    let taken = detached(&rr, &["--name", "three", "--network", "named", "-p", &text], &image, "true");
    let taken = taken.fails_with(125, "port is already allocated");
    assert!(taken.stderr.contains("container one has it"), "{taken}");
    assert_eq!(rr.run(["ps", "-aq", "--filter", "name=three"]).succeeds().stdout, "");
    // A container that was killed lets its ports go; the other keeps its own.
    rr.run(["rm", "-f", "one"]).succeeds();
    assert!(TcpListener::bind((host, first)).is_ok());
    assert!(get(host, SocketAddr::new(host, port_of(&rr, "two", "80", "0.0.0.0"))).is_some());
    // The address of the one that has gone is the next one's, and so are its clients.
    detached(&rr, &["--name", "three", "--network", "named", "-p", &text], &image, HTTP_SERVER).succeeds_quietly();
    assert!(get(host, SocketAddr::new(host, first)).is_some());
    rr.run(["rm", "-f", "two", "three"]).succeeds();
    // They come along when another network leads.
    rr.run(["network", "create", "later"]).succeeds();
    detached(&rr, &["--name", "moved", "--network", "named", "-p", "80"], &image, HTTP_SERVER).succeeds_quietly();
    let port = port_of(&rr, "moved", "80", "0.0.0.0");
    for words in [["connect", "later"], ["disconnect", "named"], ["connect", "named"], ["disconnect", "later"]] {
        rr.run(["network", words[0], words[1], "moved"]).succeeds_quietly();
        assert!(
            get(host, SocketAddr::new(host, port)).is_some_and(|seen| is_of(&seen, &host.to_string())),
            "{words:?}"
        );
    }
    rr.run(["rm", "-f", "moved"]).succeeds();
    // Nobody comes in by an internal network.
    let inner = detached(&rr, &["--name", "in", "--network", "inner", "-p", &text], &image, "sleep 9").succeeds();
    assert!(inner.stderr.contains("Published ports are discarded when using internal network mode"), "{inner}");
    assert_eq!(rr.run(["port", "in"]).succeeds_quietly().stdout, "");
    rr.run(["rm", "-f", "in"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn ports_need_no_program_but_rr() {
    let host = requires!(host_address());
    let image = requires!(busybox());
    let rr = user();
    let directory = helpers(&rr, &[]);
    let options = ["run", "-q", "-d", "--name", "web", "-p", "80", &image, "sh", "-c", HTTP_SERVER];
    rr.command(options).env("RR_HELPER_PATH", &directory).output().succeeds_quietly();
    let port = port_of(&rr, "web", "80", "0.0.0.0");
    assert!(get(host, SocketAddr::new(host, port)).is_some());
    rr.run(["rm", "-f", "web"]).succeeds();
    rr.nothing_is_left();
}

/// The ports are taken first, and then the interface cannot be made: the device opens and is another one. Nor can pasta and
/// slirp4netns make one.
#[test]
fn a_network_that_cannot_be_made_gives_its_ports_back() {
    let rr = requires!(Rr::with_alpine());
    let port = free_port().to_string();
    let hide = "mount --bind /dev/null /dev/net/tun && exec \"$@\"";
    for network in ["private", "pasta", "slirp4netns"] {
        let line = [
            &["--map-root-user", "--map-auto", "--mount", "sh", "-c", hide, "sh", rr.binary().to_str().expect("text")]
                [..],
            &["run", "--rm", "--network", network, "-p", &format!("{port}:80")],
            &Rr::ALPINE,
            &["true"],
        ];
        let outcome = rr.any_command("unshare", line.concat()).output().fails_with(125, "");
        let errors = outcome.stderr.lines().filter(|line| line.starts_with("rr: ")).count();
        assert_eq!(errors, 1, "{network}: {outcome}");
        TcpListener::bind((LOOPBACK, port.parse::<u16>().expect("a number"))).expect("the port is free again");
        rr.nothing_is_left();
    }
}

#[test]
fn without_a_tun_device_no_port_is_published() {
    let rr = requires!(Rr::with_alpine());
    let line = [
        &["--map-root-user", "--map-auto", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"],
        &[rr.binary().to_str().expect("a path of text"), "run", "--rm", "-p", "18080:80"][..],
        &Rr::ALPINE,
        &["true"],
    ];
    let outcome = rr.any_command("unshare", line.concat()).output();
    let outcome = outcome.fails_with(125, "cannot publish the container's ports: cannot open /dev/net/tun");
    assert!(outcome.stderr.contains("hint: ask an administrator to run: modprobe tun"), "{outcome}");
    rr.nothing_is_left();
}
