//! A container where only the user's own id is mapped: as where `newuidmap` is missing.

use crate::support::{Outcome, Rr, requires};
use std::fs;

/// Runs a script in alpine with one id.
fn run(rr: &Rr, options: &[&str], script: &str) -> Outcome {
    rr.alpine(options, &["sh", "-c", script]).env("RR_HELPER_PATH", "").output()
}

#[test]
fn changes_of_owner_seem_to_succeed_and_what_matters_does() {
    let rr = requires!(Rr::with_alpine());
    let script = "touch /tmp/a && chown 5:6 /tmp/a && chgrp -h 7 /tmp/a && stat -c %u:%g /tmp/a
        mknod /tmp/pipe p && stat -c %F /tmp/pipe
        mknod /tmp/null c 1 3 && ls /tmp/null 2>&1 | grep -c 'No such'
        su -s /bin/sh nobody -c 'id -u'";
    let outcome = run(&rr, &[], script).succeeds();
    assert_eq!(outcome.stdout, "0:0\nfifo\n1\n0\n");
    assert!(outcome.stderr.contains("only one user id is mapped"), "{outcome}");
    // Without a filter the kernel answers.
    let outcome = run(&rr, &["--security-opt", "seccomp=unconfined"], "touch /tmp/a; chown 5:6 /tmp/a").exits(1);
    assert!(outcome.stderr.contains("Invalid argument"), "{outcome}");
    // With more ids nobody pretends.
    assert_eq!(rr.sh(&[], "touch /tmp/a && chown 5:6 /tmp/a && stat -c %u:%g /tmp/a").succeeds().stdout, "5:6\n");
    rr.nothing_is_left();
}

#[test]
fn a_process_that_comes_later_is_told_the_same() {
    let rr = requires!(Rr::with_alpine());
    let start = ["run", "-d", "--name", "one-id", "--network", "none"];
    rr.command([&start[..], &Rr::ALPINE, &["sleep", "1000"]].concat()).env("RR_HELPER_PATH", "").output().succeeds();
    rr.run(["exec", "one-id", "sh", "-c", "touch /tmp/a && chown 5:6 /tmp/a"]).succeeds();
    rr.run(["rm", "-f", "-t", "0", "one-id"]).succeeds();
    rr.nothing_is_left();
}

/// A package whose file belongs to somebody else, made by hand: Alpine's mirrors are not needed.
#[test]
fn packages_can_be_installed() {
    let rr = requires!(Rr::with_alpine());
    let directory = rr.directory("package");
    let script = r#"
        mkdir -p data/usr/share/foreign && echo content >data/usr/share/foreign/file
        tar -C data -c --format=ustar --numeric-owner --owner=5 --group=6 usr | gzip -n >data.tar.gz
        printf 'pkgname = foreign\npkgver = 1-r0\narch = x86_64\nsize = 8\ndatahash = %s\n' \
            "$(sha256sum data.tar.gz | cut -d' ' -f1)" >.PKGINFO
        # A header and one block: apk reads the next archive right behind it.
        tar -c --format=ustar --numeric-owner --owner=0 --group=0 .PKGINFO | head -c 1024 | gzip -n >control.tar.gz
        cat control.tar.gz data.tar.gz >foreign-1-r0.apk"#;
    rr.any_command("sh", ["-euc", script]).dir(&directory).output().succeeds();
    let mount = format!("{}:/package:ro", directory.display());
    let install = "apk add --no-network --no-cache --allow-untrusted --repositories-file /dev/null /package/foreign-1-r0.apk
        cat /usr/share/foreign/file; apk info -e foreign; apk del foreign >/dev/null && ls /usr/share/foreign 2>&1 | wc -l";
    let outcome = run(&rr, &["-v", &mount], install).succeeds();
    assert!(outcome.stdout.ends_with("content\nforeign\n1\n"), "{outcome}");
    assert!(!outcome.stderr.contains("ERROR"), "{outcome}");
    rr.nothing_is_left();
}

/// apt looks whether it has become another user; what it reads instead lies in /dev and not in the image.
#[test]
fn apt_is_told_to_stay_who_it_is() {
    let rr = requires!(Rr::with_alpine());
    let root = requires!(crate::support::small_root(&rr));
    let words = |command: &'static str| {
        ["run", "--rm", "--network", "none", "--rootfs", root.to_str().expect("UTF-8"), "sh", "-c", command]
            .map(str::to_owned)
    };
    let look = "echo ${APT_CONFIG-unset}; cat /dev/.rr-apt.conf 2>/dev/null; true";
    let one = |command| rr.command(words(command)).env("RR_HELPER_PATH", "").output().succeeds();
    assert_eq!(one(look).stdout, "unset\n");
    fs::create_dir_all(root.join("etc/apt")).expect("the directory is ours");
    assert_eq!(one(look).stdout, "/dev/.rr-apt.conf\nAPT::Sandbox::User \"root\";\n");
    assert_eq!(rr.run(words(look)).succeeds().stdout, "unset\n");
    rr.nothing_is_left();
}
