//! What went wrong.

use std::fmt;

use sys::Errno;
use sys::strerror::describe;

/// One line: what, on what, why; and perhaps what helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    text: String,
    hint: Option<&'static str>,
}

impl Error {
    pub(crate) const fn new(text: String) -> Self {
        Self { text, hint: None }
    }

    /// A call of the kernel.
    pub(crate) fn call(what: impl fmt::Display, errno: Errno) -> Self {
        Self::new(format!("{what}: {}", describe(errno)))
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// What may help.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
