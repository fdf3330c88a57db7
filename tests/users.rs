//! `--userns`, `--uidmap`, `--gidmap`: who is who on both sides, and what happens where there are no
//! ids to give.

use crate::support::{Outcome, Rr, requires, small_root, wait_until};
use ring::digest::{SHA256, digest};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

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

/// The `oci:` name of alpine with a layer above it, in which files have owners and capabilities of all
/// kinds. Made as root of a namespace that has the ids.
fn owned_image(rr: &Rr) -> Result<String, String> {
    const SCRIPT: &str = r#"set -e
        cd "$0"; umask 022; mkdir -p opt/games opt/plain opt/capable
        cp "$1/bin/busybox" opt/plain; cp "$1/bin/busybox" opt/capable
        for name in root thousand high games/own suid; do echo $name > opt/$name; done
        chown 1000:1001 opt/thousand; chown 65000:65000 opt/high; chown -R 35:36 opt/games
        chown 33:0 opt/suid; chmod 6755 opt/suid
        setcap cap_chown=ep opt/capable/busybox
        tar --numeric-owner --xattrs --xattrs-include='*' -cf "$0/layer.tar" opt"#;
    let root = small_root(rr)?;
    let work = rr.directory("owned");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--map-auto", "--", "sh", "-c", SCRIPT])
        .args([&work, &root])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let layer = std::fs::read(work.join("layer.tar")).map_err(|error| error.to_string())?;
    Ok(format!("oci:{}", add_layer(&rr.path("layout"), &layer).display()))
}

/// Puts a further layer on the only image of an OCI layout.
fn add_layer(layout: &Path, tar: &[u8]) -> PathBuf {
    let blob =
        |digest: &serde_json::Value| layout.join("blobs").join(digest.as_str().expect("a digest").replace(':', "/"));
    let read = |path: PathBuf| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).expect("a blob")).expect("JSON")
    };
    let put = |bytes: &[u8]| {
        let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(layout.join("blobs/sha256").join(&hex), bytes).expect("own directory");
        (format!("sha256:{hex}"), bytes.len())
    };
    let mut index = read(layout.join("index.json"));
    let mut manifest = read(blob(&index["manifests"][0]["digest"]));
    let mut config = read(blob(&manifest["config"]["digest"]));
    let (layer, size) = put(tar);
    config["rootfs"]["diff_ids"].as_array_mut().expect("a list").push(layer.clone().into());
    config["history"] = serde_json::json!([]);
    let descriptor = serde_json::json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": size,
    });
    manifest["layers"].as_array_mut().expect("a list").push(descriptor);
    (manifest["config"]["digest"], manifest["config"]["size"]) = as_json(put(config.to_string().as_bytes()));
    let entry = &mut index["manifests"][0];
    (entry["digest"], entry["size"]) = as_json(put(manifest.to_string().as_bytes()));
    std::fs::write(layout.join("index.json"), index.to_string()).expect("own directory");
    layout.to_owned()
}

fn as_json((digest, size): (String, usize)) -> (serde_json::Value, serde_json::Value) {
    (digest.into(), size.into())
}

/// Runs a shell script in `image`, as root where `options` say nothing else.
fn in_image(rr: &Rr, image: &str, options: &[&str], script: &str) -> Outcome {
    let fixed = ["run", "--rm", "--network", "none", "-q"];
    rr.run([&fixed, options, &[image, "sh", "-c", script]].concat())
}

#[test]
fn every_map_shows_the_owners_that_the_image_has() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    const SCRIPT: &str = "cd /opt; stat -c '%n %u:%g %a' root thousand high games games/own suid . ..; \
        touch /tmp/x; chmod 777 /tmp; stat -c '%u' /etc/shadow /bin/busybox";
    let expected = "root 0:0 644\nthousand 1000:1001 644\nhigh HIGH 644\ngames 35:36 755\ngames/own 35:36 644\n\
        suid 33:0 6755\n. 0:0 755\n.. 0:0 755\n0\n0\n";
    // The capability is worth something to a user who is not root.
    const CAPABLE: &str =
        "cd /tmp; touch x && /opt/capable/busybox chown 5:6 x && stat -c %u:%g x; /opt/plain/busybox chown 7 x";
    for (options, high) in [
        (&[][..], "65000:65000"),
        (&["--userns", "nomap"], "65000:65000"),
        (&["--userns", "keep-id"], "65000:65000"),
        (&["--userns", "keep-id:uid=1000,gid=1001"], "65000:65000"),
        (&["--uidmap", "0:1:1500", "--uidmap", "2000:0:1"], "0:0"),
        (&["--uidmap", "0:5:900", "--uidmap", "900:0:1", "--uidmap", "901:1500:500"], "0:0"),
    ] {
        let as_root = [options, &["-u", "0:0"]].concat();
        let outcome = in_image(&rr, &image, &as_root, SCRIPT).exits(0);
        assert_eq!(outcome.stdout, expected.replace("HIGH", high), "{options:?}: {outcome}");
        let as_user = [options, &["-u", "1000:1000"]].concat();
        let outcome = in_image(&rr, &image, &as_user, CAPABLE);
        assert_eq!(outcome.stdout, "5:6\n", "{options:?}: {outcome}");
        assert!(outcome.stderr.contains("chown: x: Operation not permitted"), "{options:?}: {outcome}");
    }
    rr.nothing_is_left();
}

#[test]
fn nomap_keeps_the_user_out() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    let (sub_user, sub_group) = requires!(first_subordinate());
    let run =
        |options: &[&str], script: &str| in_image(&rr, &image, &[&["--userns", "nomap"], options].concat(), script);
    let outcome = run(&[], "id -u; cat /proc/self/uid_map | tr -s ' '; echo anew > /dev/stdout").exits(0);
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), ["0", &format!(" 0 {sub_user} 65536"), "anew"], "{outcome}");
    // A home that only the user may enter: what is in it is nobody's, and open as it is to others.
    std::fs::set_permissions(rr.home(), std::fs::Permissions::from_mode(0o700)).expect("own directory");
    for (name, mode) in [("open", 0o777), ("closed", 0o700)] {
        let path = rr.home().join(name);
        std::fs::create_dir(&path).expect("own directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("own directory");
    }
    let bind = |name: &str| format!("{}:/data", rr.home().join(name).display());
    run(&["-v", &bind("open")], "touch /data/made && stat -c %u /data").exits(0);
    let made = std::fs::metadata(rr.home().join("open/made")).expect("the container made it");
    assert_eq!((made.uid(), made.gid()), (sub_user, sub_group));
    let outcome = run(&["-v", &bind("closed")], "stat -c %u /data; touch /data/made");
    assert_eq!(outcome.line(), "65534");
    assert!(outcome.stderr.contains("/data/made: Permission denied"), "{outcome}");
    let root = format!("{}:O", rr.path("rootfs").display());
    let own = rr.run(["run", "--rm", "--network", "none", "--userns", "nomap", "--rootfs", &root, "true"]);
    let own = own.fails_with(125, "permission denied (EACCES)");
    assert!(own.stderr.contains("hint: the directory belongs to you"), "{own}");
    // The files that name things are root's, as everywhere.
    assert_eq!(run(&[], "echo 10.9.9.9 it >> /etc/hosts && tail -n1 /etc/hosts").exits(0).line(), "10.9.9.9 it");
    rr.nothing_is_left();
}

#[test]
fn nomap_fills_and_keeps_volumes() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    let (sub_user, sub_group) = requires!(first_subordinate());
    let run =
        |options: &[&str], script: &str| in_image(&rr, &image, &[&["--userns", "nomap"], options].concat(), script);
    let script = "cd /opt; stat -c '%n %u:%g' . thousand games; mkdir -m 700 mine";
    let outcome = run(&["-v", "kept:/opt"], script).exits(0);
    assert_eq!(outcome.stdout, ". 0:0\nthousand 1000:1001\ngames 35:36\n", "{outcome}");
    let data = std::fs::metadata(rr.store().join("volumes/kept/_data")).expect("the volume");
    assert_eq!((data.uid(), data.gid()), (sub_user, sub_group));
    assert_eq!(run(&["-v", "kept:/data", "-v", "/anonymous"], "stat -c %u /data/mine; touch /anonymous/x").line(), "0");
    // To a container with the default map the same files are those of its users 1 and on.
    assert_eq!(in_image(&rr, &image, &["-v", "kept:/data"], "stat -c %u /data/mine").exits(0).line(), "1");
    let volumes: Vec<_> = std::fs::read_dir(rr.store().join("volumes")).expect("the store").flatten().collect();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    rr.nothing_is_left();
}

#[test]
fn nomap_containers_are_removed_whole() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    let made = "mkdir -m 700 /private; touch /private/x; chown 5:5 /private";
    let keep = ["run", "--network", "none", "--userns", "nomap", "-v", "/anonymous", "--name", "kept", &image];
    rr.run([&keep[..], &["sh", "-c", &format!("{made}; touch /anonymous/x")]].concat()).exits(0);
    rr.run(["ps", "-a", "--size"]).exits(0);
    rr.run(["rm", "-v", "kept"]).exits(0);
    assert_eq!(std::fs::read_dir(rr.store().join("volumes")).expect("the store").count(), 0);
    // Killed at once, client and monitor: the next command finds and removes it.
    let script = format!("{made}; echo made; sleep 1000");
    let line = ["run", "--rm", "--network", "none", "--userns", "nomap", &image, "sh", "-c", &script];
    let running = rr.command(line).spawn();
    let upper = |entry: std::fs::DirEntry| entry.path().join("upper/private").exists();
    let containers = || std::fs::read_dir(rr.store().join("containers")).expect("the store").flatten();
    assert!(wait_until(Duration::from_secs(20), || containers().any(upper)), "the container does not run");
    for process in rr.processes() {
        // One may have ended with another, and those of subordinate ids end with the monitor.
        let pid = rustix::process::Pid::from_raw(process.pid).expect("a process id");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    drop(running);
    rr.no_process_is_left();
    rr.run(["ps", "-a"]).succeeds_quietly();
    assert_eq!(containers().count(), 0);
    rr.run(["rmi", "--force", "alpine:3.20.3"]).exits(0);
    let layers = std::fs::read_dir(rr.store().join("layers")).expect("the store").flatten();
    assert_eq!(
        layers.filter(|folder| std::fs::read_dir(folder.path()).is_ok_and(|mut f| f.next().is_some())).count(),
        0
    );
    rr.nothing_is_left();
}

#[test]
fn keep_id_gives_the_user_a_name_where_the_image_has_none() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    let (uid, gid) = me();
    let name = passwd_name().expect("the test's user has a name");
    let run = |options: &[&str], script: &str| in_image(&rr, &image, options, script).exits(0);
    let last = "whoami; tail -qn1 /etc/passwd /etc/group; echo $HOME";
    let lines = |uid: u32, gid: u32, home: &str| {
        format!("{name}\n{name}:*:{uid}:{gid}:{name}:{home}:/bin/sh\n{name}:x:{gid}:{name}\n{home}\n")
    };
    assert_eq!(run(&["--userns", "keep-id"], last).stdout, lines(uid, gid, "/"));
    let moved = ["--userns", "keep-id:uid=3300,gid=4400", "-w", "/srv", "--read-only"];
    assert_eq!(run(&moved, last).stdout, lines(3300, 4400, "/srv"));
    // Somebody the image knows stays who they are there, and so does a file that was mounted.
    assert_eq!(
        run(&["--userns", "keep-id:uid=35,gid=35"], "whoami; grep ':[*]:35:' /etc/passwd || echo none").stdout,
        "games\nnone\n"
    );
    let passwd = rr.path("passwd");
    std::fs::write(&passwd, "root:x:0:0::/:/bin/sh\n").expect("own directory");
    let volume = format!("{}:/etc/passwd", passwd.display());
    run(&["--userns", "keep-id", "-v", &volume], "true");
    assert_eq!(std::fs::read_to_string(&passwd).expect("own file"), "root:x:0:0::/:/bin/sh\n");
    // useradd(8) and its kin replace the file.
    run(&["--userns", "keep-id", "-u", "0"], "adduser -D somebody && rm /etc/passwd");
    rr.nothing_is_left();
}

#[test]
fn one_id_without_root_owns_what_the_image_gives_to_root() {
    let rr = Rr::new();
    let image = requires!(owned_image(&rr));
    let (uid, gid) = me();
    let none = rr.directory("no-helpers");
    let run = |options: &[&str], script: &str| {
        let fixed = ["run", "--rm", "--network", "none", "-q", "--userns", "keep-id"];
        let line = [&fixed, options, &[&image, "sh", "-c", script]].concat();
        rr.command(line).env("RR_HELPER_PATH", &none).output()
    };
    let script = "cd /opt; stat -c '%u:%g %a' /etc/shadow root thousand suid; touch /made && stat -c %u /made";
    let outcome = run(&[], script).exits(0);
    // Neither a set-user-ID bit nor a capability is left of users who are not here.
    let own = format!("{uid}:{gid}");
    assert_eq!(outcome.stdout, format!("{own} 640\n{own} 644\n{own} 644\n{own} 755\n{uid}\n"), "{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    let outcome = run(&[], "touch /tmp/x; /opt/capable/busybox chown 5 /tmp/x").exits(1);
    assert!(outcome.stderr.contains("chown: /tmp/x:"), "{outcome}");
    run(&["-u", "0"], "true").fails_with(125, "user id 0 does not exist in the container: only 1 id is mapped");
    rr.nothing_is_left();
}
