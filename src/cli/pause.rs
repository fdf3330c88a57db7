//! `rr pause` and `rr unpause`

use super::verbs::Verb;
use super::{each, output, store};
use crate::container::pause;
use crate::container::record::{self, Container, Status};
use crate::error::Result;
use crate::store::Store;

/// Stop every process of one or more containers
#[derive(Debug, clap::Parser)]
pub struct Pause {
    /// Pause all running containers
    #[arg(short, long)]
    all: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Pause {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let names = names(&store, self.all, self.containers, Status::Running)?;
        Ok(each(&names, |text| {
            pause::pause(&store, &record::find(&store, text)?)?;
            output::line(text)
        }))
    }
}

/// Let the processes of one or more containers go on
#[derive(Debug, clap::Parser)]
pub struct Unpause {
    /// Unpause all paused containers
    #[arg(short, long)]
    all: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Unpause {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let names = names(&store, self.all, self.containers, Status::Paused)?;
        Ok(each(&names, |text| {
            pause::unpause(&store, &record::find(&store, text)?)?;
            output::line(text)
        }))
    }
}

/// The containers that were named, or all that have the status.
fn names(store: &Store, all: bool, named: Vec<String>, status: Status) -> Result<Vec<String>> {
    if !all {
        return Ok(named);
    }
    let containers: Vec<Container> = record::list(store)?;
    Ok(containers.into_iter().filter(|container| container.state.status == status).map(|one| one.plan.id).collect())
}
