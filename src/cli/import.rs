//! `rr import`

use super::commit::new_name;
use super::verbs::Verb;
use super::{output, pull, store};
use crate::container::instructions;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::image::config::ContainerConfig;
use crate::image::{self, ImportOptions};
use crate::store::{Event, Kind};
use std::fs::File;
use std::io::Read;

/// Make an image of a tar archive of a file system
#[derive(Debug, clap::Parser)]
pub struct Import {
    /// Change the image by an instruction of Dockerfiles, such as `CMD ["sh"]`
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// A comment for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Whom the image is for, if not for machines like this
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Say nothing but the id
    #[arg(short, long)]
    quiet: bool,
    /// A file, an address (http or https), or `-` for standard input; may be packed with gzip or zstd
    #[arg(value_name = "FILE|URL|-")]
    source: String,
    /// What the image is called
    #[arg(value_name = "IMAGE[:TAG]")]
    name: Option<String>,
}

impl Verb for Import {
    fn run(self) -> Result<i32> {
        let mut config = ContainerConfig::default();
        for change in &self.change {
            let wrong = |cause| {
                Failure::new(format!("cannot use --change {}", change.escape_debug()), cause).code(ExitCode::General)
            };
            instructions::apply(&mut config, change).map_err(wrong)?;
        }
        let name = self.name.as_deref().map(new_name).transpose()?;
        let mut reader: Box<dyn Read + Send> = match self.source.as_str() {
            "-" => Box::new(std::io::stdin()),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                image::open_url(&Dirs::from_environment()?, url)?
            }
            path => Box::new(File::open(path).doing(|| format!("cannot import {path}"))?),
        };
        let message = self.message.unwrap_or_else(|| format!("Imported from {}", self.source));
        let platform = pull::parse_platform(self.platform.as_deref())?;
        let options = ImportOptions { config, message, platform, name: name.as_ref() };
        let store = store()?;
        let image = image::import(&store, reader.as_mut(), options)?;
        let id = image.id.to_string();
        store.tell_and_bound(&[Event::now(Kind::Image, "import", &*id).with("name", &*id)]);
        output::line(&image.id.to_string()).map(|()| 0)
    }
}
