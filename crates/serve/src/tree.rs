//! All that descends from a command, wherever it has gone: another group, another session, another parent.
//!
//! Without a cgroup a process tells its origin by its parents, by its session, and, once its parents have
//! ended and it has become ours, by a mark that every descendant inherits: the slack of its timers.

use alloc::format;
use alloc::vec::Vec;

use sys::process::{Pid, getpid};

use crate::proc::{self, Stat};

/// What tells a command's descendants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    /// The command's pid, which is its session's and its group's number too.
    pub pid: Pid,
    /// Whether that pid is still the command's: it has not been reaped.
    pub is_held: bool,
    /// Its mark: nanoseconds of slack.
    pub mark: u32,
}

/// Slack that commands begin with, where nobody else has asked for any; the kernel's default.
const FIRST_MARK: u32 = 50_000;

/// The mark of the command with this number: 50 to 115 microseconds, never the default.
pub const fn mark(serial: u64) -> u32 {
    FIRST_MARK + 1 + (serial % 65_535) as u32
}

/// The descendants that are alive, the command included.
pub fn members(root: Root) -> Vec<Stat> {
    let all = proc::all().unwrap_or_default();
    let us = getpid().as_raw_pid();
    let leader = root.pid.as_raw_pid();
    let mut inside: Vec<bool> = all
        .iter()
        .map(|process| {
            (root.is_held && process.pid == leader)
                || process.session == leader
                || process.group == leader
                || (process.ppid == us && process.pid != leader && has_mark(process.pid, root.mark))
        })
        .collect();
    // A parent's number may be above its child's once numbers have wrapped around: until nothing changes.
    loop {
        let mut grown = false;
        for number in 0..all.len() {
            if inside[number] || all[number].pid == us {
                continue;
            }
            let parent = all.binary_search_by_key(&all[number].ppid, |process| process.pid);
            if parent.is_ok_and(|parent| inside[parent]) {
                inside[number] = true;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let members = all.into_iter().zip(inside).filter(|(process, inside)| *inside && process.pid != us);
    members.map(|(process, _)| process).filter(Stat::is_alive).collect()
}

/// Reading another's slack needs CAP_SYS_NICE; without it only the other two ways tell.
fn has_mark(pid: i32, mark: u32) -> bool {
    let text = proc::read(&format!("/proc/{pid}/timerslack_ns"), 32).unwrap_or_default();
    proc::number::<u32>(text.trim_ascii()) == Some(mark)
}

/// Signals all members once; how many there were.
pub fn signal(root: Root, number: i32) -> usize {
    let members = members(root);
    for member in &members {
        if let Some(fd) = proc::open(member) {
            let _ = sys::signals::send(&fd, number);
        }
    }
    members.len()
}

/// Kills until nothing is left: what forks meanwhile is found by the next look. Bounded, since what cannot be
/// killed (a process in the kernel) must not stop the server.
pub fn kill(root: Root) -> usize {
    const SIGKILL: i32 = 9;
    const LOOKS: usize = 8;
    let mut count = 0;
    for _ in 0..LOOKS {
        match signal(root, SIGKILL) {
            0 => break,
            found => count = count.max(found),
        }
    }
    count
}
