//! Job control: sessions, process groups, and who holds the terminal (credentials(7), tty_ioctl(4)). By plain
//! numbers, since a group or session of another pid namespace is 0 here.

use syscalls::{Sysno, syscall};

use crate::process::Pid;
use crate::{Result, check};

/// Number of the standard input, which is the terminal in question.
const STDIN: usize = 0;

/// What a process has of the terminal that is its standard input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Nothing: it is none, or another session's, or another group is in its foreground.
    Nothing,
    /// The caller's group is in its foreground.
    Foreground,
    /// So it is, and the caller leads the session whose terminal it is.
    Leader,
}

/// What the caller has of its terminal.
#[must_use]
pub fn hold() -> Hold {
    const TIOCGPGRP: usize = 0x540f;
    let mut foreground = 0i32;
    // SAFETY: the number is ours to write; descriptor 0 may be anything, closed included.
    if check(unsafe { syscall!(Sysno::ioctl, STDIN, TIOCGPGRP, &raw mut foreground) }).is_err() {
        return Hold::Nothing;
    }
    // SAFETY: these four only tell numbers.
    let (group, session, own) = unsafe {
        (syscall!(Sysno::getpgid, 0usize), syscall!(Sysno::getsid, 0usize), syscall!(Sysno::getpid))
    };
    match (check(group), check(session), check(own)) {
        (Ok(group), _, _) if group as i32 != foreground => Hold::Nothing,
        (_, Ok(session), Ok(own)) if session == own => Hold::Leader,
        _ => Hold::Foreground,
    }
}

/// Whether the caller leads its session.
#[must_use]
pub fn leads_session() -> bool {
    is_session_leader(crate::process::getpid())
}

/// Whether a process leads its session. It may have ended, but has not been reaped.
#[must_use]
pub fn is_session_leader(pid: Pid) -> bool {
    let pid = pid.as_raw_pid();
    // SAFETY: this only tells a number.
    check(unsafe { syscall!(Sysno::getsid, pid) }).is_ok_and(|session| session == pid.unsigned_abs() as usize)
}

/// TIOCNOTTY: gives up the controlling terminal that is the standard input. The kernel sends SIGHUP and SIGCONT
/// to its foreground group if the caller leads the session.
///
/// # Errors
/// ENOTTY where it is not the controlling terminal.
pub fn give_up_terminal() -> Result<()> {
    const TIOCNOTTY: usize = 0x5422;
    // SAFETY: it takes no argument.
    check(unsafe { syscall!(Sysno::ioctl, STDIN, TIOCNOTTY, 0usize) })?;
    Ok(())
}

/// TIOCSCTTY: the terminal that is the standard input becomes the controlling one of the session that the caller
/// leads.
///
/// # Errors
/// ENOTTY where it is none, EPERM where it is another session's or the caller leads none.
pub fn take_terminal() -> Result<()> {
    const TIOCSCTTY: usize = 0x540e;
    // SAFETY: the argument is a number: 0, not to take it from another session.
    check(unsafe { syscall!(Sysno::ioctl, STDIN, TIOCSCTTY, 0usize) })?;
    Ok(())
}

/// TIOCSPGRP: puts the caller's own group into the foreground of its terminal. From the background that stops the
/// caller unless SIGTTOU is blocked or ignored.
///
/// # Errors
/// Those of tcsetpgrp(3).
pub fn take_foreground() -> Result<()> {
    const TIOCSPGRP: usize = 0x5410;
    // SAFETY: it only tells a number.
    let group = check(unsafe { syscall!(Sysno::getpgid, 0usize) })? as i32;
    // SAFETY: the number outlives the call.
    check(unsafe { syscall!(Sysno::ioctl, STDIN, TIOCSPGRP, &raw const group) })?;
    Ok(())
}
