//! `top`: the processes of a container as ps(1) would show them.
//!
//! They are read in the host's /proc, so that nothing in the image is needed or run. Users and groups get the names that
//! the container's own files have for them.

use super::processes::{Member, Stat, TICKS, command_line, members};
use super::record::{Container, Status};
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::helpers;
use crate::host::ids::{HostId, IdMap};
use crate::launch::StoreNamespace;
use crate::rootfs::identity::{Names, names_in};
use crate::rootfs::resolve::Root;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

/// A process as it can be shown.
#[derive(Debug, Clone)]
pub struct Process {
    /// As the host's /proc has it.
    pub member: Member,
    /// Likewise.
    pub stat: Stat,
    /// Its words with blanks between them.
    pub command: String,
    /// Its parent's id in the container; 0 for one whose parent is outside.
    pub parent: i32,
    /// How long ago it was started.
    pub age: Duration,
    /// The label of its security module, if there is one (proc_pid_attr(5)).
    pub label: String,
}

/// All of a container at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// By their ids on the host.
    pub processes: Vec<Process>,
    users: Ids,
    groups: Ids,
}

/// Users, or groups, of the container.
#[derive(Debug)]
struct Ids {
    map: IdMap,
    names: Names,
}

impl Ids {
    /// The name in the container's own file, or the number there; `?` for an id that it does not have.
    fn shown(&self, host: u32) -> String {
        match self.map.to_container(HostId(host)) {
            Some(inside) => self.names.get(&inside.0).cloned().unwrap_or_else(|| inside.0.to_string()),
            None => "?".into(),
        }
    }
}

impl Snapshot {
    /// Looks at a container.
    ///
    /// # Errors
    /// It does not run.
    pub fn of(container: &Container) -> Result<Snapshot> {
        check_running(container)?;
        let members = members(container);
        let inside: BTreeMap<i32, i32> =
            members.iter().map(|member| (member.pid, member.status.pids.first().copied().unwrap_or(0))).collect();
        let uptime = uptime()?;
        let process = |member: Member| {
            let stat = Stat::of(member.pid)?;
            let started = Duration::from_millis(stat.started * (1000 / TICKS));
            Some(Process {
                command: command_line(member.pid, &stat),
                parent: inside.get(&member.status.parent).copied().unwrap_or(0),
                age: uptime.saturating_sub(started),
                label: label(member.pid),
                member,
                stat,
            })
        };
        let (users, groups) = names(container);
        Ok(Snapshot {
            // One that has ended meanwhile is not shown.
            processes: members.into_iter().filter_map(process).collect(),
            users: Ids { map: container.plan.ids.users.clone(), names: users },
            groups: Ids { map: container.plan.ids.groups.clone(), names: groups },
        })
    }

    /// What the container calls a user of the host.
    pub fn user(&self, host: Option<&u32>) -> String {
        host.map_or_else(|| "?".into(), |host| self.users.shown(*host))
    }

    /// What the container calls a group of the host.
    pub fn group(&self, host: Option<&u32>) -> String {
        host.map_or_else(|| "?".into(), |host| self.groups.shown(*host))
    }
}

/// What ps(1) of the host prints with these options about the container's processes: its line of headers, and theirs.
/// It is run in the user namespace of the store, where the container's root is root, as rootless Docker does it.
///
/// # Errors
/// The container does not run; the host has no ps(1), or it refuses the options or shows no process ids.
pub fn host_ps(container: &Container, options: &[String]) -> Result<Vec<Vec<String>>> {
    check_running(container)?;
    let doing = || format!("cannot list the processes of container {}", container.plan.name);
    let refuse = |cause: String| Failure::new(doing(), cause).code(ExitCode::General);
    let program = helpers::find("ps").ok_or_else(|| {
        refuse("options of ps(1) need that program on the host, and it is not installed".into())
            .hint("install procps, or use no options, or descriptors such as: pid user args")
    })?;
    let members: Vec<i32> = members(container).into_iter().map(|member| member.pid).collect();
    let ids = members.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let (succeeded, stdout, stderr) = StoreNamespace::here()?.run(|| {
        let ps = |more: &[&str]| {
            let output = Command::new(&program).args(options).args(more).output();
            output.doing(|| format!("cannot run {}", program.display()))
        };
        // By their ids first, so that options need not choose all processes; with some that do, ps(1) refuses that.
        let mut output = ps(&["-q", &ids])?;
        if !output.status.success() {
            output = ps(&[])?;
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.success(), text(output.stdout), text(output.stderr)))
    })?;
    if !succeeded {
        return Err(refuse(format!("ps: {}", stderr.trim().lines().next().unwrap_or("it failed"))));
    }
    select(&stdout, &members).ok_or_else(|| refuse("Couldn't find PID field in ps output".into()))
}

/// The header and the lines of these processes; the last column may have blanks. None where there is no column of ids.
fn select(output: &str, members: &[i32]) -> Option<Vec<Vec<String>>> {
    let mut lines = output.lines();
    let header: Vec<String> = lines.next()?.split_whitespace().map(str::to_owned).collect();
    let place = header.iter().position(|title| title == "PID")?;
    let mut rows = vec![header];
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let pid = cells.get(place).and_then(|cell| cell.parse::<i32>().ok());
        if !pid.is_some_and(|pid| members.contains(&pid)) {
            continue;
        }
        let last = rows[0].len() - 1;
        let mut row: Vec<String> = cells.iter().take(last).map(|cell| (*cell).to_owned()).collect();
        row.push(cells.get(last..).unwrap_or_default().join(" "));
        rows.push(row);
    }
    Some(rows)
}

fn check_running(container: &Container) -> Result<()> {
    let doing = || format!("cannot list the processes of container {}", container.plan.name);
    let id = &container.plan.id;
    match container.state.status {
        Status::Running | Status::Paused => Ok(()),
        Status::Restarting => {
            let cause = format!("Container {id} is restarting, wait until the container is running");
            Err(Failure::new(doing(), cause).code(ExitCode::General))
        }
        Status::Created | Status::Exited => {
            let failure = Failure::new(doing(), format!("container {id} is not running")).code(ExitCode::General);
            Err(failure.known(Known::NotRunning { id: id.clone() }))
        }
    }
}

/// Names of users and groups in the container, as it has them now; none where its root cannot be looked at.
fn names(container: &Container) -> (Names, Names) {
    let root = container.state.init.as_ref().and_then(|init| init.open_root().ok().flatten());
    match &root {
        Some(root) => names_in(&Root::new(root.as_fd())),
        None => Default::default(),
    }
}

/// How long the machine has been up (proc_uptime(5)).
fn uptime() -> Result<Duration> {
    let doing = || "cannot read /proc/uptime";
    let text = std::fs::read_to_string("/proc/uptime").doing(doing)?;
    let seconds = text.split(' ').next().and_then(|seconds| seconds.parse::<f64>().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or("unexpected text").doing(doing)
}

fn label(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap_or_default();
    text.trim_end_matches(['\0', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_members_are_kept_whole() {
        let output = "UID   PID  PPID CMD\nroot  1    0    init  a\nroot  42   1    sleep 1 2\n99  77 1 x\n";
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let expected = vec![row(&["UID", "PID", "PPID", "CMD"]), row(&["root", "42", "1", "sleep 1 2"])];
        assert_eq!(select(output, &[42]), Some(expected));
        assert_eq!(select("USER CMD\n", &[42]), None);
        assert_eq!(select("", &[42]), None);
        // ps(1) may leave the last column empty.
        assert_eq!(select("PID CMD\n42\n", &[42]).unwrap()[1], row(&["42", ""]));
    }
}
