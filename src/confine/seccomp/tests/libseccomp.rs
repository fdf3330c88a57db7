//! The same profiles compiled by libseccomp, and both programs asked about every system call.

use super::super::compile::ENOSYS;
use super::*;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A profile compiled by libseccomp.
struct Reference {
    program: Vec<Raw>,
    /// Names it does not know.
    unknown: Vec<String>,
}

/// Builds libseccomp.c; the reason where the machine cannot.
fn exporter(directory: &Path) -> Result<std::path::PathBuf, String> {
    let source = directory.join("libseccomp.c");
    let program = directory.join("libseccomp");
    std::fs::write(&source, include_str!("libseccomp.c")).map_err(|error| error.to_string())?;
    let output =
        Command::new("cc").args(["-Wall", "-Werror", "-o"]).arg(&program).arg(&source).arg("-lseccomp").output();
    match output {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(format!("no libseccomp to compare with: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("no C compiler: {error}")),
    }
}

impl Reference {
    fn new(
        exporter: &Path,
        machine: &Machine,
        rules: &[Rule],
        defaults: Defaults,
        capabilities: CapabilitySet,
    ) -> Reference {
        let mut input = format!("default {}\n", defaults.known.code());
        for abi in machine.abis {
            input += &format!("arch {}\n", abi.name.to_lowercase());
        }
        let holds = |name: Option<&'static str>| name.map(|name| capabilities.contains(CapabilitySet::of(&[name])));
        for rule in rules {
            let counts = (rule.machines.is_empty() || rule.machines.contains(&machine.go))
                && holds(rule.with_capability).unwrap_or(true)
                && !holds(rule.without_capability).unwrap_or(false);
            // libseccomp takes no rule that says what the default says.
            if !counts || rule.action == defaults.known {
                continue;
            }
            let conditions: String = rule.conditions.iter().map(words).collect();
            for name in rule.names.split_whitespace() {
                input += &format!("rule {} {name}{conditions}\n", rule.action.code());
            }
        }
        let mut child =
            Command::new(exporter).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{errors}");
        let program = output.stdout.chunks_exact(8).map(|i| {
            let operand = u32::from_le_bytes([i[4], i[5], i[6], i[7]]);
            (u16::from_le_bytes([i[0], i[1]]), i[2], i[3], operand)
        });
        Reference { program: program.collect(), unknown: errors.lines().map(str::to_owned).collect() }
    }
}

/// A condition as libseccomp.c reads it (enum scmp_compare).
fn words(condition: &Condition) -> String {
    let (operator, a, b) = match condition.comparison {
        Comparison::NotEqual => (1, condition.value, 0),
        Comparison::Less => (2, condition.value, 0),
        Comparison::LessOrEqual => (3, condition.value, 0),
        Comparison::Equal => (4, condition.value, 0),
        Comparison::GreaterOrEqual => (5, condition.value, 0),
        Comparison::Greater => (6, condition.value, 0),
        Comparison::MaskedEqual { mask } => (7, mask, condition.value),
    };
    format!(" {} {operator} {a} {b}", condition.argument)
}

/// Asks both programs about every number that libseccomp knows, and returns how often.
fn compare(
    exporter: &Path,
    machine: &Machine,
    rules: fn() -> Vec<Rule>,
    defaults: Defaults,
    capabilities: CapabilitySet,
) -> usize {
    let compiled = Compiled::new(machine, rules, defaults, capabilities);
    compare_program(exporter, machine, rules, &compiled, capabilities)
}

fn compare_program(
    exporter: &Path,
    machine: &Machine,
    rules: fn() -> Vec<Rule>,
    compiled: &Compiled,
    capabilities: CapabilitySet,
) -> usize {
    let defaults = compiled.defaults;
    let reference = Reference::new(exporter, machine, &rules(), defaults, capabilities);
    let mut compared = 0;
    for table in &compiled.numbered {
        let entries = table.entries();
        let unknown: Vec<u32> = reference.unknown.iter().filter_map(|name| (table.abi.number)(name)).collect();
        for number in numbers().filter(|number| belongs(table, *number)) {
            let mentioned = entries.iter().any(|entry| entry.numbers.contains(&number));
            let newer = !mentioned && number >= table.unknown_from;
            if newer || unknown.contains(&number) {
                continue;
            }
            for arguments in argument_lists(&entries, number) {
                let call = Call { number, architecture: table.abi.audit, arguments };
                let (ours, theirs) = (run(&compiled.program, &call).0, run(&reference.program, &call).0);
                assert_eq!(ours, theirs, "{} {number} {arguments:x?} with {capabilities}", table.abi.name);
                compared += 1;
            }
        }
    }
    compared
}

/// Says why a test does nothing; fails where the machine is promised to be able to.
fn skip(reason: &str) {
    assert!(std::env::var_os("RR_TEST_MUST_WORK").is_none_or(|value| value != "1"), "{reason}");
    // Straight to the descriptor: libtest swallows what a passing test prints with print macros.
    writeln!(std::io::stderr(), "skipped: {reason}").unwrap();
}

#[test]
fn libseccomp_makes_the_same_of_the_default_profile() {
    let directory = tempfile::tempdir().unwrap();
    let exporter = match exporter(directory.path()) {
        Ok(exporter) => exporter,
        Err(reason) => return skip(&reason),
    };
    let admin = CapabilitySet::DEFAULT.union(CapabilitySet::of(&["SYS_ADMIN", "SYS_PTRACE"]));
    for machine in &MACHINES {
        for capabilities in [CapabilitySet::DEFAULT, CapabilitySet::EMPTY, CapabilitySet::ALL, admin] {
            let compared = compare(&exporter, machine, profile::rules, profile::DEFAULTS, capabilities);
            assert!(compared > 1000, "{compared}");
        }
    }
}

/// Podman's profile is another: it names what fails with EPERM and lets the rest be ENOSYS, has rules
/// with two conditions, and such as say NE.
#[test]
fn libseccomp_makes_the_same_of_podmans_profile() {
    let directory = tempfile::tempdir().unwrap();
    let exporter = match exporter(directory.path()) {
        Ok(exporter) => exporter,
        Err(reason) => return skip(&reason),
    };
    if let Err(error) = std::fs::metadata(PODMANS) {
        return skip(&format!("{PODMANS}: {error}"));
    }
    let defaults = Defaults { known: Action::Errno(ENOSYS), unknown: Action::Errno(ENOSYS) };
    let without_audit = CapabilitySet::DEFAULT.without(CapabilitySet::of(&["AUDIT_WRITE"]));
    for machine in &MACHINES {
        for capabilities in [CapabilitySet::DEFAULT, without_audit, CapabilitySet::EMPTY, CapabilitySet::ALL] {
            let compared = compare(&exporter, machine, podmans_rules, defaults, capabilities);
            assert!(compared > 1000, "{compared}");
        }
    }
}

/// The same text, read as a user's own profile is.
#[test]
fn libseccomp_makes_the_same_of_a_profile_that_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let exporter = match exporter(directory.path()) {
        Ok(exporter) => exporter,
        Err(reason) => return skip(&reason),
    };
    let text = match std::fs::read(PODMANS) {
        Ok(text) => text,
        Err(error) => return skip(&format!("{PODMANS}: {error}")),
    };
    let machine = MACHINES.iter().find(|machine| machine.rust == std::env::consts::ARCH).unwrap();
    let profile = super::super::Profile::read(&text).unwrap();
    let defaults = Defaults { known: Action::Errno(ENOSYS), unknown: Action::Errno(ENOSYS) };
    for capabilities in [CapabilitySet::DEFAULT, CapabilitySet::EMPTY, CapabilitySet::ALL] {
        let program = profile.compile(capabilities).unwrap();
        let program = program.instructions().iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect();
        let compiled = Compiled { program, ..Compiled::new(machine, podmans_rules, defaults, capabilities) };
        let compared = compare_program(&exporter, machine, podmans_rules, &compiled, capabilities);
        assert!(compared > 1000, "{compared}");
    }
}

/// Debian's golang-github-containers-common installs it.
const PODMANS: &str = "/usr/share/containers/seccomp.json";

fn podmans_rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(PODMANS).unwrap();
    let profile: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(profile["defaultErrnoRet"], 38);
    profile["syscalls"].as_array().unwrap().iter().map(rule).collect()
}

/// An entry of `syscalls`. What it leaks ends with the test.
fn rule(json: &serde_json::Value) -> Rule {
    let strings = |value: &serde_json::Value| -> Vec<&'static str> {
        let leak = |value: &serde_json::Value| -> &'static str { value.as_str().unwrap().to_owned().leak() };
        value.as_array().map(|values| values.iter().map(leak).collect()).unwrap_or_default()
    };
    let capability = |value: &serde_json::Value| {
        let names = strings(value);
        assert!(names.len() <= 1);
        names.first().map(|name| name.strip_prefix("CAP_").unwrap())
    };
    let action = match json["action"].as_str().unwrap() {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_ERRNO" => Action::Errno(json["errnoRet"].as_u64().unwrap() as u16),
        other => panic!("{other}"),
    };
    let conditions = json["args"].as_array().map(Vec::as_slice).unwrap_or_default();
    Rule {
        names: strings(&json["names"]).join(" ").leak(),
        action,
        conditions: conditions
            .iter()
            .map(|condition| Condition {
                argument: condition["index"].as_u64().unwrap() as u8,
                comparison: match condition["op"].as_str().unwrap() {
                    "SCMP_CMP_EQ" => Comparison::Equal,
                    "SCMP_CMP_NE" => Comparison::NotEqual,
                    other => panic!("{other}"),
                },
                value: condition["value"].as_u64().unwrap(),
            })
            .collect(),
        machines: strings(&json["includes"]["arches"]).leak(),
        with_capability: capability(&json["includes"]["caps"]),
        without_capability: capability(&json["excludes"]["caps"]),
    }
}
