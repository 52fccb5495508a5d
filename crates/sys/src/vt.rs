//! Virtual terminals: which one is shown, who may switch, what the screen and the keyboard do (ioctl_console(2)).
//!
//! VT_WAITACTIVE is left out on purpose: it waits without a limit for a switch that may never come. Whoever waits
//! asks [`active`] again. VT_RELDISP is not needed either: see [`refuse_switching`].

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// The number of a virtual terminal: 1 to 63 (MAX_NR_CONSOLES of linux/vt.h).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Number(u8);

impl Number {
    /// The first one.
    pub const FIRST: Self = Self(1);
    /// The last one.
    pub const LAST: Self = Self(63);

    /// `None` where there can be no such terminal.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::LAST.0 { Some(Self(number)) } else { None }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl core::fmt::Display for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who decides when something switches away from a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switching {
    /// VT_AUTO: the kernel switches at once.
    Free,
    /// VT_PROCESS with somebody who answers, as a display server does.
    Asked,
}

/// What the kernel does with the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Display {
    /// KD_TEXT: it draws text.
    Text,
    /// KD_GRAPHICS: it leaves the screen alone.
    Graphics,
}

/// `struct vt_mode` of linux/vt.h.
#[repr(C)]
struct Mode {
    mode: u8,
    /// Whether writes to a terminal that is not shown wait.
    waitv: u8,
    /// Signal that asks to release.
    relsig: i16,
    /// Signal that tells of an acquisition.
    acqsig: i16,
    frsig: i16,
}

const VT_AUTO: u8 = 0;
const VT_PROCESS: u8 = 1;
const KD_TEXT: i32 = 0;
const KD_GRAPHICS: i32 = 1;

/// An ioctl that takes a number, or nothing.
fn order<Fd: AsFd>(terminal: Fd, request: usize, argument: usize) -> Result<()> {
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: the callers' requests take a number and touch no memory of ours.
    check(unsafe { syscall!(Sysno::ioctl, fd, request, argument) })?;
    Ok(())
}

/// VT_GETSTATE: the terminal that is shown. `terminal` is any virtual one, /dev/tty0 for instance.
///
/// # Errors
/// ENOTTY where `terminal` is no virtual one.
pub fn active<Fd: AsFd>(terminal: Fd) -> Result<Number> {
    const VT_GETSTATE: usize = 0x5603;
    // v_active, v_signal, v_state
    let mut state = [0u16; 3];
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: a vt_stat is three words of 16 bits, ours to write.
    check(unsafe { syscall!(Sysno::ioctl, fd, VT_GETSTATE, state.as_mut_ptr()) })?;
    u8::try_from(state[0]).ok().and_then(Number::new).ok_or(crate::Errno::RANGE)
}

/// VT_ACTIVATE: asks for a switch to terminal `to`. It happens later, or never: see [`active`].
///
/// # Errors
/// EPERM without CAP_SYS_TTY_CONFIG; on newer kernels EINVAL where what is shown draws by itself or switching is
/// locked.
pub fn activate<Fd: AsFd>(terminal: Fd, to: Number) -> Result<()> {
    const VT_ACTIVATE: usize = 0x5606;
    order(terminal, VT_ACTIVATE, usize::from(to.0))
}

/// VT_DISALLOCATE: frees the memory of terminal `which`.
///
/// # Errors
/// EBUSY where it is shown, or somebody has it open.
pub fn disallocate<Fd: AsFd>(terminal: Fd, which: Number) -> Result<()> {
    const VT_DISALLOCATE: usize = 0x5608;
    order(terminal, VT_DISALLOCATE, usize::from(which.0))
}

/// VT_GETMODE: who decides about switches away from `terminal`.
///
/// # Errors
/// ENOTTY where it is no virtual terminal.
pub fn switching<Fd: AsFd>(terminal: Fd) -> Result<Switching> {
    const VT_GETMODE: usize = 0x5601;
    let mut mode = Mode { mode: 0, waitv: 0, relsig: 0, acqsig: 0, frsig: 0 };
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: the record has the kernel's form and is ours to write.
    check(unsafe { syscall!(Sysno::ioctl, fd, VT_GETMODE, &raw mut mode) })?;
    Ok(if mode.mode == VT_AUTO { Switching::Free } else { Switching::Asked })
}

/// VT_SETMODE with VT_AUTO: whoever wants to may switch away from `terminal`. A switch that was waiting for an answer
/// is forgotten.
///
/// # Errors
/// EPERM where it is not the caller's terminal, without CAP_SYS_TTY_CONFIG.
pub fn allow_switching<Fd: AsFd>(terminal: Fd) -> Result<()> {
    set_mode(terminal, VT_AUTO)
}

/// VT_SETMODE with VT_PROCESS and no signals: nothing switches away from `terminal` while the calling thread lives.
///
/// The kernel asks the thread by a signal to release the terminal, and switches when it answers, or when it is gone.
/// Signal 0 asks whether it is there and is not delivered, so that the answer never comes and nothing is disturbed.
///
/// # Errors
/// Those of [`allow_switching`].
pub fn refuse_switching<Fd: AsFd>(terminal: Fd) -> Result<()> {
    set_mode(terminal, VT_PROCESS)
}

fn set_mode<Fd: AsFd>(terminal: Fd, mode: u8) -> Result<()> {
    const VT_SETMODE: usize = 0x5602;
    let mode = Mode { mode, waitv: 0, relsig: 0, acqsig: 0, frsig: 0 };
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: the record has the kernel's form and outlives the call.
    check(unsafe { syscall!(Sysno::ioctl, fd, VT_SETMODE, &raw const mode) })?;
    Ok(())
}

/// KDGETMODE: what the kernel does with the screen while `terminal` is shown.
///
/// # Errors
/// ENOTTY where it is no virtual terminal.
pub fn display<Fd: AsFd>(terminal: Fd) -> Result<Display> {
    const KDGETMODE: usize = 0x4b3b;
    let mut mode = 0i32;
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: the number is ours to write.
    check(unsafe { syscall!(Sysno::ioctl, fd, KDGETMODE, &raw mut mode) })?;
    Ok(if mode == KD_GRAPHICS { Display::Graphics } else { Display::Text })
}

/// KDSETMODE: the same, set.
///
/// # Errors
/// EPERM where it is not the caller's terminal, without CAP_SYS_TTY_CONFIG.
pub fn set_display<Fd: AsFd>(terminal: Fd, display: Display) -> Result<()> {
    const KDSETMODE: usize = 0x4b3a;
    let mode = if display == Display::Graphics { KD_GRAPHICS } else { KD_TEXT };
    order(terminal, KDSETMODE, mode as usize)
}

/// KDSKBMODE with K_UNICODE: keys give characters in UTF-8.
///
/// # Errors
/// EPERM where it is not the caller's terminal, without CAP_SYS_TTY_CONFIG.
pub fn type_unicode<Fd: AsFd>(terminal: Fd) -> Result<()> {
    const KDSKBMODE: usize = 0x4b45;
    const K_UNICODE: usize = 3;
    order(terminal, KDSKBMODE, K_UNICODE)
}

/// TIOCVHANGUP of asm-generic/ioctls.h, what vhangup(2) does, on a terminal that need not be the caller's: every
/// descriptor that is open on it, `terminal` included, is of no use from then on, and it is nobody's controlling one.
/// The leader of the session whose it was gets SIGHUP and SIGCONT. The next open(2) finds it with default settings.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN.
pub fn hang_up<Fd: AsFd>(terminal: Fd) -> Result<()> {
    const TIOCVHANGUP: usize = 0x5437;
    order(terminal, TIOCVHANGUP, 0)
}

#[cfg(test)]
mod tests {
    use rustix::fs::OFlags;

    use super::*;
    use crate::Errno;

    #[test]
    fn terminals_are_numbered_from_1_to_63() {
        assert_eq!(Number::new(0), None);
        assert_eq!(Number::new(1), Some(Number::FIRST));
        assert_eq!(Number::new(63).map(Number::get), Some(63));
        assert_eq!(Number::new(64), None);
    }

    #[test]
    fn what_is_no_virtual_terminal_is_refused() {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, rustix::fs::Mode::empty()).expect("/dev/null");
        assert_eq!(active(&null), Err(Errno::NOTTY));
        assert_eq!(switching(&null), Err(Errno::NOTTY));
        assert_eq!(display(&null), Err(Errno::NOTTY));
        assert_eq!(refuse_switching(&null), Err(Errno::NOTTY));
        assert_eq!(hang_up(&null), Err(Errno::NOTTY));
    }
}
