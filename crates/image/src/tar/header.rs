//! One block of 512 bytes that describes an entry (tar(5), pax(1): ustar interchange format).

use super::{BLOCK, Segment};

/// A header block whose checksum holds.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

/// The dialect of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// Before POSIX: name and numbers only.
    V7,
    /// POSIX: the name has a prefix.
    Ustar,
    /// star: a shorter prefix, then times.
    Star,
    /// GNU: times and the map of a sparse file where ustar has the prefix.
    Gnu,
}

impl<'a> Header<'a> {
    /// The block as a header, or nothing when its checksum is wrong.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        let header = Self(block);
        let expected = header.number(148, 8)?;
        let blank = |at: usize| (148..156).contains(&at);
        let unsigned: i64 =
            block.iter().enumerate().map(|(at, &b)| if blank(at) { 32 } else { b.into() }).sum();
        // Some old writers summed signed characters.
        let signed: i64 = block
            .iter()
            .enumerate()
            .map(|(at, &b)| if blank(at) { 32 } else { i64::from(b.cast_signed()) })
            .sum();
        (expected == unsigned || expected == signed).then_some(header)
    }

    fn format(&self) -> Format {
        match &self.0[257..265] {
            magic if magic.starts_with(b"ustar\0") => {
                if &self.0[508..512] == b"tar\0" {
                    Format::Star
                } else {
                    Format::Ustar
                }
            }
            b"ustar  \0" => Format::Gnu,
            _ => Format::V7,
        }
    }

    /// The name, with the prefix of the formats that have one.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.format() {
            Format::Ustar => self.text(345, 155),
            Format::Star => self.text(345, 131),
            Format::V7 | Format::Gnu => b"",
        };
        let name = self.text(0, 100);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// The target of a link.
    pub(super) fn link(&self) -> &'a [u8] {
        self.text(157, 100)
    }

    /// The type of the entry.
    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// Mode bits; none where the field is no number. Formats put the file's type there too.
    pub(super) fn mode(&self) -> Option<i64> {
        self.number(100, 8)
    }

    /// Owner.
    pub(super) fn uid(&self) -> Option<i64> {
        self.number(108, 8)
    }

    /// Group.
    pub(super) fn gid(&self) -> Option<i64> {
        self.number(116, 8)
    }

    /// Bytes of content in the archive.
    pub(super) fn size(&self) -> Option<i64> {
        self.number(124, 12)
    }

    /// Seconds since 1970.
    pub(super) fn mtime(&self) -> Option<i64> {
        self.number(136, 12)
    }

    /// Major and minor number; without meaning in V7.
    pub(super) fn device(&self) -> Option<(i64, i64)> {
        if self.format() == Format::V7 {
            return Some((0, 0));
        }
        Some((self.number(329, 8)?, self.number(337, 8)?))
    }

    /// The real size and the first segments of an old GNU sparse file, and whether more blocks of segments
    /// follow.
    pub(super) fn sparse(&self) -> Option<(i64, Vec<Segment>, bool)> {
        let size = self.number(483, 12)?;
        Some((size, segments(&self.0[386..386 + 4 * 24])?, self.0[482] != 0))
    }

    fn text(&self, at: usize, length: usize) -> &'a [u8] {
        let field = &self.0[at..at + length];
        &field[..field.iter().position(|&byte| byte == 0).unwrap_or(length)]
    }

    fn number(&self, at: usize, length: usize) -> Option<i64> {
        number(&self.0[at..at + length])
    }
}

/// A block of segments that continues the map of an old GNU sparse file, and whether another follows.
pub(super) fn more_segments(block: &[u8; BLOCK]) -> Option<(Vec<Segment>, bool)> {
    Some((segments(&block[..21 * 24])?, block[504] != 0))
}

fn segments(fields: &[u8]) -> Option<Vec<Segment>> {
    let mut found = Vec::new();
    for pair in fields.chunks_exact(24).take_while(|pair| pair[0] != 0) {
        let (offset, length) = (number(&pair[..12])?, number(&pair[12..])?);
        found.push(Segment { offset: offset.try_into().ok()?, length: length.try_into().ok()? });
    }
    Some(found)
}

/// A field of octal digits, or of GNU's binary numbers, which have the highest bit set. An empty one is 0.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        // Two's complement in all bits but the mark: sign-extended from the second-highest bit.
        let sign = if field[0] & 0x40 != 0 { -1i64 } else { 0 };
        let first = (sign << 6) | i64::from(field[0] & 0x3f);
        return field[1..]
            .iter()
            .try_fold(first, |value, &byte| value.checked_mul(256).map(|value| value | i64::from(byte)));
    }
    let is_blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0i64, |value, &byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add((byte - b'0').into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary_and_nothing_else() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 \0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"00008\0\0\0"), None);
        assert_eq!(number(b"-1\0\0\0\0\0\0"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
        assert_eq!(number(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), Some(i64::MAX));
        assert_eq!(number(b"777777777777"), Some(0o777_777_777_777));
    }
}
