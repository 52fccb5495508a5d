//! The way to the daemon: its socket, and the daemon itself where none listens.

mod connection;
mod start;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use container::Failure;
use sys::Errno;
use sys::fd::OwnedFd;
use sys::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use sys::strerror::describe;

use crate::verbs::said::Said;
pub use connection::{Connection, Read, ended};
pub use start::{STAGE, become_daemon};

/// Where the daemon listens if nothing else is said.
const SOCKET: &str = "/run/husk.sock";

const NOBODY: &str = "no huskd listens there: start it as root with huskd, or systemctl start huskd";

/// The log of the daemon that was connected to.
static LOG: OnceLock<PathBuf> = OnceLock::new();

/// The log of the daemon that was connected to, where one was.
fn log() -> Option<&'static Path> {
    LOG.get().map(PathBuf::as_path)
}

/// Connects to the daemon; starts one where none listens, if that is allowed and can be.
pub fn open(said: &Said) -> Result<Connection, Failure> {
    let path = said.path("socket").map(Path::to_path_buf);
    let path = path.or_else(|| std::env::var_os("HUSK_SOCKET").map(PathBuf::from));
    let path = path.unwrap_or_else(|| PathBuf::from(SOCKET));
    // There is one in the life of a husk.
    let _ = LOG.set(start::log(&path));
    let none = match reach(&path) {
        Ok(socket) => return Ok(Connection::new(socket)),
        Err(none @ (Errno::NOENT | Errno::CONNREFUSED)) => none,
        Err(errno) => return Err(unreachable(&path, errno)),
    };
    let forbidden =
        said.has("no-daemon") || std::env::var_os("HUSK_NO_DAEMON").is_some_and(|value| value != "0");
    if forbidden || !sys::privilege::ids().are_root() {
        let nobody = unreachable(&path, none);
        return Err(match said.verb.name {
            // It may be no instance that was meant.
            "run" => nobody.hint(Some(format!("{NOBODY}; a root file system starts with / or ."))),
            _ => nobody,
        });
    }
    let socket = start::start(&path)?;
    if said.has("verbose") {
        crate::tell(&format!("started huskd on {}", path.display()));
    }
    Ok(Connection::new(socket))
}

fn unreachable(path: &Path, errno: Errno) -> Failure {
    let hint = match errno {
        Errno::NOENT | Errno::CONNREFUSED => Some(NOBODY),
        Errno::ACCESS => Some(
            "root may connect, and who is in the group that huskd --group or its socket unit names, if any",
        ),
        _ => None,
    };
    Failure::ours(format!("{}: {}", path.display(), describe(errno))).hint(hint)
}

/// Connects to whoever listens.
fn reach(path: &Path) -> sys::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path.as_os_str().as_bytes())?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    loop {
        match connect(&socket, &address) {
            Err(Errno::INTR) => {}
            done => return done.map(|()| socket),
        }
    }
}
