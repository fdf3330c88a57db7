//! rr's own network, as a program in a container meets it: connections that end as they do outside, many of them, and
//! a container that means no good.
//!
//! The programs are this test binary itself, which is static: [`payload`] is what it does in a container.

use super::{host_address, http_server};
use crate::support::{Outcome, Rr, requires, wait_until};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sockopt};
use rustix::process::{Resource, Rlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Runs [`payload`] in a container: `what` with these words, perhaps with more `options`.
fn run(rr: &Rr, options: &[&str], what: &str, words: &[String]) -> Outcome {
    let own = std::env::current_exe().expect("a test has an executable");
    let (volume, task) = (format!("{}:/payload:ro", own.display()), format!("RR_PAYLOAD={what} {}", words.join(" ")));
    let command = ["/payload", "--ignored", "--exact", "--nocapture", "network::stack::payload"];
    rr.command([&["run", "--rm", "-v", &volume, "-e", &task], options, &Rr::ALPINE, &command].concat()).output()
}

#[test]
#[ignore = "what this binary does in a container of the other tests"]
fn payload() {
    let task = std::env::var("RR_PAYLOAD").expect("started by another test");
    let words: Vec<&str> = task.split_whitespace().collect();
    let address = |at: usize| -> SocketAddr { words[at].parse().expect("an address") };
    match words[0] {
        "ends" => meet_every_end(address(1), address(2), address(3), address(4)),
        "unreachable" => {
            let error = TcpStream::connect_timeout(&address(1), Duration::from_secs(20)).expect_err("nobody is there");
            assert!(matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable), "{error}");
        }
        "datagrams" => exchange_datagrams(address(1), address(2)),
        "many" => open_many(address(1), words[2].parse().expect("a number")),
        "flood" => flood(address(1)),
        other => panic!("no such payload: {other}"),
    }
}

/// A listener whose only client is served by `serve`.
fn server(host: IpAddr, serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).expect("a free port");
    let at = listener.local_addr().expect("bound");
    std::thread::spawn(move || serve(listener.accept().expect("a client").0));
    at
}

/// An address where nothing listens.
fn closed(host: IpAddr) -> SocketAddr {
    TcpListener::bind((host, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

fn meet_every_end(closed: SocketAddr, half: SocketAddr, resetting: SocketAddr, reset: SocketAddr) {
    let error = TcpStream::connect(closed).expect_err("nothing listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // The answer comes after the question has ended.
    let mut stream = TcpStream::connect(half).expect("connects");
    stream.write_all(&[5; 3_000_000]).expect("is taken");
    stream.shutdown(Shutdown::Write).expect("connected");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "3000000 bytes, the sum is 15000000");
    let mut stream = TcpStream::connect(resetting).expect("connects");
    stream.write_all(b"x").expect("is taken");
    assert_eq!(stream.read(&mut [0; 8]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(reset).expect("connects");
    stream.read_exact(&mut [0; 2]).expect("a greeting");
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket");
}

#[test]
fn connections_end_as_they_do_outside() {
    let host = requires!(host_address());
    let rr = requires!(Rr::with_alpine());
    let half = server(host, |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("an end");
        let sum: u64 = all.iter().map(|byte| u64::from(*byte)).sum();
        write!(stream, "{} bytes, the sum is {sum}", all.len()).expect("is taken");
    });
    // Only once the client is there: a connection that is reset at once may end its connect(2), outside as well.
    let resetting = server(host, |stream| {
        stream.peek(&mut [0]).expect("a byte");
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket");
    });
    let (tell, told) = std::sync::mpsc::channel();
    let reset = server(host, move |mut stream| {
        stream.write_all(b"hi").expect("is taken");
        let end = stream.read(&mut [0]);
        tell.send(end.map_err(|error| error.kind())).expect("the test waits");
    });
    let words = [closed(host), half, resetting, reset].map(|address| address.to_string());
    run(&rr, &[], "ends", &words).exits(0);
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(Err(ErrorKind::ConnectionReset)));
    rr.nothing_is_left();
}

#[test]
fn an_unreachable_host_is_unreachable_inside() {
    let host = requires!(host_address());
    // The network that contrib/test makes has a router that is not there.
    let alone = if host.to_string() == "198.51.100.2" { Ok(()) } else { Err("the network here is not contrib/test's") };
    requires!(alone);
    let rr = requires!(Rr::with_alpine());
    for nobody in ["203.0.113.1:80", "[2001:db8::1]:80"] {
        run(&rr, &[], "unreachable", &[nobody.into()]).exits(0);
    }
    rr.nothing_is_left();
}

fn exchange_datagrams(echo: SocketAddr, closed: SocketAddr) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    socket.connect(echo).expect("connects");
    let mut answer = vec![0; 70_000];
    for length in [0, 1, 1472, 1473, 9000, 65_000] {
        let sent: Vec<u8> = (0..length).map(|at| at as u8).collect();
        socket.send(&sent).expect("is sent");
        let received = socket.recv(&mut answer).expect("comes back");
        assert!(answer[..received] == sent, "{length} bytes come back as {received}");
    }
    socket.connect(closed).expect("connects");
    socket.send(b"anybody?").expect("is sent");
    assert_eq!(socket.recv(&mut answer).expect_err("nobody").kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn datagrams_come_back_and_their_errors_too() {
    let host = requires!(host_address());
    let rr = requires!(Rr::with_alpine());
    let echo = UdpSocket::bind((host, 0)).expect("a free port");
    let at = echo.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut datagram = vec![0; 70_000];
        loop {
            let (length, from) = echo.recv_from(&mut datagram).expect("a datagram");
            echo.send_to(&datagram[..length], from).expect("is sent");
        }
    });
    let closed = UdpSocket::bind((host, 0)).and_then(|socket| socket.local_addr()).expect("a free port");
    run(&rr, &[], "datagrams", &[at.to_string(), closed.to_string()]).exits(0);
    rr.nothing_is_left();
}

fn raise_file_limit() -> u64 {
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .expect("up to the hard limit");
    most.unwrap_or(u64::MAX)
}

/// Opens them all, then hears a byte on each.
fn open_many(server: SocketAddr, count: usize) {
    raise_file_limit();
    let mut all: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(server).expect("connects")).collect();
    for stream in &mut all {
        stream.read_exact(&mut [0]).expect("a byte");
    }
}

/// The network's process of this user's only container: kilobytes of memory that are its own.
fn memory_of_the_stack(rr: &Rr) -> Option<u64> {
    rr.processes().iter().find_map(|process| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("Name:")? != "rr-net" {
            return None;
        }
        field("RssAnon:")?.split(' ').next()?.parse().ok()
    })
}

#[test]
fn ten_thousand_connections_are_open_at_once() {
    const COUNT: usize = 10_000;
    let host = requires!(host_address());
    let most = raise_file_limit();
    requires!(if most > COUNT as u64 + 1000 { Ok(()) } else { Err("fewer than 11,000 open files are allowed here") });
    let rr = requires!(Rr::with_alpine());
    let listener = TcpListener::bind((host, 0)).expect("a free port");
    let at = listener.local_addr().expect("bound");
    let measured = std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut all: Vec<TcpStream> =
                listener.incoming().take(COUNT).map(|stream| stream.expect("a client")).collect();
            let memory = memory_of_the_stack(&rr);
            for stream in &mut all {
                stream.write_all(b"x").expect("is taken");
            }
            memory
        });
        run(&rr, &["--ulimit", "nofile=11000"], "many", &[at.to_string(), COUNT.to_string()]).exits(0);
        server.join().expect("the server's thread")
    });
    let kilobytes = measured.expect("the network's process");
    assert!(kilobytes < 16 * 1024, "10,000 flows take {kilobytes} KiB");
    rr.nothing_is_left();
}

/// The network's process of this user's only container.
fn process_of_the_stack(rr: &Rr) -> Option<i32> {
    let name = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    rr.processes().iter().map(|process| process.pid).find(|pid| name(*pid).trim() == "rr-net")
}

#[test]
fn a_container_goes_on_without_the_networks_process() {
    let rr = requires!(Rr::with_alpine());
    let port = closed([127, 0, 0, 1].into()).port();
    let published = format!("127.0.0.1:{port}:80");
    let script = "rm -f /tmp/on; until [ -e /tmp/on ]; do sleep 0.1; done; ip route; exit 5";
    let options = [&["run", "--name", "box", "-p", &published], &Rr::ALPINE[..], &["sh", "-c", script]].concat();
    let running = rr.command(options).spawn();
    assert!(wait_until(Duration::from_secs(20), || process_of_the_stack(&rr).is_some()));
    let pid = process_of_the_stack(&rr).and_then(rustix::process::Pid::from_raw).expect("its id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("this user's own");
    const SAID: &str = "the container has lost its network: rr-net carried it, and signal 9 has killed it";
    let inspect = || rr.run(["inspect", "--format", "{{.State.Status}}: {{.State.Error}}", "box"]).succeeds().stdout;
    assert!(wait_until(Duration::from_secs(10), || inspect() == format!("running: {SAID}\n")), "{}", inspect());
    // Its ports are nobody's any more.
    TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    rr.run(["exec", "box", "touch", "/tmp/on"]).succeeds();
    let outcome = running.wait().exits(5);
    assert_eq!(outcome.stderr.matches("lost its network").count(), 1, "{}", outcome.stderr);
    // Another start has another one.
    rr.run(["start", "box"]).succeeds();
    assert!(wait_until(Duration::from_secs(20), || process_of_the_stack(&rr).is_some()));
    assert_eq!(inspect(), "running: \n");
    rr.run(["rm", "-f", "-t", "0", "box"]).succeeds();
    rr.nothing_is_left();
}

/// Packets as nobody sends them: the kernel writes length and checksum of these headers, and nothing else (raw(7)).
fn flood(host: SocketAddr) {
    let raw = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).expect("CAP_NET_RAW");
    let IpAddr::V4(target) = host.ip() else { panic!("the host's address is IPv4") };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut chance = || {
        // xorshift64: the same packets each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for count in 0..100_000_u32 {
        let mut packet = [0_u8; 64];
        for word in packet.chunks_mut(8) {
            word.copy_from_slice(&chance().to_le_bytes());
        }
        packet[0] = 0x45;
        // Every fourth is a fragment, every third tells the truth about its source, and half are TCP.
        packet[6..8].copy_from_slice(&if count % 4 == 0 { [0x20, 7] } else { [0, 0] });
        packet[9] = if count % 2 == 0 { 6 } else { packet[9] };
        if count % 3 == 0 {
            packet[12..16].copy_from_slice(&[10, 0, 2, 100]);
        }
        packet[16..20].copy_from_slice(&if count % 5 == 0 { [10, 0, 2, 2] } else { target.octets() });
        // A full queue drops some: that is what a flood meets.
        let _ = rustix::net::sendto(&raw, &packet, SendFlags::empty(), &host);
    }
    // And it still works, for whoever behaves.
    let mut stream = TcpStream::connect(host).expect("connects");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("seen from"), "{answer}");
    println!("flooded");
    // The test looks at what it has cost.
    let _ = rustix::net::recv(&stream, &mut [0; 1][..], RecvFlags::empty());
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
fn a_flood_of_nonsense_costs_nothing_for_long() {
    let host = requires!(host_address());
    let rr = requires!(Rr::with_alpine());
    let at = http_server(host);
    let most = std::thread::scope(|scope| {
        let container = scope.spawn(|| run(&rr, &[], "flood", &[at.to_string()]));
        let mut most = 0;
        wait_until(Duration::from_secs(60), || {
            most = most.max(memory_of_the_stack(&rr).unwrap_or(0));
            container.is_finished()
        });
        container.join().expect("the test's own thread").exits(0);
        most
    });
    assert!(most > 0 && most < 32 * 1024, "{most} KiB");
    rr.nothing_is_left();
}
