//! The file systems that the kernel itself provides, and those in memory.

use core::ffi::CStr;

use sys::fs::{AtFlags, CWD, Mode, StatxAttributes, StatxFlags, mkdirat, statx, symlinkat};
use sys::mount::MountFlags;
use sys::{Errno, Result};

use crate::boot::warn;
use crate::message::Part::Bytes;

/// A file system with a place of its own.
struct Mount {
    /// What `--mount` calls it.
    name: &'static str,
    kind: &'static CStr,
    place: &'static CStr,
    flags: MountFlags,
    options: &'static CStr,
    /// What is missing without it.
    loss: &'static str,
}

const NO_SET_ID: MountFlags = MountFlags::NOSUID;
const NO_EXEC: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC);
const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const NOTHING: MountFlags = NO_DEVICES.union(MountFlags::NOEXEC);

/// In this order: warnings need a console, and what lies on another comes after it.
const MOUNTS: [Mount; 8] = [
    Mount {
        name: "devtmpfs",
        kind: c"devtmpfs",
        place: c"/dev",
        flags: NO_SET_ID,
        options: c"mode=0755",
        loss: "no devices: the command may have no console",
    },
    Mount {
        name: "proc",
        kind: c"proc",
        place: c"/proc",
        flags: NOTHING,
        options: c"",
        loss: "what asks about processes fails",
    },
    Mount {
        name: "sysfs",
        kind: c"sysfs",
        place: c"/sys",
        flags: NOTHING,
        options: c"",
        loss: "what asks about devices fails",
    },
    Mount {
        name: "devpts",
        kind: c"devpts",
        place: c"/dev/pts",
        flags: NO_EXEC,
        // Group 5 is tty, with which terminals are written to (write(1)).
        options: c"gid=5,mode=620,ptmxmode=666",
        loss: "no terminal can be opened",
    },
    Mount {
        name: "shm",
        kind: c"tmpfs",
        place: c"/dev/shm",
        flags: NO_DEVICES,
        options: c"mode=1777",
        loss: "no shared memory by name",
    },
    Mount {
        name: "run",
        kind: c"tmpfs",
        place: c"/run",
        flags: NO_DEVICES,
        options: c"mode=0755",
        loss: "sockets go to the root file system",
    },
    Mount {
        name: "tmp",
        kind: c"tmpfs",
        place: c"/tmp",
        flags: NO_DEVICES,
        options: c"mode=1777",
        loss: "temporary files go to the root file system",
    },
    Mount {
        name: "cgroup2",
        kind: c"cgroup2",
        place: c"/sys/fs/cgroup",
        flags: NOTHING,
        // As systemd mounts it: what is delegated stays within its bounds, and memory.low of a group is its children's.
        options: c"nsdelegate,memory_recursiveprot",
        loss: "no limits",
    },
];

/// What every program expects in /dev, and devtmpfs does not make.
const LINKS: [(&CStr, &CStr); 4] = [
    (c"/proc/self/fd", c"/dev/fd"),
    (c"fd/0", c"/dev/stdin"),
    (c"fd/1", c"/dev/stdout"),
    (c"fd/2", c"/dev/stderr"),
];

/// Some of [`MOUNTS`]: a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set(u8);

impl Set {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(u8::MAX);

    /// The file systems of a list, comma-separated; `None` where one is not known.
    #[must_use]
    pub fn named(list: &[u8]) -> Option<Self> {
        list.split(|byte| *byte == b',').try_fold(Self::NONE, |set, name| {
            let index = MOUNTS.iter().position(|mount| mount.name.as_bytes() == name)?;
            Some(Self(set.0 | 1 << index))
        })
    }
}

/// Mounts them. What is mounted already is left alone.
pub fn mount(set: Set) {
    for (index, mount) in MOUNTS.iter().enumerate().filter(|(index, _)| set.0 >> index & 1 == 1) {
        match put(mount) {
            Ok(()) => {}
            Err(errno) => warn(&[Bytes(mount.place.to_bytes()), Bytes(b"")], errno, mount.loss),
        }
        if index == 0 {
            // An error is that they are there, or that /dev is not.
            for (target, link) in LINKS {
                let _ = symlinkat(target, CWD, link);
            }
        }
    }
}

/// Mounts proc, unless that was done.
///
/// # Errors
/// Those of mkdir(2) and mount(2).
pub fn mount_proc() -> Result<()> {
    MOUNTS.iter().filter(|mount| mount.name == "proc").try_for_each(put)
}

fn put(mount: &Mount) -> Result<()> {
    let flags = AtFlags::NO_AUTOMOUNT;
    match statx(CWD, mount.place, flags, StatxFlags::empty()) {
        Ok(found) if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) => return Ok(()),
        Err(Errno::NOENT) => mkdirat(CWD, mount.place, Mode::from_raw_mode(0o755))?,
        // Whatever else is wrong with the place, the mount says it.
        _ => {}
    }
    // Options are copied by the page: none are cheaper than empty ones.
    let options = (!mount.options.is_empty()).then_some(mount.options);
    sys::mount::mount(mount.kind, mount.place, mount.kind, mount.flags, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_known_names() {
        assert_eq!(Set::named(b"devtmpfs"), Some(Set(1)));
        assert_eq!(Set::named(b"proc,sysfs,proc"), Some(Set(0b110)));
        assert_eq!(Set::named(b"devtmpfs,proc,sysfs,devpts,shm,run,tmp,cgroup2"), Some(Set::ALL));
        for list in [&b""[..], b"proc,", b"/proc", b"home"] {
            assert_eq!(Set::named(list), None, "{}", list.escape_ascii());
        }
    }
}
