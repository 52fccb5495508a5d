//! What a first process does with the processes that fall to it: it waits for any of them, and signals all.

use core::mem::size_of;

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It left with this code.
    Code(u8),
    /// This signal killed it.
    Signal(i32),
}

impl End {
    /// From the status word of wait(2).
    #[must_use]
    pub const fn from_status(status: u32) -> Self {
        match status & 0x7f {
            0 => Self::Code((status >> 8) as u8),
            signal => Self::Signal(signal as i32),
        }
    }

    /// The status word of wait(2) that says so.
    #[must_use]
    pub const fn status(self) -> u32 {
        match self {
            Self::Code(code) => (code as u32) << 8,
            Self::Signal(number) => number.cast_unsigned() & 0x7f,
        }
    }

    /// The exit code that a shell would report: 128+n for signal n.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128u8.wrapping_add(number as u8),
        }
    }
}

/// What [`any`] has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// This child has ended, and is reaped.
    Ended(i32, End),
    /// There are children; none has ended.
    Alive,
    /// There is no child.
    None,
}

/// wait4(2) for whichever child has ended, without waiting; children that raise another signal than SIGCHLD
/// included (__WALL).
///
/// # Errors
/// Those of wait4(2) and waitid(2) but ECHILD, which is [`Found::None`].
pub fn any() -> Result<Found> {
    let mut status = 0u32;
    // SAFETY: the status is ours to write; no resource usage is asked for.
    let answer = unsafe { syscall!(Sysno::wait4, -1isize, &raw mut status, WNOHANG | WALL, 0usize) };
    match check(answer) {
        Ok(0) => Ok(Found::Alive),
        Ok(pid) => Ok(Found::Ended(pid as i32, End::from_status(status))),
        Err(Errno::CHILD) => Ok(Found::None),
        // A child that ended and was not seen is never told of again: the other call with the same meaning is asked.
        Err(_) => any_by_waitid(),
    }
}

const WNOHANG: usize = 1;
const WALL: usize = 0x4000_0000;

/// The same by waitid(2).
fn any_by_waitid() -> Result<Found> {
    const P_ALL: usize = 0;
    const WEXITED: usize = 4;
    const CLD_EXITED: u32 = 1;
    let mut record = [0u32; 32];
    let options = WNOHANG | WEXITED | WALL;
    // SAFETY: a siginfo has 128 bytes, ours to write; no resource usage is asked for.
    let answer = unsafe { syscall!(Sysno::waitid, P_ALL, 0usize, record.as_mut_ptr(), options, 0usize) };
    // si_signo, si_errno, si_code, and after a gap si_pid, si_uid, si_status.
    let [_, _, code, _, pid, _, status, ..] = record;
    match check(answer) {
        Ok(_) if pid == 0 => Ok(Found::Alive),
        Ok(_) if code == CLD_EXITED => Ok(Found::Ended(pid.cast_signed(), End::Code(status as u8))),
        Ok(_) => Ok(Found::Ended(pid.cast_signed(), End::Signal(status.cast_signed()))),
        Err(Errno::CHILD) => Ok(Found::None),
        Err(errno) => Err(errno),
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// One process. A number above 0.
    Process(i32),
    /// A process group. A number above 1.
    Group(i32),
    /// Every process of the pid namespace but the first and the caller; without a namespace of one's own that
    /// is the machine.
    Everyone,
}

/// kill(2), real-time signals included; signal 0 only asks whether there is somebody.
///
/// # Errors
/// Those of kill(2); EINVAL for a number that would mean somebody else.
pub fn kill(target: Target, number: i32) -> Result<()> {
    let pid = match target {
        Target::Process(pid) if pid > 0 => pid,
        Target::Group(group) if group > 1 => -group,
        Target::Everyone => -1,
        _ => return Err(Errno::INVAL),
    };
    // SAFETY: only the kernel's tables are touched.
    check(unsafe { syscall!(Sysno::kill, pid as isize, number) })?;
    Ok(())
}

/// Who reaps orphans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaper {
    /// The kernel does; no SIGCHLD comes (signal ignored: wait(2), "NOTES"). How a child ended is known by its
    /// pidfd alone.
    Kernel,
    /// The process does, told by SIGCHLD.
    Process,
}

/// Chooses by the disposition of SIGCHLD, that of rt_sigaction(2).
///
/// # Errors
/// Those of rt_sigaction(2).
pub fn set_reaper(reaper: Reaper) -> Result<()> {
    const SIGCHLD: usize = 17;
    const SIG_IGN: usize = 1;
    let handler = if reaper == Reaper::Kernel { SIG_IGN } else { 0 };
    let action = [handler, 0, 0, 0];
    // SAFETY: the kernel's sigaction is these four words (handler, flags, restorer, mask), without a function.
    let answer = unsafe { syscall!(Sysno::rt_sigaction, SIGCHLD, action.as_ptr(), 0usize, size_of::<u64>()) };
    check(answer)?;
    Ok(())
}

/// PR_GET_CHILD_SUBREAPER of prctl(2): whether orphans fall to the caller though it is not the first process.
#[must_use]
pub fn adopts_orphans() -> bool {
    const PR_GET_CHILD_SUBREAPER: usize = 37;
    let mut set = 0i32;
    // SAFETY: the number is ours to write.
    let answer =
        unsafe { syscall!(Sysno::prctl, PR_GET_CHILD_SUBREAPER, &raw mut set, 0usize, 0usize, 0usize) };
    check(answer).is_ok() && set != 0
}

/// Ends the caller by signal `number` with its default action, and without a core dump: the process that it died
/// for has left one. Returns where that does not end it: a first process, or a signal that is harmless.
pub fn die_of(number: i32) {
    let signal = crate::signals::SignalSet::EMPTY.with(number);
    let nothing = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, nothing);
    let _ = crate::signals::reset_to_default(signal);
    let _ = kill(Target::Process(rustix::process::getpid().as_raw_pid()), number);
    let _ = crate::signals::block(crate::signals::SignalSet::EMPTY);
}

/// PIDFD_GET_INFO of the kernel's uapi/linux/pidfd.h, with PIDFD_INFO_EXIT (Linux 6.15): how the process of a
/// pidfd ended, reaped or not. `None` where it has not ended.
///
/// # Errors
/// ENOTTY on a kernel without it (before 6.13).
pub fn end_of<Fd: AsFd>(process: Fd) -> Result<Option<End>> {
    const PIDFD_GET_INFO: usize = 0xc040_ff0b;
    const EXIT: u32 = 1 << 3;
    // A mask of 64 bits comes first, the exit status last.
    let mut record = [0u32; 16];
    record[0] = EXIT;
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: the record has the 64 bytes that the number of the request says.
    match check(unsafe { syscall!(Sysno::ioctl, fd, PIDFD_GET_INFO, record.as_mut_ptr()) }) {
        Ok(_) if record[0] & EXIT != 0 => Ok(Some(End::from_status(record[15]))),
        Ok(_) => Ok(None),
        // It has ended, and is not reaped yet.
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_say_code_or_signal() {
        assert_eq!(End::from_status(0x2a00), End::Code(42));
        assert_eq!(End::from_status(0x0009), End::Signal(9));
        assert_eq!(End::from_status(0x008b), End::Signal(11), "with a core dump");
        assert_eq!(End::Signal(15).code(), 143);
        assert_eq!(End::Signal(64).code(), 192);
    }

    #[test]
    fn numbers_that_mean_somebody_else_are_refused() {
        for target in [Target::Process(0), Target::Process(-1), Target::Group(1), Target::Group(0)] {
            assert_eq!(kill(target, 0), Err(Errno::INVAL), "{target:?}");
        }
        let own = rustix::process::getpid().as_raw_pid();
        assert_eq!(kill(Target::Process(own), 0), Ok(()));
        assert_eq!(kill(Target::Group(i32::MAX), 0), Err(Errno::SRCH));
    }
}
