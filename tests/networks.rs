//! `rr network …`, and containers on networks of their own.

use crate::support::{Outcome, Rr, requires, wait_until};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

fn names(rr: &Rr, options: &[&str]) -> Vec<String> {
    let words = [&["network", "ls", "--format", "{{.Name}}"], options].concat();
    rr.run(words).succeeds_quietly().stdout.lines().map(str::to_owned).collect()
}

fn create(rr: &Rr, words: &[&str]) -> String {
    rr.run([&["network", "create"], words].concat()).succeeds_quietly().line().to_owned()
}

fn inspect(rr: &Rr, name: &str) -> Value {
    let json = rr.run(["network", "inspect", name]).succeeds_quietly().stdout;
    serde_json::from_str::<Value>(&json).expect("JSON")[0].take()
}

#[test]
fn a_network_is_made_shown_and_removed() {
    let rr = Rr::new();
    let id = create(&rr, &["--label", "a=b", "--label", "plain", "-d", "bridge", "-o", "mtu=1400", "first"]);
    assert!(id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    let listed = rr.run(["network", "ls"]).succeeds_quietly().stdout;
    let listed: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(listed[0], ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]);
    assert_eq!(listed[1][1..], ["bridge", "bridge", "local"]);
    assert_eq!(listed[3][1..], ["host", "host", "local"]);
    assert_eq!(listed[4][1..], ["none", "null", "local"]);
    assert_eq!(listed[2], [&id[..12], "first", "bridge", "local"]);
    assert_eq!(rr.run(["network", "ls", "-q", "-f", "type=custom"]).succeeds_quietly().line(), &id[..12]);
    assert_eq!(rr.run(["network", "ls", "-q", "--no-trunc", "-f", "name=first"]).succeeds_quietly().line(), id);
    let made = inspect(&rr, "first");
    assert_eq!((&made["Name"], &made["Id"], &made["Driver"]), (&"first".into(), &id.as_str().into(), &"bridge".into()));
    assert_eq!((&made["Labels"]["a"], &made["Options"]["mtu"]), (&"b".into(), &"1400".into()));
    assert_eq!(made["IPAM"]["Config"].as_array().expect("pools").len(), 1);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}";
    let shown = rr.run(["inspect", "--type", "network", "-f", format, &id[..10]]).succeeds_quietly();
    let (subnet, gateway) = shown.line().split_once(' ').expect("two words");
    assert_eq!(gateway, subnet.replace(".0/24", ".1"));
    rr.run(["network", "exists", "first"]).succeeds_quietly();
    rr.run(["network", "exists", "bridge"]).succeeds_quietly();
    rr.run(["network", "exists", "nope"]).exits(1);
    assert_eq!(inspect(&rr, "none")["Driver"], "null");
    create(&rr, &["two"]);
    assert_eq!(rr.run(["network", "rm", "first", "two"]).succeeds_quietly().stdout, "first\ntwo\n");
    assert_eq!(names(&rr, &["--filter", "type=custom"]), [""; 0]);
    rr.nothing_is_left();
}

#[test]
fn addresses_are_asked_for_or_found_free() {
    let rr = Rr::new();
    create(&rr, &["--subnet", "10.123.0.0/16", "--ip-range", "10.123.5.0/24", "--gateway", "10.123.9.9", "asked"]);
    let pool = inspect(&rr, "asked")["IPAM"]["Config"][0].take();
    let expected = serde_json::json!({"Subnet": "10.123.0.0/16", "IPRange": "10.123.5.0/24", "Gateway": "10.123.9.9"});
    assert_eq!(pool, expected);
    create(&rr, &["--internal", "--ipv6", "both"]);
    let both = inspect(&rr, "both");
    assert_eq!((&both["Internal"], &both["EnableIPv6"]), (&true.into(), &true.into()));
    assert!(both["IPAM"]["Config"][1]["Subnet"].as_str().is_some_and(|subnet| subnet.starts_with("fd")), "{both}");
    create(&rr, &["third"]);
    let first = |name: &str| inspect(&rr, name)["IPAM"]["Config"][0]["Subnet"].as_str().expect("a subnet").to_owned();
    assert_ne!(first("both"), first("third"));
    // As podman shows it.
    let shown = rr.command_as("podman", ["network", "inspect", "asked"]).output().succeeds_quietly().stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown[0]["subnets"][0]["subnet"], "10.123.0.0/16");
    assert_eq!(shown[0]["subnets"][0]["lease_range"]["start_ip"], "10.123.5.0");
    assert_eq!(rr.command_as("podman", ["network", "create", "fourth"]).output().succeeds_quietly().stdout, "fourth\n");
}

#[test]
fn what_cannot_be_a_network_gets_dockers_words() {
    let rr = Rr::new();
    create(&rr, &["--subnet", "10.123.0.0/16", "there"]);
    for (words, text) in [
        (&["there"][..], "network with name there already exists"),
        (&["bridge"], "operation is not permitted on predefined bridge network"),
        (&["a/b"], "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*"),
        (&["-d", "nope", "x"], "plugin \"nope\" not found"),
        (&["-d", "host", "x"], "only one instance of \"host\" network is allowed"),
        (&["--subnet", "10.123.4.0/24", "x"], "Pool overlaps with other one on this address space"),
        (&["--subnet", "nope", "x"], "invalid CIDR address: nope"),
        (&["--gateway", "10.0.0.1", "x"], "every ip-range or gateway must have a corresponding subnet"),
        (&["-o", "mtu=lots", "x"], "68 to 65535"),
    ] {
        rr.run([&["network", "create"], words].concat()).fails_with(1, text);
    }
    rr.run(["network", "rm", "nope"]).fails_with(1, "network nope not found");
    rr.run(["network", "rm", "host"]).fails_with(1, "host is a pre-defined network and cannot be removed");
    assert_eq!(rr.run(["network", "rm", "-f", "nope"]).succeeds_quietly().stdout, "");
    let outcome = rr.run(["network", "inspect", "nope"]).fails_with(1, "network nope not found");
    assert_eq!(outcome.stdout, "[]\n");
    rr.run(["network", "ls", "-f", "nope=1"]).fails_with(1, "nope");
    rr.run(["network", "ls", "-f", "type=nope"]).fails_with(1, "invalid filter: 'type'='nope'");
    assert_eq!(names(&rr, &["-f", "type=custom"]), ["there"]);
    let docker = rr.command_as("docker", ["network", "rm", "nope"]).output();
    docker.exits(1).says("Error: No such network: nope");
    let podman = rr.command_as("podman", ["network", "rm", "nope"]).output();
    podman.exits(1).says("unable to find network with name or ID nope: network not found");
}

#[test]
fn a_network_of_a_container_stays() {
    let rr = requires!(Rr::with_alpine());
    let id = create(&rr, &["--label", "n=1", "used"]);
    create(&rr, &["--label", "n=1", "unused"]);
    create(&rr, &["--label", "n=2", "other"]);
    let make =
        [&["create", "--name", "user", "--network", &id[..12], "--network-alias", "db"], &Rr::ALPINE[..], &["true"]];
    rr.run(make.concat()).succeeds_quietly();
    rr.run(["network", "rm", "used"]).fails_with(1, &format!("network used id {id} has active endpoints"));
    let of =
        |filter: &str| rr.run(["ps", "-a", "-f", filter, "--format", "{{.Names}} {{.Networks}}"]).succeeds().stdout;
    assert_eq!((of("network=used"), of("network=unused")), ("user used\n".into(), String::new()));
    assert_eq!(names(&rr, &["-f", "dangling=true"]), ["other", "unused"]);
    let pruned = rr.run(["network", "prune", "--force", "--filter", "label=n=1"]).succeeds_quietly();
    assert_eq!(pruned.stdout, "Deleted Networks:\nunused\n\n");
    let asked = rr.command(["network", "prune"]).stdin("n\n").output().succeeds();
    assert!(asked.stdout.contains("all custom networks not used by at least one container"), "{asked}");
    assert_eq!(names(&rr, &["-f", "type=custom"]), ["other", "used"]);
    rr.run(["rm", "user"]).succeeds();
    rr.run(["network", "prune", "-f"]).succeeds();
    assert_eq!(names(&rr, &["-f", "type=custom"]), [""; 0]);
    rr.run([&["create", "--network", "used"], &Rr::ALPINE[..], &["true"]].concat())
        .fails_with(1, "network used not found");
    rr.nothing_is_left();
}

/// Starts a container that sleeps; returns its id.
fn sleeper(rr: &Rr, name: &str, options: &[&str]) -> String {
    let base = ["run", "-d", "--name", name];
    let words = [&base, options, &Rr::ALPINE[..], &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]];
    rr.run(words.concat()).succeeds_quietly().line().to_owned()
}

/// A shell script in a running container.
fn inside(rr: &Rr, name: &str, script: &str) -> Outcome {
    rr.run(["exec", "-u", "0", name, "sh", "-c", script])
}

/// The container's address on the interface.
fn address(rr: &Rr, name: &str, interface: &str) -> String {
    let script = format!("ip -4 addr show {interface} | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'");
    inside(rr, name, &script).succeeds().line().to_owned()
}

fn reaches(rr: &Rr, name: &str, address: &str) -> bool {
    let outcome = inside(rr, name, &format!("ping -c 1 -W 1 {address} >/dev/null 2>&1 && echo yes || echo no"));
    outcome.succeeds().line() == "yes"
}

/// The process that keeps a network: the other end of its socket.
fn keeper(rr: &Rr, network: &str) -> Option<Pid> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("a socket");
    let address = SocketAddrUnix::new(rr.store().join("networks").join(network).join("keeper")).expect("a short path");
    rustix::net::connect(&socket, &address).ok()?;
    Some(rustix::net::sockopt::socket_peercred(&socket).expect("a peer").pid)
}

#[test]
fn containers_on_a_network_reach_each_other_and_nobody_else() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    create(&rr, &["--ipv6", "-o", "mtu=1400", "two"]);
    sleeper(&rr, "a1", &["--network", "one"]);
    sleeper(&rr, "a2", &["--network", "one", "--userns", "keep-id:uid=5,gid=6"]);
    sleeper(&rr, "b1", &["--network", "two"]);
    let (a1, a2, b1) = (address(&rr, "a1", "eth0"), address(&rr, "a2", "eth0"), address(&rr, "b1", "eth0"));
    assert!(a1.ends_with(".2") && a2.ends_with(".3") && b1.ends_with(".2"), "{a1} {a2} {b1}");
    assert!(reaches(&rr, "a1", &a2) && reaches(&rr, "a2", &a1));
    assert!(!reaches(&rr, "b1", &a1) && !reaches(&rr, "a1", &b1));
    assert!(inside(&rr, "b1", "ip link show eth0").succeeds().stdout.contains("mtu 1400"));
    assert!(inside(&rr, "b1", "ip -6 addr show eth0").succeeds().stdout.contains("inet6 fd"));
    // It is the container's own address in its own names.
    assert!(inside(&rr, "a1", "cat /etc/hosts").succeeds().stdout.contains(&format!("{a1}\t")));
    // The address of one that has gone is the next one's.
    rr.run(["rm", "-f", "a1"]).succeeds();
    sleeper(&rr, "a3", &["--network", "one"]);
    assert_eq!(address(&rr, "a3", "eth0"), a1);
    assert!(keeper(&rr, "one").is_some());
    rr.run(["rm", "-f", "a2", "a3", "b1"]).succeeds();
    assert!(wait_until(Duration::from_secs(5), || keeper(&rr, "one").is_none() && keeper(&rr, "two").is_none()));
    assert!(!rr.store().join("networks/one/keeper").exists());
    rr.nothing_is_left();
}

#[test]
fn a_container_is_on_several_networks() {
    let rr = requires!(Rr::with_alpine());
    for name in ["one", "two"] {
        create(&rr, &[name]);
    }
    sleeper(&rr, "left", &["--network", "one"]);
    sleeper(&rr, "right", &["--network", "two"]);
    sleeper(&rr, "both", &["--network", "one", "--network", "two"]);
    let (left, right) = (address(&rr, "left", "eth0"), address(&rr, "right", "eth0"));
    assert!(reaches(&rr, "both", &left) && reaches(&rr, "both", &right));
    assert!(reaches(&rr, "left", &address(&rr, "both", "eth0")));
    assert!(reaches(&rr, "right", &address(&rr, "both", "eth1")));
    assert!(!reaches(&rr, "left", &right));
    // Names of both, and of nobody else's.
    for name in ["left", "right", "right.two", "left.one"] {
        assert!(reaches(&rr, "both", name), "{name}");
    }
    assert!(reaches(&rr, "left", "both") && reaches(&rr, "right", "both"));
    assert!(!reaches(&rr, "left", "right") && !reaches(&rr, "right", "left"));
    // Of whoever comes later, and not of who has gone.
    sleeper(&rr, "late", &["--network", "two"]);
    assert!(wait_until(Duration::from_secs(5), || reaches(&rr, "both", "late")));
    rr.run(["rm", "-f", "late"]).succeeds();
    assert!(wait_until(Duration::from_secs(5), || !reaches(&rr, "both", "late")));
    let asked = [&["run", "--rm", "--network", "one:ip=10.200.0.9"], &Rr::ALPINE[..], &["true"]].concat();
    rr.run(asked).fails_with(125, "It does not belong to any of this network's subnets");
    rr.run(["rm", "-f", "left", "right", "both"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn an_address_that_is_asked_for_is_given() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["--subnet", "10.123.0.0/24", "one"]);
    sleeper(&rr, "asked", &["--network", "name=one,ip=10.123.0.77,mac-address=02:00:00:00:00:77"]);
    assert_eq!(address(&rr, "asked", "eth0"), "10.123.0.77");
    assert!(inside(&rr, "asked", "ip link show eth0").succeeds().stdout.contains("02:00:00:00:00:77"));
    let again = [&["run", "--rm", "--network", "one:ip=10.123.0.77"], &Rr::ALPINE[..], &["true"]].concat();
    rr.run(again).fails_with(125, "Address already in use");
    rr.run(["rm", "-f", "asked"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn many_start_at_once_on_a_new_network() {
    let rr = requires!(Rr::with_alpine());
    for name in ["one", "two"] {
        create(&rr, &[name]);
    }
    let start = |number: usize| {
        let name = format!("c{number:02}");
        let network = if number.is_multiple_of(2) { "one" } else { "two" };
        let base = ["run", "-d", "--name", &name, "--network", network];
        rr.command([&base, &Rr::ALPINE[..], &["sleep", "1000"]].concat()).spawn()
    };
    let starting: Vec<_> = (0..16).map(start).collect();
    for one in starting {
        one.wait().succeeds_quietly();
    }
    let mut addresses: Vec<String> = (0..16).map(|number| address(&rr, &format!("c{number:02}"), "eth0")).collect();
    for (number, address) in addresses.iter().enumerate().skip(2) {
        assert!(reaches(&rr, &format!("c{:02}", number % 2), address), "{number}");
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 16);
    let names: Vec<String> = (0..16).map(|number| format!("c{number:02}")).collect();
    let removing: Vec<_> = names.iter().map(|name| rr.command(["rm", "-f", name]).spawn()).collect();
    for one in removing {
        one.wait().succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn a_killed_keeper_is_replaced_by_the_next_start() {
    let rr = requires!(Rr::with_alpine());
    for name in ["one", "two"] {
        create(&rr, &[name]);
    }
    sleeper(&rr, "old", &["--network", "one"]);
    let words = ["run", "--name", "attached", "--network", "one"];
    let mut attached = rr.command([&words, &Rr::ALPINE[..], &["sh", "-c", "echo began; sleep 2"]].concat()).spawn();
    let began = || rr.run(["ps", "-q", "--filter", "name=attached"]).stdout.lines().count() == 1;
    assert!(wait_until(Duration::from_secs(20), began) && attached.is_running());
    let killed = keeper(&rr, "one").expect("a keeper");
    rustix::process::kill_process(killed, Signal::KILL).expect("the user's own process");
    assert!(wait_until(Duration::from_secs(5), || keeper(&rr, "one").is_none()));
    // The container goes on, without a network, which its record says; others start, in the same user namespace, which
    // one on both needs.
    assert!(wait_until(Duration::from_secs(5), || end(&rr, "old", "one", "IPAddress").is_empty()));
    let attached = attached.wait();
    assert_eq!(
        attached.stderr.matches("is not on the network one any more: its keeper was killed").count(),
        1,
        "{attached}"
    );
    assert!(wait_until(Duration::from_secs(5), || !inside(&rr, "old", "ip link show eth0").stdout.contains("eth0")));
    sleeper(&rr, "new", &["--network", "one", "--network", "two"]);
    sleeper(&rr, "other", &["--network", "one"]);
    let other = address(&rr, "other", "eth0");
    assert!(reaches(&rr, "new", &other));
    rr.run(["restart", "-t", "1", "old"]).succeeds();
    assert!(reaches(&rr, "old", &other));
    rr.run(["rm", "attached"]).succeeds();
    // Killed at any time while containers come and go.
    for round in 0..10 {
        let script = format!("sleep 0.0{round}");
        let words = [&["run", "--rm", "--network", "two"], &Rr::ALPINE[..], &["sh", "-c", &script]].concat();
        let running = rr.command(words).spawn();
        std::thread::sleep(Duration::from_millis(8 * round));
        // Until the keeper listens itself, the socket's owner is who has made it: the client (unix(7), SO_PEERCRED).
        let client = running.pid();
        if let Some(keeper) = keeper(&rr, "two").filter(|pid| *pid != client) {
            let _ = rustix::process::kill_process(keeper, Signal::KILL);
        }
        // It has ended well, or has been told; or it was about to start a keeper, and was killed itself.
        let outcome = running.wait();
        let killed = outcome.status.signal() == Some(Signal::KILL.as_raw());
        assert!(killed || outcome.status.success() || outcome.stderr.contains("its keeper was killed"), "{outcome}");
    }
    rr.run(["rm", "-f", "old", "new", "other"]).succeeds();
    // What a killed client has left of its container goes when somebody looks.
    rr.run(["ps", "-a"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn restarts_have_the_network_again() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    let script =
        "ip -4 addr show eth0 | grep -c inet; ping -c 1 -W 1 $PEER >/dev/null && echo reached; sleep 0.2; exit 1";
    sleeper(&rr, "peer", &["--network", "one"]);
    let peer = format!("PEER={}", address(&rr, "peer", "eth0"));
    let base = ["run", "-d", "--name", "again", "--restart", "on-failure:2", "-e", &peer, "--network", "one"];
    rr.run([&base, &Rr::ALPINE[..], &["sh", "-c", script]].concat()).succeeds_quietly();
    let status = || rr.run(["inspect", "-f", "{{.State.Status}}", "again"]).succeeds().line().to_owned();
    assert!(wait_until(Duration::from_secs(20), || status() == "exited"));
    assert_eq!(rr.run(["logs", "again"]).succeeds().stdout, "1\nreached\n1\nreached\n1\nreached\n");
    rr.run(["rm", "-f", "again", "peer"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn containers_share_anothers_namespace() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    for options in [&["--network", "one"][..], &["--network", "none"], &["--network", "none", "--rm"]] {
        let id = sleeper(&rr, "owner", &[options, &["--add-host", "db:192.0.2.9"]].concat());
        rr.run(["exec", "-d", "owner", "nc", "-lk", "-p", "80", "-e", "echo", "hello"]).succeeds();
        let shared = "container:owner";
        let script = "until nc 127.0.0.1 80; do sleep 0.05; done; hostname; ls /sys/class/net >/dev/null && echo sys; grep -w db /etc/hosts";
        let words = [&["run", "--rm", "--network", shared], &Rr::ALPINE[..], &["sh", "-c", script]].concat();
        let expected = format!("hello\n{}\nsys\n192.0.2.9\tdb\n", &id[..12]);
        assert_eq!(rr.run(words).succeeds_quietly().stdout, expected);
        // A third one by way of the second, and a process more in it.
        sleeper(&rr, "second", &["--network", shared, "--userns", "keep-id:uid=9,gid=9"]);
        sleeper(&rr, "third", &["--network", "container:second"]);
        assert_eq!(inside(&rr, "third", "nc 127.0.0.1 80").succeeds().stdout, "hello\n");
        // Their files of names are one, whoever changes them.
        inside(&rr, "owner", "echo '192.0.2.10 later' >>/etc/hosts").succeeds();
        assert!(inside(&rr, "third", "cat /etc/hosts").succeeds().stdout.contains("192.0.2.10 later"));
        inside(&rr, "third", "echo '# by the third' >>/etc/resolv.conf").succeeds();
        assert!(inside(&rr, "owner", "cat /etc/resolv.conf").succeeds().stdout.contains("# by the third"));
        let mode = rr.run(["inspect", "-f", "{{.HostConfig.NetworkMode}}", "second"]).succeeds();
        assert_eq!(mode.line(), format!("container:{id}"));
        rr.run(["rm", "-f", "third", "second", "owner"]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn a_shared_namespace_outlives_its_owner() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    sleeper(&rr, "peer", &["--network", "one"]);
    sleeper(&rr, "owner", &["--network", "one"]);
    sleeper(&rr, "second", &["--network", "container:owner"]);
    sleeper(&rr, "third", &["--network", "container:owner"]);
    assert!(reaches(&rr, "second", "peer"));
    rr.run(["stop", "-t", "0", "owner"]).succeeds();
    // As with Docker: the network is gone but for loopback, by which they still have each other.
    assert!(!reaches(&rr, "second", "peer"));
    rr.run(["exec", "-d", "second", "nc", "-lk", "-p", "80", "-e", "echo", "hello"]).succeeds();
    let script = "until nc 127.0.0.1 80; do sleep 0.05; done";
    assert_eq!(inside(&rr, "third", script).succeeds().stdout, "hello\n");
    // They come to the owner's next namespace by a start of their own.
    rr.run(["stop", "-t", "0", "third"]).succeeds();
    rr.run(["start", "third"]).fails_with(1, "cannot join network of a non running container");
    rr.run(["start", "owner"]).succeeds();
    rr.run(["start", "third"]).succeeds();
    assert!(reaches(&rr, "third", "peer"));
    rr.run(["rm", "-f", "owner"]).succeeds();
    inside(&rr, "third", "cat /etc/hosts").succeeds();
    rr.run(["rm", "-f", "peer", "second", "third"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_namespace_that_cannot_be_shared_gets_dockers_words() {
    let rr = requires!(Rr::with_alpine());
    rr.run([&["create", "--name", "owner", "--network", "none"], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    let run = |options: &[&str]| rr.run([&["run", "--rm"], options, &Rr::ALPINE[..], &["true"]].concat());
    run(&["--network", "container:nosuch"]).fails_with(125, "No such container: nosuch");
    run(&["--network", "container:owner"]).fails_with(125, "cannot join network of a non running container");
    for (option, words) in [
        (&["--hostname", "x"][..], "hostname and the network mode"),
        (&["--dns", "192.0.2.1"], "dns and the network mode"),
        (&["--add-host", "a:192.0.2.1"], "custom host-to-IP mapping and the network mode"),
        (&["--expose", "80"], "port exposing and the container type network mode"),
        (&["-p", "80"], "port publishing and the container type network mode"),
        (&["-P"], "port publishing and the container type network mode"),
        (&["--link", "owner"], "container type network can't be used with links"),
    ] {
        run(&[&["--network", "container:owner"], option].concat())
            .fails_with(125, &format!("conflicting options: {words}"));
    }
    run(&["--network", "container:owner", "--network-alias", "x"])
        .fails_with(125, "network-scoped aliases are only supported for user-defined networks");
    run(&["--network", "container:owner", "--ip", "10.0.2.9"]).fails_with(125, "on user defined networks only");
    rr.run(["rm", "owner"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn containers_find_each_other_by_name() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    create(&rr, &["--internal", "--ipv6", "inner"]);
    for network in ["one", "inner"] {
        let id = sleeper(&rr, "web", &["--network", network, "--network-alias", "www"]);
        sleeper(&rr, "peer", &["--network", network, "--dns", "192.0.2.53"]);
        let address = address(&rr, "web", "eth0");
        for name in ["web", "www", &id[..12], &format!("web.{network}")] {
            // With the dot: to a name without one, this nslookup adds the host's search domain and asks for nothing else.
            let found =
                inside(&rr, "peer", &format!("nslookup {name}. | sed -n 's/^Address: *//p' | tail -n +2")).stdout;
            assert!(found.lines().any(|line| line == address), "{name} on {network}: {found}");
            assert!(reaches(&rr, "peer", name), "{name} on {network}");
        }
        // Another name, and the former one is nobody's.
        rr.run(["rename", "web", "site"]).succeeds();
        assert!(wait_until(Duration::from_secs(5), || reaches(&rr, "peer", "site")));
        assert!(!reaches(&rr, "peer", "web") && reaches(&rr, "peer", "www"));
        rr.run(["rm", "-f", "site"]).succeeds();
        assert!(wait_until(Duration::from_secs(5), || !reaches(&rr, "peer", "www")));
        rr.run(["rm", "-f", "peer"]).succeeds();
    }
    rr.nothing_is_left();
}

/// One of Docker's fields of the container's end on a network.
fn end(rr: &Rr, container: &str, network: &str, field: &str) -> String {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").{field}}}}}");
    rr.run(["inspect", "-f", &format, container]).succeeds().line().to_owned()
}

#[test]
fn a_running_container_is_connected_and_disconnected() {
    let rr = requires!(Rr::with_alpine());
    for words in [&["--internal", "inner"][..], &["--subnet", "10.123.0.0/24", "outer"], &["third"]] {
        create(&rr, words);
    }
    sleeper(&rr, "moved", &["--network", "inner"]);
    sleeper(&rr, "near", &["--network", "inner"]);
    sleeper(&rr, "far", &["--network", "outer"]);
    let routes = |rr: &Rr| inside(rr, "moved", "ip route").succeeds().stdout;
    assert!(!routes(&rr).contains("default"), "{}", routes(&rr));
    let connect =
        ["network", "connect", "--alias", "nick", "--ip", "10.123.0.77", "--link", "far:friend", "outer", "moved"];
    rr.run(connect).succeeds_quietly();
    assert_eq!(address(&rr, "moved", "eth1"), "10.123.0.77");
    assert_eq!(end(&rr, "moved", "outer", "IPAddress"), "10.123.0.77");
    // The outside is reached by the one that leads there, and the names are those of both.
    assert!(routes(&rr).contains("default via 10.123.0.1 dev eth1"), "{}", routes(&rr));
    for name in ["near", "far", "friend"] {
        assert!(reaches(&rr, "moved", name), "{name}");
    }
    assert!(reaches(&rr, "far", "nick") && !reaches(&rr, "far", "friend"));
    let again = rr.run(["network", "connect", "outer", "moved"]);
    again.fails_with(1, "endpoint with name moved already exists in network outer");
    rr.run(["network", "connect", "third", "moved"]).succeeds_quietly();
    assert!(reaches(&rr, "moved", "near"));
    // It leaves the one that leads: the next one does.
    rr.run(["network", "disconnect", "outer", "moved"]).succeeds_quietly();
    assert!(!inside(&rr, "moved", "ip link").succeeds().stdout.contains("eth1"));
    assert!(!reaches(&rr, "far", "nick") && !reaches(&rr, "moved", "far"));
    assert!(reaches(&rr, "moved", "near"));
    assert!(routes(&rr).contains("dev eth2"), "{}", routes(&rr));
    let id = rr.run(["inspect", "-f", "{{.Id}}", "moved"]).succeeds().line().to_owned();
    rr.run(["network", "disconnect", "outer", "moved"])
        .fails_with(1, &format!("container {id} is not connected to network outer"));
    // A restart begins with what it is on now.
    rr.run(["restart", "-t", "0", "moved"]).succeeds_quietly();
    assert!(reaches(&rr, "moved", "near") && !reaches(&rr, "moved", "far"));
    let format = "{{range $name, $end := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(rr.run(["inspect", "-f", format, "moved"]).succeeds().line().trim(), "inner third");
    // Off all of them, and on one again.
    rr.run(["network", "disconnect", "third", "moved"]).succeeds_quietly();
    rr.run(["network", "disconnect", "-f", "inner", "moved"]).succeeds_quietly();
    assert!(!inside(&rr, "moved", "ip link").succeeds().stdout.contains("eth"));
    rr.run(["network", "connect", "inner", "moved"]).succeeds_quietly();
    assert!(reaches(&rr, "moved", "near") && reaches(&rr, "near", "moved"));
    rr.run(["rm", "-f", "moved", "near", "far"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn a_stopped_container_is_connected_and_disconnected() {
    let rr = requires!(Rr::with_alpine());
    for name in ["one", "two"] {
        create(&rr, &[name]);
    }
    let sleep = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    rr.run([&["create", "--name", "box"], &Rr::ALPINE[..], &["sh", "-c", sleep]].concat()).succeeds();
    sleeper(&rr, "peer", &["--network", "one"]);
    // Beside the private network, which still leads.
    rr.run(["network", "connect", "--alias", "nick", "one", "box"]).succeeds_quietly();
    rr.run(["network", "rm", "one"]).fails_with(1, "has active endpoints");
    rr.run(["start", "box"]).succeeds_quietly();
    let (own, shared) = (address(&rr, "box", "eth0"), address(&rr, "box", "eth1"));
    assert!(shared.starts_with("10.89.") && !own.starts_with("10.89."), "{own} {shared}");
    assert!(reaches(&rr, "box", "peer") && reaches(&rr, "peer", "nick") && reaches(&rr, "peer", "box"));
    let format = "{{range $name, $end := .NetworkSettings.Networks}}{{$name}} {{$end.IPAddress}} {{end}}";
    let shown = rr.run(["inspect", "-f", format, "box"]).succeeds();
    assert_eq!(shown.line().trim(), format!("one {shared} private {own}"));
    // One that comes while it runs, since it was begun among them.
    rr.run(["network", "connect", "two", "box"]).succeeds_quietly();
    assert!(address(&rr, "box", "eth2").starts_with("10.89."));
    rr.run(["network", "disconnect", "bridge", "box"]).fails_with(1, "from the private network: it runs");
    rr.run(["stop", "box"]).succeeds_quietly();
    rr.run(["network", "disconnect", "bridge", "box"]).succeeds_quietly();
    rr.run(["network", "disconnect", "two", "box"]).succeeds_quietly();
    let id = rr.run(["inspect", "-f", "{{.Id}}", "box"]).succeeds().line().to_owned();
    rr.run(["network", "disconnect", "two", "box"])
        .fails_with(1, &format!("container {id} is not connected to the network two"));
    rr.run(["start", "box"]).succeeds_quietly();
    assert!(address(&rr, "box", "eth0").starts_with("10.89."));
    assert!(reaches(&rr, "box", "peer"));
    rr.run(["rm", "-f", "box", "peer"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn what_cannot_be_connected_gets_dockers_words() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    sleeper(&rr, "alone", &[]);
    for (name, network) in [("none", "none"), ("shared", "container:alone"), ("pasta", "pasta")] {
        rr.run([&["create", "--name", name, "--network", network], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    }
    for (words, text) in [
        (&["nope", "alone"][..], "network nope not found"),
        (&["one", "nope"], "No such container: nope"),
        (
            &["one", "none"],
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ),
        (&["one", "shared"], "container sharing network namespace with another container or host cannot be connected"),
        (&["one", "pasta"], "the program that carries its packets leaves no room for another network"),
        (&["one", "alone"], "it was started on the private network"),
        (&["--ip", "10.200.0.7", "one", "alone"], "It does not belong to any of this network's subnets"),
        (&["--ip", "nope", "one", "alone"], "invalid IP address: nope"),
        (&["--link", "nope:x", "one", "alone"], "could not get container for nope"),
        (&["bridge", "alone"], "endpoint with name alone already exists in network bridge"),
    ] {
        rr.run([&["network", "connect"], words].concat()).fails_with(1, text);
    }
    rr.run(["network", "disconnect", "nope", "alone"]).fails_with(1, "network nope not found");
    rr.run(["network", "disconnect", "one", "alone"]).fails_with(1, "is not connected to network one");
    for name in ["alone", "none", "shared", "pasta"] {
        rr.run(["rm", "-f", name]).succeeds();
    }
    rr.nothing_is_left();
}

#[test]
fn links_are_names_of_one_container() {
    let rr = requires!(Rr::with_alpine());
    create(&rr, &["one"]);
    sleeper(&rr, "db", &["--network", "one"]);
    sleeper(&rr, "web", &["--network", "one", "--link", "db:database", "--link", "db"]);
    sleeper(&rr, "other", &["--network", "one"]);
    assert!(
        reaches(&rr, "web", "database") && reaches(&rr, "web", "database.one") && !reaches(&rr, "other", "database")
    );
    // By whichever name, and at whichever address, the linked one has later.
    rr.run(["rename", "db", "store"]).succeeds();
    rr.run(["restart", "-t", "0", "store"]).succeeds();
    assert!(wait_until(Duration::from_secs(5), || reaches(&rr, "web", "database")));
    let run = |options: &[&str]| rr.run([&["run", "--rm"], options, &Rr::ALPINE[..], &["true"]].concat());
    run(&["--network", "one", "--link", "nope"]).fails_with(125, "could not get container for nope");
    run(&["--link", "store"]).fails_with(125, "containers reach each other on networks of their own names only");
    run(&["--network", "host", "--link", "store"]).fails_with(125, "host type networking can't be used with links");
    run(&["--network", "one", "--link", ":x"]).fails_with(125, "bad format for links");
    rr.run(["rm", "-f", "store", "web", "other"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn who_is_on_a_network_is_shown() {
    let rr = requires!(Rr::with_alpine());
    let network = create(&rr, &["--subnet", "10.123.0.0/24", "--ipv6", "one"]);
    let id = sleeper(&rr, "web", &["--network", "one:ip=10.123.0.9,alias=www,mac=02:00:00:00:00:09"]);
    rr.run([&["create", "--name", "idle", "--network", "one"], &Rr::ALPINE[..], &["true"]].concat()).succeeds();
    let shown = inspect(&rr, "one")["Containers"].take();
    assert_eq!(shown.as_object().map(serde_json::Map::len), Some(1), "{shown}");
    let web = &shown[&id];
    assert_eq!((&web["Name"], &web["MacAddress"]), (&"web".into(), &"02:00:00:00:00:09".into()));
    assert_eq!(web["IPv4Address"], "10.123.0.9/24");
    assert!(web["IPv6Address"].as_str().is_some_and(|address| address.starts_with("fd") && address.ends_with("/64")));
    for (field, expected) in [
        ("NetworkID", network.as_str()),
        ("EndpointID", web["EndpointID"].as_str().expect("an id")),
        ("Gateway", "10.123.0.1"),
        ("IPAddress", "10.123.0.9"),
        ("IPPrefixLen", "24"),
        ("MacAddress", "02:00:00:00:00:09"),
        ("IPAMConfig.IPv4Address", "10.123.0.9"),
        ("Aliases", &format!("[www {}]", &id[..12])),
        ("DNSNames", &format!("[web www {}]", &id[..12])),
    ] {
        assert_eq!(end(&rr, "web", "one", field), expected, "{field}");
    }
    assert_eq!(end(&rr, "idle", "one", "IPAddress"), "");
    assert_eq!(end(&rr, "idle", "one", "NetworkID"), network);
    let podman = rr.command_as("podman", ["network", "inspect", "one"]).output().succeeds_quietly().stdout;
    let podman: Value = serde_json::from_str(&podman).expect("JSON");
    let interface = &podman[0]["containers"][&id]["interfaces"]["eth0"];
    assert_eq!(interface["subnets"][0]["ipnet"], "10.123.0.9/24", "{podman}");
    rr.run(["stop", "-t", "0", "web"]).succeeds();
    assert_eq!(inspect(&rr, "one")["Containers"], serde_json::json!({}));
    rr.run(["rm", "web", "idle"]).succeeds();
    rr.nothing_is_left();
}
