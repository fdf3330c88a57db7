//! `rr volume …`

mod list;

pub use list::{Inspect, List, object};

use super::confirm::confirm;
use super::cp::{archive_input, tell_skipped};
use super::destination::Destination;
use super::filter::Filters;
use super::verbs::Verb;
use super::{each, output, prune, store};
use crate::container::values::{self, KeyLine};
use crate::container::volumes::{self, Wish};
use crate::error::{Doing, ExitCode, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Create a volume
#[derive(Debug, clap::Parser)]
pub struct Create {
    /// The volume's driver; rr has one [default: local]
    #[arg(short, long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Set a label
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Set an option of the driver: type=none with o=bind and device=DIR, or type=tmpfs with o=size=…
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// Its name; a random one where there is none
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

impl Verb for Create {
    fn run(self) -> Result<i32> {
        let wish = Wish {
            name: self.name,
            driver: self.driver,
            labels: pairs("--label", &self.label)?,
            options: pairs("--opt", &self.opt)?,
        };
        output::line(&volumes::create(&store()?, wish)?).map(|()| 0)
    }
}

/// `NAME=VALUE` of a repeated option; the last of a name wins.
pub fn pairs(option: &str, texts: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| {
        let KeyLine { name, value } = super::run_flags::one(option, text, values::key_value)?;
        Ok((name, value.unwrap_or_default()))
    };
    texts.iter().map(pair).collect()
}

/// Remove one or more volumes that no container uses
#[derive(Debug, clap::Parser)]
pub struct Remove {
    /// One that does not exist is no failure
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

impl Verb for Remove {
    fn run(self) -> Result<i32> {
        let store = store()?;
        // A `--rm` container whose processes were killed is removed on the way, and uses nothing any more.
        crate::container::record::list(&store)?;
        Ok(each(&self.volumes, |name| {
            if self.force && crate::store::volumes::find(&store, name)?.is_none() {
                return output::line(name);
            }
            volumes::remove(&store, name)?;
            output::line(name)
        }))
    }
}

/// Tell by the exit status whether a volume exists: 0 if it does, 1 if not, 125 where that cannot be told
#[derive(Debug, clap::Parser)]
pub struct Exists {
    /// Its name
    #[arg(value_name = "VOLUME")]
    volume: String,
}

impl Verb for Exists {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let found = crate::store::volumes::find(&store()?, &self.volume)?;
        Ok(i32::from(found.is_none()))
    }
}

/// Remove the anonymous volumes that no container uses
#[derive(Debug, clap::Parser)]
pub struct Prune {
    /// Remove all volumes that no container uses, not only the anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Remove only what matches: label, label!, all
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &["label", "label!", "all"])?;
        let all = self.all || filters.boolean("all")? == Some(true);
        let which = if all { "all" } else { "anonymous" };
        let warning = format!("This will remove {which} local volumes not used by at least one container.");
        if !self.force && !confirm(&warning)? {
            return Ok(0);
        }
        let pruned = volumes::prune(&store()?, |volume| {
            (all || volume.is_anonymous()) && filters.labels(&volume.metadata.labels)
        })?;
        prune::tell("Deleted Volumes:", &pruned.names)?;
        prune::told_bytes(pruned.bytes).map(|()| 0)
    }
}

/// Write the files of a volume to a tar archive
#[derive(Debug, clap::Parser)]
pub struct Export {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Its name
    #[arg(value_name = "VOLUME")]
    volume: String,
}

impl Verb for Export {
    fn run(self) -> Result<i32> {
        let store = store()?;
        // Before a file is made for what there is not.
        volumes::find(&store, &self.volume)?;
        let destination = Destination::open(self.output.as_deref())?;
        tell_skipped(&volumes::export(&store, &self.volume, destination.file())?);
        destination.publish().map(|()| 0)
    }
}

/// Unpack a tar archive into a volume
#[derive(Debug, clap::Parser)]
pub struct Import {
    /// Its name
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// The archive; standard input where there is none, or -
    #[arg(value_name = "FILE")]
    source: Option<PathBuf>,
}

impl Verb for Import {
    fn run(self) -> Result<i32> {
        let input = match self.source.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => File::open(path).doing(|| format!("cannot read {}", path.display()))?,
            None => archive_input()?,
        };
        tell_skipped(&volumes::import(&store()?, &self.volume, &input)?);
        Ok(0)
    }
}
