//! `rr container prune`, `image prune`, `builder prune`, `system prune`

use super::confirm::confirm;
use super::filter::Filters;
use super::format::human;
use super::logs::moment;
use super::verbs::Verb;
use super::{output, personality, report, store};
use crate::container::record::{self, Container};
use crate::container::{networks, prune, volumes};
use crate::error::{ExitCode, Failure, Result};
use crate::image::reference::{ImageName, Reference};
use crate::image::{self, Image};
use crate::store::Store;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Remove all containers that do not run
#[derive(Debug, clap::Parser)]
pub struct ContainerPrune {
    #[command(flatten)]
    options: Options,
}

/// Remove images that nobody needs
#[derive(Debug, clap::Parser)]
pub struct ImagePrune {
    /// Remove all images that no container was made of, not only those without a name
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    options: Options,
}

/// Remove what nobody needs, and what killed commands have left
#[derive(Debug, clap::Parser)]
pub struct SystemPrune {
    /// Remove all images that no container was made of, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Remove anonymous volumes that no container has
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    options: Options,
}

/// Forget what builds have made
#[derive(Debug, clap::Parser)]
pub struct BuilderPrune {
    /// Ignored: everything is forgotten
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Only what matches: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// What `--filter` says.
struct Wanted {
    filters: Filters,
    until: Option<Timestamp>,
}

impl Options {
    fn wanted(&self) -> Result<Wanted> {
        let filters = Filters::parse(&self.filter, &["until", "label", "label!"])?;
        let until = match filters.values("until") {
            [] => None,
            [text] => Some(moment(text, Timestamp::now()).map_err(|cause| {
                Failure::new(format!("cannot use --filter until={text}"), cause).code(ExitCode::General)
            })?),
            _ => {
                return Err(
                    Failure::new("cannot use --filter", "more than one until filter specified").code(ExitCode::General)
                );
            }
        };
        Ok(Wanted { filters, until })
    }
}

impl Wanted {
    fn takes(&self, created: Option<Timestamp>, labels: &BTreeMap<String, String>) -> bool {
        let old = self.until.is_none_or(|until| created.is_some_and(|created| created < until));
        let has = |text: &String| match text.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|is| is == value),
            None => labels.contains_key(text),
        };
        old && self.filters.labels(labels) && !self.filters.values("label!").iter().any(has)
    }

    fn takes_container(&self, container: &Container) -> bool {
        self.takes(Some(container.plan.created), &container.plan.labels)
    }

    fn takes_image(&self, image: &Image) -> bool {
        self.takes(image.config.created(), &image.config.config.labels)
    }
}

impl Verb for ContainerPrune {
    fn run(self) -> Result<i32> {
        let wanted = self.options.wanted()?;
        if !self.options.force && !confirm("This will remove all stopped containers.")? {
            return told_bytes(0).map(|()| 0);
        }
        let pruned = prune::containers(&store()?, &|container| wanted.takes_container(container))?;
        tell("Deleted Containers:", &pruned.ids)?;
        told_bytes(pruned.bytes).map(|()| 0)
    }
}

impl Verb for ImagePrune {
    fn run(self) -> Result<i32> {
        let wanted = self.options.wanted()?;
        let warning = match self.all {
            true => "This will remove all images without at least one container associated to them.",
            false => "This will remove all dangling images.",
        };
        if !self.options.force && !confirm(warning)? {
            return told_bytes(0).map(|()| 0);
        }
        let store = store()?;
        if self.all && self.options.filter.is_empty() {
            prune::builds(&store)?;
        }
        let pruned = prune_images(&store, self.all, &wanted)?;
        match personality::is_podman() {
            true => tell("", &pruned.ids)?,
            false => tell("Deleted Images:", &pruned.lines)?,
        }
        told_bytes(pruned.bytes).map(|()| 0)
    }
}

impl Verb for SystemPrune {
    fn run(self) -> Result<i32> {
        let wanted = self.options.wanted()?;
        if self.volumes && wanted.until.is_some() {
            let cause = "the \"until\" filter is not supported with \"--volumes\"";
            return Err(Failure::new("cannot prune", cause).code(ExitCode::General));
        }
        if !self.options.force && !confirm(&self.warning())? {
            return Ok(0);
        }
        let store = store()?;
        prune::leftovers(&store)?;
        let containers = prune::containers(&store, &|container| wanted.takes_container(container))?;
        headed("Deleted Containers:", &containers.ids)?;
        let mut bytes = containers.bytes;
        let networks =
            networks::prune(&store, |network| wanted.takes(Some(network.metadata.created), &network.metadata.labels))?;
        headed("Deleted Networks:", &networks)?;
        if self.volumes {
            let pruned = volumes::prune(&store, |volume| {
                volume.is_anonymous() && wanted.takes(Some(volume.metadata.created), &volume.metadata.labels)
            })?;
            headed("Deleted Volumes:", &pruned.names)?;
            bytes += pruned.bytes;
        }
        if self.options.filter.is_empty() {
            prune::builds(&store)?;
        }
        let images = prune_images(&store, self.all, &wanted)?;
        headed("Deleted Images:", &images.lines)?;
        bytes += images.bytes;
        reclaimed(bytes).map(|()| 0)
    }
}

impl Verb for BuilderPrune {
    fn run(self) -> Result<i32> {
        let warning = "This will remove what builds have remembered, and their caches.";
        if !self.force && !confirm(warning)? {
            return told_bytes(0).map(|()| 0);
        }
        let store = store()?;
        prune::builds(&store)?;
        let collected = prune::garbage(&store)?;
        told_bytes(collected.blob_bytes + collected.layer_bytes).map(|()| 0)
    }
}

impl SystemPrune {
    fn warning(&self) -> String {
        let mut lines = vec!["This will remove:".to_owned(), "  - all stopped containers".to_owned()];
        lines.push("  - all networks not used by at least one container".to_owned());
        if self.volumes {
            lines.push("  - all anonymous volumes not used by at least one container".to_owned());
        }
        lines.push(match self.all {
            true => "  - all images without at least one container associated to them".to_owned(),
            false => "  - all dangling images".to_owned(),
        });
        if self.options.filter.is_empty() {
            lines.push("  - what builds have remembered, and their caches".to_owned());
        }
        lines.push("  - what killed commands have left behind".to_owned());
        if !self.options.filter.is_empty() {
            lines.push("\n  Items to be pruned will be filtered with:".to_owned());
            lines.extend(self.options.filter.iter().map(|filter| format!("  - {filter}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// What `image prune` has removed.
struct PrunedImages {
    /// `untagged: NAME` and `deleted: ID`.
    lines: Vec<String>,
    /// Ids of those that were deleted, without the name of their digest.
    ids: Vec<String>,
    bytes: u64,
}

/// Removes images by Docker's rules, then what nothing uses any more.
fn prune_images(store: &Store, all: bool, wanted: &Wanted) -> Result<PrunedImages> {
    let used: BTreeSet<String> =
        record::list(store)?.into_iter().filter_map(|container| container.plan.image.map(|image| image.id)).collect();
    let listing = image::list(store)?;
    listing.damaged.iter().for_each(report::failure);
    let (mut lines, mut ids) = (Vec::new(), Vec::new());
    for image in listing.images {
        let dangling = image.names.is_empty();
        if !(all || dangling) || used.contains(&image.id.to_string()) || !wanted.takes_image(&image) {
            continue;
        }
        let name = ImageName::Id(image.id.hex());
        // With names in several repositories too; containers that were made meanwhile keep it.
        let removed = image::remove(store, &name, image::Force::Yes, &|id| super::rmi::users_of(store, id))?;
        lines.extend(removed.untagged.iter().map(|name: &Reference| format!("untagged: {}", name.familiar())));
        ids.extend(removed.deleted.as_ref().map(|_| image.id.hex()));
        lines.extend(removed.deleted.map(|id| format!("deleted: {id}")));
    }
    let collected = prune::garbage(store)?;
    if collected.deferred {
        report::notice("another rr is making something: blobs and layers that nobody needs are left to the next prune");
    }
    Ok(PrunedImages { lines, ids, bytes: collected.blob_bytes + collected.layer_bytes })
}

/// A list under its heading, if there is anything in it; Podman has no headings but in `system prune`.
pub fn tell(heading: &str, lines: &[String]) -> Result<()> {
    match lines {
        lines if personality::is_podman() => lines.iter().try_for_each(|line| output::line(line)),
        lines => headed(heading, lines),
    }
}

fn headed(heading: &str, lines: &[String]) -> Result<()> {
    match lines {
        [] => Ok(()),
        lines => output::text(&format!("{heading}\n{}\n\n", lines.join("\n"))),
    }
}

/// Docker's last line, which Podman has in `system prune` alone.
pub fn told_bytes(bytes: u64) -> Result<()> {
    if personality::is_podman() { Ok(()) } else { reclaimed(bytes) }
}

fn reclaimed(bytes: u64) -> Result<()> {
    output::line(&format!("Total reclaimed space: {}", human::size(bytes)))
}
