//! Descriptors 0, 1 and 2, for programs that have no standard library. They stay open for the life of a program
//! that has seen to it first ([`crate::start::fill_standard_descriptors`]).

use rustix::fd::{BorrowedFd, OwnedFd, RawFd};

/// Descriptor 0.
#[must_use]
pub const fn input() -> BorrowedFd<'static> {
    // SAFETY: as for `output`.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Descriptor 1.
#[must_use]
pub const fn output() -> BorrowedFd<'static> {
    // SAFETY: nobody owns it, so that nobody closes it; where it was never open, using it is EBADF.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Descriptor 2.
#[must_use]
pub const fn error() -> BorrowedFd<'static> {
    // SAFETY: as for `output`.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// A copy of a descriptor that this program was started with, by a number that its starter has told it (LISTEN_FDS of
/// sd_listen_fds(3)). It is closed at the next exec; the one that it is a copy of stays as it is.
///
/// # Errors
/// EBADF where it is not open.
pub fn passed(number: RawFd) -> crate::Result<OwnedFd> {
    if number < 0 {
        return Err(crate::Errno::BADF);
    }
    // SAFETY: it is used for this call alone, which fails where it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3)
}
