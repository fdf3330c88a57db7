//! What whoever keeps a network tells the stack that serves it: who is there, and under which names.

use crate::net::dns::LocalNames;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// Everybody on a network; each telling replaces the one before. One JSON datagram of a SOCK_SEQPACKET socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The network's name.
    pub network: String,
    /// Names and addresses; the first name of an address is the one that is found by it.
    pub names: Vec<(String, IpAddr)>,
    /// The containers that ask name servers of their own (`--dns`), and which.
    pub servers: Vec<(IpAddr, Vec<IpAddr>)>,
}

impl Told {
    /// The table of names.
    pub fn local_names(&self) -> LocalNames {
        let mut names = LocalNames::new(&self.network);
        for (name, address) in &self.names {
            names.add(name, *address);
        }
        names
    }
}

/// Reads what there is; the last one counts. None: nothing new, or the other side is gone.
pub(super) fn last_of(socket: &OwnedFd) -> Option<Told> {
    let mut last = None;
    loop {
        let mut probe = [0; 0];
        let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let length = match rustix::net::recv(socket, &mut probe, peek) {
            Err(Errno::INTR) => continue,
            Ok((_, length)) if length > 0 => length,
            Ok(_) | Err(_) => return last,
        };
        let mut bytes = vec![0; length];
        match rustix::net::recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((_, length)) => match serde_json::from_slice(&bytes[..length.min(bytes.len())]) {
                Ok(told) => last = Some(told),
                Err(error) => log::debug!("cannot read who is on the network: {error}"),
            },
            Err(Errno::INTR) => {}
            Err(_) => return last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};

    #[test]
    fn the_last_telling_counts() {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        assert_eq!(last_of(&theirs), None);
        let told = |name: &str| Told {
            network: "net".into(),
            names: vec![(name.into(), "10.89.0.2".parse().unwrap())],
            servers: vec![],
        };
        for name in ["one", "two"] {
            rustix::net::send(&ours, &serde_json::to_vec(&told(name)).unwrap(), SendFlags::empty()).unwrap();
        }
        rustix::net::send(&ours, b"{", SendFlags::empty()).unwrap();
        assert_eq!(last_of(&theirs), Some(told("two")));
        drop(ours);
        assert_eq!(last_of(&theirs), None);
    }
}
