//! A part of a tree as an archive, and an archive into a directory that is there: what cp is made of.
//!
//! The tree may be that of a container that runs, whose programs change it meanwhile: a path is resolved beneath the
//! tree's root, once, and what it leads to is used by descriptor.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd};
use sys::fs::{self, AtFlags, FileType, OFlags};

use crate::compression::unpacked;
use crate::error::{Error, Result, shown};
use crate::export::Watched;
use crate::landing::{Landing, Within, split, without_slashes};
use crate::limits::Limits;
use crate::pack::{Holes, Request, Tree, announce, pack, pack_named, pack_one};
use crate::patient::PatientReader;
use crate::progress::{Phase, Progress, Watch};
use crate::source::Counted;
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

/// Writes what is at `path` in a tree as a plain archive. The last name of the path is not followed where it is a
/// symbolic link, and what is in a directory has no name above it where the path has none at its end, as `/` and `a/.`.
///
/// # Errors
/// There is nothing at the path; those of reading and writing.
pub fn export_part(
    root: BorrowedFd<'_>,
    (path, holes): (&[u8], Holes),
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
        holes,
        names: Limits::default().names,
        left_out: &left_out,
    };
    let open = |path, flags| Within::Root(root).open(path, flags).map_err(Error::system("open", shown(path)));
    if let Some((parent, name)) = split(path) {
        let parent = open(parent, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(Error::system("stat", shown(path)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let mut blocks = Watched { writer, watch: &mut watch };
            pack_one((parent.as_fd(), name), &stat, &request, &mut blocks, &mut warnings)?;
            return Ok((Part::File, warnings));
        }
    }
    let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    announce(directory.as_fd(), &request, &mut watch)?;
    let mut blocks = Watched { writer, watch: &mut watch };
    match split(without_slashes(path)) {
        Some((_, name)) => {
            pack_named((directory.as_fd(), name), &request, &mut blocks, &mut warnings)?;
        }
        // The root, or a path that ends with dots, has no name of its own.
        None => pack(directory.as_fd(), &request, &mut blocks, &mut warnings)?,
    }
    Ok((Part::Directory, warnings))
}

/// Unpacks an archive where it lands in a tree. A file replaces one that has its name; directories stay, and get what the
/// archive has in them; nothing takes the place of a directory, nor of a symbolic link but another one.
///
/// # Errors
/// An entry that is refused, names of marks (`.wh.`) among them; the limits; the kernel's. What was unpacked by then stays.
pub fn import_part(
    landing: Landing,
    archive: File,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<Warnings> {
    let mut warnings = Warnings::default();
    let mut watch = Watch::new(progress, Phase::Unpacking { layer: 1, of: 1 }, None);
    let reader = PatientReader::new(archive, watch.gauge.clone())?;
    let counted = Counted { reader, gauge: watch.gauge.clone() };
    flow(
        &mut watch,
        limits.archive(),
        move |outflow| outflow.drain(&mut *unpacked(Box::new(counted))?),
        |intake| unpack_into(&mut Reader::new(intake, End::Marked), landing, limits, &mut warnings),
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
