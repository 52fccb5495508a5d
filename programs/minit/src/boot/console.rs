//! Descriptors 0 to 2 of a machine's first process.

use core::ffi::CStr;

use sys::Errno;

use crate::boot::warn;
use crate::message::Part::Bytes;

/// The device to which the kernel sends what it has to say.
pub const CONSOLE: &CStr = c"/dev/console";

/// What the standard input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Input(bool);

impl Input {
    /// Whether it is a terminal, which the main command can have as its controlling one.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.0
    }
}

/// Opens the console on those of 0 to 2 that are closed: so the kernel leaves them where the root file system had no
/// /dev/console before /dev was mounted.
pub fn take() -> Input {
    match sys::start::open_closed_standard_descriptors(CONSOLE) {
        Ok(()) => {}
        // A machine without any console: there is nobody to tell.
        Err(Errno::NODEV | Errno::NXIO) => {}
        Err(errno) => warn(&[Bytes(CONSOLE.to_bytes()), Bytes(b"")], errno, "the command has no console"),
    }
    Input(sys::termios::tcgetwinsize(sys::standard::input()).is_ok())
}
