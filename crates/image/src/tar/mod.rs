//! Tar archives: ustar, GNU and PAX, read from untrusted bytes and written in one canonical form.
//!
//! An own reader, since those of others keep names and PAX records of any length in memory and do not know
//! PAX sparse files. It reads headers only: what becomes of an entry is decided by `unpack`.

mod ends;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use ends::{Incoming, Outgoing};
pub use reader::{End, Input, Reader};
pub(crate) use sparse::SEGMENTS_MAX;
pub use sparse::Segment;
pub use writer::{Blocks, Writer};

/// The unit of the format, bytes.
pub(crate) const BLOCK: usize = 512;

/// What an entry makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of a file that came before.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A point in time: seconds since 1970, and nanoseconds that go forward from there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// One entry of an archive, as it says of itself: nothing but the number ranges has been checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name, any bytes without NUL.
    pub path: Vec<u8>,
    /// What it makes.
    pub kind: Kind,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When its content was changed last.
    pub mtime: Time,
    /// The bytes of a file, holes included.
    pub size: u64,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes, in the order of the archive.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the bytes of a sparse file belong; its holes are everything else.
    pub map: Option<Vec<Segment>>,
}
