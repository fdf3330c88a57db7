//! `rr stats`

use super::format::{self, Columns, Row, human};
use super::verbs::Verb;
use super::{personality, store};
use crate::container::record::{self, Container, Status};
use crate::container::stats::{Traffic, Usage, memory_limit};
use crate::container::values::short_id;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Show what containers use, again and again
///
/// The figures are sums over the processes of each container, or its control group's where it has limits. Of containers that do not run, which are shown where they
/// are named or with --all, all are zero.
#[derive(Debug, clap::Parser)]
pub struct Stats {
    /// Show all containers, not only the running ones
    #[arg(short, long)]
    all: bool,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Seconds between two looks [default: 1; as podman: 5]
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    interval: Option<u32>,
    /// The container that was made last
    #[arg(short, long)]
    latest: bool,
    /// Do not clear the terminal in between
    #[arg(long)]
    no_reset: bool,
    /// Look once, for a second
    #[arg(long)]
    no_stream: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Names or ids [default: all running containers]
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Docker's fields and headers, then Podman's.
const COLUMNS: Columns = Columns {
    headers: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
};
const PODMAN_COLUMNS: Columns = Columns {
    headers: &[
        ("ContainerID", "CONTAINERID"),
        ("ID", "ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemUsageBytes", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("MemLimit", "MEM LIMIT"),
        ("NetIO", "NET IO"),
        ("NetInput", "NETINPUT"),
        ("NetOutput", "NETOUTPUT"),
        ("BlockIO", "BLOCK IO"),
        ("BlockInput", "BLOCKINPUT"),
        ("BlockOutput", "BLOCKOUTPUT"),
        ("PIDS", "PIDS"),
        ("PIDs", "PIDS"),
        ("UpTime", "CPU TIME"),
        ("Up", "CPU TIME"),
        ("Duration", "CPU TIME"),
        ("CPUNano", "CPU TIME"),
        ("CPU", "CPU"),
        ("AvgCPU", "AVG CPU %"),
        ("AVGCPU", "AVG CPU %"),
    ],
};

/// A container at one moment, with what it is called on the command line.
struct Sample {
    typed: String,
    container: Container,
    usage: Usage,
    taken: Instant,
}

/// What it has used of processors, in percent of one.
struct Share {
    /// Since the last look.
    now: f64,
    /// Since its start.
    average: f64,
}

impl Verb for Stats {
    fn run(self) -> Result<i32> {
        if usize::from(self.all) + usize::from(self.latest) + usize::from(!self.containers.is_empty()) > 1 {
            let cause = "--all, --latest and names of containers exclude each other";
            return Err(Failure::new("cannot tell which containers are meant", cause).code(ExitCode::General));
        }
        let store = store()?;
        let screen = Screen { clears: !self.no_stream && !self.no_reset && std::io::stdout().is_terminal() };
        let second = Duration::from_secs(1);
        let usual = if personality::is_podman() { 5 } else { 1 };
        let interval = Duration::from_secs(self.interval.unwrap_or(usual).into());
        let limit = memory_limit()?;
        // A wrong template is told at once.
        self.text(&[], &BTreeMap::new(), limit)?;
        let mut known: BTreeMap<String, (Usage, Instant)> = BTreeMap::new();
        let mut pause = second.min(interval);
        let mut first = self.look(&store, Unknown::Fails)?;
        screen.clear()?;
        loop {
            known.extend(first.drain(..).map(|sample| (sample.container.plan.id, (sample.usage, sample.taken))));
            std::thread::sleep(pause);
            let samples = self.look(&store, Unknown::IsGone)?;
            if !screen.show(&self.text(&samples, &known, limit)?)? || self.no_stream {
                return Ok(0);
            }
            if samples.is_empty() && !self.containers.is_empty() {
                return Ok(0);
            }
            (first, pause) = (samples, interval);
        }
    }
}

/// Whether a name that no container has is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Fails,
    /// It was removed while others are looked at.
    IsGone,
}

impl Stats {
    fn look(&self, store: &Store, unknown: Unknown) -> Result<Vec<Sample>> {
        let sample = |typed: String, container: Container| {
            let usage = Usage::of(&container);
            Sample { typed, container, usage, taken: Instant::now() }
        };
        if self.containers.is_empty() {
            let mut containers = record::list(store)?;
            if self.latest {
                containers.truncate(1);
            } else if !self.all {
                containers.retain(|container| container.state.status.is_alive());
            }
            return Ok(containers.into_iter().map(|one| sample(one.plan.id.clone(), one)).collect());
        }
        let mut samples = Vec::new();
        for name in &self.containers {
            match (record::look_up(store, name)?, unknown) {
                (Some(container), _) => samples.push(sample(name.clone(), container)),
                (None, Unknown::Fails) => return Err(record::no_such_container(name)),
                (None, Unknown::IsGone) => {}
            }
        }
        Ok(samples)
    }

    fn text(&self, samples: &[Sample], before: &BTreeMap<String, (Usage, Instant)>, limit: u64) -> Result<String> {
        let shares: Vec<Share> = samples.iter().map(|sample| share(sample, before)).collect();
        let both = samples.iter().zip(&shares);
        if !personality::is_podman() {
            let rows: Vec<Row> = both.map(|(sample, share)| self.docker_row(sample, share, limit)).collect();
            let fields = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
            return format::list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields));
        }
        let rows: Vec<Row> = both.map(|(sample, share)| self.podman_row(sample, share, limit)).collect();
        if self.format.as_deref().is_some_and(|format| format.trim() == "json") {
            return Ok(podman_json(&rows));
        }
        let fields = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDS", "UpTime", "AVGCPU"];
        format::list(&PODMAN_COLUMNS, &rows, self.format.as_deref(), &Columns::template(&fields))
    }

    fn id(&self, container: &Container) -> String {
        let id = &container.plan.id;
        if self.no_trunc { id.clone() } else { short_id(id).to_owned() }
    }

    fn docker_row(&self, sample: &Sample, share: &Share, limit: u64) -> Row {
        let usage = &sample.usage;
        // Docker's answer of a container that does not run has no limit.
        let limit = if sample.container.state.status.is_alive() { usage.limit(limit) } else { 0 };
        let traffic = |traffic: Traffic| format!("{} / {}", human::size(traffic.read), human::size(traffic.written));
        let fields = [
            ("Container", sample.typed.clone()),
            ("ID", self.id(&sample.container)),
            ("Name", sample.container.plan.name.clone()),
            ("CPUPerc", format!("{:.2}%", share.now)),
            ("MemUsage", format!("{} / {}", human::binary_size(usage.memory), human::binary_size(limit))),
            ("MemPerc", format!("{:.2}%", percent(usage.memory, limit))),
            ("NetIO", traffic(usage.network)),
            ("BlockIO", traffic(usage.block)),
            ("PIDs", usage.tasks.to_string()),
        ];
        Row { fields: BTreeMap::from(fields), labels: BTreeMap::new() }
    }

    fn podman_row(&self, sample: &Sample, share: &Share, limit: u64) -> Row {
        let usage = &sample.usage;
        let limit = usage.limit(limit);
        let both = |a: u64, b: u64, size: fn(u64) -> String| match (a, b) {
            (0, 0) => "-- / --".to_owned(),
            _ => format!("{} / {}", size(a), size(b)),
        };
        let nonzero = |number: f64| if number == 0.0 { "--".to_owned() } else { format!("{number:.2}%") };
        let up = human::go_duration(usage.processor);
        let nanoseconds = usage.processor.as_nanos().to_string();
        let fields = [
            ("ContainerID", sample.container.plan.id.clone()),
            ("ID", self.id(&sample.container)),
            ("Name", sample.container.plan.name.clone()),
            ("CPUPerc", nonzero(share.now)),
            ("CPU", share.now.to_string()),
            ("AvgCPU", share.average.to_string()),
            ("AVGCPU", nonzero(share.average)),
            ("MemUsage", both(usage.memory, limit, human::size)),
            ("MemUsageBytes", both(usage.memory, limit, human::binary_size)),
            ("MemPerc", nonzero(percent(usage.memory, limit))),
            ("MemLimit", limit.to_string()),
            ("NetIO", both(usage.network.read, usage.network.written, human::size)),
            ("NetInput", usage.network.read.to_string()),
            ("NetOutput", usage.network.written.to_string()),
            ("BlockIO", both(usage.block.read, usage.block.written, human::size)),
            ("BlockInput", usage.block.read.to_string()),
            ("BlockOutput", usage.block.written.to_string()),
            ("PIDS", usage.tasks.to_string()),
            ("PIDs", usage.tasks.to_string()),
            ("UpTime", up.clone()),
            ("Up", up),
            ("CPUNano", nanoseconds.clone()),
            ("Duration", nanoseconds),
        ];
        Row { fields: BTreeMap::from(fields), labels: BTreeMap::new() }
    }
}

/// Since the last look where there was one, else since its start.
fn share(sample: &Sample, before: &BTreeMap<String, (Usage, Instant)>) -> Share {
    let percent = |used: Duration, time: Duration| match time.as_secs_f64() {
        0.0 => 0.0,
        time => used.as_secs_f64() * 100.0 / time,
    };
    let age = match sample.container.state.status {
        Status::Created | Status::Exited => None,
        _ => sample.container.state.started_at,
    };
    let age = age.and_then(|started| Duration::try_from(Timestamp::now().duration_since(started)).ok());
    let average = percent(sample.usage.processor, age.unwrap_or_default());
    let now = before.get(&sample.container.plan.id).map(|(usage, taken)| {
        // What a process that nobody waited for had used is gone with it.
        percent(sample.usage.processor.saturating_sub(usage.processor), sample.taken.duration_since(*taken))
    });
    Share { now: now.unwrap_or(average), average }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Podman's names, in one array.
fn podman_json(rows: &[Row]) -> String {
    let names = [
        ("id", "ID"),
        ("name", "Name"),
        ("cpu_time", "UpTime"),
        ("cpu_percent", "CPUPerc"),
        ("avg_cpu", "AVGCPU"),
        ("mem_usage", "MemUsage"),
        ("mem_percent", "MemPerc"),
        ("net_io", "NetIO"),
        ("block_io", "BlockIO"),
        ("pids", "PIDS"),
    ];
    let object = |row: &Row| {
        Value::Object(names.iter().map(|(name, field)| ((*name).to_owned(), json!(row.fields[field]))).collect())
    };
    format!("{:#}\n", Value::Array(rows.iter().map(object).collect()))
}

/// Where the tables go, one over the other on a terminal.
struct Screen {
    clears: bool,
}

impl Screen {
    fn clear(&self) -> Result<()> {
        if self.clears { self.write("\x1b[2J").map(drop) } else { Ok(()) }
    }

    /// False where nobody reads any more.
    fn show(&self, text: &str) -> Result<bool> {
        if !self.clears {
            return self.write(text);
        }
        // From the top, each line to its end, and what is below goes: nothing flickers.
        self.write(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")))
    }

    fn write(&self, text: &str) -> Result<bool> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.doing(|| "cannot write to standard output").map(|()| true),
        }
    }
}
