//! What this kernel can do for a first process.

use sys::fd::OwnedFd;
use sys::reap::end_of;

use crate::settings::{Dialect, Settings};

/// From this version a pidfd tells how a process ended that the kernel has reaped (PIDFD_INFO_EXIT).
const TELLS_ENDS: (u32, u32) = (6, 15);

/// Whether orphans can be left to the kernel: nobody wants to hear of them, and the end of the main command is
/// known all the same. The request exists from 6.13 on, its answer to a reaped process from 6.15: both are asked.
#[must_use]
pub fn reaps_for(settings: &Settings<'_>, main: &OwnedFd) -> bool {
    settings.dialect == Dialect::Minit
        && version(sys::system::uname().release().to_bytes()).is_some_and(|version| version >= TELLS_ENDS)
        && end_of(main).is_ok()
}

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
