//! `rr create`, and the making of a container that `rr run` shares with it

use super::cidfile::CidFile;
use super::pull::Fetch;
use super::run_flags::{ClientOptions, RunFlags};
use super::verbs::Verb;
use super::{output, report};
use crate::container::networks;
use crate::container::options::{CreateOptions, Source};
use crate::container::plan::RunPlan;
use crate::container::published;
use crate::container::record::{self, AnonymousVolumes, Force};
use crate::container::run::{self, Created};
use crate::container::shared_namespaces;
use crate::container::without_namespaces;
use crate::error::{Doing, Result};
use crate::host::dirs::Dirs;
use crate::host::ids::IdMaps;
use crate::host::means;
use crate::host::userns::plan_maps;
use crate::image::{Image, reference::ImageName};
use crate::launch::Presence;
use crate::net;
use crate::store::{Lock, Store};

/// Create a container, to be started later
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr create [OPTIONS] IMAGE [COMMAND [ARGUMENT]...]")]
pub struct Create {
    #[command(flatten)]
    flags: RunFlags,
}

impl Verb for Create {
    fn run(self) -> Result<i32> {
        let (created, _) = make(self.flags, Next::Kept)?;
        let id = created.plan().id.clone();
        created.keep()?;
        output::line(&id).map(|()| 0)
    }
}

/// What is done with a container once it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It waits for `rr start`.
    Kept,
    /// It is started, and its client stays or leaves.
    Started(Presence),
}

/// Makes the container the flags describe: image, record and `--cidfile`.
///
/// # Errors
/// Whatever stands against it; then there is no container.
pub fn make(flags: RunFlags, next: Next) -> Result<(Created, ClientOptions)> {
    let Wanted { store, options, client, ids, in_use, image } = want(flags, next)?;
    let image = image.as_ref().map(|(name, image)| (name.as_str(), image));
    let cidfile = client.cidfile.as_deref().map(CidFile::new).transpose()?;
    if let Some(name) = &client.replace {
        remove_named(&store, name)?;
    }
    let created = run::create(&store, options, image, ids)?;
    drop(in_use);
    if let Some(cidfile) = cidfile {
        cidfile.write(&created.plan().id)?;
    }
    Ok((created, client))
}

/// The plan of the container that the flags describe, which is not made: its image is fetched where it is missing.
///
/// # Errors
/// As for [`make`].
pub fn plan(flags: RunFlags) -> Result<(Store, RunPlan)> {
    let Wanted { store, options, ids, image, .. } = want(flags, Next::Kept)?;
    let image = image.as_ref().map(|(name, image)| (name.as_str(), image));
    let plan = run::decide(&store, options, image, ids)?;
    Ok((store, plan))
}

/// What is known before a container is made.
struct Wanted {
    store: Store,
    options: CreateOptions,
    client: ClientOptions,
    ids: IdMaps,
    /// Held until the record names the layers: nothing that collects garbage takes them meanwhile.
    in_use: Lock,
    image: Option<(String, Image)>,
}

fn want(flags: RunFlags, next: Next) -> Result<Wanted> {
    let (mut options, client) = flags.into_options()?;
    options.foreground = next == Next::Started(Presence::Attached);
    if means::decide(client.isolation)?.is_chroot() {
        let notice = without_namespaces::adapt(&mut options)?;
        report::notice(&notice.0);
    }
    // A wrong RR_OVERLAY is told before anything is made.
    super::start::driver()?;
    // Likewise before anything is fetched for it.
    net::check(options.network.mode)?;
    let dirs = Dirs::from_environment()?;
    let store = Store::open(&dirs)?;
    networks::resolve(&store, &mut options)?;
    shared_namespaces::resolve(&store, &mut options)?;
    // The container that is replaced may have them until it goes.
    if next != Next::Kept && client.replace.is_none() {
        published::check(&store, &options.network)?;
    }
    let (ids, notices) = plan_maps(&options.userns)?;
    for notice in notices.iter().chain(&client.notices) {
        report::notice(&notice.0);
    }
    let in_use = store.lock_shared()?;
    let image = match &options.source {
        Source::Image(name) => Some((name.clone(), image_for(&store, &dirs, name, &ids, &client)?)),
        Source::Directory(_) | Source::OverlaidDirectory(_) => None,
    };
    Ok(Wanted { store, options, client, ids, in_use, image })
}

/// Removes the container of this name, if there is one: not one whose id begins with it.
fn remove_named(store: &Store, name: &str) -> Result<()> {
    match record::look_up(store, name)?.filter(|container| container.plan.name == name) {
        Some(container) => record::remove(store, &container, Force::Yes, AnonymousVolumes::Removed),
        None => Ok(()),
    }
}

/// The image, complete and unpacked.
fn image_for(store: &Store, dirs: &Dirs, name: &str, ids: &IdMaps, client: &ClientOptions) -> Result<Image> {
    let parsed = ImageName::parse(name).doing(|| format!("cannot run {}", name.escape_debug()))?;
    let fetch = Fetch {
        store,
        dirs,
        maps: ids,
        policy: client.pull,
        platform: client.platform.clone(),
        unmapped: client.unmapped,
        verbosity: client.verbosity,
        access: &client.access,
    };
    fetch.get(&parsed)
}
