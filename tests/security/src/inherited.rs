//! Descriptors that husk is started with, because whoever started it forgot to close them.

use std::fs::File;
use std::io;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use sys::fd::{AsRawFd, OwnedFd};
use sys::io::{FdFlags, fcntl_setfd};

/// Twenty open descriptors without close-on-exec: every program that is started meanwhile has them.
pub struct Inherited(Vec<OwnedFd>);

impl Inherited {
    /// Directories of the host and of the victim, files open for reading and writing, sockets, pipes, a
    /// program.
    ///
    /// # Errors
    /// Those of opening them.
    pub fn open(victim: &Path) -> io::Result<Self> {
        let mut all: Vec<OwnedFd> = Vec::new();
        for path in
            [Path::new("/"), Path::new("/etc"), Path::new("/proc"), Path::new("/proc/self/ns/mnt"), victim]
        {
            all.push(File::open(path)?.into());
        }
        for name in ["passwd", "secret", "tool", "full", "private", "private/key"] {
            all.push(File::open(victim.join(name))?.into());
        }
        let (one, other) = UnixStream::pair()?;
        let (three, four) = io::pipe()?;
        all.extend([OwnedFd::from(one), OwnedFd::from(other), UnixDatagram::unbound()?.into()]);
        all.extend([OwnedFd::from(three), OwnedFd::from(four)]);
        all.push(File::options().read(true).write(true).open(victim.join("full/file"))?.into());
        while all.len() < 20 {
            all.push(File::open("/")?.into());
        }
        for descriptor in &all {
            fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(Self(all))
    }

    /// Their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = i32> {
        self.0.iter().map(AsRawFd::as_raw_fd)
    }
}
