//! From the entries of an archive to the tree of a layer, as overlayfs wants it.
//!
//! Everything is made by descriptor, one name in one directory, and what is there is removed before: nothing is
//! ever written through a link. See `descent` for the way to a directory.

mod attributes;
mod budget;
mod descent;
mod make;
mod marks;
mod path;
mod writeback;

use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, Mode, OFlags};

pub(crate) use attributes::keeps_xattr;
pub(crate) use marks::is_whiteout;

use crate::Limits;
use crate::error::{Error, Result};
use crate::landing::Landing;
use crate::tar::{Input, Kind, Reader, Time};
use crate::warnings::Warnings;
use budget::Budget;
use descent::Descent;
use writeback::Writeback;

/// What becomes of device nodes in an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Devices {
    /// They are left out, and named in the warnings: a container's devices are not its image's to choose.
    #[default]
    Refused,
    /// They are made. For containers that may use every device anyway.
    Kept,
}

/// What unpacking came to.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    /// How many entries the archive had.
    pub(crate) entries: u64,
    /// The bytes of the files, holes included.
    pub(crate) bytes: u64,
}

/// Makes `name` in `at`, and in it what the archive says, up to the archive's end mark.
pub(crate) fn unpack<I: Input>(
    reader: &mut Reader<I>,
    (at, name): (BorrowedFd<'_>, &str),
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Unpacked> {
    let (root, lost) = make_root(at, name).map_err(Error::system("make directory", name))?;
    unpack_at(reader, (root, lost), None, limits, warnings)
}

/// Makes what the archive says where it lands.
pub(crate) fn unpack_into<I: Input>(
    reader: &mut Reader<I>,
    landing: Landing,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Unpacked> {
    let root = landing.place().try_clone_to_owned();
    let root = root.map_err(|error| Error::stream("open", "the directory", &error))?;
    // What is lost is only known of what one makes: permissions are set on everything.
    unpack_at(reader, (root, 0o777), Some(&landing), limits, warnings)
}

fn unpack_at<I: Input>(
    reader: &mut Reader<I>,
    (root, lost): (OwnedFd, u32),
    landing: Option<&Landing>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Unpacked> {
    let budget = Budget::new(limits, root.as_fd())?;
    let owner = (sys::process::geteuid().as_raw(), sys::process::getegid().as_raw());
    let mut descent = Descent::new(root, lost);
    let target = if landing.is_some() { Target::Tree } else { Target::Layer };
    if target == Target::Tree {
        // It is being changed.
        let seconds = sys::clock::seconds_since_1970().cast_signed();
        descent.set(Time { seconds, nanoseconds: 0 }, 0);
    }
    let writeback = match target {
        Target::Layer => Some(Writeback::start()?),
        // Nobody waits for the disk.
        Target::Tree => None,
    };
    let mut unpacking =
        Unpacking { descent, budget, owner, devices: limits.devices, target, writeback, warnings };
    let mut unpacked = Unpacked::default();
    while let Some(mut entry) = reader.next_entry()? {
        unpacked.entries += 1;
        if let Some(landing) = landing.filter(|landing| landing.renames()) {
            entry.path = landing.name(&entry.path)?;
            if entry.kind == Kind::HardLink {
                entry.link = landing.name(&entry.link)?;
            }
        }
        // Bounds what it adds up to.
        unpacking.budget.take(&entry)?;
        unpacked.bytes = unpacked.bytes.saturating_add(entry.size);
        unpacking.make(&entry, reader)?;
    }
    unpacking.descent.finish()?;
    if let Some(writeback) = unpacking.writeback {
        writeback.finish();
    }
    Ok(unpacked)
}

/// A layer on its way.
struct Unpacking<'a> {
    descent: Descent,
    budget: Budget,
    /// What new files belong to.
    owner: (u32, u32),
    devices: Devices,
    target: Target,
    writeback: Option<Writeback>,
    warnings: &'a mut Warnings,
}

/// What an archive is unpacked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    /// A layer, which can hide what is below it.
    Layer,
    /// A tree that is there.
    Tree,
}

/// The root of a layer, and the bits of its mode that were asked for in vain.
fn make_root(at: BorrowedFd<'_>, name: &str) -> sys::Result<(OwnedFd, u32)> {
    fs::mkdirat(at, name, Mode::from_raw_mode(0o777))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = fs::openat(at, name, flags, Mode::empty())?;
    let lost = !fs::fstat(&root)?.st_mode & 0o777;
    fs::fchmod(&root, Mode::from_raw_mode(0o755))?;
    Ok((root, lost))
}
