//! mount_setattr(2), which rustix does not have.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd};
use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// Attributes of one mount (not of its file system): MOUNT_ATTR_* of mount_setattr(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(u64);

crate::set::operations!(Attributes);

impl Attributes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// ro
    pub const READ_ONLY: Self = Self(0x01);
    /// nosuid: set-id bits and file capabilities are without effect.
    pub const NO_SET_ID: Self = Self(0x02);
    /// nodev: device nodes cannot be opened.
    pub const NO_DEVICES: Self = Self(0x04);
    /// noexec
    pub const NO_EXEC: Self = Self(0x08);
    /// All bits of the access time mode; clearing them is needed before another is set.
    pub const ATIME: Self = Self(0x70);
    /// noatime
    pub const NO_ATIME: Self = Self(0x10);
    /// strictatime
    pub const STRICT_ATIME: Self = Self(0x20);
    /// nodiratime
    pub const NO_DIRECTORY_ATIME: Self = Self(0x80);
    /// nosymfollow
    pub const NO_SYMLINKS: Self = Self(0x0020_0000);

    const NAMES: [(Self, &'static str); 8] = [
        (Self::READ_ONLY, "ro"),
        (Self::NO_SET_ID, "nosuid"),
        (Self::NO_DEVICES, "nodev"),
        (Self::NO_EXEC, "noexec"),
        (Self::NO_ATIME, "noatime"),
        (Self::STRICT_ATIME, "strictatime"),
        (Self::NO_DIRECTORY_ATIME, "nodiratime"),
        (Self::NO_SYMLINKS, "nosymfollow"),
    ];

    /// The MOUNT_ATTR_* bits, as fsmount(2) takes them.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32 // the highest in use is bit 21
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The words that mount(8) has for what is in it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, word)| word)
    }
}

/// How far a change of mounts reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// This mount alone.
    One,
    /// This mount and every mount below it.
    Tree,
}

/// How mounts and unmounts travel between copies of a mount (mount_namespaces(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Propagation {
    /// Nothing comes in, nothing goes out.
    Private,
    /// What happens at the origin comes in.
    Slave,
    /// Both directions.
    Shared,
    /// Private, and it cannot be bound elsewhere.
    Unbindable,
}

impl Propagation {
    /// The word that mount(8) has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Slave => "slave",
            Self::Shared => "shared",
            Self::Unbindable => "unbindable",
        }
    }

    const fn flag(self) -> u64 {
        match self {
            Self::Private => 1 << 18,
            Self::Slave => 1 << 19,
            Self::Shared => 1 << 20,
            Self::Unbindable => 1 << 17,
        }
    }
}

/// `struct mount_attr`, version 0 (32 bytes, Linux 5.12).
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// mount_setattr(2) on the mount that `mount` is a descriptor of.
///
/// # Errors
/// Those of mount_setattr(2): EINVAL where `mount` is not the root of a mount, EPERM where an attribute is
/// locked because the mount came from a more privileged namespace.
pub fn set_attributes(
    mount: BorrowedFd<'_>,
    depth: Depth,
    set: Attributes,
    clear: Attributes,
    propagation: Option<Propagation>,
) -> Result<()> {
    const AT_EMPTY_PATH: usize = 0x1000;
    const AT_RECURSIVE: usize = 0x8000;
    let attr = MountAttr {
        set: set.0,
        clear: clear.0,
        propagation: propagation.map_or(0, Propagation::flag),
        userns_fd: 0,
    };
    let flags = AT_EMPTY_PATH | if depth == Depth::Tree { AT_RECURSIVE } else { 0 };
    let fd = mount.as_raw_fd().unsigned_abs() as usize;
    // SAFETY: the path is an empty C string, `attr` has the size passed; both are only read.
    let answer = unsafe {
        syscall!(Sysno::mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
    };
    check(answer)?;
    Ok(())
}
