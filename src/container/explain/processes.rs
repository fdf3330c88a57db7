//! Which process is which: everything of the container, and what of rr's serves it.

use crate::container::processes::{self, Member, Stat, Status, command_line};
use crate::container::record::Container;
use crate::container::top::Snapshot;
use crate::host::users;
use serde::Serialize;
use std::collections::BTreeMap;

/// One process on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Process {
    /// Its id on the host.
    pub host_pid: i32,
    /// Its parent's, there.
    pub host_parent: i32,
    /// The effective user, there.
    pub host_uid: u32,
    /// The host's name of that user.
    pub host_user: Option<String>,
    /// What it is inside; None for one of rr's, which the container cannot see.
    pub inside: Option<Inside>,
    /// Its words.
    pub command: String,
    /// What it is for.
    pub role: Role,
}

/// A process as the container sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inside {
    /// Its id.
    pub pid: i32,
    /// The effective user: the name in the container's /etc/passwd, or the number.
    pub user: String,
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Role {
    /// Holds the container's output and record.
    Monitor,
    /// Another one of rr's: it carries packets, or serves files.
    Servant,
    /// Process 1 of the container.
    Payload,
    /// Started by that, or by `exec`.
    Member,
}

/// Those of a container, parents before children; none where it does not run.
pub fn all(container: &Container) -> Vec<Process> {
    let Some(monitor) = container.state.monitor.as_ref().filter(|monitor| monitor.lives()) else { return Vec::new() };
    let Ok(snapshot) = Snapshot::of(container) else { return Vec::new() };
    let mut names = Names::default();
    let payload = container.state.init.as_ref().map(|init| init.pid);
    let mut found: Vec<Process> = Vec::new();
    let inside: Vec<i32> = snapshot.processes.iter().map(|process| process.member.pid).collect();
    for (pid, status) in processes::children(monitor.pid).into_iter().filter(|(pid, _)| !inside.contains(pid)) {
        found.extend(of_rr(pid, &status, Role::Servant, &mut names));
    }
    for process in &snapshot.processes {
        let Member { pid, status, .. } = &process.member;
        let host_uid = status.users.get(1).copied().unwrap_or(u32::MAX);
        found.push(Process {
            host_pid: *pid,
            host_parent: status.parent,
            host_uid,
            host_user: names.of(host_uid),
            inside: Some(Inside {
                pid: status.pids.first().copied().unwrap_or(0),
                user: snapshot.user(status.users.get(1)),
            }),
            command: process.command.clone(),
            role: if Some(*pid) == payload { Role::Payload } else { Role::Member },
        });
    }
    let mut all: Vec<Process> = Status::of(monitor.pid)
        .and_then(|status| of_rr(monitor.pid, &status, Role::Monitor, &mut names))
        .into_iter()
        .collect();
    let mut next = 0;
    // Depth first, so that a child stands below its parent; whoever's parent is none of them comes last.
    let mut pending = found;
    while next < all.len() {
        let parent = all[next].host_pid;
        let (children, others): (Vec<_>, Vec<_>) = pending.into_iter().partition(|one| one.host_parent == parent);
        pending = others;
        let place = next + 1;
        all.splice(place..place, children);
        next += 1;
    }
    all.extend(pending);
    all
}

fn of_rr(pid: i32, status: &Status, role: Role, names: &mut Names) -> Option<Process> {
    let stat = Stat::of(pid)?;
    let host_uid = status.users.get(1).copied()?;
    // A fork of rr's has the words of the client that made it; the name is its own.
    let command = if role == Role::Servant { stat.command.clone() } else { command_line(pid, &stat) };
    Some(Process {
        host_pid: pid,
        host_parent: status.parent,
        host_uid,
        host_user: names.of(host_uid),
        inside: None,
        command,
        role,
    })
}

/// Names of the host's users, each looked up once.
#[derive(Default)]
struct Names(BTreeMap<u32, Option<String>>);

impl Names {
    fn of(&mut self, uid: u32) -> Option<String> {
        self.0.entry(uid).or_insert_with(|| users::name_of(uid).ok().flatten()).clone()
    }
}

/// How deep each of them stands below the first.
pub fn depths(all: &[Process]) -> Vec<usize> {
    let mut depths: BTreeMap<i32, usize> = BTreeMap::new();
    let mut list = Vec::new();
    for process in all {
        let depth = depths.get(&process.host_parent).map_or(0, |depth| depth + 1);
        depths.insert(process.host_pid, depth);
        list.push(depth);
    }
    list
}
