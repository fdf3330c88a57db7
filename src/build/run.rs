//! `RUN`: a container that nobody finds, upon the layers so far; what it has changed is the next layer.

use super::scratch::{Ground, Harvest, Scratch};
use super::{Event, Reporter};
use crate::container::create::{HostFacts, ImageFacts, resolve_plan};
use crate::container::files::OWN;
use crate::container::options::{CreateOptions, EnvChange, Source};
use crate::container::plan::{ImageUse, Mount, RunPlan};
use crate::container::run::layer_paths;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::process::ProcessName;
use crate::host::userns::own_ids;
use crate::image::config::ContainerConfig;
use crate::launch::health::{Checked, HealthStatus};
use crate::launch::protocol::Exit;
use crate::launch::shared_memory;
use crate::launch::stdio::{ClientPipes, Input, Output, Pipe};
use crate::launch::{self, Keeper, Launch, Presence, Running, Sequel, Wish};
use crate::net::ports::{Bound, OpenPorts};
use crate::net::{self, NetworkPlan};
use crate::rootfs::overlay::Driver;
use crate::rootfs::volumes::Volumes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

/// What is executed, and as what.
pub struct Execution<'a> {
    /// The words.
    pub args: Vec<String>,
    /// `NAME=value`
    pub env: &'a [(String, String)],
    /// Working directory, absolute.
    pub cwd: &'a str,
    /// `USER`
    pub user: &'a str,
    /// `--network`
    pub network: NetworkPlan,
    /// `--mount`
    pub mounts: Vec<Mount>,
    /// Diff ids of the layers below, bottom first.
    pub diff_ids: Vec<String>,
    /// Who stacks those.
    pub driver: Driver,
    /// Paths, without slashes in front, that do not belong to the layer.
    pub left: Vec<String>,
}

/// The name of the machine in which steps run: always the same, since it may end up in files.
const HOSTNAME: &str = "buildkitsandbox";

/// Executes it to its end and makes a layer of what it has changed.
///
/// # Errors
/// It cannot be started, or ends otherwise than well; the system's.
pub fn execute(ground: &Ground<'_>, execution: Execution<'_>, reporter: &dyn Reporter) -> Result<Harvest> {
    let shown = execution.args.join(" ");
    let driver = execution.driver;
    let left = execution.left.clone();
    let plan = plan(ground, execution)?;
    let scratch = Scratch::new(ground.store, layer_paths(ground.store, &plan)?)?;
    let exit = launch(ground, &plan, &scratch, driver, reporter);
    let exit = match exit {
        Ok(exit) if exit == Exit::Status(0) => exit,
        other => {
            ground.namespace.run(|| scratch.clear())?;
            other?
        }
    };
    if exit != Exit::Status(0) {
        let cause = format!("process \"{shown}\" did not complete successfully: exit code: {}", exit.code());
        return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
    }
    let left: Vec<&str> = OWN.into_iter().chain(left.iter().map(String::as_str)).collect();
    ground.namespace.run_on_files_of(&ground.ids, || scratch.harvest(ground, &left))
}

fn plan(ground: &Ground<'_>, execution: Execution<'_>) -> Result<RunPlan> {
    let mut options = CreateOptions::new(Source::Image(String::new()));
    options.entrypoint = Some(Vec::new());
    options.command = execution.args;
    options.env = execution.env.iter().map(|(name, value)| EnvChange::Set(name.clone(), value.clone())).collect();
    options.workdir = Some(execution.cwd.to_owned());
    options.user = Some(execution.user.to_owned()).filter(|user| !user.is_empty());
    options.network = execution.network;
    options.mounts = execution.mounts;
    options.hostname = Some(HOSTNAME.to_owned());
    options.remove = true;
    options.log = None;
    let image = ImageFacts {
        used: ImageUse { name: String::new(), id: String::new(), manifest: String::new() },
        diff_ids: execution.diff_ids,
        defaults: ContainerConfig::default(),
    };
    let host = HostFacts { hostname: HOSTNAME.to_owned(), ids: ground.ids.clone(), user: None };
    resolve_plan(options, Some(image), host)
}

fn launch(
    ground: &Ground<'_>,
    plan: &RunPlan,
    scratch: &Scratch,
    driver: Driver,
    reporter: &dyn Reporter,
) -> Result<Exit> {
    let (network, notices) = net::plan(&plan.network)?;
    notices.iter().for_each(|notice| reporter.event(Event::Note(&notice.0)));
    let names = net::files(&plan.network, &network, &plan.hostname)?;
    let pipe = Pipe::new()?;
    let (volumes, backings) = (ground.store.volumes(), BTreeMap::new());
    let launch = Launch {
        plan,
        dir: scratch.path(),
        names,
        shared_names: None,
        layers: scratch.lower().to_vec(),
        volumes: Volumes { directory: &volumes, backings: &backings },
        driver,
        network: &network,
        ports: Cell::new(OpenPorts::default()),
        parents: &[],
        shared_memory: shared_memory::Trees::default(),
        places: RefCell::default(),
        site: None,
        user: own_ids(),
        window: None,
        presence: Presence::Attached,
        input: Input::Nothing,
        output: Output::Client,
        pipes: ClientPipes { stdout: Some(&pipe), stderr: Some(&pipe) },
    };
    let running = launch::start(&launch, &mut Nobody, &mut |text| reporter.event(Event::Note(&text)))?;
    follow(&running, &pipe, reporter)
}

/// Passes output on until the end.
fn follow(running: &Running, pipe: &Pipe, reporter: &dyn Reporter) -> Result<Exit> {
    let mut bytes = vec![0; 64 << 10];
    let mut pass_on = || {
        while let Ok(count @ 1..) = rustix::io::read(&pipe.reader, &mut bytes[..]) {
            reporter.event(Event::Output(&bytes[..count]));
        }
    };
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(running.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(pipe.reader.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            result => result.doing(|| "cannot follow the process")?,
        };
        let has_news = !fds[0].revents().is_empty();
        pass_on();
        if !has_news {
            continue;
        }
        match running.event()? {
            launch::Event::Exited(exit) => {
                pass_on();
                return Ok(exit);
            }
            launch::Event::Notice(text) => reporter.event(Event::Note(&text)),
            launch::Event::Logged => {}
        }
    }
}

/// Keeps no record.
struct Nobody;

impl Keeper for Nobody {
    fn started(
        &mut self,
        _: Option<ProcessName>,
        _: Option<ProcessName>,
        _: &[Bound],
        _: Vec<net::Endpoint>,
    ) -> Result<()> {
        Ok(())
    }

    fn placed(&mut self, _: Vec<net::Endpoint>, _: &[String]) {}

    fn plan_changed(&mut self) {}

    fn is_paused(&self) -> bool {
        false
    }

    fn checked(&mut self, _: Checked, _: Duration) -> HealthStatus {
        HealthStatus::default()
    }

    fn remedied(&mut self, _: i32) {}

    fn out_of_memory(&mut self) {}

    fn network_lost(&mut self, _: &str) {}

    fn execution_died(&mut self, _: &str, _: Exit) {}

    fn ended(&mut self, _: Exit, _: Wish) -> Result<Sequel> {
        Ok(Sequel::End)
    }

    fn given_up(&mut self, _: Option<&Failure>) {}

    fn clean_up(&mut self) -> Result<()> {
        Ok(())
    }
}
