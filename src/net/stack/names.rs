//! Queries to the name server's address: the forwarder answers them, which asks the host's servers.

use super::timers::Moment;
use super::udp;
use super::wire::Mac;
use super::{Core, Ends, Source, Told};
use crate::host::resolv_conf::NameServer;
use crate::net::dns::{Forwarder, Upstream};
use rustix::event::epoll::EventFlags;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// Who waits for an answer by UDP.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Asker {
    ends: Ends,
    mac: Mac,
}

/// See the module.
pub(super) struct Names {
    forwarder: Forwarder<Asker>,
    /// Who has name servers of their own.
    own_servers: Vec<IpAddr>,
}

impl Names {
    /// Asks the servers of `upstream`.
    pub(super) fn new(core: &Core, upstream: Upstream) -> rustix::io::Result<Names> {
        let forwarder: Forwarder<Asker> = Forwarder::new(upstream)?;
        core.watch(&forwarder, Source::Names, EventFlags::IN)?;
        Ok(Names { forwarder, own_servers: Vec::new() })
    }

    /// Another table of names, and other clients with name servers of their own.
    pub(super) fn replace(&mut self, told: &Told) {
        self.forwarder.set_names(told.tables());
        for client in self.own_servers.drain(..) {
            self.forwarder.set_servers(client, &[]);
        }
        for (client, servers) in &told.servers {
            let server = |address: &IpAddr| NameServer { address: *address, interface: None };
            self.forwarder.set_servers(*client, &servers.iter().map(server).collect::<Vec<_>>());
            self.own_servers.push(*client);
        }
    }

    /// A query by UDP.
    pub(super) fn datagram(&mut self, core: &mut Core, mac: Mac, ends: Ends, query: &[u8]) {
        let asker = Asker { ends, mac };
        self.forwarder.query(ends.inside.ip(), asker, query, &mut |to, answer| tell(core, to, answer));
    }

    /// A connection to the name server: `stream` is its other end.
    pub(super) fn accept(&mut self, client: IpAddr, stream: OwnedFd) {
        self.forwarder.accept_stream(client, stream);
    }

    /// How many queries wait for an answer, and how many connections there are.
    pub(super) fn under_way(&self) -> (usize, usize) {
        self.forwarder.under_way()
    }

    /// Does what there is to do.
    pub(super) fn serve(&mut self, core: &mut Core) {
        self.forwarder.ready(&mut |to, answer| tell(core, to, answer));
    }

    /// When [`Names::serve`] has something to do of itself.
    pub(super) fn next(&self, core: &Core) -> Option<Moment> {
        let deadline = self.forwarder.next_deadline()?;
        Some(deadline.saturating_duration_since(core.began).as_millis() as Moment + 1)
    }
}

fn tell(core: &mut Core, asker: Asker, answer: &[u8]) {
    udp::send(&core.link, asker.mac, asker.ends, answer);
}
