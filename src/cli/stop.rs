//! `rr stop`, `rr kill` and `rr wait`

use super::verbs::Verb;
use super::{each, output, run_flags, store};
use crate::container::lifecycle::{self, Grace};
use crate::container::record;
use crate::container::values::{self, Parsed};
use crate::error::Result;

/// Stop one or more running containers
#[derive(Debug, clap::Parser)]
pub struct Stop {
    #[command(flatten)]
    how: Stopping,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Stop {
    fn run(self) -> Result<i32> {
        let (signal, grace) = self.how.signal_and_grace()?;
        let store = store()?;
        Ok(each(&self.containers, |text| {
            lifecycle::stop(&record::find(&store, text)?, signal, grace)?;
            output::line(text)
        }))
    }
}

/// Send a signal to one or more running containers
#[derive(Debug, clap::Parser)]
pub struct Kill {
    /// The signal, by name or number [default: KILL]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Kill {
    fn run(self) -> Result<i32> {
        let signal = run_flags::one("--signal", self.signal.as_deref().unwrap_or("KILL"), values::signal)?;
        let store = store()?;
        Ok(each(&self.containers, |text| {
            lifecycle::kill(&record::find(&store, text)?, signal)?;
            output::line(text)
        }))
    }
}

/// Wait until one or more containers stop, then print their exit statuses
#[derive(Debug, clap::Parser)]
pub struct Wait {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Wait {
    fn run(self) -> Result<i32> {
        let store = store()?;
        Ok(each(&self.containers, |text| {
            let code = lifecycle::wait(&record::find(&store, text)?)?;
            output::line(&code.to_string())
        }))
    }
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
        let grace = self.time.as_deref().map(|text| run_flags::one("--time", text, grace)).transpose()?;
        Ok((signal, grace.unwrap_or(Grace::Planned)))
    }
}

fn grace(text: &str) -> Parsed<Grace> {
    match text {
        "-1" => Ok(Grace::Unlimited),
        _ => text.parse().map(Grace::Seconds).map_err(|_| "it is no number of seconds".to_owned()),
    }
}
