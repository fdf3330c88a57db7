//! The picture in words: sections with tables, which the terminal's and the page's form both show.

use crate::cli::format::human;
use crate::container::explain::identities::{IdRange, IdSide, Source};
use crate::container::explain::layers::{Kind, Layer};
use crate::container::explain::processes::{Process, Role, depths};
use crate::container::explain::rights::Capability;
use crate::container::explain::{Picture, Seen};
use crate::host::userns::MapWriter;

/// One part of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub part: Part,
    /// What to know before the table.
    pub intro: String,
    /// What was seen; none where that is said in the introduction.
    pub tables: Vec<Table>,
    /// What follows from it.
    pub notes: Vec<String>,
}

/// Rows below headers; every row has as many cells as there are headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it shows, for those who cannot see it.
    pub caption: String,
    /// Of the columns.
    pub headers: Vec<&'static str>,
    /// In order.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// One for each header.
    pub cells: Vec<String>,
    /// What is too long for a column: shown below the row.
    pub below: Option<String>,
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Row {
        Row { cells, below: None }
    }
}

/// The parts, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Which are the container's own
    Namespaces,
    /// Who is who on both sides
    Ids,
    /// Which process is which
    Processes,
    /// Capabilities and system calls
    Rights,
    /// What the root file system is stacked from
    Layers,
    /// What is mounted where, and why
    Mounts,
    /// The way in and out
    Network,
    /// Control group and resource limits
    Limits,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 8] = [
        Part::Namespaces,
        Part::Ids,
        Part::Processes,
        Part::Rights,
        Part::Layers,
        Part::Mounts,
        Part::Network,
        Part::Limits,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Part::Namespaces => "Namespaces",
            Part::Ids => "User and group ids",
            Part::Processes => "Processes",
            Part::Rights => "Rights",
            Part::Layers => "Layers of the root file system",
            Part::Mounts => "Mounts",
            Part::Network => "Network",
            Part::Limits => "Limits",
        }
    }
}

/// What a container is, in a line.
pub fn headline(picture: &Picture) -> String {
    let image = picture.image.as_deref().unwrap_or("a directory (--rootfs)");
    let process = match picture.payload {
        Some(pid) => format!("its process 1 is process {pid} of the host"),
        None => "no process".to_owned(),
    };
    format!("{}, of {image}, by {}; {process}", picture.status, picture.you.called())
}

/// All that is to be shown of these parts.
pub fn sections(picture: &Picture, parts: &[Part]) -> Vec<Section> {
    let wanted = Part::ALL.into_iter().filter(|part| parts.is_empty() || parts.contains(part));
    wanted.map(|part| section(picture, part)).collect()
}

fn section(picture: &Picture, part: Part) -> Section {
    let (intro, tables, notes) = match part {
        Part::Namespaces => namespaces(picture),
        Part::Ids => ids(picture),
        Part::Processes => processes(picture),
        Part::Rights => rights(picture),
        Part::Layers => layers(picture),
        Part::Mounts => mounts(picture),
        Part::Network => network(picture),
        Part::Limits => limits(picture),
    };
    Section { part, intro, tables, notes }
}

/// Introduction, tables, notes.
type Content = (String, Vec<Table>, Vec<String>);

const NOT_RUNNING: &str = "The container does not run, so there is nothing to be seen.";

fn table<R: Into<Row>>(caption: &str, headers: &[&'static str], rows: Vec<R>) -> Table {
    Table { caption: caption.to_owned(), headers: headers.to_vec(), rows: rows.into_iter().map(R::into).collect() }
}

/// What was read, or why it was not, as a cell.
fn shown<T: ToString>(seen: &Seen<T>) -> String {
    match seen {
        Seen::Is(value) => value.to_string(),
        Seen::Unreadable(why) => format!("unreadable ({why})"),
    }
}

fn namespaces(picture: &Picture) -> Content {
    if picture.payload.is_none() {
        return (NOT_RUNNING.to_owned(), Vec::new(), Vec::new());
    }
    let rows = picture.namespaces.iter().map(|namespace| {
        let whose = match namespace.is_shared() {
            Some(true) => "the host's",
            Some(false) => "its own",
            None => "?",
        };
        vec![
            namespace.kind.to_owned(),
            shown(&namespace.host),
            shown(&namespace.container),
            whose.to_owned(),
            namespace.keeps.to_owned(),
            namespace.manual.to_owned(),
        ]
    });
    let intro = "The same number on both sides is the same namespace: what it keeps apart is shared with the host.";
    let headers = ["kind", "host", "container", "container is in", "keeps apart", "manual"];
    let notes = match (picture.payload, picture.asked) {
        (Some(payload), Some(asked)) if payload != asked => vec![format!(
            "Process 1 keeps its namespaces and mounts to itself, since it is not dumpable (proc_pid_ns(5)): process {asked} was \
             asked instead, which is in the same ones."
        )],
        _ => Vec::new(),
    };
    (intro.to_owned(), vec![table("Namespaces by their inode numbers", &headers, rows.collect())], notes)
}

/// `1–65536`, or one number.
fn span(first: u32, length: u32) -> String {
    if length == 1 { first.to_string() } else { format!("{first}–{}", first + (length - 1)) }
}

/// What bars are drawn with; the page, which draws better ones, leaves it out.
pub const BAR: char = '█';

/// Twice as many ids are one block more.
fn bar(length: u32) -> String {
    std::iter::repeat_n(BAR, length.ilog2() as usize + 1).collect()
}

fn source(range: &IdRange, picture: &Picture, what: &str) -> String {
    match &range.source {
        Source::Own if what == "user" => format!("you, {}: one's own id needs no permission", picture.you.called()),
        Source::Own => "your own group".to_owned(),
        Source::Line { file, number, text } => format!("{file}, line {number}: {text}"),
        Source::Other => "granted otherwise: by root, or by another source than the files".to_owned(),
    }
}

/// The rows of one map.
fn id_rows(side: &IdSide, picture: &Picture) -> Vec<Vec<String>> {
    match &side.ranges {
        Seen::Unreadable(why) => vec![vec![format!("unreadable ({why})"), String::new(), String::new(), String::new()]],
        Seen::Is(ranges) => ranges
            .iter()
            .map(|range| {
                vec![
                    span(range.inside, range.length),
                    format!("{} {}", bar(range.length), range.length),
                    span(range.host, range.length),
                    source(range, picture, side.what),
                ]
            })
            .collect(),
    }
}

fn ids(picture: &Picture) -> Content {
    let headers = ["in the container", "how many", "on the host", "because of"];
    let one = |side: &IdSide| {
        table(
            &format!("Map of {} ids (/proc/PID/{}id_map)", side.what, &side.what[..1]),
            &headers,
            id_rows(side, picture),
        )
    };
    let root = match picture.users.to_host(0) {
        Some(uid) if uid == picture.you.uid => format!(
            "Root in the container (id 0) is {} (id {uid}) on the host: it can do to the host's files what you can, and no more.",
            picture.you.called()
        ),
        Some(uid) => format!("Root in the container (id 0) is id {uid} on the host, which is not yours."),
        None => "There is no id 0 in the container.".to_owned(),
    };
    let writer = match &picture.map_writer {
        Seen::Unreadable(why) => format!("Who could write such maps cannot be told ({why})."),
        Seen::Is(MapWriter::Helpers { users, groups }) => format!(
            "Maps of these ids are written by {} and {}, set-user-ID programs that allow what the lines grant (newuidmap(1)).",
            users.display(),
            groups.display()
        ),
        Seen::Is(MapWriter::OwnIdOnly) => {
            "Such a map, of one's own id, rr writes itself: the kernel allows that to everybody.".to_owned()
        }
        Seen::Is(MapWriter::Privileged) => {
            "rr writes such maps itself: it has CAP_SETUID and CAP_SETGID here.".to_owned()
        }
    };
    let notes = vec![
        root,
        writer,
        "Whoever has no id in the container, such as the host's root, is shown there as 65534 (nobody).".to_owned(),
    ];
    let intro = "Both sides of the id maps (user_namespaces(7)): the same users, by other numbers.";
    (intro.to_owned(), vec![one(&picture.users), one(&picture.groups)], notes)
}

/// What a process is for.
pub fn role(process: &Process) -> &'static str {
    match process.role {
        Role::Monitor => "rr's monitor: holds output and record",
        Role::Servant if process.command == "rr-net" => "rr's network: carries its packets",
        Role::Servant => "serves the container from outside",
        Role::Payload => "process 1 of the container",
        Role::Member => "a process of the container",
    }
}

fn processes(picture: &Picture) -> Content {
    if picture.payload.is_none() {
        return (NOT_RUNNING.to_owned(), Vec::new(), Vec::new());
    }
    let depths = depths(&picture.processes);
    let rows = picture.processes.iter().zip(depths).map(|(process, depth)| {
        let (pid, user) = match &process.inside {
            Some(inside) => (inside.pid.to_string(), inside.user.clone()),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let host_user = process.host_user.clone().map_or_else(String::new, |name| format!(" {name}"));
        let indent = "  ".repeat(depth);
        // Of rr's own the words are those of the command that has started the container.
        let (what, below) = match process.role {
            Role::Monitor | Role::Servant => (role(process), Some(process.command.clone())),
            Role::Payload | Role::Member => (process.command.as_str(), None),
        };
        let cells = vec![
            process.host_pid.to_string(),
            format!("{}{host_user}", process.host_uid),
            pid,
            user,
            format!("{indent}{what}"),
        ];
        Row { cells, below: below.filter(|below| below != what) }
    });
    let headers = ["host pid", "host user", "pid inside", "user inside", "command"];
    let intro = "Each process has one id in every pid namespace it can be seen from (pid_namespaces(7)).";
    (intro.to_owned(), vec![table("Processes on both sides", &headers, rows.collect())], Vec::new())
}

fn rights(picture: &Picture) -> Content {
    let rights = &picture.rights;
    let of = |set: &Seen<Vec<Capability>>| match set {
        Seen::Is(all) => {
            all.iter().map(|one| vec![format!("CAP_{}", one.name), one.allows.to_owned()]).collect::<Vec<_>>()
        }
        Seen::Unreadable(why) => vec![vec![format!("unreadable ({why})"), String::new()]],
    };
    let rows = of(&rights.effective);
    let intro = match rows.is_empty() {
        true => "Process 1 has no capability.".to_owned(),
        false => "Capabilities of process 1 (capabilities(7)): each holds in the container's user namespace, over its ids and \
                  over what its namespaces own. On the host they are worth nothing."
            .to_owned(),
    };
    let mut notes = Vec::new();
    if let (Seen::Is(effective), Seen::Is(bounding)) = (&rights.effective, &rights.bounding) {
        let further: Vec<String> =
            bounding.iter().filter(|one| !effective.contains(one)).map(|one| format!("CAP_{}", one.name)).collect();
        if !further.is_empty() {
            notes.push(format!("What it could still get, by a set-user-ID program: {}.", further.join(" ")));
        }
    }
    notes.push(match (&rights.seccomp, &rights.filters) {
        (Seen::Is("filter"), Seen::Is(count)) => {
            format!(
                "System calls pass {count} filter{} (seccomp(2)): {}.",
                if *count == 1 { "" } else { "s" },
                rights.profile
            )
        }
        (Seen::Is(mode), _) => format!("System-call filter (seccomp(2)): {mode}; {}.", rights.profile),
        (Seen::Unreadable(why), _) => format!("System-call filter: unreadable ({why})."),
    });
    notes.push(match &rights.no_new_privileges {
        Seen::Is(true) => {
            "no_new_privs is set: set-user-ID programs and file capabilities give nothing (prctl(2)).".into()
        }
        Seen::Is(false) => "no_new_privs is not set: set-user-ID programs work, within the container's ids.".into(),
        Seen::Unreadable(why) => format!("no_new_privs: unreadable ({why})."),
    });
    let tables = if rows.is_empty() {
        Vec::new()
    } else {
        vec![table("Effective capabilities", &["capability", "lets process 1"], rows)]
    };
    (intro, tables, notes)
}

/// What a layer is.
pub fn layer_kind(layer: &Layer) -> &'static str {
    match layer.kind {
        Kind::Upper => "written by the container",
        Kind::Image => "the image's",
        Kind::MountPoints => "rr's: empty files to mount on",
        Kind::Directory => "the directory given",
        Kind::Copy => "a copy of all layers",
    }
}

/// What is in a layer.
pub fn layer_content(layer: &Layer) -> String {
    match &layer.content {
        Seen::Unreadable(why) => format!("unreadable ({why})"),
        Seen::Is(content) => {
            let removed = if content.removed > 0 { format!(", {} removed", content.removed) } else { String::new() };
            let plural = if content.files == 1 { "" } else { "s" };
            format!("{} file{plural}{removed}, {}", content.files, human::size(content.bytes))
        }
    }
}

fn layers(picture: &Picture) -> Content {
    let stack = &picture.stack;
    let rows = stack.layers.iter().map(|layer| {
        let step = layer.created_by.clone().unwrap_or_default();
        let cells = vec![layer_kind(layer).to_owned(), layer_content(layer), step];
        Row { cells, below: Some(layer.path.display().to_string()) }
    });
    let intro = match stack.file_system.as_deref() {
        Some("overlay") => {
            "Stacked by the kernel's overlay, topmost first: a file is taken from the first layer that has it, and \
                            changed only by a copy in the topmost."
                .to_owned()
        }
        // The kernel shows `fuse`, or what the program has called itself.
        Some(kind) if kind.starts_with("fuse") => {
            "Stacked by fuse-overlayfs(1), topmost first: a file is taken from the first layer that has it.".to_owned()
        }
        Some(other) => format!("The root is a part of a file system of the host ({other})."),
        None => "The container does not run: these will be stacked, topmost first.".to_owned(),
    };
    let notes =
        if stack.options.is_empty() { Vec::new() } else { vec![format!("Options of the mount: {}", stack.options)] };
    let headers = ["layer, and where it is on the host", "holds", "made by"];
    (intro, vec![table("Layers, topmost first", &headers, rows.collect())], notes)
}

/// Longer ones get a line of their own.
const LONG_PATH: usize = 24;

fn mounts(picture: &Picture) -> Content {
    let intro = match picture.payload {
        Some(_) => {
            "What process 1 has mounted (mount_namespaces(7)), in the kernel's order: a later mount covers an earlier one."
        }
        None => "The container does not run: these will be mounted, besides what every container gets.",
    };
    let rows = match &picture.mounts {
        Seen::Unreadable(why) => {
            return (format!("The mounts are unreadable ({why})."), Vec::new(), Vec::new());
        }
        Seen::Is(mounts) => mounts.iter().map(|mount| {
            let host = mount.host.as_ref().map_or_else(|| "nowhere".to_owned(), |path| path.display().to_string());
            let (host, below) = match host.len() {
                ..=LONG_PATH => (host, None),
                _ => ("see below".to_owned(), Some(host)),
            };
            let target = mount.target.display().to_string();
            // Every mount has it (mount(8)), and it says nothing about what may be done.
            let options: Vec<&str> = mount.options.split(',').filter(|&option| option != "relatime").collect();
            let (kind, options) = (mount.file_system.clone(), options.join(","));
            Row { cells: vec![target, kind, host, options, mount.why.clone()], below }
        }),
    };
    let headers = ["in the container", "kind", "on the host", "options", "why"];
    let mut notes = Vec::new();
    if mounts_say(picture, "hidden") {
        notes.push(
            "Hidden is what tells about the host or could harm it; made read-only, where writing would change it."
                .into(),
        );
    }
    if mounts_say(picture, "the host's device node") {
        notes.push("Device nodes are the host's because none can be made in a user namespace (mknod(2)).".into());
    }
    (intro.to_owned(), vec![table("Mounts", &headers, rows.collect())], notes)
}

/// Whether any is there for this reason.
fn mounts_say(picture: &Picture, why: &str) -> bool {
    picture.mounts.get().is_some_and(|mounts| mounts.iter().any(|mount| mount.why == why))
}

fn network(picture: &Picture) -> Content {
    let network = &picture.network;
    let mut tables = Vec::new();
    let mut notes = Vec::new();
    match &network.interfaces {
        None => notes.push("The container does not run, so it has no interface now.".to_owned()),
        Some(Seen::Unreadable(why)) => notes.push(format!("The interfaces are unreadable ({why}).")),
        Some(Seen::Is(all)) => {
            let rows = all.iter().map(|interface| {
                let addresses = interface.addresses.join(" ");
                vec![interface.name.clone(), addresses, human::size(interface.received), human::size(interface.sent)]
            });
            let headers = ["interface", "addresses", "received", "sent"];
            tables.push(table("Interfaces in the container", &headers, rows.collect()));
        }
    }
    let way = network.way.iter().enumerate().map(|(at, station)| vec![(at + 1).to_string(), station.clone()]);
    tables.push(table("The way of a packet", &["", "from the container outwards"], way.collect()));
    notes
        .extend(network.gateway.map(|gateway| format!("Everything that is not on its own network goes to {gateway}.")));
    match network.ports.as_slice() {
        [] => notes.push("No port of the host leads into the container.".to_owned()),
        ports => notes.push(format!("Ports of the host that lead into the container: {}.", ports.join(", "))),
    }
    (format!("--network {}", network.mode), tables, notes)
}

fn limits(picture: &Picture) -> Content {
    let limits = &picture.limits;
    let mut notes = Vec::new();
    match &limits.cgroup {
        None => {}
        Some(Seen::Unreadable(why)) => notes.push(format!("The control group is unreadable ({why}).")),
        Some(Seen::Is(lines)) => {
            let paths: Vec<String> = lines
                .iter()
                .filter_map(|line| {
                    let (number, rest) = line.split_once(':')?;
                    let (controllers, path) = rest.split_once(':')?;
                    let controllers = if controllers.is_empty() { "version 2" } else { controllers };
                    Some(format!("{path} ({}{controllers})", if number == "0" { "" } else { "version 1: " }))
                })
                .collect();
            notes.push(format!("Control group, by the host's name of it (cgroups(7)): {}.", paths.join("; ")));
        }
    }
    notes.extend(limits.oom_score_adjust.as_ref().map(|adjust| {
        format!("oom_score_adj is {}: the higher, the sooner it is killed when memory runs out.", shown(adjust))
    }));
    let rows: Vec<Vec<String>> = match &limits.resources {
        Seen::Unreadable(why) => {
            notes.push(format!("The resource limits are unreadable ({why})."));
            Vec::new()
        }
        Seen::Is(all) => all
            .iter()
            .map(|limit| {
                let host = limit.host.as_ref().map_or_else(String::new, |[soft, hard]| format!("{soft} : {hard}"));
                let [soft, hard] = &limit.container;
                vec![limit.name.clone(), format!("{soft} : {hard}"), host]
            })
            .collect(),
    };
    let (intro, mut tables) = match rows.is_empty() {
        true => ("Resource limits (getrlimit(2)): none but those that you have yourself.", Vec::new()),
        false => (
            "Resource limits (getrlimit(2)) that are others than yours, soft : hard.",
            vec![table("Resource limits", &["limit", "in the container", "yours"], rows)],
        ),
    };
    let kept = limits.group.iter().map(|limit| {
        let kernel = limit.kernel.clone().unwrap_or_else(|| "not now".to_owned());
        vec![limit.file.to_owned(), limit.asked.clone(), kernel]
    });
    match limits.group.is_empty() {
        true => notes.push(
            "Of memory, processors, processes and disks nothing was limited: there is no control group for it.".into(),
        ),
        false => tables.push(table("Limits of the control group", &["file", "asked for", "kept"], kept.collect())),
    }
    (intro.to_owned(), tables, notes)
}

/// Whether a field of the picture, by its name in JSON, belongs to one of these parts.
pub fn is_of(field: &str, parts: &[Part]) -> bool {
    let part = match field {
        "Namespaces" => Part::Namespaces,
        "Users" | "Groups" | "MapWriter" => Part::Ids,
        "Processes" => Part::Processes,
        "Rights" => Part::Rights,
        "Stack" => Part::Layers,
        "Mounts" => Part::Mounts,
        "Network" => Part::Network,
        "Limits" => Part::Limits,
        // What container it is.
        _ => return true,
    };
    parts.contains(&part)
}
