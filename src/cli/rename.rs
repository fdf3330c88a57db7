//! `rr rename`

use super::verbs::Verb;
use super::{run_flags, store};
use crate::container::{joining, record, values};
use crate::error::Result;

/// Rename a container
#[derive(Debug, clap::Parser)]
pub struct Rename {
    /// Name or id
    container: String,
    /// The new name
    new_name: String,
}

impl Verb for Rename {
    fn run(self) -> Result<i32> {
        let name = run_flags::one("the name", &self.new_name, values::container_name)?;
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        record::rename(&store, &container, &name)?;
        joining::tell_name(&store, &container.plan, &name).map(|()| 0)
    }
}
