//! Flags for loading a filter.

use core::ops::BitOr;

use crate::Error;

/// The `flags` of a profile, a set; the bits are those of `seccomp(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Every thread of the process gets the filter.
    pub const TSYNC: Self = Self(1);
    /// All actions but ALLOW are logged.
    pub const LOG: Self = Self(1 << 1);
    /// Speculative store bypass mitigation stays off.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// A call that waits for its listener can be interrupted by fatal signals only (Linux 5.19).
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);
    /// The load returns a listener. Not for profiles: NOTIFY in a rule implies it.
    pub(crate) const NEW_LISTENER: Self = Self(1 << 3);
    /// A thread that cannot take the filter is `ESRCH`, not a thread id that looks like a descriptor; the
    /// kernel refuses `TSYNC` with `NEW_LISTENER` without it (Linux 5.7).
    pub(crate) const TSYNC_ESRCH: Self = Self(1 << 4);

    /// Reads an entry of `flags`.
    ///
    /// # Errors
    /// The name is not a flag of the runtime-spec.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "SECCOMP_FILTER_FLAG_TSYNC" => Self::TSYNC,
            "SECCOMP_FILTER_FLAG_LOG" => Self::LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Self::SPEC_ALLOW,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => Self::WAIT_KILLABLE_RECV,
            _ => return Err(Error::Unknown { field: "flag", value: name.into() }),
        })
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The value for `seccomp(2)`.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
