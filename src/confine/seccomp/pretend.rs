//! In a container of one id: calls that change owners and users seem to succeed.
//!
//! Package managers give files to other users and become others themselves; where only one id is mapped the kernel
//! answers EINVAL, and they give up. Nothing is lost by letting them believe it: there is one user, who has all
//! files and whom nothing separates from itself. So the filter answers those calls, without making them, with
//! success (SECCOMP_RET_ERRNO with errno 0). Charliecloud found that this is enough for package managers.
//!
//! It is a filter of its own before the other: of two verdicts of one kind the kernel takes that of the filter that was
//! installed last, and an errno goes before an allowance (seccomp(2)). So what the other refuses is refused still, but
//! for these calls.

use super::built::{NAMES, TABLES};
use super::compile::{Action, Comparison, Condition, Defaults, Entry, Table, compile};
use crate::sys::seccomp::sock_filter;

/// What becomes of changes of owner and user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The kernel decides.
    Real,
    /// They seem to succeed.
    Pretended,
}

/// Calls that do nothing.
const NOTHING: [&str; 28] = [
    "chown",
    "chown32",
    "fchown",
    "fchown32",
    "fchownat",
    "lchown",
    "lchown32",
    "setfsgid",
    "setfsgid32",
    "setfsuid",
    "setfsuid32",
    "setgid",
    "setgid32",
    "setgroups",
    "setgroups32",
    "setregid",
    "setregid32",
    "setresgid",
    "setresgid32",
    "setresuid",
    "setresuid32",
    "setreuid",
    "setreuid32",
    "setuid",
    "setuid32",
    // In a user namespace nobody may do these; installers of packages try.
    "kexec_load",
    "kexec_file_load",
    "swapon",
];

/// S_IFMT (inode(7)).
const KIND: u64 = 0o170_000;
const CHARACTER_DEVICE: u64 = 0o020_000;
const BLOCK_DEVICE: u64 = 0o060_000;

/// mknod(2) makes no device where these hold: its kind, and a number that is not overlay's whiteout, which anybody may
/// make.
fn is_device(mode: u8, kind: u64) -> [Condition; 2] {
    let masked = Comparison::MaskedEqual { mask: KIND };
    [
        Condition { argument: mode, comparison: masked, value: kind },
        Condition { argument: mode + 1, comparison: Comparison::NotEqual, value: 0 },
    ]
}

/// The program.
pub(super) fn program() -> Vec<sock_filter> {
    let devices = |mode| [is_device(mode, CHARACTER_DEVICE), is_device(mode, BLOCK_DEVICE)];
    let (mknod, mknodat) = (devices(1), devices(2));
    let rules: Vec<(&[&str], &[Condition])> = std::iter::once((&NOTHING[..], &[][..]))
        .chain(mknod.iter().map(|conditions| (&["mknod"][..], &conditions[..])))
        .chain(mknodat.iter().map(|conditions| (&["mknodat"][..], &conditions[..])))
        .collect();
    let numbers: Vec<Vec<Vec<u32>>> = (0..TABLES.len())
        .map(|abi| rules.iter().map(|(names, _)| names.iter().filter_map(|name| number(name, abi)).collect()).collect())
        .collect();
    let entries: Vec<Vec<Entry<'_>>> = numbers
        .iter()
        .map(|numbers| {
            let rules = rules.iter().zip(numbers);
            rules
                .map(|((_, conditions), numbers)| Entry {
                    numbers,
                    action: Action::Errno(0),
                    conditions,
                    with_capabilities: 0,
                    without_capabilities: 0,
                })
                .collect()
        })
        .collect();
    let tables: Vec<Table<'_>> =
        TABLES.iter().zip(&entries).map(|(table, entries)| Table { entries, ..*table }).collect();
    let program = compile(&tables, Defaults { known: Action::Allow, unknown: Action::Allow }, 0);
    program.into_iter().map(|i| sock_filter { code: i.code, jt: i.jump_true, jf: i.jump_false, k: i.operand }).collect()
}

fn number(name: &str, abi: usize) -> Option<u32> {
    let at = NAMES.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(NAMES[at].1[abi]).filter(|number| *number != u32::MAX)
}
