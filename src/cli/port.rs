//! `rr port`. Publishing ports is still to come, so no container has any.

use super::verbs::Verb;
use super::{personality, store};
use crate::container::record;
use crate::error::{ExitCode, Failure, Result};

/// List the ports of a container that are published, or where one is
#[derive(Debug, clap::Parser)]
pub struct Port {
    /// Name or id
    container: String,
    /// Only this port of the container
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Verb for Port {
    fn run(self) -> Result<i32> {
        let container = record::find(&store()?, &self.container)?;
        let Some(port) = &self.port else { return Ok(0) };
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        if number.parse::<u16>().is_err() {
            let cause = "it is not of the form PORT[/PROTOCOL]";
            return Err(Failure::new(format!("cannot use {}", port.escape_debug()), cause).code(ExitCode::General));
        }
        if personality::is_podman() {
            return Ok(0);
        }
        let what = format!("No public port '{number}/{protocol}' published for {}", container.plan.name);
        Err(Failure::new(what, "").code(ExitCode::General))
    }
}
