//! The network as asked for: what `--network` and its like have become, and what the record keeps of it.

use super::ports::PortsPlan;
use super::private::PrivateNetwork;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Network and names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Which network.
    pub mode: NetworkMode,
    /// The networks with names, in the order of the container's interfaces: with [`NetworkMode::Networks`] at least one,
    /// with [`NetworkMode::Private`] those that it was connected to besides, with others none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Membership>,
    /// With [`NetworkMode::Container`]: whose namespace; as typed, and in a record its whole id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// With [`NetworkMode::Private`]: its addresses. With the programs' modes: whether the host's loopback is reached.
    #[serde(default, skip_serializing_if = "is_default")]
    pub private: PrivateNetwork,
    /// `--dns`: name servers instead of the host's.
    pub dns: Vec<String>,
    /// `--dns-search`
    pub dns_search: Vec<String>,
    /// `--dns-option`
    pub dns_options: Vec<String>,
    /// `--add-host name:address`, as (name, address); `host-gateway` is kept as that word.
    pub add_hosts: Vec<(String, String)>,
    /// `--publish` and `--publish-all`
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: PortsPlan,
}

/// Whether there is nothing to write down.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NetworkPlan {
    /// `mode`, and nothing else asked for.
    pub fn new(mode: NetworkMode) -> NetworkPlan {
        NetworkPlan {
            mode,
            networks: Vec::new(),
            container: None,
            private: PrivateNetwork::default(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            add_hosts: Vec::new(),
            ports: PortsPlan::default(),
        }
    }
}

/// `--network`, as asked for; [`super::plan`] resolves `Private` to what the machine has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// A network namespace with loopback only.
    None,
    /// The host's network namespace.
    Host,
    /// rr's own stack; where that does not work pasta, else slirp4netns, else loopback only, with one line that says so.
    #[default]
    Private,
    /// pasta(1), or an error.
    Pasta,
    /// slirp4netns(1), or an error.
    Slirp4netns,
    /// Networks that were made by `network create`.
    Networks,
    /// Another container's network namespace.
    Container,
}

/// What a container is on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The network's name; as typed it may be the beginning of its id.
    pub network: String,
    /// `--network-alias`: further names under which others on the network find the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `--link`: containers, by their whole ids (as typed, by any name), and what this one calls them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, String)>,
    /// `--ip`; None: the lowest that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// `--ip6`; None: the lowest that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6: Option<Ipv6Addr>,
    /// `--mac-address`; None: one that is made from the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
}

/// The address of an interface, in six bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

impl std::fmt::Display for MacAddress {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(to, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl From<MacAddress> for String {
    fn from(address: MacAddress) -> String {
        address.to_string()
    }
}

impl TryFrom<String> for MacAddress {
    type Error = String;
    fn try_from(text: String) -> Result<MacAddress, String> {
        text.parse()
    }
}

impl std::str::FromStr for MacAddress {
    type Err = String;
    /// `02:42:0a:59:00:02`; one that is for groups of machines is none.
    fn from_str(text: &str) -> Result<MacAddress, String> {
        let wrong = || format!("{} is not a valid mac address", text.escape_debug());
        let mut bytes = [0; 6];
        let mut words = text.split([':', '-']);
        for byte in &mut bytes {
            let word = words
                .next()
                .filter(|word| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .ok_or_else(wrong)?;
            *byte = u8::from_str_radix(word, 16).map_err(|_| wrong())?;
        }
        match words.next() {
            None if bytes[0] & 1 == 0 => Ok(MacAddress(bytes)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_are_read_and_shown() {
        let address: MacAddress = "02-42-0A:59:00:02".parse().unwrap();
        assert_eq!(address.to_string(), "02:42:0a:59:00:02");
        for text in
            ["", "02:42:0a:59:00", "02:42:0a:59:00:02:03", "2:42:0a:59:00:02", "01:42:0a:59:00:02", "+2:42:0a:59:00:02"]
        {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn plans_of_older_versions_are_read() {
        let text = r#"{"mode":"private","dns":[],"dns_search":[],"dns_options":[],"add_hosts":[]}"#;
        let plan: NetworkPlan = serde_json::from_str(text).unwrap();
        assert_eq!(plan, NetworkPlan::new(NetworkMode::Private));
        assert_eq!(serde_json::to_string(&plan).unwrap(), text);
    }
}
