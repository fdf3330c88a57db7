//! `rr rm`

use super::verbs::Verb;
use super::{each, output, report, store};
use crate::container::record::{self, Force};
use crate::error::Result;

/// Remove one or more containers
#[derive(Debug, clap::Parser)]
pub struct Rm {
    /// Kill running containers first; one that does not exist is no failure
    #[arg(short, long)]
    force: bool,
    /// Remove the containers' anonymous volumes, which rr always does
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Rm {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let force = if self.force { Force::Yes } else { Force::No };
        Ok(each(&self.containers, |text| match record::look_up(&store, text)? {
            Some(container) => {
                record::remove(&store, &container, force)?;
                output::line(text)
            }
            // As with rm(1), what is not there is what `-f` wants; Docker says so all the same.
            None if self.force => {
                report::notice(&format!("no such container: {text}"));
                Ok(())
            }
            None => Err(record::no_such_container(text)),
        }))
    }
}
