//! Setting up network interfaces over rtnetlink(7), synchronously: the kernel has done what a message asks for by the
//! time that sendto(2) returns, and says nothing where it succeeds, so that several requests are one system call.

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// Requests that are sent together (rtnetlink(7)).
#[derive(Debug, Default)]
pub struct Requests {
    bytes: Vec<u8>,
    /// Where the last one begins.
    last: usize,
    count: u32,
}

/// Which of the requests failed, counted from 0, and why.
pub type Refusal = (u32, io::Error);

impl Requests {
    /// Begins one more: `kind` is an RTM_ number, `flags` are NLM_F_ bits besides NLM_F_REQUEST, and `fixed` is the
    /// structure that this kind begins with.
    pub fn begin(&mut self, kind: u16, flags: i32, fixed: &[u8]) {
        self.last = self.bytes.len();
        let flags = (libc::NLM_F_REQUEST | flags) as u16;
        // struct nlmsghdr: length, type, flags, sequence, port (netlink(7)).
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.count.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend(fixed);
        self.count += 1;
        self.finish();
    }

    /// Adds an attribute to the last request (rtnetlink(7), `struct rtattr`).
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.finish();
    }

    /// Adds an attribute whose value is attributes: those that `fill` adds.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Requests)) {
        let start = self.bytes.len();
        self.attribute(kind, &[]);
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Pads to four bytes and writes the last request's length.
    fn finish(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = (self.bytes.len() - self.last) as u32;
        self.bytes[self.last..self.last + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Sets flags of an interface (`IFF_UP` …), with the attributes that follow.
    pub fn link(&mut self, index: u32, flags: i32) {
        // struct ifinfomsg: family, type, index, flags, mask.
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
        fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
        self.begin(libc::RTM_NEWLINK, 0, &fixed);
    }

    /// Gives an interface an address, at once and without looking for a duplicate (RFC 4862, section 5.4).
    pub fn address(&mut self, index: u32, address: IpAddr, prefix: u8) {
        let flags = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let mut fixed = [family(address), prefix, flags, 0, 0, 0, 0, 0];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        self.begin(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &fixed);
        self.attribute(libc::IFA_LOCAL, &octets(address));
        self.attribute(libc::IFA_ADDRESS, &octets(address));
        if let IpAddr::V4(v4) = address {
            let broadcast = u32::from(v4) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            self.attribute(libc::IFA_BROADCAST, &broadcast.to_be_bytes());
        }
    }

    /// Sends all that goes nowhere else to `gateway`, in the place of another one.
    pub fn default_route(&mut self, index: u32, gateway: IpAddr) {
        self.route(index, None, gateway);
    }

    /// Sends what is for this address, None: all that goes nowhere else, to `gateway`; an earlier such route goes.
    pub fn route(&mut self, index: u32, to: Option<IpAddr>, gateway: IpAddr) {
        let bits = to.map_or(0, |to| if to.is_ipv4() { 32 } else { 128 });
        // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
        let fixed = [
            family(gateway),
            bits,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_BOOT,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        self.begin(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE, &fixed);
        if let Some(to) = to {
            self.attribute(libc::RTA_DST, &octets(to));
        }
        self.attribute(libc::RTA_GATEWAY, &octets(gateway));
        self.attribute(libc::RTA_OIF, &index.to_ne_bytes());
    }

    /// Sends them all; what comes back are those that failed, in their order. The others are done.
    ///
    /// # Errors
    /// Nothing could be sent.
    pub fn send(self, socket: &OwnedFd) -> io::Result<Vec<Refusal>> {
        rustix::net::send(socket, &self.bytes, SendFlags::empty())?;
        let mut refusals = Vec::new();
        let mut answer = [0; 4096];
        loop {
            match rustix::net::recv(socket, &mut answer, RecvFlags::DONTWAIT) {
                Ok((_, length)) => refusals.extend(refusals_in(&answer[..length.min(answer.len())])),
                Err(Errno::AGAIN) => return Ok(refusals),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// A socket for requests about the calling process's network namespace.
///
/// # Errors
/// The system's.
pub fn open() -> io::Result<OwnedFd> {
    // NETLINK_ROUTE is 0, which is what no protocol is (netlink(7)).
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?)
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The NLMSG_ERROR messages of an answer: a header, an errno below zero, and the header of the request (netlink(7)).
fn refusals_in(mut bytes: &[u8]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let word =
        |bytes: &[u8], at: usize| -> Option<u32> { Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
    while let Some(length) = word(bytes, 0).map(|length| length as usize).filter(|length| *length >= 16) {
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        if let (true, Some(error), Some(sequence)) =
            (i32::from(kind) == libc::NLMSG_ERROR, word(bytes, 16), word(bytes, 8))
            && error != 0
        {
            refusals.push((sequence, io::Error::from_raw_os_error(-error.cast_signed())));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_laid_out_as_the_kernel_reads_it() {
        let mut requests = Requests::default();
        requests.address(2, "10.0.2.100".parse().unwrap(), 24);
        let bytes = requests.bytes;
        assert_eq!(bytes.len(), 16 + 8 + 3 * 8);
        assert_eq!(bytes[..4], 48_u32.to_ne_bytes());
        assert_eq!(bytes[16..24], [2, 24, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes[44..], [10, 0, 2, 255]);
    }

    #[test]
    fn a_nested_attribute_has_the_length_of_what_is_in_it() {
        let mut requests = Requests::default();
        requests.link(2, libc::IFF_UP);
        requests.nested(18, |inside| inside.attribute(1, b"veth"));
        assert_eq!(requests.bytes[32..36], [12, 0, 18, 0]);
        assert_eq!(requests.bytes[..4], 44_u32.to_ne_bytes());
    }

    #[test]
    fn an_answer_tells_which_request_failed() {
        let mut answer = vec![];
        for (sequence, error) in [(0_u32, 0_i32), (1, -17)] {
            answer.extend(36_u32.to_ne_bytes());
            answer.extend(2_u16.to_ne_bytes());
            answer.extend(0_u16.to_ne_bytes());
            answer.extend(sequence.to_ne_bytes());
            answer.extend([0; 4]);
            answer.extend(error.to_ne_bytes());
            answer.extend([0; 16]);
        }
        let refusals = refusals_in(&answer);
        assert_eq!(refusals.len(), 1);
        assert_eq!((refusals[0].0, refusals[0].1.raw_os_error()), (1, Some(17)));
        // Nonsense is no reason to read on for ever.
        assert!(refusals_in(&[0; 64]).is_empty());
        assert!(refusals_in(&answer[..20]).is_empty());
    }

    #[test]
    fn the_kernel_answers() {
        let socket = open().unwrap();
        let mut requests = Requests::default();
        // No interface has this number.
        requests.link(0x7fff_fffe, libc::IFF_UP);
        assert_eq!(requests.send(&socket).unwrap().len(), 1);
    }
}
