//! Who comes after whom in a round.
//!
//! A container's mounts, namespaces and groups are taken down by the kernel after its process has ended, so
//! whoever comes next pays for the one before. In a fixed order, or one that only begins elsewhere each time,
//! everyone would always pay for the same neighbour: the same program in two places of such an order took 1.85
//! and 2.33 ms, in this order 1.82 and 1.85.

use std::thread;
use std::time::Duration;

/// Every place below `count` once, in an order that differs from round to round and is the same in every
/// bench, so that two benches can be compared.
pub fn of_round(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for last in (1..count).rev() {
        state = next(state);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    order
}

/// Gives the kernel the time to finish with the one before.
pub fn settle() {
    thread::sleep(Duration::from_millis(3));
}

/// Marsaglia's xorshift64: good enough to mix an order, and needs no library. The state is never 0.
fn next(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_everyone_once() {
        for round in 0..100 {
            let mut order = of_round(round, 8);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn nobody_always_comes_after_the_same_one() {
        let mut followers = [[0; 8]; 8];
        for round in 0..600 {
            for pair in of_round(round, 8).windows(2) {
                followers[pair[0]][pair[1]] += 1;
            }
        }
        // 600 rounds with 7 pairs each, over 56 possible pairs: 75 times each if it is even.
        for (first, row) in followers.iter().enumerate() {
            for (second, times) in row.iter().enumerate().filter(|(second, _)| *second != first) {
                assert!((40..=110).contains(times), "{second} came {times} times after {first}");
            }
        }
    }
}
