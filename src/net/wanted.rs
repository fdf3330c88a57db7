//! The network as asked for: what `--network` and its like have become, and what the record keeps of it.

use serde::{Deserialize, Serialize};

/// Network and names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Which network.
    pub mode: NetworkMode,
    /// `--dns`: name servers instead of the host's.
    pub dns: Vec<String>,
    /// `--dns-search`
    pub dns_search: Vec<String>,
    /// `--dns-option`
    pub dns_options: Vec<String>,
    /// `--add-host name:address`, as (name, address); `host-gateway` is kept as that word.
    pub add_hosts: Vec<(String, String)>,
}

impl NetworkPlan {
    /// `mode`, and nothing else asked for.
    pub fn new(mode: NetworkMode) -> NetworkPlan {
        NetworkPlan { mode, dns: Vec::new(), dns_search: Vec::new(), dns_options: Vec::new(), add_hosts: Vec::new() }
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
    /// pasta if it is there, else slirp4netns, else loopback only and one line that says so.
    #[default]
    Private,
    /// pasta(1), or an error.
    Pasta,
    /// slirp4netns(1), or an error.
    Slirp4netns,
}
