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
    /// A number in decimal.
    Number(i32),
    /// What an error number means.
    Error(Errno),
}

/// Longer lines are cut off: a message is never worth a failure.
const ROOM: usize = 512;

struct Line {
    bytes: [u8; ROOM],
    length: usize,
}

impl Line {
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
            Part::Number(number) => {
                if number < 0 {
                    self.add(b"-");
                }
                let mut digit = 1_000_000_000;
                while digit > 1 && number.unsigned_abs() < digit {
                    digit /= 10;
                }
                while digit > 0 {
                    self.add(&[b'0' + (number.unsigned_abs() / digit % 10) as u8]);
                    digit /= 10;
                }
            }
        }
    }
}

/// Puts a line together and hands it on.
pub fn with_line<T>(parts: &[Part<'_>], then: impl FnOnce(&[u8]) -> T) -> T {
    let mut line = Line { bytes: [0; ROOM], length: 0 };
    parts.iter().for_each(|part| line.add_part(part));
    then(line.bytes.get(..line.length).unwrap_or_default())
}

/// Writes a line to standard error; its newline is one of the parts.
#[inline(never)]
pub fn complain(parts: &[Part<'_>]) {
    with_line(parts, |line| write_all(sys::standard::error(), line));
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
}
