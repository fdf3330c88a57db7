//! `rr version`

use super::verbs::Verb;
use crate::error::Result;

/// Show the version of rr and of what it is built on
#[derive(Debug, clap::Parser)]
pub struct Version {
    /// `json`, or a Go template such as `{{.Server.APIVersion}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Version {
    fn run(self) -> Result<i32> {
        super::output::line(env!("CARGO_PKG_VERSION")).map(|()| 0)
    }
}
