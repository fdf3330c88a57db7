//! What the network's process keeps: its descriptors, sockets of IP, and reading what the host's resolv.conf needs.
//!
//! Whatever a frame might do to it, it has no capability and gets none, executes nothing, starts nothing, signals nobody,
//! is traced by nobody of its user's, opens no other file, and makes no other kind of socket.

use crate::confine::seccomp::{self, Argument};
use crate::error::{Doing, Result};
use crate::sys::{caps, landlock};
use rustix::process::DumpableBehavior;
use std::path::PathBuf;

/// Gives up all else, for good. `readable` are directories.
///
/// # Errors
/// The system's. Where the kernel has no Landlock, the filter alone must do: files that the user can read stay readable.
pub(super) fn enter(readable: &[PathBuf]) -> Result<()> {
    let doing = || "cannot give up the network process's privileges";
    caps::set_no_new_privileges().doing(doing)?;
    caps::set_sets(0, 0).doing(doing)?;
    // Nobody of this user reads its memory or takes it over (ptrace(2)).
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(doing)?;
    if let Err(error) = landlock::restrict_to_reading(readable) {
        log::debug!("no Landlock: {error}");
    }
    crate::sys::seccomp::install(&filter()).doing(doing)
}

/// Calls that need no look at their arguments.
const ALLOWED: &[libc::c_long] = &[
    // The loop, its frames and its sockets.
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_ctl,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_close,
    // The host's resolv.conf.
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_readlinkat,
    // Time, chance, memory, the end.
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // What abort(3) needs to be seen as a crash.
    libc::SYS_gettid,
    libc::SYS_getpid,
];

/// The older calls that only some architectures have, and the C library still makes there.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[libc::SYS_epoll_wait, libc::SYS_stat, libc::SYS_lstat, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

fn filter() -> Vec<crate::sys::seccomp::sock_filter> {
    let is = |place, value: i32| Argument { place, mask: u64::MAX, value: value as u64 };
    let clear = |place, bits: i32| Argument { place, mask: bits as u64, value: 0 };
    let mut calls: Vec<(libc::c_long, Option<Argument>)> = Vec::new();
    calls.extend(ALLOWED.iter().chain(OLDER).map(|call| (*call, None)));
    calls.extend([
        (libc::SYS_socket, Some(is(0, libc::AF_INET))),
        (libc::SYS_socket, Some(is(0, libc::AF_INET6))),
        // Between the stack and its own name server.
        (libc::SYS_socketpair, Some(is(0, libc::AF_UNIX))),
        (libc::SYS_openat, Some(clear(2, libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC))),
        // Nothing becomes executable.
        (libc::SYS_mmap, Some(clear(2, libc::PROT_EXEC))),
        (libc::SYS_mprotect, Some(clear(2, libc::PROT_EXEC))),
        (libc::SYS_fcntl, Some(is(1, libc::F_GETFL))),
        (libc::SYS_fcntl, Some(is(1, libc::F_SETFL))),
        (libc::SYS_fcntl, Some(is(1, libc::F_DUPFD_CLOEXEC))),
        // The interface of a link-local name server.
        (libc::SYS_ioctl, Some(is(1, libc::SIOCGIFINDEX as i32))),
    ]);
    seccomp::only(&calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Cloned, exit_now, fork};
    use rustix::net::{AddressFamily, SocketType};
    use rustix::process::{WaitId, WaitIdOptions};
    use std::os::fd::AsFd;

    /// Whether `test` holds inside.
    fn inside(test: impl FnOnce() -> bool) -> bool {
        match fork().unwrap() {
            Cloned::Child => {
                let entered = enter(&[PathBuf::from("/etc")]).is_ok();
                exit_now(if entered { i32::from(!test()) } else { 2 })
            }
            Cloned::Parent(child) => {
                let status = rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
                status.unwrap().unwrap().exit_status() == Some(0)
            }
        }
    }

    #[test]
    fn what_it_needs_is_there() {
        assert!(inside(|| {
            rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).is_ok()
                && rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, None).is_ok()
                && std::fs::read("/etc/hosts").is_ok()
                && !vec![1_u8; 8 << 20].is_empty()
        }));
    }

    #[test]
    fn nothing_else_is() {
        assert!(inside(|| rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).is_err()));
        assert!(inside(|| rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).is_err()));
        assert!(inside(|| fork().is_err()));
        assert!(inside(|| std::fs::File::create("/tmp/never").is_err()));
        assert!(inside(|| std::fs::read_dir("/").is_err()));
        assert!(inside(
            || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).is_err()
        ));
        assert!(inside(|| caps::set_sets(1, 0).is_err()));
    }

    #[test]
    fn with_landlock_no_other_file_is_read() {
        // In a process of its own, which is confined from then on.
        let supported = match fork().unwrap() {
            Cloned::Child => {
                let restricted = caps::set_no_new_privileges().is_ok() && landlock::restrict_to_reading(&[]).is_ok();
                exit_now(i32::from(!restricted))
            }
            Cloned::Parent(child) => {
                let status = rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
                status.unwrap().unwrap().exit_status() == Some(0)
            }
        };
        assert_eq!(inside(|| std::fs::read("/proc/self/status").is_err()), supported);
    }
}
