//! `rr start` and `rr restart`, and the starting that `rr run` shares with them

use super::attach::{self, Attach, Attachment, HangUp, SignalProxy, Streams};
use super::relay::Relay;
use super::stop::{Stopping, is_running};
use super::targets::{Targets, Unknown};
use super::verbs::Verb;
use super::{each, output, report, run_flags, store};
use crate::container::events;
use crate::container::lifecycle;
use crate::container::logs::Tail;
use crate::container::record::{self, Container, Status};
use crate::container::run::{self, Created, Start};
use crate::container::values;
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::launch::Presence;
use crate::launch::stdio::{ClientPipes, Input};
use crate::rootfs::overlay::Driver;
use crate::store::Store;
use std::time::Duration;

/// Start one or more stopped containers
#[derive(Debug, clap::Parser)]
pub struct StartVerb {
    /// Attach output, forward signals, and exit as the container does
    #[arg(short, long)]
    attach: bool,
    /// Keys that detach from the terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Attach standard input as well
    #[arg(short, long)]
    interactive: bool,
    /// Forward signals to the container [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    sig_proxy: Option<bool>,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for StartVerb {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let names = self.targets.names(&store, Unknown::Fails, |container| !is_running(container))?;
        if !self.attach && !self.interactive {
            return Ok(each(&names, |text| {
                start_again(&store, &record::find(&store, text)?)?;
                output::line(text)
            }));
        }
        let [text] = names.as_slice() else {
            return Err(Failure::new(
                "cannot attach to several containers",
                "you cannot start and attach multiple containers at once",
            )
            .code(ExitCode::General));
        };
        let container = record::find(&store, text)?;
        let attachment = Attachment {
            signals: if self.sig_proxy.unwrap_or(true) { SignalProxy::On } else { SignalProxy::Off },
            detach_keys: run_flags::detach_keys(self.detach_keys.as_deref())?,
        };
        let input = match self.interactive && container.plan.stdio.interactive {
            true => attach::Input::Open,
            false => attach::Input::Closed,
        };
        match run::reopen(&store, &container)? {
            Some(created) => start_attached(created, &attachment, input),
            None => attach::to_running(&store, text, &attachment, input),
        }
    }
}

/// Restart one or more containers
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
pub struct Restart {
    #[command(flatten)]
    how: Stopping,
    /// With --all or --filter: only those that run
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    targets: Targets,
}

impl Verb for Restart {
    fn run(self) -> Result<i32> {
        let (signal, grace) = self.how.signal_and_grace()?;
        let store = store()?;
        let fits = |container: &Container| !self.running || is_running(container);
        Ok(each(&self.targets.names(&store, Unknown::Fails, fits)?, |text| {
            let container = record::find(&store, text)?;
            lifecycle::stop(&store, &container, signal, grace)?;
            // `--rm`: its monitor has removed it.
            start_again(&store, &record::find(&store, &container.plan.id)?)?;
            store.tell(&[events::event(&container.plan, "restart")]);
            output::line(text)
        }))
    }
}

/// Starts a container that was made before; one that runs already is as it should be.
fn start_again(store: &Store, container: &Container) -> Result<()> {
    if container.state.status == Status::Paused {
        let failure = Failure::new("cannot start a paused container", "try unpause instead");
        return Err(failure.code(ExitCode::General).known(Known::StartsPaused));
    }
    match run::reopen(store, container)? {
        Some(created) => start_detached(created),
        None => Ok(()),
    }
}

/// Starts it and leaves.
///
/// # Errors
/// The start's.
pub fn start_detached(created: Created) -> Result<()> {
    let start = Start {
        driver: driver()?,
        window: None,
        presence: Presence::Detached,
        input: Input::Monitor,
        pipes: ClientPipes::default(),
    };
    created.start(&start, &mut |text| report::notice(&text))?.detach()
}

/// Starts it and follows it to its end; returns the payload's status.
///
/// # Errors
/// The start's.
pub fn start_attached(created: Created, attachment: &Attachment, input: attach::Input) -> Result<i32> {
    let plan = created.plan();
    let tty = plan.stdio.tty;
    let log = match !tty && created.is_logged(Presence::Attached) {
        true => Some(Tail::at_end(created.directory())?),
        false => None,
    };
    let relay = if tty || log.is_some() { None } else { Relay::to_terminals()? };
    let how = Attach {
        signals: attachment.signals,
        detach_keys: attachment.detach_keys.clone(),
        input,
        streams: if tty { Streams::Terminal } else { Streams::Plain },
        hang_up: HangUp::Ends(Duration::from_secs(plan.stop_timeout.into())),
        relay,
    };
    let start = Start {
        driver: driver()?,
        window: if tty { attach::window() } else { None },
        presence: Presence::Attached,
        input: if input == attach::Input::Open { Input::Client } else { Input::Monitor },
        pipes: how.relay.as_ref().map(Relay::pipes).unwrap_or_default(),
    };
    attach::hold_signals()?;
    let running = created.start(&start, &mut |text| report::notice(&text))?;
    attach::follow(running, &how, log)
}

/// Who stacks layers, by RR_OVERLAY.
///
/// # Errors
/// It names nobody.
pub fn driver() -> Result<Driver> {
    std::env::var("RR_OVERLAY").unwrap_or_default().parse().doing(|| "cannot use RR_OVERLAY")
}
