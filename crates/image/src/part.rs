//! A part of a tree as an archive, and an archive into a directory that is there: what cp is made of.
//!
//! The tree may be that of a container that runs, whose programs change it meanwhile: a path is resolved beneath the
//! tree's root, once, and what it leads to is used by descriptor.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};

use crate::compression::unpacked;
use crate::error::{Error, Result, shown};
use crate::export::Watched;
use crate::limits::Limits;
use crate::pack::{Holes, Request, Tree, pack, pack_named, pack_one};
use crate::progress::{Phase, Progress, Watch};
use crate::source::{Counted, Patient};
use crate::stream::flow;
use crate::tar::{End, Reader};
use crate::unpack::{Devices, unpack_into};
use crate::warnings::Warnings;

/// What a path was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A directory: the archive has it and what is in it, all under its own name.
    Directory,
    /// Anything else: the archive has it alone, under its own name.
    File,
}

/// How often a path is tried: each time something would have to be renamed or mounted in the same microsecond.
const TRIES: u32 = 1000;

/// A path in a tree: symbolic links are followed beneath the root, `..` ends there.
fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let path = if path.is_empty() { b"." } else { path };
    let mut tries = 0;
    loop {
        match fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // `..` cannot be trusted while anything on the machine is renamed or mounted (openat2(2)).
            Err(Errno::AGAIN) if tries < TRIES => tries += 1,
            opened => return opened.map_err(Error::system("open", shown(path))),
        }
    }
}

/// The directory that a path is in, and its name there.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = slash.map_or((&b"."[..], path), |at| (&path[..=at], &path[at + 1..]));
    (!matches!(name, b"" | b"." | b"..")).then_some((parent, name))
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

/// Writes what is at `path` in a tree as a plain archive. The last name of the path is not followed where it is a
/// symbolic link.
///
/// # Errors
/// There is nothing at the path; those of reading and writing.
pub fn export_part(
    root: BorrowedFd<'_>,
    path: &[u8],
    writer: &mut dyn Write,
    progress: &mut dyn Progress,
) -> Result<(Part, Warnings)> {
    let mut warnings = Warnings::default();
    let mut watch = Watch::new(progress, Phase::Exporting, None);
    watch.report()?;
    let left_out = HashSet::new();
    let request = Request {
        tree: Tree::Whole,
        devices: Devices::Kept,
        holes: Holes::Filled,
        names: Limits::default().names,
        left_out: &left_out,
    };
    let mut blocks = Watched { writer, watch: &mut watch };
    if let Some((parent, name)) = split(path) {
        let parent = open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(Error::system("stat", shown(path)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            pack_one((parent.as_fd(), name), &stat, &request, &mut blocks, &mut warnings)?;
            return Ok((Part::File, warnings));
        }
    }
    let directory = open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    match split(without_slashes(path)) {
        Some((_, name)) => {
            pack_named((directory.as_fd(), name), &request, &mut blocks, &mut warnings)?;
        }
        // The root, or a path that ends with dots, has no name of its own.
        None => pack(directory.as_fd(), &request, &mut blocks, &mut warnings)?,
    }
    Ok((Part::Directory, warnings))
}

/// Unpacks an archive in the directory at `path` of a tree. What has a name of the archive's is replaced; directories
/// stay, and get what the archive has in them.
///
/// # Errors
/// There is no directory at the path; an entry that is refused, names of marks (`.wh.`) among them; the limits; the
/// kernel's. What was unpacked by then stays.
pub fn import_part(
    root: BorrowedFd<'_>,
    path: &[u8],
    archive: File,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Warnings> {
    let directory = open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut warnings = Warnings::default();
    let mut watch = Watch::new(progress, Phase::Unpacking { layer: 1, of: 1 }, None);
    let reader = Patient { file: archive, gauge: watch.gauge.clone() };
    let counted = Counted { reader, gauge: watch.gauge.clone() };
    flow(
        &mut watch,
        limits.archive(),
        move |outflow| outflow.drain(&mut *unpacked(Box::new(counted))?),
        |intake| unpack_into(&mut Reader::new(intake, End::Marked), directory, limits, &mut warnings),
    )?;
    Ok(warnings)
}

impl Part {
    /// As one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
        }
    }
}

/// Whether a path is not there, as far as an error says so.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    matches!(error, Error::System { errno: Errno::NOENT | Errno::NOTDIR | Errno::LOOP, .. })
}
