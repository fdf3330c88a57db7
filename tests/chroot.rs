//! `--isolation chroot`, forced where namespaces can be had: by root of `rr unshare`. What takes it of itself is in
//! `everywhere`.

use crate::support::{Outcome, Rr, requires};

/// rr's words, run by root of a user namespace with all of the user's ids.
fn as_root(rr: &Rr, words: &[&str]) -> Outcome {
    let rr_itself = rr.binary().display().to_string();
    rr.run([&["unshare", rr_itself.as_str()], words].concat())
}

#[test]
fn it_is_the_image_the_user_and_the_status_and_says_what_it_is_not() {
    let rr = requires!(Rr::with_alpine());
    let run = ["run", "--rm", "--isolation", "chroot", "-u", "games:5", "-w", "/new/dir", "-e", "A=b"];
    let script = "id -u; id -G; pwd; stat -c %u:%g .; echo $A; cat /etc/alpine-release; ls /proc | wc -l; exit 7";
    let outcome = as_root(&rr, &[&run[..], &Rr::ALPINE, &["sh", "-c", script]].concat()).exits(7);
    assert_eq!(outcome.stdout, "35\n5\n/new/dir\n35:5\nb\n3.20.3\n0\n");
    let said: Vec<&str> = outcome.stderr.lines().collect();
    assert!(
        matches!(&said[..], [one, devices] if one.contains("is not isolated") && devices.contains("mknod")),
        "{outcome}"
    );
    rr.nothing_is_left();
}

#[test]
fn a_container_of_it_goes_through_its_life() {
    let rr = requires!(Rr::with_alpine());
    let start = ["run", "-d", "--name", "bare", "--isolation", "chroot"];
    // Two of its processes outlive the payload, and one has left its session.
    let script = "echo here; (sleep 1000 &); setsid sleep 1000 & exec sleep 1000";
    as_root(&rr, &[&start[..], &Rr::ALPINE, &["sh", "-c", script]].concat()).succeeds();
    let exec =
        as_root(&rr, &["exec", "-u", "7", "bare", "sh", "-c", "id -u; cat /etc/alpine-release; exit 3"]).exits(3);
    assert_eq!(exec.stdout, "7\n3.20.3\n");
    assert_eq!(as_root(&rr, &["logs", "bare"]).succeeds().stdout, "here\n");
    as_root(&rr, &["exec", "bare", "touch", "/made"]).succeeds();
    as_root(&rr, &["stop", "-t", "1", "bare"]).succeeds();
    rr.no_process_is_left();
    // Its files stay until it is removed, and what is outside can remove them.
    as_root(&rr, &["start", "bare"]).succeeds();
    assert_eq!(as_root(&rr, &["exec", "bare", "ls", "/made"]).succeeds().stdout, "/made\n");
    rr.run(["rm", "-f", "-t", "0", "bare"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_takes_a_namespace_or_a_privilege_is_refused() {
    let rr = requires!(Rr::with_alpine());
    let run = |options: &[&str]| {
        as_root(&rr, &[&["run", "--rm", "--isolation", "chroot"], options, &Rr::ALPINE, &["true"]].concat())
    };
    for (options, words) in [
        (&["-v", "/tmp:/x"][..], "cannot use --volume, --mount and --tmpfs: a mount takes namespaces"),
        (&["--network", "none"], "cannot use --network"),
        (&["-p", "80:80"], "cannot use --publish"),
        (&["--read-only"], "cannot use --read-only"),
        (&["--userns", "keep-id"], "cannot use --userns"),
    ] {
        run(options).fails_with(125, words);
    }
    rr.run([&["run", "--rm", "--isolation", "chroot"], &Rr::ALPINE[..], &["true"]].concat())
        .fails_with(125, "cannot use --isolation chroot: it takes root");
    rr.command(["info"]).env("RR_ISOLATION", "nope").output().fails_with(1, "cannot use RR_ISOLATION");
    rr.nothing_is_left();
}

/// A hostile image leads /etc and /dev elsewhere: what is written there stays in the copy.
#[test]
fn links_of_the_image_do_not_lead_out() {
    let rr = requires!(Rr::with_alpine());
    let outside = rr.directory("outside");
    std::fs::write(outside.join("hosts"), "untouched").expect("own directory");
    let root = requires!(crate::support::small_root(&rr));
    for name in ["etc", "dev"] {
        std::fs::remove_dir_all(root.join(name)).expect("the root is ours");
        std::os::unix::fs::symlink(&outside, root.join(name)).expect("the root is ours");
    }
    let root = root.display().to_string();
    as_root(&rr, &["run", "--rm", "--isolation", "chroot", "--rootfs", &root, "true"]).succeeds();
    assert_eq!(std::fs::read_to_string(outside.join("hosts")).expect("still there"), "untouched");
    let names: Vec<_> = std::fs::read_dir(&outside).expect("still there").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    rr.nothing_is_left();
}
