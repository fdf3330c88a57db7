//! `rr tag`

use super::verbs::Verb;
use super::{personality, store};
use crate::error::{Doing, Known, Result};
use crate::image;
use crate::image::reference::{ImageName, Reference};
use crate::store::{Event, Kind};

/// Give an image another name
#[derive(Debug, clap::Parser)]
pub struct Tag {
    /// Name or id of the image
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// The new name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Verb for Tag {
    fn run(self) -> Result<i32> {
        let doing = || format!("cannot tag {} as {}", self.source.escape_debug(), self.target.escape_debug());
        let source = ImageName::parse(&self.source).doing(doing)?;
        let target: Reference = self.target.parse().doing(doing)?;
        let store = store()?;
        image::tag(&store, &source, &target).map_err(|failure| match failure.known.as_deref() {
            // Podman names it as it was typed.
            Some(Known::NoSuchImage(_)) if personality::is_podman() => {
                failure.known(Known::NoSuchImage(self.source.clone()))
            }
            _ => failure,
        })?;
        let id = image::find(&store, &ImageName::parse(&self.target).doing(doing)?)?.map(|image| image.id.to_string());
        let event = Event::now(Kind::Image, "tag", id.unwrap_or_default());
        store.tell_and_bound(&[event.with("name", target.familiar().to_string())]);
        Ok(0)
    }
}
