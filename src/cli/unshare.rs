//! `rr unshare`

use super::verbs::Verb;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::StoreNamespace;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Run a command in the user namespace of the store, to reach files of subordinate ids
///
/// You are root there, and have every id that /etc/subuid and /etc/subgid give you.
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr unshare [COMMAND [ARGUMENT]...]")]
pub struct Unshare {
    /// Podman's, for a network namespace that containers share; rr has none
    #[arg(long, hide = true)]
    rootless_netns: bool,
    /// The command and its arguments [default: the shell in $SHELL]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    words: Vec<OsString>,
}

impl Verb for Unshare {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        if self.rootless_netns {
            let cause = "containers of rr share no network namespace: each has its own";
            return Err(Failure::new("cannot use --rootless-netns", cause));
        }
        let (command, arguments) = match self.words.split_first() {
            Some((command, arguments)) => (command.clone(), arguments),
            None => (shell(), &[][..]),
        };
        StoreNamespace::here()?.enter()?;
        let error = Command::new(&command).args(arguments).exec();
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ExitCode::NotFound,
            _ => ExitCode::NotExecutable,
        };
        let failed: std::result::Result<i32, _> = Err(error);
        failed.doing(|| format!("cannot execute {}", command.display())).map_err(|failure| failure.code(code))
    }
}

/// The user's own shell, or else the one that is everywhere.
fn shell() -> OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}
