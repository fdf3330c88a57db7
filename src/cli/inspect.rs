//! `rr inspect`: containers and images with the field names of Docker's Engine API.

mod container;
mod image;
mod limits;

pub use container::{endpoint_id, network_words};

use super::verbs::Verb;
use super::{format, output, personality, report, store};
use crate::container::record;
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::image::reference::ImageName;
use crate::store::{Store, volumes};
use serde_json::Value;

/// Show everything about containers and images
#[derive(Debug, clap::Parser)]
pub struct Inspect {
    #[command(flatten)]
    options: Options,
    /// Look only among things of this type: container or image
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

/// Show everything about containers
#[derive(Debug, clap::Parser)]
pub struct InspectContainer {
    #[command(flatten)]
    options: Options,
}

/// Show everything about images
#[derive(Debug, clap::Parser)]
pub struct InspectImage {
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// `json` or a Go template, such as `{{.State.Status}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Measure what containers have written
    #[arg(short, long)]
    size: bool,
    /// Names or ids
    #[arg(value_name = "NAME|ID", required = true)]
    names: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Containers first, then images, then volumes, then networks.
    Any,
    Container,
    Image,
    Volume,
    Network,
}

impl Verb for Inspect {
    fn run(self) -> Result<i32> {
        let kind = match self.kind.as_deref() {
            None | Some("") => Kind::Any,
            Some("container") => Kind::Container,
            Some("image") => Kind::Image,
            Some("all") if personality::is_podman() => Kind::Any,
            Some("volume") => Kind::Volume,
            Some("network") => Kind::Network,
            Some(other) => {
                let cause = format!("\"{}\" is not a valid value for --type", other.escape_debug());
                return Err(Failure::new("cannot use --type", cause).code(ExitCode::General));
            }
        };
        self.options.run(kind)
    }
}

impl Verb for InspectContainer {
    fn run(self) -> Result<i32> {
        self.options.run(Kind::Container)
    }
}

impl Verb for InspectImage {
    fn run(self) -> Result<i32> {
        self.options.run(Kind::Image)
    }
}

impl Options {
    /// What was found is printed before what was not: an array is whole in any case.
    fn run(&self, kind: Kind) -> Result<i32> {
        let store = store()?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in &self.names {
            match self.look_up(&store, name, kind) {
                Ok(value) => found.push(value),
                Err(failure) => failures.push(failure),
            }
        }
        output::text(&format::objects(&found, self.format.as_deref())?)?;
        failures.iter().for_each(report::failure);
        Ok(failures.first().map_or(0, personality::status))
    }

    fn look_up(&self, store: &Store, name: &str, kind: Kind) -> Result<Value> {
        match kind {
            Kind::Volume => return volume(store, name),
            Kind::Network => return super::network::object(store, name),
            Kind::Any | Kind::Container | Kind::Image => {}
        }
        if kind != Kind::Image
            && let Some(container) = record::look_up(store, name)?
        {
            return container::object(store, &container, self.size);
        }
        if kind == Kind::Container {
            return Err(record::no_such_container(name));
        }
        let typed = ImageName::parse(name).doing(|| format!("cannot inspect {}", name.escape_debug()));
        match typed.and_then(|typed| crate::image::find(store, &typed)) {
            Ok(Some(image)) => Ok(image::object(&image)),
            Ok(None) if kind == Kind::Image => Err(nothing("image", name)),
            Ok(None) => match volumes::find(store, name)? {
                Some(volume) => Ok(super::volume::object(&volume)),
                None => super::network::object(store, name).map_err(|_| nothing("object", name)),
            },
            Err(failure) => Err(failure),
        }
    }
}

/// A volume as Docker's `GET /volumes/{name}` has it.
fn volume(store: &Store, name: &str) -> Result<Value> {
    match volumes::find(store, name)? {
        Some(volume) => Ok(super::volume::object(&volume)),
        None => Err(nothing("volume", name)),
    }
}

/// Docker's words.
fn nothing(kind: &str, name: &str) -> Failure {
    let known = match kind {
        "image" => Known::NoSuchImage(name.to_owned()),
        "volume" => Known::NoSuchVolume(name.to_owned()),
        _ => Known::NoSuchObject(name.to_owned()),
    };
    Failure::new(format!("No such {kind}: {name}"), "").code(ExitCode::General).known(known)
}
