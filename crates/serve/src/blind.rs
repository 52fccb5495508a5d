//! Trees where there is no /proc. Who descends from a command is known to nobody then; but its pidfd names its process
//! and its process group, and those are reached. What has left the group is not.

use sys::{Errno, Result};

use crate::proc;
use crate::tree::{self, Kin, Root};

const SIGKILL: i32 = 9;

/// Signals each process of these trees once, with the number for its tree; how many processes or groups there were.
pub fn signal(kin: Kin<'_>, roots: &[Root<'_>], number: &dyn Fn(usize) -> i32) -> usize {
    let members = tree::members(kin, roots);
    for (root, member) in &members {
        tree::send(member, number(*root));
    }
    if members.is_empty() && !proc::is_there() {
        return reach(roots, number);
    }
    members.len()
}

/// Kills these trees; how many processes there were, or groups.
pub fn kill(kin: Kin<'_>, roots: &[Root<'_>]) -> usize {
    if !proc::is_there() {
        return reach(roots, &|_| SIGKILL);
    }
    tree::kill(kin, roots)
}

fn reach(roots: &[Root<'_>], number: &dyn Fn(usize) -> i32) -> usize {
    let numbered = roots.iter().enumerate();
    numbered.filter(|(place, root)| reach_one(root, number(*place)).is_ok()).count()
}

/// The group of a process that leads its session has none in it but descendants. Another's may have its siblings.
fn reach_one(root: &Root<'_>, number: i32) -> Result<()> {
    let pidfd = root.pidfd.ok_or(Errno::SRCH)?;
    if sys::job::is_session_leader(root.pid) {
        return sys::children::signal_group(pidfd, root.pid, number);
    }
    sys::signals::send(pidfd, number)
}
