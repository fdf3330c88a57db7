//! What is done with networks: made, listed, removed, pruned.
//!
//! Errors are in Docker's words. As with volumes, and as in Podman, a network is in use as long as a container exists
//! that names it, whether that runs or not; how that is kept true while containers come and go stands with
//! [`crate::store::networks`].

use super::create::new_id;
use super::options::CreateOptions;
use super::plan::{Membership, NetworkPlan, RunPlan};
use super::{record, values};
use crate::error::{ExitCode, Failure, Known, Result};
use crate::image::digest::Digest;
use crate::net::subnet::{Subnet, free_v4, host_routes, unique_local};
use crate::store::networks::MTU_OPTIONS;
pub use crate::store::networks::{Metadata, Network, Pool};
use crate::store::{Event, Kind, Lock, Store, networks};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A network that is always there, and that nobody can make or remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Docker's name of it.
    pub name: &'static str,
    /// Docker's driver.
    pub driver: &'static str,
}

/// Docker's three. `bridge` means what a container has without `--network`: rr's `private`.
pub const BUILT_IN: [BuiltIn; 3] = [
    BuiltIn { name: "bridge", driver: "bridge" },
    BuiltIn { name: "host", driver: "host" },
    BuiltIn { name: "none", driver: "null" },
];

impl BuiltIn {
    /// Always the same 64 digits; Podman makes those of its networks in this way.
    pub fn id(&self) -> String {
        Digest::of(self.name.as_bytes()).hex()
    }
}

/// Words that mean something else after `--network`, besides Docker's three.
const RESERVED: [&str; 5] = ["default", "private", "pasta", "slirp4netns", "podman"];

/// `network create` as asked for.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Wish {
    pub name: String,
    pub driver: Option<String>,
    pub subnets: Vec<String>,
    pub gateways: Vec<String>,
    pub ranges: Vec<String>,
    pub internal: bool,
    pub ipv6: bool,
    pub attachable: bool,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

/// What happens to a network, for the event log.
fn event(network: &Network, action: &str) -> Event {
    Event::now(Kind::Network, action, &network.metadata.id).with("name", &network.name).with("type", "bridge")
}

/// A container is on a network from now on, or is not any more.
pub(super) fn moved(network: &Network, plan: &RunPlan, action: &str) -> Event {
    event(network, action).with("container", &plan.id)
}

fn general(doing: impl Into<String>, cause: impl std::fmt::Display) -> Failure {
    Failure::new(doing, cause).code(ExitCode::General)
}

/// Makes a network.
///
/// # Errors
/// The name is taken or none, the driver or the addresses cannot be, in Docker's words; or the system's.
pub fn create(store: &Store, wish: Wish) -> Result<Network> {
    let name = &wish.name;
    if BUILT_IN.iter().any(|network| network.name == name) || RESERVED.contains(&name.as_str()) {
        return Err(general(format!("operation is not permitted on predefined {name} network"), ""));
    }
    values::network_name(name)
        .map_err(|why| general(format!("cannot make the network {}", name.escape_debug()), why))?;
    match wish.driver.as_deref() {
        None | Some("" | "bridge") => {}
        Some(driver @ ("host" | "null")) => {
            return Err(general(format!("only one instance of \"{driver}\" network is allowed"), ""));
        }
        Some(driver) => {
            let driver = driver.escape_debug();
            return Err(general(format!("plugin \"{driver}\" not found"), "").hint("rr has one driver, bridge"));
        }
    }
    check_options(&wish.options)?;
    let mut pools = pools(&wish).map_err(|why| general(format!("cannot make the network {name}"), why))?;
    let network = {
        let _lock = store.lock_networks_exclusive()?;
        let others = networks::list(store)?;
        complete(&mut pools, wish.ipv6, &others)?;
        let metadata = Metadata {
            id: new_id()?,
            created: jiff::Timestamp::now(),
            ipv6: pools.iter().any(|pool| pool.subnet.is_v6()),
            pools,
            internal: wish.internal,
            attachable: wish.attachable,
            labels: wish.labels,
            options: wish.options,
        };
        if !networks::create(store, name, &metadata)? {
            let failure = general(format!("network with name {name} already exists"), "");
            return Err(failure.known(Known::NetworkExists(name.clone())));
        }
        find(store, name)?
    };
    store.tell_and_bound(&[event(&network, "create")]);
    Ok(network)
}

/// Other options of Docker's bridge are kept and shown, and change nothing.
fn check_options(options: &BTreeMap<String, String>) -> Result<()> {
    for name in MTU_OPTIONS {
        let Some(value) = options.get(name) else { continue };
        if !value.parse().is_ok_and(|mtu: u32| (68..=65535).contains(&mtu)) {
            let doing = format!("cannot use --opt {name}={}", value.escape_debug());
            return Err(general(doing, "an MTU is a number from 68 to 65535"));
        }
    }
    Ok(())
}

/// The ranges that were asked for; their gateways may still be missing, which then are the first address.
fn pools(wish: &Wish) -> values::Parsed<Vec<Pool>> {
    if wish.subnets.len() < wish.ranges.len() || wish.subnets.len() < wish.gateways.len() {
        return Err("every ip-range or gateway must have a corresponding subnet".into());
    }
    let mut pools: Vec<(Subnet, Option<IpAddr>, Option<Subnet>)> = Vec::new();
    for text in &wish.subnets {
        let subnet: Subnet = text.parse()?;
        if pools.iter().any(|(other, ..)| other.overlaps(&subnet)) {
            return Err("multiple overlapping subnet configuration is not supported".into());
        }
        if pools.iter().any(|(other, ..)| other.is_v6() == subnet.is_v6()) {
            return Err("bridge driver doesn't support multiple subnets".into());
        }
        if subnet.hosts().nth(1).is_none() {
            return Err(format!("{subnet} has no address for a container besides the gateway's"));
        }
        pools.push((subnet, None, None));
    }
    for text in &wish.ranges {
        let range: Subnet = text.parse()?;
        let pool = pools.iter_mut().find(|(subnet, ..)| subnet.encloses(&range));
        let (subnet, _, place) = pool.ok_or_else(|| format!("no matching subnet for range {text}"))?;
        if let Some(other) = place.replace(range) {
            return Err(format!("cannot configure multiple ranges ({text}, {other}) on the same subnet ({subnet})"));
        }
    }
    for text in &wish.gateways {
        let wrong = || format!("no matching subnet for gateway {}", text.escape_debug());
        let gateway: IpAddr = text.parse().map_err(|_| wrong())?;
        let pool = pools.iter_mut().find(|(subnet, ..)| subnet.hosts_hold(gateway));
        let (subnet, place, _) = pool.ok_or_else(wrong)?;
        if let Some(other) = place.replace(gateway) {
            return Err(format!("cannot configure multiple gateways ({text}, {other}) on the same subnet ({subnet})"));
        }
    }
    let pools = pools.into_iter();
    Ok(pools.filter_map(|(subnet, gateway, range)| pool(subnet, gateway, range)).collect())
}

fn pool(subnet: Subnet, gateway: Option<IpAddr>, range: Option<Subnet>) -> Option<Pool> {
    let gateway = gateway.or_else(|| subnet.hosts().next())?;
    Some(Pool { subnet, gateway, range })
}

/// Refuses ranges of other networks, and adds what was not asked for: IPv4 always, IPv6 where it is wanted.
fn complete(pools: &mut Vec<Pool>, ipv6: bool, others: &[Network]) -> Result<()> {
    let taken: Vec<Subnet> =
        others.iter().flat_map(|network| &network.metadata.pools).map(|pool| pool.subnet).collect();
    for pool in pools.iter() {
        if taken.iter().any(|taken| taken.overlaps(&pool.subnet)) {
            let cause = "Pool overlaps with other one on this address space";
            return Err(general(format!("cannot use --subnet {}", pool.subnet), cause));
        }
    }
    if !pools.iter().any(|pool| !pool.subnet.is_v6()) {
        let routes = host_routes()?;
        let subnet = free_v4(taken.iter().chain(&routes)).and_then(|subnet| pool(subnet, None, None));
        let none = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network";
        pools.insert(0, subnet.ok_or_else(|| general("cannot make the network", none).hint("give it a --subnet"))?);
    }
    while ipv6 && !pools.iter().any(|pool| pool.subnet.is_v6()) {
        let subnet = unique_local(super::create::random_bytes()?);
        if !taken.iter().any(|taken| taken.overlaps(&subnet)) {
            pools.extend(pool(subnet, None, None));
        }
    }
    Ok(())
}

/// The network of this name, or whose id begins so.
///
/// # Errors
/// There is none, or there are several; the system's.
pub fn find(store: &Store, name: &str) -> Result<Network> {
    if let Some(network) = networks::find(store, name)? {
        return Ok(network);
    }
    let by_id = |network: &Network| !name.is_empty() && network.metadata.id.starts_with(name);
    let mut found = networks::list(store)?.into_iter().filter(by_id);
    match (found.next(), found.next()) {
        (Some(network), None) => Ok(network),
        (Some(_), Some(_)) => {
            Err(general(format!("network {name} is ambiguous (2 matches found based on ID prefix)"), ""))
        }
        (None, _) => Err(no_such_network(name)),
    }
}

/// What is said of a network that is not there.
pub fn no_such_network(name: &str) -> Failure {
    general(format!("network {} not found", name.escape_debug()), "").known(Known::NoSuchNetwork(name.to_owned()))
}

/// All networks that were made, by name.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Network>> {
    networks::list(store)
}

/// Finds the networks, or the container, that a new container is to have, and makes their names whole. Called early,
/// before anything is fetched; they may go until [`hold`].
///
/// # Errors
/// One is not there, in Docker's words; the options contradict each other.
pub fn resolve(store: &Store, options: &mut CreateOptions) -> Result<()> {
    let network = &mut options.network;
    for index in 0..network.networks.len() {
        let found = find(store, &network.networks[index].network).map_err(|failure| failure.code(ExitCode::Runner))?;
        let membership = &mut network.networks[index];
        membership.network.clone_from(&found.name);
        addresses_fit(membership, &found)?;
        resolve_links(store, membership).map_err(|failure| failure.code(ExitCode::Runner))?;
        if network.networks[..index].iter().any(|earlier| earlier.network == found.name) {
            let cause = format!("network \"{}\" is specified multiple times", found.name);
            return Err(Failure::new("cannot use --network", cause));
        }
    }
    if let Some(name) = &mut network.container {
        let owner = record::find(store, name).map_err(|failure| failure.code(ExitCode::Runner))?.plan;
        *name = owner.id;
        shared_namespace_allows(options)?;
        options.hostname = Some(owner.hostname);
    }
    Ok(())
}

/// Finds the containers of `--link`; in the membership they have their whole ids then.
///
/// # Errors
/// One is not there, in Docker's words.
pub fn resolve_links(store: &Store, membership: &mut Membership) -> Result<()> {
    for (container, _) in &mut membership.links {
        let found = record::find(store, container);
        let found = found.map_err(|failure| failure.while_doing(format!("could not get container for {container}")))?;
        *container = found.plan.id;
    }
    Ok(())
}

/// An address that is asked for must be one that a container can have there.
pub fn addresses_fit(membership: &Membership, network: &Network) -> Result<()> {
    let asked = [membership.ip.map(IpAddr::V4), membership.ip6.map(IpAddr::V6)];
    for address in asked.into_iter().flatten() {
        let fits = |pool: &Pool| pool.subnet.hosts_hold(address) && pool.gateway != address;
        if !network.metadata.pools.iter().any(fits) {
            let cause = "It does not belong to any of this network's subnets";
            return Err(Failure::new(format!("invalid address {address}"), cause));
        }
    }
    Ok(())
}

/// What belongs to the network namespace belongs to the container whose it is. The words are Docker's.
fn shared_namespace_allows(options: &CreateOptions) -> Result<()> {
    let network = &options.network;
    let conflict = match () {
        () if options.hostname.is_some() => "hostname and the network mode",
        () if !network.dns.is_empty() => "dns and the network mode",
        () if !network.add_hosts.is_empty() => "custom host-to-IP mapping and the network mode",
        () if !network.ports.is_empty() => "port publishing and the container type network mode",
        () if !options.expose.is_empty() => "port exposing and the container type network mode",
        () => return Ok(()),
    };
    Err(Failure::new("conflicting options", conflict))
}

/// Makes sure that the networks of a plan to be made are there, and stay until the plan is written and the result is
/// dropped.
///
/// # Errors
/// One has gone meanwhile; the system's.
pub fn hold(store: &Store, wanted: &NetworkPlan) -> Result<Option<Lock>> {
    if wanted.networks.is_empty() {
        return Ok(None);
    }
    let lock = store.lock_networks_shared()?;
    for membership in &wanted.networks {
        if networks::find(store, &membership.network)?.is_none() {
            return Err(no_such_network(&membership.network).code(ExitCode::Runner));
        }
    }
    Ok(Some(lock))
}

/// The ids of the containers that use each network, by the network's name.
///
/// # Errors
/// The store cannot be read. One unreadable plan is an error: what it uses is unknown.
pub fn users(store: &Store) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for plan in record::plans(store)? {
        for membership in plan.network.networks {
            users.entry(membership.network).or_default().push(plan.id.clone());
        }
    }
    Ok(users)
}

/// Removes a network that no container uses.
///
/// # Errors
/// There is none of that name; it is in use; or the system's.
pub fn remove(store: &Store, name: &str) -> Result<()> {
    if let Some(built_in) = BUILT_IN.iter().find(|network| network.name == name) {
        return Err(general(format!("{} is a pre-defined network and cannot be removed", built_in.name), ""));
    }
    let network = {
        let _lock = store.lock_networks_exclusive()?;
        let network = find(store, name)?;
        if let Some(ids) = users(store)?.get(&network.name) {
            let id = &network.metadata.id;
            let doing = format!("error while removing network: network {} id {id} has active endpoints", network.name);
            let users: Vec<&str> = ids.iter().map(|id| values::short_id(id)).collect();
            let known = Known::NetworkInUse { name: network.name.clone(), id: id.clone() };
            let hint = format!("containers that use it: {}", users.join(", "));
            return Err(general(doing, "").known(known).hint(hint));
        }
        networks::remove(store, &network.name)?;
        network
    };
    store.tell_and_bound(&[event(&network, "destroy")]);
    Ok(())
}

/// Removes all networks that no container uses and that are `wanted`; returns their names.
///
/// # Errors
/// The system's.
pub fn prune(store: &Store, wanted: impl Fn(&Network) -> bool) -> Result<Vec<String>> {
    // A `--rm` container whose processes were killed is removed on the way.
    record::list(store)?;
    let _lock = store.lock_networks_exclusive()?;
    let users = users(store)?;
    let unused = list(store)?.into_iter().filter(|network| !users.contains_key(&network.name) && wanted(network));
    let mut names = Vec::new();
    for network in unused {
        networks::remove(store, &network.name)?;
        store.tell_and_bound(&[event(&network, "destroy")]);
        names.push(network.name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        (home, store)
    }

    fn wish(name: &str) -> Wish {
        Wish { name: name.into(), ..Wish::default() }
    }

    fn asked(subnets: &[&str], gateways: &[&str], ranges: &[&str]) -> Wish {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Wish { subnets: texts(subnets), gateways: texts(gateways), ranges: texts(ranges), ..wish("net") }
    }

    #[test]
    fn networks_made_at_once_have_ranges_of_their_own() {
        let (_home, store) = store();
        let makers: Vec<_> = (0..8)
            .map(|number| {
                let store = store.clone();
                std::thread::spawn(move || create(&store, Wish { ipv6: true, ..wish(&format!("n{number}")) }).unwrap())
            })
            .collect();
        let made: Vec<Network> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
        let pools: Vec<&Pool> = made.iter().flat_map(|network| &network.metadata.pools).collect();
        assert_eq!(pools.len(), 16);
        for (index, pool) in pools.iter().enumerate() {
            assert!(pools[..index].iter().all(|other| !other.subnet.overlaps(&pool.subnet)), "{pools:?}");
            assert_eq!(Some(pool.gateway), pool.subnet.hosts().next());
        }
    }

    #[test]
    fn a_network_is_found_by_name_and_by_the_beginning_of_its_id() {
        let (_home, store) = store();
        let made = create(&store, wish("one")).unwrap();
        assert_eq!(find(&store, "one").unwrap(), made);
        assert_eq!(find(&store, &made.metadata.id[..12]).unwrap(), made);
        assert_eq!(find(&store, "").unwrap_err().known.as_deref(), Some(&Known::NoSuchNetwork(String::new())));
        assert_eq!(create(&store, wish("one")).unwrap_err().to_string(), "network with name one already exists");
        remove(&store, &made.metadata.id).unwrap();
        assert!(list(&store).unwrap().is_empty());
        for name in ["bridge", "host", "none", "default", "private", "podman"] {
            let failure = create(&store, wish(name)).unwrap_err();
            assert_eq!(failure.to_string(), format!("operation is not permitted on predefined {name} network"));
        }
    }

    #[test]
    fn ranges_and_gateways_belong_to_subnets() {
        let pool = |wish: Wish| pools(&wish).unwrap().remove(0);
        let made = pool(asked(&["10.1.0.0/16"], &["10.1.9.9"], &["10.1.2.0/24"]));
        assert_eq!(
            (made.gateway.to_string(), made.range.unwrap().to_string()),
            ("10.1.9.9".into(), "10.1.2.0/24".into())
        );
        assert_eq!(pool(asked(&["10.1.0.0/16"], &[], &[])).gateway.to_string(), "10.1.0.1");
        assert_eq!(pool(asked(&["fd00::/64"], &[], &[])).gateway.to_string(), "fd00::1");
        for (wish, cause) in [
            (asked(&[], &["10.1.0.1"], &[]), "every ip-range or gateway must have a corresponding subnet"),
            (asked(&["10.1.0.0/16"], &["10.2.0.1"], &[]), "no matching subnet for gateway 10.2.0.1"),
            (asked(&["10.1.0.0/16"], &["10.1.255.255"], &[]), "no matching subnet for gateway 10.1.255.255"),
            (asked(&["10.1.0.0/16"], &[], &["10.0.0.0/8"]), "no matching subnet for range 10.0.0.0/8"),
            (asked(&["10.1.0.0/16", "10.1.1.0/24"], &[], &[]), "overlapping"),
            (asked(&["10.1.0.0/16", "10.2.0.0/16"], &[], &[]), "bridge driver doesn't support multiple subnets"),
            (asked(&["10.1.0.0/32"], &[], &[]), "10.1.0.0/32 has no address for a container"),
            (asked(&["x"], &[], &[]), "invalid CIDR address: x"),
        ] {
            let why = pools(&wish).unwrap_err();
            assert!(why.contains(cause), "{why}");
        }
    }

    #[test]
    fn a_range_of_another_network_is_refused() {
        let (_home, store) = store();
        create(&store, asked(&["10.50.0.0/16"], &[], &[])).unwrap();
        let failure = create(&store, Wish { name: "two".into(), ..asked(&["10.50.3.0/24"], &[], &[]) }).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot use --subnet 10.50.3.0/24: Pool overlaps with other one on this address space"
        );
        let mtu = Wish { options: BTreeMap::from([("mtu".into(), "9".into())]), ..wish("three") };
        assert!(create(&store, mtu).unwrap_err().cause.contains("68 to 65535"));
    }
}
