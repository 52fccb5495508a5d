//! Users and groups by name: /etc/passwd and /etc/group, read line by line in a fixed space (passwd(5), group(5)).
//! Before start only; nothing else is parsed by the first process.

use core::ffi::CStr;

use sys::fs::{CWD, Mode, OFlags, openat};
use sys::{Errno, Result};

use crate::values::id;

/// A line longer than this belongs to no user that could log in, and is passed over.
const LONGEST: usize = 1024;
/// More than this is not read of a file.
const MOST: usize = 4 << 20;

/// Who a name or a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its group; `None` for a number that /etc/passwd does not have.
    pub gid: Option<u32>,
}

/// The user called `name`, or numbered so.
///
/// # Errors
/// ENOENT where there is no such user; those of open(2) and read(2) where a name cannot be looked up.
pub fn user(name: &CStr) -> Result<User> {
    let name = name.to_bytes();
    let number = id(name);
    let found = search(c"/etc/passwd", |line| {
        let mut fields = line.split(|byte| *byte == b':');
        let (login, uid, gid) = (fields.next()?, id(fields.nth(1)?)?, id(fields.next()?)?);
        (number == Some(uid) || number.is_none() && login == name).then_some(User { uid, gid: Some(gid) })
    });
    match (found, number) {
        (Ok(Some(user)), _) => Ok(user),
        // A number needs no file.
        (_, Some(uid)) => Ok(User { uid, gid: None }),
        (Ok(None), None) => Err(Errno::NOENT),
        (Err(errno), None) => Err(errno),
    }
}

/// The number of the group called `name`, or numbered so.
///
/// # Errors
/// As [`user`].
pub fn group(name: &[u8]) -> Result<u32> {
    if let Some(number) = id(name) {
        return Ok(number);
    }
    let found = search(c"/etc/group", |line| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.next()? == name).then_some(())?;
        id(fields.nth(1)?)
    })?;
    found.ok_or(Errno::NOENT)
}

fn search<T>(path: &CStr, mut take: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut lines = Lines::new();
    let mut buffer = [0u8; 512];
    let mut total = 0;
    loop {
        let read = match sys::io::read(&file, &mut buffer[..]) {
            Err(Errno::INTR) => continue,
            read => read?,
        };
        total += read;
        if read == 0 || total > MOST {
            return Ok(lines.end(&mut take));
        }
        for byte in buffer.iter().take(read) {
            if let Some(found) = lines.add(*byte, &mut take) {
                return Ok(Some(found));
            }
        }
    }
}

/// The line that is being read.
struct Lines {
    line: [u8; LONGEST],
    length: usize,
}

impl Lines {
    const fn new() -> Self {
        Self { line: [0; LONGEST], length: 0 }
    }

    fn add<T>(&mut self, byte: u8, take: &mut impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        if byte == b'\n' {
            return self.end(take);
        }
        if let Some(place) = self.line.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
        None
    }

    /// The line is complete. One that did not fit is none.
    fn end<T>(&mut self, take: &mut impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let length = core::mem::take(&mut self.length);
        self.line.get(..length).filter(|line| !line.is_empty()).and_then(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> std::vec::Vec<std::vec::Vec<u8>> {
        let mut seen = std::vec::Vec::new();
        let mut lines = Lines::new();
        let mut take = |line: &[u8]| {
            seen.push(line.to_vec());
            None::<()>
        };
        for byte in text {
            assert_eq!(lines.add(*byte, &mut take), None);
        }
        assert_eq!(lines.end(&mut take), None);
        seen
    }

    #[test]
    fn a_line_that_does_not_fit_is_passed_over() {
        let mut text = b"first\n\n".to_vec();
        text.extend([b'x'; LONGEST + 1]);
        text.extend(b"\nlast");
        assert_eq!(lines(&text), [b"first".to_vec(), b"last".to_vec()]);
    }

    #[test]
    fn root_is_found_by_name_and_number_and_numbers_need_no_entry() {
        assert_eq!(user(c"root"), Ok(User { uid: 0, gid: Some(0) }));
        assert_eq!(user(c"0"), Ok(User { uid: 0, gid: Some(0) }));
        assert_eq!(user(c"4000000001"), Ok(User { uid: 4_000_000_001, gid: None }));
        assert_eq!(user(c"nobody-of-that-name"), Err(Errno::NOENT));
        assert_eq!(group(b"root"), Ok(0));
        assert_eq!(group(b"no-such-group"), Err(Errno::NOENT));
    }
}
