//! `rr rm`

use super::targets::{Targets, Unknown};
use super::verbs::Verb;
use super::{each, output, personality, report, store};
use crate::container::lifecycle;
use crate::container::record::{self, AnonymousVolumes, Force};
use crate::error::Result;

/// Remove one or more containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')))]
pub struct Rm {
    /// Kill running containers first; one that does not exist is no failure
    #[arg(short, long)]
    force: bool,
    /// Remove the containers' anonymous volumes as well
    #[arg(short, long)]
    volumes: bool,
    /// Pass over names that no container has
    #[arg(short, long)]
    ignore: bool,
    /// With --force: seconds to let running containers stop by themselves before killing them
    #[arg(short, long, value_name = "SECONDS")]
    time: Option<String>,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for Rm {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let force = if self.force { Force::Yes } else { Force::No };
        let unknown = if self.ignore { Unknown::Ignored } else { Unknown::Fails };
        let grace = super::stop::grace_of(self.time.as_deref())?;
        let volumes = if self.volumes { AnonymousVolumes::Removed } else { AnonymousVolumes::Kept };
        Ok(each(&self.targets.names(&store, unknown, |_| true)?, |text| match record::look_up(&store, text) {
            Err(failure) => match record::remove_damaged(&store, text)? {
                true => output::line(text),
                false => Err(failure),
            },
            Ok(Some(container)) => {
                if self.force && self.time.is_some() {
                    lifecycle::stop(&store, &container, None, grace)?;
                }
                record::remove(&store, &container, force, volumes)?;
                output::line(text)
            }
            // As with rm(1), what is not there is what `-f` wants; Docker says so all the same.
            Ok(None) if self.force => {
                if !personality::is_podman() {
                    report::failure(&record::no_such_container(text));
                }
                Ok(())
            }
            Ok(None) => Err(record::no_such_container(text)),
        }))
    }
}
