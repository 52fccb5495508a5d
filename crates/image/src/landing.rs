//! Where a copy lands: what stands at its target decides, as with docker-cp(1) and cp(1).
//!
//! | the copy is of | nothing stands there | a file | a directory |
//! |---|---|---|---|
//! | a file | it is made; an error where the target ends with a slash | it is replaced | into it, under its own name |
//! | a directory | it is made, and filled | an error | into it, under its own name |
//! | what is in a directory | a directory is made, and filled | an error | into it |
//!
//! Symbolic links at the target are followed, one to nothing as well. The directory that it is in has to be there. What is
//! found is used by descriptor: whoever changes the tree meanwhile leads nothing elsewhere.

use sys::Errno;
use sys::fd::{AsFd as _, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result, shown};

/// What a copy is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copied {
    /// Anything but a directory: the archive has it alone, under one name.
    File,
    /// A directory: all names of the archive begin with its own.
    Directory,
    /// What is in a directory: the archive has it as `./`, or not at all.
    Contents,
}

/// What a path is resolved in.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// A tree that may be hostile: neither a link nor `..` leads out of it.
    Root(BorrowedFd<'a>),
    /// The whole machine, from the working directory, as for every program.
    Host,
}

/// Where a copy goes.
#[derive(Debug)]
pub struct Landing {
    /// The directory.
    directory: OwnedFd,
    /// What the first part of every name becomes; none: names stay as they are.
    called: Option<Vec<u8>>,
    copied: Copied,
}

/// How often a path is tried: each time something would have to be renamed or mounted in the same microsecond.
const TRIES: u32 = 1000;
/// The most symbolic links in a row (path_resolution(7)).
const LINKS: u32 = 40;

impl Within<'_> {
    /// Opens what is at a path.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub(crate) fn open(self, path: &[u8], flags: OFlags) -> sys::Result<OwnedFd> {
        let (at, resolve) = match self {
            Self::Root(root) => (root, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS),
            Self::Host => (CWD, ResolveFlags::empty()),
        };
        let path = if path.is_empty() { b"." } else { path };
        let mut tries = 0;
        loop {
            match fs::openat2(at, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // `..` cannot be trusted while anything on the machine is renamed or mounted (openat2(2)).
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                Err(Errno::INTR) => {}
                opened => return opened,
            }
        }
    }
}

impl Within<'_> {
    fn directory(self, path: &[u8]) -> sys::Result<OwnedFd> {
        let access = match self {
            // Its times are set in the end.
            Self::Root(_) => OFlags::RDONLY,
            // Somebody may write there who may not look.
            Self::Host => OFlags::PATH,
        };
        self.open(path, access | OFlags::DIRECTORY)
    }
}

impl Landing {
    /// In a directory that is there, under the names that an archive has.
    ///
    /// # Errors
    /// There is none; those of openat2(2).
    pub fn directory(within: Within<'_>, path: &[u8]) -> Result<Self> {
        let directory = within.directory(path).map_err(Error::system("open", shown(path)))?;
        Ok(Self { directory, called: None, copied: Copied::Contents })
    }

    /// Where a copy to `path` goes, by what stands there now.
    ///
    /// # Errors
    /// What the table at the head of this file calls an error; the directory that it would be in is not there; something
    /// stands there that is neither a file nor a directory; those of openat2(2).
    pub fn find(within: Within<'_>, path: &[u8], copied: Copied) -> Result<Self> {
        let system = |errno| Error::system("open", shown(path))(errno);
        let why = match within.directory(path) {
            Ok(directory) => return Ok(Self { directory, called: None, copied }),
            Err(why @ (Errno::NOENT | Errno::NOTDIR)) => why,
            Err(errno) => return Err(system(errno)),
        };
        // A directory that is to be made may be written with a slash behind it.
        let bare = match copied {
            Copied::File => path,
            Copied::Directory | Copied::Contents => without_slashes(path),
        };
        let mut path = bare.to_vec();
        for _ in 0..LINKS {
            let no_directory = || Error::system("open directory", shown(&path))(why);
            let (parent, name) = split(&path).ok_or_else(no_directory)?;
            let directory = within.directory(parent);
            let directory = directory.map_err(Error::system("open directory", shown(parent)))?;
            match fs::readlinkat(&directory, name, Vec::new()) {
                Ok(link) => {
                    // From where the link is: the way there leads to the same directory once more.
                    path = match link.as_bytes() {
                        link @ [b'/', ..] => link.to_vec(),
                        link => [parent, b"/", link].concat(),
                    };
                }
                Err(Errno::NOENT) => {
                    return Ok(Self { called: Some(name.to_vec()), directory, copied });
                }
                Err(Errno::INVAL) => {
                    check(directory.as_fd(), name, &path, copied)?;
                    return Ok(Self { called: Some(name.to_vec()), directory, copied });
                }
                Err(errno) => return Err(Error::system("read link", shown(&path))(errno)),
            }
        }
        Err(system(Errno::LOOP))
    }

    /// The directory that the copy is made in.
    #[must_use]
    pub fn place(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The name of an entry of the archive there. No part of it is `.`, and it has no slash at its end; empty: it is the
    /// directory itself, which stays as it is.
    ///
    /// # Errors
    /// It leads upwards by `..`.
    pub fn name(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        if self.called.is_some() && self.copied != Copied::Contents {
            parts.next();
        }
        let mut name = self.called.clone().unwrap_or_default();
        for part in parts {
            if part == b".." {
                return Err(Error::entry(path, "its name leads upwards by `..`"));
            }
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(part);
        }
        Ok(name)
    }

    /// Whether the first part of each name becomes another: the last of the path that the copy goes to.
    #[must_use]
    pub const fn renames(&self) -> bool {
        self.called.is_some()
    }
}

/// Whether what stands at a name may be replaced.
fn check(at: BorrowedFd<'_>, name: &[u8], path: &[u8], copied: Copied) -> Result<()> {
    let stat = fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::system("stat", shown(path)))?;
    let why = match (FileType::from_raw_mode(stat.st_mode), copied) {
        (FileType::RegularFile, Copied::File) => return Ok(()),
        (FileType::RegularFile, _) => "a file stands there, and a directory does not take its place",
        // It has come in between.
        (FileType::Directory | FileType::Symlink, _) => "it is changed by somebody else at this moment",
        _ => "a device, a pipe or a socket stands there, and only a file is replaced",
    };
    Err(Error::entry(path, why))
}

/// The directory that a path is in, and its name there; none: it has no name, as `/`, `a/` and `a/..`.
pub(crate) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = slash.map_or((&b"."[..], path), |at| (&path[..=at], &path[at + 1..]));
    (!matches!(name, b"" | b"." | b"..")).then_some((parent, name))
}

/// A path without the slashes at its end.
pub(crate) fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}
