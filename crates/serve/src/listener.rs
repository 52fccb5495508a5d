//! Where clients come in: a unix socket, made so that there is no moment at which others could connect, or a
//! port of a virtual machine.

use alloc::format;
use alloc::string::String;

use sys::fd::OwnedFd;
use sys::fs::{AtFlags, CWD, FileType, Mode, mkdirat, statat, unlinkat};
use sys::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use sys::process::umask;
use sys::strerror::describe;
use sys::{Errno, Result};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket, and who may connect to it.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: OwnedFd,
    pub(crate) kind: Peers,
}

/// How a listener knows who connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Peers {
    /// By SO_PEERCRED of unix(7).
    Users,
    /// By their machine: only the host may.
    Machines,
}

/// Whom file permissions let through to a unix socket. Each peer's user is asked of the kernel whatever they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The server's own user, and root.
    Closed,
    /// Everybody, where other users are allowed to connect ([`crate::Settings::allowed_users`]).
    Open,
}

impl Listener {
    /// Makes a unix socket at `path`, mode 0600 (0666 where the way is open) by umask before bind, in a directory that is
    /// made with mode 0700 (0711) where there is none. A socket that is there and that nobody listens on is replaced.
    ///
    /// # Errors
    /// In words: the path and why.
    pub fn unix(path: &str, way: Way) -> core::result::Result<Self, String> {
        let (directory_mode, mask) = match way {
            Way::Closed => (0o700, 0o177),
            Way::Open => (0o711, 0o111),
        };
        let words = |errno: Errno| format!("listen on {path}: {}", describe(errno));
        let address = SocketAddrUnix::new(path).map_err(words)?;
        if let Some((directory, _)) = path.rsplit_once('/').filter(|(directory, _)| !directory.is_empty()) {
            let before = umask(Mode::empty());
            let made = mkdirat(CWD, directory, Mode::from_raw_mode(directory_mode));
            umask(before);
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(format!("make {directory}: {}", describe(errno))),
            }
        }
        let socket = stream().map_err(words)?;
        let before = umask(Mode::from_raw_mode(mask));
        let bound = bind_or_replace(&socket, path, &address);
        umask(before);
        bound.map_err(words)?;
        listen(&socket, BACKLOG).map_err(words)?;
        Ok(Self { socket, kind: Peers::Users })
    }

    /// A port of this virtual machine, to which only its host may connect (vsock(7)).
    ///
    /// # Errors
    /// In words: the port and why.
    pub fn vsock(port: u32) -> core::result::Result<Self, String> {
        let socket = sys::vsock::listen(port, BACKLOG)
            .map_err(|errno| format!("listen on vsock port {port}: {}", describe(errno)))?;
        Ok(Self { socket, kind: Peers::Machines })
    }

    /// A unix socket that listens already.
    #[must_use]
    pub const fn inherited(socket: OwnedFd) -> Self {
        Self { socket, kind: Peers::Users }
    }
}

fn stream() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// bind(2); what is left of a server that has ended is removed first, what is no socket never is.
fn bind_or_replace(socket: &OwnedFd, path: &str, address: &SocketAddrUnix) -> Result<()> {
    match bind(socket, address) {
        Err(Errno::ADDRINUSE) => {}
        result => return result,
    }
    let found = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(Errno::EXIST);
    }
    match connect(stream()?, address) {
        Err(Errno::CONNREFUSED) => unlinkat(CWD, path, AtFlags::empty())?,
        // Somebody answers, or would.
        _ => return Err(Errno::ADDRINUSE),
    }
    bind(socket, address)
}
