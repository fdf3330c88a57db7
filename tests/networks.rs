//! `rr network …`, and containers on networks of their own.

use crate::support::{Rr, requires};
use serde_json::Value;

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
