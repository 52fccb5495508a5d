//! Killing everything in a group.
use crate::decimal::pid;
use crate::error::{Action, Error};
use crate::files::{self, Walk};
use crate::freezer::FREEZE;
use crate::group::Group;
use alloc::vec::Vec;
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::{Pid, Signal, kill_process};

/// How deep the fallback follows groups below groups.
const DEEPEST: usize = 32;
/// How often the fallback looks for processes that appeared meanwhile: a frozen group does not fork, so that
/// a second look finds only what was moved in.
const ROUNDS: usize = 8;

impl Group {
    /// Kills every process in the group and below with SIGKILL, also those that fork meanwhile. They end soon
    /// after; [`Group::remove`] waits for that.
    ///
    /// # Errors
    /// [`Error`] when the kernel refuses the write, or the signals where it has no cgroup.kill (before 5.14).
    pub fn kill(&self) -> Result<(), Error> {
        match self.write("cgroup.kill", "1") {
            Err(Error { errno: Errno::NOENT, .. }) => self.kill_one_by_one(),
            other => other,
        }
    }

    /// The same without cgroup.kill: the group is frozen first, since a process that forks faster than it is
    /// found would never be gone. A frozen process dies of SIGKILL all the same.
    ///
    /// # Errors
    /// [`Error`] when the group cannot be frozen or read, or a process not be signalled.
    pub fn kill_one_by_one(&self) -> Result<(), Error> {
        self.write(FREEZE, "1")?;
        let killed = self.signal_all();
        // Thawed whatever happened: a group that stays frozen could not be emptied by anybody else.
        self.write(FREEZE, "0")?;
        killed
    }

    /// Sends SIGKILL to every process in the group and below until only those are left that were sent it.
    fn signal_all(&self) -> Result<(), Error> {
        let mut sent: Vec<Pid> = Vec::new();
        for _ in 0..ROUNDS {
            let mut found = Vec::new();
            processes(self.as_fd(), DEEPEST, &mut found)
                .map_err(|errno| self.error(Action::Read, "cgroup.procs", "", errno))?;
            found.retain(|pid| !sent.contains(pid));
            if found.is_empty() {
                return Ok(());
            }
            for pid in &found {
                match kill_process(*pid, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(self.error(Action::Write, "cgroup.kill", "1", errno)),
                }
            }
            sent.append(&mut found);
        }
        Ok(())
    }
}

/// The processes of a group and of those below it.
fn processes(dir: BorrowedFd<'_>, depth: usize, found: &mut Vec<Pid>) -> sys::Result<()> {
    found.extend(parse_procs(&files::read(dir, "cgroup.procs")?));
    let mut below: Vec<OwnedFd> = Vec::new();
    if depth > 0 {
        files::each_child(dir, |name| {
            below.extend(files::open_child(dir, name));
            Walk::On
        })?;
    }
    below.iter().try_for_each(|child| processes(child.as_fd(), depth - 1, found))
}

/// The process ids in a cgroup.procs. A 0 stands for a process outside of the reader's pid namespace, which
/// cannot be named from here.
pub(crate) fn parse_procs(text: &str) -> Vec<Pid> {
    text.lines().filter_map(|line| pid(line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_outside_of_the_pid_namespace_are_passed_over() {
        let pids: Vec<i32> = parse_procs("12\n0\n7\n").iter().map(|pid| pid.as_raw_pid()).collect();
        assert_eq!(pids, [12, 7]);
        assert!(parse_procs("").is_empty());
    }
}
