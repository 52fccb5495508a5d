//! What is wrong with a configuration.

use std::fmt;

/// A field, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    field: String,
    what: String,
}

impl Error {
    /// An error about `field`, which is named as in the specification: `linux.namespaces[2].type`.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }

    /// A field that the specification has and husk does not perform.
    pub(crate) fn unsupported(field: impl Into<String>) -> Self {
        Self::new(field, "is not supported by this version of husk")
    }

    /// The field.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

impl std::error::Error for Error {}
