//! What went wrong, in one line.

use std::fmt;

use sys::Errno;

use crate::Name;

/// Why a command on images came to nothing. Nothing half-made is left behind, whichever it is.
#[derive(Debug)]
pub enum Error {
    /// The kernel refused something that has nothing to do with what an archive says.
    System {
        /// What was asked of it: a verb and its kind of object (`open`, `make directory`).
        action: &'static str,
        /// The path or the thing it was asked for.
        on: String,
        /// Its answer.
        errno: Errno,
    },
    /// One entry of an archive or one file of a directory is not taken.
    Entry {
        /// Its name there, with what is not printable escaped.
        name: String,
        /// Why not.
        why: String,
    },
    /// The archive as a whole is damaged, of no known form, or beyond a limit.
    Archive(String),
    /// A directory that is no OCI image layout.
    NoLayout,
    /// An image of this name exists; names are never overwritten.
    Exists(Name),
    /// There is no image of this name.
    Missing(Name),
    /// What a caller said is no name, no digest, or the like.
    Invalid(String),
    /// The caller's [`Progress`](crate::Progress) said stop.
    Interrupted,
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// For `map_err`: the kernel's answer with what was asked for.
    pub(crate) fn system(action: &'static str, on: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let on = on.into();
        move |errno| Self::System { action, on, errno }
    }

    /// An entry that is not taken, and why.
    pub fn entry(name: &[u8], why: impl Into<String>) -> Self {
        Self::Entry { name: shown(name), why: why.into() }
    }

    /// For `map_err`: the kernel's answer to what an entry made necessary.
    #[cfg(feature = "store")]
    pub(crate) fn making<'a>(name: &'a [u8], action: &'static str) -> impl FnOnce(Errno) -> Self + 'a {
        move |errno| match errno {
            // Whatever the entry is: the same archive may be taken another time, or elsewhere.
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::IO
            | Errno::ROFS
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM => Self::System { action, on: format!("entry {}", shown(name)), errno },
            _ => Self::entry(name, format!("{action}: {}", sys::strerror::describe(errno))),
        }
    }

    /// The same with the layer of several in which it went wrong.
    #[cfg(feature = "store")]
    pub(crate) fn in_layer(self, layer: &str) -> Self {
        match self {
            Self::System { action, on, errno } => {
                Self::System { action, on: format!("{on} of layer {layer}"), errno }
            }
            Self::Entry { name, why } => Self::Entry { name: format!("{name} of layer {layer}"), why },
            other => other,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// The error of a reader or writer of the standard library: `action` is a verb, `on` what it was done with.
    #[must_use]
    pub fn stream(action: &'static str, on: &str, error: &std::io::Error) -> Self {
        if error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(Self::is_interruption) {
            return Self::Interrupted;
        }
        if let Some(damage) = error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
            return Self::Archive(damage.0.clone());
        }
        match Errno::from_io_error(error) {
            Some(errno) => Self::System { action, on: on.to_owned(), errno },
            None => Self::Archive(format!("{on}: {error}")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { action, on, errno } => {
                write!(f, "{action} {on}: {}", sys::strerror::describe(*errno))
            }
            Self::Entry { name, why } => write!(f, "entry {name}: {why}"),
            Self::Archive(what) | Self::Invalid(what) => f.write_str(what),
            Self::NoLayout => f.write_str("a directory without a file oci-layout is no archive of an image"),
            Self::Exists(name) => {
                write!(f, "image {name} exists already; remove it first or choose another name")
            }
            Self::Missing(name) => write!(f, "there is no image {name}"),
            Self::Interrupted => f.write_str("interrupted; nothing has been changed"),
        }
    }
}

impl std::error::Error for Error {}

/// What a decompressor cannot read, in words of ours. Readers have no other errors than the standard library's.
#[derive(Debug)]
pub(crate) struct Damage(pub(crate) String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// A name that somebody else chose, fit for one line of a terminal: what is not printable ASCII is escaped
/// (a name may hold newlines and terminal sequences), and a long one loses its middle.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    const ENDS: usize = 100;
    if name.is_empty() {
        return "(empty)".to_owned();
    }
    if name.len() <= 2 * ENDS + 20 {
        return name.escape_ascii().to_string();
    }
    let (head, tail) = (&name[..ENDS], &name[name.len() - ENDS..]);
    format!("{}[{} bytes]{}", head.escape_ascii(), name.len() - 2 * ENDS, tail.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_in_one_line_whatever_is_in_it() {
        assert_eq!(shown(b"a\nb\x1b[2J\xff"), "a\\nb\\x1b[2J\\xff");
        assert_eq!(shown(b""), "(empty)");
        assert!(shown(&[b'x'; 100_000]).len() < 300);
    }
}
