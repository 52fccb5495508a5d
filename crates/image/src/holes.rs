//! Where a sparse file has its bytes.

use sys::Errno;
use sys::fd::BorrowedFd;
use sys::fs::{self, SeekFrom, Stat};

use crate::tar::{SEGMENTS_MAX, Segment};

/// A file is taken for sparse when this much of it is not on the disk.
const HOLES_MIN: u64 = 64 << 10;

/// Where a file has its bytes, if it has large holes; none: all of it is to be read.
///
/// # Errors
/// Those of lseek(2).
pub fn holes(fd: BorrowedFd<'_>, stat: &Stat) -> sys::Result<Option<Vec<Segment>>> {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let on_disk = u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512);
    if on_disk.saturating_add(HOLES_MIN) > size {
        return Ok(None);
    }
    let (mut map, mut at) = (Vec::new(), 0);
    while at < size {
        let offset = match fs::seek(fd, SeekFrom::Data(at)) {
            // No more of it up to the end.
            Err(Errno::NXIO) => break,
            // A file system that does not know.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            other => other?.min(size),
        };
        let end = fs::seek(fd, SeekFrom::Hole(offset))?.min(size);
        if end <= offset {
            break;
        }
        // So many are more than are read again.
        if map.len() >= SEGMENTS_MAX {
            return Ok(None);
        }
        map.push(Segment { offset, length: end - offset });
        at = end;
    }
    let is_whole = map.first().is_some_and(|first| first.length == size);
    Ok((!is_whole).then_some(map))
}
