//! Who is on a network, and which addresses they have. Pure.

use crate::error::{Failure, Result};
use crate::net::stack::{Further, Inside, Told};
use crate::net::{self, MacAddress, Membership};
use crate::store::networks::Pool;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Names, each with an address of a container that has it.
pub type Names = Vec<(String, IpAddr)>;

/// A container as a network is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// `--dns`: whom the network's name server asks for this one, in the place of the host's.
    pub servers: Vec<IpAddr>,
    /// Further names and wishes.
    pub wanted: Membership,
}

/// One of a container's addresses on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The container's.
    pub ip: IpAddr,
    /// How many bits the network's addresses share.
    pub prefix: u8,
    /// Whom it sends to what is outside.
    pub gateway: IpAddr,
}

/// What a container has on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// IPv4 first.
    pub addresses: Vec<Address>,
    /// Of its interface.
    pub mac: MacAddress,
}

impl Endpoint {
    /// As the stack knows the container.
    pub fn inside(&self) -> Option<Inside> {
        let of = |v6: bool| self.addresses.iter().map(|address| address.ip).find(|ip| ip.is_ipv6() == v6);
        Some(Inside { v4: of(false)?, v6: of(true) })
    }

    /// As the container's record has it.
    pub fn for_record(&self) -> net::Endpoint {
        let place = |v6: bool| {
            let address = self.addresses.iter().find(|address| address.ip.is_ipv6() == v6)?;
            Some(net::Place { address: address.ip, prefix: address.prefix, gateway: Some(address.gateway) })
        };
        net::Endpoint { v4: place(false), v6: place(true), mac: Some(self.mac), ..net::Endpoint::default() }
    }
}

/// A container on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// Who.
    pub member: Member,
    /// Where.
    pub endpoint: Endpoint,
}

/// Everybody on one network, by number of their connection.
#[derive(Debug)]
pub struct Roll {
    pools: Vec<Pool>,
    seated: BTreeMap<u64, Seated>,
    /// What a container knows from other networks, by their names.
    known: BTreeMap<u64, BTreeMap<String, Names>>,
}

impl Roll {
    /// An empty network with these addresses.
    pub fn new(pools: Vec<Pool>) -> Roll {
        Roll { pools, seated: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Gives a container its addresses: those it wants, else the lowest that are free.
    ///
    /// # Errors
    /// One is taken, or none is left; in Docker's words.
    pub fn admit(&mut self, seat: u64, member: Member) -> Result<Endpoint> {
        let taken: BTreeSet<IpAddr> =
            self.seated.values().flat_map(|seated| &seated.endpoint.addresses).map(|address| address.ip).collect();
        let mut addresses = Vec::new();
        for pool in &self.pools {
            let wanted = match pool.subnet.is_v6() {
                true => member.wanted.ip6.map(IpAddr::V6),
                false => member.wanted.ip.map(IpAddr::V4),
            };
            let ip = match wanted {
                Some(ip) if taken.contains(&ip) => return Err(Failure::new("Address already in use", ip)),
                Some(ip) => ip,
                None => free(pool, &taken).ok_or_else(|| {
                    let family = if pool.subnet.is_v6() { "IPv6" } else { "IPv4" };
                    let network = &member.wanted.network;
                    let cause = format!("no available {family} addresses on this network's address pools");
                    Failure::new(format!("cannot join the network {network}"), cause)
                })?,
            };
            addresses.push(Address { ip, prefix: pool.subnet.prefix(), gateway: pool.gateway });
        }
        let first = addresses.first().ok_or_else(|| Failure::new("cannot join the network", "it has no addresses"))?;
        let mac = member.wanted.mac.unwrap_or_else(|| made_of(first.ip));
        let endpoint = Endpoint { addresses, mac };
        self.seated.insert(seat, Seated { member, endpoint: endpoint.clone() });
        Ok(endpoint)
    }

    /// Takes a container off the network.
    pub fn dismiss(&mut self, seat: u64) {
        self.seated.remove(&seat);
        self.known.remove(&seat);
    }

    /// A container knows these names from another network.
    pub fn learn(&mut self, seat: u64, network: String, names: Names) {
        let known = self.known.entry(seat).or_default();
        match names.is_empty() {
            true => drop(known.remove(&network)),
            false => drop(known.insert(network, names)),
        }
    }

    /// What the container of this connection has.
    pub fn endpoint(&self, seat: u64) -> Option<&Endpoint> {
        self.seated.get(&seat).map(|seated| &seated.endpoint)
    }

    /// Gives a container another name.
    pub fn rename(&mut self, id: &str, name: &str) {
        for seated in self.seated.values_mut().filter(|seated| seated.member.id == id) {
            name.clone_into(&mut seated.member.name);
        }
    }

    /// Everybody's names: names before aliases, and the beginnings of ids, as Docker has it.
    pub fn names(&self) -> Names {
        let mut found = Names::new();
        for Seated { member, endpoint } in self.seated.values() {
            let short_id = member.id.get(..12).unwrap_or(&member.id);
            for address in &endpoint.addresses {
                let names = [member.name.as_str(), short_id].into_iter();
                let names = names.chain(member.wanted.aliases.iter().map(String::as_str));
                found.extend(names.map(|name| (name.to_owned(), address.ip)));
            }
        }
        found
    }

    /// What the network's name server is to know.
    pub fn told(&self, network: &str) -> Told {
        let mut told = Told { network: network.to_owned(), names: self.names(), ..Told::default() };
        for (seat, Seated { member, endpoint }) in &self.seated {
            let clients: Vec<IpAddr> = endpoint.addresses.iter().map(|address| address.ip).collect();
            if !member.servers.is_empty() {
                told.servers.extend(clients.iter().map(|client| (*client, member.servers.clone())));
            }
            let links = self.links(&member.wanted);
            let links = (!links.is_empty()).then(|| (network.to_owned(), links));
            let known =
                self.known.get(seat).into_iter().flatten().map(|(network, names)| (network.clone(), names.clone()));
            let further = links.into_iter().chain(known);
            told.further.extend(further.map(|(network, names)| Further { clients: clients.clone(), network, names }));
        }
        told
    }

    /// The other names that a container has for others.
    fn links(&self, wanted: &Membership) -> Names {
        let mut found = Names::new();
        for (id, alias) in &wanted.links {
            let linked = self.seated.values().filter(|seated| seated.member.id == *id);
            let addresses = linked.flat_map(|seated| &seated.endpoint.addresses);
            found.extend(addresses.map(|address| (alias.clone(), address.ip)));
        }
        found
    }

    /// Everybody, in the order of their coming.
    pub fn everybody(&self) -> impl Iterator<Item = &Seated> {
        self.seated.values()
    }
}

/// The lowest address that nobody has.
fn free(pool: &Pool, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let in_range = pool.range.unwrap_or(pool.subnet);
    let mut hosts = in_range.hosts().filter(|ip| pool.subnet.hosts_hold(*ip));
    hosts.find(|ip| *ip != pool.gateway && !taken.contains(ip))
}

/// Docker's way for IPv4: no two of a network are the same. The second bit of the first byte says that nobody has sold it.
fn made_of(ip: IpAddr) -> MacAddress {
    let last = match ip {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(ip) => {
            let [.., a, b, c, d] = ip.octets();
            [a, b, c, d]
        }
    };
    MacAddress([0x02, 0x42, last[0], last[1], last[2], last[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(subnet: &str, gateway: &str, range: Option<&str>) -> Pool {
        Pool {
            subnet: subnet.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
            range: range.map(|range| range.parse().unwrap()),
        }
    }

    fn member(ip: Option<&str>) -> Member {
        let wanted = Membership { network: "n".into(), ip: ip.map(|ip| ip.parse().unwrap()), ..Membership::default() };
        Member { id: "i".into(), name: "c".into(), servers: vec![], wanted }
    }

    fn first(endpoint: Result<Endpoint>) -> String {
        endpoint.unwrap().addresses[0].ip.to_string()
    }

    #[test]
    fn the_lowest_free_address_is_given() {
        let mut roll = Roll::new(vec![pool("10.1.0.0/29", "10.1.0.2", None)]);
        assert_eq!(first(roll.admit(0, member(None))), "10.1.0.1");
        assert_eq!(first(roll.admit(1, member(None))), "10.1.0.3");
        assert_eq!(first(roll.admit(2, member(Some("10.1.0.5")))), "10.1.0.5");
        assert_eq!(first(roll.admit(3, member(None))), "10.1.0.4");
        let failure = roll.admit(4, member(Some("10.1.0.5"))).unwrap_err();
        assert_eq!(failure.to_string(), "Address already in use: 10.1.0.5");
        assert_eq!(first(roll.admit(4, member(None))), "10.1.0.6");
        assert!(roll.admit(5, member(None)).unwrap_err().cause.contains("no available IPv4 addresses"));
        roll.dismiss(1);
        let endpoint = roll.admit(5, member(None)).unwrap();
        assert_eq!(
            endpoint.addresses[0],
            Address { ip: "10.1.0.3".parse().unwrap(), prefix: 29, gateway: "10.1.0.2".parse().unwrap() }
        );
        assert_eq!(endpoint.mac.to_string(), "02:42:0a:01:00:03");
    }

    #[test]
    fn a_range_and_both_families_are_kept_to() {
        let pools = vec![pool("10.1.0.0/16", "10.1.0.1", Some("10.1.0.0/30")), pool("fd00::/64", "fd00::1", None)];
        let mut roll = Roll::new(pools);
        let endpoint = roll.admit(0, member(None)).unwrap();
        let shown: Vec<String> = endpoint.addresses.iter().map(|address| address.ip.to_string()).collect();
        assert_eq!(shown, ["10.1.0.2", "fd00::2"]);
        assert!(roll.admit(1, member(None)).is_err());
        assert_eq!(first(roll.admit(1, member(Some("10.1.7.7")))), "10.1.7.7");
        roll.rename("i", "other");
        assert!(roll.everybody().all(|seated| seated.member.name == "other"));
    }

    #[test]
    fn everybody_is_known_by_name_id_and_alias() {
        let mut roll = Roll::new(vec![pool("10.1.0.0/29", "10.1.0.1", None)]);
        let wanted = Membership { aliases: vec!["db".into()], ..Membership::default() };
        let servers = vec!["192.0.2.9".parse().unwrap()];
        roll.admit(0, Member { id: "ab".repeat(32), name: "web".into(), servers: servers.clone(), wanted }).unwrap();
        let address: IpAddr = "10.1.0.2".parse().unwrap();
        let told = roll.told("net");
        let names = ["web", "abababababab", "db"].map(|name| (name.to_owned(), address));
        assert_eq!((told.names, told.servers), (names.to_vec(), vec![(address, servers)]));
        roll.dismiss(0);
        assert_eq!(roll.told("net"), Told { network: "net".into(), ..Told::default() });
    }

    proptest! {
        #[test]
        fn nobody_has_anothers_address(steps in proptest::collection::vec((0..6_u64, any::<bool>()), 0..60)) {
            let mut roll = Roll::new(vec![pool("10.1.0.0/28", "10.1.0.1", None)]);
            for (seat, comes) in steps {
                roll.dismiss(seat);
                if comes {
                    roll.admit(seat, member(None)).unwrap();
                }
                let all: Vec<IpAddr> = roll.everybody().map(|seated| seated.endpoint.addresses[0].ip).collect();
                let distinct: BTreeSet<&IpAddr> = all.iter().collect();
                prop_assert_eq!(distinct.len(), all.len());
                prop_assert!(!distinct.contains(&"10.1.0.1".parse::<IpAddr>().unwrap()));
            }
        }
    }
}
