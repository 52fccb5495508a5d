//! How a short-lived program starts: at C's `main`, without what Rust's own start-up does before it.
//!
//! That start-up makes 17 system calls (a handler and a stack for stack overflows, SIGPIPE ignored); a
//! container start is budgeted at 160 of them, and an ignored SIGPIPE would be inherited by the container.
//! What it does for safety is done here: descriptors 0 to 2 are open afterwards.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::{Errno, Result};

/// Defines the program's entry point: `fn() -> u8`, whose answer is the exit code; after the word `inherited`,
/// `fn(Inherited) -> u8`, for a program that is started with descriptors besides 0, 1 and 2.
#[macro_export]
macro_rules! entry {
    (inherited $main:path) => {
        fn enter() -> u8 {
            // SAFETY: C's start-up has opened nothing, and started no thread.
            #[allow(unsafe_code)] // only here is it known that nothing has run before
            let inherited = unsafe { $crate::start::Inherited::new() };
            let main: fn($crate::start::Inherited) -> u8 = $main;
            main(inherited)
        }
        $crate::entry!(enter);
    };
    ($main:path) => {
        /// C's `main`; the arguments are found by `std::env` as always.
        #[allow(unsafe_code)] // exports one symbol; the name is reserved for exactly this
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _argc: core::ffi::c_int,
            _argv: *const *const core::ffi::c_char,
        ) -> core::ffi::c_int {
            let main: fn() -> u8 = $main;
            core::ffi::c_int::from(main())
        }
    };
}

/// Opens /dev/null on those of descriptors 0, 1 and 2 that are closed: else the next file to be opened would
/// get such a number, and a message meant for standard error would be written into it.
///
/// # Errors
/// Those of poll(2) and open(2).
pub fn open_standard_descriptors() -> Result<()> {
    // SAFETY: the numbers are only polled, which says of a closed one that it is closed.
    let (stdin, stdout, stderr) =
        unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1), BorrowedFd::borrow_raw(2)) };
    let nothing = PollFlags::empty();
    let mut polled = [
        PollFd::from_borrowed_fd(stdin, nothing),
        PollFd::from_borrowed_fd(stdout, nothing),
        PollFd::from_borrowed_fd(stderr, nothing),
    ];
    while let Err(errno) = poll(&mut polled, Some(&rustix::time::Timespec::default())) {
        if errno != Errno::INTR {
            return Err(errno);
        }
    }
    for _ in polled.iter().filter(|fd| fd.revents().contains(PollFlags::NVAL)) {
        // The lowest free number is taken: the closed ones, in order. It stays open for the program's life.
        let null = openat(CWD, c"/dev/null", OFlags::RDWR, Mode::empty())?;
        let _ = rustix::fd::IntoRawFd::into_raw_fd(null);
    }
    Ok(())
}
