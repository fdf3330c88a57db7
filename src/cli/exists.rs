//! `rr container exists` and `rr image exists`: an answer in the exit status alone.

use super::store;
use super::verbs::Verb;
use crate::container::record;
use crate::error::{ExitCode, Result};
use crate::image::{self, reference::ImageName};

/// Tell by the exit status whether a container exists: 0 if it does, 1 if not, 125 where that cannot be told
#[derive(Debug, clap::Parser)]
pub struct ContainerExists {
    /// Name or id
    container: String,
}

impl Verb for ContainerExists {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let found = record::look_up(&store()?, &self.container).map_err(|failure| failure.code(ExitCode::Runner))?;
        Ok(i32::from(found.is_none()))
    }
}

/// Tell by the exit status whether an image is in the store: 0 if it is, 1 if not, 125 where that cannot be told
#[derive(Debug, clap::Parser)]
pub struct ImageExists {
    /// Name or id
    image: String,
}

impl Verb for ImageExists {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        // What is no name at all is no image either, as with Podman.
        let Ok(name) = ImageName::parse(&self.image) else { return Ok(1) };
        let found = image::find(&store()?, &name).map_err(|failure| failure.code(ExitCode::Runner))?;
        Ok(i32::from(found.is_none()))
    }
}
