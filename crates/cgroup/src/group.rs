//! One group.
use crate::controllers::Controllers;
use crate::decimal::number;
use crate::error::{Action, Error};
use crate::files;
use crate::kill::parse_procs;
use crate::limits::{Limits, Setting};
use crate::name::Name;
use alloc::string::ToString;
use alloc::vec::Vec;
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{Mode, mkdirat};
use sys::process::Pid;

/// A group: its directory, open, and its name. Dropping it closes the descriptor and leaves the group as it
/// is.
///
/// The descriptor (`as_fd`) is what clone3(2) takes for CLONE_INTO_CGROUP: the child begins its life in the
/// group, so that there is no moment at which it could use more than it may.
#[derive(Debug)]
pub struct Group {
    dir: OwnedFd,
    name: Name,
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Group {
    /// Makes a new group below `parent`, the open directory of another, and opens it: two system calls.
    ///
    /// # Errors
    /// [`Error`] of action `Create`; EEXIST when there is one of this name.
    pub fn create(parent: BorrowedFd<'_>, name: &Name) -> Result<Group, Error> {
        mkdirat(parent, name.as_str(), Mode::from_raw_mode(0o755))
            .map_err(|errno| Error::directory(Action::Create, name.as_str(), errno))?;
        Group::open(parent, name)
    }

    /// Opens a group that is there.
    ///
    /// # Errors
    /// [`Error`] of action `Open`; ENOENT when there is none of this name.
    pub fn open(parent: BorrowedFd<'_>, name: &Name) -> Result<Group, Error> {
        match files::open_directory(parent, name.as_str()) {
            Ok(dir) => Ok(Group { dir, name: name.clone() }),
            Err(errno) => Err(Error::directory(Action::Open, name.as_str(), errno)),
        }
    }

    /// The group's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Writes the limits, three system calls for each. What was written before an error stays written.
    ///
    /// # Errors
    /// [`Error`] names file, value and the kernel's answer; where a controller is missing, `missing` names
    /// it.
    pub fn apply(&self, limits: &Limits) -> Result<(), Error> {
        let settings = limits.settings();
        settings.iter().try_for_each(|setting| self.set(setting, limits)).map_err(|error| {
            if error.errno != Errno::NOENT {
                return error;
            }
            let available = files::read(self.as_fd(), "cgroup.controllers").unwrap_or_default();
            let missing = limits.required_controllers().without(Controllers::parse(&available));
            error.missing(missing)
        })
    }

    /// Makes one write, or the other one that does the same where the kernel is particular.
    fn set(&self, setting: &Setting, limits: &Limits) -> Result<(), Error> {
        let Setting { file, value } = setting;
        match (self.write(file, value), file.as_ref(), limits.cpu_burst) {
            // The saved-up time may not exceed the quota: when both shrink, the first has to go first.
            (Err(Error { errno: Errno::INVAL, .. }), "cpu.max", Some(burst)) => {
                self.write("cpu.max.burst", &burst.to_string())?;
                self.write(file, value)
            }
            (Err(error), "io.weight", _) if error.errno == Errno::NOENT => {
                // The bfq scheduler has its own file, with the same meaning around 100 and less room above.
                match self.write("io.bfq.weight", &bfq_weight(value)) {
                    Err(Error { errno: Errno::NOENT, .. }) => Err(error),
                    other => other,
                }
            }
            (result, _, _) => result,
        }
    }

    /// Moves a process into the group, with all its threads.
    ///
    /// # Errors
    /// [`Error`]: ESRCH when there is no such process, EACCES or ENOENT when the caller may not move it.
    pub fn add(&self, pid: Pid) -> Result<(), Error> {
        self.write("cgroup.procs", &pid.as_raw_pid().to_string())
    }

    /// The processes that are in the group itself, not below, as far as the caller's pid namespace has them.
    ///
    /// # Errors
    /// [`Error`]: ENODEV when the group has been removed, EOPNOTSUPP for a threaded one.
    pub fn procs(&self) -> Result<Vec<Pid>, Error> {
        let file = "cgroup.procs";
        let text =
            files::read(self.as_fd(), file).map_err(|errno| self.error(Action::Read, file, "", errno))?;
        Ok(parse_procs(&text))
    }

    /// Writes one value to one file.
    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        files::write(self.as_fd(), file, value).map_err(|errno| self.error(Action::Write, file, value, errno))
    }

    /// An error with this group.
    pub(crate) fn error(&self, action: Action, file: &str, value: &str, errno: Errno) -> Error {
        Error::file(action, self.name.as_str(), file, value, errno)
    }
}

/// What io.bfq.weight takes in place of a value of io.weight: `200` or `8:0 200`, at most 1000.
fn bfq_weight(value: &str) -> alloc::string::String {
    let (device, weight) = value.rsplit_once(' ').unwrap_or(("", value));
    let weight = number(weight).unwrap_or(100).min(1000);
    alloc::format!("{device} {weight}").trim_start().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_for_bfq_is_at_most_1000() {
        assert_eq!(bfq_weight("50"), "50");
        assert_eq!(bfq_weight("10000"), "1000");
        assert_eq!(bfq_weight("8:0 5000"), "8:0 1000");
    }
}
