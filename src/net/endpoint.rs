//! How a container that runs is reached on its network: what the record keeps of it, and `inspect` shows.

use super::stack::Subnet;
use super::{CONTAINER, GATEWAY, MacAddress, ResolvedNetwork};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The container's end on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Which, by its name; empty where it is the container's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// Its IPv4 address.
    pub v4: Option<Place>,
    /// Its address of IPv6.
    pub v6: Option<Place>,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
}

/// An address and what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The container's.
    pub address: IpAddr,
    /// How many bits the network's addresses have in common.
    pub prefix: u8,
    /// The default gateway.
    pub gateway: Option<IpAddr>,
}

impl Endpoint {
    /// What rr knows of a network that is the container's own; None where it has none, or shares one.
    pub fn of(network: &ResolvedNetwork) -> Option<Endpoint> {
        match network {
            ResolvedNetwork::BuiltIn(layout) => Some(Endpoint {
                v4: Some(place(&layout.v4)),
                v6: Some(place(&layout.v6)),
                mac: Some(layout.mac()),
                ..Endpoint::default()
            }),
            // Of IPv6 the programs decide for themselves.
            ResolvedNetwork::Carried { .. } => {
                let v4 = Place { address: CONTAINER.into(), prefix: 24, gateway: Some(GATEWAY.into()) };
                Some(Endpoint { v4: Some(v4), ..Endpoint::default() })
            }
            _ => None,
        }
    }
}

fn place(subnet: &Subnet) -> Place {
    Place { address: subnet.container, prefix: subnet.prefix, gateway: Some(subnet.gateway) }
}
