//! What `rr explain` shows: one container, seen from the host and from inside at the same moment.
//!
//! Every number is read from the kernel (/proc/PID of the payload, and of this process for the host's side); what the
//! record adds is why it is so. What cannot be read is said in its place and never guessed ([`Seen`]). A container that
//! does not run has no processes, namespaces and mounts: of it is shown what its plan says.

pub mod identities;
pub mod layers;
pub mod limits;
pub mod mountinfo;
pub mod mounts;
pub mod namespaces;
pub mod network;
pub mod path;
pub mod processes;
pub mod rights;
pub mod steps;

use super::record::Container;
use crate::error::Result;
use crate::host::userns::{self, MapWriter, map_writer};
use crate::host::users;
use crate::store::Store;
use identities::IdSide;
use layers::Stack;
use limits::Limits;
use mounts::Mounted;
use namespaces::Namespace;
use network::Network;
use processes::Process;
use rights::Rights;
use serde::Serialize;

/// Something that was looked at, or why it could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Seen<T> {
    /// Why nobody can say: a sentence without a full stop.
    Unreadable(String),
    /// As it is.
    #[serde(untagged)]
    Is(T),
}

impl<T> Seen<T> {
    /// What was read, or the reason.
    pub fn from(read: std::io::Result<T>, what: &str) -> Seen<T> {
        match read {
            Ok(value) => Seen::Is(value),
            Err(error) => {
                Seen::Unreadable(format!("{what}: {}", crate::error::errno_text(error.raw_os_error().unwrap_or(0))))
            }
        }
    }

    /// What was read, if it was.
    pub fn get(&self) -> Option<&T> {
        match self {
            Seen::Is(value) => Some(value),
            Seen::Unreadable(_) => None,
        }
    }
}

/// The user who asks, as the host knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct You {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login name; None where the host knows none.
    pub name: Option<String>,
}

impl You {
    /// The user rr runs as.
    pub fn here() -> You {
        let (user, group) = userns::own_ids();
        You { uid: user.0, gid: group.0, name: users::name_of(user.0).ok().flatten() }
    }

    /// The name, or the number.
    pub fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

/// A container, whole.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Picture {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image's name as it was typed.
    pub image: Option<String>,
    /// `running`, `exited` and so on.
    pub status: &'static str,
    /// The words that are, or were, executed.
    pub command: Vec<String>,
    /// Who asks.
    pub you: You,
    /// The process that the payload is, on the host; None where it does not run.
    pub payload: Option<i32>,
    /// The process of which namespaces, mounts and rights were read: another one of the container where process 1 is not
    /// dumpable and keeps them to itself (proc_pid_ns(5)).
    pub asked: Option<i32>,
    /// The eight kinds; empty where it does not run.
    pub namespaces: Vec<Namespace>,
    /// User ids.
    pub users: IdSide,
    /// Group ids.
    pub groups: IdSide,
    /// Who writes such maps here (user_namespaces(7)).
    pub map_writer: Seen<MapWriter>,
    /// Those of the container, and those of rr's that serve it; empty where it does not run.
    pub processes: Vec<Process>,
    /// What the payload may do; as planned where it does not run.
    pub rights: Rights,
    /// What its root file system is made of.
    pub stack: Stack,
    /// Its mounts, in the kernel's order; as planned where it does not run.
    pub mounts: Seen<Vec<Mounted>>,
    /// How packets get in and out.
    pub network: Network,
    /// What it can use of the machine.
    pub limits: Limits,
}

impl Picture {
    /// Looks at a container. The calling process must be single-threaded.
    ///
    /// # Errors
    /// The image's layers cannot be found.
    pub fn of(store: &Store, container: &Container) -> Result<Picture> {
        let (plan, state) = (&container.plan, &container.state);
        let payload = state.init.as_ref().filter(|init| init.lives()).map(|init| init.pid);
        let you = You::here();
        let processes = processes::all(container);
        let asked = payload.map(|payload| {
            let members = processes.iter().filter(|process| process.inside.is_some()).map(|process| process.host_pid);
            std::iter::once(payload).chain(members).find(|&pid| namespaces::are_readable(pid)).unwrap_or(payload)
        });
        let mounts = mounts::all(store, container, asked);
        Ok(Picture {
            id: plan.id.clone(),
            name: plan.name.clone(),
            image: plan.image.as_ref().map(|image| image.name.clone()),
            status: state.status.word(),
            command: plan.process.args.clone(),
            namespaces: asked.map_or_else(Vec::new, namespaces::all),
            users: IdSide::users(&plan.ids.users, asked, &you),
            groups: IdSide::groups(&plan.ids.groups, asked, &you),
            map_writer: map_writer(&plan.ids).map_or_else(|failure| Seen::Unreadable(failure.to_string()), Seen::Is),
            processes,
            rights: Rights::of(plan, payload),
            stack: Stack::of(store, container, mounts.get().map(Vec::as_slice))?,
            network: Network::of(container, asked),
            limits: Limits::of(container, payload),
            mounts,
            payload,
            asked,
            you,
        })
    }
}

/// A file of /proc/PID.
fn read(pid: i32, file: &str) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}"))?).into_owned())
}
