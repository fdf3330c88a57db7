//! `rr info`

mod podman;

use super::format::human;
use super::personality::{self, Personality};
use super::verbs::Verb;
use super::{format, output};
use crate::confine::cgroup::{self, Offer};
use crate::confine::limits::Controller;
use crate::container::record::{self, Container, Status};
use crate::error::{Doing, Result};
use crate::host::dirs::Dirs;
use crate::host::ids::IdMaps;
use crate::image;
use crate::image::registries::Registries;
use crate::launch::StoreNamespace;
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
        let facts = Facts::find()?;
        let format = self.format.as_deref().filter(|format| !format.is_empty());
        if personality::is_podman() {
            let is_json = |format: &str| matches!(format.trim(), "json" | "{{json .}}" | "{{ json . }}");
            return match format {
                None => output::text(&podman::yaml(&podman::for_json(&facts)?)),
                Some(format) if is_json(format) => output::line(&format!("{:#}", podman::for_json(&facts)?)),
                format => output::text(&format::objects(&[podman::for_templates(&facts)?], format)?),
            }
            .map(|()| 0);
        }
        let object = object(&facts)?;
        match format {
            None if personality::current() == Personality::Docker => output::text(&as_docker(&object)),
            None => output::text(&for_people(&object)),
            format => output::text(&format::objects(&[object], format)?),
        }
        .map(|()| 0)
    }
}

/// What is told.
struct Facts {
    dirs: Dirs,
    store: Store,
    containers: Vec<Container>,
    images: usize,
    hostname: String,
    kernel: String,
    machine: String,
    /// os-release(5)
    release: String,
    /// proc_meminfo(5)
    memory: String,
    processors: usize,
    rootless: bool,
    /// Limits that can be kept, if any.
    offer: Option<Offer>,
    /// Of the store, and of containers that ask for nothing else.
    ids: IdMaps,
}

impl Facts {
    fn find() -> Result<Facts> {
        let dirs = Dirs::from_environment()?;
        let store = Store::open(&dirs)?;
        let uname = rustix::system::uname();
        Ok(Facts {
            containers: record::list(&store)?,
            images: image::list(&store)?.images.len(),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            release: read("/etc/os-release")?,
            memory: read("/proc/meminfo")?,
            processors: std::thread::available_parallelism().doing(|| "cannot count the processors")?.get(),
            rootless: rustix::process::geteuid().as_raw() != 0,
            offer: cgroup::offer().ok(),
            ids: StoreNamespace::here()?.maps().clone(),
            dirs,
            store,
        })
    }

    /// Whether a limit of this kind can be kept.
    fn keeps(&self, controller: Controller) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.controllers.contains(&controller))
    }

    fn controllers(&self) -> Vec<&'static str> {
        Controller::ALL.into_iter().filter(|one| self.keeps(*one)).map(Controller::name).collect()
    }

    fn count(&self, status: Status) -> usize {
        self.containers.iter().filter(|container| container.state.status == status).count()
    }

    fn stopped(&self) -> usize {
        self.containers.len() - self.count(Status::Running) - self.count(Status::Paused)
    }

    /// A field of os-release(5); empty where there is none.
    fn release(&self, name: &str) -> String {
        release_field(&self.release, name).unwrap_or_default()
    }

    /// A line of proc_meminfo(5) in bytes; 0 where it is not said.
    fn memory(&self, name: &str) -> u64 {
        memory_field(&self.memory, name)
    }

    /// `1h 2m 3s`
    fn uptime(&self) -> String {
        let seconds = read("/proc/uptime").ok().and_then(|text| text.split('.').next()?.parse::<u64>().ok());
        let seconds = seconds.unwrap_or(0);
        format!("{}h {}m {}.00s", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// What the store lies on, by the names of Docker's and Podman's storage.
    fn file_system(&self) -> Result<&'static str> {
        let root = self.store.root();
        let found = rustix::fs::statfs(root).doing(|| format!("cannot look at {}", root.display()))?;
        // The numbers of statfs(2).
        Ok(match found.f_type as u64 {
            0xef53 => "extfs",
            0x5846_5342 => "xfs",
            0x9123_683e => "btrfs",
            0x0102_1994 => "tmpfs",
            0x794c_7630 => "overlayfs",
            0x2fc1_2fc1 => "zfs",
            0x6969 => "nfs",
            0xf2f5_2010 => "f2fs",
            _ => "<unknown>",
        })
    }

    /// Registries that a short name is looked for in.
    fn search(&self) -> Result<Vec<String>> {
        Ok(Registries::load(&self.dirs)?.search().to_vec())
    }
}

/// Docker's names where Docker has the thing, and what its clients read where rr has none.
fn object(facts: &Facts) -> Result<Value> {
    let labels: [&str; 0] = [];
    let mut object = json!({
        "ID": "",
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Name": facts.hostname,
        "Containers": facts.containers.len(),
        "ContainersRunning": facts.count(Status::Running),
        "ContainersPaused": facts.count(Status::Paused),
        "ContainersStopped": facts.stopped(),
        "Images": facts.images,
        "Driver": "overlay",
        "DriverStatus": [["Backing Filesystem", facts.file_system()?]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file", "k8s-file", "local", "none"],
        },
        "DockerRootDir": facts.store.root().display().to_string(),
        "RuntimeDir": facts.dirs.runtime.display().to_string(),
        "LoggingDriver": "json-file",
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        "IndexServerAddress": "https://index.docker.io/v1/",
        "Labels": labels,
        "ExperimentalBuild": false,
        "LiveRestoreEnabled": true,
        "Debug": false,
        "DefaultRuntime": "rr",
        "Runtimes": { "rr": { "path": "rr" } },
        "Swarm": { "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "" },
        "InitBinary": "rr",
        "Warnings": null,
        "Rootless": facts.rootless,
        "ClientInfo": { "Debug": false, "Context": "default", "Plugins": [], "Warnings": null },
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, machine(facts)) {
        fields.extend(more);
    }
    Ok(object)
}

/// The part of the answer that is about the machine.
fn machine(facts: &Facts) -> Value {
    json!({
        "SystemTime": jiff::Timestamp::now().to_string(),
        "CgroupDriver": facts.offer.as_ref().map_or("none", |offer| offer.driver),
        "CgroupVersion": cgroup_version(),
        "MemoryLimit": facts.keeps(Controller::Memory),
        "SwapLimit": facts.keeps(Controller::Memory),
        "CpuCfsPeriod": facts.keeps(Controller::Cpu),
        "CpuCfsQuota": facts.keeps(Controller::Cpu),
        "CPUShares": facts.keeps(Controller::Cpu),
        "CPUSet": facts.keeps(Controller::Cpuset),
        "PidsLimit": facts.keeps(Controller::Pids),
        "OSType": "linux",
        "OperatingSystem": os_name(&facts.release),
        "OSVersion": facts.release("VERSION_ID"),
        "Architecture": facts.machine,
        "KernelVersion": facts.kernel,
        "NCPU": facts.processors,
        "MemTotal": facts.memory("MemTotal:"),
        "HttpProxy": variable("HTTP_PROXY"),
        "HttpsProxy": variable("HTTPS_PROXY"),
        "NoProxy": variable("NO_PROXY"),
    })
}

/// A variable of the environment, in upper case or in lower case.
fn variable(name: &str) -> String {
    std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).unwrap_or_default()
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
    release_field(release, "PRETTY_NAME").unwrap_or_else(|| "Linux".into())
}

fn release_field(release: &str, name: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

fn memory_field(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn text(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn for_people(object: &Value) -> String {
    let text = |name| text(object, name);
    let memory = human::size(object["MemTotal"].as_u64().unwrap_or(0));
    [
        ("Version", text("ServerVersion")),
        ("Containers", text("Containers")),
        ("  Running", text("ContainersRunning")),
        ("  Paused", text("ContainersPaused")),
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

/// The lines of Docker's that scripts look for, in its order.
fn as_docker(object: &Value) -> String {
    let text = |name| text(object, name);
    let memory = human::binary_size(object["MemTotal"].as_u64().unwrap_or(0));
    let lines = [
        ("Containers", text("Containers")),
        (" Running", text("ContainersRunning")),
        (" Paused", text("ContainersPaused")),
        (" Stopped", text("ContainersStopped")),
        ("Images", text("Images")),
        ("Server Version", text("ServerVersion")),
        ("Storage Driver", text("Driver")),
        (" Backing Filesystem", object["DriverStatus"][0][1].as_str().unwrap_or_default().to_owned()),
        ("Logging Driver", text("LoggingDriver")),
        ("Cgroup Driver", text("CgroupDriver")),
        ("Cgroup Version", text("CgroupVersion")),
        ("Swarm", "inactive".into()),
        ("Runtimes", "rr".into()),
        ("Default Runtime", text("DefaultRuntime")),
        ("Init Binary", text("InitBinary")),
        ("Security Options", String::new()),
        (" seccomp", String::new()),
        ("  Profile", "builtin".into()),
        (" rootless", String::new()),
        ("Kernel Version", text("KernelVersion")),
        ("Operating System", text("OperatingSystem")),
        ("OSType", text("OSType")),
        ("Architecture", text("Architecture")),
        ("CPUs", text("NCPU")),
        ("Total Memory", memory),
        ("Name", text("Name")),
        ("Docker Root Dir", text("DockerRootDir")),
        ("Debug Mode", "false".into()),
        ("Live Restore Enabled", "true".into()),
    ];
    let line = |(name, value): &(&str, String)| match *name {
        // An option, not a field with a value.
        " seccomp" | " rootless" => format!(" {name}\n"),
        _ if value.is_empty() => format!(" {name}:\n"),
        _ => format!(" {name}: {value}\n"),
    };
    let version = text("ServerVersion");
    format!(
        "Client:\n Version:    {version}\n Context:    default\n Debug Mode: false\n\nServer:\n{}",
        lines.iter().map(line).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_files_are_read() {
        assert_eq!(os_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n"), "Debian GNU/Linux 13");
        assert_eq!(os_name(""), "Linux");
        assert_eq!(memory_field("MemFree: 1 kB\nMemTotal:       16384 kB\n", "MemTotal:"), 16 << 20);
        assert_eq!(memory_field("MemTotal: lots\n", "MemTotal:"), 0);
    }
}
