//! All that descends from a command, wherever it has gone: another group, another session, another parent.
//!
//! It is found by walking down from the command (proc_pid_task_children(5)), so that what the walk costs depends on
//! the tree and not on the machine. What has lost its parents falls to whoever reaps orphans; there it tells its
//! origin by its session, its group, or a mark that every descendant inherits: the slack of its timers.

use alloc::format;
use alloc::vec::Vec;

use sys::fd::BorrowedFd;
use sys::process::{Pid, getpid};

use crate::Orphans;
use crate::ordered::{Ordered, Pids};
use crate::proc::{self, Stat};

/// What tells a command's descendants.
#[derive(Clone, Copy, Debug)]
pub struct Root<'l> {
    /// The command's pid, which is its session's and its group's number too.
    pub pid: Pid,
    /// Its pidfd. As long as there is one it has not been reaped, and that pid is still the command's.
    pub pidfd: Option<BorrowedFd<'l>>,
    /// Its mark: nanoseconds of slack. 0 is nobody's, though real-time processes have that slack.
    pub mark: u32,
    /// To whom its orphans fall.
    pub orphans: Orphans,
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

const SIGKILL: i32 = 9;

/// Slack that commands begin with, where nobody else has asked for any; the kernel's default.
const FIRST_MARK: u32 = 50_000;

/// The mark of the command with this number: 50 to 115 microseconds, never the default.
pub const fn mark(serial: u64) -> u32 {
    FIRST_MARK + 1 + (serial % 65_535) as u32
}

/// The descendants of several commands that are alive, the commands included, each with the number of its command.
/// One walk finds them all: what it costs are the trees, and once those who have lost their parents.
pub fn members(kin: Kin<'_>, roots: &[Root<'_>]) -> Vec<(usize, Stat)> {
    let mut members = match proc::tells_children() {
        true => Walk::of(kin, roots, Purpose::Look).stats(),
        false => scan(kin, roots),
    };
    members.retain(|(_, stat)| stat.is_alive());
    members
}

/// Kills them, until nobody is found that has not been sent the signal; how many there were.
pub fn kill(kin: Kin<'_>, roots: &[Root<'_>]) -> usize {
    if proc::tells_children() {
        return Walk::of(kin, roots, Purpose::Kill).found.len();
    }
    const LOOKS: usize = 8;
    let mut sent = Pids::new();
    for _ in 0..LOOKS {
        let mut members = scan(kin, roots);
        members.retain(|(_, member)| sent.note(member.pid));
        if members.is_empty() {
            break;
        }
        members.iter().for_each(|(_, member)| send(member, SIGKILL));
    }
    sent.len()
}

/// Signals a process that was found.
pub fn send(member: &Stat, number: i32) {
    if let Some(fd) = proc::open(member) {
        let _ = sys::signals::send(&fd, number);
    }
}

/// What a walk is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Look,
    /// Each is killed as soon as it is found, before its children are looked for: with SIGKILL pending no process forks
    /// any more (fork(2), ERESTARTNOINTR), so that those are all that it will have had.
    Kill,
}

/// A walk down from commands, and what it has found.
struct Walk<'w> {
    kin: Kin<'w>,
    roots: &'w [Root<'w>],
    purpose: Purpose,
    /// The numbers of roots by pid, and by mark.
    by_pid: Ordered,
    by_mark: Ordered,
    /// Processes that have been looked at, whosesoever they are.
    seen: Pids,
    found: Vec<(usize, i32)>,
}

impl<'w> Walk<'w> {
    fn of(kin: Kin<'w>, roots: &'w [Root<'w>], purpose: Purpose) -> Self {
        let (by_pid, by_mark) = indexes(roots);
        let mut walk = Self { kin, roots, purpose, by_pid, by_mark, seen: Pids::new(), found: Vec::new() };
        walk.seen.note(getpid().as_raw_pid());
        for root in roots {
            walk.seen.note(root.pid.as_raw_pid());
        }
        for (number, root) in roots.iter().enumerate() {
            let Some(pidfd) = root.pidfd else { continue };
            if purpose == Purpose::Kill {
                let _ = sys::signals::send(pidfd, SIGKILL);
            }
            walk.found.push((number, root.pid.as_raw_pid()));
            walk.descend(number, root.pid.as_raw_pid());
        }
        // Those whose parents have ended. Who is not there yet falls to the same reaper, behind the others in its list:
        // a look that finds nobody new has missed nobody.
        loop {
            let before = walk.found.len();
            walk.look_at_orphans(Orphans::Ours);
            walk.look_at_orphans(Orphans::Others);
            if purpose == Purpose::Look || walk.found.len() == before {
                return walk;
            }
        }
    }

    fn descend(&mut self, number: usize, from: i32) {
        let mut parents = Vec::from([from]);
        while let Some(parent) = parents.pop() {
            for child in proc::children(parent) {
                if self.seen.note(child) && self.take(child, |walk| walk.is_below(child, number, parent)) {
                    self.found.push((number, child));
                    parents.push(child);
                }
            }
        }
    }

    fn look_at_orphans(&mut self, kind: Orphans) {
        if self.roots.iter().all(|root| root.orphans != kind) {
            return;
        }
        for orphan in reapers(self.kin, kind).into_iter().flatten().flat_map(proc::children) {
            if self.kin.leaders.contains(orphan) || !self.seen.note(orphan) {
                continue;
            }
            let mut whose = None;
            self.take(orphan, |walk| {
                whose = walk.origin(orphan, kind);
                whose.is_some()
            });
            if let Some(number) = whose {
                self.found.push((number, orphan));
                self.descend(number, orphan);
            }
        }
    }

    /// Takes a process if it belongs. It is opened first and looked at then, so that what is looked at is what is killed.
    fn take(&mut self, pid: i32, belongs: impl FnOnce(&Self) -> bool) -> bool {
        if self.purpose == Purpose::Look {
            return belongs(self);
        }
        let Some(fd) = Pid::from_raw(pid).and_then(|pid| spawn::open(pid).ok()) else { return false };
        belongs(self) && sys::signals::send(&fd, SIGKILL).is_ok()
    }

    /// Whether a number that was found among somebody's children is still that child's.
    fn is_below(&self, pid: i32, number: usize, parent: i32) -> bool {
        let root = &self.roots[number];
        if self.purpose == Purpose::Look || (root.mark != 0 && slack(pid) == Some(root.mark)) {
            return true;
        }
        // Its parent may have ended since: it has been killed.
        proc::stat(pid).is_some_and(|stat| {
            stat.ppid == parent || reapers(self.kin, root.orphans).contains(&Some(stat.ppid))
        })
    }

    /// The command that an orphan comes from, where there is one: its mark tells, its session or its group.
    fn origin(&self, orphan: i32, kind: Orphans) -> Option<usize> {
        let mark = (self.by_mark.len() > 0).then(|| slack(orphan)).flatten();
        let marked = mark.and_then(|mark| self.one_of(&self.by_mark, mark.into(), kind));
        marked.or_else(|| {
            let stat = proc::stat(orphan)?;
            self.one_of(&self.by_pid, key(stat.session), kind)
                .or_else(|| self.one_of(&self.by_pid, key(stat.group), kind))
        })
    }

    fn one_of(&self, index: &Ordered, key: u64, kind: Orphans) -> Option<usize> {
        index.of(key).map(|number| number as usize).find(|number| self.roots[*number].orphans == kind)
    }

    fn stats(self) -> Vec<(usize, Stat)> {
        let stats = self.found.into_iter().map(|(number, pid)| Some((number, proc::stat(pid)?)));
        stats.flatten().collect()
    }
}

fn indexes(roots: &[Root<'_>]) -> (Ordered, Ordered) {
    let (mut by_pid, mut by_mark) = (Ordered::new(), Ordered::new());
    for (number, root) in roots.iter().enumerate() {
        by_pid.insert(key(root.pid.as_raw_pid()), number as u64);
        if root.mark != 0 {
            by_mark.insert(root.mark.into(), number as u64);
        }
    }
    (by_pid, by_mark)
}

fn key(pid: i32) -> u64 {
    pid.unsigned_abs().into()
}

/// The same on a kernel that does not tell children (without CONFIG_PROC_CHILDREN): by the parents of all processes.
fn scan(kin: Kin<'_>, roots: &[Root<'_>]) -> Vec<(usize, Stat)> {
    let all = proc::all().unwrap_or_default();
    let us = getpid().as_raw_pid();
    let mut found = Vec::new();
    for (number, root) in roots.iter().enumerate() {
        let (reapers, leader) = (reapers(kin, root.orphans), root.pid.as_raw_pid());
        let of_its_own = |process: &Stat| match process.pid == leader {
            true => root.pidfd.is_some(),
            false => reapers.contains(&Some(process.ppid)) && tells_origin(process, root),
        };
        let mut inside: Vec<bool> =
            all.iter().map(|process| process.pid != us && of_its_own(process)).collect();
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
        let members = all.iter().zip(inside).filter(|(_, inside)| *inside);
        found.extend(members.map(|(process, _)| (number, process.clone())));
    }
    found
}

/// Whether an orphan says of itself that it comes from the command.
fn tells_origin(orphan: &Stat, root: &Root<'_>) -> bool {
    let leader = root.pid.as_raw_pid();
    let is_in = orphan.session == leader || orphan.group == leader;
    is_in || (root.mark != 0 && slack(orphan.pid) == Some(root.mark))
}

/// To whom orphans fall: the main command, this process, or else one above it. There may be orphans of other servers
/// there, whose marks may be the same.
fn reapers(kin: Kin<'_>, orphans: Orphans) -> [Option<i32>; 3] {
    let main = kin.main.map(Pid::as_raw_pid);
    match orphans {
        Orphans::Ours => [main, Some(getpid().as_raw_pid()), None],
        Orphans::Others => {
            let parent = sys::process::getppid().map_or(1, Pid::as_raw_pid);
            [main, Some(parent), (parent != 1).then_some(1)]
        }
    }
}

/// The slack of another's timers. Reading it needs CAP_SYS_NICE; without it only the other ways tell.
fn slack(pid: i32) -> Option<u32> {
    let mut text = [0; 32];
    proc::number(proc::head(&format!("/proc/{pid}/timerslack_ns"), &mut text)?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use sys::fd::AsFd;

    #[test]
    fn both_ways_find_the_same_tree() {
        extern crate std;
        let script = "for i in 1 2 3; do (setsid sleep 60 & sleep 60) & done; setsid sh -c 'sleep 60 & sleep 60' & wait";
        let mut shell = std::process::Command::new("setsid");
        let mut shell = shell.args(["sh", "-c", script]).spawn().unwrap();
        let pid = Pid::from_raw(shell.id() as i32).unwrap();
        let leaders = Pids::new();
        let kin = Kin { leaders: &leaders, orphans: Orphans::Others, main: None };
        let pidfd = spawn::open(pid).unwrap();
        let root = Root { pid, pidfd: Some(pidfd.as_fd()), mark: 0, orphans: Orphans::Others };
        let pids = |members: Vec<(usize, Stat)>| {
            members.iter().map(|(_, member)| member.pid).collect::<BTreeSet<i32>>()
        };
        let begun = std::time::Instant::now();
        let found = loop {
            let found = (pids(members(kin, &[root])), pids(scan(kin, &[root])));
            if found.0.len() == 10 || begun.elapsed().as_secs() > 10 {
                break found;
            }
        };
        kill(kin, &[root]);
        shell.wait().unwrap();
        assert_eq!((found.0.len(), &found.0), (10, &found.1));
        // What was killed takes a moment to be gone.
        while !members(kin, &[Root { pidfd: None, ..root }]).is_empty() {
            assert!(begun.elapsed().as_secs() < 20, "somebody is left");
        }
    }
}
