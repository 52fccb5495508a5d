//! A moment until which to wait.
use core::time::Duration;
use sys::clock::monotonic;
use sys::time::Timespec;

/// A moment of the monotonic clock, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(u64);

impl Deadline {
    /// The moment that is so far ahead; a span that the clock cannot hold is as good as none, 584 years.
    pub(crate) fn after(span: Duration) -> Deadline {
        let seconds = span.as_secs().saturating_mul(1_000_000_000);
        Deadline(monotonic().saturating_add(seconds).saturating_add(u64::from(span.subsec_nanos())))
    }

    /// What is left, or `None` when it has passed.
    pub(crate) fn left(self) -> Option<Timespec> {
        let left = self.0.saturating_sub(monotonic());
        let (seconds, rest) = (left / 1_000_000_000, left % 1_000_000_000);
        (left > 0).then_some(Timespec { tv_sec: seconds.cast_signed(), tv_nsec: rest.cast_signed() })
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
