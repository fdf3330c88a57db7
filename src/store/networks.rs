//! Networks that users have made, by name: what is known about them on disk.
//!
//! ```text
//! networks/<name>/            appears whole, by rename(2), and goes the same way
//!   network.json              id, addresses, labels, options, when it was made
//!   keeper                    the socket of the process that keeps the network, while one does
//! ```
//!
//! A network is in use as long as a container's plan names it. So whoever makes a plan that names networks holds
//! [`Store::lock_networks_shared`] from before it looks whether they are there until the plan is written, and whoever
//! makes or removes networks holds [`Store::lock_networks_exclusive`]: to make one, since its addresses must not be
//! those of another, made at the same time.

use super::{Store, TempDir};
use crate::error::{Doing, Result};
use crate::net::subnet::Subnet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

/// What is known about a network, in its directory.
const METADATA: &str = "network.json";

/// `network.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// 64 hexadecimal digits.
    pub id: String,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// Its addresses: one range of IPv4, and one of IPv6 where that is wanted.
    pub pools: Vec<Pool>,
    /// `--internal`: no way out of it.
    pub internal: bool,
    /// `--ipv6`
    pub ipv6: bool,
    /// `--attachable`: what Docker shows; it changes nothing.
    #[serde(default)]
    pub attachable: bool,
    /// `--label`
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as typed.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// The options that mean something here.
pub const MTU_OPTIONS: [&str; 2] = ["com.docker.network.driver.mtu", "mtu"];

impl Metadata {
    /// The MTU that was asked for.
    pub fn mtu(&self) -> Option<u32> {
        MTU_OPTIONS.iter().find_map(|name| self.options.get(*name)?.parse().ok())
    }
}

/// A range of a network's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// All of them.
    pub subnet: Subnet,
    /// Whom containers send to what is outside.
    pub gateway: IpAddr,
    /// `--ip-range`: those that containers get without asking for one.
    #[serde(default)]
    pub range: Option<Subnet>,
}

/// A network as found on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// `networks/<name>`
    pub home: PathBuf,
    /// What is known about it.
    pub metadata: Metadata,
}

/// Makes a network; false where there is one of that name. The caller holds [`Store::lock_networks_exclusive`].
///
/// # Errors
/// The system's; then there is no new network.
pub fn create(store: &Store, name: &str, metadata: &Metadata) -> Result<bool> {
    let home = store.networks().join(name);
    let doing = || format!("cannot make the network {name}");
    if home.is_dir() {
        return Ok(false);
    }
    // A store that an older rr has made has no such directory.
    fs::create_dir_all(store.networks()).doing(doing)?;
    let new = TempDir::new(store, "network")?;
    let text = serde_json::to_vec(metadata).doing(doing)?;
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(new.path().join(METADATA))?;
        file.write_all(&text)?;
        file.sync_all()
    };
    write().doing(doing)?;
    new.publish(&home).map_err(|failure| failure.while_doing(doing()))?;
    Ok(true)
}

/// The network of this name, if there is one.
///
/// # Errors
/// The system's; what is written about it cannot be understood.
pub fn find(store: &Store, name: &str) -> Result<Option<Network>> {
    // A name is one path component; anything else would leave the directory.
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Ok(None);
    }
    let home = store.networks().join(name);
    let path = home.join(METADATA);
    let doing = || format!("cannot read {}", path.display());
    match fs::read(&path) {
        Ok(text) => {
            let metadata = serde_json::from_slice(&text).doing(doing)?;
            Ok(Some(Network { name: name.to_owned(), home, metadata }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing(doing),
    }
}

/// All networks, by name. One that cannot be read is passed over with a line in the log: the machine lost power while
/// it was made.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Network>> {
    let path = store.networks();
    let doing = || format!("cannot read {}", path.display());
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(doing)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing(doing)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        match find(store, &name) {
            Ok(network) => found.extend(network),
            Err(failure) => log::warn!("{failure}"),
        }
    }
    Ok(found)
}

/// Removes a network that is there. The caller holds [`Store::lock_networks_exclusive`] and has seen that no container
/// uses it.
///
/// # Errors
/// The system's.
pub fn remove(store: &Store, name: &str) -> Result<()> {
    let bin = TempDir::new(store, "network")?;
    let taken = fs::rename(store.networks().join(name), bin.path().join(name));
    taken.doing(|| format!("cannot remove the network {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(id: &str) -> Metadata {
        Metadata {
            id: id.repeat(32),
            created: jiff::Timestamp::now(),
            pools: vec![Pool {
                subnet: "10.89.0.0/24".parse().unwrap(),
                gateway: "10.89.0.1".parse().unwrap(),
                range: None,
            }],
            internal: false,
            ipv6: false,
            attachable: false,
            labels: BTreeMap::from([("a".into(), "b".into())]),
            options: BTreeMap::new(),
        }
    }

    #[test]
    fn a_network_is_made_once_found_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open_at(home.path()).unwrap();
        assert!(list(&store).unwrap().is_empty());
        assert!(create(&store, "net", &metadata("ab")).unwrap());
        assert!(!create(&store, "net", &metadata("cd")).unwrap());
        assert_eq!(find(&store, "net").unwrap().unwrap().metadata.id, "ab".repeat(32));
        assert!(find(&store, "../networks/net").unwrap().is_none() && find(&store, "nope").unwrap().is_none());
        fs::create_dir(store.networks().join("torn")).unwrap();
        fs::write(store.networks().join("torn").join(METADATA), "{\"id\":").unwrap();
        assert_eq!(list(&store).unwrap().len(), 1);
        remove(&store, "net").unwrap();
        assert!(list(&store).unwrap().is_empty());
        assert_eq!(fs::read_dir(store.tmp()).unwrap().count(), 0);
    }
}
