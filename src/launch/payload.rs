//! The last steps before a program of the container runs: what init does for the payload, and `exec` for
//! one more process.
//!
//! Everything here runs with the container's tree as root, and with all capabilities of its user
//! namespace until [`confine`] gives them up.

use super::plan::{Process, RunPlan};
use crate::confine::capabilities::CapabilitySet;
use crate::confine::seccomp::Ownership;
use crate::confine::{capabilities, rlimits, seccomp};
use crate::error::{Doing, ExitCode, Failure, IntoCause, Result};
use crate::host::ids::IdMaps;
use crate::rootfs::identity::Identity;
use crate::rootfs::{apt, pivot};
use crate::sys::process::{ExecWords, close_on_exec_from, reset_signals};
use crate::sys::trampoline;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Gives up every privilege and descriptor that `process` is not meant to have, and enters its directory.
///
/// # Errors
/// The system's; nothing may be executed then.
pub(super) fn confine(process: &Process, identity: &Identity, plan: &RunPlan) -> Result<()> {
    if plan.means.is_chroot() {
        return confine_without_namespaces(process, identity);
    }
    let ids = &plan.ids;
    rlimits::apply(&process.rlimits)?;
    if process.no_new_privileges {
        capabilities::set_no_new_privileges()?;
    }
    // While CAP_SYS_ADMIN is still held, which a filter needs where no_new_privs is off (seccomp(2)).
    let ownership = match ids.is_single() && identity.uid == 0 {
        true => Ownership::Pretended,
        false => Ownership::Real,
    };
    seccomp::install_seccomp(&process.seccomp, process.capabilities.bounding, ownership)?;
    // While CAP_SETPCAP is still held, and before the change of user that takes it.
    capabilities::drop_caps(process.capabilities.bounding)?;
    capabilities::set_identity(&credentials(identity, process), &process.capabilities)?;
    enter_working_directory(&process.cwd)?;
    close_on_exec_from(3).doing(|| "cannot close descriptors")
}

/// The same by a process whose capabilities are those of its surroundings, and not all of them: the payload gets none that
/// rr does not have. A filter of its own takes CAP_SYS_ADMIN or `no_new_privs`, which would take `su` from it; where it
/// has neither, that of the surroundings stays.
fn confine_without_namespaces(process: &Process, identity: &Identity) -> Result<()> {
    rlimits::apply(&process.rlimits)?;
    if process.no_new_privileges {
        capabilities::set_no_new_privileges()?;
    }
    let held = rustix::thread::capabilities(None).doing(|| "cannot look at the capabilities")?.effective;
    if process.no_new_privileges || held.contains(rustix::thread::CapabilitySet::SYS_ADMIN) {
        seccomp::install_seccomp(&process.seccomp, process.capabilities.bounding, Ownership::Real)?;
    }
    let granted = process.capabilities.within(CapabilitySet::from_bits(held.bits()));
    if held.contains(rustix::thread::CapabilitySet::SETPCAP) {
        capabilities::drop_caps(granted.bounding)?;
    }
    capabilities::set_identity(&credentials(identity, process), &granted)?;
    // The change of ids has cleared it (prctl(2), PR_SET_PDEATHSIG); here it is all that ties the payload to its monitor.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .doing(|| "cannot tie the payload to its monitor")?;
    enter_working_directory(&process.cwd)?;
    close_on_exec_from(3).doing(|| "cannot close descriptors")
}

/// What setgroups(2) and its kin are told.
fn credentials(identity: &Identity, process: &Process) -> capabilities::Identity {
    let groups = if process.keep_groups || identity.groups.is_empty() {
        capabilities::Groups::Keep
    } else {
        capabilities::Groups::Set(identity.groups.clone())
    };
    capabilities::Identity { uid: identity.uid, gid: identity.gid, groups }
}

/// Docker counts a missing directory as a missing command, and a closed one as one that is not executable.
fn enter_working_directory(path: &str) -> Result<()> {
    rustix::process::chdir(path).map_err(|errno| {
        let code = match errno {
            Errno::NOENT | Errno::NOTDIR => ExitCode::NotFound,
            Errno::ACCESS => ExitCode::NotExecutable,
            _ => ExitCode::Runner,
        };
        Failure::new(format!("cannot enter the working directory {path}"), errno.into_cause()).code(code)
    })?;
    pivot::check_working_directory()
}

/// A program that is not root opens /dev/stdout anew (a log file of many images leads there), which asks for
/// the permissions of what is behind it. The terminal is the container's own and becomes the program's, as with
/// Docker. A pipe is shared with the user's other programs, so it keeps its owner and is opened to all: only
/// who may look into a process that has it can reach it. Files and terminals of the host stay as they are.
///
/// # Errors
/// The terminal cannot be given away.
pub(super) fn let_it_reopen_stdio(identity: &Identity, terminal: Option<&OwnedFd>) -> Result<()> {
    if identity.uid == 0 {
        return Ok(());
    }
    if let Some(terminal) = terminal {
        let owner = rustix::fs::Uid::from_raw(identity.uid);
        return rustix::fs::fchown(terminal, Some(owner), None).doing(|| "cannot give the terminal to the payload");
    }
    open_pipes_to_all();
    Ok(())
}

/// Lets everybody who can reach a standard stream that is a pipe open it anew. Where the container's root
/// has no power over the user's files, the client does this.
pub fn open_pipes_to_all() {
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        // PIPEFS_MAGIC (statfs(2)): not a FIFO with a name, which is a file of the user's.
        let pipe = rustix::fs::fstatfs(stream).is_ok_and(|stat| stat.f_type as u64 == 0x5049_5045);
        if pipe && let Err(errno) = rustix::fs::fchmod(stream, Mode::from_raw_mode(0o666)) {
            // Made by another user (sudo): the payload can use it, but not open it anew.
            log::debug!("a pipe stays closed to the payload: {errno}");
        }
    }
}

/// How a program is executed.
pub(super) enum Way {
    /// By execve(2) of its file.
    Directly,
    /// By way of the trampoline, whose report the monitor reads.
    ByTrampoline {
        /// [`trampoline::file`]
        trampoline: OwnedFd,
        /// What [`read_outcome`] understands.
        report: OwnedFd,
    },
}

/// What makes the trampoline.
///
/// # Errors
/// The system's.
pub(super) fn make_trampoline() -> Result<Option<OwnedFd>> {
    trampoline::file().map_err(|error| {
        let refused = error.raw_os_error() == Some(libc::EACCES);
        let failure = Failure::new("cannot make an executable file in memory", error.into_cause());
        if refused { failure.hint("an administrator can run: sysctl -w vm.memfd_noexec=1") } else { failure }
    })
}

/// A command line, made ready before the descriptors and privileges are given up.
pub(super) struct Command {
    words: ExecWords,
    search: Vec<PathBuf>,
}

impl Command {
    /// # Errors
    /// A word holds a NUL byte.
    pub(super) fn prepare(process: &Process, identity: &Identity, ids: &IdMaps) -> Result<Command> {
        let env = environment(&process.env, identity, ids);
        let words =
            ExecWords::new(&process.args, &env).map_err(|cause| Failure::new("cannot prepare the command", cause))?;
        Ok(Command { words, search: search_path(&env) })
    }

    /// Becomes it; returns only what went wrong. `name` is its first word.
    pub(super) fn execute(&self, name: &str) -> Failure {
        reset_signals();
        let error = self.exec_found(name);
        exec_failure(name, error.raw_os_error().unwrap_or(0), Found::look(name))
    }

    /// Whether its file is a program of its own and nothing else, so that execve(2) of it can lead nowhere but into it: it is
    /// reached through no link of /proc (`/proc/self/exe` is rr), and neither a script, whose interpreter may be such
    /// a link, nor for binfmt_misc. True as well where there is no file. Who asks must know that nobody changes the file.
    pub(super) fn is_plain(&self, name: &str) -> bool {
        for candidate in self.candidates(name) {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            match rustix::fs::openat2(CWD, &candidate, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(_) => return false,
                Ok(file) => {
                    let mut magic = [0; 4];
                    return rustix::io::read(&file, &mut magic) == Ok(4) && magic == *b"\x7fELF";
                }
            }
        }
        true
    }

    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        match name.contains('/') {
            true => vec![PathBuf::from(name)],
            false => self.search.iter().map(|directory| directory.join(name)).collect(),
        }
    }

    /// Becomes it by way of `trampoline`: where other processes of the container look on, no moment must be when
    /// rr is what they find. What goes wrong then comes through `report`, to be read by [`read_outcome`].
    pub(super) fn execute_by(&self, trampoline: OwnedFd, report: OwnedFd, name: &str) -> Failure {
        reset_signals();
        if Found::look(name) == Found::Yes {
            // A reader that is gone does not want to know.
            let _ = rustix::io::write(&report, &[EXISTS]);
        }
        let candidates = self.candidates(name);
        // No word holds a NUL byte: `prepare` has seen to it.
        let candidates: Vec<CString> =
            candidates.into_iter().filter_map(|path| CString::new(path.into_os_string().into_vec()).ok()).collect();
        let error = self.words.exec_by(trampoline, report, &candidates);
        exec_failure(name, error.raw_os_error().unwrap_or(0), Found::No)
    }

    /// execvp(3)'s search, but with the container's PATH; returns the error worth telling.
    fn exec_found(&self, command: &str) -> io::Error {
        if command.contains('/') {
            return self.words.exec(Path::new(command));
        }
        let mut worth_telling = io::Error::from_raw_os_error(libc::ENOENT);
        for directory in &self.search {
            let error = self.words.exec(&directory.join(command));
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                // Permission denied is remembered while another directory may hold one that works.
                Some(libc::EACCES) => worth_telling = error,
                _ => return error,
            }
        }
        worth_telling
    }
}

/// The planned environment, with HOME from the user's passwd entry unless it is there (Docker).
fn environment(planned: &[String], identity: &Identity, ids: &IdMaps) -> Vec<String> {
    let mut env = planned.to_vec();
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
    }
    if ids.is_single() && Path::new(apt::CONFIG).exists() && !env.iter().any(|entry| entry.starts_with("APT_CONFIG=")) {
        env.push(format!("APT_CONFIG={}", apt::CONFIG));
    }
    env
}

fn search_path(env: &[String]) -> Vec<PathBuf> {
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
    path.split(':').map(|directory| PathBuf::from(if directory.is_empty() { "." } else { directory })).collect()
}

/// Whether a command that was named by its path is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    No,
}

impl Found {
    fn look(command: &str) -> Found {
        if command.contains('/') && Path::new(command).exists() { Found::Yes } else { Found::No }
    }
}

/// In a report, before the errno: [`Found::Yes`].
const EXISTS: u8 = b'E';

/// What [`Command::execute_by`] and the trampoline have written: nothing where all is well.
///
/// # Errors
/// The command could not be executed.
pub(super) fn read_outcome(report: &[u8], command: &str) -> Result<()> {
    let (found, errno) = match report {
        [EXISTS, errno @ ..] => (Found::Yes, errno),
        errno => (Found::No, errno),
    };
    match errno.try_into() {
        Ok(errno) => Err(exec_failure(command, i32::from_ne_bytes(errno), found)),
        Err(_) => Ok(()),
    }
}

/// Docker's exit statuses: 127 where there is no such command, 126 where it cannot be executed.
fn exec_failure(command: &str, number: i32, found: Found) -> Failure {
    let doing = format!("cannot execute {command}");
    let cause = crate::error::errno_text(number);
    match number {
        libc::ENOENT if !command.contains('/') => {
            Failure::new(doing, "executable file not found in $PATH of the container").code(ExitCode::NotFound)
        }
        libc::ENOENT if found == Found::Yes => {
            Failure::new(doing, format!("its interpreter or dynamic loader is missing in the container: {cause}"))
                .code(ExitCode::NotFound)
        }
        libc::ENOENT | libc::ENOTDIR => Failure::new(doing, cause).code(ExitCode::NotFound),
        _ => Failure::new(doing, cause).code(ExitCode::NotExecutable),
    }
}
