//! Where clients come in. A place that cannot be had costs only itself: a warning says which, and what for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serve::{Listener, Way};
use sys::strerror::describe;

use super::{Task, warn};
use crate::message::Part::{Text, Value};
use crate::settings::{DEFAULT_SOCKET, Socket};

/// All places that can be had.
pub fn listeners(task: &Task<'_>) -> Vec<Listener> {
    let service = &task.settings.service;
    // Whoever comes in is asked for their user all the same.
    let way = if service.users.iter().any(Option::is_some) { Way::Open } else { Way::Closed };
    let unix = match service.socket {
        Socket::None => None,
        Socket::Default => Some(Listener::unix(DEFAULT_SOCKET, way)),
        Socket::At(path) => Some(match path.to_str() {
            Ok(path) => Listener::unix(path, way),
            Err(_) => Err(format!("listen on {}: the path is not UTF-8", path.to_string_lossy())),
        }),
    };
    let vsock = service.vsock.map(Listener::vsock);
    let inherited = task.listening.map(|socket| {
        // Whoever made it may have been content to wait in accept(2).
        let copy =
            sys::io::ioctl_fionbio(socket, true).and_then(|()| sys::io::fcntl_dupfd_cloexec(socket, 3));
        copy.map(Listener::inherited).map_err(|errno| format!("--listen-fd: {}", describe(errno)))
    });
    [unix, vsock, inherited]
        .into_iter()
        .flatten()
        .filter_map(|listener| listener.map_err(without).ok())
        .collect()
}

fn without(why: String) {
    warn(&[Text("no clients by this way: "), Value(why.as_bytes())]);
}
