//! The clock of deadlines, by the system call itself: the vDSO would cost its search at start, and pages.

use syscalls::{Sysno, syscall};

/// clock_gettime(2), CLOCK_MONOTONIC, in nanoseconds.
#[must_use]
pub fn monotonic() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    // SAFETY: a timespec is two words, ours to write. It cannot fail with a valid pointer.
    let _ = unsafe { syscall!(Sysno::clock_gettime, CLOCK_MONOTONIC, time.as_mut_ptr()) };
    let [seconds, nanoseconds] = time;
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
