//! `rr commit`

use super::verbs::Verb;
use super::{output, personality, report, store};
use crate::container::commit::{CommitOptions, Pause, Volumes, commit};
use crate::container::record;
use crate::container::values;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image::Format;
use crate::image::pack::tree::PackReport;
use crate::image::reference::Reference;

/// Make an image of what a container has changed
#[derive(Debug, clap::Parser)]
pub struct Commit {
    /// Who made it, such as `Ana <ana@example.org>`
    #[arg(short, long, value_name = "AUTHOR")]
    author: Option<String>,
    /// Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Documents of the image: oci or docker
    #[arg(short, long, value_name = "FORMAT", default_value = "oci")]
    format: String,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<std::path::PathBuf>,
    /// Make the targets of the container's mounts volumes of the image
    #[arg(long)]
    include_volumes: bool,
    /// A comment for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Stop the container's processes meanwhile [default: true]
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    pause: Option<bool>,
    /// Say nothing but the id
    #[arg(short, long)]
    quiet: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What the image is called
    #[arg(value_name = "IMAGE[:TAG]")]
    name: Option<String>,
}

impl Verb for Commit {
    fn run(self) -> Result<i32> {
        let wrong = |cause: String| Failure::new("cannot use --format", cause).code(ExitCode::General);
        let options = CommitOptions {
            author: self.author.unwrap_or_default(),
            message: self.message.unwrap_or_default(),
            changes: self.change,
            format: self.format.parse::<Format>().map_err(wrong)?,
            pause: if self.pause.unwrap_or(true) { Pause::Yes } else { Pause::No },
            volumes: if self.include_volumes { Volumes::OfContainer } else { Volumes::OfImage },
            name: self.name.as_deref().map(new_name).transpose()?,
        };
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        let (image, packed) = commit(&store, &container, &options)?;
        tell_about(&packed);
        if let Some(path) = &self.iidfile {
            std::fs::write(path, image.id.to_string()).doing(|| format!("cannot write {}", path.display()))?;
        }
        match personality::is_podman() {
            true => output::line(&image.id.hex()),
            false => output::line(&image.id.to_string()),
        }
        .map(|()| 0)
    }
}

/// A name for an image that is made here.
pub fn new_name(text: &str) -> Result<Reference> {
    text.parse().map_err(|cause: String| {
        Failure::new(format!("cannot name the image {}", text.escape_debug()), cause).code(ExitCode::General)
    })
}

/// What differs in an archive from the files it was made of, a line each.
pub fn tell_about(packed: &PackReport) {
    if packed.sockets > 0 {
        log::info!("{} sockets were left out", packed.sockets);
    }
    if let Some(first) = &packed.first_foreign {
        report::notice(&format!(
            "{} files belong to ids that the container does not have and were given to its root, the first is {first}",
            packed.foreign
        ));
    }
}
