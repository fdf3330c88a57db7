//! `rr ps`

use super::filter::Filters;
use super::format::{self, Columns, Row, human};
use super::inspect::network_word;
use super::verbs::Verb;
use super::{output, store};
use crate::container::plan::{MountKind, RunPlan};
use crate::container::record::{self, Container, Status};
use crate::container::usage;
use crate::container::values::short_id;
use crate::error::{ExitCode, Failure, Result};
use crate::image;
use crate::store::Store;
use jiff::Timestamp;

/// List containers
#[derive(Debug, clap::Parser)]
pub struct Ps {
    /// Show all containers, not only the running ones
    #[arg(short, long)]
    all: bool,
    /// Show only what matches: id, name, label, status, exited, ancestor, volume, network, before, since
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
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show what each has written, and its size with its image
    #[arg(short, long)]
    size: bool,
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
    ],
};

const FILTERS: [&str; 10] =
    ["id", "name", "label", "status", "exited", "ancestor", "volume", "network", "before", "since"];

impl Verb for Ps {
    fn run(self) -> Result<i32> {
        let filters = Filters::parse(&self.filter, &FILTERS)?;
        check_states(&filters)?;
        let store = store()?;
        let containers = record::list(&store)?;
        let now = Timestamp::now();
        let mut rows = Vec::new();
        for container in self.wanted(&store, containers, &filters)? {
            rows.push(self.row(&store, &container, now)?);
        }
        if self.quiet {
            let ids: String = rows.iter().map(|row| format!("{}\n", row.fields["ID"])).collect();
            return output::text(&ids).map(|()| 0);
        }
        let mut fields = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
        if self.size {
            fields.push("Size");
        }
        output::text(&format::list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields))?).map(|()| 0)
    }
}

impl Ps {
    /// Running ones, unless `-a`, `-n`, `-l` or a filter by state asks for others.
    fn wanted(&self, store: &Store, containers: Vec<Container>, filters: &Filters) -> Result<Vec<Container>> {
        let last = if self.latest { Some(1) } else { self.last.filter(|count| *count >= 0) };
        let every = self.all || last.is_some() || filters.has("status") || filters.has("exited");
        let bound = |name: &str| -> Result<Option<Timestamp>> {
            match filters.values(name).last() {
                Some(text) => Ok(Some(record::find(store, text)?.plan.created)),
                None => Ok(None),
            }
        };
        let (before, since) = (bound("before")?, bound("since")?);
        let mut wanted: Vec<Container> = containers
            .into_iter()
            .filter(|container| every || container.state.status.is_alive())
            .filter(|container| before.is_none_or(|before| container.plan.created < before))
            .filter(|container| since.is_none_or(|since| container.plan.created > since))
            .filter(|container| is_wanted(container, filters))
            .collect();
        // `record::list` has the newest first.
        wanted.truncate(last.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX));
        Ok(wanted)
    }

    fn row(&self, store: &Store, container: &Container, now: Timestamp) -> Result<Row> {
        let plan = &container.plan;
        let command = plan.process.args.join(" ");
        let command = if self.no_trunc { command } else { human::ellipsis(&command, 20) };
        let labels: Vec<String> = plan.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mounts: Vec<String> = mounts(plan).collect();
        let cut = |text: &String| if self.no_trunc { text.clone() } else { human::ellipsis(text, 15) };
        let fields = [
            ("ID", if self.no_trunc { plan.id.clone() } else { short_id(&plan.id).to_owned() }),
            ("Image", plan.image.as_ref().map_or("<no image>".into(), |image| image.name.clone())),
            ("Command", human::quoted(&command)),
            ("RunningFor", format!("{} ago", human::since(plan.created, now))),
            ("CreatedAt", human::date(plan.created)),
            ("Status", status(container, now)),
            ("State", container.state.status.word().to_owned()),
            ("Ports", String::new()),
            ("Names", plan.name.clone()),
            ("Size", if self.size { size(store, container)? } else { "0B".into() }),
            ("Labels", labels.join(",")),
            ("Mounts", mounts.iter().map(cut).collect::<Vec<_>>().join(",")),
            ("LocalVolumes", volumes(plan).count().to_string()),
            ("Networks", network_word(plan.network.mode).to_owned()),
        ];
        Ok(Row { fields: fields.into(), labels: plan.labels.clone() })
    }
}

/// `Up 2 minutes`, `Exited (0) 3 days ago`, `Created`.
fn status(container: &Container, now: Timestamp) -> String {
    let state = &container.state;
    let since = |time: Option<Timestamp>| time.map(|time| human::since(time, now)).unwrap_or_default();
    match state.status {
        Status::Created => "Created".into(),
        Status::Running => format!("Up {}", since(state.started_at)),
        Status::Restarting => {
            format!("Restarting ({}) {} ago", state.exit_code.unwrap_or(0), since(state.finished_at))
        }
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code.unwrap_or(0), since(state.finished_at)),
    }
}

/// `12.3kB (virtual 7.81MB)`: what was written, and that with the image.
fn size(store: &Store, container: &Container) -> Result<String> {
    let own = usage::written_by(container)?;
    let image = match &container.plan.image {
        // The image may be gone: the container keeps its layers.
        Some(image) => image::resolve(store, &image.id).ok(),
        None => None,
    };
    let below = image.map_or(0, |image| image.unpacked_size.unwrap_or(image.size));
    Ok(format!("{} (virtual {})", human::size(own), human::size(own + below)))
}

/// Sources of mounts: names of volumes, paths of the host.
fn mounts(plan: &RunPlan) -> impl Iterator<Item = String> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(source.display().to_string()),
        MountKind::Volume { name, .. } => Some(name.clone()),
        MountKind::Tmpfs { .. } => None,
    })
}

fn volumes(plan: &RunPlan) -> impl Iterator<Item = &str> {
    plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Volume { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

/// States that Docker has: a filter by one that rr never reaches finds nothing, any other is wrong.
const STATES: [&str; 7] = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

fn check_states(filters: &Filters) -> Result<()> {
    let refuse = |filter: &str, value: &str, cause: String| {
        Err(Failure::new(format!("cannot use --filter {filter}={value}"), cause).code(ExitCode::General))
    };
    if let Some(state) = filters.values("status").iter().find(|state| !STATES.contains(&state.as_str())) {
        return refuse("status", state, format!("it is one of {}", STATES.join(", ")));
    }
    match filters.values("exited").iter().find(|code| code.parse::<i32>().is_err()) {
        Some(code) => refuse("exited", code, "it is no exit status".into()),
        None => Ok(()),
    }
}

fn is_wanted(container: &Container, filters: &Filters) -> bool {
    let (plan, state) = (&container.plan, &container.state);
    filters.any("id", |id| plan.id.starts_with(id))
        && filters.any("name", |name| name_matches(name, &plan.name))
        && filters.labels(&plan.labels)
        && filters.any("status", |word| state.status.word() == word)
        && filters.any("exited", |code| {
            state.status == Status::Exited && code.parse().is_ok_and(|code: i32| state.exit_code == Some(code))
        })
        && filters.any("ancestor", |image| is_ancestor(image, plan))
        && filters.any("volume", |text| {
            mounts(plan).any(|source| source == text) || plan.mounts.iter().any(|mount| mount.target == text)
        })
        && filters.any("network", |mode| network_word(plan.network.mode) == mode)
}

/// Docker's filter is a regular expression; rr knows a part of a name, and `^` and `$`.
fn name_matches(wanted: &str, name: &str) -> bool {
    let (start, wanted) = match wanted.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, wanted),
    };
    let (end, wanted) = match wanted.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, wanted),
    };
    let wanted = wanted.strip_prefix('/').unwrap_or(wanted);
    match (start, end) {
        (true, true) => name == wanted,
        (true, false) => name.starts_with(wanted),
        (false, true) => name.ends_with(wanted),
        (false, false) => name.contains(wanted),
    }
}

/// Whether the container was made from this image, by the name that was typed then or by its id.
fn is_ancestor(wanted: &str, plan: &RunPlan) -> bool {
    let Some(image) = &plan.image else { return false };
    let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let same = |text: &str| text.parse::<image::reference::Reference>().ok();
    let by_name = same(wanted).is_some_and(|wanted| same(&image.name) == Some(wanted));
    by_name || (digits.len() >= 4 && image.id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_by_part_and_by_anchor() {
        for (wanted, name, met) in [
            ("web", "my-web-1", true),
            ("^web", "my-web-1", false),
            ("^/web$", "web", true),
            ("web$", "web-1", false),
            ("/web", "web", true),
        ] {
            assert_eq!(name_matches(wanted, name), met, "{wanted} {name}");
        }
    }

    #[test]
    fn unknown_states_are_refused() {
        let check = |text: &str| check_states(&Filters::parse(&[text.to_owned()], &FILTERS).unwrap());
        assert!(check("status=running").is_ok() && check("status=paused").is_ok() && check("exited=-1").is_ok());
        assert!(check("status=nope").is_err() && check("exited=x").is_err());
    }
}
