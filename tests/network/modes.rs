//! One suite of programs in every mode of `--network`, and where the modes differ.
//!
//! [`TABLE`] is what docs/reference/networking.md has as a table for its readers: a cell that is wrong fails the test, and
//! so does one that the page has otherwise.

use super::host_address;
use super::servers::{blob, closed_port, counter, dnsmasq, echo, iperf3, tls, web};
use crate::support::{Outcome, Rr, host_root, requires, wait_until};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `suite` is a network that the test makes.
const MODES: [&str; 6] = ["private", "suite", "pasta", "slirp4netns", "host", "none"];

/// The checks by name, and what each comes to in the modes, in their order.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 6])] = &[
    //                        private      suite        pasta        slirp4netns  host         none
    ("tcp",                   ["works",     "works",     "works",     "works",     "works",     "fails"]),
    // pasta gives the container the host's own address of IPv6, so that it reaches itself there.
    ("tcp by IPv6",           ["works",     "works",     "fails",     "fails",     "works",     "fails"]),
    ("source address",        ["the host",  "the host",  "the host",  "the host",  "the host",  "nothing"]),
    ("ping",                  ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("ping by IPv6",          ["works",     "works",     "works",     "fails",     "works",     "fails"]),
    // From the second hop on it is the host's network, where the host itself is the target. Over the host's own network
    // nobody without root has a raw socket.
    ("traceroute",            ["10.0.2.2 the host", "10.89.0.1 the host", "nothing", "10.0.2.2 the host", "nothing", "nothing"]),
    ("names",                 ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("names of IPv6",         ["works",     "works",     "fails",     "fails",     "works",     "fails"]),
    ("search domain",         ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("host.docker.internal",  ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("udp",                   ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("many fetches",          ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("download",              ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("upload",                ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("half-close",            ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("tls",                   ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("websocket",             ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("iperf3",                ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("iperf3, received",      ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("iperf3, four at once",  ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("iperf3 by UDP",         ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("iperf3 by UDP, received", ["works",   "works",     "works",     "works",     "works",     "fails"]),
    // Debian 12's pasta lets the container wait.
    ("refused",               ["Connection refused", "Connection refused", "timed out", "Connection refused", "Connection refused", "Network is unreachable"]),
    ("host's loopback",       ["fails",     "fails",     "fails",     "fails",     "works",     "fails"]),
    ("own loopback",          ["works",     "works",     "works",     "works",     "works",     "works"]),
    ("low port",              ["works",     "works",     "works",     "works",     "works",     "works"]),
    // Of the host's own name server on loopback.
    ("no such name",          ["NXDOMAIN",  "NXDOMAIN",  "NXDOMAIN",  "NXDOMAIN",  "NXDOMAIN",  "nothing"]),
    ("refused name",          ["REFUSED",   "REFUSED",   "REFUSED",   "REFUSED",   "REFUSED",   "nothing"]),
    ("long answer by EDNS",   ["works",     "works",     "works",     "works",     "works",     "fails"]),
    ("long answer by TCP",    ["works",     "works",     "fails",     "works",     "works",     "fails"]),
];

/// What a check's command prints if it is not `works` or `fails`.
const WORDS: &[&str] = &["source address", "traceroute", "refused", "no such name", "refused name"];

/// The address of the name server that the tests' resolv.conf names.
const NAME_SERVER: [u8; 4] = [127, 0, 0, 77];

/// rr with `options` before what runs in the machine's own programs, where /etc/resolv.conf is `resolv_conf`: in a mount
/// namespace that a user may make.
fn under(rr: &Rr, resolv_conf: &Path, words: &[String]) -> crate::support::RrCommand {
    let mut line = ["--map-root-user", "--map-auto", "--mount", "sh", "-c"].map(str::to_owned).to_vec();
    line.push("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"".into());
    line.push(resolv_conf.display().to_string());
    line.push(rr.binary().display().to_string());
    line.extend_from_slice(words);
    rr.any_command("unshare", line)
}

fn host_address_v6() -> Result<IpAddr, &'static str> {
    const WHY: &str = "no address of IPv6 here: contrib/test makes a network that has one";
    let socket = std::net::UdpSocket::bind("[::]:0").map_err(|_| WHY)?;
    socket.connect("[2001:db8::1]:9").map_err(|_| WHY)?;
    Ok(socket.local_addr().map_err(|_| WHY)?.ip())
}

#[test]
fn one_suite_holds_in_every_mode() {
    let host = requires!(host_address());
    let host6 = requires!(host_address_v6());
    let rr = Rr::new();
    let (root, mounts) = requires!(host_root(&rr, &["curl", "dig", "busybox", "perl", "openssl", "ping", "iperf3"]));
    let long: Vec<String> =
        (0..6).map(|n| format!("--txt-record=long.rr.test,{n} {}", "a text of some length, ".repeat(9))).collect();
    let (a, aaaa) = (format!("--address=/host.rr.test/{host}"), format!("--address=/six.rr.test/{host6}"));
    let mut options = vec![a.as_str(), aaaa.as_str(), "--local=/rr.test/", "--edns-packet-max=4096"];
    options.extend(long.iter().map(String::as_str));
    let name_server = requires!(dnsmasq(NAME_SERVER.into(), &options));
    let resolv_conf = rr.path("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 127.0.0.77\nsearch rr.test\noptions timeout:3\n").expect("own file");
    let (tls_server, tls_at, certificate) = requires!(tls(&rr, host));
    let (iperf_server, iperf) = requires!(iperf3(host));
    std::fs::copy(certificate, root.join("etc/authority.pem")).expect("a copy in the container's root");
    std::fs::write(root.join("etc/blob"), blob()).expect("a file in the container's root");
    let script = script(&[
        ("host", host.to_string()),
        ("host6", host6.to_string()),
        ("web", web(host).port().to_string()),
        ("web6", web(host6).port().to_string()),
        ("local", web([127, 0, 0, 1].into()).port().to_string()),
        ("any", web([0, 0, 0, 0].into()).port().to_string()),
        ("echo", echo(host).port().to_string()),
        ("counter", counter(host).port().to_string()),
        ("iperf", iperf.port().to_string()),
        ("tls", tls_at.port().to_string()),
        ("closed", closed_port(host).to_string()),
    ]);
    rr.run(["network", "create", "--ipv6", "suite"]).succeeds();
    let mut wrong = Vec::new();
    for (index, mode) in MODES.iter().enumerate() {
        let mut words = ["run", "--rm", "--network", mode].map(str::to_owned).to_vec();
        words.extend_from_slice(&mounts);
        words.extend(["--rootfs".into(), format!("{}:O", root.display()), "sh".into(), "-c".into(), script.clone()]);
        let outcome = under(&rr, &resolv_conf, &words).within(Duration::from_secs(240)).output().succeeds();
        assert_eq!(outcome.stderr, "", "{mode}");
        let seen = results(&outcome);
        for (check, expected) in TABLE {
            let got = seen.get(*check).map_or("nothing was printed", String::as_str);
            let expected = expected[index].replace("the host", &host.to_string());
            if got != expected {
                wrong.push(format!("{mode}: {check}: {got}, not {expected}"));
            }
        }
        assert_eq!(seen.len(), TABLE.len(), "every check is in the table: {:?}", seen.keys());
    }
    assert!(wrong.is_empty(), "the table differs:\n{}", wrong.join("\n"));
    drop((name_server, tls_server, iperf_server));
    rr.run(["network", "rm", "suite"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn the_page_says_the_same() {
    let source = std::env::var_os("RR_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let page = std::fs::read_to_string(source.join("docs/reference/networking.md")).expect("the page");
    let heads =
        MODES.map(|mode| if mode == "suite" { "a network's name".into() } else { format!("`{mode}`") }).join(" | ");
    assert!(page.contains(&format!("| | {heads} |\n")), "the modes are the columns");
    for (check, cells) in TABLE {
        let row = format!("| {check} | {} |\n", cells.join(" | "));
        assert!(page.contains(&row), "docs/reference/networking.md should have the row\n{row}");
    }
}

/// What the container asks in each of its steps is answered by the host's name servers of that time.
#[test]
fn name_servers_change_under_a_running_container() {
    requires!(host_address());
    let rr = Rr::new();
    let (root, mounts) = requires!(host_root(&rr, &["dig"]));
    let (first, second, unwilling) = ([127, 0, 0, 78], [127, 0, 0, 79], [127, 0, 0, 80]);
    let _first = requires!(dnsmasq(first.into(), &["--address=/where.rr.test/192.0.2.1"]));
    let _second = requires!(dnsmasq(second.into(), &["--address=/where.rr.test/192.0.2.2"]));
    // It knows nobody, and refuses.
    let _unwilling = requires!(dnsmasq(unwilling.into(), &[]));
    // Whose queries nobody reads.
    let silent = requires!(std::net::UdpSocket::bind("127.0.0.81:53"));
    let resolv_conf = rr.path("resolv.conf");
    let say = |servers: &[&str]| {
        let lines: Vec<String> = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        std::fs::write(&resolv_conf, lines.concat() + "options timeout:1 attempts:1\n").expect("own file");
    };
    let shared = rr.directory("shared");
    let steps: [(&[&str], &str, &str); 8] = [
        (&["127.0.0.78"], "+short", "192.0.2.1"),
        (&["127.0.0.79"], "+short", "192.0.2.2"),
        (&["127.0.0.78"], "+short +tcp", "192.0.2.1"),
        // One that refuses gives way; alone, its refusal is passed on.
        (&["127.0.0.80", "127.0.0.79"], "+short", "192.0.2.2"),
        (&["127.0.0.80"], "+noall +comments", "REFUSED"),
        // One that is silent has its second, by UDP and (there it refuses) by TCP.
        (&["127.0.0.81", "127.0.0.79"], "+short", "192.0.2.2"),
        (&["127.0.0.81", "127.0.0.79"], "+short +tcp", "192.0.2.2"),
        // Nobody is there at all.
        (&["127.0.0.82"], "+noall +comments", "SERVFAIL"),
    ];
    let options: Vec<&str> = steps.iter().map(|(_, options, _)| *options).collect();
    let script = format!(
        "cat /etc/resolv.conf\nstep=0\nfor options in '{}'; do
            until [ -e /shared/go$step ]; do sleep 0.05; done
            dig +tries=1 +time=8 $options where.rr.test A >/shared/out; mv /shared/out /shared/answer$step
            step=$((step+1))
        done",
        options.join("' '")
    );
    say(&["127.0.0.78"]);
    let mut words = ["run", "--rm", "--network", "private", "-v"].map(str::to_owned).to_vec();
    words.push(format!("{}:/shared", shared.display()));
    words.extend_from_slice(&mounts);
    words.extend(["--rootfs".into(), format!("{}:O", root.display()), "sh".into(), "-c".into(), script]);
    let running = under(&rr, &resolv_conf, &words).spawn();
    for (step, (servers, options, expected)) in steps.into_iter().enumerate() {
        say(servers);
        std::fs::write(shared.join(format!("go{step}")), "").expect("own directory");
        let answer = shared.join(format!("answer{step}"));
        assert!(wait_until(Duration::from_secs(30), || answer.exists()), "step {step}: no answer");
        let text = std::fs::read_to_string(answer).expect("the container's root is the user");
        assert!(text.contains(expected), "{servers:?}, dig {options}: {text}");
    }
    // The container's file was never changed.
    running.wait().succeeds_quietly().prints("nameserver 10.0.2.3\noptions timeout:1 attempts:1\n");
    drop((_first, _second, _unwilling, silent));
    rr.nothing_is_left();
}

/// A VPN or another resolver program makes /etc/resolv.conf a link to a file of its own.
#[test]
fn name_servers_are_followed_to_another_programs_file() {
    requires!(host_address());
    let rr = Rr::new();
    let (root, mounts) = requires!(host_root(&rr, &["dig"]));
    let _first = requires!(dnsmasq([127, 0, 0, 83].into(), &["--address=/where.rr.test/192.0.2.1"]));
    let _second = requires!(dnsmasq([127, 0, 0, 84].into(), &["--address=/where.rr.test/192.0.2.2"]));
    let (etc, shared) = (rr.directory("etc"), rr.directory("shared"));
    let outside = r#"
        cp /etc/passwd /etc/group /etc/subuid /etc/subgid "$0" && mount --bind "$0" /etc && mount -t tmpfs none /run &&
        mkdir -p /run/systemd/resolve /run/NetworkManager || exit 99
        echo "nameserver 127.0.0.83" >/run/systemd/resolve/stub-resolv.conf
        echo "nameserver 127.0.0.84" >/run/NetworkManager/resolv.conf
        ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
        (for _ in $(seq 300); do [ ! -e "$SHARED/asked" ] || break; sleep 0.1; done
            ln -s /run/NetworkManager/resolv.conf /etc/new; mv -T /etc/new /etc/resolv.conf) &
        exec "$@""#;
    let script = "ask() { dig +short +tries=1 +time=5 where.rr.test A; }
        ask; touch /shared/asked
        for _ in $(seq 100); do [ \"$(ask)\" = 192.0.2.1 ] || break; sleep 0.1; done; ask";
    let mut line = ["--map-root-user", "--map-auto", "--mount", "sh", "-c", outside].map(str::to_owned).to_vec();
    line.extend([etc.display().to_string(), rr.binary().display().to_string(), "run".into(), "--rm".into()]);
    line.extend(["-v".into(), format!("{}:/shared", shared.display())]);
    line.extend_from_slice(&mounts);
    line.extend(["--rootfs".into(), format!("{}:O", root.display()), "sh".into(), "-c".into(), script.into()]);
    let outcome = rr.any_command("unshare", line).env("SHARED", &shared).within(Duration::from_secs(60)).output();
    assert_eq!(outcome.succeeds_quietly().line(), "192.0.2.1\n192.0.2.2");
    rr.nothing_is_left();
}

#[test]
fn options_of_names_are_the_containers_own() {
    let rr = Rr::new();
    let root = requires!(crate::support::small_root(&rr));
    let resolv_conf = rr.path("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 192.0.2.53\nsearch a.test b.test\noptions ndots:2\n").expect("own file");
    let file = |network: &str, options: &[&str]| {
        let root = format!("{}:O", root.display());
        let words =
            [&["run", "--rm", "--network", network], options, &["--rootfs", &root, "cat", "/etc/resolv.conf"]].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        under(&rr, &resolv_conf, &words).output().succeeds_quietly().stdout
    };
    let rest = "search a.test b.test\noptions ndots:2\n";
    assert_eq!(file("private", &[]), format!("nameserver 10.0.2.3\n{rest}"));
    assert_eq!(
        file("private", &["--dns", "192.0.2.1", "--dns", "2001:db8::1"]),
        format!("nameserver 192.0.2.1\nnameserver 2001:db8::1\n{rest}")
    );
    assert_eq!(file("private", &["--dns-search", "."]), "nameserver 10.0.2.3\noptions ndots:2\n");
    let both = ["--dns-search", "c.test", "--dns-option", "timeout:1", "--dns-opt", "rotate"];
    assert_eq!(file("private", &both), "nameserver 10.0.2.3\nsearch c.test\noptions timeout:1 rotate\n");
    assert_eq!(file("host", &[]), format!("nameserver 192.0.2.53\n{rest}"));
    rr.nothing_is_left();
}

/// Each line is `CHECK: RESULT`.
fn results(outcome: &Outcome) -> BTreeMap<String, String> {
    let pairs = outcome.stdout.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(check, result)| (check.to_owned(), result.to_owned())).collect()
}

/// The suite. A check whose result is words prints them; of the others the status counts.
fn script(values: &[(&str, String)]) -> String {
    let set: String = values.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
    let words: Vec<String> = WORDS.iter().map(|word| format!("\"{word}\"")).collect();
    let checks = r#"
cat >/tmp/prelude <<'END'
get() { curl -gsS -m 10 "$@"; }
# The server takes one client after the other, and needs a moment between them.
perf() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        said=$(iperf3 -c $host -p $iperf "$@" 2>&1)
        case $said in *busy*) sleep 0.5 ;; *) break ;; esac
    done
    echo "$said" | grep -q "receiver"
}
# say PROTOCOL PORT: sends what it reads, each line a second after the last, says that it has ended, prints what comes.
say() {
    perl -MIO::Socket::INET -e '
        my $socket = IO::Socket::INET->new(Proto => $ARGV[0], PeerAddr => $ENV{host}, PeerPort => $ARGV[1]) or exit 1;
        $SIG{ALRM} = sub { exit 2 };
        alarm 25;
        binmode STDIN;
        while (sysread(STDIN, my $bytes, 65536)) { $socket->print($bytes); $socket->flush; select(undef, undef, undef, $ARGV[2]) }
        $socket->shutdown(1) if $ARGV[0] eq "tcp";
        while (sysread($socket, my $bytes, 65536)) { print $bytes; last if $ARGV[0] eq "udp" }' "$@"
}
END
check() {
    out=$(timeout 30 sh -c ". /tmp/prelude; $2" 2>&1); status=$?
    case $1 in
        WORDS) echo "$1: $(echo "${out:-nothing}" | head -n 1)" ;;
        *) if [ $status = 0 ]; then echo "$1: works"; else echo "$1: fails"; fi ;;
    esac
}
check "tcp" 'get http://$host:$web/peer'
check "tcp by IPv6" 'get "http://[$host6]:$web6/peer"'
check "source address" 'get http://$host:$web/peer 2>/dev/null'
check "ping" 'ping -c 1 -W 5 $host'
check "ping by IPv6" 'ping -6 -c 1 -W 5 $host6'
check "traceroute" 'busybox traceroute -n -w 2 -q 1 -m 4 $host 2>/dev/null | tail -n +2 | sed "s/^ *[0-9]* *//; s/ .*//" | grep -vF "*" | tr "\n" " " | sed "s/ $//"'
check "names" 'get http://host.rr.test:$web/peer'
check "names of IPv6" 'get http://six.rr.test:$web6/peer'
check "search domain" 'get http://host:$web/peer'
check "host.docker.internal" 'get http://host.docker.internal:$any/peer && get http://host.containers.internal:$any/peer'
check "udp" 'echo said | say udp $echo 0 | grep -qx said'
check "many fetches" '[ "$(curl -sS -m 20 "http://$host:$web/small/[1-200]" | sort -u | wc -l)" = 200 ]'
check "download" 'get http://$host:$web/blob | cmp - /etc/blob'
check "upload" 'get -m 25 -T /etc/blob http://$host:$web/sum | grep -qx "8388608 true"'
# Debian 12's pasta takes some seconds for a few megabytes from a container, when its queue has overflown.
check "half-close" 'head -c 300000 /etc/blob | say tcp $counter 0 | grep -qx "300000 bytes"'
check "tls" 'get --cacert /etc/authority.pem --resolve host.rr.test:$tls:$host https://host.rr.test:$tls/ | grep -q "TLSv1.3"'
check "websocket" '{ printf "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    for word in one two three; do sleep 1; echo $word; done; } | say tcp $web 0 | tr "\n\r" "  " | grep -q "101 Switching.*one two three"'
check "iperf3" 'perf -n 4M'
check "iperf3, received" 'perf -R -n 4M'
check "iperf3, four at once" 'perf -P 4 -t 1 && perf -R -P 4 -t 1'
check "iperf3 by UDP" 'perf -u -l 1400 -b 20M -n 2M'
check "iperf3 by UDP, received" 'perf -u -l 1400 -b 20M -n 2M -R'
check "refused" 'busybox nc -w 5 $host $closed </dev/null 2>&1 | sed "s/.*: //"'
check "host's loopback" 'get -m 3 http://127.0.0.1:$local/peer || get -m 3 http://10.0.2.2:$local/peer'
check "own loopback" 'busybox httpd -p 127.0.0.1:7777 -h /etc && curl -sS http://127.0.0.1:7777/blob | cmp - /etc/blob'
check "low port" 'busybox httpd -p 81 -h /etc && curl -sS http://localhost:81/blob | cmp - /etc/blob'
check "no such name" 'dig +tries=1 +time=5 missing.rr.test | grep -o "NXDOMAIN"'
check "refused name" 'dig +tries=1 +time=5 else.where | grep -o "REFUSED"'
check "long answer by EDNS" '[ "$(dig +short +tries=1 +time=5 +bufsize=4096 +ignore long.rr.test TXT | wc -l)" = 6 ]'
check "long answer by TCP" '[ "$(dig +short +tries=1 +time=5 +tcp long.rr.test TXT | wc -l)" = 6 ]'
"#;
    set + &checks.replace("WORDS", &words.join(" | "))
}
