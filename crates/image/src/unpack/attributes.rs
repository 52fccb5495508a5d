//! Owner, mode, times and extended attributes of what has been made.

use sys::fd::{AsRawFd as _, BorrowedFd};
use sys::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};

use super::Unpacking;
use super::descent::times;
use crate::error::{Error, Result, shown};
use crate::tar::Entry;

/// How a file came to be, which says what still has to be set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made just now with the entry's permission bits, in an ordinary directory.
    New,
    /// Made in a directory that gives its group away, or there before.
    Unknown,
}

/// Whether an extended attribute is taken over. Those of overlayfs would let an archive redirect directories
/// (trusted.overlay.redirect); labels and ACLs of another system mean nothing here.
pub(crate) fn keeps_xattr(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

impl Unpacking<'_> {
    /// All but the times of a file or directory that is open. In this order: a change of owner takes set-id bits
    /// and file capabilities away.
    pub(super) fn set_attributes(&mut self, fd: BorrowedFd<'_>, entry: &Entry, origin: Origin) -> Result<()> {
        let path = &entry.path;
        let is_owner = origin == Origin::New && (entry.uid, entry.gid) == self.owner;
        if !is_owner {
            fs::fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
                .map_err(Error::making(path, "chown"))?;
        }
        let is_mode = origin == Origin::New && entry.mode & (0o7000 | self.descent.lost()) == 0;
        if !is_mode {
            fs::fchmod(fd, Mode::from_raw_mode(entry.mode)).map_err(Error::making(path, "chmod"))?;
        }
        for (name, value) in &entry.xattrs {
            if keeps_xattr(name) {
                let action = "set an extended attribute";
                fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty())
                    .map_err(Error::making(path, action))?;
            } else {
                let (path, name) = (shown(path), shown(name));
                self.warnings.push(|| format!("{path}: the extended attribute {name} is left out"));
            }
        }
        Ok(())
    }

    /// Owner, mode and times of something that cannot be opened without consequences, by its name.
    pub(super) fn set_by_name(
        &self,
        at: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        mode: Option<Mode>,
    ) -> Result<()> {
        let path = &entry.path;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        fs::chownat(at, name, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), flags)
            .map_err(Error::making(path, "chown"))?;
        if let Some(mode) = mode {
            // In an instance that runs, the name may lead anywhere by now, and chmod(2) follows links, out of its root
            // too: what the name is is opened without following it, and that is changed.
            let node = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let node = fs::openat(at, name, node, Mode::empty()).map_err(Error::making(path, "open"))?;
            let stat = fs::fstat(&node).map_err(Error::making(path, "stat"))?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                return Err(Error::entry(path, "a symbolic link has taken its place meanwhile"));
            }
            let descriptor = format!("/proc/self/fd/{}", node.as_raw_fd());
            fs::chmodat(fs::CWD, descriptor, mode, AtFlags::empty()).map_err(Error::making(path, "chmod"))?;
        }
        fs::utimensat(at, name, &times(entry.mtime), flags).map_err(Error::making(path, "set times"))
    }
}
