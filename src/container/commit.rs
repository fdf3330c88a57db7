//! `commit`: what a container has changed becomes a layer, and the image it was made from with that layer and the
//! container's own settings a new image.

use super::files::{Extent, pack_layer};
use super::health;
use super::plan::{MountKind, RootSource, RunPlan};
use super::record::Container;
use super::values::signal;
use super::{events, instructions, pause};
use crate::error::{ExitCode, Failure, Result};
use crate::image::config::{ContainerConfig, History, ImageConfig};
use crate::image::pack::tree::PackReport;
use crate::image::reference::Reference;
use crate::image::{self, Format, Image, NewImage};
use crate::store::Store;

/// Whether the container's processes stand still meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// They do: the layer holds what all of them have done at one moment.
    Yes,
    /// They go on.
    No,
}

/// Which of the container's mounts become volumes of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    /// None but those that the image has.
    OfImage,
    /// The targets of the container's volumes too (`--include-volumes`).
    OfContainer,
}

/// What a new image is to be.
#[derive(Debug)]
pub struct CommitOptions {
    /// Who made it.
    pub author: String,
    /// The comment in its history.
    pub message: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Which documents it is made of.
    pub format: Format,
    /// Whether the container stands still.
    pub pause: Pause,
    /// Which volumes it has.
    pub volumes: Volumes,
    /// What it is called.
    pub name: Option<Reference>,
}

/// Makes an image of a container. What that has mounted is not part of it.
///
/// # Errors
/// An instruction is wrong; the container's image is not in the store any more; the system's.
pub fn commit(store: &Store, container: &Container, options: &CommitOptions) -> Result<(Image, PackReport)> {
    let doing = || format!("cannot commit container {}", container.plan.name);
    let _lock = store.lock_shared()?;
    let base = base(store, container).map_err(|failure| failure.while_doing(doing()))?;
    let config = config(&container.plan, base.as_ref(), options)?;
    let extent = match container.plan.root {
        RootSource::Layers { .. } => Extent::Changes,
        // Nothing below it is an image, so all of it is the layer.
        RootSource::Directory { .. } | RootSource::OverlaidDirectory { .. } => Extent::Everything,
    };
    let pack = || pack_layer(store, container, extent);
    let packed = match options.pause {
        Pause::Yes => pause::during(store, container, pack),
        Pause::No => pack(),
    };
    let (layer, report) = packed.map_err(|failure| failure.while_doing(doing()))?;
    let history = History {
        created: config.created.clone(),
        created_by: container.plan.process.args.join(" "),
        author: options.author.clone(),
        comment: options.message.clone(),
        empty_layer: false,
    };
    let new = NewImage {
        base: base.as_ref(),
        config,
        layers: &[layer],
        history: vec![history],
        format: options.format,
        names: options.name.as_slice(),
    };
    let image = image::add_image(store, new).map_err(|failure| failure.while_doing(doing()))?;
    let told = events::event(&container.plan, "commit").with("comment", &*options.message);
    let name = options.name.as_ref().map(|name| name.familiar().to_string()).unwrap_or_default();
    store.tell_and_bound(&[told.with("imageID", image.id.to_string()).with("imageRef", name)]);
    Ok((image, report))
}

/// The image that the container was made from.
fn base(store: &Store, container: &Container) -> Result<Option<Image>> {
    let Some(used) = &container.plan.image else { return Ok(None) };
    let image = image::resolve(store, &used.id).map_err(|failure| {
        failure
            .hint(format!("its layers are kept, but not its documents; get it again: rr pull {}", used.name))
            .code(ExitCode::General)
    })?;
    Ok(Some(image))
}

/// The base's config with the container's settings, then with the changes asked for.
fn config(plan: &RunPlan, base: Option<&Image>, options: &CommitOptions) -> Result<ImageConfig> {
    let mut config = base.map_or_else(image::empty_config, |base| base.config.clone());
    let of_image = std::mem::take(&mut config.config);
    config.config = settings(plan, of_image, options.volumes);
    for change in &options.changes {
        let wrong = |cause| {
            Failure::new(format!("cannot use --change {}", change.escape_debug()), cause).code(ExitCode::General)
        };
        instructions::apply(&mut config.config, change).map_err(wrong)?;
    }
    config.created = Some(jiff::Timestamp::now().to_string());
    if !options.author.is_empty() {
        config.author.clone_from(&options.author);
    }
    Ok(config)
}

/// How containers of the new image run: as this one does.
fn settings(plan: &RunPlan, of_image: ContainerConfig, volumes: Volumes) -> ContainerConfig {
    let (entrypoint, cmd) = plan.process.args.split_at(plan.process.entrypoint_words.min(plan.process.args.len()));
    let stays =
        of_image.stop_signal.as_deref().map_or(libc::SIGTERM, |text| signal(text).unwrap_or(0)) == plan.stop_signal;
    let stop_signal = if stays { of_image.stop_signal } else { Some(super::values::signal_name(plan.stop_signal)) };
    let mut volume_paths = of_image.volumes;
    if volumes == Volumes::OfContainer {
        let own = plan.mounts.iter().filter(|mount| !matches!(mount.kind, MountKind::Tmpfs { .. }));
        volume_paths.extend(own.map(|mount| mount.target.clone()));
        volume_paths.sort_unstable();
        volume_paths.dedup();
    }
    ContainerConfig {
        user: plan.process.user.clone(),
        exposed_ports: plan.exposed_ports.clone(),
        env: environment(plan, &of_image.env),
        entrypoint: entrypoint.to_vec(),
        cmd: cmd.to_vec(),
        volumes: volume_paths,
        working_dir: if plan.process.cwd == "/" { of_image.working_dir } else { plan.process.cwd.clone() },
        labels: plan.labels.clone(),
        stop_signal,
        healthcheck: plan.health.as_ref().map(health::for_image).or(of_image.healthcheck),
        shell: of_image.shell,
        on_build: of_image.on_build,
    }
}

/// The container's environment without what rr gives to every container for itself.
fn environment(plan: &RunPlan, of_image: &[String]) -> Vec<String> {
    let own = [format!("HOSTNAME={}", plan.hostname), "TERM=xterm".to_owned()];
    plan.process.env.iter().filter(|entry| of_image.contains(entry) || !own.contains(entry)).cloned().collect()
}
