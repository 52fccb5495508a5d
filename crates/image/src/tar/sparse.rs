//! Where the bytes of a sparse file belong.

/// A run of bytes that are in the archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where in the file it begins.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The most segments that the map of one file may have: 16 MB of memory.
pub(crate) const SEGMENTS_MAX: usize = 1 << 20;

/// Whether the segments ascend without overlapping, end within the file, and are together what the archive
/// holds. Empty ones, with which GNU tar marks a hole at the end, are dropped.
pub(super) fn check(map: &mut Vec<Segment>, size: u64, stored: u64) -> Result<(), &'static str> {
    let (mut end, mut sum) = (0u64, 0u64);
    for segment in map.iter() {
        if segment.offset < end {
            return Err("the map of this sparse file overlaps itself");
        }
        end = segment.offset.checked_add(segment.length).ok_or("the map of this sparse file overflows")?;
        sum = sum.checked_add(segment.length).ok_or("the map of this sparse file overflows")?;
    }
    if end > size {
        return Err("the map of this sparse file leads beyond its end");
    }
    if sum != stored {
        return Err("the map of this sparse file and its size in the archive contradict each other");
    }
    map.retain(|segment| segment.length > 0);
    Ok(())
}

/// The map that stands before the content (version 1.0): numbers on lines of their own, in the order count,
/// offset, length, offset, length. Fed with bytes until it is complete.
#[derive(Default)]
pub(super) struct MapParser {
    count: Option<u64>,
    offset: Option<u64>,
    digits: Vec<u8>,
    pub(super) map: Vec<Segment>,
}

impl MapParser {
    /// Takes the next byte, and says whether the map is complete.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, &'static str> {
        if byte != b'\n' {
            if self.digits.len() >= 20 {
                return Err("the map of this sparse file has a number that is too long");
            }
            self.digits.push(byte);
            return Ok(false);
        }
        let number = super::pax::decimal(&self.digits).ok_or("the map of this sparse file is malformed")?;
        self.digits.clear();
        match (self.count, self.offset.take()) {
            (None, _) if number > SEGMENTS_MAX as u64 => {
                return Err("the map of this sparse file has too many segments");
            }
            (None, _) => self.count = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.map.push(Segment { offset, length: number }),
        }
        Ok(self.count == Some(self.map.len() as u64))
    }
}
