//! The network namespace of the calling thread (network_namespaces(7)); the other threads keep theirs.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::Result;

/// Moves the calling thread into a new network namespace, in which there is only `lo`, and that is down.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, ENOSPC where user.max_net_namespaces is reached.
pub fn unshare_network() -> Result<()> {
    // SAFETY: a network namespace belongs to a thread, and sockets keep theirs: neither memory nor the table of
    // descriptors, which safe code relies on, is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
}

/// Moves the calling thread into a network namespace (setns(2)).
///
/// # Errors
/// EINVAL where the descriptor is of something else, EPERM without CAP_SYS_ADMIN over it.
pub fn enter_network<Fd: AsFd>(namespace: Fd) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

/// The network namespace of the calling thread. It exists at least as long as this descriptor.
///
/// # Errors
/// ENOENT without /proc.
pub fn current_network() -> Result<OwnedFd> {
    openat(CWD, c"/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}
