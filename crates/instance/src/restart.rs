//! Whether an instance that has ended by itself is started again, and after how long.

use crate::Restart;
use crate::state::Reboot;

/// The first delay, in milliseconds; each further one in a row is twice as long.
const FIRST_MS: u64 = 100;
/// The longest delay, in milliseconds.
const LONGEST_MS: u64 = 60_000;
/// Who lived this long, in milliseconds, has started well: the next delay is the first again.
const LIVED_MS: u64 = 10_000;

/// What becomes of an instance that has ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It is not started again: its policy does not want it.
    Stay,
    /// It is not started again: it has been too often.
    GiveUp,
    /// It is started again.
    Again {
        /// After this many milliseconds.
        delay_ms: u64,
        /// How many times in a row that makes.
        restarts: u32,
    },
}

/// Decides it, from how it ended (`code`, `reboot`), how long it had lived, and how many times in a row it had been started
/// again before.
#[must_use]
pub fn next(policy: Restart, (code, reboot): (u8, Option<Reboot>), lived_ms: u64, restarts: u32) -> Next {
    let before = if lived_ms >= LIVED_MS { 0 } else { restarts };
    match (reboot, policy) {
        // Who is in it has decided, as with a machine.
        (Some(Reboot::PowerOff), _) => return Next::Stay,
        (Some(Reboot::Restart), _) => {}
        (None, Restart::No) => return Next::Stay,
        (None, Restart::OnFailure(_)) if code == 0 => return Next::Stay,
        (None, Restart::OnFailure(most)) if most != 0 && before >= most => return Next::GiveUp,
        (None, Restart::OnFailure(_) | Restart::Always | Restart::UnlessStopped) => {}
    }
    let delay = FIRST_MS.saturating_mul(1_u64.checked_shl(before).unwrap_or(u64::MAX));
    Next::Again { delay_ms: delay.min(LONGEST_MS), restarts: before.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(lived_ms: u64, restarts: u32) -> u64 {
        match next(Restart::Always, (0, None), lived_ms, restarts) {
            Next::Again { delay_ms, .. } => delay_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_delay_doubles_up_to_a_minute_and_begins_again_after_ten_seconds_of_life() {
        assert_eq!([0, 1, 2, 5, 9].map(|restarts| delay(0, restarts)), [100, 200, 400, 3200, 51_200]);
        assert_eq!([10, 63, 64, u32::MAX].map(|restarts| delay(9_999, restarts)), [60_000; 4]);
        assert_eq!(delay(10_000, 63), 100);
    }

    #[test]
    fn on_failure_lets_a_success_be_and_counts_failures_in_a_row() {
        assert_eq!(next(Restart::OnFailure(0), (0, None), 0, 0), Next::Stay);
        assert_eq!(next(Restart::OnFailure(2), (1, None), 0, 1), Next::Again { delay_ms: 200, restarts: 2 });
        assert_eq!(next(Restart::OnFailure(2), (1, None), 0, 2), Next::GiveUp);
        assert_eq!(
            next(Restart::OnFailure(2), (1, None), 20_000, 2),
            Next::Again { delay_ms: 100, restarts: 1 }
        );
        assert!(matches!(next(Restart::OnFailure(0), (1, None), 0, 1_000_000), Next::Again { .. }));
    }

    #[test]
    fn never_is_never() {
        assert_eq!(next(Restart::No, (1, None), 0, 0), Next::Stay);
    }

    #[test]
    fn who_powers_itself_off_stays_off_and_who_reboots_comes_again_whatever_the_policy() {
        for policy in [Restart::No, Restart::OnFailure(1), Restart::Always, Restart::UnlessStopped] {
            assert_eq!(next(policy, (130, Some(Reboot::PowerOff)), 0, 0), Next::Stay, "{policy:?}");
            for (before, delay_ms) in [(0, 100), (5, 3200)] {
                let again = Next::Again { delay_ms, restarts: before + 1 };
                assert_eq!(next(policy, (129, Some(Reboot::Restart)), 0, before), again, "{policy:?}");
            }
        }
    }
}
