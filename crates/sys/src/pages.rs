//! Pages of memory of their own: what nobody has touched costs nothing.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, ptr, slice};

use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// Private memory from mmap(2), zeros at first. A vector of zeros is written to from end to end by an allocator that
/// cannot know that its memory is fresh; this is not.
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is this value's alone.
unsafe impl Send for Pages {}

impl Pages {
    /// So many bytes.
    ///
    /// # Errors
    /// Those of mmap(2): EINVAL for none at all, ENOMEM.
    pub fn new(length: usize) -> Result<Self> {
        const READ_WRITE: usize = 1 | 2;
        const PRIVATE_ANONYMOUS: usize = 0x02 | 0x20;
        let nowhere = ptr::null_mut::<u8>();
        // SAFETY: the kernel chooses the place, so that nothing is mapped over.
        let start =
            unsafe { syscall!(Sysno::mmap, nowhere, length, READ_WRITE, PRIVATE_ANONYMOUS, -1isize, 0usize) };
        let start = NonNull::new(ptr::with_exposed_provenance_mut(check(start)?)).ok_or(Errno::NOMEM)?;
        Ok(Self { start, length })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped, initialised by the kernel, and borrowed through `self`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and by `&mut self` nobody else looks.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nobody borrows it any more.
        let _ = unsafe { syscall!(Sysno::munmap, self.start.as_ptr(), self.length) };
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeros_and_can_be_written_to() {
        let mut pages = Pages::new(10_000).unwrap();
        assert!(pages.len() == 10_000 && pages.iter().all(|byte| *byte == 0));
        pages[9_999] = 7;
        assert_eq!(pages.last(), Some(&7));
        assert_eq!(Pages::new(0).unwrap_err(), Errno::INVAL);
    }
}
