//! What a container finds at /proc, /sys and /dev, and who its payload is.

use crate::support::{Outcome, Rr, requires, small_root};
use std::path::Path;

/// `rr run` of a shell script in a throw-away copy of `root`.
fn sh(rr: &Rr, root: &Path, options: &[&str], script: &str) -> Outcome {
    let source = format!("{}:O", root.display());
    let words = ["run", "--rm", "--network", "none", "--rootfs", &source];
    rr.run([&words, options, &["sh", "-c", script]].concat())
}

#[test]
fn proc_and_sys_are_the_containers_own_and_protected() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script = "readlink /proc/self; ls /sys/class/net; wc -c </proc/interrupts; ls /sys/firmware | wc -l
        echo 1 >/proc/sys/net/ipv4/ip_forward || mkdir /sys/x || echo protected";
    let outcome = sh(&rr, &root, &[], script).succeeds();
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].parse::<u32>().is_ok_and(|pid| pid < 10), "{}", outcome.stdout);
    assert_eq!(lines[1..], ["lo", "0", "0", "protected"]);
    rr.nothing_is_left();
}

#[test]
fn dev_has_the_nodes_and_nothing_of_the_hosts() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script = "ls /dev; head -c 4 /dev/zero | wc -c; echo x >/dev/null; readlink /dev/ptmx
        df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2; echo through | cat /dev/stdin";
    let outcome = sh(&rr, &root, &["--shm-size", "2m"], script).succeeds();
    let names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(
        outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" "),
        format!("{names} 4 pts/ptmx 2048 through")
    );
    rr.nothing_is_left();
}

#[test]
fn with_a_terminal_dev_console_is_that_terminal() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let source = format!("{}:O", root.display());
    let script = "tty; [ \"$(stat -c %t:%T /dev/console)\" = \"$(stat -c %t:%T \"$(tty)\")\" ] && echo same; stat -c %g /dev/pts/0";
    let words = ["run", "--rm", "-t", "--network", "none", "--rootfs", &source, "sh", "-c", script];
    let mut terminal = rr.command(words).terminal(24, 80);
    terminal.expect("/dev/pts/0");
    terminal.expect("same");
    terminal.expect("5");
    assert!(terminal.wait().success());
    rr.nothing_is_left();
}

#[test]
fn a_payload_that_is_not_root_can_open_its_streams_anew() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script = "echo out >/dev/stdout && echo err >/dev/stderr";
    let outcome = sh(&rr, &root, &["-u", "games"], script).succeeds();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    let source = format!("{}:O", root.display());
    let words = ["run", "--rm", "-t", "-u", "games", "--network", "none", "--rootfs", &source, "sh", "-c", script];
    let mut terminal = rr.command(words).terminal(24, 80);
    terminal.expect("out");
    terminal.expect("err");
    assert!(terminal.wait().success());
    rr.nothing_is_left();
}

#[test]
fn an_image_whose_proc_is_a_link_is_refused() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    std::fs::remove_dir(root.join("proc")).expect("the image's /proc is empty");
    std::os::unix::fs::symlink("/etc", root.join("proc")).expect("a link");
    sh(&rr, &root, &[], "true").fails_with(125, "cannot mount on /proc in the container: the image has something else");
    rr.nothing_is_left();
}

#[test]
fn the_payload_is_who_the_containers_passwd_says() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let ids = "echo $(id -u):$(id -g):$(id -G) $HOME";
    // Alpine's root is in some groups, its games has uid 35 and gid 35.
    assert!(sh(&rr, &root, &[], ids).succeeds().stdout.starts_with("0:0:0 1 2 3 4 6 10"));
    assert_eq!(sh(&rr, &root, &["-u", "games"], ids).succeeds().line(), "35:35:35 100 /usr/games");
    assert_eq!(sh(&rr, &root, &["-u", "games:audio"], ids).succeeds().line(), "35:18:18 /usr/games");
    assert_eq!(sh(&rr, &root, &["-u", "4321", "--group-add", "audio"], ids).succeeds().line(), "4321:0:0 18 /");
    sh(&rr, &root, &["-u", "eva"], ids).fails_with(125, "unable to find user eva: no matching entries in passwd file");
    sh(&rr, &root, &["-u", "70000"], ids).fails_with(125, "user id 70000 does not exist in the container");
    rr.nothing_is_left();
}
