//! A terminal in place of pipes.

use sys::Result;
use sys::fd::OwnedFd;
use sys::io::{fcntl_dupfd_cloexec, ioctl_fionbio};
use sys::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use sys::termios::{Winsize, tcgetwinsize, tcsetwinsize};
use wire::{Pty, Resize};

/// The character that means an end of input on a new terminal: ^D.
pub const END_OF_INPUT: u8 = 4;

/// A new terminal: the command's side three times, and ours for reading, writing and resizing.
#[derive(Debug)]
pub struct Terminal {
    pub theirs: [OwnedFd; 3],
    pub ours: [OwnedFd; 3],
}

impl Terminal {
    /// Opens one. The command's side is got from ours (TIOCGPTPEER), never by a name that could be another's.
    pub fn open(pty: &Pty) -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        Ok(Self { theirs: [again(&slave)?, again(&slave)?, slave], ours: ours(master, pty)? })
    }
}

/// A terminal's master as we have it, of the size that was asked for.
pub fn ours(master: OwnedFd, pty: &Pty) -> Result<[OwnedFd; 3]> {
    tcsetwinsize(&master, size(pty.rows, pty.cols))?;
    ioctl_fionbio(&master, true)?;
    Ok([again(&master)?, again(&master)?, master])
}

fn again(fd: &OwnedFd) -> Result<OwnedFd> {
    fcntl_dupfd_cloexec(fd, 3)
}

const fn size(rows: u16, cols: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Gives a terminal a new size. The kernel tells the program only of a size that differs: to have it draw its
/// screen again all the same, another one comes in between.
pub fn resize(terminal: &OwnedFd, to: &Resize) -> Result<()> {
    let now = tcgetwinsize(terminal)?;
    if to.redraw && (now.ws_row, now.ws_col) == (to.rows, to.cols) {
        tcsetwinsize(terminal, size(to.rows, if to.cols > 1 { to.cols - 1 } else { 2 }))?;
    }
    tcsetwinsize(terminal, size(to.rows, to.cols))
}
