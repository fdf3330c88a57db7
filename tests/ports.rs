//! What is refused of `-p` before anything is made, whatever carries packets here.

use crate::support::{Rr, requires};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// `rr run` with a port, of an image that is nowhere: the port is looked at first.
fn refused(rr: &Rr, options: &[&str], text: &str) {
    let words = [&["run", "--pull", "never"], options, &["no-such-image"]].concat();
    rr.run(words).fails_with(125, text);
}

#[test]
fn what_is_no_port_is_refused_in_dockers_words() {
    let rr = Rr::new();
    for (port, why) in [
        ("8080:http", "invalid containerPort: http"),
        ("http:80", "invalid hostPort: http"),
        ("localhost:8080:80", "invalid IP address: localhost"),
        ("8080:80/icmp", "invalid proto: icmp"),
        ("8080:80/sctp", "invalid proto: sctp cannot be published"),
        ("8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
    ] {
        refused(&rr, &["-p", port], &format!("cannot use --publish {port}: {why}"));
        rr.run(["create", "-p", port, "no-such-image"]).fails_with(125, why);
    }
    refused(&rr, &["--expose", "http"], "invalid range format for --expose: http");
    let twice = ["-p", "18080:80", "-p", "127.0.0.1:18080:81"];
    refused(&rr, &twice, "conflicting port mappings for host port 18080 (protocol tcp): port is already allocated");
    rr.nothing_is_left();
}

#[test]
fn a_port_that_somebody_listens_on_is_refused_before_the_image_is_looked_for() {
    let rr = Rr::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    for options in [format!("{port}:80"), format!("127.0.0.1:{port}:80")] {
        refused(&rr, &["-p", &options], "failed: port is already allocated: address already in use (EADDRINUSE)");
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    refused(&rr, &["-p", &format!("{port}:80/udp")], "port is already allocated");
    refused(&rr, &["-p", "192.0.2.77:18080:80"], "192.0.2.77 is no address of this machine");
    // Another port, another address and another protocol are free.
    refused(&rr, &["-p", &format!("127.0.0.2:{port}:80/udp")], "no-such-image");
    rr.nothing_is_left();
}

#[test]
fn a_privileged_port_is_refused_with_the_remedy() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("proc");
    let first: u16 = first.trim().parse().expect("a number");
    if first <= 1 {
        return requires!(Err("no port here needs privilege"));
    }
    let rr = Rr::new();
    let port = first - 1;
    let options = format!("127.0.0.1:{port}:80");
    let words = ["run", "--pull", "never", "-p", &options, "no-such-image"];
    let outcome = rr.run(words).fails_with(125, &format!("cannot expose privileged port {port}: permission denied"));
    let hint = format!(
        "hint: use a port from {first} on, or ask an administrator to run: sysctl -w net.ipv4.ip_unprivileged_port_start={port}"
    );
    assert!(outcome.stderr.contains(&hint), "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn networks_that_have_no_ports_discard_them_and_say_so() {
    let rr = requires!(Rr::with_alpine());
    for mode in ["host", "none"] {
        let words =
            [&["run", "-d", "--name", "it", "--network", mode, "-p", "18080:80"], &Rr::ALPINE[..], &["sleep", "60"]];
        let outcome = rr.run(words.concat()).succeeds();
        let warning = format!("rr: WARNING: Published ports are discarded when using {mode} network mode\n");
        assert_eq!(outcome.stderr, warning);
        assert_eq!(rr.run(["port", "it"]).succeeds_quietly().stdout, "");
        assert_eq!(rr.run(["ps", "--format", "{{.Ports}}"]).succeeds_quietly().line(), "");
        let asked =
            rr.run(["inspect", "-f", "{{json .NetworkSettings.Ports}} {{json .HostConfig.PortBindings}}", "it"]);
        assert_eq!(asked.succeeds_quietly().line(), "{} {\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"18080\"}]}");
        rr.run(["rm", "-f", "it"]).succeeds();
    }
    rr.nothing_is_left();
}
