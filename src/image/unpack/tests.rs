//! Archives against a real file system: what is made, and that nothing is made outside.

use super::ownership::Ownership;
use super::testing::TarBytes;
use super::{UnmappedIds, UnpackOptions, UnpackReport, apply, tree, unpack_layer};
use crate::error::Failure;
use crate::host::ids::{Extent, HostId, IdMap, IdMaps, InsideId};
use crate::sys::testing::in_new_namespaces;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A destination beside a file that no archive may reach.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("layer")).unwrap();
        fs::write(directory.path().join("outside"), "untouched").unwrap();
        Place { directory }
    }

    fn layer(&self) -> PathBuf {
        self.directory.path().join("layer")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.layer().join(path)
    }

    fn unpack(&self, tar: TarBytes) -> Result<UnpackReport, Failure> {
        let result = unpack_layer(&mut &tar.finish()[..], &self.layer(), &options(&one_id()));
        assert_eq!(fs::read_to_string(self.directory.path().join("outside")).unwrap(), "untouched");
        assert_eq!(fs::metadata(self.directory.path().join("outside")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(self.directory.path()).unwrap().count(), 2, "something was made beside the layer");
        result
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.at(path)).unwrap().mode()
    }

    fn xattr(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        xattr(&self.at(path), name)
    }

    fn is_whiteout(&self, path: &str) -> bool {
        let metadata = fs::symlink_metadata(self.at(path)).unwrap();
        metadata.file_type().is_char_device() && metadata.rdev() == 0
    }

    fn is_opaque(&self, path: &str) -> bool {
        self.xattr(path, tree::OPAQUE).as_deref() == Some(b"y")
    }
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// Inside id 0 only: needs no user namespace, because what belongs to root is never chowned.
fn one_id() -> IdMaps {
    IdMaps { users: IdMap::single(0, 0), groups: IdMap::single(0, 0) }
}

fn many_ids() -> IdMaps {
    let map = || IdMap::new(vec![Extent { inside: InsideId(0), outside: HostId(100_000), length: 60_000 }]).unwrap();
    IdMaps { users: map(), groups: map() }
}

fn options(ids: &IdMaps) -> UnpackOptions<'_> {
    UnpackOptions { ids, namespace: ids, unmapped: UnmappedIds::Squash }
}

fn tar() -> TarBytes {
    TarBytes::new()
}

#[test]
fn every_kind_of_entry_is_made() {
    // An entry for the top gives it an owner, which takes root, if only of a namespace.
    in_new_namespaces(|| {
        let place = Place::new();
        let report = place
            .unpack(
                tar()
                    .mode(0o700)
                    .dir("./")
                    .plain_mode()
                    .dir("usr/")
                    .mode(0o1777)
                    .dir("usr/tmp")
                    .mode(0o4711)
                    .file("usr/su", b"#!")
                    .mode(0o000)
                    .file("/usr/none", b"")
                    .plain_mode()
                    .symlink("bin", "usr/bin")
                    .hard_link("usr/hard", "./usr/su")
                    .entry(b'6', "usr/fifo", b"")
                    .entry(b'3', "dev/null", b"")
                    .hard_link("dev/zero", "dev/null")
                    .file("deep/er/file", b"text"),
            )
            .unwrap();
        assert_eq!(place.mode("."), 0o40700);
        assert_eq!((place.mode("usr"), place.mode("usr/tmp")), (0o40755, 0o41777));
        assert_eq!((place.mode("usr/su"), place.mode("usr/none")), (0o104711, 0o100000));
        assert_eq!(fs::read_link(place.at("bin")).unwrap(), Path::new("usr/bin"));
        assert_eq!(fs::metadata(place.at("usr/hard")).unwrap().ino(), fs::metadata(place.at("usr/su")).unwrap().ino());
        assert_eq!(place.mode("usr/fifo"), 0o010644);
        assert!(!place.at("dev/null").exists());
        assert_eq!((report.devices_skipped, report.first_device.as_deref()), (2, Some("dev/null")));
        assert_eq!((report.entries, report.bytes, report.implied_directories), (11, 6, 2));
        assert!(report.has_root_entry);
        for path in [".", "usr", "usr/tmp", "usr/su", "bin", "usr/fifo"] {
            assert_eq!(fs::symlink_metadata(place.at(path)).unwrap().mtime(), 1_500_000_000, "{path}");
        }
    });
}

#[test]
fn times_have_nanoseconds() {
    let place = Place::new();
    let time: &[(&str, &[u8])] = &[("mtime", b"1234567890.123456789")];
    place.unpack(tar().pax(time).dir("d").pax(time).file("d/f", b"").pax(time).symlink("d/l", "f")).unwrap();
    for path in ["d", "d/f", "d/l"] {
        let metadata = fs::symlink_metadata(place.at(path)).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_234_567_890, 123_456_789), "{path}");
    }
}

#[test]
fn names_may_hold_any_byte_but_nul_and_slash() {
    let place = Place::new();
    let name = b"line\nbreak \xff\xfe \x1b[31m";
    place.unpack(tar().file(name, b"odd")).unwrap();
    assert_eq!(fs::read(place.layer().join(std::ffi::OsStr::from_bytes(name))).unwrap(), b"odd");
}

#[test]
fn the_umask_takes_nothing() {
    // The umask is the process's: in a process of its own.
    in_new_namespaces(|| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let place = Place::new();
        place
            .unpack(tar().mode(0o777).dir("d").file("d/f", b"").entry(b'6', "d/p", b"").file("implied/f", b""))
            .unwrap();
        assert_eq!((place.mode("d"), place.mode("d/f")), (0o40777, 0o100777));
        assert_eq!((place.mode("d/p"), place.mode("implied")), (0o010777, 0o40755));
        assert_eq!(place.mode("."), 0o40755);
    });
}

#[test]
fn owners_set_id_bits_and_capabilities_are_kept() {
    // VFS_CAP_REVISION_2 with cap_net_raw permitted and effective (linux/capability.h).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    in_new_namespaces(|| {
        let place = Place::new();
        let archive = tar()
            .owner(1000, 50)
            .mode(0o2775)
            .dir("shared")
            .plain_mode()
            .file("shared/by-1000", b"x")
            .owner(0, 0)
            .file("shared/by-root", b"x")
            .dir("shared/sub")
            .owner(33, 33)
            .mode(0o6755)
            .file("suid", b"x")
            .plain_mode()
            .symlink("link", "suid")
            .entry(b'6', "fifo", b"")
            .pax(&[("SCHILY.xattr.security.capability", &capability), ("uid", b"0"), ("gid", b"0")])
            .file("ping", b"x");
        unpack_layer(&mut &archive.finish()[..], &place.layer(), &options(&many_ids())).unwrap();
        let owner = |path: &str| {
            let metadata = fs::symlink_metadata(place.at(path)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        assert_eq!((owner("shared"), place.mode("shared")), ((1000, 50), 0o42775));
        assert_eq!((owner("shared/by-1000"), owner("shared/by-root")), ((1000, 50), (0, 0)));
        assert_eq!((owner("shared/sub"), place.mode("shared/sub")), ((0, 0), 0o40755));
        assert_eq!((owner("suid"), place.mode("suid")), ((33, 33), 0o106755));
        assert_eq!((owner("link"), owner("fifo"), owner(".")), ((33, 33), (33, 33), (0, 0)));
        // From inside the namespace version 3 reads as version 2 again.
        assert_eq!(place.xattr("ping", "security.capability").unwrap(), capability);
    });
}

#[test]
fn ids_that_are_not_mapped_are_squashed_or_refused() {
    let archive =
        || tar().owner(0, 0).file("root", b"").owner(1_000_000, 7).mode(0o6755).file("d/far", b"").dir("far-dir");
    let place = Place::new();
    let report = place.unpack(archive()).unwrap();
    assert_eq!((report.squashed, report.first_squashed.as_deref()), (2, Some("d/far")));
    assert_eq!(place.mode("d/far"), 0o100755, "a squashed file must not run as root");
    let own = |path: &str| fs::metadata(place.at(path)).unwrap().uid();
    assert_eq!(own("d/far"), own("root"));
    for path in ["d/far", "far-dir"] {
        assert_eq!(place.xattr(path, "user.containers.override_stat").unwrap(), b"1000000:7:06755");
    }
    assert_eq!(place.xattr("root", "user.containers.override_stat"), None);

    let (place, ids) = (Place::new(), one_id());
    let strict = UnpackOptions { ids: &ids, namespace: &ids, unmapped: UnmappedIds::Refuse };
    let failure = unpack_layer(&mut &archive().finish()[..], &place.layer(), &strict).unwrap_err();
    assert!(failure.to_string().contains("d/far") && failure.cause.contains("1000000"), "{failure}");
    assert!(failure.hints[0].contains("/etc/subuid"), "{failure:?}");
}

#[test]
fn whiteouts_become_overlays_own() {
    let place = Place::new();
    let report = place
        .unpack(
            tar()
                .file("d/.wh.gone", b"")
                .file(".wh.top", b"")
                .file("opaque/.wh..wh..opq", b"")
                .file("opaque/kept", b"kept")
                .file(".wh..wh.plnk/1", b"aufs")
                .file(".wh..wh.aufs", b""),
        )
        .unwrap();
    assert!(place.is_whiteout("d/gone") && place.is_whiteout("top"));
    assert!(place.is_opaque("opaque") && !place.is_opaque("d"));
    assert_eq!(place.text("opaque/kept"), "kept");
    assert!(fs::read_dir(place.layer()).unwrap().count() == 3, "aufs metadata was unpacked");
    assert_eq!((report.whiteouts, report.root_is_opaque, report.has_root_entry), (2, false, false));
    assert!(Place::new().unpack(tar().file(".wh..wh..opq", b"")).unwrap().root_is_opaque);
}

#[test]
fn a_name_both_deleted_and_present_is_present() {
    let place = Place::new();
    place
        .unpack(
            tar()
                .file(".wh.file-after", b"")
                .file("file-after", b"a")
                .file("file-before", b"b")
                .file(".wh.file-before", b"")
                .file(".wh.dir-after", b"")
                .dir("dir-after")
                .file("dir-before/f", b"")
                .file(".wh.dir-before", b"")
                .file(".wh.implied", b"")
                .file("implied/f", b"i"),
        )
        .unwrap();
    assert_eq!((place.text("file-after"), place.text("file-before")), ("a".into(), "b".into()));
    for directory in ["dir-after", "dir-before", "implied"] {
        assert!(place.is_opaque(directory), "{directory} would be merged with the deleted one");
    }
    assert_eq!(place.text("implied/f"), "i");
}

#[test]
fn where_devices_are_refused_whiteouts_are_attributes() {
    let place = Place::new();
    let ids = one_id();
    let archive =
        tar().file("d/.wh.gone", b"").file(".wh.back", b"").file("back", b"again").file(".wh.dir", b"").dir("dir");
    let mut tree = tree::Tree::open(&place.layer(), (0, 0)).unwrap();
    tree.force_xattr_whiteouts();
    apply::Unpacker::new(tree, Ownership::new(&ids, &ids).unwrap(), &options(&ids))
        .run(&mut &archive.finish()[..])
        .unwrap();
    assert_eq!(place.xattr("d/gone", "user.overlay.whiteout").unwrap(), b"y");
    assert_eq!(fs::metadata(place.at("d/gone")).unwrap().len(), 0);
    assert_eq!(place.xattr("d", tree::OPAQUE).unwrap(), b"x");
    assert_eq!(place.text("back"), "again");
    assert!(place.is_opaque("dir"));
}

#[test]
fn the_later_entry_wins() {
    // An entry for the top gives it an owner, which takes root, if only of a namespace.
    in_new_namespaces(|| {
        let place = Place::new();
        place
            .unpack(
                tar()
                    .file("twice", b"first, longer")
                    .file("twice", b"second")
                    .file("dir-to-file/sub/deep/f", b"")
                    .dir("dir-to-file/sub/empty")
                    .file("dir-to-file", b"file now")
                    .file("file-to-dir", b"")
                    .dir("file-to-dir")
                    .file("file-to-dir/f", b"in")
                    .symlink("link-to-file", "twice")
                    .file("link-to-file", b"not through the link")
                    .file("kept-dir/f", b"kept")
                    .mode(0o700)
                    .mtime(1000)
                    .dir("kept-dir")
                    .plain_mode()
                    .hard_link("kept-dir/f", "twice")
                    .hard_link("kept-dir/f", "kept-dir/f")
                    .hard_link("twice", "kept-dir/f"),
            )
            .unwrap();
        assert_eq!(place.text("twice"), "second");
        assert_eq!((place.text("dir-to-file"), place.text("file-to-dir/f")), ("file now".into(), "in".into()));
        assert_eq!(place.text("link-to-file"), "not through the link");
        assert_eq!((place.mode("kept-dir"), place.text("kept-dir/f")), (0o40700, "second".into()));
        assert_eq!(fs::metadata(place.at("kept-dir")).unwrap().mtime(), 1000);
    });
}

#[test]
fn a_parent_that_is_a_link_is_followed_beneath_the_layer() {
    for own_walk in [false, true] {
        let place = Place::new();
        let archive = tar()
            .symlink("bin", "usr/bin")
            .file("bin/sh", b"made before its directory")
            .symlink("absolute", "/usr")
            .file("absolute/bin/ls", b"ls")
            .symlink("up", "../../../../../..")
            .file("up/outside", b"caught")
            .symlink("usr/self", "..")
            .file("usr/self/usr/x", b"x")
            .symlink("etc", "/../../../../tmp/..")
            .file("etc/passwd", b"caught")
            .dir("bin/dir")
            .finish();
        let ids = one_id();
        let mut tree = tree::Tree::open(&place.layer(), (0, 0)).unwrap();
        if own_walk {
            tree.force_own_walk();
        }
        apply::Unpacker::new(tree, Ownership::new(&ids, &ids).unwrap(), &options(&ids)).run(&mut &archive[..]).unwrap();
        assert_eq!(place.text("usr/bin/sh"), "made before its directory");
        assert_eq!((place.text("usr/bin/ls"), place.text("usr/x")), ("ls".into(), "x".into()));
        assert_eq!((place.text("outside"), place.text("passwd")), ("caught".into(), "caught".into()));
        assert_eq!(fs::metadata(place.at("usr/bin/dir")).unwrap().mtime(), 1_500_000_000);
        assert_eq!(fs::read_to_string(place.directory.path().join("outside")).unwrap(), "untouched");
    }
}

#[test]
fn what_leads_out_is_refused_and_what_can_be_kept_inside_stays_inside() {
    let outside = |place: &Place| place.directory.path().join("outside").into_os_string().into_encoded_bytes();
    for (name, expected) in [("../outside", "leads out"), ("a/../../outside", "leads out"), ("..", "leads out")] {
        let failure = Place::new().unpack(tar().file(name, b"evil")).unwrap_err();
        assert!(failure.to_string().contains(expected), "{failure}");
        let failure = Place::new().unpack(tar().dir(name)).unwrap_err();
        assert!(failure.to_string().contains(expected), "{failure}");
    }
    for link in ["../outside", "../../../../etc/passwd"] {
        let failure = Place::new().unpack(tar().hard_link("h", link)).unwrap_err();
        assert!(failure.to_string().contains("leads out"), "{failure}");
    }
    // An absolute target is one beneath the layer, where it is not.
    let failure = Place::new().unpack(tar().hard_link("h", "/etc/passwd")).unwrap_err();
    assert!(failure.cause.contains("`etc/passwd`, which is not in this layer"), "{failure}");

    // A link out, then writing through it, linking through it, deleting through it.
    let place = Place::new();
    let target = outside(&place);
    place.unpack(tar().symlink("link", &target).file("link", b"evil")).unwrap();
    assert_eq!(place.text("link"), "evil");
    let place = Place::new();
    let target = outside(&place);
    place.unpack(tar().symlink("link", &target).hard_link("hard", "link").file("hard", b"evil")).unwrap();
    assert_eq!(place.text("hard"), "evil");
    let place = Place::new();
    let failure = place.unpack(tar().symlink("up", "..").hard_link("hard", "up/outside")).unwrap_err();
    assert!(failure.cause.contains("not in this layer"), "{failure}");
    let place = Place::new();
    place.unpack(tar().symlink("up", "..").file("up/.wh.outside", b"").dir("up/d").mode(0o7777).dir("up")).unwrap();
    assert!(place.is_whiteout("outside") && place.mode("d") == 0o40755);
    for name in [".wh..", ".wh...", ".wh.", "d/.wh..."] {
        let failure = Place::new().unpack(tar().file(name, b"")).unwrap_err();
        assert!(failure.cause.contains("deletes no name"), "{failure}");
    }
}

#[test]
fn nonsense_is_refused_with_its_name() {
    // An entry for the top gives it an owner, which takes root, if only of a namespace.
    in_new_namespaces(|| {
        let long_path = b"d/".repeat(3000);
        for (archive, expected) in [
            (tar().file("./", b"x"), "a directory"),
            (tar().symlink("/", "x"), "directory can have this name"),
            (tar().file("f", b"").file("f/g", b""), "parent `f` is not a directory"),
            (tar().hard_link("h", "nowhere"), "`nowhere`, which is not in this layer"),
            (tar().hard_link("h", "no/where"), "`no/where`, which is not in this layer"),
            (tar().hard_link("h", "/"), "links to the layer itself"),
            (tar().dir("d").hard_link("h", "d"), "EPERM"),
            (tar().symlink("l", "l").file("l/f", b""), "ELOOP"),
            (tar().pax(&[("path", &[b'n'; 256])]).file("x", b""), "ENAMETOOLONG"),
            (tar().pax(&[("path", &long_path)]).file("x", b""), "ENAMETOOLONG"),
            (tar().pax(&[("SCHILY.xattr.user.big", &[0; 70_000])]).file("x", b""), "64 KiB"),
            (tar().gnu_sparse("bomb", &[(0, 1)], 0o77777777777, b"").file("x", b""), "sparse map"),
            (tar().pax(&[("GNU.sparse.realsize", b"9223372036854775807")]).file("bomb", b""), "sparse file's size"),
            (tar().header_only(b'0', "cut", 5000), "ends in the middle of a file"),
        ] {
            // A regular file with a trailing slash is a directory to every tar since v7.
            let result = Place::new().unpack(archive);
            if expected == "a directory" {
                result.unwrap();
                continue;
            }
            let failure = result.expect_err(expected);
            assert!(failure.to_string().contains(expected), "wanted {expected}: {failure}");
        }
    });
}

#[test]
fn sparse_files_of_every_format_are_equal() {
    let place = Place::new();
    let extents: Vec<(u64, u64)> = (0..30).map(|index| (index * 8192, 4)).collect();
    let data: Vec<u8> = (0..30_u8).flat_map(|index| [index + 1; 4]).collect();
    let size = 1_000_000_u64;
    let size_text = size.to_string();
    let map: Vec<String> = extents.iter().map(|(offset, length)| format!("{offset},{length}")).collect();
    let map = map.join(",");
    let pairs: Vec<[String; 2]> =
        extents.iter().map(|(offset, length)| [offset.to_string(), length.to_string()]).collect();
    let mut zero: Vec<(&str, &[u8])> = vec![("GNU.sparse.size", size_text.as_bytes()), ("GNU.sparse.numblocks", b"30")];
    for pair in &pairs {
        zero.push(("GNU.sparse.offset", pair[0].as_bytes()));
        zero.push(("GNU.sparse.numbytes", pair[1].as_bytes()));
    }
    let mut in_data = format!("30\n{}\n", pairs.concat().join("\n")).into_bytes();
    in_data.resize(in_data.len().next_multiple_of(512), 0);
    in_data.extend_from_slice(&data);
    place
        .unpack(
            tar()
                .gnu_sparse("gnu", &extents, size, &data)
                .pax(&zero)
                .file("pax00", &data)
                .pax(&[
                    ("GNU.sparse.size", size_text.as_bytes()),
                    ("GNU.sparse.map", map.as_bytes()),
                    ("GNU.sparse.name", b"pax01"),
                ])
                .file("GNUSparseFile.1/x", &data)
                .pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", size_text.as_bytes()),
                    ("GNU.sparse.name", b"pax10"),
                ])
                .file("GNUSparseFile.2/x", &in_data)
                .gnu_sparse("all-hole", &[(5000, 0)], 5000, b""),
        )
        .unwrap();
    let mut expected = vec![0; size as usize];
    for (index, (offset, length)) in extents.iter().enumerate() {
        expected[*offset as usize..][..*length as usize].fill(index as u8 + 1);
    }
    for name in ["gnu", "pax00", "pax01", "pax10"] {
        assert!(fs::read(place.at(name)).unwrap() == expected, "{name}");
        assert!(fs::metadata(place.at(name)).unwrap().blocks() * 512 < size / 2, "{name} has no holes");
    }
    assert_eq!(fs::read(place.at("all-hole")).unwrap(), vec![0; 5000]);
}

#[test]
fn attributes_are_an_images_but_not_overlays() {
    let place = Place::new();
    let attributes: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.user.mime_type", b"text/plain\0"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.whiteout", b"y"),
        ("SCHILY.xattr.user.fuseoverlayfs.opaque", b"y"),
        ("SCHILY.xattr.user.containers.override_stat", b"0:0:04755"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.security.selinux", b"system_u"),
        ("LIBARCHIVE.xattr.user.second", b"aGVsbG8="),
    ];
    let report = place
        .unpack(tar().pax(attributes).file("f", b"x").pax(attributes).dir("d").pax(attributes).symlink("l", "f"))
        .unwrap();
    for path in ["f", "d"] {
        assert_eq!(place.xattr(path, "user.mime_type").unwrap(), b"text/plain\0");
        assert_eq!(place.xattr(path, "user.second").unwrap(), b"hello");
        let mut names = vec![0_u8; 4096];
        let length = rustix::fs::listxattr(place.at(path), &mut names[..]).unwrap();
        let names = String::from_utf8(names[..length].to_vec()).unwrap();
        let ours = names.split_terminator('\0').filter(|name| name.starts_with("user.")).count();
        assert_eq!(ours, 2, "{names}");
    }
    assert_eq!(report.xattrs_dropped, 7 + 7 + 9);
    assert_eq!(report.first_xattr_dropped.as_deref(), Some("f: user.overlay.redirect"));
}

#[test]
fn deep_trees_are_replaced_without_deep_stacks() {
    let place = Place::new();
    let mut archive = tar();
    // Deeper than any path: each link starts again from where the last one ended.
    let step = "d/".repeat(700);
    for level in 0..4 {
        let under = if level == 0 { String::new() } else { format!("l{}/", level - 1) };
        archive = archive.pax(&[("path", format!("{under}{step}").as_bytes())]).dir("x");
        let links = if level == 0 { step.clone() } else { format!("l{}/{step}", level - 1) };
        archive = archive.pax(&[("linkpath", links.as_bytes())]).symlink(format!("l{level}"), "x");
    }
    let report = place.unpack(archive.file("d", b"now a file")).unwrap();
    assert!(report.implied_directories > 2700, "{report:?}");
    assert_eq!(place.text("d"), "now a file");
}

#[test]
fn a_failing_reader_is_told_as_itself() {
    struct Lost;
    impl std::io::Read for Lost {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(libc::ECONNRESET))
        }
    }
    let place = Place::new();
    let bytes = tar().header_only(b'0', "file", 5000).finish();
    let mut reader = std::io::Read::chain(&bytes[..512], std::io::BufReader::new(Lost));
    let failure = unpack_layer(&mut reader, &place.layer(), &options(&one_id())).unwrap_err();
    assert!(failure.to_string().contains("`file`") && failure.cause.contains("ECONNRESET"), "{failure}");
}
