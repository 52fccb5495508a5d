//! Files read line by line in a fixed space. Before start and at the end of a machine only.

use core::ffi::CStr;
use core::ops::ControlFlow;

use sys::fs::{CWD, Mode, OFlags, openat};
use sys::{Errno, Result};

/// A line longer than this is passed over.
pub const LONGEST: usize = 4096;
/// More than this is not read of a file.
const MOST: usize = 4 << 20;

/// Who gets the lines, until it has had enough.
pub type Take<'t> = dyn FnMut(&[u8]) -> ControlFlow<()> + 't;

/// Hands every line of a file, without its newline, to `take`, until that has had enough.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn each_line(path: &CStr, take: &mut Take<'_>) -> Result<()> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    each_line_of(&mut |space| sys::io::read(&file, space), take)
}

/// The same of what `read` gives, as read(2) does.
///
/// # Errors
/// Those of `read`, but EINTR.
pub fn each_line_of(read: &mut dyn FnMut(&mut [u8]) -> Result<usize>, take: &mut Take<'_>) -> Result<()> {
    let mut line = Line { bytes: [0; LONGEST], length: 0 };
    let mut buffer = [0u8; 512];
    let mut total = 0;
    loop {
        let read = match read(&mut buffer) {
            Err(Errno::INTR) => continue,
            read => read?,
        };
        total += read;
        if read == 0 || total > MOST {
            let _ = line.end(take);
            return Ok(());
        }
        for byte in buffer.iter().take(read) {
            if line.add(*byte, take).is_break() {
                return Ok(());
            }
        }
    }
}

/// The line that is being read.
struct Line {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Line {
    fn add(&mut self, byte: u8, take: &mut Take<'_>) -> ControlFlow<()> {
        if byte == b'\n' {
            return self.end(take);
        }
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
        ControlFlow::Continue(())
    }

    fn end(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        let line = self.bytes.get(..self.length);
        self.length = 0;
        line.map_or(ControlFlow::Continue(()), take)
    }
}

/// `text`, or as much of it as there is room for, with a null behind it.
#[must_use]
pub fn c_string<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b CStr> {
    let place = buffer.get_mut(..=text.len())?;
    for (place, byte) in place.iter_mut().zip(text.iter().chain(&[0])) {
        *place = *byte;
    }
    CStr::from_bytes_with_nul(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_fit_is_passed_over() {
        let mut text = b"first\n\n".to_vec();
        text.extend([b'x'; LONGEST + 1]);
        text.extend(b"\nlast");
        let mut seen = std::vec::Vec::new();
        let mut line = Line { bytes: [0; LONGEST], length: 0 };
        let mut take = |line: &[u8]| {
            seen.push(line.to_vec());
            ControlFlow::Continue(())
        };
        text.iter().for_each(|byte| assert!(line.add(*byte, &mut take).is_continue()));
        assert!(line.end(&mut take).is_continue());
        assert_eq!(seen, [b"first".to_vec(), b"".to_vec(), b"last".to_vec()]);
    }

    #[test]
    fn text_that_does_not_fit_is_no_c_string() {
        assert_eq!(c_string(b"abc", &mut [b'x'; 4]), Some(c"abc"));
        assert_eq!((c_string(b"abcd", &mut [0; 4]), c_string(b"a\0b", &mut [0; 9])), (None, None));
    }
}
