//! The process's own environment.

use std::ffi::OsStr;
use std::io;

/// Sets a variable for this process and its children.
///
/// # Errors
/// Where this process has more than one thread (setenv(3) is not safe then), or /proc cannot say.
pub fn set_while_single_threaded(name: &str, value: &OsStr) -> io::Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("the environment of a process with {threads} threads cannot change")));
    }
    // SAFETY: this is the only thread, as just counted, so nobody reads or writes the environment
    // at the same time (setenv(3), "MT-Unsafe const:env").
    unsafe { std::env::set_var(name, value) };
    Ok(())
}
