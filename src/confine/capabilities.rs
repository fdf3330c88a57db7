//! Linux capabilities (capabilities(7)): which ones a container gets, and giving them up.
//!
//! Process 1 of the container starts as root of a fresh user namespace: every capability is
//! permitted, effective and in the bounding set; inheritable and ambient are empty
//! (user_namespaces(7)). [`resolve`] decides what stays, by Docker's rules. Then, inside:
//!
//! 1. [`drop_caps`] takes everything else out of the bounding set, while CAP_SETPCAP is still held.
//!    After it no execve(2), of whatever set-user-ID program, can bring a dropped one back.
//! 2. [`set_identity`] takes on groups, group and user, and leaves exactly the sets that go with
//!    them:
//!
//! | payload   | bounding  | permitted, effective | inheritable | ambient   |
//! | --------- | --------- | -------------------- | ----------- | --------- |
//! | uid 0     | resolved  | resolved             | none        | none      |
//! | other uid | resolved  | `--cap-add`          | `--cap-add` | `--cap-add` |
//!
//! The inheritable set stays empty for root because a full one let files with inheritable
//! capabilities raise them (CVE-2022-24769, moby and podman). For other users, Docker drops
//! what was asked for with `--cap-add` at execve(2); Podman makes it ambient, so that
//! `--user 1000 --cap-add NET_BIND_SERVICE` does what it says. rr does as Podman.

use super::capability_names::{DOCKER_DEFAULT, NAMES, bits_of};
use crate::error::{Doing, Failure, Result};
use crate::sys::caps;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A set of capabilities: bit n is the capability of number n. In JSON a list of names
/// (`["CAP_CHOWN"]`), as in the runtime-spec's `process.capabilities`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: CapabilitySet = CapabilitySet(0);
    /// Docker's default fourteen.
    pub const DEFAULT: CapabilitySet = CapabilitySet(bits_of(&DOCKER_DEFAULT));
    /// Every capability rr has a name for.
    pub const ALL: CapabilitySet = CapabilitySet((1 << NAMES.len()) - 1);

    /// The set of `names`, each written as in linux/capability.h without `CAP_`. An unknown name
    /// does not compile where the call is in a constant.
    pub const fn of(names: &[&str]) -> CapabilitySet {
        CapabilitySet(bits_of(names))
    }

    /// The set whose bit n is the capability of number n; bits without a name are dropped.
    pub fn from_bits(bits: u64) -> CapabilitySet {
        CapabilitySet(bits & CapabilitySet::ALL.0)
    }

    /// Bit n is the capability of number n.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Is the set empty?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Are all of `other` in this set?
    pub fn contains(self, other: CapabilitySet) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 & !other.0)
    }

    /// Names as the kernel's and the runtime-spec's, `CAP_CHOWN`, in the order of their numbers.
    pub fn names(self) -> Vec<String> {
        self.numbers().map(|number| format!("CAP_{}", NAMES[number as usize])).collect()
    }

    /// The set of the given names, each as [`CapabilitySet::from_str`](std::str::FromStr) takes it.
    /// The error is a sentence without a full stop.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> std::result::Result<CapabilitySet, String> {
        names.iter().try_fold(CapabilitySet::EMPTY, |set, name| Ok(set.union(parse(name.as_ref())?)))
    }

    /// The numbers of the members, ascending.
    fn numbers(self) -> impl DoubleEndedIterator<Item = u32> {
        (0..NAMES.len() as u32).filter(move |number| self.0 & (1 << number) != 0)
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

impl std::str::FromStr for CapabilitySet {
    type Err = String;
    /// One name as Docker takes it: in either case, with or without `CAP_`; `ALL` is all of them.
    fn from_str(name: &str) -> std::result::Result<CapabilitySet, String> {
        if name.eq_ignore_ascii_case("all") { Ok(CapabilitySet::ALL) } else { parse(name) }
    }
}

impl TryFrom<Vec<String>> for CapabilitySet {
    type Error = String;
    fn try_from(names: Vec<String>) -> std::result::Result<CapabilitySet, String> {
        CapabilitySet::from_names(&names)
    }
}

impl From<CapabilitySet> for Vec<String> {
    fn from(set: CapabilitySet) -> Vec<String> {
        set.names()
    }
}

/// One capability by name, without `ALL`.
fn parse(name: &str) -> std::result::Result<CapabilitySet, String> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    match NAMES.iter().position(|known| *known == short) {
        Some(number) => Ok(CapabilitySet(1 << number)),
        None => Err(match near(short) {
            Some(known) => format!("there is no capability `{name}`; the nearest name is CAP_{known}"),
            None => format!("there is no capability `{name}` (capabilities(7) lists them)"),
        }),
    }
}

/// The known name that needs the fewest edits to become `short`; None where none is near.
fn near(short: &str) -> Option<&'static str> {
    // Longer than any name by more than the edits allowed: not worth the quadratic comparison.
    if short.len() > 24 {
        return None;
    }
    let (distance, name) = NAMES.iter().map(|name| (edits(name, short), *name)).min()?;
    (distance <= 3 && distance < short.len()).then_some(name)
}

/// Levenshtein's distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// `--privileged` or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// The default capabilities, changed by `--cap-add` and `--cap-drop`.
    Confined,
    /// `--privileged`: every capability; `--cap-add` and `--cap-drop` change nothing, as in Docker.
    Privileged,
}

/// What a container's payload gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The bounding set; for uid 0 also permitted and effective.
    pub bounding: CapabilitySet,
    /// What a payload that is not root holds: what `--cap-add` named. A part of `bounding`.
    pub ambient: CapabilitySet,
}

impl Granted {
    /// As much of it as there is in `held`.
    #[must_use]
    pub fn within(self, held: CapabilitySet) -> Granted {
        Granted { bounding: self.bounding.intersection(held), ambient: self.ambient.intersection(held) }
    }
}

/// Applies `--cap-add` and `--cap-drop` to the default by Docker's rules (moby `oci/caps`): with
/// `ALL` among the added, everything but the dropped; else with `ALL` among the dropped, the added
/// only; else the default without the dropped, and then with the added. One word may hold several
/// names separated by commas, as Podman takes it.
///
/// Fails on an unknown name, and on one that the running kernel does not know yet.
pub fn resolve(add: &[String], drop: &[String], privilege: Privilege) -> Result<Granted> {
    let kernel = match CapabilitySet::ALL.numbers().rev().find(|number| caps::exists(*number)) {
        Some(last) => up_to(last),
        None => CapabilitySet::EMPTY,
    };
    resolve_for(add, drop, privilege, kernel)
}

/// The capabilities up to number `last`.
fn up_to(last: u32) -> CapabilitySet {
    CapabilitySet(CapabilitySet::ALL.0 & (u64::MAX >> (63 - last)))
}

/// [`resolve`] for a kernel that knows the capabilities `kernel`.
fn resolve_for(add: &[String], drop: &[String], privilege: Privilege, kernel: CapabilitySet) -> Result<Granted> {
    let added = Words::parse(add).map_err(|cause| Failure::new("cannot add a capability", cause))?;
    let dropped = Words::parse(drop).map_err(|cause| Failure::new("cannot drop a capability", cause))?;
    let missing = added.named.without(kernel);
    if !missing.is_empty() {
        return Err(Failure::new("cannot add a capability", format!("the running kernel does not know {missing}")));
    }
    let bounding = match (privilege, added.all, dropped.all) {
        (Privilege::Privileged, ..) => kernel,
        (_, true, _) => kernel.without(dropped.named),
        (_, false, true) => added.named,
        (_, false, false) => CapabilitySet::DEFAULT.without(dropped.named).union(added.named),
    };
    let asked_for = if added.all { kernel } else { added.named };
    Ok(Granted { bounding, ambient: asked_for.intersection(bounding) })
}

/// The values of `--cap-add` or of `--cap-drop`.
struct Words {
    all: bool,
    named: CapabilitySet,
}

impl Words {
    fn parse(words: &[String]) -> std::result::Result<Words, String> {
        let mut parsed = Words { all: false, named: CapabilitySet::EMPTY };
        for name in words.iter().flat_map(|word| word.split(',')) {
            if name.eq_ignore_ascii_case("all") {
                parsed.all = true;
            } else {
                parsed.named = parsed.named.union(parse(name)?);
            }
        }
        Ok(parsed)
    }
}

/// Who the payload is, in the container's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Real, effective and saved user id.
    pub uid: u32,
    /// Real, effective and saved group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Groups,
}

/// Supplementary groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// The groups rr was started with stay: `--group-add keep-groups`, and every user namespace
    /// whose setgroups(2) is denied (user_namespaces(7): a map written without the helpers).
    Keep,
    /// Exactly these.
    Set(Vec<u32>),
}

/// Takes everything but `bounding` out of the calling thread's capability bounding set, also
/// capabilities newer than rr. One prctl(2) a dropped capability: the kernel has no call for more.
///
/// - runs in: process 1 of the container, as root of its user namespace
/// - may assume: CAP_SETPCAP is effective
/// - must do: leave permitted and effective alone, [`set_identity`] needs them
/// - must not do: read /proc, which may already be masked
pub fn drop_caps(bounding: CapabilitySet) -> Result<()> {
    for number in 0..u64::BITS {
        if bounding.0 & (1 << number) != 0 {
            continue;
        }
        match caps::drop_from_bounding_set(number) {
            Ok(()) => {}
            // The first number beyond the kernel's last capability (prctl(2), PR_CAPBSET_DROP).
            Err(rustix::io::Errno::INVAL) => break,
            Err(errno) => {
                let name = NAMES.get(number as usize).copied().unwrap_or("of an unknown name");
                return Err(errno).doing(|| format!("cannot drop capability {number} ({name})"));
            }
        }
    }
    Ok(())
}

/// Becomes `identity` and keeps exactly the capabilities of this module's table. Four system calls;
/// for a payload that is not root and has `--cap-add`, one more and one for each of those.
///
/// - runs in: process 1 of the container, in a single thread, after [`drop_caps`]
/// - may assume: CAP_SETUID and CAP_SETGID are effective, SECBIT_NO_SETUID_FIXUP is off
/// - must do: groups before the user, since they need CAP_SETGID
/// - must not do: anything after it that needs a capability. The change of user also clears
///   PR_SET_PDEATHSIG and makes /proc/self root's (prctl(2), PR_SET_DUMPABLE), until execve(2)
pub fn set_identity(identity: &Identity, granted: &Granted) -> Result<()> {
    if let Groups::Set(groups) = &identity.groups {
        caps::set_groups(groups).doing(|| format!("cannot set the supplementary groups {groups:?}"))?;
    }
    caps::set_gid(identity.gid).doing(|| format!("cannot become group {}", identity.gid))?;
    let (held, ambient) =
        if identity.uid == 0 { (granted.bounding, CapabilitySet::EMPTY) } else { (granted.ambient, granted.ambient) };
    if !ambient.is_empty() {
        // Leaving uid 0 clears the permitted set without it; execve(2) clears the flag.
        caps::keep_permitted().doing(|| "cannot keep capabilities over the change of user")?;
    }
    caps::set_uid(identity.uid).doing(|| format!("cannot become user {}", identity.uid))?;
    caps::set_sets(held.0, ambient.0).doing(|| format!("cannot set the capabilities {held}"))?;
    for number in ambient.numbers() {
        caps::raise_ambient(number).doing(|| format!("cannot make CAP_{} ambient", NAMES[number as usize]))?;
    }
    Ok(())
}

/// Sets `no_new_privs` (prctl(2)): no execve(2) gives more privileges, so set-user-ID bits and file
/// capabilities do nothing from here on. Cannot be undone.
pub fn set_no_new_privileges() -> Result<()> {
    caps::set_no_new_privileges().doing(|| "cannot set no_new_privs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn resolved(add: &str, drop: &str) -> CapabilitySet {
        resolve_for(&words(add), &words(drop), Privilege::Confined, CapabilitySet::ALL).unwrap().bounding
    }

    #[test]
    fn the_default_is_dockers() {
        // /proc/self/status, CapBnd, in a container of Docker's default.
        assert_eq!(CapabilitySet::DEFAULT.bits(), 0xa804_25fb);
        assert_eq!(resolved("", ""), CapabilitySet::DEFAULT);
    }

    #[test]
    fn names_are_taken_as_docker_takes_them() {
        for name in ["CAP_NET_ADMIN", "net_admin", "NET_ADMIN", "cap_net_admin"] {
            assert_eq!(name.parse(), Ok(CapabilitySet::of(&["NET_ADMIN"])));
        }
        assert_eq!("ALL".parse(), Ok(CapabilitySet::ALL));
    }

    #[test]
    fn an_unknown_name_is_answered_with_a_near_one() {
        let error = |name: &str| name.parse::<CapabilitySet>().unwrap_err();
        assert_eq!(error("netadmin"), "there is no capability `netadmin`; the nearest name is CAP_NET_ADMIN");
        assert_eq!(error("CAP_SYSADMIN"), "there is no capability `CAP_SYSADMIN`; the nearest name is CAP_SYS_ADMIN");
        assert!(error("everything").contains("capabilities(7)"));
        assert!(error("").contains("capabilities(7)"));
    }

    #[test]
    fn all_follows_dockers_rules() {
        assert_eq!(resolved("ALL", ""), CapabilitySet::ALL);
        assert_eq!(resolved("all", "NET_RAW"), CapabilitySet::ALL.without(CapabilitySet::of(&["NET_RAW"])));
        assert_eq!(resolved("", "ALL"), CapabilitySet::EMPTY);
        assert_eq!(resolved("CHOWN", "ALL"), CapabilitySet::of(&["CHOWN"]));
        assert_eq!(resolved("ALL", "ALL"), CapabilitySet::ALL);
        // Dropped first, then added.
        assert_eq!(resolved("NET_RAW", "NET_RAW"), CapabilitySet::DEFAULT);
        assert_eq!(resolved("SYS_ADMIN,SYS_PTRACE", "mknod").names().len(), 15);
    }

    #[test]
    fn only_what_was_added_is_ambient() {
        let resolve = |add: &str, drop: &str, privilege| {
            resolve_for(&words(add), &words(drop), privilege, CapabilitySet::ALL).unwrap().ambient
        };
        assert_eq!(resolve("", "", Privilege::Confined), CapabilitySet::EMPTY);
        assert_eq!(resolve("CHOWN SYS_TIME", "", Privilege::Confined), CapabilitySet::of(&["CHOWN", "SYS_TIME"]));
        assert!(!resolve("ALL", "CHOWN", Privilege::Confined).contains(CapabilitySet::of(&["CHOWN"])));
        assert_eq!(resolve("", "", Privilege::Privileged), CapabilitySet::EMPTY);
    }

    #[test]
    fn an_older_kernel_limits_all_and_refuses_the_named() {
        // Linux 5.7 ended with AUDIT_READ, number 37.
        let kernel = up_to(37);
        let all = resolve_for(&words("ALL"), &[], Privilege::Confined, kernel).unwrap();
        assert_eq!(all.bounding.bits(), (1 << 38) - 1);
        let error = resolve_for(&words("BPF"), &[], Privilege::Confined, kernel).unwrap_err();
        assert_eq!(error.to_string(), "cannot add a capability: the running kernel does not know CAP_BPF");
        assert_eq!(up_to(63), CapabilitySet::ALL);
        assert_eq!(up_to(0), CapabilitySet::of(&["CHOWN"]));
    }

    #[test]
    fn json_is_a_list_of_names() {
        let set = CapabilitySet::of(&["KILL", "CHOWN"]);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["CAP_CHOWN","CAP_KILL"]"#);
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).unwrap(), set);
        assert!(serde_json::from_str::<CapabilitySet>(r#"["CAP_NONE"]"#).is_err());
    }

    proptest! {
        #[test]
        fn names_and_sets_are_one_to_one(bits: u64) {
            let set = CapabilitySet::from_bits(bits);
            prop_assert_eq!(CapabilitySet::from_names(&set.names()), Ok(set));
        }

        #[test]
        fn no_name_makes_the_parser_panic(name in ".{0,40}") {
            let _ = name.parse::<CapabilitySet>();
        }

        #[test]
        fn ambient_is_always_a_part_of_bounding(add in "(all|chown|bpf|mknod|,){0,4}", drop in "(all|chown|bpf){0,1}") {
            let add: Vec<String> = add.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            let drop: Vec<String> = if drop.is_empty() { vec![] } else { vec![drop] };
            if let Ok(granted) = resolve_for(&add, &drop, Privilege::Confined, CapabilitySet::ALL) {
                prop_assert!(granted.bounding.contains(granted.ambient));
            }
        }
    }
}
