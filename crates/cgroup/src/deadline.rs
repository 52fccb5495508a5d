//! A moment until which to wait.
use core::time::Duration;
use sys::time::{ClockId, Timespec, clock_gettime};

/// A moment of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Timespec);

impl Deadline {
    /// The moment that is so far ahead; a span that the clock cannot hold is as good as none, 292 years.
    pub(crate) fn after(span: Duration) -> Deadline {
        let span = Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(span.subsec_nanos()),
        };
        let end = clock_gettime(ClockId::Monotonic).checked_add(span);
        Deadline(end.unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }))
    }

    /// What is left, or `None` when it has passed.
    pub(crate) fn left(self) -> Option<Timespec> {
        let left = self.0.checked_sub(clock_gettime(ClockId::Monotonic))?;
        (left.tv_sec >= 0 && (left.tv_sec, left.tv_nsec) != (0, 0)).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes() {
        assert!(Deadline::after(Duration::ZERO).left().is_none());
        let left = Deadline::after(Duration::from_secs(60)).left().expect("a minute");
        assert!((59..=60).contains(&left.tv_sec));
        assert!(Deadline::after(Duration::MAX).left().is_some());
    }
}
