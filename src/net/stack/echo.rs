//! Echo requests, by the host's ping sockets (icmp(7)), which need no privilege where the host's administrator allows
//! them (`net.ipv4.ping_group_range`). Where they are not allowed, a ping is told that it is prohibited.

use super::layout::Way;
use super::link::OWN;
use super::table::{Id, Table};
use super::timers::{Deadline, Moment};
use super::wire::Mac;
use super::wire::head::Head;
use super::wire::icmp::{self, About, Echo, Unreachable};
use super::wire::ip::{Packet, protocol};
use super::{Core, Source, limit_hops, socket_to};
use crate::sys::net::{keep_errors, next_error};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, ipproto};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// The most pings at once; further ones go unanswered.
pub(super) const MOST_FLOWS: usize = 256;
/// Idle time after which one is forgotten, in milliseconds (nf_conntrack_icmp_timeout).
const PATIENCE: Moment = 30_000;
/// How many answers are passed on before others have their turn.
const AT_ONCE: usize = 32;

/// One ping(8): who, whom, and by which identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ping {
    inside: IpAddr,
    outside: IpAddr,
    identifier: u16,
}

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    ping: Ping,
    mac: Mac,
    /// See [`limit_hops`].
    hops: u8,
    deadline: Deadline,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    flows: Table<Flow>,
    by_ping: HashMap<Ping, Id>,
}

impl Echoes {
    /// A message of ICMP from the container.
    pub(super) fn message(&mut self, core: &mut Core, mac: Mac, packet: &Packet<'_>) {
        let Some(echo) = Echo::parse(packet) else { return };
        let ping = Ping { inside: packet.source, outside: packet.destination, identifier: echo.identifier };
        let id = match self.by_ping.get(&ping) {
            Some(id) => *id,
            None => match core.layout.way(SocketAddr::new(ping.outside, 0)) {
                Way::Out(to) if core.layout.subnet(ping.outside).gateway != ping.outside => {
                    match self.open(core, mac, ping, to.ip()) {
                        Ok(Some(id)) => id,
                        Ok(None) => return,
                        Err(why) => return refuse(core, mac, ping, &echo, why),
                    }
                }
                Way::Nowhere => return,
                Way::Out(_) | Way::Own | Way::NameServer => {
                    return answer(core, mac, ping, &echo.message[icmp::HEADER - 2..]);
                }
            },
        };
        let Some(flow) = self.flows.get_mut(id) else { return };
        core.timers.set(&mut flow.deadline, core.now + PATIENCE, Source::Echo(id));
        limit_hops(&flow.socket, &mut flow.hops, packet);
        for _ in 0..2 {
            match rustix::net::send(&flow.socket, echo.message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN) => return,
                Err(_) => report_errors(core, flow),
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    fn open(&mut self, core: &mut Core, mac: Mac, ping: Ping, to: IpAddr) -> Result<Option<Id>, Unreachable> {
        if self.flows.len() >= MOST_FLOWS {
            return Ok(None);
        }
        let because = |errno: Errno| Unreachable::from_errno(errno.raw_os_error()).unwrap_or(Unreachable::Host);
        let protocol = if to.is_ipv4() { ipproto::ICMP } else { ipproto::ICMPV6 };
        let socket = socket_to(to, SocketType::DGRAM, Some(protocol)).map_err(because)?;
        keep_errors(&socket, to).map_err(|_| Unreachable::Host)?;
        rustix::net::connect(&socket, &SocketAddr::new(to, 0)).map_err(because)?;
        let id = self.flows.insert(Flow { socket, ping, mac, hops: 0, deadline: Deadline::default() });
        if let Some(flow) = self.flows.get_mut(id)
            && core.watch(&flow.socket, Source::Echo(id), EventFlags::IN).is_err()
        {
            self.flows.remove(id);
            return Err(Unreachable::Host);
        }
        self.by_ping.insert(ping, id);
        Ok(Some(id))
    }

    /// Something has come for a ping.
    pub(super) fn event(&mut self, core: &mut Core, id: Id, flags: EventFlags) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flags.contains(EventFlags::ERR) {
            report_errors(core, flow);
        }
        for _ in 0..AT_ONCE {
            match rustix::net::recv(&flow.socket, &mut core.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) if length >= icmp::HEADER => {
                    // Sequence number and data; the identifier was the socket's own.
                    let rest = core.buffer[icmp::HEADER - 2..length].to_vec();
                    answer(core, flow.mac, flow.ping, &rest);
                }
                Ok(_) | Err(Errno::INTR) => continue,
                Err(_) => break,
            }
        }
    }

    /// Ends the pings of a container that has left.
    pub(super) fn part(&mut self, core: &mut Core, address: IpAddr) {
        let ids = self.flows.iter().filter(|(_, flow)| flow.ping.inside == address).map(|(id, _)| id);
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.close(core, id));
    }

    fn close(&mut self, core: &mut Core, id: Id) {
        if let Some(flow) = self.flows.remove(id) {
            core.timers.cancel(flow.deadline, Source::Echo(id));
            self.by_ping.remove(&flow.ping);
        }
    }

    /// Its time may have come.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (Moment, Source)) {
        let Source::Echo(id) = entry.1 else { return };
        let Some(flow) = self.flows.get_mut(id) else { return };
        if core.timers.is_due(&mut flow.deadline, entry, core.now) {
            self.close(core, id);
        }
    }
}

/// An echo reply; `rest` is the sequence number and what was sent along.
fn answer(core: &mut Core, mac: Mac, ping: Ping, rest: &[u8]) {
    let kind = protocol_of(ping);
    let (sequence, data) = rest.split_at(2);
    let mut head = Head::ip((OWN, mac), (ping.outside, ping.inside), kind, icmp::HEADER + data.len());
    head.push(&[icmp::reply(ping.inside.is_ipv4()), 0, 0, 0]);
    head.push(&ping.identifier.to_be_bytes());
    head.push(sequence);
    head.sum_up_icmp(data);
    core.link.send(&head, data);
}

fn protocol_of(ping: Ping) -> u8 {
    if ping.inside.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 }
}

fn report_errors(core: &mut Core, flow: &Flow) {
    while let Ok(Some(error)) = next_error(&flow.socket) {
        let why = || Unreachable::from_errno(error.errno).map(|why| why.numbers(flow.ping.inside.is_ipv4()));
        if let Some(numbers) = error.icmp.or_else(why) {
            // The request comes back with an error of the network's: by its sequence number the container knows it.
            let sequence = error.about.map_or([0; 2], |header| [header[6], header[7]]);
            let speaker = super::speaker(core, flow.ping.inside, error.offender);
            report(core, (flow.mac, flow.ping, sequence), numbers, error.info, speaker);
        }
    }
}

/// Tells a container why its request has got nowhere.
fn refuse(core: &mut Core, mac: Mac, ping: Ping, echo: &Echo<'_>, why: Unreachable) {
    let sequence = [echo.message[icmp::HEADER - 2], echo.message[icmp::HEADER - 1]];
    let gateway = super::speaker(core, ping.inside, None);
    report(core, (mac, ping, sequence), why.numbers(ping.inside.is_ipv4()), 0, gateway);
}

/// `numbers` and `rest` are as [`super::link::Link::report`] has them; about the request of this sequence number.
fn report(core: &mut Core, about: (Mac, Ping, [u8; 2]), numbers: (u8, u8), rest: u32, speaker: IpAddr) {
    let (mac, ping, sequence) = about;
    let mut transport = [0; icmp::HEADER];
    transport[0] = icmp::request(ping.inside.is_ipv4());
    transport[4..6].copy_from_slice(&ping.identifier.to_be_bytes());
    transport[6..].copy_from_slice(&sequence);
    let about = About { addresses: (ping.inside, ping.outside), protocol: protocol_of(ping), transport: &transport };
    core.link.report(mac, speaker, &about, numbers, rest);
}
