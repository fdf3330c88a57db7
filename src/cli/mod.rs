//! The command line: arguments in, a call into the layers below, an answer for a person out.
//!
//! [`main`] reads the few global options, finds the command in [`verbs::VERBS`] and builds the clap
//! parser of that command only: building all of them would cost half a millisecond a start. The
//! whole tree ([`tree`]) exists for help, man pages and completions.
//!
//! One file a command. Commands return a [`Failure`] or their exit status; only [`report`] prints
//! errors and notices, only [`output`] writes answers.

mod access_flags;
mod attach;
mod attach_verb;
mod build;
mod cidfile;
mod commit;
mod confirm;
mod cp;
mod create;
mod demo;
mod destination;
mod diff;
mod doctor;
mod events;
mod exec;
mod exists;
mod explain;
mod export;
mod filter;
pub mod format;
mod generate;
mod health_flags;
mod healthcheck;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod isolation_flags;
mod limit_flags;
mod load;
mod login;
mod logs;
mod network;
mod network_flags;
mod output;
mod pause;
mod personality;
mod port;
mod progress;
mod prune;
mod ps;
mod pull;
mod push;
mod relay;
mod rename;
pub mod report;
mod rm;
mod rmi;
mod run;
mod run_flags;
mod save;
mod start;
mod stats;
mod stop;
mod system;
mod tag;
mod targets;
mod top;
mod tree;
mod unshare;
mod update;
mod usage;
mod verbs;
mod version;
mod volume;

use crate::error::{ExitCode, Failure, Known, Result};
use crate::host::dirs::Dirs;
use crate::store::Store;
use personality::Personality;
use std::ffi::OsString;

/// Runs rr with the process's arguments; the result is for exit(3).
pub fn main() -> i32 {
    let mut arguments = std::env::args_os();
    let personality = Personality::of(arguments.next().as_deref());
    match dispatch(personality, arguments.collect()) {
        Ok(status) => status,
        Err(failure) => {
            report::failure(&failure);
            personality::status(&failure)
        }
    }
}

/// Finds the command and runs it.
fn dispatch(personality: Personality, arguments: Vec<OsString>) -> Result<i32> {
    let (globals, rest) = usage::split_globals(arguments)?;
    report::start_log(globals.log_level.as_deref(), globals.debug)?;
    if let Some(directory) = &globals.config {
        usage::use_config_directory(directory)?;
    }
    // Commands' names are ASCII; a word that is no UTF-8 is an argument, or no command at all.
    let words: Vec<&str> = rest.iter().map_while(|word| word.to_str()).collect();
    let found = verbs::find(&words);
    personality::enter(personality, found.map_or(&words[..words.len().min(1)], |(_, depth)| &words[..depth]));
    match words.as_slice() {
        [] if !rest.is_empty() => Err(unknown(&rest[0].to_string_lossy(), std::iter::empty())),
        _ if globals.version => output::line(&version::line(personality)).map(|()| 0),
        _ if globals.help || words.is_empty() => tree::help(&[]),
        ["help", path @ ..] => tree::help(path),
        words => match found {
            Some((verb, depth)) => verb.run(&words[..depth], &rest[depth..]),
            None if verbs::is_group(words[0]) => group(words),
            None => Err(unknown(words[0], verbs::names())),
        },
    }
}

/// `rr image` and `rr image --help` list what there is; `rr image frobnicate` is an error.
fn group(words: &[&str]) -> Result<i32> {
    match words {
        [group] | [group, "--help" | "-h", ..] => tree::help(&[group]),
        [group, word, ..] => Err(unknown(&format!("{group} {word}"), verbs::names_in(group))),
        [] => tree::help(&[]),
    }
}

fn unknown(typed: &str, known: impl Iterator<Item = String>) -> Failure {
    let failure = Failure::new(format!("cannot run `rr {typed}`"), "there is no such command")
        .code(ExitCode::General)
        .known(Known::NoSuchCommand(typed.to_owned()));
    match usage::nearest(typed, known) {
        Some(name) => failure.hint(format!("did you mean `rr {name}`?")),
        None => failure.hint("`rr help` lists the commands"),
    }
}

/// The user's store.
fn store() -> Result<Store> {
    Store::open(&Dirs::from_environment()?)
}

/// Does something to each of the things named: one that fails is reported, the others are done.
/// The result is the exit status.
fn each(names: &[String], mut act: impl FnMut(&str) -> Result<()>) -> i32 {
    let mut status = 0;
    for name in names {
        if let Err(failure) = act(name) {
            report::failure(&failure);
            // The first one's, since scripts that care have one name.
            if status == 0 {
                // The layers below do not know which command they serve, and say 125.
                let code = if failure.code == ExitCode::Runner { ExitCode::General } else { failure.code };
                status = personality::status(&failure.code(code));
            }
        }
    }
    status
}
