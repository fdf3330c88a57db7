//! `rr ps`

mod podman;
pub mod select;

use self::select::Selection;
use super::format::{self, Columns, Row, human};
use super::inspect::network_words;
use super::verbs::Verb;
use super::{output, personality, store};
use crate::container::plan::{MountKind, NetworkMode, RunPlan};
use crate::container::record::{self, Container, Status};
use crate::container::usage;
use crate::container::values::short_id;
use crate::error::{ExitCode, Failure, Result};
use crate::image::reference::Reference;
use crate::launch::health::HealthStatus;
use crate::net::{self, ports::Shown};
use crate::store::Store;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// List containers
#[derive(Debug, clap::Parser)]
pub struct Ps {
    /// Show all containers, not only the running ones
    #[arg(short, long)]
    all: bool,
    /// Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since and more
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the newest so many, whatever their state
    #[arg(short = 'n', long, value_name = "COUNT")]
    last: Option<i64>,
    /// Show the newest, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// Leave out the line of headers
    #[arg(long)]
    noheading: bool,
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show what each has written, and its size with its image
    #[arg(short, long)]
    size: bool,
    /// Sort by command, created, id, image, names, runningfor or status
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
}

/// Docker's fields and headers.
const COLUMNS: Columns = Columns {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        // Podman's.
        ("ImageID", "IMAGE ID"),
        ("Pid", "PID"),
        ("Pod", "POD ID"),
        ("ExitCode", "EXIT CODE"),
        ("Created", "CREATED"),
        ("CreatedHuman", "CREATED"),
        ("StartedAt", "STARTED AT"),
    ],
};

impl Verb for Ps {
    fn run(self) -> Result<i32> {
        let order = self.sort.as_deref().map(Order::parse).transpose()?;
        let store = store()?;
        let selection = Selection::new(&store, &self.filter)?;
        let mut containers = self.wanted(record::list(&store)?, &selection);
        match order {
            Some(order) => order.sort(&mut containers),
            // Podman's newest come last.
            None if personality::is_podman() => containers.reverse(),
            None => {}
        }
        let now = Timestamp::now();
        if personality::is_podman() && self.format.as_deref().is_some_and(|format| format.trim() == "json") {
            return output::text(&podman::list(&containers, now)).map(|()| 0);
        }
        let rows = containers.iter().map(|container| self.row(&store, container, now)).collect::<Result<Vec<_>>>()?;
        if self.quiet && self.format.is_none() {
            let ids: String = rows.iter().map(|row| format!("{}\n", row.fields["ID"])).collect();
            return output::text(&ids).map(|()| 0);
        }
        let mut fields = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
        if self.size {
            fields.push("Size");
        }
        let list = if self.noheading { format::list_without_headers } else { format::list };
        output::text(&list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields))?).map(|()| 0)
    }
}

/// What `--sort` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Command,
    Created,
    Id,
    Image,
    Names,
    Status,
}

impl Order {
    /// Podman's words.
    fn parse(text: &str) -> Result<Order> {
        match text {
            "command" => Ok(Order::Command),
            "created" | "runningfor" => Ok(Order::Created),
            "id" => Ok(Order::Id),
            "image" => Ok(Order::Image),
            "names" => Ok(Order::Names),
            "status" => Ok(Order::Status),
            _ => {
                let cause = "it is one of command, created, id, image, names, runningfor, status";
                Err(Failure::new(format!("cannot use --sort {}", text.escape_debug()), cause).code(ExitCode::General))
            }
        }
    }

    fn sort(self, containers: &mut [Container]) {
        fn image(container: &Container) -> Option<&str> {
            container.plan.image.as_ref().map(|image| image.name.as_str())
        }
        // One call: each call of a sort is five kilobytes of program.
        containers.sort_by(|a, b| match self {
            Order::Command => a.plan.process.args.cmp(&b.plan.process.args),
            Order::Created => a.plan.created.cmp(&b.plan.created),
            Order::Id => a.plan.id.cmp(&b.plan.id),
            Order::Image => image(a).cmp(&image(b)),
            Order::Names => a.plan.name.cmp(&b.plan.name),
            Order::Status => a.state.status.word().cmp(b.state.status.word()),
        });
    }
}

impl Ps {
    /// Running ones, unless `-a`, `-n`, `-l` or a filter by state asks for others.
    fn wanted(&self, containers: Vec<Container>, selection: &Selection) -> Vec<Container> {
        let last = if self.latest { Some(1) } else { self.last.filter(|count| *count >= 0) };
        let every = self.all || last.is_some() || selection.asks_for_states();
        let mut wanted: Vec<Container> = containers
            .into_iter()
            .filter(|container| every || container.state.status.is_alive())
            .filter(|container| selection.holds(container))
            .collect();
        // `record::list` has the newest first.
        wanted.truncate(last.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX));
        wanted
    }

    fn row(&self, store: &Store, container: &Container, now: Timestamp) -> Result<Row> {
        let plan = &container.plan;
        let command = command(plan, self.no_trunc);
        let labels: Vec<String> = plan.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mounts: Vec<String> = sources_and_targets(plan).map(|(source, _)| source).collect();
        let cut = |text: &String| if self.no_trunc { text.clone() } else { human::ellipsis(text, 15) };
        let fields = [
            ("ID", if self.no_trunc { plan.id.clone() } else { short_id(&plan.id).to_owned() }),
            ("Image", plan.image.as_ref().map_or("<no image>".into(), |image| image_name(&image.name))),
            ("Command", command),
            ("RunningFor", format!("{} ago", human::since(plan.created, now))),
            ("CreatedAt", human::date(plan.created)),
            ("Status", status(container, now)),
            ("State", container.state.status.word().to_owned()),
            ("Ports", ports(container)),
            ("Names", plan.name.clone()),
            ("Size", if self.size { size(store, container)? } else { "0B".into() }),
            ("Labels", labels.join(",")),
            ("Mounts", mounts.iter().map(cut).collect::<Vec<_>>().join(",")),
            ("LocalVolumes", volumes(plan).count().to_string()),
            ("Networks", network_words(&plan.network).join(",")),
        ];
        let mut fields = BTreeMap::from(fields);
        if personality::is_podman() {
            fields.extend(podman::fields(container, now));
        }
        Ok(Row { fields, labels: plan.labels.clone() })
    }
}

/// The image's name as it was typed, or in full as Podman has it.
fn image_name(typed: &str) -> String {
    match typed.parse::<Reference>() {
        Ok(name) if personality::is_podman() => name.to_string(),
        _ => typed.to_owned(),
    }
}

/// The command as `"sh -c 'sleep 1'"`, or as Podman has it.
fn command(plan: &RunPlan, whole: bool) -> String {
    const WIDTH: usize = 20;
    let args = &plan.process.args;
    if personality::is_podman() {
        let text = args.join(" ");
        return if whole { text } else { human::dots(&text, WIDTH) };
    }
    // What is executed stands as it is, an argument with a blank in single quotes.
    let quote = |(place, word): (usize, &String)| match place > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    };
    let text = args.iter().enumerate().map(quote).collect::<Vec<_>>().join(" ");
    human::quoted(&if whole { text } else { human::ellipsis(&text, WIDTH) })
}

/// `Up 2 minutes`, `Exited (0) 3 days ago`, `Created`.
fn status(container: &Container, now: Timestamp) -> String {
    let state = &container.state;
    let since = |time: Option<Timestamp>| time.map(|time| human::since(time, now)).unwrap_or_default();
    match state.status {
        Status::Created => "Created".into(),
        Status::Running if personality::is_podman() => {
            let health = state.health.as_ref().map(|health| format!(" ({})", health.status.word()));
            format!("Up {} ago{}", since(state.started_at), health.unwrap_or_default())
        }
        Status::Running => {
            let health = state.health.as_ref().map(|health| match health.status {
                HealthStatus::Starting => " (health: starting)".to_owned(),
                decided => format!(" ({})", decided.word()),
            });
            format!("Up {}{}", since(state.started_at), health.unwrap_or_default())
        }
        Status::Paused if personality::is_podman() => "Paused".into(),
        Status::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Status::Restarting => {
            format!("Restarting ({}) {} ago", state.exit_code.unwrap_or(0), since(state.finished_at))
        }
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code.unwrap_or(0), since(state.finished_at)),
    }
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp`: what is published, and what is only exposed, of a container that
/// runs in a network of its own.
fn ports(container: &Container) -> String {
    if !shows_ports(container) {
        return String::new();
    }
    let bound = &container.state.ports;
    let exposed = container.plan.exposed_ports.iter().filter_map(|text| {
        let (number, protocol) = text.split_once('/')?;
        let is_bound =
            bound.iter().any(|port| port.container.to_string() == number && port.protocol.to_string() == protocol);
        match is_bound {
            true => None,
            false => Some(Shown { host: None, container: number.parse().ok()?, protocol: protocol.to_owned() }),
        }
    });
    if personality::is_podman() {
        let once = bound.iter().filter(|port| !bound.iter().any(|other| port.is_twin_of(other)));
        return net::ports::podmans(&once.map(Shown::from).chain(exposed).collect::<Vec<_>>());
    }
    net::ports::dockers(&bound.iter().map(Shown::from).chain(exposed).collect::<Vec<_>>())
}

/// Whether it has a network of its own now.
pub fn shows_ports(container: &Container) -> bool {
    container.state.status.is_alive()
        && !matches!(container.plan.network.mode, NetworkMode::Host | NetworkMode::None | NetworkMode::Container)
}

/// `12.3kB (virtual 7.81MB)`: what was written, and that with the image.
fn size(store: &Store, container: &Container) -> Result<String> {
    let own = usage::written_by(container)?;
    let below = usage::below(store, container);
    Ok(format!("{} (virtual {})", human::size(own), human::size(own + below)))
}

/// Where the mounts that are listed come from and go to.
fn sources_and_targets(plan: &RunPlan) -> impl Iterator<Item = (String, &str)> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some((source.display().to_string(), mount.target.as_str())),
        MountKind::Volume { name, .. } => Some((name.clone(), mount.target.as_str())),
        MountKind::Tmpfs { .. } => None,
    })
}

fn volumes(plan: &RunPlan) -> impl Iterator<Item = &str> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Volume { name, .. } => Some(name.as_str()),
        _ => None,
    })
}
