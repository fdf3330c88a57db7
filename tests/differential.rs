//! rr beside the Docker and the Podman of this machine: the same command lines, in fresh stores, compared in
//! exit status, in the shape of standard output and in the words that scripts look for.
//!
//! Where rr differs on purpose, `docs/reference/differences.md` says so and why: a difference that is not listed there
//! fails, and so does a listed one that is none any more.
//!
//! `contrib/test` starts the Docker daemon and makes the view of the control groups that Podman wants.

use crate::support::{Outcome, Registry, Rr, RrCommand, images, requires};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One command line.
struct Step {
    /// Words as a shell would split them; `@NAME` is the id of the container that a step before made with `--name NAME`.
    line: &'static str,
    /// What scripts look for in its standard error: both sides have it, or neither has.
    words: &'static [&'static str],
    /// Where one of the two cannot do it at all: the other.
    only: Option<Peer>,
}

const fn step(line: &'static str) -> Step {
    Step { line, words: &[], only: None }
}

const fn fails(line: &'static str, words: &'static [&'static str]) -> Step {
    Step { line, words, only: None }
}

/// What Podman cannot do here: it pauses by control groups alone, and 4.3 has no `update --restart` and other events.
const fn dockers(line: &'static str, words: &'static [&'static str]) -> Step {
    Step { line, words, only: Some(Peer::Docker) }
}

/// Verbs that Docker does not have.
const fn podmans(line: &'static str, words: &'static [&'static str]) -> Step {
    Step { line, words, only: Some(Peer::Podman) }
}

const NO_CONTAINER: &[&str] =
    &["No such container: nosuch", "no container with name or ID \"nosuch\" found: no such container"];
const NO_IMAGE: &[&str] = &["No such image: nosuch", "nosuch: image not known"];

/// Every verb, in the states it can meet.
const STEPS: &[Step] = &[
    step("create --name c1 --network none -l role=x alpine:3.20.3 sh -c 'exit 3'"),
    fails(
        "create --name c1 --network none alpine:3.20.3 true",
        &["is already in use by", "Conflict. The container name \"/c1\""],
    ),
    step("ps"),
    step("ps -a"),
    step("start c1"),
    step("wait c1"),
    fails("wait nosuch", NO_CONTAINER),
    fails("start nosuch", NO_CONTAINER),
    fails("start c1 nosuch", NO_CONTAINER),
    step("wait c1"),
    step("ps -a"),
    step("ps -a --no-trunc"),
    step("ps -aq"),
    step("ps -aq --no-trunc"),
    step("ps -a --format '{{.Names}} {{.Image}} {{.Status}}'"),
    step("ps -a --format 'table {{.ID}}\t{{.Names}}'"),
    step("ps -l --format '{{.Names}}'"),
    step("ps -n 1 --format '{{.Names}}'"),
    step("ps -a --filter name=^c1$ --format '{{.Names}}'"),
    step("ps -a --filter name=c[0-9] --format '{{.Names}}'"),
    step("ps -a --filter name=nosuch --format '{{.Names}}'"),
    step("ps -a --filter label=role --format '{{.Names}}'"),
    step("ps -a --filter label=role=y --format '{{.Names}}'"),
    step("ps -a --filter exited=3 --format '{{.Names}}'"),
    step("ps -a --filter status=exited --format '{{.Names}}'"),
    step("ps -a --filter ancestor=alpine:3.20.3 --format '{{.Names}}'"),
    step("ps -a --filter ancestor=nosuch --format '{{.Names}}'"),
    step("ps -a --filter network=none --format '{{.Names}}'"),
    step("ps -a --filter before=c1 --format '{{.Names}}'"),
    fails("ps -a --filter before=nosuch --format '{{.Names}}'", &["o such container"]),
    fails("ps -a --filter nope=1", &["nvalid filter 'nope'"]),
    fails("ps -a --filter status=nope", &["nvalid filter 'status=nope'"]),
    fails("ps -a --filter foo", &["bad format of filter"]),
    fails("ps -a --format '{{.Nope}}'", &["Nope"]),
    fails("ps -a --format '{{.ID'", &[]),
    fails("ps --nope", &["unknown flag: --nope"]),
    fails("ps -z", &["unknown shorthand flag: 'z' in -z"]),
    step("ps extra"),
    step("inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}} {{.Path}} {{.Args}}' c1"),
    step("inspect --format '{{.Name}}' c1"),
    step("inspect --format '{{json .Config.Labels}} {{json .Config.Cmd}} {{.Config.Tty}}' c1"),
    step("inspect --format '{{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}} {{.RestartCount}}' c1"),
    step("inspect --format '{{.Id}} {{.Image}}' c1"),
    step("inspect --type container --format '{{.Id}}' c1"),
    fails("inspect --type image c1", &["No such image: c1", "c1: image not known"]),
    fails("inspect --type volume nosuch", &["No such volume: nosuch", "no such volume nosuch"]),
    step("inspect --type foo c1"),
    fails("inspect nosuch", &["Error: No such object: nosuch", "no such object: \"nosuch\""]),
    fails(
        "inspect --format '{{.State.Status}}' c1 nosuch",
        &["Error: No such object: nosuch", "no such object: \"nosuch\""],
    ),
    fails("container inspect nosuch", &["Error: No such container: nosuch", "no such container nosuch"]),
    fails("image inspect nosuch", &["Error: No such image: nosuch", "nosuch: image not known"]),
    step("logs c1"),
    fails("logs nosuch", NO_CONTAINER),
    step("port c1"),
    fails("port nosuch", NO_CONTAINER),
    fails("port c1 80", &["No public port '80/tcp' published for c1"]),
    step("rename c1 c2"),
    fails("rename nosuch c3", NO_CONTAINER),
    step("ps -a --format '{{.Names}}'"),
    step("run -d --name r1 --network none alpine:3.20.3 sleep 100"),
    step("ps --format '{{.Names}} {{.State}}'"),
    step("exec r1 echo hello"),
    step("exec r1 sh -c 'echo out; exit 5'"),
    step("exec -e A=b -w /tmp -u 1000 r1 sh -c 'echo $A $PWD $(id -u)'"),
    step("exec r1 nosuchprogram"),
    fails("exec c2 true", &["is not running", "can only create exec sessions on running containers"]),
    fails("exec nosuch true", NO_CONTAINER),
    step("top r1 -o pid,args"),
    step("top r1 pid user args"),
    fails("top c2", &["is not running", "top can only be used on running containers"]),
    fails("top nosuch", NO_CONTAINER),
    step("stats --no-stream --format '{{.Name}}' r1"),
    step("stats --no-stream --no-trunc --format '{{.ID}}' r1"),
    step("stats --no-stream --format 'table {{.Name}}\t{{.PIDs}}' r1"),
    fails("stats --no-stream nosuch", NO_CONTAINER),
    fails("stats --no-stream --format '{{.Nope}}' r1", &["Nope"]),
    fails("pause c2", &["is not running", "is not running, can't pause"]),
    fails("pause nosuch", NO_CONTAINER),
    dockers("pause r1", &[]),
    dockers("pause r1", &["is already paused"]),
    dockers("ps --filter status=paused --format '{{.Names}}'", &[]),
    dockers("inspect --format '{{.State.Status}} {{.State.Paused}} {{.State.Running}}' r1", &[]),
    dockers(
        "exec r1 true",
        &["is paused, unpause the container before exec", "can only create exec sessions on running containers"],
    ),
    dockers("start r1", &["cannot start a paused container, try unpause instead"]),
    dockers("rm r1", &["You cannot remove a paused container"]),
    dockers("unpause r1", &[]),
    dockers("unpause r1", &["is not paused"]),
    fails("unpause nosuch", NO_CONTAINER),
    fails(
        "attach c2",
        &["You cannot attach to a stopped container, start it first", "you can only attach to running containers"],
    ),
    fails("attach nosuch", NO_CONTAINER),
    fails("logs --since nope r1", &["nope"]),
    fails("logs --tail nope r1", &["nope"]),
    step("logs --tail 0 r1"),
    fails("stop -t nope r1", &["nope"]),
    fails("restart -t nope r1", &["nope"]),
    dockers("update --restart nope r1", &["nope"]),
    step("exec r1 sh -c 'echo x >/made'"),
    step("diff r1"),
    fails("diff nosuch", NO_CONTAINER),
    step("commit r1 localhost/made:1"),
    step("commit nosuch"),
    step("images --format '{{.Repository}}:{{.Tag}}' localhost/made"),
    fails("history nosuch", NO_IMAGE),
    step("history -q alpine:3.20.3"),
    step("rmi -f localhost/made:1"),
    fails("export nosuch", NO_CONTAINER),
    fails("save -o /tmp/rr-test-nosuch.tar nosuch", &["nosuch"]),
    step("load -i /nosuch"),
    step("import /nosuch"),
    fails("push localhost:1/nosuch", &["localhost:1/nosuch"]),
    dockers(
        "events --since 10m --until 0s --filter container=r1 --filter event=start --format '{{.Type}} {{.Action}}'",
        &[],
    ),
    dockers(
        "events --since 10m --until 0s --filter container=r1 --filter event=start --format '{{.Actor.Attributes.name}} {{.Status}} {{.From}} {{.Scope}}'",
        &[],
    ),
    dockers("events --since 10m --until 0s --filter container=r1 --filter event=create", &[]),
    dockers("events --since nope --until 0s", &["nope"]),
    dockers("events --since 10m --until 0s --format '{{.Typ'", &["unclosed action"]),
    dockers("events --since 10m --until 0s --format '{{.Nope}}'", &["Nope"]),
    step(
        "create --name h1 --network none --health-cmd true --health-interval 70s --health-retries 2 alpine:3.20.3 sleep 100",
    ),
    step("inspect --format '{{json .Config.Healthcheck.Test}} {{.Config.Healthcheck.Retries}}' h1"),
    step("start h1"),
    step("inspect --format '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' h1"),
    step("ps --filter health=starting --format '{{.Names}}'"),
    fails("ps --filter health=nope --format '{{.Names}}'", &["nope"]),
    podmans("healthcheck run h1", &[]),
    podmans("healthcheck run nosuch", NO_CONTAINER),
    podmans("healthcheck run c2", &[]),
    step("rm -f h1"),
    podmans(
        "run -d --name k1 --network none --health-cmd 'exit 1' --health-retries 1 --health-interval 70s --health-on-failure kill alpine:3.20.3 sleep 100",
        &[],
    ),
    podmans("inspect --format '{{.Config.HealthcheckOnFailureAction}}' k1", &[]),
    podmans("healthcheck run k1", &[]),
    podmans("wait k1", &[]),
    podmans("inspect --format '{{.State.Status}} {{.State.ExitCode}}' k1", &[]),
    podmans("rm k1", &[]),
    podmans(
        "run -d --name k2 --network none --health-cmd 'exit 1' --health-retries 1 --health-interval 70s --health-on-failure stop --stop-timeout 1 alpine:3.20.3 sleep 100",
        &[],
    ),
    podmans("healthcheck run k2", &[]),
    podmans("wait k2", &[]),
    podmans("inspect --format '{{.State.Status}} {{.State.ExitCode}}' k2", &[]),
    podmans("rm k2", &[]),
    podmans(
        "run -d --name k3 --network none --health-cmd 'exit 1' --health-retries 1 --health-interval 70s --health-on-failure restart --stop-timeout 1 alpine:3.20.3 sleep 100",
        &[],
    ),
    podmans("healthcheck run k3", &[]),
    podmans("rm -f k3", &[]),
    podmans(
        "create --health-on-failure kill --name k4 alpine:3.20.3 true",
        &["cannot set on-failure action to kill without a health check"],
    ),
    podmans(
        "create --health-cmd true --health-on-failure pray alpine:3.20.3 true",
        &["invalid on-failure action \"pray\" for health check: supported actions are none,kill,restart,stop"],
    ),
    fails("create --health-cmd true --health-interval nope alpine:3.20.3 true", &["nope"]),
    fails("create --health-cmd true --health-retries -1 alpine:3.20.3 true", &["--health-retries"]),
    fails("create --stop-timeout nope alpine:3.20.3 true", &["nope"]),
    fails("create --restart nope alpine:3.20.3 true", &["nope"]),
    fails("create -p nope alpine:3.20.3 true", &["nope"]),
    fails("create -p 99999 alpine:3.20.3 true", &["99999"]),
    fails("create -p 80:nope alpine:3.20.3 true", &["nope"]),
    dockers("create -p 80 -p 53:53/udp --name p9 --network none alpine:3.20.3 true", &[]),
    dockers("inspect --format '{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}}' p9", &[]),
    dockers("port p9", &[]),
    dockers("port p9 80/nope", &["No public port '80/nope' published for p9"]),
    dockers("rm p9", &[]),
    podmans("container exists c2", &[]),
    podmans("container exists nosuch", &[]),
    podmans("image exists alpine:3.20.3", &[]),
    podmans("image exists nosuch", &[]),
    fails("inspect --format '{{.x' r1", &["template parsing error"]),
    fails("container prune -f --filter until=nope", &["nope"]),
    fails("image prune -f --filter until=nope", &["nope"]),
    step("system df"),
    dockers("system df --format '{{.Type}} {{.TotalCount}}'", &[]),
    fails("system df --format '{{.Nope}}'", &["Nope"]),
    step("run --rm --restart always --network none alpine:3.20.3 true"),
    step("run -d --rm --name r9 --network none alpine:3.20.3 true"),
    step("exec r1"),
    step("start r1"),
    fails("rm r1", &["You cannot remove a running container", "cannot remove container"]),
    fails("rename r1 c2", &["already in use"]),
    step("inspect --format '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}' r1"),
    fails("kill c2", &["Cannot kill container: c2: Container", "is not running", "can only kill running containers"]),
    fails("kill nosuch", NO_CONTAINER),
    fails("kill -s NOPE r1", &["nvalid signal: NOPE"]),
    step("kill -s CONT r1"),
    step("stop -t 1 r1"),
    step("stop r1"),
    fails("stop nosuch", NO_CONTAINER),
    step("restart -t 0 r1"),
    fails("restart nosuch", NO_CONTAINER),
    step("kill r1"),
    step("wait r1"),
    step("ps -a --filter name=r1 --format '{{.Names}} {{.Status}}'"),
    fails("rm nosuch", NO_CONTAINER),
    fails("rm -f nosuch", NO_CONTAINER),
    step("rm @r1"),
    step("create --name c4 --network none alpine:3.20.3 true"),
    fails("rm c4 nosuch", NO_CONTAINER),
    step("rm"),
    step("start"),
    step("stop"),
    step("restart"),
    step("kill"),
    step("wait"),
    step("pause"),
    step("unpause"),
    step("rename r1"),
    step("exec"),
    step("attach"),
    step("top"),
    step("logs"),
    step("cp x"),
    step("diff"),
    step("commit"),
    step("export"),
    step("update"),
    step("inspect"),
    step("port"),
    step("create"),
    step("run"),
    step("pull"),
    step("push"),
    step("tag x"),
    step("rmi"),
    step("history"),
    step("save"),
    step("import"),
    step("volume rm"),
    step("volume inspect"),
    step("container"),
    step("run --rm --network none alpine:3.20.3 echo hello"),
    step("run --rm --network none alpine:3.20.3 sh -c 'echo out; echo err >&2; exit 7'"),
    step("run --rm --network none alpine:3.20.3 nosuchprogram"),
    step("run --rm --network none alpine:3.20.3 /etc"),
    step("run --name a/b --network none alpine:3.20.3 true"),
    fails("run --nope alpine:3.20.3", &["unknown flag: --nope"]),
    step("run --rm --network none -i alpine:3.20.3 cat"),
    step("run --name l1 --network none alpine:3.20.3 sh -c 'echo one; echo two'"),
    step("logs l1"),
    step("logs --tail 1 l1"),
    step("rm -f c4"),
    step("rm -f l1"),
    step("rm -f c2"),
    step("volume create v1"),
    step("volume create v1"),
    step("volume create --label a=b v2"),
    fails("volume create a/b", &["includes invalid characters for a local volume name", "names must match"]),
    fails("volume create -d nosuch v3", &["nosuch"]),
    step("volume ls"),
    step("volume ls -q"),
    step("volume ls --format '{{.Name}} {{.Driver}}'"),
    fails("volume ls --format '{{.Nope}}'", &["Nope"]),
    fails("volume ls --format '{{.Name'", &[]),
    fails("volume ls --filter nope=1", &["nope"]),
    fails("volume prune -f --filter nope=1", &["nope"]),
    step("volume ls --filter driver=local -q"),
    step("volume inspect --format '{{json .Labels}} {{json .Options}} {{.Scope}}' v1"),
    step("volume inspect --format '{{json .Labels}}' v2"),
    podmans("volume exists v1", &[]),
    podmans("volume exists nosuch", &[]),
    fails(
        "volume rm nosuch nosuch2",
        &["No such volume: nosuch", "no volume with name \"nosuch\" found: no such volume"],
    ),
    step("volume ls -q --filter label=a=b"),
    step("volume ls -q --filter name=v1"),
    step("volume inspect --format '{{.Name}} {{.Driver}} {{.Scope}}' v1"),
    fails("volume inspect nosuch", &["No such volume: nosuch", "no such volume nosuch"]),
    step("create --name v4 -v v1:/x --network none alpine:3.20.3 true"),
    step("volume ls -q --filter dangling=true"),
    fails("volume rm v1", &["volume is in use - [", "is being used by the following container(s)"]),
    fails("cp v4:/nosuch /tmp", &["Could not find the file /nosuch in container", "could not be found on container"]),
    fails("cp nosuch:/etc /tmp", NO_CONTAINER),
    step("rm v4"),
    step("volume rm v1"),
    fails("volume rm v1", &["No such volume: v1", "no volume with name \"v1\" found: no such volume"]),
    step("volume rm v2"),
    step("ps -a"),
    step("create --name p1 --network none alpine:3.20.3 true"),
    step("container prune -f --filter label=nosuch"),
    step("ps -aq"),
    step("container prune -f"),
    step("ps -aq"),
    step("volume prune -f"),
    step("image prune -f"),
    fails("container prune -f --filter nope=1", &["nope"]),
    step("images"),
    step("images -q"),
    step("images -q --no-trunc"),
    step("images --digests --format '{{.Repository}} {{.Tag}}'"),
    fails("images --format '{{.Nope}}'", &["Nope"]),
    fails("images --format '{{.ID'", &[]),
    step("images nosuch"),
    step("images alpine --format '{{.Repository}}:{{.Tag}}'"),
    step("images --filter reference=al* --format '{{.Tag}}'"),
    step("images --filter dangling=true -q"),
    step("images --filter nope=1"),
    step("image inspect --format '{{.Id}} {{.Os}} {{.Architecture}}' alpine:3.20.3"),
    step("image inspect --format '{{.RepoTags}}' alpine:3.20.3"),
    step("tag alpine:3.20.3 localhost/foo:1"),
    fails("tag nosuch foo:1", NO_IMAGE),
    step("tag alpine:3.20.3 UPPER"),
    step("images --format '{{.Repository}}:{{.Tag}}' --filter reference=localhost/foo"),
    step("rmi localhost/foo:1"),
    fails("rmi nosuch", NO_IMAGE),
    fails("rmi nosuch nosuch2", NO_IMAGE),
    fails("pull localhost:1/nosuch", &["connection refused"]),
    step("frobnicate"),
    step("container frobnicate"),
    step("container ls -a"),
    step("image ls -q"),
    step("network ls --filter driver=nosuch"),
    step("network create n1"),
    fails(
        "network create n1",
        &["network with name n1 already exists", "network name n1 already used: network already exists"],
    ),
    step("network create --label a=b --subnet 10.123.45.0/24 --gateway 10.123.45.9 --internal n2"),
    fails("network create --subnet 10.123.45.128/25 n3", &["Pool overlaps", "is already used"]),
    fails("network create -d nosuch n3", &["nosuch"]),
    fails("network create --subnet nosuch n3", &["invalid CIDR address: nosuch"]),
    step("network ls --filter name=n1 --format 'table {{.Name}}	{{.Driver}}'"),
    step("network ls --filter label=a=b --format '{{.Name}}'"),
    step("network ls -q --filter name=n1"),
    step("network ls -q --no-trunc --filter name=n1"),
    step("network ls --filter name=n1 --format '{{.Name}}'"),
    fails("network ls --filter nope=1", &["nvalid filter 'nope'"]),
    fails("network ls --format '{{.Nope}}'", &["Nope"]),
    fails("network ls --format '{{.Name'", &[]),
    step("network ls --filter name=n1 --format '{{.Name}} {{.Driver}}'"),
    dockers("network ls --filter name=n1 --format '{{.Scope}} {{.IPv6}} {{.Internal}} {{.Labels}}'", &[]),
    dockers(
        "network inspect --format '{{.Scope}} {{.EnableIPv6}} {{.Attachable}} {{.Ingress}} {{json .Options}} {{.IPAM.Driver}}' n1",
        &[],
    ),
    dockers("network inspect --format '{{len .Containers}} {{.ConfigOnly}}' n1", &[]),
    podmans("network inspect --format '{{.Name}} {{.Driver}} {{.IPv6Enabled}} {{.Internal}}' n1", &[]),
    podmans("network exists n1", &[]),
    podmans("network exists nosuch", &[]),
    step("network inspect --format '{{.Name}} {{.Driver}} {{.Internal}} {{json .Labels}}' n2"),
    step("network inspect --format '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}' n2"),
    step("network inspect --format '{{range .Subnets}}{{.Subnet}} {{.Gateway}}{{end}}' n2"),
    fails("network inspect nosuch", &["No such network: nosuch", "network not found"]),
    step("create --name c5 --network n1 --network-alias db alpine:3.20.3 true"),
    fails("create --name c6 --network nosuch alpine:3.20.3 true", &["network nosuch not found", "network not found"]),
    fails("create --name c7 --network none --network-alias db alpine:3.20.3 true", &["alias"]),
    step("ps -a --filter network=n1 --format '{{.Names}} {{.Networks}}'"),
    step("inspect --format '{{.HostConfig.NetworkMode}}' c5"),
    fails("network rm n1", &["has active endpoints", "has associated containers with it"]),
    step("rm c5"),
    step("rm -f c6"),
    step("network prune -f --filter label=nosuch"),
    step("network prune -f --filter label=a=b"),
    step("network rm n1"),
    fails("network rm n1", &["No such network: n1", "unable to find network with name or ID n1: network not found"]),
    step("network rm -f n1"),
    fails("network rm host", &["host is a pre-defined network and cannot be removed"]),
    fails("network create host", &["operation is not permitted on predefined host network"]),
    step("network prune -f"),
    step("rmi alpine:3.20.3"),
    step("images"),
];

/// Who is compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Docker,
    Podman,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Peer::Docker => "docker",
            Peer::Podman => "podman",
        }
    }
}

#[test]
fn rr_as_docker_does_what_docker_does() {
    let daemon = requires!(Daemon::of_the_test());
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    requires!(daemon.load(&rr, requires!(images::alpine())));
    rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    let theirs = run_all(Peer::Docker, &|words| daemon.command(&rr, words));
    let ours = run_all(Peer::Docker, &|words| rr.command_as("docker", words));
    compare(Peer::Docker, &ours, &theirs);
    rr.nothing_is_left();
}

#[test]
fn rr_as_podman_does_what_podman_does() {
    let registry = requires!(Registry::shared());
    let peer = Rr::new().with_mirror(registry);
    let podman = requires!(Podman::of(&peer));
    requires!(podman.load());
    let rr = Rr::new().with_mirror(registry);
    rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly();
    let theirs = run_all(Peer::Podman, &|words| podman.command(words));
    let ours = run_all(Peer::Podman, &|words| rr.command_as("podman", words));
    compare(Peer::Podman, &ours, &theirs);
    rr.nothing_is_left();
}

/// What a step did, as far as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    status: Option<i32>,
    stdout: String,
    said: BTreeSet<&'static str>,
}

fn run_all(peer: Peer, command: &dyn Fn(Vec<String>) -> RrCommand) -> Vec<(Shape, Outcome)> {
    let mut ids = BTreeMap::new();
    let run = |step: &Step| {
        let words = split(step.line, &ids);
        let name = words.iter().position(|word| word == "--name").map(|at| words[at + 1].clone());
        let outcome = command(words).output();
        if let Some(name) = name {
            ids.insert(name, outcome.line().to_owned());
        }
        let said = step.words.iter().copied().filter(|words| outcome.stderr.contains(words)).collect();
        (Shape { status: outcome.status.code(), stdout: shape(&outcome.stdout), said }, outcome)
    };
    let mut run = run;
    steps_for(peer).map(&mut run).collect()
}

fn steps_for(peer: Peer) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| step.only.is_none_or(|only| only == peer))
}

/// Words, with single quotes understood.
fn split(line: &str, ids: &BTreeMap<String, String>) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_ascii_whitespace().map(|word| match word.strip_prefix('@') {
                Some(name) => ids.get(name).cloned().unwrap_or_default(),
                None => word.to_owned(),
            }));
        }
    }
    words
}

/// Text without what is another one each time: ids, digests, ages, sizes, times and the widths of columns.
fn shape(text: &str) -> String {
    let rules = [
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\b[0-9a-f]{64}\b", "ID64"),
        (r"\b[0-9a-f]{12}\b", "ID12"),
        (r"(Less than a second|About an? (minute|hour)|[0-9]+ (second|minute|hour|day|week|month|year)s?)", "TIME"),
        (r"[0-9.]+ ?[kMG]?B\b", "SIZE"),
        (r"\n[0-9]+ +sleep", "\nPID  sleep"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+( [+-][0-9]{4} UTC|Z)?", "DATE"),
        (r"  +", "  "),
        (r" +\n", "\n"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, name)| {
        regex_lite::Regex::new(pattern).expect("a rule of this test").replace_all(&text, *name).into_owned()
    })
}

/// Fails where a step differs and is not listed, or is listed and does not differ.
fn compare(peer: Peer, ours: &[(Shape, Outcome)], theirs: &[(Shape, Outcome)]) {
    let listed = listed(peer);
    let mut differing = BTreeSet::new();
    let mut complaints = Vec::new();
    for ((step, (our_shape, our_outcome)), (their_shape, their_outcome)) in steps_for(peer).zip(ours).zip(theirs) {
        if our_shape == their_shape {
            continue;
        }
        let line = step.line.replace('\t', "\\t");
        if !listed.contains(&line) {
            complaints.push(format!(
                "`{line}` differs from {}:\n  ours: {our_shape:?}\n  theirs: {their_shape:?}{our_outcome}{their_outcome}",
                peer.name()
            ));
        }
        differing.insert(line);
    }
    for line in &listed {
        let exists = steps_for(peer).any(|step| step.line.replace('\t', "\\t") == *line);
        match (exists, differing.contains(line)) {
            (false, _) => complaints.push(format!("`{line}` is listed, and no step of the test")),
            (true, false) => {
                complaints.push(format!("`{line}` is listed as differing from {}, and does not", peer.name()))
            }
            (true, true) => {}
        }
    }
    assert!(
        complaints.is_empty(),
        "{} complaints; docs/reference/differences.md\n{}",
        complaints.len(),
        complaints.join("\n\n")
    );
}

/// The command lines that differences.md lists for a peer: rows of "| `line` | docker, podman | why |".
fn listed(peer: Peer) -> BTreeSet<String> {
    let source = std::env::var_os("RR_TEST_SOURCE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let path = source.join("docs/reference/differences.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().filter_map(|line| {
        let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (peers, why) = rest.split_once(" | ")?;
        assert!(why.trim_end_matches('|').trim().len() > 10, "{code}: a difference has a reason");
        peers.split(", ").any(|name| name == peer.name()).then(|| code.replace("\\|", "|"))
    });
    rows.collect()
}

/// The Docker daemon that `contrib/test` has started, through the client that belongs to it.
struct Daemon {
    host: String,
    client: PathBuf,
}

impl Daemon {
    fn of_the_test() -> Result<Daemon, String> {
        let host = std::env::var("RR_TEST_DOCKER").map_err(|_| "no Docker daemon: contrib/test starts one as root")?;
        // A newer client of another origin may come first in PATH.
        let client = PathBuf::from("/usr/bin/docker");
        if client.exists() { Ok(Daemon { host, client }) } else { Err("docker.io is not installed".into()) }
    }

    fn command(&self, rr: &Rr, words: Vec<String>) -> RrCommand {
        rr.any_command(&self.client, words).env("DOCKER_HOST", &self.host)
    }

    /// Empties the daemon's store but for alpine:3.20.3.
    fn load(&self, rr: &Rr, archive: &Path) -> Result<(), String> {
        let docker = |words: &[&str]| self.command(rr, words.iter().map(|word| (*word).to_owned()).collect()).output();
        let containers = docker(&["ps", "-aq"]).succeeds().stdout;
        if !containers.is_empty() {
            docker(&["rm", "-f"].into_iter().chain(containers.lines()).collect::<Vec<_>>()).succeeds();
        }
        let file = rr.path("docker.tar");
        convert(rr, archive, &format!("docker-archive:{}:alpine:3.20.3", file.display()))?;
        docker(&["load", "-q", "-i", &file.display().to_string()]).succeeds();
        Ok(())
    }
}

fn convert(rr: &Rr, archive: &Path, target: &str) -> Result<(), String> {
    let source = format!("oci-archive:{}", archive.display());
    let outcome = rr.any_command("skopeo", ["--insecure-policy", "copy", "-q", &source, target]).output();
    if outcome.status.success() { Ok(()) } else { Err(format!("skopeo: {outcome}")) }
}

/// Podman with a store in a private home.
struct Podman<'a> {
    home: &'a Rr,
}

impl Podman<'_> {
    /// Whether it works here at all is asked of a container.
    fn of(home: &Rr) -> Result<Podman<'_>, String> {
        let podman = Podman { home };
        if !crate::support::command_exists("podman") {
            return Err("podman is not installed".into());
        }
        Ok(podman)
    }

    fn load(&self) -> Result<(), String> {
        let run = |words: &[&str]| self.command(words.iter().map(|word| (*word).to_owned()).collect()).output();
        run(&["pull", "-q", "alpine:3.20.3"]).succeeds();
        let tried = run(&["run", "--rm", "--network", "none", "alpine:3.20.3", "true"]);
        if tried.status.success() { Ok(()) } else { Err(format!("podman runs no container here: {tried}")) }
    }

    fn command(&self, words: Vec<String>) -> RrCommand {
        let path = |name: &str| self.home.path(name).display().to_string();
        let (root, run_root) = (path("pod"), path("podrun"));
        let before = ["--root", &root, "--runroot", &run_root, "--cgroup-manager=cgroupfs", "--events-backend=file"];
        let words = before.into_iter().map(str::to_owned).chain(["--log-level=error".to_owned()]).chain(words);
        self.home.any_command("podman", words)
    }
}
