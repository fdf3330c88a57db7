//! The compiler against two others: a model that evaluates rules one by one, and libseccomp.

mod interpreter;
mod libseccomp;

use super::abi::{MACHINES, Machine, NumberedTable};
use super::compile::{Action, Comparison, Condition, Defaults, EPERM, Entry, Table, Words, compile};
use super::profile::{self, Rule};
use crate::confine::capabilities::CapabilitySet;
use interpreter::{Call, Raw, run};
use proptest::prelude::*;

/// A profile compiled for a machine by rr.
struct Compiled {
    numbered: Vec<NumberedTable>,
    defaults: Defaults,
    capabilities: u64,
    program: Vec<Raw>,
}

impl Compiled {
    fn new(machine: &Machine, rules: fn() -> Vec<Rule>, defaults: Defaults, capabilities: CapabilitySet) -> Compiled {
        let numbered = machine.tables(rules);
        let entries: Vec<_> = numbered.iter().map(NumberedTable::entries).collect();
        let tables: Vec<_> =
            numbered.iter().zip(&entries).map(|(table, entries)| table.with_entries(entries)).collect();
        let program = raw(&tables, defaults, capabilities.bits());
        Compiled { numbered, defaults, capabilities: capabilities.bits(), program }
    }

    /// What the program says and what the model says.
    fn both(&self, table: &NumberedTable, number: u32, arguments: [u64; 6]) -> (u32, u32) {
        let call = Call { number, architecture: table.abi.audit, arguments };
        let entries = table.entries();
        let model = model(&table.with_entries(&entries), self.defaults, self.capabilities, &call);
        (run(&self.program, &call).0, model.code())
    }
}

fn raw(tables: &[Table<'_>], defaults: Defaults, capabilities: u64) -> Vec<Raw> {
    let program = compile(tables, defaults, capabilities);
    assert!(program.len() <= 4096, "BPF_MAXINSNS");
    program.into_iter().map(|i| (i.code, i.jump_true, i.jump_false, i.operand)).collect()
}

/// What should happen to a call of this table: rule by rule, as the profile's format describes it.
fn model(table: &Table<'_>, defaults: Defaults, capabilities: u64, call: &Call) -> Action {
    let mut named = table.entries.iter().filter(|entry| {
        entry.numbers.contains(&call.number)
            && entry.with_capabilities & capabilities == entry.with_capabilities
            && entry.without_capabilities & capabilities == 0
    });
    if let Some(always) = named.clone().find(|entry| entry.conditions.is_empty()) {
        return always.action;
    }
    let mut mentioned = false;
    let matching = named.find(|entry| {
        mentioned = true;
        entry.conditions.iter().all(|condition| holds(condition, table.words, call))
    });
    match matching {
        Some(entry) => entry.action,
        None if !mentioned && call.number >= table.unknown_from => defaults.unknown,
        None => defaults.known,
    }
}

fn holds(condition: &Condition, words: Words, call: &Call) -> bool {
    let cut = if words == Words::Narrow { u64::from(u32::MAX) } else { u64::MAX };
    let (argument, value) = (call.arguments[usize::from(condition.argument)] & cut, condition.value & cut);
    match condition.comparison {
        Comparison::Equal => argument == value,
        Comparison::NotEqual => argument != value,
        Comparison::Less => argument < value,
        Comparison::LessOrEqual => argument <= value,
        Comparison::Greater => argument > value,
        Comparison::GreaterOrEqual => argument >= value,
        Comparison::MaskedEqual { mask } => (argument ^ value) & mask == 0,
    }
}

/// Every number that any architecture uses, and some that none does.
fn numbers() -> impl Iterator<Item = u32> {
    (0..700).chain(0x0f_0000..0x0f_0010).chain((1 << 30)..(1 << 30) + 700).chain([
        700,
        0x3fff_ffff,
        0x7fff_ffff,
        1 << 31,
        u32::MAX - 1,
        u32::MAX,
    ])
}

/// Values at which a rule for this number may change its answer.
fn edges(entries: &[Entry<'_>], number: u32) -> Vec<u64> {
    let mut values = vec![0, 1 << 32, u64::MAX];
    for condition in entries.iter().filter(|entry| entry.numbers.contains(&number)).flat_map(|entry| entry.conditions) {
        let value = condition.value;
        values.extend([value, value.wrapping_sub(1), value.wrapping_add(1), value | 1 << 32, value | 1 << 63]);
        if let Comparison::MaskedEqual { mask } = condition.comparison {
            values.extend((0..64).map(|bit| 1 << bit).filter(|bit| mask & bit != 0));
            values.push(!mask);
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// Argument lists worth trying on a call: both profiles look at the first and the third argument.
fn argument_lists(entries: &[Entry<'_>], number: u32) -> Vec<[u64; 6]> {
    let edges = edges(entries, number);
    let two = entries.iter().any(|entry| entry.conditions.len() > 1 && entry.numbers.contains(&number));
    let third: &[u64] = if two { &edges } else { &[0, u64::MAX] };
    let pairs = edges.iter().flat_map(|first| third.iter().map(move |third| (*first, *third)));
    pairs.map(|(first, third)| [first, first, third, third, 0, u64::MAX]).collect()
}

/// Is this number one of the table's own? x86-64 and x32 share an architecture.
fn belongs(table: &NumberedTable, number: u32) -> bool {
    match table.abi.name {
        "X86_64" => number < 1 << 30,
        "X32" => number >= 1 << 30,
        _ => true,
    }
}

/// The sets worth trying: all, none, the default, and the default with each one changed.
fn capability_sets() -> Vec<CapabilitySet> {
    let mut sets = vec![CapabilitySet::EMPTY, CapabilitySet::DEFAULT, CapabilitySet::ALL];
    sets.extend((0..41).map(|number| CapabilitySet::from_bits(CapabilitySet::DEFAULT.bits() ^ 1 << number)));
    sets
}

#[test]
fn the_program_says_what_the_profile_says() {
    for (machine, capabilities) in
        MACHINES.iter().flat_map(|machine| capability_sets().into_iter().map(move |set| (machine, set)))
    {
        let compiled = Compiled::new(machine, profile::rules, profile::DEFAULTS, capabilities);
        for table in &compiled.numbered {
            let entries = table.entries();
            // A capability can change only what a rule says of it.
            let conditional = |number: &u32| {
                capabilities == CapabilitySet::DEFAULT
                    || entries.iter().any(|entry| {
                        entry.with_capabilities | entry.without_capabilities != 0 && entry.numbers.contains(number)
                    })
            };
            for number in numbers().filter(|number| belongs(table, *number)).filter(conditional) {
                for arguments in argument_lists(&entries, number) {
                    let (program, model) = compiled.both(table, number, arguments);
                    assert_eq!(program, model, "{} {number} {arguments:x?} with {capabilities}", table.abi.name);
                }
            }
        }
    }
}

#[test]
fn what_was_built_into_rr_is_the_profile() {
    let machine = MACHINES.iter().find(|machine| machine.rust == std::env::consts::ARCH).unwrap();
    for capabilities in capability_sets() {
        let built: Vec<Raw> = super::program(capabilities).iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect();
        let compiled = Compiled::new(machine, profile::rules, profile::DEFAULTS, capabilities).program;
        assert_eq!(built, compiled, "with {capabilities}");
    }
}

#[test]
fn a_foreign_architecture_is_killed() {
    let program = Compiled::new(&MACHINES[0], profile::rules, profile::DEFAULTS, CapabilitySet::DEFAULT).program;
    for architecture in [0, 0xc000_00b7, 0xc000_003f, u32::MAX] {
        let call = Call { number: 0, architecture, arguments: [0; 6] };
        assert_eq!(run(&program, &call).0, 0x8000_0000);
    }
}

/// What the rules are for, by example: numbers are those of x86-64.
#[test]
fn the_default_profile_is_dockers() {
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;
    const ALLOW: u32 = 0x7fff_0000;
    let admin = CapabilitySet::DEFAULT.union(CapabilitySet::of(&["SYS_ADMIN"]));
    let defaults = CapabilitySet::DEFAULT;
    for (what, number, first, capabilities, expected) in [
        ("read", 0, 0, defaults, ALLOW),
        ("ptrace", 101, 0, defaults, ALLOW),
        ("chroot", 161, 0, defaults, ALLOW),
        ("chroot", 161, 0, CapabilitySet::EMPTY, EPERM),
        ("mount", 165, 0, defaults, EPERM),
        ("mount", 165, 0, admin, ALLOW),
        ("unshare", 272, CLONE_NEWUSER, defaults, EPERM),
        ("clone", 56, 0x11, defaults, ALLOW),
        ("clone", 56, CLONE_NEWUSER | 0x11, defaults, EPERM),
        ("clone", 56, CLONE_NEWUSER | 0x11, admin, ALLOW),
        ("clone3", 435, 0, defaults, ENOSYS),
        ("clone3", 435, 0, admin, ALLOW),
        ("io_uring_setup", 425, 0, defaults, EPERM),
        ("bpf", 321, 0, defaults, EPERM),
        ("bpf", 321, 0, CapabilitySet::of(&["BPF"]), ALLOW),
        ("keyctl", 250, 0, CapabilitySet::ALL, EPERM),
        ("personality", 135, 0x2_0000, defaults, ALLOW),
        ("personality ADDR_NO_RANDOMIZE", 135, 0x4_0000, defaults, EPERM),
        ("socket AF_UNIX", 41, 1, defaults, ALLOW),
        ("socket AF_INET6", 41, 10, defaults, ALLOW),
        ("socket AF_NETLINK", 41, 16, defaults, ALLOW),
        ("socket AF_ALG", 41, 38, CapabilitySet::ALL, EPERM),
        ("socket AF_VSOCK", 41, 40, CapabilitySet::ALL, EPERM),
        ("removexattrat", 466, 0, defaults, ALLOW),
        ("open_tree_attr, newer than the profile", 467, 0, defaults, ENOSYS),
        ("a number nobody has", 1000, 0, CapabilitySet::ALL, ENOSYS),
    ] {
        let compiled = Compiled::new(&MACHINES[0], profile::rules, profile::DEFAULTS, capabilities);
        let call = Call { number, architecture: 0xc000_003e, arguments: [first, 0, 0, 0, 0, 0] };
        assert_eq!(run(&compiled.program, &call).0, expected, "{what} with {capabilities}");
    }
}

/// The kernel remembers calls that are always allowed, but only if what leads to the verdict is of
/// these kinds (`seccomp_is_const_allow`, Linux 5.11).
#[test]
fn a_call_that_is_always_allowed_can_be_remembered_by_the_kernel() {
    let program = Compiled::new(&MACHINES[0], profile::rules, profile::DEFAULTS, CapabilitySet::DEFAULT).program;
    let mut longest = 0;
    for number in [0, 1, 2, 3, 9, 59, 202, 231, 257, 334, 466] {
        let call = Call { number, architecture: 0xc000_003e, arguments: [0; 6] };
        let (verdict, steps) = run(&program, &call);
        assert_eq!(verdict, 0x7fff_0000, "{number}");
        longest = longest.max(steps);
    }
    assert!(longest <= 14, "{longest} instructions");
    assert!(program.len() < 400, "{} instructions in all", program.len());
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
        value().prop_map(|mask| Comparison::MaskedEqual { mask }),
    ]
}

/// Few different values, so that equality is not rare.
fn value() -> impl Strategy<Value = u64> {
    let word = || prop_oneof![Just(0_u32), Just(1), Just(2), Just(7), Just(u32::MAX - 1), Just(u32::MAX), any::<u32>()];
    (word(), prop_oneof![3 => Just(0), 1 => word()]).prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low))
}

prop_compose! {
    fn condition()(argument in 0_u8..3, comparison in comparison(), value in value()) -> Condition {
        Condition { argument, comparison, value }
    }
}

prop_compose! {
    fn entry()(
        numbers in prop::collection::vec(0_u32..400, 1..40),
        errno in 0_u16..4,
        conditions in prop::collection::vec(condition(), 0..4),
        with_capabilities in prop_oneof![3 => Just(0), 1 => Just(1_u64)],
        without_capabilities in prop_oneof![3 => Just(0), 1 => Just(2_u64)],
    ) -> (Vec<u32>, Action, Vec<Condition>, u64, u64) {
        let action = if errno == 0 { Action::Allow } else { Action::Errno(errno) };
        (numbers, action, conditions, with_capabilities, without_capabilities)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Any profile, and one large enough that jumps need stepping stones.
    #[test]
    fn any_profile_is_compiled_as_it_reads(
        rules in prop::collection::vec(entry(), 0..40),
        unknown_from in 0_u32..500,
        capabilities in 0_u64..4,
        calls in prop::collection::vec((0_u32..500, prop::array::uniform6(value())), 200),
    ) {
        let entries: Vec<Entry<'_>> = rules
            .iter()
            .map(|(numbers, action, conditions, with, without)| Entry {
                numbers,
                action: *action,
                conditions,
                with_capabilities: *with,
                without_capabilities: *without,
            })
            .collect();
        // A narrow comparison has no upper half to compare with.
        let narrow: Vec<(Vec<u32>, Vec<Condition>)> = rules
            .iter()
            .map(|(numbers, _, conditions, ..)| {
                (numbers.clone(), conditions.iter().map(|c| Condition { value: c.value & 0xffff_ffff, ..*c }).collect())
            })
            .collect();
        let narrow_entries: Vec<Entry<'_>> = entries
            .iter()
            .zip(&narrow)
            .map(|(entry, (numbers, conditions))| Entry { numbers, conditions, ..*entry })
            .collect();
        let tables = [
            Table { audit: 7, from: 0, words: Words::Wide, unknown_from, entries: &entries },
            Table { audit: 8, from: 0, words: Words::Narrow, unknown_from, entries: &narrow_entries },
        ];
        let defaults = Defaults { known: Action::Errno(EPERM), unknown: Action::KillProcess };
        let program = compile(&tables, defaults, capabilities);
        let program: Vec<Raw> = program.into_iter().map(|i| (i.code, i.jump_true, i.jump_false, i.operand)).collect();
        for (number, arguments) in calls {
            for table in &tables {
                let call = Call { number, architecture: table.audit, arguments };
                let expected = model(table, defaults, capabilities, &call);
                prop_assert_eq!(run(&program, &call).0, expected.code(), "{:x?}", call);
            }
        }
    }
}
