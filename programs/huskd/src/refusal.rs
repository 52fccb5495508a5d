//! Words for what is not done.

use instance::message::{Reason, Refusal};
use instance::{InstanceName, StoreError};
use sys::strerror::describe;

/// A refusal.
pub fn refuse(code: Reason, data: impl Into<String>) -> Refusal {
    Refusal { data: data.into(), code, hint: None, exit: None }
}

/// Something went wrong.
pub fn failed(what: impl std::fmt::Display, errno: sys::Errno) -> Refusal {
    refuse(Reason::Failed, format!("{what}: {}", describe(errno)))
}

/// Something of the standard library went wrong.
pub fn failed_io(what: impl std::fmt::Display, error: &std::io::Error) -> Refusal {
    match sys::Errno::from_io_error(error) {
        Some(errno) => failed(what, errno),
        None => refuse(Reason::Failed, format!("{what}: {error}")),
    }
}

/// There is no such instance.
pub fn no_instance(name: &InstanceName) -> Refusal {
    refuse(Reason::NotFound, format!("instance {name}: there is none"))
}

/// There is one already.
pub fn exists(name: &InstanceName) -> Refusal {
    refuse(Reason::Exists, format!("instance {name}: there is one already"))
}

/// The record or its files could not be written.
pub fn not_kept(name: &InstanceName, error: &StoreError) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(name),
        _ => refuse(Reason::Failed, format!("instance {name}: {error}")),
    }
}
