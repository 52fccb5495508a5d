//! Lines of a log file, in the form of the container runtime interface: `TIME STREAM P|F TEXT`.

use super::time::{self, Time};

/// Where a text was written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
    /// What the shim says itself.
    System,
}

/// One line of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'l> {
    /// When.
    pub time: &'l [u8],
    /// To which stream.
    pub stream: Stream,
    /// Whether the line that was written ends here.
    pub end: End,
    /// What.
    pub text: &'l [u8],
}

/// Whether a record is the last of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// More of it follows (`P`).
    Part,
    /// It is all (`F`).
    Full,
}

impl<'l> Record<'l> {
    /// Reads a line, without its newline; `None` where it is none of ours.
    pub fn parse(line: &'l [u8]) -> Option<Self> {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let time = parts.next()?;
        let stream = match parts.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            b"system" => Stream::System,
            _ => return None,
        };
        // More tags may follow with : between them.
        let end = match parts.next()?.split(|byte| *byte == b':').next()? {
            b"P" => End::Part,
            b"F" => End::Full,
            _ => return None,
        };
        Some(Self { time, stream, end, text: parts.next().unwrap_or_default() })
    }

    /// When, to be compared.
    pub fn when(&self) -> Option<Time> {
        time::parse(str::from_utf8(self.time).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_time_a_stream_a_tag_and_text() {
        let line = b"2026-11-30T12:00:00.5Z stdout P a b  c ";
        let record = Record::parse(line).unwrap();
        assert_eq!((record.stream, record.end, record.text), (Stream::Stdout, End::Part, &b"a b  c "[..]));
        assert!(record.when().is_some());
        let empty = Record::parse(b"T stderr F").unwrap();
        assert_eq!((empty.stream, empty.text, empty.when()), (Stream::Stderr, &b""[..], None));
        for wrong in [&b""[..], b"T", b"T stdout", b"T stdin F x", b"T stdout X x"] {
            assert_eq!(Record::parse(wrong), None);
        }
    }
}
