//! Profiles given at run time: `--security-opt seccomp=FILE`, in Docker's JSON form, of which that of the
//! runtime-spec (`linux.seccomp`) is a part.
//!
//! A profile is read and compiled when the container is created; what is kept is the program. Names that the
//! machine does not know are passed over, as runc does: profiles are written for many kernels.

use super::built::{ABIS, MACHINE, NAMES, TABLES};
use super::compile::{Action, Comparison, Condition, Defaults, ENOSYS, EPERM, Entry, Table, compile};
use crate::confine::capabilities::CapabilitySet;
use crate::sys::seccomp::sock_filter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A profile as it is written; only [`Profile::read`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    default: Action,
    architectures: Vec<String>,
    rules: Vec<Rule>,
}

/// One entry of `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    names: Vec<String>,
    action: Action,
    /// Each list is a rule of its own; all conditions of it must hold.
    conditions: Vec<Vec<Condition>>,
    includes: Filter,
    excludes: Filter,
}

/// `includes` and `excludes`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Filter {
    #[serde(deserialize_with = "or_null")]
    caps: Vec<String>,
    #[serde(deserialize_with = "or_null")]
    arches: Vec<String>,
    min_kernel: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    default_action: String,
    default_errno_ret: Option<u64>,
    #[serde(default, deserialize_with = "or_null")]
    architectures: Vec<String>,
    #[serde(default, deserialize_with = "or_null")]
    arch_map: Vec<WrittenArchitecture>,
    #[serde(default, deserialize_with = "or_null")]
    syscalls: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenArchitecture {
    architecture: String,
    #[serde(default, deserialize_with = "or_null")]
    sub_architectures: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule {
    #[serde(default, deserialize_with = "or_null")]
    names: Vec<String>,
    name: Option<String>,
    action: String,
    errno_ret: Option<u64>,
    #[serde(default, deserialize_with = "or_null")]
    args: Vec<WrittenCondition>,
    #[serde(default, deserialize_with = "or_null")]
    includes: Filter,
    #[serde(default, deserialize_with = "or_null")]
    excludes: Filter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCondition {
    index: u64,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// Go writes an empty list as null.
fn or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Profile {
    /// Reads the text of a profile.
    ///
    /// # Errors
    /// It is none, or asks for what cannot be had, as a sentence without a full stop.
    pub fn read(text: &[u8]) -> Result<Profile, String> {
        let written: Written = serde_json::from_slice(text).map_err(|error| format!("it is no profile: {error}"))?;
        let from_map =
            written.arch_map.into_iter().filter(|one| one.architecture == format!("SCMP_ARCH_{}", ABIS[0].0));
        let architectures =
            written.architectures.into_iter().chain(from_map.flat_map(|one| one.sub_architectures)).collect();
        Ok(Profile {
            default: action(&written.default_action, written.default_errno_ret)?,
            architectures,
            rules: written.syscalls.into_iter().map(rule).collect::<Result<_, _>>()?,
        })
    }

    /// The program for a payload with this bounding set.
    ///
    /// # Errors
    /// It is longer than the kernel takes.
    pub fn compile(&self, bounding: CapabilitySet) -> Result<Program, String> {
        let rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.counts(bounding)).collect();
        let wanted = |name: &str| {
            name == ABIS[0].0 || self.architectures.iter().any(|one| one.strip_prefix("SCMP_ARCH_") == Some(name))
        };
        let chosen: Vec<usize> = (0..ABIS.len()).filter(|&abi| wanted(ABIS[abi].0)).collect();
        let numbers: Vec<Vec<Vec<u32>>> =
            chosen.iter().map(|&abi| rules.iter().map(|rule| rule.numbers(abi)).collect()).collect();
        let entries: Vec<Vec<Entry<'_>>> = numbers.iter().map(|numbers| entries(&rules, numbers)).collect();
        let tables: Vec<Table<'_>> = chosen
            .iter()
            .zip(&entries)
            .map(|(&abi, entries)| Table { unknown_from: unknown_from(abi, entries), entries, ..TABLES[abi] })
            .collect();
        let program = compile(&tables, self.defaults(), bounding.bits());
        // BPF_MAXINSNS (linux/bpf_common.h)
        if program.len() > 4096 {
            return Err(format!("it becomes {} instructions, and the kernel takes 4096", program.len()));
        }
        let filter = |i: super::compile::Instruction| sock_filter {
            code: i.code,
            jt: i.jump_true,
            jf: i.jump_false,
            k: i.operand,
        };
        Ok(Program(program.into_iter().map(filter).collect()))
    }

    /// A profile that refuses what it does not name could not name newer calls: those are missing, as on an older
    /// kernel, so that programs fall back (runc, libcontainer/seccomp/patchbpf).
    fn defaults(&self) -> Defaults {
        let unknown = match self.default {
            Action::Allow | Action::Log | Action::Trace(_) => self.default,
            _ => Action::Errno(ENOSYS),
        };
        Defaults { known: self.default, unknown }
    }
}

/// One after the other, as they are written.
fn entries<'a>(rules: &[&'a Rule], numbers: &'a [Vec<u32>]) -> Vec<Entry<'a>> {
    let rules = rules.iter().zip(numbers).filter(|(_, numbers)| !numbers.is_empty());
    rules
        .flat_map(|(rule, numbers)| {
            rule.conditions.iter().map(|conditions| Entry {
                numbers,
                action: rule.action,
                conditions,
                with_capabilities: 0,
                without_capabilities: 0,
            })
        })
        .collect()
}

/// The number after the newest that a rule names.
fn unknown_from(abi: usize, entries: &[Entry<'_>]) -> u32 {
    let from = TABLES[abi].from;
    let named = entries.iter().flat_map(|entry| entry.numbers).map(|number| number - from);
    from + named.filter(|number| *number < ABIS[abi].1).max().map_or(0, |newest| newest + 1)
}

impl Rule {
    fn counts(&self, bounding: CapabilitySet) -> bool {
        // A capability that rr does not know is none that anybody has.
        let has = |name: &String| {
            CapabilitySet::from_names(&[name]).is_ok_and(|one| !one.is_empty() && bounding.contains(one))
        };
        let here = |name: &String| name == MACHINE;
        let (with, without) = (&self.includes, &self.excludes);
        with.caps.iter().all(has)
            && (with.arches.is_empty() || with.arches.iter().any(here))
            && with.min_kernel.as_deref().is_none_or(kernel_is_at_least)
            && !without.caps.iter().any(has)
            && !without.arches.iter().any(here)
            && !without.min_kernel.as_deref().is_some_and(kernel_is_at_least)
    }

    /// Ascending.
    fn numbers(&self, abi: usize) -> Vec<u32> {
        let number = |name: &String| {
            let at = NAMES.binary_search_by(|(known, _)| (*known).cmp(name.as_str())).ok()?;
            Some(NAMES[at].1[abi]).filter(|number| *number != u32::MAX)
        };
        let mut numbers: Vec<u32> = self.names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// `4.8` or `5.11`, compared with uname(2)'s release.
fn kernel_is_at_least(wanted: &str) -> bool {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let here = rustix::system::uname();
    match (parse(wanted), parse(&here.release().to_string_lossy())) {
        (Some(wanted), Some(here)) => here >= wanted,
        _ => false,
    }
}

fn rule(written: WrittenRule) -> Result<Rule, String> {
    let names: Vec<String> = written.names.into_iter().chain(written.name).collect();
    let named = || names.first().cloned().unwrap_or_default();
    let conditions: Vec<Condition> =
        written.args.iter().map(condition).collect::<Result<_, _>>().map_err(|why| format!("{}: {why}", named()))?;
    let repeats = conditions
        .iter()
        .enumerate()
        .any(|(at, one)| conditions[..at].iter().any(|before| before.argument == one.argument));
    Ok(Rule {
        action: action(&written.action, written.errno_ret).map_err(|why| format!("{}: {why}", named()))?,
        // Two conditions on one argument are alternatives: libseccomp takes one an argument, and runc makes rules of them.
        conditions: if repeats { conditions.into_iter().map(|one| vec![one]).collect() } else { vec![conditions] },
        includes: written.includes,
        excludes: written.excludes,
        names,
    })
}

/// The names of libseccomp's actions, and what an errno or a message is by default (runtime-spec, `errnoRet`).
fn action(name: &str, number: Option<u64>) -> Result<Action, String> {
    let number = number.unwrap_or(EPERM.into());
    let number = u16::try_from(number).ok().filter(|number| *number <= 4095);
    let number = number.ok_or("an errnoRet is at most 4095")?;
    Ok(match name {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_ERRNO" => Action::Errno(number),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_TRACE" => Action::Trace(number),
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_NOTIFY" => return Err("SCMP_ACT_NOTIFY needs an agent, which rr does not have".into()),
        _ => return Err(format!("there is no action `{}`", name.escape_debug())),
    })
}

fn condition(written: &WrittenCondition) -> Result<Condition, String> {
    let argument = u8::try_from(written.index).ok().filter(|index| *index < 6);
    let argument = argument.ok_or_else(|| format!("there is no argument {}", written.index))?;
    let comparison = match written.op.as_str() {
        "SCMP_CMP_NE" => Comparison::NotEqual,
        "SCMP_CMP_LT" => Comparison::Less,
        "SCMP_CMP_LE" => Comparison::LessOrEqual,
        "SCMP_CMP_EQ" => Comparison::Equal,
        "SCMP_CMP_GE" => Comparison::GreaterOrEqual,
        "SCMP_CMP_GT" => Comparison::Greater,
        "SCMP_CMP_MASKED_EQ" => Comparison::MaskedEqual { mask: written.value },
        other => return Err(format!("there is no operator `{}`", other.escape_debug())),
    };
    let masked = matches!(comparison, Comparison::MaskedEqual { .. });
    let value = if masked { written.value_two & written.value } else { written.value };
    Ok(Condition { argument, comparison, value })
}

/// A finished program; in JSON sixteen hexadecimal digits an instruction.
#[derive(Clone)]
pub struct Program(Vec<sock_filter>);

impl Program {
    /// For seccomp(2).
    pub fn instructions(&self) -> &[sock_filter] {
        &self.0
    }

    fn text(&self) -> String {
        self.0.iter().map(|i| format!("{:04x}{:02x}{:02x}{:08x}", i.code, i.jt, i.jf, i.k)).collect()
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({} instructions)", self.0.len())
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        let same = |(a, b): (&sock_filter, &sock_filter)| (a.code, a.jt, a.jf, a.k) == (b.code, b.jt, b.jf, b.k);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Program {}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Program, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instruction = |digits: &[u8]| {
            let value = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            let (code, jt, jf, k) = ((value >> 48) as u16, (value >> 40) as u8, (value >> 32) as u8, value as u32);
            Some(sock_filter { code, jt, jf, k })
        };
        let (whole, rest) = text.as_bytes().as_chunks::<16>();
        let program = whole.iter().map(|digits| instruction(digits)).collect::<Option<Vec<_>>>();
        program
            .filter(|_| rest.is_empty())
            .map(Program)
            .ok_or_else(|| serde::de::Error::custom("it is no program of a system-call filter"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_profile_is_told() {
        for (text, why) in [
            ("", "it is no profile: EOF"),
            ("[]", "it is no profile"),
            ("{}", "missing field `defaultAction`"),
            (r#"{"defaultAction":"SCMP_ACT_MAYBE"}"#, "there is no action `SCMP_ACT_MAYBE`"),
            (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#, "at most 4095"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}"#,
                "read: SCMP_ACT_NOTIFY",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
                "read: there is no argument 6",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":[{"index":1,"value":1,"op":"EQ"}]}]}"#,
                "read: there is no operator `EQ`",
            ),
        ] {
            let failure = Profile::read(text.as_bytes()).unwrap_err();
            assert!(failure.contains(why), "{text}: {failure}");
        }
    }

    #[test]
    fn programs_survive_being_written() {
        let profile = Profile::read(br#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":null}"#).unwrap();
        let program = profile.compile(CapabilitySet::DEFAULT).unwrap();
        assert!(!program.instructions().is_empty());
        let text = serde_json::to_string(&program).unwrap();
        assert_eq!(serde_json::from_str::<Program>(&text).unwrap(), program);
        serde_json::from_str::<Program>(&text.replacen('0', "g", 1)).unwrap_err();
        serde_json::from_str::<Program>("\"00\"").unwrap_err();
    }
}
