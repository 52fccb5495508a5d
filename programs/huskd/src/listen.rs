//! Where clients connect, and who may; what systemd wants to know.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use instance::message::Refusal;
use sys::fd::OwnedFd;

use crate::refusal::{failed, failed_io, refuse};
use instance::message::Reason;

/// The sockets that systemd has opened for us (sd_listen_fds(3)), if any.
///
/// # Errors
/// One of them is no descriptor.
pub fn inherited() -> Result<Vec<UnixListener>, Refusal> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let (Some(pid), Some(count)) = (number("LISTEN_PID"), number("LISTEN_FDS")) else {
        return Ok(Vec::new());
    };
    if pid != std::process::id() {
        return Ok(Vec::new());
    }
    let take = |number: u32| {
        let socket = sys::standard::passed(3 + number.cast_signed());
        socket.map(UnixListener::from).map_err(|errno| failed(format!("descriptor {}", 3 + number), errno))
    };
    (0..count.min(16)).map(take).collect()
}

/// Listens at a path, for root alone, or for a group too.
///
/// # Errors
/// Somebody listens there; there is something else; those of bind(2).
pub fn bind(path: &Path, group: Option<u32>) -> Result<UnixListener, Refusal> {
    let at = |error: &std::io::Error| failed_io(path.display(), error);
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(refuse(
                Reason::Exists,
                format!("{}: there is something that is no socket", path.display()),
            ));
        }
        Ok(_) => {
            if UnixStream::connect(path).is_ok() {
                return Err(refuse(
                    Reason::Exists,
                    format!("{}: somebody listens there already", path.display()),
                ));
            }
            std::fs::remove_file(path).map_err(|error| at(&error))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(above) = path.parent() {
                std::fs::create_dir_all(above).map_err(|error| at(&error))?;
            }
        }
        Err(error) => return Err(at(&error)),
    }
    // Between bind and chmod nobody else may connect.
    let mask = sys::process::umask(sys::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    sys::process::umask(mask);
    let listener = bound.map_err(|error| at(&error))?;
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group)).map_err(|error| at(&error))?;
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(|error| at(&error))?;
    }
    Ok(listener)
}

/// The number of a group, in group(5).
///
/// # Errors
/// There is none of this name.
pub fn group(name: &str) -> Result<u32, Refusal> {
    let text = std::fs::read("/etc/group").map_err(|error| failed_io("/etc/group", &error))?;
    let text = String::from_utf8_lossy(&text);
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    let missing = || Refusal {
        hint: Some(format!("groupadd --system {name}")),
        ..refuse(Reason::NotFound, format!("group {name}: there is none"))
    };
    number.ok_or_else(missing)
}

/// Takes what has connected, if anything has.
///
/// # Errors
/// Those of accept(2).
pub fn accept(listener: &UnixListener) -> std::io::Result<Option<OwnedFd>> {
    match listener.accept() {
        Ok((socket, _)) => Ok(Some(socket.into())),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Tells systemd that we serve (sd_notify(3)), if it wants to know. It cannot be helped if it cannot be told.
pub fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(Path::new(OsStr::from_bytes(path.as_bytes()))),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_group_0_and_no_group_is_said_to_be_none() {
        assert_eq!(group("root").unwrap(), 0);
        assert!(group("no-such-group").unwrap_err().data.contains("there is none"));
    }
}
