//! Files and directories of a group, by its descriptor and never by a path from the root.
use crate::decimal::number;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use sys::Errno;
use sys::fd::{BorrowedFd, OwnedFd};
use sys::fs::{FileType, Mode, OFlags, RawDir, ResolveFlags, openat2};

/// Below the group and over no link: a container may own this directory.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens what is named `name` beneath `dir`.
fn open(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> sys::Result<OwnedFd> {
    openat2(dir, name, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH)
}

/// Opens the directory of a group: good for openat and for CLONE_INTO_CGROUP, not for listing.
pub(crate) fn open_directory(dir: BorrowedFd<'_>, name: &str) -> sys::Result<OwnedFd> {
    open(dir, name.as_bytes(), OFlags::PATH | OFlags::DIRECTORY)
}

/// The same for a name that the container chose.
pub(crate) fn open_child(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<OwnedFd> {
    open(dir, name.to_bytes(), OFlags::PATH | OFlags::DIRECTORY)
}

/// Opens a file of the group for reading.
pub(crate) fn open_file(dir: BorrowedFd<'_>, file: &str) -> sys::Result<OwnedFd> {
    open(dir, file.as_bytes(), OFlags::RDONLY)
}

/// Writes a value to a file of the group, in one write as the kernel wants it.
pub(crate) fn write(dir: BorrowedFd<'_>, file: &str, value: &str) -> sys::Result<()> {
    let file = open(dir, file.as_bytes(), OFlags::WRONLY)?;
    loop {
        match sys::io::write(&file, value.as_bytes()) {
            Ok(written) if written == value.len() => return Ok(()),
            Ok(_) => return Err(Errno::IO),
            // Lowering memory.max reclaims first, and a signal interrupts that.
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
}

/// The text of a file. One read where the buffer holds it, as the files of single values do, and one to see
/// that it is the end.
pub(crate) fn read(dir: BorrowedFd<'_>, file: &str) -> sys::Result<String> {
    read_to_end(&open_file(dir, file)?)
}

/// Everything that is left to read of a file of text.
pub(crate) fn read_to_end(file: &OwnedFd) -> sys::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        match sys::io::read(file, &mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
    }
    String::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
}

/// What to do after an entry of a listing.
pub(crate) enum Walk {
    /// Go on to the next.
    On,
    /// That was enough.
    Enough,
}

/// Calls `visit` with the name of each group directly below this one.
pub(crate) fn each_child(dir: BorrowedFd<'_>, mut visit: impl FnMut(&CStr) -> Walk) -> sys::Result<()> {
    let listing = open(dir, b".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(listing, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || name == c"." || name == c".." {
            continue;
        }
        if let Walk::Enough = visit(name) {
            break;
        }
    }
    Ok(())
}

/// The names of the groups directly below this one. Names that are no UTF-8 are not ours and left out.
pub(crate) fn children(dir: BorrowedFd<'_>) -> sys::Result<Vec<String>> {
    let mut names = Vec::new();
    each_child(dir, |name| {
        names.extend(name.to_str().ok().map(ToOwned::to_owned));
        Walk::On
    })?;
    Ok(names)
}

/// The value of a key in a file of lines `key value`, such as cgroup.events.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    number(line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_matched_whole() {
        let text = "oom_kill 3\noom 2\nbad x\nlast 7";
        assert_eq!(keyed(text, "oom"), Some(2));
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed(text, "last"), Some(7));
        assert_eq!(keyed(text, "bad"), None);
        assert_eq!(keyed(text, "oo"), None);
    }

    #[test]
    fn paths_that_leave_the_directory_are_not_opened() {
        let proc = sys::fs::open("/proc/self", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("/proc");
        use sys::fd::AsFd;
        assert_eq!(read(proc.as_fd(), "../cmdline").expect_err("above"), Errno::XDEV);
        assert_eq!(read(proc.as_fd(), "/proc/cmdline").expect_err("absolute"), Errno::XDEV);
        assert_eq!(open_directory(proc.as_fd(), "root").expect_err("a magic link"), Errno::LOOP);
        assert!(read(proc.as_fd(), "stat").expect("inside").contains(' '));
    }
}
