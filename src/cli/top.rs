//! `rr top`

mod descriptors;

use super::format::{human, table};
use super::verbs::Verb;
use super::{output, personality, store};
use crate::container::events;
use crate::container::processes::TICKS;
use crate::container::record::{self, Container};
use crate::container::top::{Process, Snapshot, host_ps};
use crate::error::{ExitCode, Failure, Result};
use std::time::Duration;

/// Show the processes of a container
///
/// Without more, as `ps -ef` does. Descriptors of Podman's choose the columns: `rr top web pid user args`; with any
/// other options the host's ps(1) is asked.
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr top [OPTIONS] CONTAINER [DESCRIPTOR | PS-OPTION]...")]
pub struct Top {
    /// The container that was made last
    #[arg(short, long)]
    latest: bool,
    /// Name or id, then what to show
    #[arg(value_name = "CONTAINER", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Verb for Top {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let (container, options) = match (self.latest, self.words.split_first()) {
            (true, _) => (latest(record::list(&store)?)?, self.words.as_slice()),
            (false, Some((name, options))) => (record::find(&store, name)?, options),
            (false, None) => {
                let cause = "requires at least 1 argument: a container";
                return Err(Failure::new("cannot show processes", cause).code(ExitCode::General));
            }
        };
        // As Podman takes them: `-- aux` are options of ps(1), too.
        let options = options.strip_prefix(&["--".to_owned()]).unwrap_or(options);
        let rows = match (descriptors::parse(options), options.is_empty() && !personality::is_podman()) {
            (_, true) => full_listing(&container)?,
            (Some(columns), _) => descriptors::rows(&columns, &Snapshot::of(&container)?),
            (None, _) => host_ps(&container, options)?,
        };
        let text: String = rows.iter().map(|row| row.join("\t") + "\n").collect();
        store.tell_and_bound(&[events::event(&container.plan, "top")]);
        let layout = if personality::is_podman() { table::Layout::PODMAN } else { table::Layout::DOCKER_TOP };
        output::text(&table::align(&text, layout)).map(|()| 0)
    }
}

fn latest(containers: Vec<Container>) -> Result<Container> {
    let newest = containers.into_iter().next();
    newest.ok_or_else(|| {
        Failure::new("cannot find the latest container", "there is no container").code(ExitCode::General)
    })
}

/// `ps -ef`, which Docker runs without options; process ids are the host's there, and users the container's here.
fn full_listing(container: &Container) -> Result<Vec<Vec<String>>> {
    let snapshot = Snapshot::of(container)?;
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(snapshot.processes.iter().map(|process| {
        vec![
            snapshot.user(process.member.status.users.get(1)),
            process.member.pid.to_string(),
            process.member.status.parent.to_string(),
            format!("{:.0}", share(process).floor().min(99.0)),
            started(process.age),
            terminal(process.stat.terminal),
            clock(used(process).as_secs()),
            process.command.clone(),
        ]
    }));
    Ok(rows)
}

/// Time on processors, without that of children.
fn used(process: &Process) -> Duration {
    Duration::from_millis(process.stat.used * (1000 / TICKS))
}

/// Which part of its life it has been on a processor, in percent.
fn share(process: &Process) -> f64 {
    match process.age.as_secs_f64() {
        0.0 => 0.0,
        age => used(process).as_secs_f64() * 100.0 / age,
    }
}

/// `HH:MM` where it was less than a day ago, else `Jan02`; in UTC.
fn started(age: Duration) -> String {
    let then = jiff::Timestamp::now().checked_sub(age).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let format = if age < Duration::from_secs(24 * 3600) { "%H:%M" } else { "%b%d" };
    then.strftime(format).to_string()
}

/// `[DD-]HH:MM:SS`
fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let days = if days == 0 { String::new() } else { format!("{days}-") };
    format!("{days}{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `pts/0` of a terminal's device number (proc_pid_stat(5), `tty_nr`).
fn terminal(device: u32) -> String {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    match (major, minor) {
        (0, _) => "?".into(),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        (4, ..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".into(),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_terminals_are_those_of_ps() {
        assert_eq!(
            (clock(0), clock(3_725), clock(90_061)),
            ("00:00:00".into(), "01:02:05".into(), "1-01:01:01".into())
        );
        for (device, name) in [(0, "?"), (0x8801, "pts/1"), (0x8903, "pts/259"), (0x0401, "tty1"), (0x0501, "console")]
        {
            assert_eq!(terminal(device), name);
        }
    }
}
