//! `--volume`, `--mount` and `--tmpfs` as people write them, and any text.

use super::*;
use proptest::prelude::*;

const HERE: &str = "/home/ana/work";

fn vol(text: &str) -> Parsed<Mount> {
    volume(text, Path::new(HERE))
}

fn mnt(text: &str) -> Parsed<Mount> {
    mount(text, Path::new(HERE))
}

fn bind(source: &str) -> MountKind {
    MountKind::Bind {
        source: source.into(),
        recursive: true,
        propagation: Propagation::Rprivate,
        chown: false,
        create_source: true,
        flags: MountFlags::default(),
        relabel: Relabel::Keep,
    }
}

fn named(name: &str) -> MountKind {
    MountKind::Volume {
        name: name.into(),
        anonymous: name.is_empty(),
        no_copy: false,
        subpath: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        chown: false,
        flags: MountFlags::default(),
        relabel: Relabel::Keep,
    }
}

#[test]
fn sources_are_paths_names_or_nothing() {
    let expect = |text: &str, target: &str, kind: MountKind| {
        assert_eq!(vol(text), Ok(Mount { target: target.into(), kind, read_only: false }), "{text}");
    };
    expect("/data:/mnt", "/mnt", bind("/data"));
    expect("/data:/mnt/../x//y/.", "/x/y", bind("/data"));
    expect(".:/src", "/src", bind(HERE));
    expect("./a:/src", "/src", bind("/home/ana/work/a"));
    expect("../b:/src", "/src", bind("/home/ana/work/../b"));
    expect("cache:/c", "/c", named("cache"));
    expect("/only", "/only", named(""));
}

#[test]
fn volume_options_are_read() {
    let Mount { kind, read_only, .. } = vol("/a:/b:ro,Z,U,noexec,bind,rslave").unwrap();
    assert!(read_only);
    let expected = MountKind::Bind {
        source: "/a".into(),
        recursive: false,
        propagation: Propagation::Rslave,
        chown: true,
        create_source: true,
        flags: MountFlags { noexec: true, ..MountFlags::default() },
        relabel: Relabel::Private,
    };
    assert_eq!(kind, expected);
    let MountKind::Volume { no_copy, .. } = vol("vol:/b:nocopy,rw,cached").unwrap().kind else { panic!() };
    assert!(no_copy);
}

#[test]
fn bad_volumes_get_one_clear_sentence() {
    for (text, word) in [
        ("", "empty"),
        (":/x", "empty"),
        ("/a::ro", "empty"),
        ("/a:/b:ro:x", "not of the form"),
        ("/a:ro", "options need a source"),
        ("/a:b", "must be absolute"),
        ("/a:/", "cannot be '/'"),
        ("/a:/b:foo", "invalid mode: foo"),
        ("/a:/b:ro,rw", "contradicts"),
        ("/a:/b:z,Z", "contradicts"),
        ("/a:/b:exec,noexec", "contradicts"),
        ("/a:/b:nocopy", "for volumes"),
        ("vol:/b:rshared", "for paths of the host"),
        ("/a:/b:O", "not supported"),
        ("/a:/b:idmap=uids=1", "not supported"),
        ("x:/b", "too short"),
        ("a/b:/c", "absolute path"),
        ("~x:/c", "invalid characters"),
        ("-ab:/c", "invalid characters"),
    ] {
        let error = vol(text).unwrap_err();
        assert!(error.starts_with("invalid volume specification: "), "{error}");
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn volumes_of_other_containers() {
    let from = |container: &str, read_only, typed: &str| VolumesFrom {
        container: container.into(),
        read_only,
        typed: typed.into(),
    };
    assert_eq!(volumes_from("web"), Ok(from("web", false, "web")));
    assert_eq!(volumes_from("web:ro,z"), Ok(from("web", true, "web:ro,z")));
    assert!(volumes_from("web:nope").unwrap_err().contains("invalid mode: nope"));
    assert!(volumes_from(":ro").is_err() && volumes_from("web:ro,rw").is_err());
}

#[test]
fn volumes_can_be_made_by_mount() {
    let text = "type=volume,src=vol,dst=/x,volume-opt=type=none,\"volume-opt=o=bind,ro\",volume-opt=device=/d,\
                volume-label=a=1,volume-label=b,volume-subpath=in/side";
    let MountKind::Volume { labels, options, subpath, .. } = mnt(text).unwrap().kind else { panic!() };
    assert_eq!(subpath.as_deref(), Some("in/side"));
    assert_eq!(labels, BTreeMap::from([("a".into(), "1".into()), ("b".into(), String::new())]));
    let expected = [("device", "/d"), ("o", "bind,ro"), ("type", "none")];
    assert_eq!(options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn tmpfs_has_dockers_defaults_and_the_options_change_them() {
    let docker = MountFlags { nosuid: true, nodev: true, noexec: true };
    let plain = MountKind::Tmpfs { size: None, mode: None, uid: None, gid: None, flags: docker };
    assert_eq!(tmpfs("/run"), Ok(Mount { target: "/run".into(), kind: plain, read_only: false }));
    let full = MountKind::Tmpfs {
        size: Some(64 << 20),
        mode: Some(0o1770),
        uid: Some(7),
        gid: Some(8),
        flags: MountFlags { noexec: false, ..docker },
    };
    let text = "/run:ro,size=64m,mode=1770,uid=7,gid=8,exec";
    assert_eq!(tmpfs(text), Ok(Mount { target: "/run".into(), kind: full, read_only: true }));
    for text in ["run", "/", "/x:size=", "/x:size=50%", "/x:mode=8", "/x:mode", "/x:nr_inodes=1", "/x:uid=4294967295"] {
        assert!(tmpfs(text).is_err(), "{text}");
    }
}

#[test]
fn mount_takes_docker_and_podman_words() {
    let Mount { target, kind, read_only } = mnt("type=bind,src=./x,dst=/y,readonly").unwrap();
    let mut expected = bind("/home/ana/work/x");
    let MountKind::Bind { create_source, .. } = &mut expected else { panic!() };
    *create_source = false;
    assert_eq!((target.as_str(), read_only, &kind), ("/y", true, &expected));
    assert_eq!(mnt("type=bind,source=./x,destination=/y,ro=true").unwrap().kind, expected);
    assert!(!mnt("type=bind,source=./x,target=/y,readonly=false").unwrap().read_only);
    assert_eq!(mnt("target=/y").unwrap().kind, named(""));
    assert_eq!(mnt("source=vol,target=/y").unwrap().kind, named("vol"));
    let MountKind::Bind { source, propagation, recursive, chown, relabel, .. } =
        mnt("type=bind,\"src=/a,b\"\"c\",target=/y,bind-propagation=rshared,bind-nonrecursive,U,relabel=shared")
            .unwrap()
            .kind
    else {
        panic!()
    };
    assert_eq!(source, Path::new("/a,b\"c"));
    assert_eq!((propagation, recursive, chown, relabel), (Propagation::Rshared, false, true, Relabel::Shared));
    let MountKind::Tmpfs { size, mode, flags, .. } =
        mnt("type=tmpfs,dst=/y,tmpfs-size=1g,tmpfs-mode=700,exec").unwrap().kind
    else {
        panic!()
    };
    assert_eq!((size, mode, flags.noexec, flags.nosuid), (Some(1 << 30), Some(0o700), false, true));
}

#[test]
fn bad_mounts_get_one_clear_sentence() {
    for (text, word) in [
        ("", "empty"),
        ("type=bind,target=/x", "source is required"),
        ("type=bind,source=x,target=/x", "must be absolute"),
        ("type=bind,source=/x", "target is required"),
        ("type=npipe,source=/x,target=/x", "none of"),
        ("type=tmpfs,source=/x,target=/x", "does not go with"),
        ("type=bind,source=/x,target=/x,volume-nocopy", "does not go with"),
        ("type=volume,source=vv,target=/x,tmpfs-size=1", "does not go with"),
        ("type=bind,source=/x,target=/x,colour=red", "unexpected key 'colour'"),
        ("type=bind,source=/x,target=/x,readonly=maybe", "maybe"),
        ("type=bind,source=/x,source=/y,target=/x", "twice"),
        ("type=bind,\"source=/x,target=/x", "not closed"),
        ("type=bind,\"source=/x\"y,target=/x", "closing quote"),
        ("type=bind,sou\"rce=/x,target=/x", "inside"),
        ("type=bind,source=/x,target=/x,bind-propagation=up", "propagation"),
        ("type=volume,source=vv,target=/x,volume-driver=nfs", "not supported"),
        ("type=volume,source=vv,target=/x,volume-opt=nope=1", "invalid option"),
        ("type=volume,source=vv,target=/x,volume-subpath=../x", "within the volume"),
        ("type=volume,source=vv,target=/x,volume-label==1", "no name"),
    ] {
        let error = mnt(text).unwrap_err();
        assert!(error.starts_with("invalid argument '") && error.contains(word), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,60}") {
        let _ = (vol(&text), mnt(&text), tmpfs(&text));
    }

    #[test]
    fn likely_text_gets_an_answer_with_a_clean_target(text in "(type=(bind|tmpfs|volume),)?[/a-z.:=,\"-]{0,40}") {
        for mount in [vol(&text), mnt(&text), tmpfs(&text)].into_iter().flatten() {
            prop_assert!(mount.target.len() > 1 && mount.target == values::clean_path(&mount.target));
            if let MountKind::Bind { source, .. } = mount.kind {
                prop_assert!(source.is_absolute());
            }
        }
    }
}
