//! What the kernel refused, in words.
use crate::controllers::Controllers;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use sys::Errno;
use sys::strerror::describe;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To make the directory of a group.
    Create,
    /// To open the directory of a group.
    Open,
    /// To write a value to a file.
    Write,
    /// To read a file.
    Read,
    /// To wait until a file says something.
    Wait,
    /// To remove a group.
    Remove,
}

/// Something that the kernel refused to do with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was tried.
    pub action: Action,
    /// The group, by its path below the mount as far as it is known.
    pub group: String,
    /// The file in the group's directory; empty when it was the directory itself.
    pub file: String,
    /// What was to be written or waited for; empty when nothing was.
    pub value: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// Controllers that were needed and are not there.
    pub missing: Controllers,
}

impl Error {
    /// An error with the directory of a group.
    pub(crate) fn directory(action: Action, group: &str, errno: Errno) -> Error {
        Error::file(action, group, "", "", errno)
    }

    /// An error with a file of a group.
    pub(crate) fn file(action: Action, group: &str, file: &str, value: &str, errno: Errno) -> Error {
        let (group, file, value) = (group.to_string(), file.to_string(), value.to_string());
        Error { action, group, file, value, errno, missing: Controllers::NONE }
    }

    /// The same error with the controllers that it is about.
    #[must_use]
    pub(crate) fn missing(self, missing: Controllers) -> Error {
        Error { missing, ..self }
    }

    /// What to do about it, for the errors where that can be said.
    pub fn hint(&self) -> Option<String> {
        if !self.missing.is_empty() {
            return Some(format!(
                "cgroup {} has no controller {}: cgroup v1 uses it, the kernel has it disabled (cgroup_disable=), \
                 or it was not delegated",
                self.group, self.missing
            ));
        }
        Some(match (self.action, self.errno) {
            (Action::Write, Errno::NOENT) => missing_file(&self.file)?,
            (Action::Write, Errno::BUSY) if self.file == "cgroup.subtree_control" => format!(
                "cgroup {} has processes of its own, and a cgroup with processes cannot limit its children: \
                 systemd-run --user --scope -p Delegate=yes COMMAND runs a command in a cgroup of its own",
                self.group
            ),
            (Action::Write, Errno::BUSY) if self.file.starts_with("memory.") => {
                "more memory is in use and cannot be given back".to_string()
            }
            (Action::Write, Errno::INVAL | Errno::RANGE | Errno::NOSPC) if self.file.starts_with("cpuset.") => {
                "the machine or the parent cgroup has no such processor or memory node: see cpuset.cpus.effective \
                 and cpuset.mems.effective"
                    .to_string()
            }
            (Action::Write, Errno::INVAL) if self.file.starts_with("cpu.max") => {
                "the kernel takes a quota of at least 1000, a period from 1000 to 1000000 and a burst of at most \
                 the quota, in microseconds"
                    .to_string()
            }
            (Action::Write, Errno::NODEV | Errno::NXIO) if self.file.starts_with("io.") => {
                "there is no block device of these numbers; a partition has the limits of its disk".to_string()
            }
            (Action::Write, Errno::OPNOTSUPP) => "the cgroup is threaded or below a threaded one".to_string(),
            (Action::Create, Errno::EXIST) => "a container of this name runs, or its cgroup was left behind".to_string(),
            (Action::Create, Errno::AGAIN) => {
                "cgroup.max.descendants or cgroup.max.depth of a cgroup above is reached".to_string()
            }
            (Action::Remove, Errno::BUSY) => "processes are still in it: see cgroup.procs".to_string(),
            (Action::Wait, Errno::TIMEDOUT) if self.value == "populated 0" => {
                "a process in it does not end: it may wait for a disk or a network file system".to_string()
            }
            (Action::Create | Action::Write, Errno::ACCESS | Errno::PERM) => {
                "the cgroup belongs to another user; systemd-run --user --scope -p Delegate=yes COMMAND runs a \
                 command in a cgroup that belongs to you"
                    .to_string()
            }
            (Action::Create | Action::Write, Errno::ROFS) => "the cgroup file system is mounted read-only".to_string(),
            _ => return None,
        })
    }
}

/// Why a file is missing although its controller is there.
fn missing_file(file: &str) -> Option<String> {
    let reason = match file {
        "memory.swap.max" | "memory.swap.high" => {
            "the kernel does not account swap (no CONFIG_SWAP, or swapaccount=0)"
        }
        "io.weight" => {
            "the kernel has no weights for block devices (CONFIG_BLK_CGROUP_IOCOST, or the bfq scheduler)"
        }
        "io.max" => "the kernel has no limits for block devices (CONFIG_BLK_DEV_THROTTLING)",
        "cpu.max" | "cpu.max.burst" => {
            "the kernel has no processor quotas (CONFIG_CFS_BANDWIDTH), or is older than 5.14"
        }
        _ if Controllers::of_file(file).is_empty() => return None,
        _ => "this kernel has no such file",
    };
    Some(reason.to_string())
}

impl fmt::Display for Error {
    /// One line; the hint is apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { group, file, value, .. } = self;
        let value = value.as_bytes().escape_ascii();
        match self.action {
            Action::Create => write!(f, "create cgroup {group}")?,
            Action::Open => write!(f, "open cgroup {group}")?,
            Action::Remove => write!(f, "remove cgroup {group}")?,
            Action::Write => write!(f, "write \"{value}\" to {file} of cgroup {group}")?,
            Action::Read if file.is_empty() => write!(f, "list cgroup {group}")?,
            Action::Read => write!(f, "read {file} of cgroup {group}")?,
            Action::Wait => write!(f, "wait for \"{value}\" in {file} of cgroup {group}")?,
        }
        write!(f, ": {}", describe(self.errno))
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &str, value: &str, errno: Errno) -> Error {
        Error::file(Action::Write, "husk/web", file, value, errno)
    }

    #[test]
    fn an_error_says_what_on_what_and_why_in_one_line() {
        assert_eq!(
            refused("memory.max", "536870912", Errno::NOENT).to_string(),
            "write \"536870912\" to memory.max of cgroup husk/web: No such file or directory"
        );
        assert_eq!(
            Error::directory(Action::Create, "husk/web", Errno::EXIST).to_string(),
            "create cgroup husk/web: File exists"
        );
        assert_eq!(
            Error::file(Action::Wait, "husk/web", "cgroup.events", "frozen 1", Errno::TIMEDOUT).to_string(),
            "wait for \"frozen 1\" in cgroup.events of cgroup husk/web: Connection timed out"
        );
        assert!(!refused("x.y", "a\nb", Errno::INVAL).to_string().contains('\n'));
    }

    #[test]
    fn a_missing_controller_is_named() {
        let error = refused("memory.max", "1", Errno::NOENT).missing(Controllers::parse("memory pids"));
        let hint = error.hint().expect("a hint");
        assert!(hint.starts_with("cgroup husk/web has no controller memory pids:"), "{hint}");
    }

    #[test]
    fn hints_fit_the_file_and_the_answer() {
        for (file, errno, part) in [
            ("memory.swap.max", Errno::NOENT, "does not account swap"),
            ("io.weight", Errno::NOENT, "CONFIG_BLK_CGROUP_IOCOST"),
            ("cgroup.subtree_control", Errno::BUSY, "systemd-run --user --scope -p Delegate=yes"),
            ("cpuset.cpus", Errno::RANGE, "no such processor"),
            ("cpuset.mems", Errno::INVAL, "memory node"),
            ("cpu.max", Errno::INVAL, "a quota of at least 1000"),
            ("io.max", Errno::NODEV, "no block device"),
            ("memory.max", Errno::ACCESS, "another user"),
            ("memory.max", Errno::ROFS, "read-only"),
        ] {
            let hint = refused(file, "x", errno).hint().unwrap_or_default();
            assert!(hint.contains(part), "{file}: {hint}");
        }
        assert_eq!(refused("memory.max", "x", Errno::IO).hint(), None);
    }
}
