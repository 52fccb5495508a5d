//! Users and groups by name: /etc/passwd and /etc/group, read line by line (passwd(5), group(5)).
//! Before start only; nothing else is parsed by the first process.

use core::ops::ControlFlow;

use sys::{Errno, Result};

use crate::lines::{Take, each_line};
use crate::values::id;

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
pub fn user(name: &[u8]) -> Result<User> {
    user_in(name, |take| each_line(c"/etc/passwd", take))
}

/// The same among the lines that `each` hands on.
///
/// # Errors
/// As [`user`].
pub fn user_in(name: &[u8], each: impl FnOnce(&mut Take<'_>) -> Result<()>) -> Result<User> {
    let number = id(name);
    let found = search(each, |line| {
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
    group_in(name, |take| each_line(c"/etc/group", take))
}

/// The same among the lines that `each` hands on.
///
/// # Errors
/// As [`user`].
pub fn group_in(name: &[u8], each: impl FnOnce(&mut Take<'_>) -> Result<()>) -> Result<u32> {
    if let Some(number) = id(name) {
        return Ok(number);
    }
    let found = search(each, |line| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.next()? == name).then_some(())?;
        id(fields.nth(1)?)
    })?;
    found.ok_or(Errno::NOENT)
}

fn search<T>(
    each: impl FnOnce(&mut Take<'_>) -> Result<()>,
    take: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>> {
    let mut found = None;
    each(&mut |line| {
        found = take(line);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_number_and_numbers_need_no_entry() {
        assert_eq!(user(b"root"), Ok(User { uid: 0, gid: Some(0) }));
        assert_eq!(user(b"0"), Ok(User { uid: 0, gid: Some(0) }));
        assert_eq!(user(b"4000000001"), Ok(User { uid: 4_000_000_001, gid: None }));
        assert_eq!(user(b"nobody-of-that-name"), Err(Errno::NOENT));
        assert_eq!(group(b"root"), Ok(0));
        assert_eq!(group(b"no-such-group"), Err(Errno::NOENT));
    }
}
