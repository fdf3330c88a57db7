//! `rr network …`

mod connect;
mod list;

pub use connect::{Connect, Disconnect};
pub use list::{Inspect, List, object};

use super::confirm::confirm;
use super::filter::Filters;
use super::prune;
use super::verbs::Verb;
use super::volume::pairs;
use super::{each, output, personality, store};
use crate::container::networks::{self, Wish};
use crate::error::{ExitCode, Known, Result};
use jiff::Timestamp;

/// Create a network
#[derive(Debug, clap::Parser)]
pub struct Create {
    /// Note that containers may be attached by hand; with rr they always may
    #[arg(long)]
    attachable: bool,
    /// The network's driver; rr has one [default: bridge]
    #[arg(short, long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Address by which containers reach the outside [default: the first of the subnet]
    #[arg(long, value_name = "IP")]
    gateway: Vec<String>,
    /// No way out of the network
    #[arg(long)]
    internal: bool,
    /// Give containers addresses from this part of the subnet
    #[arg(long, value_name = "CIDR")]
    ip_range: Vec<String>,
    /// IPv6 addresses as well
    #[arg(long)]
    ipv6: bool,
    /// Set a label
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Set an option of the driver: mtu=…; Docker's others are kept and do nothing
    #[arg(short, long, value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// The network's addresses [default: a free 10.89.N.0/24]
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<String>,
    /// Its name
    #[arg(value_name = "NETWORK")]
    name: String,
}

impl Verb for Create {
    fn run(self) -> Result<i32> {
        let wish = Wish {
            name: self.name,
            driver: self.driver,
            subnets: self.subnet,
            gateways: self.gateway,
            ranges: self.ip_range,
            internal: self.internal,
            ipv6: self.ipv6,
            attachable: self.attachable,
            labels: pairs("--label", &self.label)?,
            options: pairs("--opt", &self.opt)?,
        };
        let made = networks::create(&store()?, wish)?;
        let shown = if personality::is_podman() { &made.name } else { &made.metadata.id };
        output::line(shown).map(|()| 0)
    }
}

/// Remove one or more networks that no container uses
#[derive(Debug, clap::Parser)]
pub struct Remove {
    /// One that does not exist is no failure
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Verb for Remove {
    fn run(self) -> Result<i32> {
        let store = store()?;
        // A `--rm` container whose processes were killed is removed on the way, and uses nothing any more.
        crate::container::record::list(&store)?;
        Ok(each(&self.networks, |name| match networks::remove(&store, name) {
            Err(failure) if self.force && matches!(failure.known.as_deref(), Some(Known::NoSuchNetwork(_))) => Ok(()),
            removed => removed.and_then(|()| output::line(name)),
        }))
    }
}

/// Tell by the exit status whether a network exists: 0 if it does, 1 if not, 125 where that cannot be told
#[derive(Debug, clap::Parser)]
pub struct Exists {
    /// Its name or id
    #[arg(value_name = "NETWORK")]
    network: String,
}

impl Verb for Exists {
    const FAILURE: ExitCode = ExitCode::Runner;

    fn run(self) -> Result<i32> {
        if list::built_in().iter().any(|network| network.name == self.network) {
            return Ok(0);
        }
        match networks::find(&store()?, &self.network) {
            Ok(_) => Ok(0),
            Err(failure) if matches!(failure.known.as_deref(), Some(Known::NoSuchNetwork(_))) => Ok(1),
            Err(failure) => Err(failure.code(ExitCode::Runner)),
        }
    }
}

/// Remove the networks that no container uses
#[derive(Debug, clap::Parser)]
pub struct Prune {
    /// Remove only what matches: until, label, label!
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Verb for Prune {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &["until", "label", "label!"])?;
        let until = filters.moment("until", Timestamp::now())?;
        let warning = "This will remove all custom networks not used by at least one container.";
        if !self.force && !confirm(warning)? {
            return Ok(0);
        }
        let pruned = networks::prune(&store()?, |network| {
            until.is_none_or(|until| network.metadata.created < until) && filters.labels(&network.metadata.labels)
        })?;
        prune::tell("Deleted Networks:", &pruned).map(|()| 0)
    }
}
