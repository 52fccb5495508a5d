//! A directory for what is half-made.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, Mode, OFlags};

use super::Store;
use crate::error::{Error, Result};
use crate::remove_tree;

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A directory in `tmp`, which goes with all that is left in it.
pub(crate) struct Staging<'a> {
    store: &'a Store,
    name: String,
    fd: OwnedFd,
}

impl<'a> Staging<'a> {
    pub(crate) fn new(store: &'a Store) -> Result<Self> {
        let pid = std::process::id();
        loop {
            let name = format!("{pid}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            match fs::mkdirat(store.tmp(), name.as_str(), Mode::from_raw_mode(0o700)) {
                // Of another process with the same number, which is gone.
                Err(Errno::EXIST) => continue,
                other => other.map_err(Error::system("make directory", "tmp"))?,
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = fs::openat(store.tmp(), name.as_str(), flags, Mode::empty());
            return Ok(Self { store, name, fd: fd.map_err(Error::system("open", "tmp"))? });
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A file without a name.
    pub(crate) fn spool(&self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, ".", flags, Mode::from_raw_mode(0o600));
        fd.map(File::from).map_err(Error::system("make", "a file in tmp"))
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next `clean`.
        let _ = remove_tree(self.store.tmp(), self.name.as_bytes());
    }
}
