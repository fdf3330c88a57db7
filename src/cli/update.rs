//! `rr update`

use super::limit_flags::LimitFlags;
use super::verbs::Verb;
use super::{each, output, run_flags, store};
use crate::container::lifecycle::{self, Change};
use crate::container::plan::{Limits, RestartPolicy};
use crate::container::{record, restart};
use crate::error::{ExitCode, Failure, Result};

/// Change limits and the restart policy of one or more containers
#[derive(Debug, clap::Parser)]
pub struct Update {
    #[command(flatten)]
    limits: LimitFlags,
    /// no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Update {
    fn run(self) -> Result<i32> {
        let change = Change {
            restart: run_flags::opt("--restart", &self.restart, restart::parse)?,
            limits: self.limits.plan()?,
        };
        if change.restart.is_none() && change.limits == Limits::default() {
            let cause = "you must provide one or more flags when using this command: --restart, or limits such as \
                         --memory and --cpus";
            return Err(Failure::new("cannot update containers", cause).code(ExitCode::General));
        }
        let store = store()?;
        Ok(each(&self.containers, |text| {
            let container = record::find(&store, text)?;
            if container.plan.remove && change.restart.is_some_and(|policy| policy != RestartPolicy::No) {
                let cause = "restart policy cannot be updated because AutoRemove is enabled for the container";
                return Err(Failure::new(format!("cannot update container {text}"), cause).code(ExitCode::General));
            }
            lifecycle::update(&store, &container, &change)?;
            output::line(text)
        }))
    }
}
