//! TCP segments (RFC 9293) and the options of the handshake (RFC 7323).

use std::ops::{Add, Sub};

/// A sequence number: a place in a stream, modulo 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// How far this place is behind `other`; negative where it is before it.
    pub fn after(self, other: Seq) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl Add<u32> for Seq {
    type Output = Seq;
    fn add(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    fn sub(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_sub(bytes))
    }
}

/// The control bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

#[allow(missing_docs)]
impl Flags {
    pub const FIN: Flags = Flags(1);
    pub const SYN: Flags = Flags(2);
    pub const RST: Flags = Flags(4);
    pub const PSH: Flags = Flags(8);
    pub const ACK: Flags = Flags(16);
    pub const URGENT: Flags = Flags(32);

    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// Of the first byte, or of SYN or FIN where there is none.
    pub sequence: Seq,
    /// The next byte expected, with [`Flags::ACK`].
    pub acknowledged: Seq,
    /// SYN, FIN and so on.
    pub flags: Flags,
    /// As on the wire: not scaled.
    pub window: u16,
    /// Between the header and the payload.
    pub options: &'a [u8],
    /// The bytes carried.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// None for what cannot be a segment: cut off, or flags that exclude each other.
    pub fn parse(bytes: &'a [u8]) -> Option<Segment<'a>> {
        let fixed: &[u8; 20] = bytes.first_chunk()?;
        let header = usize::from(fixed[12] >> 4) * 4;
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let flags = Flags(fixed[13] & 0x3f);
        let impossible = flags.has(Flags::SYN) && (flags.has(Flags::FIN) || flags.has(Flags::RST));
        // Port 0 is nobody's (RFC 6335, section 6).
        if header < 20 || impossible || half(0) == 0 || half(2) == 0 {
            return None;
        }
        Some(Segment {
            from: half(0),
            to: half(2),
            sequence: Seq(word(4)),
            acknowledged: Seq(word(8)),
            flags,
            window: half(14),
            options: bytes.get(20..header)?,
            payload: &bytes[header..],
        })
    }

    /// The room it takes in the stream.
    pub fn length(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN))
    }
}

/// What the two sides tell each other with their SYNs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bytes that the sender takes in one segment.
    pub segment_size: Option<u16>,
    /// By how many bits the sender's windows are shifted; at most 14.
    pub window_shift: Option<u8>,
}

impl Options {
    /// Reads them up to the first that makes no sense.
    pub fn parse(mut bytes: &[u8]) -> Options {
        let mut options = Options::default();
        loop {
            match *bytes {
                [1, ..] => bytes = &bytes[1..],
                [2, 4, high, low, ..] => {
                    options.segment_size = Some(u16::from_be_bytes([high, low]));
                    bytes = &bytes[4..];
                }
                [3, 3, shift, ..] => {
                    // RFC 7323, section 2.3.
                    options.window_shift = Some(shift.min(14));
                    bytes = &bytes[3..];
                }
                [kind, length, ..] if kind > 1 && length >= 2 && usize::from(length) <= bytes.len() => {
                    bytes = &bytes[length.into()..];
                }
                _ => return options,
            }
        }
    }

    /// Their bytes, a multiple of four, and how many.
    pub fn to_bytes(self) -> ([u8; 8], usize) {
        let size = self.segment_size.unwrap_or(536).to_be_bytes();
        match self.window_shift {
            Some(shift) => ([2, 4, size[0], size[1], 1, 3, 3, shift], 8),
            None => ([2, 4, size[0], size[1], 0, 0, 0, 0], 4),
        }
    }
}

/// The header's bytes, without options and checksum; `options` is their length.
pub fn header(segment: &Segment<'_>, options: usize) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[0..2].copy_from_slice(&segment.from.to_be_bytes());
    bytes[2..4].copy_from_slice(&segment.to.to_be_bytes());
    bytes[4..8].copy_from_slice(&segment.sequence.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&segment.acknowledged.0.to_be_bytes());
    bytes[12] = ((20 + options) as u8 / 4) << 4;
    bytes[13] = segment.flags.0;
    bytes[14..16].copy_from_slice(&segment.window.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_in_the_stream_go_round() {
        assert_eq!(Seq(2).after(Seq(u32::MAX)), 3);
        assert_eq!(Seq(u32::MAX).after(Seq(2)), -3);
        assert_eq!(Seq(u32::MAX) + 3, Seq(2));
    }

    #[test]
    fn options_survive_and_nonsense_ends_them() {
        let options = Options { segment_size: Some(65480), window_shift: Some(8) };
        let (bytes, length) = options.to_bytes();
        assert_eq!(Options::parse(&bytes[..length]), options);
        // What Linux sends: size, selective acknowledgements, timestamps, nothing, shift.
        let linux = [2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(Options::parse(&linux), Options { segment_size: Some(1460), window_shift: Some(7) });
        assert_eq!(Options::parse(&[3, 3, 200]).window_shift, Some(14));
        for nonsense in [&[5][..], &[5, 0, 3, 3, 7], &[5, 1, 3, 3, 7], &[0, 3, 3, 7], &[9, 40, 0]] {
            assert_eq!(Options::parse(nonsense), Options::default());
        }
    }

    #[test]
    fn impossible_segments_are_none() {
        let good = header(
            &Segment {
                from: 1,
                to: 2,
                sequence: Seq(3),
                acknowledged: Seq(4),
                flags: Flags::ACK,
                window: 5,
                options: &[],
                payload: &[],
            },
            0,
        );
        assert!(Segment::parse(&good).is_some());
        for (at, value) in [(12, 0x40), (12, 0x60), (13, 3), (13, 6), (1, 0), (3, 0)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Segment::parse(&bad), None, "{at} {value}");
        }
        assert_eq!(Segment::parse(&good[..19]), None);
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_is_written(from in 1_u16.., to in 1_u16.., sequence: u32, acknowledged: u32, window: u16) {
            let segment = Segment {
                from, to, sequence: Seq(sequence), acknowledged: Seq(acknowledged), flags: Flags::ACK, window,
                options: &[], payload: b"x",
            };
            let bytes = [&header(&segment, 0)[..], b"x"].concat();
            prop_assert_eq!(Segment::parse(&bytes), Some(segment));
        }

        #[test]
        fn any_bytes_are_a_segment_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(segment) = Segment::parse(&bytes) {
                let _ = Options::parse(segment.options);
                prop_assert!(segment.options.len() + segment.payload.len() + 20 == bytes.len());
            }
        }
    }
}
