//! How long an archive of a tree will be, about: so that whoever waits for it can be told how long that takes.

use std::collections::HashSet;

use sys::fd::{AsFd, BorrowedFd};
use sys::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::{Holes, Request};
use crate::error::Result;
use crate::progress::{PATIENCE, Watch};
use crate::tar::BLOCK;

/// How long is looked, in nanoseconds: a tree that takes longer is packed without.
const LONGEST: u64 = 1_000_000_000;
/// How deep: each level is an open directory.
const DEEPEST: usize = 100;

/// Looks through a tree, and has the watch know how many bytes its archive will have about. What cannot be looked at is left
/// out: to pack it will say so.
///
/// # Errors
/// It is not wanted any more.
pub(crate) fn announce(root: BorrowedFd<'_>, request: &Request<'_>, watch: &mut Watch<'_>) -> Result<()> {
    let Ok(stat) = fs::fstat(root) else { return Ok(()) };
    let now = sys::clock::monotonic();
    // The two blocks at the end.
    let bytes = 2 * BLOCK as u64;
    let mut walk = Walk { request, watch, began: now, asked: now, bytes, linked: HashSet::new() };
    if walk.directory(root, &stat, 0)? {
        let bytes = walk.bytes;
        watch.expect(bytes);
    }
    Ok(())
}

struct Walk<'a, 'w> {
    request: &'a Request<'a>,
    watch: &'a mut Watch<'w>,
    began: u64,
    /// When somebody was asked whether to go on.
    asked: u64,
    bytes: u64,
    /// Files with several names that have been counted.
    linked: HashSet<(u64, u64)>,
}

impl Walk<'_, '_> {
    /// Counts a directory and what is in it; false where that takes too long.
    fn directory(&mut self, fd: BorrowedFd<'_>, stat: &Stat, depth: usize) -> Result<bool> {
        self.header(stat);
        let Ok(entries) = Dir::read_from(fd) else { return Ok(true) };
        for entry in entries {
            let Ok(entry) = entry else { return Ok(true) };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if !self.may_go_on()? {
                return Ok(false);
            }
            let Ok(found) = fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                self.leaf(&found);
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            let is_left_out = self.request.left_out.contains(&(found.st_dev, found.st_ino));
            match fs::openat2(fd, name, flags, Mode::empty(), resolve) {
                Ok(_) if is_left_out => {}
                Ok(_) if depth >= DEEPEST => return Ok(false),
                Ok(inner) if found.st_dev == stat.st_dev => {
                    if !self.directory(inner.as_fd(), &found, depth + 1)? {
                        return Ok(false);
                    }
                }
                // Something is mounted on it, or it is gone.
                _ => self.header(&found),
            }
        }
        Ok(true)
    }

    fn leaf(&mut self, stat: &Stat) {
        self.header(stat);
        let is_first = stat.st_nlink < 2 || self.linked.insert((stat.st_dev, stat.st_ino));
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && is_first {
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            let stored = match self.request.holes {
                Holes::Filled => size,
                Holes::Kept => {
                    size.min(u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512))
                }
            };
            self.bytes = self.bytes.saturating_add(stored.next_multiple_of(BLOCK as u64));
        }
    }

    /// A header, and those of PAX for a time that is no whole second.
    fn header(&mut self, stat: &Stat) {
        let blocks = if stat.st_mtime_nsec == 0 { 1 } else { 3 };
        self.bytes = self.bytes.saturating_add(blocks * BLOCK as u64);
    }

    fn may_go_on(&mut self) -> Result<bool> {
        let now = sys::clock::monotonic();
        if now.saturating_sub(self.asked) >= u64::from(PATIENCE.subsec_nanos()) {
            self.asked = now;
            self.watch.report()?;
        }
        Ok(now.saturating_sub(self.began) < LONGEST)
    }
}
