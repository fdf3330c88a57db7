//! `system df`, `prune` in all its forms, `system reset`: what takes room, and getting it back.

use crate::support::{Registry, Rr, requires, wait_until};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

fn user() -> Result<Rr, String> {
    let rr = Rr::new().with_mirror(Registry::shared()?);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    Ok(rr)
}

fn ids(rr: &Rr, what: &[&str]) -> Vec<String> {
    rr.run(what).succeeds().stdout.lines().map(str::to_owned).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn stopped_containers_go_and_running_ones_stay() {
    let rr = requires!(user());
    let script = "dd if=/dev/zero of=/file bs=1000 count=5000 2>/dev/null";
    rr.run(["run", "--name", "ended", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    rr.run(["create", "--name", "made", "--network", "none", "-l", "keep=yes", "alpine", "true"]).succeeds();
    rr.run(["run", "-d", "--name", "runs", "--network", "none", "alpine", "sleep", "1000"]).succeeds();
    let ended = ids(&rr, &["ps", "-aq", "--no-trunc", "--filter", "name=ended"]);

    let asked = rr.command(["container", "prune"]).stdin("n\n").output().succeeds().stdout;
    assert!(asked.starts_with("WARNING! This will remove all stopped containers.\nAre you sure"), "{asked}");
    assert_eq!(ids(&rr, &["ps", "-aq"]).len(), 3);
    let pruned = rr.run(["container", "prune", "-f", "--filter", "label!=keep"]).succeeds().stdout;
    assert_eq!(pruned, format!("Deleted Containers:\n{}\n\nTotal reclaimed space: 5MB\n", ended[0]));
    let asked =
        rr.command(["container", "prune", "--filter", "label=keep=yes"]).stdin("y\n").output().succeeds().stdout;
    assert!(asked.contains("[y/N] Deleted Containers:"), "{asked}");
    assert_eq!(rr.run(["container", "prune", "-f"]).succeeds().stdout, "Total reclaimed space: 0B\n");
    assert_eq!(ids(&rr, &["ps", "-q"]).len(), 1);
    rr.run(["container", "prune", "-f", "--filter", "until=x"]).fails_with(1, "until=x");
    rr.run(["container", "prune", "-f", "--filter", "nope=x"]).fails_with(1, "invalid filter");
    rr.run(["rm", "-f", "runs"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn until_spares_what_is_younger() {
    let rr = requires!(user());
    rr.run(["create", "--name", "young", "--network", "none", "alpine", "true"]).succeeds();
    rr.run(["container", "prune", "-f", "--filter", "until=1h"]).succeeds();
    assert_eq!(ids(&rr, &["ps", "-aq"]).len(), 1);
    rr.run(["image", "prune", "-a", "-f", "--filter", "until=2000-01-01"]).succeeds();
    assert_eq!(ids(&rr, &["images", "-q"]).len(), 1);
}

#[test]
fn images_without_names_go_and_with_all_those_without_containers() {
    let rr = requires!(user());
    rr.run(["pull", "-q", "busybox"]).succeeds();
    rr.run(["create", "--name", "user", "--network", "none", "busybox", "true"]).succeeds();
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "sh", "-c", "echo >/new"]).succeeds();
    let nameless = rr.run(["commit", "it"]).succeeds().stdout;
    rr.run(["rm", "it"]).succeeds();
    let pruned = rr.run(["image", "prune", "-f"]).succeeds().stdout;
    assert!(pruned.starts_with(&format!("Deleted Images:\ndeleted: {}\n\nTotal", nameless.trim())), "{pruned}");
    assert!(!pruned.contains("space: 0B"), "{pruned}");
    assert_eq!(ids(&rr, &["images", "-q"]).len(), 2);
    let asked = rr.command(["image", "prune", "-a"]).stdin("\n").output().succeeds().stdout;
    assert!(asked.contains("all images without at least one container"), "{asked}");
    let pruned = rr.run(["image", "prune", "-a", "-f"]).succeeds().stdout;
    assert!(pruned.contains("untagged: alpine:latest\ndeleted: sha256:") && !pruned.contains("busybox"), "{pruned}");
    assert_eq!(rr.run(["images", "--format", "{{.Repository}}"]).succeeds().stdout, "busybox\n");
    rr.run(["start", "-a", "user"]).succeeds();
}

#[test]
fn system_prune_asks_once_and_takes_all() {
    let rr = requires!(user());
    rr.run(["create", "--name", "made", "--network", "none", "alpine", "true"]).succeeds();
    let asked = rr.command(["system", "prune", "-a"]).stdin("n\n").output().succeeds().stdout;
    let expected = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all images without";
    assert!(asked.starts_with(expected), "{asked}");
    assert_eq!(ids(&rr, &["ps", "-aq"]).len(), 1);
    rr.run(["system", "prune", "-a", "-f"]).succeeds();
    assert_eq!(names_in(&rr.store().join("oci/blobs/sha256")), [""; 0]);
    for directory in ["containers", "names", "tmp"] {
        assert_eq!(names_in(&rr.store().join(directory)), [""; 0], "{directory}");
    }
    rr.nothing_is_left();
}

/// Each command is killed after a while that grows, so that every part of it is met.
#[test]
fn what_killed_commands_leave_is_found() {
    let rr = requires!(user());
    let archive = rr.path("alpine.tar");
    rr.run(["save", "-o", archive.to_str().unwrap(), "alpine"]).succeeds();
    rr.run(["create", "--name", "base", "--network", "none", "alpine", "true"]).succeeds();
    let commands: [&[&str]; 6] = [
        &["run", "--rm", "--network", "none", "alpine", "sh", "-c", "echo >/x; sleep 0.02"],
        &["run", "-d", "--network", "none", "-v", "/anonymous", "alpine", "sh", "-c", "echo >/x; sleep 0.02"],
        &["create", "--network", "none", "alpine", "true"],
        &["commit", "base", "new"],
        &["load", "-q", "-i", archive.to_str().unwrap()],
        &["pull", "-q", "busybox"],
    ];
    for round in 0..12 {
        for command in commands {
            let running = rr.command(command).spawn();
            std::thread::sleep(Duration::from_millis(2 + round * 6));
            running.signal(Signal::KILL);
            running.wait();
        }
        // Something of before is in use, and something is not.
        if round % 4 == 3 {
            rr.run(["rmi", "-f", "busybox", "new"]);
        }
    }
    assert!(wait_until(Duration::from_secs(20), || rr.processes().is_empty()), "{:?}", rr.processes());
    rr.run(["rm", "base"]).succeeds();
    rr.run(["system", "prune", "-a", "-f", "--volumes"]).succeeds();
    for directory in ["containers", "names", "tmp", "volumes", "oci/blobs/sha256"] {
        assert_eq!(names_in(&rr.store().join(directory)), [""; 0], "{directory}");
    }
    for key in names_in(&rr.store().join("layers")) {
        assert_eq!(names_in(&rr.store().join("layers").join(key)), [""; 0]);
    }
    rr.nothing_is_left();
}

#[test]
fn pruning_meets_commands_that_run() {
    let rr = requires!(user());
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| {
            for _ in 0..25 {
                rr.run(["run", "--rm", "--network", "none", "alpine", "true"]).succeeds();
            }
        });
        while !runs.is_finished() {
            rr.run(["system", "prune", "-f"]).succeeds();
        }
    });
    assert_eq!(ids(&rr, &["images", "-q"]).len(), 1);
    rr.nothing_is_left();
}

#[test]
fn df_counts() {
    let rr = requires!(user());
    let script = "dd if=/dev/zero of=/file bs=1000 count=3000 2>/dev/null; sleep 1000";
    rr.run(["run", "-d", "--name", "runs", "--network", "none", "-v", "vol:/v", "alpine", "sh", "-c", script])
        .succeeds();
    assert!(wait_until(Duration::from_secs(20), || rr
        .run(["system", "df", "--format", "{{.Size}}"])
        .stdout
        .contains("3MB")));
    let table = rr.run(["system", "df"]).succeeds().stdout;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    assert_eq!((&lines[1][..3], &lines[1][4..]), (&["Images", "1", "1"][..], &["0B", "(0%)"][..]));
    assert_eq!(lines[2], ["Containers", "1", "1", "3MB", "0B", "(0%)"]);
    assert_eq!(lines[3][..4], ["Local", "Volumes", "1", "1"]);
    let long = rr.run(["system", "df", "-v"]).succeeds().stdout;
    for part in
        ["Images space usage:", "Containers space usage:", "Local Volumes space usage:", "alpine", "runs", "vol"]
    {
        assert!(long.contains(part), "{part}: {long}");
    }
    rr.run(["rm", "-f", "runs"]).succeeds();
    let json = rr.run(["system", "df", "--format", "json"]).succeeds().stdout;
    assert!(json.lines().next().unwrap().contains("\"Active\":\"0\"") && json.contains("(100%)"), "{json}");
}

#[test]
fn reset_leaves_nothing() {
    let rr = requires!(user());
    rr.run(["run", "-d", "--name", "runs", "--network", "none", "alpine", "sleep", "1000"]).succeeds();
    let script = "chown -R 5:6 /etc && chmod 000 /etc && mkdir -m 0 /closed";
    rr.run(["run", "--name", "ended", "--network", "none", "-v", "vol:/v", "alpine", "sh", "-c", script]).succeeds();
    let asked = rr.command(["system", "reset"]).stdin("n\n").output().succeeds().stdout;
    assert!(asked.contains("all containers, running or not"), "{asked}");
    assert_eq!(ids(&rr, &["ps", "-aq"]).len(), 2);
    rr.run(["system", "reset", "-f"]).succeeds();
    assert!(!rr.store().exists() && !rr.runtime_dir().join("rr").exists());
    rr.nothing_is_left();
    // And it works again afterwards.
    rr.run(["run", "--rm", "--network", "none", "alpine", "true"]).succeeds();
}
