//! What is measured, and where it is in the arena.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use load::First;

use crate::Result;

/// The program, as it is shipped.
pub const MINIT: &str = "/bench/minit";
/// The same without its api role.
pub const CORE: &str = "/bench/minit-core";
/// The same under the name tini, under which it reaps by waiting, as it does on kernels before 6.15.
pub const AS_TINI: &str = "/bench/as/tini";
/// A static program of a few bytes that ends at once.
pub const TRUE: &str = "/bench/true";
/// The same with a byte on standard output before.
pub const SAYS: &str = "/bench/says";
/// What runs under an init.
pub const LOAD: &str = "/bench/load";
/// The peer in most lines.
pub const TINI_STATIC: &str = "/usr/bin/tini-static";

/// An init as process 1.
pub fn first(command: &[&str]) -> Result<First> {
    First::start(Path::new(LOAD), command)
}

/// minit as process 1 with an api at a socket of its own, and a main command that sleeps.
pub fn serving() -> Result<(First, PathBuf)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let socket = PathBuf::from(format!("/run/minit-{number}/socket"));
    let command = [OsStr::new(LOAD), OsStr::new("rest")];
    Ok((First::serving(Path::new(LOAD), Path::new(MINIT), &socket, &command)?, socket))
}
