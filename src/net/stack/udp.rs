//! Datagrams: each pair of ends is a connected socket of the host's, so that answers come from whom the container has
//! asked and errors come back as they were. A flow ends when nothing has passed for a while.

use super::layout::Way;
use super::link::{Link, OWN};
use super::names::Names;
use super::table::{Id, Table};
use super::timers::{Deadline, Moment};
use super::wire::Mac;
use super::wire::head::Head;
use super::wire::icmp::{About, Unreachable};
use super::wire::ip::{Packet, protocol};
use super::wire::udp::{self, Datagram};
use super::{Core, Ends, Source, limit_hops, socket_to};
use crate::sys::net::{NetworkError, keep_errors, next_error};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType};
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// The most flows at once; the one that has been idle longest goes for a new one.
pub(super) const MOST_FLOWS: usize = 4096;
/// Idle time after which a flow is forgotten, in milliseconds: nothing has come back yet, and otherwise. As conntrack
/// has them (nf_conntrack-sysctl.rst).
const UNANSWERED: Moment = 30_000;
const ANSWERED: Moment = 120_000;
/// How many datagrams are passed on before others have their turn.
const AT_ONCE: usize = 32;

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    ends: Ends,
    mac: Mac,
    /// See [`limit_hops`].
    hops: u8,
    patience: Moment,
    used: Moment,
    deadline: Deadline,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Udp {
    flows: Table<Flow>,
    by_ends: HashMap<Ends, Id>,
}

impl Udp {
    /// One from the container.
    pub(super) fn datagram(
        &mut self,
        core: &mut Core,
        names: &mut Names,
        mac: Mac,
        packet: &Packet<'_>,
        datagram: &Datagram<'_>,
    ) {
        let ends = Ends::of(packet, datagram.from, datagram.to);
        if core.layout.way(ends.outside) == Way::NameServer {
            return names.datagram(core, mac, ends, datagram.payload);
        }
        let id = match self.by_ends.get(&ends) {
            Some(id) => *id,
            None => match self.open(core, mac, ends) {
                Ok(Some(id)) => id,
                Ok(None) => return,
                Err(why) => return report(core, mac, ends, why.numbers(packet.source.is_ipv4()), 0, None),
            },
        };
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.mac = mac;
        flow.used = core.now;
        limit_hops(&flow.socket, &mut flow.hops, packet);
        core.timers.set(&mut flow.deadline, core.now + flow.patience, Source::Udp(id));
        // The first error may be an earlier datagram's, which is told once and kept for `event` as well.
        for _ in 0..2 {
            match rustix::net::send(&flow.socket, datagram.payload, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN) => return,
                Err(_) => report_errors(core, flow),
            }
        }
    }

    /// A new flow; None for a datagram that goes nowhere.
    fn open(&mut self, core: &mut Core, mac: Mac, ends: Ends) -> Result<Option<Id>, Unreachable> {
        let to = match core.layout.way(ends.outside) {
            Way::Out(to) => to,
            Way::NameServer | Way::Own => return Err(Unreachable::Port),
            Way::Nowhere => return Ok(None),
        };
        if self.flows.len() >= MOST_FLOWS
            && let Some(oldest) = self.flows.least_by_key(|flow| flow.used)
        {
            self.close(core, oldest);
        }
        let because = |errno: Errno| Unreachable::from_errno(errno.raw_os_error()).unwrap_or(Unreachable::Host);
        let socket = socket_to(to.ip(), SocketType::DGRAM, None).map_err(because)?;
        keep_errors(&socket, to.ip()).map_err(|_| Unreachable::Host)?;
        rustix::net::connect(&socket, &to).map_err(because)?;
        let patience = UNANSWERED;
        let flow = Flow { socket, ends, mac, hops: 0, patience, used: core.now, deadline: Deadline::default() };
        let id = self.flows.insert(flow);
        if let Some(flow) = self.flows.get_mut(id)
            && core.watch(&flow.socket, Source::Udp(id), EventFlags::IN).is_err()
        {
            self.flows.remove(id);
            return Err(Unreachable::Host);
        }
        self.by_ends.insert(ends, id);
        Ok(Some(id))
    }

    fn close(&mut self, core: &mut Core, id: Id) {
        if let Some(flow) = self.flows.remove(id) {
            self.by_ends.remove(&flow.ends);
            core.timers.cancel(flow.deadline, Source::Udp(id));
        }
    }

    /// Ends the flows of a container that has left.
    pub(super) fn part(&mut self, core: &mut Core, address: IpAddr) {
        let ids = self.flows.iter().filter(|(_, flow)| flow.ends.inside.ip() == address).map(|(id, _)| id);
        ids.collect::<Vec<_>>().into_iter().for_each(|id| self.close(core, id));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Something has come for a flow.
    pub(super) fn event(&mut self, core: &mut Core, id: Id, flags: EventFlags) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flags.contains(EventFlags::ERR) {
            report_errors(core, flow);
        }
        for _ in 0..AT_ONCE {
            match rustix::net::recv(&flow.socket, &mut core.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    send(&core.link, flow.mac, flow.ends, &core.buffer[..length]);
                }
                Err(Errno::INTR) => continue,
                // What is no lack of datagrams is an error that has been reported.
                Err(_) => break,
            }
            flow.patience = ANSWERED;
            flow.used = core.now;
        }
        core.timers.set(&mut flow.deadline, core.now + flow.patience, Source::Udp(id));
    }

    /// Its time may have come.
    pub(super) fn expire(&mut self, core: &mut Core, entry: (Moment, Source)) {
        let Source::Udp(id) = entry.1 else { return };
        let Some(flow) = self.flows.get_mut(id) else { return };
        if core.timers.is_due(&mut flow.deadline, entry, core.now) {
            self.close(core, id);
        }
    }
}

/// Sends the container what has come from the outer end.
pub(super) fn send(link: &Link, mac: Mac, ends: Ends, payload: &[u8]) {
    let addresses = (ends.outside.ip(), ends.inside.ip());
    let mut head = Head::ip((OWN, mac), addresses, protocol::UDP, udp::HEADER + payload.len());
    head.push(&udp::header(ends.outside.port(), ends.inside.port(), payload.len()));
    head.leave_checksum(udp::CHECKSUM);
    link.send(&head, payload);
}

/// Passes on what the network has said about a flow's datagrams.
fn report_errors(core: &mut Core, flow: &Flow) {
    while let Ok(Some(error)) = next_error(&flow.socket) {
        let v4 = flow.ends.inside.is_ipv4();
        let numbers = match error {
            NetworkError { icmp: Some(numbers), .. } => numbers,
            NetworkError { errno, .. } => match Unreachable::from_errno(errno) {
                Some(why) => why.numbers(v4),
                // EMSGSIZE of the host's own: what is too long for the way and may not be split.
                None => continue,
            },
        };
        report(core, flow.mac, flow.ends, numbers, error.info, error.offender);
    }
}

fn report(core: &mut Core, mac: Mac, ends: Ends, numbers: (u8, u8), rest: u32, offender: Option<IpAddr>) {
    let transport = udp::header(ends.inside.port(), ends.outside.port(), 0);
    let addresses = (ends.inside.ip(), ends.outside.ip());
    let about = About { addresses, protocol: protocol::UDP, transport: &transport };
    let speaker = super::speaker(core, ends.inside.ip(), offender);
    core.link.report(mac, speaker, &about, numbers, rest);
}
