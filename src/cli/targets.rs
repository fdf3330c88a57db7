//! Which containers a command is for: names and ids, or all, the latest, those of `--cidfile` or `--filter`.

use super::ps::select::Selection;
use crate::container::record::{self, Container};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::store::Store;
use std::path::PathBuf;

/// The arguments. A command gives `--all` its short letter where it is free.
#[derive(Debug, clap::Args)]
pub struct Targets {
    /// All containers it can be done to
    #[arg(long)]
    all: bool,
    /// The container that was made last
    #[arg(short, long)]
    latest: bool,
    /// Containers whose ids stand in these files
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Containers that match, as with `ps --filter`
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["all", "latest", "cidfile", "filter"])]
    containers: Vec<String>,
}

/// Whether a name that no container has is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is.
    Fails,
    /// It is passed over: `--ignore`.
    Ignored,
}

impl Targets {
    /// The names as typed, and ids of what was asked for otherwise; `fits` says which of all containers can be meant
    /// by `--all`.
    ///
    /// # Errors
    /// Names and `--all` or `--latest` at once; there is no latest; a file or a filter is wrong.
    pub fn names(&self, store: &Store, unknown: Unknown, fits: impl Fn(&Container) -> bool) -> Result<Vec<String>> {
        let refuse = |cause: &str| Failure::new("cannot tell which containers are meant", cause);
        if (self.all || self.latest) && !self.containers.is_empty() {
            return Err(refuse("--all and --latest take no names beside them"));
        }
        if self.all && self.latest {
            return Err(refuse("--all and --latest cannot be used together"));
        }
        let mut names = self.containers.clone();
        for file in &self.cidfile {
            let text = std::fs::read_to_string(file).doing(|| format!("cannot read the cidfile {}", file.display()))?;
            names.push(text.lines().next().unwrap_or_default().trim().to_owned());
        }
        if self.all || self.latest || !self.filter.is_empty() {
            names.extend(self.found(store, fits)?);
        }
        if unknown == Unknown::Ignored {
            let mut known = Vec::new();
            for name in names {
                if record::look_up(store, &name)?.is_some() {
                    known.push(name);
                }
            }
            return Ok(known);
        }
        Ok(names)
    }

    /// The ids of containers that nobody named.
    fn found(&self, store: &Store, fits: impl Fn(&Container) -> bool) -> Result<Vec<String>> {
        let selection = Selection::new(store, &self.filter)?;
        let containers = record::list(store)?.into_iter().filter(|container| selection.holds(container));
        let ids =
            |containers: &mut dyn Iterator<Item = Container>| containers.map(|container| container.plan.id).collect();
        if self.latest {
            let latest: Vec<String> = ids(&mut containers.take(1));
            return match latest.is_empty() {
                true => {
                    Err(Failure::new("cannot find the latest container", "there is no container")
                        .code(ExitCode::General))
                }
                false => Ok(latest),
            };
        }
        Ok(ids(&mut containers.filter(|container| !self.all || fits(container))))
    }
}
