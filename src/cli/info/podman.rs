//! `info` as Podman has it: YAML, JSON with its names, and templates with the names of its Go types.

use super::Facts;
use crate::confine::capabilities::CapabilitySet;
use crate::container::record::Status;
use crate::error::Result;
use crate::host::ids::IdMap;
use crate::image::platform::Platform;
use serde_json::{Map, Value, json};

/// A part of the answer.
enum Node {
    /// The same in all three forms.
    Leaf(Value),
    /// Fields, each with its name in Go and in JSON.
    Fields(Vec<(&'static str, &'static str, Node)>),
}

impl From<Value> for Node {
    fn from(value: Value) -> Node {
        Node::Leaf(value)
    }
}

/// One that has the same name but for the letter case of its beginning, or another in JSON.
fn field(go: &'static str, json: &'static str, value: impl Into<Node>) -> (&'static str, &'static str, Node) {
    (go, json, value.into())
}

/// Which names an object has.
#[derive(Clone, Copy)]
enum Names {
    Go,
    Json,
}

impl Node {
    fn value(&self, names: Names) -> Value {
        let fields = match self {
            Node::Leaf(value) => return value.clone(),
            Node::Fields(fields) => fields,
        };
        let name = |go: &str, json: &str| match names {
            Names::Go => go.to_owned(),
            Names::Json => json.to_owned(),
        };
        Value::Object(fields.iter().map(|(go, json, node)| (name(go, json), node.value(names))).collect::<Map<_, _>>())
    }
}

/// For `--format TEMPLATE`.
pub fn for_templates(facts: &Facts) -> Result<Value> {
    Ok(tree(facts)?.value(Names::Go))
}

/// For `--format json`, and as YAML.
pub fn for_json(facts: &Facts) -> Result<Value> {
    Ok(tree(facts)?.value(Names::Json))
}

fn tree(facts: &Facts) -> Result<Node> {
    let root = facts.store.root();
    let containers = Node::Fields(vec![
        field("Number", "number", json!(facts.containers.len())),
        field("Paused", "paused", json!(facts.count(Status::Paused))),
        field("Running", "running", json!(facts.count(Status::Running))),
        field("Stopped", "stopped", json!(facts.stopped())),
    ]);
    let store = Node::Fields(vec![
        field("ConfigFile", "configFile", json!("")),
        field("ContainerStore", "containerStore", containers),
        field("GraphDriverName", "graphDriverName", json!("overlay")),
        field("GraphOptions", "graphOptions", json!({})),
        field("GraphRoot", "graphRoot", json!(root)),
        field("GraphStatus", "graphStatus", json!({ "Backing Filesystem": facts.file_system()? })),
        field("ImageCopyTmpDir", "imageCopyTmpDir", json!(facts.store.tmp())),
        field("ImageStore", "imageStore", Node::Fields(vec![field("Number", "number", json!(facts.images))])),
        field("RunRoot", "runRoot", json!(facts.dirs.runtime)),
        field("VolumePath", "volumePath", json!(facts.store.volumes())),
    ]);
    let version = Node::Fields(vec![
        field("APIVersion", "APIVersion", json!(env!("CARGO_PKG_VERSION"))),
        field("Version", "Version", json!(env!("CARGO_PKG_VERSION"))),
        field("OsArch", "OsArch", json!(format!("linux/{}", Platform::host().architecture))),
    ]);
    Ok(Node::Fields(vec![
        field("Host", "host", host(facts)),
        field(
            "Plugins",
            "plugins",
            Node::Fields(vec![
                field("Log", "log", json!(["k8s-file", "none"])),
                field("Network", "network", json!(["bridge"])),
                field("Volume", "volume", json!(["local"])),
            ]),
        ),
        field("Registries", "registries", json!({ "search": facts.search()? })),
        field("Store", "store", store),
        field("Version", "version", version),
    ]))
}

fn host(facts: &Facts) -> Node {
    let security = Node::Fields(vec![
        field("AppArmorEnabled", "apparmorEnabled", json!(false)),
        field("DefaultCapabilities", "capabilities", json!(default_capabilities())),
        field("Rootless", "rootless", json!(facts.rootless)),
        field("SECCOMPEnabled", "seccompEnabled", json!(true)),
        field("SECCOMPProfilePath", "seccompProfilePath", json!("")),
        field("SELinuxEnabled", "selinuxEnabled", json!(false)),
    ]);
    let mappings = Node::Fields(vec![
        field("GIDMap", "gidmap", id_map(&facts.ids.groups)),
        field("UIDMap", "uidmap", id_map(&facts.ids.users)),
    ]);
    let runtime = Node::Fields(vec![
        field("Name", "name", json!("rr")),
        field("Path", "path", json!(std::env::current_exe().unwrap_or_default())),
        field("Version", "version", json!(concat!("rr version ", env!("CARGO_PKG_VERSION")))),
    ]);
    let distribution = Node::Fields(vec![
        field("Codename", "codename", json!(facts.release("VERSION_CODENAME"))),
        field("Distribution", "distribution", json!(facts.release("ID"))),
        field("Variant", "variant", json!(facts.release("VARIANT_ID"))),
        field("Version", "version", json!(facts.release("VERSION_ID"))),
    ]);
    let socket = Node::Fields(vec![field("Exists", "exists", json!(false)), field("Path", "path", json!(""))]);
    Node::Fields(vec![
        field("Arch", "arch", json!(Platform::host().architecture)),
        field("CgroupManager", "cgroupManager", json!(facts.offer.as_ref().map_or("none", |offer| offer.driver))),
        field("CgroupsVersion", "cgroupVersion", json!(format!("v{}", super::cgroup_version()))),
        field("CgroupControllers", "cgroupControllers", json!(facts.controllers())),
        field("CPUs", "cpus", json!(facts.processors)),
        field("Distribution", "distribution", distribution),
        field("EventLogger", "eventLogger", json!("file")),
        field("Hostname", "hostname", json!(facts.hostname)),
        field("IDMappings", "idMappings", mappings),
        field("Kernel", "kernel", json!(facts.kernel)),
        field("LogDriver", "logDriver", json!("k8s-file")),
        field("MemFree", "memFree", json!(facts.memory("MemFree:"))),
        field("MemTotal", "memTotal", json!(facts.memory("MemTotal:"))),
        field("NetworkBackend", "networkBackend", json!("rr")),
        field("OCIRuntime", "ociRuntime", runtime),
        field("OS", "os", json!("linux")),
        field("RemoteSocket", "remoteSocket", socket),
        field("Security", "security", security),
        field("ServiceIsRemote", "serviceIsRemote", json!(false)),
        field("SwapFree", "swapFree", json!(facts.memory("SwapFree:"))),
        field("SwapTotal", "swapTotal", json!(facts.memory("SwapTotal:"))),
        field("Uptime", "uptime", json!(facts.uptime())),
    ])
}

fn default_capabilities() -> String {
    CapabilitySet::DEFAULT.names().join(",")
}

fn id_map(map: &IdMap) -> Node {
    let extent = |extent: &crate::host::ids::Extent| json!({ "container_id": extent.inside.0, "host_id": extent.outside.0, "size": extent.length });
    json!(map.extents().iter().map(extent).collect::<Vec<_>>()).into()
}

/// As Podman prints it for people (YAML 1.2).
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(value, 0, &mut text);
    text
}

fn write_yaml(value: &Value, depth: usize, text: &mut String) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        text.push_str(&"  ".repeat(depth));
        text.push_str(&scalar(&Value::String(name.clone())));
        text.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                write_yaml(value, depth + 1, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                items.iter().for_each(|item| write_item(item, depth, text));
            }
            scalar_value => text.push_str(&format!(" {}\n", scalar(scalar_value))),
        }
    }
}

/// An item of a list: a scalar, or an object whose first field stands behind the dash.
fn write_item(item: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let Value::Object(fields) = item else {
        return text.push_str(&format!("{indent}- {}\n", scalar(item)));
    };
    for (place, (name, value)) in fields.iter().enumerate() {
        let dash = if place == 0 { "- " } else { "  " };
        text.push_str(&format!("{indent}{dash}{name}: {}\n", scalar(value)));
    }
}

/// Quoted where it would be read as something else, by a wide margin.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/')
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@, ()".contains(&byte))
                && !text.ends_with(' ')
                && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&&*text.to_lowercase());
            // A JSON string is a YAML one.
            if plain { text.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_podmans() {
        let value = json!({
            "a": { "b": 1, "empty": {}, "none": [] },
            "list": [{ "x": 0, "y": 2 }, { "x": 1, "y": 3 }],
            "text": "6.1.0-18",
            "words": ["one", "yes", "x: y"],
            "path": "/a b/c",
            "nothing": "",
        });
        let expected = "a:\n  b: 1\n  empty: {}\n  none: []\nlist:\n- x: 0\n  y: 2\n- x: 1\n  y: 3\nnothing: \"\"\n\
                        path: /a b/c\ntext: \"6.1.0-18\"\nwords:\n- one\n- \"yes\"\n- \"x: y\"\n";
        assert_eq!(yaml(&value), expected);
    }
}
