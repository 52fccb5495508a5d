//! Names and numbers that stand for something, parsed once.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// The key that a client gives an exec, or the server where the client gives none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExecId(String);

impl ExecId {
    /// The longest, in bytes.
    pub const MAX: usize = 128;

    /// 1 to 128 bytes of text without control characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user or group id. 4294967295 is none: the kernel takes it for "no change" (setresuid(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(u32);

impl Id {
    /// A number from 0 to 4294967294.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number != u32::MAX).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}
