//! `rr run`

use super::attach::Input;
use super::create::make;
use super::output;
use super::run_flags::RunFlags;
use super::start::{start_attached, start_detached};
use super::verbs::Verb;
use crate::error::{ExitCode, Result};
use crate::launch::Presence;

/// Create and run a new container from an image
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr run [OPTIONS] IMAGE [COMMAND [ARGUMENT]...]")]
pub struct Run {
    /// Leave the container running and print its id
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    flags: RunFlags,
}

impl Verb for Run {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let presence = if self.detach { Presence::Detached } else { Presence::Attached };
        let (created, client) = make(self.flags, presence)?;
        if presence == Presence::Detached {
            let id = created.plan().id.clone();
            start_detached(created)?;
            return output::line(&id).map(|()| 0);
        }
        let input = if created.plan().stdio.interactive { Input::Open } else { Input::Closed };
        start_attached(created, &client.attachment(), input)
    }
}
