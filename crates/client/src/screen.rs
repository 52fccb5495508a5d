//! The caller's own terminal.

use sys::fd::BorrowedFd;
use sys::standard::{error, input, output};
use sys::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The caller's terminal in raw mode (cfmakeraw(3)): every key goes to the command. What it was before is restored
/// when this is dropped.
#[derive(Debug)]
pub struct Raw(Termios);

impl Raw {
    /// Switches the standard input; `None` where it is no terminal.
    #[must_use]
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(input()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(input(), OptionalActions::Drain, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has hung up has nothing to restore.
        let _ = tcsetattr(input(), OptionalActions::Drain, &self.0);
    }
}

/// Rows and columns of the terminal, on whichever standard descriptor it is.
#[must_use]
pub fn size() -> Option<(u16, u16)> {
    let of = |fd: BorrowedFd<'_>| tcgetwinsize(fd).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    let size = of(input()).or_else(|| of(output())).or_else(|| of(error()))?;
    Some((size.ws_row, size.ws_col))
}
