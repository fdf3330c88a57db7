//! What whoever keeps a network tells the stack that serves it: who is there, under which names, and by which line ports
//! that lead there are handed in. One JSON datagram of a SOCK_SEQPACKET socket a message, descriptors beside it (unix(7)).

use crate::net::dns::{LocalNames, Tables};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// The most descriptors beside a message.
pub const MOST_DESCRIPTORS: usize = 4;

/// To the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToStack {
    /// Who is on the network now.
    Names(Told),
    /// A socket comes along by which ports that lead to this container are handed in: a list of
    /// [`crate::net::ports::Bound`] a message, with a socket for each beside it. A number answers: how many the stack has
    /// taken. They are open as long as the other side does not end the connection, and closed when the stack ends it, too.
    Ports(Inside),
    /// This container has no interface any more: whatever flows it has had are over.
    Left(Inside),
}

/// Everybody on a network; each telling replaces the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The network's name.
    pub network: String,
    /// Names and addresses; the first name of an address is the one that is found by it.
    pub names: Vec<(String, IpAddr)>,
    /// The containers that ask name servers of their own (`--dns`), and which.
    pub servers: Vec<(IpAddr, Vec<IpAddr>)>,
    /// What only some are to find.
    #[serde(default)]
    pub further: Vec<Further>,
}

/// Names for one container alone: those of another network that it is on, or its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    /// Its addresses here.
    pub clients: Vec<IpAddr>,
    /// The names' network.
    pub network: String,
    /// Names and addresses there.
    pub names: Vec<(String, IpAddr)>,
}

/// The addresses of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Of IPv4.
    pub v4: IpAddr,
    /// Of IPv6, where the network has it.
    pub v6: Option<IpAddr>,
}

impl Told {
    /// The tables of names.
    pub(super) fn tables(&self) -> Tables {
        let mut tables = Tables::new(table(&self.network, &self.names));
        for Further { clients, network, names } in &self.further {
            clients.iter().for_each(|client| tables.add(*client, table(network, names)));
        }
        tables
    }
}

fn table(network: &str, names: &[(String, IpAddr)]) -> LocalNames {
    let mut table = LocalNames::new(network);
    names.iter().for_each(|(name, address)| table.add(name, *address));
    table
}

/// What a socket has.
#[derive(Debug)]
pub(super) enum Received<T> {
    /// A message, and the descriptors beside it.
    Message(T, Vec<OwnedFd>),
    /// Nothing now, or nothing that makes sense.
    Nothing,
    /// The other side is gone.
    End,
}

/// Reads one message, without waiting for it.
pub(super) fn receive<T: DeserializeOwned>(socket: &OwnedFd) -> Received<T> {
    let mut probe = [0; 0];
    let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let length = match rustix::net::recv(socket, &mut probe, peek) {
        Ok((_, 0)) => return Received::End,
        Ok((_, length)) => length,
        // ECONNRESET is told once, before what had been sent (unix(7)).
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNRESET) => return Received::Nothing,
        Err(_) => return Received::End,
    };
    let mut bytes = vec![0; length];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags);
    let Ok(received) = received else { return Received::Nothing };
    let descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    let descriptors = descriptors.collect();
    match serde_json::from_slice(&bytes[..received.bytes.min(length)]) {
        Ok(message) => Received::Message(message, descriptors),
        Err(error) => {
            log::debug!("cannot read a message about the network: {error}");
            Received::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
        socketpair,
    };
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    #[test]
    fn messages_come_with_their_descriptors_and_nonsense_is_passed_over() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        assert!(matches!(receive::<ToStack>(&theirs), Received::Nothing));
        let message = ToStack::Ports(Inside { v4: "10.89.0.2".parse().unwrap(), v6: None });
        let text = serde_json::to_vec(&message).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [theirs.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&ours, &[IoSlice::new(&text)], &mut ancillary, SendFlags::empty()).unwrap();
        rustix::net::send(&ours, b"{", SendFlags::empty()).unwrap();
        let Received::Message(received, descriptors) = receive::<ToStack>(&theirs) else { panic!("a message") };
        assert_eq!((received, descriptors.len()), (message, 1));
        drop(descriptors);
        assert!(matches!(receive::<ToStack>(&theirs), Received::Nothing));
        drop(ours);
        assert!(matches!(receive::<ToStack>(&theirs), Received::End));
    }
}
