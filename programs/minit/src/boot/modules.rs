//! Modules of the kernel by name, with what they need (modules.dep(5)).

use core::ffi::CStr;
use core::ops::ControlFlow;

use sys::fd::AsFd;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::kmod::Packing;
use sys::{Errno, Result};

use crate::boot::warn;
use crate::lines::{c_string, each_line};
use crate::message::Part::{Bytes, Text, Value};
use crate::message::with_line;

/// More than this many are not looked for.
const MOST: usize = 64;

/// Loads the modules of a list, comma-separated: names, or paths of files, which are loaded as they are.
pub fn load(list: &[u8]) {
    let mut left = Left::all(list);
    for (index, path) in names(list).filter(|(_, name)| name.starts_with(b"/")) {
        left.done |= 1 << index;
        if let Err(errno) = load_file(path) {
            warn(&[Text("module "), Value(path)], errno, "");
        }
    }
    if left.none() {
        return;
    }
    // What is built in is listed in the same form, without what it needs.
    let searched = search("modules.dep", &mut |line| left.take(line, load_with_needs));
    let _ = search("modules.builtin", &mut |line| left.take(line, |_| {}));
    let why = searched.err().unwrap_or(Errno::NOENT);
    for name in left.names() {
        warn(&[Text("module "), Value(name)], why, "not in /lib/modules/RELEASE/modules.dep of this kernel");
    }
}

fn names(list: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    list.split(|byte| *byte == b',').enumerate().take(MOST).filter(|(_, name)| !name.is_empty())
}

/// The names that were not found yet.
#[derive(Debug)]
pub struct Left<'a> {
    list: &'a [u8],
    /// A bit for each that was.
    done: u64,
}

impl<'a> Left<'a> {
    /// All of a list, comma-separated.
    #[must_use]
    pub const fn all(list: &'a [u8]) -> Self {
        Self { list, done: 0 }
    }

    /// Those that are left, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        let done = self.done;
        names(self.list).filter(move |(index, _)| done >> index & 1 == 0).map(|(_, name)| name)
    }

    fn none(&self) -> bool {
        self.names().next().is_none()
    }

    /// A line that begins with the path of a module; `found` gets it for each name that is this module's.
    pub fn take(&mut self, line: &[u8], mut found: impl FnMut(&[u8])) -> ControlFlow<()> {
        let path = line.split(|byte| *byte == b':').next().unwrap_or_default();
        for (index, name) in names(self.list) {
            if self.done >> index & 1 == 0 && is_named(path, name) {
                self.done |= 1 << index;
                found(line);
            }
        }
        if self.none() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether the path is that of the module: `-` and `_` are the same in its name, and `.ko` and more may follow.
fn is_named(path: &[u8], name: &[u8]) -> bool {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    file.split_at_checked(name.len()).is_some_and(|(stem, end)| {
        end.starts_with(b".ko") && stem.iter().map(plain).eq(name.iter().map(plain))
    })
}

/// The paths of a line of modules.dep, `PATH: PATH PATH…`, in the order in which they are loaded: what a module needs
/// comes after it, and first what needs the rest.
pub fn in_order(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b':')).rev().filter(|path| !path.is_empty())
}

fn load_with_needs(line: &[u8]) {
    for path in in_order(line) {
        let loaded = in_modules(path, |file| load_file(file.to_bytes()));
        if let Err(errno) = loaded {
            warn(&[Text("module "), Value(path)], errno, "");
        }
    }
}

fn load_file(path: &[u8]) -> Result<()> {
    let mut buffer = [0u8; 512];
    let file = c_string(path, &mut buffer).ok_or(Errno::NAMETOOLONG)?;
    let file = openat(CWD, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let is_packed = [&b".xz"[..], b".gz", b".zst"].iter().any(|end| path.ends_with(end));
    let packing = if is_packed { Packing::Compressed } else { Packing::Plain };
    sys::kmod::load(file.as_fd(), packing)
}

fn search(file: &str, take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
    in_modules(file.as_bytes(), |path| each_line(path, take))
}

/// A path below /lib/modules of this kernel; an absolute one stays.
fn in_modules<T>(path: &[u8], then: impl FnOnce(&CStr) -> Result<T>) -> Result<T> {
    let release = sys::system::uname();
    let release = release.release().to_bytes();
    let parts = [Text("/lib/modules/"), Bytes(release), Text("/"), Bytes(path), Text("\0")];
    let parts = if path.starts_with(b"/") { parts.get(3..).unwrap_or_default() } else { &parts };
    with_line(parts, |path| then(CStr::from_bytes_with_nul(path).map_err(|_| Errno::NAMETOOLONG)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_without_their_ends() {
        for path in ["kernel/net/vmw_vsock/vsock.ko", "vsock.ko.xz", "/lib/vsock.ko"] {
            assert!(is_named(path.as_bytes(), b"vsock"), "{path}");
        }
        assert!(is_named(b"kernel/drivers/net/virtio-net.ko", b"virtio_net"));
        for path in ["kernel/vsock_loopback.ko", "vsock", "kernel/vsock/a.ko", ""] {
            assert!(!is_named(path.as_bytes(), b"vsock"), "{path}");
        }
    }

    #[test]
    fn each_name_is_found_once_and_the_search_ends_with_the_last() {
        let mut left = Left::all(b"a,b_c");
        assert!(left.take(b"kernel/x.ko: kernel/a.ko", |_| panic!("it is another's line")).is_continue());
        assert!(left.take(b"kernel/a.ko:", |_| {}).is_continue());
        assert!(left.take(b"kernel/a.ko:", |_| panic!("it was found")).is_continue());
        assert!(left.take(b"kernel/b-c.ko.xz: kernel/a.ko", |_| {}).is_break());
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_the_last_first() {
        let order: std::vec::Vec<&[u8]> = in_order(b"a.ko: b.ko c.ko").collect();
        assert_eq!(order, [b"c.ko", b"b.ko", b"a.ko"]);
        assert_eq!(in_order(b": ").count(), 0);
    }
}
