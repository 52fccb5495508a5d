//! What steps are about: the larger things that they name.

use core::ffi::CStr;

use sys::exec::Argument;
use sys::mounts::{Attributes, Depth, Propagation};

/// How many descriptors can be passed to a program besides 0, 1 and 2.
pub const PASSED: usize = 4;

/// Why a child waits for its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Pause {
    /// The user namespace needs its uid and gid maps.
    IdMaps = 1,
    /// The namespaces exist: hooks that run on the host, network devices.
    Namespaces = 2,
    /// All is ready but the program itself: `create` ends here, `start` goes on.
    Start = 3,
}

/// A directory of the host under `target`, copy on write.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// A path of the host.
    pub lower: &'a CStr,
    /// Below the root.
    pub target: &'a CStr,
    /// Tells the layers of several overlays apart; the root's is 0.
    pub number: u8,
    /// Further options of the overlay, each with a comma before it.
    pub options: &'a CStr,
    /// Attributes that the overlay gets.
    pub set: Attributes,
}

/// Layers of the host, and where what changes is kept.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// Paths of the host, the top layer first.
    pub lower: &'a [&'a CStr],
    /// A path of the host.
    pub upper: &'a CStr,
    /// A path of the host, in the same file system as `upper`.
    pub work: &'a CStr,
    /// Further options of the overlay, each with a comma before it.
    pub options: &'a CStr,
    /// Attributes that the overlay gets.
    pub set: Attributes,
}

/// A new file system.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'a> {
    /// Its type: `proc`, `tmpfs` …
    pub kind: &'a CStr,
    /// What /proc/mounts shows as its device.
    pub source: &'a CStr,
    /// Below the root.
    pub target: &'a CStr,
    /// Attributes of the mount.
    pub set: Attributes,
    /// Options of the file system, comma-separated, as mount(8) takes them.
    pub options: &'a CStr,
    /// How the target is found.
    pub links: Links,
}

/// A part of the host's tree.
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// A path of the host.
    pub source: &'a CStr,
    /// Below the root; made if it is missing, of the kind of the source.
    pub target: &'a CStr,
    /// Whether mounts below the source come along.
    pub depth: Depth,
    /// Attributes to set, as deep as the bind.
    pub set: Attributes,
    /// Attributes to clear, of the bind alone.
    pub clear: Attributes,
    /// Propagation of the new mount.
    pub propagation: Option<Propagation>,
}

/// How a target below the root is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Links {
    /// Symbolic links are followed, within the root.
    Within,
    /// A symbolic link anywhere on the way is an error: for /proc, /sys and /dev (CVE-2019-19921).
    Refused,
}

/// A kernel's file system that a step relies on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileSystem {
    /// proc(5)
    Proc,
    /// sysfs(5)
    Sysfs,
    /// tmpfs(5)
    Tmpfs,
}

/// File or directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Anything but a directory.
    File,
    /// A directory.
    Directory,
}

/// A subset of the three standard descriptors, bit n for descriptor n.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standard(pub u8);

impl Standard {
    /// 0, 1 and 2.
    pub const ALL: Self = Self(0b111);

    /// Whether descriptor `number` is in it.
    #[must_use]
    pub const fn contains(self, number: u8) -> bool {
        self.0 >> number & 1 == 1
    }
}

/// What /dev/console is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Console {
    /// Nothing.
    Absent,
    /// The terminal, bound there.
    Bound,
}

/// Who gets a new terminal as the controlling one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The session that the child leads.
    Session,
    /// Nobody yet: the session of a process that comes after it ([`Step::TakeTerminal`](crate::Step)).
    Nobody,
}

/// One resource limit of getrlimit(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Which.
    pub resource: sys::process::Resource,
    /// Soft limit; `None` is unlimited.
    pub soft: Option<u64>,
    /// Hard limit; `None` is unlimited.
    pub hard: Option<u64>,
}

/// The program that the child becomes, unless a [`Step::OpenProgram`] has opened it.
#[derive(Clone, Copy, Debug)]
pub struct Execute<'a> {
    /// Path, or name without a slash.
    pub file: &'a CStr,
    /// Directories to look in, colon-separated (PATH of the new environment).
    pub search: &'a CStr,
    /// Arguments, with the end mark.
    pub argv: &'a [Argument<'a>],
    /// Environment, with the end mark.
    pub envp: &'a [Argument<'a>],
}
