//! Exit status by Docker's convention, and what is said with it.

use crate::support::{Registry, Rr, requires};

#[test]
fn the_payloads_status_is_rrs() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let run = |script: &str| rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", script]);
    for code in [0, 1, 7, 125, 255] {
        let outcome = run(&format!("exit {code}")).exits(code);
        assert!(!outcome.stderr.contains("rr: cannot"), "{outcome}");
    }
    // Process 1 cannot be killed from inside; a child's death by a signal is the shell's to report.
    run("sh -c 'kill -SEGV $$'; exit $?").exits(139);
    let init = ["run", "--rm", "--network", "none", "--init", "alpine", "sh", "-c", "kill -TERM $$"];
    rr.run(init).exits(143);
    rr.nothing_is_left();
}

#[test]
fn rrs_own_failures_are_125_126_and_127() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let run = |words: &[&str]| rr.run(["run", "--rm", "--network", "none"].iter().chain(words).copied());
    run(&["alpine", "nosuch"]).fails_with(127, "not found in $PATH");
    run(&["alpine", "/no/such"]).fails_with(127, "ENOENT");
    run(&["alpine", "/etc/passwd"]).fails_with(126, "EACCES");
    run(&["alpine", "/etc"]).fails_with(126, "EACCES");
    run(&["--init", "alpine", "nosuch"]).fails_with(127, "not found in $PATH");
    run(&["-u", "nobodyknows", "alpine", "true"]).fails_with(125, "nobodyknows");
    run(&["-u", "99999999", "alpine", "true"]).fails_with(125, "99999999");
    run(&["-w", "/etc/passwd", "alpine", "true"]).fails_with(125, "/etc/passwd");
    // As Docker: an emptied entrypoint takes the image's command with it.
    run(&["--entrypoint", "", "alpine"]).fails_with(125, "no command");
    run(&["--entrypoint", "", "alpine", "true"]).exits(0);
    rr.run(["run", "--no-such-flag", "alpine"]).exits(125);
    rr.run(["run"]).exits(125);
    rr.nothing_is_left();
}

#[test]
fn a_script_without_its_interpreter_says_so() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let dir = rr.directory("scripts");
    std::fs::write(dir.join("s"), "#!/no/interpreter\n").unwrap();
    std::fs::set_permissions(dir.join("s"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let volume = format!("{}:/s", dir.display());
    rr.run(["run", "--rm", "--network", "none", "-v", &volume, "alpine", "/s/s"]).fails_with(127, "interpreter");
}
