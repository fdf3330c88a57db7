//! `--userns`, `--uidmap`, `--gidmap`: who is who on both sides, and what happens where there are no
//! ids to give.

use crate::support::{Outcome, Rr, requires, small_root};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// `rr run` of a shell script in a throw-away copy of `root`, and `/data` of the host's `shared`.
fn words(rr: &Rr, root: &Path, options: &[&str], script: &str) -> Vec<String> {
    let source = format!("{}:O", root.display());
    let volume = format!("{}:/data", rr.directory("shared").display());
    let fixed = ["run", "--rm", "--network", "none", "-v", &volume, "--rootfs", &source];
    [&fixed, options, &["sh", "-c", script]].concat().into_iter().map(str::to_owned).collect()
}

fn sh(rr: &Rr, root: &Path, options: &[&str], script: &str) -> Outcome {
    rr.run(words(rr, root, options, script))
}

/// Owner of a file that a container made in `/data`.
fn owner(rr: &Rr, name: &str) -> (u32, u32) {
    let meta = std::fs::metadata(rr.path("shared").join(name)).expect("the container made it");
    (meta.uid(), meta.gid())
}

fn me() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// The first subordinate user and group id, from the files that newuidmap(1) reads.
fn first_subordinate() -> Result<(u32, u32), String> {
    let first = |path: &str| {
        let name = std::env::var("USER").or_else(|_| passwd_name()).map_err(|error| error.to_string())?;
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")).map(str::to_owned));
        let number = line.and_then(|rest| rest.split(':').next()?.parse().ok());
        number.ok_or_else(|| format!("{path} has no range for {name}"))
    };
    Ok((first("/etc/subuid")?, first("/etc/subgid")?))
}

fn passwd_name() -> Result<String, std::env::VarError> {
    let output = std::process::Command::new("id").arg("-un").output().map_err(|_| std::env::VarError::NotPresent)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn root_is_the_user_and_all_others_are_subordinate() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (sub_user, sub_group) = requires!(first_subordinate());
    sh(&rr, &root, &[], "touch /data/root; touch /data/games && chown games:games /data/games").succeeds_quietly();
    sh(&rr, &root, &["-u", "1000:1001"], "touch /data/thousand").succeeds_quietly();
    assert_eq!(owner(&rr, "root"), me());
    assert_eq!(owner(&rr, "thousand"), (sub_user + 999, sub_group + 1000));
    assert_eq!(owner(&rr, "games"), (sub_user + 34, sub_group + 34));
    // As seen from inside, the user's own files are root's.
    std::fs::write(rr.path("shared/mine"), "").expect("own directory");
    assert_eq!(sh(&rr, &root, &[], "stat -c %u:%g /data/mine").succeeds().line(), "0:0");
    rr.nothing_is_left();
}

#[test]
fn keep_id_keeps_the_user() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (sub_user, sub_group) = requires!(first_subordinate());
    let (uid, gid) = me();
    let script = "echo $(id -u):$(id -g); touch /data/kept";
    let outcome = sh(&rr, &root, &["--userns", "keep-id"], script).succeeds_quietly();
    assert_eq!(outcome.line(), format!("{uid}:{gid}"));
    assert_eq!(owner(&rr, "kept"), (uid, gid));
    let outcome = sh(&rr, &root, &["--userns", "keep-id:uid=33,gid=44"], "echo $(id -u):$(id -g); touch /data/moved");
    assert_eq!(outcome.succeeds_quietly().line(), "33:44");
    assert_eq!(owner(&rr, "moved"), (uid, gid));
    // Root is the first subordinate id then, and may not write where others may not.
    sh(&rr, &root, &["--userns", "keep-id", "-u", "0:0"], "touch /data/of-root").succeeds_quietly();
    assert_eq!(owner(&rr, "of-root"), (sub_user, sub_group));
    rr.nothing_is_left();
}

#[test]
fn explicit_maps_are_the_kernels_maps() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (sub_user, sub_group) = requires!(first_subordinate());
    let (uid, gid) = me();
    let map = |options: &[&str]| {
        let script = "cat /proc/self/uid_map; echo; cat /proc/self/gid_map";
        // Alpine's root is in groups that these maps leave out, which rr says.
        let outcome = sh(&rr, &root, options, script).succeeds();
        let lines = outcome.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join(",")
    };
    assert_eq!(
        map(&["--uidmap", "0:1:10", "--uidmap", "10:0:1", "--gidmap", "0:0:1", "--gidmap", "1:11:5"]),
        format!("0 {sub_user} 10,10 {uid} 1,,0 {gid} 1,1 {} 5", sub_group + 10)
    );
    // One alone is both; a real id of the host is written with @.
    assert_eq!(map(&["--uidmap", "0:0:3"]), format!("0 {uid} 1,1 {sub_user} 2,,0 {gid} 1,1 {sub_group} 2"));
    let real = format!("7:@{}:2", sub_user + 1);
    assert_eq!(
        map(&["--uidmap", "0:0:1", "--uidmap", &real, "--gidmap", "0:0:1"]),
        format!("0 {uid} 1,7 {} 2,,0 {gid} 1", sub_user + 1)
    );
    let error = |options: &[&str], text: &str| sh(&rr, &root, options, "true").fails_with(125, text);
    error(&["--uidmap", "0:0:4000000000"], "cannot use --uidmap: `0:0:4000000000` asks for ids you do not have");
    error(&["--uidmap", "0:@0:1"], "asks for ids you do not have");
    error(&["--uidmap", "0:0:1", "--uidmap", "0:1:1"], "overlap in the container");
    error(&["--userns", "nomap"], "cannot use --userns nomap");
    rr.nothing_is_left();
}

#[test]
fn without_helpers_there_is_one_id_and_one_line() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (uid, gid) = me();
    let none = rr.directory("no-helpers");
    let run = |options: &[&str], script: &str| {
        rr.command(words(&rr, &root, options, script)).env("RR_HELPER_PATH", &none).output()
    };
    let script = "id -u; id -g; cat /proc/self/uid_map | tr -s ' '; touch /data/one";
    let outcome = run(&[], script).succeeds();
    assert_eq!(outcome.line(), format!("0\n0\n 0 {uid} 1"));
    assert_eq!(owner(&rr, "one"), (uid, gid));
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("only one user id is mapped"), "{outcome}");
    assert!(outcome.stderr.contains("newuidmap is not installed; ask an administrator to"), "{outcome}");
    // keep-id with one id: the user is who they are, and there is no root.
    let outcome = run(&["--userns", "keep-id"], "id -u; touch /data/kept-one").succeeds();
    assert_eq!(outcome.line(), uid.to_string());
    assert_eq!(owner(&rr, "kept-one"), (uid, gid));
    let outcome = run(&["-u", "1000"], "true").exits(125);
    assert!(outcome.stderr.contains("user id 1000 does not exist in the container"), "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn helpers_without_privilege_are_named() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let directory = rr.directory("helpers");
    symlink("/usr/bin/newuidmap", directory.join("newuidmap")).expect("own directory");
    std::fs::copy("/usr/bin/newgidmap", directory.join("newgidmap")).expect("a copy has no set-user-ID bit");
    let outcome = rr.command(words(&rr, &root, &[], "id -u")).env("RR_HELPER_PATH", &directory).output().succeeds();
    assert_eq!(outcome.line(), "0");
    let path = directory.join("newgidmap");
    let expected = format!("{} is neither setuid root nor has the file capability cap_setgid", path.display());
    assert!(outcome.stderr.contains(&expected), "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn a_user_without_ranges_is_told_the_command() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let (uid, _) = me();
    // The user's own id in a namespace where /etc/subuid names somebody else, without privilege.
    let listing = rr.path("subuid");
    std::fs::write(&listing, "other:100000:65536\n# end\n").expect("own file");
    let script = "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid &&
        exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"";
    let mut line: Vec<String> =
        ["--map-current-user", "--keep-caps", "--mount", "sh", "-c", script].map(str::to_owned).into();
    line.extend([listing.display().to_string(), rr.binary().display().to_string()]);
    line.extend(words(&rr, &root, &[], "id -u; cat /proc/self/uid_map | tr -s ' '"));
    let outcome = rr.any_command("unshare", line).output().succeeds();
    assert_eq!(outcome.line(), format!("0\n 0 {uid} 1"));
    assert!(outcome.stderr.contains("/etc/subuid has no range for `"), "{outcome}");
    let command = "usermod --add-subuids 165536-231071 --add-subgids 165536-231071 ";
    assert!(outcome.stderr.contains(command), "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn root_of_an_outer_container_has_all_its_ids() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let mut line: Vec<String> = ["--map-root-user", "--map-auto", "--mount"].map(str::to_owned).into();
    line.push(rr.binary().display().to_string());
    line.extend(words(&rr, &root, &["-u", "1000"], "id -u; cat /proc/self/uid_map | tr -s ' '"));
    let outcome = rr.any_command("unshare", line).output().succeeds_quietly();
    // Written without the helpers; each line within one line of the outer map, `0 user 1`, `1 100000 65536`.
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[..2], ["1000", " 0 0 1"], "{outcome}");
    assert!(lines[2].starts_with(" 1 1 "), "{outcome}");
    rr.nothing_is_left();
}
