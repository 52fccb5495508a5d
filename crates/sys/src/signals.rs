//! Signals as a program takes them that waits in one place: blocked, and read from a descriptor.

use core::mem::{MaybeUninit, size_of};
use core::ptr;

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// A set of signals; bit n-1 for signal n, as the kernel has it (64 signals, real-time ones included).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal. SIGKILL and SIGSTOP cannot be blocked, whatever a mask says (signal(7)).
    pub const ALL: Self = Self(u64::MAX);

    /// This set and signal `number` (1 to 64; another number changes nothing).
    #[must_use]
    pub const fn with(self, number: i32) -> Self {
        if number < 1 || number > 64 { self } else { Self(self.0 | 1 << (number - 1)) }
    }

    /// This set without signal `number`.
    #[must_use]
    pub const fn without(self, number: i32) -> Self {
        if number < 1 || number > 64 { self } else { Self(self.0 & !(1 << (number - 1))) }
    }

    /// Whether signal `number` is in it.
    #[must_use]
    pub const fn contains(self, number: i32) -> bool {
        number >= 1 && number <= 64 && self.0 >> (number - 1) & 1 == 1
    }

    /// The numbers of the signals in it, ascending.
    pub fn numbers(self) -> impl Iterator<Item = i32> {
        (1..=64).filter(move |number| self.contains(*number))
    }
}

const SIG_SETMASK: usize = 2;

/// rt_sigprocmask(2), SIG_SETMASK: blocks exactly `set` in this thread; returns what was blocked before.
///
/// # Errors
/// None that a valid set can cause.
pub fn block(set: SignalSet) -> Result<SignalSet> {
    let mut before = SignalSet::EMPTY;
    // SAFETY: both sets are 8 bytes, as the last argument says; `before` is ours to write.
    let answer = unsafe {
        syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &raw const set, &raw mut before, size_of::<SignalSet>())
    };
    check(answer)?;
    Ok(before)
}

/// rt_sigprocmask(2), SIG_BLOCK: blocks the signals of `set` too in this thread, with no moment at which one that was
/// blocked is not.
///
/// # Errors
/// None that a valid set can cause.
pub fn block_too(set: SignalSet) -> Result<()> {
    const SIG_BLOCK: usize = 0;
    // SAFETY: the set is 8 bytes, as the last argument says; the old one is not asked for.
    check(unsafe {
        syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &raw const set, 0usize, size_of::<SignalSet>())
    })?;
    Ok(())
}

/// The kernel's `struct sigaction`: handler, flags, restorer, mask.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// rt_sigaction(2): gives each signal of `set` its default disposition. SIGKILL and SIGSTOP, which have no
/// other, are passed over.
///
/// # Errors
/// Those of rt_sigaction(2).
pub fn reset_to_default(set: SignalSet) -> Result<()> {
    let default = Action { handler: 0, flags: 0, restorer: 0, mask: 0 };
    for number in set.without(9).without(19).numbers() {
        let null = ptr::null::<Action>();
        // SAFETY: the action is a valid kernel sigaction without a handler; the old one is not asked for.
        let answer = unsafe {
            syscall!(Sysno::rt_sigaction, number, &raw const default, null, size_of::<SignalSet>())
        };
        check(answer)?;
    }
    Ok(())
}

/// signalfd4(2), non-blocking and close-on-exec: the signals of `set`, which must be blocked, become readable.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM.
pub fn descriptor(set: SignalSet) -> Result<OwnedFd> {
    const FLAGS: usize = 0o2_000_000 | 0o4000;
    // SAFETY: -1 asks for a new descriptor; the set has the size that is passed.
    let answer =
        unsafe { syscall!(Sysno::signalfd4, -1isize, &raw const set, size_of::<SignalSet>(), FLAGS) };
    let fd = check(answer)? as RawFd;
    // SAFETY: the kernel has just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is known of a signal that has come: the fields of `struct signalfd_siginfo` that husk uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Signal number.
    pub number: i32,
    /// The sender's pid where there is one.
    pub sender: u32,
    /// Whether the kernel made it (a key of the terminal, a child's end) rather than a process.
    pub by_kernel: bool,
}

/// The next signal waiting on a descriptor made by [`descriptor`], or `None`.
///
/// # Errors
/// Those of read(2) but EAGAIN.
pub fn next<Fd: AsFd>(descriptor: Fd) -> Result<Option<Received>> {
    const SIZE: usize = 128;
    let mut record = MaybeUninit::<[u32; SIZE / 4]>::uninit();
    let fd = descriptor.as_fd().as_raw_fd();
    // SAFETY: the buffer has the size passed, and the kernel writes whole records or none.
    match check(unsafe { syscall!(Sysno::read, fd, record.as_mut_ptr(), SIZE) }) {
        // SAFETY: the kernel has filled all of it.
        Ok(SIZE) => Ok(Some(received(unsafe { record.assume_init_ref() }))),
        Ok(_) => Err(Errno::IO),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// rt_sigtimedwait(2) without waiting: takes the next signal of `set`, which must be blocked, and needs no
/// descriptor for it. `None` where none waits.
#[must_use]
pub fn take(set: SignalSet) -> Option<Received> {
    let mut record = [0u32; 32];
    let now = [0u64; 2];
    // SAFETY: a siginfo has 128 bytes, ours to write; the time is two words, and the set has the size that is passed.
    let answer = unsafe {
        syscall!(
            Sysno::rt_sigtimedwait,
            &raw const set,
            record.as_mut_ptr(),
            now.as_ptr(),
            size_of::<SignalSet>()
        )
    };
    let number = i32::try_from(check(answer).ok()?).ok()?;
    // si_signo, si_errno, si_code, and after a gap si_pid.
    Some(Received { number, sender: record[4], by_kernel: record[2].cast_signed() > 0 })
}

/// ssi_signo, ssi_errno, ssi_code, ssi_pid are the first four words; codes above 0 are the kernel's.
fn received(record: &[u32; 32]) -> Received {
    Received { number: record[0].cast_signed(), sender: record[3], by_kernel: record[2].cast_signed() > 0 }
}

/// The names of signals 1 to 31 without SIG, as signal(7) spells them.
pub const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// pidfd_send_signal(2) by number, for signals without a name (real-time ones).
///
/// # Errors
/// Those of pidfd_send_signal(2).
pub fn send<Fd: AsFd>(process: Fd, number: i32) -> Result<()> {
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: no siginfo is passed; only the kernel's tables are touched.
    check(unsafe { syscall!(Sysno::pidfd_send_signal, fd, number, 0usize, 0usize) })?;
    Ok(())
}
