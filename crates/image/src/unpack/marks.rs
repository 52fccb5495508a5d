//! The marks that overlayfs understands (its documentation, "Whiteouts and opaque directories").

use sys::fd::BorrowedFd;
use sys::fs::{self, AtFlags, Dir, FileType, Stat, XattrFlags};

use crate::OPAQUE;
use crate::error::{Error, Result};

/// Whether this is the mark that a name is gone: a character device 0:0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether a directory hides what is below it.
pub(super) fn is_opaque(fd: BorrowedFd<'_>) -> bool {
    let mut value = [0; 2];
    fs::fgetxattr(fd, OPAQUE, &mut value[..]).is_ok_and(|length| value[..length] == *b"y")
}

/// Marks a directory as hiding what is below it. Whiteouts in it have nothing to hide any more, and go: overlayfs
/// would list their names and not find them.
pub(super) fn make_opaque(fd: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    // Once for each directory: an archive may say it a million times of one with a million files.
    if is_opaque(fd) {
        return Ok(());
    }
    for entry in Dir::read_from(fd).map_err(Error::making(path, "list"))? {
        let entry = entry.map_err(Error::making(path, "list"))?;
        if !matches!(entry.file_type(), FileType::CharacterDevice | FileType::Unknown) {
            continue;
        }
        let stat = fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
        if is_whiteout(&stat.map_err(Error::making(path, "stat"))?) {
            fs::unlinkat(fd, entry.file_name(), AtFlags::empty()).map_err(Error::making(path, "unlink"))?;
        }
    }
    fs::fsetxattr(fd, OPAQUE, b"y", XattrFlags::empty())
        .map_err(Error::making(path, "set extended attribute trusted.overlay.opaque"))
}
