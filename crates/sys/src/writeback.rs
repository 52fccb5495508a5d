//! What has been written goes to the disk in time.

use core::ops::Range;

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// SYNC_FILE_RANGE_WRITE of sync_file_range(2).
const WRITE: usize = 2;

/// Begins to write these bytes of a file from memory to its disk, and does not wait until they are there
/// (sync_file_range(2)). It promises nothing: that is fsync(2)'s and syncfs(2)'s to do, which tell of errors of this
/// writing, too.
///
/// # Errors
/// ESPIPE where it is no file, EINVAL where the range is none or longer than any file.
pub fn begin<Fd: AsFd>(file: Fd, bytes: Range<u64>) -> Result<()> {
    // A length of 0 would mean all up to the end.
    let length = bytes.end.checked_sub(bytes.start).filter(|length| *length > 0).ok_or(Errno::INVAL)?;
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: numbers, and a descriptor that is open as long as `file` is borrowed; no memory is handed over.
    check(unsafe { syscall!(Sysno::sync_file_range, fd, bytes.start, length, WRITE) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, openat};

    #[test]
    fn bytes_of_a_file_can_be_sent_on_their_way() {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = openat(CWD, c"/tmp", flags, Mode::from_raw_mode(0o600)).expect("a file without a name");
        rustix::io::write(&file, b"bytes").expect("room for five bytes");
        assert_eq!(begin(&file, 0..5), Ok(()));
        assert_eq!(begin(&file, 4096..8192), Ok(()));
        assert_eq!(begin(&file, 5..5), Err(Errno::INVAL));
        assert_eq!(begin(&file, 0..u64::MAX), Err(Errno::INVAL));
        let pipe = rustix::pipe::pipe().expect("a pipe");
        assert_eq!(begin(&pipe.0, 0..5), Err(Errno::SPIPE));
    }
}
