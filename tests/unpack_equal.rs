//! What rr unpacks equals what podman and umoci unpack: every path's type, mode, owner as the
//! namespace sees it, size, content, link target, time, extended attributes and hard links.
//!
//! All three run as root of one user namespace made by unshare(1), because owners can only be compared from
//! inside. The test starts its own binary in there, on the ignored test [`inside`], with the scratch
//! directory in an environment variable. rr's layers are stacked by a kernel overlay mount, which makes
//! the whiteouts and opaque directories part of the comparison.

use crate::support::{command_exists, images, requires};
use rr::host::ids::{Extent, HostId, IdMap, IdMaps, InsideId};
use rr::image::archive::ImageArchive;
use rr::image::digest::Digest;
use rr::image::platform::Platform;
use rr::image::reference::ArchiveKind;
use rr::image::stream::{HashingReader, auto_decoder};
use rr::image::unpack::{UnmappedIds, UnpackOptions, UnpackReport, unpack_layer};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRATCH: &str = "RR_TEST_UNPACK_SCRATCH";
const ALPINE: &str = "RR_TEST_UNPACK_ALPINE";

#[test]
fn a_real_image_and_a_made_one_are_equal_to_podmans_and_umocis() {
    for program in ["podman", "umoci", "newuidmap", "unshare", "tar"] {
        requires!(command_exists(program), &format!("{program} is not installed"));
    }
    let alpine = requires!(images::alpine());
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--mount", "--map-auto", "--map-root-user", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "unpack_equal::inside", "--ignored", "--nocapture"])
        .env(SCRATCH, scratch.path())
        .env(ALPINE, alpine)
        // podman takes the namespace it is in for the one it would have made.
        .env("_CONTAINERS_USERNS_CONFIGURED", "done")
        .env("_CONTAINERS_ROOTLESS_UID", rustix::process::getuid().as_raw().to_string())
        .env("XDG_RUNTIME_DIR", scratch.path())
        .env("HOME", scratch.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Files of subordinate ids can only be removed from a namespace that has them.
    let emptied = Command::new("unshare")
        .args(["--user", "--map-auto", "--map-root-user", "--", "find"])
        .arg(scratch.path())
        .args(["-mindepth", "1", "-delete"])
        .status();
    assert!(emptied.is_ok_and(|status| status.success()), "the scratch directory could not be emptied");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs in the namespace; by itself it has nothing to do.
#[test]
#[ignore = "started by the other test inside of a user namespace"]
fn inside() {
    let scratch = PathBuf::from(std::env::var_os(SCRATCH).expect("started by the other test"));
    let alpine = scratch.join("alpine");
    fs::create_dir(&alpine).unwrap();
    run(Command::new("tar").arg("-xf").arg(std::env::var_os(ALPINE).unwrap()).arg("-C").arg(&alpine));
    rename_image(&alpine);
    compare(&alpine, &scratch.join("alpine-work"));
    let made = scratch.join("made");
    make_image(&made, &scratch);
    compare(&made, &scratch.join("made-work"));
    old_gnu_sparse_files_equal_their_originals(&scratch);
}

/// The one kind of entry that neither peer unpacks.
fn old_gnu_sparse_files_equal_their_originals(scratch: &Path) {
    let tar = pack(&scratch.join("tree"), &["--format=gnu", "--sparse"], &["var"]);
    assert!(
        tar.chunks(512).any(|block| block[156] == b'S' && &block[257..263] == b"ustar "),
        "tar wrote no such entry"
    );
    let destination = scratch.join("sparse");
    fs::create_dir(&destination).unwrap();
    let maps = own_maps();
    let options = UnpackOptions { ids: &maps, namespace: &maps, unmapped: UnmappedIds::Refuse };
    unpack_layer(&mut &tar[..], &destination, &options).unwrap();
    // This format has no nanoseconds.
    let original = snapshot(&scratch.join("tree/var"), Precision::Seconds);
    let copy = snapshot(&destination.join("var"), Precision::Seconds);
    assert_eq!(copy, original);
    assert!(fs::metadata(destination.join("var/sparse")).unwrap().blocks() * 512 < 1 << 20, "the holes are filled");
}

/// umoci takes no colon in a name.
fn rename_image(layout: &Path) {
    let index = layout.join("index.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    json["manifests"][0]["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "t" });
    fs::write(index, json.to_string()).unwrap();
}

fn compare(layout: &Path, work: &Path) {
    fs::create_dir(work).unwrap();
    let ours = snapshot(&unpack_with_rr(layout, work), Precision::Nanoseconds);
    let umocis = snapshot(&unpack_with_umoci(layout, work), Precision::Nanoseconds);
    let podmans = snapshot(&unpack_with_podman(layout, work), Precision::Nanoseconds);
    assert!(ours.len() > 50, "only {} paths", ours.len());
    let differences = [difference("umoci", &umocis, &ours), difference("podman", &podmans, &ours)].concat();
    assert!(
        differences.is_empty(),
        "{} of {} paths differ:\n{}",
        differences.len(),
        ours.len(),
        differences[..differences.len().min(40)].join("\n")
    );
    println!("{} paths are equal", ours.len());
}

fn unpack_with_rr(layout: &Path, work: &Path) -> PathBuf {
    let maps = own_maps();
    let options = UnpackOptions { ids: &maps, namespace: &maps, unmapped: UnmappedIds::Refuse };
    let archive = ImageArchive::open(ArchiveKind::OciDirectory, layout, None, &Platform::host(), work).unwrap();
    let mut lower = Vec::new();
    for (number, layer) in archive.manifest.layers.iter().enumerate() {
        // Short names: mount(2) takes a page of options.
        let directory = work.join(number.to_string());
        fs::create_dir(&directory).unwrap();
        let (_, decoder) = auto_decoder(archive.read_blob(&layer.digest, 0).unwrap()).unwrap();
        let mut tar = HashingReader::new(BufReader::new(decoder));
        let report = unpack_layer(&mut tar, &directory, &options).unwrap();
        assert_eq!(tar.drain().unwrap().0, archive.config.rootfs.diff_ids[number]);
        assert_eq!(UnpackReport { devices_skipped: 0, squashed: 0, xattrs_dropped: 0, ..report.clone() }, report);
        lower.push(directory.to_str().unwrap().to_owned());
    }
    lower.reverse();
    // Overlay wants two lower layers at least where there is no upper one.
    let empty = work.join("empty");
    fs::create_dir(&empty).unwrap();
    lower.push(empty.to_str().unwrap().to_owned());
    let merged = work.join("merged");
    fs::create_dir(&merged).unwrap();
    let lower = format!("lowerdir={},userxattr", lower.join(":"));
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &lower]).arg(&merged));
    merged
}

fn own_maps() -> IdMaps {
    IdMaps { users: own_map("uid_map"), groups: own_map("gid_map") }
}

fn own_map(name: &str) -> IdMap {
    let text = fs::read_to_string(format!("/proc/self/{name}")).unwrap();
    let extents = text.lines().map(|line| {
        let numbers: Vec<u32> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        Extent { inside: InsideId(numbers[0]), outside: HostId(numbers[1]), length: numbers[2] }
    });
    IdMap::new(extents.collect()).unwrap()
}

fn unpack_with_umoci(layout: &Path, work: &Path) -> PathBuf {
    let bundle = work.join("bundle");
    run(Command::new("umoci").args(["unpack", "--image"]).arg(format!("{}:t", layout.display())).arg(&bundle));
    bundle.join("rootfs")
}

fn unpack_with_podman(layout: &Path, work: &Path) -> PathBuf {
    let podman = || {
        let mut command = Command::new("podman");
        command.arg("--root").arg(work.join("storage")).arg("--runroot").arg(work.join("run"));
        command.args(["--storage-driver", "vfs"]);
        command
    };
    // podman makes a name of the path, which therefore must look like one.
    let (parent, name) = (layout.parent().unwrap(), layout.file_name().unwrap().to_str().unwrap());
    let id = run(podman().current_dir(parent).args(["pull", "--quiet", &format!("oci:{name}:t")]));
    PathBuf::from(run(podman().args(["image", "mount", &id])))
}

/// Runs a command to success; its last line of output.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().lines().last().unwrap_or_default().to_owned()
}

/// A path's properties as lines of text.
type Snapshot = BTreeMap<PathBuf, String>;

/// How exact a format keeps times.
#[derive(Clone, Copy, PartialEq)]
enum Precision {
    Seconds,
    Nanoseconds,
}

fn snapshot(root: &Path, precision: Precision) -> Snapshot {
    let mut all = Snapshot::new();
    let mut names_of_inode = BTreeMap::new();
    let mut to_do = vec![PathBuf::new()];
    while let Some(path) = to_do.pop() {
        let full = root.join(&path);
        let metadata = fs::symlink_metadata(&full).unwrap();
        let mut text = format!("mode {:o} owner {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
        // Not every layer has an entry for its top.
        if !path.as_os_str().is_empty() {
            let nanos = if precision == Precision::Nanoseconds { metadata.mtime_nsec() } else { 0 };
            text += &format!(" mtime {}.{nanos:09}", metadata.mtime());
        }
        if metadata.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names.reverse();
            to_do.extend(names.iter().map(|name| path.join(name)));
        } else if metadata.is_symlink() {
            text += &format!(" -> {:?}", fs::read_link(&full).unwrap());
        } else if metadata.is_file() {
            text += &format!(" size {} {}", metadata.len(), Digest::of(&fs::read(&full).unwrap()).hex());
        }
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let names: &mut Vec<PathBuf> = names_of_inode.entry((metadata.dev(), metadata.ino())).or_default();
            names.push(path.clone());
        }
        if !metadata.is_symlink() {
            text += &xattrs(&full);
        }
        all.insert(path, text);
    }
    // Of a file some of whose names a later layer replaced, those that are left count.
    for mut names in names_of_inode.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            *all.get_mut(name).unwrap() += &format!(" same as {}", names[0].display());
        }
    }
    all
}

/// The attributes an image can have; storage's own are nobody's content.
fn xattrs(path: &Path) -> String {
    let mut names = vec![0_u8; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let mut names: Vec<&str> = std::str::from_utf8(&names[..length]).unwrap().split_terminator('\0').collect();
    names.sort_unstable();
    let kept = |name: &&str| {
        (name.starts_with("user.") && !name.starts_with("user.overlay."))
            || name.starts_with("system.posix_acl")
            || *name == "security.capability"
    };
    let mut text = String::new();
    for name in names.into_iter().filter(kept) {
        let mut value = vec![0_u8; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        text += &format!(" {name}={}", value[..length].escape_ascii());
    }
    text
}

fn difference(peer: &str, theirs: &Snapshot, ours: &Snapshot) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let differ = paths.into_iter().filter(|path| theirs.get(*path) != ours.get(*path));
    let show =
        |snapshot: &Snapshot, path: &PathBuf| snapshot.get(path).cloned().unwrap_or_else(|| "nothing".to_owned());
    differ
        .map(|path| format!("{}\n    {peer}: {}\n    rr: {}", path.display(), show(theirs, path), show(ours, path)))
        .collect()
}

/// An OCI layout: layers with everything odd, one of the host's own files, one that changes them all.
fn make_image(layout: &Path, scratch: &Path) {
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    let mut layers = Vec::new();
    make_odd_tree(&tree);
    const PAX: [&str; 3] = ["--format=pax", "--xattrs", "--xattrs-include=*"];
    layers.push(pack(&tree, &[&PAX[..], &["--sparse"]].concat(), &["."]));
    // The same again in the other sparse formats and with GNU's long names.
    layers.push(pack(&tree, &[&PAX[..], &["--sparse", "--sparse-version=0.0"]].concat(), &["usr", "var"]));
    layers.push(pack(&tree, &[&PAX[..], &["--sparse", "--sparse-version=0.1"]].concat(), &["usr", "var"]));
    let long = "d".repeat(120);
    layers.push(pack(&tree, &["--format=gnu"], &["etc/long-link", &long, "var"]));
    layers.push(pack(
        Path::new("/"),
        &["--format=gnu", "--owner=0", "--group=0"],
        &["usr/share/doc/bash", "usr/share/perl5", "usr/lib/tmpfiles.d", "bin", "usr/bin/passwd", "usr/bin/env"],
    ));
    let upper = scratch.join("upper");
    fs::create_dir(&upper).unwrap();
    make_upper_tree(&upper);
    layers.push(pack(&upper, &PAX, &["."]));
    write_layout(layout, &layers);
}

fn pack(directory: &Path, options: &[&str], names: &[&str]) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--numeric-owner", "--ignore-failed-read", "--sort=name", "-c"])
        .args(options)
        .arg("-C")
        .arg(directory)
        .args(names)
        .output()
        .unwrap();
    assert!(output.stdout.len() > 10_000, "tar: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Files of every kind and every metadata, in a tree that tar(1) packs.
fn make_odd_tree(root: &Path) {
    let at = |path: &str| root.join(path);
    for directory in ["usr/bin", "usr/lib", "etc/opaque", "etc/kept", "srv/shared", "tmp", "to-file", "var/log"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    for link in ["bin", "lib"] {
        symlink(format!("usr/{link}"), at(link)).unwrap();
    }
    for (path, mode) in [
        ("usr/bin/tool", 0o755),
        ("usr/bin/suid", 0o4755),
        ("usr/bin/sgid", 0o2755),
        ("etc/secret", 0o600),
        ("etc/none", 0o000),
        ("etc/opaque/hidden", 0o644),
        ("etc/kept/file", 0o644),
        ("etc/gone", 0o644),
        ("to-file/inner", 0o644),
        ("to-dir", 0o644),
        ("var/log/tool", 0o640),
        ("usr/lib/library", 0o555),
    ] {
        write(&at(path), format!("content of {path}\n").repeat(100).as_bytes(), mode);
    }
    for (path, mode) in [("srv/shared", 0o2775), ("tmp", 0o1777), ("var/log", 0o3770)] {
        fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::hard_link(at("usr/bin/tool"), at("usr/bin/tool-again")).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("etc/a-hard-link")).unwrap();
    for (path, uid, gid) in
        [("etc/secret", 0, 42), ("var/log", 65_534, 4), ("var/log/tool", 1000, 1000), ("srv/shared", 33, 33)]
    {
        std::os::unix::fs::chown(at(path), Some(uid), Some(gid)).unwrap();
    }
    symlink("/absolute/and/dangling", at("etc/dangling")).unwrap();
    std::os::unix::fs::lchown(at("etc/dangling"), Some(7), Some(8)).unwrap();
    rustix::fs::mknodat(CWD, at("tmp/fifo"), FileType::Fifo, Mode::from_raw_mode(0o620), 0).unwrap();
    let long = format!("{}/{}/{}", "d".repeat(120), "e".repeat(200), "f".repeat(250));
    fs::create_dir_all(at(&long).parent().unwrap()).unwrap();
    write(&at(&long), b"a long name", 0o644);
    symlink(&long, at("etc/long-link")).unwrap();
    fs::hard_link(at(&long), at("etc/long-hard")).unwrap();
    write(&at("etc/odd\nname \u{fffd} \x1b"), b"odd", 0o644);
    let sparse = fs::File::create(at("var/sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    for offset in [0, 1 << 20, (3 << 20) - 5] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data!", offset).unwrap();
    }
    fs::File::create(at("var/all-hole")).unwrap().set_len(1 << 20).unwrap();
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (path, name, value) in [
        ("usr/bin/tool", "security.capability", &capability[..]),
        ("etc/kept/file", "user.note", b"binary \0\xff\n="),
        ("etc/kept", "user.note", b"on a directory"),
    ] {
        rustix::fs::setxattr(at(path), name, value, XattrFlags::empty()).unwrap();
    }
}

/// What changes in the layer on top.
fn make_upper_tree(root: &Path) {
    let at = |path: &str| root.join(path);
    for directory in ["etc/opaque", "etc/kept", "to-dir", "usr/bin", "usr/lib"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    for path in
        ["etc/.wh.gone", "etc/.wh.long-link", "etc/opaque/.wh..wh..opq", "usr/bin/.wh.sgid", "usr/share/doc/.wh.bash"]
    {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        write(&at(path), b"", 0o000);
    }
    write(&at("etc/opaque/shown"), &[b'x'; 20_000], 0o644);
    write(&at("etc/kept/more"), b"beside", 0o644);
    // An upper directory's attributes replace the lower's in an overlay; podman's plain copies merge them.
    rustix::fs::setxattr(at("etc/kept"), "user.note", b"on a directory", XattrFlags::empty()).unwrap();
    write(&at("to-dir/inner"), b"a directory now", 0o644);
    write(&at("to-file"), b"a file now", 0o644);
    write(&at("usr/bin/suid"), b"another one", 0o755);
}

fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes an image called `t`; the layers gzip, zstd and plain in turn.
fn write_layout(layout: &Path, layers: &[Vec<u8>]) {
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        fs::write(layout.join("blobs/sha256").join(Digest::of(bytes).hex()), bytes).unwrap();
        serde_json::json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
    };
    let mut descriptors = Vec::new();
    for (number, tar) in layers.iter().enumerate() {
        let (suffix, bytes) = match number % 3 {
            0 => ("+gzip", filter("gzip", tar)),
            1 => ("+gzip", filter("gzip", tar)),
            _ => ("", tar.clone()),
        };
        descriptors.push(blob(&format!("application/vnd.oci.image.layer.v1.tar{suffix}"), &bytes));
    }
    let platform = Platform::host();
    let config = serde_json::json!({
        "os": "linux", "architecture": platform.architecture, "config": {},
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|tar| Digest::of(tar)).collect::<Vec<_>>() },
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": descriptors,
    });
    let mut entry = blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    entry["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "t" });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Standard input through a program to standard output.
fn filter(program: &str, input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child =
        Command::new(program).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}
