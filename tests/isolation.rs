//! What a container shares with the host, and what is set in the namespaces that are its own.

use crate::support::{Rr, requires};
use std::fs;

/// The inode numbers of namespaces (namespaces(7)), as this process has them.
fn own(names: &[&str]) -> String {
    let link = |name: &&str| fs::read_link(format!("/proc/self/ns/{name}")).expect("proc").display().to_string();
    names.iter().map(link).map(|link| link + "\n").collect()
}

#[test]
fn namespaces_of_the_hosts_are_shared_as_asked() {
    let rr = requires!(Rr::with_alpine());
    let look = "for name in ipc uts cgroup; do readlink /proc/self/ns/$name; done";
    let names = ["ipc", "uts", "cgroup"];
    let private = rr.sh(&[], look).succeeds().stdout;
    for (line, hosts) in private.lines().zip(own(&names).lines()) {
        assert_ne!(line, hosts);
    }
    let shared = rr.sh(&["--ipc", "host", "--uts=host", "--cgroupns", "host"], look).succeeds().stdout;
    assert_eq!(shared, own(&names));
    // A process that comes later is in the same ones.
    let start =
        ["run", "-d", "--name", "sharing", "--network", "none", "--ipc", "host", "--uts=host", "--cgroupns=host"];
    rr.run([&start[..], &Rr::ALPINE, &["sleep", "1000"]].concat()).succeeds();
    assert_eq!(rr.run(["exec", "sharing", "sh", "-c", look]).succeeds().stdout, own(&names));
    let inspect = "{{.HostConfig.IpcMode}} {{.HostConfig.UTSMode}} {{.HostConfig.CgroupnsMode}}";
    assert_eq!(rr.run(["inspect", "-f", inspect, "sharing"]).succeeds().stdout, "host host host\n");
    rr.run(["rm", "-f", "-t", "0", "sharing"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn the_hosts_name_and_memory_come_with_its_namespaces() {
    let rr = requires!(Rr::with_alpine());
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").expect("proc");
    let outcome = rr.sh(&["--uts", "host"], "cat /proc/sys/kernel/hostname; echo $HOSTNAME").succeeds();
    assert_eq!(outcome.stdout, format!("{hostname}{hostname}"));
    rr.sh(&["--uts", "host", "--hostname", "x"], "true")
        .fails_with(125, "conflicting options: hostname and the UTS mode");
    let outcome = rr.sh(&["--domainname", "lan.test"], "cat /proc/sys/kernel/domainname").succeeds();
    assert_eq!(outcome.stdout, "lan.test\n");

    let file = format!("/dev/shm/rr-test-{}", std::process::id());
    let made = rr.sh(&["--ipc", "host"], &format!("echo shared >{file}")).succeeds();
    let there = fs::read_to_string(&file);
    fs::remove_file(&file).unwrap_or_else(|error| panic!("{file}: {error}: {made}"));
    assert_eq!(there.expect("it was there to be removed"), "shared\n");
    let outcome = rr.sh(&["--ipc", "none"], "grep -c ' /dev/shm ' /proc/mounts; ls -d /dev/shm").exits(0);
    assert_eq!(outcome.stdout, "0\n/dev/shm\n");
    rr.nothing_is_left();
}

#[test]
fn settings_reach_the_containers_own_namespaces_and_no_others() {
    let rr = requires!(Rr::with_alpine());
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").expect("proc");
    let options =
        ["--sysctl", "net.ipv4.ip_default_ttl=41", "--sysctl=kernel.msgmax=5000", "--sysctl", "fs/mqueue/msg_max=7"];
    let script = "cd /proc/sys; cat net/ipv4/ip_default_ttl kernel/msgmax fs/mqueue/msg_max";
    assert_eq!(rr.sh(&options, script).succeeds().stdout, "41\n5000\n7\n");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").expect("proc"), before);

    rr.sh(&["--sysctl", "vm.swappiness=1"], "true").fails_with(125, "a setting of the whole machine");
    rr.sh(&["--sysctl", "net.ipv4.ip_default_ttl"], "true").fails_with(125, "NAME=VALUE");
    rr.sh(&["--sysctl", "net.surely.not=1"], "true").fails_with(125, "ENOENT");
    rr.sh(&["--sysctl", "net.ipv4.ip_default_ttl=many"], "true").fails_with(125, "EINVAL");
    rr.sh(&["--ipc=host", "--sysctl", "kernel.msgmax=1"], "true")
        .fails_with(125, "with --ipc host it would be the host's");
    let words = ["run", "--network=host", "--sysctl", "net.ipv4.ip_default_ttl=1", "alpine", "true"];
    rr.run(words).fails_with(125, "with --network host it would be the host's");
    rr.nothing_is_left();
}

#[test]
fn devices_are_the_hosts_own_nodes() {
    let rr = requires!(Rr::with_alpine());
    let options = ["--device", "/dev/zero:/dev/nothing", "--device=/dev/fuse"];
    let outcome =
        rr.sh(&options, "head -c 3 /dev/nothing | od -An -tx1; stat -c %t:%T /dev/fuse /dev/nothing").succeeds();
    assert_eq!(outcome.stdout, " 00 00 00\na:e5\n1:5\n");
    let inspect = "{{range .HostConfig.Devices}}{{.PathOnHost}} {{.PathInContainer}} {{.CgroupPermissions}}{{end}}";
    rr.run(
        [&["create", "--name", "device", "--device", "/dev/zero:/dev/nothing:rw"], &Rr::ALPINE[..], &["true"]].concat(),
    )
    .succeeds();
    assert_eq!(rr.run(["inspect", "-f", inspect, "device"]).succeeds().stdout, "/dev/zero /dev/nothing rw\n");
    rr.run(["rm", "device"]).succeeds();
    let outcome = rr.sh(&["--device", "/dev/zero:r"], "true").succeeds();
    assert!(outcome.stderr.contains("would need a control group of devices"), "{outcome}");
    rr.sh(&["--device", "/dev/surely-not"], "true")
        .fails_with(125, "/dev/surely-not: no such file or directory (ENOENT)");
    rr.sh(&["--device", "/etc/passwd"], "true").fails_with(125, "not a device node");
    rr.nothing_is_left();
}

#[test]
fn the_oom_score_is_raised_and_cannot_be_lowered() {
    let rr = requires!(Rr::with_alpine());
    let outcome = rr.sh(&["--oom-score-adj", "700"], "cat /proc/self/oom_score_adj").succeeds_quietly();
    assert_eq!(outcome.stdout, "700\n");
    let outcome = rr.sh(&["--oom-score-adj=-900"], "cat /proc/self/oom_score_adj").succeeds();
    assert!(outcome.stderr.contains("--oom-score-adj stays at "), "{outcome}");
    assert_ne!(outcome.stdout, "-900\n");
    rr.sh(&["--oom-score-adj", "1001"], "true").fails_with(125, "range for oom score adj is [-1000, 1000]");
    rr.nothing_is_left();
}

#[test]
fn paths_are_hidden_and_shown_as_asked() {
    let rr = requires!(Rr::with_alpine());
    let script = "wc -c </proc/interrupts; wc -c </etc/alpine-release; ls /etc/apk | wc -l; (echo 41 >/proc/sys/net/ipv4/ip_default_ttl) 2>/dev/null || echo refused";
    // What it takes to write a setting that may be written (net_ctl_permissions in net/sysctl_net.c).
    let run = |options: &[&str]| rr.sh(&[&["--cap-add", "NET_ADMIN"], options].concat(), script);
    let usual = run(&[]).succeeds().stdout;
    assert!(usual.starts_with("0\n7\n") && usual.ends_with("refused\n"), "{usual}");
    let hidden = run(&["--security-opt", "mask=/etc/apk:/etc/alpine-release:/surely/not"]).succeeds().stdout;
    assert_eq!(hidden, "0\n0\n0\nrefused\n");
    let shown = run(&["--security-opt", "unmask=/proc/interrupts:/proc/s*"]).succeeds().stdout;
    assert!(!shown.starts_with("0\n") && !shown.contains("refused"), "{shown}");
    let shown = run(&["--security-opt=unmask=ALL"]).succeeds().stdout;
    assert!(!shown.starts_with("0\n") && !shown.contains("refused"), "{shown}");
    rr.sh(&["--security-opt", "mask=relative"], "true").fails_with(125, "not an absolute path");
    rr.nothing_is_left();
}

/// CVE-2019-16884's shape for masks: the image's links lead no mask out of the container.
#[test]
fn a_masked_link_stays_inside() {
    let rr = requires!(Rr::with_alpine());
    let file = rr.path("hosts-own");
    fs::write(&file, "kept\n").expect("the directory is ours");
    let root = requires!(crate::support::small_root(&rr));
    std::os::unix::fs::symlink(&file, root.join("led")).expect("the directory is ours");
    let words = ["run", "--rm", "--network", "none", "--security-opt", "mask=/led", "--rootfs"];
    let outcome = rr.run([&words[..], &[root.to_str().expect("UTF-8"), "cat", "/led"]].concat());
    assert!(!outcome.status.success(), "{outcome}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "kept\n");
    rr.nothing_is_left();
}

#[test]
fn namespaces_of_another_container_are_shared_as_asked() {
    let rr = requires!(Rr::with_alpine());
    let start = |name: &str, options: &[&str]| {
        let words = [&["run", "-d", "--name", name], options, &Rr::ALPINE, &["sleep", "1000"]].concat();
        rr.run(words).succeeds_quietly().line().to_owned()
    };
    let look = "for name in ipc uts cgroup net; do readlink /proc/self/ns/$name; done";
    let seen = |outcome: crate::support::Outcome| -> Vec<String> {
        outcome.succeeds_quietly().stdout.lines().map(str::to_owned).collect()
    };
    let owner = start("owner", &["--network", "none", "--hostname", "owner"]);
    let owners = seen(rr.run(["exec", "owner", "sh", "-c", look]));
    let all = ["--ipc", "container:owner", "--uts", "container:owner", "--cgroupns=container:owner"];
    let shared = seen(rr.sh(&all, look));
    assert_eq!((&shared[..3], shared[3] == owners[3]), (&owners[..3], false));
    // With the namespaces come the name, and the memory and message queues that programs find by path.
    let script = "hostname; echo $HOSTNAME; cat /etc/hostname; echo content >/dev/shm/file; ls -d /dev/mqueue";
    assert_eq!(seen(rr.sh(&all, script)), ["owner", "owner", "owner", "/dev/mqueue"]);
    assert_eq!(rr.run(["exec", "owner", "cat", "/dev/shm/file"]).succeeds_quietly().stdout, "content\n");

    // One that shares is shared from in turn: what is its own, and what it has from the first.
    start("second", &["--network", "container:owner", "--ipc", "container:owner"]);
    let seconds = seen(rr.run(["exec", "second", "sh", "-c", look]));
    assert_eq!((&seconds[0], &seconds[3], seconds[1] == owners[1]), (&owners[0], &owners[3], false));
    let options = ["--network", "container:second", "--ipc", "container:second", "--uts", "container:second"];
    let words = [&["run", "--rm"], &options[..], &Rr::ALPINE, &["sh", "-c", look]].concat();
    let thirds = seen(rr.run(words));
    assert_eq!((&thirds[0], &thirds[1], &thirds[3]), (&owners[0], &seconds[1], &owners[3]));
    let modes = "{{.HostConfig.IpcMode}} {{.HostConfig.NetworkMode}}";
    let expected = format!("container:{owner} container:{owner}");
    assert_eq!(rr.run(["inspect", "-f", modes, "second"]).succeeds_quietly().line(), expected);

    rr.sh(&["--ipc", "container:"], "true").fails_with(125, "a container's name belongs behind");
    rr.sh(&["--ipc", "container:nope"], "true").fails_with(125, "No such container: nope");
    rr.sh(&["--ipc=container:owner", "--uts=container:second"], "true").fails_with(125, "not those of several");
    rr.sh(&["--uts", "container:owner", "--hostname", "x"], "true")
        .fails_with(125, "conflicting options: hostname and the UTS mode");
    rr.sh(&["--ipc=container:owner", "--sysctl", "kernel.msgmax=1"], "true")
        .fails_with(125, "it would be the other container's setting");
    // Namespaces of two containers that have nothing to do with each other are nobody's to join.
    start("stranger", &["--network", "none"]);
    let words = ["run", "--rm", "--network", "container:stranger", "--ipc", "container:owner"];
    rr.run([&words[..], &Rr::ALPINE, &["true"]].concat()).fails_with(125, "have none in common");
    rr.run(["stop", "-t", "0", "owner"]).succeeds();
    let id = format!("can't join IPC of container {owner}: container {owner} is not running");
    rr.sh(&["--ipc", "container:owner"], "true").fails_with(125, &id);
    rr.run(["rm", "-f", "-t", "0", "owner", "second", "stranger"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_read_only_root_has_room_for_scratch_files_as_podmans_has() {
    let rr = requires!(Rr::with_alpine());
    let script =
        "touch /x 2>/dev/null || echo ro; for at in /run /tmp /var/tmp; do touch $at/x && echo $at; done 2>/dev/null";
    let all = "ro\n/run\n/tmp\n/var/tmp\n";
    rr.sh(&["--read-only"], script).exits(1).prints("ro\n");
    assert_eq!(rr.sh(&["--read-only", "--read-only-tmpfs"], script).succeeds_quietly().stdout, all);
    // What is mounted there otherwise stays.
    let given = ["--read-only", "--read-only-tmpfs=true", "--tmpfs", "/tmp:ro"];
    assert_eq!(rr.sh(&given, script).succeeds_quietly().stdout, "ro\n/run\n/var/tmp\n");
    let podman = |options: &[&str]| {
        let words = [&["run", "--rm", "--network", "none", "--read-only"], options, &Rr::ALPINE, &["sh", "-c", script]];
        rr.command_as("podman", words.concat()).output()
    };
    assert_eq!(podman(&[]).succeeds_quietly().stdout, all);
    podman(&["--read-only-tmpfs=false"]).exits(1);
    rr.nothing_is_left();
}

#[test]
fn the_hosts_processes_are_seen_and_not_reached() {
    let rr = requires!(Rr::with_alpine());
    let me = std::process::id();
    // Their ids are the host's, and what is told of them is what everybody is told.
    let script =
        format!("grep -q . /proc/{me}/status 2>/dev/null && echo seen; ls /proc/{me}/root/ 2>/dev/null || echo closed");
    let outcome = rr.sh(&["--pid", "host"], &script).succeeds();
    assert_eq!(outcome.stdout, "seen\nclosed\n", "{outcome}");
    assert!(outcome.stderr.contains("signals reach its own alone"), "{outcome}");
    assert_eq!(rr.sh(&["--pid", "private"], &script).succeeds_quietly().stdout, "closed\n");

    // rr's own process is among them, with the host's files behind it: it is closed as well, and what would open it is refused.
    let start = ["run", "-d", "--name", "watch", "--network", "none", "--pid", "host", "--cap-add", "SYS_ADMIN"];
    rr.run([&start[..], &Rr::ALPINE, &["sh", "-c", "sleep 1000 & sleep 1000"]].concat()).succeeds();
    assert_eq!(rr.run(["inspect", "-f", "{{.HostConfig.PidMode}}", "watch"]).succeeds().line(), "host");
    let monitor = rr.processes().into_iter().find(|process| process.command.contains(" run -d ")).expect("a monitor");
    let look = format!(
        "test -d /proc/{0} && ! ls /proc/{0}/root/ 2>/dev/null && ! cat /proc/{0}/environ 2>/dev/null && ! sh -c ': >/proc/{0}/mem' 2>/dev/null",
        monitor.pid
    );
    rr.run(["exec", "watch", "sh", "-c", &look]).succeeds_quietly();
    rr.run(["exec", "--privileged", "watch", "true"]).fails_with(125, "cannot use --pid host with CAP_SYS_PTRACE");
    for more in [&["--privileged"][..], &["--cap-add", "SYS_PTRACE"], &["--cap-add", "ALL"]] {
        rr.sh(&[&["--pid", "host"], more].concat(), "true").fails_with(125, "rr's own process, and with it your files");
    }
    rr.sh(&["--pid", "container:watch"], "true").fails_with(125, "a pid namespace of its own");
    rr.sh(&["--pid", "odd"], "true").fails_with(125, "it is one of private and host");
    // The end is as certain as ever: also the monitor's own takes everything along.
    rr.run(["kill", "watch"]).succeeds();
    rr.run(["wait", "watch"]).succeeds();
    rr.run(["start", "watch"]).succeeds();
    let monitor = rr.run(["inspect", "-f", "{{.State.Pid}}", "watch"]).succeeds();
    assert_ne!(monitor.line(), "0");
    rr.run(["rm", "-f", "watch"]).succeeds();
    rr.nothing_is_left();
}
