//! `rr port`

use super::verbs::Verb;
use super::{output, personality, store};
use crate::container::record;
use crate::error::{ExitCode, Failure, Result};
use crate::net::ports::Bound;

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
        let mut ports: Vec<&Bound> = container.state.ports.iter().collect();
        if personality::is_podman() {
            // Podman lists a port of every address once.
            ports.retain(|port| !container.state.ports.iter().any(|other| port.is_twin_of(other)));
        }
        ports.sort_by_key(|port| (port.container, port.protocol, port.address, port.host));
        let Some(wanted) = &self.port else {
            let line = |port: &&Bound| format!("{}/{} -> {}\n", port.container, port.protocol, port.host_text());
            return output::text(&ports.iter().map(line).collect::<String>()).map(|()| 0);
        };
        let (number, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
        let Ok(number) = number.parse::<u16>() else {
            let cause = "it is not of the form PORT[/PROTOCOL]";
            return Err(Failure::new(format!("cannot use {}", wanted.escape_debug()), cause).code(ExitCode::General));
        };
        ports.retain(|port| port.container == number && port.protocol.to_string() == protocol);
        if ports.is_empty() && !personality::is_podman() {
            let what = format!("No public port '{number}/{protocol}' published for {}", container.plan.name);
            return Err(Failure::new(what, "").code(ExitCode::General));
        }
        output::text(&ports.iter().map(|port| port.host_text() + "\n").collect::<String>()).map(|()| 0)
    }
}
