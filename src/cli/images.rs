//! `rr images`

use super::filter::{Filters, glob};
use super::format::{self, Columns, Row, human};
use super::verbs::Verb;
use super::{output, report, store};
use crate::container::values::short_id;
use crate::error::Result;
use crate::image::reference::Reference;
use crate::image::{self, Image};
use jiff::Timestamp;

/// List images
#[derive(Debug, clap::Parser)]
pub struct Images {
    /// Show all images; rr keeps no intermediate ones, so this changes nothing
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show only what matches: dangling, label, reference, before, since
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show only images of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

/// Docker's fields and headers.
const COLUMNS: Columns = Columns {
    headers: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("VirtualSize", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
        ("Containers", "CONTAINERS"),
    ],
};

impl Verb for Images {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &["dangling", "label", "reference", "before", "since"])?;
        let store = store()?;
        let listing = image::list(&store)?;
        let mut status = 0;
        for failure in &listing.damaged {
            report::failure(failure);
            status = 1;
        }
        let bound = |name: &str| -> Result<Option<Timestamp>> {
            match filters.values(name).last() {
                Some(text) => Ok(image::resolve(&store, text)?.config.created()),
                None => Ok(None),
            }
        };
        let (before, since) = (bound("before")?, bound("since")?);
        let dangling = filters.boolean("dangling")?;
        let now = Timestamp::now();
        let mut rows = Vec::new();
        for image in &listing.images {
            let created = image.config.created();
            let wanted = dangling.is_none_or(|dangling| dangling == image.names.is_empty())
                && filters.labels(&image.config.config.labels)
                && before.is_none_or(|before| created.is_some_and(|created| created < before))
                && since.is_none_or(|since| created.is_some_and(|created| created > since));
            if wanted {
                rows.extend(self.rows_of(image, &filters, now));
            }
        }
        if self.quiet {
            let ids: String = rows.iter().map(|row| format!("{}\n", row.fields["ID"])).collect();
            return output::text(&ids).map(|()| status);
        }
        let mut fields = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
        if self.digests {
            fields.insert(2, "Digest");
        }
        let text = format::list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields))?;
        output::text(&text).map(|()| status)
    }
}

impl Images {
    /// A row for each of its names that is wanted; one of `<none>` where it has no name.
    fn rows_of(&self, image: &Image, filters: &Filters, now: Timestamp) -> Vec<Row> {
        let by_name = self.reference.is_some() || filters.has("reference");
        if image.names.is_empty() {
            return if by_name { Vec::new() } else { vec![self.row(image, None, now)] };
        }
        let wanted = |name: &&Reference| {
            self.reference.as_ref().is_none_or(|pattern| is_named(pattern, name))
                && filters.any("reference", |pattern| is_named(pattern, name))
        };
        image.names.iter().filter(wanted).map(|name| self.row(image, Some(name), now)).collect()
    }

    fn row(&self, image: &Image, name: Option<&Reference>, now: Timestamp) -> Row {
        const NONE: &str = "<none>";
        let id = image.id.to_string();
        let size = human::size(image.unpacked_size.unwrap_or(image.size));
        let created = image.config.created();
        let fields = [
            ("Repository", name.map_or(NONE.into(), Reference::familiar_repository)),
            ("Tag", name.and_then(Reference::tag).unwrap_or(NONE).to_owned()),
            ("Digest", image.source_digest.to_string()),
            ("ID", if self.no_trunc { id } else { short_id(&id).to_owned() }),
            ("CreatedSince", created.map_or("N/A".into(), |created| format!("{} ago", human::since(created, now)))),
            ("CreatedAt", created.map_or("N/A".into(), human::date)),
            ("VirtualSize", size.clone()),
            ("Size", size),
            ("SharedSize", "N/A".into()),
            ("UniqueSize", "N/A".into()),
            ("Containers", "N/A".into()),
        ];
        Row { fields: fields.into(), labels: image.config.config.labels.clone() }
    }
}

/// Whether a pattern such as `alpine`, `alpine:3*` or `quay.io/*/x` names this image, be it short or
/// in full.
fn is_named(pattern: &str, name: &Reference) -> bool {
    let tag = name.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    let (short, full) = (name.familiar_repository(), name.repository());
    [&short, &full, &format!("{short}{tag}"), &format!("{full}{tag}")].into_iter().any(|text| glob(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_short_and_in_full() {
        let name: Reference = "alpine:3.20".parse().unwrap();
        for pattern in ["alpine", "alpine:3.20", "alp*", "*:3*", "docker.io/library/alpine", "docker.io/*/alpine:3.20"]
        {
            assert!(is_named(pattern, &name), "{pattern}");
        }
        for pattern in ["alpine:3.19", "library", "*/alpine:latest", "busybox"] {
            assert!(!is_named(pattern, &name), "{pattern}");
        }
    }
}
