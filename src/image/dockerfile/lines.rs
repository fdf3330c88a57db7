//! Logical lines: parser directives, comments, continuations and here-documents.

use super::words;
use super::{Mistake, Span};

/// What the comments at the very top say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# escape=`
    pub escape: char,
    /// `# syntax=`: whose frontend is to read this. rr reads it itself, whatever it says.
    pub syntax: Option<String>,
    /// `# check=`: which lints are wanted.
    pub check: Option<String>,
}

/// One instruction as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where, its here-documents included.
    pub span: Span,
    /// The first word, as it was typed.
    pub keyword: String,
    /// What follows the first word, without blanks around it; here-documents are not in it.
    pub rest: String,
    /// Both, as they were typed.
    pub text: String,
    /// The files that follow.
    pub heredocs: Vec<Heredoc>,
}

/// A file that stands in the Dockerfile: `<<NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// Its name, and the line that ends it.
    pub name: String,
    /// Its content, each line with its end.
    pub content: String,
    /// Whether variables in it are expanded: not where its name is quoted.
    pub expand: bool,
    /// `<<-`: tabs at the beginnings of its lines do not belong to it.
    pub chomp: bool,
}

impl Heredoc {
    /// The content without what is not to belong to it.
    pub fn stripped(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

impl Line {
    /// A line that stands in no file. The error is a sentence.
    pub(super) fn alone(text: &str, escape: char) -> Result<Line, String> {
        let mut rest = text.lines();
        let mut joined = String::new();
        for line in rest.by_ref() {
            match continued(line, escape) {
                Some(part) => joined.push_str(part),
                None => {
                    joined.push_str(line);
                    break;
                }
            }
        }
        let mut line = split(joined.trim(), Span::default());
        let mut lines = rest.map(|line| format!("{line}\n"));
        line.heredocs = heredocs(&line, escape, &mut || lines.next())?;
        Ok(line)
    }
}

/// Reads a file into its instructions.
///
/// # Errors
/// A directive that says what cannot be, a here-document without an end.
pub fn read(text: &str) -> Result<(Directives, Vec<Line>), Mistake> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let directives = directives(&all)?;
    let escape = directives.escape;
    let mut lines = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let first = at + 1;
        let Some(joined) = logical_line(&all, &mut at, escape) else { continue };
        let mut line = split(&joined, Span { first, last: at });
        let found = heredocs(&line, escape, &mut || {
            let next = all.get(at).map(|line| (*line).to_owned());
            at += usize::from(next.is_some());
            next
        });
        let span = Span { first, last: at };
        line.heredocs = found.map_err(|cause| Mistake::at(span, cause))?;
        line.span = span;
        lines.push(line);
    }
    Ok((directives, lines))
}

/// The next instruction, its continuations joined; None where the line is a comment or blank.
fn logical_line(all: &[&str], at: &mut usize, escape: char) -> Option<String> {
    let mut joined = String::new();
    let line = without_end(all[*at]).trim_start();
    *at += 1;
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut more = append(&mut joined, line, escape);
    while more && let Some(next) = all.get(*at) {
        *at += 1;
        let next = without_end(next);
        let trimmed = next.trim_start();
        // Comments and empty lines in the midst of an instruction are passed over.
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        more = append(&mut joined, next, escape);
    }
    Some(joined.trim_end().to_owned())
}

/// Adds a line; whether the next belongs to it.
fn append(joined: &mut String, line: &str, escape: char) -> bool {
    match continued(line, escape) {
        Some(part) => {
            joined.push_str(part);
            true
        }
        None => {
            joined.push_str(line);
            false
        }
    }
}

/// The line without the mark at its end that it goes on; two such characters are none.
fn continued(line: &str, escape: char) -> Option<&str> {
    let part = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!part.ends_with(escape)).then_some(part)
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn split(text: &str, span: Span) -> Line {
    let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Line {
        span,
        keyword: keyword.to_owned(),
        rest: rest.trim().to_owned(),
        text: text.to_owned(),
        heredocs: Vec::new(),
    }
}

/// Comments of the form `# name=value` before anything else.
fn directives(all: &[&str]) -> Result<Directives, Mistake> {
    let mut directives = Directives { escape: '\\', syntax: None, check: None };
    let mut seen: Vec<String> = Vec::new();
    for (index, line) in all.iter().enumerate() {
        let Some((name, value)) = directive(without_end(line)) else { break };
        let wrong = |cause: String| Mistake::at(Span { first: index + 1, last: index + 1 }, cause);
        if seen.contains(&name) {
            return Err(wrong(format!("only one {name} parser directive can be used")));
        }
        match (name.as_str(), value) {
            ("syntax", value) => directives.syntax = Some(value.to_owned()),
            ("check", value) => directives.check = Some(value.to_owned()),
            ("escape", "\\") => directives.escape = '\\',
            ("escape", "`") => directives.escape = '`',
            ("escape", other) => return Err(wrong(format!("invalid escape token '{other}' does not match ` or \\"))),
            // A comment like any other; what follows is no directive any more.
            _ => break,
        }
        seen.push(name);
    }
    Ok(directives)
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

/// The here-documents that a line begins, read with `next`. The error is a sentence.
fn heredocs(line: &Line, escape: char, next: &mut dyn FnMut() -> Option<String>) -> Result<Vec<Heredoc>, String> {
    let mut keyword = line.keyword.to_ascii_uppercase();
    let mut rest = line.rest.as_str();
    while keyword == "ONBUILD" {
        let (inner, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        (keyword, rest) = (inner.to_ascii_uppercase(), after.trim_start());
    }
    if !matches!(keyword.as_str(), "ADD" | "COPY" | "RUN") {
        return Ok(Vec::new());
    }
    // A quote that does not close is the shell's business, or found later.
    let words = words::split_raw(rest, escape).unwrap_or_default();
    let mut found: Vec<Heredoc> = words.iter().filter_map(|word| heredoc(word)).collect();
    for heredoc in &mut found {
        loop {
            let Some(line) = next() else { return Err(format!("unterminated heredoc {}", heredoc.name)) };
            let mut end = without_end(&line);
            if heredoc.chomp {
                end = end.trim_start_matches('\t');
            }
            if end == heredoc.name {
                break;
            }
            heredoc.content.push_str(&line.replace("\r\n", "\n"));
        }
    }
    Ok(found)
}

/// What the word `<<NAME` begins; digits in front name a descriptor.
pub fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let expand = !rest.contains(['"', '\'']);
    let name: String = rest.chars().filter(|letter| !matches!(letter, '"' | '\'')).collect();
    (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| Heredoc {
        name,
        content: String::new(),
        expand,
        chomp,
    })
}
