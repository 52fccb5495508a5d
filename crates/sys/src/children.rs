//! Children by pidfd, with what they used; orphans that have become ours; signals to groups.
//!
//! A child that was cloned without a signal for its end raises SIGCHLD all the same once it has called execve,
//! which resets that (clone(2)); nothing but its number tells it from an orphan then.

use core::mem::{MaybeUninit, size_of};

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::reap::End;
use crate::{Errno, Result, check};

/// How a child ended, and what it used (waitid(2), getrusage(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Exit code, or the signal that killed it.
    pub how: End,
    /// Milliseconds in user mode.
    pub user_ms: u64,
    /// Milliseconds in the kernel.
    pub system_ms: u64,
    /// The largest resident set, in KiB.
    pub max_rss_kb: u64,
}

const P_ALL: usize = 0;
const P_PID: usize = 1;
const P_PIDFD: usize = 3;
const WNOHANG: usize = 1;
const WEXITED: usize = 4;
const WNOWAIT: usize = 0x0100_0000;
/// Children whose end raises no SIGCHLD too.
const ALL: usize = 0x4000_0000;
const CLD_EXITED: i32 = 1;

/// `siginfo_t` as waitid fills it: signo, errno, code, (padding), pid, uid, status.
type Information = [i32; 32];
/// `struct rusage`: user and system time in seconds and microseconds, then the largest resident set.
type Usage = [i64; 18];

/// The end of a child, if it has come; the child is reaped then. `None` while it runs.
///
/// # Errors
/// ECHILD where it is no child of ours, or has been reaped.
pub fn ended<Fd: AsFd>(child: Fd) -> Result<Option<Ended>> {
    let fd = child.as_fd().as_raw_fd().unsigned_abs() as usize;
    Ok(reap(P_PIDFD, fd)?.map(|(_, ended)| ended))
}

/// Reaps any child that has ended, if there is one: its pid, and its end. It may be one of ours or an orphan: who has
/// pidfds of children finds theirs by the pid, which is free from here on.
///
/// # Errors
/// Those of waitid(2) but ECHILD.
pub fn any_ended() -> Result<Option<(i32, Ended)>> {
    match reap(P_ALL, 0) {
        Err(Errno::CHILD) => Ok(None),
        other => other,
    }
}

/// Whether this is a child of ours that has ended and has not been reaped: then its own children have other parents
/// already. It stays to be reaped.
#[must_use]
pub fn is_zombie(child: crate::process::Pid) -> bool {
    let mut information: Information = [0; 32];
    let options = WEXITED | WNOHANG | WNOWAIT | ALL;
    let number = child.as_raw_nonzero().get() as usize;
    // SAFETY: the buffer has at least the size of what the kernel writes and is ours.
    let answer = unsafe { syscall!(Sysno::waitid, P_PID, number, information.as_mut_ptr(), options, 0usize) };
    let [_, _, _, _, pid, ..] = information;
    answer.is_ok() && pid != 0
}

fn reap(which: usize, number: usize) -> Result<Option<(i32, Ended)>> {
    let mut information: Information = [0; 32];
    let mut usage: Usage = [0; 18];
    let options = WEXITED | WNOHANG | ALL;
    let (to_information, to_usage) = (information.as_mut_ptr(), usage.as_mut_ptr());
    // SAFETY: both buffers have at least the size of what the kernel writes and are ours.
    check(unsafe { syscall!(Sysno::waitid, which, number, to_information, options, to_usage) })?;
    let [_, _, code, _, pid, _, status, ..] = information;
    if pid == 0 {
        return Ok(None);
    }
    let [user_s, user_us, system_s, system_us, max_rss_kb, ..] = usage.map(i64::unsigned_abs);
    let ended = Ended {
        how: if code == CLD_EXITED { End::Code(status as u8) } else { End::Signal(status) },
        user_ms: user_s * 1000 + user_us / 1000,
        system_ms: system_s * 1000 + system_us / 1000,
        max_rss_kb,
    };
    Ok(Some((pid, ended)))
}

/// Signals the process group that a process leads (pidfd_send_signal(2), PIDFD_SIGNAL_PROCESS_GROUP of Linux
/// 6.9), or, on older kernels, by its number: right only while the process has not been reaped, so that its
/// number is its own.
///
/// # Errors
/// Those of pidfd_send_signal(2) and kill(2).
pub fn signal_group<Fd: AsFd>(leader: Fd, pid: crate::process::Pid, number: i32) -> Result<()> {
    match signal_group_of(leader, number) {
        Err(Errno::INVAL) => {
            let group = -pid.as_raw_pid();
            // SAFETY: no memory is passed; only the kernel's tables are touched.
            check(unsafe { syscall!(Sysno::kill, group, number) }).map(drop)
        }
        other => other,
    }
}

/// Signals the process group that a process leads or has led: also after that has been reaped, while others are in it,
/// and whoever has its number since.
///
/// # Errors
/// Those of pidfd_send_signal(2): EINVAL before Linux 6.9, ESRCH for a group that has nobody.
pub fn signal_group_of<Fd: AsFd>(leader: Fd, number: i32) -> Result<()> {
    const PROCESS_GROUP: usize = 4;
    let fd = leader.as_fd().as_raw_fd();
    // SAFETY: no siginfo is passed; only the kernel's tables are touched.
    check(unsafe { syscall!(Sysno::pidfd_send_signal, fd, number, 0usize, PROCESS_GROUP) }).map(drop)
}

/// PR_SET_TIMERSLACK: by how many nanoseconds timers of this thread may be late. Children inherit it, and
/// theirs, over exec, setsid and a change of user: a mark that tells whose descendant an orphan is
/// (/proc/PID/timerslack_ns), at the cost of a few microseconds of precision.
///
/// # Errors
/// None that prctl(2) knows of.
pub fn set_timer_slack(nanoseconds: u32) -> Result<()> {
    const PR_SET_TIMERSLACK: usize = 29;
    // SAFETY: the option takes a number and touches no memory.
    let answer =
        unsafe { syscall!(Sysno::prctl, PR_SET_TIMERSLACK, nanoseconds as usize, 0usize, 0usize, 0usize) };
    check(answer).map(drop)
}

/// The signals that this process ignores, and that its children would (rt_sigaction(2)). SIGKILL and SIGSTOP
/// cannot be.
#[must_use]
pub fn ignored_signals() -> crate::signals::SignalSet {
    const IGNORE: usize = 1;
    let mut ignored = crate::signals::SignalSet::EMPTY;
    for number in crate::signals::SignalSet::ALL.without(9).without(19).numbers() {
        let mut action = MaybeUninit::<[usize; 4]>::zeroed();
        // SAFETY: nothing is set; the old action has four words, which are ours to write.
        let answer =
            unsafe { syscall!(Sysno::rt_sigaction, number, 0usize, action.as_mut_ptr(), size_of::<u64>()) };
        // SAFETY: zeroed to begin with, and every bit pattern is a valid one.
        let [handler, ..] = unsafe { action.assume_init() };
        if answer.is_ok() && handler == IGNORE {
            ignored = ignored.with(number);
        }
    }
    ignored
}
