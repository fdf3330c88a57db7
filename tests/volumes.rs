//! `--volume`, `--mount` and `--tmpfs`: what is shared with the host, how, and as whose.

use crate::support::{Outcome, Rr, requires, small_root};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `rr run` of a shell script in a throw-away copy of `root`.
fn sh(rr: &Rr, root: &Path, options: &[&str], script: &str) -> Outcome {
    let source = format!("{}:O", root.display());
    let words = ["run", "--rm", "--network", "none", "--rootfs", &source];
    rr.run([&words, options, &["sh", "-c", script]].concat())
}

#[test]
fn files_made_in_a_bind_belong_to_the_user_and_the_subordinate_ids() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let shared = rr.directory("shared");
    let volume = format!("{}:/data", shared.display());
    sh(&rr, &root, &["-v", &volume], "touch /data/of-root").succeeds();
    sh(&rr, &root, &["-v", &volume, "-u", "1000"], "touch /data/of-1000").succeeds();
    let owner = |name: &str| std::fs::metadata(shared.join(name)).expect("the file is on the host").uid();
    let me = rustix::process::geteuid().as_raw();
    assert_eq!(owner("of-root"), me);
    assert!(owner("of-1000") != me && owner("of-1000") > 1000, "{}", owner("of-1000"));
    rr.nothing_is_left();
}

#[test]
fn read_only_binds_cannot_be_written_and_other_options_hold() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let shared = rr.directory("shared");
    std::fs::copy(root.join("bin/busybox"), shared.join("busybox")).expect("a program");
    let volume = |options: &str| format!("{}:/data{options}", shared.display());
    assert!(
        sh(&rr, &root, &["-v", &volume(":ro")], "touch /data/x || exit 9")
            .exits(9)
            .stderr
            .contains("Read-only file system")
    );
    let mount = format!("type=bind,source={},target=/data,readonly", shared.display());
    assert!(
        sh(&rr, &root, &["--mount", &mount], "touch /data/x || exit 9")
            .exits(9)
            .stderr
            .contains("Read-only file system")
    );
    sh(&rr, &root, &["-v", &volume("")], "/data/busybox true").succeeds();
    sh(&rr, &root, &["-v", &volume(":noexec")], "/data/busybox true").exits(126);
    // Also where the root file system is read-only, and with the target yet to be made.
    sh(&rr, &root, &["--read-only", "-v", &volume("/deep")], "touch /data/deep/y && ! touch /z").succeeds();
    assert!(shared.join("y").exists());
    rr.nothing_is_left();
}

#[test]
fn a_missing_source_is_made_for_volume_and_refused_for_mount() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let missing = rr.path("missing");
    let mount = format!("type=bind,source={},target=/data", missing.display());
    sh(&rr, &root, &["--mount", &mount], "true")
        .fails_with(125, &format!("bind source path does not exist: {}", missing.display()));
    assert!(!missing.exists());
    sh(&rr, &root, &["-v", "./missing/deep:/data"], "touch /data/x").succeeds();
    assert!(missing.join("deep/x").exists());
    rr.nothing_is_left();
}

#[test]
fn a_named_volume_begins_with_the_images_content_and_keeps_what_is_written() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let options = ["-v", "conf:/etc/apk"];
    sh(
        &rr,
        &root,
        &options,
        "[ -f /etc/apk/repositories ] && echo changed >/etc/apk/repositories && touch /etc/apk/new",
    )
    .succeeds();
    let again =
        sh(&rr, &root, &["-v", "conf:/elsewhere"], "cat /elsewhere/repositories; ls -d /elsewhere/new").succeeds();
    assert_eq!(again.stdout, "changed\n/elsewhere/new\n");
    assert!(rr.store().join("volumes/conf/_data/new").exists());
    sh(&rr, &root, &["-v", "bare:/etc/apk:nocopy"], "ls /etc/apk | wc -l").succeeds();
}

#[test]
fn tmpfs_has_dockers_defaults_and_takes_options() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script = "stat -c %a /t; grep ' /t ' /proc/mounts | cut -d' ' -f4; dd if=/dev/zero of=/t/big bs=1k count=2000";
    let outcome = sh(&rr, &root, &["--tmpfs", "/t:size=1m,mode=750"], script).exits(1);
    assert!(outcome.stdout.starts_with("750\nrw,nosuid,nodev,noexec"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("No space left on device"), "{}", outcome.stderr);
    rr.nothing_is_left();
}

#[test]
fn u_gives_the_source_to_the_payloads_user() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let shared = rr.directory("shared");
    std::fs::write(shared.join("file"), "").expect("a file");
    let volume = format!("{}:/data:U", shared.display());
    let outcome = sh(&rr, &root, &["-v", &volume, "-u", "games"], "stat -c %U:%G /data /data/file").succeeds();
    assert_eq!(outcome.stdout, "games:games\ngames:games\n");
    rr.nothing_is_left();
}

#[test]
fn links_of_the_image_lead_no_mount_out_of_it_or_into_proc() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (shared, outside) = (rr.directory("shared"), rr.directory("outside"));
    std::fs::write(shared.join("file"), "").expect("a file");
    std::os::unix::fs::symlink(&outside, root.join("absolute")).expect("a link");
    std::os::unix::fs::symlink(
        "../../../../../../../..".to_owned() + &outside.to_string_lossy(),
        root.join("relative"),
    )
    .expect("a link");
    std::os::unix::fs::symlink("/proc/sys", root.join("to-proc")).expect("a link");
    for link in ["absolute", "relative"] {
        let volume = format!("{}:/{link}/made", shared.display());
        sh(&rr, &root, &["-v", &volume], &format!("ls /{link}/made/file")).succeeds();
    }
    assert_eq!(std::fs::read_dir(&outside).expect("own directory").count(), 0);
    let volume = format!("{}:/to-proc", shared.display());
    sh(&rr, &root, &["-v", &volume], "true").fails_with(125, "inside /proc, where nothing may be mounted");
    rr.nothing_is_left();
}

#[test]
fn bad_mounts_get_one_clear_error() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    for (options, text) in [
        (["-v", "/a:/b:rubbish"], "invalid mode: rubbish"),
        (["-v", "relative:/"], "the target cannot be '/'"),
        (["--mount", "type=bind,target=/x"], "source is required"),
        (["--tmpfs", "/x:size=much"], "much"),
        (["-v", "/etc/passwd:/tmp"], "is no directory, the target is one"),
        (["-v", "/etc:/etc/passwd"], "is a directory, the target"),
    ] {
        let outcome = sh(&rr, &root, &options, "true").fails_with(125, text);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
    rr.nothing_is_left();
}

#[test]
fn proc_and_sys_of_the_host_are_masked_like_the_containers_own() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let script =
        "wc -c </proc/interrupts; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sysrq-trigger || echo refused";
    let options = ["-v", "/proc:/proc", "-v", "/sys:/sys"];
    assert_eq!(sh(&rr, &root, &options, script).succeeds().stdout, "0\n0\nrefused\n");
    // It is the host's.
    let me = std::process::id().to_string();
    assert_eq!(sh(&rr, &root, &options, &format!("test -d /proc/{me} && echo seen")).succeeds().line(), "seen");
    let all = ["--security-opt", "systempaths=unconfined", "-v", "/proc:/proc"];
    assert_ne!(sh(&rr, &root, &all, "wc -c </proc/interrupts").succeeds().line(), "0");
    rr.nothing_is_left();
}

#[test]
fn selinux_labels_are_asked_for_in_vain_where_there_is_no_selinux() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let enforcing = std::fs::read("/sys/fs/selinux/enforce").is_ok_and(|text| text.starts_with(b"1"));
    requires!(if enforcing { Err("SELinux is on") } else { Ok(()) });
    let shared = rr.directory("shared");
    for option in ["z", "Z", "ro,z", "Z,U"] {
        let volume = format!("{}:/data:{option}", shared.display());
        assert_eq!(sh(&rr, &root, &["-v", &volume], "echo fine").succeeds_quietly().stdout, "fine\n");
    }
    rr.nothing_is_left();
}

/// Runs `script` as root of a user namespace with a mount namespace of its own, whose mounts are shared: the
/// host of this test, since on the real one nobody here may mount. `$0` is rr's binary, `$1` a root file system.
fn as_mounting_host(rr: &Rr, root: &Path, script: &str) -> Outcome {
    let (binary, root) = (rr.binary().display().to_string(), format!("{}:O", root.display()));
    let words = ["--map-root-user", "--map-auto", "--mount", "--propagation", "shared", "--", "sh", "-c", script];
    rr.any_command("unshare", words.iter().copied().chain([binary.as_str(), root.as_str()])).output()
}

#[test]
fn mounts_of_the_host_reach_a_container_that_asked_for_them() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let shared = rr.directory("shared");
    // The container says that it has started; the host mounts; the container looks.
    let script = r#"
        run() { "$binary" run --rm --network none --rootfs "$root" -v "$PWD/shared:/x$1" sh -c "$2"; }
        binary=$0 root=$1
        for mode in :rslave :rshared "" ; do
            rm -f shared/*
            run "$mode" 'touch /x/started; while ! test -e /x/mounted; do sleep 0.05; done
                test -e /x/late/file && echo "seen" || echo "not seen"' &
            while ! test -e shared/started; do sleep 0.05; done
            mkdir -p shared/late; mount -t tmpfs none shared/late; touch shared/late/file; touch shared/mounted
            wait $!; umount shared/late; rmdir shared/late
        done"#;
    let outcome = as_mounting_host(&rr, &root, script).succeeds();
    assert_eq!(outcome.stdout, "seen\nseen\nnot seen\n", "{outcome}");
    assert!(shared.join("mounted").exists());
    rr.nothing_is_left();
}

#[test]
fn mounts_of_a_container_never_reach_the_host() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    rr.directory("shared");
    // Also with `rshared`: a mount namespace of another user namespace is always the slave (mount_namespaces(7)).
    let script = r#"
        "$0" run --rm --network none --cap-add SYS_ADMIN --rootfs "$1" -v "$PWD/shared:/x:rshared" sh -c '
            mkdir /x/inner && mount -t tmpfs none /x/inner && touch /x/inner/file /x/done
            while ! test -e /x/looked; do sleep 0.05; done; ls /x/inner' &
        while ! test -e shared/done; do sleep 0.05; done
        ls shared/inner | wc -l; touch shared/looked; wait $!"#;
    let outcome = as_mounting_host(&rr, &root, script).succeeds();
    assert_eq!(outcome.stdout, "0\nfile\n", "{outcome}");
    rr.nothing_is_left();
}
