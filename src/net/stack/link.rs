//! The link to the container: frames in and out, and whose hardware address is whose.

use super::layout::Layout;
use super::wire::arp::{Arp, Operation};
use super::wire::head::Head;
use super::wire::icmp::{self, About};
use super::wire::ip::{Packet, protocol};
use super::wire::ndp::{self, Neighbour};
use super::wire::{ARP, ETHERNET, Ethernet, Mac};
use std::collections::HashMap;
use std::io::IoSlice;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// The stack's own hardware address, of those that nobody has sold.
pub const OWN: Mac = Mac([0x52, 0x55, 10, 0, 2, 2]);

/// How many neighbours are remembered: more than any network of containers has, and few enough for one that lies.
pub const MOST_NEIGHBOURS: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Link {
    device: OwnedFd,
    neighbours: HashMap<IpAddr, Mac>,
}

impl Link {
    /// On a TAP device, or another descriptor that keeps frames apart.
    pub fn new(device: OwnedFd) -> Link {
        Link { device, neighbours: HashMap::new() }
    }

    /// The device, for epoll.
    pub fn device(&self) -> &OwnedFd {
        &self.device
    }

    /// The next frame with virtio's header.
    ///
    /// # Errors
    /// EAGAIN: there is none now; EBADFD: the interface is gone.
    pub fn receive(&self, frame: &mut [u8]) -> rustix::io::Result<usize> {
        rustix::io::read(&self.device, frame)
    }

    /// Sends a frame. The kernel has it when this returns, or has lost it as a wire might: then there was no memory.
    pub fn send(&self, head: &Head, payload: &[u8]) {
        let parts = [IoSlice::new(head.bytes()), IoSlice::new(payload)];
        let parts = if payload.is_empty() { &parts[..1] } else { &parts[..] };
        if let Err(errno) = rustix::io::writev(&self.device, parts) {
            log::trace!("a frame is lost: {errno}");
        }
    }

    /// Remembers who has `address`.
    pub fn learn(&mut self, address: IpAddr, mac: Mac) {
        if mac.is_group() || mac == OWN {
            return;
        }
        if self.neighbours.len() < MOST_NEIGHBOURS || self.neighbours.contains_key(&address) {
            self.neighbours.insert(address, mac);
        }
    }

    /// Somebody else may have `address` from now on.
    pub fn forget(&mut self, address: IpAddr) {
        self.neighbours.remove(&address);
    }

    /// Who has `address`, as far as anybody has said.
    pub fn neighbour(&self, address: IpAddr) -> Option<Mac> {
        self.neighbours.get(&address).copied()
    }

    /// Who has `address`; while nobody has said, everybody on the link, of whom one takes it, and the question is asked.
    pub fn neighbour_or_all(&self, address: IpAddr, layout: &Layout) -> Mac {
        self.neighbour(address).unwrap_or_else(|| {
            self.solicit(address, layout);
            Mac::BROADCAST
        })
    }

    /// How many neighbours are remembered.
    pub fn neighbours(&self) -> usize {
        self.neighbours.len()
    }

    /// Asks who has `address`; the answer is learnt when it comes.
    pub fn solicit(&self, address: IpAddr, layout: &Layout) {
        match (address, layout.v4.gateway, layout.v6.gateway) {
            (IpAddr::V4(target), IpAddr::V4(own), _) => {
                let question = Arp { operation: Operation::Request, sender: (OWN, own), target: (Mac([0; 6]), target) };
                let mut head = Head::ethernet(OWN, Mac::BROADCAST, ARP);
                head.push(&question.to_bytes());
                self.send(&head, &[]);
            }
            (IpAddr::V6(target), _, own) => {
                let (group, mac) = ndp::solicited_node(target);
                self.say(Neighbour::Solicitation(target, Some(OWN)), own, (group, mac));
            }
            _ => {}
        }
    }

    /// A frame of ARP: answers who asks for one of the stack's own addresses.
    pub fn arp(&mut self, frame: &Ethernet<'_>, layout: &Layout) {
        let Some(message) = Arp::parse(frame.payload) else { return };
        let (mac, sender) = message.sender;
        if layout.is_inside(sender.into()) {
            self.learn(sender.into(), mac);
        }
        let target = message.target.1;
        if message.operation == Operation::Request && layout.v4.is_own(target.into()) {
            let answer = Arp { operation: Operation::Reply, sender: (OWN, target), target: message.sender };
            let mut head = Head::ethernet(OWN, mac, ARP);
            head.push(&answer.to_bytes());
            self.send(&head, &[]);
        }
    }

    /// The same with IPv6.
    pub fn neighbour_message(&mut self, from: Mac, packet: &Packet<'_>, layout: &Layout) {
        match Neighbour::parse(packet) {
            Some(Neighbour::Solicitation(target, asking)) => {
                if let (true, Some(mac)) = (layout.is_inside(packet.source), asking) {
                    self.learn(packet.source, mac);
                }
                // One without an address yet asks whether it may have it (RFC 4862): not these.
                if layout.v6.is_own(target.into()) && packet.source.is_ipv6() && !packet.source.is_unspecified() {
                    let answer = Neighbour::Advertisement(target, Some(OWN));
                    self.say(answer, target.into(), (packet.source, asking.unwrap_or(from)));
                }
            }
            Some(Neighbour::Advertisement(target, Some(mac))) if layout.is_inside(target.into()) => {
                self.learn(target.into(), mac);
            }
            _ => {}
        }
    }

    fn say(&self, message: Neighbour, source: IpAddr, (to, mac): (IpAddr, Mac)) {
        let bytes = message.to_bytes();
        let mut head = Head::ip((OWN, mac), (source, to), protocol::ICMPV6, bytes.len());
        head.push(&bytes);
        head.sum_up_icmp(&[]);
        self.send(&head, &[]);
    }

    /// Tells a container that a packet of its own did not arrive. `numbers` are ICMP's type and code, `rest` is what they
    /// give a meaning to, as the MTU, and `speaker` is who says so.
    pub fn report(&self, mac: Mac, speaker: IpAddr, about: &About<'_>, numbers: (u8, u8), rest: u32) {
        let (inside, _) = about.addresses;
        let quoted = Head::ip((OWN, mac), about.addresses, about.protocol, about.transport.len());
        let quoted = &quoted.frame()[ETHERNET..];
        let length = icmp::HEADER + quoted.len() + about.transport.len();
        let kind = if inside.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        let mut head = Head::ip((OWN, mac), (speaker, inside), kind, length);
        head.push(&[numbers.0, numbers.1, 0, 0]);
        head.push(&rest.to_be_bytes());
        head.push(quoted);
        head.push(about.transport);
        head.sum_up_icmp(&[]);
        self.send(&head, &[]);
    }
}
