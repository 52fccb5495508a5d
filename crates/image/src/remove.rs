//! Removal of whole trees, whatever is in them.
//!
//! A container can make directories a million deep. The walk keeps a bounded number of them open and does not
//! recurse: what is deeper is moved up to the top of the tree and removed from there. No link is followed.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};

/// How many directories are open at most.
const DEPTH_MAX: usize = 64;
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Level {
    name: Vec<u8>,
    entries: Dir,
    fd: OwnedFd,
    /// Whether this pass over its entries has removed or moved any.
    is_changed: bool,
}

/// Removes what has this name in this directory: a tree, or anything else. Nothing there is no error.
///
/// # Errors
/// EBUSY where something is mounted in it, EPERM where a file is immutable; ENOTEMPTY where somebody keeps
/// adding to it. What has been removed by then stays removed.
pub fn remove_tree(at: BorrowedFd<'_>, name: &[u8]) -> sys::Result<()> {
    match fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // EISDIR is Linux's answer for a directory, EPERM POSIX's.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let mut levels = vec![open(at, name)?];
    let mut moved = 0u64;
    loop {
        let depth = levels.len();
        let Some(last) = levels.last_mut() else { return Ok(()) };
        match last.entries.read() {
            Some(entry) => {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                if entry.file_type() != FileType::Directory && unlink(last, name)? {
                    continue;
                }
                last.is_changed = true;
                let name = name.to_vec();
                let fd = last.fd.as_fd();
                if fs::unlinkat(fd, name.as_slice(), AtFlags::REMOVEDIR).is_ok() {
                    continue;
                }
                if depth < DEPTH_MAX {
                    let level = open(fd, &name)?;
                    levels.push(level);
                } else {
                    move_up(&levels, &name, &mut moved)?;
                }
            }
            None => finish(at, &mut levels)?,
        }
    }
}

/// Unlinks what is no directory; false if it is one after all (not every file system tells types in listings).
fn unlink(level: &mut Level, name: &[u8]) -> sys::Result<bool> {
    match fs::unlinkat(&level.fd, name, AtFlags::empty()) {
        Ok(()) => level.is_changed = true,
        Err(Errno::NOENT) => {}
        Err(Errno::ISDIR) => return Ok(false),
        Err(errno) => return Err(errno),
    }
    Ok(true)
}

fn open(at: BorrowedFd<'_>, name: &[u8]) -> sys::Result<Level> {
    let fd = fs::openat(at, name, DIRECTORY, Mode::empty())?;
    let entries = Dir::read_from(&fd)?;
    Ok(Level { name: name.to_vec(), entries, fd, is_changed: false })
}

/// Moves a directory of the deepest level to the top, under a name that is free there.
fn move_up(levels: &[Level], name: &[u8], moved: &mut u64) -> sys::Result<()> {
    let (Some(top), Some(last)) = (levels.first(), levels.last()) else { return Ok(()) };
    loop {
        *moved += 1;
        let free = format!(".removed-{moved}");
        let flags = fs::RenameFlags::NOREPLACE;
        match fs::renameat_with(&last.fd, name, &top.fd, free.as_str(), flags) {
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

/// Removes the deepest level, which has been read to its end.
fn finish(at: BorrowedFd<'_>, levels: &mut Vec<Level>) -> sys::Result<()> {
    let Some(mut level) = levels.pop() else { return Ok(()) };
    let parent = levels.last().map_or(at, |parent| parent.fd.as_fd());
    match fs::unlinkat(parent, level.name.as_slice(), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // A listing during which entries vanish or move may miss others: once more, as long as that helps.
        Err(Errno::NOTEMPTY) if level.is_changed => {
            level.is_changed = false;
            level.entries.rewind();
            levels.push(level);
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}
