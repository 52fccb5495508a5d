//! What did not work, in words.

use std::fmt;

use sys::Errno;
use sys::strerror::describe;

/// Why something about a network could not be done: one line, and perhaps a hint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    text: String,
    hint: Option<&'static str>,
}

impl Error {
    /// An error that the kernel had no part in.
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    /// The kernel refused it: what was tried on what, and its answer.
    pub(crate) fn kernel(what: impl fmt::Display, errno: Errno) -> Self {
        let hint = match errno {
            Errno::PERM | Errno::ACCESS => Some("this needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run as root"),
            Errno::NOSPC | Errno::USERS => Some("see the sysctl user.max_net_namespaces"),
            _ => None,
        };
        Self { text: format!("{what}: {}", describe(errno)), hint }
    }

    /// The same error with what may help.
    #[must_use]
    pub(crate) fn hinting(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// What may help.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Error {
    /// One line; the hint is apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
