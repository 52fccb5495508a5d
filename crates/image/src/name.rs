//! Names of images, checked once.

use std::fmt;

use crate::error::{Error, Result, shown};

/// The name of an image: `[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,127}`. It is the name of a file too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes.
    pub const MAX: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, or has another character in it.
    pub fn parse(text: &str) -> Result<Self> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let is_valid = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'@' | b'+' | b'-')
        };
        if begins && text.len() <= Self::MAX && text.bytes().all(is_valid) {
            return Ok(Self(text.to_owned()));
        }
        let max = Self::MAX;
        Err(Error::Invalid(format!(
            "{} is no name of an image: a letter or digit, then up to {} of letters, digits and _.:@+-",
            shown(text.as_bytes()),
            max - 1
        )))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_file_names() {
        for good in ["a", "debian:12", "A-b_c.d@e+f", &"x".repeat(128)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", &"x".repeat(129)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }
}
