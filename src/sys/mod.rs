//! Typed wrappers over the system calls that rustix and nix do not offer safely.
//!
//! House rule: rustix first; nix for signals, signalfd and termios; raw libc here only. Each block
//! of unsafe code names the invariant it relies on and the manual page that states it.

pub mod caps;
pub mod env;
pub mod landlock;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod net;
pub mod netlink;
pub mod process;
pub mod ready;
pub mod rlimit;
pub mod seccomp;
#[cfg(test)]
pub mod testing;
pub mod trampoline;
pub mod tun;
