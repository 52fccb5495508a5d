//! A root of layers, and the namespaces of a container that exists.

use core::ffi::CStr;

use sys::Errno;
use sys::clone::{Namespaces, join};
use sys::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use sys::fs::{CWD, Mode, OFlags, fstatfs, openat};
use sys::mount::mount;
use sys::process::fchdir;

use crate::fault::{Fault, Outcome, at};
use crate::mounts::{flags, make_layer};
use crate::perform::Performer;
use crate::resolve::{PathBuffer, open_host_directory};
use crate::{Call, Layers};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Performer<'_> {
    /// Every directory is opened, and named in the options by the number of its descriptor, relative to
    /// /proc/self/fd. No path of the host gets into a string where a comma or a colon would have a meaning, or into
    /// what the container's /proc/mounts shows; and as many layers as the kernel takes (500) fit into the page that
    /// mount(2) takes, whatever their paths are.
    pub fn layered_root(&mut self, layers: &Layers<'_>) -> Outcome<()> {
        const PROC_SUPER_MAGIC: u64 = 0x9fa0;
        let place = make_layer(self.scratch()?, b'm', 0)?;
        let mut data = PathBuffer::new();
        for (number, path) in layers.lower.iter().enumerate() {
            push(&mut data, if number == 0 { "lowerdir=" } else { ":" }, path)?;
        }
        push(&mut data, ",upperdir=", layers.upper)?;
        push(&mut data, ",workdir=", layers.work)?;
        at(Call::Mount, data.push(layers.options.to_bytes()))?;
        let descriptors = at(Call::Open, openat(CWD, c"/proc/self/fd", DIRECTORY, Mode::empty()))?;
        if at(Call::Statfs, fstatfs(&descriptors))?.f_type as u64 != PROC_SUPER_MAGIC {
            return Err(Fault { call: Call::Check, errno: Errno::NODEV });
        }
        at(Call::Chdir, fchdir(&descriptors))?;
        let mut target = PathBuffer::new();
        push_number(&mut target, place.as_raw_fd().unsigned_abs())?;
        let data = Some(data.as_c_str());
        at(Call::Mount, mount(c"overlay", target.as_c_str(), c"overlay", flags(layers.set), data))?;
        // By its name: the descriptor is of what the overlay is mounted on.
        let root = openat(self.scratch()?, c"m00", DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        self.root = Some(at(Call::Open, root)?);
        self.spend(place);
        self.spend(descriptors);
        Ok(())
    }

    pub fn join(&mut self, of: BorrowedFd<'_>, namespaces: Namespaces) -> Outcome<()> {
        at(Call::Join, join(of, namespaces))?;
        if namespaces.contains(Namespaces::MOUNT) {
            self.root = Some(open_host_directory(c"/")?);
        }
        Ok(())
    }
}

/// Adds the number of a new descriptor of the directory. It stays open: [`Step::CloseOthers`](crate::Step) closes it
/// with the rest.
fn push(data: &mut PathBuffer, before: &str, path: &CStr) -> Outcome<()> {
    at(Call::Mount, data.push(before.as_bytes()))?;
    push_number(data, open_host_directory(path)?.into_raw_fd().unsigned_abs())
}

fn push_number(buffer: &mut PathBuffer, mut number: u32) -> Outcome<()> {
    let mut digits = [0; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return at(Call::Mount, buffer.push(&digits[start..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (number, text) in [(0, c"0"), (7, c"7"), (10, c"10"), (u32::MAX, c"4294967295")] {
            let mut buffer = PathBuffer::new();
            push_number(&mut buffer, number).unwrap();
            assert_eq!(buffer.as_c_str(), text);
        }
    }
}
