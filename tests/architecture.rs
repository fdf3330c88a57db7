//! The shape of the source: imports point one way, and some things live in one room only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, outermost first; a module imports from its own row or a later one (see src/lib.rs).
const LAYERS: &[&[&str]] = &[
    &["main", "lib"],
    &["cli"],
    &["build"],
    &["container"],
    &["image", "launch", "net", "store"],
    &["rootfs", "confine", "host"],
    &["sys"],
];

/// What every layer may import.
const EVERYBODYS: &[&str] = &["error"];

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for file in source_files() {
        let own = layer(file.module());
        for (line, path) in file.crate_paths() {
            let everybodys =
                EVERYBODYS.iter().any(|shared| path == *shared || path.starts_with(&format!("{shared}::")));
            let target = path.split("::").next().unwrap_or_default();
            if !everybodys && layer(target) < own {
                wrong.push(format!("{}:{line}: {} imports crate::{path}", file.path.display(), file.module()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point outwards:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_sys_alone() {
    let found = words_outside("sys", &["unsafe"]);
    assert!(found.is_empty(), "unsafe outside src/sys:\n{}", found.join("\n"));
}

#[test]
fn only_cli_prints() {
    let found = words_outside("cli", &["println!", "eprintln!", "print!", "eprint!", "dbg!"]);
    assert!(found.is_empty(), "printing outside src/cli:\n{}", found.join("\n"));
}

#[test]
fn only_cli_parses_arguments() {
    let found = words_outside("cli", &["clap", "clap_complete", "clap_mangen"]);
    assert!(found.is_empty(), "clap outside src/cli:\n{}", found.join("\n"));
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = read("docs/decisions/0001-dependencies.md");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let names = ["dependencies", "dev-dependencies"].into_iter().filter_map(|table| manifest.get(table)?.as_table());
    let missing: Vec<&String> =
        names.flat_map(|table| table.keys()).filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/decisions/0001-dependencies.md says nothing of {missing:?}");
}

/// The checks above see what they are meant to see.
#[test]
fn the_checks_can_fail() {
    let file = SourceFile::new(
        PathBuf::from("src/store/x.rs"),
        "use crate::{cli, error::{Failure, Result}};\n// crate::main\nfn f() { crate::container::plan::g(\"crate::cli\") }\n\
         fn h<'a>(_: &'a str) -> char { '\"' } /* unsafe */ fn i() { unsafe { println!(\"x\") } }\n",
    );
    let paths: Vec<String> = file.crate_paths().into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["cli", "error::{Failure, Result}", "container::plan::g"]);
    assert_eq!(file.lines_with("unsafe"), [4]);
    assert_eq!(file.lines_with("println!"), [4]);
    assert_eq!(file.lines_with("print!"), [0usize; 0]);
    assert!(layer("cli") < layer("store") && layer("store") < layer("sys"));
}

/// A module's depth; one that no layer names is a mistake of its own.
fn layer(module: &str) -> usize {
    if module == "error" {
        return LAYERS.len();
    }
    LAYERS
        .iter()
        .position(|names| names.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` is in no layer: name it in src/lib.rs and here"))
}

fn words_outside(room: &str, words: &[&str]) -> Vec<String> {
    let files = source_files();
    // What is compiled for unit tests alone may say why it skips.
    let for_tests = |path: &Path| path.ends_with("testing.rs") || path.iter().any(|part| part == "tests");
    let outside = files.iter().filter(|file| file.module() != room && !for_tests(&file.path));
    let mut found = Vec::new();
    for file in outside {
        for word in words {
            found.extend(file.lines_with(word).iter().map(|line| format!("{}:{line}: {word}", file.path.display())));
        }
    }
    found
}

/// A source file without its comments and the contents of its strings.
struct SourceFile {
    /// From the root of the repository.
    path: PathBuf,
    code: String,
}

impl SourceFile {
    fn new(path: PathBuf, text: &str) -> SourceFile {
        SourceFile { path, code: blank_comments_and_strings(text) }
    }

    /// The module under `src` it belongs to: `cli` for src/cli/run.rs, `error` for src/error.rs.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src").expect("a source file");
        let first = below.iter().next().and_then(|part| part.to_str()).expect("a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// What follows each `crate::`, groups opened: (line, path).
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if self.code[..at].ends_with(is_word) {
                continue;
            }
            let line = self.line(at);
            let rest = &self.code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => paths.extend(split_group(group).into_iter().map(|path| (line, path))),
                None => {
                    let end = rest.find(|c| !is_word(c) && c != ':').unwrap_or(rest.len());
                    paths.push((line, rest[..end].trim_end_matches(':').to_owned()));
                }
            }
        }
        paths
    }

    fn lines_with(&self, word: &str) -> Vec<usize> {
        let whole = |at: &usize| {
            let after = &self.code[at + word.len()..];
            !self.code[..*at].ends_with(is_word) && (word.ends_with('!') || !after.starts_with(is_word))
        };
        self.code.match_indices(word).map(|(at, _)| at).filter(whole).map(|at| self.line(at)).collect()
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The top-level members of `a, b::{c, d}}…`, up to the brace that closes the group.
fn split_group(text: &str) -> Vec<String> {
    let (mut members, mut member, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(std::mem::take(&mut member)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                member.push(c);
            }
        }
    }
    members.push(member);
    members.iter().map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
}

/// Replaces comments and what is between quotes by blanks; lines stay where they are.
fn blank_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = token_to_blank(rest, out.chars().next_back());
        if length == 0 {
            let c = rest.chars().next().expect("not empty");
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the comment, string or character literal that `rest` starts with; else 0.
fn token_to_blank(rest: &str, previous: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    if let Some(after) = raw.filter(|_| !previous.is_some_and(is_word)) {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = rest.len() - after.len() + hashes + 1;
            return rest[start..].find(&close).map_or(rest.len(), |end| start + end + close.len());
        }
    }
    if rest.starts_with('"') {
        return end_of_quoted(rest, '"');
    }
    // A quote opens a character if it closes right after one (or an escape); else it is a lifetime.
    let mut ahead = rest.chars();
    match (ahead.next(), ahead.next(), ahead.next()) {
        (Some('\''), Some('\\'), _) => end_of_quoted(rest, '\''),
        (Some('\''), Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

fn end_of_quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn source_files() -> Vec<SourceFile> {
    let mut files = BTreeMap::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 5, "the source is there");
    files.into_iter().map(|(path, text)| SourceFile::new(path, &text)).collect()
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).expect("a source directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").to_owned();
            files.insert(name, fs::read_to_string(&path).expect("source is text"));
        }
    }
}

/// The repository; `contrib/test` runs the tests on a copy where the checkout cannot be read.
fn root() -> PathBuf {
    std::env::var_os("RR_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
