//! Network interfaces (netdevice(7)) and what of sockets rustix does not have (socket(7), tcp(7), ip(7)).

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// Brings up `lo` of this process's network namespace. A new namespace's loopback is down, and
/// nobody else has the right to bring it up than root of the owning user namespace.
///
/// # Errors
/// EPERM: not privileged in the namespace; whatever socket(2) says.
pub fn loopback_up() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut request = request_for("lo");
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, whose name ends with a NUL and whose member in use is
    // ifr_flags; it lives until the call returns (netdevice(7)).
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// An empty request about the interface `name`, cut off at IFNAMSIZ - 1 bytes.
pub(super) fn request_for(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is a plain C structure, for which all zeroes are a valid value (netdevice(7)).
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request
}

/// The number of the interface `name` (netdevice(7), SIOCGIFINDEX).
///
/// # Errors
/// ENODEV: there is none.
pub fn interface_index(socket: impl AsFd, name: &str) -> io::Result<u32> {
    let mut request = request_for(name);
    // SAFETY: SIOCGIFINDEX reads the name, which ends with a NUL, and writes ifr_ifindex of one live ifreq.
    if unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCGIFINDEX as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so that ifru_ifindex is the member written.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned())
}

fn set_option(socket: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option is an int; the kernel reads it during the call (setsockopt(2)).
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on MSG_PEEK begins `offset` bytes behind the first unread byte and moves on with each peek; reading moves
/// it back (socket(7), SO_PEEK_OFF).
///
/// # Errors
/// EOPNOTSUPP: TCP before Linux 6.9.
pub fn set_peek_offset(socket: impl AsFd, offset: i32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_PEEK_OFF, offset)
}

/// Errors of ICMP are kept for [`next_error`] (ip(7), IP_RECVERR).
///
/// # Errors
/// The system's.
pub fn keep_errors(socket: impl AsFd, of: IpAddr) -> io::Result<()> {
    match of {
        IpAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        IpAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

/// How full a socket's send buffer is, in the kernel's own measure: payload, headers and bookkeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendBuffer {
    /// What is in it.
    pub queued: u32,
    /// From here on nothing more is taken.
    pub limit: u32,
}

/// SO_MEMINFO (linux/sock_diag.h); of a TCP or a Unix socket.
///
/// # Errors
/// ENOPROTOOPT before Linux 4.12.
pub fn send_buffer(socket: impl AsFd) -> io::Result<SendBuffer> {
    const WORDS: usize = 9;
    // SK_MEMINFO_WMEM_ALLOC, SK_MEMINFO_SNDBUF, SK_MEMINFO_WMEM_QUEUED; the first is what counts for a Unix socket.
    const SENT: usize = 2;
    const LIMIT: usize = 3;
    const QUEUED: usize = 5;
    let mut values = [0_u32; WORDS];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `values`, and how many into `length` (getsockopt(2)).
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(SendBuffer { queued: values[QUEUED].max(values[SENT]), limit: values[LIMIT] })
}

/// An error that came back for something a socket has sent (ip(7), `struct sock_extended_err`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkError {
    /// The errno of it.
    pub errno: i32,
    /// Of ICMP or ICMPv6: type and code.
    pub icmp: Option<(u8, u8)>,
    /// With a message about size: the path's MTU.
    pub info: u32,
    /// Who says so, if known.
    pub offender: Option<IpAddr>,
    /// The beginning of what it is about, if it came back: of a ping socket the echo request with its header.
    pub about: Option<[u8; 8]>,
}

/// Takes the next of the errors that [`keep_errors`] keeps; None where there is none. Does not wait.
///
/// # Errors
/// The system's.
pub fn next_error(socket: impl AsFd) -> io::Result<Option<NetworkError>> {
    #[repr(C, align(8))]
    struct Control([u8; 256]);
    let mut control = Control([0; 256]);
    let mut about = [0_u8; 8];
    let mut part = libc::iovec { iov_base: about.as_mut_ptr().cast(), iov_len: about.len() };
    // SAFETY: msghdr is a plain C structure, for which all zeroes are a valid value (recvmsg(2)).
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: `message` points to one iovec and one control buffer of the given lengths; all outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let about = (length.cast_unsigned() == about.len()).then_some(about);
    // SAFETY: the kernel has filled the control buffer, whose length it put into `message`; CMSG_FIRSTHDR and
    // CMSG_NXTHDR stay inside (cmsg(3)).
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: `header` is a cmsghdr within the buffer, aligned as the buffer is.
        let (level, kind, length) = unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        let wanted =
            matches!((level, kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR));
        // SAFETY: CMSG_LEN computes from its argument alone.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        if wanted && length >= head {
            // SAFETY: the data of this control message are `length - head` bytes from CMSG_DATA on (cmsg(3)).
            let data = unsafe { std::slice::from_raw_parts(libc::CMSG_DATA(header), length - head) };
            return Ok(extended_error(data).map(|error| NetworkError { about, ..error }));
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(None)
}

/// `struct sock_extended_err` and the `sockaddr` of the offender behind it (linux/errqueue.h).
fn extended_error(data: &[u8]) -> Option<NetworkError> {
    // SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
    const ICMP: u8 = 2;
    const ICMP6: u8 = 3;
    let word = |at: usize| data.get(at..at + 4).and_then(|four| Some(u32::from_ne_bytes(four.try_into().ok()?)));
    let (origin, kind, code) = (*data.get(4)?, *data.get(5)?, *data.get(6)?);
    let offender = data.get(16..).and_then(|address| {
        let family = u16::from_ne_bytes(address.get(..2)?.try_into().ok()?);
        match i32::from(family) {
            libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(address.get(4..8)?).ok()?).into()),
            libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(address.get(8..24)?).ok()?).into()),
            _ => None,
        }
    });
    Some(NetworkError {
        errno: word(0)?.cast_signed(),
        icmp: matches!(origin, ICMP | ICMP6).then_some((kind, code)),
        info: word(8)?,
        offender,
        about: None,
    })
}

/// From now on [`receive_at`] knows which of this machine's addresses a datagram was for (ip(7), IP_PKTINFO; ipv6(7)).
///
/// # Errors
/// The system's.
pub fn tell_addresses(socket: impl AsFd, of: IpAddr) -> io::Result<()> {
    match of {
        IpAddr::V4(_) => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        IpAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Receives a datagram, without waiting: its length, who has sent it, and where to, after [`tell_addresses`].
///
/// # Errors
/// The system's.
pub fn receive_at(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    });
    let sender = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
    });
    let length = message.bytes;
    Ok((length, sender.ok_or(io::ErrorKind::InvalidData)?, local))
}

/// Sends a datagram from one of this machine's addresses, without waiting.
///
/// # Errors
/// The system's.
pub fn send_from(socket: impl AsFd, payload: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
    let parts = [io::IoSlice::new(payload)];
    let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    let to = SockaddrStorage::from(to);
    match from {
        IpAddr::V4(from) => {
            let source = libc::in_addr { s_addr: u32::from(from).to_be() };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
            sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))?;
        }
        IpAddr::V6(from) => {
            let source = libc::in6_addr { s6_addr: from.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
            sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))?;
        }
    }
    Ok(())
}
