//! Containers on networks of their own.
//!
//! ```text
//! user namespace of the user's networks (the maps of the store's namespace)
//!  ├─ keeper of network a      network namespace: bridge0 ── veth0, veth1 …
//!  ├─ keeper of network b      network namespace: bridge0 ── veth0 …
//!  └─ user namespace of a container, in it its network namespace: eth0 on a, eth1 on b
//! ```
//!
//! A pair of interfaces between two network namespaces is made by whoever may administer both (CAP_NET_ADMIN in the user
//! namespaces that own them): an ancestor. So all containers that are on networks have one common parent, which is made
//! when the first of them starts, and goes with the last. Networks are apart because each has a namespace of its own.
//!
//! A connection to a network's [`keeper`] is a seat on that network: the client takes it before the container is
//! cloned, since the addresses go into the container's files; the monitor inherits it and keeps it open as long as
//! the container is there, over all restarts of its payload. Whoever wants to know who is on a network asks its keeper.

mod keeper;
mod links;
mod places;
mod ports;
mod roll;
mod seat;
mod way_out;

pub use places::Places;
pub use roll::{Address, Endpoint, Member, Names, Seated};
pub use seat::{Handed, Seat, hand_over, take_back};

use super::id_maps::write_id_maps;
use super::protocol::{Channel, Listener, channel_pair};
use super::user_namespace::user_namespace_failure;
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::host::process::ProcessName;
use crate::rootfs::overlay::open_directory;
use crate::store::networks::{self, Network};
use crate::store::{Patience, Store};
use crate::sys::namespace::parent_of;
use crate::sys::process::{Child, Cloned, Namespaces, clone_into, exit_now, fork};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The keeper's socket in the network's directory.
const SOCKET: &str = "keeper";

/// To a network's keeper.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToKeeper {
    /// A container takes a seat, for as long as the connection is open. [`FromKeeper::Joined`] answers.
    Join(Member),
    /// No container, only whoever looks for the networks' user namespace. [`FromKeeper::Joined`] answers.
    Visit,
    /// The container's network namespace is there, and comes along.
    Attach {
        /// What its interface is to be called.
        interface: String,
        /// See there.
        part: Part,
    },
    /// The container is attached already, its namespace comes along, and this network is the leading one from now on.
    Lead {
        /// What its interface is called.
        interface: String,
    },
    /// The container gives its seat up, before it ends the connection.
    Leave,
    /// From now on the container wants to be told of the names here: [`FromKeeper::Names`], now and at each change. There
    /// is no other answer.
    Follow,
    /// The container knows these names from another network it is on, and asks this one's name server. They take the place
    /// of those it knew from there. No answer.
    Knows {
        /// The other network's name.
        network: String,
        /// Its names.
        names: Names,
    },
    /// A line comes along by which the container's published ports are to be handed in. [`FromKeeper::Attached`] answers.
    Publish,
    /// Who is there? [`FromKeeper::Members`] answers.
    List,
    /// A container has another name now.
    Rename {
        /// The container's id.
        id: String,
        /// Its new name.
        name: String,
    },
}

/// From a network's keeper.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The networks' user namespace comes along.
    Joined {
        /// What the container will have; None for a visitor.
        endpoint: Option<Endpoint>,
        /// The maps of that namespace, in ids of the host.
        maps: IdMaps,
        /// A line for the user.
        notice: Option<String>,
    },
    /// It is done.
    Attached,
    /// See [`ToKeeper::Follow`].
    Names(Names),
    /// Answer to [`ToKeeper::List`].
    Members(Vec<Seated>),
    /// It cannot be.
    Failed(Failure),
}

/// What a network is to a container that is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The container asks its name server, and by it reaches what is outside, unless the network is internal.
    Leading,
    /// One more.
    Further,
}

type ToNetwork = Channel<ToKeeper, FromKeeper>;

/// A user namespace that a container's is made in.
#[derive(Debug)]
pub struct ParentNamespace {
    /// It.
    pub user: OwnedFd,
    /// Its maps, in ids of the host.
    pub maps: IdMaps,
    /// Namespaces that belong to it and are to be the container's.
    pub shared: Vec<(LinkNameSpaceType, OwnedFd)>,
}

/// What comes of joining networks.
#[derive(Debug)]
pub struct Joined {
    /// One on each network, in their order.
    pub seats: Vec<Seat>,
    /// Where the container is to be made.
    pub parent: ParentNamespace,
    /// Lines for the user.
    pub notices: Vec<String>,
}

/// What is needed to start a keeper.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Where networks are.
    pub store: &'a Store,
    /// The maps of the networks' user namespace, should it have to be made.
    pub maps: &'a IdMaps,
    /// Processes of containers that are on networks: where their namespaces live on after a keeper was killed.
    pub members: &'a dyn Fn() -> Result<Vec<ProcessName>>,
}

/// Takes a container a seat on each of these networks, whose keepers are started where there are none. The calling
/// process must be single-threaded.
///
/// # Errors
/// An address is taken, or there is none left; a keeper cannot be started.
pub fn join(grounds: &Grounds<'_>, wanted: Vec<(Network, Member)>) -> Result<Joined> {
    let lock = grounds.store.lock_keepers(Patience::Wait)?;
    let mut seats: Vec<Seat> = Vec::new();
    let mut parent = None;
    let mut notices = Vec::new();
    for (network, member) in wanted {
        let (connection, answer, namespace) = ask(grounds, &network, ToKeeper::Join(member))?;
        let FromKeeper::Joined { endpoint: Some(endpoint), maps, notice } = answer else {
            return Err(strange(&network.name, &answer));
        };
        notices.extend(notice);
        let handed = Handed { network: network.name, endpoint, internal: network.metadata.internal };
        seats.push(Seat::new(connection, handed));
        parent = namespace.map(|user| ParentNamespace { user, maps, shared: Vec::new() });
    }
    drop(lock);
    let parent = parent.ok_or_else(|| Failure::new("cannot join a network", "its keeper has sent no namespace"))?;
    Ok(Joined { seats, parent, notices })
}

/// Sends a keeper its first message and waits for the answer. A keeper that is killed meanwhile is replaced once.
fn ask(
    grounds: &Grounds<'_>,
    network: &Network,
    message: ToKeeper,
) -> Result<(ToNetwork, FromKeeper, Option<OwnedFd>)> {
    let doing = || format!("cannot join the network {}", network.name);
    let directory = open_directory(&network.home)?;
    for attempt in 0..2 {
        let connection = match ToNetwork::connect(directory.as_fd(), SOCKET) {
            Ok(connection) => connection,
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                start_keeper(grounds, network, directory.as_fd()).map_err(|failure| failure.while_doing(doing()))?
            }
            Err(errno) => return Err(errno).doing(doing),
        };
        let answer = connection.send(&message).and_then(|()| connection.receive_with());
        match answer {
            Ok(Some((FromKeeper::Failed(failure), _))) => return Err(failure),
            Ok(Some((answer, namespace))) => return Ok((connection, answer, namespace)),
            Ok(None) | Err(_) if attempt == 0 => {}
            Ok(None) => break,
            Err(failure) => return Err(failure.while_doing(doing())),
        }
    }
    Err(Failure::new(doing(), "its keeper was killed"))
}

fn strange(network: &str, answer: &FromKeeper) -> Failure {
    Failure::new(format!("cannot join the network {network}"), format!("unexpected message {answer:?}"))
}

/// Who is on a network; nobody where it has no keeper.
///
/// # Errors
/// The keeper does not answer.
pub fn members(network: &Network) -> Result<Vec<Seated>> {
    match talk(network, &ToKeeper::List)? {
        Some(FromKeeper::Members(members)) => Ok(members),
        Some(answer) => Err(strange(&network.name, &answer)),
        None => Ok(Vec::new()),
    }
}

/// Tells a network that one of its containers has another name.
///
/// # Errors
/// The keeper does not answer.
pub fn rename(network: &Network, id: &str, name: &str) -> Result<()> {
    talk(network, &ToKeeper::Rename { id: id.to_owned(), name: name.to_owned() }).map(drop)
}

/// One question to a network's keeper, if it has one.
fn talk(network: &Network, message: &ToKeeper) -> Result<Option<FromKeeper>> {
    let directory = open_directory(&network.home)?;
    let Ok(connection) = ToNetwork::connect(directory.as_fd(), SOCKET) else { return Ok(None) };
    // One that ends in this moment has nobody on it.
    if connection.send(message).is_err() {
        return Ok(None);
    }
    connection.receive()
}

/// The networks' user namespace, where there is one: another keeper's, or that in which a container's was made whose
/// keeper was killed. The caller holds the lock of keepers.
fn find_namespace(grounds: &Grounds<'_>) -> Result<Option<OwnedFd>> {
    for network in networks::list(grounds.store)? {
        let Ok(directory) = open_directory(&network.home) else { continue };
        let Ok(connection) = ToNetwork::connect(directory.as_fd(), SOCKET) else { continue };
        if connection.send(&ToKeeper::Visit).is_err() {
            continue;
        }
        if let Ok(Some((FromKeeper::Joined { .. }, Some(namespace)))) = connection.receive_with() {
            return Ok(Some(namespace));
        }
    }
    for member in (grounds.members)()? {
        let Ok(namespace) = File::open(format!("/proc/{}/ns/user", member.pid)) else { continue };
        if member.lives() {
            return parent_of(namespace.as_fd()).doing(|| "cannot find the networks' user namespace").map(Some);
        }
    }
    Ok(None)
}

/// Starts the keeper of a network; the result is a connection to it. The caller holds the lock of keepers.
fn start_keeper(grounds: &Grounds<'_>, network: &Network, directory: BorrowedFd<'_>) -> Result<ToNetwork> {
    let doing = || "cannot start the network's keeper";
    let namespace = find_namespace(grounds)?;
    let listener = Listener::bind(directory, SOCKET).doing(doing)?;
    let (ours, keepers) = channel_pair()?;
    match fork().doing(doing)? {
        Cloned::Child => {
            drop(ours);
            let result = match namespace {
                Some(namespace) => clone_keeper_in(&namespace),
                None => clone_keeper_with_namespace(grounds.maps),
            };
            match result {
                Ok(Some(maps)) => {
                    keeper::main(keeper::Beginning { store: grounds.store, network, listener, first: keepers, maps })
                }
                Ok(None) => exit_now(0),
                Err(failure) => {
                    // The keeper's end of the connection: the client waits for its first answer there.
                    let _ = keepers.send(&FromKeeper::Failed(failure));
                    exit_now(1)
                }
            }
        }
        Cloned::Parent(starter) => {
            drop((keepers, listener));
            reap(&starter);
            Ok(ours)
        }
    }
}

/// In the process between client and keeper: clones the keeper in a namespace that is there. The maps in the keeper,
/// None in its parent.
fn clone_keeper_in(namespace: &OwnedFd) -> Result<Option<IdMaps>> {
    let doing = || "cannot enter the networks' user namespace";
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User)).doing(doing)?;
    match clone_into(Namespaces::PID).doing(doing)? {
        Cloned::Child => own_maps().map(Some),
        Cloned::Parent(_) => Ok(None),
    }
}

/// The same where the namespace must be made first.
fn clone_keeper_with_namespace(maps: &IdMaps) -> Result<Option<IdMaps>> {
    let doing = || "cannot hear from the network's keeper";
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(doing)?;
    match clone_into(Namespaces::USER.and(Namespaces::PID)).map_err(|error| user_namespace_failure(&error))? {
        Cloned::Child => {
            drop(writer);
            // The end of the pipe without a byte: the maps could not be written, and somebody else says so.
            if rustix::io::read(&reader, &mut [0; 1]) != Ok(1) {
                exit_now(1);
            }
            Ok(Some(maps.clone()))
        }
        Cloned::Parent(child) => {
            drop(reader);
            write_id_maps(child.pid, maps)?.wait()?;
            rustix::io::write(&writer, b"M").doing(doing)?;
            Ok(None)
        }
    }
}

/// The maps of this process's user namespace in ids of its parent's, which is the host's (user_namespaces(7)).
fn own_maps() -> Result<IdMaps> {
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).doing(|| format!("cannot read {path}"))?;
        text.parse().doing(|| format!("cannot read {path}"))
    };
    Ok(IdMaps { users: read("/proc/self/uid_map")?, groups: read("/proc/self/gid_map")? })
}

/// Waits for a child that ends by itself.
pub(super) fn reap(child: &Child) {
    let id = || WaitId::PidFd(child.pidfd.as_fd());
    while matches!(rustix::process::waitid(id(), WaitIdOptions::EXITED), Err(Errno::INTR)) {}
}
