//! `rr healthcheck`

use super::verbs::Verb;
use super::{output, store};
use crate::container::{health, record};
use crate::error::{ExitCode, Result};

/// Check the health of a running container now
#[derive(Debug, clap::Parser)]
pub struct Run {
    /// Name or id
    container: String,
}

impl Verb for Run {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let container = record::find(&store()?, &self.container).map_err(|failure| failure.code(ExitCode::Runner))?;
        match health::run(&container)? {
            true => Ok(0),
            // Podman's word and status.
            false => output::line("unhealthy").map(|()| 1),
        }
    }
}
