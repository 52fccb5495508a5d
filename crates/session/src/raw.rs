//! The caller's own terminal, passed through untouched while a session uses it.

use sys::Result;
use sys::fd::{AsFd, BorrowedFd};
use sys::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode (cfmakeraw(3)); what it was before is restored when this is dropped.
pub struct RawMode<'t> {
    terminal: BorrowedFd<'t>,
    before: Termios,
}

impl<'t> RawMode<'t> {
    /// Switches `terminal` to raw mode.
    ///
    /// # Errors
    /// ENOTTY where it is none.
    pub fn enter(terminal: &'t impl AsFd) -> Result<Self> {
        let terminal = terminal.as_fd();
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // A terminal that has hung up has nothing to restore.
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

impl core::fmt::Debug for RawMode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RawMode").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}
