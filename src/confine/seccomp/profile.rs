//! The default profile as data: which system calls a container's payload may make.
//!
//! It is Docker's, as of moby/profiles `seccomp/default.json` with Linux 6.13's calls, written more
//! densely: the shape is that of Docker's JSON (names, action, argument conditions, and
//! capabilities or architectures that include or exclude a rule), so that profiles given at run
//! time can become the same [`Rule`]s. What the profile lets through and why is Docker's
//! documentation ("Seccomp security profiles for Docker").
//!
//! Only build.rs and tests compile this file: in rr itself there are no names, only numbers.
//!
//! Not written down here:
//! - the rules for machines rr does not build on (ppc64le, s390x, mips);
//! - `minKernel` of ptrace(2) and process_vm_readv(2), 4.8: rr needs newer system calls than that.

use super::compile::{Action, Comparison, Condition, Defaults, ENOSYS, EPERM};

/// One entry of a profile's `syscalls`.
pub struct Rule {
    /// Names of system calls, separated by white space. A name that an architecture does not have
    /// is passed over there.
    pub names: &'static str,
    /// What happens to a call that the rule matches.
    pub action: Action,
    /// Conditions on arguments; all of them must hold.
    pub conditions: Vec<Condition>,
    /// The rule counts only on these machines (`includes.arches`, Go's names); empty: on all.
    pub machines: &'static [&'static str],
    /// The rule counts only if the bounding set has this capability (`includes.caps`).
    pub with_capability: Option<&'static str>,
    /// The rule counts only if the bounding set lacks this capability (`excludes.caps`).
    pub without_capability: Option<&'static str>,
}

/// What a rule is where it does not say otherwise: the calls of these names are allowed.
fn allow(names: &'static str) -> Rule {
    Rule {
        names,
        action: Action::Allow,
        conditions: Vec::new(),
        machines: &[],
        with_capability: None,
        without_capability: None,
    }
}

/// Allowed where the payload's bounding set has a capability.
fn with(capability: &'static str, names: &'static str) -> Rule {
    Rule { with_capability: Some(capability), ..allow(names) }
}

/// Allowed on some machines only.
fn on(machines: &'static [&'static str], names: &'static str) -> Rule {
    Rule { machines, ..allow(names) }
}

/// Allowed where the first argument compares as said.
fn first_argument(names: &'static str, condition: Condition) -> Rule {
    Rule { conditions: vec![condition], ..allow(names) }
}

fn first(comparison: Comparison, value: u64) -> Condition {
    Condition { argument: 0, comparison, value }
}

/// What happens to calls without a rule: EPERM as the profile says; ENOSYS for newer ones, which is
/// what runc makes of it (libcontainer/seccomp/patchbpf) and what C libraries need to fall back.
pub const DEFAULTS: Defaults = Defaults { known: Action::Errno(EPERM), unknown: Action::Errno(ENOSYS) };

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (clone(2)).
const CLONE_NEW: u64 = 0x7e02_0000;

/// Calls that need no capability, and those the kernel itself guards well.
fn ordinary() -> Rule {
    allow(
        "accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 \
     clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
     clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 \
     epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old \
     eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate \
     fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync \
     fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync \
     ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat \
     getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups \
     getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid \
     getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt \
     get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init \
     inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents \
     io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule \
     landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount \
     listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise \
     map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 \
     mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 \
     mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock \
     munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause \
     pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 \
     prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev \
     pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg \
     remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe \
     rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend \
     rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr \
     sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval \
     sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler \
     sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 \
     sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 \
     setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid \
     setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 \
     setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask \
     sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat \
     sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun \
     timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime \
     timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask \
     uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid \
     waitpid write writev \
     process_vm_readv process_vm_writev ptrace",
    )
}

/// Address families socket(2) takes: what Linux implements, without AF_ALG (38) and AF_VSOCK (40),
/// which reach kernel code and virtual machines that are nobody's business in a container, and
/// without those the kernel dropped (12, 19, 20, 23, 25, 34, 37). Below 12 all are allowed.
const FAMILIES: [u64; 25] =
    [13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45];

/// Every rule of the default profile, in the order of Docker's file.
pub fn rules() -> Vec<Rule> {
    let mut rules = vec![ordinary(), first_argument("socket", first(Comparison::Less, 12))];
    rules.extend(FAMILIES.map(|family| first_argument("socket", first(Comparison::Equal, family))));
    rules.extend(conditional());
    rules
}
/// Rules with conditions.
fn conditional() -> Vec<Rule> {
    vec![
        // PER_LINUX, PER_LINUX32, each also with UNAME26, and the question which it is (personality(2)).
        first_argument("personality", first(Comparison::Equal, 0)),
        first_argument("personality", first(Comparison::Equal, 0x8)),
        first_argument("personality", first(Comparison::Equal, 0x2_0000)),
        first_argument("personality", first(Comparison::Equal, 0x2_0008)),
        first_argument("personality", first(Comparison::Equal, 0xffff_ffff)),
        on(&["arm64"], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
        on(&["amd64"], "arch_prctl modify_ldt"),
        on(&["riscv64"], "riscv_flush_icache"),
        with("DAC_READ_SEARCH", "open_by_handle_at"),
        with(
            "SYS_ADMIN",
            "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr \
         lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl \
         quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
        ),
        // New namespaces only with CAP_SYS_ADMIN. The flags of clone3(2) are behind a pointer that a
        // filter cannot follow: ENOSYS makes C libraries fall back to clone(2).
        Rule {
            conditions: vec![first(Comparison::MaskedEqual { mask: CLONE_NEW }, 0)],
            without_capability: Some("SYS_ADMIN"),
            ..allow("clone")
        },
        Rule { action: Action::Errno(ENOSYS), without_capability: Some("SYS_ADMIN"), ..allow("clone3") },
        with("SYS_BOOT", "reboot"),
        with("SYS_CHROOT", "chroot"),
        with("SYS_MODULE", "delete_module init_module finit_module"),
        with("SYS_PACCT", "acct"),
        with("SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
        with("SYS_RAWIO", "iopl ioperm"),
        with("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
        with("SYS_TTY_CONFIG", "vhangup"),
        with("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
        with("SYSLOG", "syslog"),
        with("BPF", "bpf"),
        with("PERFMON", "perf_event_open"),
    ]
}
