//! Which lines of a log are shown, and how.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::record::{End, Record, Stream};
use super::time::Time;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Only the last so many lines.
    pub tail: Option<usize>,
    /// Only what is not older.
    pub since: Option<Time>,
    /// Whether each line is shown with its time.
    pub times: Times,
}

/// Whether lines are shown with their times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Times {
    /// They are not.
    #[default]
    Hidden,
    /// They are.
    Shown,
}

/// Takes the bytes of log files, and shows what was asked for.
pub struct Show<O, E> {
    wanted: Wanted,
    out: O,
    err: E,
    /// A line of the file that is not whole yet.
    rest: Vec<u8>,
    /// Lines of the file that may be among the last ones.
    last: VecDeque<Vec<u8>>,
    /// How many lines of the container's these are.
    lines: usize,
    tailing: Tailing,
    /// Whether each of the streams is in the middle of a line.
    within: [Within; 3],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tailing {
    /// Only the last lines are shown, and they are not known yet.
    Collecting,
    /// What comes is shown.
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Line,
    Nothing,
}

impl<O: Write, E: Write> Show<O, E> {
    /// Shows standard output on `out`, and the rest on `err`.
    pub fn new(wanted: Wanted, out: O, err: E) -> Self {
        let tailing = if wanted.tail.is_some() { Tailing::Collecting } else { Tailing::Over };
        let (rest, last) = (Vec::new(), VecDeque::new());
        Self { wanted, out, err, rest, last, lines: 0, tailing, within: [Within::Nothing; 3] }
    }

    /// Takes what was read.
    pub fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(length) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(&bytes[..length]);
            bytes = &bytes[length + 1..];
            self.line(line)?;
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// All that was there has been taken: the last lines are known.
    pub fn catch_up(&mut self) -> io::Result<()> {
        if self.tailing == Tailing::Collecting {
            self.tailing = Tailing::Over;
            for line in std::mem::take(&mut self.last) {
                self.show(&line)?;
            }
        }
        self.out.flush()?;
        self.err.flush()
    }

    fn line(&mut self, line: Vec<u8>) -> io::Result<()> {
        // What is no record is not ours to hide, but cannot be put anywhere either.
        let Some(record) = Record::parse(&line) else { return Ok(()) };
        if self.wanted.since.is_some_and(|since| record.when().is_some_and(|time| time < since)) {
            return Ok(());
        }
        if self.tailing == Tailing::Over {
            return self.show(&line);
        }
        self.lines += usize::from(record.end == End::Full);
        self.last.push_back(line);
        // One that is not whole yet is one more.
        while self.lines > self.wanted.tail.unwrap_or(0) {
            let Some(first) = self.last.pop_front() else { break };
            self.lines -= usize::from(Record::parse(&first).is_some_and(|record| record.end == End::Full));
        }
        Ok(())
    }

    fn show(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(record) = Record::parse(line) else { return Ok(()) };
        let within = &mut self.within[record.stream as usize];
        let begins = *within == Within::Nothing;
        *within = if record.end == End::Full { Within::Nothing } else { Within::Line };
        let mut text = Vec::with_capacity(line.len() + 8);
        if begins && self.wanted.times == Times::Shown {
            text.extend_from_slice(record.time);
            text.push(b' ');
        }
        if begins && record.stream == Stream::System {
            text.extend_from_slice(b"husk: ");
        }
        text.extend_from_slice(record.text);
        if record.end == End::Full {
            text.push(b'\n');
        }
        match record.stream {
            Stream::Stdout => self.out.write_all(&text),
            Stream::Stderr | Stream::System => self.err.write_all(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"2026-01-01T00:00:00Z stdout F one\n\
        2026-01-01T00:00:01Z stderr F oops\n\
        2026-01-01T00:00:02Z stdout P tw\n\
        not a record\n\
        2026-01-01T00:00:02Z stderr F between\n\
        2026-01-01T00:00:02Z stdout F o\n\
        2026-01-01T00:00:03Z system F stopped\n\
        2026-01-01T00:00:04Z stdout P no end";

    fn shown(wanted: Wanted, size: usize) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut show = Show::new(wanted, &mut out, &mut err);
        for piece in LOG.chunks(size) {
            show.take(piece).unwrap();
        }
        show.catch_up().unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn lines_are_put_together_whatever_the_pieces() {
        for size in [1, 2, 7, 4096] {
            let expected = ("one\ntwo\n".into(), "oops\nbetween\nhusk: stopped\n".into());
            assert_eq!(shown(Wanted::default(), size), expected);
        }
    }

    #[test]
    fn the_last_lines_are_the_last_ones_of_all_streams() {
        let of = |tail| shown(Wanted { tail: Some(tail), ..Wanted::default() }, 5);
        assert_eq!(of(0), (String::new(), String::new()));
        assert_eq!(of(1), (String::new(), "husk: stopped\n".into()));
        assert_eq!(of(100), shown(Wanted::default(), 100));
    }

    #[test]
    fn what_is_older_is_left_out_and_times_are_shown() {
        let since = super::super::time::parse("2026-01-01T00:00:02Z");
        let (out, err) = shown(Wanted { since, times: Times::Shown, tail: None }, 100);
        assert_eq!(out, "2026-01-01T00:00:02Z two\n");
        assert_eq!(err, "2026-01-01T00:00:02Z between\n2026-01-01T00:00:03Z husk: stopped\n");
    }
}
