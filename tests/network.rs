//! `--network`: what a container reaches, what it does not, and by which names.
//!
//! These tests need a network like a laptop's: an address, a default route, and a name server on
//! loopback, which they play themselves. `contrib/test` makes one in a network namespace; elsewhere
//! what is missing is a skip.

mod addresses;
mod modes;
mod ports;
mod servers;
mod stack;

use crate::support::{Outcome, Rr, images, requires, small_root, wait_until};
use rr::confine::capabilities::set_no_new_privileges;
use rr::sys::seccomp::{install, sock_filter};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// `rr run` of a shell script in a throw-away copy of `root`.
fn sh(rr: &Rr, root: &Path, options: &[&str], script: &str) -> Outcome {
    rr.run(words(root, options, script))
}

fn words(root: &Path, options: &[&str], script: &str) -> Vec<String> {
    let source = format!("{}:O", root.display());
    let all = [&["run", "--rm", "--rootfs", &source], options, &["sh", "-c", script]].concat();
    all.into_iter().map(str::to_owned).collect()
}

/// The address under which this machine reaches others; the tests' servers listen there.
fn host_address() -> Result<IpAddr, &'static str> {
    const WHY: &str = "no default route here: contrib/test makes a network that has one";
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|_| WHY)?;
    socket.connect("192.0.2.1:9").map_err(|_| WHY)?;
    let address = socket.local_addr().map_err(|_| WHY)?.ip();
    if address.is_unspecified() || address.is_loopback() { Err(WHY) } else { Ok(address) }
}

/// A server that answers any HTTP request with the peer's address, on a free port.
fn http_server(address: IpAddr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).expect("a free port of an own address");
    let at = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("accept");
            let peer = stream.peer_addr().expect("connected").ip();
            let _request = stream.read(&mut [0; 2048]).expect("a request");
            write!(stream, "HTTP/1.0 200 OK\r\n\r\nseen from {peer}\n").expect("the answer is taken");
        }
    });
    at
}

/// A name server at `address`, port 53: `host.rr.test` is `host`, and so is `long.rr.test`, whose answer does not
/// fit into a datagram and is had by TCP only; all else does not exist.
fn name_server(address: IpAddr, host: IpAddr) -> std::io::Result<()> {
    let socket = UdpSocket::bind((address, 53))?;
    let listener = TcpListener::bind((address, 53))?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // RFC 1035, section 4.2.2: two bytes of length come first. A client that hangs up ends its own query.
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                if stream.read_exact(&mut query).is_err() {
                    break;
                }
                let reply = answer(&query, host, Carried::Tcp);
                let length = u16::try_from(reply.len()).expect("a short answer").to_be_bytes();
                if stream.write_all(&[&length, reply.as_slice()].concat()).is_err() {
                    break;
                }
            }
        }
    });
    std::thread::spawn(move || {
        let mut query = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut query).expect("a query");
            socket.send_to(&answer(&query[..length], host, Carried::Udp), from).expect("the answer can be sent");
        }
    });
    Ok(())
}

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    Udp,
    Tcp,
}

/// The answer to a query of one question (RFC 1035, section 4).
fn answer(query: &[u8], host: IpAddr, carried: Carried) -> Vec<u8> {
    let name_end = 12 + query[12..].iter().position(|&byte| byte == 0).expect("a name ends") + 1;
    let question = &query[12..name_end + 4];
    let name = question.to_ascii_lowercase();
    let is_long = name.starts_with(b"\x04long\x02rr\x04test\0");
    let known = is_long || name.starts_with(b"\x04host\x02rr\x04test\0");
    let cut_off = is_long && carried == Carried::Udp;
    let wants_v4 = query[name_end..name_end + 2] == [0, 1];
    let IpAddr::V4(host) = host else { panic!("the tests' host address is IPv4") };
    let answers = u8::from(known && wants_v4 && !cut_off);
    let mut reply = query[..2].to_vec();
    // A response, recursion desired and available, perhaps truncated; code 3 is NXDOMAIN.
    reply.extend([if cut_off { 0x83 } else { 0x81 }, if known { 0x80 } else { 0x83 }, 0, 1, 0, answers, 0, 0, 0, 0]);
    reply.extend(question);
    if answers == 1 {
        // The name at offset 12, type A, class IN, 60 seconds, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(host.octets());
    }
    reply
}

/// The machine's own name server on loopback, played once for all tests.
fn loopback_name_server() -> Result<(), String> {
    static SERVER: OnceLock<Result<(), String>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let text = std::fs::read_to_string("/etc/resolv.conf").map_err(|error| error.to_string())?;
            if !text.contains("nameserver 127.0.0.53\n") {
                return Err("/etc/resolv.conf does not name 127.0.0.53: contrib/test makes it so".into());
            }
            name_server([127, 0, 0, 53].into(), host_address()?)
                .map_err(|error| format!("127.0.0.53, port 53: {error}"))
        })
        .clone()
}

/// A directory for `RR_HELPER_PATH`: the map helpers, and of the network's programs only `tools`.
fn helpers(rr: &Rr, tools: &[&str]) -> PathBuf {
    let directory = rr.directory("helpers");
    for name in ["newuidmap", "newgidmap"].iter().chain(tools) {
        let found = ["/usr/bin", "/bin", "/usr/local/bin"].iter().map(|place| Path::new(place).join(name));
        let path = found.into_iter().find(|path| path.exists()).expect("contrib/test installs it");
        symlink(path, directory.join(name)).expect("a link in the test's own directory");
    }
    directory
}

#[test]
fn tcp_icmp_and_names_work_through_both_programs() {
    let host = requires!(host_address());
    requires!(loopback_name_server());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server(host).port();
    let script = format!(
        "ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4
         ip route | sed -n 's/^default via //p' | cut -d' ' -f1
         wget -T 5 -qO- http://{host}:{port}/
         wget -T 5 -qO- http://host.containers.internal:{port}/
         wget -T 5 -qO- http://host.docker.internal:{port}/
         wget -T 5 -qO- http://host.rr.test:{port}/
         wget -T 5 -qO- http://host:{port}/
         ping -c 1 -W 5 {host} >/dev/null && echo pinged
         grep -c \"$(hostname)\" /etc/hosts"
    );
    let seen = format!("seen from {host}");
    let expected =
        ["10.0.2.100/24", "10.0.2.2", &seen, &seen, &seen, &seen, &seen, "pinged", "1"].map(str::to_owned).join("\n");
    for network in ["private", "pasta", "slirp4netns"] {
        let outcome = sh(&rr, &root, &["--network", network], &script).succeeds_quietly();
        assert_eq!(outcome.line(), expected, "{network}");
    }
    // The default is private.
    assert_eq!(sh(&rr, &root, &[], &script).succeeds_quietly().line(), expected);
    rr.nothing_is_left();
}

#[test]
fn a_name_server_elsewhere_is_asked_directly() {
    let host = requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    requires!(name_server(host, host).map_err(|error| format!("{host}, port 53: {error}")));
    let port = http_server(host).port();
    let server = host.to_string();
    let script = format!(
        "cat /etc/resolv.conf; wget -T 5 -qO- http://host:{port}/; wget -T 5 -qO- http://long:{port}/; nslookup missing.rr.test. | grep -o NXDOMAIN | head -n 1"
    );
    for network in ["private", "pasta", "slirp4netns"] {
        let options = ["--network", network, "--dns", &server, "--dns-search", "rr.test", "--dns-option", "timeout:3"];
        let outcome = sh(&rr, &root, &options, &script);
        let expected = format!(
            "nameserver {host}\nsearch rr.test\noptions timeout:3\nseen from {host}\nseen from {host}\nNXDOMAIN"
        );
        assert_eq!(outcome.line(), expected, "{network}: {outcome}");
    }
    rr.nothing_is_left();
}

#[test]
fn answers_of_the_hosts_own_server_come_unchanged() {
    requires!(host_address());
    requires!(loopback_name_server());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    for network in ["private", "pasta", "slirp4netns"] {
        let script = "cat /etc/resolv.conf; nslookup missing.rr.test. | grep -o NXDOMAIN | head -n 1";
        let outcome = sh(&rr, &root, &["--network", network], script);
        assert_eq!(outcome.line(), "nameserver 10.0.2.3\nsearch rr.test\nNXDOMAIN", "{network}: {outcome}");
    }
    rr.nothing_is_left();
}

#[test]
fn long_answers_of_the_hosts_own_server_come_by_tcp() {
    let host = requires!(host_address());
    requires!(loopback_name_server());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server(host).port();
    // Not through pasta: before 2024 it passes queries to the host's loopback on by UDP alone (pasta(1), --dns-forward).
    let script = format!("wget -T 5 -qO- http://long.rr.test:{port}/");
    let outcome = sh(&rr, &root, &["--network", "slirp4netns"], &script).succeeds_quietly();
    assert_eq!(outcome.line(), format!("seen from {host}"));
    rr.nothing_is_left();
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server([127, 0, 0, 1].into()).port();
    for network in ["private", "pasta", "slirp4netns"] {
        let script = format!(
            "for a in 127.0.0.1 10.0.2.2 10.0.2.3 localhost; do
                wget -T 2 -qO- http://$a:{port}/ 2>/dev/null && echo reached $a; done; echo tried"
        );
        assert_eq!(sh(&rr, &root, &["--network", network], &script).succeeds().line(), "tried", "{network}");
    }
    rr.nothing_is_left();
}

#[test]
fn none_is_loopback_alone() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script = "ls /sys/class/net; ip route | wc -l; ping -c 1 -W 2 127.0.0.1 >/dev/null && echo pinged
        ping -c 1 -W 2 \"$(hostname)\" >/dev/null && echo itself; grep -c internal /etc/hosts";
    let outcome = sh(&rr, &root, &["--network", "none"], script).exits(1);
    assert_eq!(outcome.line(), "lo\n0\npinged\nitself\n0");
    rr.nothing_is_left();
}

#[test]
fn host_is_the_hosts_network() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server([127, 0, 0, 1].into()).port();
    let script = format!("readlink /proc/self/ns/net; wget -T 5 -qO- http://127.0.0.1:{port}/; cat /etc/resolv.conf");
    let outcome = sh(&rr, &root, &["--network", "host"], &script).succeeds();
    let namespace = std::fs::read_link("/proc/self/ns/net").expect("proc");
    let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert_eq!(outcome.stdout, format!("{}\nseen from 127.0.0.1\n{resolver}", namespace.display()));
    rr.nothing_is_left();
}

#[test]
fn names_given_on_the_command_line_are_in_hosts() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let options =
        ["--network", "none", "--hostname", "box", "--add-host", "db:192.0.2.9", "--add-host", "six=2001:db8::6"];
    let outcome = sh(&rr, &root, &options, "cat /etc/hosts; hostname; cat /etc/hostname").succeeds();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.contains(&"192.0.2.9\tdb") && lines.contains(&"2001:db8::6\tsix"), "{outcome}");
    assert!(lines.contains(&"127.0.1.1\tbox"), "{outcome}");
    assert_eq!(lines[lines.len() - 2..], ["box", "box"]);
    sh(&rr, &root, &["--network", "none", "--add-host", "up:host-gateway"], "true")
        .fails_with(125, "cannot use --add-host up:host-gateway");
    rr.nothing_is_left();
}

/// What `act` returns where a TAP device cannot be told of offloads, which rr's own network needs and the programs do
/// not. The filter takes `no_new_privs`, so that the containers here have one id.
fn without_own_network<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let instruction = |code: u16, jt: u8, jf: u8, k: u32| sock_filter { code, jt, jf, k };
    // BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K; the call's number and its second argument, as
    // struct seccomp_data has them on a little-endian machine (seccomp(2)).
    let program = [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 2, libc::SYS_ioctl as u32),
        instruction(0x20, 0, 0, 24),
        instruction(0x15, 1, 0, libc::TUNSETOFFLOAD as u32),
        instruction(0x06, 0, 0, 0x7fff_0000),
        instruction(0x06, 0, 0, 0x0005_0000 | libc::EINVAL as u32),
    ];
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_no_new_privileges().expect("prctl(2)");
            install(&program).expect("a filter of our own");
            act()
        });
        thread.join().expect("the test's own thread")
    })
}

#[test]
fn private_needs_no_program() {
    let host = requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let directory = helpers(&rr, &[]);
    let port = http_server(host).port();
    let script = format!("wget -T 5 -qO- http://{host}:{port}/");
    let outcome = rr.command(words(&root, &[], &script)).env("RR_HELPER_PATH", &directory).output().succeeds_quietly();
    assert_eq!(outcome.line(), format!("seen from {host}"));
    rr.nothing_is_left();
}

#[test]
fn programs_stand_in_for_rrs_own_network() {
    requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    for tool in ["slirp4netns", "pasta"] {
        let directory = helpers(&rr, &[tool]);
        without_own_network(|| {
            let mut running = rr.command(words(&root, &["-i"], "cat")).env("RR_HELPER_PATH", &directory).spawn();
            let there =
                |name: &str| rr.processes().iter().any(|process| process.command.contains(&format!("/{name} ")));
            assert!(wait_until(Duration::from_secs(20), || there(tool)), "{tool}: {:?}", rr.processes());
            assert!(!there(if tool == "pasta" { "slirp4netns" } else { "pasta" }), "{:?}", rr.processes());
            running.close_stdin();
            running.wait().exits(0);
        });
        rr.nothing_is_left();
        std::fs::remove_dir_all(directory).expect("the test's own");
    }
}

#[test]
fn without_anything_there_is_loopback_and_one_line() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let directory = helpers(&rr, &[]);
    let run = |options: &[&str]| {
        rr.command(words(&root, options, "ls /sys/class/net")).env("RR_HELPER_PATH", &directory).output()
    };
    let outcome = without_own_network(|| run(&[])).succeeds();
    assert_eq!(outcome.line(), "lo");
    let notices: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("network")).collect();
    assert_eq!(notices.len(), 1, "{outcome}");
    assert!(
        notices[0].contains(
            "the container has no network but loopback: cannot make the container's network interface: invalid argument (EINVAL)"
        ),
        "{outcome}"
    );
    for tool in ["pasta", "slirp4netns"] {
        let outcome = run(&["--network", tool]).fails_with(125, &format!("{tool} is not installed"));
        assert!(outcome.stderr.contains("hint: ask an administrator to"), "{outcome}");
        // Said before an image is looked for, let alone fetched.
        let line = ["run", "--network", tool, "--pull", "never", "no-such-image"];
        let outcome = rr.command(line).env("RR_HELPER_PATH", &directory).output();
        outcome.fails_with(125, &format!("{tool} is not installed"));
    }
    // Nothing to say where nothing is missing.
    run(&["--network", "none"]).succeeds_quietly();
    rr.nothing_is_left();
}

#[test]
fn a_program_that_fails_is_quoted() {
    requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let directory = helpers(&rr, &[]);
    for tool in ["pasta", "slirp4netns"] {
        let path = directory.join(tool);
        std::fs::write(&path, "#!/bin/sh\necho starting >&2\necho \"no tap today\" >&2\nexit 1\n").expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("own file");
    }
    let run = |options: &[&str]| {
        rr.command(words(&root, options, "ls /sys/class/net")).env("RR_HELPER_PATH", &directory).output()
    };
    for tool in ["pasta", "slirp4netns"] {
        run(&["--network", tool]).fails_with(125, &format!("with {tool}: no tap today"));
    }
    let outcome = without_own_network(|| run(&[])).succeeds();
    assert_eq!(outcome.line(), "lo");
    let notices: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("no network but loopback")).collect();
    assert_eq!(notices.len(), 1, "{outcome}");
    assert_eq!(notices[0].matches("no tap today").count(), 2, "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn a_missing_tun_device_is_named() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    // As root of an outer user namespace with a mount namespace, where /dev/net is empty: also the
    // way rr runs inside another container, which writes its maps itself.
    let hidden = |options: &[&str]| {
        let inner = words(&root, options, "ls /sys/class/net; cat /proc/self/uid_map | wc -l");
        let mut line = vec![
            "--map-root-user".to_owned(),
            "--map-auto".into(),
            "--mount".into(),
            "sh".into(),
            "-c".into(),
            "mount -t tmpfs none /dev/net && exec \"$@\"".into(),
            "sh".into(),
            rr.binary().display().to_string(),
        ];
        line.extend(inner);
        rr.any_command("unshare", line).output()
    };
    let outcome = hidden(&[]).succeeds();
    assert!(outcome.stdout.starts_with("lo\n"), "{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("no network but loopback: cannot open /dev/net/tun: no such file or directory (ENOENT)"),
        "{outcome}"
    );
    hidden(&["--network", "pasta"]).fails_with(125, "cannot use --network pasta: cannot open /dev/net/tun");
    rr.nothing_is_left();
}

#[test]
fn the_programs_end_with_whatever_kills_rr() {
    requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    for tool in ["rr-net", "pasta", "slirp4netns"] {
        let network = if tool == "rr-net" { "private" } else { tool };
        let running = rr.command(words(&root, &["-i", "--network", network], "cat")).spawn();
        let named = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim() == tool;
        let there = || {
            let command = format!("/{tool} ");
            rr.processes().iter().any(|process| process.command.contains(&command) || named(process.pid))
        };
        assert!(wait_until(Duration::from_secs(20), there), "{:?}", rr.processes());
        running.signal(Signal::KILL);
        assert!(running.wait().status.code().is_none());
        rr.no_process_is_left();
    }
}

#[test]
fn keep_id_has_a_network_too() {
    let host = requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server(host).port();
    for network in ["private", "pasta", "slirp4netns"] {
        let script = format!("wget -T 5 -qO- http://{host}:{port}/");
        let outcome = sh(&rr, &root, &["--network", network, "--userns", "keep-id"], &script).succeeds_quietly();
        assert_eq!(outcome.line(), format!("seen from {host}"), "{network}");
    }
    rr.nothing_is_left();
}

#[test]
fn a_container_without_the_user_has_a_network_too() {
    let host = requires!(host_address());
    let rr = Rr::new();
    let image = format!("oci-archive:{}", requires!(images::alpine()).display());
    let port = http_server(host).port();
    for network in ["private", "pasta", "slirp4netns"] {
        let script = format!("wget -T 5 -qO- http://{host}:{port}/; ping -c 1 -W 5 {host} >/dev/null && echo pinged");
        let options = ["run", "--rm", "-q", "--network", network, "--userns", "nomap", &image, "sh", "-c", &script];
        assert_eq!(rr.run(options).exits(0).line(), format!("seen from {host}\npinged"), "{network}");
    }
    rr.nothing_is_left();
}
