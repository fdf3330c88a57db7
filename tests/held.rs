//! Held state: whatever is killed, however much happens at once, and over a reboot, no container's record is lost and
//! nothing is left behind.

use crate::support::{Registry, Rr, images, requires, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// A user with alpine in the store, as `alpine`, who has a registry to pull busybox from.
fn user_of_a_registry() -> Result<Rr, String> {
    let registry = Registry::shared()?;
    Ok(user()?.with_mirror(registry))
}

/// A user with alpine in the store, as `alpine`.
fn user() -> Result<Rr, String> {
    let archive = format!("oci-archive:{}", images::alpine()?.display());
    let rr = Rr::new();
    rr.run(["pull", "-q", &archive]).succeeds();
    let id = rr.run(["images", "-q"]).succeeds().line().to_owned();
    rr.run(["tag", &id, "alpine"]).succeeds();
    Ok(rr)
}

/// Numbers that a seed determines (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Id, name and state of every container.
fn listed(rr: &Rr) -> BTreeMap<String, (String, String)> {
    let format = "{{.ID}} {{.Names}} {{.State}}";
    let text = rr.run(["ps", "-a", "--no-trunc", "--format", format]).succeeds_quietly().stdout;
    let fields = text.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    fields.map(|fields| (fields[0].clone(), (fields[1].clone(), fields[2].clone()))).collect()
}

/// The processes below `pid`, it included.
fn family(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// What a command may do to the containers that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loses {
    Nothing,
    /// The one that it names.
    Target,
    /// Those that do not run.
    Stopped,
}

/// Every verb that changes something, and some that do not; FILE is a file of the user's, SAVED an archive with an image.
const LINES: &[&str] = &[
    "run -d --network none --name NAME alpine sleep 1000",
    "run -d --network none --name NAME --restart always alpine sh -c 'sleep 0.1;exit 1'",
    "run -d --network none --name NAME alpine sleep 1000",
    "run -d --rm --network none alpine sleep 0.2",
    "run --rm --network none alpine true",
    "run --network none --name NAME alpine echo hello",
    "run -d --replace --network none --name NAME alpine sleep 1000",
    "create --network none --name NAME -v /data alpine sleep 1000",
    "start NAME",
    "start -a NAME",
    "stop -t 0 NAME",
    "restart -t 0 NAME",
    "kill NAME",
    "wait NAME",
    "rm NAME",
    "rm -f NAME",
    "rename NAME OTHER",
    "update --restart on-failure:2 NAME",
    "logs NAME",
    "inspect NAME",
    "ps -a",
    "events --stream=false",
    "tag alpine other",
    "rmi other",
    "run -d --network none --health-cmd true --health-interval 50ms --name NAME alpine sleep 1000",
    "exec NAME true",
    "exec NAME sh -c 'sleep 0.1;exit 1'",
    "exec -d NAME sleep 0.2",
    "cp FILE NAME:/file",
    "cp NAME:/etc FILE.out",
    "pause NAME",
    "unpause NAME",
    "top NAME",
    "stats --no-stream NAME",
    "diff NAME",
    "export -o FILE.tar NAME",
    "commit -q NAME x/made:NAME",
    "rmi x/made:NAME",
    "volume create vol-NAME",
    "volume rm vol-NAME",
    "run --rm --network none -v vol-NAME:/data alpine touch /data/x",
    "volume prune -f",
    "network create net-NAME",
    "network create net-NAME",
    "run -d --network net-NAME --name NAME alpine sleep 1000",
    "run -d --network net-NAME -p 80 --name NAME --restart always alpine sh -c 'sleep 0.1;exit 1'",
    "run --rm --network net-NAME --network net-OTHER alpine true",
    "run -d -p 80 -p 53/udp --name NAME alpine sleep 1000",
    "run --rm alpine true",
    "run -d --network container:OTHER --ipc container:OTHER --name NAME alpine sleep 1000",
    "port NAME",
    "network rm net-NAME",
    "network inspect net-NAME",
    "network prune -f",
    "network ls",
    "pull -q busybox",
    "rmi busybox",
    "save -o FILE.saved alpine",
    "load -q -i SAVED",
    "images",
    "system df",
    "system prune -f",
];

/// One command line with its effect.
fn verb(rr: &Rr, random: &mut Random, name: &str, other: &str) -> (Vec<String>, Loses) {
    let line = random.of(LINES);
    let loses = match line.split(' ').next() {
        _ if line.starts_with("rm ") || line.contains("--replace") => Loses::Target,
        // It removes what does not run.
        Some("system") => Loses::Stopped,
        _ => Loses::Nothing,
    };
    let script = "sleep 0.1;exit 1";
    let words = line.replace("NAME", name).replace("OTHER", other).replace(&format!("'{script}'"), "SCRIPT");
    let file = rr.path("files").join("file").display().to_string();
    let saved = rr.path("files").join("given.tar").display().to_string();
    let word = |word: &str| word.replace("SCRIPT", script).replace("FILE", &file).replace("SAVED", &saved);
    (words.split(' ').map(word).collect(), loses)
}

/// The names of all files below a directory.
fn files_below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = |entry: std::fs::DirEntry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        true => files_below(&entry.path()),
        false => vec![entry.file_name().to_string_lossy().into_owned()],
    };
    entries.flat_map(names).collect()
}

/// `RR_TEST_KILLS` is how often something is killed (by default as often as a minute allows), `RR_TEST_SEED` what
/// determines when and what; it is printed with a failure.
#[test]
fn kill_at_any_point_loses_no_container_and_leaves_nothing() {
    let rr = requires!(user_of_a_registry());
    std::fs::create_dir(rr.path("files")).expect("a directory of the test's own");
    std::fs::write(rr.path("files").join("file"), "content").expect("likewise");
    rr.run(["save", "-o", &rr.path("files").join("given.tar").display().to_string(), "alpine"]).succeeds();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("RR_TEST_KILLS");
    let seed = number("RR_TEST_SEED").unwrap_or_else(|| {
        u64::from(std::process::id()) << 20 | u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs())
    });
    println!("RR_TEST_SEED={seed}");
    let mut random = Random(seed);
    let begun = Instant::now();
    let mut done = 0;
    let mut killed = BTreeMap::new();
    // No hexadecimal digits: a name that is gone must not be the beginning of another container's id.
    let names = ["n0", "n1", "n2", "n3"];
    let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
    while kills.map_or(begun.elapsed() < Duration::from_secs(60), |kills| done < kills) {
        let (name, other) = (random.of(&names), random.of(&["n4", "n5", "n0"]));
        let (words, loses) = verb(&rr, &mut random, name, other);
        let mut running = rr.command(&words).spawn();
        // Most commands take 5 to 100 ms; the beginning is as likely as the end of one of them.
        let most = random.of(&[&4_000, &20_000, &100_000]);
        std::thread::sleep(Duration::from_micros(random.below(*most)));
        let client = running.pid().as_raw_nonzero().get();
        let victims = match random.below(4) {
            0 => vec![client],
            // What it has started: map helpers, a worker in the store's namespace, the monitor, init.
            1 | 2 => family(client).split_off(1),
            _ => Vec::new(),
        };
        let victims = match victims.is_empty() {
            // Also those of other containers: their monitors, inits and payloads.
            true => {
                let processes = rr.processes().into_iter().map(|process| process.pid);
                processes.chain(rr.keepers().into_iter().map(|(_, pid)| pid)).collect()
            }
            false => victims,
        };
        let victim = if victims.is_empty() { client } else { victims[random.below(victims.len() as u64) as usize] };
        // The pid may be that of a zombie by now, or gone.
        let sent = Pid::from_raw(victim).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
        *killed.entry((words[0].clone(), victim == client, sent)).or_insert(0) += 1;
        done += 1;
        // `wait`, and a foreground run that was spared, may go on for as long as their container.
        if !wait_until(Duration::from_millis(300), || !running.is_running()) {
            running.signal(Signal::KILL);
        }
        drop(running.wait());
        let now = listed(&rr);
        for (id, (old_name, old_state)) in &known {
            let may_go = match loses {
                Loses::Nothing => false,
                Loses::Target => old_name == name,
                // What was about to run when it was looked at may have ended since.
                Loses::Stopped => old_state != "paused",
            };
            assert!(
                may_go || now.contains_key(id),
                "seed {seed}, kill {done}: {words:?} lost {old_name} ({id})\n{now:#?}"
            );
        }
        let claimed: BTreeSet<&String> = now.values().map(|(name, _)| name).collect();
        assert_eq!(claimed.len(), now.len(), "seed {seed}, kill {done}: {words:?}: a name is there twice: {now:#?}");
        // What `--rm` has made goes by itself; its names are rr's.
        known = now.into_iter().filter(|(_, (name, _))| name.len() == 2).collect();
    }
    println!("{done} kills in {:?}: {killed:?}", begun.elapsed());
    // Every container that is left can be started, or runs, and goes.
    for (id, (name, state)) in listed(&rr) {
        if state == "paused" {
            rr.run(["unpause", &id]).succeeds();
        }
        let start = rr.run(["start", &id]);
        // One that shares namespaces starts while the other runs, which may be gone for good.
        let shares = start.stderr.contains("No such container") || start.stderr.contains("non running container");
        let shares =
            shares && rr.run(["inspect", "-f", "{{.HostConfig.IpcMode}}", &id]).line().starts_with("container:");
        assert!(shares || start.status.success(), "seed {seed}: {name}, {state}: {start}");
        rr.run(["rm", "-f", &id]).succeeds();
    }
    let left = listed(&rr);
    assert!(left.is_empty(), "seed {seed}: {left:#?}");
    rr.nothing_is_left();
    // What was killed between making a volume and the container that names it is found here.
    rr.run(["volume", "prune", "-f", "--filter", "all=1"]).succeeds();
    rr.run(["network", "prune", "-f"]).succeeds();
    // The images are whole: what a command was killed at is finished, or made anew.
    assert!(rr.run(["images", "--format", "{{.Repository}}"]).succeeds().stdout.contains("alpine"), "seed {seed}");
    let fresh = ["run", "--rm", "--network", "none", "--name", "n0", "alpine", "echo", "well"];
    assert_eq!(rr.run(fresh).succeeds().stdout, "well\n");
    rr.run(["pull", "-q", "busybox"]).succeeds();
    rr.run(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    rr.run(["load", "-q", "-i", &rr.path("files").join("given.tar").display().to_string()]).succeeds();
    // And everything else is found.
    rr.run(["system", "prune", "-a", "-f", "--volumes"]).succeeds();
    for directory in ["names", "volumes", "tmp", "layers", "oci/blobs/sha256"] {
        let left = files_below(&rr.store().join(directory));
        assert!(left.is_empty(), "seed {seed}: {directory}: {left:?}");
    }
    let files: BTreeSet<String> = files_below(&rr.path("files")).into_iter().collect();
    let odd: Vec<&String> = files.iter().filter(|name| name.starts_with('.')).collect();
    assert!(odd.is_empty(), "seed {seed}: {files:?}");
}

#[test]
fn sixty_four_start_and_go_at_once_and_ps_is_right_meanwhile() {
    let rr = requires!(user());
    let limit = Duration::from_secs(300);
    let name = |number: usize| format!("n{number}");
    let look = |seen: &mut usize, most: usize| {
        let text = rr
            .command(["ps", "-a", "--format", "{{.Names}} {{.State}}"])
            .within(limit)
            .output()
            .succeeds_quietly()
            .stdout;
        for line in text.lines() {
            assert!(line.ends_with(" running") || line.ends_with(" created") || line.ends_with(" exited"), "{line}");
        }
        let names: BTreeSet<&str> = text.lines().collect();
        assert_eq!(names.len(), text.lines().count(), "{text}");
        assert!(names.len() <= most, "{text}");
        *seen = names.len();
    };
    let runs: Vec<_> = (0..64)
        .map(|number| {
            let words = ["run", "-d", "--network", "none", "--name", &name(number), "alpine", "sleep", "1000"];
            rr.command(words).within(limit).spawn()
        })
        .collect();
    let mut seen = 0;
    (0..5).for_each(|_| look(&mut seen, 64));
    for run in runs {
        run.wait().succeeds_quietly();
    }
    look(&mut seen, 64);
    assert_eq!(seen, 64);
    assert_eq!(rr.run(["ps", "-q"]).succeeds().stdout.lines().count(), 64);
    let removals: Vec<_> =
        (0..64).map(|number| rr.command(["rm", "-f", &name(number)]).within(limit).spawn()).collect();
    (0..5).for_each(|_| look(&mut seen, 64));
    for removal in removals {
        removal.wait().succeeds_quietly();
    }
    look(&mut seen, 0);
    rr.nothing_is_left();
}

#[test]
fn a_reboot_leaves_every_container_listed_as_exited_and_startable() {
    let rr = requires!(user());
    for (name, policy) in [("aa", "no"), ("bb", "always")] {
        rr.run(["run", "-d", "--network", "none", "--restart", policy, "--name", name, "alpine", "sleep", "1000"])
            .succeeds();
    }
    rr.run(["run", "-d", "--rm", "--network", "none", "--name", "gone", "alpine", "sleep", "1000"]).succeeds();
    rr.run(["create", "--network", "none", "--name", "cc", "alpine", "sleep", "1000"]).succeeds();
    rr.reboot();
    let states: Vec<(String, String)> = listed(&rr).into_values().collect();
    let mut states: Vec<String> = states.into_iter().map(|(name, state)| format!("{name} {state}")).collect();
    states.sort();
    assert_eq!(states, ["aa exited", "bb exited", "cc created"]);
    assert_eq!(
        rr.run(["inspect", "-f", "{{.State.ExitCode}} {{.State.Pid}} {{.State.Running}}", "aa"]).succeeds().line(),
        "137 0 false"
    );
    rr.run(["start", "aa", "bb", "cc"]).succeeds();
    assert_eq!(rr.run(["ps", "-q"]).succeeds().stdout.lines().count(), 3);
    rr.run(["rm", "-f", "aa", "bb", "cc"]).succeeds();
    rr.nothing_is_left();
}
