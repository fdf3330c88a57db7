//! Published ports as slirp4netns(1) is told of them: requests on its API socket (`add_hostfwd`).

use super::Bound;
use crate::error::{Doing, Failure, Result};
use crate::net::CONTAINER;
use rustix::fs::AtFlags;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The socket's name in the container's directory, while ports are published.
const NAME: &str = "slirp4netns";
/// How long an answer may take; it needs a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

/// The API socket of one slirp4netns.
#[derive(Debug)]
pub struct Api {
    /// `containers/<id>`: its path may be longer than a socket's can be (unix(7)), so it is named by descriptor.
    directory: OwnedFd,
}

impl Api {
    /// A socket to be made in `directory`.
    pub fn new(directory: OwnedFd) -> Api {
        // One that a killed start has left would be in the way; ENOENT is the rule.
        let _ = rustix::fs::unlinkat(&directory, NAME, AtFlags::empty());
        Api { directory }
    }

    /// What slirp4netns is started with; it must inherit [`Api::directory`].
    pub fn argument(&self) -> String {
        format!("--api-socket={}", self.path())
    }

    /// The descriptor that [`Api::argument`] names.
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    fn path(&self) -> String {
        format!("/proc/self/fd/{}/{NAME}", self.directory.as_fd().as_raw_fd())
    }

    /// Publishes `ports` in a slirp4netns that is ready, and takes the socket away: nobody publishes more.
    /// Returns those that are published: it knows IPv4 alone.
    ///
    /// # Errors
    /// It refuses one, in its words; one was asked for at an address of IPv6.
    pub fn publish(self, ports: &[Bound]) -> Result<Vec<Bound>> {
        let mut published: Vec<Bound> = Vec::with_capacity(ports.len());
        for port in ports {
            if published.last().is_some_and(|last| port.is_twin_of(last)) {
                continue;
            }
            self.add(port)?;
            published.push(*port);
        }
        rustix::fs::unlinkat(&self.directory, NAME, AtFlags::empty()).doing(|| "cannot remove slirp4netns's socket")?;
        Ok(published)
    }

    fn add(&self, port: &Bound) -> Result<()> {
        let doing = || format!("cannot publish port {}/{}", port.container, port.protocol);
        if port.address.is_ipv6() {
            return Err(Failure::new(doing(), "slirp4netns can publish it on addresses of IPv4 only"));
        }
        let answer = self.ask(&request(port)).doing(doing)?;
        match answer.get("error") {
            None => Ok(()),
            Some(error) => {
                let why = error.get("desc").and_then(Value::as_str).unwrap_or("it does not say why");
                Err(Failure::new(doing(), format!("slirp4netns refuses {}: {why}", port.host_text())))
            }
        }
    }

    /// One request a connection, whose end it awaits (slirp4netns(1), "API SOCKET").
    fn ask(&self, request: &Value) -> std::io::Result<Value> {
        let mut socket = UnixStream::connect(self.path())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(request.to_string().as_bytes())?;
        socket.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

fn request(port: &Bound) -> Value {
    json!({
        "execute": "add_hostfwd",
        "arguments": {
            "proto": port.protocol.to_string(),
            "host_addr": port.address.to_string(),
            "host_port": port.host,
            "guest_addr": CONTAINER.to_string(),
            "guest_port": port.container,
        },
    })
}
