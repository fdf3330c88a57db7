//! `write_id_maps`: gives a new user namespace its ids (user_namespaces(7)).
//!
//! The kernel lets an unprivileged process write a map of one line only, its own id. A process with
//! CAP_SETUID and CAP_SETGID in the parent namespace (root of an outer container) may write any.
//! Everybody else needs newuidmap(1) and newgidmap(1), which are set-user-ID root and allow what
//! /etc/subuid and /etc/subgid grant; both are started at once, since each costs a millisecond.

use crate::error::{Doing, Failure, Result, errno_text};
use crate::host::ids::{IdMap, IdMaps};
use crate::host::userns::{MapWriter, map_writer};
use crate::sys::process::{Child, ExecWords, spawn};
use rustix::pipe::PipeFlags;
use rustix::process::{WaitId, WaitIdOptions};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// A map that is being written by the helpers; [`Pending::wait`] ends it.
#[must_use]
pub struct Pending {
    helpers: Vec<Helper>,
}

/// newuidmap(1) or newgidmap(1), under way.
struct Helper {
    name: &'static str,
    process: Child,
    /// What it writes to standard error.
    said: File,
}

/// Starts writing both maps of process `pid`, which must be alone in its new user namespace.
pub fn write_id_maps(pid: i32, maps: &IdMaps) -> Result<Pending> {
    match map_writer(maps)? {
        MapWriter::Helpers { users, groups } => {
            let users = start_helper("newuidmap", &users, pid, &maps.users)?;
            let groups = start_helper("newgidmap", &groups, pid, &maps.groups)?;
            return Ok(Pending { helpers: vec![users, groups] });
        }
        MapWriter::OwnIdOnly => {
            // setgroups(2) must be denied first, or an unprivileged gid_map is EPERM (CVE-2014-8989).
            let path = format!("/proc/{pid}/setgroups");
            fs::write(&path, "deny").doing(|| format!("cannot map group ids: {path}"))?;
        }
        MapWriter::Privileged => {}
    }
    write_directly(pid, "uid_map", &maps.users)?;
    write_directly(pid, "gid_map", &maps.groups)?;
    Ok(Pending { helpers: Vec::new() })
}

/// Writes both maps of process `pid`, which is alone in a user namespace that was made in one with the maps `parent`, by
/// a process that has all capabilities there: no helper is needed.
///
/// # Errors
/// The parent does not have all of the ids; or the system's.
pub fn write_nested_maps(pid: i32, parent: &IdMaps, maps: &IdMaps) -> Result<()> {
    for (file, what, map, parent) in
        [("uid_map", "user", &maps.users, &parent.users), ("gid_map", "group", &maps.groups, &parent.groups)]
    {
        let nested = map.within(parent).ok_or_else(|| {
            let cause = "the user namespace that it must be made in does not have all of the container's";
            Failure::new(format!("cannot map {what} ids"), cause)
                .hint("the containers of a network, and those that share a namespace, need ids from the same ranges")
        })?;
        write_directly(pid, file, &nested)?;
    }
    Ok(())
}

impl Pending {
    /// Waits until both maps are written.
    pub fn wait(self) -> Result<()> {
        let mut first_failure = None;
        for Helper { name, process, mut said } in self.helpers {
            let mut text = String::new();
            // What the helper says is only a help to the reader; its status decides.
            if let Err(error) = said.read_to_string(&mut text) {
                log::debug!("cannot read what {name} says: {error}");
            }
            let id = || WaitId::PidFd(process.pidfd.as_fd());
            let status = loop {
                match rustix::process::waitid(id(), WaitIdOptions::EXITED) {
                    Err(rustix::io::Errno::INTR) => {}
                    status => break status.doing(|| format!("cannot wait for {name}"))?,
                }
            };
            let code = status.and_then(|status| status.exit_status());
            if code != Some(0) && first_failure.is_none() {
                first_failure = Some(helper_failure(name, text.trim(), code));
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

fn helper_failure(name: &str, said: &str, code: Option<i32>) -> Failure {
    let what = if name == "newuidmap" { "user" } else { "group" };
    let cause = match (said, code) {
        ("", Some(code)) => format!("{name} ended with status {code}"),
        ("", None) => format!("{name} was killed"),
        (said, _) => said.to_owned(),
    };
    let failure = Failure::new(format!("cannot map {what} ids"), &cause);
    if apparmor_restricts_user_namespaces() {
        return failure.hint(
            "AppArmor restricts user namespaces here (kernel.apparmor_restrict_unprivileged_userns = 1); an \
             administrator can load a profile that allows them to rr, or run: sysctl -w \
             kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    if cause.contains("not allowed") {
        return failure.hint("the ranges of /etc/subuid and /etc/subgid are what these helpers allow; compare them");
    }
    failure
}

/// Whether Ubuntu's restriction is in force: creating a user namespace works there, but it holds no
/// capability, so that writing its maps fails with EPERM.
pub(super) fn apparmor_restricts_user_namespaces() -> bool {
    fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").is_ok_and(|text| text.trim() == "1")
}

fn write_directly(pid: i32, file: &str, map: &IdMap) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    // One write(2): the kernel takes the whole map at once and only once.
    let written =
        fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(map.to_kernel().as_bytes()));
    written.map_err(|error| {
        let doing = if file == "uid_map" { "cannot map user ids" } else { "cannot map group ids" };
        let number = error.raw_os_error().unwrap_or(0);
        let text = map.to_kernel().trim_end().replace('\n', ", ");
        let failure = Failure::new(doing, format!("writing `{text}` to {path}: {}", errno_text(number)));
        if number == libc::EPERM && apparmor_restricts_user_namespaces() {
            return failure.hint(
                "AppArmor restricts user namespaces here (kernel.apparmor_restrict_unprivileged_userns = 1); an \
                 administrator can load a profile that allows them to rr",
            );
        }
        failure
    })
}

/// Starts one helper with an empty environment: a set-user-ID program has no use for ours.
fn start_helper(name: &'static str, path: &Path, pid: i32, map: &IdMap) -> Result<Helper> {
    let doing = || format!("cannot map ids: cannot start {}", path.display());
    let mut words = vec![name.to_owned(), pid.to_string()];
    for extent in map.extents() {
        words.extend([extent.inside.0, extent.outside.0, extent.length].map(|number| number.to_string()));
    }
    let words = ExecWords::new(&words, &[]).doing(doing)?;
    let (said, stderr) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing(doing)?;
    let null = File::options().read(true).write(true).open("/dev/null").doing(doing)?;
    let process = spawn(path, &words, [null.as_fd(), null.as_fd(), stderr.as_fd()]).doing(doing)?;
    Ok(Helper { name, process, said: said.into() })
}
