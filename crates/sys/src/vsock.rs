//! Sockets between a virtual machine and its host (vsock(7)), of which rustix has the family and no addresses.

use core::mem::size_of;

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// The host, as its guests see it (VMADDR_CID_HOST).
pub const HOST: u32 = 2;
/// Whoever connects (VMADDR_CID_ANY).
const ANY: u32 = u32::MAX;

const AF_VSOCK: u16 = 40;

/// `struct sockaddr_vm` of linux/vm_sockets.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct Address {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    flags: u8,
    zero: [u8; 3],
}

impl Address {
    const fn new(cid: u32, port: u32) -> Self {
        Self { family: AF_VSOCK, reserved: 0, port, cid, flags: 0, zero: [0; 3] }
    }
}

fn stream() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::VSOCK, SocketType::STREAM, flags, None)
}

/// A socket that listens on `port` of this machine, not blocking.
///
/// # Errors
/// EAFNOSUPPORT or EADDRNOTAVAIL where there is no vsock, EADDRINUSE, EACCES for a port below 1024.
pub fn listen(port: u32, backlog: i32) -> Result<OwnedFd> {
    let socket = stream()?;
    let address = Address::new(ANY, port);
    let fd = socket.as_raw_fd();
    // SAFETY: the address has the size that is passed and outlives the call.
    check(unsafe { syscall!(Sysno::bind, fd, &raw const address, size_of::<Address>()) })?;
    rustix::net::listen(&socket, backlog)?;
    Ok(socket)
}

/// A socket that has begun to connect to `port` of machine `cid`, not blocking: it is writable once it has
/// succeeded or failed.
///
/// # Errors
/// Those of socket(2) and connect(2) but EINPROGRESS.
pub fn connect(cid: u32, port: u32) -> Result<OwnedFd> {
    let socket = stream()?;
    let address = Address::new(cid, port);
    let fd = socket.as_raw_fd();
    // SAFETY: as above.
    match check(unsafe { syscall!(Sysno::connect, fd, &raw const address, size_of::<Address>()) }) {
        Ok(_) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Which machine is at the other end of a connected socket (getpeername(2)).
///
/// # Errors
/// ENOTCONN; EAFNOSUPPORT where it is no vsock.
pub fn peer<Fd: AsFd>(socket: Fd) -> Result<u32> {
    let mut address = Address::new(0, 0);
    let mut length = size_of::<Address>() as u32;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the buffer has the length passed, and both are ours to write.
    check(unsafe { syscall!(Sysno::getpeername, fd, &raw mut address, &raw mut length) })?;
    if address.family == AF_VSOCK { Ok(address.cid) } else { Err(Errno::AFNOSUPPORT) }
}
