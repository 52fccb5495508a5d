//! A count that a process and those that it forks have in common: one writes, the others look, and nobody has to ask.

use core::sync::atomic::{AtomicU64, Ordering};
use core::{mem, ptr};

use syscalls::{Sysno, syscall};

use crate::check;

/// The count. It is there until the process ends; a child of fork has the same one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally(Option<&'static AtomicU64>);

impl Tally {
    /// None: it counts nothing.
    pub const NONE: Self = Self(None);

    /// A count that is 0, in memory of its own (mmap(2), MAP_SHARED), which costs a page once it is touched. Where the
    /// kernel has none, there is no count.
    #[must_use]
    pub fn shared() -> Self {
        const READ_WRITE: usize = 1 | 2;
        const SHARED_ANONYMOUS: usize = 0x01 | 0x20;
        let (nowhere, length) = (ptr::null_mut::<u8>(), mem::size_of::<AtomicU64>());
        // SAFETY: the kernel chooses the place, so that nothing is mapped over.
        let start =
            unsafe { syscall!(Sysno::mmap, nowhere, length, READ_WRITE, SHARED_ANONYMOUS, -1isize, 0usize) };
        let Ok(start) = check(start) else { return Self::NONE };
        let start: *const AtomicU64 = ptr::with_exposed_provenance(start);
        // SAFETY: aligned to a page, zeros, which are a number, and never unmapped; who else has it in another process
        // changes it as an atomic, too.
        Self(unsafe { start.as_ref() })
    }

    /// One more.
    pub fn count(self) {
        if let Self(Some(count)) = self {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many; `None` where nothing is counted.
    #[must_use]
    pub fn total(self) -> Option<u64> {
        self.0.map(|count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_counts_is_seen_by_its_parent() {
        let tally = Tally::shared();
        tally.count();
        // SAFETY: the child calls nothing but the count and exit_group.
        let child = unsafe { syscall!(Sysno::fork) }.unwrap();
        if child == 0 {
            tally.count();
            // SAFETY: it ends the child, which has not returned from here.
            let _ = unsafe { syscall!(Sysno::exit_group, 0usize) };
        }
        // SAFETY: no memory is passed.
        unsafe { syscall!(Sysno::wait4, child, 0usize, 0usize, 0usize) }.unwrap();
        assert_eq!(tally.total(), Some(2));
        Tally::NONE.count();
        assert_eq!(Tally::NONE.total(), None);
    }
}
