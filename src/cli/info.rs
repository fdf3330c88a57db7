//! `rr info`

use super::format::human;
use super::verbs::Verb;
use super::{format, output};
use crate::container::record::{self, Status};
use crate::error::{Doing, Result};
use crate::host::dirs::Dirs;
use crate::image;
use crate::store::Store;
use serde_json::{Value, json};

/// Show what rr has stored and what it finds on this machine
#[derive(Debug, clap::Parser)]
pub struct Info {
    /// `json`, or a Go template such as `{{.Driver}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Info {
    fn run(self) -> Result<i32> {
        let object = object()?;
        match self.format.as_deref() {
            None | Some("") => output::text(&for_people(&object)),
            format => output::text(&format::objects(&[object], format)?),
        }
        .map(|()| 0)
    }
}

/// Docker's names where Docker has the thing.
fn object() -> Result<Value> {
    let dirs = Dirs::from_environment()?;
    let store = Store::open(&dirs)?;
    let containers = record::list(&store)?;
    let count = |status: Status| containers.iter().filter(|container| container.state.status == status).count();
    let uname = rustix::system::uname();
    let release = read("/etc/os-release")?;
    let memory = read("/proc/meminfo")?;
    let processors = std::thread::available_parallelism().doing(|| "cannot count the processors")?.get();
    Ok(json!({
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Name": uname.nodename().to_string_lossy(),
        "Containers": containers.len(),
        "ContainersRunning": count(Status::Running),
        "ContainersPaused": count(Status::Paused),
        "ContainersStopped": containers.len() - count(Status::Running) - count(Status::Paused),
        "Images": image::list(&store)?.images.len(),
        "Driver": "overlay",
        "DockerRootDir": store.root().display().to_string(),
        "RuntimeDir": dirs.runtime.display().to_string(),
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        "CgroupVersion": cgroup_version(),
        "OSType": "linux",
        "OperatingSystem": os_name(&release),
        "Architecture": uname.machine().to_string_lossy(),
        "KernelVersion": uname.release().to_string_lossy(),
        "NCPU": processors,
        "MemTotal": total_memory(&memory),
        "DefaultRuntime": "rr",
        "Rootless": rustix::process::geteuid().as_raw() != 0,
    }))
}

/// A file of the system; empty where there is none.
fn read(path: &str) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        result => result.doing(|| format!("cannot read {path}")),
    }
}

/// cgroup.controllers is in the root of the unified hierarchy only (cgroups(7)).
fn cgroup_version() -> &'static str {
    if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "2" } else { "1" }
}

/// PRETTY_NAME of os-release(5).
fn os_name(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".into(), |name| name.trim_matches(['"', '\'']).to_owned())
}

/// MemTotal of /proc/meminfo (proc_meminfo(5)) in bytes; 0 where it is not said.
fn total_memory(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn for_people(object: &Value) -> String {
    let text = |name: &str| match &object[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let memory = human::size(object["MemTotal"].as_u64().unwrap_or(0));
    [
        ("Version", text("ServerVersion")),
        ("Containers", text("Containers")),
        ("  Running", text("ContainersRunning")),
        ("  Stopped", text("ContainersStopped")),
        ("Images", text("Images")),
        ("Storage driver", text("Driver")),
        ("Root directory", text("DockerRootDir")),
        ("Runtime directory", text("RuntimeDir")),
        ("Rootless", text("Rootless")),
        ("Cgroup version", text("CgroupVersion")),
        ("Kernel version", text("KernelVersion")),
        ("Operating system", text("OperatingSystem")),
        ("Architecture", text("Architecture")),
        ("CPUs", text("NCPU")),
        ("Total memory", memory),
        ("Name", text("Name")),
    ]
    .iter()
    .map(|(name, value)| format!("{name}: {value}\n"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_files_are_read() {
        assert_eq!(os_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n"), "Debian GNU/Linux 13");
        assert_eq!(os_name(""), "Linux");
        assert_eq!(total_memory("MemFree: 1 kB\nMemTotal:       16384 kB\n"), 16 << 20);
        assert_eq!(total_memory("MemTotal: lots\n"), 0);
    }
}
