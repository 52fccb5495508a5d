//! Where cgroup v2 is mounted, and which group the caller is in.
use crate::files;
use crate::name::Name;
use alloc::format;
use alloc::string::String;
use core::fmt;
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, fstatfs, openat, statfs};
use sys::strerror::describe;

/// Where every distribution mounts it (file-hierarchy(7)).
const MOUNT: &str = "/sys/fs/cgroup";
/// CGROUP2_SUPER_MAGIC of statfs(2).
const CGROUP2: i64 = 0x6367_7270;
/// CGROUP_SUPER_MAGIC of statfs(2): version 1.
const CGROUP1: i64 = 0x0027_e0eb;
/// TMPFS_MAGIC of statfs(2): where version 1 has a directory for each controller.
const TMPFS: i64 = 0x0102_1994;
/// SYSFS_MAGIC of statfs(2): nothing is mounted there.
const SYSFS: i64 = 0x6265_6572;

/// The root of the mounted hierarchy: of the machine, or of the caller's cgroup namespace.
#[derive(Debug)]
pub struct Hierarchy {
    root: OwnedFd,
}

/// Why there is no pure cgroup v2 at /sys/fs/cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// Version 1 only.
    Version1,
    /// Version 1 has the controllers, version 2 is mounted beside it without them.
    Hybrid,
    /// Nothing is mounted there.
    NotMounted,
    /// Some other file system is mounted there: its number in statfs(2).
    Foreign(i64),
    /// It cannot be looked at.
    Unreadable(Errno),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no cgroup v2 at /sys/fs/cgroup: ")?;
        match self {
            Unavailable::Version1 => f.write_str("cgroup v1 is mounted there"),
            Unavailable::Hybrid => f.write_str("it is a hybrid, in which cgroup v1 has the controllers"),
            Unavailable::NotMounted => f.write_str("nothing is mounted there"),
            Unavailable::Foreign(number) => {
                write!(f, "another file system is mounted there (type {number:#x})")
            }
            Unavailable::Unreadable(errno) => f.write_str(describe(*errno)),
        }
    }
}

impl core::error::Error for Unavailable {}

impl Unavailable {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Unavailable::Version1 | Unavailable::Hybrid => "boot with systemd.unified_cgroup_hierarchy=1",
            Unavailable::NotMounted => "mount -t cgroup2 none /sys/fs/cgroup",
            Unavailable::Foreign(_) | Unavailable::Unreadable(_) => "limits need cgroup v2 at /sys/fs/cgroup",
        }
    }
}

impl Hierarchy {
    /// Opens the hierarchy: two system calls where it is there; the rest is for the words of the error.
    ///
    /// # Errors
    /// [`Unavailable`] says what was found in its place.
    pub fn find() -> Result<Hierarchy, Unavailable> {
        let root = openat(CWD, MOUNT, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let root = root.map_err(|errno| match errno {
            Errno::NOENT => Unavailable::NotMounted,
            errno => Unavailable::Unreadable(errno),
        })?;
        match fstatfs(&root).map_err(Unavailable::Unreadable)?.f_type {
            CGROUP2 => Ok(Hierarchy { root }),
            CGROUP1 => Err(Unavailable::Version1),
            SYSFS => Err(Unavailable::NotMounted),
            TMPFS => Err(beside_version_1(&root)),
            other => Err(Unavailable::Foreign(other)),
        }
    }

    /// The group that the caller is in, of `/proc/self/cgroup`.
    ///
    /// # Errors
    /// The kernel's, when /proc is not mounted.
    pub fn membership() -> sys::Result<Membership> {
        let file = openat(CWD, "/proc/self/cgroup", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Membership::parse(&files::read_to_end(&file)?))
    }

    /// Gives the root away.
    pub(crate) fn into_root(self) -> OwnedFd {
        self.root
    }
}

/// The caller's own group, to be looked at.
#[derive(Debug)]
pub struct Own(OwnedFd);

impl Own {
    /// Finds it; `None` without cgroup v2, or where the group cannot be reached from here.
    pub fn find() -> Option<Own> {
        let root = Hierarchy::find().ok()?.into_root();
        match Hierarchy::membership() {
            Ok(Membership::Inside(path)) if path.is_empty() => Some(Own(root)),
            Ok(Membership::Inside(path)) => files::open_directory(root.as_fd(), &path).ok().map(Own),
            _ => None,
        }
    }

    /// What it has used. The group at the root of the hierarchy has no figures but those of the whole machine.
    pub fn stats(&self) -> crate::Stats {
        crate::Stats::read(self.0.as_fd())
    }
}

impl AsFd for Hierarchy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// The directory of a group directly below the root, if that is of version 2.
pub(crate) fn open_below_root(name: &Name) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(CWD, format!("{MOUNT}/{name}").as_str(), flags, Mode::empty()).ok()?;
    (fstatfs(&dir).ok()?.f_type == CGROUP2).then_some(dir)
}

/// What a tmpfs at the mount point holds: systemd mounts `unified` there beside the controllers of version 1.
fn beside_version_1(root: &OwnedFd) -> Unavailable {
    if statfs("/sys/fs/cgroup/unified").is_ok_and(|found| found.f_type == CGROUP2) {
        return Unavailable::Hybrid;
    }
    match files::children(root.as_fd()) {
        Ok(names) if names.is_empty() => Unavailable::NotMounted,
        Ok(_) => Unavailable::Version1,
        Err(errno) => Unavailable::Unreadable(errno),
    }
}

/// Which group of cgroup v2 a process is in, as `/proc/PID/cgroup` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// In this one, by its path below the root, without a slash in front; empty for the root.
    Inside(String),
    /// In one that has been removed since; only a zombie can be.
    Deleted(String),
    /// In one that cannot be reached from the root of the caller's cgroup namespace.
    Outside(String),
    /// There is no cgroup v2.
    Absent,
}

impl Membership {
    /// Reads the line `0::/path` (cgroups(7)); those of version 1 are passed over.
    pub fn parse(text: &str) -> Membership {
        let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::/")) else {
            return Membership::Absent;
        };
        if path == ".." || path.starts_with("../") {
            Membership::Outside(path.into())
        } else if let Some(path) = path.strip_suffix(" (deleted)") {
            Membership::Deleted(path.into())
        } else {
            Membership::Inside(path.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_line_of_version_2_is_found_among_those_of_version_1() {
        let text = "12:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/user.slice/x.scope\n";
        assert_eq!(Membership::parse(text), Membership::Inside("user.slice/x.scope".into()));
        assert_eq!(Membership::parse("0::/\n"), Membership::Inside("".into()));
        assert_eq!(Membership::parse("12:cpu:/a\n10::/b\n"), Membership::Absent);
        assert_eq!(Membership::parse(""), Membership::Absent);
    }

    #[test]
    fn a_removed_group_and_one_outside_the_namespace_are_told_apart() {
        assert_eq!(Membership::parse("0::/a/b (deleted)\n"), Membership::Deleted("a/b".into()));
        assert_eq!(Membership::parse("0::/../..\n"), Membership::Outside("../..".into()));
        assert_eq!(Membership::parse("0::/../other\n"), Membership::Outside("../other".into()));
        assert_eq!(Membership::parse("0::/..strange\n"), Membership::Inside("..strange".into()));
    }

    #[test]
    fn what_was_found_instead_is_said_in_words() {
        for (found, words) in [
            (Unavailable::Version1, "no cgroup v2 at /sys/fs/cgroup: cgroup v1 is mounted there"),
            (Unavailable::NotMounted, "no cgroup v2 at /sys/fs/cgroup: nothing is mounted there"),
            (Unavailable::Unreadable(Errno::ACCESS), "no cgroup v2 at /sys/fs/cgroup: Permission denied"),
        ] {
            assert_eq!(found.to_string(), words);
        }
        assert!(Unavailable::Hybrid.hint().contains("systemd.unified_cgroup_hierarchy=1"));
    }

    #[test]
    fn the_caller_is_in_some_group() {
        assert_ne!(Hierarchy::membership().expect("/proc"), Membership::Deleted("".into()));
    }
}
