//! How much a layer may take: archives can be made that unpack to a million times their size.

use sys::fd::{BorrowedFd, OwnedFd};
use sys::fs;

use crate::Limits;
use crate::error::{Error, Result};
use crate::tar::Entry;

/// How often the free space is looked at, in bytes written.
const STRIDE: u64 = 64 << 20;

pub(super) struct Budget {
    entries: u64,
    bytes: u64,
    reserve: u64,
    /// Bytes that may be written until the free space is looked at again.
    unchecked: u64,
    place: OwnedFd,
    limits: (u64, u64),
}

impl Budget {
    pub(super) fn new(limits: &Limits, place: BorrowedFd<'_>) -> Result<Self> {
        let place = place.try_clone_to_owned().map_err(|error| Error::stream("open", "the layer", &error))?;
        let mut budget = Self {
            entries: limits.entries,
            bytes: limits.bytes,
            reserve: limits.reserve,
            unchecked: 0,
            place,
            limits: (limits.entries, limits.bytes),
        };
        budget.write(0)?;
        Ok(budget)
    }

    /// An entry, with the size that it will appear to have: a hole is little on the disk, but not to who reads it.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<()> {
        let (entries, bytes) = self.limits;
        self.entries = self.entries.checked_sub(1).ok_or_else(|| {
            Error::entry(&entry.path, format!("the archive has more than {entries} entries, the limit here"))
        })?;
        self.bytes = self.bytes.checked_sub(entry.size).ok_or_else(|| {
            Error::entry(
                &entry.path,
                format!("with it the layer has more than {bytes} bytes, the limit here"),
            )
        })?;
        Ok(())
    }

    /// Bytes that are about to be written.
    pub(super) fn write(&mut self, count: usize) -> Result<()> {
        if let Some(left) = self.unchecked.checked_sub(count as u64)
            && left > 0
        {
            self.unchecked = left;
            return Ok(());
        }
        let stat = fs::fstatvfs(&self.place).map_err(Error::system("statfs", "the store"))?;
        if stat.f_bavail.saturating_mul(stat.f_frsize) < self.reserve {
            let reserve = self.reserve >> 20;
            return Err(Error::Archive(format!(
                "less than {reserve} MiB would stay free where the store is; the layer is not unpacked"
            )));
        }
        self.unchecked = STRIDE;
        Ok(())
    }
}
