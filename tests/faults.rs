//! Full disks, homes that cannot be used, stores of another version: one clear error, nothing lost.

use crate::support::{Outcome, Registry, Rr, requires};
use std::os::unix::fs::PermissionsExt;

/// Runs `script` with the store on a tmpfs of `kilobytes`, in a user namespace that may mount one. rr
/// is root there, as in an outer container.
fn on_small_disk(rr: &Rr, kilobytes: u32, script: &str) -> Outcome {
    let mount = format!("mount -t tmpfs -o size={kilobytes}k small {} && {{ {script}; }}", rr.data_home().display());
    let binary = rr.binary().display().to_string();
    let words = ["--map-root-user", "--map-auto", "--mount", "sh", "-c", &mount, &binary];
    rr.any_command("unshare", words).output()
}

#[test]
fn a_pull_onto_a_full_disk_leaves_nothing_half_made() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    // Alpine's layer is 3.6 MB, and 8 MB unpacked.
    for kilobytes in [512, 2048, 6144] {
        let script = "\"$0\" pull -q alpine; echo status $?; \"$0\" images -q
            find $XDG_DATA_HOME/rr/oci/blobs $XDG_DATA_HOME/rr/layers -mindepth 2 -maxdepth 2 | wc -l";
        let outcome = on_small_disk(&rr, kilobytes, script).succeeds();
        assert_eq!(outcome.stdout, "status 1\n0\n", "{kilobytes}: {outcome}");
        assert!(outcome.stderr.contains("ENOSPC"), "{kilobytes}: {outcome}");
    }
}

#[test]
fn a_run_on_a_full_disk_says_so_and_leaves_no_container() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "\"$0\" pull -q alpine >/dev/null || exit 99
        fill() { dd if=/dev/zero of=$XDG_DATA_HOME/fill bs=4k 2>/dev/null; }
        fill; \"$0\" run --rm --network none alpine true; echo status $?
        ls $XDG_DATA_HOME/rr/containers $XDG_DATA_HOME/rr/names | grep -v : | grep -c .
        rm $XDG_DATA_HOME/fill; \"$0\" run --rm --network none alpine sh -c 'dd if=/dev/zero of=/big bs=1M 2>&1 | grep -o \"No space\"'
        \"$0\" run --rm --network none alpine echo works again";
    let outcome = on_small_disk(&rr, 32 * 1024, script).succeeds();
    assert_eq!(outcome.stdout, "status 125\n0\nNo space\nworks again\n", "{outcome}");
    assert!(outcome.stderr.contains("ENOSPC"), "{outcome}");
}

#[test]
fn a_home_that_cannot_be_used_is_named() {
    let rr = Rr::new();
    let run = |rr: &Rr| rr.run(["run", "--rm", "--network", "none", "alpine", "true"]);
    std::fs::set_permissions(rr.data_home(), std::fs::Permissions::from_mode(0o000)).unwrap();
    run(&rr).fails_with(125, "EACCES");
    std::fs::set_permissions(rr.data_home(), std::fs::Permissions::from_mode(0o500)).unwrap();
    run(&rr).fails_with(125, "EACCES");
    std::fs::set_permissions(rr.data_home(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(rr.store(), "").unwrap();
    run(&rr).fails_with(125, "ENOTDIR");
    let homeless = rr.command(["images"]).env_remove("HOME").env_remove("XDG_DATA_HOME").output();
    assert!(homeless.status.code() == Some(0) || homeless.stderr.contains("home"), "{homeless}");
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let rr = Rr::new();
    rr.run(["images"]).succeeds();
    std::fs::write(rr.store().join("version"), "999\n").unwrap();
    rr.run(["images"]).fails_with(1, "version `999`");
    rr.run(["run", "--rm", "alpine", "true"]).fails_with(125, "version `999`");
    assert_eq!(std::fs::read_to_string(rr.store().join("version")).unwrap(), "999\n");
}

#[test]
fn records_that_were_torn_by_a_loss_of_power_can_be_removed() {
    let rr = requires!(Rr::with_alpine());
    let make = || {
        let words =
            ["run", "-d", "--name", "torn", "--network", "none", "--rootfs", "rootfs:O", "sh", "-c", "echo >/x"];
        let id = rr.run(words).succeeds().line().to_owned();
        rr.run(["wait", "torn"]).succeeds();
        rr.store().join("containers").join(id)
    };
    // As ext4 and XFS leave a new file whose blocks were not written in time.
    std::fs::write(make().join("state.json"), "").expect("the user's own");
    let state = rr.run(["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", "torn"]).succeeds();
    assert!(state.stdout.starts_with("exited 137 the machine lost power"), "{state}");
    rr.run(["rm", "torn"]).succeeds_quietly();

    let directory = make();
    std::fs::write(directory.join("plan.json"), "").expect("the user's own");
    rr.run(["ps", "-a"]).succeeds();
    let outcome = rr.run(["start", "torn"]).fails_with(1, "plan.json: ");
    assert!(outcome.stderr.contains("hint: if the machine lost power"), "{outcome}");
    rr.run(["rm", "torn"]).succeeds_quietly();
    assert!(!directory.exists());
    make();
    rr.run(["rm", "torn"]).succeeds_quietly();
    rr.nothing_is_left();
}
