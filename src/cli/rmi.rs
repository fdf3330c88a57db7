//! `rr rmi`

use super::verbs::Verb;
use super::{each, output, personality, store};
use crate::container::record::{self, Status};
use crate::container::values::short_id;
use crate::error::{Doing, Known, Result};
use crate::image::reference::ImageName;
use crate::image::{self, Force, ImageUser};
use crate::store::{Event, Kind, Store};

/// Remove one or more images
#[derive(Debug, clap::Parser)]
pub struct Rmi {
    /// Remove images that stopped containers use, and all names of an id
    #[arg(short, long)]
    force: bool,
    /// Accepted for Docker's sake: rr keeps no untagged parents
    #[arg(long)]
    no_prune: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Rmi {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let force = if self.force { Force::Yes } else { Force::No };
        let status = each(&self.images, |text| {
            let name = ImageName::parse(text).doing(|| format!("cannot remove the image {}", text.escape_debug()))?;
            let removed = image::remove(&store, &name, force, &|id| users_of(&store, id));
            // Named as it was typed.
            let removed = removed.map_err(|failure| match failure.known.as_deref() {
                Some(Known::NoSuchImage(_)) => failure.known(Known::NoSuchImage(text.to_owned())),
                _ => failure,
            })?;
            let id = removed.deleted.as_deref().unwrap_or_default();
            let untagged = removed.untagged.iter();
            let untagged =
                untagged.map(|name| Event::now(Kind::Image, "untag", id).with("name", name.familiar().to_string()));
            let deleted = removed.deleted.iter().map(|id| Event::now(Kind::Image, "delete", id).with("name", id));
            store.tell_and_bound(&untagged.chain(deleted).collect::<Vec<_>>());
            for name in &removed.untagged {
                let name = if personality::is_podman() { name.to_string() } else { name.familiar() };
                output::line(&format!("Untagged: {name}"))?;
            }
            match &removed.deleted {
                Some(id) if personality::is_podman() => {
                    output::line(&format!("Deleted: {}", id.trim_start_matches("sha256:")))
                }
                Some(id) => output::line(&format!("Deleted: {id}")),
                None => Ok(()),
            }
        });
        free_space(&store)?;
        Ok(status)
    }
}

/// Deletes the blobs and layers that nothing uses any more. Where a pull or a starting container has the
/// store, the next removal does it.
fn free_space(store: &Store) -> Result<()> {
    image::collect_garbage(store, &|| record::used_layers(store)).map(|_| ())
}

/// The containers made from the image with this id.
pub fn users_of(store: &Store, id: &str) -> Result<Vec<ImageUser>> {
    let containers = record::list(store)?.into_iter();
    let users = containers.filter(|container| container.plan.image.as_ref().is_some_and(|image| image.id == id));
    Ok(users
        .map(|container| ImageUser {
            container: short_id(&container.plan.id).to_owned(),
            running: matches!(container.state.status, Status::Running | Status::Paused),
        })
        .collect())
}
