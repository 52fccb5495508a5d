//! execve(2) with argument vectors that were made beforehand, so that nothing is allocated in the child.

use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr;

use rustix::fd::{AsRawFd, BorrowedFd};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result};

/// One entry of an argument vector: a C string's address, or the null that ends the vector.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Argument<'a>(*const c_char, PhantomData<&'a CStr>);

// SAFETY: it is a shared reference to immutable bytes, which may be sent to and read by any thread.
unsafe impl Send for Argument<'_> {}
// SAFETY: as above.
unsafe impl Sync for Argument<'_> {}

impl<'a> Argument<'a> {
    /// The end of a vector.
    pub const END: Self = Self(ptr::null(), PhantomData);

    /// The entry that stands for `text`.
    #[must_use]
    pub const fn new(text: &'a CStr) -> Self {
        Self(text.as_ptr(), PhantomData)
    }

    /// The text, or `None` for the end.
    #[must_use]
    pub fn text(self) -> Option<&'a CStr> {
        // SAFETY: it is null or was made from a `&'a CStr`, which lives as long.
        (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) })
    }
}

impl core::fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.text().fmt(f)
    }
}

/// execve(2): becomes the program at `path`. Returns only when that did not work out.
///
/// Both vectors must end with [`Argument::END`]; one that does not is EINVAL.
pub fn execve(path: &CStr, argv: &[Argument<'_>], envp: &[Argument<'_>]) -> Errno {
    let ended = |vector: &[Argument<'_>]| vector.last().is_some_and(|entry| entry.0.is_null());
    if !ended(argv) || !ended(envp) {
        return Errno::INVAL;
    }
    // SAFETY: `path` and every entry are C strings that outlive the call; both vectors end with a null.
    let answer = unsafe { syscall!(Sysno::execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    match crate::check(answer) {
        Err(errno) => errno,
        Ok(_) => Errno::INVAL, // execve does not return on success
    }
}

/// execveat(2) with AT_EMPTY_PATH: becomes the program that `file` is a descriptor of. Returns only when that
/// did not work out.
///
/// Both vectors must end with [`Argument::END`]; one that does not is EINVAL.
pub fn execveat(file: BorrowedFd<'_>, argv: &[Argument<'_>], envp: &[Argument<'_>]) -> Errno {
    const AT_EMPTY_PATH: usize = 0x1000;
    let ended = |vector: &[Argument<'_>]| vector.last().is_some_and(|entry| entry.0.is_null());
    if !ended(argv) || !ended(envp) {
        return Errno::INVAL;
    }
    let (fd, empty) = (file.as_raw_fd(), c"".as_ptr());
    // SAFETY: the path is empty, every entry is a C string that outlives the call; both vectors end with a null.
    let answer = unsafe { syscall!(Sysno::execveat, fd, empty, argv.as_ptr(), envp.as_ptr(), AT_EMPTY_PATH) };
    match crate::check(answer) {
        Err(errno) => errno,
        Ok(_) => Errno::INVAL, // execveat does not return on success
    }
}

/// getcwd(2): whether the working directory can be reached from the root. The kernel puts `(unreachable)`
/// before the path of one that cannot.
///
/// # Errors
/// ENOENT where the directory has been removed, ERANGE where its path has more than 4,095 bytes.
pub fn working_directory_is_within_root() -> Result<bool> {
    let mut path = [0u8; 4096];
    // SAFETY: the buffer has the length passed and is ours to write.
    crate::check(unsafe { syscall!(Sysno::getcwd, path.as_mut_ptr(), path.len()) })?;
    Ok(path[0] == b'/')
}

/// Whether `path` names a file, links followed (faccessat(2), F_OK).
///
/// # Errors
/// Those of faccessat(2).
pub fn exists(path: &CStr) -> Result<()> {
    rustix::fs::accessat(rustix::fs::CWD, path, rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty())
}
