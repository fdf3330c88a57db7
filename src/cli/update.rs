//! `rr update`

use super::verbs::Verb;
use super::{each, output, run_flags, store};
use crate::container::plan::RestartPolicy;
use crate::container::{lifecycle, record, restart};
use crate::error::{ExitCode, Failure, Result};

/// Change the restart policy of one or more containers
#[derive(Debug, clap::Parser)]
pub struct Update {
    /// no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Update {
    fn run(self) -> Result<i32> {
        let Some(typed) = &self.restart else {
            let cause = "you must provide one or more flags when using this command: there is --restart";
            return Err(Failure::new("cannot update containers", cause).code(ExitCode::General));
        };
        let policy = run_flags::one("--restart", typed, restart::parse)?;
        let store = store()?;
        Ok(each(&self.containers, |text| {
            let container = record::find(&store, text)?;
            if container.plan.remove && policy != RestartPolicy::No {
                let cause = "restart policy cannot be updated because AutoRemove is enabled for the container";
                return Err(Failure::new(format!("cannot update container {text}"), cause).code(ExitCode::General));
            }
            lifecycle::update(&store, &container, policy)?;
            output::line(text)
        }))
    }
}
