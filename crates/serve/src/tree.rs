//! All that descends from a command, wherever it has gone: another group, another session, another parent.
//!
//! It is found by walking down from the command (proc_pid_task_children(5)), so that what the walk costs depends on
//! the tree and not on the machine. What has lost its parents falls to whoever reaps orphans; there it tells its
//! origin by its session, its group, or a mark that every descendant inherits: the slack of its timers.

use alloc::format;
use alloc::vec::Vec;

use sys::process::{Pid, getpid};

use crate::Orphans;
use crate::ordered::Pids;
use crate::proc::{self, Stat};

/// What tells a command's descendants.
#[derive(Clone, Copy, Debug)]
pub struct Root<'l> {
    /// The command's pid, which is its session's and its group's number too.
    pub pid: Pid,
    /// Whether that pid is still the command's: it has not been reaped.
    pub is_held: bool,
    /// Its mark: nanoseconds of slack.
    pub mark: u32,
    /// Where it is in.
    pub kin: Kin<'l>,
}

/// What tells one command's descendants from others.
#[derive(Clone, Copy, Debug)]
pub struct Kin<'l> {
    /// The commands of the server: no other command descends from this one.
    pub leaders: &'l Pids,
    /// To whom orphans fall.
    pub orphans: Orphans,
    /// The main command: it gets them where it is the first process of a pid namespace.
    pub main: Option<Pid>,
}

/// Slack that commands begin with, where nobody else has asked for any; the kernel's default.
const FIRST_MARK: u32 = 50_000;

/// The mark of the command with this number: 50 to 115 microseconds, never the default.
pub const fn mark(serial: u64) -> u32 {
    FIRST_MARK + 1 + (serial % 65_535) as u32
}

/// The descendants that are alive, the command included.
pub fn members(root: Root<'_>) -> Vec<Stat> {
    if !proc::tells_children() {
        return scan(root);
    }
    let mut members = Vec::new();
    walk(root, &mut |pid, place| {
        let stat = proc::stat(pid).filter(|stat| place != Place::Orphan || tells_origin(stat, root));
        let belongs = stat.is_some();
        members.extend(stat);
        belongs
    });
    members.retain(Stat::is_alive);
    members
}

/// Where a process was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// It is the command, or a child of one that belongs to it.
    Below,
    /// Among the orphans.
    Orphan,
}

/// Walks down from the command; what does not belong to it, as `belongs` says, is not walked down from.
fn walk(root: Root<'_>, belongs: &mut dyn FnMut(i32, Place) -> bool) {
    let leader = root.pid.as_raw_pid();
    let mut seen = Pids::new();
    seen.note(getpid().as_raw_pid());
    seen.note(leader);
    if root.is_held && belongs(leader, Place::Below) {
        descend(leader, &mut seen, belongs);
    }
    // Those whose parents have ended: since they are looked at last, nobody slips by.
    for orphan in reapers(root).into_iter().flatten().flat_map(proc::children) {
        let is_other = root.kin.leaders.contains(orphan);
        if !is_other && seen.note(orphan) && belongs(orphan, Place::Orphan) {
            descend(orphan, &mut seen, belongs);
        }
    }
}

fn descend(from: i32, seen: &mut Pids, belongs: &mut dyn FnMut(i32, Place) -> bool) {
    let mut parents = Vec::from([from]);
    while let Some(parent) = parents.pop() {
        for child in proc::children(parent) {
            if seen.note(child) && belongs(child, Place::Below) {
                parents.push(child);
            }
        }
    }
}

/// The same on a kernel that does not tell children (without CONFIG_PROC_CHILDREN): by the parents of all processes.
fn scan(root: Root<'_>) -> Vec<Stat> {
    let (reapers, leader) = (reapers(root), root.pid.as_raw_pid());
    let us = getpid().as_raw_pid();
    let all = proc::all().unwrap_or_default();
    let of_its_own = |process: &Stat| match process.pid == leader {
        true => root.is_held,
        false => reapers.contains(&Some(process.ppid)) && tells_origin(process, root),
    };
    let mut inside: Vec<bool> = all.iter().map(|process| process.pid != us && of_its_own(process)).collect();
    // A parent's number may be above its child's once numbers have wrapped around: until nothing changes.
    loop {
        let mut grown = false;
        for number in (0..all.len()).filter(|number| all[*number].pid != us) {
            let parent = all.binary_search_by_key(&all[number].ppid, |process| process.pid);
            if !inside[number] && parent.is_ok_and(|parent| inside[parent]) {
                inside[number] = true;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let members = all.into_iter().zip(inside).filter(|(_, inside)| *inside);
    members.map(|(process, _)| process).filter(Stat::is_alive).collect()
}

/// Whether an orphan says of itself that it comes from the command.
fn tells_origin(orphan: &Stat, root: Root<'_>) -> bool {
    let leader = root.pid.as_raw_pid();
    orphan.session == leader || orphan.group == leader || has_mark(orphan.pid, root.mark)
}

/// To whom orphans fall: the main command, this process, or else one above it. There may be orphans of other servers
/// there, whose marks may be the same.
fn reapers(root: Root<'_>) -> [Option<i32>; 3] {
    let main = root.kin.main.map(Pid::as_raw_pid);
    match root.kin.orphans {
        Orphans::Ours => [main, Some(getpid().as_raw_pid()), None],
        Orphans::Others => {
            let parent = sys::process::getppid().map_or(1, Pid::as_raw_pid);
            [main, Some(parent), (parent != 1).then_some(1)]
        }
    }
}

/// Reading another's slack needs CAP_SYS_NICE; without it only the other two ways tell. 0 is nobody's mark, though
/// real-time processes have that slack.
fn has_mark(pid: i32, mark: u32) -> bool {
    if mark == 0 {
        return false;
    }
    let text = proc::read(&format!("/proc/{pid}/timerslack_ns"), 32).unwrap_or_default();
    proc::number::<u32>(text.trim_ascii()) == Some(mark)
}

/// Signals all members once; how many there were.
pub fn signal(root: Root<'_>, number: i32) -> usize {
    let members = members(root);
    send(&members, number);
    members.len()
}

fn send(members: &[Stat], number: i32) {
    for member in members {
        if let Some(fd) = proc::open(member) {
            let _ = sys::signals::send(&fd, number);
        }
    }
}

/// Kills until nobody is found that has not been sent the signal: with it pending no process forks any more
/// (fork(2), ERESTARTNOINTR), so that a second look finds what was forked before. Bounded all the same. How many
/// there were.
pub fn kill(root: Root<'_>) -> usize {
    const LOOKS: usize = 8;
    let mut sent = Pids::new();
    for _ in 0..LOOKS {
        let before = sent.len();
        if proc::tells_children() {
            walk(root, &mut |pid, place| sent.contains(pid) || (end(pid, place, root) && sent.note(pid)));
        } else {
            let mut members = scan(root);
            members.retain(|member| sent.note(member.pid));
            send(&members, SIGKILL);
        }
        if sent.len() == before {
            break;
        }
    }
    sent.len()
}

const SIGKILL: i32 = 9;

/// Kills one process of the tree as soon as it is found. It is opened first and looked at then, so that what is
/// looked at is what is killed, or a successor of its number that belongs to the tree too.
fn end(pid: i32, place: Place, root: Root<'_>) -> bool {
    let Some(fd) = Pid::from_raw(pid).and_then(|pid| spawn::open(pid).ok()) else { return false };
    let is_ours = has_mark(pid, root.mark)
        || proc::stat(pid).is_some_and(|stat| place == Place::Below || tells_origin(&stat, root));
    is_ours && sys::signals::send(&fd, SIGKILL).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn both_ways_find_the_same_tree() {
        extern crate std;
        let script = "for i in 1 2 3; do (setsid sleep 60 & sleep 60) & done; setsid sh -c 'sleep 60 & sleep 60' & wait";
        let mut shell = std::process::Command::new("setsid");
        let mut shell = shell.args(["sh", "-c", script]).spawn().unwrap();
        let pid = Pid::from_raw(shell.id() as i32).unwrap();
        let leaders = Pids::new();
        let kin = Kin { leaders: &leaders, orphans: Orphans::Others, main: None };
        let root = Root { pid, is_held: true, mark: 0, kin };
        let pids = |members: Vec<Stat>| members.iter().map(|member| member.pid).collect::<BTreeSet<i32>>();
        let begun = std::time::Instant::now();
        let found = loop {
            let found = (pids(members(root)), pids(scan(root)));
            if found.0.len() == 10 || begun.elapsed().as_secs() > 10 {
                break found;
            }
        };
        kill(root);
        shell.wait().unwrap();
        assert_eq!((found.0.len(), &found.0), (10, &found.1));
        // What was killed takes a moment to be gone.
        while !members(Root { is_held: false, ..root }).is_empty() {
            assert!(begun.elapsed().as_secs() < 20, "somebody is left");
        }
    }
}
