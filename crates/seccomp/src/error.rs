//! Why a profile cannot be compiled.

use alloc::boxed::Box;
use core::fmt;

/// A profile, or a word of one, that cannot be used. Displays as one line that names the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A word that is not in the vocabulary of its field.
    Unknown {
        /// `action`, `architecture`, `flag` or `op`.
        field: &'static str,
        /// The word.
        value: Box<str>,
    },
    /// `errnoRet` beside an action that has no use for it.
    ErrnoNotTaken {
        /// The action.
        action: Box<str>,
    },
    /// `errnoRet` out of range.
    ErrnoTooLarge {
        /// What was given.
        value: u32,
        /// The largest that works.
        limit: u32,
    },
    /// An argument that system calls do not have.
    ArgumentIndex {
        /// What was given.
        index: u32,
    },
    /// NOTIFY as the default: nobody could hand the listener over any more.
    NotifyByDefault,
    /// A flag for listeners in a profile that has none; the kernel refuses it with `EINVAL`.
    FlagNeedsNotify,
    /// The program is longer than the kernel takes.
    TooLong {
        /// Its length in instructions.
        instructions: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { field: "architecture", value } => {
                write!(f, "seccomp architecture {value}: its system call numbers are not known here")
            }
            Self::Unknown { field, value } => write!(f, "seccomp {field} {value}: no such {field}"),
            Self::ErrnoNotTaken { action } => {
                write!(f, "seccomp errnoRet beside {action}: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take one")
            }
            Self::ErrnoTooLarge { value, limit } => write!(f, "seccomp errnoRet {value}: above {limit}"),
            Self::ArgumentIndex { index } => {
                write!(f, "seccomp args index {index}: system calls have arguments 0 to 5")
            }
            Self::NotifyByDefault => {
                f.write_str("seccomp defaultAction SCMP_ACT_NOTIFY: it is possible in a rule only")
            }
            Self::FlagNeedsNotify => f.write_str(
                "seccomp flag SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: no rule has SCMP_ACT_NOTIFY",
            ),
            Self::TooLong { instructions } => {
                write!(f, "seccomp syscalls: {instructions} instructions, the kernel takes 4096")
            }
        }
    }
}

impl core::error::Error for Error {}
