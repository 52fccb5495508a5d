//! Lines of text, put together in a fixed space and written at once, so that nothing tears them apart.

use sys::Errno;
use sys::fd::BorrowedFd;
use sys::strerror::describe;

/// A part of a line.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// Somebody's words: what could move a cursor or begin a line is written as `\x1b`, and of what is long the middle is
    /// left out, so that what stands behind it is read too.
    Value(&'a [u8]),
    /// A number in decimal.
    Number(i32),
    /// A limit, as `--rlimit` takes it.
    Limit(&'a plan::Limit),
    /// What an error number means.
    Error(Errno),
}

/// Longer lines are cut off: a message is never worth a failure. It is also what the kernel's log takes at once.
const ROOM: usize = 960;

struct Line {
    bytes: [u8; ROOM],
    length: usize,
}

impl Line {
    #[inline(never)]
    fn new(parts: &[Part<'_>]) -> Self {
        let mut line = Self { bytes: [0; ROOM], length: 0 };
        parts.iter().for_each(|part| line.add_part(part));
        line
    }

    #[inline(never)]
    fn add(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *place = *byte;
            self.length += 1;
        }
    }

    fn add_part(&mut self, part: &Part<'_>) {
        match *part {
            Part::Text(text) => self.add(text.as_bytes()),
            Part::Bytes(bytes) => self.add(bytes),
            Part::Error(errno) => self.add(describe(errno).as_bytes()),
            Part::Value(value) => crate::shown::show(value, &mut |bytes| self.add(bytes)),
            Part::Number(number) => {
                if number < 0 {
                    self.add(b"-");
                }
                self.add_digits(number.unsigned_abs().into());
            }
            Part::Limit(limit) => {
                self.add(crate::values::name_of_limit(limit.resource).as_bytes());
                for (before, bound) in [(b"=", limit.soft), (b":", limit.hard)] {
                    self.add(before);
                    match bound {
                        Some(bound) => self.add_digits(bound),
                        None => self.add(b"unlimited"),
                    }
                }
            }
        }
    }

    fn add_digits(&mut self, number: u64) {
        let mut digit = 10_000_000_000_000_000_000;
        while digit > 1 && number < digit {
            digit /= 10;
        }
        while digit > 0 {
            self.add(&[b'0' + (number / digit % 10) as u8]);
            digit /= 10;
        }
    }
}

/// Puts a line together and hands it on.
pub fn with_line<T>(parts: &[Part<'_>], then: impl FnOnce(&[u8]) -> T) -> T {
    let line = Line::new(parts);
    then(line.bytes.get(..line.length).unwrap_or_default())
}

/// Writes a line to standard error; its newline is one of the parts.
#[inline(never)]
pub fn complain(parts: &[Part<'_>]) {
    with_line(parts, |line| write_all(sys::standard::error(), line));
}

/// Writes a line of ours to standard error: `minit: ` and the parts.
#[inline(never)]
pub fn ours(parts: &[Part<'_>]) {
    let mut line = Line::new(&[Part::Text("minit: ")]);
    parts.iter().for_each(|part| line.add_part(part));
    line.length = line.length.min(ROOM - 1);
    line.add(b"\n");
    write_all(sys::standard::error(), line.bytes.get(..line.length).unwrap_or_default());
}

/// Writes a line to standard output.
#[inline(never)]
pub fn say(parts: &[Part<'_>]) {
    with_line(parts, |line| write_all(sys::standard::output(), line));
}

/// Writes a line to both standard error and the kernel's log.
pub fn alarm(parts: &[Part<'_>]) {
    use sys::fs::{CWD, Mode, OFlags, openat};
    with_line(parts, |line| {
        write_all(sys::standard::error(), line);
        if let Ok(log) = openat(CWD, c"/dev/kmsg", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            write_all(sys::fd::AsFd::as_fd(&log), line);
        }
    });
}

/// Writes as much as is taken. A reader that is gone is nobody's failure.
pub fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match sys::io::write(to, bytes) {
            Ok(written) if written > 0 => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(parts: &[Part<'_>]) -> std::vec::Vec<u8> {
        with_line(parts, <[u8]>::to_vec)
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, -12, 65_535, i32::MAX, i32::MIN] {
            assert_eq!(line(&[Part::Number(number)]), std::format!("{number}").as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let long = "x".repeat(1000);
        let line = line(&[Part::Text("a"), Part::Text(&long), Part::Number(5)]);
        assert_eq!(line.len(), ROOM);
        assert!(line.starts_with(b"axx") && line.ends_with(b"x"));
    }

    #[test]
    fn of_a_long_value_the_middle_is_left_out_and_nothing_of_it_controls_a_terminal() {
        let shown = |value: &[u8]| {
            let line = line(&[Part::Text("x "), Part::Value(value), Part::Text(": why\n")]);
            assert!(line.len() <= ROOM && line.ends_with(b": why\n"), "{}", line.escape_ascii());
            std::string::String::from_utf8(line).expect("text")
        };
        assert_eq!(shown(b""), "x : why\n");
        assert_eq!(shown(b"a\n\x1b[2J\x7f"), "x a\\x0a\\x1b[2J\\x7f: why\n");
        let whole = "b".repeat(600);
        assert_eq!(shown(whole.as_bytes()), std::format!("x {whole}: why\n"));
        let long = std::format!("{}{}{}", "b".repeat(400), "c".repeat(9000), "d".repeat(200));
        let kept = std::format!("x {}…{}: why\n", "b".repeat(400), "d".repeat(200));
        assert_eq!(shown(long.as_bytes()), kept);
        assert!(shown(&[b'\n'; 5000]).contains("\\x0a…\\x0a"));
    }

    #[test]
    fn limits_are_written_as_they_are_read() {
        for text in ["nofile=0:18446744073709551615", "core=7:unlimited"] {
            let limit = crate::values::limit(text.as_bytes()).expect("a limit");
            assert_eq!(line(&[Part::Limit(&limit)]), text.as_bytes());
        }
    }
}
