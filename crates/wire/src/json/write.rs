//! Lines of JSON, written as they go out.

use alloc::vec::Vec;

/// An object that is being written at the end of a buffer.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Begins a message: an object whose first member is its type.
    pub fn message(out: &'o mut Vec<u8>, kind: &str) -> Self {
        let mut object = Self::begin(out);
        object.text("type", kind);
        object
    }

    /// Begins an object.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Goes on with an object that has members already.
    pub(crate) const fn resume(out: &'o mut Vec<u8>) -> Self {
        Self { out, empty: false }
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        string(self.out, name.as_bytes());
        self.out.push(b':');
        self.out
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        string(self.name(name), value.as_bytes());
        self
    }

    /// A string, from bytes of which those that are no UTF-8 are replaced by U+FFFD.
    pub fn lossy(&mut self, name: &str, value: &[u8]) -> &mut Self {
        string(self.name(name), value);
        self
    }

    /// Bytes, as base64 (RFC 4648, with padding).
    pub fn base64(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let out = self.name(name);
        out.push(b'"');
        crate::base64::encode(out, value);
        out.push(b'"');
        self
    }

    /// A number.
    pub fn count(&mut self, name: &str, value: u64) -> &mut Self {
        decimal(self.name(name), value);
        self
    }

    /// A number with two digits behind the point, from its hundredths.
    pub fn hundredths(&mut self, name: &str, value: u64) -> &mut Self {
        let out = self.name(name);
        decimal(out, value / 100);
        let part = (value % 100) as u8;
        out.extend_from_slice(&[b'.', b'0' + part / 10, b'0' + part % 10]);
        self
    }

    /// A number that may be negative.
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        let out = self.name(name);
        if value < 0 {
            out.push(b'-');
        }
        decimal(out, value.unsigned_abs());
        self
    }

    /// `true`. What is false is left out of an answer, unless the protocol has it there.
    pub fn yes(&mut self, name: &str) -> &mut Self {
        self.name(name).extend_from_slice(b"true");
        self
    }

    /// `false`.
    pub fn no(&mut self, name: &str) -> &mut Self {
        self.name(name).extend_from_slice(b"false");
        self
    }

    /// An object within.
    pub fn object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.name(name))
    }

    /// An array of objects, each written by `write`.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Object<'_>, T),
    ) -> &mut Self {
        let out = self.name(name);
        out.push(b'[');
        for (number, item) in items.enumerate() {
            if number > 0 {
                out.push(b',');
            }
            let mut object = Object::begin(out);
            write(&mut object, item);
            object.end();
        }
        out.push(b']');
        self
    }

    /// An array of strings.
    pub fn texts<'t>(&mut self, name: &str, items: impl Iterator<Item = &'t [u8]>) -> &mut Self {
        let out = self.name(name);
        out.push(b'[');
        for (number, item) in items.enumerate() {
            if number > 0 {
                out.push(b',');
            }
            string(out, item);
        }
        out.push(b']');
        self
    }

    /// Ends an object that is part of another.
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// Ends the message, and its line.
    pub fn line(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// A number in decimal digits.
fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// A string in quotes: control characters, quotes and backslashes escaped, invalid UTF-8 replaced.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let (plain, rest) = bytes.split_at(ascii_length(bytes));
    out.extend_from_slice(plain);
    if core::str::from_utf8(rest).is_ok() {
        escape(out, rest);
    } else {
        for chunk in rest.utf8_chunks() {
            escape(out, chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, mut bytes: &[u8]) {
    loop {
        let plain = plain_length(bytes);
        let (before, after) = bytes.split_at(plain);
        out.extend_from_slice(before);
        let Some((byte, rest)) = after.split_first() else { return };
        let short = match byte {
            b'"' | b'\\' => *byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => 0,
        };
        if short == 0 {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        bytes = rest;
    }
}

const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the start need no escape, those beyond ASCII taken as they are.
fn plain_length(bytes: &[u8]) -> usize {
    clean_length(bytes, 0)
}

/// How many bytes at the start are ASCII and need no escape: they are valid UTF-8 whatever follows.
pub(crate) fn ascii_length(bytes: &[u8]) -> usize {
    clean_length(bytes, HIGHS)
}

/// Up to the first byte that is a control character, a quote, a backslash, or has a bit of `refused`; eight bytes
/// are looked at together.
fn clean_length(bytes: &[u8], refused: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = |limit: u8, word: u64| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let quote = below(1, word ^ (ONES * u64::from(b'"')));
        let backslash = below(1, word ^ (ONES * u64::from(b'\\')));
        // The lowest of the bits that are set is right; those above may come of a borrow.
        let found = (below(0x20, word) | quote | backslash | word & refused) & HIGHS;
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special =
        |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\' || u64::from(*byte) & refused & 0x80 != 0;
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}
