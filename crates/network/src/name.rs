//! Names that go into the kernel: of instances, of the bridge, of the table.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The name of an instance: a letter or a digit, then up to 63 letters, digits, `_`, `.` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_name(text, 64, b"_.-") {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::said(format!(
            "instance name \"{}\": must be 1 to 64 letters, digits, '_', '.' and '-', and begin with a letter or a digit",
            text.escape_debug()
        )))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a bridge and of a table: a letter, then up to 14 letters, digits, `_` and `-`. Interfaces have no
/// longer names, and such a word means the same to ip(8), nft(8) and in a path of /proc/sys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label(String);

impl Label {
    pub(crate) fn bridge() -> Self {
        Self("husk0".to_owned())
    }

    pub(crate) fn table() -> Self {
        Self("husk".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_name(text, 15, b"_-") && !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::said(format!(
            "name of a bridge or a table \"{}\": must be 1 to 15 letters, digits, '_' and '-', and begin with a letter",
            text.escape_debug()
        )))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str, longest: usize, signs: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || signs.contains(byte);
    text.len() <= longest
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.as_bytes().iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_instances_are_called() {
        for good in ["a", "0", "web-1.example_x", &"n".repeat(64)] {
            assert_eq!(good.parse::<Name>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", ".a", "a b", "a\"", "a;", "a\n", "a/b", "ä", "a\0", &"n".repeat(65)] {
            let error = bad.parse::<Name>().expect_err(bad).to_string();
            assert!(error.starts_with("instance name \"") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn labels_are_what_interfaces_may_be_called() {
        for good in ["husk0", "H_u-s", &"n".repeat(15)] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in ["", "0", ".", "..", "husk.0", "a/b", "a b", "a:b", &"n".repeat(16)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }
}
