//! Where clients come in. A place that cannot be had costs only itself: a warning says which, and what for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use serve::{Listener, Way};
use sys::fs::{AtFlags, CWD, statat, unlinkat};
use sys::strerror::describe;

use super::{Task, warn};
use crate::message::Part::Value;
use crate::settings::{DEFAULT_SOCKET, Socket};

/// All places that can be had, and the socket file that was made for one.
pub fn listeners<'a>(task: &Task<'a>) -> (Vec<Listener>, Option<Made<'a>>) {
    let service = &task.settings.service;
    // Whoever comes in is asked for their user all the same.
    let way = if service.users.iter().any(Option::is_some) { Way::Open } else { Way::Closed };
    let mut listeners = Vec::new();
    let mut add = |listener: Result<Listener, String>| match listener {
        Ok(listener) => listeners.push(listener),
        Err(why) => {
            warn("no clients by this way: ", Value(why.as_bytes()));
        }
    };
    let path = match service.socket {
        Socket::None => None,
        Socket::Default => Some(DEFAULT_SOCKET),
        Socket::At(path) => Some(path),
    };
    let mut made = None;
    if let Some(path) = path {
        let listener = match path.to_str() {
            Ok(text) => Listener::unix(text, way),
            Err(_) => Err(format!("listen on {}: the path is not UTF-8", path.to_string_lossy())),
        };
        made = listener.is_ok().then(|| Made::at(path)).flatten();
        add(listener);
    }
    if let Some(port) = service.vsock {
        add(Listener::vsock(port));
    }
    if let Some(socket) = task.listening {
        // Whoever made it may have been content to wait in accept(2).
        let copy =
            sys::io::ioctl_fionbio(socket, true).and_then(|()| sys::io::fcntl_dupfd_cloexec(socket, 3));
        add(copy.map(Listener::inherited).map_err(|errno| format!("--listen-fd: {}", describe(errno))));
    }
    (listeners, made)
}

/// A socket file, and what tells it from another that was put in its place.
#[derive(Debug)]
pub struct Made<'a> {
    path: &'a CStr,
    file: (u64, u64),
}

impl<'a> Made<'a> {
    fn at(path: &'a CStr) -> Option<Self> {
        let found = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(Self { path, file: (found.st_dev, found.st_ino) })
    }

    /// Removes it, if it is still there.
    pub fn remove(self) {
        if Self::at(self.path).is_some_and(|found| found.file == self.file) {
            let _ = unlinkat(CWD, self.path, AtFlags::empty());
        }
    }
}
