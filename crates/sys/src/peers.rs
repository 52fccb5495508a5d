//! Who is at the other end of a socket.

use core::mem::size_of;

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// The user id of the process that connected a unix socket (SO_PEERCRED of unix(7)), as our user namespace
/// has it; an id that it does not have is the overflow id, 65534.
///
/// # Errors
/// Those of getsockopt(2).
pub fn user<Fd: AsFd>(socket: Fd) -> Result<u32> {
    const SOL_SOCKET: usize = 1;
    const SO_PEERCRED: usize = 17;
    // pid, uid, gid. The pid is 0 for a peer that our pid namespace does not see.
    let mut credentials = [0u32; 3];
    let mut length = size_of::<[u32; 3]>() as u32;
    let fd = socket.as_fd().as_raw_fd();
    let to = credentials.as_mut_ptr();
    // SAFETY: the buffer has the length passed, and both are ours to write.
    check(unsafe { syscall!(Sysno::getsockopt, fd, SOL_SOCKET, SO_PEERCRED, to, &raw mut length) })?;
    if length as usize == size_of::<[u32; 3]>() { Ok(credentials[1]) } else { Err(Errno::INVAL) }
}
