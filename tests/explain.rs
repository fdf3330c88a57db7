//! `explain`: what is shown of a container is what the kernel says of it.

use crate::support::{Rr, find_command, requires, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The Alpine image, as it is named on the command line.
fn with_image() -> Result<(Rr, String), String> {
    Ok((Rr::new(), format!("oci-archive:{}", crate::support::images::alpine()?.display())))
}

/// A container with something of everything; its process 1 is `sleep 1000`, and `nobody` has another one.
fn everything(rr: &Rr, image: &str) {
    fs::write(rr.directory("shown").join("mine"), "mine\n").expect("the test's own directory");
    let bind = format!("{}:/shown:ro", rr.path("shown").display());
    let options = [
        "run",
        "-d",
        "--name",
        "web",
        "-v",
        &bind,
        "-v",
        "kept:/kept",
        "--tmpfs",
        "/quick",
        "--ulimit",
        "nofile=99:100",
    ];
    let script = "echo new >/etc/new; su nobody -s /bin/sh -c 'exec sleep 2000' & exec sleep 1000";
    rr.run([&options[..], &[image, "sh", "-c", script]].concat()).succeeds();
    let both =
        || rr.run(["top", "web", "args"]).succeeds().stdout.lines().filter(|line| line.contains("sleep ")).count() == 2;
    assert!(wait_until(Duration::from_secs(10), both), "{}", rr.run(["top", "web"]));
}

fn remove(rr: &Rr, name: &str) {
    rr.run(["rm", "-f", "-v", "-t", "0", name]).succeeds();
    rr.nothing_is_left();
}

fn picture(rr: &Rr, name: &str) -> Value {
    serde_json::from_str(&rr.run(["explain", "--json", name]).succeeds().stdout).expect("JSON")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// A file of /proc.
fn proc_file(pid: &Value, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the container runs")
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a field of the status").trim()
}

#[test]
fn every_number_is_the_kernels() {
    let (rr, image) = requires!(with_image());
    everything(&rr, &image);
    let picture = picture(&rr, "web");
    let pid = &picture["Payload"];
    assert_eq!(rr.run(["inspect", "-f", "{{.State.Pid}}", "web"]).succeeds().line(), pid.to_string());

    let namespaces = list(&picture["Namespaces"]);
    assert_eq!(namespaces.len(), 8);
    for namespace in namespaces {
        let kind = namespace["Kind"].as_str().expect("a name");
        for (side, process) in [("Host", "self".to_owned()), ("Container", pid.to_string())] {
            let link = fs::read_link(format!("/proc/{process}/ns/{kind}")).expect("a namespace");
            assert_eq!(link.to_str(), Some(format!("{kind}:[{}]", namespace[side]).as_str()));
        }
    }

    for (side, file) in [("Users", "uid_map"), ("Groups", "gid_map")] {
        let kernel = proc_file(pid, file);
        let kernel: Vec<Vec<&str>> = kernel.lines().map(|line| line.split_whitespace().collect()).collect();
        let ranges = list(&picture[side]["Ranges"]);
        let told: Vec<Vec<String>> = ranges
            .iter()
            .map(|range| ["Inside", "Host", "Length"].map(|key| range[key].to_string()).to_vec())
            .collect();
        assert_eq!(told, kernel, "{file}");
        // The user's own, and a line of the file that says so.
        assert_eq!(ranges[0]["Source"], "Own");
        let line = &ranges[1]["Source"]["Line"];
        let granted = fs::read_to_string(line["File"].as_str().expect("a file")).expect("it is there");
        let number = line["Number"].as_u64().expect("a number") as usize;
        assert_eq!(granted.lines().nth(number - 1), line["Text"].as_str());
    }

    let processes = list(&picture["Processes"]);
    let mut roles = BTreeSet::new();
    for process in processes {
        roles.insert(process["Role"].as_str().expect("a role"));
        let status = proc_file(&process["HostPid"], "status");
        let second = |name: &str| field(&status, name).split_whitespace().nth(1).map(str::to_owned);
        assert_eq!(second("Uid"), Some(process["HostUid"].to_string()));
        assert_eq!(field(&status, "PPid"), process["HostParent"].to_string());
        if !process["Inside"].is_null() {
            let inside = field(&status, "NSpid").split_whitespace().last();
            assert_eq!(inside, Some(process["Inside"]["Pid"].to_string().as_str()));
        }
    }
    assert_eq!(roles, BTreeSet::from(["Member", "Monitor", "Payload", "Servant"]));
    let users: Vec<&str> = processes.iter().filter_map(|process| process["Inside"]["User"].as_str()).collect();
    assert_eq!(users, ["root", "nobody"]);

    let status = proc_file(pid, "status");
    let numbers: BTreeSet<String> =
        list(&picture["Rights"]["Effective"]).iter().map(|one| one["Name"].to_string()).collect();
    assert_eq!(numbers.len() as u32, u64::from_str_radix(field(&status, "CapEff"), 16).expect("a set").count_ones());
    assert!(numbers.contains("\"CHOWN\"") && !numbers.contains("\"SYS_ADMIN\""), "{numbers:?}");
    assert_eq!(picture["Rights"]["Filters"].to_string(), field(&status, "Seccomp_filters"));
    assert_eq!(picture["Rights"]["NoNewPrivileges"], field(&status, "NoNewPrivs") == "1");

    let kernel = proc_file(pid, "mountinfo");
    let kernel: Vec<(&str, &str)> =
        kernel.lines().map(|line| line.split(' ').collect::<Vec<_>>()).map(|words| (words[0], words[4])).collect();
    let mounts = list(&picture["Mounts"]);
    let told: Vec<(String, &str)> =
        mounts.iter().map(|mount| (mount["Id"].to_string(), mount["Target"].as_str().expect("a path"))).collect();
    assert_eq!(told.iter().map(|(id, target)| (id.as_str(), *target)).collect::<Vec<_>>(), kernel);
    let host = |target: &str| {
        let mount = mounts.iter().find(|mount| mount["Target"] == target).expect("a mount");
        mount["Host"].as_str().map(str::to_owned)
    };
    assert_eq!(host("/shown"), rr.path("shown").canonicalize().expect("there").to_str().map(str::to_owned));
    assert_eq!(host("/kept"), Some(rr.store().join("volumes/kept/_data").display().to_string()));
    assert_eq!(host("/quick"), None);

    let limit = &list(&picture["Limits"]["Resources"])[0];
    assert_eq!((&limit["Name"], &limit["Container"]), (&"Max open files".into(), &vec!["99", "100"].into()));
    assert_eq!(picture["Limits"]["Cgroup"], Value::from(proc_file(pid, "cgroup").lines().collect::<Vec<_>>()));

    let layers = list(&picture["Stack"]["Layers"]);
    assert_eq!((layers[0]["Kind"].as_str(), layers[1]["Kind"].as_str()), (Some("Upper"), Some("Image")));
    // /etc and /etc/new, and where the volume and the others were mounted.
    assert_eq!(layers[0]["Content"]["Files"], 1);
    assert_eq!(layers[0]["Content"]["Bytes"], 4);
    for layer in layers {
        assert!(Path::new(layer["Path"].as_str().expect("a path")).is_dir(), "{layer}");
    }

    let interfaces = list(&picture["Network"]["Interfaces"]);
    let inside = rr.run(["exec", "web", "ip", "-o", "addr"]).succeeds().stdout;
    for interface in interfaces {
        for address in list(&interface["Addresses"]) {
            assert!(inside.contains(address.as_str().expect("an address")), "{address}: {inside}");
        }
    }
    let names: Vec<&str> = interfaces.iter().filter_map(|interface| interface["Name"].as_str()).collect();
    assert_eq!(names, ["lo", "eth0"]);
    assert!(inside.contains(list(&interfaces[1]["Addresses"])[0].as_str().expect("an address")));
    remove(&rr, "web");
}

/// The text without what a line's end may change.
fn squeezed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[test]
fn the_picture_is_whole_in_every_width() {
    let (rr, image) = requires!(with_image());
    everything(&rr, &image);
    let picture = picture(&rr, "web");
    for columns in ["80", "100", "160"] {
        let text = rr.command(["explain", "web"]).env("COLUMNS", columns).output().succeeds().stdout;
        let width: usize = columns.parse().expect("a number");
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{columns} columns: {line}");
        }
        assert!(!text.contains('\u{1b}'), "no colour but on a terminal");
        let text = squeezed(&text);
        let has = |value: &Value| {
            let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert!(text.contains(&squeezed(&wanted)), "{columns} columns: {wanted} is missing");
        };
        for namespace in list(&picture["Namespaces"]) {
            ["Kind", "Host", "Container"].iter().for_each(|key| has(&namespace[*key]));
        }
        for process in list(&picture["Processes"]) {
            ["HostPid", "HostUid", "Command"].iter().for_each(|key| has(&process[*key]));
        }
        for one in list(&picture["Rights"]["Effective"]) {
            ["Name", "Allows"].iter().for_each(|key| has(&one[*key]));
        }
        for layer in list(&picture["Stack"]["Layers"]) {
            has(&layer["Path"]);
        }
        // A path that is broken over two lines has other cells between its halves, and only long ones have a line alone.
        for mount in
            list(&picture["Mounts"]).iter().filter(|mount| mount["Host"].as_str().is_some_and(|path| path.len() > 24))
        {
            ["Target", "Host"].iter().for_each(|key| has(&mount[*key]));
        }
    }
    let text = rr.run(["explain", "--only", "ids,limits", "web"]).succeeds().stdout;
    assert!(squeezed(&text).contains("/newuidmapand"), "{text}");
    assert!(text.contains("nothing was limited"), "{text}");
    // On a terminal there is colour, and its own width counts.
    let mut terminal = rr.command(["explain", "web", "--only", "namespaces"]).env("TERM", "xterm").terminal(50, 90);
    terminal.expect("4026531");
    terminal.wait();
    assert!(terminal.screen().contains("\u{1b}[1;36m"), "{}", terminal.screen());
    rr.run(["explain", "web", "--only", "users"]).fails_with(125, "`users` is no value for --only");
    remove(&rr, "web");
}

#[test]
fn a_container_that_does_not_run_is_shown_as_far_as_it_goes() {
    let (rr, image) = requires!(with_image());
    rr.run(["create", "--name", "idle", "--cap-drop", "ALL", "--tmpfs", "/t", &image, "true"]).succeeds();
    let text = rr.run(["explain", "idle"]).succeeds().stdout;
    for part in ["created, of", "does not run", "/etc/subuid, line", "Process 1 has no capability", "/t"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let picture = picture(&rr, "idle");
    assert_eq!((picture["Payload"].is_null(), list(&picture["Namespaces"]).len()), (true, 0));
    let text = rr.run(["explain", "--path", "/etc/alpine-release", "idle"]).succeeds().stdout;
    assert!(text.contains("a layer of the image"), "{text}");
    rr.run(["explain", "nobody"]).fails_with(1, "No such container: nobody");
    remove(&rr, "idle");
}

#[test]
fn another_process_is_asked_where_the_first_keeps_to_itself() {
    let rr = requires!(Rr::with_alpine());
    // rr itself is process 1 then, and not dumpable (proc_pid_ns(5)).
    rr.run([&["run", "-d", "--init", "--name", "web"], &Rr::ALPINE[..], &["sleep", "1000"]].concat()).succeeds();
    let two = || list(&picture(&rr, "web")["Processes"]).iter().filter(|one| !one["Inside"].is_null()).count() == 2;
    assert!(wait_until(Duration::from_secs(10), two));
    let picture = picture(&rr, "web");
    assert!(fs::read_link(format!("/proc/{}/ns/net", picture["Payload"])).is_err(), "{}", picture["Payload"]);
    assert_ne!(picture["Asked"], picture["Payload"]);
    let link = fs::read_link(format!("/proc/{}/ns/net", picture["Asked"])).expect("its child is readable");
    assert_eq!(link.to_str(), Some(format!("net:[{}]", list(&picture["Namespaces"])[5]["Container"]).as_str()));
    let note = format!("process {} was asked instead", picture["Asked"]);
    let text = rr.run(["explain", "web"]).succeeds().stdout;
    assert!(squeezed(&text).contains(&squeezed(&note)), "{text}");
    remove(&rr, "web");
}

#[test]
fn each_stack_is_told_for_what_it_is() {
    let (rr, image) = requires!(with_image());
    for (driver, file_system, kinds) in [
        ("kernel", "overlay", &["Upper", "Image", "MountPoints"][..]),
        ("fuse", "fuse", &["Upper", "Image", "MountPoints"]),
        ("copy", "", &["Copy", "Image", "MountPoints"]),
    ] {
        let script = "echo >/etc/new; rm /etc/motd; exec sleep 1000";
        let words = ["run", "-d", "--name", "web", &image, "sh", "-c", script];
        rr.command(words).env("RR_OVERLAY", driver).output().succeeds();
        let new = || rr.run(["exec", "web", "test", "!", "-e", "/etc/motd"]).status.success();
        assert!(wait_until(Duration::from_secs(10), new));
        let picture = picture(&rr, "web");
        let layers = list(&picture["Stack"]["Layers"]);
        assert_eq!(layers.iter().map(|layer| layer["Kind"].as_str().unwrap_or_default()).collect::<Vec<_>>(), kinds);
        if !file_system.is_empty() {
            assert_eq!(picture["Stack"]["FileSystem"], file_system);
            assert_eq!(
                (&layers[0]["Content"]["Files"], &layers[0]["Content"]["Removed"]),
                (&1.into(), &1.into()),
                "{driver}"
            );
        }
        let answer = rr.run(["explain", "--json", "--path", "/etc/new", "web"]).succeeds().stdout;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["Place"]["Layers"][0][0], kinds[0], "{driver}");
        let host = answer["Place"]["Host"].as_str().expect("a path");
        assert_eq!(fs::read_to_string(host).expect("the user's own"), "\n");
        remove(&rr, "web");
    }
}

#[test]
fn a_file_is_followed_to_its_place() {
    let (rr, image) = requires!(with_image());
    everything(&rr, &image);
    let follow = |path: &str| {
        let text = rr.run(["explain", "--json", "--path", path, "web"]).succeeds().stdout;
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let release = follow("/etc/../etc/./alpine-release");
    assert_eq!((&release["Inside"], &release["Kind"]), (&"/etc/alpine-release".into(), &"file".into()));
    assert_eq!(release["Place"]["Layers"][0][0], "Image");
    assert_eq!(fs::read_to_string(release["Place"]["Host"].as_str().expect("a path")).expect("the user's"), "3.20.3\n");
    assert_eq!(follow("/etc/new")["Place"]["Layers"][0][0], "Upper");
    let bound = follow("/shown/mine");
    assert_eq!(bound["Place"]["Host"], rr.path("shown/mine").canonicalize().expect("there").display().to_string());
    assert_eq!((&bound["User"]["Inside"], &bound["Access"]["Write"]["Allowed"]), (&0.into(), &false.into()));
    assert_eq!(follow("/kept")["Place"]["Host"], rr.store().join("volumes/kept/_data").display().to_string());
    assert_eq!(follow("/quick")["Place"]["Host"], Value::Null);
    let through = follow("/bin/sh");
    assert_eq!((&through["Inside"], &through["Links"][0]["Target"]), (&"/bin/busybox".into(), &"/bin/busybox".into()));
    // An owner that the container does not have.
    let foreign = follow("/dev/null");
    assert_eq!((&foreign["User"]["Inside"], &foreign["Kind"]), (&Value::Null, &"character device".into()));
    remove(&rr, "web");
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    let rr = requires!(Rr::with_alpine());
    let script = "ln -s ../../../../etc /tmp/out; ln -s loop /tmp/loop; exec sleep 1000";
    rr.run([&["run", "-d", "--name", "web"], &Rr::ALPINE[..], &["sh", "-c", script]].concat()).succeeds();
    assert!(wait_until(Duration::from_secs(10), || rr
        .run(["exec", "web", "test", "-h", "/tmp/loop"])
        .status
        .success()));
    for (path, why) in [
        ("etc", "a path in a container begins with /"),
        ("/none", "/none: no such file or directory (ENOENT)"),
        ("/etc/motd/x", "ENOTDIR"),
        ("/..", "above the container's root"),
        ("/etc/../../etc", "above the container's root"),
        ("/tmp/out/passwd", "by the link /tmp/out above the container's root"),
        ("/tmp/loop", "ELOOP"),
        ("/proc/self/status", "another one for each process"),
    ] {
        rr.run(["explain", "--path", path, "web"]).fails_with(1, why);
    }
    rr.run(["explain", "--path", "/etc", "--as", "stranger", "web"]).fails_with(1, "stranger");
    rr.run(["explain", "--as", "guest", "web"]).fails_with(1, "--path is missing");
    remove(&rr, "web");
}

/// What this test binary, which is static, does in a container: asks the kernel for each path, with the effective user
/// (faccessat2(2), AT_EACCESS).
#[test]
#[ignore = "what this binary does in a container of the test below"]
fn payload() {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let paths = std::env::var("RR_PAYLOAD").expect("started by another test");
    for path in paths.split_whitespace() {
        let letter = |(wish, letter)| if accessat(CWD, path, wish, AtFlags::EACCESS).is_ok() { letter } else { '-' };
        let told: String =
            [(Access::READ_OK, 'r'), (Access::WRITE_OK, 'w'), (Access::EXEC_OK, 'x')].map(letter).iter().collect();
        println!("access {told} {path}");
    }
}

#[test]
fn who_may_do_what_is_what_happens() {
    let rr = requires!(Rr::with_alpine());
    let bind = format!("{}:/shown:ro", rr.directory("shown").display());
    fs::write(rr.path("shown/mine"), "mine\n").expect("the test's own directory");
    let own = format!("{}:/payload:ro", std::env::current_exe().expect("a test has an executable").display());
    let script = "mkdir -m 700 /home/shut; mkdir -m 2770 /home/team; chgrp games /home/team; echo >/home/shut/f; \
        for m in 000 400 040 004 200 020 002 100 777 660 505; do echo >/home/$m; chown guest:games /home/$m; chmod $m /home/$m; done; \
        touch /home/ready; exec sleep 1000";
    rr.run([&["run", "-d", "--name", "web", "-v", &bind, "-v", &own], &Rr::ALPINE[..], &["sh", "-c", script]].concat())
        .succeeds();
    assert!(wait_until(Duration::from_secs(10), || rr
        .run(["exec", "web", "test", "-e", "/home/ready"])
        .status
        .success()));
    let modes = ["000", "400", "040", "004", "200", "020", "002", "100", "777", "660", "505"];
    let mut paths: Vec<String> = modes.iter().map(|mode| format!("/home/{mode}")).collect();
    let others =
        ["/home/shut", "/home/shut/f", "/home/team", "/shown/mine", "/shown", "/dev/null", "/proc/sys/kernel/hostname"];
    paths.extend(others.map(str::to_owned));
    paths.push("/etc/shadow".to_owned());
    let mut tried = 0;
    for user in ["root", "guest", "nobody", "nobody:games"] {
        let task = format!("RR_PAYLOAD={}", paths.join(" "));
        let command = ["/payload", "--ignored", "--exact", "--nocapture", "explain::payload"];
        let happens = rr.run([&["exec", "-u", user, "-e", &task, "web"], &command[..]].concat()).succeeds().stdout;
        for line in happens.lines().filter_map(|line| line.strip_prefix("access ")) {
            let (happens, path) = line.split_once(' ').expect("a path");
            let text = rr.run(["explain", "--json", "--path", path, "--as", user, "web"]).succeeds().stdout;
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            let letter = |(wish, letter)| if answer["Access"][wish]["Allowed"] == true { letter } else { '-' };
            let told: String = [("Read", 'r'), ("Write", 'w'), ("Execute", 'x')].map(letter).iter().collect();
            assert_eq!(told, happens, "{user}: {path}: {}", answer["Access"]);
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * paths.len());
    remove(&rr, "web");
}

#[test]
fn an_id_is_told_both_ways() {
    let rr = requires!(Rr::with_alpine());
    let map = rr
        .run([&["run", "--rm", "--network", "none"], &Rr::ALPINE[..], &["cat", "/proc/self/uid_map"]].concat())
        .succeeds()
        .stdout;
    let second: Vec<u64> =
        map.lines().nth(1).expect("a range").split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let (inside, host) = (second[0], second[1]);
    let ask = |arguments: &[&str]| {
        let text = rr.run([&["explain", "--json", "--id"], arguments].concat()).succeeds().stdout;
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let answer = ask(&["1000"]);
    assert_eq!(answer[0]["Outside"], host + 1000 - inside);
    let answer = ask(&[&(host + 5).to_string()]);
    assert_eq!(answer[0]["Inside"], inside + 5);
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(ask(&[&own.to_string()])[0]["Inside"], 0);
    assert_eq!(ask(&[&own.to_string(), "--userns", "keep-id"])[0]["Outside"], own);
    let text = rr.run(["explain", "--id", &own.to_string()]).succeeds().stdout;
    assert!(text.contains("on the host  0 in a container"), "{text}");
    rr.run(["explain", "--id", "4294967295"]).fails_with(1, "ids go from 0 to 4294967294");
    rr.run(["explain", "--id", "4000000000"]).fails_with(1, "cannot tell about id 4000000000");
    rr.run(["explain", "--id", "x"]).fails_with(125, "--id");
    rr.run(["explain"]).fails_with(1, "CONTAINER");
}

/// What strace(1) sees of each process of a run, by the names of the calls and their arguments.
fn traced(rr: &Rr, arguments: &[&str]) -> [Vec<String>; 3] {
    let trace = rr.path("trace");
    let file = trace.to_str().expect("UTF-8");
    let binary = rr.binary().to_str().expect("UTF-8");
    rr.any_command("strace", [&["-f", "-s", "300", "-o", file, binary, "run"], arguments].concat()).output().succeeds();
    let text = fs::read_to_string(&trace).expect("a trace");
    // `1234 clone3(…`; what another process interrupts begins on this line all the same.
    let lines: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.split_once(' ')).map(|(pid, call)| (pid, call.trim())).collect();
    let of =
        |pid: &str| lines.iter().filter(|(of, _)| *of == pid).map(|(_, call)| (*call).to_owned()).collect::<Vec<_>>();
    let maker = |flag: &str| lines.iter().find(|(_, call)| call.contains(flag)).expect("a clone3(2)").0;
    let (client, monitor) = (maker("CLONE_NEWUSER"), maker("CLONE_NEWNS"));
    let init = lines.iter().find(|(_, call)| call.starts_with("pivot_root(")).expect("a pivot_root(2)").0;
    [of(client), of(monitor), of(init)]
}

#[test]
fn the_steps_of_a_run_are_those_that_are_taken() {
    let rr = requires!(Rr::with_alpine());
    requires!(find_command("strace").ok_or("strace is not installed"));
    let bind = format!("{}:/shown:ro", rr.directory("shown").display());
    // strace(1) keeps set-user-ID programs from being any: the maps have the user's own id alone.
    let own = ["--rm", "--uidmap", "0:0:1", "--gidmap", "0:0:1"];
    let mut seen = 0;
    for options in [
        &["--hostname", "classroom"][..],
        &["--hostname", "classroom", "--network", "none", "-v", &bind, "--tmpfs", "/quick"],
        &["--privileged", "--uts", "host", "--ipc", "host"],
        &[
            "--hostname",
            "classroom",
            "--network",
            "host",
            "--read-only",
            "--security-opt",
            "no-new-privileges",
            "--ulimit",
            "nofile=99",
            "--cap-drop",
            "ALL",
        ],
    ] {
        let arguments = [&own[..], options, &Rr::ALPINE, &["/bin/true"]].concat();
        let text = rr.run([&["explain", "--json", "--run"], &arguments[..]].concat()).succeeds().stdout;
        let steps: Value = serde_json::from_str(&text).expect("JSON");
        let traces = traced(&rr, &arguments);
        for (process, trace) in ["Client", "Monitor", "Init"].into_iter().zip(&traces) {
            let mut rest = trace.iter();
            for step in list(&steps).iter().filter(|step| step["Process"] == process) {
                for call in list(&step["Calls"]) {
                    let told = call["Text"].as_str().expect("a text");
                    let (name, arguments) = told.split_once('(').expect("a call");
                    // A path or a flag that is told is in the call, too.
                    let first = arguments.split([',', ')']).next().unwrap_or_default().trim();
                    let certain =
                        ["clone3", "fsopen", "mount", "pivot_root", "umount2", "sethostname", "execve"].contains(&name);
                    let fits = |call: &&String| {
                        call.starts_with(&format!("{name}("))
                            && (!certain || name == "clone3" || call.contains(first))
                            && (name != "clone3"
                                || told
                                    .split(['(', ' ', ')'])
                                    .filter(|word| word.starts_with("CLONE"))
                                    .all(|flag| call.contains(flag)))
                    };
                    assert!(
                        rest.any(|call| fits(&call)),
                        "{options:?}: {process}: {}: {told} is not in\n{}",
                        step["Name"],
                        trace.join("\n")
                    );
                    seen += 1;
                }
            }
        }
        // And none of them is left out.
        let flags: Vec<&str> = traces[1]
            .iter()
            .filter(|call| call.starts_with("clone3("))
            .flat_map(|call| call.split(['{', '=', '|', ',']))
            .filter(|word| word.starts_with("CLONE_NEW"))
            .collect();
        let told = steps.to_string();
        assert!(flags.iter().all(|flag| told.contains(flag)), "{flags:?}");
    }
    assert!(seen > 150, "{seen}");
    rr.nothing_is_left();
}

#[test]
fn a_run_tells_its_steps_as_they_are_taken() {
    let rr = requires!(Rr::with_alpine());
    let arguments = [&["--rm"], &Rr::ALPINE[..], &["echo", "hello"]].concat();
    let planned = rr.run([&["explain", "--json", "--run"], &arguments[..]].concat()).succeeds().stdout;
    let planned: Value = serde_json::from_str(&planned).expect("JSON");
    let outcome = rr.run([&["run", "--explain"], &arguments[..]].concat()).succeeds();
    assert_eq!(outcome.stdout, "hello\n");
    let mut names = BTreeSet::new();
    let mut passed = 0.0;
    for line in outcome.stderr.lines().filter(|line| line.starts_with('+')) {
        let words: Vec<&str> = line.trim_start_matches('+').split_whitespace().collect();
        let time: f64 = words[0].parse().expect("milliseconds");
        assert_eq!(words[1], "ms");
        names.insert(words[2].to_owned());
        passed = f64::max(passed, time);
    }
    let wanted: BTreeSet<String> =
        list(&planned).iter().filter_map(|step| step["Name"].as_str()).map(str::to_owned).collect();
    assert_eq!(names, wanted);
    assert!(passed > 0.0);
    // Nothing of it where it was not asked for.
    rr.run([&["run"], &arguments[..]].concat()).succeeds().says("");
    rr.run([&["explain", "--run"], &arguments[..]].concat()).succeeds().prints("What `rr run` would do");
    rr.run(["explain", "--run", "--no-such-option", "x"]).fails_with(125, "--no-such-option");
    rr.run(["explain", "--run", "--rootfs", "/nowhere", "true"]).fails_with(125, "/nowhere");
    rr.nothing_is_left();
}

/// The page of a container in a real browser.
#[test]
fn the_page_is_read_by_a_browser() {
    let (rr, image) = requires!(with_image());
    let browser = requires!(find_command("chromium").ok_or("chromium is not installed"));
    everything(&rr, &image);
    let file = rr.path("page.html");
    rr.run(["explain", "--html", file.to_str().expect("UTF-8"), "web"]).succeeds_quietly();
    let page = fs::read_to_string(&file).expect("it was written");
    for outside in ["http://", "https://", "<script", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs something else: {outside}");
    }
    let run = |arguments: &[&str]| {
        let output = Command::new(&browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                "--virtual-time-budget=2000",
            ])
            .args(arguments)
            .arg(format!("file://{}", file.display()))
            .env("HOME", rr.home())
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .output()
            .expect("the browser starts");
        assert!(output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("CONSOLE"), "{errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // What the browser has made of it: every part is there, each drawing has its words, nothing was left unclosed.
    let dom = run(&["--dump-dom"]);
    let picture = picture(&rr, "web");
    for namespace in list(&picture["Namespaces"]) {
        assert!(dom.contains(&format!(">{}<", namespace["Container"])), "{namespace}");
    }
    for process in list(&picture["Processes"]) {
        assert!(dom.contains(&format!(">{}<", process["HostPid"])), "{process}");
    }
    let count = |what: &str| dom.matches(what).count();
    assert_eq!((count("<h1"), count("<h2"), count("<section"), count("<svg")), (1, 8, 8, 4));
    assert_eq!((count("role=\"img\""), count("<title id="), count("<desc id=")), (4, 4, 4));
    assert_eq!(count("<table"), count("<caption"));
    assert!(dom.trim_end().ends_with("</body></html>"), "{}", &dom[dom.len() - 200..]);
    // And it can be drawn, and printed.
    let (drawn, printed) = (rr.path("page.png"), rr.path("page.pdf"));
    run(&["--window-size=900,3000", &format!("--screenshot={}", drawn.display())]);
    run(&[&format!("--print-to-pdf={}", printed.display())]);
    for (path, magic) in [(drawn, &b"\x89PNG"[..]), (printed, b"%PDF")] {
        assert!(
            fs::read(&path).is_ok_and(|bytes| bytes.starts_with(magic) && bytes.len() > 10_000),
            "{}",
            path.display()
        );
    }
    rr.run(["explain", "--html", "/nowhere/page.html", "web"]).fails_with(1, "cannot write /nowhere/page.html");
    remove(&rr, "web");
}
