//! `network connect` and `disconnect`: a container's networks after it was made. Errors are in Docker's words.
//!
//! Of a container that runs the monitor has the seats: it is handed one more, or told to give one up, and the plan says
//! the same from then on. Of another one only the plan is changed.

use super::joining::{member, members};
use super::networks::{self, Network, find};
use super::plan::{Membership, NetworkMode, RunPlan};
use super::record::{self, Container};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::StoreNamespace;
use crate::launch::networks::{Grounds, Joined, hand_over, join, take_back};
use crate::store::Store;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;

/// Docker's name of the network that a container has without being asked for one, and rr's.
fn is_private(name: &str) -> bool {
    matches!(name, "bridge" | "private" | "default" | "podman")
}

fn refuse(doing: impl Into<String>) -> Failure {
    Failure::new(doing, "").code(ExitCode::General)
}

/// Puts a container on one more network, at once where it runs; `notice` is called for each line the user should read.
///
/// # Errors
/// One of them is not there; the container is on it, or can be on none; an address is taken; the system's.
pub fn connect(
    store: &Store,
    mut membership: Membership,
    container: &Container,
    notice: &mut dyn FnMut(String),
) -> Result<()> {
    // From here on the network stays until the plan names it.
    let _lock = store.lock_networks_shared()?;
    if is_private(&membership.network) {
        return connect_private(container);
    }
    let network = find(store, &membership.network)?;
    membership.network.clone_from(&network.name);
    networks::addresses_fit(&membership, &network).map_err(|failure| failure.code(ExitCode::General))?;
    networks::resolve_links(store, &mut membership)?;
    let plan = &container.plan;
    may_connect(plan, &network)?;
    if container.is_alive() {
        if plan.network.mode == NetworkMode::Private && plan.network.networks.is_empty() {
            let doing = format!("cannot connect container {} to network {}", plan.name, network.name);
            let why = "it was started on the private network, apart from the user namespace of networks with names";
            let hint = "connect it while it is stopped: it has both networks from its next start on";
            return Err(Failure::new(doing, why).code(ExitCode::General).hint(hint));
        }
        let maps = StoreNamespace::here()?;
        let grounds = Grounds { store, maps: maps.maps(), members: &|| members(store) };
        let Joined { seats, notices, .. } = join(&grounds, vec![(network.clone(), member(plan, &membership))])
            .map_err(|failure| failure.code(ExitCode::General))?;
        notices.into_iter().for_each(notice);
        for seat in seats {
            tell_monitor(container, |directory| hand_over(directory.as_fd(), seat))?;
        }
    }
    change(container, |plan| plan.network.networks.push(membership))?;
    store.tell_and_bound(&[networks::moved(&network, plan, "connect")]);
    Ok(())
}

fn may_connect(plan: &RunPlan, network: &Network) -> Result<()> {
    let shared =
        "container sharing network namespace with another container or host cannot be connected to any other network";
    match plan.network.mode {
        NetworkMode::Container | NetworkMode::Host => return Err(refuse(shared)),
        NetworkMode::None => {
            let private =
                "container cannot be connected to multiple networks with one of the networks in private (none) mode";
            return Err(refuse(private));
        }
        NetworkMode::Pasta | NetworkMode::Slirp4netns => {
            let doing = format!("cannot connect container {} to network {}", plan.name, network.name);
            let why = "the program that carries its packets leaves no room for another network";
            return Err(Failure::new(doing, why).code(ExitCode::General).hint("make it with --network private"));
        }
        NetworkMode::Private | NetworkMode::Networks => {}
    }
    match plan.network.networks.iter().any(|membership| membership.network == network.name) {
        true => Err(refuse(format!("endpoint with name {} already exists in network {}", plan.name, network.name))),
        false => Ok(()),
    }
}

/// The private network beside those that the container is on.
fn connect_private(container: &Container) -> Result<()> {
    let plan = &container.plan;
    match plan.network.mode {
        NetworkMode::Networks if !container.is_alive() => {
            change(container, |plan| plan.network.mode = NetworkMode::Private)
        }
        NetworkMode::Networks => {
            let doing = format!("cannot connect container {} to the private network", plan.name);
            Err(Failure::new(doing, "it runs").code(ExitCode::General).hint("stop it first"))
        }
        _ => Err(refuse(format!("endpoint with name {} already exists in network bridge", plan.name))),
    }
}

/// Takes a container off a network, at once where it runs.
///
/// # Errors
/// One of them is not there; the container is not on it; the system's.
pub fn disconnect(store: &Store, name: &str, container: &Container) -> Result<()> {
    let plan = &container.plan;
    if is_private(name) {
        return disconnect_private(name, container);
    }
    if matches!(plan.network.mode, NetworkMode::Host) && name == "host" {
        return Err(refuse("container cannot be disconnected from host network or connected to host network"));
    }
    let network = find(store, name)?;
    let is_on = plan.network.networks.iter().any(|membership| membership.network == network.name);
    if !is_on {
        return Err(not_connected(plan, &network.name, container.is_alive()));
    }
    if container.is_alive() {
        tell_monitor(container, |directory| take_back(directory.as_fd(), &network.name))?;
    }
    // One that is on no network any more has loopback alone, until it is connected to one.
    change(container, |plan| plan.network.networks.retain(|membership| membership.network != network.name))?;
    store.tell_and_bound(&[networks::moved(&network, plan, "disconnect")]);
    Ok(())
}

fn disconnect_private(name: &str, container: &Container) -> Result<()> {
    let plan = &container.plan;
    match plan.network.mode {
        NetworkMode::Private if container.is_alive() => {
            let doing = format!("cannot disconnect container {} from the private network", plan.name);
            Err(Failure::new(doing, "it runs").code(ExitCode::General).hint("stop it first"))
        }
        NetworkMode::Private => change(container, |plan| {
            plan.network.mode =
                if plan.network.networks.is_empty() { NetworkMode::None } else { NetworkMode::Networks };
        }),
        _ => Err(not_connected(plan, name, container.is_alive())),
    }
}

fn not_connected(plan: &RunPlan, network: &str, alive: bool) -> Failure {
    let article = if alive { "" } else { "the " };
    refuse(format!("container {} is not connected to {article}network {network}", plan.id))
}

/// Has the monitor do something; one that has ended meanwhile has nothing left to do.
fn tell_monitor(container: &Container, tell: impl FnOnce(&File) -> rustix::io::Result<Result<()>>) -> Result<()> {
    let doing = || format!("cannot reach the monitor of container {}", container.plan.name);
    let directory = File::open(&container.dir).doing(doing)?;
    match tell(&directory) {
        Ok(done) => done.map_err(|failure| failure.code(ExitCode::General)),
        Err(Errno::NOENT | Errno::CONNREFUSED) if !container.is_alive() => Ok(()),
        Err(errno) => Err(errno).doing(doing),
    }
}

/// Writes the plan anew. Nobody starts the container in between: whoever does reads it under the lock that is taken here,
/// and the monitor of one that runs reads only its restart policy again.
fn change(container: &Container, change: impl FnOnce(&mut RunPlan)) -> Result<()> {
    let _held = match container.is_alive() {
        true => None,
        false => record::hold(container)?,
    };
    record::change_plan(container, change)
}
