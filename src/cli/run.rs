//! `rr run`

use super::attach::{self, Attach, Input, SignalProxy};
use super::cidfile::CidFile;
use super::pull::Fetch;
use super::report;
use super::run_flags::{ClientOptions, RunFlags};
use super::verbs::Verb;
use crate::container::options::{CreateOptions, Source};
use crate::container::run;
use crate::error::{Doing, ExitCode, Result};
use crate::host::dirs::Dirs;
use crate::host::ids::IdMaps;
use crate::host::userns::plan_maps;
use crate::image::{Image, reference::ImageName};
use crate::net;
use crate::store::Store;
use std::time::Duration;

/// Create and run a new container from an image
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr run [OPTIONS] IMAGE [COMMAND [ARGUMENT]...]")]
pub struct Run {
    #[command(flatten)]
    flags: RunFlags,
}

impl Verb for Run {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        let (options, client) = self.flags.into_options()?;
        let dirs = Dirs::from_environment()?;
        let store = Store::open(&dirs)?;
        let cidfile = client.cidfile.as_deref().map(CidFile::new).transpose()?;
        // Before anything is fetched for it.
        net::check(options.network)?;
        let (ids, notices) = plan_maps(&options.userns)?;
        for notice in notices {
            report::notice(&notice.0);
        }
        // Held until the record names the layers: nothing that collects garbage takes them meanwhile.
        let in_use = store.lock_shared()?;
        let image = match &options.source {
            Source::Image(name) => Some((name.clone(), image_for(&store, &dirs, name, &ids, &client)?)),
            Source::Directory(_) | Source::OverlaidDirectory(_) => None,
        };
        let how = how_to_attach(&options, &client);
        let tty = options.tty;
        let driver = std::env::var("RR_OVERLAY").unwrap_or_default().parse().doing(|| "cannot use RR_OVERLAY")?;
        let image = image.as_ref().map(|(name, image)| (name.as_str(), image));
        let created = run::create(&store, options, image, ids)?;
        drop(in_use);
        if let Some(cidfile) = cidfile {
            cidfile.write(&created.plan().id)?;
        }
        let window = if tty { attach::window() } else { None };
        let stop_timeout = Duration::from_secs(created.plan().stop_timeout.into());
        attach::hold_signals()?;
        let running = created.start(driver, window, &mut |text| report::notice(&text))?;
        attach::follow(running, &Attach { stop_timeout, ..how })
    }
}

fn how_to_attach(options: &CreateOptions, client: &ClientOptions) -> Attach {
    Attach {
        signals: if client.sig_proxy { SignalProxy::On } else { SignalProxy::Off },
        detach_keys: client.detach_keys.clone(),
        input: if options.interactive { Input::Open } else { Input::Closed },
        stop_timeout: Duration::ZERO,
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
    };
    fetch.get(&parsed)
}
