//! Landlock: a process gives up access to files that it will not need (landlock(7)).

use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// LANDLOCK_CREATE_RULESET_VERSION
const VERSION: libc::c_uint = 1;
/// LANDLOCK_ACCESS_FS_READ_FILE
const READ_FILE: u64 = 1 << 2;
/// LANDLOCK_RULE_PATH_BENEATH
const PATH_BENEATH: libc::c_int = 1;
/// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL
const SCOPES: u64 = 3;

/// struct landlock_ruleset_attr (linux/landlock.h)
#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scoped: u64,
}

/// struct landlock_path_beneath_attr, which is packed.
#[repr(C, packed)]
struct Beneath {
    access: u64,
    parent: i32,
}

/// From here on this process reads files beneath `readable` and has no other access to any file; where the kernel can, it
/// also sends no signals to others and reaches none of their abstract Unix sockets. `no_new_privs` must be set.
/// Directories that are not there are left out. What is open stays open.
///
/// # Errors
/// ENOSYS, EOPNOTSUPP: the kernel has no Landlock, or it is off.
pub fn restrict_to_reading(readable: &[PathBuf]) -> io::Result<()> {
    // SAFETY: landlock_create_ruleset(2) with VERSION takes no structure.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    if version < 0 {
        return Err(io::Error::last_os_error());
    }
    // The rights of version 1 are bits 0 to 12; REFER, TRUNCATE and IOCTL_DEV came with 2, 3 and 5.
    let files = match version {
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    // A kernel takes no longer a structure than it knows, but for zeroes.
    let scoped = if version >= 6 { SCOPES } else { 0 };
    let length = if version >= 6 { size_of::<Ruleset>() } else { size_of::<u64>() };
    let attributes = Ruleset { files, network: 0, scoped };
    // SAFETY: the kernel reads `length` bytes of a structure that is at least that long (landlock_create_ruleset(2)).
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, length, 0) };
    if ruleset < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded: a new descriptor that nobody else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
    for path in readable {
        allow_reading(&ruleset, path)?;
    }
    // SAFETY: landlock_restrict_self(2) takes a descriptor and flags.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn allow_reading(ruleset: &OwnedFd, path: &Path) -> io::Result<()> {
    let Ok(directory) = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return Ok(()) };
    let rule = Beneath { access: READ_FILE, parent: directory.as_raw_fd() };
    // SAFETY: the kernel reads one such structure, whose descriptor is open (landlock_add_rule(2)).
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), PATH_BENEATH, &raw const rule, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
