//! What containers talk to: small servers of the tests' own, openssl's and dnsmasq.

use crate::support::Rr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Answers every connection to `address` in a thread of its own, on a free port.
pub fn serve(address: IpAddr, answer: impl Fn(TcpStream, SocketAddr) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).expect("a free port of an own address");
    let at = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        while let Ok((stream, peer)) = listener.accept() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream, peer));
        }
    });
    at
}

/// A web server: `/peer` is the address that the request comes from, `/small/N` one line, `/blob` the bytes of [`blob`],
/// anything sent to `/sum` is counted, and `/chat` is a connection of the WebSocket protocol (RFC 6455) as far as its
/// handshake goes; what is said then comes back.
pub fn web(address: IpAddr) -> SocketAddr {
    serve(address, |stream, peer| {
        // A client that hangs up ends its own connection.
        let _ = answer_web(stream, peer);
    })
}

/// Eight megabytes that do not repeat soon.
pub fn blob() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    (0..2 << 20).flat_map(step).collect()
}

fn answer_web(stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "sec-websocket-key" => key = value.to_owned(),
            "expect" => stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
            _ => {}
        }
    }
    let body = match path.as_str() {
        "/peer" => format!("{}\n", peer.ip()).into_bytes(),
        "/blob" => blob(),
        "/sum" => {
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent)?;
            format!("{} {}\n", sent.len(), sent == blob()).into_bytes()
        }
        "/chat" => {
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
            )?;
            std::io::copy(&mut reader, &mut stream)?;
            return Ok(());
        }
        other => format!("{other}\n").into_bytes(),
    };
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// Tells whoever has finished sending how much it was.
pub fn counter(address: IpAddr) -> SocketAddr {
    serve(address, |mut stream, _| {
        let mut sent = Vec::new();
        if stream.read_to_end(&mut sent).is_ok() {
            let _ = writeln!(stream, "{} bytes", sent.len());
        }
    })
}

/// Sends datagrams back, from a free port.
pub fn echo(address: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((address, 0)).expect("a free port of an own address");
    let at = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    at
}

/// A port that nobody listens on.
pub fn closed_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).expect("a free port").local_addr().expect("bound").port()
}

/// A program that serves until the test ends.
pub struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, words: &[String], at: SocketAddr) -> Result<Serving, String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let serving = Serving(command.spawn().map_err(|error| format!("{program}: {error}"))?);
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(at).is_err() {
        if Instant::now() > end {
            return Err(format!("{program} does not listen at {at}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(serving)
}

/// A TLS server for the name `host.rr.test`, which is its own authority: where it listens, and its certificate.
pub fn tls(rr: &Rr, address: IpAddr) -> Result<(Serving, SocketAddr, PathBuf), String> {
    let directory = rr.directory("tls");
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=host.rr.test"])
        .args(["-addext", "subjectAltName=DNS:host.rr.test", "-keyout"])
        .args([&key, Path::new("-out"), &certificate])
        .output()
        .map_err(|error| format!("openssl: {error}"))?;
    if !made.status.success() {
        return Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let at = SocketAddr::new(address, closed_port(address));
    let words = ["s_server", "-www", "-quiet", "-accept", &at.to_string()].map(str::to_owned);
    let files = ["-key".into(), key.display().to_string(), "-cert".into(), certificate.display().to_string()];
    Ok((start("openssl", &[&words[..], &files[..]].concat(), at)?, at, certificate))
}

/// A server of iperf3.
pub fn iperf3(address: IpAddr) -> Result<(Serving, SocketAddr), String> {
    let at = SocketAddr::new(address, closed_port(address));
    let words = ["-s", "-B", &address.to_string(), "-p", &at.port().to_string()].map(str::to_owned);
    Ok((start("iperf3", &words, at)?, at))
}

/// Debian's name server at `address`, port 53, with these options.
pub fn dnsmasq(address: IpAddr, options: &[&str]) -> Result<Serving, String> {
    let program = ["/usr/sbin/dnsmasq", "/sbin/dnsmasq"].into_iter().find(|path| Path::new(path).exists());
    let program = program.ok_or("dnsmasq is not installed: contrib/test installs dnsmasq-base")?;
    let mut words: Vec<String> =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]
            .map(str::to_owned)
            .into();
    words.extend(["--user=", "--group=", "--pid-file=/dev/null", "--port=53"].map(str::to_owned));
    words.push(format!("--listen-address={address}"));
    words.extend(options.iter().map(|option| (*option).to_owned()));
    start(program, &words, SocketAddr::new(address, 53))
}
