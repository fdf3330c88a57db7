//! The harness itself works: a helper that cannot fail would prove nothing.

use crate::support::{Answer, HostileServer, Registry, Rr, Shelf, requires, wait_until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_command_has_only_its_private_environment() {
    let rr = Rr::new();
    let outcome = rr.any_command("sh", ["-c", "echo $HOME; cat; pwd; exit 3"]).stdin("typed\n").output();
    let home = rr.home();
    assert_eq!(
        outcome.exits(3).stdout,
        format!("{}\ntyped\n{}\n", home.display(), rr.path("").display().to_string().trim_end_matches('/'))
    );
}

#[test]
#[should_panic(expected = "took longer than")]
fn a_command_that_takes_too_long_fails_the_test() {
    Rr::new().any_command("sleep", ["60"]).within(Duration::from_millis(50)).output();
}

#[test]
fn a_process_left_behind_is_found_and_ended() {
    let rr = Rr::new();
    let home = rr.home().display().to_string();
    // As a payload would be: nothing of the test in its environment, but in mount and pid namespaces
    // of its own that have something of the store mounted.
    let script = "mount --bind \"$0\" /mnt && { sleep 61 & exec env -i sleep 62; }";
    let running = rr.any_command("unshare", ["-rmpf", "--kill-child", "sh", "-c", script, &home]).spawn();
    let seen = |command: &str| rr.processes().iter().any(|process| process.command == command);
    assert!(wait_until(Duration::from_secs(5), || seen("sleep 61") && seen("sleep 62")), "{:#?}", rr.processes());
    running.signal(Signal::KILL);
    rr.no_process_is_left();
    drop(running);
}

#[test]
#[should_panic(expected = "rr left behind")]
fn a_daemon_fails_the_test() {
    let rr = Rr::new();
    rr.any_command("sh", ["-c", "setsid --fork sleep 63 >/dev/null 2>&1"]).output().succeeds();
    rr.nothing_is_left();
}

#[test]
fn files_of_subordinate_ids_are_removed() {
    let rr = Rr::new();
    let directory = rr.directory("owned");
    let script = "mkdir -m 700 $0/x && touch $0/x/y && chown -R 7:7 $0/x";
    let directory = directory.display().to_string();
    rr.any_command("unshare", ["--map-root-user", "--map-auto", "--", "sh", "-c", script, &directory])
        .output()
        .succeeds();
    drop(rr);
    assert!(!std::fs::exists(directory).expect("its parent is readable"));
}

#[test]
fn the_registry_serves_a_real_image() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let image = format!("docker://{}/library/alpine:3.20.3", registry.address());
    let outcome = rr.any_command("skopeo", ["inspect", "--tls-verify=false", "--raw", &image]).output();
    assert!(outcome.succeeds().stdout.contains("layers"));
    // Through the mirror, as rr is to find it.
    let outcome = rr.any_command("skopeo", ["inspect", "--raw", "docker://alpine:3.20.3"]).output();
    assert!(outcome.succeeds().stdout.contains("layers"));
}

#[test]
fn a_private_registry_asks_for_a_password() {
    let registry = requires!(Registry::start(crate::support::Access::Basic));
    let archive = requires!(crate::support::images::busybox());
    assert!(registry.push(archive, "private/busybox:1").is_err());
    let source = format!("oci-archive:{}", archive.display());
    registry.copy(&source, "private/busybox:1", &["--dest-creds", "ana:secret"]).expect("the right password");
}

#[test]
fn the_hostile_server_does_as_scripted() {
    let shelf = Shelf::image("a/b", "1", &[b"no tar".to_vec()]);
    let server = HostileServer::start(move |request| match request.path.as_str() {
        "/drop" => Answer::Drop,
        "/cut" => Answer::Truncate(Box::new(Answer::new(200, "text/plain", "0123456789")), 4),
        _ => shelf.answer(request),
    });
    let get = |path: &str| {
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("connected");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    };
    assert_eq!(get("/drop"), "");
    assert!(get("/cut").ends_with("\r\n\r\n0123"));
    assert!(get("/v2/a/b/manifests/1").contains("diff_ids") || get("/v2/a/b/manifests/1").contains("layers"));
    assert!(get("/v2/a/b/manifests/2").starts_with("HTTP/1.1 404"));
    assert_eq!(server.requests().len(), 5);
    assert!(TcpStream::connect(HostileServer::refusing_address()).is_err());
}

#[test]
fn a_terminal_is_one() {
    let rr = Rr::new();
    let mut terminal = rr.any_command("sh", ["-c", "tty; stty size; read line; stty size; exit 5"]).terminal(30, 90);
    terminal.expect("/dev/pts/");
    terminal.expect("30 90\r\n");
    terminal.resize(40, 100);
    terminal.send("\r");
    terminal.expect("40 100");
    assert_eq!(terminal.wait().code(), Some(5));
}

#[test]
fn ctrl_c_on_a_terminal_is_an_interrupt() {
    let rr = Rr::new();
    let script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let mut terminal = rr.any_command("sh", ["-c", script]).terminal(24, 80);
    terminal.expect("ready");
    terminal.send("\x03");
    assert_eq!(terminal.wait().code(), Some(9));
}
