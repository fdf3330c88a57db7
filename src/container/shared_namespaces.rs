//! `container:NAME` of `--ipc`, `--uts`, `--cgroupns` and `--network`: namespaces of other containers.
//!
//! Who enters a namespace must have all capabilities in the user namespace that it belongs to (setns(2)). So the new
//! container's user namespace is made inside that of the container whose namespaces it shares, and in the order in which
//! these lie inside each other where there are several: `b` may share the network of `a`, and `c` the network and ipc of `b`.

use super::options::CreateOptions;
use super::plan::{Ipc, Isolation, RunPlan, Sharing};
use super::record::{self, Container, Status};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::launch::networks::ParentNamespace;
use crate::launch::shared_memory::{self, Trees};
use crate::store::Store;
use rustix::thread::LinkNameSpaceType;
use std::fs::File;

/// A kind of namespace that is shared by an option of its own.
struct Kind {
    kind: LinkNameSpaceType,
    /// In /proc/PID/ns.
    file: &'static str,
    /// In error messages.
    what: &'static str,
    /// Whether it is another container's.
    is_shared: fn(&Isolation) -> bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        kind: LinkNameSpaceType::InterProcessCommunication,
        file: "ipc",
        what: "IPC",
        is_shared: |isolation| isolation.ipc == Ipc::Container,
    },
    Kind {
        kind: LinkNameSpaceType::HostNameAndNISDomainName,
        file: "uts",
        what: "UTS namespace",
        is_shared: |isolation| isolation.uts == Sharing::Container,
    },
    Kind {
        kind: LinkNameSpaceType::ControlGroup,
        file: "cgroup",
        what: "cgroup namespace",
        is_shared: |isolation| isolation.cgroup == Sharing::Container,
    },
];

/// Finds the container that a new one is to share namespaces with.
///
/// # Errors
/// It is not there.
pub fn resolve(store: &Store, options: &mut CreateOptions) -> Result<()> {
    let Some(name) = &mut options.isolation.container else { return Ok(()) };
    let owner = record::find(store, name).map_err(|failure| failure.code(ExitCode::Runner))?.plan;
    *name = owner.id;
    if options.isolation.uts == Sharing::Container {
        options.hostname = Some(owner.hostname);
    }
    Ok(())
}

/// What a container is made in, and with.
#[derive(Debug, Default)]
pub struct Shared {
    /// User namespaces, each inside the one before.
    pub parents: Vec<ParentNamespace>,
    /// Of the other container, with `--ipc`.
    pub memory: Trees,
}

/// Opens them; `network` is the container whose network namespace is shared, if one's is.
///
/// # Errors
/// A container is not there any more, or does not run; in Docker's words.
pub fn open(store: &Store, plan: &RunPlan, network: Option<Container>) -> Result<Shared> {
    let mut owners: Vec<Owner> = Vec::new();
    if let Some(container) = network {
        add(&mut owners, container, (LinkNameSpaceType::Network, "net"));
    }
    let mut shared = Shared::default();
    for Kind { kind, file, what, is_shared } in KINDS {
        if !is_shared(&plan.isolation) {
            continue;
        }
        let named = named(store, plan, what)?;
        if kind == LinkNameSpaceType::InterProcessCommunication
            && let Some(init) = &named.state.init
        {
            shared.memory = shared_memory::borrow(init)?;
        }
        let mut owner = named;
        while is_shared(&owner.plan.isolation) {
            owner = self::named(store, &owner.plan, what)?;
        }
        if !is_hosts(&owner.plan.isolation, kind) {
            add(&mut owners, owner, (kind, file));
        }
    }
    if owners.len() > 1 {
        owners.sort_by_cached_key(|owner| depth(store, &owner.container.plan, 0));
    }
    shared.parents = owners.iter().map(Owner::open).collect::<Result<_>>()?;
    Ok(shared)
}

/// A container with those of its namespaces that are shared.
struct Owner {
    container: Container,
    kinds: Vec<(LinkNameSpaceType, &'static str)>,
}

fn add(owners: &mut Vec<Owner>, container: Container, kind: (LinkNameSpaceType, &'static str)) {
    match owners.iter_mut().find(|owner| owner.container.plan.id == container.plan.id) {
        Some(owner) => owner.kinds.push(kind),
        None => owners.push(Owner { container, kinds: vec![kind] }),
    }
}

impl Owner {
    fn open(&self) -> Result<ParentNamespace> {
        let plan = &self.container.plan;
        let doing = || format!("cannot join the namespaces of container {}", plan.name);
        let init = self.container.state.init.as_ref().ok_or_else(|| Failure::new(doing(), "it has ended"))?;
        let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", init.pid)).doing(doing);
        let user = open("user")?.into();
        let shared = self.kinds.iter().map(|(kind, file)| Ok((*kind, open(file)?.into()))).collect::<Result<_>>()?;
        if !init.lives() {
            return Err(Failure::new(doing(), "it has ended"));
        }
        Ok(ParentNamespace { user, maps: plan.ids.clone(), shared })
    }
}

/// The container that `plan` names, which must run.
fn named(store: &Store, plan: &RunPlan, what: &str) -> Result<Container> {
    let id = plan.isolation.container.as_deref().unwrap_or_default();
    let doing = || format!("can't join {what} of container {id}");
    let container = record::find(store, id).map_err(|failure| failure.code(ExitCode::Runner))?;
    let cause = match container.state.status {
        Status::Running | Status::Paused => return Ok(container),
        Status::Restarting => format!("Container {id} is restarting, wait until the container is running"),
        Status::Created | Status::Exited => format!("container {id} is not running"),
    };
    Err(Failure::new(doing(), cause))
}

fn is_hosts(isolation: &Isolation, kind: LinkNameSpaceType) -> bool {
    match kind {
        LinkNameSpaceType::InterProcessCommunication => isolation.ipc == Ipc::Host,
        LinkNameSpaceType::HostNameAndNISDomainName => isolation.uts == Sharing::Host,
        _ => isolation.cgroup == Sharing::Host,
    }
}

/// How many containers' user namespaces a container's lies inside of, at least.
fn depth(store: &Store, plan: &RunPlan, so_far: usize) -> usize {
    /// More than anybody nests user namespaces (user_namespaces(7): 32).
    const MOST: usize = 40;
    let named = [&plan.isolation.container, &plan.network.container].into_iter().flatten();
    let outer = named.filter_map(|id| record::find(store, id).ok()).filter(|_| so_far < MOST);
    outer.map(|outer| depth(store, &outer.plan, so_far + 1)).max().unwrap_or(so_far)
}
