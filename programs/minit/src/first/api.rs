//! The other role, as the first process sees it: a child that serves clients, and that is started again when it has
//! ended. Clients, parsers and the heap are its affair; here are a pid, a link and a delay.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::reap::End;
use sys::start::Alone;

use crate::first::decide::{Readiness, restart_delay};
use crate::first::kernel::end_of_child;
use crate::first::link::{Heard, Link, Orphans, Record};

/// Exit code of an api that has ended because it was told to.
pub const DONE: u8 = 0;
/// Exit code of an api that cannot serve, has said why, and would not be able to a second time.
pub const HOPELESS: u8 = 2;

const MILLISECOND: u64 = 1_000_000;
/// An api that has lived for so long has been of use: when it ends the next one is started soon.
const HEALTHY_LIFE: u64 = 100 * MILLISECOND;

/// What the child does: it is given its side of the link, and a file that outlives it, and its exit code is the answer.
pub type Role<'a> = dyn Fn(Link, Option<BorrowedFd<'_>>) -> u8 + 'a;

/// The api role.
pub struct Api<'a> {
    role: &'a Role<'a>,
    alone: Alone,
    /// Where an api notes what runs, for the one after it. The first process does not look into it.
    journal: Option<OwnedFd>,
    running: Option<Running>,
    readiness: Readiness,
    delay: u64,
    /// When it is started again.
    pub due: Option<u64>,
    /// How often it was started.
    starts: u32,
    /// When it was started last.
    since: u64,
    /// Whether one of them has served.
    has_served: bool,
}

struct Running {
    pid: i32,
    pidfd: OwnedFd,
    /// Until it is closed at the other side, which is reported for ever else.
    link: Option<Link>,
    orphans: Orphans,
}

impl core::fmt::Debug for Api<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Api")
    }
}

/// Whether there will be an api again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// After a delay.
    Again,
    /// It has ended for good.
    Never,
}

impl<'a> Api<'a> {
    /// One that does not run yet.
    #[must_use]
    pub fn new(role: &'a Role<'a>, alone: Alone) -> Self {
        let journal = sys::fs::memfd_create(c"minit-execs", sys::fs::MemfdFlags::CLOEXEC).ok();
        Self {
            role,
            alone,
            journal,
            running: None,
            readiness: Readiness::NotYet,
            delay: 0,
            due: None,
            starts: 0,
            since: 0,
            has_served: false,
        }
    }

    /// Starts it, `mains` being what it is told first.
    ///
    /// # Errors
    /// Those of socketpair(2) and clone(2); it is tried again then, after a delay.
    pub fn start(&mut self, first: Option<Record>) -> Result<(), Errno> {
        self.due = None;
        self.since = sys::clock::monotonic();
        match self.fork() {
            Ok(running) => {
                self.readiness = Readiness::NotYet;
                self.running = Some(running);
                self.starts = self.starts.saturating_add(1);
                if let Some(record) = first {
                    self.say(record);
                }
                Ok(())
            }
            Err(errno) => {
                self.plan_restart();
                Err(errno)
            }
        }
    }

    fn fork(&self) -> Result<Running, Errno> {
        let (ours, theirs) = Link::pair()?;
        match sys::clone::fork_alone(self.alone)? {
            Some(child) => Ok(Running {
                pid: child.pid.as_raw_pid(),
                pidfd: child.pidfd,
                link: Some(ours),
                orphans: Orphans::Untold,
            }),
            None => {
                drop(ours);
                let code = (self.role)(theirs, self.journal.as_ref().map(AsFd::as_fd));
                sys::clone::leave(code)
            }
        }
    }

    fn plan_restart(&mut self) {
        let now = sys::clock::monotonic();
        // One that dies as soon as it is ready would be started again for ever, and at once.
        if now.saturating_sub(self.since) < HEALTHY_LIFE {
            self.readiness = Readiness::NotYet;
        }
        self.delay = restart_delay(self.delay, self.readiness);
        self.due = Some(now.saturating_add(self.delay.saturating_mul(MILLISECOND)));
    }

    /// Says something to it, if it is there.
    pub fn say(&self, record: Record) {
        if let Some(link) = self.running.as_ref().and_then(|running| running.link.as_ref()) {
            // One that reads nothing any more misses what it would not have acted on.
            let _ = link.say(record);
        }
    }

    /// What it says.
    pub fn hear(&mut self) -> Heard {
        let Some(running) = &mut self.running else { return Heard::Nothing };
        let heard = running.link.as_ref().map_or(Heard::Nothing, Link::hear);
        match heard {
            Heard::Record(Record::Ready) => {
                self.readiness = Readiness::Served;
                self.has_served = true;
            }
            Heard::Record(Record::Watch(orphans)) => running.orphans = orphans,
            Heard::Gone => running.link = None,
            _ => {}
        }
        heard
    }

    /// Whether it wants to hear of every orphan.
    #[must_use]
    pub fn watches_orphans(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.orphans == Orphans::Told)
    }

    /// Whether it is told of those that are reaped here: also the commands that an api before it has started are
    /// among them.
    #[must_use]
    pub fn hears_of_orphans(&self) -> bool {
        self.starts > 1 || self.watches_orphans()
    }

    /// Where it is heard, and where its end is seen; where it runs.
    #[must_use]
    pub fn descriptors(&self) -> (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        self.running.as_ref().map_or((None, None), |running| {
            (running.link.as_ref().map(AsFd::as_fd), Some(running.pidfd.as_fd()))
        })
    }

    /// Its pid, where it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// How it ended, where the kernel has reaped it.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.running.as_ref().and_then(|running| end_of_child(running.pidfd.as_fd()))
    }

    /// It has ended, and how.
    pub fn ended(&mut self, end: End) -> Outlook {
        self.running = None;
        match end {
            End::Code(DONE) => Outlook::Never,
            // What was possible once can be again: then it was a lack of memory or of room, and no mistake of a user's.
            End::Code(HOPELESS) if !self.has_served => Outlook::Never,
            End::Code(_) | End::Signal(_) => {
                self.plan_restart();
                Outlook::Again
            }
        }
    }
}
