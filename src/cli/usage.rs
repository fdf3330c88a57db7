//! What is typed before and around a command: global options, and clap's complaints in rr's words.

use crate::error::{Doing, ExitCode, Failure, Known, Result};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A container runner without root and without a daemon.
#[derive(Debug, Default, Parser)]
#[command(name = "rr", disable_help_flag = true, disable_version_flag = true, disable_help_subcommand = true)]
pub struct Globals {
    /// Show what rr does, stage by stage, on standard error (the same as `--log-level debug`)
    #[arg(short = 'D', long)]
    pub debug: bool,
    /// What to log on standard error: trace, debug, info, warn or error [env: RR_LOG]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Directory of Docker's client configuration with its credentials [env: DOCKER_CONFIG]
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// Print help
    #[arg(short, long)]
    pub help: bool,
    /// Print the version
    #[arg(short = 'v', long)]
    pub version: bool,
}

/// Splits the arguments into the global options and the command with what belongs to it.
pub fn split_globals(arguments: Vec<OsString>) -> Result<(Globals, Vec<OsString>)> {
    // The usual case needs no parser.
    if arguments.first().is_none_or(|word| !word.as_encoded_bytes().starts_with(b"-")) {
        return Ok((Globals::default(), arguments));
    }
    let words = std::iter::once(OsString::from("rr")).chain(arguments);
    let mut matches = Globals::command()
        .args_override_self(true)
        .allow_external_subcommands(true)
        .try_get_matches_from(words)
        .map_err(|error| failure_of("rr", &error, ExitCode::Runner))?;
    let rest = match matches.remove_subcommand() {
        Some((name, mut rest)) => {
            let rest = rest.remove_many::<OsString>("").into_iter().flatten();
            std::iter::once(OsString::from(name)).chain(rest).collect()
        }
        None => Vec::new(),
    };
    let globals =
        Globals::from_arg_matches_mut(&mut matches).map_err(|error| failure_of("rr", &error, ExitCode::Runner))?;
    Ok((globals, rest))
}

/// `--config DIR`: the whole program, and a credential helper it starts, looks there.
pub fn use_config_directory(directory: &Path) -> Result<()> {
    crate::sys::env::set_while_single_threaded("DOCKER_CONFIG", directory.as_os_str())
        .doing(|| format!("cannot use --config {}", directory.display()))
}

/// Parses the arguments of one command. `Ok(None)` means that help was asked for.
pub fn parse<A: FromArgMatches>(
    command: clap::Command,
    path: &str,
    arguments: &[OsString],
    miscount: ExitCode,
) -> Result<Option<A>> {
    let words = std::iter::once(OsString::from(path)).chain(arguments.iter().cloned());
    let parsed = command.try_get_matches_from(words).and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    match parsed {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(None),
        Err(error) => Err(failure_of(path, &error, miscount)),
    }
}

/// clap's error in rr's form. `miscount` is the exit status of a wrong number of arguments; a
/// wrong option is always 125, as Docker's.
fn failure_of(path: &str, error: &clap::Error, miscount: ExitCode) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let typed = bare_name(&text(ContextKind::InvalidArg).unwrap_or_default());
    let doing = format!("cannot understand the arguments of `{path}`");
    let is_option = typed.starts_with('-');
    let (cause, code) = match error.kind() {
        ErrorKind::UnknownArgument if is_option => match super::run_flags::planned(&typed) {
            Some(option) => (format!("{option} is an option of Docker's that rr does not have yet"), ExitCode::Runner),
            None => (format!("there is no option {typed}"), ExitCode::Runner),
        },
        ErrorKind::UnknownArgument => (format!("`{typed}` is one argument too many"), miscount),
        ErrorKind::MissingRequiredArgument => (format!("{typed} is missing"), miscount),
        ErrorKind::InvalidValue if text(ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) => {
            (format!("{typed} needs a value"), ExitCode::Runner)
        }
        ErrorKind::NoEquals => (format!("the value of {typed} must follow an `=`"), ExitCode::Runner),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            (format!("`{value}` is no value for {typed}{why}"), ExitCode::Runner)
        }
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).unwrap_or_default();
            (format!("{typed} and {other} exclude each other"), ExitCode::Runner)
        }
        // The remaining kinds do not come from what rr's commands declare; their first line is whole.
        _ => {
            let rendered = error.to_string();
            let line = rendered.lines().next().unwrap_or_default();
            (line.strip_prefix("error: ").unwrap_or(line).to_owned(), ExitCode::Runner)
        }
    };
    let known = match error.kind() {
        ErrorKind::UnknownArgument if is_option && super::run_flags::planned(&typed).is_none() => {
            Known::UnknownOption(typed)
        }
        _ => Known::Usage,
    };
    let failure = Failure::new(doing, cause).code(code).known(known);
    match text(ContextKind::SuggestedArg) {
        Some(option) if is_option => failure.hint(format!("did you mean {option}?")),
        _ => failure.hint(format!("`{path} --help` lists what it takes")),
    }
}

/// The option or argument without clap's notation for its value: `--rm[=<RM>]`, `<IMAGE>...`.
fn bare_name(notation: &str) -> String {
    if notation.starts_with('-') {
        return notation.split([' ', '[', '=']).next().unwrap_or_default().to_owned();
    }
    let one = notation.strip_suffix("...").unwrap_or(notation);
    one.strip_prefix('<').and_then(|one| one.strip_suffix('>')).unwrap_or(one).to_owned()
}

/// The name nearest to what was typed, if one is near: at most a third of its letters differ.
pub fn nearest(typed: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|name| (distance(typed, &name), name))
        .min()
        .filter(|(distance, name)| *distance * 3 <= name.len().max(3))
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out, exchanged or swapped with their neighbour
/// (optimal string alignment distance).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let exchanged = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = exchanged.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str]) -> Result<(Globals, Vec<String>)> {
        let (globals, rest) = split_globals(words.iter().map(OsString::from).collect())?;
        Ok((globals, rest.into_iter().map(|word| word.into_string().unwrap()).collect()))
    }

    #[test]
    fn global_options_end_at_the_command() {
        let (globals, rest) = split(&["--debug", "--config", "/d", "run", "--debug", "-v", "x", "--", "y"]).unwrap();
        assert!(globals.debug && !globals.version);
        assert_eq!(globals.config.as_deref(), Some(Path::new("/d")));
        assert_eq!(rest, ["run", "--debug", "-v", "x", "--", "y"]);
        let (globals, rest) = split(&["run", "-D"]).unwrap();
        assert!(!globals.debug);
        assert_eq!(rest, ["run", "-D"]);
        assert!(split(&["-v"]).unwrap().0.version);
        assert!(split(&["--log-level=info", "--help"]).unwrap().0.help);
        assert!(split(&[]).unwrap().1.is_empty());
    }

    #[test]
    fn a_bad_global_option_is_one_error() {
        let failure = split(&["--nope", "run"]).unwrap_err();
        assert_eq!(failure.to_string(), "cannot understand the arguments of `rr`: there is no option --nope");
        assert_eq!(failure.code.number(), 125);
        assert!(split(&["--config"]).unwrap_err().cause.contains("needs a value"));
    }

    #[test]
    fn misspelt_commands_find_their_neighbour() {
        let known = || ["run", "pull", "images", "inspect"].map(str::to_owned).into_iter();
        assert_eq!(nearest("rnu", known()).as_deref(), Some("run"));
        assert_eq!(nearest("image", known()).as_deref(), Some("images"));
        assert_eq!(nearest("inpsect", known()).as_deref(), Some("inspect"));
        assert_eq!(nearest("frobnicate", known()), None);
    }
}
