//! From rules with numbers to a program for seccomp(2), in classic BPF (bpf(4), Linux
//! Documentation/userspace-api/seccomp_filter.rst).
//!
//! The kernel runs the program at each system call, on `struct seccomp_data`: number, architecture,
//! instruction pointer, six arguments of 64 bits. The shape of the program is
//!
//! ```text
//! load the architecture; one comparison an architecture; none of them: kill
//! load the number; binary search over ranges of numbers with equal verdicts; return
//!     a verdict that depends on arguments: load an argument; compare; return
//! ```
//!
//! A range takes one comparison, and a profile has few ranges since neighbours mostly share their
//! verdict. Only loads of number and architecture, comparisons and returns are used before a
//! verdict that does not depend on arguments: that is what Linux 5.11 and later understand
//! (`seccomp_is_const_allow`), so that they remember those calls as allowed when the program is
//! installed and do not run it for them at all.
//!
//! The program is written back to front, because all jumps of classic BPF go forward: whatever is
//! jumped to is already there, and its distance is known.
//!
//! This file uses nothing of the rest of rr: build.rs compiles it too, to make the filter for the
//! default capabilities when rr is built. Others are made by the same code when they are asked for.

/// Operation not permitted (errno(3)).
pub const EPERM: u16 = 1;
/// No such system call (errno(3)).
pub const ENOSYS: u16 = 38;

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Allow,
    /// It is not made and fails with this errno.
    Errno(u16),
    /// The process is killed by SIGSYS.
    KillProcess,
    /// The thread is.
    KillThread,
    /// The thread gets a SIGSYS that it can handle.
    Trap,
    /// A tracer decides, and is told this number; without one the call fails with ENOSYS.
    Trace(u16),
    /// It is made, and the kernel's log says so.
    Log,
}

impl Action {
    /// The program's return value (linux/seccomp.h, SECCOMP_RET_*).
    pub fn code(self) -> u32 {
        match self {
            Action::Allow => 0x7fff_0000,
            Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap => 0x0003_0000,
            Action::Trace(message) => 0x7ff0_0000 | u32::from(message),
            Action::Log => 0x7ffc_0000,
        }
    }
}

/// How an argument compares with a value, both without sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// The argument's bits under `mask` are the value's.
    MaskedEqual {
        mask: u64,
    },
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// 0 to 5
    pub argument: u8,
    /// How it compares.
    pub comparison: Comparison,
    /// With what.
    pub value: u64,
}

impl Condition {
    /// Does the condition hold for this value of its argument?
    fn holds(self, argument: u64) -> bool {
        match self.comparison {
            Comparison::Equal => argument == self.value,
            Comparison::NotEqual => argument != self.value,
            Comparison::Less => argument < self.value,
            Comparison::LessOrEqual => argument <= self.value,
            Comparison::Greater => argument > self.value,
            Comparison::GreaterOrEqual => argument >= self.value,
            Comparison::MaskedEqual { mask } => argument & mask == self.value & mask,
        }
    }
}

/// One rule of a profile, for one architecture. Capabilities are bit sets, bit n for number n.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The numbers of its system calls.
    pub numbers: &'a [u32],
    /// What happens to calls that match.
    pub action: Action,
    /// All of them must hold; none: the rule matches always.
    pub conditions: &'a [Condition],
    /// The rule counts only if the bounding set holds all of these.
    pub with_capabilities: u64,
    /// The rule counts only if the bounding set holds none of these.
    pub without_capabilities: u64,
}

impl Entry<'_> {
    fn counts(&self, capabilities: u64) -> bool {
        self.with_capabilities & !capabilities == 0 && self.without_capabilities & capabilities == 0
    }
}

/// How wide an architecture's arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// 64 bits.
    Wide,
    /// 32 bits: the upper half is not looked at.
    Narrow,
}

/// One architecture's rules.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// AUDIT_ARCH_* (linux/audit.h). Tables that share it stand next to each other, sorted by
    /// `from`.
    pub audit: u32,
    /// The first number that belongs to this table; 0 but for x32, whose numbers have bit 30 set.
    pub from: u32,
    /// Width of the arguments.
    pub words: Words,
    /// Calls from here on that no rule mentions are newer than the profile.
    pub unknown_from: u32,
    /// In the order in which they match.
    pub entries: &'a [Entry<'a>],
}

/// What happens to calls without a rule.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// To those the profile's authors could have named.
    pub known: Action,
    /// To those that are newer than the profile ([`Table::unknown_from`]). ENOSYS makes programs
    /// fall back, where EPERM makes them fail.
    pub unknown: Action,
}

/// One instruction (struct sock_filter, linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub operand: u32,
}

// linux/bpf_common.h
const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

// Offsets into struct seccomp_data (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Makes the program for a payload with this bounding set. `tables` holds the machine's own
/// architecture first: it is reached with the fewest instructions.
///
/// Where several rules name one call, the first without conditions decides alone; else the first
/// whose conditions hold. libseccomp does the same.
pub fn compile(tables: &[Table<'_>], defaults: Defaults, capabilities: u64) -> Vec<Instruction> {
    let mut program = Program { reversed: Vec::new() };
    // Tables of one architecture value are one chain, told apart by the number.
    let mut entrances: Vec<(u32, Target)> = Vec::new();
    for group in tables.chunk_by(|a, b| a.audit == b.audit).rev() {
        let mut runs: Vec<(u32, Target)> = Vec::new();
        for table in group.iter().rev() {
            let tree = program.table(table, defaults, capabilities);
            runs.insert(0, (table.from, tree));
        }
        let tree = program.search(&runs);
        entrances.insert(0, (group[0].audit, program.load(NUMBER, tree)));
    }
    let mut next = Target::Return(Action::KillProcess);
    for (audit, entrance) in entrances.into_iter().rev() {
        next = program.test(JUMP_EQUAL, audit, entrance, next);
    }
    program.load(ARCHITECTURE, next);
    program.reversed.reverse();
    program.reversed
}

/// Where a jump goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To an instruction that returns this.
    Return(Action),
    /// To the instruction that is followed by this many less one.
    Label(usize),
}

/// A program under construction, last instruction first.
struct Program {
    reversed: Vec<Instruction>,
}

/// The furthest a jump made here may go; classic BPF's conditional jumps reach 255, and a few
/// instructions may come between.
const REACH: usize = 250;

impl Program {
    fn push(&mut self, code: u16, jump_true: u8, jump_false: u8, operand: u32) -> Target {
        self.reversed.push(Instruction { code, jump_true, jump_false, operand });
        Target::Label(self.reversed.len())
    }

    /// The label of `target`, after making sure that it is near enough for a conditional jump.
    fn near(&mut self, target: Target) -> usize {
        let here = self.reversed.len();
        let label = match target {
            Target::Return(action) => self.reversed[here.saturating_sub(REACH)..]
                .iter()
                .rposition(|known| known.code == RETURN && known.operand == action.code())
                .map(|at| here.saturating_sub(REACH) + at + 1),
            Target::Label(label) => (here - label <= REACH).then_some(label),
        };
        let made = match (label, target) {
            (Some(label), _) => return label,
            (None, Target::Return(action)) => self.push(RETURN, 0, 0, action.code()),
            (None, Target::Label(label)) => self.push(JUMP, 0, 0, (here - label) as u32),
        };
        let Target::Label(label) = made else { unreachable!("push makes labels") };
        label
    }

    /// A conditional jump.
    fn test(&mut self, code: u16, operand: u32, holds: Target, fails: Target) -> Target {
        if holds == fails {
            return holds;
        }
        let (holds, fails) = (self.near(holds), self.near(fails));
        let here = self.reversed.len();
        // `near` keeps both below 256.
        self.push(code, (here - holds) as u8, (here - fails) as u8, operand)
    }

    /// Loads a word of struct seccomp_data and goes on at `next`.
    fn load(&mut self, offset: u32, next: Target) -> Target {
        self.fall_into(next);
        self.push(LOAD_WORD, 0, 0, offset)
    }

    /// Makes the instruction that is pushed next continue at `next`.
    fn fall_into(&mut self, next: Target) {
        let here = self.reversed.len();
        match next {
            Target::Label(label) if label == here => {}
            Target::Label(label) => drop(self.push(JUMP, 0, 0, (here - label) as u32)),
            Target::Return(action) => drop(self.push(RETURN, 0, 0, action.code())),
        }
    }

    /// Binary search of the loaded word in `runs`: (first value, where to go), ascending, the first
    /// value of the first run being where the search starts.
    fn search(&mut self, runs: &[(u32, Target)]) -> Target {
        match runs {
            [(_, target)] => *target,
            // One value in a run of others: one comparison instead of two.
            [(_, before), (value, target), (end, after)] if before == after && *end == value + 1 => {
                self.test(JUMP_EQUAL, *value, *target, *before)
            }
            _ => {
                let (low, high) = runs.split_at(runs.len() / 2);
                let pivot = high[0].0;
                let high = self.search(high);
                let low = self.search(low);
                self.test(JUMP_GREATER_EQUAL, pivot, high, low)
            }
        }
    }

    /// One table's search over numbers; the number is loaded already.
    fn table(&mut self, table: &Table<'_>, defaults: Defaults, capabilities: u64) -> Target {
        let counting = table.entries.iter().filter(|entry| entry.counts(capabilities));
        let mut calls: Vec<(u32, &Entry<'_>)> =
            counting.flat_map(|entry| entry.numbers.iter().map(move |number| (*number, entry))).collect();
        // Stable: the rules of one call stay in their order.
        calls.sort_by_key(|(number, _)| *number);
        let mut runs = Runs(vec![(table.from, Target::Return(defaults.known))]);
        let mut unmentioned = table.from;
        for rules in calls.chunk_by(|a, b| a.0 == b.0) {
            let number = rules[0].0;
            runs.gap(unmentioned, number, table.unknown_from, defaults);
            runs.add(number, self.verdict(rules, table.words, defaults.known));
            unmentioned = number + 1;
        }
        runs.gap(unmentioned, u32::MAX, table.unknown_from, defaults);
        self.search(&runs.0)
    }

    /// What happens to one call: its rules, in order, each with the call's number.
    fn verdict(&mut self, rules: &[(u32, &Entry<'_>)], words: Words, default: Action) -> Target {
        if let Some((_, entry)) = rules.iter().find(|(_, entry)| entry.conditions.is_empty()) {
            return Target::Return(entry.action);
        }
        if let Some(target) = self.ranges(rules, words, default) {
            return target;
        }
        let mut next = Target::Return(default);
        for (_, entry) in rules.iter().rev() {
            let mut holds = Target::Return(entry.action);
            for condition in entry.conditions.iter().rev() {
                holds = self.condition(*condition, words, holds, next);
            }
            next = holds;
        }
        next
    }

    /// The rules of one call as a search over the values of one argument, where all of them compare
    /// that one with 32-bit values. None where they are of another kind.
    fn ranges(&mut self, rules: &[(u32, &Entry<'_>)], words: Words, default: Action) -> Option<Target> {
        let mut conditions = Vec::new();
        for (_, entry) in rules {
            let [condition] = entry.conditions else { return None };
            let masked = matches!(condition.comparison, Comparison::MaskedEqual { .. });
            if masked || condition.value > u64::from(u32::MAX) {
                return None;
            }
            conditions.push((*condition, entry.action));
        }
        let argument = conditions.first()?.0.argument;
        if conditions.iter().any(|(condition, _)| condition.argument != argument) {
            return None;
        }
        let action = |value: u64| {
            let first = conditions.iter().find(|(condition, _)| condition.holds(value));
            Target::Return(first.map_or(default, |(_, action)| *action))
        };
        // A verdict changes only at a value that some rule compares with, or right after it.
        let mut cuts: Vec<u64> = conditions.iter().flat_map(|(c, _)| [c.value, c.value + 1]).collect();
        cuts.push(0);
        cuts.sort_unstable();
        let mut runs = Runs(Vec::new());
        for cut in cuts {
            if let Ok(start) = u32::try_from(cut) {
                runs.add(start, action(cut));
            }
        }
        let low = self.search(&runs.0);
        let low = self.load(low_word(argument), low);
        Some(match words {
            Words::Narrow => low,
            Words::Wide => {
                // Beyond 32 bits no rule tells values apart.
                let high = self.test(JUMP_EQUAL, 0, low, action(1 << 32));
                self.load(high_word(argument), high)
            }
        })
    }

    /// One condition, loads included.
    fn condition(&mut self, condition: Condition, words: Words, holds: Target, fails: Target) -> Target {
        let (high, low) = ((condition.value >> 32) as u32, condition.value as u32);
        let (load_high, load_low) = (high_word(condition.argument), low_word(condition.argument));
        // Each is an equality or an order of two words, or the contrary of one.
        let (code, holds, fails) = match condition.comparison {
            Comparison::Equal => (JUMP_EQUAL, holds, fails),
            Comparison::NotEqual => (JUMP_EQUAL, fails, holds),
            Comparison::Greater => (JUMP_GREATER, holds, fails),
            Comparison::LessOrEqual => (JUMP_GREATER, fails, holds),
            Comparison::GreaterOrEqual => (JUMP_GREATER_EQUAL, holds, fails),
            Comparison::Less => (JUMP_GREATER_EQUAL, fails, holds),
            Comparison::MaskedEqual { mask } => {
                return self.masked(condition, mask, words, holds, fails);
            }
        };
        let test = self.test(code, low, holds, fails);
        let low = self.load(load_low, test);
        if words == Words::Narrow {
            return low;
        }
        let mut test = self.test(JUMP_EQUAL, high, low, fails);
        if code != JUMP_EQUAL {
            test = self.test(JUMP_GREATER, high, holds, test);
        }
        self.load(load_high, test)
    }

    /// [`Comparison::MaskedEqual`]: each word with bits in the mask.
    fn masked(&mut self, condition: Condition, mask: u64, words: Words, holds: Target, fails: Target) -> Target {
        let mut next = holds;
        let halves = [(0, low_word(condition.argument)), (32, high_word(condition.argument))];
        for (shift, offset) in halves.into_iter().take(if words == Words::Wide { 2 } else { 1 }) {
            let (mask, value) = ((mask >> shift) as u32, ((condition.value & mask) >> shift) as u32);
            if mask == 0 {
                continue;
            }
            next = if value == 0 {
                self.test(JUMP_SET, mask, fails, next)
            } else {
                let test = self.test(JUMP_EQUAL, value, next, fails);
                self.fall_into(test);
                self.push(AND, 0, 0, mask)
            };
            next = self.load(offset, next);
        }
        next
    }
}

/// Ranges of values under construction: (first value, where to go), neighbours differing.
struct Runs(Vec<(u32, Target)>);

impl Runs {
    /// From `start` on, up to the next one added.
    fn add(&mut self, start: u32, target: Target) {
        if let Some(last) = self.0.last_mut()
            && last.0 == start
        {
            last.1 = target;
            return;
        }
        if self.0.last().is_none_or(|last| last.1 != target) {
            self.0.push((start, target));
        }
    }

    /// Numbers from `start` to before `end`, which no rule mentions.
    fn gap(&mut self, start: u32, end: u32, unknown_from: u32, defaults: Defaults) {
        if start < end.min(unknown_from) {
            self.add(start, Target::Return(defaults.known));
        }
        if start.max(unknown_from) < end {
            self.add(start.max(unknown_from), Target::Return(defaults.unknown));
        }
    }
}

/// Offset of an argument's lower 32 bits in struct seccomp_data, on a little-endian machine: rr
/// knows no others ([`super::abi`]).
fn low_word(argument: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(argument)
}

/// Offset of an argument's upper 32 bits.
fn high_word(argument: u8) -> u32 {
    low_word(argument) + 4
}
