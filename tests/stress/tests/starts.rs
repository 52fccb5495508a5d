//! Starts side by side from a process with many threads: none hangs, none fails, nothing is left.

use std::path::Path;
use std::time::{Duration, Instant};

use cli::Scratch;
use stress::{Deadline, Hammer, Noise, Tree, children, descriptors, mounts_below, rootfs};

const STARTS: usize = 10_000;

fn hammer(root: &Path) {
    let started = Instant::now();
    let tally = Noise::beside(|| Hammer { rootfs: root, threads: 8, starts: STARTS, groups: None }.run());
    let seconds = started.elapsed().as_secs_f64();
    println!("{tally:?} in {seconds:.1} s, {:.2} ms each", seconds * 1000.0 / STARTS as f64);
    let failing = STARTS / 30;
    assert_eq!((tally.unsuccessful, tally.missing, tally.refused), (failing, failing, failing));
    assert_eq!(tally.good, STARTS - 3 * failing);
}

#[test]
fn ten_thousand_starts_from_eight_threads_end_as_they_should_and_leave_nothing() {
    let _deadline = Deadline::of("ten thousand starts", Duration::from_secs(300));
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    // What is opened once and kept (a random seed, a clock) is open before the count.
    Noise::beside(|| Hammer { rootfs: &root, threads: 8, starts: 30, groups: None }.run());
    let before = (descriptors(), children(), Tree::of(scratch.path()), mounts_below(scratch.path()));
    hammer(&root);
    let after = (descriptors(), children(), Tree::of(scratch.path()), mounts_below(scratch.path()));
    assert_eq!(before, after, "descriptors, children, files, mounts");
    assert!(after.1.is_empty(), "children: {:?}", after.1);
}
