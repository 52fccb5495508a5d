//! What this kernel can do for a first process.

use sys::Errno;
use sys::fd::BorrowedFd;
use sys::reap::{End, end_of};
use sys::signals::send;

use crate::message::Part::{Error, Text};
use crate::message::ours;
use crate::settings::{Dialect, Settings};

/// From this version a pidfd tells how a process ended that the kernel has reaped (PIDFD_INFO_EXIT).
const TELLS_ENDS: (u32, u32) = (6, 15);

/// Whether orphans can be left to the kernel: nobody wants to hear of them, and the end of our own children is
/// known all the same. The request exists from 6.13 on, its answer to a reaped process from 6.15: both are asked.
#[must_use]
pub fn reaps_for(settings: &Settings<'_>, child: BorrowedFd<'_>) -> bool {
    settings.dialect == Dialect::Minit
        && version(sys::system::uname().release().to_bytes()).is_some_and(|version| version >= TELLS_ENDS)
        && end_of(child).is_ok()
}

/// How one of our children has ended that the kernel reaps; `None` where it has not, or is a zombie. A kernel that does
/// not say it of a process that is gone is asked some times more, and then it counts as one of ours that failed.
#[must_use]
pub fn end_of_child(child: BorrowedFd<'_>) -> Option<End> {
    let mut told = end_of(child);
    for _ in 0..MOST_QUESTIONS {
        match told {
            Ok(end) => return end,
            Err(_) => told = end_of(child),
        }
    }
    let is_gone = send(child, 0) == Err(Errno::SRCH);
    told.err().filter(|_| is_gone).map(|errno| {
        ours(&[Text("warning: the kernel does not say how a child ended: "), Error(errno)]);
        End::Code(crate::OURS)
    })
}

/// How often the kernel is asked.
const MOST_QUESTIONS: u32 = 8;

fn version(release: &[u8]) -> Option<(u32, u32)> {
    let mut parts = release.split(|byte| !byte.is_ascii_digit()).map(crate::values::number);
    let mut part = || parts.next().flatten().and_then(|number| u32::try_from(number).ok());
    Some((part()?, part()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn releases_begin_with_two_numbers() {
        assert_eq!(version(b"6.1.0-37-amd64"), Some((6, 1)));
        assert_eq!(version(b"6.18-rc1"), Some((6, 18)));
        assert_eq!((version(b"Linux"), version(b"6"), version(b"")), (None, None, None));
    }
}
