//! Frames as a container's root can make them: whatever they are, the network's stack goes on, and does not grow.
//!
//! Its sockets are real ones, in a network namespace of this process's own where nothing is but loopback.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::net::dns::{DOMAIN, Upstream};
use rr::net::stack::{HostLoopback, Layout, Stack};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::cell::RefCell;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;

struct Bench {
    stack: Stack,
    inside: OwnedFd,
    _listener: TcpListener,
}

impl Bench {
    fn new() -> Bench {
        rr::sys::process::unshare(rr::sys::process::Namespaces::NETWORK)
            .expect("contrib/fuzz/run starts this as root of a user namespace");
        rr::sys::net::loopback_up().expect("all capabilities in it");
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (own, inside) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a pair");
        let layout = Layout { host_loopback: HostLoopback::Reachable, ..Layout::default() };
        let nobody = Upstream::new(Path::new("/nonexistent/resolv.conf"), DOMAIN);
        let stack = Stack::new(own, layout, nobody).expect("epoll");
        Bench { stack, inside, _listener: TcpListener::bind("127.0.0.1:7").expect("all capabilities") }
    }
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

// The input is frames, each behind two bytes of length, as the device hands them over.
fuzz_target!(|bytes: &[u8]| {
    BENCH.with_borrow_mut(|bench| {
        let bench = bench.get_or_insert_with(Bench::new);
        let mut rest = bytes;
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (frame, behind) = behind.split_at(behind.len().min(u16::from_le_bytes(*length).into()));
            rest = behind;
            let _ = rustix::io::write(&bench.inside, frame);
            bench.stack.turn(Some(0)).expect("the stack goes on");
            while rustix::io::read(&bench.inside, &mut [0_u8; 4096][..]).is_ok() {}
        }
        for (name, held, most) in bench.stack.tables() {
            assert!(held <= most, "{name}: {held} of {most}");
        }
    });
});
