use super::super::mount::MountFlags;
use super::*;
use crate::sys::mount::{PropagationType, Reached};
use crate::sys::testing::in_new_namespaces;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

const OWNER: (u32, u32) = (1000, 1001);

/// A root directory, and beside it things of the host.
struct Machine {
    directory: tempfile::TempDir,
    backings: BTreeMap<String, Mount>,
}

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        for name in ["root", "host", "host/below", "volumes"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("host/file"), "of the host").unwrap();
        Machine { directory, backings: BTreeMap::new() }
    }

    fn host(&self, path: &str) -> PathBuf {
        self.directory.path().join("host").join(path)
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path)
    }

    fn volume(&self, name: &str) -> PathBuf {
        let data = self.directory.path().join("volumes").join(name).join("_data");
        fs::create_dir_all(&data).unwrap();
        data
    }

    fn mount(&self, mounts: &[Mount]) -> Result<Vec<Notice>> {
        let root = fs::File::open(self.inside("")).unwrap();
        for mount in mounts {
            if let MountKind::Volume { name, .. } = &mount.kind {
                self.volume(name);
            }
        }
        let volumes = Volumes { directory: &self.directory.path().join("volumes"), backings: &self.backings };
        let sources = Sources::open(mounts, volumes);
        let surroundings = Surroundings { sources: &sources, volumes, owner: &|| Ok(OWNER) };
        bind_volumes(&Root::new(root.as_fd()), mounts, &surroundings)
    }

    fn bind(&self, source: &str, target: &str) -> Mount {
        let kind = MountKind::Bind {
            source: self.host(source),
            recursive: true,
            propagation: Propagation::Rprivate,
            chown: false,
            create_source: true,
            flags: MountFlags::default(),
            relabel: Relabel::Keep,
        };
        Mount { target: target.into(), kind, read_only: false }
    }

    /// A tmpfs of the host with these restrictions, at `host/below`.
    fn mount_below(&self, restrictions: Attributes) {
        let tmpfs = mount::new_mount("tmpfs", &[], restrictions).unwrap();
        mount::attach(tmpfs.as_fd(), fs::File::open(self.host("below")).unwrap().as_fd()).unwrap();
    }
}

fn read_only(mount: Mount) -> Mount {
    Mount { read_only: true, ..mount }
}

fn volume(name: &str, target: &str) -> Mount {
    let kind = MountKind::Volume {
        name: name.into(),
        anonymous: false,
        no_copy: false,
        subpath: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        chown: false,
        flags: MountFlags::default(),
        relabel: Relabel::Keep,
    };
    Mount { target: target.into(), kind, read_only: false }
}

fn tmpfs(target: &str, size: Option<u64>, mode: Option<u32>) -> Mount {
    let flags = MountFlags { nosuid: true, nodev: true, noexec: true };
    Mount {
        target: target.into(),
        kind: MountKind::Tmpfs { size, mode, uid: Some(5), gid: Some(6), flags },
        read_only: false,
    }
}

/// The per-mount options of the mount at `path`.
fn options_of(path: &Path) -> String {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().rfind(|line| line.split(' ').nth(4) == path.to_str());
    line.unwrap_or_else(|| panic!("{path:?}: {table}")).split(' ').nth(5).unwrap().to_owned()
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap()
}

#[test]
fn directories_and_files_are_bound_and_their_targets_made() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        let mounts =
            [machine.bind("file", "/etc/a/file"), machine.bind("", "/srv/host"), read_only(machine.bind("", "/ro"))];
        assert_eq!(machine.mount(&mounts).unwrap(), []);
        assert_eq!(fs::read_to_string(machine.inside("etc/a/file")).unwrap(), "of the host");
        fs::write(machine.inside("srv/host/new"), "x").unwrap();
        assert!(machine.host("new").exists());
        assert_eq!(errno(fs::write(machine.inside("ro/new"), "y").unwrap_err()), libc::EROFS);
    });
    assert_eq!(fs::read_dir(machine.inside("srv/host")).unwrap().count(), 0);
}

#[test]
fn read_only_reaches_the_mounts_below_and_leaves_the_hosts_alone() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        machine.mount_below(Attributes::empty());
        machine.mount(&[read_only(machine.bind("", "/m"))]).unwrap();
        assert_eq!(errno(fs::write(machine.inside("m/below/x"), "").unwrap_err()), libc::EROFS);
        fs::write(machine.host("below/x"), "").unwrap();
    });
}

#[test]
fn restrictions_of_the_outer_namespace_are_kept() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        let all = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
        machine.mount_below(all);
        let proc = mount::new_mount("proc", &[], Attributes::empty()).unwrap();
        mount::attach(proc.as_fd(), fs::File::open("/proc").unwrap().as_fd()).unwrap();
        // One more namespace, for which those are locked.
        in_new_namespaces(|| {
            machine.mount(&[read_only(machine.bind("below", "/a")), machine.bind("below", "/b")]).unwrap();
            assert!(options_of(&machine.inside("a")).starts_with("ro,nosuid,nodev,noexec"));
            assert!(options_of(&machine.inside("b")).starts_with("rw,nosuid,nodev,noexec"));
            // And by mount(2), as before Linux 5.12.
            let tree = fs::File::open(machine.inside("b")).unwrap();
            let reached =
                mount::remount(tree.as_fd(), Attributes::MOUNT_ATTR_RDONLY, Some(PropagationType::Private), Depth::One);
            assert_eq!(reached, Ok(Reached::All));
            assert!(options_of(&machine.inside("b")).starts_with("ro,nosuid,nodev,noexec"));
        });
    });
}

#[test]
fn without_rbind_locked_mounts_below_get_a_clear_error() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        machine.mount_below(Attributes::empty());
        let proc = mount::new_mount("proc", &[], Attributes::empty()).unwrap();
        mount::attach(proc.as_fd(), fs::File::open("/proc").unwrap().as_fd()).unwrap();
        in_new_namespaces(|| {
            let mut mount = machine.bind("", "/m");
            let MountKind::Bind { recursive, .. } = &mut mount.kind else { panic!() };
            *recursive = false;
            let failure = machine.mount(&[mount]).unwrap_err();
            assert!(failure.cause.contains("mounts below it") && failure.hints[0].contains("rbind"), "{failure:?}");
        });
    });
}

#[test]
fn links_of_the_image_lead_nowhere_outside() {
    let machine = Machine::new();
    symlink(machine.host("below"), machine.inside("absolute")).unwrap();
    symlink("../host/below", machine.inside("relative")).unwrap();
    symlink("nowhere/file", machine.inside("dangling")).unwrap();
    in_new_namespaces(|| {
        let mounts = [machine.bind("", "/absolute"), machine.bind("", "/relative"), machine.bind("file", "/dangling")];
        machine.mount(&mounts).unwrap();
        assert_eq!(fs::read_dir(machine.host("below")).unwrap().count(), 0);
        assert!(machine.inside("host/below/file").exists());
        assert_eq!(fs::read_to_string(machine.inside("nowhere/file")).unwrap(), "of the host");
    });
}

#[test]
fn nothing_is_mounted_inside_proc_whichever_way_it_is_reached() {
    let machine = Machine::new();
    fs::create_dir(machine.inside("proc")).unwrap();
    symlink("/proc/sys", machine.inside("data")).unwrap();
    symlink("/proc", machine.inside("all")).unwrap();
    in_new_namespaces(|| {
        let proc = mount::new_mount("proc", &[], Attributes::empty()).unwrap();
        mount::attach(proc.as_fd(), fs::File::open(machine.inside("proc")).unwrap().as_fd()).unwrap();
        for mount in [
            machine.bind("", "/data"),
            machine.bind("", "/all"),
            machine.bind("", "/proc"),
            machine.bind("", "/proc/self"),
            machine.bind("", "/proc/new"),
            machine.bind("file", "/proc/self/status"),
            tmpfs("/data", None, None),
            volume("vol", "/data"),
        ] {
            let failure = machine.mount(&[mount]).unwrap_err();
            assert!(failure.cause.contains("inside /proc"), "{failure}");
        }
        machine.mount(&[machine.bind("file", "/proc/cpuinfo")]).unwrap();
        assert_eq!(fs::read_to_string(machine.inside("proc/cpuinfo")).unwrap(), "of the host");
        let mut whole = machine.bind("", "/proc");
        let MountKind::Bind { source, .. } = &mut whole.kind else { panic!() };
        *source = "/proc".into();
        machine.mount(&[whole]).unwrap();
    });
}

#[test]
fn what_cannot_be_mounted_gets_a_clear_error() {
    let machine = Machine::new();
    fs::write(machine.inside("file"), "").unwrap();
    fs::create_dir(machine.inside("dir")).unwrap();
    in_new_namespaces(|| {
        let fails = |mount: Mount, words: &str| {
            let failure = machine.mount(&[mount]).unwrap_err();
            assert!(failure.to_string().contains(words), "{failure}");
            failure
        };
        fails(machine.bind("nowhere", "/x"), "bind source path does not exist");
        fails(machine.bind("", "/file"), "is a directory, the target");
        fails(machine.bind("", "/file/x"), "is a directory, the target");
        fails(machine.bind("file", "/dir"), "is no directory, the target is one");
        // Where the test's user is the machine's root every directory is open.
        if fs::read_dir("/root").is_err() {
            let mut mount = machine.bind("", "/x");
            let MountKind::Bind { source, .. } = &mut mount.kind else { panic!() };
            *source = "/root/x".into();
            assert_eq!(fails(mount, "EACCES").hints, ["you may not enter the directory /root"]);
        }
    });
}

#[test]
fn a_missing_source_is_made_in_the_client() {
    let machine = Machine::new();
    create_missing_source(&machine.host("a/b")).unwrap();
    assert!(machine.host("a/b").is_dir());
    create_missing_source(&machine.host("file")).unwrap();
    assert!(machine.host("file").is_file());
    let failure = create_missing_source(&machine.host("file/x/y"));
    assert!(failure.is_ok() || failure.is_err_and(|failure| failure.cause.contains("ENOTDIR")));
}

#[test]
fn tmpfs_takes_size_mode_and_owner() {
    let machine = Machine::new();
    fs::create_dir(machine.inside("old")).unwrap();
    fs::set_permissions(machine.inside("old"), fs::Permissions::from_mode(0o750)).unwrap();
    in_new_namespaces(|| {
        let mounts = [
            tmpfs("/run", Some(1 << 20), Some(0o700)),
            tmpfs("/old", None, None),
            tmpfs("/new", None, None),
            read_only(tmpfs("/ro", None, None)),
        ];
        machine.mount(&mounts).unwrap();
        let mode = |path: &str| fs::metadata(machine.inside(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("run"), mode("old"), mode("new")), (0o700, 0o750, 0o1777));
        let meta = fs::metadata(machine.inside("run")).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (5, 6));
        assert!(options_of(&machine.inside("run")).starts_with("rw,nosuid,nodev,noexec"));
        let error = fs::write(machine.inside("run/big"), vec![0; 2 << 20]).unwrap_err();
        assert_eq!(errno(error), libc::ENOSPC);
        assert_eq!(errno(fs::write(machine.inside("ro/x"), "").unwrap_err()), libc::EROFS);
    });
}

#[test]
fn parents_go_before_children_in_whatever_order_they_come() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        machine.mount(&[machine.bind("", "/a/b/c"), tmpfs("/a", None, None)]).unwrap();
        assert!(machine.inside("a/b/c/file").exists());
    });
    assert!(!machine.inside("a/b").exists());
}

#[test]
fn propagation_is_as_asked_for() {
    let machine = Machine::new();
    in_new_namespaces(|| {
        let with = |wanted: Propagation, target: &str| {
            let mut mount = machine.bind("", target);
            let MountKind::Bind { propagation, .. } = &mut mount.kind else { panic!() };
            *propagation = wanted;
            mount
        };
        machine.mount(&[with(Propagation::Rshared, "/shared"), with(Propagation::Private, "/private")]).unwrap();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let shared = |path: &str| {
            let path = machine.inside(path);
            let line = table.lines().find(|line| line.split(' ').nth(4) == path.to_str()).unwrap();
            line.contains(" shared:")
        };
        assert!(shared("shared") && !shared("private"));
    });
}

/// The image's content at /data, made inside a namespace so that owners can differ.
fn fill_image(machine: &Machine) {
    let data = machine.inside("data");
    fs::create_dir_all(data.join("sub/deep")).unwrap();
    fs::write(data.join("sub/program"), "run me").unwrap();
    std::os::unix::fs::chown(data.join("sub/program"), Some(1000), Some(1001)).unwrap();
    fs::set_permissions(data.join("sub/program"), fs::Permissions::from_mode(0o4751)).unwrap();
    rustix::fs::setxattr(data.join("sub/program"), "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    fs::hard_link(data.join("sub/program"), data.join("name2")).unwrap();
    symlink("/etc/passwd", data.join("link")).unwrap();
    nix::unistd::mkfifo(&data.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
    let sparse = fs::File::create(data.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", (1 << 40) - 3).unwrap();
    std::os::unix::fs::chown(&data, Some(7), Some(8)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o2770)).unwrap();
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000));
    fs::File::open(data.join("sub")).unwrap().set_times(old).unwrap();
}

#[test]
fn a_new_volume_gets_the_images_content_with_all_that_belongs_to_it() {
    let machine = Machine::new();
    let data = machine.volume("vol");
    in_new_namespaces(|| {
        fill_image(&machine);
        assert_eq!(machine.mount(&[volume("vol", "/data")]).unwrap(), []);
        for top in [machine.inside("data"), data.clone()] {
            let program = fs::metadata(top.join("sub/program")).unwrap();
            assert_eq!(
                (program.uid(), program.gid(), program.mode() & 0o7777, program.nlink()),
                (1000, 1001, 0o4751, 2)
            );
            assert_eq!(fs::metadata(top.join("name2")).unwrap().ino(), program.ino());
            let mut note = [0; 8];
            let length = rustix::fs::getxattr(top.join("name2"), "user.note", &mut note).unwrap();
            assert_eq!(&note[..length], b"kept");
            assert_eq!(fs::read_link(top.join("link")).unwrap().to_str(), Some("/etc/passwd"));
            assert!(fs::metadata(top.join("fifo")).unwrap().file_type().is_fifo());
            let sparse = fs::metadata(top.join("sparse")).unwrap();
            assert!(sparse.len() == 1 << 40 && sparse.blocks() < 100, "{sparse:?}");
            assert_eq!(fs::metadata(top.join("sub")).unwrap().mtime(), 1_000_000);
            let own = fs::metadata(&top).unwrap();
            assert_eq!((own.uid(), own.gid(), own.mode() & 0o7777), (7, 8, 0o2770));
            assert!(top.join("sub/deep").is_dir());
        }
        assert_eq!(fs::read_dir(data.parent().unwrap()).unwrap().count(), 1);
        // Once: what the payload removes stays removed.
        fs::remove_file(data.join("name2")).unwrap();
        machine.mount(&[volume("vol", "/again")]).unwrap();
        assert!(!machine.inside("again/name2").exists());
        // The tree was the namespace's: nobody outside could remove it.
        rustix::mount::unmount(machine.inside("data"), rustix::mount::UnmountFlags::DETACH).unwrap();
        fs::remove_dir_all(machine.inside("data")).unwrap();
        for entry in fs::read_dir(&data).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        std::os::unix::fs::chown(&data, Some(0), Some(0)).unwrap();
    });
}

#[test]
fn nocopy_leaves_a_volume_empty_and_a_full_one_is_never_filled() {
    let machine = Machine::new();
    fs::create_dir(machine.inside("data")).unwrap();
    fs::write(machine.inside("data/of-image"), "").unwrap();
    fs::write(machine.volume("full").join("mine"), "").unwrap();
    in_new_namespaces(|| {
        let mut empty = volume("empty", "/data");
        let MountKind::Volume { no_copy, .. } = &mut empty.kind else { panic!() };
        *no_copy = true;
        machine.mount(&[empty]).unwrap();
        assert_eq!(fs::read_dir(machine.volume("empty")).unwrap().count(), 0);
    });
    in_new_namespaces(|| {
        machine.mount(&[volume("full", "/data")]).unwrap();
        assert!(!machine.inside("data/of-image").exists() && machine.inside("data/mine").exists());
    });
}

#[test]
fn a_copy_that_was_interrupted_is_finished_or_begun_again() {
    let machine = Machine::new();
    fs::create_dir(machine.inside("data")).unwrap();
    fs::write(machine.inside("data/one"), "whole").unwrap();
    fs::write(machine.inside("data/two"), "whole").unwrap();
    // Killed while copying: half a file in the staging directory, the volume still empty.
    let first = machine.volume("first");
    fs::create_dir_all(first.with_file_name("copying-up/sub")).unwrap();
    fs::write(first.with_file_name("copying-up/one"), "ha").unwrap();
    // Killed while moving: one entry is in the volume, one is still to come.
    let second = machine.volume("second");
    fs::create_dir(second.with_file_name("copied-up")).unwrap();
    fs::write(second.with_file_name("copied-up/two"), "whole").unwrap();
    fs::write(second.join("one"), "whole").unwrap();
    for name in ["first", "second"] {
        in_new_namespaces(|| {
            machine.mount(&[volume(name, "/data")]).unwrap();
        });
        let data = machine.volume(name);
        let mut names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["one", "two"], "{name}");
        assert_eq!(fs::read_to_string(data.join("one")).unwrap(), "whole");
        assert_eq!(fs::read_dir(data.parent().unwrap()).unwrap().count(), 1);
    }
}

#[test]
fn u_gives_the_tree_to_the_payload_and_follows_no_link() {
    let machine = Machine::new();
    symlink("/etc", machine.host("below/link")).unwrap();
    fs::write(machine.directory.path().join("volumes/elsewhere"), "").unwrap();
    symlink(machine.directory.path().join("volumes/elsewhere"), machine.host("below/out")).unwrap();
    in_new_namespaces(|| {
        let mut mount = machine.bind("", "/m");
        let MountKind::Bind { chown, .. } = &mut mount.kind else { panic!() };
        *chown = true;
        machine.mount(&[mount]).unwrap();
        for path in ["m", "m/file", "m/below", "m/below/link"] {
            let meta = fs::symlink_metadata(machine.inside(path)).unwrap();
            assert_eq!((meta.uid(), meta.gid()), OWNER, "{path}");
        }
        assert_eq!(fs::metadata(machine.directory.path().join("volumes/elsewhere")).unwrap().uid(), 0);
        // The test's own user must be able to remove the tree again.
        give_tree(fs::File::open(machine.host("")).unwrap().as_fd(), (0, 0), Path::new("host")).unwrap();
    });
}
