//! What Podman's `ps` has otherwise than Docker's: `--format json`, and further fields of templates.

use super::{image_name, sources_and_targets, status};
use crate::cli::format::human;
use crate::container::record::{Container, Status};
use crate::net::ports::Bound;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Go's zero time in seconds since the epoch.
const NEVER: i64 = -62_135_596_800;

/// One array of objects, where Docker has an object a line.
pub fn list(containers: &[Container], now: Timestamp) -> String {
    let objects: Vec<Value> = containers.iter().map(|container| object(container, now)).collect();
    format!("{:#}\n", Value::Array(objects))
}

fn object(container: &Container, now: Timestamp) -> Value {
    let (plan, state) = (&container.plan, &container.state);
    let seconds = |time: Option<Timestamp>| time.map_or(NEVER, |time| time.as_second());
    json!({
        "AutoRemove": plan.remove,
        "Command": plan.process.args,
        "CreatedAt": format!("{} ago", human::since(plan.created, now)),
        "Exited": state.status == Status::Exited,
        "ExitedAt": seconds(state.finished_at),
        "ExitCode": state.exit_code.unwrap_or(0),
        "Id": plan.id,
        "Image": plan.image.as_ref().map_or(String::new(), |image| image_name(&image.name)),
        "ImageID": image_id(container),
        "IsInfra": false,
        "Labels": if plan.labels.is_empty() { Value::Null } else { json!(plan.labels) },
        "Mounts": sources_and_targets(plan).map(|(_, target)| target).collect::<Vec<_>>(),
        "Names": [plan.name],
        "Namespaces": {},
        "Networks": [],
        "Pid": state.init.as_ref().map_or(0, |init| init.pid),
        "Pod": "",
        "PodName": "",
        "Ports": ports(container),
        "Size": null,
        "StartedAt": seconds(state.started_at),
        "State": state.status.word(),
        "Status": status(container, now),
        "Created": plan.created.as_second(),
    })
}

/// Ranges of consecutive ports; `null` where none is published.
fn ports(container: &Container) -> Value {
    let bound = &container.state.ports;
    let mut ports: Vec<&Bound> =
        bound.iter().filter(|port| !bound.iter().any(|other| port.is_twin_of(other))).collect();
    ports.sort_by_key(|port| (port.protocol, port.address, port.container));
    let mut ranges: Vec<(&Bound, u16)> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some((first, length))
                if (first.protocol, first.address) == (port.protocol, port.address)
                    && first.container.checked_add(*length) == Some(port.container)
                    && first.host.checked_add(*length) == Some(port.host) =>
            {
                *length += 1;
            }
            _ => ranges.push((port, 1)),
        }
    }
    let object = |(first, length): (&Bound, u16)| {
        json!({
            // Every address is none.
            "host_ip": if first.address.is_unspecified() { String::new() } else { first.address.to_string() },
            "container_port": first.container,
            "host_port": first.host,
            "range": length,
            "protocol": first.protocol.to_string(),
        })
    };
    if ranges.is_empty() { Value::Null } else { ranges.into_iter().map(object).collect() }
}

fn image_id(container: &Container) -> &str {
    container.plan.image.as_ref().map_or("", |image| image.id.trim_start_matches("sha256:"))
}

/// Fields that only Podman's templates have, or have otherwise.
pub fn fields(container: &Container, now: Timestamp) -> [(&'static str, String); 9] {
    let (plan, state) = (&container.plan, &container.state);
    let labels: Vec<String> = plan.labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let targets: Vec<&str> = sources_and_targets(plan).map(|(_, target)| target).collect();
    [
        ("ImageID", crate::container::values::short_id(image_id(container)).to_owned()),
        ("Pid", state.init.as_ref().map_or(0, |init| init.pid).to_string()),
        ("Pod", String::new()),
        ("ExitCode", state.exit_code.unwrap_or(0).to_string()),
        ("Created", human::date(plan.created)),
        ("CreatedHuman", format!("{} ago", human::since(plan.created, now))),
        ("StartedAt", state.started_at.map_or(NEVER, |time| time.as_second()).to_string()),
        // As Go prints a map and a list.
        ("Labels", format!("map[{}]", labels.join(" "))),
        ("Mounts", format!("[{}]", targets.join(" "))),
    ]
}
