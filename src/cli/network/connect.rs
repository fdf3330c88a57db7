//! `rr network connect` and `rr network disconnect`

use super::super::network_flags::{ip_address, link};
use super::super::run_flags::{all, opt};
use super::super::verbs::Verb;
use super::super::{report, store};
use crate::container::plan::Membership;
use crate::container::{connecting, record, values};
use crate::error::Result;

/// Put a container on one more network
#[derive(Debug, clap::Parser)]
pub struct Connect {
    /// Give the container another name on the network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Accepted; rr's networks have no options of one container
    #[arg(long, value_name = "NAME=VALUE")]
    driver_opt: Vec<String>,
    /// Give it this IPv4 address
    #[arg(long, value_name = "IP")]
    ip: Option<String>,
    /// Give it this address of IPv6
    #[arg(long, value_name = "IP")]
    ip6: Option<String>,
    /// Give another container of the network a further name that this one finds it by
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// Give its interface this hardware address
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
    /// Name or id
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Connect {
    fn run(self) -> Result<i32> {
        let membership = Membership {
            network: self.network,
            aliases: all("--alias", &self.alias, values::hostname)?,
            links: all("--link", &self.link, link)?,
            ip: opt("--ip", &self.ip, ip_address)?,
            ip6: opt("--ip6", &self.ip6, ip_address)?,
            mac: opt("--mac-address", &self.mac_address, |text| text.parse())?,
        };
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        connecting::connect(&store, membership, &container, &mut |line| report::notice(&line)).map(|()| 0)
    }
}

/// Take a container off a network
#[derive(Debug, clap::Parser)]
pub struct Disconnect {
    /// Accepted; rr takes it off in any case
    #[arg(short, long)]
    force: bool,
    /// Name or id
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Disconnect {
    fn run(self) -> Result<i32> {
        let store = store()?;
        let container = record::find(&store, &self.container)?;
        connecting::disconnect(&store, &self.network, &container).map(|()| 0)
    }
}
