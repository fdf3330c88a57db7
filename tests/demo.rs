//! `rr demo`, and docs/tour, which is what it shows.
//!
//! The pages are made by the program and kept here with what differs from machine to machine replaced ([`RULES`]). To
//! make them anew, as an unprivileged user who may write there: `RR_UPDATE_DOCS=1 cargo test --test suite demo::`.

use crate::support::{Registry, Rr, Terminal, images, requires};
use regex_lite::{Captures, Regex};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

fn chapters(rr: &Rr) -> Vec<String> {
    let list = rr.run(["demo", "--list"]).succeeds_quietly().stdout;
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A user who can begin the tour at once.
fn tourist() -> Result<Rr, String> {
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Err("without /dev/net/tun containers have no eth0".into());
    }
    let rr = Rr::new().with_mirror(Registry::shared()?);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    Ok(rr)
}

fn nothing_is_left(rr: &Rr) {
    rr.nothing_is_left();
    let left: Vec<_> =
        std::fs::read_dir(rr.path("tmp")).expect("readable").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(rr.run(["ps", "-aq"]).succeeds().stdout, "");
}

/// One thing that differs from machine to machine or from run to run.
struct Rule {
    /// Finds it: the group is the part that differs.
    pattern: &'static str,
    /// What the pages have for the first value there is; the next one gets the next number.
    shown: &'static str,
}

/// Values found by a rule are replaced wherever they stand as a word in what is run or printed: `/proc/4711/status`.
const RULES: &[Rule] = &[
    // Ids of containers.
    Rule {
        pattern: r"(?m)^([0-9a-f]{64})$",
        shown: "5f0c1b7de2a94c3386d1e0f4b92a67c81d3e5a90b4f7c6281e9d0a3b5c7f4e11",
    },
    // Inode numbers of namespaces.
    Rule { pattern: r":\[(402653\d{4})\]", shown: "4026531837" },
    // The number of the container's process on the machine.
    Rule { pattern: r"State.Pid\}\}' tour\n(\d+)\n", shown: "4711" },
    // The port that was free.
    Rule { pattern: r"-p (2\d{4})\b", shown: "28080" },
    // Descriptors that rr happened to have.
    Rule { pattern: r"=/proc/self/fd/(\d+)", shown: "9" },
    // The number of ps itself.
    Rule { pattern: r"(?m)^ *(\d+) ps -o", shown: "8" },
];

/// What is replaced as it stands, being this machine's, and not part of what is shown.
fn machines_own() -> Vec<(String, &'static str)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = read("/proc/sys/kernel/hostname");
    let mut interfaces: Vec<String> = std::fs::read_dir("/sys/class/net")
        .expect("sysfs is mounted")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    interfaces.sort();
    let release = read("/etc/os-release");
    let first = release.lines().next().unwrap_or_default();
    vec![
        (format!("$ uname -n\n{name}"), "$ uname -n\nlaptop\n"),
        (format!("$ ls /sys/class/net\n{}\n", interfaces.join("\n")), "$ ls /sys/class/net\nlo\nwlan0\n"),
        (
            format!("head -n 1 /etc/os-release'\n{first}\n"),
            "head -n 1 /etc/os-release'\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
        ),
    ]
}

/// The ids of the one who runs the tests, as those of somebody who has 1000 and 100000 to 165535.
fn somebodys(number: u64) -> Option<u64> {
    if number == u64::from(rustix::process::geteuid().as_raw()) {
        return Some(1000);
    }
    let (name, me) = (std::env::var("USER").unwrap_or_default(), rustix::process::geteuid().as_raw().to_string());
    let ranges = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    ranges.lines().find_map(|line| {
        let words: Vec<&str> = line.split(':').collect();
        let [owner, first, count] = words[..] else { return None };
        let (first, count): (u64, u64) = (first.parse().ok()?, count.parse().ok()?);
        let mine = owner == name || owner == me || Some(owner) == user_name().as_deref();
        (mine && (first..first + count).contains(&number)).then(|| 100_000 + number - first)
    })
}

fn user_name() -> Option<String> {
    let listing = std::fs::read_to_string("/etc/passwd").ok()?;
    let me = rustix::process::geteuid().as_raw().to_string();
    let of_me = |line: &&str| line.split(':').nth(2) == Some(me.as_str());
    listing.lines().find(of_me).and_then(|line| line.split(':').next()).map(str::to_owned)
}

/// The page as it is kept.
fn normalised(page: &str) -> String {
    let regex = |pattern: &str| Regex::new(pattern).expect("a pattern");
    // Before Linux 6.8 overlay had its layers in one option.
    let page = regex(r"lowerdir=([^\s:]+):(\S+)").replace_all(page, "lowerdir+=$1\nlowerdir+=$2").into_owned();
    let page = machines_own().iter().fold(page, |page, (own, shown)| page.replace(own, shown));
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for rule in RULES {
        let mut number = 0;
        for found in regex(rule.pattern).captures_iter(&page) {
            values.entry(found[1].to_owned()).or_insert_with(|| {
                number += 1;
                counted(rule.shown, number - 1)
            });
        }
    }
    let word = regex(r"\b[0-9a-f]+\b");
    let replace = |found: &Captures<'_>| {
        let known = values.get(&found[0]).cloned();
        let id = || found[0].parse().ok().and_then(somebodys).map(|id| id.to_string());
        known.or_else(id).unwrap_or_else(|| found[0].to_owned())
    };
    // Columns are as wide as the numbers in them.
    let columns = regex(r"^ +(\d+) +(\d+) +(\d+)$");
    let status = regex(r"^NSpid: +(\d+) +(\d+) +(\d+)$");
    let ps = regex(r"^ *(\d+ ps -o)");
    let line = |line: &str| {
        let line = word.replace_all(line, replace);
        let line = columns.replace(&line, |f: &Captures<'_>| format!("{:>10} {:>10} {:>10}", &f[1], &f[2], &f[3]));
        let line = status.replace(&line, |f: &Captures<'_>| format!("NSpid:  {:8}{:8}{}", &f[1], &f[2], &f[3]));
        ps.replace(&line, "    $1").into_owned()
    };
    let mut inside = false;
    let lines = page.lines().map(|text| {
        inside ^= text.starts_with("```");
        if inside { line(text) } else { text.to_owned() }
    });
    lines.map(|line| line + "\n").collect()
}

/// `shown`, whose last digits are a number, with `more` added to that.
fn counted(shown: &str, more: u64) -> String {
    let digits = shown.bytes().rev().take_while(u8::is_ascii_digit).count().min(10);
    let (text, number) = shown.split_at(shown.len() - digits);
    format!("{text}{}", number.parse::<u64>().expect("it ends with a number") + more)
}

#[test]
fn the_pages_show_what_happens() {
    let rr = requires!(tourist());
    let source = std::env::var("RR_TEST_SOURCE").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let tour = PathBuf::from(source).join("docs/tour");
    let chapters = chapters(&rr);
    let mut wrong = Vec::new();
    for chapter in &chapters {
        let page = normalised(&rr.run(["demo", "--markdown", chapter]).succeeds_quietly().stdout);
        let path = tour.join(format!("{chapter}.md"));
        if std::env::var_os("RR_UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).expect("docs/tour can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if let Some((kept, now)) =
            kept.lines().chain(["(end)"]).zip(page.lines().chain(["(end)"])).find(|(kept, now)| kept != now)
        {
            wrong.push(format!("{}: the page has\n  {kept}\nand now it is\n  {now}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "out of date, see the top of this file:\n{}", wrong.join("\n"));
    let index = std::fs::read_to_string(tour.join("README.md")).expect("an index");
    assert!(chapters.iter().all(|chapter| index.contains(&format!("({chapter}.md)"))), "{index}");
    let pages = std::fs::read_dir(&tour).expect("docs/tour").count();
    assert_eq!(pages, chapters.len() + 1, "docs/tour has a page of a chapter that is gone");
    nothing_is_left(&rr);
}

/// Fails where a line is wider than the terminal, or something does not belong on it.
fn fits(shown: &str, columns: usize) {
    let escapes = Regex::new("\x1b\\[[0-9;]*[mK]").expect("a pattern");
    let plain = escapes.replace_all(shown, "");
    for line in plain.lines() {
        assert!(line.chars().count() <= columns, "{columns} columns, and {line:?}");
        assert!(!line.contains('\x1b'), "{line:?}");
    }
}

#[test]
fn unattended_it_goes_through_at_every_width() {
    let rr = requires!(tourist());
    let chapters = chapters(&rr);
    for columns in [80, 100, 160] {
        // All of it on a terminal, in colour.
        let mut terminal = rr.command(["demo", "--no-pause"]).within(Duration::from_secs(120)).terminal(24, columns);
        assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.screen());
        let screen = terminal.screen();
        fits(&screen, columns.into());
        assert!(screen.contains("\x1b[1mChapter 8 of 8") && !screen.contains("Left out"), "{screen}");
        // One chapter into a pipe, without any.
        let plain =
            rr.command(["demo", &chapters[2]]).env("COLUMNS", columns.to_string()).output().succeeds_quietly().stdout;
        fits(&plain, columns.into());
        assert!(!plain.contains('\x1b') && plain.contains("Chapter 3 of 8"), "{plain}");
        let rules: Vec<_> = plain.lines().filter(|line| line.starts_with("── this machine")).collect();
        assert!(rules.iter().all(|line| line.chars().count() == usize::from(columns)), "{rules:?}");
    }
    nothing_is_left(&rr);
}

#[test]
fn keys_go_on_and_end_it_and_the_terminal_is_as_it_was() {
    let rr = requires!(tourist());
    const PROMPT: &str = "any key goes on, q ends";
    let mode = |terminal: &Terminal| {
        let settings = terminal.settings();
        (settings.local_modes, settings.input_modes, settings.output_modes)
    };
    let before = mode(&rr.any_command("true", [""; 0]).terminal(24, 80));
    let begin = || {
        let mut terminal = rr.command(["demo", "uts"]).terminal(24, 80);
        terminal.expect(PROMPT);
        // Letters, the Enter key, an arrow.
        for key in ["x", "\r", "\x1b[C"] {
            terminal.send(key);
            terminal.expect(PROMPT);
        }
        assert!(terminal.screen().contains("kitchen"), "{}", terminal.screen());
        assert_ne!(mode(&terminal), before);
        terminal
    };
    for (key, status) in [("q", 0), ("\x04", 0), ("\x03", 130)] {
        let mut terminal = begin();
        terminal.send(key);
        assert_eq!(terminal.wait().code(), Some(status), "{key:?}: {}", terminal.screen());
        assert_eq!(mode(&terminal), before);
        nothing_is_left(&rr);
    }
    for (signal, status) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut terminal = begin();
        terminal.signal(signal);
        assert_eq!(terminal.wait().code(), Some(status), "{}", terminal.screen());
        assert_eq!(mode(&terminal), before);
        nothing_is_left(&rr);
    }
    // To its end: there is a prompt after the text and one after each step.
    let steps = rr.run(["demo", "uts"]).succeeds().stdout.lines().filter(|line| line.starts_with("── ")).count();
    let mut terminal = begin();
    for _ in 4..=steps {
        terminal.send(" ");
        terminal.expect(PROMPT);
    }
    assert!(!terminal.screen().contains("To read on"), "{}", terminal.screen());
    terminal.send(" ");
    assert_eq!(terminal.wait().code(), Some(0));
    assert_eq!(mode(&terminal), before);
    nothing_is_left(&rr);
}

#[test]
fn a_signal_while_a_command_runs_ends_that_too() {
    let rr = requires!(tourist());
    // At moments in the middle of it: while a container starts, while one runs, while commands do.
    for moment in ["Chapter 6", "container that sleeps", "interfaces of the two", "Now somebody", "Whoever else"] {
        let mut terminal = rr.command(["demo", "--no-pause", "network"]).terminal(24, 80);
        terminal.expect(moment);
        // It stands still until the key has been pressed, so that it cannot come to its end before.
        terminal.signal(Signal::STOP);
        // Ctrl-C, to the whole foreground process group.
        terminal.send("\x03");
        terminal.expect("^C");
        terminal.signal(Signal::CONT);
        assert_eq!(terminal.wait().code(), Some(130), "{}", terminal.screen());
        nothing_is_left(&rr);
    }
}

#[test]
fn nobodys_containers_are_touched() {
    let rr = requires!(tourist());
    rr.run(["run", "-d", "--name", "tour", "alpine", "sleep", "1000"]).succeeds();
    rr.run(["create", "--name", "tour2-host", "alpine"]).succeeds();
    let shown = rr.run(["demo", "uts"]).succeeds_quietly().stdout;
    assert!(shown.contains("--name tour3 ") && shown.contains("rr rm -f tour3"), "{shown}");
    let names = rr.run(["ps", "-a", "--sort", "names", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout;
    assert_eq!(names, "tour running\ntour2-host created\n");
    rr.run(["rm", "-f", "tour", "tour2-host"]).succeeds();
    nothing_is_left(&rr);
}

#[test]
fn what_cannot_be_shown_is_one_error() {
    let rr = requires!(tourist());
    rr.run(["demo", "cooking"])
        .fails_with(1, "cannot show chapter cooking: there is no such chapter")
        .says("rr demo --list");
    rr.run(["demo", "uts", "cooking"]).fails_with(1, "cooking");
    rr.run(["demo", "--nope"]).fails_with(125, "there is no option --nope");
    // Not here, and nobody to ask.
    rr.run(["demo", "--image", "localhost:1/nowhere"])
        .fails_with(1, "cannot begin the tour: ")
        .says("demo --image IMAGE");
    rr.run(["demo", "--image", "A"]).fails_with(1, "cannot begin the tour: ");
    // Without a shell, and without anything else.
    let empty = rr.path("empty.tar");
    std::fs::write(&empty, [0; 1024]).expect("own directory");
    rr.run(["import", &empty.display().to_string(), "empty"]).succeeds();
    rr.run(["demo", "--image", "empty"])
        .fails_with(1, "cannot go on with the tour: `rr run")
        .says("has to have a shell");
    nothing_is_left(&rr);
}

#[test]
fn an_image_in_a_file_will_do() {
    let rr = requires!(tourist());
    std::os::unix::fs::symlink(requires!(images::alpine()), rr.path("here.tar")).expect("own directory");
    let shown = rr.run(["demo", "--image", "oci-archive:here.tar", "uts"]).succeeds().stdout;
    assert!(shown.contains("kitchen"), "{shown}");
    nothing_is_left(&rr);
}
