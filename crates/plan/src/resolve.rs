//! Paths below the root. Each is resolved by openat2(2), and what is missing is made one name at a time by
//! descriptor, so that nothing can be exchanged for a link between a check and its use.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2, readlinkat_raw};

use crate::fault::{Fault, Outcome, at};
use crate::{Call, Kind, Links};

/// Longest path that the kernel takes, its end mark included (PATH_MAX).
pub const PATH_MAX: usize = 4096;

const NOTHING: Mode = Mode::empty();

/// A path being put together on the stack, where the child cannot allocate.
pub struct PathBuffer {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl PathBuffer {
    pub const fn new() -> Self {
        Self { bytes: [0; PATH_MAX], length: 0 }
    }

    /// Adds bytes; ENAMETOOLONG where they do not fit.
    pub fn push(&mut self, more: &[u8]) -> sys::Result<()> {
        let end = self.length + more.len();
        // One byte is left for the end mark.
        if end >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes[self.length..end].copy_from_slice(more);
        self.bytes[end] = 0;
        self.length = end;
        Ok(())
    }

    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Takes all but the first bytes away.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.bytes[self.length] = 0;
    }

    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

const fn resolve(links: Links) -> ResolveFlags {
    let within = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
    match links {
        Links::Within => within,
        Links::Refused => within.union(ResolveFlags::NO_SYMLINKS),
    }
}

/// Opens what is at `path` below `root`, as a place only (O_PATH).
pub fn open(root: BorrowedFd<'_>, path: &CStr, links: Links) -> sys::Result<OwnedFd> {
    openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, NOTHING, resolve(links))
}

/// Opens a directory of the host.
pub fn open_host_directory(path: &CStr) -> Outcome<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    at(Call::Open, sys::fs::openat(CWD, path, flags, NOTHING))
}

/// Opens `path` below `root`, and makes what of it is missing: directories (0755), and at its end a
/// directory or an empty file. What exists and is of the other kind is ENOTDIR or EISDIR.
pub fn open_or_make(root: BorrowedFd<'_>, path: &CStr, links: Links, kind: Kind) -> Outcome<OwnedFd> {
    let flags = match kind {
        Kind::Directory => OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Kind::File => OFlags::PATH | OFlags::CLOEXEC,
    };
    match openat2(root, path, flags, NOTHING, resolve(links)) {
        Ok(found) => Ok(found),
        Err(Errno::NOENT) if links == Links::Within => make_what_is_meant(root, path, kind),
        Err(Errno::NOENT) => make(root, path.to_bytes(), links, kind),
        Err(errno) => Err(Fault { call: Call::Find, errno }),
    }
}

/// As many links as the kernel follows on one way (path_resolution(7)).
const LINKS: usize = 40;

/// Where the name itself is a symbolic link to nothing, what it leads to is made instead: an image's
/// /etc/resolv.conf is often a link into a /run that is empty. It is followed by its text, which is resolved beneath
/// the root like any other path, so that whoever exchanges it meanwhile gets nowhere else.
fn make_what_is_meant(root: BorrowedFd<'_>, path: &CStr, kind: Kind) -> Outcome<OwnedFd> {
    let mut meant = PathBuffer::new();
    at(Call::Find, meant.push(path.to_bytes()))?;
    for _ in 0..LINKS {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = match openat2(root, meant.as_c_str(), flags, NOTHING, resolve(Links::Within)) {
            Ok(link) => link,
            Err(Errno::NOENT) => return make(root, meant.as_c_str().to_bytes(), Links::Within, kind),
            Err(errno) => return Err(Fault { call: Call::Find, errno }),
        };
        let mut text = [MaybeUninit::uninit(); PATH_MAX];
        let text = match readlinkat_raw(&link, c"", &mut text) {
            Ok((text, _)) => text,
            // It is no link (any more): what is there is taken if it is what is wanted.
            Err(Errno::NOENT | Errno::INVAL) => {
                return make(root, meant.as_c_str().to_bytes(), Links::Within, kind);
            }
            Err(errno) => return Err(Fault { call: Call::Find, errno }),
        };
        let relative = text.first() != Some(&b'/');
        let parent = meant.as_c_str().to_bytes().iter().rposition(|byte| *byte == b'/').filter(|_| relative);
        meant.truncate(parent.map_or(0, |slash| slash + 1));
        at(Call::Find, meant.push(text))?;
    }
    Err(Fault { call: Call::Find, errno: Errno::LOOP })
}

fn make(root: BorrowedFd<'_>, path: &[u8], links: Links, kind: Kind) -> Outcome<OwnedFd> {
    let (parent, rest) = deepest_existing(root, path, links)?;
    let mut directory = parent;
    let mut names = rest.split(|byte| *byte == b'/').filter(|name| !matches!(name, [] | [b'.'])).peekable();
    while let Some(name) = names.next() {
        let mut buffer = PathBuffer::new();
        at(Call::Find, buffer.push(name))?;
        let wanted = if names.peek().is_some() { Kind::Directory } else { kind };
        directory = make_one(directory.as_fd(), buffer.as_c_str(), wanted)?;
    }
    Ok(directory)
}

/// The longest leading part of `path` that exists, opened, and the names that follow it.
fn deepest_existing<'p>(root: BorrowedFd<'_>, path: &'p [u8], links: Links) -> Outcome<(OwnedFd, &'p [u8])> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut end = path.len();
    loop {
        end = path[..end].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let mut buffer = PathBuffer::new();
        let existing = if end == 0 { b"." } else { &path[..end] };
        at(Call::Find, buffer.push(existing))?;
        match openat2(root, buffer.as_c_str(), flags, NOTHING, resolve(links)) {
            Ok(found) => return Ok((found, &path[end..])),
            Err(Errno::NOENT) if end > 0 => {}
            Err(errno) => return Err(Fault { call: Call::Find, errno }),
        }
    }
}

/// Makes one name in `directory` and opens it. A name that appeared meanwhile is taken if it is what is
/// wanted; a symbolic link is not followed but refused (ELOOP), `..` as a name too (EXDEV).
fn make_one(directory: BorrowedFd<'_>, name: &CStr, kind: Kind) -> Outcome<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = match kind {
        Kind::Directory => {
            match mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(Fault { call: Call::Make, errno }),
            }
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
        }
        Kind::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
            match openat2(directory, name, flags, Mode::from_raw_mode(0o644), beneath) {
                Ok(_) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(Fault { call: Call::Make, errno }),
            }
            OFlags::PATH | OFlags::CLOEXEC
        }
    };
    at(Call::Find, openat2(directory, name, flags, NOTHING, beneath))
}
