//! The architectures of one machine, and the numbers their system calls have.
//!
//! A 64-bit kernel also runs programs of the machine's 32-bit architectures. They number their
//! calls differently, so a filter that let them pass unseen would be none.
//!
//! Only build.rs and tests compile this file.

use super::capability_names::bits_of;
use super::compile::{Entry, Table, Words};
use super::profile::Rule;

/// One architecture as programs see it.
pub struct Abi {
    /// libseccomp's name, as in Docker's profiles (`SCMP_ARCH_…`).
    pub name: &'static str,
    /// AUDIT_ARCH_* (linux/audit.h).
    pub audit: u32,
    /// First number; not 0 for x32 only.
    from: u32,
    words: Words,
    /// Numbers from here on, counted from `from`, are the architecture's own, out of the order in
    /// which calls were added to Linux.
    pub private_from: u32,
    /// The names of its calls, and perhaps some that it does not have.
    pub names: fn() -> Vec<&'static str>,
    /// The number of a name; None where the architecture has no such call.
    pub number: fn(&str) -> Option<u32>,
}

const X86_64: Abi = Abi {
    name: "X86_64",
    audit: 0xc000_003e,
    from: 0,
    words: Words::Wide,
    private_from: u32::MAX,
    names: || syscalls::x86_64::Sysno::iter().map(|call| call.name()).collect(),
    number: |name| name.parse::<syscalls::x86_64::Sysno>().ok().map(|call| call.id() as u32),
};

/// x86-64 with 32-bit pointers: numbers with bit 30 set (`__X32_SYSCALL_BIT`).
const X32: Abi = Abi {
    name: "X32",
    audit: X86_64.audit,
    from: 1 << 30,
    words: Words::Narrow,
    private_from: 512,
    names: X86_64.names,
    number: x32,
};

const X86: Abi = Abi {
    name: "X86",
    audit: 0x4000_0003,
    from: 0,
    words: Words::Narrow,
    private_from: u32::MAX,
    names: || syscalls::x86::Sysno::iter().map(|call| call.name()).collect(),
    number: |name| name.parse::<syscalls::x86::Sysno>().ok().map(|call| call.id() as u32),
};

const AARCH64: Abi = Abi {
    name: "AARCH64",
    audit: 0xc000_00b7,
    from: 0,
    words: Words::Wide,
    private_from: u32::MAX,
    names: aarch64_names,
    number: aarch64,
};

const ARM: Abi = Abi {
    name: "ARM",
    audit: 0x4000_0028,
    from: 0,
    words: Words::Narrow,
    private_from: 0x0f_0000,
    names: arm_names,
    number: arm,
};

const RISCV64: Abi = Abi {
    name: "RISCV64",
    audit: 0xc000_00f3,
    from: 0,
    words: Words::Wide,
    private_from: u32::MAX,
    names: || syscalls::riscv64::Sysno::iter().map(|call| call.name()).collect(),
    number: |name| name.parse::<syscalls::riscv64::Sysno>().ok().map(|call| call.id() as u32),
};

/// A kind of machine, with its architectures: its own first.
pub struct Machine {
    /// Rust's name (`target_arch`).
    pub rust: &'static str,
    /// Go's name, as in Docker's profiles.
    pub go: &'static str,
    /// Its own first; those that share an audit value side by side.
    pub abis: &'static [Abi],
}

/// Every kind of machine rr can be built for.
pub const MACHINES: [Machine; 3] = [
    Machine { rust: "x86_64", go: "amd64", abis: &[X86_64, X32, X86] },
    Machine { rust: "aarch64", go: "arm64", abis: &[AARCH64, ARM] },
    Machine { rust: "riscv64", go: "riscv64", abis: &[RISCV64] },
];

/// Calls that x32 numbers from 512 on, since their structures are those of 32 bits
/// (arch/x86/entry/syscalls/syscall_64.tbl, abi "x32").
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// Calls that x32 does not have at all (there, abi "64").
const NOT_X32: [&str; 14] = [
    "uselib",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "nfsservctl",
    "set_thread_area",
    "get_thread_area",
    "epoll_ctl_old",
    "epoll_wait_old",
    "vserver",
    "uretprobe",
    "uprobe",
    "map_shadow_stack",
];

fn x32(name: &str) -> Option<u32> {
    if NOT_X32.contains(&name) {
        return None;
    }
    let number = match X32_OWN.iter().position(|own| *own == name) {
        Some(at) => 512 + at as u32,
        None => (X86_64.number)(name)?,
    };
    Some(X32.from + number)
}

fn aarch64(name: &str) -> Option<u32> {
    // Two errors of syscalls 0.8: the name of number 79, and calls for 64-bit times (403 to 423), which
    // only 32-bit architectures have (include/uapi/asm-generic/unistd.h).
    if name == "newfstatat" {
        return Some(79);
    }
    let number = name.parse::<syscalls::aarch64::Sysno>().ok()?.id() as u32;
    (!(403..=423).contains(&number)).then_some(number)
}

fn aarch64_names() -> Vec<&'static str> {
    syscalls::aarch64::Sysno::iter().map(|call| call.name()).chain(["newfstatat"]).collect()
}

/// From `__ARM_NR_BASE` + 1 on (arch/arm/include/uapi/asm/unistd.h).
const ARM_OWN: [&str; 6] = ["breakpoint", "cacheflush", "usr26", "usr32", "set_tls", "get_tls"];

fn arm_names() -> Vec<&'static str> {
    syscalls::arm::Sysno::iter().map(|call| call.name()).chain(ARM_OWN).collect()
}

fn arm(name: &str) -> Option<u32> {
    match ARM_OWN.iter().position(|own| *own == name) {
        Some(at) => Some(ARM.private_from + 1 + at as u32),
        None => name.parse::<syscalls::arm::Sysno>().ok().map(|call| call.id() as u32),
    }
}

/// One rule with its numbers in one architecture.
pub struct NumberedRule {
    /// Ascending.
    pub numbers: Vec<u32>,
    /// The rule.
    pub rule: Rule,
}

/// An architecture with a profile's rules.
pub struct NumberedTable {
    /// The architecture.
    pub abi: &'static Abi,
    /// The first number newer than any that the profile names.
    pub unknown_from: u32,
    /// Those of the profile's rules that name a call the architecture has.
    pub rules: Vec<NumberedRule>,
}

impl Machine {
    /// The profile's rules with numbers, a table an architecture. `profile` makes the rules anew.
    pub fn tables(&self, profile: fn() -> Vec<Rule>) -> Vec<NumberedTable> {
        self.abis.iter().map(|abi| self.table(abi, profile())).collect()
    }

    fn table(&self, abi: &'static Abi, rules: Vec<Rule>) -> NumberedTable {
        let mut newest = 0;
        let mut numbered = Vec::new();
        for rule in rules {
            if !rule.machines.is_empty() && !rule.machines.contains(&self.go) {
                continue;
            }
            let mut numbers: Vec<u32> = rule.names.split_whitespace().filter_map(abi.number).collect();
            numbers.sort_unstable();
            newest = numbers.iter().map(|n| n - abi.from).filter(|n| *n < abi.private_from).fold(newest, u32::max);
            if !numbers.is_empty() {
                numbered.push(NumberedRule { numbers, rule });
            }
        }
        NumberedTable { abi, unknown_from: abi.from + newest + 1, rules: numbered }
    }
}

impl NumberedTable {
    /// The table's entries as [`Table::entries`] borrows them.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let bits = |capability: Option<&'static str>| bits_of(capability.as_slice());
        self.rules
            .iter()
            .map(|NumberedRule { numbers, rule }| Entry {
                numbers,
                action: rule.action,
                conditions: &rule.conditions,
                with_capabilities: bits(rule.with_capability),
                without_capabilities: bits(rule.without_capability),
            })
            .collect()
    }

    /// What the compiler takes.
    pub fn with_entries<'a>(&self, entries: &'a [Entry<'a>]) -> Table<'a> {
        Table {
            audit: self.abi.audit,
            from: self.abi.from,
            words: self.abi.words,
            unknown_from: self.unknown_from,
            entries,
        }
    }
}
