//! `rr history`

use super::format::{self, Columns, Row, human};
use super::verbs::Verb;
use super::{output, store};
use crate::container::values::{self, short_id};
use crate::error::Result;
use crate::image::{self, Image};
use crate::store::Store;
use jiff::Timestamp;

/// Show how an image came about
#[derive(Debug, clap::Parser)]
pub struct History {
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show sizes and times for people [default: true]
    #[arg(short = 'H', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    human: Option<bool>,
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

const COLUMNS: Columns = Columns {
    headers: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
};

/// Docker's column is that wide.
const COMMAND_WIDTH: usize = 45;

impl Verb for History {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let image = image::resolve(&store, &self.image)?;
        let rows = self.rows(&store, &image, Timestamp::now());
        if self.quiet {
            let ids: String = rows.iter().map(|row| format!("{}\n", row.fields["ID"])).collect();
            return output::text(&ids).map(|()| 0);
        }
        let created = if self.human.unwrap_or(true) { "CreatedSince" } else { "CreatedAt" };
        let fields = Columns::template(&["ID", created, "CreatedBy", "Size", "Comment"]);
        output::text(&format::list(&COLUMNS, &rows, self.format.as_deref(), &fields)?).map(|()| 0)
    }
}

impl History {
    /// Newest first. Only the image itself has an id: what it was built from is not kept.
    fn rows(&self, store: &Store, image: &Image, now: Timestamp) -> Vec<Row> {
        let human = self.human.unwrap_or(true);
        let mut layers = image.layers.iter();
        let mut rows: Vec<Row> = Vec::new();
        for step in &image.config.history {
            let layer = if step.empty_layer { None } else { layers.next() };
            let bytes = layer.map_or(0, |layer| image::layer_size(store, layer));
            let created: Option<Timestamp> = step.created.as_ref().and_then(|text| text.parse().ok());
            let command = step.created_by.replace('\t', " ");
            let fields = [
                ("ID", "<missing>".to_owned()),
                ("CreatedSince", created.map_or("N/A".into(), |time| format!("{} ago", human::since(time, now)))),
                ("CreatedAt", step.created.clone().unwrap_or_default()),
                ("CreatedBy", if self.no_trunc { command } else { human::ellipsis(&command, COMMAND_WIDTH) }),
                ("Size", if human { human::size(bytes) } else { bytes.to_string() }),
                ("Comment", step.comment.clone()),
            ];
            rows.push(Row { fields: fields.into(), labels: Default::default() });
        }
        rows.reverse();
        if let Some(newest) = rows.first_mut() {
            let id = image.id.to_string();
            newest.fields.insert("ID", if self.no_trunc { id } else { short_id(&id).to_owned() });
        }
        rows
    }
}
