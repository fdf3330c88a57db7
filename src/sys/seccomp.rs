//! System-call filters (seccomp(2)).

use std::io;

/// One instruction of a filter (linux/filter.h).
pub use libc::sock_filter;

/// Installs `program` for the calling thread and whatever it executes. SECCOMP_FILTER_FLAG_SPEC_ALLOW
/// leaves speculative store bypass alone, which filtered processes paid for before Linux 5.16; runc
/// sets it too.
///
/// EACCES: neither `no_new_privs` nor CAP_SYS_ADMIN in the user namespace; EINVAL: not a valid
/// program, or a kernel without CONFIG_SECCOMP_FILTER; ENOSYS: one without CONFIG_SECCOMP.
pub fn install(program: &[sock_filter]) -> io::Result<()> {
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: seccomp(2), SECCOMP_SET_MODE_FILTER: the kernel reads `len` instructions at `filter`
    // during the call and writes none; both are those of a slice that outlives it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            std::ptr::from_ref(&program),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Does the kernel filter system calls at all?
pub fn is_supported() -> bool {
    let allow = libc::SECCOMP_RET_ALLOW;
    // SAFETY: seccomp(2), SECCOMP_GET_ACTION_AVAIL: the kernel reads one u32 during the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, std::ptr::from_ref(&allow)) };
    result == 0
}
