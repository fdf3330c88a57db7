//! How a container comes to its networks when it starts: places on networks of its own, or another container's namespace.

use super::networks::no_such_network;
use super::plan::{Membership, RunPlan};
use super::record::{self, Container, Status};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::process::ProcessName;
use crate::launch::StoreNamespace;
use crate::launch::networks::{self, Grounds, Joined, Member, Seat};
use crate::net::ResolvedNetwork;
use crate::rootfs::etc::{self, NameFile};
use crate::rootfs::resolve::Root;
use crate::store::{Store, networks as records};
use rustix::fs::{FileType, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

/// Takes the places of a container's plan on its networks.
///
/// # Errors
/// A network is gone; see [`networks::join`].
pub fn join(store: &Store, plan: &RunPlan) -> Result<Joined> {
    let mut wanted = Vec::new();
    for membership in &plan.network.networks {
        let network = records::find(store, &membership.network)?;
        let network = network.ok_or_else(|| no_such_network(&membership.network).code(ExitCode::Runner))?;
        let member = member(plan, membership);
        wanted.push((network, member));
    }
    let maps = StoreNamespace::here()?;
    networks::join(&Grounds { store, maps: maps.maps(), members: &|| members(store) }, wanted)
}

/// Tells the networks of a container, should it be on them, that it has another name.
///
/// # Errors
/// One does not answer.
pub fn tell_name(store: &Store, plan: &RunPlan, name: &str) -> Result<()> {
    for membership in &plan.network.networks {
        if let Some(network) = records::find(store, &membership.network)? {
            networks::rename(&network, &plan.id, name)?;
        }
    }
    Ok(())
}

/// The container as its networks are told of it.
pub(super) fn member(plan: &RunPlan, membership: &Membership) -> Member {
    let servers = plan.network.dns.iter().filter_map(|server| server.parse().ok()).collect();
    Member { id: plan.id.clone(), name: plan.name.clone(), servers, wanted: membership.clone() }
}

/// The first processes of the containers that are on networks.
pub(super) fn members(store: &Store) -> Result<Vec<ProcessName>> {
    let containers = record::list(store)?.into_iter();
    // One that has been connected while it was down is, from its next start on.
    let on_networks =
        containers.filter(|container| container.state.endpoints.iter().any(|endpoint| !endpoint.network.is_empty()));
    Ok(on_networks.filter_map(|container| container.state.init).collect())
}

/// What the places come to. One that has been disconnected from all of its networks has loopback alone.
pub fn resolved(seats: &[Seat]) -> ResolvedNetwork {
    let addresses = || seats.iter().flat_map(|seat| &seat.at.endpoint.addresses).map(|address| address.ip);
    match addresses().next() {
        Some(address) => ResolvedNetwork::Networks { address, leads_out: seats.iter().any(|seat| !seat.at.internal) },
        None => ResolvedNetwork::Loopback,
    }
}

/// With `--network container:…`: the container whose network namespace it is, which is another one than the one that was
/// named where that one has its namespace from a third.
///
/// # Errors
/// It is not there, or does not run; in Docker's words.
pub fn owner_of_namespace(store: &Store, plan: &RunPlan) -> Result<Container> {
    let mut seen = vec![plan.id.clone()];
    let mut named = plan.network.container.clone().unwrap_or_default();
    loop {
        let container = record::find(store, &named).map_err(|failure| failure.code(ExitCode::Runner))?;
        let id = &container.plan.id;
        if seen.contains(id) {
            return Err(Failure::new("cannot join own network", format!("{id} has its network from itself")));
        }
        match container.state.status {
            Status::Running | Status::Paused => {}
            Status::Restarting => {
                let cause = format!("Container {id} is restarting, wait until the container is running");
                return Err(Failure::new("cannot join network of a restarting container", cause));
            }
            _ => return Err(Failure::new("cannot join network of a non running container", id)),
        }
        match &container.plan.network.container {
            Some(further) => {
                seen.push(id.clone());
                named.clone_from(further);
            }
            None => return Ok(container),
        }
    }
}

fn init_of(owner: &Container) -> Result<&ProcessName> {
    let init = owner.state.init.as_ref();
    init.ok_or_else(|| Failure::new("cannot join network of a non running container", &owner.plan.id))
}

/// The files of names as `owner` has them, which the network's are.
///
/// # Errors
/// The owner has ended; it has made something else of them.
pub fn names_of(owner: &Container) -> Result<[NameFile; 3]> {
    let doing = || format!("cannot read the names of container {}", owner.plan.name);
    let root = init_of(owner)?.open_root().doing(doing)?.ok_or_else(|| Failure::new(doing(), "it has ended"))?;
    let root = Root::new(root.as_fd());
    let mut files = etc::FILES.map(|name| (name, String::new()));
    for (name, text) in &mut files {
        // What its root has put there is looked up inside, is a file, and is read in bounds.
        let path = Path::new("/etc").join(*name);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = root.open_existing(&path, flags) else { continue };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).doing(doing)?.st_mode);
        if kind == FileType::RegularFile {
            let mut bytes = Vec::new();
            File::from(file).take(1 << 20).read_to_end(&mut bytes).doing(doing)?;
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    Ok(files)
}
