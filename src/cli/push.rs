//! `rr push`

use super::access_flags::CredentialFlags;
use super::destination::Destination;
use super::verbs::Verb;
use super::{output, report, store};
use crate::container::values::short_id;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::image::reference::{ArchiveKind, ImageName, Reference};
use crate::image::{self, ArchiveFormat, Fate, Image};
use crate::store::{Event, Kind, Store};
use std::path::PathBuf;

/// Upload an image to a registry, or write it to an archive
#[derive(Debug, clap::Parser)]
pub struct Push {
    /// Push all tags of a repository
    #[arg(short, long)]
    all_tags: bool,
    #[command(flatten)]
    access: CredentialFlags,
    /// Write the manifest's digest to a file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Say nothing but the image's name
    #[arg(short, long)]
    quiet: bool,
    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Where to, if not to where the image's name says: `registry/name:tag`, `docker://…`, `oci:DIR`, `oci-archive:FILE`,
    /// `docker-archive:FILE`
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

impl Verb for Push {
    fn run(self) -> Result<i32> {
        let dirs = Dirs::from_environment()?;
        let store = store()?;
        if self.all_tags {
            return self.push_all(&store, &dirs);
        }
        let image = image::resolve(&store, &self.image)?;
        let typed = self.destination.as_ref().unwrap_or(&self.image);
        let doing = || format!("cannot push to {}", typed.escape_debug());
        match ImageName::parse(typed).doing(doing)? {
            ImageName::Registry { reference, .. } => {
                self.push_one(&store, &dirs, &image, &reference)?;
                let event = Event::now(Kind::Image, "push", reference.familiar());
                store.tell_and_bound(&[event.with("name", reference.familiar_repository())]);
            }
            ImageName::Archive { kind, path, name } => {
                let name = name.map(|name| name.parse::<Reference>()).transpose().doing(doing)?;
                self.write(&store, &image, kind, &path, name)?;
            }
            ImageName::Id(_) => {
                return Err(Failure::new(doing(), "an id is no place to push to")
                    .hint(format!("say where: rr push {typed} REGISTRY/NAME:TAG"))
                    .code(ExitCode::General));
            }
        }
        Ok(0)
    }
}

impl Push {
    fn push_all(&self, store: &Store, dirs: &Dirs) -> Result<i32> {
        let wanted: Reference = self.image.parse().doing(|| format!("cannot push {}", self.image.escape_debug()))?;
        let mut found = false;
        for image in image::list(store)?.images {
            for name in image.names.iter().filter(|name| name.repository() == wanted.repository()) {
                self.push_one(store, dirs, &image, name)?;
                found = true;
            }
        }
        match found {
            true => Ok(0),
            false => {
                let cause = format!("An image does not exist locally with the tag: {}", wanted.familiar_repository());
                Err(Failure::new("cannot push", cause).code(ExitCode::General))
            }
        }
    }

    /// Docker's lines: one a layer, then the tag with the digest.
    fn push_one(&self, store: &Store, dirs: &Dirs, image: &Image, target: &Reference) -> Result<()> {
        if !self.quiet {
            output::line(&format!("The push refers to repository [{}]", target.repository()))?;
        }
        let mut told = |diff_id: &image::digest::Digest, fate: Fate| {
            let word = match fate {
                Fate::Exists => "Layer already exists",
                Fate::Mounted => "Mounted from another repository",
                Fate::Pushed => "Pushed",
            };
            if !self.quiet {
                report::line(&format!("{}: {word}", short_id(&diff_id.to_string())));
            }
        };
        let (digest, size) = image::push(store, dirs, image, target, &self.access.access()?, &mut told)?;
        if let Some(path) = &self.digestfile {
            std::fs::write(path, digest.to_string()).doing(|| format!("cannot write {}", path.display()))?;
        }
        match self.quiet {
            true => output::line(&target.to_string()),
            false => output::line(&format!("{}: digest: {digest} size: {size}", target.identifier())),
        }
    }

    /// Into an archive, as `save` does.
    fn write(
        &self,
        store: &Store,
        image: &Image,
        kind: ArchiveKind,
        path: &std::path::Path,
        name: Option<Reference>,
    ) -> Result<()> {
        let _lock = store.lock_shared()?;
        let images = [(image.clone(), name.into_iter().collect())];
        let format = match kind {
            ArchiveKind::OciDirectory => return image::save_to_directory(store, &images, path),
            ArchiveKind::OciArchive => ArchiveFormat::OciArchive,
            ArchiveKind::DockerArchive => ArchiveFormat::Docker,
        };
        let destination = Destination::open(Some(path))?;
        image::save_to_file(store, &images, format, destination.file())?;
        destination.publish()
    }
}
