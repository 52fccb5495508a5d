//! All that descends from a command, wherever it has gone: another group, another session, another parent.
//!
//! It is found by walking down from the command (proc_pid_task_children(5)), so that what the walk costs depends on
//! the tree and not on the machine. What has lost its parents falls to whoever reaps orphans; there it tells its
//! origin by its session, its group, or a mark that every descendant inherits: the slack of its timers.

use alloc::format;
use alloc::vec::Vec;

use sys::fd::BorrowedFd;
use sys::process::{Pid, getpid};
use sys::reap::Target;

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
    /// The main command, while it runs.
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
    members_by(kin, roots, Children::known())
}

fn members_by(kin: Kin<'_>, roots: &[Root<'_>], children: Children) -> Vec<(usize, Stat)> {
    let mut members = Vec::new();
    for (number, pid) in Walk::of(kin, roots, Purpose::Look, children).found {
        if let Some(stat) = proc::stat(pid).filter(Stat::is_alive) {
            members.push((number, stat));
        }
    }
    members
}

/// Kills them, until nobody is found that has not been sent the signal; how many there were.
pub fn kill(kin: Kin<'_>, roots: &[Root<'_>]) -> usize {
    Walk::of(kin, roots, Purpose::Kill, Children::known()).found.len()
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

/// How the children of a process are known.
enum Children {
    /// The kernel tells.
    Told,
    /// It does not (without CONFIG_PROC_CHILDREN): by the parents of all processes, at some time.
    Table(Ordered),
}

impl Children {
    fn known() -> Self {
        if proc::tells_children() { Self::Told } else { Self::Table(Ordered::new()) }
    }

    fn of(&self, pid: i32) -> Vec<i32> {
        match self {
            Self::Told => proc::children(pid),
            Self::Table(table) => {
                let mut children = Vec::new();
                for child in table.of(by_pid(pid)) {
                    children.push(child as i32);
                }
                children
            }
        }
    }
}

/// A walk down from commands, and what it has found.
struct Walk<'w> {
    kin: Kin<'w>,
    roots: &'w [Root<'w>],
    purpose: Purpose,
    children: Children,
    /// The numbers of roots by pid and by mark.
    index: Ordered,
    /// Processes that have been looked at, whosesoever they are.
    seen: Pids,
    found: Vec<(usize, i32)>,
    /// How many of them have had their children looked at.
    done: usize,
}

/// Where a process was found.
#[derive(Clone, Copy)]
enum Place {
    /// Among the children of a process of this root's.
    Below(usize, i32),
    /// Among the orphans that fall to this one.
    Orphan(Orphans),
}

impl<'w> Walk<'w> {
    fn of(kin: Kin<'w>, roots: &'w [Root<'w>], purpose: Purpose, children: Children) -> Self {
        let (index, seen, found) = (Ordered::new(), Pids::new(), Vec::new());
        let mut walk = Self { kin, roots, purpose, children, index, seen, found, done: 0 };
        walk.seen.note(getpid().as_raw_pid());
        for (number, root) in roots.iter().enumerate() {
            let pid = root.pid.as_raw_pid();
            walk.seen.note(pid);
            walk.index.insert(by_pid(pid), number as u64);
            let Some(pidfd) = root.pidfd else { continue };
            if purpose == Purpose::Kill {
                let _ = sys::signals::send(pidfd, SIGKILL);
            }
            walk.found.push((number, pid));
        }
        for (number, root) in roots.iter().enumerate() {
            if root.mark != 0 {
                walk.index.insert(by_mark(root.mark), number as u64);
            }
        }
        // Those whose parents have ended come last. Who is not there yet falls to the same reaper, behind the others in
        // its list: a look that finds nobody new has missed nobody.
        loop {
            let before = walk.found.len();
            walk.refresh();
            walk.look_below();
            for kind in [Orphans::Ours, Orphans::Others, Orphans::Main] {
                walk.look_at_orphans(kind);
            }
            if purpose == Purpose::Look || walk.found.len() == before {
                return walk;
            }
        }
    }

    /// A table is out of date at once: those who have been looked at may have had other children.
    fn refresh(&mut self) {
        if let Children::Table(table) = &mut self.children {
            *table = Ordered::new();
            for process in proc::all().unwrap_or_default() {
                table.insert(by_pid(process.ppid), by_pid(process.pid));
            }
            self.done = 0;
        }
    }

    fn look_below(&mut self) {
        while let Some((number, parent)) = self.found.get(self.done).copied() {
            self.done += 1;
            if self.has_left_its_children(number, parent) {
                continue;
            }
            for child in self.children.of(parent) {
                self.take(child, Place::Below(number, parent));
            }
        }
    }

    /// Whether a process that was killed has ended by now, which one wait tells without a file of /proc: its children
    /// are among our orphans then, and those are looked at after this. Where orphans fall to others it is not known.
    fn has_left_its_children(&self, number: usize, pid: i32) -> bool {
        self.purpose == Purpose::Kill
            && self.roots[number].orphans == Orphans::Ours
            && Pid::from_raw(pid).is_some_and(sys::children::is_zombie)
    }

    fn look_at_orphans(&mut self, kind: Orphans) {
        if self.roots.iter().all(|root| root.orphans != kind) {
            return;
        }
        for reaper in reapers(self.kin, kind) {
            for orphan in self.children.of(reaper) {
                if !self.kin.leaders.contains(orphan) {
                    self.take(orphan, Place::Orphan(kind));
                }
            }
            self.look_below();
        }
    }

    /// Takes a process if it is new and belongs to a root. A child of ours keeps its number until we reap it, which no
    /// walk does; another is opened first and looked at then, so that what is looked at is what is killed.
    fn take(&mut self, pid: i32, place: Place) {
        if !self.seen.note(pid) {
            return;
        }
        let kills = self.purpose == Purpose::Kill;
        let is_ours = matches!(place, Place::Orphan(Orphans::Ours));
        let opened = match Pid::from_raw(pid) {
            Some(pid) if kills && !is_ours => match spawn::open(pid) {
                Ok(fd) => Some(fd),
                Err(_) => return,
            },
            _ => None,
        };
        let Some(number) = self.whose(pid, place) else { return };
        // What has ended in the meantime is found all the same: what it leaves is looked for.
        let _ = match opened {
            Some(fd) => sys::signals::send(&fd, SIGKILL),
            None if kills => sys::reap::kill(Target::Process(pid), SIGKILL),
            None => Ok(()),
        };
        self.found.push((number, pid));
    }

    /// The root that a process comes from: by its mark, or what else tells.
    fn whose(&self, pid: i32, place: Place) -> Option<usize> {
        match place {
            Place::Below(number, _) if self.purpose == Purpose::Look => Some(number),
            // That number may be somebody else's by now. Its parent has been killed, and may have ended.
            Place::Below(number, parent) => {
                let Root { mark, orphans, .. } = self.roots[number];
                let is_child =
                    |stat: Stat| stat.ppid == parent || reapers(self.kin, orphans).contains(&stat.ppid);
                (has_mark(pid, mark) || proc::stat(pid).is_some_and(is_child)).then_some(number)
            }
            Place::Orphan(kind) => self.one_of(by_mark(slack(pid)), kind).or_else(|| {
                let stat = proc::stat(pid)?;
                let by_session = self.one_of(by_pid(stat.session), kind);
                by_session.or_else(|| self.one_of(by_pid(stat.group), kind))
            }),
        }
    }

    fn one_of(&self, key: u64, kind: Orphans) -> Option<usize> {
        self.index.of(key).map(|number| number as usize).find(|number| self.roots[*number].orphans == kind)
    }
}

fn by_pid(pid: i32) -> u64 {
    pid.unsigned_abs().into()
}

/// Above all pids, but for 0, which is nobody's.
fn by_mark(mark: u32) -> u64 {
    u64::from(mark) << 32
}

/// To whom orphans fall. Above there may be those of other servers, whose marks may be the same.
fn reapers(kin: Kin<'_>, orphans: Orphans) -> Vec<i32> {
    let mut reapers = Vec::with_capacity(2);
    match orphans {
        Orphans::Ours => reapers.push(getpid().as_raw_pid()),
        Orphans::Main => {
            if let Some(main) = kin.main {
                reapers.push(main.as_raw_pid());
            }
        }
        Orphans::Others => {
            let parent = sys::process::getppid().map_or(1, Pid::as_raw_pid);
            reapers.push(parent);
            if parent != 1 {
                reapers.push(1);
            }
        }
    }
    reapers
}

fn has_mark(pid: i32, mark: u32) -> bool {
    mark != 0 && slack(pid) == mark
}

/// The slack of another's timers, 0 where it is not known: reading it needs CAP_SYS_NICE, without which only the other
/// ways tell.
fn slack(pid: i32) -> u32 {
    let mut text = [0; 32];
    let text = proc::head(&format!("/proc/{pid}/timerslack_ns"), &mut text).unwrap_or_default();
    proc::number(text.trim_ascii()).unwrap_or(0)
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
            let found = (
                pids(members(kin, &[root])),
                pids(members_by(kin, &[root], Children::Table(Ordered::new()))),
            );
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
