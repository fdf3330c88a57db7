//! The container's network: which mode, who carries packets, and the files that name things.

use serde::{Deserialize, Serialize};

/// Network and names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// `--network`, as asked for; `net::attach` resolves `Private` to what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// A network namespace with loopback only.
    None,
    /// The host's network namespace.
    Host,
    /// pasta if it is there, else slirp4netns, else loopback only and one line that says so.
    Private,
    /// pasta(1), or an error.
    Pasta,
    /// slirp4netns(1), or an error.
    Slirp4netns,
}
