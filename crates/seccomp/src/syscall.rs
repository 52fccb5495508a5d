//! System calls by name.

use core::fmt;

use crate::Arch;
use crate::table::{ABSENT, ORDINARY, PRIVATE, TABLE, find};

/// A system call that exists on at least one of the architectures; a cheap handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Syscall(u16);

impl Syscall {
    /// Some system call, to fill arrays with.
    pub(crate) const FIRST: Self = Self(0);

    /// The system call of this name, `None` if no architecture here has it. Can be evaluated at compile
    /// time.
    #[must_use]
    pub const fn named(name: &str) -> Option<Self> {
        match find(&TABLE, name) {
            Ok(row) => Some(Self(row)),
            Err(_) => None,
        }
    }

    /// Every system call of every architecture.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len as u16).map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.names[self.row()]
    }

    /// Its number on an architecture, as the kernel shows it to a filter (x32: with bit 30); `None` where
    /// it does not exist.
    #[must_use]
    pub fn number(self, arch: Arch) -> Option<u32> {
        let place = TABLE.numbers[arch as usize][self.row()];
        (place != ABSENT).then(|| number_at(place, arch))
    }

    /// The row of the table.
    pub(crate) const fn row(self) -> usize {
        self.0 as usize
    }
}

/// The number that a place in the table stands for.
pub(crate) const fn number_at(place: u16, arch: Arch) -> u32 {
    match arch {
        Arch::X32 => crate::arch::X32_BIT | place as u32,
        _ if place >= ORDINARY => PRIVATE + (place - ORDINARY) as u32,
        _ => place as u32,
    }
}

impl fmt::Debug for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
