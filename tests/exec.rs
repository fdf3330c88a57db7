//! `exec`: one more process in a running container.

use crate::support::{Registry, Rr, requires, small_root, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const LOOP: &str = "while :; do sleep 0.1; done";

/// A user with a container `cc` that runs alpine with these options.
fn with_container(options: &[&str]) -> Result<Rr, String> {
    let rr = Rr::with_alpine()?;
    start(&rr, options, LOOP);
    Ok(rr)
}

/// A user with the image alpine.
fn with_image(registry: &Registry) -> Rr {
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    rr
}

/// Starts a container `cc` in which `script` runs.
fn start(rr: &Rr, options: &[&str], script: &str) {
    start_in(rr, options, &Rr::ALPINE, script);
}

/// The same, from the image or root file system that `source` names.
fn start_in(rr: &Rr, options: &[&str], source: &[&str], script: &str) {
    let base = ["run", "-d", "--name", "cc"];
    let network: &[&str] = if options.contains(&"--network") { &[] } else { &["--network", "none"] };
    rr.run([&base, network, options, source, &["sh", "-c", script]].concat()).succeeds();
}

fn end(rr: &Rr) {
    rr.run(["rm", "-f", "cc"]).succeeds();
    rr.nothing_is_left();
}

#[test]
fn the_commands_status_and_streams_are_rrs() {
    let rr = requires!(with_container(&[]));
    let outcome = rr.run(["exec", "cc", "sh", "-c", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(rr.command(["exec", "-i", "cc", "cat"]).stdin("typed").output().succeeds().stdout, "typed");
    // Without -i there is nothing to read.
    assert_eq!(rr.command(["exec", "cc", "cat"]).stdin("typed").output().succeeds().stdout, "");
    assert_eq!(rr.run(["container", "exec", "cc", "echo", "--help", "-it"]).succeeds().stdout, "--help -it\n");
    rr.run(["exec", "cc", "sh", "-c", "kill -9 $$"]).exits(137);
    let long = "x".repeat(100_000);
    let outcome =
        rr.run(["exec", "-e", &format!("LONG={long}"), "cc", "sh", "-c", "echo ${#LONG}; echo ${#1}", "sh", &long]);
    assert_eq!(outcome.succeeds().stdout, "100000\n100000\n");
    end(&rr);
}

#[test]
fn what_cannot_be_executed_has_dockers_statuses() {
    let rr = requires!(with_container(&[]));
    rr.run(["exec", "cc", "sh", "-c", "echo '#!/no/such' > /noloader; chmod 755 /noloader"]).succeeds();
    for detached in [&[][..], &["-d"]] {
        let exec = |command: &str| rr.run([&["exec"], detached, &["cc", command]].concat());
        exec("nosuch").fails_with(127, "executable file not found in $PATH");
        exec("/no/such").fails_with(127, "ENOENT");
        exec("/etc/passwd").fails_with(126, "EACCES");
        exec("/etc").fails_with(126, "EACCES");
        exec("").fails_with(127, "empty");
        exec("/noloader").fails_with(127, "its interpreter or dynamic loader is missing");
    }
    rr.run(["exec", "-w", "/nope", "cc", "true"]).fails_with(127, "cannot enter the working directory /nope");
    rr.run(["exec", "-w", "tmp", "cc", "true"]).fails_with(125, "absolute");
    rr.run(["exec", "-u", "eva", "cc", "true"]).fails_with(125, "unable to find user eva");
    rr.run(["exec", "cc"]).fails_with(125, "no command");
    rr.run(["exec"]).fails_with(125, "CONTAINER is missing");
    rr.run(["exec", "nobody", "true"]).fails_with(125, "No such container: nobody");
    rr.run(["exec", "--nope", "cc", "true"]).fails_with(125, "no option --nope");
    rr.run(["stop", "-t", "0", "cc"]).succeeds();
    rr.run(["exec", "cc", "true"]).fails_with(125, "is not running");
    end(&rr);
}

#[test]
fn it_is_confined_as_the_payload_is() {
    let rr = with_image(requires!(Registry::shared()));
    let look = "grep -E 'Cap|Seccomp|NoNew|Groups' /proc/self/status; readlink /proc/self/ns/*; hostname; pwd; ulimit -n; umask";
    let all: [&[&str]; 9] = [
        &[],
        &["--init"],
        &["--privileged"],
        &["--read-only", "--tmpfs", "/run"],
        &["--cap-drop", "ALL", "--cap-add", "NET_RAW", "-u", "1000:7"],
        &["--security-opt", "no-new-privileges", "--ulimit", "nofile=77", "-w", "/usr"],
        &["--userns", "nomap"],
        &["--userns", "keep-id", "--group-add", "keep-groups"],
        &["--network", "host", "-e", "A=b"],
    ];
    for options in all {
        start_in(
            &rr,
            options,
            &["alpine"],
            &format!("{{ {look}; }} > /dev/shm/look; env | sort > /dev/shm/env; {LOOP}"),
        );
        assert!(wait_until(Duration::from_secs(5), || rr
            .run(["exec", "cc", "test", "-s", "/dev/shm/env"])
            .status
            .code()
            == Some(0)));
        let own = rr.run(["exec", "cc", "sh", "-c", look]).succeeds();
        let payloads = rr.run(["exec", "cc", "cat", "/dev/shm/look"]).succeeds();
        assert_eq!(own.stdout, payloads.stdout, "{options:?}");
        assert!(own.stdout.contains("Seccomp"));
        let own = rr.run(["exec", "cc", "sh", "-c", "env | sort"]).succeeds();
        assert_eq!(own.stdout, rr.run(["exec", "cc", "cat", "/dev/shm/env"]).succeeds().stdout, "{options:?}");
        end(&rr);
    }
}

#[test]
fn options_change_what_the_container_has() {
    let rr = requires!(with_container(&["-e", "A=1", "-e", "B=2", "-u", "1000"]));
    let file = rr.path("env");
    std::fs::write(&file, "C=file\nD=file\n").unwrap();
    let file = file.display().to_string();
    let line = [
        "exec",
        "-w",
        "/usr/bin",
        "-u",
        "daemon",
        "--env-file",
        &file,
        "-e",
        "D=typed",
        "-eA=9",
        "-e",
        "B",
        "cc",
        "sh",
        "-c",
    ];
    let script = "echo $A ${B-none} $C $D $HOME; pwd; id -un; id -gn";
    let outcome = rr.run(line.iter().chain(&[script])).succeeds();
    assert_eq!(outcome.stdout, "9 none file typed /sbin\n/usr/bin\ndaemon\ndaemon\n");
    // The files as they are now: the container's own root adds a user.
    rr.run(["exec", "-u", "0", "cc", "sh", "-c", "echo eva:x:4321:44::/eva:/bin/sh >> /etc/passwd"]).succeeds();
    assert_eq!(
        rr.run(["exec", "-u", "eva", "cc", "sh", "-c", "id -u; id -g; echo $HOME"]).succeeds().stdout,
        "4321\n44\n/eva\n"
    );
    let capabilities = |options: &[&str]| {
        let words = [
            &["exec", "-u", "0"],
            options,
            &["cc", "sh", "-c", "grep CapEff /proc/self/status; mount -t tmpfs x /mnt"],
        ];
        rr.run(words.concat())
    };
    let plain = capabilities(&[]).exits(1);
    let privileged = capabilities(&["--privileged"]).succeeds();
    assert!(plain.stdout.contains("00000000a80425fb"), "{plain}");
    assert!(privileged.stdout.contains("000001ff"), "{privileged}");
    rr.run(["create", "--name", "newer", "--rootfs", "rootfs:O", "true"]).succeeds();
    rr.run(["exec", "-l", "true"]).fails_with(125, "is not running");
    rr.run(["rm", "newer"]).succeeds();
    assert_eq!(rr.run(["exec", "--latest", "echo", "here"]).succeeds().stdout, "here\n");
    end(&rr);
}

#[test]
fn a_user_who_is_not_root_opens_its_streams_anew() {
    let rr = with_image(requires!(Registry::shared()));
    for userns in ["auto", "nomap", "keep-id"] {
        start_in(&rr, &["--userns", userns, "-u", "1000"], &["alpine"], LOOP);
        let outcome = rr.run(["exec", "cc", "sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr"]).succeeds();
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"), "{userns}");
        end(&rr);
    }
}

#[test]
fn a_terminal_is_the_containers_own() {
    let rr = requires!(with_container(&["-u", "1000"]));
    let mut terminal = rr.command(["exec", "-it", "cc", "sh"]).terminal(30, 100);
    terminal.expect("$ ");
    terminal
        .send("stty size; tty; echo $TERM; ls -l $(tty) | cut -c1-17; sh -c 'echo wait\"\"ing; exec cat < /dev/tty'\r");
    terminal.expect("30 100\r\n/dev/pts/0\r\nxterm\r\ncrw--w");
    // Said by the process that the key is for: before, there may be nobody in the foreground.
    terminal.expect("waiting\r\n");
    terminal.resize(40, 120);
    terminal.send("\x03");
    terminal.expect("$ ");
    terminal.send("stty size; exit 6\r");
    terminal.expect("40 120");
    assert_eq!(terminal.wait().code(), Some(6));
    end(&rr);
}

#[test]
fn without_t_the_users_terminal_stays_the_users() {
    let rr = requires!(with_container(&[]));
    let script =
        "test -t 1 || test -t 2 || echo none; ls -l /proc/self/fd 2>/dev/null | grep -c /dev/pts; echo fin >&2";
    let mut terminal = rr.command(["exec", "cc", "sh", "-c", script]).terminal(24, 80);
    terminal.expect("none\r\n0\r\nfin\r\n");
    assert_eq!(terminal.wait().code(), Some(0));
    end(&rr);
}

#[test]
fn a_terminal_is_left_with_its_keys() {
    let rr = requires!(with_container(&[]));
    let script = "trap 'echo hup > /hup' HUP; while :; do echo noise; echo more >> /more; sleep 0.01; done";
    let mut terminal =
        rr.command(["exec", "-it", "--detach-keys", "ctrl-a,x", "cc", "sh", "-c", script]).terminal(24, 80);
    terminal.expect("noise");
    terminal.send("\x01x");
    assert_eq!(terminal.wait().code(), Some(0));
    // It goes on, though nobody reads what it prints: far more than a terminal holds.
    let lines = || rr.run(["exec", "cc", "sh", "-c", "wc -l < /more"]).succeeds().line().trim().parse::<u32>().unwrap();
    let before = lines();
    assert!(wait_until(Duration::from_secs(30), || lines() > before + 1000), "it stands still");
    rr.run(["exec", "cc", "test", "-e", "/hup"]).exits(1);
    end(&rr);
}

#[test]
fn a_detached_command_goes_on_and_ends_with_the_container() {
    let rr = requires!(with_container(&[]));
    // Whoever waits for the client's output to end does not wait for the command's.
    let outcome = rr.run(["exec", "-d", "cc", "sh", "-c", "echo lost; sleep 0.3; echo $PPID > /done; sleep 1000"]);
    assert_eq!(outcome.succeeds_quietly().stdout, "");
    assert!(wait_until(Duration::from_secs(5), || rr.run(["exec", "cc", "cat", "/done"]).stdout == "0\n"));
    rr.run(["exec", "-td", "cc", "sh", "-c", "tty > /tty; yes; exit 3"]).succeeds_quietly();
    assert!(wait_until(Duration::from_secs(5), || rr.run(["exec", "cc", "cat", "/tty"]).stdout == "/dev/pts/0\n"));
    assert_eq!(rr.run(["inspect", "-f", "{{.State.Status}}", "cc"]).succeeds().line(), "running");
    rr.run(["stop", "-t", "0", "cc"]).succeeds();
    rr.no_process_is_left();
    end(&rr);
}

#[test]
fn it_ends_with_the_container_whoever_waits_for_it() {
    let rr = requires!(with_container(&[]));
    let attached = rr.command(["exec", "cc", "sleep", "1000"]).spawn();
    let stopped = rr.command(["exec", "cc", "sleep", "1000"]).spawn();
    let sleeping = || rr.run(["exec", "cc", "pidof", "sleep"]).stdout.split_whitespace().count() >= 2;
    assert!(wait_until(Duration::from_secs(5), sleeping));
    // A client that does nothing must not hold the container up: process 1 ends when all others were reaped.
    stopped.signal(Signal::STOP);
    let begun = Instant::now();
    rr.run(["rm", "-f", "cc"]).succeeds();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    attached.wait().exits(137);
    stopped.signal(Signal::CONT);
    stopped.wait().exits(137);
    rr.nothing_is_left();
}

#[test]
fn signals_are_the_commands() {
    let rr = requires!(with_container(&[]));
    let script = "trap 'echo term; exit 9' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done";
    let running = rr.command(["exec", "cc", "sh", "-c", script]).spawn();
    let trapped =
        || rr.run(["exec", "cc", "sh", "-c", "grep -l 'trap .echo' /proc/[0-9]*/cmdline"]).stdout.lines().count() >= 2;
    assert!(wait_until(Duration::from_secs(5), trapped));
    std::thread::sleep(Duration::from_millis(200));
    running.signal(Signal::USR1);
    std::thread::sleep(Duration::from_millis(200));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().exits(9).stdout, "up\nusr1\nterm\n");
    end(&rr);
}

#[test]
fn what_a_killed_client_has_started_ends() {
    let rr = requires!(with_container(&[]));
    for options in [&["exec"][..], &["exec", "-t"]] {
        let running = rr.command([options, &["cc", "sleep", "4242"]].concat()).spawn();
        let sleeping = || rr.run(["exec", "cc", "pgrep", "-f", "^sleep 4242"]).status.code() == Some(0);
        assert!(wait_until(Duration::from_secs(5), sleeping));
        running.signal(Signal::KILL);
        assert!(wait_until(Duration::from_secs(5), || !sleeping()));
        running.wait();
    }
    end(&rr);
}

#[test]
fn a_killed_monitor_takes_the_commands_along() {
    let rr = requires!(with_container(&[]));
    let running = rr.command(["exec", "cc", "sleep", "1000"]).spawn();
    rr.run(["exec", "-d", "cc", "sleep", "1000"]).succeeds();
    let monitor = rr.processes().into_iter().find(|process| process.command.contains(" run -d ")).expect("a monitor");
    kill_process(Pid::from_raw(monitor.pid).unwrap(), Signal::KILL).unwrap();
    running.wait().fails_with(125, "monitor was killed");
    rr.no_process_is_left();
    end(&rr);
}

#[test]
fn many_at_once_are_told_apart() {
    let rr = requires!(with_container(&[]));
    let all: Vec<_> = (0..32)
        .map(|number| {
            let script = format!("sleep 0.{}; echo {number}; exit {number}", number % 7);
            rr.command(["exec", "cc", "sh", "-c", &script]).spawn()
        })
        .collect();
    for (number, running) in all.into_iter().enumerate() {
        assert_eq!(running.wait().exits(number as i32).stdout, format!("{number}\n"));
    }
    let processes = rr.run(["exec", "cc", "sh", "-c", "ls -d /proc/[0-9]* | wc -l"]).succeeds();
    assert!(processes.line().trim().parse::<u32>().unwrap() < 8, "{processes}");
    end(&rr);
}

/// What a hostile payload sees of the process that is on its way in.
#[test]
fn nothing_of_rr_is_within_reach_while_it_joins() {
    let rr = requires!(Rr::with_alpine());
    // Looks at every process but itself and what it starts, as fast as it can, and keeps what it could open.
    let spy = "
        echo $$ > /dev/shm/self
        while :; do
            for p in /proc/[0-9]*; do
                case ${p#/proc/} in 1|$$) continue;; esac
                exe=$(readlink $p/exe 2>/dev/null) || continue
                case $exe in /bin/busybox|''|'/memfd:rr-trampoline (deleted)') ;; *) echo exe $exe >> /dev/shm/seen;; esac
                ls $p/root/ 2>/dev/null | grep -q '^bin$' || ls -d $p/root/. >> /dev/shm/roots 2>/dev/null
                for f in $p/fd/*; do
                    to=$(readlink $f 2>/dev/null) || continue
                    case $to in /dev/null|/dev/pts/*|pipe:*|/proc/*|/dev/shm/*|/dev/pts/ptmx) ;; *) echo fd $to >> /dev/shm/seen;; esac
                done
            done
        done";
    for options in [&[][..], &["--privileged"], &["--init", "--privileged"]] {
        start(&rr, options, spy);
        for _ in 0..100 {
            rr.run(["exec", "cc", "true"]).succeeds();
        }
        let seen = rr.run(["exec", "cc", "sh", "-c", "sort /dev/shm/seen 2>/dev/null | uniq -c"]).stdout;
        assert_eq!(seen, "", "{options:?}");
        end(&rr);
    }
}

/// CVE-2019-5736: a command that is a link to the program of whoever executes it, or has it as interpreter.
#[test]
fn the_commands_own_program_is_never_rr() {
    let rr = requires!(with_container(&[]));
    let plant = "ln -s /proc/self/exe /link; printf '#!/proc/self/exe\\n' > /script; printf '#!/link\\n' > /both; chmod 755 /script /both";
    rr.run(["exec", "cc", "sh", "-c", plant]).succeeds();
    for command in ["/proc/self/exe", "/link", "/script", "/both"] {
        let outcome = rr.run(["exec", "cc", command, "version"]);
        // The trampoline, which finds no arguments that it could read, or is refused: no word of rr's.
        assert_ne!(outcome.status.code(), Some(0), "{outcome}");
        assert_eq!(outcome.stdout, "", "{outcome}");
    }
    assert_eq!(rr.run(["exec", "cc", "readlink", "/proc/self/exe"]).succeeds().stdout, "/bin/busybox\n");
    end(&rr);
}

#[test]
fn places_that_the_payload_has_replaced_are_refused() {
    let rr = requires!(with_container(&["--privileged"]));
    let replace = "mkfifo /fifo; mount --bind /fifo /dev/null; umount /dev/pts; mkfifo /dev/pts/ptmx";
    rr.run(["exec", "-i", "cc", "sh", "-c", replace]).succeeds();
    // Neither waits for ever at a FIFO.
    rr.run(["exec", "cc", "true"]).fails_with(125, "it is not the null device");
    rr.run(["exec", "-d", "cc", "true"]).fails_with(125, "it is not the null device");
    rr.run(["exec", "-t", "cc", "true"]).fails_with(125, "it is no devpts file system");
    rr.run(["exec", "-i", "cc", "sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd"]).succeeds();
    rr.run(["exec", "-i", "cc", "true"]).fails_with(125, "not a regular file");
    end(&rr);
}

#[test]
fn a_working_directory_of_the_hosts_is_refused() {
    let rr = requires!(with_container(&[]));
    // CVE-2024-21626: a path through a descriptor of rr's that leads out of the container.
    let mut outside = 0;
    for number in 0..20 {
        let directory = format!("/proc/self/fd/{number}");
        let outcome =
            rr.run(["exec", "-w", &directory, "cc", "sh", "-c", "cat etc/alpine-release; cd ..; stat -c %i . /"]);
        outside += usize::from(outcome.stderr.contains("it lies outside of the container"));
        if outcome.status.code() == Some(0) {
            // The only other directories that rr has open are the container's.
            let lines: Vec<&str> = outcome.stdout.lines().collect();
            assert!(matches!(lines.as_slice(), ["3.20.3", here, root] if here == root), "{directory}: {outcome}");
        }
    }
    assert!(outside > 0, "no descriptor led out, so nothing was tried");
    end(&rr);
}

#[test]
fn a_real_image_and_a_plain_directory_are_joined() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    requires!(small_root(&rr));
    for words in [&["alpine"][..], &["--rootfs", "rootfs"]] {
        start_in(&rr, &[], words, LOOP);
        assert_eq!(rr.run(["exec", "cc", "cat", "/etc/alpine-release"]).succeeds().stdout, "3.20.3\n");
        end(&rr);
    }
}
