//! `rr run`

use super::run_flags::RunFlags;
use super::verbs::Verb;
use crate::error::{ExitCode, Failure, Result};

/// Create and run a new container from an image
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr run [OPTIONS] IMAGE [COMMAND [ARGUMENT]...]")]
pub struct Run {
    #[command(flatten)]
    flags: RunFlags,
}

impl Verb for Run {
    const MISCOUNT: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let (_options, _client) = self.flags.into_options()?;
        Err(Failure::new("cannot run the container", "this build of rr cannot start one yet"))
    }
}
