//! Podman's descriptors: the columns of `top CONTAINER pid user args` (podman-top(1), which has them from ps(1) on AIX).

use super::{human, share, terminal, used};
use crate::confine::capabilities::CapabilitySet;
use crate::container::top::{Process, Snapshot};

/// One column: its name, AIX's code, its title and its cells.
pub struct Descriptor {
    name: &'static str,
    code: &'static str,
    title: &'static str,
    cell: fn(&Snapshot, &Process) -> String,
}

/// What Podman shows where nothing is asked for.
const DEFAULT: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

const fn column(
    name: &'static str,
    code: &'static str,
    title: &'static str,
    cell: fn(&Snapshot, &Process) -> String,
) -> Descriptor {
    Descriptor { name, code, title, cell }
}

const ALL: &[Descriptor] = &[
    column("args", "%a", "COMMAND", |_, process| process.command.clone()),
    column("capamb", "", "AMBIENT CAPS", |_, process| capabilities(process, 4)),
    column("capbnd", "", "BOUNDING CAPS", |_, process| capabilities(process, 3)),
    column("capeff", "", "EFFECTIVE CAPS", |_, process| capabilities(process, 2)),
    column("capinh", "", "INHERITED CAPS", |_, process| capabilities(process, 0)),
    column("capprm", "", "PERMITTED CAPS", |_, process| capabilities(process, 1)),
    column("comm", "%c", "COMMAND", |_, process| process.stat.command.clone()),
    column("etime", "%t", "ELAPSED", |_, process| human::go_duration(process.age)),
    column("group", "%G", "GROUP", |all, process| all.group(process.member.status.groups.get(1))),
    column("hgroup", "", "HGROUP", |_, process| id(process.member.status.groups.get(1))),
    column("hpid", "", "HPID", |_, process| process.member.pid.to_string()),
    column("huser", "", "HUSER", |_, process| id(process.member.status.users.get(1))),
    column(
        "label",
        "",
        "LABEL",
        |_, process| if process.label.is_empty() { "?".into() } else { process.label.clone() },
    ),
    column("nice", "%n", "NI", |_, process| process.stat.nice.to_string()),
    column("pcpu", "%C", "%CPU", |_, process| format!("{:.3}", share(process))),
    column("pgid", "%r", "PGID", |_, process| process.stat.group.to_string()),
    column("pid", "%p", "PID", |_, process| id(process.member.status.pids.first())),
    column("ppid", "%P", "PPID", |_, process| process.parent.to_string()),
    column("rgroup", "%g", "RGROUP", |all, process| all.group(process.member.status.groups.first())),
    column("rss", "", "RSS", |_, process| (process.member.status.resident / 1024).to_string()),
    column("ruser", "%u", "RUSER", |all, process| all.user(process.member.status.users.first())),
    column("seccomp", "", "SECCOMP", |_, process| seccomp(process.member.status.seccomp).to_owned()),
    column("state", "", "STATE", |_, process| process.member.status.state.chars().take(1).collect()),
    column("stime", "", "STIME", |_, process| started(process)),
    column("time", "%x", "TIME", |_, process| human::go_duration(used(process))),
    column("tty", "%y", "TTY", |_, process| terminal(process.stat.terminal)),
    column("user", "%U", "USER", |all, process| all.user(process.member.status.users.get(1))),
    column("vsz", "%z", "VSZ", |_, process| (process.stat.size / 1024).to_string()),
];

/// The columns that the words name, which may be joined by commas; Podman's usual ones without words. None where a word
/// is none of them.
pub fn parse(words: &[String]) -> Option<Vec<&'static Descriptor>> {
    let find = |word: &str| ALL.iter().find(|one| one.name == word || (!one.code.is_empty() && one.code == word));
    if words.is_empty() {
        return DEFAULT.into_iter().map(find).collect();
    }
    words.iter().flat_map(|word| word.split(',')).map(find).collect()
}

/// The titles, and a row a process.
pub fn rows(columns: &[&Descriptor], snapshot: &Snapshot) -> Vec<Vec<String>> {
    let titles = columns.iter().map(|column| column.title.to_owned()).collect();
    let cells = |process: &Process| columns.iter().map(|column| (column.cell)(snapshot, process)).collect();
    std::iter::once(titles).chain(snapshot.processes.iter().map(cells)).collect()
}

fn id<T: ToString>(id: Option<&T>) -> String {
    id.map_or_else(|| "?".into(), ToString::to_string)
}

/// `CHOWN,KILL`, or `full`, or `none`.
fn capabilities(process: &Process, set: usize) -> String {
    let set = CapabilitySet::from_bits(process.member.status.capabilities[set]);
    if set.is_empty() {
        return "none".into();
    }
    if set.contains(CapabilitySet::ALL) {
        return "full".into();
    }
    let mut names: Vec<String> = set.names().iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect();
    names.sort_unstable();
    names.join(",")
}

/// The modes of seccomp(2).
fn seccomp(mode: u32) -> &'static str {
    match mode {
        0 => "disabled",
        1 => "strict",
        2 => "filter",
        _ => "?",
    }
}

fn started(process: &Process) -> String {
    let then = jiff::Timestamp::now().checked_sub(process.age).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    human::date(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_columns_or_they_are_for_ps() {
        let titles = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            parse(&words).map(|columns| columns.iter().map(|column| column.title).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(titles(&[]).unwrap(), "USER PID PPID %CPU ELAPSED TTY TIME COMMAND");
        assert_eq!(titles(&["pid,user", "%C", "args"]).unwrap(), "PID USER %CPU COMMAND");
        for words in [&["aux"][..], &["-ef"], &["pid", "-o"], &[""], &["pid,"]] {
            assert_eq!(titles(words), None, "{words:?}");
        }
    }
}
