//! Dockerfiles: text becomes stages of instructions. Pure, and without any look at what the instructions mean on a
//! machine: `crate::build` carries them out.
//!
//! The grammar is BuildKit's (`frontend/dockerfile/parser`, `instructions` and `shell`), as the Dockerfile reference
//! describes it:
//! - [`lines`]: directives, comments, continuations and here-documents; bytes in, logical lines out.
//! - [`words`]: what stands on a line: flags, words, lists in JSON, `NAME=value`.
//! - [`instruction`]: a line becomes an [`Instruction`], its words as they were typed.
//! - [`expand`]: quotes and variables of such a word, once it is known which variables there are.

pub mod expand;
pub mod instruction;
pub mod lines;
pub mod words;

pub use self::expand::Expander;
pub use self::instruction::{Command, Files, Instruction, MountFlag, Run};
pub use self::lines::Heredoc;
use self::lines::{Directives, Line};

/// Where something stands in a Dockerfile: its first and last line, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first line.
    pub first: usize,
    /// The last line.
    pub last: usize,
}

/// What is wrong with a Dockerfile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where; None where it is the whole that is wrong.
    pub span: Option<Span>,
    /// A sentence without a full stop, in BuildKit's words where it has some.
    pub cause: String,
}

impl Mistake {
    fn at(span: Span, cause: impl Into<String>) -> Mistake {
        Mistake { span: Some(span), cause: cause.into() }
    }
}

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub span: Span,
    /// As it was typed, continuations joined.
    pub text: String,
    /// What it says.
    pub instruction: Instruction,
}

/// `FROM` and what follows up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Where its FROM stands.
    pub span: Span,
    /// That line.
    pub text: String,
    /// The image, or an earlier stage's name; variables are not expanded.
    pub base: String,
    /// `--platform`, variables not expanded.
    pub platform: Option<String>,
    /// What comes after AS, in lower case.
    pub name: Option<String>,
    /// Its instructions.
    pub steps: Vec<Step>,
}

/// A Dockerfile, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The escape character: `\`, or `` ` `` where a directive says so.
    pub escape: char,
    /// The ARGs before the first FROM: name, and the default as it was typed.
    pub arguments: Vec<(String, Option<String>)>,
    /// At least one.
    pub stages: Vec<Stage>,
}

/// Parses a Dockerfile.
///
/// # Errors
/// The first mistake met.
pub fn parse(text: &str) -> Result<Dockerfile, Mistake> {
    let (Directives { escape, .. }, lines) = lines::read(text)?;
    let mut dockerfile = Dockerfile { escape, arguments: Vec::new(), stages: Vec::new() };
    for line in &lines {
        if line.keyword.eq_ignore_ascii_case("FROM") {
            let stage = stage(line, escape).map_err(|cause| Mistake::at(line.span, cause))?;
            dockerfile.stages.push(stage);
            continue;
        }
        let instruction = instruction::parse(line, escape).map_err(|cause| Mistake::at(line.span, cause))?;
        match (dockerfile.stages.last_mut(), instruction) {
            (Some(stage), instruction) => {
                stage.steps.push(Step { span: line.span, text: line.text.clone(), instruction });
            }
            (None, Instruction::Arg(arguments)) => dockerfile.arguments.extend(arguments),
            (None, _) => return Err(Mistake::at(line.span, "no build stage in current context")),
        }
    }
    if dockerfile.stages.is_empty() {
        let cause = if lines.is_empty() { "file with no instructions" } else { "no build stage in current context" };
        return Err(Mistake { span: None, cause: cause.to_owned() });
    }
    Ok(dockerfile)
}

/// Parses one instruction that stands alone: `ONBUILD`'s, `commit --change`'s. The error is a sentence.
pub fn parse_instruction(text: &str, escape: char) -> Result<Instruction, String> {
    let line = Line::alone(text, escape)?;
    instruction::parse(&line, escape)
}

/// `FROM [--platform=P] IMAGE [AS NAME]`
fn stage(line: &Line, escape: char) -> Result<Stage, String> {
    let (flags, rest) = words::flags(&line.rest, escape)?;
    let mut platform = None;
    for flag in flags {
        match flag.name.as_str() {
            "platform" if platform.is_none() => platform = Some(flag.value()?),
            "platform" => return Err("duplicate flag specified: platform".into()),
            other => return Err(format!("unknown flag: --{other}")),
        }
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (base, name) = match words.as_slice() {
        [base] => (*base, None),
        [base, word, name] if word.eq_ignore_ascii_case("AS") => (*base, Some(name.to_lowercase())),
        _ => return Err("FROM requires either one or three arguments".into()),
    };
    if let Some(name) = &name
        && !is_stage_name(name)
    {
        return Err(format!(
            "invalid name for build stage: \"{name}\", name can't start with a number or contain symbols"
        ));
    }
    Ok(Stage { span: line.span, text: line.text.clone(), base: base.to_owned(), platform, name, steps: Vec::new() })
}

/// `[a-z][a-z0-9-_.]*`
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests;
