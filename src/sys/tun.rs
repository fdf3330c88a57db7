//! TAP devices: network interfaces whose other end is a descriptor (Documentation/networking/tuntap.rst).

use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel's device for making them.
pub const DEVICE: &str = "/dev/net/tun";

/// The length of `struct virtio_net_hdr`, which precedes each frame on the descriptor (linux/virtio_net.h).
pub const VIRTIO_HEADER: usize = 10;

/// Makes the interface `name` in this process's network namespace, and lives as long as the descriptor does. Each
/// read and write is one Ethernet frame behind a [`VIRTIO_HEADER`]. What the kernel sends may have its checksums
/// undone, and be a TCP segment of up to 64 KiB whatever the interface's MTU is; what it is sent may be the same.
/// The descriptor is non-blocking.
///
/// # Errors
/// ENOENT, ENODEV, EACCES: there is no such device, or not for this user; EPERM: no CAP_NET_ADMIN in the namespace;
/// EBUSY: the name is taken.
pub fn open_tap(name: &str) -> io::Result<OwnedFd> {
    let tap = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut request = super::net::request_for(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, whose member in use is ifr_flags (linux/if_tun.h); it lives until
    // the call returns.
    if unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // SAFETY: TUNSETOFFLOAD takes its argument by value (linux/if_tun.h).
    if unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(offloads)) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(tap)
}
