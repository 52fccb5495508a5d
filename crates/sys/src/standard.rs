//! Descriptors 0, 1 and 2, for programs that have no standard library. They stay open for the life of a program
//! that has seen to it first ([`crate::start::fill_standard_descriptors`]).

use rustix::fd::BorrowedFd;

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
