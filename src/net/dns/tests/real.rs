//! Debian's dnsmasq behind the forwarder, and dig(1) before it.

use super::*;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A forwarder that real programs can ask, at an address of its own.
struct Standing {
    address: SocketAddr,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Standing {
    fn new(resolv_conf: PathBuf, port: u16) -> Standing {
        let (own_port, mut sockets) = servers(1);
        let (socket, listener) = sockets.remove(0);
        socket.set_nonblocking(true).unwrap();
        listener.set_nonblocking(true).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut forwarder: Forwarder<SocketAddr> = Forwarder::new(Upstream::new(&resolv_conf, port)).unwrap();
            let mut buffer = [0; DATAGRAM];
            let mut answer = |to: SocketAddr, message: &[u8]| {
                socket.send_to(message, to).unwrap();
            };
            while !is_over.load(Ordering::Relaxed) {
                turn(&mut forwarder, &[socket.as_fd(), listener.as_fd()], &mut answer);
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    forwarder.query(from.ip(), from, &buffer[..length], &mut answer);
                }
                while let Ok((stream, from)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    forwarder.accept_stream(from.ip(), stream.into());
                }
            }
        });
        Standing { address: ([127, 0, 0, 1], own_port).into(), end, thread: Some(thread) }
    }

    /// What dig(1) prints, without what differs from one time to the next.
    fn dig(&self, words: &[&str]) -> String {
        dig(self.address, words)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn dig(server: SocketAddr, words: &[&str]) -> String {
    let output = Command::new("dig")
        .args([
            &format!("@{}", server.ip()),
            "-p",
            &server.port().to_string(),
            "+tries=1",
            "+time=8",
            "+nostats",
            "+qr",
        ])
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The answer's part, after the query's; ids and cookies are random.
    let lines = text.lines().filter(|line| !line.starts_with("; <<>>") && !line.contains("COOKIE"));
    let shown = |line: &str| line.split(", id: ").next().unwrap_or_default().to_owned();
    lines.map(shown).collect::<Vec<_>>().join("\n")
}

/// A real name server, or why there is none.
struct Dnsmasq {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Dnsmasq {
    fn new(options: &[&str]) -> Option<Dnsmasq> {
        let program = ["/usr/sbin/dnsmasq", "/sbin/dnsmasq"].iter().find(|path| Path::new(path).exists());
        let (Some(program), true) = (program, Path::new("/usr/bin/dig").exists()) else {
            assert!(std::env::var_os("RR_TEST_MUST_WORK").is_none(), "dnsmasq and dig are to be installed");
            eprintln!("skipped: dnsmasq or dig is not installed");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let (port, sockets) = servers(1);
        drop(sockets);
        let child = Command::new(program)
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"])
            .args(["--listen-address=127.0.0.1", "--user=", "--group=", &format!("--port={port}")])
            .arg(format!("--pid-file={}", directory.path().join("pid").display()))
            .args(options)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let end = Instant::now() + LONG;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "dnsmasq does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Dnsmasq { child, address, _directory: directory })
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_servers_answers_are_the_same_through_the_forwarder() {
    let long = "long text that does not fit, ".repeat(8);
    let many: Vec<String> = (0..30).map(|n| format!("--txt-record=many.rr.test,{n} {long}")).collect();
    let mut options = vec![
        "--address=/host.rr.test/192.0.2.7",
        "--address=/host.rr.test/2001:db8::7",
        "--local=/rr.test/",
        "--mx-host=rr.test,mail.rr.test,10",
        "--ptr-record=7.2.0.192.in-addr.arpa,host.rr.test",
        "--edns-packet-max=1232",
    ];
    options.extend(many.iter().map(String::as_str));
    let Some(server) = Dnsmasq::new(&options) else { return };
    let directory = tempfile::tempdir().unwrap();
    let resolv_conf = directory.path().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 127.0.0.1\n").unwrap();
    let standing = Standing::new(resolv_conf, server.address.port());
    for (words, expected) in [
        (&["host.rr.test", "A"][..], "192.0.2.7"),
        (&["host.rr.test", "AAAA", "+bufsize=4096"], "2001:db8::7"),
        (&["host.rr.test", "A", "+noedns"], "192.0.2.7"),
        (&["HOST.rr.TEST", "A", "+tcp"], "192.0.2.7"),
        (&["rr.test", "MX"], "mail.rr.test."),
        (&["-x", "192.0.2.7"], "host.rr.test."),
        (&["missing.rr.test", "A"], "status: NXDOMAIN"),
        (&["elsewhere.test", "A"], "status: REFUSED"),
        (&["many.rr.test", "TXT", "+ignore", "+noedns"], "flags: qr aa tc rd ra"),
        (&["many.rr.test", "TXT", "+ignore", "+bufsize=1232"], "flags: qr aa tc rd ra"),
        (&["many.rr.test", "TXT", "+tcp"], "29 long text"),
        // By UDP first, then by TCP since the answer is cut off: dig does as the C library.
        (&["many.rr.test", "TXT"], "29 long text"),
        (&["host.rr.test", "A", "+tcp", "+keepopen", "host.rr.test", "AAAA"], "2001:db8::7"),
    ] {
        let (direct, forwarded) = (dig(server.address, words), standing.dig(words));
        assert!(forwarded.contains(expected), "{words:?}: {forwarded}");
        let sorted = |text: &str| {
            let mut lines: Vec<String> =
                text.replace(&server.address.port().to_string(), "PORT").lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let own = forwarded.replace(&standing.address.port().to_string(), "PORT");
        assert_eq!(sorted(&own), sorted(&direct), "{words:?}");
    }
}
