//! A container on disk: `containers/<id>/` with `plan.json`, `state.json` and its overlay.
//!
//! ```text
//! containers/<id>/            flocked by client and monitor as long as either lives
//!   plan.json                 the RunPlan; a container exists exactly as long as this file does
//!   state.json                what the monitor last wrote; missing until the first start
//!   upper/ work/              the writable layer, made by the container's init
//!   hosts hostname resolv.conf     but for `--rm`, made by init as well
//! names/<name> -> <id>        the claim on a name ([`name`])
//! ```
//!
//! Whether a container lives is asked of its directory's flock(2), which the kernel frees when the
//! last holder dies, whatever killed it and also over a reboot. A state that says `running` while
//! nobody holds the lock was left by a monitor that was killed: [`list`] and [`find`] put it right.
//! Process ids in the state are used only together with start time and boot id.

mod name;
mod removal;
mod state;

use super::names;
use super::plan::{RestartPolicy, RootSource, RunPlan};
use crate::confine::cgroup::Recorded;
use crate::error::{Doing, ExitCode, Failure, Known, Result};
use crate::host::userns::root_reaches_own_files;
use crate::image::UsedLayer;
use crate::launch::protocol::Exit;
use crate::store::Store;
pub use name::{NameChoice, rename, sweep_names};
pub use removal::{AnonymousVolumes, Force, remove, remove_damaged, remove_unheld};
use rustix::fs::FlockOperation;
pub use state::{State, Status};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A container as found on disk.
#[derive(Debug, Clone)]
pub struct Container {
    /// What was decided when it was made.
    pub plan: RunPlan,
    /// What has become of it.
    pub state: State,
    /// `containers/<id>`.
    pub dir: PathBuf,
}

/// A container of this process: its directory, locked.
#[derive(Debug)]
pub struct Held {
    /// `containers/<id>`.
    pub dir: PathBuf,
    /// The open directory; the lock goes with the last copy of this descriptor.
    pub lock: File,
}

/// Makes the record of a new container and claims its name; a taken suggestion is replaced in `plan`.
///
/// # Errors
/// The name is taken (Docker's wording), or the system's.
pub fn create(store: &Store, plan: &mut RunPlan, choice: NameChoice) -> Result<Held> {
    let dir = store.containers().join(&plan.id);
    let doing = || format!("cannot make the container's directory {}", dir.display());
    let lock = make_locked(&dir).doing(doing)?;
    let undo = Undo(Some(&dir));
    if !root_reaches_own_files(&plan.ids) {
        // The container's root is nobody here (`--userns nomap`) and makes upper/ by the permissions for
        // others; the store above is 0700.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).doing(doing)?;
    }
    let mut attempt = 0;
    while !name::claim(store, &plan.name, &plan.id)? {
        match choice {
            NameChoice::Given => return Err(name::taken(store, &plan.name)),
            NameChoice::Suggested => plan.name = names::suggest(super::create::random_number()?, attempt),
        }
        attempt += 1;
    }
    let text = serde_json::to_vec(plan).doing(|| "cannot encode the container's plan")?;
    if let Err(failure) = write_file(&dir, "plan.json", &text) {
        name::release(store, &plan.name, &plan.id);
        return Err(failure);
    }
    std::mem::forget(undo);
    Ok(Held { dir, lock })
}

/// Makes a directory and locks it. Between the two, another command may take it for a leftover and
/// remove it ([`removal::sweep_incomplete`]); then it is made again.
fn make_locked(dir: &Path) -> io::Result<File> {
    loop {
        fs::DirBuilder::new().mode(0o700).create(dir)?;
        let lock = match File::open(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock?,
        };
        // Nobody waits for a lock on a directory without a plan, so this never blocks for long.
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        // A directory that was removed has no links left.
        if lock.metadata()?.nlink() > 0 {
            return Ok(lock);
        }
    }
}

/// Removes the directory again unless forgotten.
struct Undo<'a>(Option<&'a Path>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(dir) = self.0 {
            // What stays is a directory without a plan: no container, and swept later.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Whether a process holds the container's lock: its client or its monitor lives.
fn is_held(dir: &Path) -> bool {
    let Ok(file) = File::open(dir) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// Writes `dir/name` in one step. No sync: after a crash of the machine nothing runs any more, and an
/// unreadable state counts as exited.
fn write_file(dir: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = dir.join(name);
    let new = dir.join(format!("{name}.new"));
    let written =
        File::create(&new).and_then(|mut file| file.write_all(content)).and_then(|()| fs::rename(&new, &path));
    written.doing(|| format!("cannot write {}", path.display()))
}

/// Changes the plan on disk, as it is there by now.
///
/// # Errors
/// The container was removed, or the system's.
pub fn change_plan(container: &Container, change: impl FnOnce(&mut RunPlan)) -> Result<()> {
    let plan = read_json::<RunPlan>(&container.dir.join("plan.json"))?;
    let mut plan = plan.ok_or_else(|| no_such_container(&container.plan.name))?;
    change(&mut plan);
    let text = serde_json::to_vec(&plan).doing(|| "cannot encode the container's plan")?;
    exchange_file(&container.dir, "plan.json", &text)
}

/// Replaces a file that is there, and fails where it is not: a container that is being removed must not
/// come back.
fn exchange_file(dir: &Path, name: &str, content: &[u8]) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let (path, new) = (dir.join(name), dir.join(format!("{name}.{}", std::process::id())));
    let doing = || format!("cannot write {}", path.display());
    fs::write(&new, content).doing(doing)?;
    let exchanged = renameat_with(CWD, &new, CWD, &path, RenameFlags::EXCHANGE);
    // The old content has the temporary name now, or the new one has kept it.
    fs::remove_file(&new).doing(doing)?;
    exchanged.doing(doing)
}

impl Held {
    /// The plan as it is on disk; None where the container was removed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn plan(&self) -> Result<Option<RunPlan>> {
        read_json(&self.dir.join("plan.json"))
    }

    /// Writes the state; readers see the old one or this.
    ///
    /// # Errors
    /// The system's.
    pub fn write_state(&self, state: &State) -> Result<()> {
        let text = serde_json::to_vec(state).doing(|| "cannot encode the container's state")?;
        write_file(&self.dir, "state.json", &text)
    }
}

/// Takes the lock of a container that does not run, and reads its plan anew; None where it runs.
///
/// # Errors
/// It was removed meanwhile; another command is starting or removing it and does not end; the system's.
pub fn hold(container: &Container) -> Result<Option<(Held, RunPlan)>> {
    hold_within(container, Duration::from_secs(5))
}

/// As [`hold`], for so long.
///
/// # Errors
/// As there.
pub fn hold_within(container: &Container, patience: Duration) -> Result<Option<(Held, RunPlan)>> {
    let deadline = Instant::now() + patience;
    let dir = &container.dir;
    let doing = || format!("cannot take container {}", container.plan.name);
    // Others hold the lock for a moment, to look or to start; whoever runs the container keeps it.
    loop {
        let lock = match File::open(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no_such_container(&container.plan.name));
            }
            lock => lock.doing(doing)?,
        };
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            locked => {
                locked.doing(doing)?;
                let plan = read_plan(dir)?;
                let plan = plan.ok_or_else(|| no_such_container(&container.plan.name))?;
                return Ok(Some((Held { dir: dir.clone(), lock }, plan)));
            }
        }
        let state = read_state(dir)?.unwrap_or_default();
        if state.monitor.is_some_and(|monitor| monitor.lives()) {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(doing(), "another command holds it"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Container {
    /// Reads one; None where there is no container of that id.
    fn read(store: &Store, id: &str) -> Result<Option<Container>> {
        let dir = store.containers().join(id);
        let Some(plan) = read_plan(&dir)? else { return Ok(None) };
        let state = read_state(&dir)?;
        let has_state = state.is_some();
        let mut container = Container { plan, state: state.unwrap_or_default(), dir };
        // Only of a container that is said to live the lock tells more: a list of a thousand that do not takes none.
        if container.state.status.is_alive() && !is_held(&container.dir) {
            // Its monitor may have written its end, and let go of it, since the state was read.
            container.state = read_state(&container.dir)?.unwrap_or_default();
            if container.state.status.is_alive() {
                container.put_right()?;
                let code = container.state.exit_code.unwrap_or_default();
                store.tell_and_bound(&[super::events::died(&container.plan, code)]);
            }
        }
        container.see_whether_paused();
        // A `--rm` container whose processes are gone, or whose removal was cut short, is removed here;
        // not one that `create --rm` has made for a later start, which has a state from its beginning.
        let waits_for_start = has_state && container.state.status == Status::Created;
        if container.plan.remove && !waits_for_start && !is_held(&container.dir) {
            container.remove_files(store, AnonymousVolumes::Removed)?;
            return Ok(None);
        }
        Ok(Some(container))
    }

    /// Its control group, where limits were asked for and as long as it is there.
    pub fn group(&self) -> Option<Recorded> {
        if self.plan.limits.is_default() { None } else { Recorded::of(&self.dir) }
    }

    /// Whether client or monitor hold it.
    pub fn is_alive(&self) -> bool {
        is_held(&self.dir)
    }

    /// Its state is the monitor's to write, and `pause` goes on without that.
    fn see_whether_paused(&mut self) {
        if self.state.status == Status::Running && super::pause::is_paused(&self.dir, self.state.init.as_ref()) {
            self.state.status = Status::Paused;
        }
    }

    /// Corrects a state whose monitor was killed: the kernel ended the payload with it.
    fn put_right(&mut self) -> Result<()> {
        if !self.state.status.is_alive() {
            return Ok(());
        }
        if let Some(group) = self.group() {
            group.remove();
        }
        let ended = fs::metadata(self.dir.join("state.json"))
            .ok()
            .and_then(|metadata| jiff::Timestamp::from_second(metadata.mtime()).ok());
        self.state = State {
            status: Status::Exited,
            init: None,
            monitor: None,
            ports: Vec::new(),
            // One that was about to be started again has ended by itself.
            exit_code: match self.state.status {
                Status::Restarting => self.state.exit_code,
                _ => Some(Exit::Signal(libc::SIGKILL).code()),
            },
            finished_at: ended,
            error: Some("the container's monitor was killed or the machine restarted".into()),
            ..std::mem::take(&mut self.state)
        };
        let text = serde_json::to_vec(&self.state).doing(|| "cannot encode the container's state")?;
        write_file(&self.dir, "state.json", &text)
    }

    /// Whether its restart policy means that it is to run again after the machine has started, as Docker's daemon and
    /// Podman's `podman-restart.service` take it.
    pub fn starts_at_boot(&self) -> bool {
        match self.plan.restart {
            RestartPolicy::Always => true,
            RestartPolicy::UnlessStopped => self.state.status == Status::Exited && !self.state.stopped_by_user,
            RestartPolicy::No | RestartPolicy::OnFailure { .. } => false,
        }
    }

    /// Reads anew what has become of it.
    ///
    /// # Errors
    /// The system's.
    pub fn refresh(&mut self) -> Result<()> {
        self.state = read_state(&self.dir)?.unwrap_or_default();
        if self.state.status.is_alive() && !is_held(&self.dir) {
            self.put_right()?;
        }
        self.see_whether_paused();
        Ok(())
    }

    /// Sends the payload a signal, if it runs.
    ///
    /// # Errors
    /// The system's.
    pub fn signal(&self, number: i32) -> Result<()> {
        let doing = || format!("cannot send signal {number} to container {}", self.plan.name);
        let Some(signal) = crate::sys::process::signal(number) else {
            return Err(Failure::new(doing(), "it cannot be sent"));
        };
        match &self.state.init {
            Some(init) => init.kill(signal).doing(doing),
            None => Ok(()),
        }
    }

    /// Ends the payload with SIGKILL and waits until its monitor has cleaned up.
    ///
    /// # Errors
    /// The system's; or it does not end.
    pub fn kill(&self) -> Result<()> {
        let doing = || format!("cannot kill container {}", self.plan.name);
        // All at once, so that nobody in it sees the others die; without that (before Linux 5.14) its pid namespace ends.
        let group = self.state.init.as_ref().and_then(|_| self.group());
        if group.is_none_or(|group| group.kill().is_err())
            && let Some(init) = &self.state.init
        {
            init.kill(rustix::process::Signal::KILL).doing(doing)?;
        }
        if let Some(monitor) = &self.state.monitor {
            monitor.wait(Some(std::time::Duration::from_secs(10))).doing(doing)?;
        }
        for _ in 0..1000 {
            if !self.is_alive() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // Whatever holds the monitor up (SIGSTOP, a file system that does not answer): it is process 1 of everything
        // of the container, which ends with it.
        if let Some(monitor) = &self.state.monitor {
            monitor.kill(rustix::process::Signal::KILL).doing(doing)?;
            if monitor.wait(Some(std::time::Duration::from_secs(10))).doing(doing)? {
                return Ok(());
            }
        }
        Err(Failure::new(doing(), "its processes are still there after ten seconds").code(ExitCode::General))
    }
}

/// A plan. One that is torn belongs to a container that was made just before the machine lost power ([`write_file`]).
fn read_plan(dir: &Path) -> Result<Option<RunPlan>> {
    read_json(&dir.join("plan.json")).map_err(|failure| {
        let id = dir.file_name().unwrap_or_default().to_string_lossy();
        failure
            .hint(format!("if the machine lost power, only removing what is left of the container helps: rr rm {id}"))
    })
}

/// A state. One that is torn was written just before the machine lost power, and nothing runs any more.
fn read_state(dir: &Path) -> Result<Option<State>> {
    let path = dir.join("state.json");
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| State::torn()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing(|| format!("cannot read {}", path.display())),
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).doing(|| format!("cannot read {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing(|| format!("cannot read {}", path.display())),
    }
}

/// All containers, newest first. Leftovers of killed processes are put right on the way.
///
/// # Errors
/// The store cannot be read. A single unreadable record is passed over with a line in the log.
pub fn list(store: &Store) -> Result<Vec<Container>> {
    let mut containers = Vec::new();
    for id in ids(store)? {
        match Container::read(store, &id) {
            Ok(Some(container)) => containers.push(container),
            Ok(None) => {
                if let Err(failure) = removal::sweep_incomplete(store, &store.containers().join(&id)) {
                    log::warn!("{failure}");
                }
            }
            Err(failure) => log::warn!("{failure}"),
        }
    }
    containers.sort_by_key(|container| std::cmp::Reverse(container.plan.created));
    Ok(containers)
}

/// The plans of all containers, whether they live or not; nothing is put right on the way.
///
/// # Errors
/// The store cannot be read. Unlike in [`list`], one unreadable plan is an error: what it uses is unknown,
/// and must not be taken for garbage.
pub fn plans(store: &Store) -> Result<Vec<RunPlan>> {
    let mut plans = Vec::new();
    for id in ids(store)? {
        plans.extend(read_plan(&store.containers().join(&id))?);
    }
    Ok(plans)
}

/// The layers' trees that containers stand on, for [`crate::image::collect_garbage`].
///
/// # Errors
/// Those of [`plans`].
pub fn used_layers(store: &Store) -> Result<BTreeSet<UsedLayer>> {
    let mut used = BTreeSet::new();
    for plan in plans(store)? {
        if let RunPlan { root: RootSource::Layers { diff_ids }, ids, .. } = plan {
            let key = ids.key();
            used.extend(diff_ids.iter().map(|id| (key.clone(), id.trim_start_matches("sha256:").to_owned())));
        }
    }
    Ok(used)
}

fn ids(store: &Store) -> Result<Vec<String>> {
    let path = store.containers();
    let doing = || format!("cannot read {}", path.display());
    fs::read_dir(&path)
        .doing(doing)?
        .map(|entry| Ok(entry.doing(doing)?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// The container of this name, id or unique prefix of an id; a full name or id comes before a prefix.
///
/// # Errors
/// `No such container`, or more than one has the prefix; in Docker's words.
pub fn find(store: &Store, text: &str) -> Result<Container> {
    look_up(store, text)?.ok_or_else(|| no_such_container(text))
}

/// Docker's words for a name or id that no container has.
pub fn no_such_container(text: &str) -> Failure {
    Failure::new(format!("No such container: {text}"), "")
        .code(ExitCode::General)
        .known(Known::NoSuchContainer(text.to_owned()))
}

/// As [`find`]; None where there is no such container.
///
/// # Errors
/// More than one has the prefix, or the store cannot be read.
pub fn look_up(store: &Store, text: &str) -> Result<Option<Container>> {
    let Some(id) = find_id(store, text)? else { return Ok(None) };
    let name = text.strip_prefix('/').unwrap_or(text);
    // A rename that was killed leaves a claim on a name that is not, or no longer, the container's.
    Ok(Container::read(store, &id)?.filter(|found| found.plan.name == name || id.starts_with(name)))
}

/// The id that a name, id or unique prefix means.
fn find_id(store: &Store, text: &str) -> Result<Option<String>> {
    // Docker prints names with a slash in front, and takes them so.
    let text = text.strip_prefix('/').unwrap_or(text);
    // A name or id is one path component; anything else would leave the directory.
    if text.is_empty() || text.contains('/') || text.starts_with('.') {
        return Ok(None);
    }
    match fs::read_link(store.names().join(text)) {
        Ok(id) => Ok(Some(id.to_string_lossy().into_owned())),
        Err(_) => {
            let mut matching: Vec<String> = ids(store)?.into_iter().filter(|id| id.starts_with(text)).collect();
            match matching.len() {
                0 => Ok(None),
                1 => Ok(Some(matching.remove(0))),
                _ => Err(Failure::new(
                    format!("cannot find container {text}"),
                    format!("multiple IDs found with provided prefix: {text}"),
                )
                .code(ExitCode::General)
                .known(Known::Ambiguous(text.to_owned()))),
            }
        }
    }
}
