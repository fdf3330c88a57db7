//! Whom to ask: the name servers of the host's resolv.conf, as it is now.

use crate::host::resolv_conf::{NameServer, ResolvConf};
use rustix::fs::Stat;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// Servers to be asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// In the order of the file; at most three.
    pub addresses: Rc<[SocketAddr]>,
    /// How long the first one has for its answer.
    pub timeout: Duration,
    /// How often each is asked.
    pub attempts: u32,
    rotates: bool,
}

impl Servers {
    fn read(text: &str, port: u16) -> Servers {
        let resolv_conf = ResolvConf::parse(text);
        let addresses: Vec<SocketAddr> =
            resolv_conf.name_servers().iter().filter_map(|server| socket_address(server, port)).collect();
        Servers {
            addresses: addresses.into(),
            timeout: resolv_conf.timeout(),
            attempts: resolv_conf.attempts(),
            rotates: resolv_conf.rotates(),
        }
    }

    /// How long the server at this place of the order has for its answer: as in the C library, which gives the later
    /// ones more time when there are several (`send_dg` of its resolver).
    pub fn patience(&self, place: usize) -> Duration {
        let count = self.addresses.len().max(1);
        if place == 0 { self.timeout } else { self.timeout * (1 << place.min(4)) / count as u32 }
    }

    /// How many times in all somebody is asked.
    pub fn tries(&self) -> usize {
        self.addresses.len() * self.attempts as usize
    }
}

/// Where to send it. A link-local address on an interface that is not there leads nowhere.
fn socket_address(server: &NameServer, port: u16) -> Option<SocketAddr> {
    let IpAddr::V6(address) = server.address else { return Some(SocketAddr::new(server.address, port)) };
    let scope = match &server.interface {
        Some(interface) => interface.parse().ok().or_else(|| index_of(interface))?,
        None => 0,
    };
    Some(SocketAddrV6::new(address, port, 0, scope).into())
}

fn index_of(interface: &str) -> Option<u32> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    rustix::net::netdevice::name_to_index(&socket, interface).ok()
}

/// Where programs write a resolv.conf that /etc/resolv.conf is made a link to: systemd-resolved(8), resolvconf(8),
/// NetworkManager.conf(5) (`rc-manager`), connman, netconfig(8).
const RESOLVERS: [&str; 5] =
    ["/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/run/netconfig"];

/// Which state of a file was read: a file that was replaced, or a link that leads elsewhere, has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)] // the types differ by architecture
    fn of(stat: &Stat) -> Stamp {
        Stamp {
            device: stat.st_dev.into(),
            inode: stat.st_ino.into(),
            size: stat.st_size.into(),
            modified: (stat.st_mtime.into(), stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime.into(), stat.st_ctime_nsec as u64),
        }
    }

    /// Whether the file has changed so lately that another change could leave the same stamp: file systems count
    /// time in ticks, and some in seconds.
    fn is_recent(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.modified.0.max(self.changed.0).saturating_add(2) >= i64::try_from(now).unwrap_or(i64::MAX)
    }
}

/// The host's name servers, and those that single clients have instead.
pub struct Upstream {
    path: PathBuf,
    port: u16,
    read: Option<(Stamp, bool)>,
    hosts: Rc<Servers>,
    of_clients: HashMap<IpAddr, Rc<Servers>>,
    turn: usize,
}

impl Upstream {
    /// `path` is read when it is needed, and again when it has changed. `port` is 53 for all but tests.
    pub fn new(path: &Path, port: u16) -> Upstream {
        Upstream {
            path: path.to_owned(),
            port,
            read: None,
            hosts: Rc::new(Servers::read("", port)),
            of_clients: HashMap::new(),
            turn: 0,
        }
    }

    /// Nobody: what is not among local names cannot be found.
    pub fn none() -> Upstream {
        let nobody = Servers { addresses: Rc::new([]), ..Servers::read("", 0) };
        // No file has an empty name, so there is nothing to follow.
        Upstream { hosts: Rc::new(nobody), ..Upstream::new(Path::new(""), 0) }
    }

    /// What has to be readable so that the file can be followed: its directory, those that its links lead through,
    /// and those where resolver programs keep theirs, as far as they are there: the file may become a link to another
    /// one's. For whoever confines this process.
    pub fn directories(path: &Path) -> Vec<PathBuf> {
        let mut directories: Vec<PathBuf> = RESOLVERS.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect();
        let mut at = path.to_owned();
        // As many links as the kernel follows (path_resolution(7)).
        for _ in 0..40 {
            let Some(directory) = at.parent().and_then(|directory| directory.canonicalize().ok()) else { break };
            let next = std::fs::read_link(&at).map(|target| directory.join(target));
            if !directories.iter().any(|known| directory.starts_with(known)) {
                directories.push(directory);
            }
            let Ok(next) = next else { break };
            at = next;
        }
        directories
    }

    /// Gives a client servers of its own, `--dns` of a container on a network; none: the host's again.
    pub fn set_servers(&mut self, client: IpAddr, servers: &[NameServer]) {
        if servers.is_empty() {
            self.of_clients.remove(&client);
            return;
        }
        let addresses: Vec<SocketAddr> =
            servers.iter().filter_map(|server| socket_address(server, self.port)).take(3).collect();
        let default = Servers::read("", self.port);
        self.of_clients.insert(client, Rc::new(Servers { addresses: addresses.into(), ..default }));
    }

    /// Who is to be asked for `client`, in this order. One that does not answer is asked first all the same, as by the C
    /// library: where the first server knows more than the second, as with a VPN, the order has a meaning.
    pub fn servers(&mut self, client: IpAddr) -> Rc<Servers> {
        let servers = match self.of_clients.get(&client) {
            Some(servers) => Rc::clone(servers),
            None => {
                self.follow();
                Rc::clone(&self.hosts)
            }
        };
        if !servers.rotates || servers.addresses.is_empty() {
            return servers;
        }
        self.turn = self.turn.wrapping_add(1);
        let mut order = servers.addresses.to_vec();
        let first = self.turn % order.len();
        order.rotate_left(first);
        Rc::new(Servers { addresses: order.into(), ..Servers::clone(&servers) })
    }

    /// Reads the file if it is not the one that was read last. One that is gone, or cannot be read, may be on its way
    /// to being replaced: what it said stays true.
    fn follow(&mut self) {
        let Ok(stat) = rustix::fs::stat(&self.path) else { return };
        let stamp = Stamp::of(&stat);
        if self.read == Some((stamp, false)) {
            return;
        }
        let Ok(bytes) = std::fs::read(&self.path) else { return };
        self.hosts = Rc::new(Servers::read(&String::from_utf8_lossy(&bytes), self.port));
        self.read = Some((stamp, stamp.is_recent()));
        log::debug!("name servers of {}: {:?}", self.path.display(), self.hosts.addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::os::unix::fs::symlink;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 100));

    fn addresses(upstream: &mut Upstream) -> Vec<String> {
        upstream.servers(CLIENT).addresses.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn a_file_is_followed_through_every_kind_of_change() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut upstream = Upstream::new(&at("resolv.conf"), 53);
        // glibc asks the machine itself where there is no file.
        assert_eq!(addresses(&mut upstream), ["127.0.0.1:53"]);
        std::fs::write(at("resolv.conf"), "nameserver 192.0.2.1\nnameserver 192.0.2.2\n").unwrap();
        assert_eq!(addresses(&mut upstream), ["192.0.2.1:53", "192.0.2.2:53"]);
        // In place, with the same size, within one tick of the clock.
        std::fs::write(at("resolv.conf"), "nameserver 192.0.2.3\nnameserver 192.0.2.4\n").unwrap();
        assert_eq!(addresses(&mut upstream), ["192.0.2.3:53", "192.0.2.4:53"]);
        // Replaced by another one.
        std::fs::write(at("new"), "nameserver ::5\n").unwrap();
        std::fs::rename(at("new"), at("resolv.conf")).unwrap();
        assert_eq!(addresses(&mut upstream), ["[::5]:53"]);
        // Gone for a moment.
        std::fs::remove_file(at("resolv.conf")).unwrap();
        assert_eq!(addresses(&mut upstream), ["[::5]:53"]);
        // A link, whose target changes, and that is led elsewhere.
        std::fs::write(at("first"), "nameserver 192.0.2.6\n").unwrap();
        std::fs::write(at("second"), "nameserver 192.0.2.7\n").unwrap();
        symlink("first", at("resolv.conf")).unwrap();
        assert_eq!(addresses(&mut upstream), ["192.0.2.6:53"]);
        std::fs::write(at("first"), "nameserver 192.0.2.8\n").unwrap();
        assert_eq!(addresses(&mut upstream), ["192.0.2.8:53"]);
        symlink("second", at("link")).unwrap();
        std::fs::rename(at("link"), at("resolv.conf")).unwrap();
        assert_eq!(addresses(&mut upstream), ["192.0.2.7:53"]);
    }

    #[test]
    fn an_old_file_is_not_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        std::fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        let mut upstream = Upstream::new(&path, 53);
        addresses(&mut upstream);
        assert!(upstream.read.unwrap().1, "it has just been written");
        let stat = rustix::fs::stat(&path).unwrap();
        let read = Rc::clone(&upstream.hosts);
        upstream.read = Some((Stamp::of(&stat), false));
        addresses(&mut upstream);
        assert!(Rc::ptr_eq(&read, &upstream.hosts));
    }

    #[test]
    fn directories_of_links_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["etc", "stub"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("stub/resolv.conf"), "").unwrap();
        symlink("../stub/resolv.conf", at("etc/resolv.conf")).unwrap();
        let named = Upstream::directories(&at("etc/resolv.conf"));
        let real = directory.path().canonicalize().unwrap();
        let mut expected = Upstream::directories(Path::new("/nonexistent/resolv.conf"));
        assert!(expected.iter().all(|path| path.is_dir() && RESOLVERS.iter().any(|known| path == Path::new(known))));
        expected.extend([real.join("etc"), real.join("stub")]);
        assert_eq!(named, expected);
    }

    #[test]
    fn options_decide_the_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        std::fs::write(&path, "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate timeout:2 attempts:3\n")
            .unwrap();
        let mut upstream = Upstream::new(&path, 53);
        let first = [addresses(&mut upstream)[0].clone(), addresses(&mut upstream)[0].clone()];
        assert_ne!(first[0], first[1]);
        let servers = upstream.servers(CLIENT);
        assert_eq!(
            (servers.tries(), servers.patience(0), servers.patience(1)),
            (6, Duration::from_secs(2), Duration::from_secs(2))
        );
    }

    #[test]
    fn a_client_has_servers_of_its_own() {
        let mut upstream = Upstream::new(Path::new("/nonexistent"), 53);
        let own = [NameServer::parse("192.0.2.9").unwrap()];
        upstream.set_servers(CLIENT, &own);
        assert_eq!(addresses(&mut upstream), ["192.0.2.9:53"]);
        let other = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 101));
        assert_eq!(upstream.servers(other).addresses[0].to_string(), "127.0.0.1:53");
        upstream.set_servers(CLIENT, &[]);
        assert_eq!(addresses(&mut upstream), ["127.0.0.1:53"]);
        // An interface that is not there leads nowhere.
        upstream.set_servers(CLIENT, &[NameServer::parse("fe80::1%none0").unwrap(), own[0].clone()]);
        assert_eq!(addresses(&mut upstream), ["192.0.2.9:53"]);
    }
}
