//! `rr diff`

use super::verbs::Verb;
use super::{output, store};
use crate::container::{files, record};
use crate::error::{ExitCode, Failure, Result};
use crate::rootfs::changes::Change;
use serde_json::json;

/// Show what a container has added (A), changed (C) and deleted (D)
#[derive(Debug, clap::Parser)]
pub struct Diff {
    /// `json`: three lists
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Diff {
    fn run(self) -> Result<i32> {
        let json = match self.format.as_deref() {
            None | Some("") => false,
            Some("json") => true,
            Some(other) => {
                let cause = format!("only json can be asked for, not `{other}`");
                return Err(Failure::new("cannot use --format", cause).code(ExitCode::General));
            }
        };
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        let changes = files::changes(&store, &container)?;
        let shown = |path: &[u8]| format!("/{}", String::from_utf8_lossy(path));
        if json {
            let of = |kind| {
                changes.iter().filter(|(change, _)| *change == kind).map(|(_, path)| shown(path)).collect::<Vec<_>>()
            };
            let lists =
                json!({ "changed": of(Change::Modified), "added": of(Change::Added), "deleted": of(Change::Removed) });
            return output::line(&lists.to_string()).map(|()| 0);
        }
        let line = |(change, path): &(Change, Vec<u8>)| {
            let letter = match change {
                Change::Added => 'A',
                Change::Modified => 'C',
                Change::Removed => 'D',
            };
            format!("{letter} {}\n", shown(path))
        };
        output::text(&changes.iter().map(line).collect::<String>()).map(|()| 0)
    }
}
