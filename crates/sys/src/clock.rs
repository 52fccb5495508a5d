//! The clocks, by the system call itself: the vDSO would cost its search at start, pages, and 2 kB of code. Where
//! time is read a few times for each command that is started, the tenth of a microsecond does not show.

use syscalls::{Sysno, syscall};

/// USER_HZ: in how many ticks a second proc_pid_stat(5) tells times. It is part of the interface of x86-64.
pub const TICKS_PER_SECOND: u64 = 100;

/// A clock in nanoseconds.
fn read(clock: usize) -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: a timespec is two words, ours to write. It cannot fail with a valid pointer.
    let _ = unsafe { syscall!(Sysno::clock_gettime, clock, time.as_mut_ptr()) };
    let [seconds, nanoseconds] = time;
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// clock_gettime(2), CLOCK_MONOTONIC, in nanoseconds.
#[must_use]
#[inline(never)]
pub fn monotonic() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    read(CLOCK_MONOTONIC)
}

/// nanosleep(2): waits for so many milliseconds, or less where a signal comes.
pub fn sleep(milliseconds: u32) {
    let time = [u64::from(milliseconds / 1000), u64::from(milliseconds % 1000) * 1_000_000];
    // SAFETY: a timespec is two words; what is left of the time is not asked for.
    let _ = unsafe { syscall!(Sysno::nanosleep, time.as_ptr(), 0usize) };
}

/// clock_gettime(2), CLOCK_BOOTTIME, in nanoseconds: time during which the machine slept counts.
#[must_use]
pub fn since_boot() -> u64 {
    const CLOCK_BOOTTIME: usize = 7;
    read(CLOCK_BOOTTIME)
}

/// clock_gettime(2), CLOCK_REALTIME: nanoseconds since 1970.
#[must_use]
pub fn since_1970() -> u64 {
    const CLOCK_REALTIME: usize = 0;
    read(CLOCK_REALTIME)
}

/// The same in whole seconds.
#[must_use]
pub fn seconds_since_1970() -> u64 {
    since_1970() / 1_000_000_000
}
