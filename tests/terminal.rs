//! `-t`: a real terminal inside, and the user's own as it was afterwards.

use crate::support::{Registry, Rr, Terminal, requires, wait_until};
use rustix::process::Signal;
use std::time::Duration;

fn shell(rr: &Rr, flags: &[&str]) -> Terminal {
    rr.run(["pull", "-q", "alpine"]).succeeds();
    let words: Vec<&str> =
        ["run", "-it", "--network", "none"].iter().chain(flags).chain(&["alpine", "sh"]).copied().collect();
    let mut terminal = rr.command(words).terminal(30, 100);
    terminal.expect("/ # ");
    terminal
}

#[test]
fn a_shell_has_a_terminal_of_the_right_size() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let mut terminal = shell(&rr, &["--rm"]);
    terminal.send("tty; stty size; test -c /dev/console && echo con''sole; echo $TERM\r");
    terminal.expect("/dev/pts/0\r\n30 100\r\nconsole\r\nxterm\r\n");
    terminal.resize(40, 120);
    // The kernel tells rr, rr the monitor, the monitor the inner terminal.
    for _ in 0..50 {
        terminal.send("stty size\r");
        if terminal.expect("/ # ").contains("40 120") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(terminal.screen().contains("40 120"), "{}", terminal.screen());
    terminal.send("exit 5\r");
    assert_eq!(terminal.wait().code(), Some(5));
    rr.nothing_is_left();
}

#[test]
fn keys_take_effect_inside() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let mut terminal = shell(&rr, &["--rm"]);
    terminal.send("sleep 100\r");
    std::thread::sleep(Duration::from_millis(200));
    terminal.send("\x03");
    terminal.expect("/ # ");
    terminal.send("echo st''atus=$?; sleep 100\r");
    terminal.expect("status=130");
    std::thread::sleep(Duration::from_millis(200));
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.send("kill %1; exit; exit 6\r");
    assert!(terminal.wait().code().is_some());
    rr.nothing_is_left();
}

#[test]
fn the_terminals_mode_comes_back_on_every_way_out() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let mode = |terminal: &Terminal| {
        let settings = terminal.settings();
        (settings.local_modes, settings.input_modes, settings.output_modes)
    };
    let untouched = rr.any_command("true", [""; 0]).terminal(24, 80);
    let before = mode(&untouched);
    // By its own end.
    let mut terminal = shell(&rr, &["--rm"]);
    assert_ne!(mode(&terminal), before, "raw while the container runs");
    terminal.send("exit\r");
    terminal.wait();
    assert_eq!(mode(&terminal), before);
    // By a signal that the payload dies of.
    let mut terminal = shell(&rr, &["--rm", "--init"]);
    terminal.signal(Signal::HUP);
    terminal.wait();
    assert_eq!(mode(&terminal), before);
    // By the monitor's death.
    let mut terminal = shell(&rr, &["--name", "mm"]);
    let path = format!("/proc/{0}/task/{0}/children", terminal.pid().as_raw_nonzero());
    let monitor: i32 = std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
    assert_eq!(terminal.wait().code(), Some(125));
    assert_eq!(mode(&terminal), before);
    rr.run(["rm", "mm"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn the_detach_keys_leave_the_container_running() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    for (flags, keys) in
        [(&["--name", "left"][..], "\x10\x11"), (&["--name", "left", "--detach-keys", "ctrl-x,y"], "\x18y")]
    {
        let mut terminal = shell(&rr, flags);
        terminal.send(keys);
        assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.screen());
        let status = rr.run(["inspect", "-f", "{{.State.Status}}", "left"]).succeeds();
        assert_eq!(status.line(), "running");
        rr.run(["rm", "-f", "left"]).succeeds();
        rr.nothing_is_left();
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_its_container() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let words = ["run", "-it", "--rm", "--network", "none", "--stop-timeout", "1", "alpine", "sh", "-c"];
    rr.run(["pull", "-q", "alpine"]).succeeds();
    let script = "trap '' HUP; echo re''ady; while :; do sleep 0.1; done";
    let mut terminal = rr.command(words.iter().chain(&[script]).copied()).terminal(24, 80);
    terminal.expect("ready");
    drop(terminal);
    assert!(wait_until(Duration::from_secs(15), || rr.processes().is_empty()), "{:#?}", rr.processes());
    rr.nothing_is_left();
}

#[test]
fn without_t_the_payload_cannot_read_what_its_user_types() {
    let rr = requires!(Rr::with_alpine());
    // The terminal is the user's, and so is the payload's root to the kernel: neither what it was given nor
    // what it opens anew may lead there.
    let script = "for fd in 0 1 2; do readlink /proc/self/fd/$fd; done; test -t 1 || test -t 2 || echo no''terminal; \
                  read -t 2 line <&1; echo out; echo err >&2; echo \"got [$line]\"";
    let mut terminal = rr.alpine(&[], &["sh", "-c", script]).terminal(24, 80);
    terminal.send("secret\r");
    assert_eq!(terminal.wait().code(), Some(0));
    let screen = terminal.screen();
    assert!(screen.contains("got []") && screen.contains("noterminal"), "{screen}");
    assert!(screen.contains("/dev/null") && screen.matches("pipe:[").count() == 2, "{screen}");
    // Both streams are one terminal: what is written keeps its order.
    let (out, err) = (screen.find("out\r\n").expect("out"), screen.find("err\r\n").expect("err"));
    assert!(out < err, "{screen}");
    rr.nothing_is_left();
}

#[test]
fn a_container_whose_client_has_left_its_terminal_writes_on() {
    let rr = requires!(Rr::with_alpine());
    let shared = rr.directory("shared");
    let volume = format!("{}:/x", shared.display());
    // Far more than a pipe holds, after nobody reads it any more.
    let script = "echo here; while ! test -e /x/go; do sleep 0.05; done; seq 100000 && touch /x/done";
    let mut terminal =
        rr.alpine(&["--sig-proxy=false", "--name", "ww", "-v", &volume], &["sh", "-c", script]).terminal(24, 80);
    terminal.expect("here");
    terminal.signal(Signal::INT);
    assert_eq!(terminal.wait().code(), Some(130));
    std::fs::write(shared.join("go"), "").expect("the directory is open to all");
    assert!(wait_until(Duration::from_secs(20), || shared.join("done").exists()), "the payload is stuck");
    rr.nothing_is_left();
}
