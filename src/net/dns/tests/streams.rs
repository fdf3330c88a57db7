//! Connections.

use super::*;
use std::net::TcpStream;

/// Serves one connection after the other as `serve` does.
fn serve(listener: TcpListener, serve: impl Fn(TcpStream) + Send + 'static) {
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
}

fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut query = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut query).ok()?;
    Some(query)
}

fn write_answer(stream: &mut TcpStream, answer: &[u8]) {
    stream.write_all(&message::for_stream(answer)).unwrap();
}

#[test]
fn connections_are_pipelined_and_half_closed() {
    let (port, mut sockets) = servers(1);
    serve(sockets.remove(0).1, |mut stream| {
        let mut queries: Vec<Vec<u8>> = Vec::new();
        while let Some(query) = read_query(&mut stream) {
            queries.push(query);
            if queries.len() == 3 {
                // Out of order, as a server may.
                queries
                    .drain(..)
                    .rev()
                    .for_each(|query| write_answer(&mut stream, &answer_to(&query, Rcode::SUCCESS, 60_000)));
            }
        }
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut client = bench.connect();
    let asked: Vec<Vec<u8>> = (1..=3).map(|id| query(id, "a.test", 16, Some(4096))).collect();
    let all: Vec<u8> = asked.iter().flat_map(|query| message::for_stream(query)).collect();
    // In pieces that know nothing of messages.
    for piece in all.chunks(7) {
        client.write_all(piece).unwrap();
        bench.until({
            let mut once = false;
            move |_| std::mem::replace(&mut once, true)
        });
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let expected: Vec<Vec<u8>> = asked.iter().rev().map(|query| answer_to(query, Rcode::SUCCESS, 60_000)).collect();
    assert!(bench.read(&mut client, usize::MAX) == expected);
    bench.until(|bench| bench.forwarder.under_way() == (0, 0));
}

#[test]
fn an_answer_of_several_messages_comes_to_its_end() {
    let (port, mut sockets) = servers(1);
    serve(sockets.remove(0).1, |mut stream| {
        let query = read_query(&mut stream).unwrap();
        for length in [50_000, 40_000, 3] {
            write_answer(&mut stream, &answer_to(&query, Rcode::SUCCESS, length));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut client = bench.connect();
    let asked = query(4, "zone.test", 252, None);
    client.write_all(&message::for_stream(&asked)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let lengths: Vec<usize> = bench.read(&mut client, usize::MAX).iter().map(Vec::len).collect();
    assert_eq!(lengths, [50_000, 40_000, 3].map(|filling| answer_to(&asked, Rcode::SUCCESS, filling).len()));
}

#[test]
fn a_server_that_closes_is_asked_again_and_one_that_is_not_there_is_passed_over() {
    let (port, mut sockets) = servers(2);
    sockets.remove(0);
    // One answer a connection.
    serve(sockets.remove(0).1, |mut stream| {
        if let Some(query) = read_query(&mut stream) {
            write_answer(&mut stream, &answer_to(&query, Rcode::SUCCESS, 4));
        }
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
    let mut client = bench.connect();
    let asked: Vec<Vec<u8>> = (1..=4).map(|id| query(id, "a.test", 16, None)).collect();
    client.write_all(&asked.iter().flat_map(|query| message::for_stream(query)).collect::<Vec<u8>>()).unwrap();
    let expected: Vec<Vec<u8>> = asked.iter().map(|query| answer_to(query, Rcode::SUCCESS, 4)).collect();
    assert_eq!(bench.read(&mut client, 4), expected);
}

#[test]
fn where_no_server_takes_a_connection_queries_fail_and_the_connection_stays() {
    let (port, sockets) = servers(1);
    drop(sockets);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut client = bench.connect();
    let asked = query(1, "a.test", 16, None);
    for _ in 0..2 {
        client.write_all(&message::for_stream(&asked)).unwrap();
        assert_eq!(bench.read(&mut client, 1), [message::failure(&asked)]);
    }
    // A silent one has its time, as often as the options say.
    let (port, _silent) = servers(1);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n");
    let mut client = bench.connect();
    let began = Instant::now();
    client.write_all(&message::for_stream(&asked)).unwrap();
    assert_eq!(bench.read(&mut client, 1), [message::failure(&asked)]);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_sends_no_queries_or_leaves_is_let_go() {
    let (port, sockets) = servers(1);
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut client = bench.connect();
    // An answer, to nobody's question.
    client.write_all(&message::for_stream(&message::failure(&query(1, "a.test", 16, None)))).unwrap();
    assert!(bench.read(&mut client, 1).is_empty());
    let mut client = bench.connect();
    client.write_all(&message::for_stream(&query(1, "a.test", 16, None))).unwrap();
    bench.until(|bench| bench.forwarder.conversations.values().any(|other| !other.is_idle()));
    drop(client);
    bench.until(|bench| bench.forwarder.under_way() == (0, 0));
    drop(sockets);
}

#[test]
fn a_client_that_sends_and_never_reads_is_held_back() {
    let (port, mut sockets) = servers(1);
    serve(sockets.remove(0).1, |mut stream| {
        while let Some(query) = read_query(&mut stream) {
            let reply = message::for_stream(&answer_to(&query, Rcode::SUCCESS, 50_000));
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    });
    let mut bench = Bench::new(port, "nameserver 127.0.0.1\n");
    let mut client = bench.connect();
    let framed = message::for_stream(&query(1, "a.test", 16, None));
    let (mut sent, mut since) = (0, Instant::now());
    // Until nothing has been taken for a while.
    bench.until(|_| {
        match client.write(&framed) {
            Ok(count) => (sent, since) = (sent + count, Instant::now()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        since.elapsed() > Duration::from_millis(500)
    });
    let held = bench.forwarder.conversations.values().next().unwrap().bytes_held();
    assert!(held < 200_000, "{held} bytes are held of {sent} sent");
}
