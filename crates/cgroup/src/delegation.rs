//! Groups for a user without privileges: what systemd or another owner of the hierarchy has delegated.
use crate::controllers::Controllers;
use crate::decimal::pid;
use crate::error::{Action, Error};
use crate::files;
use crate::hierarchy::{Hierarchy, Membership, Unavailable};
use crate::name::Name;
use crate::parent::Parent;
use alloc::string::String;
use core::fmt;
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{Access, AtFlags, Mode, accessat, mkdirat};
use sys::process::getpid;
use sys::strerror::describe;

/// The group that the caller moves itself to when it stands in the way of its own containers.
const LEAF: &str = "husk-caller";

/// The caller's own group, in which it may make others.
#[derive(Debug)]
pub struct Delegated {
    dir: OwnedFd,
    path: String,
    controllers: Controllers,
}

/// Why the caller has no group of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDelegated {
    /// There is no pure cgroup v2.
    Unavailable(Unavailable),
    /// Its group cannot be reached: it is not below the mount that the caller sees, or has been removed.
    Unreachable,
    /// Its group, by path, belongs to somebody else.
    Foreign(String),
    /// The kernel does not let its group be looked at.
    Unreadable(Errno),
}

impl fmt::Display for NotDelegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDelegated::Unavailable(unavailable) => unavailable.fmt(f),
            NotDelegated::Unreachable => f.write_str("own cgroup: not below /sys/fs/cgroup"),
            NotDelegated::Foreign(path) => write!(f, "own cgroup /{path}: not writable"),
            NotDelegated::Unreadable(errno) => write!(f, "own cgroup: {}", describe(*errno)),
        }
    }
}

impl core::error::Error for NotDelegated {}

impl NotDelegated {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            NotDelegated::Unavailable(unavailable) => unavailable.hint(),
            NotDelegated::Unreachable | NotDelegated::Foreign(_) | NotDelegated::Unreadable(_) => {
                "systemd-run --user --scope -p Delegate=yes COMMAND runs a command in a cgroup that belongs to you"
            }
        }
    }
}

impl Delegated {
    /// Finds the caller's own group, if the caller may make groups there and move itself into them.
    ///
    /// # Errors
    /// [`NotDelegated`] says what is in the way.
    pub fn find() -> Result<Delegated, NotDelegated> {
        let hierarchy = Hierarchy::find().map_err(NotDelegated::Unavailable)?;
        let Membership::Inside(path) = Hierarchy::membership().map_err(NotDelegated::Unreadable)? else {
            return Err(NotDelegated::Unreachable);
        };
        let path = without_leaf(&path);
        let dir = match path {
            "" => hierarchy.into_root(),
            _ => files::open_directory(hierarchy.as_fd(), path).map_err(|_| NotDelegated::Unreachable)?,
        };
        // What systemd makes writable on delegation (cgroup-v2, "Delegation containment"): the directory, and
        // the files to move processes with and to enable controllers with.
        for file in [".", "cgroup.procs", "cgroup.subtree_control"] {
            accessat(&dir, file, Access::WRITE_OK, AtFlags::EACCESS)
                .map_err(|_| NotDelegated::Foreign(path.into()))?;
        }
        let controllers = files::read(dir.as_fd(), "cgroup.controllers").map_err(NotDelegated::Unreadable)?;
        Ok(Delegated { path: path.into(), controllers: Controllers::parse(&controllers), dir })
    }

    /// The controllers that were delegated with it.
    pub fn controllers(&self) -> Controllers {
        self.controllers
    }

    /// The path below the root of the hierarchy.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Opens `name` below the delegated group, or makes it, for containers to get their groups in. Where a
    /// limit needs a controller and the caller is the only process in the delegated group, it moves itself to
    /// the leaf
    /// `husk-caller` first: a group with processes cannot limit its children (the no-internal-process rule).
    ///
    /// # Errors
    /// [`Error`] of action `Create` or `Open`.
    pub fn into_parent(self, name: &Name) -> Result<Parent, Error> {
        Parent::below(self.dir, &self.path, name)
    }
}

/// The delegated group of a caller that has moved itself to the leaf in it.
fn without_leaf(path: &str) -> &str {
    match path.strip_suffix(LEAF) {
        Some("") => "",
        Some(above) => above.strip_suffix('/').unwrap_or(path),
        None => path,
    }
}

/// Moves the caller out of a group that is to limit its children into the leaf below it, if it is alone
/// there; `change` is what is to be enabled. Moving others would take them out of the control of whoever
/// started them.
///
/// This comes before controllers are enabled, not after EBUSY: for the threaded ones (cpu, cpuset, pids) the
/// kernel does not refuse but makes the group the root of a threaded subtree, in which no child of it can be
/// used any more (EOPNOTSUPP, `domain invalid` in cgroup.type).
pub(crate) fn vacate(dir: BorrowedFd<'_>, path: &str, change: &str) -> Result<(), Error> {
    let refused = |action, file: &str, errno| Error::file(action, path, file, "", errno);
    // Only the root of the machine's hierarchy has no type, and only there may processes stay.
    if files::read(dir, "cgroup.type") == Err(Errno::NOENT) {
        return Ok(());
    }
    let procs =
        files::read(dir, "cgroup.procs").map_err(|errno| refused(Action::Read, "cgroup.procs", errno))?;
    if procs.is_empty() {
        return Ok(());
    }
    // A 0 is a process outside of the caller's pid namespace, and not the caller.
    if procs.lines().any(|line| pid(line) != Some(getpid())) {
        return Err(Error::file(Action::Write, path, "cgroup.subtree_control", change, Errno::BUSY));
    }
    match mkdirat(dir, LEAF, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(refused(Action::Create, LEAF, errno)),
    }
    let leaf = files::open_directory(dir, LEAF).map_err(|errno| refused(Action::Open, LEAF, errno))?;
    // 0 is the writer itself (cgroups(7)).
    files::write(leaf.as_fd(), "cgroup.procs", "0")
        .map_err(|errno| refused(Action::Write, "cgroup.procs", errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_caller_in_the_leaf_has_the_group_above_it() {
        assert_eq!(without_leaf("user.slice/x.scope/husk-caller"), "user.slice/x.scope");
        assert_eq!(without_leaf("husk-caller"), "");
        assert_eq!(without_leaf("user.slice/my-husk-caller"), "user.slice/my-husk-caller");
        assert_eq!(without_leaf("user.slice"), "user.slice");
        assert_eq!(without_leaf(""), "");
    }

    #[test]
    fn what_is_in_the_way_is_said_with_the_way_out() {
        let foreign = NotDelegated::Foreign("user.slice/session-1.scope".into());
        assert_eq!(foreign.to_string(), "own cgroup /user.slice/session-1.scope: not writable");
        assert!(foreign.hint().starts_with("systemd-run --user --scope -p Delegate=yes"));
        let hybrid = NotDelegated::Unavailable(Unavailable::Hybrid);
        assert!(hybrid.to_string().contains("hybrid") && hybrid.hint().starts_with("boot with"));
    }
}
