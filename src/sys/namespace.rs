//! Namespaces as descriptors (ioctl_nsfs(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The user namespace that the user namespace `child` was made in (NS_GET_PARENT).
///
/// # Errors
/// EPERM: it is not one that the caller's own encloses.
pub fn parent_of(child: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    /// _IO(0xb7, 0x2) of linux/nsfs.h.
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: the ioctl takes no argument and returns a new descriptor, close-on-exec, or -1.
    let parent = unsafe { libc::ioctl(child.as_raw_fd(), NS_GET_PARENT as _) };
    if parent < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}
