//! From a directory to a tar archive: sorted, and nothing in it that is not in the directory.

mod entry;
mod measure;
mod walk;

pub(crate) use measure::announce;

use std::collections::{HashMap, HashSet};

use sys::fd::BorrowedFd;
use sys::fs::Stat;

use crate::error::{Error, Result};
use crate::tar::{Blocks, Writer};
use crate::unpack::Devices;
use crate::warnings::Warnings;

/// What a directory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tree {
    /// A tree as programs see it. Directories on other file systems, and other mounts, are left empty.
    Whole,
    /// A layer or an upper directory of overlayfs: its marks become whiteouts.
    Layer,
}

/// What becomes of the holes of files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holes {
    /// They are left out, and a map says where they are: for readers that know such maps.
    Kept,
    /// They are zeros: for any reader.
    Filled,
}

/// How to pack.
pub(crate) struct Request<'a> {
    pub(crate) tree: Tree,
    pub(crate) devices: Devices,
    pub(crate) holes: Holes,
    /// See [`Limits`](crate::Limits).
    pub(crate) names: u64,
    /// Directories that are left out, by device and inode: their names could lead elsewhere by now.
    pub(crate) left_out: &'a HashSet<(u64, u64)>,
}

/// Writes the tree as an archive.
pub(crate) fn pack(
    root: BorrowedFd<'_>,
    request: &Request<'_>,
    blocks: &mut dyn Blocks,
    warnings: &mut Warnings,
) -> Result<()> {
    let mut packing = Packing::new(request, blocks, warnings);
    packing.walk(root, b"")?;
    packing.writer.finish()
}

/// The same, where all names begin with that of the tree.
pub(crate) fn pack_named(
    (root, name): (BorrowedFd<'_>, &[u8]),
    request: &Request<'_>,
    blocks: &mut dyn Blocks,
    warnings: &mut Warnings,
) -> Result<()> {
    let mut packing = Packing::new(request, blocks, warnings);
    packing.walk(root, &[name, b"/"].concat())?;
    packing.writer.finish()
}

/// Writes one name of a directory, which is no directory itself, as an archive.
pub(crate) fn pack_one(
    (at, name): (BorrowedFd<'_>, &[u8]),
    stat: &Stat,
    request: &Request<'_>,
    blocks: &mut dyn Blocks,
    warnings: &mut Warnings,
) -> Result<()> {
    let mut packing = Packing::new(request, blocks, warnings);
    packing.leaf(at, name, stat, name)?;
    packing.writer.finish()
}

/// An archive on its way.
struct Packing<'a> {
    request: &'a Request<'a>,
    writer: Writer<'a>,
    /// The first name of each file that has several, and how many more are to come.
    links: HashMap<(u64, u64), (Vec<u8>, u64)>,
    /// Names that are in memory.
    held: Held,
    warnings: &'a mut Warnings,
    buffer: Vec<u8>,
}

/// Bytes of memory that names take. Whoever runs in a container can make files without end.
struct Held {
    bytes: u64,
    most: u64,
}

impl Held {
    /// A name takes its bytes, and about so many for its place in a list or table and its own allocation.
    const EACH: u64 = 64;

    fn cost(name: &[u8]) -> u64 {
        name.len() as u64 + Self::EACH
    }

    /// One more; `path` is what it is a name of, or in.
    fn take(&mut self, name: &[u8], path: &[u8]) -> Result<()> {
        self.bytes += Self::cost(name);
        if self.bytes <= self.most {
            return Ok(());
        }
        let most = self.most >> 20;
        Err(Error::entry(
            path,
            format!(
                "the names of files in a directory, and of files with several names, take more than {most} MiB of memory, the limit here"
            ),
        ))
    }

    fn release(&mut self, name: &[u8]) {
        self.bytes -= Self::cost(name);
    }
}

impl<'a> Packing<'a> {
    fn new(request: &'a Request<'a>, blocks: &'a mut dyn Blocks, warnings: &'a mut Warnings) -> Self {
        let (links, buffer) = (HashMap::new(), vec![0; 128 << 10]);
        let held = Held { bytes: 0, most: request.names };
        Self { request, writer: Writer::new(blocks), links, held, warnings, buffer }
    }
}
