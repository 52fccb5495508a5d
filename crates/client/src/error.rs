//! What can go wrong: what, on what, why.

use alloc::string::String;
use core::fmt;

use sys::Errno;
use sys::strerror::describe;

/// Why something that was asked for is not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Nobody serves there, or not us.
    Connect {
        /// The address in words.
        to: String,
        /// Why.
        why: Errno,
    },
    /// The connection ended before there was an answer.
    Lost {
        /// The request.
        during: &'static str,
        /// Why; `None` where the server has closed it.
        why: Option<Errno>,
    },
    /// There was no answer in time.
    Late {
        /// The request.
        during: &'static str,
        /// How long was waited for it, in milliseconds.
        ms: u64,
    },
    /// The server said no.
    Refused {
        /// Its own words.
        text: String,
        /// 127 where the command was not found, 126 where it is not executable, else 125.
        code: u8,
    },
    /// The server said something that the protocol does not have.
    Unexpected {
        /// The request.
        during: &'static str,
        /// What came.
        what: String,
    },
}

impl Error {
    /// As which code a program ends for it: the server's where it gave one, else 125.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Refused { code, .. } => *code,
            _ => 125,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { to, why } => {
                f.write_str("connect to ")?;
                f.write_str(to)?;
                f.write_str(": ")?;
                f.write_str(describe(*why))
            }
            Self::Lost { during, why } => {
                f.write_str(during)?;
                f.write_str(": ")?;
                f.write_str(why.map_or("the server has closed the connection", describe))
            }
            Self::Late { during, ms } => {
                f.write_str(during)?;
                write!(f, ": no answer within {ms} ms")
            }
            Self::Refused { text, .. } => f.write_str(text),
            Self::Unexpected { during, what } => {
                f.write_str(during)?;
                f.write_str(": unexpected answer: ")?;
                f.write_str(what)
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        match error {
            Error::Connect { why, .. } | Error::Lost { why: Some(why), .. } => {
                Self::new(Self::from_raw_os_error(why.raw_os_error()).kind(), error)
            }
            Error::Lost { why: None, .. } => Self::new(ErrorKind::UnexpectedEof, error),
            Error::Late { .. } => Self::new(ErrorKind::TimedOut, error),
            Error::Refused { .. } => Self::other(error),
            Error::Unexpected { .. } => Self::new(ErrorKind::InvalidData, error),
        }
    }
}
