//! What is due when. The loop sleeps until the first; without any it sleeps for ever.

use alloc::collections::BTreeSet;

use sys::time::{ClockId, Timespec, clock_gettime};

use crate::key::Key;

/// Nanoseconds of the monotonic clock.
pub type Instant = u64;

/// A millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// The time on the monotonic clock.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Connection(Key),
    Session(Key),
}

/// Deadlines, at most one for each thing.
#[derive(Debug, Default)]
pub struct Timers {
    set: BTreeSet<(Instant, Due)>,
}

impl Timers {
    /// Moves a thing's deadline; `slot` is where the thing keeps it.
    pub fn set(&mut self, whose: Due, slot: &mut Option<Instant>, at: Option<Instant>) {
        if *slot == at {
            return;
        }
        if let Some(before) = slot.take() {
            self.set.remove(&(before, whose));
        }
        if let Some(at) = at {
            self.set.insert((at, whose));
            *slot = Some(at);
        }
    }

    /// How long to sleep; `None` is for ever.
    pub fn sleep(&self) -> Option<Timespec> {
        let (at, _) = self.set.first()?;
        let left = at.saturating_sub(now());
        // Whole milliseconds, rounded up: epoll_wait(2) knows no less, and must not wake early to spin.
        let left = left.div_ceil(MILLISECOND);
        Some(Timespec { tv_sec: (left / 1000).cast_signed(), tv_nsec: (left % 1000 * MILLISECOND) as i64 })
    }

    /// The next thing whose time has come; its deadline is gone from here.
    pub fn expired(&mut self, now: Instant) -> Option<Due> {
        let first = *self.set.first()?;
        (first.0 <= now).then(|| {
            self.set.remove(&first);
            first.1
        })
    }
}
