//! UDP datagrams (RFC 768).

/// The length of a header.
pub const HEADER: usize = 8;
/// Where in it the checksum is.
pub const CHECKSUM: usize = 6;

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// The bytes carried.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// None for one that is cut off or names no port.
    pub fn parse(bytes: &'a [u8]) -> Option<Datagram<'a>> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let payload = bytes.get(HEADER..half(4).into())?;
        (half(0) != 0 && half(2) != 0).then_some(Datagram { from: half(0), to: half(2), payload })
    }
}

/// The header's bytes, without checksum; `length` is the payload's, at most 65527.
pub fn header(from: u16, to: u16, length: usize) -> [u8; HEADER] {
    let (from, to, length) = (from.to_be_bytes(), to.to_be_bytes(), ((HEADER + length) as u16).to_be_bytes());
    [from[0], from[1], to[0], to[1], length[0], length[1], 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_its_own_length() {
        let bytes = [&header(53, 1024, 2)[..], b"okpadding"].concat();
        assert_eq!(Datagram::parse(&bytes), Some(Datagram { from: 53, to: 1024, payload: b"ok" }));
        assert_eq!(Datagram::parse(&bytes[..9]), None);
        assert_eq!(Datagram::parse(&bytes[..7]), None);
        let short = [0, 53, 4, 0, 0, 7, 0, 0];
        assert_eq!(Datagram::parse(&short), None);
        assert_eq!(Datagram::parse(&header(0, 9, 0)), None);
    }
}
