//! The kernel, typed. Everything that husk asks of Linux goes through this crate: rustix's functions,
//! passed on under their own module names, and the calls that rustix does not have.
//!
//! It is the one crate in which `unsafe` is allowed, and it neither allocates nor needs `std`, so that
//! the first process of a machine and the child between clone and exec can use all of it.
#![no_std]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod calls;
pub mod children;
pub mod clock;
pub mod clone;
pub mod entropy;
pub mod entry;
pub mod exec;
#[cfg(feature = "heap")]
pub mod heap;
pub mod input;
pub mod job;
pub mod kmod;
pub mod loopback;
pub mod machine;
pub mod mounts;
pub mod namespace;
pub mod network;
pub mod pages;
pub mod peers;
pub mod privilege;
pub mod reap;
mod set;
pub mod signals;
pub mod standard;
pub mod start;
pub mod strerror;
pub mod tally;
pub mod vsock;
pub mod vt;
pub mod writeback;

pub use rustix::io::Errno;
pub use rustix::{event, fd, ffi, fs, io, mount, net, param, pipe, process, pty, rand, stdio, system};
pub use rustix::{termios, thread, time};

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// The kernel's answer as a result: `syscalls` gives errors as positive numbers of their own type.
fn check(answer: core::result::Result<usize, syscalls::Errno>) -> Result<usize> {
    answer.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
}
