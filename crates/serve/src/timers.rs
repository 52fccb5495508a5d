//! What is due when. The loop sleeps until the first; without any it sleeps for ever.

use sys::time::Timespec;

use crate::key::Key;
use crate::ordered::Ordered;

/// Nanoseconds of the monotonic clock.
pub type Instant = u64;

/// A millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// The time on the monotonic clock.
pub fn now() -> Instant {
    sys::clock::monotonic()
}

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Connection(Key),
    Session(Key),
    /// The next attempt to connect by ourselves.
    Dial,
    /// The server's, when everything is being stopped.
    End,
}

impl Due {
    /// Its kind above the 56 bits of a key.
    const fn bits(self) -> u64 {
        match self {
            Self::Connection(key) => key.bits(),
            Self::Session(key) => key.bits() | 1 << 56,
            Self::End => 2 << 56,
            Self::Dial => 3 << 56,
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match bits >> 56 {
            0 => Self::Connection(Key::from_bits(bits)),
            1 => Self::Session(Key::from_bits(bits)),
            2 => Self::End,
            _ => Self::Dial,
        }
    }
}

/// Deadlines, at most one for each thing.
#[derive(Debug, Default)]
pub struct Timers {
    set: Ordered,
}

impl Timers {
    /// Moves a thing's deadline; `slot` is where the thing keeps it.
    pub fn set(&mut self, whose: Due, slot: &mut Option<Instant>, at: Option<Instant>) {
        if *slot == at {
            return;
        }
        if let Some(before) = slot.take() {
            self.set.remove(before, whose.bits());
        }
        if let Some(at) = at {
            self.set.insert(at, whose.bits());
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
        let (at, whose) = self.set.first().filter(|(at, _)| *at <= now)?;
        self.set.remove(at, whose);
        Some(Due::from_bits(whose))
    }
}
