//! What is done while a container is being made.

use std::path::PathBuf;

use spawn::{Caller, Pause};
use sys::clone::Child;
use sys::fd::OwnedFd;

use crate::Failure;
use crate::rootless::Maps;

/// Answers the pauses of a container's plan, and keeps its terminal.
#[derive(Debug, Default)]
pub struct Starter<'m> {
    /// The maps of its user namespace, where it has one.
    pub maps: Option<&'m Maps>,
    /// The master of its terminal, once there is one.
    pub terminal: Option<OwnedFd>,
}

impl Caller for Starter<'_> {
    type Error = Failure;

    fn pause(&mut self, reason: Pause, child: &Child) -> Result<(), Failure> {
        match (reason, self.maps) {
            (Pause::IdMaps, Some(maps)) => maps.write(child),
            _ => Ok(()),
        }
    }

    fn terminal(&mut self, master: OwnedFd) {
        self.terminal = Some(master);
    }
}

/// The init that `--init` means: beside the program itself.
///
/// # Errors
/// Where there is none.
pub fn minit() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::io("/proc/self/exe", &error))?;
    let path = own.with_file_name("minit");
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::ours(format!("--init: {}: No such file or directory", path.display()))),
    }
}
