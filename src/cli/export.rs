//! `rr export`

use super::commit::tell_about;
use super::verbs::Verb;
use super::{destination, store};
use crate::container::{events, files, record};
use crate::error::Result;
use std::path::PathBuf;

/// Write all files of a container to a tar archive
#[derive(Debug, clap::Parser)]
pub struct Export {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Export {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        let destination = destination::Destination::open(self.output.as_deref())?;
        let packed = files::export(&store, &container, destination.file())?;
        destination.publish()?;
        store.tell_and_bound(&[events::event(&container.plan, "export")]);
        tell_about(&packed);
        Ok(0)
    }
}
