//! The addresses of a container with a network of its own: which it gets, and who shows them.

use super::{host_address, http_server, sh, without_own_network, words};
use crate::support::{Rr, requires, small_root};

#[test]
fn addresses_are_those_that_were_asked_for() {
    let host = requires!(host_address());
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server(host).port();
    let script = format!(
        "ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4
         ip -6 -o addr show eth0 scope global | tr -s ' ' | cut -d' ' -f4
         cat /sys/class/net/eth0/address
         ip route | sed -n 's/^default via //p' | cut -d' ' -f1
         grep nameserver /etc/resolv.conf
         grep -c \"$(hostname)\" /etc/hosts
         wget -T 5 -qO- http://{host}:{port}/
         ping -c 1 -W 5 {host} >/dev/null && echo pinged"
    );
    let asked = ["--ip", "192.168.77.9", "--ip6", "fd12:3456::9", "--mac-address", "02:00:00:AA:bb:0c"];
    let outcome = sh(&rr, &root, &asked, &script).succeeds_quietly();
    let expected = format!(
        "192.168.77.9/24\nfd12:3456::9/64\n02:00:00:aa:bb:0c\n192.168.77.2\nnameserver 192.168.77.3\n1\nseen from {host}\npinged"
    );
    assert_eq!(outcome.line(), expected);
    let by_option = "private:ip=192.168.77.9,ip6=fd12:3456::9,mac=02-00-00-aa-bb-0c";
    assert_eq!(sh(&rr, &root, &["--network", by_option], &script).succeeds_quietly().line(), expected);
    rr.nothing_is_left();
}

#[test]
fn addresses_that_cannot_be_are_refused_before_anything_is_fetched() {
    let rr = Rr::new();
    for (options, error) in [
        (&["--ip", "10.0.2.2"][..], "cannot use --ip 10.0.2.2: it is the gateway's"),
        (&["--ip6", "ff02::1"], "cannot use --ip6 ff02::1: it is no address that a container can have"),
        (&["--ip", "x"], "invalid IP address: x"),
        (&["--mac-address", "01:00:5e:00:00:01"], "is not a valid mac address"),
        (&["--network", "none", "--ip", "10.0.2.9"], "user specified IP address is supported on user defined networks"),
        (&["--network", "host", "--mac-address", "02:00:00:00:00:01"], "cannot use --mac-address 02:00:00:00:00:01"),
        (&["--network", "private:mtu=1500"], "there is no option mtu=1500"),
        (&["--network", "private:ip=10.0.2.9", "--ip", "10.0.2.10"], "cannot specify both --ip and per-network ip"),
    ] {
        let line = [&["run", "--rm", "--pull", "never"], options, &["no-such-image"]].concat();
        rr.run(line).fails_with(125, error);
    }
    rr.nothing_is_left();
}

#[test]
fn a_range_that_the_host_uses_is_left_alone() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    // A host as QEMU's and VirtualBox's users have it: 10.0.2.15 is its own.
    let host = "ip link add up0 type veth peer name up1 && ip addr add 10.0.2.15/24 dev up0 && ip link set up0 up &&
        ip link set up1 up && ip link set lo up && ip route add default via 10.0.2.2 && exec \"$@\"";
    let mut line =
        ["--map-root-user", "--map-auto", "--mount", "--net", "sh", "-c", host, "sh"].map(str::to_owned).to_vec();
    line.push(rr.binary().display().to_string());
    let script = "ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4; grep nameserver /etc/resolv.conf
        grep host.docker.internal /etc/hosts | cut -f1; wget -T 5 -qO- http://10.0.2.15:9/ 2>&1 | grep -o refused";
    line.extend(words(&root, &[], script));
    let outcome = rr.any_command("unshare", line).output().succeeds();
    assert_eq!(outcome.line(), "10.0.3.100/24\nnameserver 10.0.3.3\n10.0.2.15\nrefused", "{outcome}");
    rr.nothing_is_left();
}

#[test]
fn the_hosts_loopback_is_reached_where_that_was_asked_for() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let port = http_server([127, 0, 0, 1].into()).port();
    let script = format!(
        "for host in 10.0.2.2 host.docker.internal host.containers.internal; do wget -T 5 -qO- http://$host:{port}/; done
         wget -T 2 -qO- http://127.0.0.1:{port}/ 2>/dev/null || echo its own"
    );
    for mode in ["private", "pasta", "slirp4netns"] {
        let network = format!("{mode}:allow_host_loopback=true");
        let outcome = sh(&rr, &root, &["--network", &network], &script).succeeds_quietly();
        let expected = "seen from 127.0.0.1\nseen from 127.0.0.1\nseen from 127.0.0.1\nits own";
        assert_eq!(outcome.line(), expected, "{mode}");
    }
    sh(&rr, &root, &["--network", "back:allow_host_loopback=true"], "true")
        .fails_with(125, "the host's loopback is reached with --network private, pasta and slirp4netns alone");
    rr.nothing_is_left();
}

#[test]
fn inspect_shows_addresses_while_the_container_runs() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let source = format!("{}:O", root.display());
    rr.run(["run", "-d", "--name", "cc", "--ip", "10.0.2.50", "--rootfs", &source, "sleep", "100"]).succeeds();
    let template = "{{with .NetworkSettings}}{{.IPAddress}}/{{.IPPrefixLen}} {{.Gateway}} {{.MacAddress}} \
        {{.GlobalIPv6PrefixLen}}{{range $name, $end := .Networks}} {{$name}} {{$end.IPAddress}} {{$end.MacAddress}}{{end}}{{end}}";
    let shown = || rr.run(["inspect", "--format", template, "cc"]).succeeds().line().to_owned();
    assert_eq!(shown(), "10.0.2.50/24 10.0.2.2 02:42:0a:00:02:32 64 private 10.0.2.50 02:42:0a:00:02:32");
    let inside =
        rr.run(["exec", "cc", "sh", "-c", "cat /sys/class/net/eth0/address; ip -6 -o addr show eth0 scope global"]);
    let inside = inside.succeeds();
    let v6 = rr.run(["inspect", "--format", "{{.NetworkSettings.GlobalIPv6Address}}", "cc"]).succeeds();
    assert!(inside.stdout.starts_with("02:42:0a:00:02:32\n") && inside.stdout.contains(v6.line()), "{inside}");
    rr.run(["kill", "cc"]).succeeds();
    rr.run(["wait", "cc"]).succeeds();
    assert_eq!(shown(), "/0   0 private  ");
    rr.run(["rm", "cc"]).succeeds();
    // Of the programs rr knows what it has told them.
    rr.run(["run", "-d", "--name", "cc", "--network", "slirp4netns", "--rootfs", &source, "sleep", "100"]).succeeds();
    assert_eq!(shown(), "10.0.2.100/24 10.0.2.2  0 slirp4netns 10.0.2.100 ");
    rr.run(["rm", "-f", "cc"]).succeeds();
    // On a network with a name, the fields above are empty, as with Docker.
    rr.run(["network", "create", "--subnet", "10.90.7.0/24", "--ipv6", "back"]).succeeds();
    let options = ["--network", "back", "--ip", "10.90.7.9", "--mac-address", "02:00:00:00:00:09"];
    rr.run([&["run", "-d", "--name", "cc"], &options[..], &["--rootfs", &source, "sleep", "100"]].concat()).succeeds();
    assert_eq!(shown(), "/0   0 back 10.90.7.9 02:00:00:00:00:09");
    let v6 = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}}{{end}}";
    let v6 = rr.run(["inspect", "--format", v6, "cc"]).succeeds();
    let inside = rr.run(["exec", "cc", "sh", "-c", "cat /sys/class/net/eth0/address; ip -o addr show eth0"]).succeeds();
    assert!(
        inside.stdout.starts_with("02:00:00:00:00:09\n") && inside.stdout.contains("inet 10.90.7.9/24"),
        "{inside}"
    );
    assert!(inside.stdout.contains(&format!("inet6 {}", v6.line())), "{inside}: {v6}");
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.run(["network", "rm", "back"]).succeeds();
    rr.nothing_is_left();
}

/// pasta and slirp4netns would lay out another network than the container's files speak of.
#[test]
fn nobody_stands_in_with_other_addresses() {
    let rr = Rr::new();
    let root = requires!(small_root(&rr));
    let outcome = without_own_network(|| sh(&rr, &root, &["--ip", "10.0.2.50"], "ls /sys/class/net")).succeeds();
    assert_eq!(outcome.line(), "lo");
    assert!(outcome.stderr.contains("the container has no network but loopback"), "{outcome}");
    rr.nothing_is_left();
}
