//! `rr run`: what a container is, and that the image's config and the flags are honoured.

use crate::support::{Registry, Rr, requires};
use std::os::unix::fs::MetadataExt;

/// A user with the registry as mirror; `--network none` keeps what is not about networks fast.
fn user() -> Option<Rr> {
    Some(Rr::new().with_mirror(Registry::shared().ok()?))
}

#[test]
fn the_main_job() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "cat", "/etc/alpine-release"]).succeeds();
    assert_eq!(outcome.stdout, "3.20.3\n");
    // The second time nothing is pulled and nothing is said.
    let again = rr.run(["run", "--rm", "--network", "none", "alpine", "cat", "/etc/alpine-release"]);
    assert_eq!(again.succeeds_quietly().stdout, "3.20.3\n");
    rr.nothing_is_left();
}

#[test]
fn every_namespace_is_the_containers_own() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let names = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let script = names.map(|name| format!("readlink /proc/self/ns/{name}")).join(";");
    let inside = rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", &script]).succeeds();
    let inside: Vec<&str> = inside.stdout.lines().collect();
    assert_eq!(inside.len(), names.len());
    for (name, inside) in names.iter().zip(inside) {
        let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("own namespaces are readable");
        assert!(inside.starts_with(&format!("{name}:[")), "{inside}");
        assert_ne!(outside.to_string_lossy(), inside, "{name} is shared with the host");
    }
}

#[test]
fn root_inside_is_the_user_outside() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let shared = rr.directory("shared");
    let volume = format!("{}:/shared", shared.display());
    let script =
        "touch /shared/root; touch /shared/user && chown 1000:1000 /shared/user; id -u; cat /proc/self/uid_map";
    let outcome = rr.run(["run", "--rm", "--network", "none", "-v", &volume, "alpine", "sh", "-c", script]).succeeds();
    assert!(outcome.stdout.starts_with("0\n"), "{outcome}");
    let owner = |name: &str| std::fs::metadata(shared.join(name)).expect("made by the container").uid();
    let me = rustix::process::getuid().as_raw();
    assert_eq!(owner("root"), me);
    // The line that the kernel shows: inside, outside, length.
    let range: Vec<u32> =
        outcome.stdout.lines().nth(2).expect("a second range").split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert_eq!(owner("user"), range[1] + 1000 - range[0]);
}

#[test]
fn the_payload_is_process_1_with_dockers_capabilities_and_a_filter() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "echo $$; grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; ls /proc/self/fd | wc -l";
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    let field = |name: &str| {
        let line = outcome.stdout.lines().find(|line| line.starts_with(name)).expect(name);
        line.split_whitespace().nth(1).expect("a value").to_owned()
    };
    assert!(outcome.stdout.starts_with("1\n"), "{outcome}");
    // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot
    // mknod audit_write setfcap: Docker's fourteen.
    assert_eq!(field("CapBnd"), "00000000a80425fb");
    assert_eq!(field("CapEff"), "00000000a80425fb");
    assert_eq!(field("CapPrm"), "00000000a80425fb");
    assert_eq!(field("CapInh"), "0000000000000000");
    assert_eq!(field("CapAmb"), "0000000000000000");
    assert_eq!(field("Seccomp:"), "2");
    // 0, 1, 2 and the directory that ls itself has open.
    assert_eq!(outcome.stdout.lines().last(), Some("4"));
}

#[test]
fn the_six_nodes_and_links_of_dev_work() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "set -e; for n in null zero full random urandom tty; do test -c /dev/$n; done
        head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c
        test -d /dev/shm -a -d /dev/mqueue -a -c /dev/pts/ptmx
        for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done
        df -k /dev/shm | tail -1 | awk '{print $2}'
        echo x 2>/dev/null > /dev/full || echo full";
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    let expected = "4\n4\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n65536\nfull\n";
    assert_eq!(outcome.stdout, expected);
}

#[test]
fn sensitive_kernel_files_are_hidden_or_read_only() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware | wc -l
        for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/uevent_seqnum; do
          (echo x > $f) 2>/dev/null && echo wrote $f; done; echo done";
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    assert_eq!(outcome.stdout, "0\n0\ndone\n");
}

#[test]
fn flags_change_what_the_payload_sees() {
    let Some(rr) = user() else { return assert!(Registry::shared().is_err()) };
    let run = |flags: &[&str], command: &str| {
        let base = ["run", "--rm", "--network", "none"];
        let words: Vec<&str> = base.iter().chain(flags).chain(&["alpine", "sh", "-c", command]).copied().collect();
        rr.run(words).succeeds().stdout
    };
    assert_eq!(run(&["--hostname", "box"], "hostname; cat /etc/hostname"), "box\nbox\n");
    assert_eq!(run(&["-e", "A=b c", "-e", "PATH=/bin"], "echo $A $PATH"), "b c /bin\n");
    assert_eq!(run(&["-w", "/made/here"], "pwd"), "/made/here\n");
    assert_eq!(run(&["-u", "guest"], "id -un; id -gn; echo $HOME"), "guest\nusers\n/dev/null\n");
    assert_eq!(
        run(&["-u", "1234:4321"], "id -u; id -g; echo $HOME; touch /tmp/x && stat -c %u /tmp/x"),
        "1234\n4321\n/\n1234\n"
    );
    assert_eq!(run(&["--group-add", "audio", "--group-add", "777", "-u", "1000"], "id -G"), "0 18 777\n");
    assert_eq!(run(&["--ulimit", "nofile=123:456"], "ulimit -Sn; ulimit -Hn"), "123\n456\n");
    assert_eq!(run(&["--shm-size", "1m"], "df -k /dev/shm | tail -1 | awk '{print $2}'"), "1024\n");
    assert_eq!(
        run(&["--cap-drop", "all", "--cap-add", "chown"], "grep CapEff /proc/self/status | cut -f2"),
        "0000000000000001\n"
    );
    assert_eq!(run(&["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status | cut -f2"), "1\n");
    assert_eq!(run(&["--add-host", "db:10.1.2.3"], "awk '$2 == \"db\" {print $1}' /etc/hosts"), "10.1.2.3\n");
    assert_eq!(
        run(&["--dns", "192.0.2.53", "--dns-search", "example.test"], "cat /etc/resolv.conf | sort"),
        "nameserver 192.0.2.53\nsearch example.test\n"
    );
    assert_eq!(run(&["--tmpfs", "/scratch:size=1m"], "df -k /scratch | tail -1 | awk '{print $2}'"), "1024\n");
    assert_eq!(
        run(&["--read-only", "--tmpfs", "/t"], "touch /x 2>/dev/null || echo ro; touch /t/x && echo rw"),
        "ro\nrw\n"
    );
    assert_eq!(run(&["--init"], "echo $$"), "2\n");
    rr.nothing_is_left();
}

#[test]
fn standard_input_is_read_only_where_asked_for() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let cat = |flags: &[&str]| {
        let words: Vec<&str> =
            ["run", "--rm", "--network", "none"].iter().chain(flags).chain(&["alpine", "cat"]).copied().collect();
        rr.command(words).stdin("typed").output().succeeds().stdout
    };
    assert_eq!(cat(&["-i"]), "typed");
    assert_eq!(cat(&[]), "");
}

#[test]
fn a_container_without_rm_stays_with_its_files_until_it_is_removed() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["run", "--network", "none", "--name", "kept", "alpine", "sh", "-c", "chown 7 /tmp; exit 3"]).exits(3);
    let listed = rr.run(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).succeeds();
    assert!(listed.stdout.starts_with("kept Exited (3)"), "{listed}");
    assert_eq!(rr.run(["inspect", "--format", "{{.State.ExitCode}}", "kept"]).succeeds().line(), "3");
    rr.run(["run", "--network", "none", "--name", "kept", "alpine", "true"]).fails_with(125, "already in use");
    rr.run(["rm", "kept"]).succeeds();
    assert_eq!(rr.run(["ps", "-aq"]).succeeds().stdout, "");
    rr.nothing_is_left();
}

#[test]
fn a_read_only_container_cannot_reach_the_program_that_started_it() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    // CVE-2019-5736: process 1 under --init is rr's own; its program file must stay out of reach.
    let script = "cat /proc/1/exe 2>&1 >/dev/null | grep -c 'ermission denied'; ls /proc/1/root/ 2>&1 >/dev/null | grep -c 'ermission denied'";
    let outcome = rr.run(["run", "--rm", "--network", "none", "--init", "alpine", "sh", "-c", script]).succeeds();
    assert_eq!(outcome.stdout, "1\n1\n");
}

#[test]
fn each_rung_of_the_overlay_ladder_gives_the_same_container() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let script = "echo changed > /etc/alpine-release; rm /etc/motd; mkdir /etc/new; chown 5:5 /etc/new
        cat /etc/alpine-release; ls -d /etc/motd 2>/dev/null; stat -c '%u:%g' /etc/new; ls -l /bin/busybox | cut -c1-10";
    for (driver, filesystem) in [("kernel", "overlay"), ("fuse", "fuse"), ("copy", "")] {
        let run = |command: &str| {
            let words = ["run", "--rm", "--network", "none", "alpine", "sh", "-c", command];
            rr.command(words).env("RR_OVERLAY", driver).output().succeeds()
        };
        assert_eq!(run(script).stdout, "changed\n5:5\n-rwxr-xr-x\n", "{driver}");
        let mounted = run("awk '$2 == \"/\" {print $3}' /proc/mounts");
        assert!(mounted.stdout.starts_with(filesystem), "{driver}: {mounted}");
        assert_eq!(run("cat /etc/alpine-release").stdout, "3.20.3\n", "{driver}: the image was changed");
    }
    rr.command(["run", "--rm", "alpine", "true"]).env("RR_OVERLAY", "zfs").output().fails_with(125, "none of auto");
    rr.nothing_is_left();
}

#[test]
fn a_directory_can_be_the_root() {
    let rr = Rr::new();
    let busybox = std::fs::read_dir("/bin").is_ok() && std::path::Path::new("/bin/busybox").exists();
    assert!(busybox, "contrib/test installs busybox-static");
    let root = rr.directory("root");
    std::fs::create_dir(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/sh")).unwrap();
    let plain = root.display().to_string();
    let above = format!("{plain}:O");
    for (source, stays) in [(&above, false), (&plain, true)] {
        rr.run(["run", "--rm", "--network", "none", "--rootfs", source, "/bin/sh", "-c", "echo > /made"]).succeeds();
        assert_eq!(root.join("made").exists(), stays, "{source}");
    }
    rr.run(["run", "--rm", "--rootfs", "/no/such/root", "sh"]).fails_with(125, "/no/such/root");
    rr.nothing_is_left();
}

/// What rr mounts on files of /etc needs files there: they are no change of the container's.
#[test]
fn mountpoints_are_not_made_in_the_containers_own_layer() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let words = ["run", "--network", "none", "--name", "kept", "alpine", "sh", "-c", "ls /etc"];
    let outcome = rr.run(words).succeeds();
    assert!(outcome.stdout.contains("\nresolv.conf\n"), "{outcome}");
    let container = std::fs::read_dir(rr.store().join("containers")).unwrap().next().unwrap().unwrap().path();
    let written: Vec<_> =
        std::fs::read_dir(container.join("upper")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(written.is_empty(), "{written:?}");
    // The files themselves lie in the record, and those of a container that is thrown away nowhere.
    for file in ["hosts", "hostname", "resolv.conf"] {
        assert!(container.join(file).exists(), "{file}");
    }
    let script = "grep -E ' /etc/(hosts|hostname|resolv.conf) ' /proc/self/mountinfo | grep -c ' - tmpfs '";
    let outcome = rr.run(["run", "--rm", "--network", "none", "alpine", "sh", "-c", script]).succeeds();
    assert_eq!(outcome.stdout, "3\n");
    rr.run(["rm", "kept"]).succeeds();
    rr.nothing_is_left();
}
