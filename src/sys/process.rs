//! Making processes: fork(2), clone3(2), execve(2), and what must be put right around them.

use super::trampoline;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Which side of a clone the caller finds itself on.
pub enum Cloned {
    /// The caller; the new process is described by [`Child`].
    Parent(Child),
    /// The new process.
    Child,
}

/// A child process by its pid file descriptor, which cannot be confused with a later process.
#[derive(Debug)]
pub struct Child {
    /// Process id in the caller's pid namespace.
    pub pid: i32,
    /// pidfd (pidfd_open(2)).
    pub pidfd: OwnedFd,
}

/// Namespaces to make (clone(2)); a set of CLONE_NEW… bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(u64);

impl Namespaces {
    /// Those of the caller.
    pub const NONE: Namespaces = Namespaces(0);
    /// user_namespaces(7)
    pub const USER: Namespaces = Namespaces(libc::CLONE_NEWUSER as u64);
    /// mount_namespaces(7)
    pub const MOUNT: Namespaces = Namespaces(libc::CLONE_NEWNS as u64);
    /// pid_namespaces(7)
    pub const PID: Namespaces = Namespaces(libc::CLONE_NEWPID as u64);
    /// uts_namespaces(7)
    pub const UTS: Namespaces = Namespaces(libc::CLONE_NEWUTS as u64);
    /// ipc_namespaces(7)
    pub const IPC: Namespaces = Namespaces(libc::CLONE_NEWIPC as u64);
    /// network_namespaces(7)
    pub const NETWORK: Namespaces = Namespaces(libc::CLONE_NEWNET as u64);
    /// cgroup_namespaces(7)
    pub const CGROUP: Namespaces = Namespaces(libc::CLONE_NEWCGROUP as u64);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }

    /// Whether all of the other's are in this set.
    #[must_use]
    pub const fn contains(self, other: Namespaces) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set but for the other's.
    #[must_use]
    pub const fn without(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 & !other.0)
    }
}

/// Makes a process in new namespaces with clone3(2), keeping a pidfd of it.
///
/// The child has its own copy of memory, so everything the parent had is there. It must not have
/// been multi-threaded: a lock that another thread held would stay locked for ever.
pub fn clone_into(namespaces: Namespaces) -> io::Result<Cloned> {
    clone(namespaces.0, libc::SIGCHLD as u64, None)
}

/// As [`clone_into`], and the new process is born in the control group whose directory is `group` (Linux 5.7): a later
/// move would wait for all processors. A cgroup namespace that is made by the same call is rooted at the caller's group
/// all the same.
pub fn clone_into_group(namespaces: Namespaces, group: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    clone(namespaces.0, libc::SIGCHLD as u64, group)
}

/// As [`clone_into`], but the new process is a child of the caller's parent (clone(2), CLONE_PARENT), which hears of
/// its end as it does of the caller's.
pub fn clone_beside(namespaces: Namespaces) -> io::Result<Cloned> {
    // The signal is the caller's own; one that is given is EINVAL.
    clone(namespaces.0 | libc::CLONE_PARENT as u64, 0, None)
}

/// CLONE_INTO_CGROUP of linux/sched.h; libc's is cut off to 32 bits.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn clone(flags: u64, exit_signal: u64, group: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid clone_args (clone3(2): unused fields must be zero).
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = exit_signal;
    if let Some(group) = group {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: no CLONE_VM and no stack, so the child runs on a copy of this stack as after fork(2);
    // `args` is a live clone_args of the size passed, and `pidfd` lives until after the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    // Docker's seccomp filter, which cannot look into clone3's structure, answers so in order that clone(2) is tried.
    let pid = match pid {
        -1 if io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) => {
            clone_by_flags(args.flags | exit_signal, &raw mut pidfd)
        }
        pid => pid,
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: clone3 or clone succeeded with CLONE_PIDFD, so `pidfd` is a new descriptor nobody else owns.
        pid => Ok(Cloned::Parent(Child { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })),
    }
}

/// clone(2), with the exit signal in the lowest byte of `flags`, and CLONE_PIDFD among them.
fn clone_by_flags(flags: u64, pidfd: *mut RawFd) -> libc::c_long {
    // SAFETY: as for clone3: no CLONE_VM and no stack. With CLONE_PIDFD the kernel writes one descriptor where the third
    // argument points, on every architecture; `pidfd` lives until after the call. The others are unused.
    unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, pidfd, 0usize, 0usize) }
}

/// fork(3) of the C library: unlike [`clone_into`] it leaves the library fit for threads in the
/// child. The caller must be single-threaded.
pub fn fork() -> io::Result<Cloned> {
    // SAFETY: fork(3) has no memory preconditions; being single-threaded keeps every lock free.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            let raw = rustix::process::Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork returned no pid"))?;
            let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty())?;
            Ok(Cloned::Parent(Child { pid, pidfd }))
        }
    }
}

/// Ends this process at once, running no destructors and no atexit(3) functions: a forked child
/// must not flush or undo what belongs to its parent.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) is always safe to call and does not return.
    unsafe { libc::_exit(status) }
}

/// unshare(2) of the user namespace; the process keeps its ids, unmapped, with all capabilities inside.
pub fn unshare_user() -> io::Result<()> {
    // SAFETY: CLONE_NEWUSER touches credentials only, no memory and no descriptors (unshare(2)).
    match unsafe { libc::unshare(libc::CLONE_NEWUSER) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// unshare(2) of the user namespace and, owned by the new one, of the mount namespace: its mounts are
/// slaves of the former ones.
pub fn unshare_user_and_mounts() -> io::Result<()> {
    // SAFETY: CLONE_NEWUSER and CLONE_NEWNS (which implies CLONE_FS) touch credentials, root and working
    // directory, no memory and no descriptors (unshare(2)).
    match unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// unshare(2) of namespaces but the user's, by root of a user namespace. For the mount namespace too the process must
/// be single-threaded; of the pid namespace the next child is process 1, and this process is no member.
pub fn unshare(namespaces: Namespaces) -> io::Result<()> {
    // SAFETY: the CLONE_NEW… bits touch credentials, namespaces, root and working directory, no memory and no
    // descriptors (unshare(2)); no other bit can be in the set.
    match unsafe { libc::unshare(namespaces.0 as libc::c_int) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Marks every descriptor from `first` on close-on-exec (close_range(2), Linux 5.11; before that
/// through /proc/self/fd).
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: CLOSE_RANGE_CLOEXEC closes nothing, so no owned descriptor becomes invalid.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if result == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if fd >= first {
            // SAFETY: F_SETFD changes a flag of a descriptor; one that is gone gives EBADF, which is fine.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Closes every descriptor from `first` on, whoever owns it. Only for a process that from here on
/// uses no descriptor and returns to no caller that would.
pub fn close_all_from(first: RawFd) {
    // SAFETY: owners elsewhere in this process would close a number that is no longer theirs; the
    // contract above says that none of them runs again. Errors: ENOSYS before Linux 5.9.
    unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) };
}

/// Closes every descriptor but `kept` and the three standard streams, whoever owns it. Only for a process that from
/// here on uses no other and returns to no caller that would.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    kept.sort_unstable();
    let mut first = libc::STDERR_FILENO + 1;
    for fd in kept {
        if fd > first {
            // SAFETY: as for `close_all_from`.
            unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, (fd - 1) as libc::c_uint, 0) };
        }
        first = first.max(fd + 1);
    }
    close_all_from(first);
}

/// Closes what this process was started with beyond the three standard streams: rr's own descriptors
/// are close-on-exec, so what is not has come through execve(2) from whoever started it, and nobody
/// here owns it.
pub fn close_inherited() -> io::Result<()> {
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        // SAFETY: F_GETFD reads a flag; one that is gone (the directory's own) gives EBADF.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if fd > libc::STDERR_FILENO && flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
            inherited.push(fd);
        }
    }
    for fd in inherited {
        // SAFETY: without FD_CLOEXEC it was opened by nobody in this process (fcntl(2)), so no owner is
        // left with a number that is no longer its own.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// The signal of this number, real-time signals (from 34 on, signal(7)) included; None for a number
/// that cannot be sent, or that the C library keeps for itself.
pub fn signal(number: i32) -> Option<rustix::process::Signal> {
    rustix::process::Signal::from_named_raw(number).or_else(|| {
        let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
        // SAFETY: the range leaves out what the C library uses for its threads, which is all that
        // `from_raw_unchecked` asks for.
        real_time.contains(&number).then(|| unsafe { rustix::process::Signal::from_raw_unchecked(number) })
    })
}

/// Gives every signal its default action and unblocks all: ignored and blocked signals survive
/// execve(2), and the Rust runtime ignores SIGPIPE.
pub fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL installs no handler code. SIGKILL, SIGSTOP and the C library's own two
        // signals give EINVAL, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: `set` is initialised by sigemptyset before use; sigprocmask reads it only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Words for execve(2), allocated before the descriptors and privileges are given up.
pub struct ExecWords {
    args: Vec<CString>,
    env: Vec<CString>,
}

impl ExecWords {
    /// Fails where a word holds a NUL byte.
    pub fn new(args: &[String], env: &[String]) -> Result<ExecWords, String> {
        let strings = |words: &[String]| {
            words
                .iter()
                .map(|word| {
                    CString::new(word.as_str()).map_err(|_| format!("`{}` holds a NUL byte", word.escape_debug()))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(ExecWords { args: strings(args)?, env: strings(env)? })
    }

    /// execve(2) of `path`; returns only on failure.
    pub fn exec(&self, path: &Path) -> io::Error {
        use std::os::unix::ffi::OsStrExt;
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
            return io::Error::from_raw_os_error(libc::ENOENT);
        };
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        // SAFETY: both arrays end with a null pointer and point to NUL-terminated strings that
        // `self` keeps alive; execve returns only on failure (execve(2)).
        unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
        io::Error::last_os_error()
    }

    /// Executes `trampoline` (see [`super::trampoline`]), which executes the first of `candidates` that can be and
    /// tells `report` why none could. Returns only on failure, and never back to code that owns descriptors.
    pub fn exec_by(&self, trampoline: OwnedFd, report: OwnedFd, candidates: &[CString]) -> io::Error {
        use rustix::io::fcntl_dupfd_cloexec;
        let out_of_the_way = |fd: OwnedFd| fcntl_dupfd_cloexec(&fd, trampoline::REPORT + 1);
        let (trampoline, report) = match (out_of_the_way(trampoline), out_of_the_way(report)) {
            (Ok(trampoline), Ok(report)) => (trampoline, report),
            (Err(errno), _) | (_, Err(errno)) => return errno.into(),
        };
        let words: Vec<CString> =
            candidates.iter().cloned().chain([CString::default()]).chain(self.args.iter().cloned()).collect();
        let (args, env) = (pointers(&words), pointers(&self.env));
        // SAFETY: dup2(2) closes what has the number REPORT, whose owner is not heard of again, by the contract above.
        // Both arrays end with a null pointer and point to NUL-terminated strings that live; execveat(2) of a
        // descriptor takes an empty path and returns only on failure. write(2) reads the array's four bytes.
        unsafe {
            if libc::dup2(report.as_raw_fd(), trampoline::REPORT) >= 0 {
                libc::syscall(
                    libc::SYS_execveat,
                    trampoline.as_raw_fd(),
                    c"".as_ptr(),
                    args.as_ptr(),
                    env.as_ptr(),
                    libc::AT_EMPTY_PATH,
                );
                // As the trampoline itself would: whoever reads the report may hear of it in no other way.
                let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0).to_ne_bytes();
                libc::write(trampoline::REPORT, errno.as_ptr().cast(), errno.len());
                return io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
            }
        }
        io::Error::last_os_error()
    }
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| CStr::as_ptr(word)).chain([std::ptr::null()]).collect()
}

/// Starts a program with these three standard streams.
///
/// By a plain fork rather than vfork(2), which std's `Command` uses: there the caller stands still until
/// the child executes and then until it gets a processor again, so that of two programs started one
/// after the other the second began when the first had ended. The caller must be single-threaded.
pub fn spawn(path: &Path, words: &ExecWords, streams: [BorrowedFd<'_>; 3]) -> io::Result<Child> {
    spawn_prepared(path, words, streams, || Ok(()))
}

/// As [`spawn`], as the leader of a process group of its own (setpgid(2)): whoever signals the group reaches all that
/// the program starts, and the terminal's keys reach none of it.
pub fn spawn_leader(path: &Path, words: &ExecWords, streams: [BorrowedFd<'_>; 3]) -> io::Result<Child> {
    spawn_prepared(path, words, streams, || rustix::process::setpgid(None, None))
}

fn spawn_prepared(
    path: &Path,
    words: &ExecWords,
    [stdin, stdout, stderr]: [BorrowedFd<'_>; 3],
    prepare: impl FnOnce() -> rustix::io::Result<()>,
) -> io::Result<Child> {
    match clone_into(Namespaces::NONE)? {
        Cloned::Parent(child) => Ok(child),
        Cloned::Child => {
            reset_signals();
            let placed = rustix::stdio::dup2_stdin(stdin)
                .and_then(|()| rustix::stdio::dup2_stdout(stdout))
                .and_then(|()| rustix::stdio::dup2_stderr(stderr))
                .and_then(|()| prepare());
            if placed.is_ok() {
                words.exec(path);
            }
            // As a shell's: not to be executed.
            exit_now(127)
        }
    }
}
