//! `rr volume ls` and `rr volume inspect`

use super::super::filter::Filters;
use super::super::format::{self, Columns, Row};
use super::super::verbs::Verb;
use super::super::{output, personality, report, store};
use crate::container::volumes;
use crate::error::Result;
use crate::store::volumes::Volume;
use serde_json::{Value, json};

/// List volumes
#[derive(Debug, clap::Parser)]
pub struct List {
    /// Show only what matches: dangling, driver, label, label!, name
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show names only
    #[arg(short, long)]
    quiet: bool,
}

/// Docker's fields and headers.
const COLUMNS: Columns = Columns {
    headers: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Availability", "AVAILABILITY"),
        ("Group", "GROUP"),
        ("Status", "STATUS"),
    ],
};

impl Verb for List {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &["dangling", "driver", "label", "label!", "name"])?;
        let dangling = filters.boolean("dangling")?;
        let names = filters.patterns("name")?;
        let store = store()?;
        let users = match dangling {
            Some(_) => volumes::users(&store)?,
            None => Default::default(),
        };
        let wanted = |volume: &Volume| {
            dangling.is_none_or(|dangling| dangling != users.contains_key(&volume.name))
                && filters.any("driver", |driver| driver == "local")
                && names.any(&[&volume.name])
                && filters.labels(&volume.metadata.labels)
        };
        let found: Vec<Volume> = volumes::list(&store)?.into_iter().filter(wanted).collect();
        if self.quiet && self.format.is_none() {
            return output::text(&found.iter().map(|volume| format!("{}\n", volume.name)).collect::<String>())
                .map(|()| 0);
        }
        let rows: Vec<Row> = found.iter().map(row).collect();
        let text = format::list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&["Driver", "Name"]))?;
        output::text(&text).map(|()| 0)
    }
}

fn row(volume: &Volume) -> Row {
    let labels: Vec<String> = volume.metadata.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields = [
        ("Driver", "local".to_owned()),
        ("Name", volume.name.clone()),
        ("Scope", "local".into()),
        ("Mountpoint", volume.data().display().to_string()),
        ("Labels", labels.join(",")),
        ("Links", "N/A".into()),
        ("Size", "N/A".into()),
        ("Availability", "N/A".into()),
        ("Group", "N/A".into()),
        ("Status", "N/A".into()),
    ];
    Row { fields: fields.into(), labels: volume.metadata.labels.clone() }
}

/// Show everything about volumes
#[derive(Debug, clap::Parser)]
pub struct Inspect {
    /// `json` or a Go template, such as `{{.Mountpoint}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

impl Verb for Inspect {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in &self.volumes {
            match volumes::find(&store, name) {
                Ok(volume) => found.push(object(&volume)),
                Err(failure) => failures.push(failure),
            }
        }
        output::text(&format::objects(&found, self.format.as_deref())?)?;
        failures.iter().for_each(report::failure);
        Ok(failures.first().map_or(0, personality::status))
    }
}

/// A volume as Docker's `GET /volumes/{name}` has it.
pub fn object(volume: &Volume) -> Value {
    json!({
        "CreatedAt": volume.metadata.created.to_string(),
        "Driver": "local",
        "Labels": volume.metadata.labels,
        "Mountpoint": volume.data().display().to_string(),
        "Name": volume.name,
        "Options": volume.metadata.options,
        "Scope": "local",
    })
}
