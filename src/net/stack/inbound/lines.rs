//! Lines by which ports of one container are handed in, and taken back: whoever runs the container ends the connection
//! when they are to be closed, and sees its other end go when they are.

use super::{Inbound, Port, greet};
use crate::net::ports::{Bound, Protocol};
use crate::net::stack::table::Id;
use crate::net::stack::told::{Inside, Received, receive};
use crate::net::stack::{Core, Source};
use rustix::event::epoll::EventFlags;
use rustix::net::SendFlags;
use std::os::fd::OwnedFd;

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    socket: OwnedFd,
    inside: Inside,
}

impl Inbound {
    /// Takes ports of a container with these addresses by `socket` from now on.
    pub(in crate::net::stack) fn connect(&mut self, core: &mut Core, socket: OwnedFd, inside: Inside) {
        let id = self.lines.insert(Line { socket, inside });
        let watched = self.lines.get(id).map(|line| core.watch(&line.socket, Source::Line(id), EventFlags::IN));
        if let Some(Err(errno)) = watched {
            // Its other side sees that it has ended.
            log::debug!("cannot take ports in: {errno}");
            self.lines.remove(id);
            return;
        }
        greet(core, inside);
    }

    /// Something has come by a line, or it has ended.
    pub(in crate::net::stack) fn hear(&mut self, core: &mut Core, id: Id) {
        let Some(line) = self.lines.get(id) else { return };
        match receive::<Vec<Bound>>(&line.socket) {
            Received::Message(bound, sockets) => {
                let inside = line.inside;
                let ports = bound.into_iter().zip(sockets);
                let ports = ports.map(|(bound, socket)| Port { bound, socket, inside, line: Some(id) });
                let taken = ports.filter_map(|port| self.open(core, port).ok()).count();
                if let Some(line) = self.lines.get(id) {
                    // Whoever is gone needs no answer.
                    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                    let _ = rustix::net::send(&line.socket, taken.to_string().as_bytes(), flags);
                }
            }
            Received::Nothing => {}
            Received::End => self.disconnect(core, id),
        }
    }

    /// Closes the ports of a line, and then the line.
    fn disconnect(&mut self, core: &mut Core, line: Id) {
        let ids = self.ports.iter().filter(|(_, port)| port.line == Some(line)).map(|(id, _)| id);
        for id in ids.collect::<Vec<_>>() {
            match self.ports.remove(id).map(|port| port.bound.protocol) {
                Some(Protocol::Tcp) => self.streams.forget_port(id),
                Some(Protocol::Udp) => self.datagrams.forget_port(core, id),
                None => {}
            }
        }
        if let Some(v6) = self.lines.remove(line).and_then(|line| line.inside.v6) {
            core.twins.remove(&v6);
        }
    }
}
