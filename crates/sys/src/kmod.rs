//! Modules of the kernel.

use core::ffi::CStr;

use rustix::fd::BorrowedFd;

use crate::{Errno, Result};

/// How a module's file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// By xz, gzip or zstd, whichever of them the kernel was built for (Linux 5.17).
    Compressed,
}

/// finit_module(2) without parameters; a module that is loaded already is fine.
///
/// # Errors
/// ENOEXEC where it is none of this kernel's, ENOENT where it needs symbols that are not there, EOPNOTSUPP where the
/// kernel does not unpack.
pub fn load(file: BorrowedFd<'_>, packing: Packing) -> Result<()> {
    const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
    let flags = if packing == Packing::Compressed { MODULE_INIT_COMPRESSED_FILE } else { 0 };
    let none: &CStr = c"";
    match rustix::system::finit_module(file, none, flags) {
        Err(Errno::EXIST) => Ok(()),
        answer => answer,
    }
}
