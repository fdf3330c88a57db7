//! The forwarder between real sockets and servers that behave as each test says.

mod real;
mod streams;

use super::message::Rcode;
use super::message::tests::query;
use super::*;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

/// The address that clients of the forwarder have.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 100));
/// Longer than anything here takes unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// A forwarder whose resolv.conf is a test's, and whose loop the test is.
struct Bench {
    forwarder: Forwarder<u64>,
    directory: tempfile::TempDir,
    answers: Vec<(u64, Vec<u8>)>,
}

impl Bench {
    fn new(port: u16, resolv_conf: &str) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        std::fs::write(&path, resolv_conf).unwrap();
        let forwarder = Forwarder::new(Upstream::new(&path, port)).unwrap();
        Bench { forwarder, directory, answers: Vec::new() }
    }

    fn ask(&mut self, tag: u64, message: &[u8]) {
        let answers = &mut self.answers;
        self.forwarder.query(CLIENT, tag, message, &mut |tag, answer| answers.push((tag, answer.to_vec())));
    }

    /// Turns the loop until `done` says so.
    fn until(&mut self, mut done: impl FnMut(&mut Bench) -> bool) {
        let end = Instant::now() + LONG;
        while !done(self) {
            assert!(Instant::now() < end, "nothing comes of it; {:?} under way", self.forwarder.under_way());
            turn(&mut self.forwarder, &[], &mut |tag, answer| self.answers.push((tag, answer.to_vec())));
        }
    }

    fn answer(&mut self) -> (u64, Vec<u8>) {
        self.until(|bench| !bench.answers.is_empty());
        self.answers.remove(0)
    }

    /// A client's connection to the forwarder.
    fn connect(&mut self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.forwarder.accept_stream(CLIENT, theirs.into());
        ours.set_nonblocking(true).unwrap();
        ours
    }

    /// What the client reads, until there are `count` messages or the end.
    fn read(&mut self, client: &mut UnixStream, count: usize) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        self.until(|_| {
            let mut chunk = [0; 4096];
            match client.read(&mut chunk) {
                Ok(0) => return true,
                Ok(length) => bytes.extend(&chunk[..length]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            messages(&bytes).len() >= count
        });
        messages(&bytes)
    }
}

/// Waits a moment for the forwarder or one of `others`, then lets the forwarder work.
fn turn<T: Copy + PartialEq>(forwarder: &mut Forwarder<T>, others: &[BorrowedFd<'_>], answers: &mut Answers<'_, T>) {
    let now = Instant::now();
    let until = forwarder.next_deadline().map_or(LONG, |deadline| deadline.saturating_duration_since(now));
    let until = rustix::event::Timespec::try_from(until.min(Duration::from_millis(20))).unwrap();
    let mut fds: Vec<PollFd<'_>> = others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    fds.push(PollFd::new(&*forwarder, PollFlags::IN));
    poll(&mut fds, Some(&until)).unwrap();
    drop(fds);
    forwarder.ready(answers);
}

fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((first, rest)) = message::first_of_stream(stream) {
        messages.push(first[2..].to_vec());
        stream = rest;
    }
    messages
}

/// Sockets at 127.0.0.1, 127.0.0.2 … with one port, which is free for UDP and TCP.
fn servers(count: u8) -> (u16, Vec<(UdpSocket, TcpListener)>) {
    for _ in 0..50 {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bind = |host: u8| {
            let address = SocketAddr::from(([127, 0, 0, host], port));
            Some((UdpSocket::bind(address).ok()?, TcpListener::bind(address).ok()?))
        };
        if let Some(sockets) = (1..=count).map(bind).collect() {
            return (port, sockets);
        }
    }
    panic!("no port is free at all addresses");
}

/// Answers each datagram with what `behave` makes of it; ends with the test.
fn behave(socket: UdpSocket, behave: impl Fn(&[u8], SocketAddr, &UdpSocket) + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = [0; DATAGRAM];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            behave(&buffer[..length], from, &socket);
        }
    });
}

/// A reply with this code and `filling` as its only record's data.
fn answer_to(query: &[u8], code: Rcode, filling: usize) -> Vec<u8> {
    let record = message::Record { kind: 16, data: vec![b'x'; filling] };
    message::reply(query, code, message::Authority::Forwarder, &[record], 60, DATAGRAM)
}

fn with_code(code: Rcode) -> impl Fn(&[u8], SocketAddr, &UdpSocket) + Send + 'static {
    move |query, from, socket| drop(socket.send_to(&answer_to(query, code, 4), from))
}

#[test]
fn a_query_goes_through_unchanged_but_for_its_id() {
    let (port, mut sockets) = servers(1);
    let (seen, queries) = mpsc::channel();
    behave(sockets.remove(0).0, move |query, from, socket| {
        let reply = answer_to(query, Rcode::NO_SUCH_NAME, 3000);
        socket.send_to(&reply, from).unwrap();
        seen.send((query.to_vec(), from, reply)).unwrap();
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let (mut ids, mut ports) = (Vec::new(), Vec::new());
    for tag in 0..20 {
        let asked = query(77, "Some.Name.test", 65, Some(4096));
        bench.ask(tag, &asked);
        let (told, answer) = bench.answer();
        let (arrived, from, reply) = queries.recv().unwrap();
        assert_eq!((told, &arrived[2..]), (tag, &asked[2..]));
        assert_eq!((message::id(&answer), &answer[2..]), (Some(77), &reply[2..]));
        ids.push(message::id(&arrived).unwrap());
        ports.push(from.port());
    }
    // Of 20 random numbers of 16 bits hardly two are the same, and none follow each other.
    for mut numbers in [ids, ports] {
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() > 17, "not random: {numbers:?}");
    }
    assert_eq!(bench.forwarder.under_way(), (0, 0));
}

#[test]
fn what_is_no_answer_is_waited_past() {
    let (port, mut sockets) = servers(1);
    behave(sockets.remove(0).0, |query, from, socket| {
        let right = answer_to(query, Rcode::SUCCESS, 4);
        let mut other_id = right.clone();
        other_id[0] ^= 1;
        let other_question =
            answer_to(&super::message::tests::query(message::id(query).unwrap(), "b.test", 1, None), Rcode::SUCCESS, 4);
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(&answer_to(query, Rcode::SUCCESS, 9), from).unwrap();
        for wrong in [&b"short"[..], query, &other_id, &other_question, &right] {
            socket.send_to(wrong, from).unwrap();
        }
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let asked = query(1, "a.test", 1, None);
    bench.ask(5, &asked);
    assert_eq!(bench.answer(), (5, answer_to(&asked, Rcode::SUCCESS, 4)));
}

#[test]
fn a_silent_server_gives_way_after_its_time() {
    let (port, mut sockets) = servers(2);
    let _silent = sockets.remove(0);
    behave(sockets.remove(0).0, with_code(Rcode::SUCCESS));
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1\n");
    let began = Instant::now();
    bench.ask(1, &query(9, "a.test", 1, None));
    let (_, answer) = bench.answer();
    assert_eq!(message::rcode(&answer), Rcode::SUCCESS);
    assert!(began.elapsed() >= Duration::from_secs(1), "the first has its time: {:?}", began.elapsed());
}

#[test]
fn a_client_that_asks_again_hurries() {
    let (port, mut sockets) = servers(2);
    let _silent = sockets.remove(0);
    behave(sockets.remove(0).0, with_code(Rcode::SUCCESS));
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:30\n");
    let asked = query(9, "a.test", 1, None);
    bench.ask(1, &asked);
    // At once, it is a mistake of the network's.
    bench.ask(1, &asked);
    assert_eq!(bench.forwarder.under_way(), (1, 0));
    std::thread::sleep(Duration::from_millis(300));
    bench.ask(1, &asked);
    assert_eq!(message::rcode(&bench.answer().1), Rcode::SUCCESS);
}

#[test]
fn a_server_that_is_late_may_still_answer() {
    let (port, mut sockets) = servers(1);
    behave(sockets.remove(0).0, |query, from, socket| {
        std::thread::sleep(Duration::from_millis(1500));
        socket.send_to(&answer_to(query, Rcode::SUCCESS, 4), from).unwrap();
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\noptions timeout:1\n");
    bench.ask(1, &query(9, "a.test", 1, None));
    assert_eq!(message::rcode(&bench.answer().1), Rcode::SUCCESS);
}

#[test]
fn a_server_that_is_not_there_is_passed_over_at_once() {
    let (port, mut sockets) = servers(2);
    sockets.remove(0);
    behave(sockets.remove(0).0, with_code(Rcode::SUCCESS));
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:30\n");
    bench.ask(1, &query(9, "a.test", 1, None));
    assert_eq!(message::rcode(&bench.answer().1), Rcode::SUCCESS);
}

#[test]
fn where_nobody_is_there_the_client_learns_it() {
    let (port, sockets) = servers(1);
    drop(sockets);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let asked = query(9, "a.test", 1, Some(1232));
    bench.ask(1, &asked);
    assert_eq!(bench.answer(), (1, message::failure(&asked)));
    // Not even an address that a packet could be sent to.
    std::fs::write(bench.directory.path().join("resolv.conf"), "nameserver fe80::1%none0\n").unwrap();
    bench.ask(2, &asked);
    assert_eq!(bench.answer(), (2, message::failure(&asked)));
    // And where the server is silent.
    let (port, _silent) = servers(1);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n");
    let began = Instant::now();
    bench.ask(3, &asked);
    assert_eq!(bench.answer(), (3, message::failure(&asked)));
    assert!(began.elapsed() >= Duration::from_secs(2), "each has its attempts: {:?}", began.elapsed());
}

#[test]
fn a_server_that_does_not_want_to_gives_way_and_is_quoted_where_no_other_does() {
    let (port, mut sockets) = servers(2);
    let second = sockets.pop().unwrap().0;
    behave(sockets.remove(0).0, with_code(Rcode::REFUSED));
    behave(second, |query, from, socket| {
        let code =
            if query.windows(6).any(|part| part == b"\x05known") { Rcode::SUCCESS } else { Rcode::SERVER_FAILURE };
        socket.send_to(&answer_to(query, code, 4), from).unwrap();
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:30\n");
    bench.ask(1, &query(9, "known.test", 1, None));
    assert_eq!(message::rcode(&bench.answer().1), Rcode::SUCCESS);
    let asked = query(9, "other.test", 1, None);
    bench.ask(1, &asked);
    assert_eq!(bench.answer().1, answer_to(&asked, Rcode::REFUSED, 4));
    for code in [Rcode::SERVER_FAILURE, Rcode::NOT_IMPLEMENTED, Rcode::REFUSED, Rcode(1), Rcode(9)] {
        let (port, mut sockets) = servers(1);
        behave(sockets.remove(0).0, with_code(code));
        let mut bench = Bench::new(port, "nameserver 127.0.0.1\noptions timeout:30\n");
        bench.ask(1, &asked);
        assert_eq!(bench.answer().1, answer_to(&asked, code, 4), "{code:?}");
    }
}

#[test]
fn the_file_is_followed_while_queries_are_made() {
    let (port, mut sockets) = servers(2);
    behave(sockets.remove(0).0, with_code(Rcode::NO_SUCH_NAME));
    behave(sockets.remove(0).0, with_code(Rcode::SUCCESS));
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let asked = query(9, "a.test", 1, None);
    bench.ask(1, &asked);
    assert_eq!(message::rcode(&bench.answer().1), Rcode::NO_SUCH_NAME);
    std::fs::write(bench.directory.path().join("new"), "nameserver 127.0.0.2\n").unwrap();
    std::fs::rename(bench.directory.path().join("new"), bench.directory.path().join("resolv.conf")).unwrap();
    bench.ask(1, &asked);
    assert_eq!(message::rcode(&bench.answer().1), Rcode::SUCCESS);
    // A client with servers of its own has them whatever the file says.
    bench.forwarder.set_servers(CLIENT, &[NameServer { address: [127, 0, 0, 1].into(), interface: None }]);
    bench.ask(1, &asked);
    assert_eq!(message::rcode(&bench.answer().1), Rcode::NO_SUCH_NAME);
}

#[test]
fn queries_are_bounded() {
    let (port, sockets) = servers(1);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\noptions timeout:30\n");
    for tag in 0..600 {
        bench.ask(tag, &query(9, "a.test", 1, None));
    }
    assert_eq!(bench.forwarder.under_way().0, QUERIES);
    drop(sockets);
    let _streams: Vec<UnixStream> = (0..100).map(|_| bench.connect()).collect();
    assert_eq!(bench.forwarder.under_way().1, STREAMS);
}

#[test]
fn local_names_are_answered_here() {
    let (port, sockets) = servers(1);
    drop(sockets);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut names = LocalNames::new("back");
    names.add("db", [10, 89, 0, 2].into());
    bench.forwarder.set_names(Tables::new(names));
    let asked = query(9, "DB.back", message::kind::A, None);
    bench.ask(1, &asked);
    let (_, answer) = bench.answer();
    assert_eq!((message::rcode(&answer), &answer[answer.len() - 4..]), (Rcode::SUCCESS, &[10, 89, 0, 2][..]));
    let mut client = bench.connect();
    client.write_all(&message::for_stream(&asked)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(bench.read(&mut client, usize::MAX), [answer]);
    bench.until(|bench| bench.forwarder.under_way() == (0, 0));
}
