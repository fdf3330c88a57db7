//! `rr stop`, `rr kill` and `rr wait`

use super::targets::{Targets, Unknown};
use super::verbs::Verb;
use super::{each, output, run_flags, store};
use crate::container::lifecycle::{self, Grace};
use crate::container::record::{self, Container};
use crate::container::values::{self, Parsed};
use crate::error::{ExitCode, Failure, Known, Result};

/// Stop one or more running containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
pub struct Stop {
    #[command(flatten)]
    how: Stopping,
    /// Pass over names that no container has
    #[arg(short, long)]
    ignore: bool,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for Stop {
    fn run(self) -> Result<i32> {
        let (signal, grace) = self.how.signal_and_grace()?;
        let store = store()?;
        let unknown = if self.ignore { Unknown::Ignored } else { Unknown::Fails };
        Ok(each(&self.targets.names(&store, unknown, is_running)?, |text| {
            lifecycle::stop(&store, &record::find(&store, text)?, signal, grace)?;
            output::line(text)
        }))
    }
}

/// Send a signal to one or more running containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')))]
pub struct Kill {
    /// The signal, by name or number [default: KILL]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for Kill {
    fn run(self) -> Result<i32> {
        let signal = run_flags::one("--signal", self.signal.as_deref().unwrap_or("KILL"), values::signal)?;
        let store = store()?;
        Ok(each(&self.targets.names(&store, Unknown::Fails, is_running)?, |text| {
            lifecycle::kill(&store, &record::find(&store, text)?, signal)?;
            output::line(text)
        }))
    }
}

/// Wait until one or more containers stop, then print their exit statuses
#[derive(Debug, clap::Parser)]
pub struct Wait {
    /// Pass over names that no container has
    #[arg(long)]
    ignore: bool,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for Wait {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let unknown = if self.ignore { Unknown::Ignored } else { Unknown::Fails };
        Ok(each(&self.targets.names(&store, unknown, is_running)?, |text| {
            let code = lifecycle::wait(&record::find(&store, text)?)?;
            output::line(&code.to_string())
        }))
    }
}

/// What `--all` means of the commands for running containers.
pub fn is_running(container: &Container) -> bool {
    container.state.status.is_alive()
}

/// How containers are asked to stop, and how long they may take.
#[derive(Debug, clap::Args)]
pub struct Stopping {
    /// Signal that asks the containers to stop [default: the container's, TERM]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds to wait before killing [default: the container's, 10]
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    time: Option<String>,
}

impl Stopping {
    /// The values of the two.
    pub fn signal_and_grace(&self) -> Result<(Option<i32>, Grace)> {
        let parse = |text| run_flags::one("--signal", text, values::signal);
        let signal = self.signal.as_deref().map(parse).transpose()?;
        Ok((signal, grace_of(self.time.as_deref())?))
    }
}

/// The value of `--time`.
pub fn grace_of(time: Option<&str>) -> Result<Grace> {
    // Docker's parser of options refuses it, with the status of that.
    let wrong = |failure: Failure| failure.code(ExitCode::Runner).known(Known::Usage);
    let grace = time.map(|text| run_flags::one("--time", text, grace).map_err(wrong)).transpose()?;
    Ok(grace.unwrap_or(Grace::Planned))
}

fn grace(text: &str) -> Parsed<Grace> {
    match text {
        "-1" => Ok(Grace::Unlimited),
        _ => text.parse().map(Grace::Seconds).map_err(|_| "it is no number of seconds".to_owned()),
    }
}
