//! `rr images`

use super::filter::{Filters, glob};
use super::format::{self, Columns, Row, human};
use super::verbs::Verb;
use super::{output, personality, report, store};
use crate::container::values::short_id;
use crate::error::{ExitCode, Failure, Result};
use crate::image::reference::Reference;
use crate::image::{self, Image};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// List images
#[derive(Debug, clap::Parser)]
pub struct Images {
    /// Show all images; rr keeps no intermediate ones, so this changes nothing
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show only what matches: dangling, label, reference, id, before, since, until
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Leave out the line of headers
    #[arg(short = 'n', long)]
    noheading: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created, id, repository, size or tag
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
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
        // Podman's.
        ("Id", "IMAGE ID"),
        ("Created", "CREATED"),
    ],
};

/// What can be filtered by; rr has no intermediate images.
const FILTERS: [&str; 9] =
    ["dangling", "label", "label!", "reference", "id", "before", "since", "until", "intermediate"];

/// What `--sort` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Created,
    Id,
    Name,
    Size,
}

impl Order {
    /// Podman's words.
    fn parse(text: &str) -> Result<Order> {
        match text {
            "created" => Ok(Order::Created),
            "id" => Ok(Order::Id),
            "repository" | "tag" => Ok(Order::Name),
            "size" => Ok(Order::Size),
            _ => {
                let cause = "it is one of created, id, repository, size, tag";
                Err(Failure::new(format!("cannot use --sort {}", text.escape_debug()), cause).code(ExitCode::General))
            }
        }
    }

    fn sort(self, images: &mut [&Image]) {
        let name = |image: &Image| image.names.first().map(ToString::to_string);
        let size = |image: &Image| image.unpacked_size.unwrap_or(image.size);
        // One call: each call of a sort is five kilobytes of program.
        images.sort_by(|a, b| match self {
            Order::Created => b.config.created().cmp(&a.config.created()),
            Order::Id => a.id.cmp(&b.id),
            Order::Name => name(a).cmp(&name(b)),
            Order::Size => size(a).cmp(&size(b)),
        });
    }
}

impl Verb for Images {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        let order = self.sort.as_deref().map(Order::parse).transpose()?;
        let ids = filters.patterns("id")?;
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
        let until = filters.moment("until", now)?;
        let mut images: Vec<&Image> = listing.images.iter().collect();
        if let Some(order) = order {
            order.sort(&mut images);
        }
        let (mut rows, mut shown) = (Vec::new(), Vec::new());
        for image in images {
            let created = image.config.created();
            let wanted = dangling.is_none_or(|dangling| dangling == image.names.is_empty())
                && filters.labels(&image.config.config.labels)
                && before.is_none_or(|before| created.is_some_and(|created| created < before))
                && since.is_none_or(|since| created.is_some_and(|created| created > since))
                && until.is_none_or(|until| created.is_some_and(|created| created < until))
                && ids.any(&[&image.id.hex(), &image.id.to_string()]);
            if wanted {
                let before = rows.len();
                rows.extend(self.rows_of(image, &filters, now));
                shown.extend((rows.len() > before).then_some(image));
            }
        }
        if personality::is_podman() && self.format.as_deref().is_some_and(|format| format.trim() == "json") {
            shown.dedup_by(|one, other| one.id == other.id);
            let objects: Vec<Value> = shown.into_iter().map(podman_object).collect();
            return output::text(&format::array(&objects)).map(|()| status);
        }
        if self.quiet && self.format.is_none() {
            let mut ids: Vec<&str> = rows.iter().map(|row| row.fields["ID"].as_str()).collect();
            if personality::is_podman() {
                // Podman has an image once, however many names it has; the names of one follow each other.
                ids.dedup();
            }
            let ids: String = ids.iter().map(|id| format!("{id}\n")).collect();
            return output::text(&ids).map(|()| status);
        }
        let mut fields = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
        if self.digests {
            fields.insert(2, "Digest");
        }
        let list = if self.noheading { format::list_without_headers } else { format::list };
        let text = list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields))?;
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
        let size = image.unpacked_size.unwrap_or(image.size);
        let size = if personality::is_podman() { human::spaced_size(size) } else { human::size(size) };
        let created = image.config.created();
        let fields = [
            ("Repository", name.map_or(NONE.into(), repository)),
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
        let mut fields = BTreeMap::from(fields);
        if personality::is_podman() {
            fields.insert("Id", image.id.hex());
            fields.insert(
                "Created",
                created.map_or("N/A".into(), |created| format!("{} ago", human::since(created, now))),
            );
        }
        Row { fields, labels: image.config.config.labels.clone() }
    }
}

/// An image in Podman's `--format json`.
fn podman_object(image: &Image) -> Value {
    let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
    let created = image.config.created();
    let size = image.unpacked_size.unwrap_or(image.size);
    json!({
        "Id": image.id.hex(),
        "ParentId": "",
        "RepoTags": names,
        "RepoDigests": image.names.iter().map(|name| format!("{}@{}", name.repository(), image.source_digest)).collect::<Vec<_>>(),
        "Size": size,
        "SharedSize": 0,
        "VirtualSize": size,
        "Labels": if image.config.config.labels.is_empty() { Value::Null } else { json!(image.config.config.labels) },
        "Containers": 0,
        "Names": names,
        "Digest": image.source_digest.to_string(),
        "History": names,
        "Created": created.map_or(0, |created| created.as_second()),
        "CreatedAt": image.config.created.clone().unwrap_or_default(),
    })
}

/// The repository: Docker leaves out its own registry, Podman never does.
fn repository(name: &Reference) -> String {
    if personality::is_podman() { name.repository() } else { name.familiar_repository() }
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
