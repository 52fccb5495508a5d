//! What the daemon waits for, in one place: clients, signals, the end of shims, and times. It wakes up for nothing else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use instance::InstanceName;
use instance::state::Shim;
use sys::event::{Timespec, epoll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::wake::Wake;

/// What wakes the daemon up.
#[derive(Debug)]
pub struct Alarms {
    epoll: OwnedFd,
    changed: Wake,
    shims: Mutex<Shims>,
    times: Mutex<BinaryHeap<Reverse<Time>>>,
}

#[derive(Debug, Default)]
struct Shims {
    last: u64,
    watched: HashMap<u64, Watched>,
}

/// A shim that is watched.
#[derive(Debug)]
struct Watched {
    name: InstanceName,
    shim: Shim,
    pidfd: OwnedFd,
}

/// When something is due: by CLOCK_MONOTONIC, which nobody sets; `due_ms` is how the record has it.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Time {
    at: u64,
    due_ms: u64,
    name: InstanceName,
}

/// Something that has happened.
#[derive(PartialEq, Eq, Debug)]
pub enum Alarm {
    /// One of the descriptors that were given to [`Alarms::add`] is readable: its number.
    Readable(u64),
    /// A shim has ended.
    Ended(InstanceName, Shim),
    /// It is time to start an instance again.
    Due(InstanceName, u64),
}

/// Numbers from here on are those of shims.
const FIRST_SHIM: u64 = 16;
const CHANGED: u64 = FIRST_SHIM - 1;
/// How many things that have happened are taken at once.
const AT_ONCE: usize = 64;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alarms {
    /// None yet.
    ///
    /// # Errors
    /// Those of epoll_create1(2) and eventfd(2).
    pub fn new() -> sys::Result<Self> {
        let alarms = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            changed: Wake::new()?,
            shims: Mutex::new(Shims { last: FIRST_SHIM, watched: HashMap::new() }),
            times: Mutex::default(),
        };
        alarms.register(alarms.changed.as_fd(), CHANGED)?;
        Ok(alarms)
    }

    fn register(&self, fd: BorrowedFd<'_>, number: u64) -> sys::Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
    }

    /// Looks at a descriptor too, which must live as long as this. `number` is below 15.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn add(&self, fd: BorrowedFd<'_>, number: u64) -> sys::Result<()> {
        self.register(fd, number)
    }

    /// Waits for the end of a shim too.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch(&self, name: &InstanceName, shim: Shim, pidfd: OwnedFd) -> sys::Result<()> {
        let mut shims = locked(&self.shims);
        shims.last += 1;
        let number = shims.last;
        let watched = Watched { name: name.clone(), shim, pidfd };
        self.register(watched.pidfd.as_fd(), number)?;
        shims.watched.insert(number, watched);
        Ok(())
    }

    /// Wakes up at this time, in milliseconds since 1970, for this instance.
    pub fn set(&self, name: &InstanceName, due_ms: u64) {
        let left_ms = due_ms.saturating_sub(crate::daemon::now_ms());
        let at = sys::clock::monotonic().saturating_add(left_ms.saturating_mul(1_000_000));
        self.push(Time { at, due_ms, name: name.clone() });
    }

    /// Wakes up in so many milliseconds for what was due at a time that is over.
    pub fn again(&self, name: &InstanceName, due_ms: u64, after_ms: u64) {
        let at = sys::clock::monotonic().saturating_add(after_ms.saturating_mul(1_000_000));
        self.push(Time { at, due_ms, name: name.clone() });
    }

    fn push(&self, time: Time) {
        locked(&self.times).push(Reverse(time));
        self.changed.raise();
    }

    /// Waits until something has happened.
    ///
    /// # Errors
    /// Those of epoll_wait(2).
    pub fn wait(&self) -> sys::Result<Vec<Alarm>> {
        let left = locked(&self.times).peek().map(|Reverse(next)| {
            let ns = next.at.saturating_sub(sys::clock::monotonic());
            Timespec {
                tv_sec: (ns / 1_000_000_000).cast_signed(),
                tv_nsec: (ns % 1_000_000_000).cast_signed(),
            }
        });
        let mut room =
            [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; AT_ONCE];
        let count = match epoll::wait(&self.epoll, &mut room[..], left.as_ref()) {
            Err(sys::Errno::INTR) => 0,
            count => count?,
        };
        let mut alarms = Vec::new();
        for event in room.iter().take(count) {
            match event.data.u64() {
                CHANGED => self.changed.lower(),
                number if number < FIRST_SHIM => alarms.push(Alarm::Readable(number)),
                number => alarms.extend(self.ended(number)),
            }
        }
        alarms.extend(self.due());
        Ok(alarms)
    }

    fn ended(&self, number: u64) -> Option<Alarm> {
        let watched = locked(&self.shims).watched.remove(&number)?;
        // To close the descriptor is not enough where somebody has a copy of it.
        let _ = epoll::delete(&self.epoll, &watched.pidfd);
        // Those that an earlier daemon started are not our children.
        let _ = sys::children::ended(&watched.pidfd);
        Some(Alarm::Ended(watched.name, watched.shim))
    }

    fn due(&self) -> Vec<Alarm> {
        let mut times = locked(&self.times);
        let now = sys::clock::monotonic();
        let mut due = Vec::new();
        while times.peek().is_some_and(|Reverse(next)| next.at <= now) {
            due.extend(times.pop().map(|Reverse(time)| Alarm::Due(time.name, time.due_ms)));
        }
        due
    }
}

/// Starts a thread for something that may take its time.
pub fn aside(what: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(what.into()).spawn(work) {
        // It would have to wait for memory as well here; what is lost is found by the next daemon.
        crate::journal::write(format!("thread for {what}: {error}"));
    }
}

/// What is done about the alarms that concern instances.
pub fn attend(daemon: &Arc<crate::daemon::Daemon>, alarm: Alarm) {
    let daemon = daemon.clone();
    match alarm {
        Alarm::Ended(name, shim) => aside("end", move || crate::effects::shim_ended(&daemon, &name, shim)),
        Alarm::Due(name, due_ms) => aside("restart", move || crate::effects::restart(&daemon, &name, due_ms)),
        Alarm::Readable(_) => {}
    }
}
