//! `rr pull`, and the pull before a run.

use super::access_flags::CredentialFlags;
use super::progress::{self, Verbosity};
use super::verbs::Verb;
use super::{each, output, report};
use crate::error::{Doing, Result};
use crate::host::dirs::Dirs;
use crate::host::ids::IdMaps;
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::image::archive::ImageArchive;
use crate::image::digest::Digest;
use crate::image::platform::Platform;
use crate::image::progress::Progress;
use crate::image::reference::{ArchiveKind, ImageName, Reference};
use crate::image::unpack::UnmappedIds;
use crate::image::{self, Access, Image, PullPolicy, PullRequest};
use crate::store::Store;
use std::path::Path;

/// Download an image from a registry and unpack it
#[derive(Debug, clap::Parser)]
pub struct Pull {
    #[command(flatten)]
    access: CredentialFlags,
    /// Choose the platform of a multi-platform image
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Print only the image's name
    #[arg(short, long)]
    quiet: bool,
    /// Fail where a file belongs to an id that is not mapped, instead of giving it to root
    #[arg(long)]
    strict_ids: bool,
    /// Names of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Pull {
    fn run(self) -> Result<i32> {
        let dirs = Dirs::from_environment()?;
        let store = Store::open(&dirs)?;
        let platform = parse_platform(self.platform.as_deref())?;
        let access = self.access.access()?;
        let (maps, notices) = plan_maps(&UsernsRequest::Auto)?;
        notices.iter().for_each(|notice| report::notice(&notice.0));
        let verbosity = if self.quiet { Verbosity::Quiet } else { Verbosity::Usual };
        let fetch = Fetch {
            store: &store,
            dirs: &dirs,
            maps: &maps,
            policy: PullPolicy::Always,
            platform,
            unmapped: if self.strict_ids { UnmappedIds::Refuse } else { UnmappedIds::Squash },
            verbosity,
            access: &access,
        };
        Ok(each(&self.images, |text| {
            let name = ImageName::parse(text).doing(|| format!("cannot pull {}", text.escape_debug()))?;
            let before = ids_of(&store, &name)?;
            let image = fetch.get(&name)?;
            let known_as = known_as(&image, &name);
            if verbosity == Verbosity::Usual {
                report::line(&format!("Digest: {}", image.source_digest));
                report::line(&match before.contains(&image.id) {
                    true => format!("Status: Image is up to date for {name}"),
                    false => format!("Status: Downloaded newer image for {name}"),
                });
            }
            output::line(&known_as)
        }))
    }
}

/// The ids of the images that may turn out to be what `name` means.
fn ids_of(store: &Store, name: &ImageName) -> Result<Vec<Digest>> {
    match name {
        // What an archive holds is known only when it is read.
        ImageName::Archive { .. } => Ok(image::list(store)?.images.iter().map(|image| image.id).collect()),
        _ => Ok(image::find(store, name)?.iter().map(|image| image.id).collect()),
    }
}

/// How images are fetched.
pub struct Fetch<'a> {
    /// Where to.
    pub store: &'a Store,
    /// Where configuration and credentials are.
    pub dirs: &'a Dirs,
    /// The ids that layers are unpacked under.
    pub maps: &'a IdMaps,
    /// Whether the registry is asked.
    pub policy: PullPolicy,
    /// `--platform`
    pub platform: Option<Platform>,
    /// What becomes of files of other ids.
    pub unmapped: UnmappedIds,
    /// How much is shown.
    pub verbosity: Verbosity,
    /// How registries are reached.
    pub access: &'a Access,
}

impl Fetch<'_> {
    /// The platform that is meant.
    pub fn wanted(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }

    /// Takes an image from an archive that is open.
    pub fn load(&self, archive: &ImageArchive, path: &Path) -> Result<Image> {
        let progress = progress::shown(self.verbosity);
        let name = ImageName::Archive { kind: ArchiveKind::OciArchive, path: path.to_owned(), name: None };
        image::load(self.store, &self.request(&name, progress.as_ref()), archive)
    }

    /// The image, complete and unpacked.
    pub fn get(&self, name: &ImageName) -> Result<Image> {
        let progress = progress::shown(self.verbosity);
        image::pull(self.store, &self.request(name, progress.as_ref()))
    }

    fn request<'a>(&'a self, name: &'a ImageName, progress: &'a dyn Progress) -> PullRequest<'a> {
        PullRequest {
            name,
            policy: self.policy,
            platform: self.platform.clone(),
            maps: self.maps,
            unmapped: self.unmapped,
            progress,
            dirs: self.dirs,
            access: self.access,
        }
    }
}

/// What the image is called in full, as `docker pull` prints it last: `docker.io/library/alpine:latest`.
pub(super) fn known_as(image: &Image, typed: &ImageName) -> String {
    let same = |name: &&Reference| match typed {
        ImageName::Registry { reference, .. } => name.path() == reference.path() && name.tag() == reference.tag(),
        _ => true,
    };
    image.names.iter().find(same).map_or_else(|| image.id.to_string(), Reference::to_string)
}

/// The value of `--platform`.
pub fn parse_platform(text: Option<&str>) -> Result<Option<Platform>> {
    text.map(|text| text.parse().doing(|| format!("cannot use --platform {}", text.escape_debug()))).transpose()
}
