//! `rr unshare`: a command that reaches files of subordinate ids.

use crate::support::Rr;
use std::os::unix::fs::MetadataExt;

#[test]
fn the_command_is_root_of_every_id_the_user_has() {
    let rr = Rr::new();
    let me = rustix::process::geteuid().as_raw();
    assert_eq!(rr.run(["unshare", "id", "-u"]).succeeds_quietly().stdout, "0\n");
    let map = rr.run(["unshare", "cat", "/proc/self/uid_map"]).succeeds().stdout;
    let first: Vec<&str> = map.lines().next().unwrap_or("").split_whitespace().collect();
    assert_eq!(first, ["0", &me.to_string(), "1"], "{map}");
    assert!(map.lines().count() > 1, "only one id: {map}");
    // What belongs to a subordinate id is made, and removed, from inside.
    let file = rr.path("of-another");
    rr.run(["unshare", "sh", "-c", "touch of-another && chown 5:6 of-another && chmod 600 of-another"]).succeeds();
    let metadata = std::fs::metadata(&file).expect("the file is there");
    assert!(metadata.uid() != me && metadata.uid() != 5, "{}", metadata.uid());
    std::fs::read(&file).expect_err("somebody else's");
    rr.run(["unshare", "sh", "-c", "stat -c %u:%g of-another && rm of-another"]).succeeds();
    assert!(!file.exists());
    rr.nothing_is_left();
}

#[test]
fn environment_directory_and_status_are_the_commands() {
    let rr = Rr::new();
    let script = "echo $HOME $MINE; pwd; cat; exit 7";
    let outcome = rr.command(["unshare", "sh", "-c", script]).env("MINE", "kept").stdin("typed\n").output().exits(7);
    let expected = format!("{} kept\n{}\ntyped\n", rr.home().display(), rr.path("").display());
    assert_eq!(outcome.stdout.replace("//", "/"), expected.replace("/\n", "\n"));
    // rr becomes the command: it ends as that does, by the same signal.
    let script = "\"$0\" unshare sh -c 'kill -TERM $$'; echo $?";
    let ended = rr.any_command("sh", ["-c", script, &rr.binary().display().to_string()]).output().succeeds();
    assert_eq!(ended.stdout, "143\n");
    rr.command(["unshare"]).env("SHELL", "/bin/sh").stdin("exit 5\n").output().exits(5);
    rr.command(["unshare", "--", "sh", "-c", "exit 6"]).output().exits(6);
    // Mounts are its own.
    rr.run(["unshare", "sh", "-c", "mount -t tmpfs none tmp && touch tmp/x"]).succeeds();
    assert_eq!(std::fs::read_dir(rr.path("tmp")).expect("readable").count(), 0);
    rr.nothing_is_left();
}

#[test]
fn what_cannot_be_done_is_one_error() {
    let rr = Rr::new();
    rr.run(["unshare", "surely-not-there"]).fails_with(127, "cannot execute surely-not-there");
    rr.run(["unshare", "/etc/passwd"]).fails_with(126, "EACCES");
    rr.run(["unshare", "--rootless-netns", "true"]).fails_with(125, "share no network namespace");
    rr.run(["unshare", "--nope"]).fails_with(125, "there is no option --nope");
}
