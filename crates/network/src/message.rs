//! The form of netlink messages (netlink(7)): a header, a body, attributes that may have attributes inside.

/// `struct nlmsghdr`
const HEADER: usize = 16;
/// `struct nlattr`
const ATTRIBUTE: usize = 4;
/// NLA_F_NESTED: what nf_tables wants to see on an attribute with others inside, and all else ignores.
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that are its number: without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const NUMBER: u16 = 0x3fff;

/// Flags of a request.
pub const REQUEST: u16 = 0x1;
pub const ACKNOWLEDGE: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const CREATE: u16 = 0x400;
pub const EXCLUSIVE: u16 = 0x200;
pub const APPEND: u16 = 0x800;

/// Messages being written, one behind the other, for one write(2).
#[derive(Default)]
pub struct Messages {
    bytes: Vec<u8>,
}

impl Messages {
    /// Adds a message: its type, its flags besides [`REQUEST`], the fixed part of its body, and its attributes.
    pub fn add(&mut self, kind: u16, flags: u16, body: &[u8], attributes: impl FnOnce(&mut Writer<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]); // the length, known at the end
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend([0; 8]); // no sequence number, and no port: the kernel answers whoever asks
        self.bytes.extend(body);
        attributes(&mut Writer { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// What is to be written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes attributes; each is padded to a multiple of four bytes.
pub struct Writer<'m> {
    bytes: &'m mut Vec<u8>,
}

impl Writer<'_> {
    /// An attribute with these bytes.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A text, with the zero byte behind it.
    pub fn put_text(&mut self, kind: u16, text: &str) {
        self.put(kind, &[text.as_bytes(), &[0]].concat());
    }

    /// A number in the order of bytes of the network, as nf_tables has all of them.
    pub fn put_number(&mut self, kind: u16, number: u32) {
        self.put(kind, &number.to_be_bytes());
    }

    /// An attribute with others inside.
    pub fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Writer<'_>)) {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        attributes(&mut Writer { bytes: self.bytes });
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// Bytes that are no attribute: the head of a message within a message.
    pub fn put_head(&mut self, head: &[u8]) {
        self.bytes.extend(head);
    }
}

/// A message that was read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages in what was read. What is cut off ends them.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Iterator for Reader<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?) as usize;
        let (kind, flags) = (half(self.0, 4)?, half(self.0, 6)?);
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, flags, body })
    }
}

/// Attributes that were read: number and value. What is cut off ends them.
#[derive(Clone, Copy)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes of a message behind the fixed part of its body.
    pub fn behind(body: &'a [u8], fixed: usize) -> Self {
        Self(body.get(fixed..).unwrap_or_default())
    }

    /// The value of the first attribute of this number; empty if there is none.
    pub fn get(mut self, number: u16) -> &'a [u8] {
        self.find_map(|(kind, value)| (kind == number).then_some(value)).unwrap_or_default()
    }

    /// The attributes within the first attribute of this number.
    pub fn within(self, number: u16) -> Self {
        Self(self.get(number))
    }

    /// The text in the first attribute of this number, without the zero byte; empty if it is none.
    pub fn text(self, number: u16) -> &'a str {
        text(self.get(number))
    }
}

/// The text in a value, without the zero byte behind it; empty if it is none.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).unwrap_or_default()
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(half(self.0, 0)?);
        let number = half(self.0, 2)? & NUMBER;
        let value = self.0.get(ATTRIBUTE..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number, value))
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Messages {
        let mut messages = Messages::default();
        messages.add(16, ACKNOWLEDGE, &[7; 8], |attributes| {
            attributes.put_text(3, "husk0");
            attributes.nest(18, |inside| inside.put_number(1, 0x0102_0304));
        });
        messages.add(17, 0, &[], |_| {});
        messages
    }

    #[test]
    fn what_is_written_is_read() {
        let messages = sample();
        let read: Vec<Message<'_>> = Reader(messages.bytes()).collect();
        assert_eq!(read.iter().map(|one| (one.kind, one.flags)).collect::<Vec<_>>(), [(16, 5), (17, 1)]);
        let attributes = Attributes::behind(read[0].body, 8);
        assert_eq!(attributes.text(3), "husk0");
        assert_eq!(attributes.within(18).get(1), [1, 2, 3, 4]);
        assert_eq!(attributes.get(99), []);
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_length_ends_the_reading() {
        let messages = sample();
        for length in 0..messages.bytes().len() {
            assert!(Reader(&messages.bytes()[..length]).count() <= 1, "{length}");
        }
        for bytes in [[0; 16], [0xff; 16], [8; 16]] {
            assert_eq!(Reader(&bytes).count(), 0, "{bytes:?}");
        }
        for bytes in [[0; 4], [0xff; 4], [3, 0, 0, 0]] {
            assert_eq!(Attributes(&bytes).count(), 0, "{bytes:?}");
        }
        assert_eq!(Attributes(&[4, 0, 5, 0]).collect::<Vec<_>>(), [(5, &[][..])]);
    }
}
