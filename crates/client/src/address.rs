//! Where a server is.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use sys::fd::OwnedFd;
use sys::net::sockopt::socket_error;
use sys::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use sys::{Errno, Result};

use crate::channel::Channel;
use crate::client::Until;

/// Where a server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address<'a> {
    /// A unix socket, by its path.
    Unix(&'a [u8]),
    /// A virtual machine, or from within one the host (cid 2): vsock(7).
    Vsock {
        /// The machine.
        cid: u32,
        /// The port in it.
        port: u32,
    },
    /// A guest of Firecracker: the unix socket of its vsock device on the host, and the port in the guest.
    Firecracker {
        /// The device's `uds_path`.
        path: &'a [u8],
        /// The port in the guest.
        port: u32,
    },
}

impl Address<'_> {
    /// In words, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let (path, port) = match self {
            Self::Unix(path) => return String::from_utf8_lossy(path).into_owned(),
            Self::Vsock { cid, port } => {
                let mut words = "vsock:".to_owned();
                words.push_str(&cid.to_string());
                (words, port)
            }
            Self::Firecracker { path, port } => (String::from_utf8_lossy(path).into_owned(), port),
        };
        path + ":" + &port.to_string()
    }

    /// Connects; the socket does not block.
    pub(crate) fn open(&self, until: Until) -> Result<Channel> {
        match self {
            Self::Unix(path) => Ok(Channel::new(unix(path, until)?)),
            Self::Vsock { cid, port } => {
                let socket = sys::vsock::connect(*cid, *port)?;
                let mut channel = Channel::new(socket);
                channel.await_room(until)?;
                socket_error(channel.socket())??;
                Ok(channel)
            }
            Self::Firecracker { path, port } => {
                let mut channel = Channel::new(unix(path, until)?);
                let mut request = "CONNECT ".to_owned();
                request.push_str(&port.to_string());
                request.push('\n');
                let sent = channel.send(request.as_bytes(), &[], until);
                match sent.and_then(|()| channel.line(until)) {
                    Ok(Some(line)) if line.starts_with(b"OK ") => Ok(channel),
                    // Firecracker closes where nobody listens in the guest.
                    Ok(_) | Err(Errno::PIPE) => Err(Errno::CONNREFUSED),
                    Err(errno) => Err(errno),
                }
            }
        }
    }
}

#[cfg(feature = "std")]
impl<'a> From<&'a std::path::Path> for Address<'a> {
    fn from(path: &'a std::path::Path) -> Self {
        Address::Unix(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
    }
}

fn unix(path: &[u8], until: Until) -> Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match connect(&socket, &address) {
            // Its queue of clients is full, and there is nothing that could be polled for (unix(7)).
            Err(Errno::AGAIN) if !until.has_passed() => pause(),
            Err(Errno::INTR) => {}
            done => return done.map(|()| socket),
        }
    }
}

fn pause() {
    let millisecond = sys::thread::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let _ = sys::thread::nanosleep(&millisecond);
}
