//! The kernel, typed. Everything that husk asks of Linux goes through this crate: rustix's functions,
//! passed on under their own module names, and the calls that rustix does not have.
#![no_std]
#[cfg(feature = "alloc")]
extern crate alloc;

pub use rustix::io::Errno;
pub use rustix::{event, fd, fs, io, mount, net, pipe, process, pty, rand, stdio, system, termios, thread, time};

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;
