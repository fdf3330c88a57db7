//! Compiles the default system-call filter, so that starting a container only has to hand it over.
//!
//! Writes `seccomp.rs`: the rules with the numbers of the target's architectures, for capability
//! sets other than the default one, and the finished program for that one.

// What only tests use of these files is dead here.
#[allow(dead_code)]
#[path = "src/confine/seccomp/abi.rs"]
mod abi;
#[path = "src/confine/capability_names.rs"]
mod capability_names;
#[allow(dead_code)]
#[path = "src/confine/seccomp/compile.rs"]
mod compile;
#[path = "src/confine/seccomp/profile.rs"]
mod profile;

use std::fmt::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in ["abi", "compile", "profile"] {
        println!("cargo::rerun-if-changed=src/confine/seccomp/{file}.rs");
    }
    println!("cargo::rerun-if-changed=src/confine/capability_names.rs");
    println!("cargo::rerun-if-changed=build.rs");
    link_at_a_fixed_address();
    let target = std::env::var("CARGO_CFG_TARGET_ARCH")?;
    let machine = abi::MACHINES.iter().find(|machine| machine.rust == target).ok_or_else(|| {
        format!("the system-call filter has no table for {target}: add one to confine/seccomp/abi.rs")
    })?;
    let numbered = machine.tables(profile::rules);
    let entries: Vec<_> = numbered.iter().map(abi::NumberedTable::entries).collect();
    let tables: Vec<_> = numbered.iter().zip(&entries).map(|(table, entries)| table.with_entries(entries)).collect();
    let out = std::path::Path::new(&std::env::var("OUT_DIR")?).join("seccomp.rs");
    std::fs::write(out, source(&tables)? + &names(machine)?)?;
    Ok(())
}

/// Without addresses to be put right at every start: docs/decisions/0022.
fn link_at_a_fixed_address() {
    // musl's start files are chosen by rustc, which has to be told by `-C relocation-model=static`.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        println!("cargo::rustc-link-arg-bins=-static");
    }
}

/// What a profile that is given at run time needs: the architectures' names, and the numbers of all calls.
fn names(machine: &abi::Machine) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let count = machine.abis.len();
    writeln!(text, "pub const MACHINE: &str = {:?};", machine.go)?;
    writeln!(text, "pub static ABIS: [(&str, u32); {count}] = [")?;
    for abi in machine.abis {
        writeln!(text, "({:?}, {:#x}),", abi.name, abi.private_from)?;
    }
    let all: std::collections::BTreeSet<&str> = machine.abis.iter().flat_map(|abi| (abi.names)()).collect();
    writeln!(text, "];\npub static NAMES: [(&str, [u32; {count}]); {}] = [", all.len())?;
    for name in all {
        let numbers: Vec<u32> = machine.abis.iter().map(|abi| (abi.number)(name).unwrap_or(u32::MAX)).collect();
        writeln!(text, "({name:?}, {numbers:?}),")?;
    }
    writeln!(text, "];")?;
    Ok(text)
}

/// The generated file. Derived `Debug` of the compiler's types is Rust where their names are in scope.
fn source(tables: &[compile::Table<'_>]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let used = tables
        .iter()
        .flat_map(|table| table.entries)
        .fold(0, |bits, entry| bits | entry.with_capabilities | entry.without_capabilities);
    writeln!(text, "pub const DEPENDS_ON: u64 = {used:#x};")?;
    writeln!(text, "pub const DEFAULTS: Defaults = {:?};", profile::DEFAULTS)?;
    writeln!(text, "pub static TABLES: [Table<'static>; {}] = [", tables.len())?;
    for compile::Table { audit, from, words, unknown_from, entries } in tables {
        writeln!(
            text,
            "Table {{ audit: {audit:#x}, from: {from:#x}, words: {words:?}, unknown_from: {unknown_from:#x}, "
        )?;
        writeln!(text, "entries: &[")?;
        for compile::Entry { numbers, action, conditions, with_capabilities, without_capabilities } in *entries {
            writeln!(text, "Entry {{ numbers: &{numbers:?}, action: {action:?}, conditions: &{conditions:?}, ")?;
            writeln!(
                text,
                "with_capabilities: {with_capabilities:#x}, without_capabilities: {without_capabilities:#x} }},"
            )?;
        }
        writeln!(text, "] }},")?;
    }
    writeln!(text, "];")?;
    let default = capability_names::bits_of(&capability_names::DOCKER_DEFAULT);
    let program = compile::compile(tables, profile::DEFAULTS, default);
    writeln!(text, "pub static DEFAULT_PROGRAM: [sock_filter; {}] = [", program.len())?;
    for compile::Instruction { code, jump_true, jump_false, operand } in program {
        writeln!(text, "sock_filter {{ code: {code:#x}, jt: {jump_true}, jf: {jump_false}, k: {operand:#x} }},")?;
    }
    writeln!(text, "];")?;
    Ok(text)
}
