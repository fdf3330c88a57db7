//! The stack between frames made here and real sockets of this machine: the other end of the link is a socket that
//! keeps datagrams apart, and the gateway's address leads to loopback.

use super::wire::head::Head;
use super::wire::ip::{Packet, protocol};
use super::wire::tcp::{self, Flags, Options, Segment, Seq};
use super::wire::{ETHERNET, Ethernet, IPV4, Mac};
use super::*;
use crate::sys::process::{Cloned, Namespaces, exit_now, fork, unshare, unshare_user};
use proptest::prelude::*;
use rustix::net::{AddressFamily, SocketFlags};
use rustix::process::{WaitId, WaitIdOptions};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};

const CONTAINER: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// A link, the stack at one end, and frames of a container at the other.
struct Bench {
    stack: Stack,
    inside: OwnedFd,
}

/// A segment that came out, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    flags: Flags,
    sequence: Seq,
    acknowledged: Seq,
    window: u16,
    options: Options,
    payload: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (own, inside) =
            rustix::net::socketpair(AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET, flags, None).unwrap();
        // Many of the largest frames, as in a device's queue.
        for end in [&own, &inside] {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(end, 4 << 20);
        }
        let layout = Layout { host_loopback: HostLoopback::Reachable, ..Layout::default() };
        let nobody = Upstream::new(std::path::Path::new("/nonexistent/resolv.conf"), crate::net::dns::DOMAIN);
        Bench { stack: Stack::new(own, layout, nobody).unwrap(), inside }
    }

    fn turn(&mut self) {
        self.stack.turn(Some(20)).unwrap();
    }

    /// A frame from the container.
    fn frame(&mut self, frame: &[u8]) {
        let bytes = [&[0; VIRTIO_HEADER], frame].concat();
        rustix::net::send(&self.inside, &bytes, rustix::net::SendFlags::empty()).unwrap();
        self.turn();
    }

    /// As if so much time had passed.
    fn later(&mut self, seconds: u64) {
        self.stack.core.began -= std::time::Duration::from_secs(seconds);
        self.turn();
    }

    /// How much there is of what [`Stack::tables`] names.
    fn count(&self, table: &str) -> usize {
        self.stack.tables().iter().find(|(name, ..)| *name == table).unwrap().1
    }

    fn assert_bounds(&self) {
        for (name, held, most) in self.stack.tables() {
            assert!(held <= most, "{name}: {held} of {most}");
        }
    }

    fn packet(&mut self, to: IpAddr, kind: u8, payload: &[u8]) {
        let from = self.stack.core.layout.subnet(to).container;
        let head = Head::ip((CONTAINER, link::OWN), (from, to), kind, payload.len());
        self.frame(&[head.frame(), payload].concat());
    }

    /// The next frame to the container, if there is one.
    fn received(&mut self) -> Option<Vec<u8>> {
        let mut frame = vec![0; LARGEST_FRAME];
        for _ in 0..5 {
            match rustix::io::read(&self.inside, &mut frame) {
                Ok(length) => return Some(frame[VIRTIO_HEADER..length].to_vec()),
                Err(_) => self.turn(),
            }
        }
        None
    }
}

/// A container's TCP, as far as the tests need one.
struct Client {
    port: u16,
    server: SocketAddr,
    next: Seq,
    expected: Seq,
    window: u16,
}

impl Client {
    fn new(port: u16, server: SocketAddr) -> Client {
        Client { port, server, next: Seq(1000), expected: Seq(0), window: 1000 }
    }

    fn send(&mut self, bench: &mut Bench, flags: Flags, payload: &[u8]) {
        let options = if flags.has(Flags::SYN) {
            Options { segment_size: Some(1000), window_shift: Some(7) }
        } else {
            Options::default()
        };
        let (bytes, length) = if flags.has(Flags::SYN) { options.to_bytes() } else { ([0; 8], 0) };
        let segment = Segment {
            from: self.port,
            to: self.server.port(),
            sequence: self.next,
            acknowledged: self.expected,
            flags,
            window: self.window,
            options: &[],
            payload,
        };
        let all = [&tcp::header(&segment, length)[..], &bytes[..length], payload].concat();
        bench.packet(self.server.ip(), protocol::TCP, &all);
    }

    /// What has come for this client.
    fn receive(&mut self, bench: &mut Bench) -> Option<Got> {
        while let Some(frame) = bench.received() {
            let frame = Ethernet::parse(&frame).unwrap();
            assert_eq!((frame.to, frame.from), (CONTAINER, link::OWN));
            let Some(packet) = Packet::parse(frame.kind, frame.payload) else { continue };
            let Some(segment) = Segment::parse(packet.payload) else { continue };
            if packet.protocol != protocol::TCP || segment.to != self.port {
                continue;
            }
            return Some(Got {
                flags: segment.flags,
                sequence: segment.sequence,
                acknowledged: segment.acknowledged,
                window: segment.window,
                options: Options::parse(segment.options),
                payload: segment.payload.to_vec(),
            });
        }
        None
    }

    fn connect(&mut self, bench: &mut Bench) {
        self.send(bench, Flags::SYN, &[]);
        let answer = self.receive(bench).expect("an answer to the SYN");
        assert_eq!(answer.flags, Flags::SYN.and(Flags::ACK));
        assert_eq!(answer.acknowledged, self.next + 1);
        assert!(answer.options.segment_size.is_some() && answer.options.window_shift.is_some());
        self.next = self.next + 1;
        self.expected = answer.sequence + 1;
        self.send(bench, Flags::ACK, &[]);
    }

    /// Takes all that has come, in its order, and acknowledges it.
    fn take(&mut self, bench: &mut Bench) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(got) = self.receive(bench) {
            if got.sequence == self.expected && !got.payload.is_empty() {
                self.expected = self.expected + got.payload.len() as u32;
                all.extend(&got.payload);
                self.send(bench, Flags::ACK, &[]);
            }
        }
        all
    }
}

fn udp_header(from: u16, to: u16) -> [u8; 8] {
    wire::udp::header(from, to, 1)
}

fn gateway(port: u16) -> SocketAddr {
    SocketAddr::new(crate::net::GATEWAY.into(), port)
}

/// A connection with both of its ends.
fn connected() -> (Bench, Client, TcpStream) {
    let (mut bench, listener) = (Bench::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut client = Client::new(40000, gateway(listener.local_addr().unwrap().port()));
    client.connect(&mut bench);
    let (stream, _) = listener.accept().unwrap();
    (bench, client, stream)
}

#[test]
fn bytes_go_both_ways_and_both_ends_end() {
    let (mut bench, mut client, mut stream) = connected();
    client.send(&mut bench, Flags::ACK.and(Flags::PSH), b"question");
    client.next = client.next + 8;
    let answer = client.receive(&mut bench).unwrap();
    assert_eq!((answer.flags, answer.acknowledged), (Flags::ACK, client.next));
    let mut read = [0; 8];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"question");
    // The container has no more to say, and hears all the same.
    client.send(&mut bench, Flags::ACK.and(Flags::FIN), &[]);
    client.next = client.next + 1;
    assert_eq!(client.receive(&mut bench).unwrap().acknowledged, client.next);
    assert_eq!(stream.read(&mut read).unwrap(), 0);
    let text: Vec<u8> = (0..50_000_u32).map(|at| at as u8).collect();
    stream.write_all(&text).unwrap();
    drop(stream);
    assert_eq!(client.take(&mut bench), text);
    // Its end came behind the last byte, and is acknowledged here.
    client.expected = client.expected + 1;
    client.send(&mut bench, Flags::ACK, &[]);
    assert_eq!(bench.stack.tcp.len(), 0);
}

#[test]
fn a_connection_is_refused_as_it_is_outside() {
    let mut bench = Bench::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut client = Client::new(40000, gateway(port));
    client.send(&mut bench, Flags::SYN, &[]);
    let answer = client.receive(&mut bench).unwrap();
    assert_eq!((answer.flags, answer.acknowledged), (Flags::RST.and(Flags::ACK), client.next + 1));
    assert_eq!(bench.stack.tcp.len(), 0);
    // So is a segment of nobody's.
    client.send(&mut bench, Flags::ACK, b"x");
    assert_eq!(client.receive(&mut bench).unwrap().flags, Flags::RST);
    // And the name server, but for its service.
    let mut client = Client::new(40001, SocketAddr::new(crate::net::NAME_SERVER.into(), 54));
    client.send(&mut bench, Flags::SYN, &[]);
    assert_eq!(client.receive(&mut bench).unwrap().flags, Flags::RST.and(Flags::ACK));
}

#[test]
fn a_reset_is_one_on_the_other_side() {
    let (mut bench, mut client, mut stream) = connected();
    client.send(&mut bench, Flags::RST, &[]);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(bench.stack.tcp.len(), 0);
    let (mut bench, mut client, stream) = connected();
    rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
    assert!(client.receive(&mut bench).unwrap().flags.has(Flags::RST));
    assert_eq!(bench.stack.tcp.len(), 0);
}

#[test]
fn a_connection_that_is_reset_at_once_was_one() {
    let (mut bench, listener) = (Bench::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut client = Client::new(40000, gateway(listener.local_addr().unwrap().port()));
    let server = std::thread::scope(|scope| {
        let reset = scope.spawn(|| {
            let (stream, _) = listener.accept().unwrap();
            rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
        });
        // One turn takes the SYN, and none follows before the connection is both made and reset.
        client.send(&mut bench, Flags::SYN, &[]);
        reset.join()
    });
    server.unwrap();
    let answer = client.receive(&mut bench).unwrap();
    assert_eq!(answer.flags, Flags::SYN.and(Flags::ACK), "the connection is never taken for a refused one");
    client.next = client.next + 1;
    client.expected = answer.sequence + 1;
    client.send(&mut bench, Flags::ACK, &[]);
    assert!(client.receive(&mut bench).unwrap().flags.has(Flags::RST));
    assert_eq!(bench.stack.tcp.len(), 0);
}

#[test]
fn an_urgent_byte_is_one_like_the_others() {
    let (mut bench, mut client, mut stream) = connected();
    stream.write_all(b"ab").unwrap();
    rustix::net::send(&stream, b"!", rustix::net::SendFlags::OOB).unwrap();
    stream.write_all(b"cd").unwrap();
    assert_eq!(client.take(&mut bench), b"ab!cd");
    client.send(&mut bench, Flags::ACK.and(Flags::URGENT), b"x!y");
    let mut read = [0; 3];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"x!y");
}

#[test]
fn a_reset_out_of_place_is_asked_about() {
    let (mut bench, mut client, _stream) = connected();
    let next = client.next;
    for wrong in [next + 5, next - 5] {
        client.next = wrong;
        client.send(&mut bench, Flags::RST, &[]);
        assert_eq!(client.receive(&mut bench).unwrap().acknowledged, next);
    }
    assert_eq!(bench.stack.tcp.len(), 1);
}

#[test]
fn what_was_lost_is_sent_again() {
    for without_offset in [false, true] {
        let (mut bench, mut client, mut stream) = connected();
        if without_offset {
            bench.stack.tcp.forget_peek_offset();
        }
        let text: Vec<u8> = (0..30_000_u32).map(|at| (at / 7) as u8).collect();
        stream.write_all(&text).unwrap();
        // The first segment is lost: three times the same acknowledgement says so.
        let mut lost = client.receive(&mut bench).unwrap();
        assert_eq!(lost.sequence, client.expected);
        for _ in 0..4 {
            client.send(&mut bench, Flags::ACK, &[]);
        }
        loop {
            let again = client.receive(&mut bench).expect("the first segment again");
            if again.sequence == lost.sequence {
                lost = again;
                break;
            }
        }
        client.expected = client.expected + lost.payload.len() as u32;
        client.send(&mut bench, Flags::ACK, &[]);
        let rest = client.take(&mut bench);
        assert_eq!([lost.payload, rest].concat(), text, "without the offset: {without_offset}");
    }
}

#[test]
fn a_window_is_kept_and_a_shut_one_is_asked_about() {
    let (mut bench, mut client, mut stream) = connected();
    // 512 bytes, then nothing.
    client.window = 4;
    client.send(&mut bench, Flags::ACK, &[]);
    stream.write_all(&[7; 5000]).unwrap();
    let first = client.receive(&mut bench).unwrap();
    assert_eq!(first.payload.len(), 512);
    client.expected = client.expected + 512;
    client.window = 0;
    client.send(&mut bench, Flags::ACK, &[]);
    assert_eq!(client.receive(&mut bench), None);
    std::thread::sleep(std::time::Duration::from_millis(1000));
    let question = client.receive(&mut bench).unwrap();
    assert_eq!((question.sequence, question.payload.len()), (client.expected - 1, 0));
    client.window = 1000;
    client.send(&mut bench, Flags::ACK, &[]);
    assert_eq!(client.take(&mut bench), [7; 5000 - 512]);
}

#[test]
fn what_comes_twice_or_too_early_is_taken_once() {
    let (mut bench, mut client, mut stream) = connected();
    let start = client.next;
    client.send(&mut bench, Flags::ACK, b"abc");
    client.next = start + 5;
    client.send(&mut bench, Flags::ACK, b"too early");
    client.next = start + 1;
    client.send(&mut bench, Flags::ACK, b"bcdef");
    client.next = start;
    client.send(&mut bench, Flags::ACK, b"abc");
    let mut last = Seq(0);
    while let Some(got) = client.receive(&mut bench) {
        last = got.acknowledged;
    }
    assert_eq!(last, start + 6);
    let mut read = [0; 6];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"abcdef");
}

#[test]
fn a_flow_is_opened_from_outside() {
    let (mut bench, listener) = (Bench::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut outside = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted: OwnedFd = listener.accept().unwrap().0.into();
    rustix::io::ioctl_fionbio(&accepted, true).unwrap();
    let (peer, inside): (SocketAddr, SocketAddr) =
        ("203.0.113.5:6000".parse().unwrap(), "10.0.2.100:80".parse().unwrap());
    let Stack { core, tcp, .. } = &mut bench.stack;
    core.link.learn(inside.ip(), CONTAINER);
    tcp.open_inward(core, accepted, peer, inside).unwrap();
    let mut client = Client::new(80, peer);
    let call = client.receive(&mut bench).unwrap();
    assert_eq!(call.flags, Flags::SYN);
    client.expected = call.sequence + 1;
    client.send(&mut bench, Flags::SYN.and(Flags::ACK), &[]);
    client.next = client.next + 1;
    assert_eq!(client.receive(&mut bench).unwrap().acknowledged, client.next);
    outside.write_all(b"hello").unwrap();
    assert_eq!(client.take(&mut bench), b"hello");
    client.send(&mut bench, Flags::RST, &[]);
    assert!(outside.read(&mut [0]).is_err());
}

#[test]
fn the_gateway_answers_for_its_addresses_alone() {
    use super::wire::arp::{Arp, Operation};
    let mut bench = Bench::new();
    for (target, answered) in [("10.0.2.2", true), ("10.0.2.3", true), ("10.0.2.100", false), ("192.0.2.1", false)] {
        let question = Arp {
            operation: Operation::Request,
            sender: (CONTAINER, crate::net::CONTAINER),
            target: (Mac([0; 6]), target.parse().unwrap()),
        };
        let mut head = Head::ethernet(CONTAINER, Mac::BROADCAST, ARP);
        head.push(&question.to_bytes());
        bench.frame(head.frame());
        let answer = bench.received().and_then(|frame| Arp::parse(&frame[ETHERNET..]));
        assert_eq!(answer.is_some(), answered, "{target}");
    }
    assert_eq!(bench.stack.core.link.neighbour(crate::net::CONTAINER.into()), Some(CONTAINER));
}

#[test]
fn a_lie_about_the_source_goes_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut bench = Bench::new();
    for source in ["192.0.2.9", "127.0.0.1", "10.0.2.2", "0.0.0.0", "255.255.255.255"] {
        let segment = Segment {
            from: 1025,
            to: port,
            sequence: Seq(0),
            acknowledged: Seq(0),
            flags: Flags::SYN,
            window: 100,
            options: &[],
            payload: &[],
        };
        let addresses = (source.parse().unwrap(), crate::net::GATEWAY.into());
        let head = Head::ip((CONTAINER, link::OWN), addresses, protocol::TCP, 20);
        bench.frame(&[head.frame(), &tcp::header(&segment, 0)].concat());
        assert_eq!(bench.received(), None, "{source}");
    }
    assert_eq!(bench.stack.tcp.len(), 0);
}

/// Runs in a process of its own whose network is empty but for loopback: whatever is sent there goes nowhere.
fn on_an_island(test: impl FnOnce()) {
    match fork().unwrap() {
        Cloned::Child => {
            // Without user namespaces there is no island, and no test: a failure where the machine is promised to have them.
            if let Err(error) = unshare_user().and_then(|()| unshare(Namespaces::NETWORK)) {
                use std::io::Write;
                let promised = std::env::var_os("RR_TEST_MUST_WORK").is_some_and(|value| value == "1");
                // Straight to the descriptor: libtest swallows what a passing test prints with print macros.
                let _ = writeln!(std::io::stderr(), "skipped: no user and network namespace: {error}");
                exit_now(i32::from(promised));
            }
            crate::sys::net::loopback_up().unwrap();
            test();
            exit_now(0)
        }
        Cloned::Parent(child) => {
            let status = rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            assert_eq!(status.unwrap().unwrap().exit_status(), Some(0));
        }
    }
}

/// A frame with enough of the truth in it to get somewhere.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![
        Just("10.0.2.2"),
        Just("10.0.2.3"),
        Just("127.0.0.1"),
        Just("192.0.2.1"),
        Just("255.255.255.255"),
        Just("224.0.0.1"),
    ];
    let kind = prop_oneof![Just(protocol::TCP), Just(protocol::UDP), Just(protocol::ICMP), any::<u8>()];
    let ports = (prop_oneof![Just(1025_u16), any::<u16>()], prop_oneof![Just(7_u16), Just(53), any::<u16>()]);
    let bytes = proptest::collection::vec(any::<u8>(), 0..100);
    (address, kind, ports, bytes, any::<bool>()).prop_map(|(to, kind, (from, port), mut bytes, honest)| {
        if bytes.len() >= 4 {
            bytes[..2].copy_from_slice(&from.to_be_bytes());
            bytes[2..4].copy_from_slice(&port.to_be_bytes());
        }
        if honest && bytes.len() >= 20 {
            bytes[12] = 0x50;
            bytes[13] &= 0x1f;
        }
        let addresses = (crate::net::CONTAINER.into(), to.parse().unwrap());
        let head = Head::ip((CONTAINER, link::OWN), addresses, kind, bytes.len());
        [head.frame(), &bytes].concat()
    })
}

#[test]
fn whatever_comes_is_survived() {
    on_an_island(|| {
        let _listener = TcpListener::bind("127.0.0.1:7").or_else(|_| TcpListener::bind("127.0.0.1:0")).unwrap();
        let bench = std::cell::RefCell::new(Bench::new());
        let frames = prop_oneof![
            plausible(),
            proptest::collection::vec(any::<u8>(), 0..200),
            (proptest::collection::vec(any::<u8>(), 0..200), prop_oneof![Just(IPV4), Just(IPV6), Just(ARP)])
                .prop_map(|(bytes, kind)| [Head::ethernet(CONTAINER, link::OWN, kind).frame(), &bytes].concat()),
        ];
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 4000,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let result = runner.run(&frames, |frame| {
            let mut bench = bench.borrow_mut();
            bench.frame(&frame);
            while rustix::io::read(&bench.inside, &mut [0; 2048]).is_ok() {}
            Ok(())
        });
        assert!(result.is_ok(), "{result:?}");
        bench.borrow().assert_bounds();
        assert!(bench.borrow().stack.tcp.len() < 4000);
    });
}

#[test]
fn an_idle_connection_is_asked_whether_it_is_there() {
    let (mut bench, mut client, _stream) = connected();
    bench.later(3600);
    assert_eq!(client.receive(&mut bench), None);
    for answer in [Flags::ACK, Flags::RST] {
        bench.later(2 * 60 * 60);
        let question = client.receive(&mut bench).unwrap();
        assert_eq!((question.sequence, question.payload.len()), (client.expected - 1, 0));
        assert_eq!(bench.count("connections"), 1);
        client.send(&mut bench, answer, &[]);
    }
    assert_eq!((bench.count("connections"), bench.count("deadlines")), (0, 0));
}

#[test]
fn datagrams_are_forgotten_when_nothing_passes() {
    let (mut bench, server) = (Bench::new(), std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let question = [&udp_header(4000, server.local_addr().unwrap().port())[..], b"?"].concat();
    bench.packet(crate::net::GATEWAY.into(), protocol::UDP, &question);
    assert_eq!(bench.count("datagrams"), 1);
    bench.later(31);
    assert_eq!((bench.count("datagrams"), bench.count("deadlines")), (0, 0));
    // One that has an answer has more time.
    bench.packet(crate::net::GATEWAY.into(), protocol::UDP, &question);
    let mut byte = [0];
    let (_, first) = server.recv_from(&mut byte).unwrap();
    let (_, second) = server.recv_from(&mut byte).unwrap();
    assert_ne!(first, second, "each flow has a socket of its own");
    server.send_to(b"!", second).unwrap();
    assert!(bench.received().is_some());
    bench.later(31);
    assert_eq!(bench.count("datagrams"), 1);
    bench.later(120);
    assert_eq!((bench.count("datagrams"), bench.count("deadlines")), (0, 0));
}

/// One neighbour, connection, datagram and ping more than there may be, from as many addresses as the network has.
#[test]
fn no_table_grows_beyond_its_bound() {
    on_an_island(|| {
        let mut bench = Bench::new();
        // A descriptor each, of which a process may have few.
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        let _nobody = std::net::UdpSocket::bind("127.0.0.1:9").unwrap();
        for number in 0..20_000_u32 {
            let [_, _, high, low] = number.to_be_bytes();
            let six = IpAddr::from([0xfd5e, 0x1c3b, 0x72d4, 0, 0, 0, 1, number as u16]);
            let echo = [8, 0, 0, 0, high, low, 0, 1];
            let datagram = [&udp_header(1024 + (number % 60_000) as u16, 9)[..], b"x"].concat();
            bench.packet(crate::net::GATEWAY.into(), protocol::UDP, &datagram);
            bench.packet("127.0.0.2".parse().unwrap(), protocol::ICMP, &echo);
            bench.stack.core.link.learn(six, CONTAINER);
            if number % 500 == 0 {
                bench.assert_bounds();
            }
            while rustix::io::read(&bench.inside, &mut [0; 2048]).is_ok() {}
        }
        bench.assert_bounds();
        let full = |name: &str| bench.stack.tables().iter().any(|(known, held, most)| *known == name && held == most);
        assert!(full("neighbours"));
        assert!(full("datagrams") || files < 5000, "{:?}", bench.stack.tables());
    });
}

#[test]
fn the_last_hop_is_told_of() {
    let mut bench = Bench::new();
    let (far, own): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), crate::net::CONTAINER.into());
    for (kind, transport) in [
        (protocol::UDP, udp_header(4000, 33434).to_vec()),
        (protocol::ICMP, vec![8, 0, 0, 0, 1, 2, 0, 7]),
        (protocol::TCP, [&[0x0f, 0xa0, 0, 80, 0, 0, 0, 1][..], &[0; 12]].concat()),
    ] {
        let mut head = Head::ip((CONTAINER, link::OWN), (own, far), kind, transport.len());
        head.limit_hops(1);
        bench.frame(&[head.frame(), &transport].concat());
        let frame = bench.received().expect("an answer");
        let frame = Ethernet::parse(&frame).unwrap();
        let packet = Packet::parse(frame.kind, frame.payload).unwrap();
        assert_eq!((packet.source, packet.protocol), (crate::net::GATEWAY.into(), protocol::ICMP));
        assert_eq!(packet.payload[..2], [11, 0]);
        // What it is about: behind the header of the packet that was sent.
        assert_eq!(packet.payload[28..36], transport[..8]);
        assert_eq!(packet.payload[8 + 16..8 + 20], [192, 0, 2, 1]);
    }
    // An error is nothing to be told of, and what is for the gateway itself has arrived.
    let mut head = Head::ip((CONTAINER, link::OWN), (own, far), protocol::ICMP, 8);
    head.limit_hops(1);
    bench.frame(&[head.frame(), &[3, 3, 0, 0, 0, 0, 0, 0]].concat());
    assert_eq!(bench.received(), None);
    let mut head = Head::ip((CONTAINER, link::OWN), (own, crate::net::NAME_SERVER.into()), protocol::ICMP, 8);
    head.limit_hops(1);
    bench.frame(&[head.frame(), &[8, 0, 0, 0, 1, 2, 0, 7]].concat());
    let answer = bench.received().unwrap();
    assert_eq!(answer[ETHERNET + 20], 0, "an echo reply");
}

#[test]
fn segments_are_as_small_as_the_hosts() {
    let (mut bench, listener) = (Bench::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::TcpMaxSeg, &1448).unwrap();
    let mut client = Client::new(40000, gateway(listener.local_addr().unwrap().port()));
    client.send(&mut bench, Flags::SYN, &[]);
    let answer = client.receive(&mut bench).unwrap();
    // Of the 1448 the host's socket gives some to options.
    assert!((1400..=1448).contains(&answer.options.segment_size.unwrap()), "{answer:?}");
}
