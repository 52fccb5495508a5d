//! The end of a machine: the host is told, everything is written, file systems are taken down, and then the kernel.

use core::ffi::CStr;
use core::ops::ControlFlow;

use sys::Result;
use sys::machine::{Ending, Settled, settle};
use sys::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use sys::reap::End;

use crate::boot::report::Reports;
use crate::boot::{Standing, warn};
use crate::lines::each_line;
use crate::message::Part::{Text, Value};
use crate::message::ours;
use crate::settings::{Codes, Settings};
use crate::values::mask;

/// How long everything may take to be written, in milliseconds.
const SETTLE_TIME: u64 = 10_000;
/// More mounts than this are not taken down one by one; what they hold is written all the same.
const MOST: usize = 4096;

/// What the end depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Last {
    /// Who is told.
    pub reports: Reports,
    /// Exit codes that become 0.
    pub remapped: Codes,
}

impl Last {
    /// Of these settings.
    #[must_use]
    pub const fn of(settings: &Settings<'_>) -> Self {
        Self { reports: settings.boot.reports, remapped: settings.remapped }
    }

    const fn code(self, end: End) -> u8 {
        let code = end.code();
        if self.remapped.contains(code) { 0 } else { code }
    }
}

/// Ends without having been asked for more: a machine is switched off, elsewhere it is an exit.
pub fn leave(last: Last, how: End) -> ! {
    let standing = Standing::find();
    if standing == Standing::Machine {
        end(last, Ending::PowerOff, how);
    }
    let code = last.code(how);
    last.reports.send(standing, code, how);
    sys::clone::leave(code)
}

/// Ends the machine that we are the first process of; in a container, its pid namespace. Never returns: where the
/// kernel refuses, it is asked again every second, and a container ends with the first process's exit.
pub fn end(last: Last, ending: Ending, end: End) -> ! {
    let code = last.code(end);
    let standing = Standing::find();
    last.reports.send(standing, code, end);
    match settle(sys::standard::error(), SETTLE_TIME) {
        Ok(Settled::Done) => {}
        Ok(Settled::NotInTime) => {
            ours(&[Text("warning: not everything was written in 10 s: it may be lost")]);
        }
        Err(_) => sys::fs::sync(),
    }
    if standing == Standing::Machine {
        take_down();
    }
    loop {
        if let Err(errno) = sys::machine::end(ending) {
            warn(&[Text("the machine does not end: reboot"), Text("")], errno, "");
        }
        if standing != Standing::Machine {
            sys::clone::leave(code);
        }
        let second = sys::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ = sys::event::poll(&mut [], Some(&second));
    }
}

/// Unmounts everything, the last mount first; what is in use becomes read-only instead: the root, and /dev by our own
/// descriptors. /proc stays, since it is what lists the others.
fn take_down() {
    let mut kept = 0;
    for _ in 0..MOST {
        let mut count = 0usize;
        let listed = each_mount(&mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        let (Ok(()), Some(index)) = (listed, count.checked_sub(kept + 1)) else { break };
        let mut buffer = [0u8; 4096];
        let Some(place) = mount_at(index, &mut buffer) else { break };
        if unmount(place, UnmountFlags::NOFOLLOW).is_err() {
            kept += 1;
            make_read_only(place);
        }
    }
    make_read_only(c"/");
}

fn make_read_only(place: &CStr) {
    if let Err(errno) = mount_remount(place, MountFlags::RDONLY, c"") {
        warn(&[Value(place.to_bytes()), Text("")], errno, "it stays writable to the end");
    }
}

fn mount_at(index: usize, buffer: &mut [u8]) -> Option<&CStr> {
    let mut left = index;
    let mut length = None;
    let _ = each_mount(&mut |place| {
        if left > 0 {
            left -= 1;
            return ControlFlow::Continue(());
        }
        length = unescape(place, buffer);
        ControlFlow::Break(())
    });
    CStr::from_bytes_with_nul(buffer.get(..=length?)?).ok()
}

/// The places of all mounts but / and /proc, in the order in which they were mounted (proc(5): the second word of a
/// line of /proc/mounts).
fn each_mount(take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
    each_line(c"/proc/self/mounts", &mut |line| match line.split(|byte| *byte == b' ').nth(1) {
        None | Some(b"/" | b"/proc") => ControlFlow::Continue(()),
        Some(place) => take(place),
    })
}

/// Writes the place with a null behind it, and returns its length. Blanks and backslashes stand there as `\` and three
/// octal digits. `None` where there is no room for it.
pub fn unescape(place: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut rest = place;
    let mut length = 0;
    while let [byte, after @ ..] = rest {
        let octal = after.split_at_checked(3).and_then(|(digits, after)| Some((mask(digits)?, after)));
        let (byte, after) = match (byte, octal) {
            (b'\\', Some((value, after))) => (value as u8, after),
            _ => (*byte, after),
        };
        *buffer.get_mut(length)? = byte;
        length += 1;
        rest = after;
    }
    *buffer.get_mut(length)? = 0;
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_blanks_are_written_in_octal() {
        let read = |place: &[u8]| {
            let mut buffer = [b'x'; 8];
            let length = unescape(place, &mut buffer)?;
            Some(buffer[..=length].to_vec())
        };
        assert_eq!(read(b"/a\\040b").as_deref(), Some(&b"/a b\0"[..]));
        assert_eq!(read(b"/\\134").as_deref(), Some(&b"/\\\0"[..]));
        assert_eq!(read(b"/a\\04").as_deref(), Some(&b"/a\\04\0"[..]));
        assert_eq!(read(b"/2345678"), None);
    }

    #[test]
    fn mounts_of_this_machine_are_listed_without_the_root() {
        let mut places = std::vec::Vec::new();
        let listed = each_mount(&mut |place| {
            places.push(place.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(listed, Ok(()));
        assert!(places.iter().any(|place| place == b"/dev"), "{places:?}");
        assert!(!places.iter().any(|place| place == b"/" || place == b"/proc"));
        let last = places.len() - 1;
        let mut buffer = [0; 4096];
        assert_eq!(mount_at(last, &mut buffer).map(CStr::to_bytes), places.last().map(|place| &place[..]));
        assert_eq!(mount_at(places.len(), &mut buffer), None);
    }
}
