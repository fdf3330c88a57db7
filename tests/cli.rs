//! The command line as a whole: names, help, usage errors, exit statuses, output into pipes.

use crate::support::Rr;

#[test]
fn bare_rr_and_help_list_the_commands() {
    let rr = Rr::new();
    let bare = rr.run::<[&str; 0], &str>([]).succeeds_quietly().stdout;
    assert_eq!(bare, rr.run(["help"]).succeeds_quietly().stdout);
    assert_eq!(bare, rr.run(["--help"]).succeeds_quietly().stdout);
    for command in ["run", "pull", "images", "ps", "rm", "rmi", "tag", "inspect", "info", "version"] {
        assert!(bare.lines().any(|line| line.trim_start().starts_with(command)), "{command} is missing:\n{bare}");
    }
    assert!(!bare.contains("man  "), "the packagers' command is not for everybody:\n{bare}");
}

#[test]
fn every_command_has_help() {
    let rr = Rr::new();
    let listed = rr.run(["help"]).succeeds().stdout;
    let commands = listed.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        let help = rr.run(["help", command]).succeeds_quietly().stdout;
        assert!(help.contains(&format!("Usage: rr {command}")), "{help}");
        assert_eq!(help, rr.run([command, "--help"]).succeeds_quietly().stdout, "{command}");
        count += 1;
    }
    assert!(count >= 10, "{listed}");
    // The host name, as in Docker, and not help.
    rr.run(["run", "-h"]).fails_with(125, "--hostname needs a value");
    assert!(rr.run(["ps", "-h"]).succeeds().stdout.contains("--no-trunc"));
}

#[test]
fn versions_are_printed_for_people_and_programs() {
    let rr = Rr::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(rr.run(["--version"]).succeeds_quietly().line(), format!("rr version {version}"));
    assert_eq!(rr.run(["-v"]).succeeds_quietly().line(), format!("rr version {version}"));
    assert!(rr.run(["version"]).succeeds_quietly().stdout.contains(version));
    // GitHub's runner asks this first and wants at least 1.35.
    let api = rr.run(["version", "--format", "{{.Server.APIVersion}}"]).succeeds_quietly();
    let (major, minor) = api.line().split_once('.').expect("a dot");
    assert!((major.parse::<u32>().unwrap(), minor.parse::<u32>().unwrap()) >= (1, 35), "{api}");
    let json = rr.run(["version", "--format", "json"]).succeeds_quietly();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["Client"]["Version"], version);
}

#[test]
fn usage_errors_are_one_line_and_a_hint() {
    let rr = Rr::new();
    for (line, code, text) in [
        (&["rnu"][..], 1, "did you mean `rr run`?"),
        (&["frobnicate"], 1, "there is no such command"),
        (&["image", "lst"], 1, "did you mean `rr image list`?"),
        (&["help", "nope"], 1, "there is no command"),
        (&["--nope"], 125, "there is no option --nope"),
        (&["ps", "--al"], 125, "did you mean --all?"),
        (&["ps", "x"], 1, "one argument too many"),
        (&["rm"], 1, "CONTAINER is missing"),
        (&["tag", "a"], 1, "TARGET_IMAGE[:TAG] is missing"),
        (&["run"], 125, "IMAGE is missing"),
        (&["run", "--nmae", "x", "y"], 125, "did you mean --name?"),
        (&["container", "run", "--nope"], 125, "arguments of `rr container run`"),
        (&["run", "--gpus", "all", "alpine"], 125, "--gpus is an option of Docker's that rr does not have yet"),
        (&["run", "--name", "a/b", "alpine"], 125, "cannot use --name a/b"),
        (&["--log-level", "loud", "ps"], 125, "cannot use --log-level"),
        (&["inspect", "--type", "foo", "x"], 1, "\"foo\" is not a valid value for --type"),
        (&["completion", "tcsh"], 1, "none of bash"),
    ] {
        rr.run(line).fails_with(code, text);
    }
    rr.nothing_is_left();
}

#[test]
fn arguments_that_are_no_utf8_are_an_error_and_no_panic() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let rr = Rr::new();
    let odd = OsStr::from_bytes(b"a\xff");
    rr.run([OsStr::new("run"), OsStr::new("alpine"), odd]).fails_with(125, "is not UTF-8");
    rr.run([odd]).exits(1);
    rr.run([OsStr::new("rm"), odd]).exits(125);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let rr = Rr::new();
    let script = format!("{} help | true; echo ${{PIPESTATUS[0]}}", rr.binary().display());
    let outcome = rr.any_command("bash", ["-c", &script]).output().succeeds_quietly();
    assert_eq!(outcome.line(), "0");
    let script = format!("{} help > /dev/full", rr.binary().display());
    rr.any_command("sh", ["-c", &script]).output().fails_with(1, "cannot write to standard output: no space left");
}

#[test]
fn the_log_is_silent_until_asked_for() {
    let rr = Rr::new();
    rr.run(["ps"]).succeeds_quietly();
    rr.command(["ps"]).env("RR_LOG", "warn").output().succeeds_quietly();
    rr.command(["ps"]).env("RR_LOG", "nonsense").output().fails_with(125, "cannot use RR_LOG");
    rr.run(["-D", "ps"]).succeeds();
}

#[test]
fn completions_are_scripts_their_shells_can_read() {
    let rr = Rr::new();
    for shell in ["bash", "zsh", "fish", "elvish"] {
        let script = rr.run(["completion", shell]).succeeds_quietly().stdout;
        assert!(script.contains("images"), "{shell}");
        if shell == "bash" {
            std::fs::write(rr.path("rr.bash"), script).expect("the test's own directory");
            rr.any_command("bash", ["-n", "rr.bash"]).output().succeeds_quietly();
        }
    }
}
