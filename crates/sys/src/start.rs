//! The start of a program without a C library: the entry point that the kernel jumps to, and the few symbols
//! that the compiler itself calls.
//!
//! A C library's start-up touches about thirty pages before `main`; each is a page fault, and page faults are
//! most of what a small first process costs.

use core::arch::asm;
use core::ffi::{CStr, c_char};
use core::ptr;

use rustix::fd::{FromRawFd, IntoRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use syscalls::{Sysno, syscall};

use crate::Result;
use crate::exec::Argument;

/// What a program is started with. Both vectors end with [`Argument::END`].
#[derive(Clone, Copy, Debug)]
pub struct Invocation {
    /// The arguments, the program's name first.
    pub arguments: &'static [Argument<'static>],
    /// The environment.
    pub environment: &'static [Argument<'static>],
}

impl Invocation {
    /// Reads what the kernel has put on the stack (the initial process stack of the System V ABI: a count, the
    /// arguments, a null, the environment, a null).
    ///
    /// # Safety
    /// `stack` is the stack pointer that the program was entered with, and nothing has written above it.
    #[must_use]
    pub unsafe fn from_stack(stack: *const usize) -> Self {
        // SAFETY: the first word is the count of arguments.
        let count = unsafe { stack.read() };
        // SAFETY: the arguments follow it, within the same stack.
        let arguments = unsafe { stack.add(1) }.cast::<Argument<'static>>();
        // SAFETY: so does, after their end mark, the environment.
        let environment = unsafe { arguments.add(count + 1) };
        let mut length = 0;
        // SAFETY: it is read up to the null that ends it.
        while unsafe { environment.add(length).read() }.text().is_some() {
            length += 1;
        }
        // SAFETY: an `Argument` is the pointer that lies there; all of it lives as long as the process, and the
        // null that ends it is `Argument::END`.
        let arguments = unsafe { core::slice::from_raw_parts(arguments, count + 1) };
        // SAFETY: as above.
        let environment = unsafe { core::slice::from_raw_parts(environment, length + 1) };
        Self { arguments, environment }
    }

    /// The value of a variable of the environment.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'static CStr> {
        self.environment.iter().map_while(|entry| entry.text()).find_map(|entry| {
            let rest = entry.to_bytes_with_nul().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            CStr::from_bytes_with_nul(rest).ok()
        })
    }
}

/// The program has one thread. There is no way to start another without a C library, and only
/// [`start!`](crate::start!) has these to give.
#[derive(Clone, Copy, Debug)]
pub struct Alone(());

/// The descriptors above 2 that a program was started with. There is one of these, and it is got before the
/// program opens anything.
#[derive(Debug)]
pub struct Inherited(());

impl Inherited {
    /// For [`start!`](crate::start!) alone.
    ///
    /// # Safety
    /// The program has opened nothing yet, and will open nothing before it closes or drops this. It has one thread.
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// What proves that the program has one thread.
    #[must_use]
    pub const fn alone(&self) -> Alone {
        Alone(())
    }

    /// Takes one of them, by its number, to keep it; the others are closed with [`Inherited::close`] around it.
    /// `None` where it is not open. It will be closed at the next exec.
    #[must_use]
    pub fn close_all_but(self, number: u16) -> Option<OwnedFd> {
        const F_SETFD: usize = 2;
        const FD_CLOEXEC: usize = 1;
        let kept = usize::from(number);
        if kept < 3 {
            self.close();
            return None;
        }
        if kept > 3 {
            // SAFETY: nobody owns these: they are from before the program started.
            let _ = unsafe { syscall!(Sysno::close_range, 3usize, kept - 1, 0usize) };
        }
        // SAFETY: as above.
        let _ = unsafe { syscall!(Sysno::close_range, kept + 1, u32::MAX as usize, 0usize) };
        // SAFETY: only a flag of the descriptor is set, if it is one.
        unsafe { syscall!(Sysno::fcntl, kept, F_SETFD, FD_CLOEXEC) }.ok()?;
        // SAFETY: it is open, from before the program started, and nobody else takes it: `self` is gone.
        Some(unsafe { OwnedFd::from_raw_fd(i32::from(number)) })
    }

    /// Takes those of the first `N` that are open, to keep them, and closes the others. They will be closed at the
    /// next exec.
    #[must_use]
    pub fn take<const N: usize>(self) -> [Option<OwnedFd>; N] {
        const F_SETFD: usize = 2;
        const FD_CLOEXEC: usize = 1;
        // SAFETY: nobody owns these: they are from before the program started.
        let _ = unsafe { syscall!(Sysno::close_range, 3 + N, u32::MAX as usize, 0usize) };
        core::array::from_fn(|index| {
            let number = 3 + index;
            // SAFETY: only a flag of the descriptor is set, if it is one.
            unsafe { syscall!(Sysno::fcntl, number, F_SETFD, FD_CLOEXEC) }.ok()?;
            // SAFETY: it is open, from before the program started, and nobody else takes it: `self` is gone.
            Some(unsafe { OwnedFd::from_raw_fd(number as i32) })
        })
    }

    /// close_range(2): closes them. To be called before anything is opened; a pipe or socket that a first process
    /// held without knowing would never end for its other side.
    pub fn close(self) {
        // SAFETY: nobody owns these: they are from before the program started.
        let _ = unsafe { syscall!(Sysno::close_range, 3usize, u32::MAX as usize, 0usize) };
    }
}

/// Sees to it that descriptors 0, 1 and 2 are open, on /dev/null or, where that is missing, on a directory that
/// can be neither read nor written. Those that had to be opened are closed at the next exec.
///
/// Otherwise the next file to be opened would get such a number, and messages would be written into it.
pub fn fill_standard_descriptors() {
    let _ = open_closed(|| {
        let null = openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        null.or_else(|_| openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()))
    });
}

/// Opens `device`, a terminal, on those of descriptors 0, 1 and 2 that are closed, for the caller and the programs that
/// it starts. It does not become anybody's controlling terminal by that.
///
/// # Errors
/// Those of open(2).
pub fn open_closed_standard_descriptors(device: &CStr) -> Result<()> {
    open_closed(|| openat(CWD, device, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()))
}

fn open_closed(open: impl Fn() -> Result<OwnedFd>) -> Result<()> {
    const F_GETFD: usize = 1;
    for number in 0..3usize {
        // SAFETY: it only asks whether the descriptor is open.
        if unsafe { syscall!(Sysno::fcntl, number, F_GETFD) }.is_err() {
            // It gets the lowest free number, which is this one, and stays.
            let _ = open()?.into_raw_fd();
        }
    }
    Ok(())
}

/// Defines the entry point of a `no_std` and `no_main` program that is linked without start files:
/// `fn(Invocation, Inherited) -> u8`, whose answer is the exit code. With it come the symbols that the compiler calls.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        /// Where the kernel starts the program. The stack pointer leads to the arguments; calls need it to be a
        /// multiple of 16.
        #[allow(unsafe_code)] // the one symbol by which a program without a C library is entered
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            core::arch::naked_asm!(
                "xor ebp, ebp",
                "mov rdi, rsp",
                "and rsp, -16",
                "call {begin}",
                "ud2",
                begin = sym begin,
            )
        }

        /// From the stack to the program.
        #[allow(unsafe_code)] // `_start`, its only caller, passes the initial stack pointer
        extern "C" fn begin(stack: *const usize) -> ! {
            // SAFETY: `_start` passes the stack pointer that the kernel has set.
            let invocation = unsafe { $crate::start::Invocation::from_stack(stack) };
            // SAFETY: nothing has been opened yet, and without a C library there is one thread.
            let inherited = unsafe { $crate::start::Inherited::new() };
            let main: fn($crate::start::Invocation, $crate::start::Inherited) -> u8 = $main;
            $crate::clone::leave(main(invocation, inherited))
        }

        /// memcpy(3), which the compiler calls.
        #[allow(unsafe_code)] // exports a symbol that the compiler calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
            // SAFETY: the compiler keeps memcpy's contract, which is that of `copy`.
            unsafe { $crate::start::copy(to, from, length) }
        }

        /// memmove(3), which the compiler calls.
        #[allow(unsafe_code)] // exports a symbol that the compiler calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
            // SAFETY: the compiler keeps memmove's contract, which is that of `shift`.
            unsafe { $crate::start::shift(to, from, length) }
        }

        /// memset(3), which the compiler calls.
        #[allow(unsafe_code)] // exports a symbol that the compiler calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
            // SAFETY: the compiler keeps memset's contract, which is that of `fill`.
            unsafe { $crate::start::fill(to, value as u8, length) }
        }

        /// memcmp(3), which the compiler calls.
        #[allow(unsafe_code)] // exports a symbol that the compiler calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
            // SAFETY: the compiler keeps memcmp's contract, which is that of `compare`.
            unsafe { $crate::start::compare(left, right, length) }
        }

        /// bcmp, which the compiler calls where only equality matters.
        #[allow(unsafe_code)] // exports a symbol that the compiler calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
            // SAFETY: the compiler keeps bcmp's contract, which is that of `compare`.
            unsafe { $crate::start::compare(left, right, length) }
        }

        /// strlen(3), which `CStr` calls.
        #[allow(unsafe_code)] // exports a symbol that `core` calls
        #[unsafe(no_mangle)]
        unsafe extern "C" fn strlen(text: *const core::ffi::c_char) -> usize {
            // SAFETY: `CStr` keeps strlen's contract, which is that of `length`.
            unsafe { $crate::start::length(text) }
        }
    };
}

/// memcpy(3): by `rep movsb`, which is a few bytes of code and fast enough for the few bytes copied here. It must
/// not be written as a loop: the compiler would turn that into a call of memcpy.
///
/// # Safety
/// `length` bytes are readable at `from` and writable at `to`, and do not overlap.
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: by the contract; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// memmove(3).
///
/// # Safety
/// `length` bytes are readable at `from` and writable at `to`.
pub unsafe fn shift(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= length {
        // SAFETY: copied upwards, no byte is overwritten before it is read.
        return unsafe { copy(to, from, length) };
    }
    let (last_to, last_from) = (to.wrapping_add(length - 1), from.wrapping_add(length - 1));
    // Downwards `rep` takes one at a time: so eight bytes at a time but for the odd ones at the end.
    // SAFETY: by the contract; downwards, and the direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsb", "sub rdi, 7", "sub rsi, 7", "mov rcx, {words}", "rep movsq", "cld",
            words = in(reg) length / 8, inout("rcx") length % 8 => _, inout("rdi") last_to => _,
            inout("rsi") last_from => _, options(nostack));
    }
    to
}

/// memset(3).
///
/// # Safety
/// `length` bytes are writable at `to`.
pub unsafe fn fill(to: *mut u8, value: u8, length: usize) -> *mut u8 {
    // SAFETY: by the contract; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") value,
            options(nostack, preserves_flags));
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// `length` bytes are readable at both.
pub unsafe fn compare(left: *const u8, right: *const u8, length: usize) -> i32 {
    let mut index = 0;
    while index < length {
        // Volatile, so that the loop does not become a call of memcmp.
        // SAFETY: by the contract.
        let a = unsafe { ptr::read_volatile(left.wrapping_add(index)) };
        // SAFETY: by the contract.
        let b = unsafe { ptr::read_volatile(right.wrapping_add(index)) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
        index += 1;
    }
    0
}

/// strlen(3).
///
/// # Safety
/// A null byte ends the text.
pub unsafe fn length(text: *const c_char) -> usize {
    let mut length = 0;
    // Volatile, so that the loop does not become a call of strlen.
    // SAFETY: by the contract all bytes up to the null are readable.
    while unsafe { ptr::read_volatile(text.wrapping_add(length)) } != 0 {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shifted_whichever_way_they_overlap() {
        for (to, from) in [(0, 3), (3, 0), (2, 2), (0, 8), (8, 0)] {
            let mut bytes: [u8; 16] = core::array::from_fn(|index| index as u8);
            let mut expected = bytes;
            expected.copy_within(from..from + 8, to);
            let start = bytes.as_mut_ptr();
            // SAFETY: both ranges lie within the 16 bytes.
            unsafe { shift(start.wrapping_add(to), start.wrapping_add(from), 8) };
            assert_eq!(bytes, expected, "{from} to {to}");
        }
        for (length, up) in [(1, 1), (7, 3), (9, 1), (64, 8), (75, 5), (70, 30)] {
            let mut bytes: [u8; 100] = core::array::from_fn(|index| index as u8);
            let mut expected = bytes;
            expected.copy_within(0..length, up);
            let start = bytes.as_mut_ptr();
            // SAFETY: at most 100 bytes.
            unsafe { shift(start.wrapping_add(up), start, length) };
            assert_eq!(bytes, expected, "{length} by {up}");
        }
    }

    #[test]
    fn memory_is_filled_compared_and_measured() {
        let mut bytes = [1u8; 8];
        // SAFETY: within the array.
        unsafe { fill(bytes.as_mut_ptr().wrapping_add(2), 0xfe, 3) };
        assert_eq!(bytes, [1, 1, 0xfe, 0xfe, 0xfe, 1, 1, 1]);
        let compare = |a: &[u8; 3], b: &[u8; 3]| {
            // SAFETY: three bytes each.
            unsafe { compare(a.as_ptr(), b.as_ptr(), 3) }
        };
        assert_eq!(compare(b"abc", b"abc"), 0);
        assert!(compare(b"ab\xff", b"abc") > 0 && compare(b"abb", b"abc") < 0);
        // SAFETY: a C string.
        assert_eq!(unsafe { length(c"four".as_ptr()) }, 4);
    }

    #[test]
    fn arguments_and_environment_are_found_on_the_stack() {
        let address = |text: &'static CStr| text.as_ptr().addr();
        let stack =
            [2, address(c"prog"), address(c"-x"), 0, address(c"AB=1"), address(c"A=two"), 0, usize::MAX];
        // SAFETY: laid out as the kernel does it; the addresses are of static strings, exposed above.
        let invocation = unsafe { Invocation::from_stack(stack.as_ptr()) };
        assert_eq!(invocation.arguments.len(), 3);
        assert_eq!(invocation.arguments[1].text(), Some(c"-x"));
        assert_eq!(invocation.environment.len(), 3);
        assert_eq!(invocation.variable("A"), Some(c"two"));
        assert_eq!(invocation.variable("B"), None);
    }
}
