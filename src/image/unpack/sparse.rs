//! Maps of sparse files: the one that PAX format 1.0 keeps in the data, and what makes any map valid.

use super::header::{Extent, Malformed};
use super::pax;

/// No map may have more extents than this: one a page of a 4 GiB file. GNU tar writes an extent for each
/// run of blocks, so real files stay far below.
pub const MAX_EXTENTS: usize = 1 << 20;

/// Where a sparse file's data belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    /// In ascending order, disjoint, none empty, none beyond `real_size`.
    pub extents: Vec<Extent>,
    /// The file's size with its holes, in bytes.
    pub real_size: u64,
}

impl SparseMap {
    /// Validates a map against the `stored` bytes of data the archive has for the file.
    pub fn new(mut extents: Vec<Extent>, real_size: u64, stored: u64) -> Result<SparseMap, Malformed> {
        check_count(extents.len())?;
        let mut end = 0;
        let mut total = 0_u64;
        for extent in &extents {
            let next = extent.offset.checked_add(extent.length).filter(|next| *next <= real_size);
            let Some(next) = next.filter(|_| extent.offset >= end) else {
                return Err("the sparse map is out of order or goes beyond the file's end".into());
            };
            end = next;
            // No overflow: the extents are disjoint and within real_size.
            total += extent.length;
        }
        if total != stored {
            return Err(format!("the sparse map speaks of {total} bytes of data, the archive has {stored}"));
        }
        extents.retain(|extent| extent.length > 0);
        Ok(SparseMap { extents, real_size })
    }
}

/// Refuses maps that only serve to fill the memory.
pub fn check_count(extents: usize) -> Result<(), Malformed> {
    if extents > MAX_EXTENTS {
        return Err(format!("a sparse map has more than {MAX_EXTENTS} extents"));
    }
    Ok(())
}

/// Reads the map of format 1.0 block by block: a decimal count, then as many pairs of offset and
/// length, each number on a line; the rest of the last block is padding.
#[derive(Debug, Default)]
pub struct MapInData {
    line: Vec<u8>,
    count: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl MapInData {
    /// Takes a block; true once the map is whole.
    pub fn feed(&mut self, block: &[u8]) -> Result<bool, Malformed> {
        for byte in block {
            if self.is_whole() {
                return Ok(true);
            }
            if *byte == b'\n' {
                let number = pax::decimal(&self.line).ok_or("a line of the sparse map is no number")?;
                self.line.clear();
                self.take(number)?;
            } else if self.line.len() < 20 {
                self.line.push(*byte);
            } else {
                return Err("a line of the sparse map is too long".into());
            }
        }
        Ok(self.is_whole())
    }

    fn is_whole(&self) -> bool {
        self.count == Some(self.extents.len() as u64)
    }

    fn take(&mut self, number: u64) -> Result<(), Malformed> {
        match (self.count, self.offset.take()) {
            (None, _) => {
                check_count(usize::try_from(number).unwrap_or(usize::MAX))?;
                self.count = Some(number);
            }
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.extents.push(Extent { offset, length: number }),
        }
        Ok(())
    }

    /// The extents of a whole map.
    pub fn finish(self) -> Vec<Extent> {
        self.extents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extent(offset: u64, length: u64) -> Extent {
        Extent { offset, length }
    }

    #[test]
    fn a_map_in_the_data_may_span_blocks() {
        let mut map = MapInData::default();
        assert!(!map.feed(b"2\n0\n5").unwrap());
        assert!(!map.feed(b"12\n40").unwrap());
        assert!(map.feed(b"96\n7\n\0\0\0\0").unwrap());
        assert_eq!(map.finish(), [extent(0, 512), extent(4096, 7)]);
        assert!(MapInData::default().feed(b"0\n\0\0").unwrap());
    }

    #[test]
    fn bad_maps_are_refused() {
        for text in [&b"x\n"[..], b"\n", b"1\n-1\n", b"99999999999\n", b"111111111111111111111111"] {
            assert!(MapInData::default().feed(text).is_err());
        }
        for (extents, size, stored) in [
            (vec![extent(0, 5)], 4, 5),
            (vec![extent(0, 5), extent(4, 1)], 100, 6),
            (vec![extent(8, 1), extent(4, 1)], 100, 2),
            (vec![extent(u64::MAX, 2)], u64::MAX, 2),
            (vec![extent(0, 5)], 100, 6),
        ] {
            assert!(SparseMap::new(extents, size, stored).is_err());
        }
        let map = SparseMap::new(vec![extent(0, 5), extent(10, 0), extent(100, 0)], 100, 5).unwrap();
        assert_eq!(map.extents, [extent(0, 5)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(blocks in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\n'), b'0'..=b'9', any::<u8>()], 0..64), 0..8)) {
            let mut map = MapInData::default();
            for block in blocks {
                match map.feed(&block) {
                    Ok(false) => {}
                    _ => break,
                }
            }
        }

        #[test]
        fn any_map_is_judged_without_panic(pairs in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..5), size: u64, stored: u64) {
            let _ = SparseMap::new(pairs.into_iter().map(|(offset, length)| extent(offset, length)).collect(), size, stored);
        }
    }
}
