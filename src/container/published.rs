//! Published ports at a container's start: who may have them, and who has one that is taken.

use super::plan::{NetworkMode, RunPlan};
use super::record;
use crate::error::{Failure, Notice, Result};
use crate::net::ports::{self, OpenPorts, PortsPlan};
use crate::net::{NetworkPlan, ResolvedNetwork};
use crate::store::Store;

/// Fails where a port that is asked for by its number cannot be had now; for a time when nothing has been made yet.
///
/// # Errors
/// One is taken, privileged, or of an address that is not the host's.
pub fn check(store: &Store, network: &NetworkPlan) -> Result<()> {
    match carries_ports(network.mode) {
        true => {
            ports::check_free(&network.ports.published).map_err(|failure| name_owner(store, &network.ports, failure))
        }
        false => Ok(()),
    }
}

/// Whether a network of this kind is the container's own and leads outside.
fn carries_ports(mode: NetworkMode) -> bool {
    !matches!(mode, NetworkMode::Host | NetworkMode::None | NetworkMode::Container)
}

/// The line that says that ports were asked for in vain.
pub fn discarded(wanted: &NetworkPlan, network: &ResolvedNetwork) -> Option<Notice> {
    let mode = match (wanted.mode, network) {
        (NetworkMode::Host, _) => "host",
        (NetworkMode::None, _) => "none",
        (_, ResolvedNetwork::Networks { leads_out: false, .. }) => "internal",
        _ => return None,
    };
    let asked = !wanted.ports.published.is_empty() || wanted.ports.publish_all;
    // The words are Docker's, which says them of `host`.
    asked.then(|| Notice(format!("WARNING: Published ports are discarded when using {mode} network mode")))
}

/// Takes the ports of the plan, for the time until whoever carries the packets has them.
///
/// # Errors
/// One cannot be had.
pub fn open(store: &Store, plan: &RunPlan, network: &ResolvedNetwork) -> Result<OpenPorts> {
    ports::open_for(network, &plan.network.ports.all())
        .map_err(|failure| name_owner(store, &plan.network.ports, failure))
}

/// Adds which container has the port, where it is one of this user's.
fn name_owner(store: &Store, wanted: &PortsPlan, failure: Failure) -> Failure {
    if !failure.cause.contains("already allocated") {
        return failure;
    }
    let wanted = wanted.all();
    let has = |bound: &ports::Bound| {
        wanted.iter().any(|port| port.protocol == bound.protocol && port.host.fixed() == Some(bound.host))
    };
    let containers = record::list(store).unwrap_or_default();
    match containers.iter().find(|container| container.state.ports.iter().any(has)) {
        Some(owner) => {
            failure.hint(format!("container {} has it; publish another port, or stop that one", owner.plan.name))
        }
        None => failure.hint("another program listens there: publish another port, or see who it is with `ss -lntup`"),
    }
}
