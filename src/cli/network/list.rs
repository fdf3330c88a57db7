//! `rr network ls` and `rr network inspect`

use super::super::filter::{self, Filters};
use super::super::format::{self, Columns, Row, human};
use super::super::inspect::endpoint_id;
use super::super::verbs::Verb;
use super::super::{output, personality, report, store};
use crate::container::networks::{self, BUILT_IN, BuiltIn, Network};
use crate::container::record::{self, Container};
use crate::container::values::short_id;
use crate::error::Result;
use crate::net::{Endpoint, Place};
use crate::store::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// List networks
#[derive(Debug, clap::Parser)]
pub struct List {
    /// Show only what matches: dangling, driver, id, label, label!, name, scope, type, until
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `table`, `table TEMPLATE`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
}

/// Docker's fields and headers.
const COLUMNS: Columns = Columns {
    headers: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
};

/// What a listing knows of a network.
struct Shown {
    id: String,
    name: String,
    driver: &'static str,
    ipv6: bool,
    internal: bool,
    labels: BTreeMap<String, String>,
    created: Option<jiff::Timestamp>,
    kind: &'static str,
}

/// Podman shows one, its default network.
const PODMAN: BuiltIn = BuiltIn { name: "podman", driver: "bridge" };

/// The networks that are always there.
pub fn built_in() -> &'static [BuiltIn] {
    match personality::is_podman() {
        true => std::slice::from_ref(&PODMAN),
        false => &BUILT_IN,
    }
}

impl From<&BuiltIn> for Shown {
    fn from(network: &BuiltIn) -> Shown {
        Shown {
            id: network.id(),
            name: network.name.to_owned(),
            driver: network.driver,
            ipv6: false,
            internal: false,
            labels: BTreeMap::new(),
            created: None,
            kind: "builtin",
        }
    }
}

impl From<&Network> for Shown {
    fn from(network: &Network) -> Shown {
        let metadata = &network.metadata;
        Shown {
            id: metadata.id.clone(),
            name: network.name.clone(),
            driver: "bridge",
            ipv6: metadata.ipv6,
            internal: metadata.internal,
            labels: metadata.labels.clone(),
            created: Some(metadata.created),
            kind: "custom",
        }
    }
}

impl Verb for List {
    fn run(self) -> Result<i32> {
        let known = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type", "until"];
        let filters = Filters::parse(&self.filter, &known)?;
        let kinds = filters.values("type");
        if let Some(kind) = kinds.iter().find(|kind| !matches!(kind.as_str(), "custom" | "builtin")) {
            return Err(filter::refuse("type", kind, format!("invalid filter: 'type'='{kind}'")));
        }
        let until = filters.moment("until", jiff::Timestamp::now())?;
        let dangling = filters.boolean("dangling")?;
        let (ids, names) = (filters.patterns("id")?, filters.patterns("name")?);
        let store = store()?;
        let users = match dangling {
            Some(_) => networks::users(&store)?,
            None => BTreeMap::new(),
        };
        let wanted = |network: &Shown| {
            // What is always there is never dangling.
            let unused = network.kind == "custom" && !users.contains_key(&network.name);
            dangling.is_none_or(|dangling| dangling == unused)
                && until.is_none_or(|until| network.created.is_some_and(|created| created < until))
                && ids.any(&[&network.id])
                && names.any(&[&network.name])
                && filters.any("driver", |driver| driver == network.driver)
                && filters.any("scope", |scope| scope == "local")
                && filters.any("type", |kind| kind == network.kind)
                && filters.labels(&network.labels)
        };
        let made = networks::list(&store)?;
        let mut found: Vec<Shown> = built_in().iter().map(Shown::from).chain(made.iter().map(Shown::from)).collect();
        found.retain(wanted);
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let id = |network: &Shown| if self.no_trunc { network.id.clone() } else { short_id(&network.id).to_owned() };
        if self.quiet && self.format.is_none() {
            let shown = |network: &Shown| match personality::is_podman() {
                true => format!("{}\n", network.name),
                false => format!("{}\n", id(network)),
            };
            return output::text(&found.iter().map(shown).collect::<String>()).map(|()| 0);
        }
        let rows: Vec<Row> = found.iter().map(|network| row(network, id(network))).collect();
        let fields: &[&str] = match personality::is_podman() {
            true => &["ID", "Name", "Driver"],
            false => &["ID", "Name", "Driver", "Scope"],
        };
        let text = format::list(&COLUMNS, &rows, self.format.as_deref(), &Columns::template(fields))?;
        output::text(&text).map(|()| 0)
    }
}

fn row(network: &Shown, id: String) -> Row {
    let labels: Vec<String> = network.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields = [
        ("ID", id),
        ("Name", network.name.clone()),
        ("Driver", network.driver.to_owned()),
        ("Scope", "local".to_owned()),
        ("IPv6", network.ipv6.to_string()),
        ("Internal", network.internal.to_string()),
        ("Labels", labels.join(",")),
        ("CreatedAt", network.created.map(human::date).unwrap_or_default()),
    ];
    Row { fields: fields.into(), labels: network.labels.clone() }
}

/// Show everything about networks
#[derive(Debug, clap::Parser)]
pub struct Inspect {
    /// `json` or a Go template, such as `{{range .IPAM.Config}}{{.Subnet}}{{end}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Accepted; rr shows all it knows in any case
    #[arg(short, long)]
    verbose: bool,
    /// Names or ids
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Verb for Inspect {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in &self.networks {
            let template = self.format.as_deref().is_some_and(|format| format != "json");
            let keys = if template { Keys::Go } else { Keys::Json };
            match shown_as(&store, name, keys) {
                Ok(network) => found.push(network),
                Err(failure) => failures.push(failure),
            }
        }
        output::text(&format::objects(&found, self.format.as_deref())?)?;
        failures.iter().for_each(report::failure);
        Ok(failures.first().map_or(0, personality::status))
    }
}

/// The network of this name or id as Docker's `GET /networks/{id}` has it, or as Podman's `network inspect`.
///
/// # Errors
/// There is none; the store cannot be read.
pub fn object(store: &Store, name: &str) -> Result<Value> {
    shown_as(store, name, Keys::Json)
}

/// How Podman names what it shows: in templates otherwise than in JSON. With Docker it is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Go,
    Json,
}

fn shown_as(store: &Store, name: &str, keys: Keys) -> Result<Value> {
    let built_in = built_in().iter().find(|network| network.name == name || network.id() == name);
    match (built_in, personality::is_podman()) {
        (Some(built_in), true) => Ok(podmans(&Shown::from(built_in), &[], keys)),
        (Some(built_in), false) => Ok(dockers(&Shown::from(built_in), None, Vec::new())),
        (None, podman) => {
            let network = networks::find(store, name)?;
            let pools = &network.metadata.pools;
            Ok(match podman {
                true => {
                    let mut object = podmans(&Shown::from(&network), pools, keys);
                    let key = if keys == Keys::Go { "Containers" } else { "containers" };
                    object[key] = containers(store, &network, |container, end| podmans_end(container, end, keys))?;
                    object
                }
                false => {
                    let pools = pools.iter().map(dockers_pool).collect();
                    let mut object = dockers(&Shown::from(&network), Some(&network), pools);
                    object["Containers"] =
                        containers(store, &network, |container, end| dockers_end(container, &network, end))?;
                    object
                }
            })
        }
    }
}

/// Those that run on the network, by their ids.
fn containers(store: &Store, network: &Network, shown: impl Fn(&Container, &Endpoint) -> Value) -> Result<Value> {
    let mut found = serde_json::Map::new();
    for container in record::list(store)? {
        let end = container.state.endpoints.iter().find(|end| end.network == network.name && end.mac.is_some());
        if let Some(end) = end {
            found.insert(container.plan.id.clone(), shown(&container, end));
        }
    }
    Ok(found.into())
}

fn with_prefix(place: Option<&Place>) -> String {
    place.map(|place| format!("{}/{}", place.address, place.prefix)).unwrap_or_default()
}

fn dockers_end(container: &Container, network: &Network, end: &Endpoint) -> Value {
    json!({
        "Name": container.plan.name,
        "EndpointID": endpoint_id(&container.plan.id, &network.metadata.id),
        "MacAddress": end.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        "IPv4Address": with_prefix(end.v4.as_ref()),
        "IPv6Address": with_prefix(end.v6.as_ref()),
    })
}

fn podmans_end(container: &Container, end: &Endpoint, keys: Keys) -> Value {
    let key = |go: &'static str, json: &'static str| if keys == Keys::Go { go } else { json };
    let subnets = [&end.v4, &end.v6].into_iter().flatten().map(|place| {
        json!({
            key("IPNet", "ipnet"): with_prefix(Some(place)),
            key("Gateway", "gateway"): place.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        })
    });
    let interface = json!({
        key("Subnets", "subnets"): subnets.collect::<Vec<_>>(),
        key("MacAddress", "mac_address"): end.mac.map(|mac| mac.to_string()).unwrap_or_default(),
    });
    // Interfaces are in the order of the container's networks.
    let place = container.state.endpoints.iter().position(|other| other == end).unwrap_or_default();
    json!({
        key("Name", "name"): container.plan.name,
        key("Interfaces", "interfaces"): { format!("eth{place}"): interface },
    })
}

fn dockers_pool(pool: &networks::Pool) -> Value {
    let mut object = json!({ "Subnet": pool.subnet.to_string(), "Gateway": pool.gateway.to_string() });
    if let Some(range) = pool.range {
        object["IPRange"] = range.to_string().into();
    }
    object
}

fn dockers(shown: &Shown, network: Option<&Network>, pools: Vec<Value>) -> Value {
    let options = network.map(|network| network.metadata.options.clone()).unwrap_or_default();
    json!({
        "Name": shown.name,
        "Id": shown.id,
        "Created": shown.created.unwrap_or_default().to_string(),
        "Scope": "local",
        "Driver": shown.driver,
        "EnableIPv6": shown.ipv6,
        "IPAM": { "Driver": "default", "Options": {}, "Config": pools },
        "Internal": shown.internal,
        "Attachable": network.is_some_and(|network| network.metadata.attachable),
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": options,
        "Labels": shown.labels,
    })
}

fn podmans(shown: &Shown, pools: &[networks::Pool], keys: Keys) -> Value {
    let key = |go: &'static str, json: &'static str| if keys == Keys::Go { go } else { json };
    let pool = |pool: &networks::Pool| {
        let mut object = json!({
            key("Subnet", "subnet"): pool.subnet.to_string(),
            key("Gateway", "gateway"): pool.gateway.to_string(),
        });
        if let Some(range) = pool.range {
            object[key("LeaseRange", "lease_range")] = json!({
                key("StartIP", "start_ip"): range.first().to_string(),
                key("EndIP", "end_ip"): range.last().to_string(),
            });
        }
        object
    };
    let mut object = json!({
        key("Name", "name"): shown.name,
        key("ID", "id"): shown.id,
        key("Driver", "driver"): shown.driver,
        key("NetworkInterface", "network_interface"): "bridge0",
        key("Created", "created"): shown.created.unwrap_or_default().to_string(),
        key("Subnets", "subnets"): pools.iter().map(pool).collect::<Vec<Value>>(),
        key("IPv6Enabled", "ipv6_enabled"): shown.ipv6,
        key("Internal", "internal"): shown.internal,
        key("DNSEnabled", "dns_enabled"): shown.kind == "custom",
        key("IPAMOptions", "ipam_options"): { key("Driver", "driver"): "host-local" },
    });
    if keys == Keys::Go || !shown.labels.is_empty() {
        object[key("Labels", "labels")] = json!(shown.labels);
    }
    object
}
