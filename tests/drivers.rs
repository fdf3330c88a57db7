//! The command lines of programs that drive a runner, as they stand: GitHub's Actions runner and the development
//! containers' command line.

use crate::support::{Outcome, Registry, Rr, requires};
use std::io::Read;

/// A user with `docker` in reach and alpine in the store.
fn user(registry: &Registry) -> Rr {
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    rr
}

fn docker(rr: &Rr, words: &[&str]) -> Outcome {
    rr.command_as("docker", words).output()
}

/// What GitHub's runner does for a job in a container (src/Runner.Worker/Container/DockerCommandManager.cs of
/// actions/runner), but for what a service beside it takes.
#[test]
fn githubs_runner_runs_a_job() {
    let rr = user(requires!(Registry::shared()));
    let work = rr.directory("work");
    let mount = format!("{}:/__w", work.display());
    // What it asks first; at least 1.35 is wanted.
    let api = docker(&rr, &["version", "--format", "'{{.Server.APIVersion}}'"]).succeeds_quietly();
    assert!(api.line().trim_matches('\'').starts_with("1."), "{api}");
    let client = docker(&rr, &["version", "--format", "'{{.Client.APIVersion}}'"]).succeeds_quietly();
    assert_eq!(api.line(), client.line());
    // Leftovers of a job before.
    let label = "label=0a1b2c";
    assert_eq!(docker(&rr, &["ps", "--all", "--quiet", "--no-trunc", "--filter", label]).succeeds_quietly().stdout, "");
    let config = rr.directory("config").display().to_string();
    docker(&rr, &["--config", &config, "pull", "alpine:3.20.3"]).succeeds();
    let create = [
        "create",
        "--name",
        "aa11_alpine3203_bb22",
        "--label",
        "0a1b2c",
        "--workdir",
        "/__w/repo/repo",
        "--network",
        "none",
        "-e",
        "HOME=/github/home",
        "-e",
        "GITHUB_ACTIONS=true",
        "-e",
        "CI=true",
        "-v",
        &mount,
        "--entrypoint",
        "tail",
        "alpine:3.20.3",
        "-f",
        "/dev/null",
    ];
    let id = docker(&rr, &create).succeeds_quietly().line().to_owned();
    assert_eq!(docker(&rr, &["start", &id]).succeeds_quietly().line(), id);
    let id_filter = format!("id={id}");
    let running = [
        "ps",
        "--all",
        "--filter",
        &id_filter,
        "--filter",
        "status=running",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Status}}",
    ];
    let running = docker(&rr, &running).succeeds_quietly();
    assert!(running.line().starts_with(&format!("{id} Up ")), "{running}");
    let env =
        docker(&rr, &["inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", &id]).succeeds_quietly();
    assert!(env.stdout.contains("GITHUB_ACTIONS=true\n") && env.stdout.contains("PATH="), "{env}");
    docker(&rr, &["inspect", "--format={{.State.Health}}", &id]).exits(0);
    docker(&rr, &["inspect", "--format={{if .Config.Healthcheck}}{{print .State.Health.Status}}{{end}}", &id])
        .succeeds_quietly();
    std::fs::write(work.join("script.sh"), "echo from $PWD as $(id -u), $STEP; cat").expect("own directory");
    let exec = ["exec", "-i", "--workdir", "/__w", "-e", "STEP=one", &id, "sh", "-e", "/__w/script.sh"];
    let step = rr.command_as("docker", exec).stdin("input").output().succeeds();
    assert_eq!(step.stdout, "from /__w as 0, one\ninput");
    docker(&rr, &["exec", &id, "sh", "-c", "exit 4"]).exits(4);
    docker(&rr, &["logs", "--details", &id]).succeeds_quietly();
    assert_eq!(docker(&rr, &["port", &id]).succeeds_quietly().stdout, "");
    let mine = docker(&rr, &["ps", "--all", "--quiet", "--no-trunc", "--filter", label]).succeeds_quietly();
    assert_eq!(mine.line(), id);
    assert_eq!(docker(&rr, &["rm", "--force", &id]).succeeds_quietly().line(), id);
    rr.nothing_is_left();
}

/// A step that is a container of its own: `uses: docker://alpine`.
#[test]
fn githubs_runner_runs_an_action() {
    let rr = user(requires!(Registry::shared()));
    let work = rr.directory("work");
    let mount = format!("{}:/github/workspace", work.display());
    let run = [
        "run",
        "--name",
        "alpine3203_cc33",
        "--label",
        "0a1b2c",
        "--workdir",
        "/github/workspace",
        "--rm",
        "-e",
        "HOME",
        "-e",
        "INPUT_ARGS",
        "-e",
        "GITHUB_ACTIONS=true",
        "-v",
        &mount,
        "--entrypoint",
        "/bin/sh",
        "alpine:3.20.3",
        "-c",
        "echo $INPUT_ARGS in $PWD > out",
    ];
    rr.command_as("docker", run).env("INPUT_ARGS", "hello").output().succeeds_quietly();
    assert_eq!(std::fs::read_to_string(work.join("out")).expect("the step's file"), "hello in /github/workspace\n");
    rr.nothing_is_left();
}

/// The image of an action that comes as a Dockerfile, built and run as the runner does it.
#[test]
fn githubs_runner_builds_an_actions_image() {
    let rr = user(requires!(Registry::shared()));
    let context = rr.directory("action");
    let dockerfile = "FROM alpine:3.20.3\nCOPY entrypoint.sh /\nENTRYPOINT [\"/bin/sh\", \"/entrypoint.sh\"]\n";
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("own directory");
    std::fs::write(context.join("entrypoint.sh"), "echo built and run").expect("own directory");
    let file = context.join("Dockerfile").display().to_string();
    let build = ["build", "-t", "0a1b2c:ee55", "-f", &file, &context.display().to_string()];
    docker(&rr, &build).exits(0);
    assert_eq!(docker(&rr, &["run", "--rm", "0a1b2c:ee55"]).succeeds_quietly().stdout, "built and run\n");
    rr.nothing_is_left();
}

/// The network that GitHub's runner makes for a job with services, its leftovers, and a service on it.
#[test]
fn githubs_runner_makes_a_network() {
    let rr = user(requires!(Registry::shared()));
    let label = "label=0a1b2c";
    docker(&rr, &["network", "prune", "--force", "--filter", label]).succeeds_quietly();
    let network = "github_network_dd44";
    let id = docker(&rr, &["network", "create", "--label", "0a1b2c", network]).succeeds_quietly().line().to_owned();
    assert_eq!(id.len(), 64);
    let free =
        std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let datagrams = format!("{free}:80/udp");
    let create = [
        "create",
        "--name",
        "service",
        "--label",
        "0a1b2c",
        "--network",
        network,
        "--network-alias",
        "redis",
        // A port of the service's own choice on the host, which the runner asks for afterwards.
        "-p",
        "6379",
        "-p",
        &datagrams,
        "alpine:3.20.3",
        "nc",
        "-lk",
        "-p",
        "6379",
        "-e",
        "echo",
        "PONG",
    ];
    docker(&rr, &create).succeeds_quietly();
    let bindings = docker(&rr, &["inspect", "-f", "{{json .HostConfig.PortBindings}}", "service"]).succeeds_quietly();
    let expected = r#"{"6379/tcp":[{"HostIp":"","HostPort":""}],"80/udp":[{"HostIp":"","HostPort":"FREE"}]}"#;
    assert_eq!(bindings.line(), expected.replace("FREE", &free.to_string()));
    assert_eq!(docker(&rr, &["port", "service"]).succeeds_quietly().stdout, "");
    docker(&rr, &["start", "service"]).succeeds_quietly();
    let ports = docker(&rr, &["port", "service"]).succeeds_quietly();
    let published = ports.stdout.lines().find_map(|line| line.strip_prefix("6379/tcp -> 0.0.0.0:")?.parse().ok());
    let published: u16 = published.unwrap_or_else(|| panic!("{ports}"));
    assert!(ports.stdout.contains(&format!("80/udp -> 0.0.0.0:{free}\n")), "{ports}");
    // The job's own steps run on the host, or in a container of the same network.
    let mut answer = String::new();
    let answered = crate::support::wait_until(std::time::Duration::from_secs(10), || {
        answer.clear();
        let connected = std::net::TcpStream::connect(("127.0.0.1", published));
        connected.and_then(|mut stream| stream.read_to_string(&mut answer)).is_ok() && !answer.is_empty()
    });
    assert!(answered && answer == "PONG\n", "{answer}");
    let job = ["run", "--rm", "--network", network, "alpine:3.20.3", "nc", "redis", "6379"];
    assert_eq!(docker(&rr, &job).succeeds_quietly().stdout, "PONG\n");
    docker(&rr, &["network", "rm", network]).exits(1).says("has active endpoints");
    docker(&rr, &["rm", "--force", "service"]).succeeds_quietly();
    assert_eq!(docker(&rr, &["network", "rm", network]).succeeds_quietly().line(), network);
    assert_eq!(docker(&rr, &["network", "prune", "--force", "--filter", label]).succeeds_quietly().stdout, "");
    rr.nothing_is_left();
}

/// A job in a container with a service beside it: both on the runner's network, the service's port published on one of
/// the host's that the runner asks for, each line as the runner has it.
#[test]
fn githubs_runner_runs_a_job_with_a_service() {
    let rr = user(requires!(Registry::shared()));
    let work = rr.directory("work");
    let network = "github_network_5e1f";
    docker(&rr, &["network", "create", "--label", "0a1b2c", network]).succeeds_quietly();
    let serve = "while :; do nc -lk -p 6379 -e echo pong; done";
    let service = ["create", "--name", "aa11_redis_bb22", "--label", "0a1b2c", "--network", network];
    let service = [&service[..], &["--network-alias", "redis", "-p", "6379", "-e", "A=b"]].concat();
    let service = [&service[..], &["-e", "GITHUB_ACTIONS=true", "-e", "CI=true"]].concat();
    let service = [&service[..], &["alpine:3.20.3", "sh", "-c", serve]].concat();
    let service = docker(&rr, &service).succeeds_quietly().line().to_owned();
    docker(&rr, &["start", &service]).succeeds_quietly();
    let running = |id: &str| {
        let filter = format!("id={id}");
        let words = ["ps", "--all", "--filter", &filter, "--filter", "status=running", "--no-trunc", "--format"];
        let shown = docker(&rr, &[&words[..], &["{{.ID}} {{.Status}}"]].concat()).succeeds_quietly();
        assert!(shown.line().starts_with(&format!("{id} Up ")), "{shown}");
    };
    running(&service);
    // The runner takes the number behind the last colon of each line.
    let ports = docker(&rr, &["port", &service]).succeeds_quietly();
    let line = ports.stdout.lines().find(|line| line.starts_with("6379/tcp -> 0.0.0.0:")).expect("an IPv4 address");
    let port: u16 = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a number");
    let mount = format!("{}:/__w", work.display());
    let job = ["create", "--name", "aa11_alpine_cc33", "--label", "0a1b2c", "--workdir", "/__w/repo/repo"];
    let job = [&job[..], &["--network", network, "-e", "HOME=/github/home", "-e", "CI=true", "-v", &mount]].concat();
    let job = [&job[..], &["--entrypoint", "tail", "alpine:3.20.3", "-f", "/dev/null"]].concat();
    let job = docker(&rr, &job).succeeds_quietly().line().to_owned();
    docker(&rr, &["start", &job]).succeeds_quietly();
    running(&job);
    // From the job by the alias, and from the host by the port.
    let step = ["exec", "-i", "--workdir", "/__w", "-e", "CI=true", &job, "sh", "-c"];
    let ask = "for i in $(seq 50); do nc redis 6379 </dev/null && exit; sleep 0.1; done; exit 1";
    assert_eq!(docker(&rr, &[&step[..], &[ask]].concat()).succeeds().stdout, "pong\n");
    let mut answer = String::new();
    let connected = std::net::TcpStream::connect(("127.0.0.1", port));
    std::io::Read::read_to_string(&mut connected.expect("a published port"), &mut answer).expect("an answer");
    assert_eq!(answer, "pong\n");
    docker(&rr, &["inspect", "--format={{if .Config.Healthcheck}}{{print .State.Health.Status}}{{end}}", &service])
        .succeeds_quietly();
    docker(&rr, &["logs", "--details", &service]).succeeds();
    assert_eq!(docker(&rr, &["rm", "--force", &job]).succeeds_quietly().line(), job);
    assert_eq!(docker(&rr, &["rm", "--force", &service]).succeeds_quietly().line(), service);
    docker(&rr, &["network", "rm", network]).succeeds_quietly();
    rr.nothing_is_left();
}

/// What the development containers' command line does (devcontainers/cli, src/spec-node/singleContainer.ts).
#[test]
fn a_development_container_is_made_and_found() {
    let rr = user(requires!(Registry::shared()));
    let folder = rr.directory("folder");
    let label = format!("devcontainer.local_folder={}", folder.display());
    let filter = format!("label={label}");
    let mount = format!("type=bind,source={},target=/workspaces/folder,consistency=cached", folder.display());
    docker(&rr, &["inspect", "--type", "image", "alpine:3.20.3"]).succeeds_quietly().prints("[\n");
    assert_eq!(docker(&rr, &["ps", "-q", "-a", "--filter", &filter]).succeeds_quietly().stdout, "");
    let script = "echo Container started\ntrap \"exit 0\" 15\nexec \"$@\"\nwhile sleep 1 & wait $!; do :; done";
    let run = [
        "run",
        "--sig-proxy=false",
        "-a",
        "STDOUT",
        "-a",
        "STDERR",
        "--mount",
        &mount,
        "-l",
        &label,
        "-l",
        "devcontainer.metadata=[]",
        "-e",
        "A=b",
        "-u",
        "root",
        "--entrypoint",
        "/bin/sh",
        "alpine:3.20.3",
        "-c",
        script,
        "-",
    ];
    let mut client = rr.command_as("docker", run).spawn();
    let id = {
        let mut id = String::new();
        let found = crate::support::wait_until(std::time::Duration::from_secs(20), || {
            id = docker(&rr, &["ps", "-q", "--filter", &filter]).succeeds_quietly().line().to_owned();
            !id.is_empty()
        });
        assert!(found, "the container runs");
        id
    };
    let inspected = docker(&rr, &["inspect", "--type", "container", &id]).succeeds_quietly();
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).expect("JSON");
    assert_eq!(inspected[0]["State"]["Status"], "running");
    assert_eq!(inspected[0]["Config"]["Labels"]["devcontainer.metadata"], "[]");
    assert_eq!(inspected[0]["Mounts"][0]["Destination"], "/workspaces/folder");
    let exec = ["exec", "-i", "-u", "root", &id, "/bin/sh", "-c", "echo in $HOME; cat /workspaces/folder/file"];
    std::fs::write(folder.join("file"), "content\n").expect("own directory");
    assert_eq!(docker(&rr, &exec).succeeds_quietly().stdout, "in /root\ncontent\n");
    assert!(client.is_running());
    // `--sig-proxy=false`: the container outlives its client.
    client.signal(rustix::process::Signal::INT);
    let ended = client.wait();
    assert_eq!(ended.stdout, "Container started\n", "{ended}");
    assert_eq!(docker(&rr, &["ps", "-q", "--filter", &filter]).succeeds_quietly().line(), id);
    docker(&rr, &["stop", "-t", "3", &id]).succeeds_quietly();
    docker(&rr, &["start", &id]).succeeds_quietly();
    docker(&rr, &["rm", "-f", &id]).succeeds_quietly();
    rr.nothing_is_left();
}

/// What the development containers' command line asks of Podman beyond that.
#[test]
fn a_development_container_keeps_the_users_id_with_podman() {
    let rr = user(requires!(Registry::shared()));
    let own = rustix::process::getuid().as_raw().to_string();
    let podman = |words: &[&str]| rr.command_as("podman", words).output().succeeds();
    let run = ["run", "--sig-proxy=false", "-a", "STDOUT", "-a", "STDERR", "--userns=keep-id", "--rm"];
    let ran = podman(
        &[&run[..], &["--entrypoint", "/bin/sh", "alpine:3.20.3", "-c", "id -u; echo Container started"]].concat(),
    );
    assert_eq!(ran.stdout, format!("{own}\nContainer started\n"));
    podman(&["inspect", "--type", "image", "alpine:3.20.3"]).prints("[\n");
    rr.nothing_is_left();
}
