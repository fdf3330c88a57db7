//! `rr system df`, `rr system reset`

use super::confirm::confirm;
use super::format::{self, Columns, Row, human};
use super::verbs::Verb;
use super::{output, report, store};
use crate::container::disk::{self, Usage};
use crate::container::reset::reset;
use crate::container::values::short_id;
use crate::error::{ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use jiff::Timestamp;

/// Show what takes how much room
#[derive(Debug, clap::Parser)]
pub struct Df {
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show each image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

/// Remove everything: containers, images, volumes
#[derive(Debug, clap::Parser)]
pub struct Reset {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

const COLUMNS: Columns = Columns {
    headers: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
};

const IMAGES: Columns = Columns {
    headers: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("Size", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
        ("Containers", "CONTAINERS"),
    ],
};

const CONTAINERS: Columns = Columns {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Size", "SIZE"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("Names", "NAMES"),
    ],
};

const VOLUMES: Columns = Columns { headers: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")] };

impl Verb for Df {
    fn run(self) -> Result<i32> {
        if self.verbose && self.format.is_some() {
            let cause = "the verbose and the format options conflict";
            return Err(Failure::new("cannot use --format", cause).code(ExitCode::General));
        }
        let usage = disk::usage(&store()?)?;
        usage.damaged.iter().for_each(report::failure);
        let text = match self.verbose {
            true => verbose(&usage)?,
            false => {
                let fields: Vec<&str> = COLUMNS.headers.iter().map(|(field, _)| *field).collect();
                format::list(&COLUMNS, &summary(&usage), self.format.as_deref(), &Columns::template(&fields))?
            }
        };
        output::text(&text).map(|()| 0)
    }
}

/// A row a kind of thing.
fn summary(usage: &Usage) -> Vec<Row> {
    let row = |kind: &str, total: usize, active: usize, size: u64, reclaimable: u64| {
        let share = (reclaimable * 100).checked_div(size).map_or_else(String::new, |share| format!(" ({share}%)"));
        let fields = [
            ("Type", kind.to_owned()),
            ("TotalCount", total.to_string()),
            ("Active", active.to_string()),
            ("Size", human::size(size)),
            ("Reclaimable", format!("{}{share}", human::size(reclaimable))),
        ];
        Row { fields: fields.into(), labels: Default::default() }
    };
    let active_images = usage.images.iter().filter(|image| image.containers > 0).count();
    let running = usage.containers.iter().filter(|container| container.running).count();
    let stopped: u64 =
        usage.containers.iter().filter(|container| !container.running).map(|container| container.bytes).sum();
    let used = usage.volumes.iter().filter(|volume| volume.links > 0).count();
    let unused: u64 = usage.volumes.iter().filter(|volume| volume.links == 0).map(|volume| volume.bytes).sum();
    vec![
        row("Images", usage.images.len(), active_images, usage.layer_bytes, usage.unused_layer_bytes),
        row("Containers", usage.containers.len(), running, usage.containers.iter().map(|it| it.bytes).sum(), stopped),
        row("Local Volumes", usage.volumes.len(), used, usage.volumes.iter().map(|it| it.bytes).sum(), unused),
        row("Build Cache", 0, 0, 0, 0),
    ]
}

/// Docker's sections.
fn verbose(usage: &Usage) -> Result<String> {
    let now = Timestamp::now();
    let ago = |time: Option<Timestamp>| time.map_or("N/A".into(), |time| format!("{} ago", human::since(time, now)));
    let table = |columns: &Columns, rows: Vec<Row>| {
        let fields: Vec<&str> = columns.headers.iter().map(|(field, _)| *field).collect();
        format::list(columns, &rows, None, &Columns::template(&fields))
    };
    let images = usage.images.iter().map(|it| {
        let fields = [
            ("Repository", it.name.as_ref().map_or("<none>".into(), |name| name.familiar_repository())),
            ("Tag", it.name.as_ref().and_then(|name| name.tag()).unwrap_or("<none>").to_owned()),
            ("ID", short_id(&it.id).to_owned()),
            ("CreatedSince", ago(it.created)),
            ("Size", human::size(it.shared + it.unique)),
            ("SharedSize", human::size(it.shared)),
            ("UniqueSize", human::size(it.unique)),
            ("Containers", it.containers.to_string()),
        ];
        Row { fields: fields.into(), labels: Default::default() }
    });
    let containers = usage.containers.iter().map(|it| {
        let fields = [
            ("ID", short_id(&it.id).to_owned()),
            ("Image", it.image.clone()),
            ("Command", human::quoted(&human::ellipsis(&it.command, 20))),
            ("LocalVolumes", it.volumes.to_string()),
            ("Size", human::size(it.bytes)),
            ("RunningFor", ago(Some(it.created))),
            ("Status", it.status.clone()),
            ("Names", it.name.clone()),
        ];
        Row { fields: fields.into(), labels: Default::default() }
    });
    let volumes = usage.volumes.iter().map(|it| {
        let fields = [("Name", it.name.clone()), ("Links", it.links.to_string()), ("Size", human::size(it.bytes))];
        Row { fields: fields.into(), labels: Default::default() }
    });
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: 0B\n",
        table(&IMAGES, images.collect())?,
        table(&CONTAINERS, containers.collect())?,
        table(&VOLUMES, volumes.collect())?,
    ))
}

impl Verb for Reset {
    fn run(self) -> Result<i32> {
        let warning = "This will remove:\n  - all containers, running or not\n  - all images\n  - all volumes\n  \
                       - everything else that rr keeps for you\n";
        if !self.force && !confirm(warning)? {
            return Ok(0);
        }
        reset(&store()?, &Dirs::from_environment()?).map(|()| 0)
    }
}
