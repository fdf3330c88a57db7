//! A container as Docker's `GET /containers/{id}/json` has it.

use crate::cli::personality;
use crate::cli::ps::shows_ports;
use crate::container::exec;
use crate::container::health;
use crate::container::plan::{
    Device, HealthPlan, Ipc, Isolation, Membership, Mount, MountKind, NetworkMode, NetworkPlan, OnFailure, Processes,
    Propagation, RestartPolicy, RootSource, RunPlan, Sharing,
};
use crate::container::record::{Container, Status};
use crate::container::values::short_id;
use crate::container::{usage, values};
use crate::error::Result;
use crate::image::config::ContainerConfig;
use crate::image::digest::Digest;
use crate::image::reference::Reference;
use crate::net::{Endpoint, Place};
use crate::store::Store;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Go's zero time, which Docker prints for what has not happened.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The whole object. `measure` adds what the container has written.
pub fn object(store: &Store, container: &Container, measure: bool) -> Result<Value> {
    let plan = &container.plan;
    let file = |name: &str| container.dir.join(name).display().to_string();
    // Those of a container that is thrown away at its end may be in its memory only.
    let is_there = |name: &str| !plan.remove || container.dir.join(name).exists();
    let name_file = |name: &str| if is_there(name) { file(name) } else { String::new() };
    let mut object = json!({
        "Id": plan.id,
        "Created": plan.created.to_string(),
        "Path": plan.process.args.first(),
        "Args": plan.process.args.get(1..).unwrap_or_default(),
        "State": state(container),
        "Image": plan.image.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
        "ResolvConfPath": name_file("resolv.conf"),
        "HostnamePath": name_file("hostname"),
        "HostsPath": name_file("hosts"),
        "LogPath": plan.log.as_ref().map_or_else(String::new, |_| file(crate::launch::logfile::NAME)),
        "Name": format!("/{}", plan.name),
        "RestartCount": container.state.restart_count,
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": exec_ids(container),
        "HostConfig": host_config(plan),
        "GraphDriver": graph_driver(store, container),
        "Mounts": plan.mounts.iter().filter_map(|mount| mount_point(store, mount)).collect::<Vec<_>>(),
        "Config": config(plan),
        "NetworkSettings": network_settings(store, container),
    });
    if measure {
        let written = usage::written_by(container)?;
        object["SizeRw"] = Value::from(written);
        object["SizeRootFs"] = Value::from(written + usage::below(store, container));
    }
    if personality::is_podman() {
        as_podman_has_it(&mut object, plan);
    }
    Ok(object)
}

/// Podman's names have no slash in front and its ids no algorithm; it has the image's name beside its id.
fn as_podman_has_it(object: &mut Value, plan: &RunPlan) {
    object["Name"] = Value::from(plan.name.clone());
    let image = plan.image.as_ref();
    object["Image"] = Value::from(image.map_or("", |image| image.id.trim_start_matches("sha256:")));
    object["ImageDigest"] = Value::from(image.map_or("", |image| &image.manifest));
    let name = image.map(|image| image.name.parse::<Reference>().map_or(image.name.clone(), |name| name.to_string()));
    object["ImageName"] = Value::from(name.unwrap_or_default());
    object["Rootfs"] = match &plan.root {
        RootSource::Directory { path } | RootSource::OverlaidDirectory { path } => path.display().to_string().into(),
        RootSource::Layers { .. } => Value::from(""),
    };
    object["OCIRuntime"] = Value::from("rr");
}

/// What rr knows of the container's ends; the private network's stand above as well, as Docker's default bridge has it.
fn network_settings(store: &Store, container: &Container) -> Value {
    let plan = &container.plan;
    let endpoint_of = |name: &str| container.state.endpoints.iter().find(|endpoint| endpoint.network == name);
    let mut networks = Map::new();
    if plan.network.mode != NetworkMode::Networks {
        for word in network_words(&plan.network).into_iter().take(1) {
            let mut endpoint = no_endpoint();
            add_addresses(&mut endpoint, endpoint_of(""));
            networks.insert(word, endpoint);
        }
    }
    for membership in &plan.network.networks {
        networks.insert(membership.network.clone(), network_endpoint(store, container, membership));
    }
    let mut settings = json!({
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports(container),
        "SandboxKey": "",
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": "",
        "Networks": networks,
    });
    add_addresses(&mut settings, endpoint_of(""));
    settings
}

fn no_endpoint() -> Value {
    json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": "", "EndpointID": "", "DriverOpts": null,
        "DNSNames": null,
    })
}

/// The container's end on a network with a name.
fn network_endpoint(store: &Store, container: &Container, membership: &Membership) -> Value {
    let plan = &container.plan;
    let mut object = no_endpoint();
    let mut asked = Map::new();
    for (name, address) in [
        ("IPv4Address", membership.ip.map(|ip| ip.to_string())),
        ("IPv6Address", membership.ip6.map(|ip| ip.to_string())),
    ] {
        asked.extend(address.map(|address| (name.to_owned(), Value::from(address))));
    }
    object["IPAMConfig"] = if asked.is_empty() { Value::Null } else { asked.into() };
    let links: Vec<String> = membership.links.iter().map(|(id, alias)| format!("{}:{alias}", short_id(id))).collect();
    object["Links"] = words(&links);
    // Docker has the short id among the aliases, and among the names the container's own as well.
    let short = short_id(&plan.id).to_owned();
    let mut aliases = membership.aliases.clone();
    let mut names = vec![plan.name.clone()];
    names.extend(aliases.iter().cloned());
    aliases.push(short.clone());
    names.push(short);
    object["Aliases"] = words(&aliases);
    object["DNSNames"] = words(&names);
    let network = crate::store::networks::find(store, &membership.network).ok().flatten();
    object["NetworkID"] = network.as_ref().map(|network| network.metadata.id.clone()).unwrap_or_default().into();
    let endpoint = container.state.endpoints.iter().find(|endpoint| endpoint.network == membership.network);
    if let (Some(network), Some(_)) = (&network, endpoint.filter(|endpoint| endpoint.v4.is_some())) {
        object["EndpointID"] = endpoint_id(&plan.id, &network.metadata.id).into();
    }
    add_addresses(&mut object, endpoint);
    object
}

/// Docker draws one by lot for each end; rr's is the same as long as the two are.
pub fn endpoint_id(container: &str, network: &str) -> String {
    Digest::of(format!("{container} {network}").as_bytes()).hex()
}

/// Docker's fields of an endpoint; empty where the container does not run, or somebody else gives it addresses.
fn add_addresses(object: &mut Value, endpoint: Option<&Endpoint>) {
    let place = |place: Option<&Place>| match place {
        Some(Place { address, prefix, gateway }) => {
            (address.to_string(), *prefix, gateway.map(|gateway| gateway.to_string()).unwrap_or_default())
        }
        None => Default::default(),
    };
    let (address, prefix, gateway) = place(endpoint.and_then(|endpoint| endpoint.v4.as_ref()));
    let (address6, prefix6, gateway6) = place(endpoint.and_then(|endpoint| endpoint.v6.as_ref()));
    let mac = endpoint.and_then(|endpoint| endpoint.mac).map(|mac| mac.to_string()).unwrap_or_default();
    let text =
        [("IPAddress", address), ("Gateway", gateway), ("GlobalIPv6Address", address6), ("IPv6Gateway", gateway6)];
    for (name, value) in text.into_iter().chain([("MacAddress", mac)]) {
        object[name] = value.into();
    }
    object["IPPrefixLen"] = prefix.into();
    object["GlobalIPv6PrefixLen"] = prefix6.into();
}

/// Docker's map: each exposed port with where it is published, `null` where that is nowhere.
fn ports(container: &Container) -> Value {
    let mut ports = Map::new();
    if !shows_ports(container) {
        return Value::Object(ports);
    }
    for exposed in &container.plan.exposed_ports {
        ports.insert(exposed.clone(), Value::Null);
    }
    for port in &container.state.ports {
        let place = ports.entry(format!("{}/{}", port.container, port.protocol)).or_insert(Value::Null);
        let binding = json!({ "HostIp": port.address.to_string(), "HostPort": port.host.to_string() });
        match place {
            Value::Array(bindings) => bindings.push(binding),
            none => *none = json!([binding]),
        }
    }
    Value::Object(ports)
}

/// Docker's map of what was asked for.
fn port_bindings(plan: &RunPlan) -> Value {
    let mut ports = Map::new();
    for port in &plan.network.ports.published {
        let place = ports.entry(format!("{}/{}", port.container, port.protocol)).or_insert_with(|| json!([]));
        if let Value::Array(bindings) = place {
            let address = port.address.map(|address| address.to_string()).unwrap_or_default();
            bindings.push(json!({ "HostIp": address, "HostPort": port.host.to_string() }));
        }
    }
    Value::Object(ports)
}

fn state(container: &Container) -> Value {
    let state = &container.state;
    let time = |time: Option<Timestamp>| time.map_or_else(|| NEVER.to_owned(), |time| time.to_string());
    let mut object = json!({
        "Status": state.status.word(),
        "Running": state.status.is_alive(),
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.init.as_ref().map_or(0, |init| init.pid),
        "ExitCode": state.exit_code.unwrap_or(0),
        "Error": state.error.clone().unwrap_or_default(),
        "StartedAt": time(state.started_at),
        "FinishedAt": time(state.finished_at),
    });
    if let Some(health) = &state.health {
        object["Health"] = serde_json::to_value(health).unwrap_or(Value::Null);
    }
    object
}

/// The image's and the user's settings, merged.
fn config(plan: &RunPlan) -> Value {
    let (entrypoint, command) = plan.process.args.split_at(plan.process.entrypoint_words.min(plan.process.args.len()));
    let volumes = plan.mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Volume { anonymous: true, .. }));
    let mut object = json!({
        "Hostname": plan.hostname,
        "Domainname": plan.isolation.domain.clone().unwrap_or_default(),
        "User": plan.process.user,
        "AttachStdin": plan.stdio.foreground && plan.stdio.interactive,
        "AttachStdout": plan.stdio.foreground,
        "AttachStderr": plan.stdio.foreground,
        "ExposedPorts": set(plan.exposed_ports.iter().map(String::as_str)),
        "Tty": plan.stdio.tty,
        "OpenStdin": plan.stdio.interactive,
        "StdinOnce": plan.stdio.foreground && plan.stdio.interactive,
        "Env": plan.process.env,
        "Cmd": words(command),
        "Image": plan.image.as_ref().map(|image| image.name.clone()).unwrap_or_default(),
        "Volumes": set(volumes.map(|mount| mount.target.as_str())),
        "WorkingDir": plan.process.cwd,
        "Entrypoint": words(entrypoint),
        "OnBuild": null,
        "Labels": plan.labels,
        "StopSignal": values::signal_name(plan.stop_signal),
        "StopTimeout": plan.stop_timeout,
    });
    if let Some(health) = &plan.health {
        object["Healthcheck"] = healthcheck(health);
        if health.on_failure != OnFailure::None {
            // Podman's.
            object["HealthcheckOnFailureAction"] = health.on_failure.word().into();
        }
    }
    object
}

/// Docker has null for none, Podman an empty list.
fn exec_ids(container: &Container) -> Value {
    match exec::running(container).as_slice() {
        [] if !personality::is_podman() => Value::Null,
        ids => json!(ids),
    }
}

/// Docker leaves out what nobody has said.
fn healthcheck(plan: &HealthPlan) -> Value {
    let mut check = serde_json::to_value(health::for_image(plan)).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut check {
        fields.retain(|_, value| *value != 0);
    }
    check
}

fn host_config(plan: &RunPlan) -> Value {
    let asked = &plan.asked;
    let mut groups = plan.process.additional_groups.clone();
    if plan.process.keep_groups {
        groups.push("keep-groups".into());
    }
    let mut config = json!({
        "Binds": words(&plan.mounts.iter().filter_map(bind).collect::<Vec<_>>()),
        "ContainerIDFile": "",
        "LogConfig": log_config(plan),
        "NetworkMode": network_word(&plan.network),
        "PortBindings": port_bindings(plan),
        "RestartPolicy": restart_policy(plan.restart),
        "AutoRemove": plan.remove,
        "VolumeDriver": "",
        "VolumesFrom": words(&asked.volumes_from),
        "CapAdd": words(&asked.cap_add),
        "CapDrop": words(&asked.cap_drop),
        "CgroupnsMode": sharing_word(plan.isolation.cgroup, "private", &plan.isolation),
        "Dns": plan.network.dns,
        "DnsOptions": plan.network.dns_options,
        "DnsSearch": plan.network.dns_search,
        "ExtraHosts": words(&plan.network.add_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect::<Vec<_>>()),
        "GroupAdd": words(&groups),
        "IpcMode": ipc_word(&plan.isolation),
        "PidMode": match plan.isolation.processes {
            Processes::Own => "",
            Processes::Host => "host",
        },
        "Privileged": asked.privileged,
        "PublishAllPorts": plan.network.ports.publish_all,
        "ReadonlyRootfs": plan.read_only,
        "SecurityOpt": words(&asked.security_options),
        "UTSMode": sharing_word(plan.isolation.uts, "", &plan.isolation),
        "UsernsMode": "private",
        "Devices": plan.isolation.devices.iter().map(device).collect::<Vec<_>>(),
        "OomScoreAdj": plan.isolation.oom_score_adj.unwrap_or(0),
        "Sysctls": sysctls(&plan.isolation),
        "ShmSize": plan.shm_size,
        "Tmpfs": tmpfs(plan),
        "Runtime": "rr",
        "Init": plan.init,
        "Ulimits": plan.process.rlimits.iter().map(ulimit).collect::<Vec<_>>(),
        "IDMappings": {
            "UidMap": id_map(&plan.ids.users),
            "GidMap": id_map(&plan.ids.groups),
        },
    });
    super::limits::add_to(&mut config, &plan.limits);
    config
}

fn sharing_word(sharing: Sharing, own: &str, isolation: &Isolation) -> String {
    match sharing {
        Sharing::Own => own.to_owned(),
        Sharing::Host => "host".to_owned(),
        Sharing::Container => of_container(isolation),
    }
}

fn ipc_word(isolation: &Isolation) -> String {
    match isolation.ipc {
        Ipc::Own => "private".to_owned(),
        Ipc::WithoutShm => "none".to_owned(),
        Ipc::Host => "host".to_owned(),
        Ipc::Container => of_container(isolation),
    }
}

fn of_container(isolation: &Isolation) -> String {
    format!("container:{}", isolation.container.as_deref().unwrap_or_default())
}

fn device(device: &Device) -> Value {
    json!({
        "PathOnHost": device.host.display().to_string(),
        "PathInContainer": device.container,
        "CgroupPermissions": device.permissions,
    })
}

/// Docker: null where there are none.
fn sysctls(isolation: &Isolation) -> Value {
    let all = isolation.sysctls.iter();
    let map: Map<String, Value> = all.map(|sysctl| (sysctl.name.clone(), sysctl.value.clone().into())).collect();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

fn restart_policy(policy: RestartPolicy) -> Value {
    let most = match policy {
        RestartPolicy::OnFailure { most } => most.unwrap_or(0),
        RestartPolicy::No | RestartPolicy::Always | RestartPolicy::UnlessStopped => 0,
    };
    json!({ "Name": policy.word(), "MaximumRetryCount": most })
}

/// As typed; the default is Docker's.
fn log_config(plan: &RunPlan) -> Value {
    let Some(log) = &plan.log else { return json!({ "Type": "none", "Config": {} }) };
    let mut config = Map::new();
    if let Some(size) = log.max_size {
        config.insert("max-size".into(), Value::from(size.to_string()));
        config.insert("max-file".into(), Value::from(log.max_files.to_string()));
    }
    json!({ "Type": "json-file", "Config": config })
}

/// A `--ulimit`; Docker writes no limit as -1.
fn ulimit(limit: &crate::container::plan::Rlimit) -> Value {
    let number = |value: u64| i64::try_from(value).unwrap_or(-1);
    json!({ "Name": limit.name, "Soft": number(limit.soft), "Hard": number(limit.hard) })
}

/// `0:1000:1` a range, as Podman writes it.
fn id_map(map: &crate::host::ids::IdMap) -> Vec<String> {
    map.extents().iter().map(|extent| extent.to_string().replace(' ', ":")).collect()
}

/// A bind or a named volume as `-v` would take it.
fn bind(mount: &Mount) -> Option<String> {
    let (source, propagation) = match &mount.kind {
        MountKind::Bind { source, propagation, .. } => (source.display().to_string(), propagation_word(*propagation)),
        MountKind::Volume { name, anonymous: false, .. } => (name.clone(), ""),
        _ => return None,
    };
    let mut options = vec![if mount.read_only { "ro" } else { "rw" }];
    if !matches!(propagation, "" | "rprivate") {
        options.push(propagation);
    }
    Some(format!("{source}:{}:{}", mount.target, options.join(",")))
}

fn mount_point(store: &Store, mount: &Mount) -> Option<Value> {
    let writable = !mount.read_only;
    match &mount.kind {
        MountKind::Bind { source, propagation, .. } => Some(json!({
            "Type": "bind",
            "Source": source.display().to_string(),
            "Destination": mount.target,
            "Mode": "",
            "RW": writable,
            "Propagation": propagation_word(*propagation),
        })),
        MountKind::Volume { name, .. } => Some(json!({
            "Type": "volume",
            "Name": name,
            "Source": store.volumes().join(name).join("_data").display().to_string(),
            "Destination": mount.target,
            "Driver": "local",
            "Mode": "",
            "RW": writable,
            "Propagation": "",
        })),
        // Docker lists those of `--tmpfs` in HostConfig only.
        MountKind::Tmpfs { .. } => None,
    }
}

fn tmpfs(plan: &RunPlan) -> Value {
    let tmpfs = plan.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Tmpfs { size, mode, flags, .. } => {
            let mut options = vec![if mount.read_only { "ro".to_owned() } else { "rw".to_owned() }];
            let flags = [("nosuid", flags.nosuid), ("nodev", flags.nodev), ("noexec", flags.noexec)];
            options.extend(flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned()));
            options.extend(size.map(|size| format!("size={size}")));
            options.extend(mode.map(|mode| format!("mode={mode:o}")));
            Some((mount.target.clone(), Value::String(options.join(","))))
        }
        _ => None,
    });
    Value::Object(tmpfs.collect())
}

fn graph_driver(store: &Store, container: &Container) -> Value {
    let lower: Vec<String> = match &container.plan.root {
        RootSource::Layers { diff_ids } => {
            let key = container.plan.ids.key();
            let hex = |id: &String| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
            // overlay's order is top first.
            diff_ids.iter().rev().map(|id| store.layer(&key, &hex(id)).display().to_string()).collect()
        }
        RootSource::Directory { path } | RootSource::OverlaidDirectory { path } => vec![path.display().to_string()],
    };
    let mut data = json!({
        "LowerDir": lower.join(":"),
        "UpperDir": container.dir.join("upper").display().to_string(),
        "WorkDir": container.dir.join("work").display().to_string(),
    });
    // The overlay is mounted in the container's own mount namespace only, so it has no path of its own outside;
    // through the payload's root its user reaches it (proc_pid_root(5)).
    if let Some(init) = &container.state.init {
        data["MergedDir"] = Value::from(format!("/proc/{}/root", init.pid));
    }
    json!({ "Name": "overlay", "Data": data })
}

/// An image's settings with Docker's names, the empty ones too: templates ask for them.
pub fn with_all_fields(config: &ContainerConfig) -> Value {
    let mut object = json!({
        "User": config.user,
        "ExposedPorts": set(config.exposed_ports.iter().map(String::as_str)),
        "Env": config.env,
        "Cmd": words(&config.cmd),
        "Volumes": set(config.volumes.iter().map(String::as_str)),
        "WorkingDir": config.working_dir,
        "Entrypoint": words(&config.entrypoint),
        "OnBuild": words(&config.on_build),
        "Labels": config.labels,
        "StopSignal": config.stop_signal.clone().unwrap_or_default(),
        "Shell": words(&config.shell),
    });
    if let (Value::Object(fields), Some(check)) = (&mut object, &config.healthcheck) {
        fields.insert("Healthcheck".into(), serde_json::to_value(check).unwrap_or(Value::Null));
    }
    object
}

/// Go's set: keys with empty objects; `null` where there are none.
fn set<'a>(keys: impl Iterator<Item = &'a str>) -> Value {
    let fields: Map<String, Value> = keys.map(|key| (key.to_owned(), json!({}))).collect();
    if fields.is_empty() { Value::Null } else { Value::Object(fields) }
}

/// Docker prints a list that nobody gave as `null`.
fn words(words: &[String]) -> Value {
    if words.is_empty() { Value::Null } else { Value::from(words) }
}

fn propagation_word(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private => "private",
        Propagation::Rprivate => "rprivate",
        Propagation::Slave => "slave",
        Propagation::Rslave => "rslave",
        Propagation::Shared => "shared",
        Propagation::Rshared => "rshared",
    }
}

/// The networks that the container is on, by their words after `--network`; none where it has another's.
pub fn network_words(plan: &NetworkPlan) -> Vec<String> {
    let own = match plan.mode {
        NetworkMode::Networks | NetworkMode::Container => None,
        _ => Some(network_word(plan)),
    };
    own.into_iter().chain(plan.networks.iter().map(|membership| membership.network.clone())).collect()
}

/// The word of `--network`, the first where there are several.
fn network_word(plan: &NetworkPlan) -> String {
    let word = match plan.mode {
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
        NetworkMode::Private => "private",
        NetworkMode::Pasta => "pasta",
        NetworkMode::Slirp4netns => "slirp4netns",
        NetworkMode::Networks => plan.networks.first().map_or("none", |membership| &membership.network),
        NetworkMode::Container => return format!("container:{}", plan.container.as_deref().unwrap_or_default()),
    };
    word.to_owned()
}
