//! From a plan to a running container: the record is made, then the launcher starts it.

use super::create::{HostFacts, ImageFacts, resolve_plan};
use super::events;
use super::health::Health;
use super::options::CreateOptions;
use super::plan::{ImageUse, NetworkMode, RestartPolicy, RootSource, RunPlan};
use super::record::{self, Container, Held, NameChoice, State, Status};
use super::restart::Restarts;
use super::shared_namespaces::{self, Shared};
use super::{joining, networks, published, volumes};
use crate::confine::cgroup::{self, Recorded, Site};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::ids::{IdMaps, InsideId};
use crate::host::process::ProcessName;
use crate::host::userns::{own_ids, root_reaches_own_files};
use crate::host::users;
use crate::image::Image;
use crate::launch::health::{Checked, HealthStatus};
use crate::launch::networks::{Joined, Places, Seat};
use crate::launch::protocol::{Exit, WindowSize};
use crate::launch::stdio::{ClientPipes, Input, Output};
use crate::launch::{self, Keeper, Launch, Presence, Running, Sequel, StoreNamespace, Wish};
use crate::net::ports::Bound;
use crate::net::{self, ResolvedNetwork};
use crate::rootfs::etc::{self, NameFile};
use crate::rootfs::mount::{Mount, MountKind};
use crate::rootfs::overlay::Driver;
use crate::rootfs::volumes::{Volumes, create_missing_source};
use crate::store::{Event, Store};
use std::cell::Cell;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A container with a record that has not been started yet. Dropping it leaves the record.
#[derive(Debug)]
pub struct Created {
    store: Store,
    plan: RunPlan,
    held: Held,
    made: Made,
}

/// Whether the event log knows of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It was made right now.
    Now,
    /// It was made before.
    Before,
}

/// Decides the container and makes its record. The caller holds the store's shared lock from before
/// it found `image` until this returns.
///
/// # Errors
/// Options that contradict each other, a name that is taken, or the system's.
pub fn create(
    store: &Store,
    mut options: CreateOptions,
    image: Option<(&str, &Image)>,
    ids: IdMaps,
) -> Result<Created> {
    let name_choice = if options.name.is_some() { NameChoice::Given } else { NameChoice::Suggested };
    let from = inherit_mounts(store, &mut options)?;
    let _networks = networks::hold(store, &options.network)?;
    let mut plan = merge(options, image, ids)?;
    // What must be there before it can be mounted. Docker makes a missing source of a `-v`.
    for mount in &plan.mounts {
        if let MountKind::Bind { source, create_source: true, .. } = &mount.kind {
            create_missing_source(source)?;
        }
    }
    if !plan.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Volume { .. })) {
        let held = record::create(store, &mut plan, name_choice)?;
        return Ok(Created { store: store.clone(), plan, held, made: Made::Now });
    }
    let (plan, held) = create_with_volumes(store, plan, name_choice, &from)?;
    Ok(Created { store: store.clone(), plan, held, made: Made::Now })
}

/// What would be decided, and nothing made.
///
/// # Errors
/// Options that contradict each other, or the system's.
pub fn decide(
    store: &Store,
    mut options: CreateOptions,
    image: Option<(&str, &Image)>,
    ids: IdMaps,
) -> Result<RunPlan> {
    inherit_mounts(store, &mut options)?;
    merge(options, image, ids)
}

fn merge(options: CreateOptions, image: Option<(&str, &Image)>, ids: IdMaps) -> Result<RunPlan> {
    let facts = image.map(|(name, image)| ImageFacts {
        used: ImageUse { name: name.to_owned(), id: image.id.to_string(), manifest: image.manifest_digest.to_string() },
        diff_ids: image.visible_layers().iter().map(|layer| layer.diff_id.to_string()).collect(),
        defaults: image.config.config.clone(),
    });
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = match options.userns.kept_ids() {
        Some(_) => users::look_up(users::Key::Uid(rustix::process::geteuid().as_raw()))?,
        None => None,
    };
    resolve_plan(options, facts, HostFacts { hostname, ids, user })
}

/// `--volumes-from`: adds the other containers' binds and volumes where nothing else is mounted, a later
/// container's before an earlier one's. Returns those containers.
fn inherit_mounts(store: &Store, options: &mut CreateOptions) -> Result<Vec<Container>> {
    let mut containers = Vec::new();
    let mut inherited: Vec<Mount> = Vec::new();
    for from in &options.volumes_from {
        // Docker's 125, also where it is not there.
        let found = record::find(store, &from.container);
        let container = found.map_err(|failure| failure.code(ExitCode::Runner))?;
        for mount in &container.plan.mounts {
            let mut mount = Mount { read_only: mount.read_only || from.read_only, ..mount.clone() };
            match &mut mount.kind {
                // Whatever is to be copied or given to somebody has been, for the other container.
                MountKind::Volume { no_copy, chown, .. } => (*no_copy, *chown) = (true, false),
                MountKind::Bind { chown, .. } => *chown = false,
                MountKind::Tmpfs { .. } => continue,
            }
            inherited.retain(|earlier| earlier.target != mount.target);
            inherited.push(mount);
        }
        containers.push(container);
    }
    inherited.retain(|mount| !options.mounts.iter().any(|own| own.target == mount.target));
    options.mounts.append(&mut inherited);
    Ok(containers)
}

/// Makes the volumes and the record that names them; without the record, the anonymous ones go again.
/// `from` are the containers of `--volumes-from`.
fn create_with_volumes(
    store: &Store,
    mut plan: RunPlan,
    name_choice: NameChoice,
    from: &[Container],
) -> Result<(RunPlan, Held)> {
    let stay = store.lock_volumes_shared()?;
    // From here on their volumes stay, unless they went a moment ago.
    if let Some(gone) = from.iter().find(|container| !container.dir.join("plan.json").exists()) {
        return Err(record::no_such_container(&gone.plan.name));
    }
    let made = volumes::prepare(store, &plan.mounts)?;
    let prepared = match root_reaches_own_files(&plan.ids) {
        true => Ok(()),
        false => give_new_volumes(store, &plan),
    };
    let held = prepared.and_then(|()| record::create(store, &mut plan, name_choice));
    drop(stay);
    match held {
        Ok(held) => Ok((plan, held)),
        Err(failure) => {
            // Somebody may have begun to use them; whatever stays is found by `volume prune`.
            let _ = made.iter().try_for_each(|name| volumes::remove(store, name));
            Err(failure)
        }
    }
}

/// Volumes that nobody has used yet become the container's, whose root could not fill or write them
/// otherwise. One with files in it keeps its owner.
fn give_new_volumes(store: &Store, plan: &RunPlan) -> Result<()> {
    let mut fresh = Vec::new();
    for mount in &plan.mounts {
        let MountKind::Volume { name, .. } = &mount.kind else { continue };
        let home = store.volumes().join(name);
        let doing = || format!("cannot prepare the volume {name}");
        // The image's content is staged in it; the store above is 0700.
        std::fs::set_permissions(&home, Permissions::from_mode(0o777)).doing(doing)?;
        let data = home.join("_data");
        let is_ours = std::fs::metadata(&data).doing(doing)?.uid() == rustix::process::geteuid().as_raw();
        if is_ours && std::fs::read_dir(&data).doing(doing)?.next().is_none() {
            fresh.push(data);
        }
    }
    if fresh.is_empty() {
        return Ok(());
    }
    StoreNamespace::here()?.give_to_root_of(&plan.ids, &fresh)
}

impl Created {
    /// The decision.
    pub fn plan(&self) -> &RunPlan {
        &self.plan
    }

    /// `containers/<id>`.
    pub fn directory(&self) -> &Path {
        &self.held.dir
    }

    /// Keeps it for a later `rr start`: with `--rm` as well, since a record without a state is what a
    /// `run --rm` that was killed leaves behind.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(self) -> Result<()> {
        self.held.write_state(&State::default())?;
        self.store.tell_and_bound(&[created(&self.plan)]);
        Ok(())
    }

    /// Whether output goes to the log, where whoever follows the container reads it.
    pub fn is_logged(&self, presence: Presence) -> bool {
        matches!(output(&self.plan, presence), Output::Log(_))
    }

    /// Starts it; `notice` is called for each line the user should read. What fails here leaves no
    /// process; a container with `--rm` is removed, another one keeps the failure in its record.
    ///
    /// # Errors
    /// See [`launch::start`].
    pub fn start(self, start: &Start<'_>, notice: &mut dyn FnMut(String)) -> Result<Running> {
        let Created { store, plan, held, made } = self;
        let Connected { network, names, shared_names, seats, shared } = match connect(&store, &plan, notice) {
            Ok(connected) => connected,
            Err(failure) => return Err(after_failure(&store, &plan, &held, made, failure)),
        };
        let layers = match layer_paths(&store, &plan) {
            Ok(layers) => layers,
            Err(failure) => return Err(after_failure(&store, &plan, &held, made, failure)),
        };
        let backings = match volumes::backings(&store, &plan.mounts) {
            Ok(backings) => backings,
            Err(failure) => return Err(after_failure(&store, &plan, &held, made, failure)),
        };
        let site = match site(&plan) {
            Ok(site) => site,
            Err(failure) => return Err(after_failure(&store, &plan, &held, made, failure)),
        };
        let ports = match published::open(&store, &plan, &network) {
            Ok(ports) => ports,
            Err(failure) => return Err(after_failure(&store, &plan, &held, made, failure)),
        };
        let launch = Launch {
            plan: &plan,
            ports: Cell::new(ports),
            dir: &held.dir,
            names,
            shared_names,
            layers,
            volumes: Volumes { directory: &store.volumes(), backings: &backings },
            driver: start.driver,
            network: &network,
            parents: &shared.parents,
            shared_memory: shared.memory,
            places: Places::new(seats).into(),
            site: site.as_ref(),
            user: own_ids(),
            window: start.window,
            presence: start.presence,
            input: match (plan.stdio.interactive && !plan.stdio.tty, start.input) {
                (false, _) => Input::Nothing,
                (true, input) => input,
            },
            output: output(&plan, start.presence),
            pipes: start.pipes,
        };
        let mut keeper = Recorder {
            store: &store,
            plan: &plan,
            held: &held,
            state: State::default(),
            policy: plan.restart,
            restarts: Restarts::default(),
            retired: false,
            made,
            presence: start.presence,
        };
        launch::start(&launch, &mut keeper, notice)
            .map_err(|failure| after_failure(&store, &plan, &held, made, failure))
    }
}

/// Where its control group is to be; None where nothing was asked for that takes one.
fn site(plan: &RunPlan) -> Result<Option<Site>> {
    if plan.limits.is_default() {
        return Ok(None);
    }
    // What there is to tell was told when the container was made.
    cgroup::find_site(&plan.limits).map(|(site, _)| Some(site))
}

/// How a container is started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Who stacks the layers.
    pub driver: Driver,
    /// The size of the client's terminal, with `-t`.
    pub window: Option<WindowSize>,
    /// Whether the client stays.
    pub presence: Presence,
    /// Who gives a payload without a terminal its input, with `-i`.
    pub input: Input,
    /// What stands in for the client's terminals, where output is not logged.
    pub pipes: ClientPipes<'a>,
}

/// Where output goes: to the log, unless there is none, or a client stays with a container that is
/// thrown away at its end.
fn output(plan: &RunPlan, presence: Presence) -> Output {
    match (&plan.log, presence) {
        (Some(log), Presence::Detached) => Output::Log(log.clone()),
        (Some(log), Presence::Attached) if !plan.remove => Output::Log(log.clone()),
        (None, Presence::Detached) => Output::Nothing,
        (_, Presence::Attached) => Output::Client,
    }
}

/// Takes a container that does not run in order to start it again; None where it runs already.
///
/// # Errors
/// It was removed meanwhile; another command holds it; or the system's.
pub fn reopen(store: &Store, container: &Container) -> Result<Option<Created>> {
    let Some((held, plan)) = record::hold(container)? else { return Ok(None) };
    Ok(Some(Created { store: store.clone(), plan, held, made: Made::Before }))
}

/// How a container is connected.
struct Connected {
    network: ResolvedNetwork,
    /// The files that name things, which describe host and networks as they are now.
    names: [NameFile; 3],
    shared_names: Option<PathBuf>,
    seats: Vec<Seat>,
    shared: Shared,
}

/// Decides the network, and takes the container's places on networks of its own.
fn connect(store: &Store, plan: &RunPlan, notice: &mut dyn FnMut(String)) -> Result<Connected> {
    if plan.network.mode == NetworkMode::Container {
        let owner = joining::owner_of_namespace(store, plan)?;
        // Of one that is thrown away at its end they are in its memory only, and what they say now is copied.
        let shared_names = owner.dir.join(etc::FILES[0]).exists().then(|| owner.dir.clone());
        let names = match shared_names {
            Some(_) => etc::FILES.map(|name| (name, String::new())),
            None => joining::names_of(&owner)?,
        };
        let (network, owner) = match owner.plan.network.mode {
            NetworkMode::Host => (ResolvedNetwork::Host, None),
            _ => (ResolvedNetwork::Shared, Some(owner)),
        };
        let shared = shared_namespaces::open(store, plan, owner)?;
        return Ok(Connected { network, names, shared_names, seats: Vec::new(), shared });
    }
    let mut shared = match plan.isolation.container {
        Some(_) => shared_namespaces::open(store, plan, None)?,
        None => Shared::default(),
    };
    let seats = match plan.network.networks.is_empty() {
        true => Vec::new(),
        false => {
            let Joined { seats, parent, notices } = joining::join(store, plan)?;
            notices.into_iter().for_each(&mut *notice);
            // The networks' is the outermost of all.
            shared.parents.insert(0, parent);
            seats
        }
    };
    let (network, notices) = match plan.network.mode {
        NetworkMode::Networks => (joining::resolved(&seats), Vec::new()),
        _ => net::plan(&plan.network)?,
    };
    let discarded = published::discarded(&plan.network, &network);
    notices.into_iter().chain(discarded).for_each(|line| notice(line.0));
    let names = net::files(&plan.network, &network, &plan.hostname)?;
    Ok(Connected { network, names, shared_names: None, seats, shared })
}

/// Where the layers of the plan lie, bottom first.
///
/// # Errors
/// The system's.
pub fn layer_paths(store: &Store, plan: &RunPlan) -> Result<Vec<PathBuf>> {
    let RootSource::Layers { diff_ids } = &plan.root else { return Ok(Vec::new()) };
    let key = plan.ids.key();
    let layers = diff_ids.iter().map(|diff_id| store.layer(&key, diff_id.trim_start_matches("sha256:")));
    // Where the container's root is the user, whose files these are.
    let (user, group) = own_ids();
    let root_is_the_user =
        plan.ids.users.to_host(InsideId(0)) == Some(user) && plan.ids.groups.to_host(InsideId(0)) == Some(group);
    match root_is_the_user {
        true => Ok(std::iter::once(store.mountpoints(etc::FILES.into_iter())?).chain(layers).collect()),
        false => Ok(layers.collect()),
    }
}

/// Puts the record right after a start that failed; returns the failure to tell.
fn after_failure(store: &Store, plan: &RunPlan, held: &Held, made: Made, failure: Failure) -> Failure {
    if let Some(group) = Recorded::of(&held.dir) {
        group.remove();
    }
    let mut told = Vec::new();
    if made == Made::Now {
        told.push(created(plan));
    }
    told.push(events::died(plan, failure.code.number()));
    if plan.remove {
        told.push(events::event(plan, "destroy"));
    }
    store.tell_and_bound(&told);
    let kept = if plan.remove {
        StoreNamespace::here()
            .and_then(|namespace| namespace.run(|| held.remove(store, plan)))
            // Without a namespace there is nothing of other ids either.
            .or_else(|_| held.remove(store, plan))
    } else {
        let state =
            State { exit_code: Some(failure.code.number()), error: Some(failure.to_string()), ..State::default() };
        held.write_state(&state)
    };
    match kept {
        Ok(()) => failure,
        Err(second) => failure.hint(format!("and then, {second}")),
    }
}

/// Keeps the record while the container runs; lives in the monitor.
struct Recorder<'a> {
    store: &'a Store,
    plan: &'a RunPlan,
    held: &'a Held,
    state: State,
    /// The plan's, unless `update` has changed it since.
    policy: RestartPolicy,
    restarts: Restarts,
    /// No command finds the container any more, and its files are still there.
    retired: bool,
    made: Made,
    presence: Presence,
}

/// A container is told of as made when its record was.
fn created(plan: &RunPlan) -> Event {
    Event { time: plan.created, ..events::event(plan, "create") }
}

impl Keeper for Recorder<'_> {
    fn started(
        &mut self,
        init: Option<ProcessName>,
        monitor: Option<ProcessName>,
        ports: &[Bound],
        endpoints: Vec<net::Endpoint>,
    ) -> Result<()> {
        self.state = State {
            restart_count: self.restarts.count,
            health: Health::at_start(self.plan.health.as_ref()),
            ports: ports.to_vec(),
            endpoints,
            ..State::running(init, monitor)
        };
        self.held.write_state(&self.state)?;
        // One write for everything up to here.
        let mut told = Vec::with_capacity(3);
        if std::mem::replace(&mut self.made, Made::Before) == Made::Now {
            told.push(created(self.plan));
        }
        if self.presence == Presence::Attached && self.restarts.count == 0 {
            told.push(events::event(self.plan, "attach"));
        }
        told.push(events::event(self.plan, "start"));
        self.store.tell(&told);
        Ok(())
    }

    fn placed(&mut self, endpoints: Vec<net::Endpoint>, lost: &[String]) {
        self.state.endpoints = endpoints;
        if let Err(failure) = self.held.write_state(&self.state) {
            // Whatever is written next says it, too.
            log::debug!("{failure}");
        }
        let left = lost.iter().filter_map(|name| networks::find(self.store, name).ok());
        let told: Vec<Event> = left.map(|network| networks::moved(&network, self.plan, "disconnect")).collect();
        if !told.is_empty() {
            self.store.tell_and_bound(&told);
        }
    }

    fn plan_changed(&mut self) {
        match self.held.plan() {
            Ok(Some(plan)) => self.policy = plan.restart,
            Ok(None) => {}
            Err(failure) => log::debug!("{failure}"),
        }
    }

    fn is_paused(&self) -> bool {
        super::pause::is_paused(&self.held.dir, self.state.init.as_ref())
    }

    fn checked(&mut self, checked: Checked, after: Duration) -> HealthStatus {
        let (Some(health), Some(plan)) = (&mut self.state.health, &self.plan.health) else {
            return HealthStatus::default();
        };
        let changed = health.take(plan, checked, after);
        let status = health.status;
        if let Err(failure) = self.held.write_state(&self.state) {
            // The next result is written with this one.
            log::debug!("{failure}");
        }
        if changed {
            self.store.tell(&[events::health_changed(self.plan, status)]);
        }
        status
    }

    fn remedied(&mut self, signal: i32) {
        self.store.tell(&[events::killed(self.plan, signal)]);
    }

    fn network_lost(&mut self, why: &str) {
        self.state.error = Some(why.to_owned());
        if let Err(failure) = self.held.write_state(&self.state) {
            // Whatever is written next says it, too.
            log::debug!("{failure}");
        }
    }

    fn out_of_memory(&mut self) {
        self.state.oom_killed = true;
        if let Err(failure) = self.held.write_state(&self.state) {
            // Whatever is written next says it, too.
            log::debug!("{failure}");
        }
        self.store.tell_and_bound(&[events::event(self.plan, "oom")]);
    }

    fn execution_died(&mut self, id: &str, exit: Exit) {
        self.store.tell_and_bound(&[events::execution_died(self.plan, id, exit.code())]);
    }

    fn ended(&mut self, exit: Exit, wish: Wish) -> Result<Sequel> {
        if self.plan.remove && wish != Wish::Restart {
            self.held.retire(self.store, self.plan)?;
            self.retired = true;
            let told = [events::died(self.plan, exit.code()), events::event(self.plan, "destroy")];
            self.store.tell(&told);
            return Ok(Sequel::End);
        }
        let state = std::mem::take(&mut self.state);
        let began = state.started_at.unwrap_or_default();
        let monitor = state.monitor.clone();
        self.state = State { stopped_by_user: wish == Wish::StayDown, ..state.ended(exit) };
        let pause = match wish {
            Wish::StayDown => None,
            Wish::Restart => Some(self.restarts.asked_for()),
            Wish::None => self.restarts.after(self.policy, exit, length(began, jiff::Timestamp::now())),
        };
        if pause.is_some() {
            self.state.status = Status::Restarting;
            self.state.monitor = monitor;
            self.state.restart_count = self.restarts.count;
        }
        self.held.write_state(&self.state)?;
        self.store.tell_and_bound(&[events::died(self.plan, exit.code())]);
        Ok(pause.map_or(Sequel::End, |after| Sequel::Again { after }))
    }

    fn given_up(&mut self, failure: Option<&Failure>) {
        self.state = State {
            status: Status::Exited,
            init: None,
            monitor: None,
            ports: Vec::new(),
            endpoints: Vec::new(),
            error: failure.map(Failure::to_string),
            stopped_by_user: failure.is_none(),
            ..std::mem::take(&mut self.state)
        };
        if let Err(failure) = self.held.write_state(&self.state) {
            // The next command sees that nobody holds the container, and puts the state right.
            log::debug!("{failure}");
        }
    }

    fn clean_up(&mut self) -> Result<()> {
        if !self.retired {
            return Ok(());
        }
        self.store.bound_events();
        self.held.remove_retired(self.store, self.plan)
    }
}

/// How long a run was; a clock that was set back makes it short.
fn length(began: jiff::Timestamp, ended: jiff::Timestamp) -> Duration {
    ended.duration_since(began).try_into().unwrap_or_default()
}
