//! The loopback interface of a new network namespace, which comes into being down.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// The head of `struct ifreq` (netdevice(7)): a name and flags, padded to the kernel's 40 bytes.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Brings `lo` up in the caller's network namespace (SIOCSIFFLAGS of netdevice(7)).
///
/// # Errors
/// EPERM without CAP_NET_ADMIN over the namespace.
pub fn bring_up() -> Result<()> {
    const SIOCSIFFLAGS: usize = 0x8914;
    const IFF_UP: i16 = 1;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut request = InterfaceRequest { name: [0; 16], flags: IFF_UP, rest: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: the request is an ifreq of full size, which the kernel only reads for this command.
    check(unsafe { syscall!(Sysno::ioctl, socket.as_raw_fd(), SIOCSIFFLAGS, &raw const request) })?;
    Ok(())
}
