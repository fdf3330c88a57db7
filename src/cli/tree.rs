//! All commands as one clap tree: for help, man pages and completions.

use super::usage::Globals;
use super::{output, verbs};
use crate::container::values;
use crate::error::{ExitCode, Failure, Result};
use clap::{Arg, ArgAction, Command, CommandFactory};

/// What follows the list of options in `rr help`.
const AFTER_HELP: &str = "`rr help COMMAND` says more about a command.";

/// A command made ready to parse as Docker's are: the last of repeated options wins, and a boolean
/// takes `--rm`, `--rm=true` and `--rm=false`.
pub fn parser(command: Command) -> Command {
    presentable(command).args_override_self(true).mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(values::boolean),
        // The word after an option is its value whatever it looks like: `--stop-timeout -1`.
        ArgAction::Set | ArgAction::Append if !arg.is_positional() && !arg.is_require_equals_set() => {
            arg.allow_hyphen_values(true)
        }
        _ => arg,
    })
}

/// A command made ready to be read. `-h` is help only where it is nothing else: `rr run -h NAME`
/// sets the host name.
fn presentable(command: Command) -> Command {
    let taken = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print help");
    let help = if taken { help } else { help.short('h') };
    command.disable_help_flag(true).disable_version_flag(true).arg(help)
}

/// The whole tree. Two-word names are those of a group's subcommands.
pub fn full() -> Command {
    let mut root = Globals::command().version(env!("CARGO_PKG_VERSION")).after_help(AFTER_HELP);
    for entry in verbs::VERBS {
        for path in entry.paths.iter().filter(|path| !path.contains(' ')) {
            root = root.subcommand(presentable((entry.build)().name(*path)));
        }
    }
    for (group, about) in verbs::GROUPS {
        let mut command = Command::new(*group).about(*about).disable_help_subcommand(true).subcommand_required(true);
        for entry in verbs::VERBS {
            let paths = entry.paths.iter().filter_map(|path| path.split_once(' '));
            let mut names = paths.filter(|(first, _)| first == group).map(|(_, second)| second);
            if let Some(name) = names.next() {
                command = command.subcommand(presentable((entry.build)().name(name).aliases(names)));
            }
        }
        root = root.subcommand(command);
    }
    root.build();
    root
}

/// Prints the help of the command or group named by `path`, or of rr itself.
pub fn help(path: &[&str]) -> Result<i32> {
    let tree = full();
    let mut command = &tree;
    for word in path {
        command = command.find_subcommand(word).ok_or_else(|| {
            let cause = format!("there is no command `rr {}`", path.join(" "));
            Failure::new("cannot show help", cause).hint("`rr help` lists the commands").code(ExitCode::General)
        })?;
    }
    output::text(&command.clone().render_help().to_string())
        .map(|()| 0)
        .map_err(|failure| failure.code(ExitCode::General))
}

/// The help of one command, without building the others.
pub fn help_of(command: Command, path: &str) -> String {
    presentable(command).bin_name(path).render_help().to_string()
}
