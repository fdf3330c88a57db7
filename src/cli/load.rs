//! `rr load`

use super::pull::Fetch;
use super::verbs::Verb;
use super::{output, progress, report};
use crate::error::{ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::image::archive::ImageArchive;
use crate::image::unpack::UnmappedIds;
use crate::image::{Access, Image, PullPolicy};
use crate::store::{Event, Kind, Store};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Load images from an archive
#[derive(Debug, clap::Parser)]
pub struct Load {
    /// Read a file or a directory instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Choose the platform of a multi-platform image
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Load {
    fn run(self) -> Result<i32> {
        let stdin = PathBuf::from("/dev/stdin");
        let path = match self.input.filter(|path| path.as_os_str() != "-") {
            Some(path) => path,
            None if std::io::stdin().is_terminal() => {
                return Err(Failure::new("requested load from stdin, but stdin is empty", "").code(ExitCode::General));
            }
            None => stdin,
        };
        let dirs = Dirs::from_environment()?;
        let store = Store::open(&dirs)?;
        let (maps, notices) = plan_maps(&UsernsRequest::Auto)?;
        notices.iter().for_each(|notice| report::notice(&notice.0));
        let fetch = Fetch {
            store: &store,
            dirs: &dirs,
            maps: &maps,
            policy: PullPolicy::Always,
            platform: super::pull::parse_platform(self.platform.as_deref())?,
            unmapped: UnmappedIds::Squash,
            verbosity: if self.quiet { progress::Verbosity::Quiet } else { progress::Verbosity::Usual },
            // An archive is no registry.
            access: &Access::default(),
        };
        for archive in ImageArchive::open_all(&path, &fetch.wanted(), &store.tmp())? {
            let image = fetch.load(&archive, &path)?;
            let id = image.id.to_string();
            store.tell_and_bound(&[Event::now(Kind::Image, "load", &*id).with("name", &*id)]);
            tell(&archive, &image)?;
        }
        Ok(0)
    }
}

/// Docker's lines: the names that the archive has for the image, or its id.
fn tell(archive: &ImageArchive, image: &Image) -> Result<()> {
    let names = archive.whole_names();
    if names.is_empty() {
        return output::line(&format!("Loaded image ID: {}", image.id));
    }
    names.iter().try_for_each(|name| output::line(&format!("Loaded image: {}", name.familiar())))
}
