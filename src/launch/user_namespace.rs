//! Work done as root of the store's user namespace, in a short-lived child process.
//!
//! Files of subordinate ids can be made, owned and deleted only from inside a user namespace that
//! maps those ids. Unpacking a layer and removing a container therefore run in a child that has
//! entered one, with the host's mounts and network; its result comes back through a pipe as JSON.
//!
//! It is the same namespace whatever the container's own map is: every id the user has is in it, and its
//! root is the user, who can always reach the store. What is made for a container with another map
//! translates ids between the two (`image::unpack`, and docs/decisions/0014).

use crate::error::{Doing, Failure, Notice, Result};
use crate::host::ids::{IdMap, IdMaps, InsideId};
use crate::host::means::{self, Means};
use crate::host::namespaces;
use crate::host::process::ProcessName;
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::launch::id_maps::{apparmor_restricts_user_namespaces, write_id_maps};
use crate::sys::process::{Child, Cloned, exit_now, fork, unshare_user, unshare_user_and_mounts};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The namespace in which the store is kept, made anew for each piece of work.
#[derive(Debug, Clone)]
pub struct StoreNamespace {
    maps: IdMaps,
    groups: OldGroups,
    /// None is made where rr goes without namespaces: root there has power over the files of every id.
    means: Means,
    /// Why it has one id only, where it has.
    shortage: Option<Notice>,
}

impl StoreNamespace {
    /// As this user can have it on this machine.
    ///
    /// # Errors
    /// The lists of subordinate ids cannot be read.
    pub fn here() -> Result<StoreNamespace> {
        let (maps, notices) = plan_maps(&UsernsRequest::Auto)?;
        let shortage = notices.into_iter().next().filter(|_| maps.is_single());
        Ok(StoreNamespace { maps, groups: OldGroups::Dropped, means: means::here()?, shortage })
    }

    /// Its maps: root is the user, all subordinate ids follow.
    pub fn maps(&self) -> &IdMaps {
        &self.maps
    }

    /// The same, for work on files that are the user's by one of their supplementary groups.
    #[must_use]
    pub fn keeping_groups(self) -> StoreNamespace {
        StoreNamespace { groups: OldGroups::Kept, ..self }
    }

    /// Runs `work` as its root, in a child process with the host's mounts and network.
    ///
    /// The calling process must be single-threaded; `work` may start threads. The child stays in the
    /// caller's process group (Ctrl-C reaches both) and is killed when the caller dies.
    ///
    /// # Errors
    /// The namespace cannot be made, or what `work` says.
    pub fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        W: FnOnce() -> Result<T>,
    {
        let maps = if self.means == Means::Chroot { None } else { Some(&self.maps) };
        run_as_root(maps, self.groups, work)
    }

    /// This process becomes its root, for the rest of its life, with a mount namespace of its own in which
    /// it may mount. Directory, environment and open files stay. The process must be single-threaded.
    ///
    /// # Errors
    /// The namespace cannot be made.
    pub fn enter(&self) -> Result<()> {
        let (mut from_child, to_parent) = pipe()?;
        let (mut from_parent, mut to_child) = pipe()?;
        let process = rustix::process::getpid().as_raw_nonzero().get();
        // Who enters a user namespace cannot write its maps, but for one id: a child that stays outside does.
        match fork().doing(|| "cannot start a process for work in a user namespace")? {
            Cloned::Child => {
                drop((from_child, to_child));
                let mut first = [0];
                let result = match from_parent.read(&mut first) {
                    Ok(1) => write_id_maps(process, &self.maps).and_then(|writing| writing.wait()),
                    // The parent could not make the namespace, and says so itself.
                    _ => Ok(()),
                };
                exit_now(report(to_parent, &result))
            }
            Cloned::Parent(child) => {
                drop((from_parent, to_parent));
                let mut worker = Worker { child, reaped: false };
                unshare_user_and_mounts().map_err(|error| user_namespace_failure(&error))?;
                let doing = || "cannot hear from the worker process";
                to_child.write_all(b"U").doing(doing)?;
                let mut text = String::new();
                from_child.read_to_string(&mut text).doing(doing)?;
                worker.wait()?;
                serde_json::from_str::<Result<()>>(&text).doing(|| "cannot read the worker's answer")??;
                become_root(OldGroups::Dropped)
            }
        }
    }

    /// Gives files of the user's to root of a container with the maps `ids`.
    ///
    /// # Errors
    /// As for [`StoreNamespace::run`].
    pub fn give_to_root_of(&self, ids: &IdMaps, paths: &[PathBuf]) -> Result<()> {
        let doing = |path: &Path| format!("cannot give {} to the container's root", path.display());
        let here = |of: &IdMap, to: &IdMap| to.to_container(of.to_host(InsideId(0))?).map(|id| id.0);
        let (uid, gid) = (here(&ids.users, &self.maps.users), here(&ids.groups, &self.maps.groups));
        if let (Some(first), true) = (paths.first(), uid.is_none() || gid.is_none()) {
            return Err(Failure::new(doing(first), "it is none of your ids"));
        }
        self.run(|| paths.iter().try_for_each(|path| std::os::unix::fs::lchown(path, uid, gid).doing(|| doing(path))))
    }

    /// [`StoreNamespace::run`] for work on files of a container with the maps `ids`. A failure says so where
    /// this namespace no longer has those ids.
    ///
    /// # Errors
    /// As there.
    pub fn run_on_files_of<T, W>(&self, ids: &IdMaps, work: W) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        W: FnOnce() -> Result<T>,
    {
        self.run(work).map_err(|failure| match &self.shortage {
            Some(Notice(why)) if !ids.is_single() => {
                failure.hint(format!("the container's files belong to further ids, and now {why}"))
            }
            _ => failure,
        })
    }
}

/// Runs `work` in a child process that is root of the user namespace of the process `member`, with the host's
/// mounts and network: for what only members of that namespace may reach, such as its FUSE mounts.
///
/// # Errors
/// The process is gone or somebody else's, or what `work` says.
pub fn run_in_namespace_of<T, W>(member: &ProcessName, work: W) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    W: FnOnce() -> Result<T>,
{
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let doing = || "cannot enter the container's user namespace";
    let namespace = File::open(format!("/proc/{}/ns/user", member.pid)).doing(doing)?;
    if !member.lives() {
        return Err(Failure::new(doing(), "its process is gone"));
    }
    let (mut from_child, to_parent) = pipe()?;
    let parent = rustix::process::getpid();
    match fork().doing(|| "cannot start a process for work in a user namespace")? {
        Cloned::Child => {
            drop(from_child);
            let enter = || {
                let tie = || rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
                tie().doing(doing)?;
                if rustix::process::getppid() != Some(parent) {
                    exit_now(1);
                }
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User)).doing(doing)?;
                become_root(OldGroups::Kept)?;
                // Credentials changed: the signal was cleared with them (prctl(2)).
                tie().doing(doing)?;
                rustix::process::umask(rustix::fs::Mode::empty());
                Ok(())
            };
            let result = enter().and_then(|()| work());
            exit_now(report(to_parent, &result))
        }
        Cloned::Parent(child) => {
            drop(to_parent);
            let mut worker = Worker { child, reaped: false };
            let mut text = String::new();
            from_child.read_to_string(&mut text).doing(|| "cannot hear from the worker process")?;
            let status = worker.wait()?;
            if text.is_empty() {
                return Err(Failure::new("cannot work in a user namespace", format!("the worker process {status}")));
            }
            serde_json::from_str::<Result<T>>(&text).doing(|| "cannot read the worker's answer")?
        }
    }
}

/// Runs `work` in a child process that is root of a new user namespace with `maps`; without them, of this one.
fn run_as_root<T, W>(maps: Option<&IdMaps>, groups: OldGroups, work: W) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    W: FnOnce() -> Result<T>,
{
    let (from_child, to_parent) = pipe()?;
    let (mut from_parent, to_child) = pipe()?;
    let parent = rustix::process::getpid();
    match fork().doing(|| "cannot start a process for work in a user namespace")? {
        Cloned::Child => {
            drop((from_child, to_child));
            let entered = match maps {
                Some(_) => enter(parent, groups, &to_parent, &mut from_parent),
                None => tie_to(parent).map(|()| {
                    rustix::process::umask(rustix::fs::Mode::empty());
                }),
            };
            let result = entered.and_then(|()| work());
            exit_now(report(to_parent, &result))
        }
        Cloned::Parent(child) => {
            drop((to_parent, from_parent));
            let mut worker = Worker { child, reaped: false };
            let text = match maps {
                Some(maps) => worker.drive(maps, from_child, to_child)?,
                None => read_answer(from_child)?,
            };
            let status = worker.wait()?;
            if text.is_empty() {
                return Err(Failure::new("cannot work in a user namespace", format!("the worker process {status}")));
            }
            serde_json::from_str::<Result<T>>(&text).doing(|| "cannot read the worker's answer")?
        }
    }
}

fn pipe() -> Result<(File, File)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing(|| "cannot make a pipe")?;
    Ok((File::from(reader), File::from(writer)))
}

/// The child's first steps: a namespace, then ids in it.
fn enter(parent: rustix::process::Pid, groups: OldGroups, mut to_parent: &File, from_parent: &mut File) -> Result<()> {
    tie_to(parent)?;
    unshare_user().map_err(|error| user_namespace_failure(&error))?;
    // The parent writes the maps when it sees this byte, and answers with one.
    to_parent.write_all(b"U").doing(|| "cannot reach the parent process")?;
    let mut answer = [0];
    from_parent.read_exact(&mut answer).doing(|| "cannot reach the parent process")?;
    become_root(groups)?;
    // Credentials changed: the parent-death signal was cleared with them (prctl(2)).
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing(|| "cannot tie a process to its parent")?;
    rustix::process::umask(rustix::fs::Mode::empty());
    Ok(())
}

/// This process ends with its parent, and at once where it has lost it already.
fn tie_to(parent: rustix::process::Pid) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing(|| "cannot tie a process to its parent")?;
    if rustix::process::getppid() != Some(parent) {
        exit_now(1);
    }
    Ok(())
}

/// What becomes of the supplementary groups that rr was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldGroups {
    /// They go; where setgroups(2) is denied, in a map of one id, they stay all the same.
    Dropped,
    /// `--group-add keep-groups`
    Kept,
}

/// Takes id 0 of the namespace for all user and group ids.
pub(super) fn become_root(groups: OldGroups) -> Result<()> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let doing = || "cannot become root of the user namespace";
    // Denied where the map has one id (write_id_maps denies setgroups); the groups then stay, unmapped.
    if groups == OldGroups::Dropped {
        match set_thread_groups(&[]) {
            Ok(()) | Err(rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error).doing(doing),
        }
    }
    let (uid, gid) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    match set_thread_res_gid(gid, gid, gid) {
        // No id 0: `keep-id` of a user with one id. They stay who they are, capabilities included.
        Err(rustix::io::Errno::INVAL) => return Ok(()),
        result => result.doing(doing)?,
    }
    set_thread_res_uid(uid, uid, uid).doing(doing)
}

/// Takes other ids of the namespace but keeps root's capabilities: what this process makes from now on is
/// `uid`'s and `gid`'s from its beginning. A file system that a container has mounted takes no file of an id
/// which the container does not have, not even for a moment (EOVERFLOW, user_namespaces(7)).
///
/// # Errors
/// The ids are not mapped.
pub fn act_as(uid: u32, gid: u32) -> Result<()> {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{
        CapabilitiesSecureBits, set_capabilities_secure_bits, set_thread_res_gid, set_thread_res_uid,
    };
    let doing = || "cannot act as the container's root";
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP).doing(doing)?;
    set_thread_res_gid(gid, gid, gid).doing(doing)?;
    set_thread_res_uid(uid, uid, uid).doing(doing)?;
    // Credentials changed: the signal was cleared with them (prctl(2)).
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing(doing)
}

/// What helps where a seccomp filter refuses.
pub const FILTER_REMEDY: &str = "a system-call filter is on, as inside another container; there, start the outer one with: \
                                 --security-opt seccomp=unconfined";

/// What refused a user namespace, and who can allow it.
pub(super) fn user_namespace_failure(error: &std::io::Error) -> Failure {
    let number = error.raw_os_error().unwrap_or(0);
    let failure = Failure::new("cannot make a user namespace", crate::error::errno_text(number));
    let sysctl =
        |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned());
    if number == libc::ENOSPC {
        return namespaces::explain(failure);
    }
    if sysctl("kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return failure.hint(
            "user namespaces are switched off; an administrator can run: sysctl -w kernel.unprivileged_userns_clone=1",
        );
    }
    if apparmor_restricts_user_namespaces() {
        return failure.hint(
            "AppArmor restricts user namespaces here; an administrator can load a profile that allows them to rr",
        );
    }
    if matches!(number, libc::EPERM | libc::ENOSYS) && seccomp_filtered() {
        return failure.hint(FILTER_REMEDY);
    }
    failure
}

/// Whether this process runs under a seccomp filter (proc_pid_status(5), `Seccomp: 2`).
fn seccomp_filtered() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
    })
}

fn read_answer(mut from_child: File) -> Result<String> {
    let mut text = String::new();
    from_child.read_to_string(&mut text).doing(|| "cannot hear from the worker process")?;
    Ok(text)
}

/// Sends the result; the exit status only tells that this was done.
fn report<T: Serialize>(mut to_parent: File, result: &Result<T>) -> i32 {
    match serde_json::to_string(result) {
        Ok(text) if to_parent.write_all(text.as_bytes()).is_ok() => 0,
        _ => 1,
    }
}

/// The child as its parent holds it: killed and reaped on every early return.
struct Worker {
    child: Child,
    reaped: bool,
}

impl Worker {
    /// Maps the ids once the namespace exists, then reads the answer to its end.
    fn drive(&self, maps: &IdMaps, mut from_child: File, mut to_child: File) -> Result<String> {
        let mut first = [0];
        let doing = || "cannot hear from the worker process";
        if from_child.read(&mut first).doing(doing)? == 1 && first[0] == b'U' {
            write_id_maps(self.child.pid, maps)?.wait()?;
            to_child.write_all(b"M").doing(doing)?;
            first = [b' '];
        }
        // Without the byte it is the beginning of a failure's text, or nothing at all.
        let mut text = String::from_utf8_lossy(&first).trim_matches(['\0', ' ']).to_owned();
        from_child.read_to_string(&mut text).doing(doing)?;
        Ok(text)
    }

    /// Reaps it; the text says how it ended.
    fn wait(&mut self) -> Result<String> {
        let status = rustix::process::waitid(WaitId::PidFd(self.child.pidfd.as_fd()), WaitIdOptions::EXITED)
            .doing(|| "cannot wait for the worker process")?;
        self.reaped = true;
        Ok(match status.and_then(|status| status.terminating_signal()) {
            Some(signal) => format!("was killed by signal {signal}"),
            None => "ended without an answer".to_owned(),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // Both fail only where the process is gone already, which is what they are for.
        rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL).ok();
        rustix::process::waitid(WaitId::PidFd(self.child.pidfd.as_fd()), WaitIdOptions::EXITED).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs in a fork of its own, since the test runner has threads and the worker must be forked
    /// from a single-threaded process. One id only: needs no helpers.
    fn in_fork(test: impl FnOnce() -> bool) -> bool {
        match fork().unwrap() {
            Cloned::Child => exit_now(i32::from(!test())),
            Cloned::Parent(child) => {
                let status =
                    rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
                status.unwrap().exit_status() == Some(0)
            }
        }
    }

    fn own_id() -> IdMaps {
        use crate::host::ids::IdMap;
        IdMaps {
            users: IdMap::single(0, rustix::process::getuid().as_raw()),
            groups: IdMap::single(0, rustix::process::getgid().as_raw()),
        }
    }

    #[test]
    fn the_worker_is_root_and_answers() {
        assert!(in_fork(|| run_as_root(Some(&own_id()), OldGroups::Dropped, || {
            Ok((rustix::process::getuid().as_raw(), std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default()))
        })
        .is_ok_and(|(uid, map)| uid == 0 && map.split_whitespace().nth(2) == Some("1"))));
    }

    #[test]
    fn a_failure_and_a_death_come_back() {
        assert!(in_fork(|| {
            let failed: Result<()> =
                run_as_root(Some(&own_id()), OldGroups::Dropped, || Err(Failure::new("cannot x", "y").hint("z")));
            failed == Err(Failure::new("cannot x", "y").hint("z"))
        }));
        assert!(in_fork(|| {
            let died: Result<()> = run_as_root(Some(&own_id()), OldGroups::Dropped, || exit_now(0));
            died.is_err_and(|failure| failure.cause.contains("without an answer"))
        }));
    }
}
