//! `info`: what scripts ask `docker` and `podman` about, under the names that each of them has.

use crate::support::{Rr, requires};

#[test]
fn dockers_fields_are_there_by_template_json_and_line() {
    let rr = requires!(Rr::with_alpine());
    rr.run([&["create", "--network", "none"][..], &Rr::ALPINE, &["true"]].concat()).succeeds();
    let ask = |program: &str, format: &str| {
        rr.command_as(program, ["info", "--format", format]).output().succeeds_quietly().line().to_owned()
    };
    assert_eq!(ask("docker", "{{.Containers}} {{.ContainersStopped}} {{.ContainersRunning}}"), "1 1 0");
    assert_eq!(
        ask("docker", "{{.Driver}} {{.OSType}} {{.Swarm.LocalNodeState}} {{.CgroupDriver}}"),
        "overlay linux inactive none"
    );
    assert_eq!(ask("docker", "{{.DockerRootDir}}"), rr.store().display().to_string());
    assert_eq!(ask("docker", "{{range .SecurityOptions}}{{.}};{{end}}"), "name=seccomp,profile=builtin;name=rootless;");
    let object: serde_json::Value = serde_json::from_str(&ask("docker", "{{json .}}")).expect("JSON");
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(object["MemTotal"], total * 1024);
    assert!(object["ServerVersion"].is_string() && object["NCPU"].is_u64() && object["Runtimes"]["rr"].is_object());
    let text = rr.command_as("docker", ["info"]).output().succeeds_quietly().stdout;
    for line in [
        "Client:",
        "Server:",
        " Containers: 1",
        "  Stopped: 1",
        " Storage Driver: overlay",
        "  rootless",
        " Swarm: inactive",
    ] {
        assert!(text.lines().any(|other| other == line), "{line:?} is not in:\n{text}");
    }
    rr.run(["info", "--format", "{{.Nope}}"]).fails_with(1, "Nope");
    rr.run(["info"]).succeeds().prints("Version: ");
}

#[test]
fn podmans_fields_are_there_by_template_json_and_yaml() {
    let rr = requires!(Rr::with_alpine());
    rr.write_registries_conf("unqualified-search-registries = [\"one.test\", \"two.test\"]\n");
    let ask = |format: &str| {
        rr.command_as("podman", ["info", "--format", format]).output().succeeds_quietly().line().to_owned()
    };
    // By the names of Go's types in templates, by those of JSON there.
    assert_eq!(ask("{{.Host.Security.Rootless}} {{.Host.OS}} {{.Store.GraphDriverName}}"), "true linux overlay");
    assert_eq!(ask("{{.Store.GraphRoot}}"), rr.store().display().to_string());
    assert_eq!(ask("{{.Store.ContainerStore.Number}} {{.Host.NetworkBackend}}"), "0 rr");
    assert_eq!(ask("{{.Version.Version}}"), env!("CARGO_PKG_VERSION"));
    assert_eq!(ask("{{index .Registries \"search\"}}"), "[one.test two.test]");
    for format in ["json", "{{json .}}"] {
        let object: serde_json::Value = serde_json::from_str(&ask(format)).expect("JSON");
        assert_eq!(object["host"]["security"]["rootless"], true);
        assert_eq!(object["host"]["idMappings"]["uidmap"][0]["host_id"], rustix::process::getuid().as_raw());
        assert_eq!(object["store"]["graphRoot"], rr.store().display().to_string());
        assert_eq!(object["registries"]["search"][1], "two.test");
    }
    let text = rr.command_as("podman", ["info"]).output().succeeds_quietly().stdout;
    for line in [
        "host:",
        "  os: linux",
        "    uidmap:",
        "store:",
        "  graphDriverName: overlay",
        "  - one.test",
        "    rootless: true",
    ] {
        assert!(text.lines().any(|other| other == line), "{line:?} is not in:\n{text}");
    }
}
