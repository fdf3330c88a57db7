//! Control groups, version 2 (cgroups(7)): what keeps a container's limits.
//!
//! A container gets a group only where a limit, or a parent for the group, was asked for; without that nothing here runs.
//! Where the group can be is a [`Site`]:
//!
//! - below a group that is the user's own, as in a container or under a CI runner whose group was delegated to it;
//! - in a scope that the user's own systemd makes and delegates ([`systemd`]).
//!
//! Processes are never moved but by systemd: they are born in their group (clone3(2), CLONE_INTO_CGROUP), since a move
//! waits for every processor of the machine. The path of a group is written down before the group is made
//! ([`Group::recorded`]), so that the next command removes what a killed monitor has left.

mod dbus;
mod site;
pub mod systemd;

pub use site::{MOUNT, Manager, Offer, Site, find_site, offer};

use super::limits::{Controller, Limits, Need, Setting};
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file in a container's directory that says where its group is.
const RECORD: &str = "cgroup";

/// A container's group.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
    directory: OwnedFd,
}

impl Group {
    /// Makes the group of the container `id` below `parent`, with `limits`; `container` is `containers/<id>`. The
    /// controllers are there for children of `parent` already.
    ///
    /// # Errors
    /// The kernel refuses a limit, or the system's; then there is no group.
    pub fn make(parent: &Path, name: &str, limits: &Limits, container: &Path) -> Result<Group> {
        let path = parent.join(name);
        let doing = || format!("cannot make the control group {}", path.display());
        fs::write(container.join(RECORD), path.as_os_str().as_encoded_bytes()).doing(doing)?;
        fs::create_dir(&path).doing(doing)?;
        let made = Recorded { path: path.clone() };
        let group = write_limits(&path, &limits.settings()).and_then(|()| {
            let directory =
                rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                    .doing(doing)?;
            Ok(Group { path: path.clone(), directory })
        });
        if group.is_err() {
            made.remove();
        }
        group
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// News of the kernel's killing for want of memory; None where memory is nobody's business here.
    pub fn memory_events(&self) -> Option<MemoryEvents> {
        let mut events = MemoryEvents { file: File::open(self.path.join("memory.events")).ok()?, seen: 0 };
        events.seen = events.count();
        Some(events)
    }

    /// Removes it and all below it. Its processes are gone.
    pub fn remove(&self) {
        Recorded { path: self.path.clone() }.remove();
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Writes what limits ask for. What the user can do without is no failure: [`check_swap`] has told of it.
fn write_limits(group: &Path, settings: &[Setting]) -> Result<()> {
    settings.iter().try_for_each(|setting| write_setting(group, setting))
}

fn write_setting(group: &Path, setting: &Setting) -> Result<()> {
    let file = setting.files.iter().find(|file| group.join(file).exists());
    let name = file.or(setting.files.last()).copied().unwrap_or_default();
    let doing = || format!("cannot set {name} of the container to {}", setting.value);
    if file.is_none() {
        return match setting.need {
            Need::Told => Ok(()),
            Need::Firm => Err(Failure::new(doing(), "this kernel has no such setting")),
        };
    }
    let value = match name {
        "io.weight" => scaled_weight(&setting.value),
        _ => setting.value.clone(),
    };
    let doing = || format!("cannot set {name} of the container to {value}");
    match fs::write(group.join(name), &value) {
        // memory.max below what is in use, where nothing can be given back.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            Err(Failure::new(doing(), "the container uses more than that"))
        }
        written => written.doing(doing),
    }
}

/// 10 to 1000, perhaps after a device's numbers, as the kernel's 1 to 10000 (runc's line through both ends).
fn scaled_weight(text: &str) -> String {
    let (device, weight) = text.rsplit_once(' ').map_or(("", text), |(device, weight)| (device, weight));
    let weight = weight.parse::<u64>().map_or(100, |weight| 1 + weight.saturating_sub(10) * 9999 / 990);
    format!("{device} {weight}").trim_start().to_owned()
}

/// Whether this kernel counts swap, where `group` is one with the memory controller.
fn swap_notice(limits: &Limits, group: &Path) -> Option<Notice> {
    let wanted = limits.settings().into_iter().any(|setting| setting.files == ["memory.swap.max"]);
    if !wanted || !group.join("memory.max").exists() || group.join("memory.swap.max").exists() {
        return None;
    }
    // Docker's words.
    let words = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited \
                 without swap.";
    Some(Notice(words.to_owned()))
}

/// A group by its path, as it is written down with the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    path: PathBuf,
}

impl Recorded {
    /// That of the container at `containers/<id>`; None where it has none.
    pub fn of(container: &Path) -> Option<Recorded> {
        use std::os::unix::ffi::OsStringExt;
        let path = PathBuf::from(std::ffi::OsString::from_vec(fs::read(container.join(RECORD)).ok()?));
        path.is_dir().then_some(Recorded { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of it.
    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    /// Ends every process in it at once, whatever state they are in (`cgroup.kill`, Linux 5.14).
    ///
    /// # Errors
    /// The kernel is older, or the system's.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Stops all processes, and waits until they stand still.
    ///
    /// # Errors
    /// The system's, or they do not stand still within ten seconds.
    pub fn freeze(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.freeze"), "1")?;
        let mut events = File::open(self.path.join("cgroup.events"))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut text = String::new();
            events.rewind()?;
            events.read_to_string(&mut text)?;
            if value_of(&text, "frozen") == Some(1) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                fs::write(self.path.join("cgroup.freeze"), "0")?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            // The kernel wakes whoever polls for priority when the file has changed (cgroup-v2.rst, "cgroup.events").
            let patience = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let _ = poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&patience));
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// The system's.
    pub fn thaw(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.freeze"), "0")
    }

    /// Changes limits of a container that runs.
    ///
    /// # Errors
    /// The kernel refuses one, in which case those before it are changed; or its controller is not there.
    pub fn update(&self, changed: &Limits) -> Result<()> {
        let missing = self.missing(&changed.controllers());
        if let Some(controller) = missing.first() {
            let cause = format!("its control group was made without the controller {}", controller.name());
            return Err(Failure::new("cannot change the container's limits", cause)
                .hint("limits that a container is to get later need one of the same kind when it is started"));
        }
        write_limits(&self.path, &changed.settings())
    }

    fn missing(&self, wanted: &BTreeSet<Controller>) -> BTreeSet<Controller> {
        let there = self.read("cgroup.controllers").unwrap_or_default();
        wanted.iter().copied().filter(|one| !there.split_whitespace().any(|name| name == one.name())).collect()
    }

    /// Ends what runs in it still and removes it with all below it; what cannot be removed stays.
    pub fn remove(&self) {
        let mut result = remove_tree(&self.path);
        if result.is_err() {
            // Of a monitor that was killed: the kernel is about to end what was in it.
            let _ = self.kill();
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Err(error) = result {
            if Instant::now() >= deadline {
                log::debug!("cannot remove {}: {}", self.path.display(), error.into_cause());
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
            result = remove_tree(&self.path);
        }
    }
}

/// Only directories can be removed in a cgroup file system, and only empty ones.
fn remove_tree(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// How often the kernel has killed in a group for want of memory.
#[derive(Debug)]
pub struct MemoryEvents {
    file: File,
    seen: u64,
}

impl MemoryEvents {
    /// Whether there was one more since the last question.
    pub fn news(&mut self) -> bool {
        let count = self.count();
        std::mem::replace(&mut self.seen, count) < count
    }

    fn count(&mut self) -> u64 {
        let mut text = String::new();
        // A group that is gone has no news.
        let read = self.file.rewind().and_then(|()| self.file.read_to_string(&mut text));
        read.ok().and_then(|_| value_of(&text, "oom_kill")).unwrap_or(self.seen)
    }
}

impl AsFd for MemoryEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The number after `key` in a file of lines `KEY NUMBER`.
pub fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_scaled_with_their_device() {
        for (text, expected) in [("10", "1"), ("1000", "10000"), ("500", "4950"), ("8:0 10", "8:0 1")] {
            assert_eq!(scaled_weight(text), expected);
        }
    }

    #[test]
    fn values_have_whole_names() {
        let text = "low 1\noom 2\noom_kill 3\noom_group_kill 4\n";
        assert_eq!((value_of(text, "oom"), value_of(text, "oom_kill")), (Some(2), Some(3)));
        assert_eq!(value_of(text, "max"), None);
    }
}
