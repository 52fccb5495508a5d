//! Removing a group with everything that was made below it.
use crate::deadline::Deadline;
use crate::error::{Action, Error};
use crate::events::State;
use crate::files::{self, Walk};
use crate::group::Group;
use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::ffi::CString;
use core::time::Duration;
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, unlinkat};

/// How many directories are held open on the way down. A container may make its groups as deep as it likes
/// (cgroup.max.depth has no limit of its own), and neither stack nor descriptors may depend on that.
const OPEN: usize = 64;

impl Group {
    /// Removes the group and all groups below it. One system call where there is nothing below and nothing
    /// runs; otherwise, unless `patience` is zero, it waits up to `patience` for the last process to end,
    /// which the caller has killed ([`Group::kill`]) or knows to be ending. `parent` is the directory that
    /// the group was opened in.
    ///
    /// # Errors
    /// [`Error`] of action `Remove` or `Wait`: EBUSY or ETIMEDOUT when processes are still in it.
    pub fn remove(&self, parent: BorrowedFd<'_>, patience: Duration) -> Result<(), Error> {
        let deadline = Deadline::after(patience);
        loop {
            match unlinkat(parent, self.name().as_str(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::BUSY) if deadline.left().is_some() => {}
                Err(errno) => return Err(self.error(Action::Remove, "", "", errno)),
            }
            self.wait(State::EMPTY, deadline)?;
            match remove_below(self.as_fd(), deadline) {
                // Busy: somebody moved a process in after the wait, and the wait decides again. Not there:
                // somebody else has removed it, and the next rmdir says so.
                Ok(()) | Err(Errno::BUSY | Errno::NODEV | Errno::NOENT) => {}
                Err(errno) => return Err(self.error(Action::Remove, "", "", errno)),
            }
        }
    }
}

/// Removes every group below `top`, the deepest first. Only the last [`OPEN`] directories of the way down
/// stay open; where the way was longer than that, it starts again at the top when they are used up.
fn remove_below(top: BorrowedFd<'_>, deadline: Deadline) -> sys::Result<()> {
    let mut way: VecDeque<(OwnedFd, CString)> = VecDeque::new();
    let mut forgotten = false;
    loop {
        let here = way.back().map_or(top, |(dir, _)| dir.as_fd());
        if let Some(name) = first_child(here)? {
            match files::open_child(here, &name) {
                Ok(child) => way.push_back((child, name)),
                // Whoever removed it did our work.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
            if way.len() > OPEN {
                way.pop_front();
                forgotten = true;
            }
        } else {
            let Some((_, name)) = way.pop_back() else { return Ok(()) };
            let parent = match way.back() {
                Some((dir, _)) => dir.as_fd(),
                None if forgotten => {
                    // The directory that this one is in was closed: come down again, it is a leaf by now.
                    forgotten = false;
                    deadline.left().ok_or(Errno::TIMEDOUT)?;
                    continue;
                }
                None => top,
            };
            match unlinkat(parent, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// The name of some group directly below.
fn first_child(dir: BorrowedFd<'_>) -> sys::Result<Option<CString>> {
    let mut first = None;
    files::each_child(dir, |name| {
        first = Some(name.to_owned());
        Walk::Enough
    })?;
    Ok(first)
}
